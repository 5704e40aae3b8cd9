"""Columns of the results table that come from 32-bit float pixels.

Source: ij.process.FloatStatistics.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from fijibridge.measure._kernels.greys import (
    AREA_FRACTION,
    KURT,
    MAX,
    MEDIAN,
    MIN,
    MODE,
    SKEW,
    TINY,
    XM,
    deviation,
    gather,
    write_moments,
    write_sums,
)

_LARGEST = 3.4028234663852886e38  # Float.MAX_VALUE
_BINS = 256


@njit(cache=True, nogil=True)
def count_finite(plane, top, start, x0, x1, y, l0, l1, count):
    """Count the pixels of particles l0..l1 that are neither NaN nor infinite."""
    for p in range(l0, l1):
        n = np.int64(0)
        for i in range(start[p], start[p + 1]):
            for x in range(x0[i], x1[i]):
                n += abs(plane[y[i] - top, x]) <= _LARGEST
        count[p] = n


@njit(cache=True, nogil=True)
def _sort_zeros(order):
    """Put -0.0 before 0.0 among sorted values, as Java does."""
    below = negative = zeros = 0
    for value in order:
        if value < 0.0:
            below += 1
        elif value == 0.0:
            zeros += 1
            negative += np.signbit(value)
        else:
            break
    order[below : below + negative] = np.float32(-0.0)
    order[below + negative : below + zeros] = np.float32(0.0)


@njit(cache=True, nogil=True, error_model="numpy")
def measure_floats(
    plane, top, start, x0, x1, y, chosen, l0, l1, low, high, nonzero, centroids,
    col, out, w, h, xo, yo, flip,
):  # fmt: skip
    """Fill the grey columns of particles chosen[l0:l1] from float32 rows, from row `top` on.

    NaN and infinite pixels do not count, as in ImageJ. low, high: float32 band of %Area; nonzero:
    there is none, count what is not 0. centroids: (n, 2), out: sums of x and y of what counts.
    """
    width = plane.shape[1]
    flat = plane.reshape(-1)
    values = np.empty(1024, np.float32)
    hist = np.zeros(_BINS, np.int64)
    moments = col[SKEW] >= 0 or col[KURT] >= 0 or col[XM] >= 0
    for k in range(l0, l1):
        a = start[chosen[k]]
        e = start[chosen[k] + 1]
        n = np.int64(0)
        for i in range(a, e):
            n += np.int64(x1[i]) - x0[i]
        if n + 32 > len(values):
            values = np.empty(n + n // 2 + 32, np.float32)
        gather(flat, width, top, x0, x1, y, a, e, values)
        least = 1.7976931348623157e308
        greatest = -1.7976931348623157e308
        counted = np.int64(0)
        total = 0.0
        squares = 0.0
        inside = np.int64(0)
        for d in range(n):
            v = np.float64(values[d])
            if nonzero:
                inside += v != 0.0
            else:
                inside += low <= values[d] <= high
            if abs(v) <= _LARGEST:
                counted += 1
                total += v
                squares += v * v
                if v < least:
                    least = v
                if v > greatest:
                    greatest = v
        mean = total / counted
        std = deviation(np.float64(counted), total, squares)
        write_sums(counted, mean, mean, std, w, h, col, out, k)
        if col[MIN] >= 0:
            out[col[MIN], k] = least
            out[col[MAX], k] = greatest
        if col[AREA_FRACTION] >= 0:
            out[col[AREA_FRACTION], k] = inside * 100.0 / n
        if len(centroids) or moments:
            s1 = 0.0
            s2 = 0.0
            s3 = 0.0
            s4 = 0.0
            sx = 0.0
            sy = 0.0
            cx = 0.0
            cy = 0.0
            d = 0
            for i in range(a, e):
                for x in range(x0[i], x1[i]):
                    v = np.float64(values[d]) + TINY
                    d += 1
                    if abs(v) <= _LARGEST:
                        q = v * v
                        s1 += v
                        s2 += q
                        s3 += v * q
                        s4 += q * q
                        sx += x * v
                        sy += y[i] * v
                        cx += x
                        cy += y[i]
            if len(centroids):
                centroids[k, 0] = cx
                centroids[k, 1] = cy
            if moments:
                write_moments(
                    counted, mean, s1, s2, s3, s4, sx, sy, w, h, xo, yo, flip, col, out, k
                )
        if col[MODE] >= 0:
            size = (greatest - least) / _BINS
            scale = _BINS / (greatest - least)
            for b in range(_BINS):
                hist[b] = 0
            for d in range(n):
                v = np.float64(values[d])
                if abs(v) <= _LARGEST:
                    place = scale * (v - least)
                    b = np.int64(place) if place == place else 0
                    hist[min(b, _BINS - 1)] += 1
            most = np.int64(0)
            mode = 0
            for b in range(_BINS):
                if hist[b] > most:
                    most = hist[b]
                    mode = b
            value = least + mode * size
            if size != 1.0:
                value += size / 2.0
            out[col[MODE], k] = value
        if col[MEDIAN] >= 0:
            m = 0
            for d in range(n):
                if abs(values[d]) <= _LARGEST:
                    values[m] = values[d]
                    m += 1
            if m == 0:
                out[col[MEDIAN], k] = np.nan
            else:
                order = np.sort(values[:m])
                if order[m // 2] == 0.0 or order[(m - 1) // 2] == 0.0:
                    _sort_zeros(order)
                if m & 1:
                    out[col[MEDIAN], k] = order[m // 2]
                else:
                    both = np.float32(order[m // 2 - 1] + order[m // 2])
                    out[col[MEDIAN], k] = np.float32(both / np.float32(2.0))
