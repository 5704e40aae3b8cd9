"""Columns of the results table that come from 8- and 16-bit pixel values, bit-equal to ImageJ's.

Sums below 2**53 are exact in doubles whatever the order, so they are made in integers; beyond,
they are made in ImageJ's order: histograms upwards, moments pixel by pixel in raster order.

Source: ij.process.ByteStatistics, ij.process.ShortStatistics.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from fijibridge.measure._kernels.simd import copy32, powers8, sums32
from fijibridge.measure._kernels.simd_runs import run_sums, scan16

#: Grey columns, in the order of the kernels' `col` argument.
(
    MEAN, STD_DEV, MODE, MIN, MAX, XM, YM, INT_DEN, MEDIAN, SKEW, KURT, AREA_FRACTION, RAW_INT_DEN,
) = range(13)  # fmt: skip
_EXACT = 9007199254740992.0  # 2**53
TINY = 5e-324  # Double.MIN_VALUE


@njit(cache=True, nogil=True)
def gather(flat, width, top, x0, x1, y, a, e, values):
    """Copy the pixel values of runs a..e to values, in raster order; row `top` comes first.

    values has 32 spare elements.
    """
    d = 0
    for i in range(a, e):
        base = (np.int64(y[i]) - top) * width
        q = base + x0[i]
        stop = base + x1[i]
        end = d + stop - q
        if stop + 32 <= len(flat):  # 32 at a time, the surplus is overwritten
            while d < end:
                copy32(flat, q, values, d)
                q += 32
                d += 32
        else:
            while d < end:
                values[d] = flat[q]
                q += 1
                d += 1
        d = end


@njit(cache=True, nogil=True, error_model="numpy")
def deviation(n, total, squares):
    """Return ImageJ's standard deviation."""
    if n <= 0.0:
        return 0.0
    value = (n * squares - total * total) / n
    return math.sqrt(value / (n - 1.0)) if value > 0.0 else 0.0


@njit(cache=True, nogil=True, error_model="numpy")
def write_moments(n, mean, s1, s2, s3, s4, sx, sy, w, h, xo, yo, flip, col, out, k):
    """Write Skew, Kurt, XM and YM from raw sums."""
    mean2 = mean * mean
    variance = s2 / n - mean2
    spread = math.sqrt(variance) if variance >= 0.0 else np.nan
    if col[SKEW] >= 0:
        out[col[SKEW], k] = ((s3 - 3.0 * mean * s2) / n + 2.0 * mean * mean2) / (variance * spread)
    if col[KURT] >= 0:
        out[col[KURT], k] = (
            ((s4 - 4.0 * mean * s3 + 6.0 * mean2 * s2) / n - 3.0 * mean2 * mean2)
            / (variance * variance)
        ) - 3.0
    if col[XM] >= 0:
        out[col[XM], k] = (sx / s1 + 0.5 - xo) * w
        y = sy / s1 + 0.5
        if flip == 0:
            out[col[YM], k] = (y - yo) * h
        elif yo != 0.0:
            out[col[YM], k] = (yo - y) * h
        else:
            out[col[YM], k] = ((flip - 1) - y - 1) * h


@njit(cache=True, nogil=True, error_model="numpy")
def write_sums(n, mean, raw_mean, std, w, h, col, out, k):
    """Write the columns that follow from n and the means."""
    if col[MEAN] >= 0:
        out[col[MEAN], k] = mean
    if col[STD_DEV] >= 0:
        out[col[STD_DEV], k] = std
    if col[INT_DEN] >= 0:
        out[col[INT_DEN], k] = (n * w * h) * mean
        out[col[RAW_INT_DEN], k] = n * raw_mean


@njit(cache=True, nogil=True)
def _rank(hist, k, n, below):
    """First bin from k on where the cumulative count exceeds n/2; hist has 16 spare bins."""
    while True:
        t = np.int64(0)
        for i in range(16):
            t += hist[k + i]
        if 2 * (below + t) > n:
            break
        below += t
        k += 16
    while 2 * (below + hist[k]) <= n:
        below += hist[k]
        k += 1
    return k


