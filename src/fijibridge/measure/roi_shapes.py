"""Outline, length, hull and Feret diameters of any ROI, as ImageJ has them.

Points are (x, y), float32 as ImageJ's, or integers.

Source: ImageJ ij.gui.Roi, OvalRoi, PolygonRoi, EllipseRoi, ShapeRoi (getLength, getFloatPolygon,
getFeretValues), java.awt.geom.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from fijibridge.measure.curves import ellipse, rotated_rectangle, spline
from fijibridge.measure.masks import roi_box

if TYPE_CHECKING:
    from fijibridge.model.rois import Roi

__all__ = [
    "convex_area",
    "feret_values",
    "line_box",
    "middle_length",
    "outline_points",
    "roi_length",
]

#: ImageJ's flatness of curves when it needs their points, and the depth to which Java halves them.
_FLATNESS = 0.1
_MAX_HALVINGS = 10
#: Composite parts with more vertices than this, and short edges, count as drawn by hand.
_MAX_POLYGON = 10
#: Control points of a quarter of java.awt.geom's ellipse in the unit square.
_FAR, _NEAR = 0.5 + 0.5522847498307933 * 0.5, 0.5 - 0.5522847498307933 * 0.5
_QUARTERS = (
    ((1.0, 0.5), (1.0, _FAR), (_FAR, 1.0), (0.5, 1.0)),
    ((0.5, 1.0), (_NEAR, 1.0), (0.0, _FAR), (0.0, 0.5)),
    ((0.0, 0.5), (0.0, _NEAR), (_NEAR, 0.0), (0.5, 0.0)),
    ((0.5, 0.0), (_FAR, 0.0), (1.0, _NEAR), (1.0, 0.5)),
)


def _flatten(curve: np.ndarray, depth: int = 0) -> list[np.ndarray]:
    """Points of a cubic curve (4, 2) behind its start, no farther than the flatness from it."""
    p0, p1, p2, p3 = curve
    chord = p3 - p0
    off = 0.0
    for p in (p1, p2):
        along = float(np.dot(p - p0, chord))
        back = float(np.dot(p3 - p, chord))
        gap = p - p0
        squared = float(np.dot(gap, gap))
        if along > 0.0 and back > 0.0:
            squared -= along * along / float(np.dot(chord, chord))
        elif along > 0.0:
            squared = float(np.dot(p3 - p, p3 - p))
        off = max(off, squared)
    if depth >= _MAX_HALVINGS or off < _FLATNESS * _FLATNESS:
        return [p3]
    left, right, middle = (p0 + p1) / 2.0, (p3 + p2) / 2.0, (p1 + p2) / 2.0
    inner_left, inner_right = (left + middle) / 2.0, (right + middle) / 2.0
    centre = (inner_left + inner_right) / 2.0
    return _flatten(np.stack([p0, left, inner_left, centre]), depth + 1) + _flatten(
        np.stack([centre, inner_right, right, p3]), depth + 1
    )


def _flat_path(curves: list[np.ndarray], base: tuple[int, int]) -> np.ndarray:
    """Flatten float32 curves relative to `base`; without a closing point; absolute float32."""
    points = [curves[0][0]]
    for curve in curves:
        if not np.array_equal(points[-1], curve[0]):
            points.append(curve[0])
        points.extend(_flatten(curve))
    out = np.array(points).astype(np.float32)
    if len(out) > 1 and np.array_equal(out[0], out[-1]):
        out = out[:-1]
    shifted: np.ndarray = out + np.array(base, np.float32)
    return shifted


def _oval_points(box: tuple[int, int, int, int]) -> np.ndarray:
    x, y, w, h = box
    low = np.array([x - 0.0004, y - 0.0004])
    size = np.array([w + 0.0008, h + 0.0008])
    # the bounds of the slightly larger ellipse begin one pixel above and left
    base = np.floor(low)
    quarters = [
        (low + np.array(q) * size - base).astype(np.float32).astype(np.float64) for q in _QUARTERS
    ]
    return _flat_path(quarters, (int(base[0]), int(base[1])))


def _rounded_points(box: tuple[int, int, int, int], arc: int) -> np.ndarray:
    x, y, w, h = box
    aw, ah = float(min(w, arc)), float(min(h, arc))
    a = 1.0 - math.cos(math.pi / 4.0)
    b = math.tan(math.pi / 4.0)
    c = math.sqrt(1.0 + b * b) - 1.0 + a
    k = (1.0 - 4.0 / 3.0 * a * b / c) / 2.0
    sides = (
        ((0.0, h - 0.5 * ah), (0.0, h - k * ah), (k * aw, h), (0.5 * aw, h)),
        ((w - 0.5 * aw, h), (w - k * aw, h), (w, h - k * ah), (w, h - 0.5 * ah)),
        ((w, 0.5 * ah), (w, k * ah), (w - k * aw, 0.0), (w - 0.5 * aw, 0.0)),
        ((0.5 * aw, 0.0), (k * aw, 0.0), (0.0, k * ah), (0.0, 0.5 * ah)),
    )
    curves = [np.array(s, np.float32).astype(np.float64) for s in sides]
    return _flat_path(curves, (x, y))


def outline_points(roi: Roi) -> np.ndarray:
    """Return the vertices of an ROI as (n, 2), all paths of a composite one after the other.

    Integers for rectangles and for ROIs of integer points, float32 for everything else.
    """
    if roi.kind == "composite":
        paths = [_open(path) for path in roi.paths if len(path)]
        return np.concatenate(paths) if paths else np.empty((0, 2), np.float32)
    if roi.kind == "oval":
        return _oval_points(roi_box(roi))
    if roi.kind == "rectangle":
        return _rectangle_points(roi)
    made = _from_parameters(roi)
    if made is not None:
        return _based(made, whole=True)
    if roi.spline and len(roi.points) > 2:
        return spline(roi.points, roi.kind)
    whole = roi.points.dtype.kind in "iu"
    return roi.points.astype(np.int64) if whole else _based(roi.points, whole=False)


def _rectangle_points(roi: Roi) -> np.ndarray:
    box = roi_box(roi)
    if roi.arc_size > 0:
        return _rounded_points(box, roi.arc_size)
    whole = all(float(v).is_integer() for v in roi.bounds)
    x, y, w, h = box if whole else (float(v) for v in roi.bounds)
    corners = [(x, y), (x + w, y), (x + w, y + h), (x, y + h)]
    return np.array(corners, np.int64 if whole else np.float32)


def _from_parameters(roi: Roi) -> np.ndarray | None:
    """Return the vertices of an ellipse or a rotated rectangle; None for other ROIs."""
    make = {"ellipse": ellipse, "rotated rectangle": rotated_rectangle}.get(roi.subtype)
    if make is None or len(roi.parameters) != 5:
        return None
    return make(*(float(v) for v in roi.parameters))


def _based(points: np.ndarray, *, whole: bool) -> np.ndarray:
    """Return float32 points as ImageJ keeps them: relative to a base, then added to it again."""
    base, relative = _relative(points, whole=whole)
    out: np.ndarray = relative + base
    return out


def _relative(points: np.ndarray, *, whole: bool) -> tuple[np.ndarray, np.ndarray]:
    p = np.asarray(points, np.float32)
    base = p.min(axis=0) if len(p) else np.zeros(2, np.float32)
    if whole:
        base = np.floor(base)
    return base, p - base


def _open(path: np.ndarray) -> np.ndarray:
    """Return a path without a repeated last point."""
    return path[:-1] if len(path) > 1 and np.array_equal(path[0], path[-1]) else path


def _is_stepped(points: np.ndarray) -> bool:
    """Return whether all edges run along the pixel grid between whole coordinates."""
    p = np.asarray(points, np.float64)
    if not len(p) or not np.array_equal(p, np.floor(p)):
        return False
    step = np.roll(p, -1, axis=0) - p
    return bool(((step[:, 0] == 0) | (step[:, 1] == 0)).all())


def _traced(points: np.ndarray, w: float, h: float) -> float:
    from fijibridge.measure._kernels.outlines import traced_perimeter

    p = np.floor(np.asarray(points, np.float64) + 0.5).astype(np.int32)
    x, y = np.ascontiguousarray(p[:, 0]), np.ascontiguousarray(p[:, 1])
    return float(traced_perimeter(x, y, 0, len(p), w, h))


def middle_length(roi: Roi) -> float:
    """Return the length of a rotated rectangle's middle line, pixels, from its float corners."""
    made = _from_parameters(roi)
    assert made is not None  # noqa: S101  # the caller asked for the subtype
    base, p = _relative(made, whole=True)
    half = np.float32(2)
    ends = [a + (b - a) / half + base for a, b in ((p[3], p[0]), (p[1], p[2]))]
    dx, dy = (ends[1].astype(np.float64) - ends[0]).tolist()
    return math.sqrt(dx * dx + dy * dy)


