"""Columns of the results table from 8- and 16-bit values with a calibration function.

Source: ij.process.ByteStatistics, ij.process.ShortStatistics.
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


@njit(cache=True, nogil=True, error_model="numpy")
def measure_calibrated(
    plane, top, start, x0, x1, y, chosen, l0, l1, table, medians, low, high, count,
    col, out, w, h, xo, yo, flip,
):  # fmt: skip
    """Fill the grey columns from raw values with a calibration table.

    table: float32, per raw value; medians: float64, the same before rounding to float; count:
    pixels whose calibrated value is a number (8-bit), out; all sums in ImageJ's order.
    """
    byte = plane.itemsize == 1
    width = plane.shape[1]
    flat = plane.reshape(-1)
    values = np.empty(1024, plane.dtype)
    hist = np.zeros(len(table) + 16, np.int64)
    for k in range(l0, l1):
        a = start[chosen[k]]
        e = start[chosen[k] + 1]
        n = np.int64(0)
        for i in range(a, e):
            n += np.int64(x1[i]) - x0[i]
        if n + 32 > len(values):
            values = np.empty(n + n // 2 + 32, plane.dtype)
        gather(flat, width, top, x0, x1, y, a, e, values)
        lo = np.int64(values[0])
        hi = lo
        for d in range(n):
            v = np.int64(values[d])
            lo = min(lo, v)
            hi = max(hi, v)
            hist[v] += 1
        counted = np.int64(0)
        total = 0.0
        raw = 0.0
        squares = 0.0
        most = np.int64(0)
        mode = np.int64(0)
        least = 1.7976931348623157e308
        greatest = -1.7976931348623157e308
        inside = np.int64(0)
        for v in range(lo, hi + 1):
            c = hist[v]
            value = np.float64(table[v])
            if byte and (c == 0 or value != value):
                continue
            counted += c
            total += value * c
            raw += np.float64(v) * c
            squares += (value * value) * c
            if c > most:
                most = c
                mode = v
        for v in range(lo, hi + 1):
            if hist[v] > 0:
                value = np.float64(table[v])
                if value < least:
                    least = value
                if value > greatest:
                    greatest = value
                if low <= v <= high:
                    inside += hist[v]
        mean = total / counted
        raw_mean = raw / counted if byte else mean
        count[k] = counted
        std = deviation(np.float64(counted), total, squares)
        write_sums(counted, mean, raw_mean, std, w, h, col, out, k)
        if col[MODE] >= 0:
            out[col[MODE], k] = table[mode]
        if col[MIN] >= 0:
            out[col[MIN], k] = least if counted > 0 else np.nan
            out[col[MAX], k] = greatest if counted > 0 else np.nan
        if col[MEDIAN] >= 0:
            v = lo - 1
            cumulative = np.int64(0)
            while True:
                v += 1
                cumulative += hist[v]
                if 2 * cumulative > counted or v >= len(table) - 1:
                    break
            out[col[MEDIAN], k] = medians[v] if counted > 0 else np.nan
        if col[AREA_FRACTION] >= 0:
            out[col[AREA_FRACTION], k] = inside * 100.0 / n
        for v in range(lo, hi + 1):
            hist[v] = 0
        if col[SKEW] >= 0 or col[KURT] >= 0 or col[XM] >= 0:
            s1 = 0.0
            s2 = 0.0
            s3 = 0.0
            s4 = 0.0
            sx = 0.0
            sy = 0.0
            d = 0
            for i in range(a, e):
                for x in range(x0[i], x1[i]):
                    f = np.float64(table[values[d]])
                    d += 1
                    if byte:
                        f += TINY
                    q = f * f
                    s1 += f
                    s2 += q
                    s3 += f * q
                    s4 += q * q
                    sx += x * f
                    sy += y[i] * f
            write_moments(
                counted, mean, s1, s2, s3, s4, sx, sy, w, h, xo, yo, flip, col, out, k
            )  # fmt: skip
