"""Scan-line fill of polygons by ImageJ's rule.

Source: ij.process.PolygonFiller. An edge's x is advanced by adding its slope once a row, so that
the rounding errors are ImageJ's too.
"""

from __future__ import annotations

import numpy as np
from numba import njit

#: Edges are walked by repeated addition, as ImageJ does, while they take so many rows together.
WALK = 1 << 26


@njit(cache=True, nogil=True)
def fill_edges(ex, ey1, ey2, slope, width, col, row, mask):
    """Fill `mask` (rows `row`.., columns `col`.. of the polygon's own frame) between edge pairs.

    ex: x of each edge at its first row; ey1, ey2: first and one past the last row, sorted by ey1;
    slope: dx a row; width: columns of the frame.
    """
    n = len(ex)
    rows = mask.shape[0]
    low = max(0, col)
    high = min(width, col + mask.shape[1])
    active = np.empty(n, np.int64)
    at = np.empty(n, np.float64)
    far = np.sum(ey2 - ey1) > WALK
    count = 0
    following = 0
    y = row
    while y < row + rows:
        kept = 0
        for i in range(count):  # drop edges that have ended
            if ey2[active[i]] > y:
                active[kept] = active[i]
                at[kept] = at[i]
                kept += 1
        count = kept
        while following < n and ey1[following] <= y:
            if ey2[following] > y:
                x = ex[following]
                behind = y - ey1[following]
                if not far:
                    for _ in range(behind):
                        x += slope[following]
                else:
                    x += slope[following] * behind
                active[count] = following
                at[count] = x
                count += 1
            following += 1
        if count == 0:
            if following == n:
                return
            y = ey1[following]
            continue
        for i in range(1, count):  # nearly sorted: each row moves edges a little
            x = at[i]
            k = active[i]
            j = i
            while j > 0 and at[j - 1] > x:
                at[j] = at[j - 1]
                active[j] = active[j - 1]
                j -= 1
            at[j] = x
            active[j] = k
        for i in range(0, count - 1, 2):
            a = int(min(max(at[i] + 0.5, low), high))
            b = int(min(max(at[i + 1] + 0.5, low), high))
            for x in range(a, b):
                mask[y - row, x - col] = True
        for i in range(count):
            at[i] += slope[active[i]]
        y += 1
