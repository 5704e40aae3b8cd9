"""Runs of equal labels of a label image."""

from __future__ import annotations

import numpy as np
from numba import njit

from fijibridge.measure._kernels.simd import changes64, popcount, trailing_zeros


@njit(cache=True, nogil=True)
def mark_labels(flat, width, y0, y1, bits, count):
    """Mark where a label differs from its left neighbour; outside of the image it is 0."""
    full = width // 64
    for y in range(y0, y1):
        n = 0
        base = y * width
        for j in range((width + 63) // 64):
            p = base + 64 * j
            if j < full and p > 0:
                word = changes64(flat, p)
            elif j == full and base + width >= 65:
                word = changes64(flat, base + width - 64) >> np.uint64(64 * (full + 1) - width)
            else:
                word = np.uint64(0)
                for x in range(max(p, 1), min(p + 64, base + width)):
                    word |= np.uint64(flat[x] != flat[x - 1]) << np.uint64(x - p)
            if j == 0:
                word = (word & ~np.uint64(1)) | np.uint64(flat[base] != 0)
            bits[y, j] = word
            n += popcount(word)
        count[y] = n


@njit(cache=True, nogil=True)
def collect_labels(flat, width, y0, y1, bits, row, value, x0, x1, y, used):
    """Write the runs of labels; row[y] is where row y may begin, used[y] how many it has."""
    one = np.uint64(1)
    for r in range(y0, y1):
        k = row[r]
        is_open = False
        for j in range(bits.shape[1]):
            word = bits[r, j]
            while word:
                x = 64 * j + trailing_zeros(word)
                word &= word - one
                if is_open:
                    x1[k] = x
                    k += 1
                v = flat[r * width + x]
                is_open = v != 0
                if is_open:
                    value[k] = v
                    x0[k] = x
                    y[k] = r
        if is_open:
            x1[k] = width
            k += 1
        used[r] = k - row[r]


@njit(cache=True, nogil=True)
def group_labels(row, used, index, place, x0, x1, y, gx0, gx1, gy):
    """Move runs to their label, in raster order; index: number of the label, per run place."""
    for r in range(len(used)):
        for i in range(row[r], row[r] + used[r]):
            k = place[index[i]]
            place[index[i]] = k + 1
            gx0[k] = x0[i]
            gx1[k] = x1[i]
            gy[k] = y[i]
