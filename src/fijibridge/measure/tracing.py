"""Particles of one plane: which pixels, which outlines, in the order in which ImageJ finds them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from fijibridge.measure._threads import each, thread_count

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import DTypeLike

__all__ = ["Loops", "Particles", "Scan", "find_particles", "scan_rows"]

#: Pixels of a strip, at least: waking a thread takes as long as scanning and linking half of it.
MIN_STRIP = 1 << 21
#: Runs traced by a thread, at least; tracing is the cheapest of the stages.
_MIN_TRACED = 1 << 15
#: Vertices up to here fit 16 bits.
INT16_MAX = 32766


@dataclass(frozen=True, slots=True, eq=False)
class Loops:
    """Outlines of particles: see `model.rois.Outlines` for the fields."""

    x: np.ndarray
    y: np.ndarray
    loop_start: np.ndarray
    loop_size: np.ndarray
    roi_start: np.ndarray
    kinds: np.ndarray


@dataclass(frozen=True, slots=True, eq=False)
class Particles:
    """Particles of a plane as runs of pixels, grouped by particle, in raster order.

    Parameters
    ----------
    start
        (n + 1,) first run of each particle.
    x0, x1, y
        Per run: x0 <= x < x1 in row y.
    box
        (n, 4) x, y, width, height of the outlines.
    area
        (n,) pixels.
    loops
        Outlines.
    keep
        (n,) bool, or empty = all: not excluded by a selection.
    seeds
        (n, 2) x, y of the pixel a particle was found at, or empty = its first one.
    values
        (n,) labels of a label image, or empty.
    roi_box
        (n, 4) like `box`, of ROIs that need not be as large, or empty = the same.
    """

    start: np.ndarray
    x0: np.ndarray
    x1: np.ndarray
    y: np.ndarray
    box: np.ndarray
    area: np.ndarray
    loops: Loops
    keep: np.ndarray
    seeds: np.ndarray
    values: np.ndarray
    roi_box: np.ndarray = field(default_factory=lambda: np.empty((0, 4), np.int32))

    def __len__(self) -> int:
        return len(self.start) - 1


@dataclass(frozen=True, slots=True, eq=False)
class Scan:
    """Marks of where the rows of a plane go in and out of a band of values."""

    bits: np.ndarray
    row: np.ndarray
    width: int


def strip_count(height: int, width: int, threads: int | None) -> int:
    """Return into how many strips of rows a plane is cut."""
    return max(1, min(thread_count(threads, height * width, MIN_STRIP), height))


def _bounds(total: int, parts: int) -> list[int]:
    return [total * t // parts for t in range(parts + 1)]


def coordinate_type(height: int, width: int) -> DTypeLike:
    """Return the type of vertices: int16 where they fit."""
    return np.int16 if max(height, width) <= INT16_MAX else np.int32


def band_limits(dtype: np.dtype[Any], low: float, high: float) -> tuple[object, object] | None:
    """Return the smallest and largest pixel value v with low <= v <= high, or None."""
    if dtype.kind == "u":
        top = np.iinfo(dtype).max
        first, last = max(np.ceil(low), 0), min(np.floor(high), top)
        return None if first > last else (dtype.type(first), dtype.type(last))
    with np.errstate(over="ignore"):
        first, last = np.float32(low), np.float32(high)
    if float(first) < low:
        first = np.nextafter(first, np.float32(np.inf))
    if float(last) > high:
        last = np.nextafter(last, np.float32(-np.inf))
    return None if first > last else (first, last)


def scan_rows(
    height: int,
    width: int,
    rows: Callable[[int, int], np.ndarray],
    band: tuple[object, object],
    *,
    step: int,
    threads: int,
) -> Scan:
    """Mark a plane that is read strip by strip.

    Parameters
    ----------
    height, width
        Of the plane.
    rows
        (first, stop) -> those rows, (stop - first, width) contiguous.
    band
        From `band_limits`.
    step
        Rows per strip.
    threads
        How many strips at a time.
    """
    from fijibridge.measure._kernels.runs import mark

    bits = np.empty((height, (width + 63) // 64), np.uint64)
    row = np.zeros(height + 1, np.int64)
    strips = -(-height // step)

    def job(t: int) -> None:
        for k in range(t, strips, threads):
            first = k * step
            mark(rows(first, min(first + step, height)), *band, first, bits, row[1:])

    each(job, min(threads, strips))
    np.cumsum(row, out=row)
    return Scan(bits, row, width)


def find_particles(
    scan: Scan, *, four: bool, include: bool, composite: bool, threads: int | None = None
) -> Particles:
    """Connect the runs of a scan and trace outlines.

    Parameters
    ----------
    scan
        From `scan_rows`.
    four
        4-connected, holes included.
    include
        Fill holes.
    composite
        Outlines with holes.
    threads
        How many; the result does not depend on it.
    """
    start, x0, x1, y = _grouped(scan, four=four, include=include, threads=threads)
    plain = not (include or four)
    return trace_particles(
        start, x0, x1, y, apart=int(four), composite=composite and plain, threads=threads
    )


def _grouped(
    scan: Scan, *, four: bool, include: bool, threads: int | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return (start, x0, x1, y): the runs grouped by particle."""
    from fijibridge.measure._kernels import runs
    from fijibridge.measure._kernels.holes import fill_holes

    row = scan.row
    height = len(row) - 1
    count = int(row[height])
    parts = strip_count(height, scan.width, threads)
    bounds = np.array(_bounds(height, parts))
    edge = np.empty(2 * count + runs.EDGE_SPARE, np.int32)
    each(lambda t: runs.expand(scan.bits, scan.width, bounds[t], bounds[t + 1], row, edge), parts)
    if include or four:
        row = row.copy()
        count = fill_holes(row, edge, four)
    label, found = _linked(row, edge, bounds, int(four), count, parts)
    offset, place, start = runs.join(bounds, row, edge, int(four), label, found)
    kind = coordinate_type(height, scan.width)
    x0, x1, y = (np.empty(count, kind) for _ in range(3))
    each(
        lambda t: runs.group(
            bounds[t], bounds[t + 1], row, edge, label, place[offset[t] :], x0, x1, y
        ),
        parts,
    )
    return start, x0, x1, y


