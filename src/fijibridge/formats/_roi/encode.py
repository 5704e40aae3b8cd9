"""`Roi` -> an ImageJ ROI record, byte for byte as ImageJ 1.54p writes it.

Source: ImageJ 1.54p RoiEncoder.write, saveShapeRoi, putHeader2; Roi.setIntBounds for the bounds.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np

from fijibridge.errors import SettingsError, UnsupportedError
from fijibridge.formats._roi import layout as at
from fijibridge.formats._roi.decode import decode_roi, header2_start
from fijibridge.formats._roi.patch import color_bits, patched, set_group, tail

if TYPE_CHECKING:
    from fijibridge.model import Roi

__all__ = ["encode_roi", "path_numbers"]

_ELLIPSE_VERTICES = 72


def encode_roi(roi: Roi) -> bytes:
    """Return the record of an ROI.

    An ROI that was read and not changed gives the bytes it was read from. When only its name,
    position, group, colours, stroke width, properties or counters were changed, these are patched
    in and every other byte stays. When its shape was changed, the record is made anew, keeping the
    settings that are not modelled (arrow heads, point types, fonts, overlay options).

    Parameters
    ----------
    roi
        Points as (x, y); whole numbers are written as pixel corners, floats as sub-pixel.

    Returns
    -------
    bytes
        One record, version 228 (229 when the group is above 255).

    Raises
    ------
    SettingsError
        When a value does not fit a record: a group above 65535, a composite without paths.
    UnsupportedError
        When an image ROI has no record to take the pixels from.

    Source
    ------
    ImageJ 1.54p RoiEncoder.write
    """
    _check(roi)
    if not roi.record:
        return _made(roi, b"")
    old = decode_roi(roi.record)
    if not _same_shape(old, roi):
        same_kind = (old.kind, old.subtype) == (roi.kind, roi.subtype)
        return _made(roi, roi.record if same_kind else b"")
    return patched(roi.record, old, roi)


def _check(roi: Roi) -> None:
    if not 0 <= roi.group <= 65535:
        raise SettingsError(f"The group {roi.group} of an ROI is not one of 0 to 65535.")
    for color in (roi.stroke_color, roi.fill_color):
        if color is not None and (len(color) != 4 or not all(0 <= v <= 255 for v in color)):
            raise SettingsError(f"The colour {color} of an ROI is not (a, r, g, b) in 0 to 255.")
    for array in (roi.points, *roi.paths, np.asarray(roi.bounds, np.float64)):
        if array.size and not np.isfinite(array).all():
            raise SettingsError(f"The ROI {roi.name!r} has coordinates that are not numbers.")


def _same_shape(old: Roi, roi: Roi) -> bool:
    return (
        old.kind == roi.kind
        and old.subtype == roi.subtype
        and old.bounds == tuple(roi.bounds)
        and old.arc_size == roi.arc_size
        and old.spline == roi.spline
        and old.text == roi.text
        and old.parameters == tuple(roi.parameters)
        and np.array_equal(old.points, roi.points)
        and len(old.paths) == len(roi.paths)
        and all(np.array_equal(a, b) for a, b in zip(old.paths, roi.paths, strict=True))
    )


def path_numbers(paths: tuple[np.ndarray, ...]) -> np.ndarray:
    """Return paths as ImageJ's segments (float32): 0 x y, 1 x y …, 4."""
    parts = []
    for path in paths:
        if not len(path):
            continue
        segment = np.ones((len(path), 3), np.float32)
        segment[0, 0] = 0
        segment[:, 1:] = path
        parts += [segment.ravel(), np.array([4], np.float32)]
    return np.concatenate(parts) if parts else np.empty(0, np.float32)


def _box(points: np.ndarray, *, line: bool) -> tuple[int, int, int, int]:
    """(left, top, right, bottom) of the header."""
    low, high = points.min(axis=0), points.max(axis=0)
    if points.dtype.kind != "f":
        extra = 1 if line else 0
        return (int(low[0]), int(low[1]), int(high[0]) + extra, int(high[1]) + extra)
    if line:
        low, high = np.floor(low + 0.5), np.floor(high + 1.5)
    else:
        low, high = np.floor(low), np.ceil(high)
    return (int(low[0]), int(low[1]), int(high[0]), int(high[1]))


def _too_large(left: int, top: int, right: int, bottom: int) -> bool:
    largest = max(left, top, right - left, bottom - top)
    return largest > at.LARGEST_BOUND or min(left, top) < at.SMALLEST_SHORT


def _shorts(values: np.ndarray) -> bytes:
    # beyond 16 bits they wrap as in ImageJ: readers take the floats then
    return (values.astype(np.int64) & 0xFFFF).astype(">u2").T.tobytes()


