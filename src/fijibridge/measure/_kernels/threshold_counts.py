"""Histograms as ImageJ makes them before it looks for a threshold.

`box` is (x0, y0, x1, y1); `mask` has the shape of the box, or (0, 0) for the whole box.

Source: ImageJ ij.process.ByteProcessor, ShortProcessor (getHistogram), FloatProcessor
(create8BitImage) and StackStatistics.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from fijibridge.measure._kernels.threshold_java import whole


@njit(cache=True, nogil=True)
def count_whole(plane, box, mask, counts):
    """Add the pixels of a uint8 or uint16 (y, x) plane inside `box` (x0, y0, x1, y1).

    `mask` has the shape of the box, or (0, 0) for the whole box.
    """
    masked = mask.size > 0
    for y in range(box[1], box[3]):
        for x in range(box[0], box[2]):
            if not masked or mask[y - box[1], x - box[0]]:
                counts[plane[y, x]] += 1


@njit(cache=True, nogil=True, error_model="numpy")
def count_scaled(plane, box, mask, low, high, counts):
    """Add the pixels of a float32 plane as ImageJ shows them: low..high rounded to 0..255."""
    masked = mask.size > 0
    scale = 255.0 / (high - low)
    for y in range(box[1], box[3]):
        for x in range(box[0], box[2]):
            if not masked or mask[y - box[1], x - box[0]]:
                value = plane[y, x] - low
                value = max(value, 0.0) if value == value else value
                counts[min(whole(value * scale + 0.5), 255)] += 1


@njit(cache=True, nogil=True)
def finite_range(plane, box, mask):
    """Return the lowest and highest finite value inside the box; (inf, -inf) when none is."""
    masked = mask.size > 0
    low = np.inf
    high = -np.inf
    for y in range(box[1], box[3]):
        for x in range(box[0], box[2]):
            if not masked or mask[y - box[1], x - box[0]]:
                value = float(plane[y, x])
                if np.isfinite(value):
                    low = min(low, value)
                    high = max(high, value)
    return low, high


@njit(cache=True, nogil=True, error_model="numpy")
def count_binned(plane, box, mask, low, high, counts):
    """Add the finite pixels of a float32 plane to 256 equal bins of low..high."""
    masked = mask.size > 0
    scale = 256.0 / (high - low)
    for y in range(box[1], box[3]):
        for x in range(box[0], box[2]):
            if not masked or mask[y - box[1], x - box[0]]:
                value = float(plane[y, x])
                if np.isfinite(value):
                    counts[min(whole(scale * (value - low)), 255)] += 1
