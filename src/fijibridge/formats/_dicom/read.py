"""What a DICOM file says about its pixels and where they lie in space."""

from __future__ import annotations

import math
import struct
import warnings
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from fijibridge.errors import (
    FijiBridgeError,
    FormatError,
    MissingDependencyError,
    SettingsError,
)
from fijibridge.formats._carried import refined, texts_of
from fijibridge.formats._lazy import first_line
from fijibridge.model import Axes, Axis, Extra, Role, Valuation
from fijibridge.model.json_text import parse_json
from fijibridge.model.units import PIXEL

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "CREATOR",
    "ELEMENT",
    "MILLIMETER",
    "PIXELS",
    "PRIVATE_GROUP",
    "STRAIGHT_LINE",
    "UPRIGHT",
    "File",
    "pydicom_module",
    "read_file",
    "said_in",
]

UPRIGHT = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
PRIVATE_GROUP, CREATOR, ELEMENT = 0x0011, "FIJIBRIDGE", 0x01
PIXELS = (0x7FE0, 0x0010)
MILLIMETER = "millimeter"
STRAIGHT_LINE = 0
#: What the codecs reach on pixels that are all the same.
_LARGEST_RATIO = 2000
_SMALL = 2**28


def pydicom_module() -> Any:
    try:
        import pydicom
    except ImportError:
        raise MissingDependencyError("pydicom", "medical", "DICOM") from None
    return pydicom


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """What a file says: axes, dtype as stored, where the pixels begin (None = packed)."""

    axes: Axes
    dtype: np.dtype[Any]
    begin: int | None
    role: Role
    extra: Extra


def read_file(path: Path) -> File:
    what = str(path)
    module = pydicom_module()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # values that break the standard are common
            with path.open("rb") as file:
                found = module.dcmread(file, stop_before_pixels=True)
                syntax = found.file_meta.get("TransferSyntaxUID", module.uid.ImplicitVRLittleEndian)
                place = None
                if not (syntax.is_compressed or syntax.is_deflated):
                    place = _pixel_place(file, syntax, what)
            return _parsed(found, syntax, place, path)
    except FijiBridgeError as error:
        if isinstance(error, SettingsError):  # a scale or size that cannot be
            raise FormatError(f"{what!r} is broken: {error}") from error
        raise
    except Exception as error:
        # pydicom raises what it pleases on broken bytes
        raise FormatError(
            f"{what!r} is no readable DICOM file: {first_line(error)}.", "Copy it again."
        ) from error


def _pixel_place(file: Any, syntax: Any, what: str) -> tuple[int, int]:
    """Return where the pixels begin and how many bytes they are."""
    order = "<" if syntax.is_little_endian else ">"
    size = 8 if syntax.is_implicit_VR else 12
    raw = file.read(size)
    if len(raw) < size or struct.unpack_from(f"{order}HH", raw) != PIXELS:
        raise FormatError(f"{what!r} holds no pixels of an image.")
    return int(file.tell()), int(struct.unpack_from(f"{order}I", raw, size - 4)[0])


def _parsed(found: Any, syntax: Any, place: tuple[int, int] | None, path: Path) -> File:
    what = str(path)
    frames, rows = int(found.get("NumberOfFrames", 1) or 1), int(found.Rows)
    columns, samples = int(found.Columns), int(found.get("SamplesPerPixel", 1))
    bits = int(found.BitsAllocated)
    if min(frames, rows, columns) < 1 or samples not in (1, 3) or bits not in (8, 16, 32):
        raise FormatError(
            f"{what!r} says that it has {frames} frames of {columns} x {rows} pixels of {samples} "
            f"samples of {bits} bits."
        )
    sign = "i" if int(found.get("PixelRepresentation", 0)) else "u"
    order = "<" if syntax.is_little_endian else ">"
    dtype = np.dtype(f"{order}{sign}{bits // 8}")
    need = frames * rows * columns * samples * dtype.itemsize
    size = path.stat().st_size
    begin = None
    if place is not None:
        begin, length = place
        if length < need or begin + need > size:
            raise FormatError(
                f"{what!r} is truncated: its pixels need {need} bytes, it has "
                f"{max(0, min(length, size - begin))}.",
                "Copy it again.",
            )
        if samples == 3 and int(found.get("PlanarConfiguration", 0)):
            begin = None
    elif need > _SMALL and need > _LARGEST_RATIO * size:
        raise FormatError(f"{what!r} says it holds {need} bytes of pixels, it has {size} bytes.")
    said = said_in(found)
    axes, about = _axes(found, (frames, rows, columns), samples, said)
    names, info, properties = texts_of(said)
    is_labels = said.get("role") == "labels" and samples == 1
    extra = Extra(
        rgb=samples == 3,
        inverted_lut=str(found.get("PhotometricInterpretation", "")) == "MONOCHROME1",
        valuation=_valuation(found),
        channel_names=names,
        info=info,
        properties=MappingProxyType(properties),
        other=MappingProxyType({"dicom": MappingProxyType(about)} if about else {}),
    )
    role: Role = "labels" if is_labels else "intensity"
    return File(axes=axes, dtype=dtype, begin=begin, role=role, extra=extra)


