"""Runs of foreground pixels and their connected components; every kernel works on a strip of rows.

Run ``i`` of a plane covers ``edge[2 * i] <= x < edge[2 * i + 1]``; ``row[y] .. row[y + 1]`` are the
runs of row ``y``. Particles are numbered in raster order of their first run.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from fijibridge.measure._kernels.simd import fill4, fill16, inside64, popcount, trailing_zeros

#: Elements that must be writable behind the last edge of a strip.
EDGE_SPARE = 8


@njit(cache=True, nogil=True)
def only_ends(flat):
    """Return whether all of some uint8 values are 0 or 255."""
    n = len(flat)
    none = np.uint8(0)
    full = np.uint8(255)
    every = ~np.uint64(0)
    for a in range(0, n - 63, 64):
        if inside64(flat, a, none, none) | inside64(flat, a, full, full) != every:
            return False
    for v in flat[n - n % 64 :]:  # noqa: SIM110  # numba knows no generators
        if v != none and v != full:
            return False
    return True


@njit(cache=True, nogil=True)
def mark(pixels, low, high, first, bits, count):
    """Mark where rows go in and out of low <= value <= high.

    pixels: (rows, width) contiguous; row 0 is row `first` of bits and count. bits: (height, words)
    uint64, bit x of a row = pixel x is on the other side than pixel x - 1; count: runs per row.
    """
    rows, width = pixels.shape
    full = width // 64
    rest = width - 64 * full
    flat = pixels.reshape(-1)
    for r in range(rows):
        y = first + r
        carry = np.uint64(0)
        n = 0
        base = r * width
        for j in range(full + (rest > 0)):
            if j < full:
                word = inside64(flat, base + 64 * j, low, high)
            elif width >= 64:
                word = inside64(flat, base + width - 64, low, high) >> np.uint64(64 - rest)
            else:
                word = np.uint64(0)
                for x in range(rest):
                    v = pixels[r, x]
                    word |= np.uint64(v >= low and v <= high) << np.uint64(x)
            turn = word ^ ((word << np.uint64(1)) | carry)
            carry = word >> np.uint64(63)
            bits[y, j] = turn
            n += popcount(turn)
        count[y] = (n + 1) >> 1


@njit(cache=True, nogil=True)
def expand(bits, width, y0, y1, row, edge):
    """Turn the marks of rows y0..y1 into edges."""
    one = np.uint64(1)
    end = 2 * row[y1]
    for y in range(y0, y1):
        k = 2 * row[y]
        for j in range(bits.shape[1]):
            word = bits[y, j]
            if word == 0:
                continue
            base = 64 * j
            q = k
            k += popcount(word)
            if k + 4 > end:  # what follows belongs to another strip: no surplus
                while word:
                    edge[q] = base + trailing_zeros(word)
                    word &= word - one
                    q += 1
                continue
            while True:  # four at a time, surplus is overwritten
                edge[q] = base + trailing_zeros(word)
                word &= word - one
                edge[q + 1] = base + trailing_zeros(word)
                word &= word - one
                edge[q + 2] = base + trailing_zeros(word)
                word &= word - one
                edge[q + 3] = base + trailing_zeros(word)
                word &= word - one
                q += 4
                if word == 0:
                    break
        if k < 2 * row[y + 1]:
            edge[k] = width


@njit(inline="always")
def _root(parent, i):
    r = i
    while parent[r] != r:
        r = parent[r]
    if parent[i] != r:
        parent[i] = r
    return r


@njit(cache=True, nogil=True)
def link(y0, y1, row, edge, apart, label, parents, found, strip):
    """Label the runs of rows y0..y1, strip by strip from 0 in order of first runs.

    apart: 0 = corners connect (8-connected), 1 = they do not. label: per run, out; parents:
    scratch, per run. found[strip]: number of components.
    """
    first = row[y0]
    parent = parents[first:]
    k = 0
    for i in range(first, row[y0 + 1]):
        label[i] = k
        parent[k] = k
        k += 1
    for y in range(y0 + 1, y1):
        a = row[y - 1]
        stop = row[y]
        for b in range(stop, row[y + 1]):
            x0 = edge[2 * b] + apart
            x1 = edge[2 * b + 1] - apart
            a += (a < stop) and edge[2 * a + 1] < x0  # usually exactly one step
            while a < stop and edge[2 * a + 1] < x0:
                a += 1
            if a == stop or edge[2 * a] > x1:  # nothing above
                label[b] = k
                parent[k] = k
                k += 1
                continue
            r = label[a]
            label[b] = r
            c = a + 1
            while c < stop and edge[2 * c] <= x1:  # further runs above: join
                r = _root(parent, r)
                s = _root(parent, label[c])
                if s < r:
                    r, s = s, r
                parent[s] = r
                a = c
                c += 1
    n = 0
    for i in range(k):  # parents are never larger: one look-up each
        q = parent[i]
        if q == i:
            parent[i] = n
            n += 1
        else:
            parent[i] = parent[q]
    for i in range(first, row[y1]):
        label[i] = parent[label[i]]
    found[strip] = n


@njit(cache=True, nogil=True)
def join(bounds, row, edge, apart, label, found):
    """Join the components of neighbouring strips and number them in raster order.

    Returns (offset, place, start): offset (strips + 1), component c of strip t is offset[t] + c;
    place (components), where its next run goes in the grouped runs; start (particles + 1).
    """
    strips = len(found)
    offset = np.zeros(strips + 1, np.int64)
    for t in range(strips):
        offset[t + 1] = offset[t] + found[t]
    total = offset[strips]
    parent = np.arange(total)
    size = np.zeros(total, np.int64)
    for t in range(strips):
        for i in range(row[bounds[t]], row[bounds[t + 1]]):
            size[offset[t] + label[i]] += 1
        if t == 0:
            continue
        y = bounds[t]
        a = row[y - 1]
        for b in range(row[y], row[y + 1]):
            x0 = edge[2 * b] + apart
            x1 = edge[2 * b + 1] - apart
            while a < row[y] and edge[2 * a + 1] < x0:
                a += 1
            c = a
            while c < row[y] and edge[2 * c] <= x1:
                r = _root(parent, offset[t - 1] + label[c])
                s = _root(parent, offset[t] + label[b])
                if r < s:
                    parent[s] = r
                elif s < r:
                    parent[r] = s
                c += 1
    particle = np.empty(total, np.int64)
    n = 0
    for c in range(total):
        if parent[c] == c:
            particle[c] = n
            n += 1
        else:
            particle[c] = particle[_root(parent, c)]
    # Components of one strip that meet in another strip share one write position, so that the
    # runs of a particle stay in raster order.
    seen = np.full(n, -1, np.int64)
    for t in range(strips):
        dirty = False
        same = np.arange(found[t])
        for c in range(offset[t], offset[t + 1]):
            s = seen[particle[c]]
            if s >= offset[t]:
                same[c - offset[t]] = s - offset[t]
                size[s] += size[c]
                size[c] = 0
                dirty = True
            else:
                seen[particle[c]] = c
        if dirty:
            for i in range(row[bounds[t]], row[bounds[t + 1]]):
                label[i] = same[label[i]]
    start = np.zeros(n + 1, np.int64)
    for c in range(total):
        start[particle[c] + 1] += size[c]
    for p in range(n):
        start[p + 1] += start[p]
    used = start[:-1].copy()
    place = np.empty(total, np.int64)
    for c in range(total):
        place[c] = used[particle[c]]
        used[particle[c]] += size[c]
    return offset, place, start


@njit(cache=True, nogil=True)
def group(y0, y1, row, edge, label, place, x0, x1, y):
    """Move the runs of a strip to their particle; place is this strip's part, used up."""
    for r in range(y0, y1):
        for i in range(row[r], row[r + 1]):
            c = label[i]
            k = place[c]
            place[c] = k + 1
            x0[k] = edge[2 * i]
            x1[k] = edge[2 * i + 1]
            y[k] = r


@njit(cache=True, nogil=True)
def paint(start, chosen, values, l0, l1, x0, x1, y, flat, width):
    """Paint particles chosen[l0:l1] into a flat plane with their values."""
    for k in range(l0, l1):
        v = values[k]
        p = chosen[k]
        for i in range(start[p], start[p + 1]):
            base = np.int64(y[i]) * width
            q = base + x0[i]
            stop = base + x1[i]
            if stop - q >= 16:  # the last ones overlap
                while q + 16 <= stop:
                    fill16(flat, q, v)
                    q += 16
                fill16(flat, stop - 16, v)
            elif stop - q >= 4:
                fill4(flat, q, v)
                if stop - q > 8:
                    fill4(flat, q + 4, v)
                    fill4(flat, stop - 8, v)
                fill4(flat, stop - 4, v)
            else:
                while q < stop:
                    flat[q] = v
                    q += 1
