"""Which pixels an area ROI encloses, by ImageJ's own filling rules, pixel by pixel.

A pixel belongs to an ROI when its centre is inside the outline; a centre exactly on a left or upper
border is outside or inside as ImageJ decides, and the rounding of its floats is followed.

Source: ij.gui.Roi, OvalRoi, PolygonRoi, ShapeRoi (getMask), ij.process.PolygonFiller.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from fijibridge.errors import SettingsError
from fijibridge.measure.curves import ellipse, rotated_rectangle, rounded_rectangle, spline
from fijibridge.model.rois import AREA_KINDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fijibridge.model.rois import Roi

__all__ = ["roi_box", "roi_mask"]

Window = tuple[int, int, int, int]
Box = tuple[int, int, int, int]
#: x in the first row, first row, end row, slope of each edge
Edges = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]

#: Largest mask in pixels, and largest coordinate: ImageJ's own are 32-bit integers.
MAX_PIXELS = 1 << 31
MAX_COORDINATE = float(1 << 31)
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
    box, edges = _shape(roi)
    x, y, w, h = _window(box, within, roi.name)
    if edges is not None:
        return _fill(edges, box, (x, y, w, h)), x, y
    if roi.kind == "oval":
        return _oval(box, (x, y, w, h)), x, y
    return np.ones((h, w), np.bool_), x, y


def roi_box(roi: Roi) -> Box:
    """Return (x, y, width, height) of the pixels an area ROI may enclose, as ImageJ rounds them.

    Raises
    ------
    SettingsError
        For coordinates that are not finite or beyond 2**31.
    """
    return _shape(roi)[0]


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


def _shape(roi: Roi) -> tuple[Box, Edges | None]:
    """Return the ROI's box and, unless it is an oval or a plain rectangle, its edges."""
    if roi.kind in ("rectangle", "oval"):
        # ImageJ cuts the position to whole pixels and rounds the size up, to 1 at least
        fx, fy, fw, fh = (float(v) for v in roi.bounds)
        _check(np.array([fx, fy, fw, fh]), roi.name)
        box = (int(fx), int(fy), max(1, math.ceil(fw)), max(1, math.ceil(fh)))
        if roi.kind == "rectangle" and roi.arc_size > 0:
            outline = rounded_rectangle(box[2], box[3], roi.arc_size)
            return box, _float_edges(outline, np.zeros(2), [len(outline)])
        return box, None
    if roi.kind == "composite":
        return _composite(roi.paths, roi.name)
    points = roi.points
    _check(points, roi.name)
    if roi.subtype in _WHOLE_BASE and len(roi.parameters) == 5:
        numbers = [float(v) for v in roi.parameters]
        _check(np.array(numbers), roi.name)
        points = (ellipse if roi.subtype == "ellipse" else rotated_rectangle)(*numbers)
    elif roi.spline and len(points) > 2:
        points = spline(points, roi.kind)
        _check(points, roi.name)
    if not len(points):
        return (0, 0, 0, 0), None
    if points.dtype.kind in "iu":
        return _whole_polygon(points)
    return _float_polygon(points, whole_base=roi.subtype in _WHOLE_BASE)


def _oval(box: Box, window: Box) -> np.ndarray:
    """Pixels whose centre lies in the ellipse; the operations are in ImageJ's order."""
    x, y, w, h = window
    a, b = box[2] / 2.0, box[3] / 2.0
    xx = np.arange(x - box[0], x - box[0] + w) - (a - 0.5)
    yy = np.arange(y - box[1], y - box[1] + h) - (b - 0.5)
    inside: np.ndarray = (xx * xx / (a * a))[None, :] + (yy * yy / (b * b))[:, None] <= 1.0
    return inside


