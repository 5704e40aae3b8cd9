"""TIFF: ImageJ's own (the default for ``.tif``), plain multi-page TIFF and BigTIFF.

All of them are read by one reader, whatever wrote them: tiles, codecs, pages, pyramids.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fijibridge.errors import FormatError, SettingsError, UnsupportedError
from fijibridge.formats._blocks import file_order
from fijibridge.formats._format import Format, ReadOptions
from fijibridge.formats._tiff.ifd import is_tiff
from fijibridge.formats._tiff.info import describe_tiff, validate_tiff
from fijibridge.formats._tiff.read import open_tiff
from fijibridge.formats._tiff.sink import ImageJSink, TifffileSink, check_labels_float32, is_rgb

if TYPE_CHECKING:
    from pathlib import Path

    from fijibridge.formats._format import WriteOptions
    from fijibridge.formats._location import Location
    from fijibridge.model import ImageSink, ImageSpec, RoiSet

__all__ = ["BIGTIFF", "FORMATS", "IMAGEJ", "PLAIN"]

_IMAGEJ_DTYPES = frozenset({"uint8", "uint16", "int16", "float32"})
_ALL_DTYPES = frozenset(
    {"uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64"}
    | {"float16", "float32", "float64"}
)
#: Java's arrays and ImageJ's planes.
_LARGEST_PLANE = 2**31 - 1
_ROOM = 2**25


def _is_ome(path: Path, head: bytes) -> bool:
    return path.name.lower().endswith((".ome.tif", ".ome.tiff")) or b"<OME" in head


def _sniff_imagej(path: Path, head: bytes) -> bool:
    return is_tiff(head) and b"ImageJ=" in head and not _is_ome(path, head)


def _sniff_plain(path: Path, head: bytes) -> bool:
    if len(head) < 8:  # cut off so early that only its name says what it was
        return path.suffix.lower() in (".tif", ".tiff")
    return is_tiff(head) and head[2:4] in (b"*\0", b"\0*") and not _is_ome(path, head)


def _sniff_big(path: Path, head: bytes) -> bool:
    return is_tiff(head) and head[2:4] in (b"+\0", b"\0+") and not _is_ome(path, head)


def check_imagej(spec: ImageSpec, options: WriteOptions) -> None:
    """Raise UnsupportedError when ImageJ cannot hold an image.

    Notes
    -----
    ImageJ knows 8- and 16-bit integers, 32-bit floats and 8-bit RGB. float16 is widened, which is
    exact; labels of any integer type are kept as 8 or 16 bits, or 32-bit float where they need it.
    """
    rgb = is_rgb(spec, ("uint8",))
    file_order(spec, rgb=rgb)
    if options.compression not in (None, "none"):
        raise SettingsError(
            f"An ImageJ TIFF is not compressed here; compression is {options.compression!r}.",
            "Leave it out, or write .ome.tif.",
        )
    labels = spec.role == "labels" and spec.dtype.kind in "iu"
    if not labels and spec.dtype.name not in _IMAGEJ_DTYPES | {"float16"}:
        raise UnsupportedError(
            f"An ImageJ TIFF cannot hold {spec.dtype} pixels; it holds "
            f"{', '.join(sorted(_IMAGEJ_DTYPES))}.",
            "Write .ome.tif or .h5, say that it is a label image (--role labels), or convert it "
            "first: fijibridge export INPUT --export_dtype float32",
        )
    plane = spec.axes.size("y") * spec.axes.size("x")
    size = plane * (3 if rgb else spec.dtype.itemsize)
    if plane > _LARGEST_PLANE or size >= 2**32:
        raise UnsupportedError(
            f"A plane of {spec.axes.size('x')} x {spec.axes.size('y')} pixels is more than ImageJ "
            f"can hold; it holds {_LARGEST_PLANE} pixels.",
            "Write .ome.tif, .h5 or .ome.zarr.",
        )


def _create_imagej(where: Location, spec: ImageSpec, options: WriteOptions, /) -> ImageSink:
    check_imagej(spec, options)
    return ImageJSink(where, spec, options)


def check_any(spec: ImageSpec, options: WriteOptions) -> None:
    """Raise UnsupportedError when no TIFF can hold an image."""
    del options
    file_order(spec, rgb=is_rgb(spec, ("uint8", "uint16")))
    if spec.dtype.name not in _ALL_DTYPES:
        raise UnsupportedError(f"A TIFF cannot hold {spec.dtype} pixels.", "Convert them first.")


def _check_plain(spec: ImageSpec, options: WriteOptions, /) -> None:
    check_any(spec, options)
    if spec.nbytes > 2**32 - _ROOM:
        raise UnsupportedError(
            f"A plain TIFF holds 4 GB; the image has {spec.nbytes / 2**30:.1f} GB.",
            "Use --to bigtiff, --to 'imagej tiff' or .ome.tif.",
        )


def _create_plain(where: Location, spec: ImageSpec, options: WriteOptions, /) -> ImageSink:
    _check_plain(spec, options)
    return TifffileSink(where, spec, options, kind="plain")


def _create_big(where: Location, spec: ImageSpec, options: WriteOptions, /) -> ImageSink:
    check_any(spec, options)
    return TifffileSink(where, spec, options, kind="big")


def read_overlay(where: Location, /) -> RoiSet:
    """Read the overlay of a TIFF, or else the selection that was saved with it.

    Raises
    ------
    FormatError
        When it has neither.
    """
    from fijibridge.formats.roi import decode_roi
    from fijibridge.model import RoiSet

    source = open_tiff(where, ReadOptions())
    source.close()
    extra = source.spec.extra
    if extra.overlay is not None:
        return extra.overlay
    if extra.other.get("selection"):
        return RoiSet([decode_roi(bytes.fromhex(extra.other["selection"]))])
    raise FormatError(
        f"{str(where)!r} has no overlay and no selection, so there are no ROIs in it.",
        "Save the overlay with the image, or read the ROI zip.",
    )


IMAGEJ = Format(
    name="imagej tiff",
    suffixes=(".tif", ".tiff"),
    title="ImageJ TIFF (hyperstacks, calibration, LUTs, overlays)",
    sniff=_sniff_imagej,
    open_image=open_tiff,
    read_rois=read_overlay,
    create_image=_create_imagej,
    check_image=check_imagej,
    check_label_max=check_labels_float32,
    describe=describe_tiff,
    validate=validate_tiff,
    dtypes=_IMAGEJ_DTYPES,
)
PLAIN = Format(
    name="plain tiff",
    suffixes=(".tif", ".tiff"),
    title="TIFF",
    sniff=_sniff_plain,
    open_image=open_tiff,
    read_rois=read_overlay,
    create_image=_create_plain,
    check_image=_check_plain,
    describe=describe_tiff,
    validate=validate_tiff,
    dtypes=_ALL_DTYPES,
)
BIGTIFF = Format(
    name="bigtiff",
    suffixes=(".tif", ".tiff", ".btf", ".tf8"),
    title="BigTIFF",
    sniff=_sniff_big,
    open_image=open_tiff,
    read_rois=read_overlay,
    create_image=_create_big,
    check_image=check_any,
    describe=describe_tiff,
    validate=validate_tiff,
    dtypes=_ALL_DTYPES,
)
FORMATS = (IMAGEJ, PLAIN, BIGTIFF)
