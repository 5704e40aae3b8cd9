"""All loops of a particle, holes and parts included, in the order in which ImageJ makes them.

All outlines grow together while the rows go by from top to bottom; each is a list that is extended
at both ends and joined with others, so the first vertex of a finished loop depends on how it grew.

Source: ij.plugin.filter.ThresholdToSelection, ij.gui.ShapeRoi.trySimplify.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from fijibridge.measure._kernels.outlines import walk, walk_simple
from fijibridge.measure._kernels.shapes import COMPOSITE, POLYGON, RECTANGLE, TRACED

_NONE = -1


@njit(inline="always")
def _straight(ax, ay, bx, by, cx, cy):
    return (bx - ax) * (cy - by) == (by - ay) * (cx - bx)


@njit(cache=True, nogil=True)
def _append(nodes, ends, o, x, y, free):
    """Add (x, y) behind the last point of outline o; return the next free node."""
    last = ends[o, 1]
    before = nodes[last, 2]
    if before != _NONE and _straight(
        nodes[before, 0], nodes[before, 1], nodes[last, 0], nodes[last, 1], x, y
    ):
        nodes[last, 0] = x
        nodes[last, 1] = y
        return free
    nodes[free, 0] = x
    nodes[free, 1] = y
    nodes[free, 2] = last
    nodes[free, 3] = _NONE
    nodes[last, 3] = free
    ends[o, 1] = free
    return free + 1


@njit(cache=True, nogil=True)
def _prepend(nodes, ends, o, x, y, free):
    """Add (x, y) before the first point of outline o; return the next free node."""
    first = ends[o, 0]
    after = nodes[first, 3]
    if after != _NONE and _straight(
        nodes[after, 0], nodes[after, 1], nodes[first, 0], nodes[first, 1], x, y
    ):
        nodes[first, 0] = x
        nodes[first, 1] = y
        return free
    nodes[free, 0] = x
    nodes[free, 1] = y
    nodes[free, 2] = _NONE
    nodes[free, 3] = first
    nodes[first, 2] = free
    ends[o, 0] = free
    return free + 1


@njit(cache=True, nogil=True)
def _begin(nodes, ends, o, ax, ay, bx, by, free):
    """Make outline o of two points; return the next free node."""
    nodes[free, 0] = ax
    nodes[free, 1] = ay
    nodes[free, 2] = _NONE
    nodes[free, 3] = free + 1
    nodes[free + 1, 0] = bx
    nodes[free + 1, 1] = by
    nodes[free + 1, 2] = free
    nodes[free + 1, 3] = _NONE
    ends[o, 0] = free
    ends[o, 1] = free + 1
    return free + 2


@njit(cache=True, nogil=True)
def _concatenate(nodes, ends, a, b):
    """Join outline b behind outline a."""
    nodes[ends[a, 1], 3] = ends[b, 0]
    nodes[ends[b, 0], 2] = ends[a, 1]
    ends[a, 1] = ends[b, 1]


@njit(cache=True, nogil=True)
def _find(alias, o):
    while o != _NONE and alias[o] != o:
        o = alias[o]
    return o


@njit(cache=True, nogil=True)
def _length(nodes, node):
    n = 0
    while node != _NONE:
        n += 1
        node = nodes[node, 3]
    return n


@njit(cache=True, nogil=True)
def _finish(nodes, first_node, px, py, bx, by, vx, vy, at):
    """Write a closed loop without points inside straight edges; return its end."""
    n = 0
    node = first_node
    while node != _NONE:
        px[n] = nodes[node, 0]
        py[n] = nodes[node, 1]
        n += 1
        node = nodes[node, 3]
    last = n
    i = 1
    j = 1
    while i + 1 < last:
        if _straight(px[j - 1], py[j - 1], px[j], py[j], px[j + 1], py[j + 1]):
            last -= 1
        else:
            px[i] = px[j]
            py[i] = py[j]
            i += 1
        j += 1
    first = 0
    if _straight(px[j - 1], py[j - 1], px[j], py[j], px[0], py[0]):
        last -= 1
    else:
        px[i] = px[j]
        py[i] = py[j]
    if last > 2 and _straight(px[last - 1], py[last - 1], px[0], py[0], px[1], py[1]):
        first = 1
    for k in range(first, last):
        vx[at] = px[k] + bx
        vy[at] = py[k] + by
        at += 1
    return at


@njit(inline="always")
def _edge(x0, x1, k, stop):
    """Left (even k) and right (odd k) ends of runs, in order."""
    if k >= stop:
        return np.int64(1) << 40
    return np.int64(x1[k >> 1]) if k & 1 else np.int64(x0[k >> 1])


@njit(cache=True, nogil=True)
def row_memory(width):
    """Memory for `loops_of`, of boxes up to `width` wide; it is left as it was."""
    return np.zeros((2, width + 2), np.bool_), np.full(width + 2, _NONE, np.int32)


@njit(cache=True, nogil=True)
def loops_of(
    x0, x1, y, a, e, bx, by, w, h, vx, vy, at, loop_start, loop_size, loop, marks, open_at
):
    """Write the loops of runs a..e from vertex `at` and loop number `loop` on; return their number.

    (bx, by, w, h): box of the runs. Needs room for 4 vertices and one loop per run. The time goes
    with the pixels at the upper and lower edges of the runs, not with the box.
    """
    before = marks[0]
    here = marks[1]
    runs = e - a
    # a point of every run end, of both rows it borders, and of each new outline
    nodes = np.empty((8 * runs + 8, 4), np.int32)
    ends = np.empty((4 * runs + 4, 2), np.int32)
    alias = np.empty(4 * runs + 4, np.int32)
    px = np.empty(64, np.int32)
    py = np.empty(64, np.int32)
    free = 0
    made = 0
    loops = 0
    last_first = a  # runs of the row above
    last_end = a
    while last_end < e or last_first < last_end:
        first = last_end
        row = (np.int64(y[last_end - 1]) + 1 if last_first < last_end else np.int64(y[first])) - by
        before, here = here, before
        end = first
        while end < e and np.int64(y[end]) == by + row:
            here[x0[end] - bx + 1 : x1[end] - bx + 1] = True
            end += 1
        corner_x = -1  # right of pixels that touch at a corner, upper left to lower right
        corner = _NONE  # there, this outline goes on downwards
        # stretches between the ends of the runs of both rows
        i = 2 * first
        j = 2 * last_first
        x = 0
        until = 0  # end of a stretch whose every pixel counts
        while True:
            if x >= until:
                if i >= 2 * end and j >= 2 * last_end:
                    break
                x = min(_edge(x0, x1, i, 2 * end), _edge(x0, x1, j, 2 * last_end)) - bx
                while _edge(x0, x1, i, 2 * end) == x + bx:
                    i += 1
                while _edge(x0, x1, j, 2 * last_end) == x + bx:
                    j += 1
                until = x + 1
                if here[x + 1] != before[x + 1]:
                    until = min(_edge(x0, x1, i, 2 * end), _edge(x0, x1, j, 2 * last_end)) - bx
            inside = here[x + 1]
            above = before[x + 1]
            left = _find(alias, open_at[x])
            right = _find(alias, open_at[x + 1])
            ahead = x < w - 1 and row < h and x != corner_x
            if inside:
                if not above:  # upper edge
                    if left == _NONE:
                        if right == _NONE:
                            left = right = made
                            alias[made] = made
                            free = _begin(nodes, ends, made, x + 1, row, x, row, free)
                            made += 1
                        else:
                            left = right
                            right = _NONE
                            free = _append(nodes, ends, left, x, row, free)
                    elif right == _NONE:
                        right = left
                        if x == corner_x:
                            left = _find(alias, corner)
                            free = _append(nodes, ends, left, x, row, free)
                        else:
                            left = _NONE
                        free = _prepend(nodes, ends, right, x + 1, row, free)
                    elif left == right:
                        if ahead and not here[x + 2] and before[x + 2]:
                            left = _NONE
                            free = _prepend(nodes, ends, right, x + 1, row, free)
                            corner_x = x + 1
                            corner = right
                        else:
                            n = _length(nodes, ends[left, 0])
                            if n > len(px):
                                px = np.empty(2 * n, np.int32)
                                py = np.empty(2 * n, np.int32)
                            stop = _finish(nodes, ends[left, 0], px, py, bx, by, vx, vy, at)
                            loop_start[loop + loops] = at
                            loop_size[loop + loops] = stop - at
                            loops += 1
                            at = stop
                            right = _NONE
                            left = _find(alias, corner) if x == corner_x else _NONE
                    else:
                        # what was open at the right goes before what was open at the left
                        nodes[ends[right, 1], 3] = ends[left, 0]
                        nodes[ends[left, 0], 2] = ends[right, 1]
                        ends[left, 0] = ends[right, 0]
                        alias[right] = left
                        right = _NONE
                        left = _find(alias, corner) if x == corner_x else _NONE
                if not here[x]:  # left edge
                    free = _append(nodes, ends, left, x, row + 1, free)
            else:
                if above:  # lower edge
                    if left == _NONE:
                        if right == _NONE:
                            left = right = made
                            alias[made] = made
                            free = _begin(nodes, ends, made, x, row, x + 1, row, free)
                            made += 1
                        else:
                            left = right
                            right = _NONE
                            free = _prepend(nodes, ends, left, x, row, free)
                    elif right == _NONE:
                        right = left
                        if x == corner_x:
                            left = _find(alias, corner)
                            free = _prepend(nodes, ends, left, x, row, free)
                        else:
                            left = _NONE
                        free = _append(nodes, ends, right, x + 1, row, free)
                    elif left == right:
                        if ahead and here[x + 2] and not before[x + 2]:
                            left = _NONE
                            free = _append(nodes, ends, right, x + 1, row, free)
                            corner_x = x + 1
                            corner = right
                        else:
                            n = _length(nodes, ends[left, 0])
                            if n > len(px):
                                px = np.empty(2 * n, np.int32)
                                py = np.empty(2 * n, np.int32)
                            stop = _finish(nodes, ends[left, 0], px, py, bx, by, vx, vy, at)
                            loop_start[loop + loops] = at
                            loop_size[loop + loops] = stop - at
                            loops += 1
                            at = stop
                            right = _NONE
                            left = _find(alias, corner) if x == corner_x else _NONE
                    elif ahead and here[x + 2] and not before[x + 2]:
                        free = _append(nodes, ends, left, x + 1, row, free)
                        free = _prepend(nodes, ends, right, x + 1, row, free)
                        corner_x = x + 1
                        corner = left
                        left = _NONE
                    else:
                        _concatenate(nodes, ends, left, right)
                        alias[right] = left
                        right = _NONE
                        left = _find(alias, corner) if x == corner_x else _NONE
                if here[x]:  # right edge
                    free = _prepend(nodes, ends, left, x, row + 1, free)
            open_at[x] = left
            open_at[x + 1] = right
            x += 1
        for k in range(last_first, last_end):
            before[x0[k] - bx + 1 : x1[k] - bx + 1] = False
        last_first = first
        last_end = end
    return loops


@njit(cache=True, nogil=True)
def simplified(loops, loop_start, loop_size, loop, vx, vy):
    """Kind of ROI that ImageJ makes of the loops of one particle."""
    if loops != 1:
        return COMPOSITE
    n = loop_size[loop]
    a = loop_start[loop]
    length = 0.0
    for i in range(n):
        j = a + (i + 1 if i + 1 < n else 0)
        length += abs(np.int64(vx[j]) - vx[a + i]) + abs(np.int64(vy[j]) - vy[a + i])
    if length / (n * math.sqrt(n)) < 2:
        return TRACED
    return RECTANGLE if n == 4 else POLYGON


@njit(cache=True, nogil=True)
def trace_composites(start, x0, x1, y, box, l0, l1, vx, vy, loop_start, loop_size, loops, kinds):
    """Trace all loops of particles l0..l1.

    Particle p owns the loops from start[p] and the vertices from 4 * start[p] on. Particles
    one pixel wide or high keep the wand's outline.
    """
    marks, open_at = row_memory(64)
    for p in range(l0, l1):
        a = start[p]
        e = start[p + 1]
        if box[p, 2] == 1 or box[p, 3] == 1:
            q = walk_simple(x0, x1, y, a, e, vx, vy, 4 * a)
            loop_start[a] = 4 * a
            loop_size[a] = q - 4 * a
            loops[p] = 1
            kinds[p] = TRACED
            continue
        if box[p, 2] + 2 > len(open_at):
            marks, open_at = row_memory(2 * box[p, 2])
        loops[p] = loops_of(
            x0, x1, y, a, e, box[p, 0], box[p, 1], box[p, 2], box[p, 3],
            vx, vy, 4 * a, loop_start, loop_size, a, marks, open_at,
        )  # fmt: skip
        kinds[p] = simplified(loops[p], loop_start, loop_size, a, vx, vy)


@njit(cache=True, nogil=True)
def trace_labels(start, x0, x1, y, l0, l1, vx, vy, loop_start, loop_size, loops, kinds, box, area):
    """Trace labels l0..l1: in one piece without holes the wand's outline, else all loops."""
    down = np.empty(64, np.int64)
    up = np.empty(64, np.int64)
    marks, open_at = row_memory(64)
    for p in range(l0, l1):
        a = start[p]
        e = start[p + 1]
        left = np.int64(x0[a])
        right = np.int64(x1[a])
        n = np.int64(0)
        plain = True
        for i in range(a, e):
            left = min(left, np.int64(x0[i]))
            right = max(right, np.int64(x1[i]))
            n += np.int64(x1[i]) - x0[i]
            if i > a:
                plain &= y[i] == y[i - 1] + 1 and x0[i] <= x1[i - 1] and x1[i] >= x0[i - 1]
        box[p, 0] = left
        box[p, 1] = y[a]
        box[p, 2] = right - left
        box[p, 3] = np.int64(y[e - 1]) + 1 - y[a]
        area[p] = n
        o = 4 * a
        whole = plain
        if plain:
            q = walk_simple(x0, x1, y, a, e, vx, vy, o)
        else:
            if e - a > len(down):
                down = np.empty(2 * (e - a), np.int64)
                up = np.empty(2 * (e - a), np.int64)
            q = walk(x0, x1, y, a, e, 0, down, up, vx, vy, o)
            # the outline is all there is when it passes both ends of every run
            sides = np.int64(0)
            for i in range(o + 1, q, 2):
                j = i + 1 if i + 1 < q else o
                sides += abs(np.int64(vy[j]) - vy[i])
            whole = sides == 2 * (e - a)
        if whole:
            loop_start[a] = o
            loop_size[a] = q - o
            loops[p] = 1
            kinds[p] = TRACED
            continue
        if box[p, 2] + 2 > len(open_at):
            marks, open_at = row_memory(2 * box[p, 2])
        loops[p] = loops_of(
            x0, x1, y, a, e, left, box[p, 1], box[p, 2], box[p, 3],
            vx, vy, o, loop_start, loop_size, a, marks, open_at,
        )  # fmt: skip
        kinds[p] = COMPOSITE