def _columns(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return x and y, in the type in which ImageJ subtracts them."""
    if points.dtype.kind in "iu":
        points = points.astype(np.int64)
    return np.ascontiguousarray(points[:, 0]), np.ascontiguousarray(points[:, 1])


def _ramanujan(a: float, b: float) -> float:
    return math.pi * (3 * (a + b) - math.sqrt((3 * a + b) * (a + 3 * b)))


def roi_length(roi: Roi, w: float, h: float) -> float:
    """Return the length of a line, or the perimeter of an area.

    Parameters
    ----------
    roi
        Any kind.
    w, h
        Size of a pixel.
    """
    if roi.kind == "rectangle":
        _, _, width, height = roi_box(roi)
        length = 2.0 * width * w + 2.0 * height * h
        if roi.arc_size > 0:
            a, b = (0.5 * min(roi.arc_size, n) * s for n, s in ((width, w), (height, h)))
            length += _ramanujan(a, b) - 4 * (a + b)
        return length
    if roi.kind == "oval":
        _, _, width, height = roi_box(roi)
        return _ramanujan(0.5 * width * w, 0.5 * height * h)
    if roi.kind == "composite":
        return sum(_part_length(_open(path), w, h) for path in roi.paths if len(path) > 2)
    if roi.kind == "line" and len(roi.points) == 2:
        (x1, y1), (x2, y2) = roi.points.astype(np.float64)
        return math.sqrt(((x2 - x1) * w) ** 2 + ((y2 - y1) * h) ** 2)
    return _polygon_length(roi, w, h)


def _part_length(path: np.ndarray, w: float, h: float) -> float:
    """Return the perimeter of one part of a composite: traced, polygon, or drawn by hand."""
    from fijibridge.measure._kernels.float_outlines import edge_length, smoothed_length

    if len(path) < 3:
        return 0.0
    if _is_stepped(path):
        return _traced(path, w, h)
    _, relative = _relative(path, whole=False)
    x, y = _columns(relative)
    plain = float(edge_length(x, y, True, 1.0, 1.0))
    n = len(path)
    if n <= _MAX_POLYGON or plain / (n * math.sqrt(n)) >= 2:
        return float(edge_length(x, y, True, w, h))
    return float(smoothed_length(x, y, True, w, h))


def _polygon_length(roi: Roi, w: float, h: float) -> float:
    from fijibridge.measure._kernels import float_outlines as kernels

    points = roi.points
    whole = points.dtype.kind in "iu"
    made = _from_parameters(roi)
    if made is not None:
        x, y = _columns(_relative(made, whole=True)[1])
        if roi.subtype == "ellipse":
            return float(kernels.ellipse_length(x, y, w, h))
        return float(kernels.edge_length(x, y, True, w, h))
    if roi.kind == "traced" and not whole:
        return math.nan  # as ImageJ, which traces along whole coordinates only
    if roi.kind == "traced" or (roi.kind == "polygon" and _is_stepped(points)):
        return _traced(points, w, h)
    x, y = _columns(points if whole else _relative(points, whole=False)[1])
    if len(points) > 2 and roi.kind in ("freehand", "freeline"):
        return float(kernels.smoothed_length(x, y, roi.kind == "freehand", w, h))
    if roi.spline and len(points) > 2:
        x, y = _columns(_relative(spline(points, roi.kind), whole=False)[1])
    return float(kernels.edge_length(x, y, roi.kind == "polygon", w, h))


def line_box(points: np.ndarray) -> tuple[int, int, int, int]:
    """Return (x, y, width, height) of the pixels a line or points are drawn on."""
    p = np.asarray(points, np.float64)
    low, high = np.floor(p.min(axis=0) + 0.5), np.floor(p.max(axis=0) + 1.5)
    return int(low[0]), int(low[1]), int(high[0] - low[0]), int(high[1] - low[1])


def _hull(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    from fijibridge.measure._kernels.float_outlines import gift_wrap

    p = _open(np.asarray(points)).astype(np.float64)
    x, y = np.ascontiguousarray(p[:, 0]), np.ascontiguousarray(p[:, 1])
    at = gift_wrap(x, y)
    return x[at], y[at]


def convex_area(points: np.ndarray) -> float:
    """Return the area of the hull with its vertices rounded to whole pixels, in pixels."""
    if not len(points):
        return math.nan
    x, y = (np.floor(v + 0.5).astype(np.int64) for v in _hull(points))
    twice = int(((x + np.roll(x, 1)) * (y - np.roll(y, 1))).sum())
    return abs(twice / 2.0)


def feret_values(roi: Roi, points: np.ndarray, w: float, h: float) -> tuple[float, ...]:
    """Return (Feret, FeretX, FeretY, FeretAngle, MinFeret) of an ROI.

    Parameters
    ----------
    roi
        Ovals and ellipses have their own formulas.
    points
        From `outline_points`.
    w, h
        Size of a pixel. FeretX and FeretY stay in pixels, except for ovals, as in ImageJ.
    """
    if roi.kind == "oval":
        x, y, width, height = roi_box(roi)
        if h * height > w * width:
            return height * h, (x + 0.5 * width) * w, (y + height) * h, 90.0, width * w
        return width * w, x * w, (y + 0.5 * height) * h, 0.0, height * h
    if not len(points):
        return (math.nan,) * 5
    from fijibridge.measure._kernels.float_outlines import feret
    from fijibridge.measure._kernels.trig import java_atan2

    hx, hy = _hull(points)
    squared, p1, p2, least = feret(hx.astype(np.float32), hy.astype(np.float32), w, h)
    if hx[p1] > hx[p2]:
        p1, p2 = p2, p1
    angle = (180.0 / math.pi) * java_atan2((hy[p1] - hy[p2]) * h, (hx[p2] - hx[p1]) * w)
    if angle < 0.0:
        angle += 180.0
    diameter, breadth = math.sqrt(squared), float(least)
    if roi.subtype == "ellipse" and len(roi.parameters) == 5 and w == h:
        aspect = float(roi.parameters[4])
        (x1, y1), (x2, y2) = points[[len(points) // 2, 0]].astype(np.float64)
        major = math.sqrt((x2 - x1) ** 2 + (y2 - y1) ** 2)
        diameter, breadth = major * w, major * min(max(aspect, 0.0), 1.0) * w
    return diameter, float(hx[p1]), float(hy[p1]), float(angle), breadth
