"""Open an image of a Zarr store lazily: any level, label image or plain array."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from fijibridge.errors import FormatError, SettingsError, nearest
from fijibridge.formats._hdf5.axistags import asked_axes
from fijibridge.formats._lazy import LazySource, check_no_level, pixel_dtype
from fijibridge.formats._zarr.read import (
    Multiscale,
    extra_fields,
    ilastik_fields,
    multiscale_of,
    ome_attributes,
    plain_axes,
)
from fijibridge.formats._zarr.store import Store, check_settled, guard_for, locate
from fijibridge.model import Axes, Extra, ImageSpec, Level

if TYPE_CHECKING:
    from fijibridge.formats._format import ReadOptions
    from fijibridge.formats._location import Location
    from fijibridge.model import Role

__all__ = ["find_images", "open_location", "open_node", "owner_of"]

_MAX_FOUND = 200
_MAX_LOOKED_AT = 5000


def open_location(where: Location, options: ReadOptions) -> LazySource:
    """Open what a path names.

    Raises
    ------
    FormatError
        When there is nothing, several images, or broken metadata.
    SettingsError
        When there is no such level.
    """
    root, node = locate(where)
    check_settled(root)
    store = Store(root)
    try:
        return open_node(store, node, options)
    except BaseException:
        store.close()
        raise


def open_node(store: Store, node: str, options: ReadOptions) -> LazySource:
    kind = store.kind(node)
    if kind == "array":
        check_no_level(options.level, store.name(node))
        owner, index = _owner(store, node, lenient=options.axes is not None)
        if owner is not None:
            return _open_level(store, owner, index, options)
        return _open_plain(store, node, options)
    found = multiscale_of(store, node, lenient=options.axes is not None) if kind else None
    if found is None:
        only = _only_image(store, node, kind)
        if only != node:
            return open_node(store, only, options)
        raise FormatError(f"There is no image at {store.name(node)}.")
    return _open_level(store, found, _level_index(found, options.level, store), options)


def _owner(store: Store, node: str, *, lenient: bool) -> tuple[Multiscale | None, int]:
    """Return the multiscale image of which an array is a level, and its number."""
    parts = node.split("/") if node else []
    for i in range(len(parts) - 1, -1, -1):
        parent, path = "/".join(parts[:i]), "/".join(parts[i:])
        if store.kind(parent) != "group":
            return None, 0
        try:
            found = multiscale_of(store, parent, lenient=lenient)
        except FormatError:
            found = None  # the array itself is good
        if found is not None:
            paths = [d.path for d in found.datasets]
            if path in paths:
                return found, paths.index(path)
    return None, 0


def owner_of(store: Store, node: str) -> str | None:
    """Return the node of the multiscale image of which an array is a level, or None."""
    found, _ = _owner(store, node, lenient=True)
    return None if found is None else found.node


def find_images(store: Store, node: str) -> list[str]:
    """Return the nodes at or below a group that are multiscale images or lone arrays."""
    found: list[str] = []
    queue = [node]
    for _ in range(_MAX_LOOKED_AT):  # folders may be linked in circles
        if not queue or len(found) >= _MAX_FOUND:
            break
        here = queue.pop(0)
        kind = store.kind(here)
        if kind == "array":
            found.append(here)
            continue
        if not kind and here != node:
            continue
        attributes, _ = ome_attributes(store.attributes(here))
        levels: set[str] = set()
        if "multiscales" in attributes:
            found.append(here)
            try:
                image = multiscale_of(store, here)
                levels = {d.path for d in image.datasets} if image else set()
            except FormatError:
                continue
        below = [n for n in store.children(here) if n not in levels]
        queue += [f"{here}/{name}".lstrip("/") for name in below if here.count("/") < 8]
    return found


def _only_image(store: Store, node: str, kind: str) -> str:
    images = find_images(store, node) if kind or store.has_folder(node) else []
    if len(images) == 1:
        return images[0]
    if not images:
        others = find_images(store, "") if node else []
        listed = "; ".join(name or "the store itself" for name in others[:20])
        raise FormatError(
            f"There is no image at {store.name(node)}."
            + (f" The store holds: {listed}." if listed else "")
        )
    listed = "; ".join(images[:20]) + ("; …" if len(images) > 20 else "")
    raise FormatError(
        f"{store.name(node)} holds {len(images)} images: {listed}.",
        f"Say which one: {store.where}/{images[0]}",
    )


def _level_index(found: Multiscale, level: int | str, store: Store) -> int:
    paths = [d.path for d in found.datasets]
    if isinstance(level, str):
        if level in paths:
            return paths.index(level)
        if level.lstrip("-").isdigit():
            level = int(level)
    if isinstance(level, str) or not -len(paths) <= level < len(paths):
        raise SettingsError(
            f"{store.name(found.node)} has no level {level!r}.{nearest(str(level), paths)}",
            f"Levels: {', '.join(paths)} (or numbers 0 to {len(paths) - 1}, 0 = largest).",
        )
    return level % len(paths)


def _node(found: Multiscale, index: int) -> str:
    return f"{found.node}/{found.datasets[index].path}".lstrip("/")


def _open_level(store: Store, found: Multiscale, index: int, options: ReadOptions) -> LazySource:
    node = _node(found, index)
    if store.kind(node) != "array":
        raise FormatError(
            f"{store.name(found.node)} says that it has a level {found.datasets[index].path!r}, "
            "but there is no such array.",
            "The store is damaged or incomplete; make it anew or copy it again.",
        )
    array = store.array(node)
    whole = array if index == 0 else _array_or_none(store, _node(found, 0))
    shapes = [tuple(whole.shape) if whole is not None else tuple(array.shape), tuple(array.shape)]
    levels: tuple[Level, ...] = ()
    if options.axes is None:
        axes = found.axes(index, shapes, store.name(node))
        levels = _levels(store, found, shapes[0])
    else:
        axes = asked_axes(options.axes, _axes_or_blank(found, index, shapes, store, node))
    attributes = store.attributes(node)
    extra = Extra(**extra_fields(found, attributes, axes.size("c")))
    role = _role(found.node, found, array.dtype.kind, extra, options.role)
    name = found.name if found.node else _stem(store.where)
    return _source(store, node, array, axes, role, extra, name or _stem(store.where), levels)


def _axes_or_blank(
    found: Multiscale, index: int, shapes: list[tuple[int, ...]], store: Store, node: str
) -> Axes:
    try:
        return found.axes(index, shapes, store.name(node))
    except FormatError:
        return Axes.of("tzyxc"[: len(shapes[1])], shapes[1])


def _array_or_none(store: Store, node: str) -> Any:
    try:
        return store.array(node) if store.kind(node) == "array" else None
    except FormatError:
        return None


def _levels(store: Store, found: Multiscale, shape: tuple[int, ...]) -> tuple[Level, ...]:
    """Return the levels that are there and make sense; `validate` names the others."""
    levels = []
    for i, dataset in enumerate(found.datasets):
        array = _array_or_none(store, _node(found, i))
        if array is not None and len(array.shape) == len(shape):
            try:
                axes = found.axes(i, [shape, tuple(array.shape)], store.name(_node(found, i)))
            except FormatError:
                continue
            levels.append(Level(dataset.path, axes))
    return tuple(levels)


def _role(node: str, found: Multiscale | None, kind: str, extra: Extra, asked: Role | None) -> Role:
    if asked is not None:
        return asked
    parents = node.split("/")[:-1]
    says = found is not None and found.image_label is not None
    if kind in "iu" and (
        says or "labels" in parents[-1:] or extra.display_mode == "random-colortable"
    ):
        return "labels"
    return "intensity"


def _stem(where: str) -> str:
    name = PurePath(where).name
    for suffix in (".zip", ".ozx", ".zarr", ".ome"):
        if name.lower().endswith(suffix):
            name = name[: -len(suffix)]
    return name


def _open_plain(store: Store, node: str, options: ReadOptions) -> LazySource:
    array = store.array(node)
    if options.axes is None:
        axes = plain_axes(store, node, array)
    else:
        axes = asked_axes(options.axes, Axes.of("tzyxc"[: len(array.shape)], array.shape))
    extra = Extra(**ilastik_fields(store.attributes(node)))
    role = _role(node, None, array.dtype.kind, extra, options.role)
    return _source(store, node, array, axes, role, extra, _stem(store.where), ())


def _source(
    store: Store,
    node: str,
    array: Any,
    axes: Axes,
    role: Role,
    extra: Extra,
    name: str,
    levels: tuple[Level, ...],
) -> LazySource:
    spec = ImageSpec(
        axes=axes,
        dtype=pixel_dtype(array.dtype),
        role=role,
        name=name,
        scales=levels,
        extra=extra,
    )
    return LazySource(
        spec, array, store.name(node), close=store.close, guard=guard_for(array, store, node)
    )
