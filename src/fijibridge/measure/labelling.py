"""Particles of one plane of a label image: each label is one object, touching or not."""

from __future__ import annotations

import numpy as np

from fijibridge.measure._threads import each, thread_count
from fijibridge.measure.tracing import (
    Loops,
    Particles,
    _bounds,
    _packed,
    coordinate_type,
    split,
    strip_count,
)

__all__ = ["find_labels"]


def find_labels(labels: np.ndarray, *, threads: int | None = None) -> Particles:
    """Return the objects of a label plane, ascending by label.

    A label in one piece without holes has the outline of ImageJ's wand; one with holes or several
    parts is a composite.

    Parameters
    ----------
    labels
        (y, x) contiguous integers, 0 = background.
    threads
        How many; the result does not depend on it.
    """
    from fijibridge.measure._kernels.composites import trace_labels

    ids, start, x0, x1, y = _grouped(labels, threads)
    n, count = len(ids), len(x0)
    parts = thread_count(threads, count, 4096)
    cut = split(start, parts)
    vx, vy = np.empty(4 * count, x0.dtype), np.empty(4 * count, x0.dtype)
    first, size = np.empty(count, np.int64), np.empty(count, np.int32)
    loops = np.empty(n, np.int64)
    kinds = np.zeros(n, np.uint8)
    box, area = np.empty((n, 4), np.int32), np.empty(n, np.int64)
    each(
        lambda t: trace_labels(
            start, x0, x1, y, cut[t], cut[t + 1], vx, vy, first, size, loops, kinds, box, area
        ),
        parts,
    )
    first, size, roi_start = _packed(start, first, size, loops)
    return Particles(
        start, x0, x1, y, box, area, Loops(vx, vy, first, size, roi_start, kinds),
        np.empty(0, np.bool_), np.empty((0, 2), np.int64), ids,
    )  # fmt: skip


def _grouped(
    labels: np.ndarray, threads: int | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return (labels ascending, start, x0, x1, y): the runs grouped by label."""
    from fijibridge.measure._kernels.label_runs import collect_labels, group_labels, mark_labels

    height, width = labels.shape
    if labels.dtype.kind == "i":
        labels = labels.view(labels.dtype.str.replace("i", "u"))
    flat = labels.reshape(-1)
    parts = strip_count(height, width, threads)
    bounds = np.array(_bounds(height, parts))
    bits = np.empty((height, (width + 63) // 64), np.uint64)
    row = np.zeros(height + 1, np.int64)
    each(lambda t: mark_labels(flat, width, bounds[t], bounds[t + 1], bits, row[1:]), parts)
    np.cumsum(row, out=row)
    kind = coordinate_type(height, width)
    most = int(row[-1])
    value = np.zeros(most, labels.dtype)
    x0, x1, y = (np.empty(most, kind) for _ in range(3))
    used = np.zeros(height, np.int64)
    each(
        lambda t: collect_labels(
            flat, width, bounds[t], bounds[t + 1], bits, row, value, x0, x1, y, used
        ),
        parts,
    )
    ids, index = _numbered(value, row, used)
    runs = np.bincount(index[index >= 0], minlength=len(ids))
    start = np.zeros(len(ids) + 1, np.int64)
    np.cumsum(runs, out=start[1:])
    count = int(start[-1])
    gx0, gx1, gy = (np.empty(count, kind) for _ in range(3))
    group_labels(row, used, index, start[:-1].copy(), x0, x1, y, gx0, gx1, gy)
    return ids, start, gx0, gx1, gy


def _numbered(
    value: np.ndarray, row: np.ndarray, used: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return (labels ascending as int64, number of the label of each run or -1)."""
    taken = np.zeros(len(value), np.bool_)
    edge = np.zeros(len(value) + 1, np.int64)
    np.add.at(edge, row[:-1], 1)
    np.add.at(edge, row[:-1] + used, -1)
    taken[:] = np.cumsum(edge[:-1]) > 0
    real = value[taken]
    if len(real) == 0:
        return np.empty(0, np.int64), np.full(len(value), -1, np.int64)
    ids, number = np.unique(real, return_inverse=True)
    index = np.full(len(value), -1, np.int64)
    index[taken] = number
    return ids.astype(np.int64), index
