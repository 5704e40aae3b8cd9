"""Picture formats that no library here writes: a reader and an encoder make a format."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from fijibridge.errors import FijiBridgeError, FormatError, SettingsError, UnsupportedError
from fijibridge.formats._format import Finding, Format, ReadOptions, WriteOptions
from fijibridge.formats._image_info import describe_spec
from fijibridge.formats._lazy import LazySource, check_no_level
from fijibridge.formats._raster.write import PictureSink, checker
from fijibridge.formats._tiff.arrays import WholeArray
from fijibridge.formats._tiff.axes import rename_axes
from fijibridge.model import Axes, Extra, ImageSpec, Region

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fijibridge.formats._location import Location
    from fijibridge.formats._raster.write import Kind
    from fijibridge.model import ImageSink, ImageSource

    #: Path of a file -> what it holds, and what decodes it.
    Reader = Callable[[Path], tuple[ImageSpec, Callable[[], np.ndarray]]]

__all__ = ["check_ratio", "file_bytes", "own_format", "picture_spec", "truncated"]

_SMALL = 2**28


def truncated(path: Path, detail: str) -> FormatError:
    """Return the error for a file that is too short."""
    return FormatError(f"{str(path)!r} is truncated: {detail}.", "Copy the file again.")


def file_bytes(path: Path, most: int = -1) -> bytes:
    """Return the (first) bytes of a file."""
    try:
        with path.open("rb") as file:
            return file.read(most)
    except OSError as error:
        raise FormatError(f"{str(path)!r} cannot be read: {error.strerror or error}.") from error


def check_ratio(path: Path, nbytes: int, ratio: int) -> None:
    """Raise FormatError when pixels cannot have been packed so small."""
    size = path.stat().st_size
    if nbytes > _SMALL and nbytes > ratio * size:
        raise FormatError(
            f"{str(path)!r} says it holds {nbytes / 2**30:.1f} GB of pixels, it has {size} bytes."
        )


def picture_spec(
    path: Path, shape: tuple[int, ...], dtype: np.dtype[Any], extra: Extra | None = None
) -> ImageSpec:
    """Return the spec of a picture of the shape (y, x) or (y, x, c)."""
    colours = Extra(rgb=len(shape) == 3 and shape[2] == 3 and dtype == np.uint8)
    return ImageSpec(
        axes=Axes.of("yxc"[: len(shape)], shape),
        dtype=dtype,
        name=path.name,
        extra=extra or colours,
    )


def _opened(reader: Reader, where: Location, options: ReadOptions) -> ImageSource:
    if where.inner:
        raise SettingsError(f"{str(where.path)!r} is a picture; nothing inside has a name.")
    check_no_level(options.level, repr(str(where)))
    spec, load = reader(where.path)
    if options.axes is not None:
        axes = rename_axes(spec.axes, options.axes)
        rgb = spec.extra.rgb and axes.keys.endswith("c")
        spec = replace(spec, axes=axes, extra=replace(spec.extra, rgb=rgb))
    spec = replace(spec, role=options.role or "intensity")
    array, what = WholeArray(load), repr(str(where))
    return LazySource(spec, array, what)


def _findings(reader: Reader, where: Location, kind: Kind) -> list[Finding]:
    try:
        source = _opened(reader, where, ReadOptions())
        source.read(Region.whole(source.spec.shape))
    except FijiBridgeError as error:
        return [Finding("error", str(error))]
    if kind.lossy:
        return [Finding("warning", f"{kind.title} rounds pixel values.")]
    return []


def own_format(kind: Kind, reader: Reader) -> Format:
    """Return the format of a kind of pictures."""
    check = checker(kind)

    def open_image(where: Location, options: ReadOptions, /) -> ImageSource:
        return _opened(reader, where, options)

    def create(where: Location, spec: ImageSpec, options: WriteOptions, /) -> ImageSink:
        check(spec, options)
        if where.inner:
            raise SettingsError(f"{str(where.path)!r} is a picture; nothing inside has a name.")
        return PictureSink(where, spec, options, kind)

    def sniff(path: Path, head: bytes, /) -> bool:
        if len(head) < 8:  # too short to say it itself
            return path.suffix.lower() in kind.suffixes
        return head.startswith(kind.magic)

    def check_labels(largest: int, /) -> None:
        if largest > kind.label_max:
            raise UnsupportedError(
                f"{kind.title} holds labels up to {kind.label_max}; the image has the label "
                f"{largest}.",
                "Use .tif, .h5 or .ome.zarr.",
            )

    def describe(where: Location, /) -> dict[str, Any]:
        return {"format": kind.title, **describe_spec(open_image(where, ReadOptions()).spec)}

    def validate(where: Location, /) -> list[Finding]:
        return _findings(reader, where, kind)

    return Format(
        name=kind.name,
        suffixes=kind.suffixes,
        title=kind.title,
        sniff=sniff,
        open_image=open_image,
        create_image=create,
        check_image=check,
        check_label_max=check_labels,
        describe=describe,
        validate=validate,
        dtypes=kind.dtypes,
        lossy=kind.lossy,
    )