def _ellipse(parameters: tuple[float, ...]) -> np.ndarray:
    x1, y1, x2, y2, ratio = parameters
    major, slope = np.hypot(x2 - x1, y2 - y1), np.arctan2(y2 - y1, x2 - x1)
    t = np.arange(_ELLIPSE_VERTICES) * (2 * np.pi / _ELLIPSE_VERTICES)
    u, v = np.cos(t) * major / 2, np.sin(t) * major * ratio / 2
    x = (x1 + x2) / 2 + u * np.cos(slope) - v * np.sin(slope)
    y = (y1 + y2) / 2 + u * np.sin(slope) + v * np.cos(slope)
    return np.stack([x, y], axis=1)


def _rotated_rectangle(parameters: tuple[float, ...]) -> np.ndarray:
    x1, y1, x2, y2, width = parameters
    length = float(np.hypot(x2 - x1, y2 - y1)) or 1.0
    dx, dy = 0.5 * width * (y2 - y1) / length, -0.5 * width * (x2 - x1) / length
    return np.array(
        [[x1 + dx, y1 + dy], [x2 + dx, y2 + dy], [x2 - dx, y2 - dy], [x1 - dx, y1 - dy]]
    )


class _Record:
    """A header, a body and a second header that are being filled."""

    def __init__(self, template: bytes) -> None:
        self.head = bytearray(template[: at.HEADER_SIZE] or at.HEADER_SIZE)
        self.head2 = bytearray(at.HEADER2_SIZE)
        self.body = b""
        self.options = 0
        version = at.VERSION
        if template:
            self.options = self.get(">H", at.AT_OPTIONS) & ~at.GEOMETRY_OPTIONS
            version = max(version, self.get(">h", at.AT_VERSION))
            start = header2_start(template)
            old = template[start : start + at.HEADER2_SIZE] if start else b""
            self.head2[: len(old)] = old
        self.head[:4] = at.MAGIC
        self.put(">h", at.AT_VERSION, version)
        self.head[at.AT_BOX : at.AT_STROKE_WIDTH] = bytes(at.AT_STROKE_WIDTH - at.AT_BOX)
        self.put(">i", at.AT_SHAPE_SIZE, 0)

    def get(self, code: str, where: int) -> int:
        return int(struct.unpack_from(code, self.head, where)[0])

    def put(self, code: str, where: int, *values: float) -> None:
        struct.pack_into(code, self.head, where, *values)

    def put_box(self, left: int, top: int, right: int, bottom: int) -> None:
        self.put(">4H", at.AT_BOX, *(v & 0xFFFF for v in (top, left, bottom, right)))


def _put_bounds(record: _Record, roi: Roi) -> None:
    x, y, width, height = (float(v) for v in roi.bounds)
    box = np.array([[x, y], [x + width, y + height]])
    edges = _box(box, line=False)
    record.put_box(*edges)
    if roi.kind != "none" and (_too_large(*edges) or (box != np.rint(box)).any()):
        record.put(">4f", at.AT_FLOATS, x, y, width, height)
        record.options |= at.SUB_PIXEL
    if roi.kind == "rectangle":
        record.put(">H", at.AT_ARC_SIZE, min(max(int(roi.arc_size), 0), 32767))


def _put_line(record: _Record, roi: Roi) -> None:
    if len(roi.points) != 2:
        raise SettingsError(f"A line has two points; the ROI {roi.name!r} has {len(roi.points)}.")
    record.put_box(*_box(roi.points.astype(np.float64), line=True))
    record.put(">4f", at.AT_FLOATS, *(float(v) for v in roi.points.ravel()))


def _put_points(record: _Record, roi: Roi, points: np.ndarray) -> None:
    n = len(points)
    if n == 0:
        return
    whole = points.dtype.kind != "f" and roi.kind != "point"
    if not whole:
        points = points.astype(np.float32)
    edges = _box(points, line=roi.kind in at.LINE_KINDS)
    record.put_box(*edges)
    if n > at.LARGEST_COUNT:  # ImageJ reads it there for every kind
        record.put(">i", at.AT_FLOATS, n)
    else:
        record.put(">H", at.AT_COUNT, n)
    if whole:
        record.body = _shorts(points - np.array(edges[:2]))
    else:
        relative = (points - points.min(axis=0)).astype(np.float64)
        record.body = _shorts(np.floor(relative + 0.5))
    if not whole or _too_large(*edges):
        record.options |= at.SUB_PIXEL
        record.body += points.T.astype(">f4").tobytes()


