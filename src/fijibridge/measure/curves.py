"""Outlines that ImageJ makes from few numbers: rounded corners, ellipses, splines.

The order of the operations and where they are rounded to float32 is ImageJ's, so that the pixels
enclosed are ImageJ's too. Points are (n, 2) float32.

Source: java.awt.geom.RoundRectangle2D, ij.gui.EllipseRoi, RotatedRectRoi, PolygonRoi.getSpline,
ij.measure.SplineFitter.
"""

from __future__ import annotations

import math

import numpy as np

from fijibridge.model.curves import flatten_curve

__all__ = ["ellipse", "rotated_rectangle", "rounded_rectangle", "spline"]

ELLIPSE_VERTICES = 72
#: Nodes by which a closed spline is continued at both ends, and its fewest points.
SPLINE_EXTENSION = 7
SPLINE_POINTS = 100


def rounded_rectangle(width: int, height: int, arc: int) -> np.ndarray:
    """Return the flattened outline of a rectangle at (0, 0) with rounded corners, (n, 2)."""
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
        out.extend(flatten_curve(curve))
    return np.array(out, np.float32)


def ellipse(x1: float, y1: float, x2: float, y2: float, aspect: float) -> np.ndarray:
    """Return the 72 vertices (x, y) of an ellipse: ends of its major axis, minor / major."""
    aspect = min(max(aspect, 0.0), 1.0)
    cx, cy = (x1 + x2) / 2.0, (y1 + y2) / 2.0
    dx, dy = x2 - x1, y2 - y1
    major = math.sqrt(dx * dx + dy * dy)
    minor = major * aspect
    alpha = math.atan2(dy, dx) * 180.0 / math.pi
    out = np.empty((ELLIPSE_VERTICES, 2), np.float32)
    for i in range(ELLIPSE_VERTICES):
        beta = i * 360.0 / ELLIPSE_VERTICES / 180.0 * math.pi
        dx, dy = math.cos(beta) * major / 2.0, math.sin(beta) * minor / 2.0
        turned = math.atan2(dy, dx) + alpha / 180.0 * math.pi
        radius = math.sqrt(dx * dx + dy * dy)
        out[i] = cx + math.cos(turned) * radius, cy + math.sin(turned) * radius
    return out


def rotated_rectangle(x1: float, y1: float, x2: float, y2: float, width: float) -> np.ndarray:
    """Return the 4 vertices (x, y) of a rectangle: ends of its middle line, width across it."""
    dx, dy = x2 - x1, y2 - y1
    length = math.sqrt(dx * dx + dy * dy)
    if length == 0.0:
        return np.full((4, 2), (x1, y1), np.float32)
    ax, ay = 0.5 * width * dy / length, -0.5 * width * dx / length
    corners = [(x1 + ax, y1 + ay), (x2 + ax, y2 + ay), (x2 - ax, y2 - ay), (x1 - ax, y1 - ay)]
    return np.array(corners, np.float32)


def spline(points: np.ndarray, kind: str) -> np.ndarray:
    """Return the closed spline through the vertices of a polygon ROI, (n, 2) float32.

    Parameters
    ----------
    points
        (n, 2) nodes as (x, y), at least 3, absolute.
    kind
        Of the ROI: it decides how its length, and by that the number of points, is measured.
    """
    nodes = points.astype(np.float32)
    base = nodes.min(axis=0)
    nodes -= base
    count = max(SPLINE_POINTS, int(_length(nodes, points, kind) / 2.0))
    step = np.diff(np.vstack([nodes, nodes[:1]]), axis=0)
    gaps = np.sqrt(np.sqrt((step[:, 0] ** 2 + step[:, 1] ** 2).astype(np.float64)))
    gaps = np.maximum(gaps.astype(np.float32), np.float32(0.001))
    at = np.concatenate([[np.float32(0)], np.cumsum(gaps, dtype=np.float32)])
    where = np.arange(count) * (float(at[-1]) / (count - 1))
    closed = np.vstack([nodes, nodes[:1]])
    curve = np.column_stack([_evaluate(at, closed[:, k], where) for k in (0, 1)])
    out: np.ndarray = curve.astype(np.float32) + base
    return out


def _evaluate(knots: np.ndarray, values: np.ndarray, where: np.ndarray) -> np.ndarray:
    """Natural cubic spline of a closed curve, continued periodically at both ends."""
    n = len(knots)
    more = min(SPLINE_EXTENSION, n - 1)
    x = np.concatenate(
        [knots[n - 1 - more : n - 1] - knots[-1], knots, knots[1 : more + 1] - knots[0] + knots[-1]]
    )
    y = np.concatenate([values[n - 1 - more : n - 1], values, values[1 : more + 1]])
    x64, y64 = x.astype(np.float64), y.astype(np.float64)
    n = len(x)
    second, ratio = np.zeros(n), np.zeros(n)
    gap = float(x[1] - x[0])
    slope = float(y[1] - y[0]) / gap
    for j in range(1, n - 1):
        before, gap = gap, float(x64[j + 1] - x64[j])
        last, slope = slope, float(y64[j + 1] - y64[j]) / gap
        inverse = 1.0 / (2.0 * (gap + before) - before * ratio[j - 1])
        second[j] = (6.0 * (slope - last) - before * second[j - 1]) * inverse
        ratio[j] = gap * inverse
    for j in range(n - 2, -1, -1):
        second[j] -= ratio[j] * second[j + 1]
    right = np.clip(np.searchsorted(x64, where), 1, n - 1)
    left = right - 1
    width = (x[right] - x[left]).astype(np.float64)
    a, b, square = where - x64[left], x64[right] - where, width * width
    line = a * y64[right] + b * y64[left]
    c = (a * a - square) * a * second[right]
    d = (b * b - square) * b * second[left]
    out: np.ndarray = (line + (c + d) / 6.0) / width
    return out


def _length(nodes: np.ndarray, points: np.ndarray, kind: str) -> float:
    """Perimeter of a polygon ROI as ImageJ measures it: float32 nodes, relative."""
    if kind == "traced" and points.dtype.kind == "f":
        return 0.0  # ImageJ measures traced outlines along whole pixels only
    xy = np.round(nodes) if points.dtype.kind in "iu" else nodes
    step = (np.roll(xy, -1, axis=0) - xy).astype(np.float64)
    straight = bool((step == 0).any(axis=1).all() and (xy == np.floor(xy)).all())
    if kind == "traced" or (kind == "polygon" and straight):
        if len(xy) < 4:
            return 0.0
        size = np.abs(step).sum(axis=1)
        corner, corners = False, 0
        for i in range(len(size)):
            corner = bool(size[i - 1] > 1) or not corner
            corners += corner
        return float(np.abs(step).sum() - corners * (2.0 - math.sqrt(2.0)))
    if kind == "freehand":
        three = (xy[:-2] + xy[1:-1] + xy[2:]) / 3.0
        ends = [three[0] - xy[0], xy[-1] - three[-1], xy[-1] - xy[0]]
        inner = (xy[3:] - xy[:-3]) / 3.0
        smooth = np.vstack([*ends, inner]).astype(np.float64)
        return float(np.sqrt((smooth**2).sum(axis=1)).sum())
    return float(np.sqrt((step**2).sum(axis=1)).sum())
