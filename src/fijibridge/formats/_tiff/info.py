"""What a TIFF holds, for `info`, and what may be wrong with it, for `validate`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fijibridge.errors import FijiBridgeError
from fijibridge.formats._format import Finding, ReadOptions
from fijibridge.formats._image_info import describe_spec
from fijibridge.formats._tiff import ifd
from fijibridge.formats._tiff.layout import opened_tiff
from fijibridge.formats._tiff.read import open_tiff
from fijibridge.model.units import PIXEL

if TYPE_CHECKING:
    from fijibridge.formats._location import Location

__all__ = ["describe_tiff", "validate_tiff"]

_NATIVE = frozenset({"uint8", "uint16", "int16", "float32"})
#: Codecs that ImageJ without Bio-Formats opens.
_IMAGEJ_CODECS = frozenset({"none", "lzw", "packbits", "deflate", "adobe_deflate"})


def describe_tiff(where: Location) -> dict[str, Any]:
    """Return what a TIFF holds, as plain JSON values."""
    opened = opened_tiff(where)
    try:
        kind = "OME-TIFF" if opened.ome else "ImageJ TIFF" if opened.props else "TIFF"
        size = {
            "format": kind,
            "bigtiff": opened.header.big,
            "byte_order": "little" if opened.header.order == "<" else "big",
            "compression": opened.notes.get("compression", "none"),
            "tiled": opened.notes.get("tiled", False),
            "series": opened.series,
            "file_bytes": opened.file.size,
        }
        if opened.props.get("ImageJ"):
            size["written_by"] = f"ImageJ {opened.props['ImageJ']}"
        elif 305 in opened.first:
            size["written_by"] = opened.first.text(305).strip()
    finally:
        opened.close()
    source = open_tiff(where, ReadOptions())
    try:
        return {**size, **describe_spec(source.spec)}
    finally:
        source.close()


def validate_tiff(where: Location) -> list[Finding]:
    """Return everything that is wrong with a TIFF, or that ImageJ will not open."""
    try:
        found = describe_tiff(where)
        opened = opened_tiff(where)
    except FijiBridgeError as error:
        return [Finding("error", str(error))]
    try:
        findings = []
        if opened.header.big:
            findings.append(Finding("warning", "Plain ImageJ does not open BigTIFF."))
        if found["tiled"]:
            findings.append(Finding("warning", "Plain ImageJ does not open tiled TIFFs."))
        if found["compression"] not in _IMAGEJ_CODECS:
            text = f"Plain ImageJ does not open {found['compression']} compression."
            findings.append(Finding("warning", text))
        if found["dtype"] not in _NATIVE:
            text = f"ImageJ has no {found['dtype']} pixels; it refuses or rounds them."
            findings.append(Finding("warning", text))
        if opened.series > 1:
            text = f"The file holds {opened.series} images of different shapes; the first is read."
            findings.append(Finding("warning", text))
        if found["axes"]["x"]["unit"] == PIXEL:
            findings.append(Finding("note", "No pixel size is stored."))
        if ifd.DESCRIPTION in opened.first and not opened.first.text(ifd.DESCRIPTION).isascii():
            text = "The description is not ASCII; other readers may show wrong letters."
            findings.append(Finding("note", text))
        findings.extend(_last_pixels(where))
    finally:
        opened.close()
    return findings


def _last_pixels(where: Location) -> list[Finding]:
    """Try to read the last pixel, which a truncated or damaged file cannot give."""
    from fijibridge.model import Region

    source = open_tiff(where, ReadOptions())
    try:
        shape = source.spec.shape
        source.read(Region(tuple(n - 1 for n in shape), shape))
    except FijiBridgeError as error:
        return [Finding("error", str(error))]
    finally:
        source.close()
    return []
