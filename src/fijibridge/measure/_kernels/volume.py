"""Objects of a volume from runs of pixels: found row by row, joined by union-find.

A run is x0 <= x < x1 in row r; row r of a volume (z, y, x) is r = z * height + y.
"""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def _inside(value, low, high, labels):
    """Whether a pixel belongs to an object."""
    return value != 0 if labels else low <= value <= high


@njit(cache=True, nogil=True)
def count_runs(volume, inside, low, high, labels, r0, r1, count):
    """Count the runs of rows r0..r1 of a (rows, width) volume.

    inside: (height, width) bool, what is looked at; labels: a run has one value, 0 is background;
    else low <= value <= high.
    """
    height, width = inside.shape
    for r in range(r0, r1):
        y = r % height
        n = 0
        open_run = False
        for x in range(width):
            value = volume[r, x]
            good = inside[y, x] and _inside(value, low, high, labels)
            if good and not (open_run and (not labels or value == volume[r, x - 1])):
                n += 1
            open_run = good
        count[r] = n


@njit(cache=True, nogil=True)
def write_runs(volume, inside, low, high, labels, r0, r1, start, x0, x1, row):
    """Write the runs of rows r0..r1; row r has the runs start[r] .. start[r + 1]."""
    height, width = inside.shape
    for r in range(r0, r1):
        y = r % height
        d = start[r] - 1
        open_run = False
        for x in range(width):
            value = volume[r, x]
            good = inside[y, x] and _inside(value, low, high, labels)
            if good and not (open_run and (not labels or value == volume[r, x - 1])):
                d += 1
                x0[d] = x
                row[d] = r
            if good:
                x1[d] = x + 1
            open_run = good


@njit(cache=True, nogil=True)
def _root(parent, i):
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@njit(cache=True, nogil=True)
def _join_rows(parent, x0, x1, a, a_end, b, b_end, reach):
    """Join the touching runs of two rows; reach 1: corners touch, too."""
    while a < a_end and b < b_end:
        if x0[a] < x1[b] + reach and x0[b] < x1[a] + reach:
            p = _root(parent, a)
            q = _root(parent, b)
            if p < q:
                parent[q] = p
            else:
                parent[p] = q
        if x1[a] < x1[b]:
            a += 1
        else:
            b += 1


@njit(cache=True, nogil=True)
def join_runs(start, x0, x1, height, depth, corners, index):
    """Count the objects and number them, 0-based, in the order of their first runs.

    corners: pixels that touch at an edge or a corner belong together (26 neighbours), else only
    those that share a face (6). index: (runs,), out.
    """
    runs = len(x0)
    parent = np.arange(runs)
    reach = 1 if corners else 0
    for z in range(depth):
        for y in range(height):
            r = z * height + y
            if start[r] == start[r + 1]:
                continue
            if y > 0:
                _join_rows(parent, x0, x1, start[r], start[r + 1], start[r - 1], start[r], reach)
            if z > 0:
                below = r - height
                for k in range(max(y - reach, 0), min(y + reach, height - 1) + 1):
                    q = below + k - y
                    _join_rows(
                        parent, x0, x1, start[r], start[r + 1], start[q], start[q + 1], reach
                    )
    n = 0
    for i in range(runs):
        p = _root(parent, i)
        if p == i:
            index[i] = n
            n += 1
        else:
            index[i] = index[p]
    return n


@njit(cache=True, nogil=True)
def add_runs(index, x0, x1, row, height, count, sums, box):
    """Add up voxels, sums of x, y and z, and bounds (x0, y0, z0, x1, y1, z1) of each object."""
    for i in range(len(x0)):
        k = index[i]
        n = np.int64(x1[i]) - x0[i]
        y = row[i] % height
        z = row[i] // height
        count[k] += n
        sums[k, 0] += (np.int64(x0[i]) + x1[i] - 1) * n // 2
        sums[k, 1] += y * n
        sums[k, 2] += z * n
        box[k, 0] = min(box[k, 0], x0[i])
        box[k, 1] = min(box[k, 1], y)
        box[k, 2] = min(box[k, 2], z)
        box[k, 3] = max(box[k, 3], x1[i])
        box[k, 4] = max(box[k, 4], y + 1)
        box[k, 5] = max(box[k, 5], z + 1)


@njit(cache=True, nogil=True)
def paint_runs(x0, x1, row, index, values, i0, i1, out):
    """Write values[index] along the runs i0..i1 of a (rows, width) array."""
    for i in range(i0, i1):
        value = values[index[i]]
        for x in range(x0[i], x1[i]):
            out[row[i], x] = value


@njit(cache=True, nogil=True)
def count_surface(objects, z0, z1, count):
    """Count the voxels of slices z0..z1 with a face to another object, background or the outside.

    objects: (depth, height, width), 0 = background, object k is k + 1.
    """
    depth, height, width = objects.shape
    for z in range(z0, z1):
        for y in range(height):
            rim = z == 0 or z == depth - 1 or y == 0 or y == height - 1
            for x in range(width):
                v = objects[z, y, x]
                if v == 0:
                    continue
                if (
                    rim
                    or x == 0
                    or x == width - 1
                    or (
                        objects[z, y, x - 1] != v
                        or objects[z, y, x + 1] != v
                        or objects[z, y - 1, x] != v
                        or objects[z, y + 1, x] != v
                        or objects[z - 1, y, x] != v
                        or objects[z + 1, y, x] != v
                    )
                ):
                    count[v - 1] += 1
