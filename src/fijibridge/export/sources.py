"""What users give as an input: a file, a quoted pattern (one stack), a value, an array."""

from __future__ import annotations

import glob
import os
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

from fijibridge.errors import FormatError, SettingsError
from fijibridge.export.globs import inner_matches
from fijibridge.export.naming import InputName, nickname
from fijibridge.formats import Location, open_image
from fijibridge.formats._lazy import first_line
from fijibridge.model import Axes, Axis, Image, ImageSource, ImageSpec, Region
from fijibridge.model.axes import KEYS

if TYPE_CHECKING:
    from fijibridge.export.settings import ExportSettings

__all__ = [
    "ArraySource",
    "AsIlastik",
    "Computed",
    "Stack",
    "input_name",
    "matches",
    "open_input",
    "open_source",
]

#: What ilastik takes arrays without axes for.
_GUESS = {1: "x", 2: "yx", 3: "zyx", 4: "zyxc", 5: "tzyxc"}


@runtime_checkable
class Computed(Protocol):
    """An input that is not read but computed from one: it says what, and how it is opened.

    Its name is that of the file when it is a path too (``os.PathLike``).
    """

    def result_of(self, settings: ExportSettings, /) -> str:
        """Return the display name of the result that is exported."""
        ...

    def __hash__(self) -> int: ...

    def open_result(self, settings: ExportSettings, /) -> ImageSource:
        """Return that result."""
        ...


def _natural(path: str) -> list[tuple[int, int, str]]:
    return [
        (0, int(part), "") if part.isdigit() else (1, 0, part)
        for part in re.split(r"([0-9]+)", path)
        if part
    ]


def matches(pattern: str, *, exact: bool = False) -> list[str]:
    """Return what a path names: itself, or the matches of a pattern, t2 before t10.

    Parameters
    ----------
    pattern
        Path; with ``* ? [`` a pattern, unless a file is so named.
    exact
        In ilastik's order, letter by letter.

    Raises
    ------
    FormatError
        When nothing matches.
    """
    if not any(c in pattern for c in "*?[") or Path(pattern).exists():
        return [pattern]
    found = inner_matches(pattern)
    if not found:
        found = glob.glob(pattern, recursive=True)  # noqa: PTH207  # patterns may be absolute
    if not found:
        where = Location.parse(pattern)
        if where.inner:
            files = glob.glob(str(where.path), recursive=True)  # noqa: PTH207  # as above
            found = [f"{path}/{where.inner}" for path in files]
    if not found:
        raise FormatError(f"No file matches {pattern!r}.", "Check the folder and the pattern.")
    return sorted(found) if exact else sorted(found, key=_natural)


def input_name(value: Any, index: int, *, exact: bool) -> InputName:
    """Return what the placeholders of an input are made of.

    Raises
    ------
    FormatError
        When a pattern matches nothing.
    """
    if not isinstance(value, (str, os.PathLike)):
        spec = getattr(value, "spec", None)
        return InputName(
            dataset_dir=str(Path.cwd()),
            nickname=nickname([spec.name or "image"]) if spec is not None else "image",
            index=index,
        )
    places = [Location.parse(_local(path)) for path in matches(_local(value), exact=exact)]
    first = places[0]
    return InputName(
        dataset_dir=os.path.abspath(first.path.parent),  # noqa: PTH100  # links are kept
        nickname=nickname(
            list(dict.fromkeys(str(place.path) for place in places)), _inner(places), exact=exact
        ),
        index=index,
    )


def _inner(places: list[Location]) -> str:
    """Return the place inside the files, of several places what their names begin with."""
    inners = [place.inner for place in places]
    if len(set(inners)) == 1:
        return inners[0]
    common = os.path.commonprefix(inners)  # noqa: RUF071  # letter by letter is what is meant
    return re.sub(r"[-_. \d/]+$", "", common)


def _local(value: str | os.PathLike[str]) -> str:
    text = os.fspath(value)
    return text.removeprefix("file://")


def open_source(value: Any, settings: ExportSettings) -> ImageSource:
    """Open an input lazily.

    Parameters
    ----------
    value
        Path, quoted pattern, `ImageSource`, or an array (numpy, zarr, dask).
    settings
        Of them `input_axes`, `stack_along`, `role` and `compat` are used.

    Raises
    ------
    FormatError
        When a file is missing or broken, or the files of a stack differ.
    """
    if isinstance(value, Computed):
        return value.open_result(settings)
    source = open_input(value, settings)
    return AsIlastik(source, settings) if settings.exact else source


