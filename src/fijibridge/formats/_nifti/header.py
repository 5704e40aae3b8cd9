"""Headers of NIfTI files: sizes, geometry, units, and what our own comment extension adds."""

from __future__ import annotations

import json
import math
import struct
from dataclasses import dataclass
from types import MappingProxyType
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from fijibridge.errors import FormatError, MissingDependencyError
from fijibridge.formats._carried import refined, said_of, texts_of
from fijibridge.model import Axes, Axis, Extra, Valuation
from fijibridge.model.json_text import parse_json
from fijibridge.model.units import PIXEL, canonical_unit, length_factor

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fijibridge.model import ImageSpec, Role

__all__ = ["Header", "header_bytes", "read_header"]

#: C order of the pixels; NIfTI names its axes fastest first: x, y, z, t, channels.
ORDER = "ctzyx"
_LENGTHS = {1: "meter", 2: "millimeter", 3: "micrometer"}
_TIMES = {8: "second", 16: "millisecond", 24: "microsecond"}
_LABEL, _VECTOR = 1002, 1007
_COMMENT = 6
_LARGEST_EXTENSIONS = 2**24
_STRAIGHT_LINE = 0
_MILLIMETER = "millimeter"


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What a file says about its pixels; `dtype` is as stored, with its byte order."""

    version: int
    axes: Axes
    dtype: np.dtype[Any]
    offset: int
    role: Role
    extra: Extra
    doubts: tuple[str, ...]

    @property
    def nbytes(self) -> int:
        """Bytes of all pixels."""
        return math.prod(self.axes.shape) * self.dtype.itemsize


def nibabel() -> Any:
    """Return nibabel.

    Raises
    ------
    MissingDependencyError
        When it is not installed.
    """
    try:
        import nibabel as module
    except ImportError:
        raise MissingDependencyError("nibabel", "medical", "NIfTI") from None
    return module


# ---------------------------------------------------------------------------------------- reading


def read_header(file: IO[bytes], what: str) -> Header:
    """Read a header from the beginning of an (unpacked) file.

    Raises
    ------
    FormatError
        When it is no NIfTI header, or one of something that is no image.
    """
    head = file.read(540)
    raw, version = _parse(head, what)
    size = 348 if version == 1 else 540
    dtype, samples = _dtype(raw, what)
    offset = _offset(raw, size, what)
    dims = _dims(raw, what)
    keys, shape = _kept(dims)
    if samples:
        if "c" in keys:
            raise FormatError(f"{what!r} has channels of colours, shape {tuple(dims)}.")
        keys, shape = keys + "c", (*shape, samples)
    # a damaged offset may lie anywhere; texts do not
    between = head + file.read(min(max(0, offset - len(head)), _LARGEST_EXTENSIONS))
    said, comments = _extensions(between[size:offset], raw.endianness)
    axes, affine, doubts = _axes(raw, keys, shape, said)
    extra = _extra(raw, said, comments, affine, colours=samples == 3)
    is_labels = int(raw["intent_code"]) == _LABEL and dtype.kind in "iu" and not samples
    return Header(
        version=version,
        axes=axes,
        dtype=dtype,
        offset=offset,
        role="labels" if is_labels else "intensity",
        extra=extra,
        doubts=doubts,
    )


def _parse(head: bytes, what: str) -> tuple[Any, int]:
    nib = nibabel()
    for order in ("<", ">"):
        size = struct.unpack(f"{order}i", head[:4])[0] if len(head) >= 4 else 0
        if size == 348 and len(head) >= 348 and head[344:347] == b"n+1":
            return nib.Nifti1Header(head[:348], endianness=order, check=False), 1
        if size == 540 and len(head) >= 540 and head[4:7] == b"n+2":
            return nib.Nifti2Header(head[:540], endianness=order, check=False), 2
    raise FormatError(
        f"{what!r} is no NIfTI file, or a broken one: it has no header of one.",
        "Pairs (.hdr and .img) are not read; save it as .nii.",
    )


def _dtype(raw: Any, what: str) -> tuple[np.dtype[Any], int]:
    """Return the dtype as stored, and the number of colours in a pixel (0 = it is a number)."""
    code = int(raw["datatype"])
    if code in (128, 2304):
        return np.dtype(np.uint8), 3 if code == 128 else 4
    try:
        dtype = np.dtype(raw.get_data_dtype())
    except Exception as error:
        raise FormatError(f"{what!r} has pixels of the unknown type {code}.") from error
    if dtype.kind not in "iuf" or dtype.itemsize > 8 or dtype.itemsize == 0:
        raise FormatError(f"{what!r} has pixels of {dtype}; pixels are integers or floats.")
    return dtype, 0


def _offset(raw: Any, size: int, what: str) -> int:
    value = float(raw["vox_offset"])
    if not (math.isfinite(value) and 0 <= value < 2**53):
        raise FormatError(f"{what!r} says that its pixels begin at {value}.")
    # some writers leave it 0, which can only mean right after the header
    return max(int(value), size + 4) if value == 0 or value >= size else size + 4


def _dims(raw: Any, what: str) -> list[int]:
    dims = [int(n) for n in raw["dim"]]
    if not 1 <= dims[0] <= 7 or any(n < 1 for n in dims[1 : dims[0] + 1]):
        raise FormatError(f"{what!r} says that its dimensions are {dims}.")
    shape = dims[1 : dims[0] + 1]
    while len(shape) > 5 and shape[-1] == 1:
        shape.pop()
    if len(shape) > 5:
        raise FormatError(
            f"{what!r} has {len(shape)} axes (sizes {tuple(shape)}); an image has 1 to 5."
        )
    return shape


def _kept(dims: list[int]) -> tuple[str, tuple[int, ...]]:
    """Return letters and sizes in C order, without the ones that only fill up."""
    named = list(zip("xyztc", dims, strict=False))
    last = len(named) - 1
    kept = [(k, n) for i, (k, n) in enumerate(named) if not (k in "zt" and n == 1 and i < last)]
    return "".join(k for k, _ in reversed(kept)), tuple(n for _, n in reversed(kept))


def _extensions(data: bytes, order: str) -> tuple[dict[str, Any], list[str]]:
    """Return what our own extension says, and the comments of others."""
    said: dict[str, Any] = {}
    comments = []
    at = 4
    while data[:1] not in (b"", b"\0") and at + 8 <= len(data):
        size, code = struct.unpack_from(f"{order}ii", data, at)
        if size < 8 or at + size > len(data):
            break
        if code == _COMMENT:
            text = data[at + 8 : at + size].rstrip(b"\0").decode("utf-8", "replace")
            try:
                found = parse_json(text)
            except (ValueError, RecursionError):
                found = None
            if isinstance(found, dict) and isinstance(found.get("fijibridge"), dict):
                said = found["fijibridge"]
            elif text:
                comments.append(text)
        at += size
    return said, comments


def _axes(
    raw: Any, keys: str, shape: tuple[int, ...], said: Mapping[str, Any]
) -> tuple[Axes, list[list[float]] | None, tuple[str, ...]]:
    units = int(raw["xyzt_units"])
    scales, origins, affine, placed = _geometry(raw)
    length = _LENGTHS.get(units & 7)
    time = _TIMES.get(units & 0x38)
    doubts = []
    if length is None and placed and not said:
        doubts.append("No unit of length is given; millimeters are the custom.")
    if affine is not None:
        doubts.append("The volume is turned or mirrored; the affine is kept beside the pixels.")
    step = _number(abs(float(raw["pixdim"][4])))
    start = float(raw["toffset"])
    made = []
    for key, size in zip(keys, shape, strict=True):
        if key == "c":
            made.append(Axis("c", size))
            continue
        if key == "t":
            origin = _number(start, signed=True)
            axis = Axis("t", size, step, time or PIXEL, origin)
            declared = time
        else:
            i = "xyz".index(key)
            unit = length or (_MILLIMETER if placed else PIXEL)
            axis = Axis(key, size, scales[i], unit, origins[i])
            declared = length
        made.append(refined(axis, said, known=declared is not None))
    return Axes(tuple(made)), affine, tuple(doubts)


def _geometry(raw: Any) -> tuple[list[float], list[float], list[list[float]] | None, bool]:
    """Return scales and origins of x, y, z, the affine unless diagonal, and whether placed."""
    plain = [_number(abs(float(v))) for v in raw["pixdim"][1:4]]
    if int(raw["sform_code"]) <= 0 and int(raw["qform_code"]) <= 0:
        return plain, [0.0] * 3, None, False
    try:
        affine = np.asarray(raw.get_best_affine(), np.float64)
    except Exception:  # noqa: BLE001  # nibabel raises its own on a quaternion that is none
        return plain, [0.0] * 3, None, False
    if not np.isfinite(affine).all():
        return plain, [0.0] * 3, None, False
    with np.errstate(all="ignore"):
        norms = np.sqrt((affine[:3, :3] ** 2).sum(axis=0))
    scales = [_number(float(n)) for n in norms]
    diagonal = np.diag(np.diag(affine[:3, :3]))
    straight = (np.abs(affine[:3, :3] - diagonal) <= 1e-5 * norms.max()).all()
    if straight and (np.diag(affine[:3, :3]) > 0).all():
        return scales, [_number(float(v), signed=True) for v in affine[:3, 3]], None, True
    return scales, [0.0] * 3, affine.tolist(), True


def _number(value: float, *, signed: bool = False) -> float:
    """Return a single-precision number with the digits it has; a scale that is none is 1."""
    if not math.isfinite(value) or (value <= 0 and not signed):
        return 0.0 if signed else 1.0
    short = float(f"{value:.7g}")
    return short if signed or short > 0 else 1.0


def _extra(
    raw: Any,
    said: Mapping[str, Any],
    comments: list[str],
    affine: list[list[float]] | None,
    *,
    colours: bool,
) -> Extra:
    other: dict[str, Any] = {}
    if affine is not None:
        other["affine"] = affine
        other["unit"] = _LENGTHS.get(int(raw["xyzt_units"]) & 7, _MILLIMETER)
        codes = nibabel().aff2axcodes(np.asarray(affine))
        other["orientation"] = "".join(code or "?" for code in codes)
    slope, inter = float(raw["scl_slope"]), float(raw["scl_inter"])
    scaled = math.isfinite(slope) and math.isfinite(inter) and slope != 0
    valuation = None
    if scaled and (slope, inter) != (1.0, 0.0) and not colours:
        valuation = Valuation(
            function=_STRAIGHT_LINE,
            coefficients=(_number(inter, signed=True), _number(slope, signed=True)),
        )
    text = bytes(raw["descrip"].item()).decode("latin-1").strip("\0 ")
    if text:
        other["descrip"] = text
    low, high = float(raw["cal_min"]), float(raw["cal_max"])
    names, info, properties = texts_of(said)
    return Extra(
        rgb=colours,
        valuation=valuation,
        display_ranges=((low, high),) if math.isfinite(low) and low < high < math.inf else (),
        channel_names=names,
        info=info or "\n".join(comments),
        properties=MappingProxyType(properties),
        other=MappingProxyType({"nifti": MappingProxyType(other)} if other else {}),
    )


# ---------------------------------------------------------------------------------------- writing


def header_bytes(spec: ImageSpec) -> tuple[bytes, str]:
    """Return all bytes before the pixels, and the letters of the axes in the order of the file."""
    nib = nibabel()
    axes = spec.axes
    last = max("xyztc".index(key) for key in axes.keys)
    shape = [axes.size(key) for key in "xyztc"[: last + 1]]
    large = max(shape) > 32767
    header = (nib.Nifti2Header if large else nib.Nifti1Header)(endianness="<")
    header.set_data_dtype(spec.dtype.newbyteorder("<"))
    header.set_data_shape(shape)
    known, affine = _affine(spec)
    header.set_qform(affine, code=1)
    header.set_sform(affine, code=1)
    time, step, start = _time(axes.get("t"))
    if len(shape) > 3:
        header["pixdim"][4] = step
        header["toffset"] = start
    header["xyzt_units"] = (2 if known else 0) + (time if len(shape) > 3 else 0)
    line = spec.extra.valuation
    straight = line is not None and line.function == _STRAIGHT_LINE and len(line.coefficients) == 2
    inter, slope = line.coefficients if line is not None and straight else (0.0, 1.0)
    header["scl_slope"], header["scl_inter"] = slope, inter
    if spec.role == "labels":
        header["intent_code"] = _LABEL
    elif last == 4:
        header["intent_code"] = _VECTOR
    if len(spec.extra.display_ranges) == 1 and not straight:
        header["cal_min"], header["cal_max"] = spec.extra.display_ranges[0]
    header["descrip"] = spec.name.encode("ascii", "replace")[:79]
    text = _extension(spec)
    size = 540 if large else 348
    header["vox_offset"] = size + 4 + len(text)
    flag = b"\1\0\0\0"
    return header.binaryblock + flag + text, "".join(key for key in ORDER if key in axes)


def _affine(spec: ImageSpec) -> tuple[bool, np.ndarray]:
    """Return whether lengths are known, and the affine, in millimeters if they are."""
    axes = [spec.axes.get(key) for key in "xyz"]
    present = [axis for axis in axes if axis.key in spec.axes]
    factors = {axis.key: length_factor(axis.unit, _MILLIMETER) for axis in present}
    known = all(factor is not None for factor in factors.values())
    factor = [(factors.get(a.key) if known else None) or 1.0 for a in axes]
    scale = np.array([a.scale * f for a, f in zip(axes, factor, strict=True)])
    origin = np.array([a.origin * f for a, f in zip(axes, factor, strict=True)])
    direction, shift = np.eye(3), np.zeros(3)
    about = spec.extra.other.get("nifti")
    try:
        found = np.asarray(about["affine"], np.float64)  # type: ignore[index]  # checked here
        unit = str(about["unit"])  # type: ignore[index]  # checked here
        norms = np.sqrt((found[:3, :3] ** 2).sum(axis=0))
        if found.shape == (4, 4) and np.isfinite(found).all() and norms.min() > 0:
            direction = found[:3, :3] / norms
            shift = found[:3, 3] * ((length_factor(unit, _MILLIMETER) if known else None) or 1.0)
    except (TypeError, KeyError, ValueError, IndexError):
        pass  # it came with no affine
    affine = np.eye(4)
    affine[:3, :3] = direction * scale
    affine[:3, 3] = shift + direction @ origin
    return known, affine


def _time(axis: Axis) -> tuple[int, float, float]:
    """Return NIfTI's code of the unit of time (0 = unknown), step and start."""
    unit = canonical_unit(axis.unit)
    for code, name in _TIMES.items():
        if unit == name:
            return code, axis.scale, axis.origin
    factor = length_factor(unit, "second")
    if factor is None:
        return 0, axis.scale, axis.origin
    return 8, axis.scale * factor, axis.origin * factor


def _extension(spec: ImageSpec) -> bytes:
    """Return the comment extension with what the header cannot hold."""
    text = json.dumps({"fijibridge": said_of(spec)}).encode()
    size = -(-(8 + len(text)) // 16) * 16
    return struct.pack("<ii", size, _COMMENT) + text.ljust(size - 8, b"\0")
