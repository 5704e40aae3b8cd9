"""N5 containers: folders of datasets in blocks; a path goes on inside, ``a.n5/exported_data``.

Read are raw, gzip, bzip2, xz, zstd and blosc blocks, datasets alone or as levels ``s0``, ``s1``,
… of one image. Written are gzip (level 1) or raw blocks with ilastik's chunks and ``axistags``.
ilastik writes the attribute ``axes`` as one string, which tensorstore refuses to open; here it is
a list, unless the version ``ilastik`` is asked for.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from fijibridge.errors import FijiBridgeError, FormatError, SettingsError
from fijibridge.formats._format import Finding, Format, ReadOptions, WriteOptions
from fijibridge.formats._hdf5.axistags import asked_axes, text_of
from fijibridge.formats._image_info import describe_spec
from fijibridge.formats._lazy import LazySource, check_no_level
from fijibridge.formats._n5.attributes import axes_of, read_attributes
from fijibridge.formats._n5.blocks import DTYPES, N5Array, layout_of
from fijibridge.formats._n5.write import N5Sink, check_image
from fijibridge.model import Axes, Extra, ImageSpec, Level, Region, Role

if TYPE_CHECKING:
    from pathlib import Path

    from fijibridge.formats._location import Location
    from fijibridge.model import ImageSink, ImageSource

__all__ = ["FORMAT"]

_LEVEL = re.compile(r"s(\d{1,3})$")
_DEEPEST, _MOST = 6, 1000
_LABEL_MODES = ("random-colortable",)


def _sniff(path: Path, head: bytes, /) -> bool:
    del head
    if not path.is_dir():
        return False
    if path.name.lower().endswith(".n5"):
        return True
    try:
        found = read_attributes(path)
    except FormatError:
        return False
    return "n5" in found or {"dimensions", "blockSize", "dataType"} <= set(found)


def _is_dataset(folder: Path) -> bool:
    return "dimensions" in read_attributes(folder)


def _datasets(folder: Path, depth: int = 0) -> list[Path]:
    """Return the datasets in and below a folder; blocks and links are not searched."""
    if _is_dataset(folder):
        return [folder]
    if depth == _DEEPEST:
        return []
    found: list[Path] = []
    for child in sorted(folder.iterdir()):
        hidden = child.name.startswith(".") or child.is_symlink()
        if not hidden and child.is_dir() and len(found) < _MOST:
            found += _datasets(child, depth + 1)
    return found


def _images(folder: Path) -> dict[Path, list[Path]]:
    """Return {folder of an image: its levels}; a dataset is an image of one level."""
    found: dict[Path, list[Path]] = {}
    for dataset in _datasets(folder):
        in_levels = _LEVEL.match(dataset.name) and _is_dataset(dataset.with_name("s0"))
        inside = dataset != folder
        found.setdefault(dataset.parent if in_levels and inside else dataset, []).append(dataset)
    for levels in found.values():
        levels.sort(key=lambda p: (len(p.name), p.name))
    return found


def _chosen(where: Location) -> tuple[Path, list[Path]]:
    """Return the image that is meant, and its levels."""
    folder = where.path.joinpath(*where.inner.split("/")) if where.inner else where.path
    if ".." in where.inner.split("/") or not folder.is_dir():
        raise FormatError(
            f"There is no {where.inner!r} in {str(where.path)!r}.", "Check the path inside it."
        )
    try:
        images = _images(folder)
    except OSError as error:
        raise FormatError(f"{str(where)!r} cannot be read: {error.strerror or error}.") from error
    if not images:
        raise FormatError(f"{str(where)!r} holds no image: no N5 dataset is in it.")
    if len(images) > 1:
        names = ", ".join(repr(str(path)) for path in list(images)[:20])
        raise FormatError(f"{str(where)!r} holds {len(images)} images.", f"Name one of: {names}.")
    return next(iter(images.items()))


def _level(levels: list[Path], asked: int | str, what: str) -> int:
    names = [path.name for path in levels]
    if asked in names:
        return names.index(str(asked))
    if re.fullmatch(r"-?\d{1,4}", str(asked)) and -len(names) <= int(asked) < len(names):
        return int(asked) % len(names)
    raise SettingsError(
        f"{what} has no level {asked!r}; it has {', '.join(names)}.",
        f"Choose one by name, or by number, 0 to {len(names) - 1}.",
    )


def _axes(dataset: Path, folder: Path, what: str) -> Axes:
    own = read_attributes(dataset)
    above = read_attributes(folder) if folder != dataset else {}
    return axes_of(own, above, layout_of(dataset, own, what).shape, what)


def _open(where: Location, options: ReadOptions, /) -> ImageSource:
    folder, levels = _chosen(where)
    what = repr(str(folder))
    if len(levels) == 1 and levels[0] == folder:
        check_no_level(options.level, what)
        dataset = folder
    else:
        dataset = levels[_level(levels, options.level, what)]
    own = read_attributes(dataset)
    layout = layout_of(dataset, own, what)
    if options.axes is None:
        axes = _axes(dataset, folder, what)
    else:
        try:
            known = _axes(dataset, folder, what)
        except FormatError:  # what is asked for may be what is wrong in the file
            known = None
        axes = Axes.of(options.axes.lower(), layout.shape)
        axes = asked_axes(options.axes, known) if known is not None else axes
    mode = text_of(own.get("display_mode"))
    is_labels = mode in _LABEL_MODES and layout.dtype.kind in "iu"
    role: Role = options.role or ("labels" if is_labels else "intensity")
    scales: tuple[Level, ...] = ()
    if len(levels) > 1 and options.axes is None:
        scales = tuple(Level(path.name, _axes(path, folder, what)) for path in levels)
    spec = ImageSpec(
        axes=axes,
        dtype=layout.dtype,
        role=role,
        name=where.path.stem,
        scales=scales,
        extra=Extra(display_mode=mode, drange=_drange(own.get("drange"))),
    )
    array = N5Array(layout)
    return LazySource(spec, array, what, close=lambda: None, guard=array.guard)


def _drange(value: Any) -> tuple[float, float] | None:
    try:
        low, high = (float(v) for v in value)
    except (TypeError, ValueError, OverflowError):
        return None
    return low, high


def _create(where: Location, spec: ImageSpec, options: WriteOptions, /) -> ImageSink:
    return N5Sink(where, spec, options)


def _describe(where: Location, /) -> dict[str, Any]:
    folder = where.path / where.inner
    found: dict[str, Any] = {"format": "N5"}
    images = _images(folder) if folder.is_dir() else {}
    found["images"] = [str(path.relative_to(where.path)) for path in images]
    if len(images) == 1:
        found.update(describe_spec(_open(where, ReadOptions()).spec))
        own = read_attributes(next(iter(images.values()))[0])
        found["compression"] = own.get("compression")
        found["chunks"] = list(own.get("blockSize", []))[::-1]
    return found


def _validate(where: Location, /) -> list[Finding]:
    try:
        folder = where.path / where.inner
        images = _images(folder) if folder.is_dir() else {}
        if not images:
            return [Finding("error", f"{str(where)!r} holds no N5 dataset.")]
        found = []
        for path, levels in images.items():
            for dataset in levels:
                own = read_attributes(dataset)
                layout = layout_of(dataset, own, repr(str(dataset)))
                axes_of(own, read_attributes(path), layout.shape, repr(str(dataset)))
                array = N5Array(layout)
                corner = Region((0,) * len(layout.shape), (1,) * len(layout.shape))
                array[corner.slices]
                if not own.get("axistags") and not own.get("axes"):
                    found.append(Finding("warning", f"{dataset}: says no axes; they are a guess."))
    except FijiBridgeError as error:
        return [Finding("error", str(error))]
    return found


FORMAT = Format(
    name="n5",
    suffixes=(".n5",),
    title="N5 container",
    sniff=_sniff,
    open_image=_open,
    create_image=_create,
    check_image=check_image,
    describe=_describe,
    validate=_validate,
    dtypes=DTYPES,
    container=True,
    folder=True,
)
