"""Convex hull and Feret diameters of pixel-edge outlines, with ImageJ's ties and roundings.

Source: ij.process.FloatPolygon.getConvexHull, ij.gui.Roi.getFeretValues.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from fijibridge.measure._kernels.simd import (
    all_pairs16,
    cross16_mask,
    farthest16_mask,
    trailing_zeros,
)

#: Elements the hull arrays need behind twice the height.
HULL_SPARE = 32


@njit(cache=True, nogil=True)
def hull(left, right, height, hx, hy):
    """Hull of the points (left[y], y), (right[y], y), y = 0..height; lines with left > right: none.

    The vertices begin at the smallest y, there the smallest x, and go counter-clockwise on
    screen, without collinear points. Returns their number.
    """
    c = np.int64(1)
    px = tx = np.int64(left[0])
    py = ty = np.int64(0)
    hx[0] = px
    hy[0] = py
    for y in range(1, height + 1):
        x = np.int64(left[y])
        if x > right[y]:
            continue
        while c >= 2 and (tx - px) * (y - py) >= (ty - py) * (x - px):
            c -= 1
            tx = px
            ty = py
            if c >= 2:
                px = np.int64(hx[c - 2])
                py = np.int64(hy[c - 2])
        px = tx
        py = ty
        tx = x
        ty = np.int64(y)
        hx[c] = x
        hy[c] = y
        c += 1
    b = c + 1
    for y in range(height, -1, -1):
        x = np.int64(right[y])
        if left[y] > x:
            continue
        while c > b and (tx - px) * (y - py) >= (ty - py) * (x - px):
            c -= 1
            tx = px
            ty = py
            px = np.int64(hx[c - 2])
            py = np.int64(hy[c - 2])
        px = tx
        py = ty
        tx = x
        ty = np.int64(y)
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
def feret_small(hx, hy, c, pw, ph, fx, fy, ex, ey, far, wide, squares):
    """Square pixels, at most 48 vertices, coordinates below 2048: all pairs, 16 at a time.

    hx, hy: int32 with room for 15 copies of vertex 0 behind the last one, written here; fx .. wide:
    scratch, 64 float32 each; squares: scratch, 64 float64. Whole numbers pick the candidates,
    ImageJ's double formula decides among them. Returns (largest squared diameter, its vertices p1
    and p2, smallest width).
    """
    blocks = (c + 15) >> 4
    for j in range(c, 16 * blocks):
        hx[j] = hx[0]
        hy[j] = hy[0]
    for i in range(16 * blocks):
        fx[i] = hx[i]
        fy[i] = hy[i]
    ex[0] = fx[0] - fx[c - 1]
    ey[0] = fy[0] - fy[c - 1]
    for i in range(1, 16 * blocks):
        ex[i] = fx[i] - fx[i - 1]
        ey[i] = fy[i] - fy[i - 1]
    for b in range(blocks):
        all_pairs16(fx, fy, ex, ey, 16 * b, c, far, wide)
    best = np.float32(0)
    narrowest = 1e308
    for i in range(c):
        best = max(best, far[i])
        a = np.float64(ex[i])
        b = np.float64(ey[i])
        f = np.float64(wide[i]) - (np.float64(fx[i]) * b - np.float64(fy[i]) * a)  # exact
        squares[i] = f * f / (a * a + b * b)
        narrowest = min(narrowest, squares[i])
    diameter = 0.0
    p1 = np.int64(0)
    p2 = np.int64(0)
    width = 1.7976931348623157e308
    k = c - 1
    narrowest *= 1 + 1e-9  # far above all rounding
    for i in range(c):
        if squares[i] <= narrowest:
            u = np.int32(hx[i] - hx[k])
            v = np.int32(hy[i] - hy[k])
            xn = v * ph
            yn = -u * pw
            f = 1 / math.sqrt(xn * xn + yn * yn)
            xn *= f * pw
            yn *= f * ph
            m = np.int32(wide[i])
            d = 0.0
            for b in range(blocks):
                bits = cross16_mask(hx, hy, 16 * b, u, v, m)
                while bits:
                    j = 16 * b + trailing_zeros(bits)
                    bits &= bits - np.uint64(1)
                    d = max(d, (hx[j] - hx[i]) * xn + (hy[j] - hy[i]) * yn)
            width = min(width, d)
        k = i
        if far[i] == best:
            for b in range(i >> 4, blocks):
                bits = farthest16_mask(hx, hy, 16 * b, hx[i], hy[i], np.int32(best))
                while bits:
                    j = 16 * b + trailing_zeros(bits)
                    bits &= bits - np.uint64(1)
                    fx = (hx[i] - hx[j]) * pw
                    fy = (hy[i] - hy[j]) * ph
                    dd = fx * fx + fy * fy
                    if j > i and j < c and dd > diameter:
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