@njit(cache=True, nogil=True)
def _mode_median(hist, lo, hi, n):
    """Return the key of the mode and the median of n 8-bit values, lo to hi."""
    key = np.int64(0)
    if n >= 1 << 23:
        for v in range(lo, hi + 1):
            key = max(key, np.int64(hist[v]) << 16 | (65535 - v))
        return key, _rank(hist, lo, n, 0)
    below = np.int64(0)
    seen = np.int64(0)
    block = lo & ~15
    k = block
    while k <= hi:
        total, top = scan16(hist, k)
        key = max(key, top)
        k += 16
        seen += total
        if 2 * seen <= n:
            below = seen
            block = k
    while 2 * (below + hist[block]) <= n:
        below += hist[block]
        block += 1
    return (key >> 8) << 16 | (65280 + (key & 255)), block


@njit(cache=True, nogil=True)
def _long_sums(x0, x1, y, a, e, values):
    """Return the sums of v, x*v and y*v, the smallest and the largest v of runs of any length."""
    s1 = np.int64(0)
    sx = np.int64(0)
    sy = np.int64(0)
    d = 0
    lo = values[0]
    hi = values[0]
    for i in range(a, e):
        x = np.int64(x0[i])
        stop = np.int64(x1[i])
        r = np.int64(0)
        while x < stop:
            m = min(32, stop - x)
            q = sums32(values, d, m)
            s = q & 0xFFFFFFFF
            r += s
            sx += (q >> 32) + x * s
            d += m
            x += 32
        s1 += r
        sy += y[i] * r
    for k in range(d):
        lo = min(lo, values[k])
        hi = max(hi, values[k])
    return s1, sx, sy, np.int64(lo), np.int64(hi)


@njit(cache=True, nogil=True, error_model="numpy")
def measure_constant(start, x0, x1, y, chosen, l0, l1, value, share, col, out, w, h, xo, yo, flip):
    """Fill the grey columns of particles that have one 8-bit value everywhere."""
    v = np.float64(value)
    dv = v + TINY
    moments = col[SKEW] >= 0 or col[KURT] >= 0 or col[XM] >= 0
    for k in range(l0, l1):
        a = start[chosen[k]]
        e = start[chosen[k] + 1]
        n = np.int64(0)
        sx = np.int64(0)
        sy = np.int64(0)
        for i in range(a, e):
            m = np.int64(x1[i]) - x0[i]
            n += m
            sx += (np.int64(x0[i]) + x1[i] - 1) * m
            sy += np.int64(y[i]) * m
        total = n * v
        mean = total / n
        write_sums(n, mean, mean, deviation(np.float64(n), total, n * (v * v)), w, h, col, out, k)
        if col[MODE] >= 0:
            out[col[MODE], k] = v
        if col[MIN] >= 0:
            out[col[MIN], k] = v
            out[col[MAX], k] = v
        if col[MEDIAN] >= 0:
            out[col[MEDIAN], k] = v
        if col[AREA_FRACTION] >= 0:
            out[col[AREA_FRACTION], k] = share
        if moments:
            q = dv * dv
            s4 = n * (q * q)
            if s4 >= _EXACT:
                s4 = 0.0
                for _ in range(n):
                    s4 += q * q
            write_moments(
                n, mean, n * dv, n * q, n * (dv * q), s4, (sx >> 1) * dv, sy * dv,
                w, h, xo, yo, flip, col, out, k,
            )  # fmt: skip