def _linked(
    row: np.ndarray, edge: np.ndarray, bounds: np.ndarray, apart: int, count: int, parts: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return (label of each run in its strip, components per strip)."""
    from fijibridge.measure._kernels.runs import link

    label = np.empty(count, np.int32)
    parents = np.empty(count, np.int32)
    found = np.zeros(parts, np.int64)
    each(
        lambda t: link(bounds[t], bounds[t + 1], row, edge, apart, label, parents, found, t), parts
    )
    return label, found


def split(start: np.ndarray, parts: int) -> np.ndarray:
    """Return bounds that cut particles into `parts` ranges with about as many runs each."""
    cut = np.searchsorted(start, _bounds(int(start[-1]), parts))
    cut[0], cut[-1] = 0, len(start) - 1
    return cut


def trace_particles(
    start: np.ndarray,
    x0: np.ndarray,
    x1: np.ndarray,
    y: np.ndarray,
    *,
    apart: int,
    composite: bool,
    threads: int | None = None,
) -> Particles:
    """Trace the outlines of grouped runs."""
    from fijibridge.measure._kernels.composites import trace_composites
    from fijibridge.measure._kernels.outlines import trace

    n = len(start) - 1
    count = len(x0)
    parts = thread_count(threads, count, _MIN_TRACED)
    cut = split(start, parts)
    vx, vy = np.empty(4 * count, x0.dtype), np.empty(4 * count, x0.dtype)
    first, size = np.empty(n, np.int64), np.empty(n, np.int32)
    box, area = np.empty((n, 4), np.int32), np.empty(n, np.int64)
    kinds = np.zeros(n, np.uint8)
    each(
        lambda t: trace(
            start, x0, x1, y, apart, cut[t], cut[t + 1], vx, vy, first, size, box, area
        ),
        parts,
    )
    roi_start = np.arange(n + 1)
    if composite:
        first, size = np.empty(count, np.int64), np.empty(count, np.int32)
        loops = np.empty(n, np.int64)
        each(
            lambda t: trace_composites(
                start, x0, x1, y, box, cut[t], cut[t + 1], vx, vy, first, size, loops, kinds
            ),
            parts,
        )
        first, size, roi_start = _packed(start, first, size, loops)
    nothing = np.empty(0, np.bool_)
    return Particles(
        start, x0, x1, y, box, area, Loops(vx, vy, first, size, roi_start, kinds),
        nothing, np.empty((0, 2), np.int64), np.empty(0, np.int64),
    )  # fmt: skip


def _packed(
    start: np.ndarray, first: np.ndarray, size: np.ndarray, loops: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Close the gaps between the loops of particles: they begin at start[p]."""
    roi_start = np.zeros(len(loops) + 1, np.int64)
    np.cumsum(loops, out=roi_start[1:])
    pick = np.arange(roi_start[-1]) + np.repeat(start[:-1] - roi_start[:-1], loops)
    return first[pick], size[pick], roi_start


def find_literally(
    plane: np.ndarray,
    levels: tuple[float, float],
    *,
    fill: float,
    frame: tuple[int, int, int, int],
    include: bool,
    four: bool,
    exclude: bool,
    selection: tuple[np.ndarray, int, int] | None,
    only_first: bool,
    composite: bool,
) -> Particles:
    """Find particles as ImageJ does, pixel by pixel; see `_kernels.literal`.

    Parameters
    ----------
    plane
        (height, width) uint8, uint16 or float32, prepared as ImageJ prepares it.
    levels
        Threshold.
    fill
        The value that erases a particle.
    frame
        (x, y, width, height) to scan.
    include, four, exclude, composite
        See `ParticleSettings`.
    selection
        (mask, x0, y0) of the selection that particles must lie in.
    only_first
        Stop after one particle.
    """
    from fijibridge.measure._kernels.literal import analyze_literally

    mask, sx, sy = selection or (np.zeros((0, 0), np.bool_), 0, 0)
    start, x0, x1, y, vertex_start, vx, vy, box, keep, seeds = analyze_literally(
        plane.copy(), *levels, plane.dtype.type(fill), plane.dtype.kind == "u",
        np.array(frame, np.int64), include or four, four, exclude,
        np.ascontiguousarray(mask), sx, sy, only_first,
    )  # fmt: skip
    n = len(start) - 1
    kind = coordinate_type(*plane.shape)
    x0, x1, y = x0.astype(kind), x1.astype(kind), y.astype(kind)
    ends = np.concatenate([[0], np.cumsum(x1.astype(np.int64) - x0)])
    area = ends[start[1:]] - ends[start[:-1]]
    kinds = np.zeros(n, np.uint8)
    first, size, roi_start = (
        vertex_start[:-1],
        np.diff(vertex_start).astype(np.int32),
        np.arange(n + 1),
    )
    vx, vy = vx.astype(kind), vy.astype(kind)
    box = box.astype(np.int32)
    roi_box = np.empty((0, 4), np.int32)
    loops = Loops(vx, vy, first, size, roi_start, kinds)
    if composite and not (include or four):
        loops, roi_box = _composites(start, x0, x1, y, box, loops)
    return Particles(
        start, x0, x1, y, box, area, loops, keep, seeds, np.empty(0, np.int64), roi_box
    )


def _composites(
    start: np.ndarray,
    x0: np.ndarray,
    x1: np.ndarray,
    y: np.ndarray,
    box: np.ndarray,
    outlines: Loops,
) -> tuple[Loops, np.ndarray]:
    """Return composite ROIs of the pixels of particles found literally, and the ROIs' boxes.

    Of float pixels that equal the threshold in single precision only, the pixels of a particle may
    begin elsewhere than its outline: ImageJ then moves the ROI to where the outline begins.
    Particles without a pixel, one pixel wide or high keep their outline.
    """
    from fijibridge.measure._kernels.composites import trace_composites

    n, runs = len(box), len(x0)
    vx, vy = np.empty(4 * runs, x0.dtype), np.empty(4 * runs, x0.dtype)
    first, size = np.empty(runs, np.int64), np.empty(runs, np.int32)
    loops, kinds = np.empty(n, np.int64), np.zeros(n, np.uint8)
    trace_composites(start, x0, x1, y, box, 0, n, vx, vy, first, size, loops, kinds)
    roi_box = box.copy()
    picked_first, picked_size = [], []
    for p in range(n):
        a, e = start[p], start[p + 1]
        if a == e or box[p, 2:].min() == 1:
            kinds[p], loops[p] = outlines.kinds[p], 1
            picked_first.append(outlines.loop_start[p : p + 1] + 4 * runs)
            picked_size.append(outlines.loop_size[p : p + 1])
            continue
        left, top = int(x0[a:e].min()), int(y[a])
        roi_box[p, 2:] = int(x1[a:e].max()) - left, int(y[e - 1]) + 1 - top
        q = slice(a, a + loops[p])
        points = slice(first[a], first[q][-1] + size[q][-1])  # the loops follow one another
        vx[points] += int(box[p, 0]) - left
        vy[points] += int(box[p, 1]) - top
        picked_first.append(first[q])
        picked_size.append(size[q])
    nothing = [np.empty(0, np.int64)]
    return Loops(
        np.concatenate([vx, outlines.x]),
        np.concatenate([vy, outlines.y]),
        np.concatenate(picked_first or nothing),
        np.concatenate(picked_size or nothing).astype(np.int32),
        np.concatenate([[0], np.cumsum(loops)]),
        kinds,
    ), roi_box
