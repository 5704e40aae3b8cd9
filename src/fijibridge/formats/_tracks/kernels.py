"""Outlines of objects as ilastik's tracking plug-ins draw them: marching squares at level 0.

At that level a contour runs through the centres of the background pixels around the object.
"""

# ruff: noqa: ANN001, ANN202, C901, PLR0912, PLR0915  # straight functions are what numba compiles
# mypy: disable-error-code="no-untyped-def, untyped-decorator, no-untyped-call"
from __future__ import annotations

import numpy as np
from numba import njit  # noqa: TID253  # this module is imported where it is used


@njit(cache=True, nogil=True)
def boxes(ranks, count):
    """Return (count, 4) boxes r0, r1, c0, c1 (half-open) of the values 1..count; r1 0 = none."""
    found = np.zeros((count, 4), np.int64)
    for r in range(ranks.shape[0]):
        for c in range(ranks.shape[1]):
            k = ranks[r, c] - 1
            if k < 0:
                continue
            box = found[k]
            if box[1] == 0:
                box[0], box[2] = r, c
                box[3] = c + 1
            box[1] = r + 1
            box[2] = min(box[2], c)
            box[3] = max(box[3], c + 1)
    return found


@njit(cache=True, nogil=True)
def _segments(ranks, rank, r0, r1, c0, c1):
    """Return the segments (m, 2) from -> to; points are numbered row by row inside the box."""
    width = c1 - c0
    out = np.empty((2 * max(1, (r1 - r0) * width), 2), np.int64)
    n = 0
    for r in range(r0, r1 - 1):
        for c in range(c0, c1 - 1):
            ul, ur = ranks[r, c] == rank, ranks[r, c + 1] == rank
            ll, lr = ranks[r + 1, c] == rank, ranks[r + 1, c + 1] == rank
            case = ul + 2 * ur + 4 * ll + 8 * lr
            if case in (0, 15):
                continue
            p = (r - r0) * width + (c - c0)
            # an edge is crossed at its end that is background
            top = p + 1 if ul and not ur else p
            left = p + width if ul and not ll else p
            right = p + 1 + width if ur and not lr else p + 1
            bottom = p + width + 1 if ll and not lr else p + width
            a, b = -1, -1
            d, e = -1, -1
            if case == 1:
                a, b = top, left
            elif case == 2:
                a, b = right, top
            elif case == 3:
                a, b = right, left
            elif case == 4:
                a, b = left, bottom
            elif case == 5:
                a, b = top, bottom
            elif case == 6:
                a, b, d, e = right, top, left, bottom
            elif case == 7:
                a, b = right, bottom
            elif case == 8:
                a, b = bottom, right
            elif case == 9:
                a, b, d, e = top, left, bottom, right
            elif case == 10:
                a, b = bottom, top
            elif case == 11:
                a, b = bottom, left
            elif case == 12:
                a, b = left, right
            elif case == 13:
                a, b = top, right
            else:
                a, b = left, top
            if a != b:
                out[n, 0], out[n, 1] = a, b
                n += 1
            if d != e:
                out[n, 0], out[n, 1] = d, e
                n += 1
    return out[:n]


@njit(cache=True, nogil=True)
def first_contour(ranks, rank, box):
    """Return the contour (m, 2) that begins first, row by row; a closed one ends where it begins.

    Pieces that meet are joined to the one that began earlier. Points where several contours touch
    lead on to the one that came there last, which may break a contour there.
    """
    r0, r1 = max(box[0] - 1, 0), min(box[1] + 1, ranks.shape[0])
    c0, c1 = max(box[2] - 1, 0), min(box[3] + 1, ranks.shape[1])
    size = (r1 - r0) * (c1 - c0)
    lines = _segments(ranks, rank, r0, r1, c0, c1)
    starts, ends = np.full(size, -1, np.int64), np.full(size, -1, np.int64)
    # contours are chains of nodes
    point = np.empty(2 * len(lines) + 1, np.int64)
    onward = np.full(2 * len(lines) + 1, -1, np.int64)
    head, last = np.empty(len(lines) + 1, np.int64), np.empty(len(lines) + 1, np.int64)
    alive = np.zeros(len(lines) + 1, np.bool_)
    nodes, count = 0, 0
    for i in range(len(lines)):
        a, b = lines[i]
        tail, front = starts[b], ends[a]
        starts[b], ends[a] = -1, -1
        if tail >= 0 and front >= 0:
            if tail == front:
                point[nodes] = b
                onward[last[front]] = nodes
                last[front] = nodes
                nodes += 1
                continue
            onward[last[front]] = head[tail]
            keep, drop = (front, tail) if tail > front else (tail, front)
            if keep == tail:
                starts[point[head[front]]] = -1
            head[keep], last[keep] = head[front], last[tail]
            alive[drop] = False
            starts[point[head[keep]]] = keep
            ends[point[last[keep]]] = keep
        elif tail < 0 and front < 0:
            point[nodes], point[nodes + 1] = a, b
            onward[nodes] = nodes + 1
            head[count], last[count] = nodes, nodes + 1
            nodes += 2
            alive[count] = True
            starts[a], ends[b] = count, count
            count += 1
        elif front < 0:
            point[nodes] = a
            onward[nodes] = head[tail]
            head[tail] = nodes
            nodes += 1
            starts[a] = tail
        else:
            point[nodes] = b
            onward[last[front]] = nodes
            last[front] = nodes
            nodes += 1
            ends[b] = front
    for k in range(count):
        if not alive[k]:
            continue
        out = np.empty((nodes, 2), np.int64)
        n, at = 0, head[k]
        while at >= 0:
            out[n, 0] = point[at] // (c1 - c0) + r0
            out[n, 1] = point[at] % (c1 - c0) + c0
            n += 1
            if at == last[k]:
                break
            at = onward[at]
        return out[:n]
    return np.empty((0, 2), np.int64)


@njit(cache=True, nogil=True)
def _put(out, at, value):
    """Write a whole number, a point and a zero; return where they end."""
    size, rest = 1, value // 10
    while rest > 0:
        size += 1
        rest //= 10
    for i in range(size - 1, -1, -1):
        out[at + i] = 48 + value % 10
        value //= 10
    out[at + size], out[at + size + 1] = 46, 48
    return at + size + 2


@njit(cache=True, nogil=True)
def contour_text(contour):
    """Return ``y.0 x.0 y.0 x.0 …`` as bytes; the contour is (m, 2) whole numbers x, y."""
    out = np.empty(46 * len(contour) + 1, np.uint8)
    at = 0
    for i in range(len(contour)):
        for k in (1, 0):
            at = _put(out, at, contour[i, k])
            out[at] = 32
            at += 1
    return out[: max(at - 1, 0)]