def _put_composite(record: _Record, paths: tuple[np.ndarray, ...], name: str) -> None:
    numbers = path_numbers(paths)
    if not len(numbers):
        raise SettingsError(f"The composite ROI {name!r} has no paths.")
    record.put_box(*_box(np.concatenate([p for p in paths if len(p)]), line=False))
    record.put(">i", at.AT_SHAPE_SIZE, len(numbers))
    record.body = numbers.astype(">f4").tobytes()


def _text_body(roi: Roi, template: bytes) -> bytes:
    size, style, font, angle = 18, 0, "SansSerif".encode("utf-16-be"), bytes(4)
    if len(template) >= at.HEADER_SIZE + 16:
        size, style, n_font, n_text = struct.unpack_from(">iiii", template, at.HEADER_SIZE)
        begin = at.HEADER_SIZE + 16
        font = template[begin : begin + 2 * n_font]
        end = begin + 2 * (n_font + n_text)
        angle = (template[end : end + 4] + bytes(4))[:4]
    text = roi.text.encode("utf-16-be", "surrogatepass")
    lengths = struct.pack(">iiii", size, style, len(font) // 2, len(text) // 2)
    return lengths + font + text + angle


def _put_shape(record: _Record, roi: Roi) -> None:
    if roi.parameters and roi.subtype in ("ellipse", "rotated rectangle"):
        points = roi.points
        if not len(points):
            make = _ellipse if roi.subtype == "ellipse" else _rotated_rectangle
            points = make(roi.parameters)
        _put_points(record, roi, points.astype(np.float64))
        record.put(">4f", at.AT_FLOATS, *roi.parameters[:4])
        record.put(">f", at.AT_PARAMETER, roi.parameters[4])
    elif roi.kind == "composite":
        _put_composite(record, roi.paths, roi.name)
    elif roi.kind == "line":
        _put_line(record, roi)
    elif roi.kind in ("polygon", "freehand", "traced") and len(roi.points) > at.LARGEST_COUNT:
        _put_composite(record, (roi.points,), roi.name)
        record.head[at.AT_TYPE] = at.TYPE_OF["composite"]
    elif roi.kind in at.POINT_KINDS:
        _put_points(record, roi, roi.points)
    elif len(roi.bounds) == 4:
        _put_bounds(record, roi)


def _put_contents(record: _Record, roi: Roi, template: bytes) -> None:
    """Texts and pixels that some rectangles hold."""
    if roi.subtype == "text":
        record.body = _text_body(roi, template)
    elif roi.subtype == "image":
        (size,) = struct.unpack_from(">i", record.head2, at.AT2_IMAGE_SIZE)
        record.body = template[at.HEADER_SIZE : at.HEADER_SIZE + max(size, 0)]
        if not record.body:
            raise UnsupportedError(
                f"The image ROI {roi.name!r} has no pixels to be written.",
                "Keep the record it was read from.",
            )


def _made(roi: Roi, template: bytes) -> bytes:
    """Return a new record; settings that are not modelled come from `template` (b"" = none)."""
    record = _Record(template)
    record.head[at.AT_TYPE] = at.TYPE_OF[roi.kind]
    if roi.subtype not in at.SUBTYPES:
        raise SettingsError(f"{roi.subtype!r} is no subtype of ROIs: {', '.join(at.SUBTYPES[1:])}.")
    record.put(">H", at.AT_SUBTYPE, at.SUBTYPES.index(roi.subtype))
    _put_shape(record, roi)
    _put_contents(record, roi, template)
    if roi.spline:
        record.options |= at.SPLINE
    width = 0.0 if roi.kind == "point" else float(roi.stroke_width)
    if roi.kind != "point":
        record.put(">H", at.AT_STROKE_WIDTH, int(min(width, 32767)))
    elif not template:
        record.put(">H", at.AT_STROKE_WIDTH, 1)  # the size of points: small
    if not template:
        record.options |= at.SCALE_STROKE if width > 0 else 0
        if roi.subtype == "arrow":
            record.head[at.AT_ARROW_HEAD] = 10  # ImageJ's default head
    record.put(">H", at.AT_OPTIONS, record.options)
    record.put(">I", at.AT_STROKE_COLOR, color_bits(roi.stroke_color))
    record.put(">I", at.AT_FILL_COLOR, color_bits(roi.fill_color))
    record.put(">i", at.AT_POSITION, roi.position.slice)
    start = at.HEADER_SIZE + len(record.body)
    record.put(">i", at.AT_HEADER2, start)
    where = roi.position
    struct.pack_into(">iii", record.head2, at.AT2_CZT, where.c, where.z, where.t)
    struct.pack_into(">f", record.head2, at.AT2_STROKE_WIDTH, width)
    set_group(record.head, record.head2, 0, roi.group)
    rest = tail(record.head2, start, roi, fallback=roi.name)
    return b"".join([record.head, record.body, record.head2, rest])
