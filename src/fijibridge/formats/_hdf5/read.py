"""Find and describe the images of an HDF5 file, whatever its bytes are.

What is read is bounded: links out of the file are not followed, every object is visited once,
and a read of more bytes than the file can hold is refused before memory is asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fijibridge.errors import FijiBridgeError, FormatError
from fijibridge.formats._carried import CARRIED, placed, texts_of
from fijibridge.formats._hdf5.axistags import (
    asked_axes,
    axes_attribute_keys,
    axis_units_of,
    axistags_of,
    checked_axes,
    guess_keys,
    text_of,
)
from fijibridge.formats._hdf5.chunked import chunked
from fijibridge.formats._hdf5.heap import check_name_heaps, guarded, has_long_texts
from fijibridge.formats._lazy import GIB, LazySource, check_no_level, first_line, pixel_dtype
from fijibridge.model import Axes, Extra, ImageSpec
from fijibridge.model.json_text import parse_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from fijibridge.formats._format import ReadOptions
    from fijibridge.formats._location import Location
    from fijibridge.model import Role

__all__ = [
    "READ_ATTRIBUTES",
    "Entry",
    "axes_of",
    "entries",
    "image_entries",
    "open_entry",
    "open_file",
    "read_attribute",
    "role_of",
]

_MAX_OBJECTS = 100_000
#: No lossless filter of HDF5 shrinks more: deflate 1032 : 1, twice for shuffle + deflate of zeros.
_MAX_RATIO = 2100
#: One chunk is decoded whole, however small the region; nobody writes larger ones (HDF5: 4 GiB).
_MAX_CHUNK = GIB
#: ilastik's display modes of label images
_LABEL_MODES = ("random-colortable",)


#: Attributes of an image that say something to us.
READ_ATTRIBUTES = (
    "axistags", "axes", "DIMENSION_LABELS", "axis_units", "element_size_um",
    "drange", "display_mode", "type", CARRIED,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Entry:
    """One dataset of a file."""

    path: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    problem: str = ""

    @property
    def is_image(self) -> bool:
        """Whether it could be an image by shape and dtype."""
        return not self.problem and self.dtype.kind in "biuf" and 2 <= len(self.shape) <= 5

    def __str__(self) -> str:
        return f"{self.path} {self.shape} {self.dtype}" if not self.problem else self.path


def open_file(path: Path) -> Any:
    """Open a file for reading.

    Raises
    ------
    FormatError
        When it is missing, truncated, or no HDF5.
    """
    import h5py

    try:
        check_name_heaps(path)
        return h5py.File(path, "r", locking="best-effort")
    except FileNotFoundError:
        raise FormatError(f"There is no file {str(path)!r}.", "Check the path.") from None
    except Exception as error:
        if isinstance(error, BlockingIOError) or "unable to lock file" in str(error):
            raise FormatError(
                f"{str(path)!r} is being written by another program.", "Close it there first."
            ) from error
        raise FormatError(
            f"{str(path)!r} is no readable HDF5 file: {first_line(error)}.",
            "It is damaged or incomplete; make it anew or copy it again.",
        ) from error


def read_attribute(obj: Any, name: str) -> Any:
    """Return an attribute, None when there is none or it cannot be read."""
    import h5py

    try:
        if name not in obj.attrs:
            return None
        space = obj.attrs.get_id(name)
        # an attribute is words or a few numbers: never allocate what a broken header claims
        if int(np.prod(space.shape, dtype=object)) > 100_000:
            return None
        if not has_long_texts(space.dtype):
            return obj.attrs[name]
        # lists of any length are never words of ours, and the library crashes on damaged ones
        if space.get_type().get_class() != h5py.h5t.STRING:
            return None
        with guarded(obj) as again:
            return again.attrs[name]
    except Exception:  # noqa: BLE001  # h5py raises what it pleases on broken bytes
        return None


def entries(file: Any) -> Iterator[Entry]:
    """Yield every dataset once, in the order of the names; links out of the file are left out."""
    import h5py

    seen: set[Any] = set()
    stack: list[tuple[str, Any]] = [("", file)]
    while stack:
        prefix, group = stack.pop()
        try:
            names = sorted(group)
        except Exception as error:  # noqa: BLE001  # broken bytes
            yield Entry(prefix or "/", (), np.dtype("V1"), f"unreadable group: {first_line(error)}")
            continue
        deeper: list[tuple[str, Any]] = []
        for name in names:
            path = f"{prefix}/{name}" if prefix else name
            try:
                if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                    continue
                obj = group[name]
                info = h5py.h5o.get_info(obj.id)
                key = (info.fileno, info.addr)
                if key in seen:
                    continue
                seen.add(key)
                if isinstance(obj, h5py.Group):
                    deeper.append((path, obj))
                elif isinstance(obj, h5py.Dataset):
                    yield Entry(path, tuple(map(int, obj.shape or ())), obj.dtype)
            except Exception as error:  # noqa: BLE001  # broken bytes
                yield Entry(path, (), np.dtype("V1"), f"unreadable: {first_line(error)}")
            if len(seen) > _MAX_OBJECTS:
                raise FormatError(f"The file holds more than {_MAX_OBJECTS} objects.")
        stack.extend(reversed(deeper))


def image_entries(file: Any) -> tuple[list[Entry], list[Entry]]:
    """Return (the datasets that are images, all datasets).

    The object images beside an ilastik object table belong to the table.
    """
    found = list(entries(file))
    tables = [e.path for e in found if e.dtype.names]
    images = [
        entry
        for entry in found
        if entry.is_image and not (tables and entry.path.startswith("images/"))
    ]
    return images, found


def _listed(found: list[Entry], prefix: str = "") -> str:
    shown = "; ".join(f"{prefix}{entry}" for entry in found[:20])
    return (shown + ("; …" if len(found) > 20 else "")) or "nothing"


def _only_image(file: Any, where: Location) -> Any:
    images, found = image_entries(file)
    if not images:
        raise FormatError(f"{str(where.path)!r} holds no image. It holds: {_listed(found)}.")
    if len(images) > 1:
        raise FormatError(
            f"{str(where.path)!r} holds {len(images)} images: {_listed(images)}.",
            f"Say which one: {where.path}/{images[0].path}",
        )
    return file[images[0].path]


def _step(group: Any, part: str, where: Location) -> Any:
    """Return one object of a group; None when there is none."""
    import h5py

    link = group.get(part, getlink=True) if isinstance(group, h5py.Group) else None
    if isinstance(link, h5py.ExternalLink):
        raise FormatError(
            f"{str(where)!r} is a link to another file, {link.filename!r}; "
            "links out of a file are not followed.",
            f"Open that file: {link.filename}/{link.path.strip('/')}",
        )
    try:
        return None if link is None else group[part]
    except Exception:  # noqa: BLE001  # links that lead nowhere or round and round
        return None


def dataset_at(file: Any, where: Location) -> Any:
    """Return the dataset that a location means."""
    import h5py

    inner = where.inner.strip("/")
    if not inner:
        return _only_image(file, where)
    found = file
    for part in inner.split("/"):
        found = _step(found, part, where)
        if found is None:
            images, others = image_entries(file)
            raise FormatError(
                f"{str(where.path)!r} holds no dataset {inner!r}. "
                f"It holds: {_listed(images or others)}."
            )
    if isinstance(found, h5py.Group):
        images, _ = image_entries(found)
        if len(images) != 1:
            raise FormatError(
                f"{str(where)!r} is a group, not an image. "
                f"Images in it: {_listed(images, f'{inner}/')}.",
                "Name one of its datasets.",
            )
        return found[images[0].path]
    if not isinstance(found, h5py.Dataset):
        raise FormatError(f"{str(where)!r} is no dataset.")
    return found


def check_dataset(dataset: Any, what: str) -> None:
    """Raise FormatError when a dataset is no image or cannot be read safely."""
    if dataset.dtype.kind not in "biuf":
        kind = "a table" if dataset.dtype.names else f"of type {dataset.dtype}"
        raise FormatError(f"{what} is {kind}, not an image; pixels are numbers.")
    if dataset.shape is None or not 1 <= len(dataset.shape) <= 5:
        raise FormatError(f"{what} has the shape {dataset.shape}; images have 1 to 5 axes.")
    if dataset.external or (dataset.is_virtual and _leaves_the_file(dataset)):
        raise FormatError(
            f"{what} keeps its pixels in other files; links out of a file are not followed.",
            "Open those files instead.",
        )
    if dataset.chunks and _bytes(dataset.chunks, dataset.dtype) > _MAX_CHUNK:
        raise FormatError(
            f"{what} says that its chunks are {dataset.chunks} of {dataset.dtype}, "
            "which is more than 1 GiB each."
        )


def _leaves_the_file(dataset: Any) -> bool:
    return any(source.file_name != "." for source in dataset.virtual_sources())


def _bytes(shape: tuple[int, ...], dtype: np.dtype[Any]) -> int:
    return int(np.prod(shape, dtype=object)) * dtype.itemsize


def guard_for(dataset: Any, what: str) -> Callable[[int], None]:
    """Return a function that refuses to read more bytes than the file can hold."""

    def guard(nbytes: int) -> None:
        if nbytes <= GIB:
            return
        stored = 0 if dataset.is_virtual else int(dataset.id.get_storage_size())
        ratio = _MAX_RATIO if dataset.chunks else 1
        if not dataset.is_virtual and nbytes > stored * ratio + GIB:
            raise FormatError(
                f"{what} says that it is {dataset.shape} of {dataset.dtype} "
                f"({nbytes / GIB:.1f} GiB asked for), but the file holds {stored} bytes of it.",
                "The file is damaged or incomplete. Read a region of it, if it is right.",
            )

    return guard


def axes_of(dataset: Any, what: str) -> tuple[Axes, dict[str, str]]:
    """Return (axes, {letter: description}) as the attributes say, guessed when none does."""
    shape = tuple(map(int, dataset.shape))
    units = axis_units_of(read_attribute(dataset, "axis_units"))
    scale: dict[str, float] = {}
    notes: dict[str, str] = {}
    tags = text_of(read_attribute(dataset, "axistags"))
    if tags:
        found, notes = axistags_of(tags, what)
        keys = "".join(key for key, _ in found)
        scale = dict(found)
    else:
        keys = axes_attribute_keys(read_attribute(dataset, "axes"))
        labels = axes_attribute_keys(read_attribute(dataset, "DIMENSION_LABELS"))
        keys = next((k for k in (keys, labels) if len(k) == len(shape)), "") or guess_keys(shape)
    size = read_attribute(dataset, "element_size_um")
    if size is not None and not any(scale.values()):
        # ImageJ's HDF5 plugin: z, y, x in micrometers
        values = [float(v) for v in np.atleast_1d(np.asarray(size, np.float64)).ravel()]
        scale = dict(zip("zyx"[-len(values) :], values[-3:], strict=False))
        units = dict.fromkeys(scale, "micrometer") | units
    return checked_axes(keys, shape, what, scale=scale, unit=units), notes


def role_of(dataset: Any, asked: Role | None) -> Role:
    """Return the role of an image: as asked, else as ilastik's attributes say, else intensity."""
    if asked is not None:
        return asked
    if dataset.dtype.kind in "iu" and (
        text_of(read_attribute(dataset, "display_mode")) in _LABEL_MODES
        or text_of(read_attribute(dataset, "type")) == "labeling"
    ):
        return "labels"
    return "intensity"


