"""The measurements that ilastik's tracking exports print, from label images and grey values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fijibridge.errors import SettingsError
from fijibridge.model import Region, ResultsTable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from fijibridge.model import ImageSource

__all__ = ["Survey", "survey"]

_TABLE = 1 << 22
#: Where the scatter matrix is in the sums of the kernel, x, y, z.
_MATRIX = ((10, 11, 12), (11, 13, 14), (12, 14, 15))


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What a movie of labels holds.

    Parameters
    ----------
    ids
        (n, 2) int64 all objects (t, label), sorted.
    features
        One row an object, ilastik's display names; single precision, coordinates x, y(, z) in
        pixels; no columns when they were not asked for.
    frames
        Number of frames.
    """

    ids: np.ndarray
    features: ResultsTable
    frames: int


def survey(
    labels: ImageSource,
    raw: ImageSource | None = None,
    *,
    measure: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> Survey:
    """Find and measure all objects, frame by frame: memory does not grow with the movie.

    Parameters
    ----------
    labels
        Whole numbers, 0 is background; axes among t, z, y, x in any order.
    raw
        Grey values of the same size, with channels; None = shapes only.
    measure
        False: find the objects only.
    progress
        Called with (frames done, all).

    Returns
    -------
    Survey
        Columns: mean and variance of each channel, main axes and radii (roots of the eigenvalues of
        the covariance of coordinates), bounding box (the end is exclusive), size, centre.

    Raises
    ------
    SettingsError
        When the labels have channels or negative values, or the images differ in size.

    Source
    ------
    vigra's accumulators as ilastik's "Standard Object Features" and "Default features" use them.
    """
    axes = labels.spec.axes
    if axes.size("c") > 1:
        raise SettingsError(f"A label image has one channel, not {axes.size('c')}.")
    if raw is not None:
        for key in "tzyx":
            if raw.spec.axes.size(key) != axes.size(key):
                raise SettingsError(
                    f"The raw image has the size {raw.spec.axes.size(key)} along {key}, the label "
                    f"image {axes.size(key)}."
                )
    frames = axes.size("t")
    deep = axes.size("z") > 1
    found: list[np.ndarray] = []
    parts: list[Mapping[str, np.ndarray]] = []
    for t in range(frames):
        frame = _frame(labels, t, "zyx")
        if frame.dtype.kind not in "iu":
            frame = _whole(frame)
        known, ranks = _ranks(frame)
        found.append(np.stack([np.full(len(known), t, np.int64), known], axis=1))
        if measure:
            grey = None if raw is None else _frame(raw, t, "czyx")
            parts.append(_measured(ranks, len(known), grey, deep=deep))
        if progress is not None:
            progress(t + 1, frames)
    ids = np.concatenate(found) if found else np.empty((0, 2), np.int64)
    columns = {h: np.concatenate([p[h] for p in parts]) for h in parts[0]} if parts else {}
    return Survey(ids=ids, features=ResultsTable(columns, ids), frames=frames)


def _frame(source: ImageSource, t: int, keys: str) -> np.ndarray:
    axes = source.spec.axes
    start = [t if a.key == "t" else 0 for a in axes]
    stop = [t + 1 if a.key == "t" else a.size for a in axes]
    block = source.read(Region(tuple(start), tuple(stop)))
    order = [axes.index(k) for k in keys if k in axes]
    rest = [i for i in range(len(axes)) if i not in order]
    shape = [axes.size(k) for k in keys]
    return np.ascontiguousarray(block.transpose(order + rest)).reshape(shape)


def _whole(frame: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        whole = frame.dtype.kind == "f" and bool((np.floor(frame) == frame).all())
    if frame.dtype.kind == "b":
        return frame.astype(np.uint8)
    if not whole or (frame.size and float(np.abs(frame).max()) >= 2.0**63):
        raise SettingsError("Labels must be whole numbers.", "Give a label image.")
    return frame.astype(np.int64)


def _ranks(frame: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the labels, ascending, and the frame with each as its place from 1 (int32)."""
    if not frame.size:
        return np.empty(0, np.int64), np.zeros(frame.shape, np.int32)
    low, top = int(frame.min()), int(frame.max())
    if low < 0:
        raise SettingsError(f"Labels must be 0 or more; the label image holds {low}.")
    if top > 2**63 - 1:
        raise SettingsError(f"Labels go up to {2**63 - 1}; the label image holds {top}.")
    if top < _TABLE:
        there = np.zeros(top + 1, bool)
        there[frame.reshape(-1)] = True
        there[0] = False
        table = np.zeros(top + 1, np.int32)
        known = np.flatnonzero(there)
        table[known] = np.arange(1, len(known) + 1)
        return known.astype(np.int64), table[frame]
    values, at = np.unique(frame, return_inverse=True)
    shift = 0 if int(values[0]) == 0 else 1
    ranks = (at.reshape(frame.shape) + shift).astype(np.int32)
    return values[values != 0].astype(np.int64), ranks


def _measured(
    ranks: np.ndarray, count: int, grey: np.ndarray | None, *, deep: bool
) -> Mapping[str, np.ndarray]:
    """Return the columns of one frame."""
    from fijibridge.model import _moment_kernels as moments

    sums = moments.shapes(ranks, count)
    n = 3 if deep else 2
    columns: dict[str, np.ndarray] = {}

    def put(name: str, values: np.ndarray) -> None:
        for i in range(values.shape[1]):
            columns[f"{name}_{i}"] = values[:, i].astype(np.float32)

    if grey is not None:
        channels = [moments.greys(ranks, _plain(g), count) for g in grey]
        put("Mean Intensity", np.stack([c[:, 0] for c in channels], axis=1))
    matrix = np.array([[sums[:, _MATRIX[i][j]] for j in range(n)] for i in range(n)])
    radii, axes = np.empty((count, n)), np.empty((count, n * n))
    scatter = np.ascontiguousarray(matrix.transpose(2, 0, 1))
    moments.main_axes(scatter, sums[:, 0], radii, axes)
    put("Principal components of the object", axes)
    put("Radii of the object", radii)
    if grey is not None:
        put("Variance of Intensity", np.stack([c[:, 1] for c in channels], axis=1))
    put("Bounding Box Maximum", sums[:, 7 : 7 + n] + 1)
    put("Bounding Box Minimum", sums[:, 4 : 4 + n])
    columns["Size in pixels"] = sums[:, 0].astype(np.float32)
    put("Center of the object", sums[:, 1 : 1 + n])
    return columns


def _plain(channel: np.ndarray) -> np.ndarray:
    """Return a channel in a type that is compiled once: single bytes and words as they are."""
    if channel.dtype in (np.uint8, np.uint16):
        return np.ascontiguousarray(channel)
    return np.ascontiguousarray(channel, np.float64)