def said_in(found: Any) -> dict[str, Any]:
    try:
        text = found.private_block(PRIVATE_GROUP, CREATOR)[ELEMENT].value
        said = parse_json(text)
    except (KeyError, ValueError, TypeError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def _valuation(found: Any) -> Valuation | None:
    line = float(found.get("RescaleIntercept", 0) or 0), float(found.get("RescaleSlope", 1) or 1)
    if line == (0.0, 1.0) or not all(map(math.isfinite, line)):
        return None
    return Valuation(function=STRAIGHT_LINE, coefficients=line)


def _group(item: Any, name: str, keyword: str) -> Any:
    """Return an attribute of a functional group; None when it is not there."""
    sequence = item.get(name) if item is not None else None
    return sequence[0].get(keyword) if sequence else None


def _axes(
    found: Any, shape: tuple[int, int, int], samples: int, said: dict[str, Any]
) -> tuple[Axes, dict[str, Any]]:
    """Return the axes, and the geometry when it is not upright."""
    shared = found.get("SharedFunctionalGroupsSequence")
    shared = shared[0] if shared else None
    frames = found.get("PerFrameFunctionalGroupsSequence") or []

    def measure(keyword: str) -> Any:
        value = _group(shared, "PixelMeasuresSequence", keyword)
        return found.get(keyword) if value is None else value

    pair = measure("PixelSpacing")
    positions = [
        _group(item, "PlanePositionSequence", "ImagePositionPatient") for item in frames[:2]
    ] or [found.get("ImagePositionPatient")]
    place = [None if p is None else np.array([float(v) for v in p]) for p in positions]
    orientation = _group(shared, "PlaneOrientationSequence", "ImageOrientationPatient")
    orientation = orientation or found.get("ImageOrientationPatient")
    turned = tuple(float(v) for v in orientation) if orientation else UPRIGHT
    step = None
    if len(place) == 2 and place[0] is not None and place[1] is not None:
        step = place[1] - place[0]
    gap = measure("SpacingBetweenSlices")
    depth = abs(float(gap)) if gap else 0.0
    depth = depth or (float(np.linalg.norm(step)) if step is not None else 0.0)
    depth = depth or float(measure("SliceThickness") or 0)
    upright = np.allclose(turned, UPRIGHT, atol=1e-6) and (step is None or step[2] >= 0)
    origin = place[0] if place[0] is not None and upright else np.zeros(3)
    scales = {"z": depth, "y": float(pair[0]) if pair else 0, "x": float(pair[1]) if pair else 0}
    sizes = dict(zip("zyx", shape, strict=True))
    made = []
    for key in "zyx" if shape[0] > 1 else "yx":
        known = scales[key] > 0
        axis = Axis(
            key,
            sizes[key],
            scales[key] or 1.0,
            MILLIMETER if known else PIXEL,
            float(origin["xyz".index(key)]) if known else 0.0,
        )
        made.append(refined(axis, said, known=known))
    if samples == 3:
        made.append(Axis("c", 3))
    about: dict[str, Any] = {}
    if not upright:
        about["orientation"] = list(turned)
        about["positions"] = [p.tolist() for p in place if p is not None]
    return Axes(tuple(made)), about
