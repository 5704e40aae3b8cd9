"""Separable filters on padded volumes: one axis at a time, float32 between the passes."""

from __future__ import annotations

import numpy as np
from numba import njit

from fijibridge.projects._kernels.vectors import LANES, even64, odd64


@njit(cache=True, nogil=True, boundscheck=False)
def convolve(source, target, step, start, weights, odd):
    """Filter along one axis.

    Parameters
    ----------
    source, target
        float32, (z, y, x), contiguous; rows of the target are at least 64 long.
    step
        Elements between neighbours along the axis of the filter.
    start
        Where in the flat source the first target pixel lies.
    weights
        float32, half kernel: centre and one side.
    odd
        The other side has the opposite sign.
    """
    depth, height, width = target.shape
    rows, pitch = source.shape[1], source.shape[2]
    radius = weights.size - 1
    src = source.reshape(-1)
    dst = target.reshape(-1)
    for z in range(depth):
        for y in range(height):
            here = start + (z * rows + y) * pitch
            there = (z * height + y) * width
            x = 0
            while x < width:
                if x > width - LANES:
                    x = width - LANES  # the last step overlaps: the same values once more
                if odd:
                    odd64(src, here + x, step, weights, radius, dst, there + x)
                else:
                    even64(src, here + x, step, weights, radius, dst, there + x)
                x += LANES


@njit(cache=True, nogil=True, boundscheck=False)
def convolve_wide(source, target, step, start, weights, odd):
    """Filter along one axis with float64 sums of float64 weights, as vigra does; see `convolve`."""
    depth, height, width = target.shape
    rows, pitch = source.shape[1], source.shape[2]
    radius = weights.size - 1
    sign = -1.0 if odd else 1.0
    src = source.reshape(-1)
    for z in range(depth):
        for y in range(height):
            here = start + (z * rows + y) * pitch
            for x in range(width):
                total = weights[0] * src[here + x]
                for k in range(1, radius + 1):
                    after = src[here + x + k * step]
                    total += weights[k] * after
                    total += sign * weights[k] * src[here + x - k * step]
                target[z, y, x] = total


@njit(cache=True, nogil=True, boundscheck=False)
def convolve_ordered(source, target, step, start, weights, odd):
    """Filter along one axis with float32 sums from side to side, as vigra does; see `convolve`."""
    depth, height, width = target.shape
    rows, pitch = source.shape[1], source.shape[2]
    radius = weights.size - 1
    src = source.reshape(-1)
    for z in range(depth):
        for y in range(height):
            here = start + (z * rows + y) * pitch
            for x in range(width):
                total = np.float32(0)
                for k in range(-radius, radius + 1):
                    weight = weights[abs(k)]
                    weight = -weight if odd and k < 0 else weight
                    total += weight * src[here + x + k * step]
                target[z, y, x] = total


@njit(cache=True, nogil=True, boundscheck=False)
def mirror(index, size):
    """Return where a coordinate outside an axis is read: reflected, no edge twice."""
    if size == 1:
        return 0
    period = 2 * (size - 1)
    index = abs(index) % period
    return period - index if index >= size else index


@njit(cache=True, nogil=True, boundscheck=False)
def mirror_outside(volume, axis, origin, size):
    """Give samples outside of the image the values of their mirror images.

    Parameters
    ----------
    volume
        (z, y, x), changed.
    axis
        0, 1 or 2.
    origin
        Where sample 0 of the image lies along that axis; may be negative.
    size
        Samples of the image along that axis.
    """
    count = volume.shape[axis]
    for i in range(count):
        place = i - origin
        if 0 <= place < size:
            continue
        j = mirror(place, size) + origin
        if not 0 <= j < count:
            continue
        if axis == 0:
            volume[i] = volume[j]
        elif axis == 1:
            volume[:, i] = volume[:, j]
        else:
            volume[:, :, i] = volume[:, :, j]
