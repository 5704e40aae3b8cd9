"""Analyze Particles step by step, pixel by pixel, as ImageJ does it.

For the rare inputs where ImageJ's steps do not come out as connected components: float pixels that
equal the threshold in single but not in double precision, particles that must lie inside a
selection, the 8-bit threshold 0-255. Also a witness for the fast way in the tests.

Source: ij.plugin.filter.ParticleAnalyzer, ij.gui.Wand, ij.process.FloodFiller.
"""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(inline="always")
def _inside(pixels, x, y, low, high):
    if x < 0 or x >= pixels.shape[1] or y < 0 or y >= pixels.shape[0]:
        return False
    v = np.float32(pixels[y, x])
    return v >= low and v <= high


@njit(inline="always")
def _ahead(pixels, x, y, direction, low, high):
    d = direction & 3
    if d == 0:
        return _inside(pixels, x, y, low, high)
    if d == 1:
        return _inside(pixels, x, y - 1, low, high)
    if d == 2:
        return _inside(pixels, x - 1, y - 1, low, high)
    return _inside(pixels, x - 1, y, low, high)


@njit(cache=True, nogil=True)
def _grown(array, n):
    if n + 2 < len(array):
        return array
    bigger = np.empty(2 * len(array) + 2, array.dtype)
    bigger[: len(array)] = array
    return bigger


@njit(cache=True, nogil=True)
def _trace(pixels, start_x, start_y, four, low, high, vx, vy, o):
    """Trace an edge from (start_x, start_y); returns (vx, vy, end, encloses particle pixels)."""
    if _inside(pixels, start_x, start_y, low, high):
        begin = 1
    else:
        begin = 3
        start_y += 1
    x = start_x
    y = start_y
    direction = begin
    n = o
    while True:
        if four:
            turn = direction
            while True:
                if not _ahead(pixels, x, y, turn, low, high):
                    break
                turn += 1
                if turn >= direction + 2:
                    break
            turn -= 1
        else:
            turn = direction + 1
            while True:
                if _ahead(pixels, x, y, turn, low, high):
                    break
                turn -= 1
                if turn < direction:
                    break
        if turn != direction:
            vx = _grown(vx, n)
            vy = _grown(vy, n)
            vx[n] = x
            vy[n] = y
            n += 1
        d = turn & 3
        if d == 0:
            x += 1
        elif d == 1:
            y -= 1
        elif d == 2:
            x -= 1
        else:
            y += 1
        direction = turn
        if x == start_x and y == start_y and (direction & 3) == begin:
            break
    if vx[o] != x:
        vx = _grown(vx, n)
        vy = _grown(vy, n)
        vx[n] = x
        vy[n] = y
        n += 1
    return vx, vy, n, direction <= 0


@njit(cache=True, nogil=True)
def _contains(vx, vy, o, e, x, y):
    """Even-odd test of a point against a polygon of axis-parallel edges."""
    odd = False
    j = e - 1
    for i in range(o, e):
        if vx[i] == vx[j] and (vy[i] <= y) != (vy[j] <= y) and x < vx[i]:
            odd = not odd
        j = i
    return odd


@njit(cache=True, nogil=True)
def _outline(pixels, seed_x, seed_y, four, low, high, vx, vy, o):
    x = seed_x
    while _inside(pixels, x, seed_y, low, high):
        x += 1
    first = True
    while True:
        vx, vy, e, encloses = _trace(pixels, x, seed_y, four, low, high, vx, vy, o)
        if not four:
            return vx, vy, e
        if encloses and (first or _contains(vx, vy, o, e, seed_x, seed_y)):
            return vx, vy, e
        first = False
        while not _inside(pixels, x, seed_y, low, high):
            x += 1
        while _inside(pixels, x, seed_y, low, high):
            x += 1


@njit(cache=True, nogil=True)
def _fill_polygon(vx, vy, o, e, bx, by, w, h):
    crossings = np.zeros((h, w + 1), np.bool_)
    j = e - 1
    for i in range(o, e):
        if vx[i] == vx[j]:
            for y in range(min(vy[i], vy[j]), max(vy[i], vy[j])):
                crossings[y - by, vx[i] - bx] ^= True
        j = i
    mask = np.zeros((h, w), np.bool_)
    for y in range(h):
        inside = False
        for x in range(w):
            inside ^= crossings[y, x]
            mask[y, x] = inside
    return mask


@njit(cache=True, nogil=True)
def _flood(pixels, seed_x, seed_y, level1, level2, fill, bx, by, w, h):
    """8-connected fill of what lies in the threshold; erases it from pixels."""
    mask = np.zeros((h, w), np.bool_)
    stack = [(seed_x, seed_y)]
    while stack:
        x, y = stack.pop()
        if x < 0 or y < 0 or x >= pixels.shape[1] or y >= pixels.shape[0]:
            continue
        v = np.float64(pixels[y, x])
        if not (v >= level1 and v <= level2):
            continue
        if x >= bx and x < bx + w and y >= by and y < by + h:
            if mask[y - by, x - bx]:
                continue
            mask[y - by, x - bx] = True
        pixels[y, x] = fill
        for v2 in range(-1, 2):
            for u in range(-1, 2):
                if u != 0 or v2 != 0:
                    stack.append((x + u, y + v2))  # noqa: PERF401  # numba has no such extend
    return mask


