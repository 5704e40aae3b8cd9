"""OME-TIFF: read with its sub-resolutions; written with physical sizes, units and channel names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fijibridge.errors import UnsupportedError
from fijibridge.formats._blocks import file_order
from fijibridge.formats._format import Format
from fijibridge.formats._tiff.ifd import is_tiff
from fijibridge.formats._tiff.info import describe_tiff, validate_tiff
from fijibridge.formats._tiff.read import open_tiff
from fijibridge.formats._tiff.sink import TifffileSink, is_rgb

if TYPE_CHECKING:
    from pathlib import Path

    from fijibridge.formats._format import WriteOptions
    from fijibridge.formats._location import Location
    from fijibridge.model import ImageSink, ImageSpec

__all__ = ["FORMAT"]

_DTYPES = frozenset({"uint8", "uint16", "uint32", "int8", "int16", "int32", "float32", "float64"})


def _sniff(path: Path, head: bytes) -> bool:
    ome = path.name.lower().endswith((".ome.tif", ".ome.tiff")) or b"<OME" in head
    return ome and is_tiff(head)


def _check(spec: ImageSpec, options: WriteOptions, /) -> None:
    del options
    file_order(spec, rgb=is_rgb(spec, ("uint8", "uint16")))
    labels = spec.role == "labels" and spec.dtype.kind in "iu"
    if not labels and spec.dtype.name not in _DTYPES:
        raise UnsupportedError(
            f"An OME-TIFF cannot hold {spec.dtype} pixels; it holds {', '.join(sorted(_DTYPES))}.",
            "Convert them first, or write .h5 or .npy.",
        )


def _create(where: Location, spec: ImageSpec, options: WriteOptions, /) -> ImageSink:
    _check(spec, options)
    return TifffileSink(where, spec, options, kind="ome")


FORMAT = Format(
    name="ome-tiff",
    suffixes=(".ome.tif", ".ome.tiff", ".tif", ".tiff"),
    title="OME-TIFF",
    sniff=_sniff,
    open_image=open_tiff,
    create_image=_create,
    check_image=_check,
    describe=describe_tiff,
    validate=validate_tiff,
    dtypes=_DTYPES,
)
