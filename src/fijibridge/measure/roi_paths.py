"""The outline of any ROI as closed paths, for drawing (not for filling: see `masks`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fijibridge.measure.curves import ellipse, rotated_rectangle, rounded_rectangle, spline
from fijibridge.model.rois import AREA_KINDS

if TYPE_CHECKING:
    from fijibridge.model.rois import Roi

__all__ = ["has_whole_outline", "roi_paths"]

_OVAL_VERTICES = 90
_POINT = np.array([(-2.0, 0.0), (2.0, 0.0), (0.0, 0.0), (0.0, -2.0), (0.0, 2.0), (0.0, 0.0)])
_PLAIN = frozenset({"rectangle", "polygon", "freehand", "traced", "composite"})


def has_whole_outline(roi: Roi) -> bool:
    """Return whether the ROI's points are whole numbers and all there is to draw."""
    curved = bool(roi.subtype or roi.spline or roi.arc_size)
    floats = any(array.dtype.kind == "f" for array in (roi.points, *roi.paths))
    return roi.kind in _PLAIN and not curved and not floats


def roi_paths(roi: Roi) -> list[np.ndarray]:
    """Return the ROI's outline as closed paths (n, 2) float64, absolute (x, y).

    Lines go there and back; a point is a cross of 4 pixels; nothing is an empty list.
    """
    if len(roi.bounds) == 4:
        return [_from_bounds(roi)]
    if roi.kind == "composite":
        return [np.asarray(path, np.float64) for path in roi.paths if len(path)]
    points = np.asarray(roi.points, np.float64)
    if roi.kind == "point":
        return [point + _POINT for point in points]
    if roi.subtype in ("ellipse", "rotated rectangle") and len(roi.parameters) == 5:
        shape = ellipse if roi.subtype == "ellipse" else rotated_rectangle
        points = shape(*roi.parameters).astype(np.float64)
    elif roi.spline and len(points) > 2 and roi.kind in AREA_KINDS:
        points = spline(roi.points, roi.kind).astype(np.float64)
    elif roi.kind not in AREA_KINDS:
        points = np.vstack([points, points[::-1]])
    return [points] if len(points) else []


def _from_bounds(roi: Roi) -> np.ndarray:
    x, y, w, h = (float(v) for v in roi.bounds)
    if roi.kind == "oval":
        angle = np.linspace(0, 2 * np.pi, _OVAL_VERTICES, endpoint=False)
        return np.column_stack([x + w / 2 * (1 + np.cos(angle)), y + h / 2 * (1 + np.sin(angle))])
    if roi.arc_size > 0:
        corner = np.array([x, y])
        rounded = rounded_rectangle(max(int(w), 1), max(int(h), 1), roi.arc_size)
        return np.asarray(rounded + corner, np.float64)
    return np.array([(x, y), (x + w, y), (x + w, y + h), (x, y + h)], np.float64)