@njit(cache=True, nogil=True, error_model="numpy")
def measure_integers(
    plane, top, start, x0, x1, y, chosen, l0, l1, low, high, col, out, w, h, xo, yo, flip
):
    """Fill the grey columns of particles chosen[l0:l1] from an uncalibrated plane.

    plane: (rows, width) uint8 or uint16, its first row is row `top` of the image. low, high: the
    band of %Area. The mode is the lowest of the most frequent values: the largest key (count,
    then smaller value).
    """
    bins = 256 if plane.itemsize == 1 else 65536
    width = plane.shape[1]
    flat = plane.reshape(-1)
    values = np.empty(1024, plane.dtype)
    hist = np.zeros(bins + 16, np.int32)
    coarse = np.zeros(512, np.int32)
    moments = col[SKEW] >= 0 or col[KURT] >= 0
    centre = col[XM] >= 0
    share = col[AREA_FRACTION] >= 0
    for k in range(l0, l1):
        a = start[chosen[k]]
        e = start[chosen[k] + 1]
        n = np.int64(0)
        for i in range(a, e):
            n += np.int64(x1[i]) - x0[i]
        if n + 32 > len(values):
            values = np.empty(n + n // 2 + 32, plane.dtype)
        rows = e - a
        end = (np.int64(y[e - 1]) - top) * width + x1[e - 1]
        most = (rows + (n >> 4)) * max(rows, width)  # times the largest value: bounds the sums
        if end + 16 <= len(flat) and most < (1 << 32) // bins:
            s1, sx, sy, lo, hi = run_sums(flat, width, top, x0, x1, y, a, e, values)
            sy += y[a] * s1
        else:
            gather(flat, width, top, x0, x1, y, a, e, values)
            s1, sx, sy, lo, hi = _long_sums(x0, x1, y, a, e, values)
        bytes_ = values.view(np.uint8)  # of 8-bit pixels: themselves
        peak = np.float64(hi)
        s2 = 0.0
        s3 = 0.0
        s4 = 0.0
        h2 = 0.0
        by_histogram = n * peak * peak >= _EXACT
        small = bins == 256 and n * peak * peak * peak * peak < _EXACT
        key = np.int64(0)
        median = np.int64(0)
        if small:
            if lo == hi:
                hist[lo] = n
            else:
                for d in range(n):
                    hist[values[d]] += 1
            key, median = _mode_median(hist, lo, hi, n)
            for d in range(n, n + 16):
                values[d] = 0
            i2, i3, i4 = powers8(bytes_, n)
            s2 = np.float64(i2)
            s3 = np.float64(i3)
            s4 = np.float64(i4)
            h2 = s2
            inside = n
            if share and (lo < low or hi > high):
                inside = np.int64(0)
                for v in range(max(lo, low), min(hi, high) + 1):
                    inside += hist[v]
            for v in range(lo, hi + 1):
                hist[v] = 0
        else:
            if moments or not by_histogram:
                for d in range(n):
                    f = np.float64(values[d])
                    q = f * f
                    s2 += q
                    s3 += f * q
                    s4 += q * q
            h2 = s2
            if col[MODE] >= 0 or col[MEDIAN] >= 0 or by_histogram:
                for d in range(n):
                    v = np.int64(values[d])
                    c = np.int64(hist[v]) + 1
                    hist[v] = c
                    coarse[v >> 8] += 1
                    key = max(key, c << 16 | (65535 - v))
                t = lo >> 8
                below = np.int64(0)
                while 2 * (below + coarse[t]) <= n:
                    below += coarse[t]
                    t += 1
                median = _rank(hist, t << 8, n, below)
                if by_histogram:
                    h2 = 0.0
                    for v in range(lo, hi + 1):
                        h2 += np.float64(v) * np.float64(v) * hist[v]
                for t in range(lo >> 8, (hi >> 8) + 1):
                    coarse[t] = 0
                if n < hi - lo:
                    for d in range(n):
                        hist[values[d]] = 0
                else:
                    for v in range(lo, hi + 1):
                        hist[v] = 0
            inside = n
            if share and (lo < low or hi > high):
                inside = np.int64(0)
                for d in range(n):
                    inside += low <= values[d] <= high
        total = np.float64(s1)
        mean = total / n
        write_sums(n, mean, mean, deviation(np.float64(n), total, h2), w, h, col, out, k)
        if col[MODE] >= 0:
            out[col[MODE], k] = 65535 - (key & 65535)
        if col[MIN] >= 0:
            out[col[MIN], k] = lo
            out[col[MAX], k] = hi
        if col[MEDIAN] >= 0:
            out[col[MEDIAN], k] = median
        if share:
            out[col[AREA_FRACTION], k] = inside * 100.0 / n
        if moments or centre:
            gx = np.float64(sx)
            gy = np.float64(sy)
            if bins == 256 and s1 == 0:  # ImageJ adds Double.MIN_VALUE to 8-bit values
                total = n * TINY
                gx = 0.0
                gy = 0.0
                for i in range(a, e):
                    m = np.int64(x1[i]) - x0[i]
                    gx += (((np.int64(x0[i]) + x1[i] - 1) * m) >> 1) * TINY
                    gy += (np.int64(y[i]) * m) * TINY
            elif max(gx, gy) >= _EXACT:
                gx = 0.0
                gy = 0.0
                d = 0
                for i in range(a, e):
                    for x in range(x0[i], x1[i]):
                        gx += x * np.float64(values[d])
                        gy += y[i] * np.float64(values[d])
                        d += 1
            write_moments(
                n, mean, total, s2, s3, s4, gx, gy, w, h, xo, yo, flip, col, out, k
            )  # fmt: skip
