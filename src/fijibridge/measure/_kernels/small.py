"""A small plane from pixels to columns, outlines and label mask in one call.

The steps are those of `runs`, `outlines`, `shapes` and `greys`; one call of all costs a fraction of
ten calls, and a small plane takes no longer than these. On a larger one threads share the calls
between `find_small` and `pack_small`.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from fijibridge.measure._kernels.greys import measure_constant, measure_integers
from fijibridge.measure._kernels.holes import fill_holes
from fijibridge.measure._kernels.outlines import trace, traced_perimeter
from fijibridge.measure._kernels.runs import EDGE_SPARE, expand, link, mark, only_ends, paint
from fijibridge.measure._kernels.shapes import measure_shapes
from fijibridge.measure._kernels.simd import next_turn

#: Whole numbers that `analyze_small` is told, in order.
(
    BINARY, APART, FILL, EXCLUDE, CONSTANT, SHARE_LOW, SHARE_HIGH, ROWS, FLIP, PAINT, LIMIT, GREYS,
) = range(12)  # fmt: skip
TOLD = (
    "BINARY", "APART", "FILL", "EXCLUDE", "CONSTANT", "SHARE_LOW", "SHARE_HIGH", "ROWS", "FLIP",
    "PAINT", "LIMIT", "GREYS",
)  # fmt: skip
#: Numbers that it is told, in order.
(
    SMALLEST, LARGEST, ROUND_LOW, ROUND_HIGH, SHARE, WIDTH, HEIGHT, X_ORIGIN, Y_ORIGIN,
) = range(9)  # fmt: skip
#: Planes of more runs are for several threads.
MOST_RUNS = 1 << 15


@njit(cache=True, nogil=True)
def _grouped(row, edge, count, apart):
    """Return (start, x0, x1, y): runs grouped by particle, as `runs.join` and `runs.group` do."""
    height = len(row) - 1
    label = np.empty(count, np.int32)
    x0 = np.empty(count, np.int16)
    x1 = np.empty(count, np.int16)
    y = np.empty(count, np.int16)
    found = np.zeros(1, np.int64)
    link(0, height, row, edge, apart, label, np.empty(count, np.int32), found, 0)
    n = found[0]
    start = np.zeros(n + 1, np.int64)
    for i in range(count):
        start[label[i] + 1] += 1
    for p in range(n):
        start[p + 1] += start[p]
    place = start[:-1].copy()
    for r in range(height):
        for i in range(row[r], row[r + 1]):
            k = place[label[i]]
            place[label[i]] = k + 1
            x0[k] = edge[2 * i]
            x1[k] = edge[2 * i + 1]
            y[k] = r
    return start, x0, x1, y


@njit(cache=True, nogil=True, error_model="numpy")
def _chosen(plane, tell, weigh, first, size, vx, vy, box, area):
    """Return the numbers of the particles that pass the filters: `planework.choose`."""
    n = len(area)
    chosen = np.empty(n, np.int64)
    low = weigh[SMALLEST]
    high = weigh[LARGEST]
    sized = low > 0 or high < np.inf
    least = weigh[ROUND_LOW]
    most = weigh[ROUND_HIGH]
    rounded = least > 0.0 or most != 1.0
    height, width = plane.shape
    m = 0
    for p in range(n):
        count = np.float64(area[p])
        good = not sized or low <= count <= high
        if tell[EXCLUDE]:
            good = good and box[p, 0] != 0 and box[p, 1] != 0
            good = good and box[p, 0] + box[p, 2] != width and box[p, 1] + box[p, 3] != height
        if rounded and good:
            length = traced_perimeter(vx, vy, first[p], size[p], 1.0, 1.0)
            value = 0.0 if length == 0.0 else 4.0 * math.pi * (count / (length * length))
            if most <= 1.0:
                value = min(value, 1.0)
            good = least <= value <= most
        if good:
            chosen[m] = p
            m += 1
    return chosen[:m]


@njit(cache=True, nogil=True)
def find_small(plane, levels, tell, weigh):
    """Find and filter the particles of a small plane.

    plane: (height, width) uint8 or uint16; levels: the smallest and largest value of particles, of
    its type; tell, weigh: see above.

    Returns (done, start, x0, x1, y, first, size, vx, vy, box, area, chosen): as in `outlines.trace`
    and `shapes.measure_shapes`. Not done where the plane is not binary although it should be, or
    has too many runs.
    """
    height, width = plane.shape
    done = tell[BINARY] == 0 or only_ends(plane.reshape(-1))
    bits = np.empty((height, (width + 63) // 64), np.uint64)
    row = np.zeros(height + 1, np.int64)
    if done:
        mark(plane, levels[0], levels[1], 0, bits, row[1:])
        for r in range(height):
            row[r + 1] += row[r]
        done = row[height] <= MOST_RUNS
    if not done:
        row[:] = 0
    count = row[height]
    edge = np.empty(2 * count + EDGE_SPARE, np.int32)
    if done:
        expand(bits, width, 0, height, row, edge)
    apart = tell[APART]
    if tell[FILL]:
        count = fill_holes(row, edge, apart == 1)
    start, x0, x1, y = _grouped(row, edge, count, apart)
    n = len(start) - 1
    vx = np.empty(4 * count, np.int16)
    vy = np.empty(4 * count, np.int16)
    first = np.empty(n, np.int64)
    size = np.empty(n, np.int32)
    box = np.empty((n, 4), np.int32)
    area = np.empty(n, np.int64)
    trace(start, x0, x1, y, apart, 0, n, vx, vy, first, size, box, area)
    chosen = _chosen(plane, tell, weigh, first, size, vx, vy, box, area)
    return done, start, x0, x1, y, first, size, vx, vy, box, area, chosen


@njit(cache=True, nogil=True)
def places(rows, n, pixels):
    """Return where the parts of a block of results begin, in words of 8 bytes.

    columns (rows, n) float64 come first, then the mask, uint16, then numbers (2 n) int64: one after
    the other loop_start and middles of boxes; then loop_size (n) int32 and vertices (2, v) int16.
    To give back one array takes a fifth of the time of five.
    """
    mask = rows * n
    numbers = mask + (pixels + 3) // 4
    sizes = numbers + 2 * n
    return mask, numbers, sizes, sizes + (n + 1) // 2


@njit(cache=True, nogil=True)
def pack_small(first, size, vx, vy, box, chosen, rows, pixels):
    """Return (block, v): what is known of particles `chosen` beside columns and mask, of zeros.

    rows: of the columns; pixels: of the mask; v: how many vertices there are.
    """
    n = len(first)
    m = len(chosen)
    v = first[n - 1] + size[n - 1] if n else 0
    _mask, number, sized, outline = places(rows, m, pixels)
    block = np.empty(outline + (v + 1) // 2, np.int64)
    block[:number] = 0
    numbers = block[number:sized]
    sizes = block[sized:outline].view(np.int32)
    vertices = block[outline:].view(np.int16)
    vertices[:v] = vx[:v]
    vertices[v : 2 * v] = vy[:v]
    for k in range(m):
        p = chosen[k]
        numbers[k] = first[p]
        sizes[k] = size[p]
        numbers[m + k] = box[p, 1] + box[p, 3] // 2
    return block, v


@njit(cache=True, nogil=True)
def measure_small(
    turns, parts, plane, tell, weigh, shape_columns, grey_columns,
    start, x0, x1, y, first, size, vx, vy, box, area, chosen, block,
):  # fmt: skip
    """Measure and paint the particles of a small plane into a block of `pack_small`.

    turns: one 0; several threads may call this with the same one, each takes part after part.
    shape_columns, grey_columns: see `shapes` and `greys`.
    """
    n = len(area)
    m = len(chosen)
    rows = tell[ROWS]
    out = block[: rows * m].view(np.float64).reshape((rows, m))
    mask = block[rows * m :].view(np.uint16)
    w = weigh[WIDTH]
    h = weigh[HEIGHT]
    xo = weigh[X_ORIGIN]
    yo = weigh[Y_ORIGIN]
    flip = tell[FLIP]
    number = np.empty(m)
    values = np.empty(m, np.uint16)
    for k in range(m):
        number[k] = area[chosen[k]]
        values[k] = min(k + 1, tell[LIMIT])
    loops = np.arange(n + 1)
    kinds = np.zeros(n, np.uint8)
    while True:
        part = next_turn(turns)
        if part >= parts:
            break
        l0 = m * part // parts
        l1 = m * (part + 1) // parts
        if tell[GREYS] and tell[CONSTANT] >= 0:
            measure_constant(
                start, x0, x1, y, chosen, l0, l1, tell[CONSTANT], weigh[SHARE], grey_columns, out,
                w, h, xo, yo, flip,
            )  # fmt: skip
        elif tell[GREYS]:
            measure_integers(
                plane, 0, start, x0, x1, y, chosen, l0, l1, tell[SHARE_LOW], tell[SHARE_HIGH],
                grey_columns, out, w, h, xo, yo, flip,
            )  # fmt: skip
        measure_shapes(
            start, x0, x1, y, box, loops, kinds, first, size, vx, vy, np.empty((0, 2), np.int64),
            chosen, l0, l1, number, np.empty((0, 2)), shape_columns, out, w, h, w, h, xo, yo, flip,
        )  # fmt: skip
        if tell[PAINT]:
            paint(start, chosen, values, l0, l1, x0, x1, y, mask, plane.shape[1])


@njit(cache=True, nogil=True)
def analyze_small(plane, levels, tell, weigh, shape_columns, grey_columns):
    """Find, filter, measure and paint the particles of a small plane.

    Returns (block, particles, vertices): see `places`; -1 particles where it is not done.
    """
    done, start, x0, x1, y, first, size, vx, vy, box, area, chosen = find_small(
        plane, levels, tell, weigh
    )
    block, v = pack_small(
        first, size, vx, vy, box, chosen, tell[ROWS], plane.size if tell[PAINT] else 0
    )
    if not done:
        return block, -1, v
    measure_small(
        np.zeros(1, np.int64), 1, plane, tell, weigh, shape_columns, grey_columns,
        start, x0, x1, y, first, size, vx, vy, box, area, chosen, block,
    )  # fmt: skip
    return block, len(chosen), v
