"""Planes as ImageJ sees them, and their histograms.

Source: ImageJ ij.process.ByteProcessor, ShortProcessor, ShortStatistics and StackStatistics.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fijibridge.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fijibridge.model.image import Image
    from fijibridge.model.rois import Roi

__all__ = [
    "SIGNED_OFFSET",
    "Window",
    "as_imagej",
    "bins_of",
    "counts16",
    "plane_of",
    "planes",
    "squeeze",
    "stack_counts",
    "whole_counts",
    "window_of",
]

#: What ImageJ adds to signed 16-bit pixels.
SIGNED_OFFSET = 32768
_NOTHING = np.zeros((0, 0), np.bool_)


@dataclass(frozen=True, slots=True)
class Window:
    """The pixels that count: a box (x0, y0, x1, y1) and a mask of its shape, or none."""

    box: tuple[int, int, int, int]
    mask: np.ndarray


def _plane_keys(image: Image) -> np.ndarray:
    """Return the pixels as (t, z, c, y, x)."""
    return image.reorder("tzcyx").data


def planes(image: Image) -> Iterator[np.ndarray]:
    """Yield every plane as `as_imagej` gives it, c fastest, then z, then t."""
    data = _plane_keys(image)
    for t in range(data.shape[0]):
        for z in range(data.shape[1]):
            for c in range(data.shape[2]):
                yield as_imagej(data[t, z, c])


def plane_of(image: Image, number: int) -> tuple[np.ndarray, int]:
    """Return plane `number` (1-based) and its channel (0-based)."""
    data = _plane_keys(image)
    sizes = data.shape[:3]
    planes = math.prod(sizes)
    if not 1 <= number <= planes:
        raise SettingsError(
            f"Slice {number} does not exist; the image has {planes} (1 is the first)."
        )
    t, z, c = (int(n) for n in np.unravel_index(number - 1, sizes))
    return as_imagej(data[t, z, c]), c


def as_imagej(plane: np.ndarray) -> np.ndarray:
    """Return (y, x) pixels in one of ImageJ's types: uint8, uint16 or float32."""
    native = plane.dtype.newbyteorder("=")
    if native in (np.uint8, np.uint16, np.float32):
        return np.ascontiguousarray(plane, native)
    if native == np.int16:
        return (plane.astype(np.int32) + SIGNED_OFFSET).astype(np.uint16)
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(plane, np.float32)


def window_of(image: Image, select: Roi | None) -> Window:
    """Return the pixels of a selection, or all of them.

    Raises
    ------
    SettingsError
        When the selection holds no pixel of the image.
    """
    width, height = image.axes.size("x"), image.axes.size("y")
    if select is None:
        return Window((0, 0, width, height), _NOTHING)
    from fijibridge.measure.masks import roi_mask

    mask, x, y = roi_mask(select, within=(0, 0, width, height))
    if not mask.any():
        raise SettingsError(
            f"The selection {select.name or select.kind!r} holds no pixel of the image "
            f"({width} x {height}).",
            "Draw it inside the image, or leave it out.",
        )
    box = (x, y, x + mask.shape[1], y + mask.shape[0])
    return Window(box, _NOTHING if mask.all() else np.ascontiguousarray(mask))


def whole_counts(plane: np.ndarray, window: Window) -> np.ndarray:
    """Return the (65536,) histogram of a uint8 or uint16 plane."""
    from fijibridge.measure._kernels.threshold_counts import count_whole

    counts = np.zeros(65536, np.int64)
    count_whole(plane, window.box, window.mask, counts)
    return counts


def counts16(plane: np.ndarray, window: Window) -> np.ndarray:
    """Return the 16-bit histogram, cut behind the highest value of a small selection's box.

    Whether it has more than 256 bins decides what the upper end of the threshold is.
    """
    counts = whole_counts(plane, window)
    x0, y0, x1, y1 = window.box
    if (x1 - x0) * (y1 - y0) < 250_000:
        counts = counts[: max(int(plane[y0:y1, x0:x1].max()) + 1, 256)]
    return counts


def squeeze(counts: np.ndarray, low: int, high: int, into: np.ndarray) -> None:
    """Add a 16-bit histogram to 256 bins as ImageJ converts to 8-bit."""
    scale = 256.0 / (high - low + 1)
    values = np.maximum(np.arange(65536) - low, 0)
    bins = np.minimum((values * scale + 0.5).astype(np.int64), 255)
    into += np.bincount(bins, weights=counts, minlength=256).astype(np.int64)


def stack_counts(image: Image, window: Window) -> tuple[np.ndarray, float, float]:
    """Return the histogram of all planes and the range that its thresholds are scaled to."""
    from fijibridge.measure._kernels.threshold_counts import count_binned, count_whole, finite_range

    counts = np.zeros(65536, np.int64)
    ranges = []
    for plane in planes(image):
        if plane.dtype == np.float32:
            ranges.append(finite_range(plane, window.box, window.mask))
        else:
            count_whole(plane, window.box, window.mask, counts)
    if not ranges:
        if image.dtype.itemsize == 1:
            return counts[:256], 0.0, 255.0
        used = np.flatnonzero(counts)
        return counts, float(used[0]), float(used[-1])
    low, high = min(r[0] for r in ranges), max(r[1] for r in ranges)
    if low > high:
        raise SettingsError("No pixel is finite, so there is no threshold.")
    counts = np.zeros(256, np.int64)
    for plane in planes(image):
        count_binned(plane, window.box, window.mask, low, high, counts)
    return counts, low, high


def bins_of(counts: np.ndarray, low: int, high: int) -> np.ndarray:
    """Return 256 bins of the used range of a 16-bit histogram."""
    scale = 1.0 / ((high - low + 1) / 256)
    bins = np.minimum((scale * np.arange(high - low + 1)).astype(np.int64), 255)
    weights = counts[low : high + 1]
    return np.bincount(bins, weights=weights, minlength=256).astype(np.int64)
