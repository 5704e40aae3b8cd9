"""An ImageJ ROI record -> `Roi`.

Source: ImageJ 1.54p RoiDecoder.getRoi; ShapeRoi for the segments of composites.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from fijibridge.errors import FormatError
from fijibridge.formats._roi import layout as at
from fijibridge.formats._roi.properties import split_properties
from fijibridge.model import Position, Roi

if TYPE_CHECKING:
    from fijibridge.model import RoiKind

__all__ = ["decode_roi", "header2_start"]

_HEADER = struct.Struct(">4s h B x 4h H 16x h i I I h H 4x i i")
_INT = struct.Struct(">i")
_THREE = struct.Struct(">iii")
_EVERYWHERE = Position()
_CURVE_STEPS = 16
#: Numbers per segment: move, line, quadratic and cubic curve, close.
_SEGMENT = (2, 2, 4, 6, 0)


def header2_start(data: bytes | bytearray) -> int:
    """Return where the second header of a record that was decoded starts, 0 when it has none."""
    return int(_INT.unpack_from(data, at.AT_HEADER2)[0])


def _header2(data: bytes, end: int) -> int:
    """Return where the second header starts, which is not before the `end` of the coordinates.

    ImageJ fails for one that goes beyond the record, and takes coordinates for names where they
    overlap.
    """
    start = header2_start(data)
    if start == 0:
        return 0
    if start < end:
        raise FormatError(
            f"An ROI record is broken: its second header is announced at byte {start}, where its "
            f"first header and its coordinates are (bytes 0 to {end - 1})."
        )
    if start + at.HEADER2_SIZE > len(data):
        raise FormatError(
            f"An ROI record is truncated: its second header was announced at byte {start}, "
            f"the record has {len(data)} bytes."
        )
    return start


def _text_at(data: bytes, start: int, offset_at: int, what: str) -> str:
    """Return the UTF-16 text whose offset and length stand at `offset_at` in the second header."""
    if not start:
        return ""
    offset, length = struct.unpack_from(">ii", data, start + offset_at)
    if offset <= 0 or length <= 0:
        return ""
    if offset + 2 * length > len(data):
        raise FormatError(
            f"An ROI record is truncated: {what} of {length} letters was announced at byte "
            f"{offset}, the record has {len(data)} bytes."
        )
    return data[offset : offset + 2 * length].decode("utf-16-be", "replace")


def _short(value: int) -> int:
    return value + 65536 if value < at.SMALLEST_SHORT else value


def _color(value: int) -> tuple[int, int, int, int] | None:
    if value == 0:
        return None
    return (value >> 24 & 255, value >> 16 & 255, value >> 8 & 255, value & 255)


def _finite(values: np.ndarray, what: str) -> np.ndarray:
    if not np.isfinite(values).all():
        raise FormatError(f"An ROI record is broken: {what} are not numbers.")
    return values


def _array(data: bytes, dtype: str, count: int, offset: int) -> np.ndarray:
    size = np.dtype(dtype).itemsize * count
    if count < 0 or offset + size > len(data):
        raise FormatError(
            f"An ROI record is truncated: {count} numbers were announced at byte {offset}, "
            f"the record has {len(data)} bytes."
        )
    return np.frombuffer(data, dtype, count, offset)


def _points(data: bytes, n: int, left: int, top: int, *, sub_pixel: bool) -> np.ndarray:
    if sub_pixel:
        floats = _array(data, ">f4", 2 * n, at.HEADER_SIZE + 4 * n)
        return _finite(floats, "its coordinates").reshape(2, n).T.astype(np.float64)
    shorts = _array(data, ">i2", 2 * n, at.HEADER_SIZE).astype(np.int32)
    shorts[shorts < at.SMALLEST_SHORT] += 65536
    np.maximum(shorts, 0, out=shorts)
    return np.ascontiguousarray(shorts.reshape(2, n).T) + np.array([left, top], np.int32)


def _curve(start: list[float], rest: list[float]) -> list[list[float]]:
    """Points of a Bezier curve after its start."""
    control = np.array([start, *(rest[i : i + 2] for i in range(0, len(rest), 2))])
    t = np.arange(1, _CURVE_STEPS + 1)[:, None] / _CURVE_STEPS
    if len(control) == 3:
        weights = np.hstack([(1 - t) ** 2, 2 * t * (1 - t), t**2])
    else:
        weights = np.hstack([(1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3])
    return (weights @ control).tolist()  # type: ignore[no-any-return]  # numpy says Any


def _paths(numbers: np.ndarray) -> tuple[np.ndarray, ...]:
    values = numbers.tolist()
    paths: list[list[list[float]]] = []
    end = len(values)
    i = 0
    while i < end:
        kind = int(values[i])
        if not 0 <= kind <= 4:
            i += 1  # as ImageJ: an unknown segment has no numbers
            continue
        stop = i + 1 + _SEGMENT[kind]
        if stop > end:
            break
        if kind == 0:
            paths.append([values[i + 1 : stop]])
        elif kind == 4:
            pass
        elif not paths:
            raise FormatError("An ROI record is broken: its path does not begin with a move.")
        elif kind == 1:
            paths[-1].append(values[i + 1 : stop])
        else:
            paths[-1] += _curve(paths[-1][-1], values[i + 1 : stop])
        i = stop
    out = []
    for path in paths:
        array = np.array(path, np.float64)
        whole = array.astype(np.int32) if (np.abs(array) < 2**31).all() else None
        out.append(whole if whole is not None and np.array_equal(whole, array) else array)
    return tuple(out)


def _text(data: bytes) -> str:
    font, length = _array(data, ">i4", 4, at.HEADER_SIZE)[2:].tolist()
    start = at.HEADER_SIZE + 16 + 2 * font
    if font < 0 or length < 0 or start + 2 * length > len(data):
        raise FormatError("An ROI record is truncated: its text goes beyond its end.")
    return data[start : start + 2 * length].decode("utf-16-be", "replace")


def decode_roi(data: bytes, entry: str = "") -> Roi:
    """Return the ROI in a record.

    Parameters
    ----------
    data
        One record, as in a ``.roi`` file, a zip entry or the overlay of a TIFF.
    entry
        Name of the file or zip entry, without ``.roi``; the ROI's name when the record has none.

    Returns
    -------
    Roi
        Points are int32 at pixel corners, or float64 when the record is sub-pixel. ``record``
        holds `data`, so that everything else in it is kept on writing.

    Raises
    ------
    FormatError
        When the bytes are no ROI record, or a broken one.

    Source
    ------
    ImageJ 1.54p RoiDecoder.getRoi
    """
    data = bytes(data)
    if data[:2] != at.MAGIC_READ:
        raise FormatError(f"This is no ImageJ ROI: it begins with {data[:4]!r}, not with b'Iout'.")
    if len(data) < at.HEADER_SIZE:
        raise FormatError(f"An ROI record is truncated: {len(data)} bytes, its header alone is 64.")
    (_, version, code, top, left, bottom, right, n, width, shape_size, stroke, fill, subtype,
     options, position, _) = _HEADER.unpack_from(data)  # fmt: skip
    if code >= len(at.KINDS):
        raise FormatError(f"An ROI record is broken: its type is {code}, allowed are 0 to 10.")
    kind = at.KINDS[code]
    if shape_size > 0:
        if kind != "rectangle":
            raise FormatError(f"An ROI record is broken: a composite of type {code}.")
        kind = "composite"
    new_enough = version >= 218
    word = at.SUBTYPES[subtype] if new_enough and 0 <= subtype < len(at.SUBTYPES) else ""
    shape = _Shape(kind=kind, subtype=word, left=_short(left), top=_short(top),
                   right=_short(right), bottom=_short(bottom), n=n, numbers=shape_size,
                   sub_pixel=bool(options & at.SUB_PIXEL) and version >= 222,
                   sub_pixel_bounds=version >= 223)  # fmt: skip
    text = _text(data) if word == "text" else ""
    geometry = _geometry(data, shape)
    start = _header2(data, _body_end(data, geometry, shape))
    where, group = _place(data, start, version, position)
    properties = ""
    if version >= 224:
        properties = _text_at(data, start, at.AT2_PROPERTIES, "a text of properties")
    if kind == "point" and version >= 227:
        geometry["counters"] = _counters(data, start, len(geometry["points"]))
    return Roi(
        kind=kind,
        name=_text_at(data, start, at.AT2_NAME, "a name") or entry,
        position=where,
        group=group,
        stroke_color=_color(stroke) if new_enough else None,
        fill_color=_color(fill) if new_enough else None,
        # of points, the width is their size
        stroke_width=_width(data, start, width) if new_enough and kind != "point" else 0.0,
        properties=split_properties(properties) if properties else {},
        subtype=word,
        text=text,
        spline=bool(options & at.SPLINE) and new_enough and kind in at.POINT_KINDS,
        entry=entry,
        record=data,
        **geometry,
    )


class _Shape(NamedTuple):
    """What the header says about the coordinates."""

    kind: RoiKind
    subtype: str
    left: int
    top: int
    right: int
    bottom: int
    n: int
    numbers: int
    sub_pixel: bool
    sub_pixel_bounds: bool


def _geometry(data: bytes, shape: _Shape) -> dict[str, Any]:
    """Fields of `Roi` that say where it is."""
    kind = shape.kind
    if kind == "composite":
        numbers = _array(data, ">f4", shape.numbers, at.HEADER_SIZE)
        return {"paths": _paths(_finite(numbers, "its coordinates"))}
    four = np.frombuffer(data, ">f4", 4, at.AT_FLOATS)
    if kind in ("rectangle", "oval", "none"):
        found: dict[str, Any] = {}
        if kind == "rectangle":
            found["arc_size"] = max(struct.unpack_from(">h", data, at.AT_ARC_SIZE)[0], 0)
        if shape.sub_pixel and shape.sub_pixel_bounds and kind != "none":
            found["bounds"] = tuple(_finite(four, "its bounds").tolist())
        else:
            width, height = shape.right - shape.left, shape.bottom - shape.top
            found["bounds"] = (float(shape.left), float(shape.top), float(width), float(height))
        return found
    if kind == "line":
        return {"points": _finite(four, "its ends").reshape(2, 2).astype(np.float64)}
    n = shape.n or _INT.unpack_from(data, at.AT_FLOATS)[0]
    points = _points(data, max(n, 0), shape.left, shape.top, sub_pixel=shape.sub_pixel)
    found = {"points": points}
    if kind == "freehand" and shape.subtype in ("ellipse", "rotated rectangle"):
        last = np.frombuffer(data, ">f4", 1, at.AT_PARAMETER)
        five = _finite(np.concatenate([four, last]), "its numbers")
        found["parameters"] = tuple(five.tolist())
    return found


def _body_end(data: bytes, geometry: dict[str, Any], shape: _Shape) -> int:
    """Return where the coordinates or the text of a record end."""
    end = at.HEADER_SIZE
    if shape.kind == "composite":
        end += 4 * shape.numbers
    elif "points" in geometry and shape.kind != "line":
        end += (12 if shape.sub_pixel else 4) * len(geometry["points"])
    elif shape.subtype == "text":
        font, letters = struct.unpack_from(">ii", data, end + 8)
        end += 16 + 2 * (font + letters)
    return end


def _place(data: bytes, start: int, version: int, position: int) -> tuple[Position, int]:
    """Return the position and the group."""
    if not start:
        return (Position(slice=position) if position > 0 else _EVERYWHERE), 0
    c, z, t = _THREE.unpack_from(data, start + at.AT2_CZT)
    group = data[start + at.AT2_GROUP] if version >= 228 else 0
    if group == 0 and version >= at.VERSION_LARGE_GROUPS:
        (group,) = struct.unpack_from(">H", data, start + at.AT2_LARGE_GROUP)
    if c <= 0 and z <= 0 and t <= 0 and position <= 0:
        return _EVERYWHERE, group
    return Position(c=max(c, 0), z=max(z, 0), t=max(t, 0), slice=max(position, 0)), group


def _width(data: bytes, start: int, rounded: int) -> float:
    if start:
        (exact,) = struct.unpack_from(">f", data, start + at.AT2_STROKE_WIDTH)
        if 0 < exact < float("inf"):
            return float(exact)
    return float(max(_short(rounded), 0))


def _counters(data: bytes, start: int, n: int) -> np.ndarray:
    if not start:
        return np.empty(0, np.int32)
    (offset,) = _INT.unpack_from(data, start + at.AT2_COUNTERS)
    if offset <= 0:
        return np.empty(0, np.int32)
    return _array(data, ">i4", n, offset).astype(np.int32)
