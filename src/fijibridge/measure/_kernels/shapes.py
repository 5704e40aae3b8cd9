"""Columns of the results table that come from the shape of particles.

Source: ij.process.EllipseFitter, ij.plugin.filter.Analyzer.saveResults, ij.gui.Roi.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from fijibridge.measure._kernels.hulls import (
    FERET_ROOM,
    NO_POINT,
    double_area,
    feret_calipers,
    feret_pairs,
    feret_small,
    hull,
)
from fijibridge.measure._kernels.outlines import traced_perimeter
from fijibridge.measure._kernels.trig import java_atan, java_atan2

#: Shape columns, in the order of the kernel's `col` argument.
(
    AREA, X, Y, PERIM, BX, BY, WIDTH, HEIGHT, MAJOR, MINOR, ANGLE, CIRC,
    FERET, FERET_X, FERET_Y, FERET_ANGLE, MIN_FERET, AR, ROUND, SOLIDITY, X_START, Y_START,
) = range(22)  # fmt: skip
#: Kinds of ROI, as in `model.rois.OUTLINE_KINDS`.
TRACED, COMPOSITE, POLYGON, RECTANGLE = 0, 1, 2, 3
# ImageJ's constants, not exact on purpose: the digits must be ImageJ's.
_HALF_PI = 1.5707963267949
_SQRT_PI = 1.772453851
_TWELFTH = 0.08333333


@njit(cache=True, nogil=True, error_model="numpy")
def perimeter(kind, loop0, loop1, loop_start, loop_size, vx, vy, w, h):
    """Length of an ROI as ImageJ gives it: rectangles have no cut corners."""
    if kind == RECTANGLE:
        a = loop_start[loop0]
        wide = 0
        high = 0
        for i in range(1, 4):
            wide = max(wide, abs(np.int64(vx[a + i]) - vx[a]))
            high = max(high, abs(np.int64(vy[a + i]) - vy[a]))
        return 2.0 * wide * w + 2.0 * high * h
    total = 0.0
    for k in range(loop0, loop1):
        total += traced_perimeter(vx, vy, loop_start[k], loop_size[k], w, h)
    return total


@njit(cache=True, nogil=True, error_model="numpy")
def perimeters(roi_start, kinds, loop_start, loop_size, vx, vy, l0, l1, w, h, out):
    """Perimeter of each particle l0..l1."""
    for p in range(l0, l1):
        out[p] = perimeter(
            kinds[p], roi_start[p], roi_start[p + 1], loop_start, loop_size, vx, vy, w, h
        )


@njit(cache=True, nogil=True, error_model="numpy")
def _moments(x0, x1, y, a, e, bx, by):
    """Return n and the sums of x, y, x^2, y^2, x*y of runs, relative to (bx, by)."""
    n = np.int64(0)
    sx = np.int64(0)
    sy = np.int64(0)
    sxx = np.int64(0)
    syy = np.int64(0)
    sxy = np.int64(0)
    for i in range(a, e):
        u = np.int64(x0[i]) - bx
        v = np.int64(x1[i]) - bx
        m = v - u
        r = np.int64(y[i]) - by
        t = (u + v - 1) * m  # twice the sum of x
        n += m
        sx += t
        sy += r * m
        syy += r * r * m
        sxy += r * t
        sxx += (v - 1) * v * (2 * v - 1) - (u - 1) * u * (2 * u - 1)  # six times
    return n, sx >> 1, sy, sxx // 6, syy, sxy >> 1


@njit(cache=True, nogil=True, error_model="numpy")
def ellipse(n, sx, sy, sxx, syy, sxy):
    """Best-fitting ellipse of a mask from its sums: (major, minor, angle in degrees), pixels."""
    m = max(n, 1)  # all moments of no pixel are 0
    xm = sx / m
    ym = sy / m
    u20 = (sxx + _TWELFTH * n) / m - xm * xm
    u02 = (syy + _TWELFTH * n) / m - ym * ym
    u11 = sxy / m - xm * ym
    m4 = 4.0 * abs(u02 * u20 - u11 * u11)
    m4 = max(m4, 0.000001)
    a11 = u02 / m4
    a12 = u11 / m4
    a22 = u20 / m4
    difference = a11 - a22
    if difference == 0.0:
        difference = 0.000001
    theta = 0.5 * java_atan(2.0 * a12 / difference)
    if theta < 0.0:
        theta += _HALF_PI
    if a12 > 0.0:
        theta += _HALF_PI
    elif a12 == 0.0:
        if a22 > a11:
            theta = 0.0
            a11, a22 = a22, a11
        elif a11 != a22:
            theta = _HALF_PI
    sine = math.sin(theta)
    if sine == 0.0:
        sine = 0.000001
    z = a12 * math.cos(theta) / sine
    major = math.sqrt(1.0 / abs(a22 + z))
    minor = math.sqrt(1.0 / abs(a11 - z))
    scale = math.sqrt(n / (math.pi * major * minor))
    major = major * scale * 2.0
    minor = minor * scale * 2.0
    angle = 180.0 * theta / math.pi
    if angle == 180.0:
        angle = 0.0
    if major < minor:
        major, minor = minor, major
    return major, minor, angle


@njit(cache=True, nogil=True, error_model="numpy")
def _centres_and_axes(
    start, x0, x1, y, box, chosen, l0, l1, count, centroids, col, out, axes, w, h, xo, yo, flip
):  # fmt: skip
    """Fill the columns of centroids and ellipses; axes: (l1 - l0 or 0, 2), calibrated, out.

    All sums come first: the ellipses then overlap in the processor, no branch between them is
    taken by surprise.
    """
    fit = len(axes) > 0
    centre = col[X] >= 0
    scale = w if abs(w - h) / w < 0.01 else 0.0
    sums = np.empty((l1 - l0, 6), np.int64)
    for k in range(l0, l1):
        p = chosen[k]
        i = k - l0
        (
            sums[i, 0], sums[i, 1], sums[i, 2], sums[i, 3], sums[i, 4], sums[i, 5],
        ) = _moments(
            x0, x1, y, start[p], start[p + 1], np.int64(box[p, 0]), np.int64(box[p, 1])
        )  # fmt: skip
    for k in range(l0, l1):
        p = chosen[k]
        bx = np.int64(box[p, 0])
        by = np.int64(box[p, 1])
        bw = np.int64(box[p, 2])
        bh = np.int64(box[p, 3])
        m = sums[k - l0, 0]
        sx = sums[k - l0, 1]
        sy = sums[k - l0, 2]
        if fit and (bw == 1 or bh == 1):
            major = (bw * 2) / _SQRT_PI
            minor = (bh * 2) / _SQRT_PI
            angle = 0.0
            if major < minor:
                major, minor = minor, major
                angle = 90.0
            cx = bx + bw / 2.0
            cy = by + bh / 2.0
        elif fit:
            major, minor, angle = ellipse(
                m, sx, sy, sums[k - l0, 3], sums[k - l0, 4], sums[k - l0, 5]
            )
            cx = bx + sx / max(m, 1) + 0.5
            cy = by + sy / max(m, 1) + 0.5
        elif len(centroids):
            cx = centroids[k, 0] / count[k] + 0.5
            cy = centroids[k, 1] / count[k] + 0.5
        else:
            cx = (sx + bx * m) / m + 0.5
            cy = (sy + by * m) / m + 0.5
        if fit:
            axes[k - l0, 0] = major * scale
            axes[k - l0, 1] = minor * scale
            if col[MAJOR] >= 0:
                out[col[MAJOR], k] = axes[k - l0, 0]
                out[col[MINOR], k] = axes[k - l0, 1]
                out[col[ANGLE], k] = angle
        if centre:
            out[col[X], k] = (cx - xo) * w
            out[col[Y], k] = (cy - yo) * h if flip == 0 else _flipped(cy, yo, h, flip)


@njit(cache=True, nogil=True, error_model="numpy")
def measure_shapes(
    start, x0, x1, y, box, roi_start, kinds, loop_start, loop_size, vx, vy, seeds,
    chosen, l0, l1, count, centroids, col, out, w, h, sw, sh, xo, yo, flip,
):  # fmt: skip
    """Fill the shape columns of particles chosen[l0:l1].

    count: pixels that count, per chosen particle; centroids: (n, 2) sums of x and y of these, or
    empty = of all; seeds: (particles, 2) or empty = first pixels. col[c]: row of out for column c,
    -1 = not wanted. w, h, xo, yo: pixel size and origin of what is measured; sw, sh: pixel size
    of the image the outlines are from. flip: 0 = y as it is, else height of the image + 1.
    """
    hx = np.empty(256, np.int32)
    hy = np.empty(256, np.int32)
    left = np.empty(128, np.int32)
    right = np.empty(128, np.int32)
    fx = np.empty(FERET_ROOM, np.float32)
    fy = np.empty(FERET_ROOM, np.float32)
    far = np.empty(FERET_ROOM, np.float32)
    wide = np.empty(FERET_ROOM, np.float32)
    squares = np.empty(FERET_ROOM, np.float32)
    shape = col[CIRC] >= 0
    fit = shape or col[MAJOR] >= 0
    feret = col[FERET] >= 0
    axes = np.zeros((l1 - l0 if fit else 0, 2))
    if fit or col[X] >= 0:
        _centres_and_axes(
            start, x0, x1, y, box, chosen, l0, l1, count, centroids, col, out, axes,
            w, h, xo, yo, flip,
        )  # fmt: skip
    for k in range(l0, l1):
        p = chosen[k]
        a = start[p]
        e = start[p + 1]
        bx = np.int64(box[p, 0])
        by = np.int64(box[p, 1])
        bw = np.int64(box[p, 2])
        bh = np.int64(box[p, 3])
        n = count[k]
        area = n * w * h
        if col[AREA] >= 0:
            out[col[AREA], k] = area
        if col[BX] >= 0:
            out[col[BX], k] = (bx - xo) * w
            out[col[BY], k] = (by - yo) * h if flip == 0 else _flipped(np.float64(by), yo, h, flip)
            out[col[WIDTH], k] = bw * w
            out[col[HEIGHT], k] = bh * h
        if col[X_START] >= 0:
            out[col[X_START], k] = seeds[p, 0] if len(seeds) else x0[a]
            out[col[Y_START], k] = seeds[p, 1] if len(seeds) else y[a]
        if shape or col[PERIM] >= 0:
            length = perimeter(
                kinds[p], roi_start[p], roi_start[p + 1], loop_start, loop_size, vx, vy, sw, sh
            )
            if col[PERIM] >= 0:
                out[col[PERIM], k] = length
            if shape:
                circ = 0.0 if length == 0.0 else 4.0 * math.pi * (area / (length * length))
                out[col[CIRC], k] = min(circ, 1.0)
                major = axes[k - l0, 0]
                out[col[AR], k] = major / axes[k - l0, 1]
                out[col[ROUND], k] = 4.0 * area / (math.pi * major * major)
        if not (shape or feret):
            continue
        while len(left) < bh + 1:
            left = np.empty(2 * len(left), np.int32)
            right = np.empty(len(left), np.int32)
        if len(hx) < 2 * bh + 2:
            hx = np.empty(4 * bh + 2, np.int32)
            hy = np.empty(4 * bh + 2, np.int32)
        tall = bh
        if e - a == bh and len(seeds) == 0:  # one run a row: no need to look at the outline
            left[0] = x0[a] - bx
            right[0] = x1[a] - bx
            for i in range(1, bh):
                left[i] = min(x0[a + i - 1], x0[a + i]) - bx
                right[i] = max(x1[a + i - 1], x1[a + i]) - bx
            left[bh] = x0[e - 1] - bx
            right[bh] = x1[e - 1] - bx
        else:
            for i in range(bh + 1):
                left[i] = NO_POINT
                right[i] = -NO_POINT
            for q in range(roi_start[p], roi_start[p + 1]):
                for i in range(loop_start[q], loop_start[q] + loop_size[q]):
                    r = np.int64(vy[i]) - by
                    v = np.int32(vx[i] - bx)
                    left[r] = min(left[r], v)
                    right[r] = max(right[r], v)
            while left[tall] == NO_POINT:  # pixels at the threshold in single precision only
                tall -= 1
        c = hull(left, right, tall, hx, hy)
        if shape:
            out[col[SOLIDITY], k] = n / abs(double_area(hx, hy, c) / 2.0)
        if not feret:
            continue
        if sw != sh:
            squared, p1, p2, width = feret_pairs(hx, hy, c, sw, sh)
        elif c <= 48 and bw < 2048 and bh < 2048:
            squared, p1, p2, width = feret_small(hx, hy, c, sw, sh, fx, fy, far, wide, squares)
        else:
            squared, p1, p2, width = feret_calipers(hx, hy, c, sw, sh)
        if hx[p1] > hx[p2]:
            p1, p2 = p2, p1
        angle = (180.0 / math.pi) * java_atan2((hy[p1] - hy[p2]) * sh, (hx[p2] - hx[p1]) * sw)
        if angle < 0.0:
            angle += 180.0
        out[col[FERET], k] = math.sqrt(squared)
        out[col[FERET_X], k] = hx[p1] + bx
        out[col[FERET_Y], k] = hy[p1] + by
        out[col[FERET_ANGLE], k] = angle
        out[col[MIN_FERET], k] = width


@njit(cache=True, nogil=True, error_model="numpy")
def _flipped(y, yo, h, flip):
    """Return y counted from the bottom; with an origin, from it upwards."""
    if yo != 0.0:
        return (yo - y) * h
    return ((flip - 1) - y - 1) * h