def open_input(value: Any, settings: ExportSettings) -> ImageSource:
    """Open an input as it is, also under ``compat``; see `open_source`."""
    if isinstance(value, (str, os.PathLike)):
        files = matches(_local(value), exact=settings.exact)
        if len(files) > 1:
            return Stack(files, settings)
        return _file(files[0], settings)
    if isinstance(value, ImageSource):
        return value
    shape = getattr(value, "shape", None)
    if shape is None:
        raise SettingsError(
            f"An input is a path, an image or an array, not {type(value).__name__}.",
            "Give a file name, fb.read_image(…) or a numpy array.",
        )
    keys = settings.input_axes or _named_axes(value) or _guessed(tuple(shape))
    if not getattr(value, "chunks", None):
        return Image.from_array(value, keys, role=settings.role or "intensity")
    return ArraySource(value, keys, settings)


def _file(path: str, settings: ExportSettings) -> ImageSource:
    """Open a file; of a pyramid without a level's name ilastik takes the smallest."""
    source = open_image(path, axes=settings.input_axes, role=settings.role)
    names = [level.name for level in source.spec.scales]
    if not settings.exact or len(names) < 2 or path.rstrip("/").rpartition("/")[2] in names:
        return source
    source.close()
    return open_image(path, axes=settings.input_axes, role=settings.role, level=names[-1])


def _guessed(shape: tuple[int, ...]) -> str:
    if len(shape) == 3 and shape[-1] <= 4:
        return "yxc"
    if len(shape) not in _GUESS:
        raise SettingsError(f"An array of {len(shape)} axes (shape {shape}) is no image.")
    return _GUESS[len(shape)]


def _named_axes(value: Any) -> str:
    """Return the axes that an array names itself, as Zarr 3 and xarray do; "" for other names."""
    metadata = getattr(value, "metadata", None)
    names = getattr(metadata, "dimension_names", None) or getattr(value, "dims", None) or ()
    letters = [str(name).lower() for name in names]
    fits = len(letters) == len(value.shape) and all(len(v) == 1 and v in KEYS for v in letters)
    return "".join(letters) if fits and len(set(letters)) == len(letters) else ""


class ArraySource:
    """An array in chunks (zarr, dask) as an image; what is not read stays where it is.

    Parameters
    ----------
    array
        Has shape, dtype and chunks, and gives numpy arrays for slices.
    keys
        Its axes.
    settings
        Of them `role` is used.
    """

    def __init__(self, array: Any, keys: str, settings: ExportSettings) -> None:
        self._array = array
        dtype = np.dtype(array.dtype)
        self._bool = dtype.kind == "b"
        if not self._bool and dtype.kind not in "iuf":
            raise SettingsError(
                f"The array holds {dtype}; pixels are whole or floating-point numbers."
            )
        self._spec = ImageSpec(
            axes=Axes.of(keys, array.shape),
            dtype=np.dtype(np.uint8) if self._bool else dtype.newbyteorder("="),
            role=settings.role or "intensity",
        )

    @property
    def spec(self) -> ImageSpec:
        return self._spec

    @property
    def chunks(self) -> tuple[int, ...]:
        """Shape of the first chunk."""
        found = (c[0] if isinstance(c, tuple) else c for c in self._array.chunks)
        return tuple(max(1, int(c)) for c in found)

    def read(self, region: Region) -> np.ndarray:
        try:
            data = np.asarray(self._array[region.slices])
        except Exception as error:
            # a dask graph runs whatever its maker put into it
            raise FormatError(f"The array cannot be read: {first_line(error)}.") from error
        if self._bool:
            return data.astype(np.uint8) * np.uint8(1 if self._spec.role == "labels" else 255)
        return data.astype(self._spec.dtype, copy=False)

    def close(self) -> None:
        """Whoever made the array closes it."""