def drange_of(dataset: Any) -> tuple[float, float] | None:
    """Return ilastik's data range."""
    value = read_attribute(dataset, "drange")
    try:
        low, high = (float(v) for v in np.asarray(value).ravel())
    except (TypeError, ValueError):
        return None
    return low, high


def _said(dataset: Any) -> dict[str, Any]:
    """Return what our files say beside ilastik's attributes."""
    try:
        found = parse_json(text_of(read_attribute(dataset, CARRIED)) or "{}")
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def open_entry(where: Location, options: ReadOptions) -> LazySource:
    """Open one dataset of a file lazily."""
    file = open_file(where.path)
    try:
        dataset = dataset_at(file, where)
        name = str(dataset.name or "").strip("/")
        what = f"{str(where.path)!r} dataset {name!r}"
        check_dataset(dataset, what)
        check_no_level(options.level, what)
        if options.axes is None:
            axes, notes = axes_of(dataset, what)
        else:
            axes = asked_axes(options.axes, _axes_or_blank(dataset, what))
            notes = {}
        role = role_of(dataset, options.role)
        said = _said(dataset)
        axes = Axes(tuple(placed(axis, said) for axis in axes))
        _, info, properties = texts_of(said)
        extra = Extra(
            info=info,
            properties=properties,
            drange=drange_of(dataset),
            display_mode=text_of(read_attribute(dataset, "display_mode")),
            other={"axis_descriptions": notes} if notes else {},
        )
        spec = ImageSpec(
            axes=axes,
            dtype=pixel_dtype(dataset.dtype),
            role=role,
            name=where.path.stem,
            extra=extra,
        )
        array = chunked(dataset, where.path, what)

        def close() -> None:
            if array is not dataset:
                array.close()
            file.close()

        return LazySource(spec, array, what, close=close, guard=guard_for(dataset, what))
    except FijiBridgeError:
        file.close()
        raise
    except Exception as error:
        file.close()
        raise FormatError(
            f"{str(where)!r} cannot be read: {first_line(error)}.",
            "The file is damaged or incomplete; make it anew or copy it again.",
        ) from error


def _axes_or_blank(dataset: Any, what: str) -> Axes:
    """Return the file's axes; any others of the shape when it says nonsense."""
    try:
        return axes_of(dataset, what)[0]
    except FormatError:
        shape = tuple(map(int, dataset.shape))
        return Axes.of("tzyxc"[: len(shape)], shape)
