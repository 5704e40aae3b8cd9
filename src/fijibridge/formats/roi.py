"""ImageJ ROI files (``.roi``): one ROI each.

Source: ImageJ 1.54p RoiEncoder and RoiDecoder.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fijibridge.errors import FormatError, UnsupportedError
from fijibridge.formats._format import Finding, Format, WriteOptions
from fijibridge.formats._roi.bulk import encode_outlines
from fijibridge.formats._roi.decode import decode_roi
from fijibridge.formats._roi.encode import encode_roi
from fijibridge.formats._target import staged
from fijibridge.model import Roi, RoiSet

if TYPE_CHECKING:
    from pathlib import Path

    from fijibridge.formats._location import Location

__all__ = ["FORMAT", "decode_roi", "describe_roi", "encode_outlines", "encode_roi", "read_roi_file"]

#: No ROI that ImageJ makes is near it; a larger file is not read.
LARGEST_FILE = 1 << 30


def read_roi_file(where: Location) -> Roi:
    """Read the one ROI of a ``.roi`` file."""
    try:
        size = where.path.stat().st_size
        if size > LARGEST_FILE:
            raise FormatError(f"{str(where)!r} has {size} bytes; an ROI file has less than 1 GB.")
        data = where.path.read_bytes()
    except OSError as error:
        reason = error.strerror or str(error)
        raise FormatError(f"{str(where)!r} cannot be read: {reason}.") from error
    name = where.path.name
    try:
        return decode_roi(data, name[:-4] if name.lower().endswith((".roi", ".zip")) else name)
    except FormatError as error:
        hint = error.hint or "Save the ROI again, or copy the file again from its source."
        raise FormatError(f"{str(where)!r}: {error.message}", hint) from error


def _read_rois(where: Location) -> RoiSet:
    return RoiSet([read_roi_file(where)])


def _write_rois(where: Location, rois: RoiSet, options: WriteOptions) -> None:
    if len(rois) != 1:
        raise UnsupportedError(
            f"A .roi file holds one ROI, the set has {len(rois)}.", "Use the suffix .zip."
        )
    data = encode_roi(rois[0])
    with staged(where.path, overwrite=options.overwrite) as path:
        path.write_bytes(data)


def describe_roi(roi: Roi) -> dict[str, Any]:
    """Return what an ROI is, as plain JSON values."""
    position = roi.position
    found: dict[str, Any] = {
        "name": roi.name,
        "kind": roi.kind,
        "bounds": list(roi.box),
        "vertices": len(roi.points) + sum(len(path) for path in roi.paths),
    }
    if roi.subtype:
        found["subtype"] = roi.subtype
    if roi.group:
        found["group"] = roi.group
    where = {key: getattr(position, key) for key in ("c", "z", "t", "slice")}
    if any(where.values()):
        found["position"] = {key: value for key, value in where.items() if value}
    if roi.properties:
        found["properties"] = dict(roi.properties)
    return found


def _describe(where: Location) -> dict[str, Any]:
    return {"rois": 1, **describe_roi(read_roi_file(where))}


def _validate(where: Location) -> list[Finding]:
    try:
        read_roi_file(where)
    except FormatError as error:
        return [Finding("error", str(error))]
    return []


def _sniff(path: Path, head: bytes) -> bool:
    # ImageJ's scripts save a single ROI under any name, also *.zip
    return head[:4] == b"Iout" or (path.suffix.lower() == ".roi" and head[:2] != b"PK")


FORMAT = Format(
    name="roi",
    suffixes=(".roi",),
    title="an ImageJ ROI",
    sniff=_sniff,
    read_rois=_read_rois,
    write_rois=_write_rois,
    describe=_describe,
    validate=_validate,
)