class Stack:
    """The files of a pattern as one image, opened as they are read.

    Parameters
    ----------
    files
        In order; all have the axes, shape and type of the first.
    settings
        Of them `stack_along` is the new first axis.
    """

    def __init__(self, files: list[str], settings: ExportSettings) -> None:
        self._files = files
        self._settings = settings
        source = self._open(0)
        source.close()
        first = source.spec
        along = settings.stack_along
        if len(along) != 1 or first.axes.size(along) != 1:
            raise FormatError(
                f"The files have {first.axes.size(along[:1])} samples along {along!r} already.",
                "Name one free axis with --stack_along, or export the files one by one (--each).",
            )
        self._file_spec = first
        self._rest = first.axes.keys.replace(along, "")
        axes = Axes((Axis(along, len(files)), *first.axes.reorder(self._rest)))
        extra = replace(
            first.extra,
            slice_labels=tuple(Path(file).name for file in files)
            if set(self._rest) <= set("yx")
            else (),
            overlay=None,
            ome_xml="",
        )
        self._spec = replace(first, axes=axes, extra=extra, scales=(), name=nickname(files))

    @property
    def spec(self) -> ImageSpec:
        return self._spec

    @property
    def chunks(self) -> tuple[int, ...]:
        """One file a block."""
        return (1, *self._spec.shape[1:])

    def _open(self, i: int) -> ImageSource:
        return open_image(self._files[i], axes=self._settings.input_axes, role=self._settings.role)

    def _read_file(self, i: int, box: Region) -> np.ndarray:
        source = self._open(i)
        try:
            first, mine = self._file_spec, source.spec
            if (mine.axes.keys, mine.shape, mine.dtype) != (
                first.axes.keys,
                first.shape,
                first.dtype,
            ):
                raise FormatError(
                    f"{self._files[i]!r} is {mine.axes.keys} {mine.shape} {mine.dtype}, "
                    f"{self._files[0]!r} is {first.axes.keys} {first.shape} {first.dtype}; "
                    "a stack has one size and type.",
                    "Use --each to take every match as its own input.",
                )
            return source.read(box)
        finally:
            source.close()

    def read(self, region: Region) -> np.ndarray:
        out = np.empty(region.shape, self._spec.dtype)
        keys = self._file_spec.axes.keys
        ends = {
            key: (a, b)
            for key, a, b in zip(self._rest, region.start[1:], region.stop[1:], strict=True)
        }
        pairs = [ends.get(key, (0, 1)) for key in keys]
        box = Region(tuple(a for a, _ in pairs), tuple(b for _, b in pairs))
        along = self._settings.stack_along
        for place, i in enumerate(range(region.start[0], region.stop[0])):
            data = self._read_file(i, box)
            out[place] = data.take(0, axis=keys.index(along)) if along in keys else data
        return out

    def close(self) -> None:
        """Files are open only while they are read."""


class AsIlastik:
    """A source as ilastik's workflow sees it.

    A missing channel axis is appended, uint8 has the data range 0 to 255, the file's display mode
    is forgotten, and named axes make resolutions unknown (spec/ilastik-export.md 2).
    """

    def __init__(self, source: ImageSource, settings: ExportSettings) -> None:
        self._source = source
        spec = source.spec
        axes = spec.axes
        if settings.input_axes is not None:
            axes = Axes.of(axes.keys, axes.shape)
        self._added = "c" not in axes
        if self._added:
            axes = Axes((*axes, Axis("c", 1)))
        drange = spec.extra.drange
        if drange is None and spec.dtype == np.uint8:
            drange = (0, 255)
        if drange is not None and spec.dtype.kind in "iu":
            drange = (int(drange[0]), int(drange[1]))
        extra = replace(spec.extra, display_mode="default", drange=drange, rgb=False)
        self._spec = replace(spec, axes=axes, extra=extra, role=settings.role or "intensity")

    @property
    def spec(self) -> ImageSpec:
        return self._spec

    @property
    def chunks(self) -> tuple[int, ...]:
        """Blocks in which the file holds the pixels."""
        found = tuple(getattr(self._source, "chunks", self._source.spec.shape))
        return (*found, 1) if self._added else found

    def read(self, region: Region) -> np.ndarray:
        if not self._added:
            return self._source.read(region)
        data = self._source.read(Region(region.start[:-1], region.stop[:-1]))
        return data[..., None][..., region.start[-1] : region.stop[-1]]

    def close(self) -> None:
        self._source.close()
