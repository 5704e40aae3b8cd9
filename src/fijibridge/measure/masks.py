"""Which pixels an area ROI encloses, by ImageJ's own filling rules, pixel by pixel.

A pixel belongs to an ROI when its centre is inside the outline; a centre exactly on a left or upper
border is outside or inside as ImageJ decides, and the rounding of its floats is followed.

Source: ij.gui.Roi, OvalRoi, PolygonRoi, ShapeRoi (getMask), ij.process.PolygonFiller, and
java.awt.geom for rounded corners.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from fijibridge.errors import SettingsError
from fijibridge.model.rois import AREA_KINDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fijibridge.model.rois import Roi

__all__ = ["roi_mask"]

Window = tuple[int, int, int, int]
Box = tuple[int, int, int, int]

#: Largest mask in pixels, and largest coordinate: ImageJ's own are 32-bit integers.
MAX_PIXELS = 1 << 31
MAX_COORDINATE = float(1 << 31)
#: ImageJ's flatness of curves in masks, and the depth to which java.awt.geom halves them.
FILL_FLATNESS = 0.01
MAX_HALVINGS = 10
#: Subtypes whose vertices ImageJ keeps relative to the whole pixel left above them.
_WHOLE_BASE = frozenset({"ellipse", "rotated rectangle"})


def roi_mask(roi: Roi, *, within: Window | None = None) -> tuple[np.ndarray, int, int]:
    """Return the pixels an area ROI encloses.

    Parameters
    ----------
    roi
        A rectangle (also with rounded corners), oval, polygon, freehand, traced or composite ROI.
        Integer points are filled as ImageJ's integer polygons, floats as its sub-pixel ones.
    within
        (x, y, width, height): only what lies inside of it is looked at and returned.

    Returns
    -------
    mask, x0, y0
        mask (h, w) bool over ImageJ's bounds of the ROI (cut to `within`); pixel (row, column) of
        it is pixel (y0 + row, x0 + column) of the image. It may be empty.

    Raises
    ------
    SettingsError
        For lines, points and other kinds without an area, for coordinates that are not finite,
        and for masks of more than 2**31 pixels.

    Examples
    --------
    >>> from fijibridge.model import Roi
    >>> mask, x0, y0 = roi_mask(Roi(kind="oval", bounds=(2, 1, 3, 3)))
    >>> mask.astype(int).tolist(), x0, y0
    ([[1, 1, 1], [1, 1, 1], [1, 1, 1]], 2, 1)
    """
    if roi.kind not in AREA_KINDS:
        raise SettingsError(
            f"ROI {roi.name!r} is a {roi.kind}; it encloses no pixels. "
            f"Kinds with an area are {', '.join(sorted(AREA_KINDS))}.",
            "Leave it out, or make it an area first (ImageJ: Edit > Selection > Line to Area).",
        )
    if roi.kind in ("rectangle", "oval"):
        return _from_bounds(roi, within)
    if roi.kind == "composite":
        return _composite(roi.paths, roi.name, within)
    points = roi.points
    if points.dtype.kind in "iu":
        return _whole_polygon(points, roi.name, within)
    return _float_polygon(points, roi, within)


def _check(values: np.ndarray, name: str) -> None:
    if values.size and not (np.abs(values) < MAX_COORDINATE).all():
        raise SettingsError(
            f"ROI {name!r} has coordinates that are not finite or beyond 2**31.",
            "It is no ROI of an image; remove it from the set.",
        )


def _window(box: Box, within: Window | None, name: str) -> Box:
    """Return the part of `box` (x, y, width, height) to look at."""
    x, y, w, h = box
    if within is not None:
        x1 = min(x + w, within[0] + within[2])
        y1 = min(y + h, within[1] + within[3])
        x, y = max(x, within[0]), max(y, within[1])
        w, h = max(x1 - x, 0), max(y1 - y, 0)
    if w * h > MAX_PIXELS:
        raise SettingsError(
            f"ROI {name!r} covers {w} x {h} pixels; a mask of more than 2**31 pixels is not made.",
            "Give the image's size, so that only the part inside is looked at.",
        )
    return x, y, w, h


def _from_bounds(roi: Roi, within: Window | None) -> tuple[np.ndarray, int, int]:
    """Rectangles and ovals: ImageJ cuts the position to whole pixels and rounds the size up."""
    fx, fy, fw, fh = (float(v) for v in roi.bounds)
    _check(np.array([fx, fy, fw, fh]), roi.name)
    whole = (int(fx), int(fy), max(1, math.ceil(fw)), max(1, math.ceil(fh)))
    x, y, w, h = _window(whole, within, roi.name)
    if roi.kind == "oval":
        # inside: the pixel's centre lies in the ellipse; the operations are in ImageJ's order
        a, b = whole[2] / 2.0, whole[3] / 2.0
        xx = np.arange(x - whole[0], x - whole[0] + w) - (a - 0.5)
        yy = np.arange(y - whole[1], y - whole[1] + h) - (b - 0.5)
        return (xx * xx / (a * a))[None, :] + (yy * yy / (b * b))[:, None] <= 1.0, x, y
    if roi.arc_size > 0:
        outline = _rounded(whole[2], whole[3], roi.arc_size)
        return _fill(_float_edges(outline, 0.0, 0.0, [len(outline)]), whole, (x, y, w, h))
    return np.ones((h, w), np.bool_), x, y


def _whole_polygon(
    points: np.ndarray, name: str, within: Window | None
) -> tuple[np.ndarray, int, int]:
    if not len(points):
        return np.zeros((0, 0), np.bool_), 0, 0
    _check(points, name)
    p = points.astype(np.int64)
    low, high = p.min(axis=0), p.max(axis=0)
    box = (int(low[0]), int(low[1]), int(high[0] - low[0]), int(high[1] - low[1]))
    start = p - low
    stop = np.roll(start, -1, axis=0)
    up = start[:, 1] > stop[:, 1]
    a, b = np.where(up[:, None], stop, start), np.where(up[:, None], start, stop)
    slanted = a[:, 1] != b[:, 1]
    a, b = a[slanted], b[slanted]
    slope = (b[:, 0] - a[:, 0]).astype(np.float64) / (b[:, 1] - a[:, 1])
    edges = (a[:, 0] + 0.5 * slope + 1e-8, a[:, 1], b[:, 1], slope)
    return _fill(edges, box, _window(box, within, name))


def _float_polygon(
    points: np.ndarray, roi: Roi, within: Window | None
) -> tuple[np.ndarray, int, int]:
    if not len(points):
        return np.zeros((0, 0), np.bool_), 0, 0
    _check(points, roi.name)
    p = points.astype(np.float32)
    low, high = p.min(axis=0), p.max(axis=0)
    base = np.floor(low).astype(np.int64)
    if roi.subtype in _WHOLE_BASE:
        relative = p - base.astype(np.float32)
        offset = np.zeros(2)
        size = ((high - base.astype(np.float32)).astype(np.float64) + 0.5).astype(np.int64)
    else:
        relative = p - low
        offset = low.astype(np.float64) - base
        stop = low.astype(np.float64) + (high - low).astype(np.float64)
        size = np.ceil(stop).astype(np.int64) - base
    box = (int(base[0]), int(base[1]), int(size[0]), int(size[1]))
    edges = _float_edges(relative, float(offset[0]), float(offset[1]), [len(p)])
    return _fill(edges, box, _window(box, within, roi.name))


def _composite(
    paths: Sequence[np.ndarray], name: str, within: Window | None
) -> tuple[np.ndarray, int, int]:
    kept = [np.asarray(path, np.float64) for path in paths if len(path)]
    if not kept:
        return np.zeros((0, 0), np.bool_), 0, 0
    p = np.concatenate(kept)
    _check(p, name)
    p = p.astype(np.float32).astype(np.float64)
    base = np.floor(p.min(axis=0)).astype(np.int64)
    size = np.ceil(p.max(axis=0)).astype(np.int64) - base
    box = (int(base[0]), int(base[1]), int(size[0]), int(size[1]))
    relative = (p - base).astype(np.float32)
    edges = _float_edges(relative, 0.0, 0.0, [len(path) for path in kept])
    return _fill(edges, box, _window(box, within, name))


Edges = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def _round(values: np.ndarray) -> np.ndarray:
    """Round as Java does: halves up, exactly."""
    whole: np.ndarray = np.floor(values)
    rounded: np.ndarray = (whole + (values - whole >= 0.5)).astype(np.int64)
    return rounded


def _float_edges(
    relative: np.ndarray, x_offset: float, y_offset: float, sizes: Sequence[int]
) -> Edges:
    """Edges (x at the first row, first row, end row, slope) of closed float32 paths."""
    stops = np.cumsum(sizes)
    following = np.arange(1, len(relative) + 1)
    following[stops - 1] = stops - np.asarray(sizes)
    xy = relative.astype(np.float64) + np.array([x_offset, y_offset])
    start, stop = xy, xy[following]
    y1, y2 = _round(start[:, 1]), _round(stop[:, 1])
    reaches = (y1 != y2) & ((y1 > 0) | (y2 > 0))
    start, stop, y1, y2 = start[reaches], stop[reaches], y1[reaches], y2[reaches]
    up = y1 > y2
    a, b = np.where(up[:, None], stop, start), np.where(up[:, None], start, stop)
    y1, y2 = np.where(up, y2, y1), np.where(up, y1, y2)
    slope = (b[:, 0] - a[:, 0]) / (b[:, 1] - a[:, 1])
    return a[:, 0] + (y1 - a[:, 1] + 0.5) * slope + 1e-8, y1, y2, slope


def _fill(edges: Edges, box: Box, window: Box) -> tuple[np.ndarray, int, int]:
    from fijibridge.measure._kernels.masks import fill_edges

    x, y, w, h = window
    mask = np.zeros((h, w), np.bool_)
    if mask.size:
        order = np.argsort(edges[1], kind="stable")
        ex, y1, y2, slope = (np.ascontiguousarray(part[order]) for part in edges)
        fill_edges(ex, y1, y2, slope, box[2], x - box[0], y - box[1], mask)
    return mask, x, y


def _rounded(width: int, height: int, arc: int) -> np.ndarray:
    """Outline of a rectangle with rounded corners, flattened as java.awt.geom does: float32."""
    aw, ah = float(min(width, arc)), float(min(height, arc))
    angle = math.pi / 4.0
    a = 1.0 - math.cos(angle)
    b = math.tan(angle)
    c = math.sqrt(1.0 + b * b) - 1.0 + a
    # how far a curve's control points lie from the corner, in arcs
    k = (1.0 - 4.0 / 3.0 * a * b / c) / 2.0
    w, h = float(width), float(height)
    sides = (
        ((0.0, h - 0.5 * ah), (0.0, h - k * ah), (k * aw, h), (0.5 * aw, h)),
        ((w - 0.5 * aw, h), (w - k * aw, h), (w, h - k * ah), (w, h - 0.5 * ah)),
        ((w, 0.5 * ah), (w, k * ah), (w - k * aw, 0.0), (w - 0.5 * aw, 0.0)),
        ((0.5 * aw, 0.0), (k * aw, 0.0), (0.0, k * ah), (0.0, 0.5 * ah)),
    )
    out = [(0.0, 0.5 * ah)]
    for side in sides:
        curve = np.array(side, np.float32).astype(np.float64)
        out.append((float(curve[0, 0]), float(curve[0, 1])))
        out.extend(_flatten(curve, 0))
    return np.array(out, np.float32)


def _flatten(curve: np.ndarray, depth: int) -> list[tuple[float, float]]:
    """Points of a cubic curve (4, 2) after its start, no farther than the flatness from it."""
    if (
        depth >= MAX_HALVINGS
        or max(_distance_squared(curve, curve[1]), _distance_squared(curve, curve[2]))
        < FILL_FLATNESS * FILL_FLATNESS
    ):
        return [(float(curve[3, 0]), float(curve[3, 1]))]
    p0, p1, p2, p3 = curve
    left, right, middle = (p0 + p1) / 2.0, (p3 + p2) / 2.0, (p1 + p2) / 2.0
    inner_left, inner_right = (left + middle) / 2.0, (right + middle) / 2.0
    centre = (inner_left + inner_right) / 2.0
    return _flatten(np.stack([p0, left, inner_left, centre]), depth + 1) + _flatten(
        np.stack([centre, inner_right, right, p3]), depth + 1
    )


def _distance_squared(curve: np.ndarray, point: np.ndarray) -> float:
    """Squared distance of a point from the segment between the curve's ends."""
    dx, dy = curve[3] - curve[0]
    px, py = point - curve[0]
    along = px * dx + py * dy
    projected = 0.0
    if along > 0.0:
        px, py = dx - px, dy - py
        along = px * dx + py * dy
        if along > 0.0:
            projected = along * along / (dx * dx + dy * dy)
    return max(0.0, float(px * px + py * py - projected))
