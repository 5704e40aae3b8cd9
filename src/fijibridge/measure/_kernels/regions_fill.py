"""Fill many integer outlines into a label plane by ImageJ's rule, straight from flat arrays.

An edge crosses the middle of a row at an x that is rounded to a pixel border; between the first and
second, third and fourth, … crossing of a row is inside. A kernel fills a band of rows, for threads.

Source: ij.process.PolygonFiller (a sloped edge's x is advanced once a row, as there).
"""

from __future__ import annotations

import numpy as np
from numba import njit

#: What `fill` does with a pixel of an ROI.
LAST, FIRST, COUNT, COMPARE = 0, 1, 2, 3
#: Edges are walked by repeated addition, as ImageJ does, while they take so many rows together.
WALK = 1 << 26
#: Crossings of a row that are sorted by insertion.
FEW = 32
#: Crossings of one ROI in one band that are held at once.
CROSSINGS = 1 << 26


@njit(cache=True, nogil=True)
def boxes(px, py, loop_start, loop_size, roi_start, out):
    """out[i] = x0, y0, x1, y1 of ROI i; x1 < x0 when it has no vertex."""
    for i in range(len(roi_start) - 1):
        x0 = y0 = np.int64(1) << 40
        x1 = y1 = -(np.int64(1) << 40)
        for k in range(roi_start[i], roi_start[i + 1]):
            for v in range(loop_start[k], loop_start[k] + loop_size[k]):
                x0 = min(x0, np.int64(px[v]))
                x1 = max(x1, np.int64(px[v]))
                y0 = min(y0, np.int64(py[v]))
                y1 = max(y1, np.int64(py[v]))
        out[i, 0] = x0
        out[i, 1] = y0
        out[i, 2] = x1
        out[i, 3] = y1


@njit(cache=True, nogil=True)
def _crossings(px, py, loop_start, loop_size, k0, k1, left, lo, hi, width, far, count, place, xs):
    """Count (xs empty) or store the crossings of rows lo..hi with loops k0..k1.

    left: smallest x of the ROI, from which ImageJ counts; far: the edges are too long to be walked.
    """
    store = len(xs) > 0
    for k in range(k0, k1):
        a = loop_start[k]
        b = a + loop_size[k]
        qx = np.int64(px[b - 1]) if b > a else np.int64(0)
        qy = np.int64(py[b - 1]) if b > a else np.int64(0)
        for v in range(a, b):
            x = np.int64(px[v])
            y = np.int64(py[v])
            if y != qy:
                if y > qy:
                    xa, ya, xb, yb = qx, qy, x, y
                else:
                    xa, ya, xb, yb = x, y, qx, qy
                r0 = max(ya, lo)
                r1 = min(yb, hi)
                if not store:
                    for r in range(r0, r1):
                        count[r - lo] += 1
                elif xa == xb:
                    c = min(max(xa, np.int64(0)), width)
                    for r in range(r0, r1):
                        xs[place[r - lo]] = c
                        place[r - lo] += 1
                elif r0 < r1:
                    slope = np.float64(xb - xa) / np.float64(yb - ya)
                    at = np.float64(xa - left) + 0.5 * slope + 1e-8
                    if not far:
                        for _ in range(r0 - ya):
                            at += slope
                    else:
                        at += slope * (r0 - ya)
                    for r in range(r0, r1):
                        c = left + np.int64(max(at + 0.5, 0.0))
                        xs[place[r - lo]] = min(max(c, np.int64(0)), width)
                        place[r - lo] += 1
                        at += slope
            qx = x
            qy = y


@njit(cache=True, nogil=True)
def _rows(py, loop_start, loop_size, k0, k1):
    """Rows that the edges of loops k0..k1 take together."""
    total = np.int64(0)
    for k in range(k0, k1):
        for v in range(loop_start[k] + 1, loop_start[k] + loop_size[k]):
            total += abs(np.int64(py[v]) - np.int64(py[v - 1]))
    return total


@njit(cache=True, nogil=True)
def fill(
    px, py, loop_start, loop_size, roi_start, box, order, values, plane, y0, y1, mode, pixels, hits
):
    """Fill ROIs order[0], order[1], … into rows y0..y1 of plane (y, x) with values[roi].

    pixels[roi] += its pixels in the band; hits[roi] += those that were not 0 before (LAST, FIRST,
    COUNT) or that hold its value (COMPARE). LAST writes all pixels, FIRST those that are 0, COUNT
    and COMPARE none. Returns the place in `order` of the first ROI with too many crossings to be
    held, len(order) when all were filled.
    """
    width = np.int64(plane.shape[1])
    start = np.zeros(64, np.int64)
    place = np.zeros(64, np.int64)
    none = np.empty(0, np.int64)
    xs = np.empty(256, np.int64)
    for n in range(len(order)):
        i = order[n]
        lo = max(box[i, 1], np.int64(y0))
        hi = min(box[i, 3], np.int64(y1))
        if hi <= lo or box[i, 2] <= 0 or box[i, 0] >= width:
            continue
        rows = hi - lo
        if rows + 1 > len(start):
            start = np.zeros(2 * (rows + 1), np.int64)
            place = np.zeros(2 * (rows + 1), np.int64)
        for r in range(rows + 1):
            place[r] = 0
        k0 = roi_start[i]
        k1 = roi_start[i + 1]
        left = box[i, 0]
        far = _rows(py, loop_start, loop_size, k0, k1) > WALK
        _crossings(
            px, py, loop_start, loop_size, k0, k1, left, lo, hi, width, far, place, place, none
        )
        total = np.int64(0)
        for r in range(rows):
            start[r] = total
            total += place[r]
            place[r] = start[r]
        start[rows] = total
        if total > CROSSINGS:
            return n
        if total > len(xs):
            xs = np.empty(2 * total, np.int64)
        _crossings(
            px, py, loop_start, loop_size, k0, k1, left, lo, hi, width, far, place, place, xs
        )
        value = values[i]
        inside = np.int64(0)
        hit = np.int64(0)
        for r in range(rows):
            a = start[r]
            b = start[r + 1]
            if b - a > FEW:
                xs[a:b].sort()
                sort_from = b
            else:
                sort_from = a + 1
            for j in range(sort_from, b):
                x = xs[j]
                q = j
                while q > a and xs[q - 1] > x:
                    xs[q] = xs[q - 1]
                    q -= 1
                xs[q] = x
            y = lo + r
            for j in range(a, b - 1, 2):
                inside += xs[j + 1] - xs[j]
                for x in range(xs[j], xs[j + 1]):
                    old = plane[y, x]
                    if mode == COMPARE:
                        hit += old == value
                    else:
                        hit += old != 0
                        if mode == LAST or (mode == FIRST and old == 0):
                            plane[y, x] = value
        pixels[i] += inside
        hits[i] += hit
    return len(order)
