"""Fill the holes of particles on their runs."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(inline="always")
def _root(parent, i):
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@njit(cache=True, nogil=True)
def fill_holes(row, edge, four):
    """Close every gap between two runs of a row that is not open to the outside; in place.

    Background is 4-connected where particles are 8-connected, and the other way round. A gap that
    leads nowhere is surrounded by one particle, and all that lies inside vanishes in it, as what
    ImageJ fills and erases does. Returns the new number of runs; row is rewritten.

    row: (height + 1,) int64; edge: see `runs`.
    """
    height = len(row) - 1
    runs = row[height]
    # Gap g of row y lies right of run g; 0 is the outside, so gap g is node g + 1.
    parent = np.arange(runs + 1)
    for y in range(height):
        if row[y + 1] > row[y]:
            parent[row[y + 1]] = 0  # right of the last run
    for y in range(height):
        a0 = row[y]
        a1 = row[y + 1] - 1  # gaps a0 .. a1 - 1 lie between runs
        outside_above = y == 0 or row[y] == row[y - 1]
        outside_below = y == height - 1 or row[y + 2] == row[y + 1]
        for g in range(a0, a1):
            x0 = edge[2 * g + 1]
            x1 = edge[2 * g + 2]
            if outside_above or outside_below:
                parent[_root(parent, g + 1)] = 0
                continue
            if not four:  # neighbours share an edge
                lo, hi = x0, x1
            else:  # neighbours may share a corner
                lo, hi = x0 - 1, x1 + 1
            p0 = row[y - 1]
            p1 = row[y] - 1
            if edge[2 * p0] > lo or edge[2 * p1 + 1] < hi:  # left or right of all runs above
                _join_outside(parent, g + 1)
            n0 = row[y + 1]
            n1 = row[y + 2] - 1
            if edge[2 * n0] > lo or edge[2 * n1 + 1] < hi:
                _join_outside(parent, g + 1)
    for y in range(1, height):
        p = row[y - 1]
        p_end = row[y] - 1
        for g in range(row[y], row[y + 1] - 1):
            if not four:
                lo, hi = edge[2 * g + 1], edge[2 * g + 2]
            else:
                lo, hi = edge[2 * g + 1] - 1, edge[2 * g + 2] + 1
            while p < p_end and edge[2 * p + 2] <= lo:
                p += 1
            q = p
            while q < p_end and edge[2 * q + 1] < hi:
                r = _root(parent, g + 1)
                s = _root(parent, q + 1)
                if r < s:
                    parent[s] = r
                else:
                    parent[r] = s
                q += 1
    out = 0
    for y in range(height):
        a = row[y]
        b = row[y + 1]
        row[y] = out
        if a == b:
            continue
        edge[2 * out] = edge[2 * a]
        for g in range(a, b):
            if g == b - 1 or _root(parent, g + 1) == 0:
                edge[2 * out + 1] = edge[2 * g + 1]
                out += 1
                if g < b - 1:
                    edge[2 * out] = edge[2 * g + 2]
    row[height] = out
    return out


@njit(inline="always")
def _join_outside(parent, i):
    parent[_root(parent, i)] = 0