def _whole_polygon(points: np.ndarray) -> tuple[Box, Edges]:
    p = points.astype(np.int64)
    low, high = p.min(axis=0), p.max(axis=0)
    box = (int(low[0]), int(low[1]), int(high[0] - low[0]), int(high[1] - low[1]))
    start = p - low
    stop = np.roll(start, -1, axis=0)
    up = start[:, 1] > stop[:, 1]
    a, b = np.where(up[:, None], stop, start), np.where(up[:, None], start, stop)
    sloped = a[:, 1] != b[:, 1]
    a, b = a[sloped], b[sloped]
    slope = (b[:, 0] - a[:, 0]).astype(np.float64) / (b[:, 1] - a[:, 1])
    return box, (a[:, 0] + 0.5 * slope + 1e-8, a[:, 1], b[:, 1], slope)


def _float_polygon(points: np.ndarray, *, whole_base: bool) -> tuple[Box, Edges]:
    p = points.astype(np.float32)
    low, high = p.min(axis=0), p.max(axis=0)
    base = np.floor(low).astype(np.int64)
    if whole_base:
        relative = p - base.astype(np.float32)
        offset = np.zeros(2)
        size = ((high - base.astype(np.float32)).astype(np.float64) + 0.5).astype(np.int64)
    else:
        relative = p - low
        offset = low.astype(np.float64) - base
        stop = low.astype(np.float64) + (high - low).astype(np.float64)
        size = np.ceil(stop).astype(np.int64) - base
    box = (int(base[0]), int(base[1]), int(size[0]), int(size[1]))
    return box, _float_edges(relative, offset, [len(p)])


def _composite(paths: Sequence[np.ndarray], name: str) -> tuple[Box, Edges | None]:
    kept = [np.asarray(path, np.float64) for path in paths if len(path)]
    if not kept:
        return (0, 0, 0, 0), None
    p = np.concatenate(kept)
    _check(p, name)
    p = p.astype(np.float32).astype(np.float64)
    base = np.floor(p.min(axis=0)).astype(np.int64)
    size = np.ceil(p.max(axis=0)).astype(np.int64) - base
    box = (int(base[0]), int(base[1]), int(size[0]), int(size[1]))
    relative = (p - base).astype(np.float32)
    return box, _float_edges(relative, np.zeros(2), [len(path) for path in kept])


def _round(values: np.ndarray) -> np.ndarray:
    """Round as Java does: halves up, exactly."""
    whole: np.ndarray = np.floor(values)
    rounded: np.ndarray = (whole + (values - whole >= 0.5)).astype(np.int64)
    return rounded


def _float_edges(relative: np.ndarray, offset: np.ndarray, sizes: Sequence[int]) -> Edges:
    """Edges (x at the first row, first row, end row, slope) of closed float32 paths."""
    stops = np.cumsum(sizes)
    following = np.arange(1, len(relative) + 1)
    following[stops - 1] = stops - np.asarray(sizes)
    xy = relative.astype(np.float64) + offset
    start, stop = xy, xy[following]
    y1, y2 = _round(start[:, 1]), _round(stop[:, 1])
    reaches = (y1 != y2) & ((y1 > 0) | (y2 > 0))
    start, stop, y1, y2 = start[reaches], stop[reaches], y1[reaches], y2[reaches]
    up = y1 > y2
    a, b = np.where(up[:, None], stop, start), np.where(up[:, None], start, stop)
    y1, y2 = np.where(up, y2, y1), np.where(up, y1, y2)
    slope = (b[:, 0] - a[:, 0]) / (b[:, 1] - a[:, 1])
    return a[:, 0] + (y1 - a[:, 1] + 0.5) * slope + 1e-8, y1, y2, slope


def _fill(edges: Edges, box: Box, window: Box) -> np.ndarray:
    from fijibridge.measure._kernels.masks import fill_edges

    x, y, w, h = window
    mask = np.zeros((h, w), np.bool_)
    if mask.size:
        order = np.argsort(edges[1], kind="stable")
        ex, y1, y2, slope = (np.ascontiguousarray(part[order]) for part in edges)
        fill_edges(ex, y1, y2, slope, box[2], x - box[0], y - box[1], mask)
    return mask
