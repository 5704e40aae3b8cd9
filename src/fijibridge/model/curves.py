"""Bezier curves as straight pieces, the same pieces as Java's and so ImageJ's."""

from __future__ import annotations

import numpy as np

__all__ = ["FILL_FLATNESS", "flatten_curve"]

#: ImageJ's flatness of curves when it fills them, in pixels.
FILL_FLATNESS = 0.01
#: Java halves a curve so often at most.
_MAX_HALVINGS = 10


def flatten_curve(
    control: np.ndarray, flatness: float = FILL_FLATNESS
) -> list[tuple[float, float]]:
    """Return the points of a Bezier curve after its start.

    Parameters
    ----------
    control
        (3, 2) or (4, 2) control points as (x, y): a quadratic or cubic curve.
    flatness
        Largest distance of a control point from its piece, in pixels.

    Source
    ------
    java.awt.geom.FlatteningPathIterator, QuadCurve2D and CubicCurve2D; ij.gui.ShapeRoi for the
    flatness.

    Examples
    --------
    >>> flatten_curve(np.array([(0, 0), (1, 1), (2, 0)]), flatness=0.3)
    [(1.0, 0.5), (2.0, 0.0)]
    """
    points: list[tuple[float, float]] = []
    limit = flatness * flatness
    waiting = [(np.asarray(control, np.float64), 0)]
    while waiting:
        curve, depth = waiting.pop()
        off = max(_distance_squared(curve, middle) for middle in curve[1:-1])
        if depth >= _MAX_HALVINGS or off < limit:
            points.append((float(curve[-1, 0]), float(curve[-1, 1])))
            continue
        first, second = _halves(curve)
        waiting += [(second, depth + 1), (first, depth + 1)]
    return points


def _halves(curve: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cut a curve in the middle."""
    left, right = [curve[0]], [curve[-1]]
    while len(curve) > 1:
        curve = (curve[:-1] + curve[1:]) / 2.0
        left.append(curve[0])
        right.append(curve[-1])
    return np.stack(left), np.stack(right[::-1])


def _distance_squared(curve: np.ndarray, point: np.ndarray) -> float:
    """Squared distance of a point from the segment between the curve's ends."""
    dx, dy = (float(v) for v in curve[-1] - curve[0])
    px, py = (float(v) for v in point - curve[0])
    along = px * dx + py * dy
    projected = 0.0
    if along > 0.0:
        px, py = dx - px, dy - py
        along = px * dx + py * dy
        if along > 0.0:
            projected = along * along / (dx * dx + dy * dy)
    return max(0.0, px * px + py * py - projected)