@njit(cache=True, nogil=True)
def _hits_selection(pixels, vx, vy, o, e, fill, integer, sel, sx, sy):
    """Return whether an outline leaves the selection or lies beside an erased pixel."""
    x1 = vx[e - 1]
    y1 = vy[e - 1]
    for i in range(o, e):
        x2 = vx[i]
        y2 = vy[i]
        u = x2 - sx
        v = y2 - sy
        if u < 0 or v < 0 or v >= sel.shape[0] or u >= sel.shape[1] or not sel[v, u]:
            return True
        if integer:  # ImageJ compares the bits of float pixels, which never match
            if x1 == x2 and _pixel(pixels, x1, y1 - 1) == fill:
                return True
            if y1 == y2 and _pixel(pixels, x1 - 1, y1) == fill:
                return True
        x1 = x2
        y1 = y2
    return False


@njit(inline="always")
def _pixel(pixels, x, y):
    if x < 0 or x >= pixels.shape[1] or y < 0 or y >= pixels.shape[0]:
        return np.float64(0)
    return np.float64(pixels[y, x])


@njit(cache=True, nogil=True)
def analyze_literally(
    pixels, level1, level2, fill, integer, frame, include, four, exclude, sel, sx, sy, only_first
):
    """Find all particles of a plane, erasing them one by one from `pixels`, a copy.

    frame: (x, y, width, height) to scan; sel: the pixels of the selection, from (sx, sy) on,
    (0, 0) = none. Returns (start, x0, x1, y, vertex_start, vx, vy, box, keep, seeds).
    """
    low = np.float32(level1)
    high = np.float32(level2)
    flood = pixels.copy() if not include else pixels[:0]
    start = np.zeros(64, np.int64)
    vertex_start = np.zeros(64, np.int64)
    box = np.empty(256, np.int64)
    seeds = np.empty(128, np.int64)
    keep = np.empty(64, np.bool_)
    x0 = np.empty(256, np.int32)
    x1 = np.empty(256, np.int32)
    yy = np.empty(256, np.int32)
    vx = np.empty(1024, np.int32)
    vy = np.empty(1024, np.int32)
    n = 0
    runs = 0
    done = False
    for y in range(frame[1], frame[1] + frame[3]):
        for x in range(frame[0], frame[0] + frame[2]):
            v = np.float64(pixels[y, x])
            if done or not (v >= level1 and v <= level2):
                continue
            o = vertex_start[n]
            vx, vy, e = _outline(pixels, x, y, four, low, high, vx, vy, o)
            bx = np.int64(vx[o:e].min())
            by = np.int64(vy[o:e].min())
            w = np.int64(vx[o:e].max()) - bx
            h = np.int64(vy[o:e].max()) - by
            good = True
            if exclude:
                good = not (
                    bx == frame[0]
                    or by == frame[1]
                    or bx + w == frame[0] + frame[2]
                    or by + h == frame[1] + frame[3]
                )
                if good and sel.shape[0] > 0:
                    good = not _hits_selection(pixels, vx, vy, o, e, fill, integer, sel, sx, sy)
            if w > 1 and h > 1:
                if include or (only_first and x == 0 and y == 0):
                    mask = _fill_polygon(vx, vy, o, e, bx, by, w, h)
                else:
                    mask = _flood(flood, x, y, level1, level2, fill, bx, by, w, h)
            else:
                mask = np.ones((h, w), np.bool_)
            for r in range(h):
                c = 0
                while c < w:
                    if not mask[r, c]:
                        c += 1
                        continue
                    x0 = _grown(x0, runs)
                    x1 = _grown(x1, runs)
                    yy = _grown(yy, runs)
                    x0[runs] = bx + c
                    while c < w and mask[r, c]:
                        pixels[by + r, bx + c] = fill
                        c += 1
                    x1[runs] = bx + c
                    yy[runs] = by + r
                    runs += 1
            box = _grown(_grown(box, 4 * n + 4), 4 * n + 4)
            box[4 * n] = bx
            box[4 * n + 1] = by
            box[4 * n + 2] = w
            box[4 * n + 3] = h
            seeds = _grown(seeds, 2 * n + 2)
            seeds[2 * n] = x
            seeds[2 * n + 1] = y
            keep = _grown(keep, n)
            keep[n] = good
            n += 1
            start = _grown(start, n)
            start[n] = runs
            vertex_start = _grown(vertex_start, n)
            vertex_start[n] = e
            done = only_first
    return (
        start[: n + 1], x0[:runs], x1[:runs], yy[:runs], vertex_start[: n + 1],
        vx[: vertex_start[n]], vy[: vertex_start[n]], box[: 4 * n].reshape(n, 4), keep[:n],
        seeds[: 2 * n].reshape(n, 2),
    )  # fmt: skip
