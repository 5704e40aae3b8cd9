"""The objects of a volume: found, grouped, painted, their surface counted."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fijibridge.measure._threads import each, thread_count

if TYPE_CHECKING:
    from fijibridge.measure.particle_settings import ParticleSettings
    from fijibridge.measure.planes import Planes

__all__ = ["Objects", "find_objects", "looked_at", "paint_objects", "relabel", "surface_voxels"]


@dataclass(frozen=True, slots=True, eq=False)
class Objects:
    """Objects of one volume: runs grouped by object, and what is counted from them.

    box: (n, 6) x0, y0, z0, x1, y1, z1; values: labels of a label image, else empty.
    """

    start: np.ndarray
    x0: np.ndarray
    x1: np.ndarray
    row: np.ndarray
    count: np.ndarray
    sums: np.ndarray
    box: np.ndarray
    values: np.ndarray

    def __len__(self) -> int:
        return len(self.count)


def looked_at(settings: ParticleSettings, shape: tuple[int, int]) -> np.ndarray:
    """Return (height, width) bool: what is looked at."""
    from fijibridge.measure.planework import Selection

    selection = Selection.of(settings, shape)
    if selection.covers(shape):
        return np.ones(shape, np.bool_)
    x, y, w, h = selection.frame
    out = np.zeros(shape, np.bool_)
    out[y : y + h, x : x + w] = True if selection.mask is None else selection.mask
    return out


def _flat(planes: Planes, t: int) -> np.ndarray:
    """Return the volume of frame t as (z * height, width), as ImageJ would hold its pixels."""
    depth = planes.data.shape[1]
    height, width = planes.shape
    raw = planes.data[t, :, 0]
    if raw.dtype == planes.stored.newbyteorder("=") and raw.flags.c_contiguous:
        return raw.reshape(depth * height, width)
    out = np.empty((depth, height, width), planes.stored)
    for z in range(depth):
        out[z] = planes.loose_plane(t * depth + z)
    return out.reshape(depth * height, width)


def find_objects(
    planes: Planes,
    t: int,
    settings: ParticleSettings,
    inside: np.ndarray,
    source: Planes,
    from_labels: bool,
    threads: int | None,
) -> tuple[Objects, np.ndarray]:
    """Return the objects of frame t, and the pixels they are measured in."""
    height, width = planes.shape
    depth = planes.data.shape[1]
    if from_labels:
        raw = np.ascontiguousarray(planes.data[t, :, 0]).reshape(depth * height, width)
        flat = raw.astype(raw.dtype.newbyteorder("="), copy=False)
        low = high = 0.0
    else:
        flat = _flat(planes, t)
        low, high = _band(planes, flat, inside, settings)
    start, x0, x1, row = _runs(flat, inside, low, high, from_labels, threads)
    if from_labels:
        first = flat[row, x0]
        values, index = np.unique(first, return_inverse=True)
        n = len(values)
    else:
        from fijibridge.measure._kernels.volume import join_runs

        index = np.empty(len(x0), np.int64)
        n = join_runs(start, x0, x1, height, depth, not settings.four, index)
        values = np.empty(0, np.int64)
    same = source is planes and not from_labels
    return _grouped(index, n, x0, x1, row, height, values), flat if same else _flat(source, t)


def _band(
    planes: Planes, flat: np.ndarray, inside: np.ndarray, settings: ParticleSettings
) -> tuple[float, float]:
    from fijibridge.measure.planework import SIGNED_OFFSET, binary_band

    if settings.threshold is None:
        height, width = inside.shape
        whole = flat.reshape(-1, height, width)
        band = binary_band(
            whole if inside.all() else whole[:, inside],
            white_background=settings.white_background,
            inverted_lut=planes.image.spec.extra.shows_inverted(),
        )
        return band.levels
    low, high = settings.threshold
    if planes.image.dtype == np.int16:
        low, high = low + SIGNED_OFFSET, high + SIGNED_OFFSET
    if planes.stored == np.uint16:  # ImageJ keeps whole numbers
        low, high = (math.floor(v + 0.5) if math.isfinite(v) else v for v in (low, high))
    return float(low), float(high)


def _runs(
    flat: np.ndarray, inside: np.ndarray, low: float, high: float, labels: bool, threads: int | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    from fijibridge.measure._kernels.volume import count_runs, write_runs

    rows = len(flat)
    parts = thread_count(threads, rows, 256)
    cut = [rows * k // parts for k in range(parts + 1)]
    start = np.zeros(rows + 1, np.int64)
    each(
        lambda k: count_runs(flat, inside, low, high, labels, cut[k], cut[k + 1], start[1:]), parts
    )
    np.cumsum(start, out=start)
    x0, x1 = np.empty(start[-1], np.int32), np.empty(start[-1], np.int32)
    row = np.empty(start[-1], np.int64)
    each(
        lambda k: write_runs(
            flat, inside, low, high, labels, cut[k], cut[k + 1], start, x0, x1, row
        ),
        parts,
    )
    return start, x0, x1, row


def _grouped(
    index: np.ndarray,
    n: int,
    x0: np.ndarray,
    x1: np.ndarray,
    row: np.ndarray,
    height: int,
    values: np.ndarray,
) -> Objects:
    from fijibridge.measure._kernels.volume import add_runs

    count, sums = np.zeros(n, np.int64), np.zeros((n, 3), np.int64)
    box = np.zeros((n, 6), np.int64)
    box[:, :3] = np.iinfo(np.int64).max
    add_runs(index, x0, x1, row, height, count, sums, box)
    order = np.argsort(index, kind="stable")
    start = np.zeros(n + 1, np.int64)
    np.cumsum(np.bincount(index, minlength=n), out=start[1:])
    return Objects(start, x0[order], x1[order], row[order], count, sums, box, values)


def paint_objects(
    found: Objects, planes: Planes, values: np.ndarray, threads: int | None
) -> np.ndarray:
    """Return (depth, height, width) with values[k] where object k is."""
    from fijibridge.measure._kernels.volume import paint_runs

    depth = planes.data.shape[1]
    height, width = planes.shape
    out = np.zeros((depth * height, width), values.dtype)
    index = np.repeat(np.arange(len(found)), np.diff(found.start))
    runs = len(index)
    parts = thread_count(threads, runs, 4096)
    each(
        lambda k: paint_runs(
            found.x0, found.x1, found.row, index, values,
            runs * k // parts, runs * (k + 1) // parts, out,
        ),
        parts,
    )  # fmt: skip
    return out.reshape(depth, height, width)


def surface_voxels(objects: np.ndarray, n: int, threads: int | None) -> np.ndarray:
    """Return how many voxels of each object have a face to something else or to the outside."""
    from fijibridge.measure._kernels.volume import count_surface

    depth = len(objects)
    parts = min(thread_count(threads, objects.size, 1 << 18), depth)
    counts = np.zeros((parts, n), np.int64)
    each(
        lambda k: count_surface(objects, depth * k // parts, depth * (k + 1) // parts, counts[k]),
        parts,
    )
    total: np.ndarray = counts.sum(axis=0)
    return total


def relabel(
    objects: np.ndarray, chosen: np.ndarray, ids: np.ndarray, limit: int | None
) -> np.ndarray:
    """Return the chosen objects under their own numbers, in the smallest type that holds them."""
    numbers = np.asarray(ids)
    if limit is not None:
        numbers = np.minimum(numbers, limit)
    largest = int(numbers.max()) if len(numbers) else 0
    dtype = np.uint16 if largest < 1 << 16 else np.uint32 if largest < 1 << 32 else np.uint64
    table = np.zeros(int(objects.max(initial=0)) + 1, dtype)
    table[chosen + 1] = numbers
    out: np.ndarray = table[objects]
    return out
