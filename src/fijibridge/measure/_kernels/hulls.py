"""Convex hull and Feret diameters of pixel-edge outlines, with ImageJ's ties and roundings.

Source: ij.process.FloatPolygon.getConvexHull, ij.gui.Roi.getFeretValues.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from fijibridge.measure._kernels.simd import (
    all_pairs16,
    cross16,
    farthest16,
    inside16,
    trailing_zeros,
)

#: Stands for the ends of a line without points: those to the left, negated those to the right.
NO_POINT = 1 << 28
#: Elements of each scratch array of `feret_small`.
FERET_ROOM = 65


@njit(cache=True, nogil=True)
def hull(left, right, height, hx, hy):
    """Hull of the points (left[y], y), (right[y], y), y = 0..height.

    Lines without points have NO_POINT to the left, -NO_POINT to the right; the first and the last
    one have some. The vertices begin at the smallest y, there the smallest x, and go
    counter-clockwise on screen, without collinear points. Returns their number.
    """
    # Only what lies outside of the line between its neighbours can be a vertex: most points go
    # without a branch. The hull is made in place.
    hx[0] = left[0]
    hy[0] = 0
    n = 1
    for y in range(1, height):
        hx[n] = left[y]
        hy[n] = y
        n += 2 * np.int64(left[y]) < np.int64(left[y - 1]) + left[y + 1]
    hx[n] = left[height]
    hy[n] = height
    c = _convex(hx, hy, 0, 1, n + 1, 1)
    n = c + 1
    hx[c] = right[height]
    hy[c] = height
    for y in range(height - 1, 0, -1):
        hx[n] = right[y]
        hy[n] = y
        n += 2 * np.int64(right[y]) > np.int64(right[y - 1]) + right[y + 1]
    hx[n] = right[0]
    hy[n] = 0
    return _convex(hx, hy, c - 1, c, n + 1, c + 1)


@njit(cache=True, nogil=True)
def _convex(hx, hy, first, c, stop, least):
    """Drop what is not convex among the points c..stop behind point `first`, in place.

    No fewer than `least` points are kept. Returns the end of what is left.
    """
    px = tx = np.int64(hx[first])
    py = ty = np.int64(hy[first])
    for k in range(c, stop):
        x = np.int64(hx[k])
        y = np.int64(hy[k])
        while c > least and (tx - px) * (y - py) >= (ty - py) * (x - px):
            c -= 1
            tx = px
            ty = py
            if c >= 2:
                px = np.int64(hx[c - 2])
                py = np.int64(hy[c - 2])
        px = tx
        py = ty
        tx = x
        ty = y
        hx[c] = x
        hy[c] = y
        c += 1
    return c


@njit(cache=True, nogil=True)
def double_area(hx, hy, c):
    """Twice the signed area of a hull, an integer."""
    total = np.int64(0)
    j = c - 1
    for i in range(c):
        total += (np.int64(hx[i]) + hx[j]) * (np.int64(hy[i]) - hy[j])
        j = i
    return total


@njit(cache=True, nogil=True)
def feret_small(hx, hy, c, pw, ph, fx, fy, far, wide, squares):
    """Square pixels, at most 48 vertices, coordinates below 2048: all pairs, 16 at a time.

    fx .. squares: scratch, float32. Whole numbers pick the candidates, ImageJ's double formula
    decides among them. Returns (largest squared diameter, its vertices p1 and p2, smallest width).
    """
    blocks = (c + 15) >> 4
    fx[0] = hx[c - 1]
    fy[0] = hy[c - 1]
    for i in range(c):
        fx[i + 1] = hx[i]
        fy[i + 1] = hy[i]
    for i in range(c, 16 * blocks):
        fx[i + 1] = hx[0]
        fy[i + 1] = hy[0]
    best = np.float32(0)
    narrowest = np.float32(np.inf)
    for b in range(blocks):
        d, s = all_pairs16(fx, fy, 16 * b, c, far, wide, squares)
        best = max(best, d)
        narrowest = min(narrowest, s)
    narrowest = np.float32(narrowest * np.float32(1.000002))  # above all rounding of floats
    diameter = 0.0
    p1 = np.int64(0)
    p2 = np.int64(0)
    width = 1.7976931348623157e308
    for block in range(blocks):
        edges = inside16(squares, 16 * block, np.float32(0), narrowest)
        while edges:
            i = 16 * block + trailing_zeros(edges)
            edges &= edges - np.uint64(1)
            if i >= c:
                break
            k = i - 1 if i else c - 1
            u = np.int64(hx[i]) - hx[k]
            v = np.int64(hy[i]) - hy[k]
            xn = v * ph
            yn = -u * pw
            f = 1 / math.sqrt(xn * xn + yn * yn)
            xn *= f * pw
            yn *= f * ph
            d = 0.0
            for b in range(blocks):
                bits = cross16(fx, fy, 16 * b + 1, np.float32(u), np.float32(v), wide[i])
                while bits:
                    j = 16 * b + trailing_zeros(bits)
                    bits &= bits - np.uint64(1)
                    j = j if j < c else 0
                    d = max(d, (hx[j] - hx[i]) * xn + (hy[j] - hy[i]) * yn)
            width = min(width, d)
        ends = inside16(far, 16 * block, best, best)
        while ends:
            i = 16 * block + trailing_zeros(ends)
            ends &= ends - np.uint64(1)
            for b in range(block, blocks):
                bits = farthest16(fx, fy, 16 * b + 1, fx[i + 1], fy[i + 1], best)
                while bits:
                    j = 16 * b + trailing_zeros(bits)
                    bits &= bits - np.uint64(1)
                    if i < j < c:
                        dx = (hx[i] - hx[j]) * pw
                        dy = (hy[i] - hy[j]) * ph
                        dd = dx * dx + dy * dy
                        if dd > diameter:
                            diameter = dd
                            p1 = i
                            p2 = j
    return diameter, p1, p2, width


@njit(cache=True, nogil=True)
def feret_calipers(hx, hy, c, pw, ph):
    """Square pixels, any number of vertices: antipodal pairs only, O(c); returns as feret_small.

    Every farthest pair is antipodal, so the pairs (i-1, j), (i, j) of each edge contain all of
    them. Needs pw == ph: other scales could round a near-tie differently.
    """
    best = np.int64(-1)
    diameter = 0.0
    p1 = np.int64(0)
    p2 = np.int64(0)
    width = 1.7976931348623157e308
    j = np.int64(1 if c > 1 else 0)
    for i in range(c):
        k = i - 1 if i > 0 else c - 1
        ex = np.int64(hx[i]) - hx[k]
        ey = np.int64(hy[i]) - hy[k]
        if i == 0:  # first edge: search all
            top = np.int64(-1)
            for m in range(c):
                cr = hx[m] * ey - hy[m] * ex
                if m == 0 or cr > top:
                    top = cr
                    j = np.int64(m)
            if j == 0 and hx[c - 1] * ey - hy[c - 1] * ex == top:
                j = c - 1
        here = hx[j] * ey - hy[j] * ex
        while True:
            ahead = j + 1 if j + 1 < c else 0
            there = hx[ahead] * ey - hy[ahead] * ex
            if there <= here:
                break
            j = ahead
            here = there
        xn = ey * ph
        yn = -ex * pw
        f = 1 / math.sqrt(xn * xn + yn * yn)
        xn *= f * pw
        yn *= f * ph
        d = max(0.0, (hx[j] - hx[i]) * xn + (hy[j] - hy[i]) * yn)
        ties = 1
        if there == here:
            d = max(d, (hx[ahead] - hx[i]) * xn + (hy[ahead] - hy[i]) * yn)
            ties = 2
        width = min(width, d)
        m = j
        for _ in range(ties):
            for q in (k, i):
                dx = np.int64(hx[m]) - hx[q]
                dy = np.int64(hy[m]) - hy[q]
                d2 = dx * dx + dy * dy
                if d2 >= best:
                    fx = dx * pw
                    fy = dy * ph
                    dd = fx * fx + fy * fy
                    lo = min(q, m)
                    hi = max(q, m)
                    if (
                        d2 > best
                        or dd > diameter
                        or (dd == diameter and (lo < p1 or (lo == p1 and hi < p2)))
                    ):
                        best = d2
                        diameter = dd
                        p1 = lo
                        p2 = hi
            m = ahead
    return diameter, p1, p2, width


@njit(cache=True, nogil=True)
def feret_pairs(hx, hy, c, pw, ph):
    """ImageJ's own loops over all pairs, for pixels that are not square; as feret_small."""
    diameter = 0.0
    p1 = np.int64(0)
    p2 = np.int64(0)
    for i in range(c):
        for j in range(i + 1, c):
            dx = (hx[i] - hx[j]) * pw
            dy = (hy[i] - hy[j]) * ph
            dd = dx * dx + dy * dy
            if dd > diameter:
                diameter = dd
                p1 = i
                p2 = j
    width = 1.7976931348623157e308
    for i in range(c):
        k = i - 1 if i > 0 else c - 1
        nx = (hy[i] - hy[k]) * ph
        ny = (hx[k] - hx[i]) * pw
        f = 1 / math.sqrt(nx * nx + ny * ny)
        nx *= f * pw
        ny *= f * ph
        d = 0.0
        for j in range(c):
            d = max(d, (hx[j] - hx[i]) * nx + (hy[j] - hy[i]) * ny)
        width = min(width, d)
    return diameter, p1, p2, width
