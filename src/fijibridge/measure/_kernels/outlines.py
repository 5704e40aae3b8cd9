"""Outlines of particles, walked run by run, and the perimeter of traced outlines.

The walk is that of ImageJ's wand: particle at the right hand, outside at the left; 8-connected it
turns left where it can, 4-connected right. A vertex is kept only where the direction changes, and
the first one lies at or below the right end of the first run.

Source: ij.gui.Wand, ij.gui.PolygonRoi.getTracedPerimeter.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from fijibridge.measure._kernels.simd import edges16, popcount


@njit(cache=True, nogil=True)
def walk_simple(x0, x1, y, a, e, vx, vy, o):
    """Write the outline of a particle with one run per row, overlapping; return its end."""
    n = o
    row = y[a]
    x = x1[a]
    for i in range(a + 1, e):  # right side down
        row += 1
        z = x1[i]
        vx[n] = x
        vy[n] = row
        vx[n + 1] = z
        vy[n + 1] = row
        n += 2 * (z != x)
        x = z
    row += 1
    vx[n] = x
    vy[n] = row
    x = x0[e - 1]
    vx[n + 1] = x
    vy[n + 1] = row
    n += 2
    for i in range(e - 2, a - 1, -1):  # left side up
        row -= 1
        z = x0[i]
        vx[n] = x
        vy[n] = row
        vx[n + 1] = z
        vy[n + 1] = row
        n += 2 * (z != x)
        x = z
    row -= 1
    vx[n] = x
    vy[n] = row
    vx[n + 1] = x1[a]
    vy[n + 1] = row
    return n + 2


@njit(cache=True, nogil=True)
def walk(x0, x1, y, a, e, apart, down, up, vx, vy, o):
    """Write the outer outline of runs a..e; return its end.

    apart: 0 for 8-connected, 1 for 4-connected. down[i]: last run of the next row that begins
    before the right end of i; up[i]: first run of the row before that ends after the left end of
    i; both relative to a, absolute numbers, -1 = none; scratch.
    """
    i = a
    while i < e and y[i] == y[a]:
        up[i - a] = -1
        i += 1
    i = a
    while i < e:
        row = y[i]
        j = i
        while j < e and y[j] == row:
            j += 1
        k = j
        while k < e and y[k] == row + 1:
            k += 1
        q = j - 1
        for r in range(i, j):
            while q + 1 < k and x0[q + 1] + apart <= x1[r]:
                q += 1
            down[r - a] = q if q >= j else -1
        p = i
        for r in range(j, k):
            while p < j and x1[p] < x0[r] + apart:
                p += 1
            up[r - a] = p if p < j else -1
        i = j
    n = o
    r = a
    going_down = True
    while True:
        if going_down:
            x = np.int64(x1[r])
            v = y[r] + 1
            q = down[r - a]
            z = np.int64(x1[q]) if q >= 0 else np.int64(-1)
            if z == x:  # straight on
                r = q
            else:
                if z > x:  # left turn, along the top of q
                    if r + 1 < e and y[r + 1] == y[r] and x0[r + 1] + apart <= z:
                        r += 1
                        z = np.int64(x0[r])
                        going_down = False
                    else:
                        r = q
                elif z >= x0[r] + apart:  # right turn, then down again on q
                    r = q
                else:  # right turn twice: up the left side of r
                    z = np.int64(x0[r])
                    going_down = False
                vx[n] = x
                vy[n] = v
                vx[n + 1] = z
                vy[n + 1] = v
                n += 2
        else:
            x = np.int64(x0[r])
            v = y[r]
            q = up[r - a]
            z = np.int64(x0[q]) if q >= 0 else np.int64(1 << 30)
            if z == x:
                r = q
            else:
                if z < x:
                    if r > a and y[r - 1] == y[r] and x1[r - 1] >= z + apart:
                        r -= 1
                        z = np.int64(x1[r])
                        going_down = True
                    else:
                        r = q
                elif z + apart <= x1[r]:
                    r = q
                else:
                    z = np.int64(x1[r])
                    going_down = True
                vx[n] = x
                vy[n] = v
                vx[n + 1] = z
                vy[n + 1] = v
                n += 2
        if going_down and r == a:
            return n


@njit(cache=True, nogil=True)
def trace(start, x0, x1, y, apart, l0, l1, vx, vy, first, size, box, area):
    """Trace particles l0..l1, one loop each, from vertex 4 * start[l0] on.

    first, size: where the vertices of each particle are; box: (particles, 4) x, y, width, height;
    area: pixels.
    """
    down = np.empty(64, np.int64)
    up = np.empty(64, np.int64)
    o = 4 * start[l0]
    for p in range(l0, l1):
        a = start[p]
        e = start[p + 1]
        left = np.int64(x0[a])
        right = np.int64(x1[a])
        n = np.int64(0)
        for i in range(a, e):
            u = np.int64(x0[i])
            v = np.int64(x1[i])
            left = min(left, u)
            right = max(right, v)
            n += v - u
        height = np.int64(y[e - 1]) + 1 - y[a]
        first[p] = o
        if e - a == height:
            q = walk_simple(x0, x1, y, a, e, vx, vy, o)
        else:
            if e - a > len(down):
                down = np.empty(2 * (e - a), np.int64)
                up = np.empty(2 * (e - a), np.int64)
            q = walk(x0, x1, y, a, e, apart, down, up, vx, vy, o)
        size[p] = q - o
        o = q
        box[p, 0] = left
        box[p, 1] = y[a]
        box[p, 2] = right - left
        box[p, 3] = height
        area[p] = n


@njit(cache=True, nogil=True)
def traced_perimeter(vx, vy, o, n, w, h):
    """Return the length of a loop of horizontal and vertical edges, corners cut as ImageJ does.

    o, n: first vertex and number of vertices; w, h: size of a pixel.
    """
    if n < 4:
        return 0.0
    sum_x = np.int64(0)
    sum_y = np.int64(0)
    corners = 0
    corner = False
    px = np.int64(vx[o + n - 1])
    py = np.int64(vy[o + n - 1])
    one_by_one = n if n < 17 or vx.itemsize != 2 else 1
    for i in range(o, o + one_by_one):
        x = np.int64(vx[i])
        y = np.int64(vy[i])
        dx = abs(x - px)
        dy = abs(y - py)
        sum_x += dx
        sum_y += dy
        corner = (dx + dy > 1) | (not corner)
        corners += corner
        px = x
        py = y
    i = o + one_by_one
    while i < o + n:
        m = min(16, o + n - i)
        far, dx, dy = edges16(vx, vy, i + m - 16, 16 - m)
        sum_x += dx
        sum_y += dy
        more, corner = _corners(far >> np.uint64(16 - m), m, corner)
        corners += more
        i += m
    return sum_x * w + sum_y * h - (corners * ((w + h) - math.sqrt(w * w + h * h)))


@njit(cache=True, nogil=True)
def _corners(far, n, corner):
    """Return how many of n <= 16 edges end a corner, and whether the last one does.

    far: bits of edges longer than 1; corner: whether the edge before ended one. A short edge ends
    a corner where the one before it does not: of a row of s short ones after a corner s // 2 do.
    """
    one = np.uint64(1)
    even = np.uint64(0x5555555555555555)
    short = ~far & ((one << np.uint64(n)) - one)
    if not corner:
        short &= ~one  # the first one does, whatever its length
    starts = short & ~(short << one)
    # adding a row's first bit carries into the place behind the row
    behind_even = (short + (starts & even)) & ~short & ~even
    behind_odd = (short + (starts & ~even)) & ~short & even
    odd = behind_even | behind_odd  # behind rows of odd length
    count = popcount(short)
    return n - count + ((count - popcount(odd)) >> 1), (odd >> np.uint64(n)) & one == 0
