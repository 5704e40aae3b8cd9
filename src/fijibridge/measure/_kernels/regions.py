"""Label image -> exact outlines of every label, run by run.

A run is a stretch of one label in one row. Runs are found from the places where the value changes,
grouped by label (counting sort, raster order kept), and each label's outline is walked from run to
run: inside is 8-connected, holes are 4-connected, the outside stays at the left. The time goes with
the number of runs, not of pixels. Every kernel takes a range of rows or labels, for threads.

Source: the walk is that of ij.gui.Wand in threshold mode (vertex order and start included); holes
and parts are those of ij.plugin.filter.ThresholdToSelection.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from fijibridge.measure._kernels.composites import loops_of, row_memory
from fijibridge.measure._kernels.outlines import walk_simple
from fijibridge.measure._kernels.simd import changes64, popcount, trailing_zeros

LANES = 64


@njit(cache=True, nogil=True)
def find_changes(flat, width, y0, y1, bits, count):
    """bits[y, j]: where a pixel differs from its left neighbour; left of the image it is 0."""
    full = width // LANES
    words = (width + LANES - 1) // LANES
    for y in range(y0, y1):
        n = 0
        base = y * width
        for j in range(words):
            p = base + LANES * j
            if j < full and p > 0:
                m = changes64(flat, p)
            elif j == full and base + width > LANES:
                # the last, partial word: load the row's last 64 pixels and drop those before it
                m = changes64(flat, base + width - LANES) >> np.uint64(LANES * (full + 1) - width)
            else:
                m = np.uint64(0)
                for x in range(max(p, 1), min(p + LANES, base + width)):
                    m |= np.uint64(flat[x] != flat[x - 1]) << np.uint64(x - p)
            if j == 0:
                m = (m & ~np.uint64(1)) | np.uint64(flat[base] != 0)
            bits[y, j] = m
            n += popcount(m)
        count[y] = n


@njit(cache=True, nogil=True)
def collect(flat, width, y0, y1, bits, row, value, x0, x1, used):
    """Find the runs of labels: in raster order, from index row[y] on; used[y] is their number."""
    one = np.uint64(1)
    for y in range(y0, y1):
        k = row[y]
        inside = False
        for j in range(bits.shape[1]):
            m = bits[y, j]
            while m:
                x = LANES * j + trailing_zeros(m)
                m &= m - one
                if inside:
                    x1[k] = x
                    k += 1
                v = flat[y * width + x]
                inside = v != 0
                if inside:
                    value[k] = v
                    x0[k] = x
        if inside:
            x1[k] = width
            k += 1
        used[y] = k - row[y]


@njit(cache=True, nogil=True)
def pack(y0, y1, row, used, value, packed, first):
    """Copy the values of rows y0..y1 without the gaps, from packed[first] on."""
    k = first
    for y in range(y0, y1):
        for i in range(row[y], row[y] + used[y]):
            packed[k] = value[i]
            k += 1


@njit(cache=True, nogil=True)
def unpack(y0, y1, row, used, packed, first, rank):
    """Inverse of `pack`."""
    k = first
    for y in range(y0, y1):
        for i in range(row[y], row[y] + used[y]):
            rank[i] = packed[k]
            k += 1


@njit(cache=True, nogil=True)
def count_runs(y0, y1, row, used, value, count):
    """count[v] += number of runs of label v in rows y0..y1."""
    for y in range(y0, y1):
        for i in range(row[y], row[y] + used[y]):
            count[value[i]] += 1


@njit(cache=True, nogil=True)
def group(y0, y1, row, used, value, x0, x1, place, gx0, gx1, gy):
    """Sort the runs by label; place[v] is where the next run of label v goes."""
    for y in range(y0, y1):
        for i in range(row[y], row[y] + used[y]):
            v = value[i]
            k = place[v]
            place[v] = k + 1
            gx0[k] = x0[i]
            gx1[k] = x1[i]
            gy[k] = y


@njit(cache=True, nogil=True)
def _neighbours(gx0, gx1, gy, a, e, below, above):
    """Neighbours of runs a..e of one label; -1 where there is none.

    below: last run of the next row starting at or before the right end; above: first run of the
    previous row ending at or after the left end.
    """
    for k in range(e - a):
        above[k] = -1
        below[k] = -1
    i = a
    while i < e:
        y = gy[i]
        j = i
        while j < e and gy[j] == y:
            j += 1
        k = j
        while k < e and gy[k] == y + 1:
            k += 1
        if k > j:
            q = j - 1
            for r in range(i, j):
                while q + 1 < k and gx0[q + 1] <= gx1[r]:
                    q += 1
                below[r - a] = q if q >= j else -1
            p = i
            for r in range(j, k):
                while p < j and gx1[p] < gx0[r]:
                    p += 1
                above[r - a] = p if p < j else -1
        i = j


@njit(cache=True, nogil=True)
def _walk(gx0, gx1, gy, a, e, first, below, above, seen, px, py, o):
    """One closed outline, starting down the right end of run `first`; returns the next free place.

    At every corner: turn left if the label goes on there, else straight on, else turn right.
    """
    n = o
    r = first
    down = True
    while True:
        if down:
            seen[r - a] = True
            x = gx1[r]
            y = gy[r] + 1
            q = below[r - a]
            z = gx1[q] if q >= 0 else -1
            if z == x:
                r = q
            else:
                if z > x:
                    if r + 1 < e and gy[r + 1] == gy[r] and gx0[r + 1] <= z:
                        r += 1
                        z = gx0[r]
                        down = False
                    else:
                        r = q
                elif z >= gx0[r]:
                    r = q
                else:
                    z = gx0[r]
                    down = False
                px[n] = x
                py[n] = y
                px[n + 1] = z
                py[n + 1] = y
                n += 2
        else:
            x = gx0[r]
            y = gy[r]
            q = above[r - a]
            z = gx0[q] if q >= 0 else np.int64(1) << 40
            if z == x:
                r = q
            else:
                if z < x:
                    if r > a and gy[r - 1] == gy[r] and gx1[r - 1] >= z:
                        r -= 1
                        z = gx1[r]
                        down = True
                    else:
                        r = q
                elif z <= gx1[r]:
                    r = q
                else:
                    z = gx1[r]
                    down = True
                px[n] = x
                py[n] = y
                px[n + 1] = z
                py[n + 1] = y
                n += 2
        if down and r == first:
            return n


@njit(cache=True, nogil=True)
def trace(l0, l1, start, gx0, gx1, gy, px, py, ends, loops):
    """All outlines of labels l0..l1.

    Label l owns runs start[l]..start[l + 1]; a run needs 4 vertices at most, so vertices go to
    px, py from 4 * start[l0] on, the ends of the outlines to `ends` from start[l0] on, and
    loops[l] is their number. Where it is more than one they are in ImageJ's order.
    """
    marks, open_at = row_memory(64)
    first = np.empty(64, np.int64)
    size = np.empty(64, np.int64)
    o = 4 * start[l0]
    q = start[l0]
    below = np.empty(64, np.int64)
    above = np.empty(64, np.int64)
    seen = np.empty(64, np.bool_)
    for l in range(l0, l1):
        a = start[l]
        e = start[l + 1]
        if e - a > len(below):
            below = np.empty(2 * (e - a), np.int64)
            above = np.empty(2 * (e - a), np.int64)
            seen = np.empty(2 * (e - a), np.bool_)
        before = q
        plain = gy[e - 1] - gy[a] + 1 == e - a
        for i in range(a + 1, e):
            plain &= (gx0[i] <= gx1[i - 1]) & (gx1[i] >= gx0[i - 1]) & (gy[i] == gy[i - 1] + 1)
        if plain:
            o = walk_simple(gx0, gx1, gy, a, e, px, py, o)
            ends[q] = o
            q += 1
        else:
            _neighbours(gx0, gx1, gy, a, e, below, above)
            for i in range(e - a):
                seen[i] = False
            begin = o
            o = _walk(gx0, gx1, gy, a, e, a, below, above, seen, px, py, o)
            whole = True
            for i in range(e - a):
                whole &= seen[i]
            if whole:
                ends[q] = o
                q += 1
            else:
                left = np.int64(gx0[a])
                right = np.int64(gx1[a])
                for i in range(a, e):
                    left = min(left, np.int64(gx0[i]))
                    right = max(right, np.int64(gx1[i]))
                if right - left + 2 > len(open_at):
                    marks, open_at = row_memory(2 * (right - left))
                if e - a > len(first):
                    first = np.empty(2 * (e - a), np.int64)
                    size = np.empty(2 * (e - a), np.int64)
                n = loops_of(
                    gx0, gx1, gy, a, e, left, gy[a], right - left, np.int64(gy[e - 1]) + 1 - gy[a],
                    px, py, begin, first, size, 0, marks, open_at,
                )  # fmt: skip
                for i in range(n):
                    ends[q + i] = first[i] + size[i]
                q += n
                o = ends[q - 1]
        loops[l] = q - before
