"""Loops that make coarser levels, compiled. Imported only when there are pixels to reduce.

The sums are those of `fijibridge.model.scaling`, in the same order, so every bit is the same.
"""
# straight functions are what numba compiles best
# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

import numpy as np
from numba import njit  # noqa: TID253  # this module is imported inside functions only

__all__ = ["halve_planes", "halve_volume", "weigh"]


@njit(cache=True, nogil=True)
def halve_volume(block: np.ndarray, out: np.ndarray) -> None:
    """Mean of 2 x 2 x 2 unsigned integers of up to 16 bits, half to even."""
    for z in range(out.shape[0]):
        for y in range(out.shape[1]):
            a, b = block[2 * z, 2 * y], block[2 * z, 2 * y + 1]
            c, d = block[2 * z + 1, 2 * y], block[2 * z + 1, 2 * y + 1]
            row = out[z, y]
            for x in range(out.shape[2]):
                i = 2 * x
                s = np.uint32(a[i]) + np.uint32(a[i + 1])
                s += np.uint32(b[i]) + np.uint32(b[i + 1])
                s += np.uint32(c[i]) + np.uint32(c[i + 1])
                s += np.uint32(d[i]) + np.uint32(d[i + 1])
                s += np.uint32(3) + ((s >> np.uint32(3)) & np.uint32(1))
                row[x] = s >> np.uint32(3)


@njit(cache=True, nogil=True)
def halve_planes(block: np.ndarray, out: np.ndarray) -> None:
    """Mean of 2 x 2 unsigned integers of up to 16 bits in every plane, half to even."""
    for z in range(out.shape[0]):
        for y in range(out.shape[1]):
            a, b = block[z, 2 * y], block[z, 2 * y + 1]
            row = out[z, y]
            for x in range(out.shape[2]):
                i = 2 * x
                s = np.uint32(a[i]) + np.uint32(a[i + 1])
                s += np.uint32(b[i]) + np.uint32(b[i + 1])
                s += np.uint32(1) + ((s >> np.uint32(2)) & np.uint32(1))
                row[x] = s >> np.uint32(2)


@njit(cache=True, nogil=True)
def weigh(
    block: np.ndarray,
    index0: np.ndarray,
    weight0: np.ndarray,
    index1: np.ndarray,
    weight1: np.ndarray,
    index2: np.ndarray,
    weight2: np.ndarray,
    whole: bool,  # numba takes no keywords here
    out: np.ndarray,
) -> None:
    """Weighted sums along z, then y, then x; `whole` numbers are rounded, half to even.

    index, weight
        (n, k) per axis; a single tap of weight 1 leaves an axis as it is.
    """
    height, width = block.shape[1], block.shape[2]
    plane = np.empty((height, width), np.float64)
    row = np.empty(width, np.float64)
    for z in range(out.shape[0]):
        for y in range(height):
            line = plane[y]
            _first(block[index0[z, 0], y], weight0[z, 0], line)
            for t in range(1, index0.shape[1]):
                _more(block[index0[z, t], y], weight0[z, t], line)
        for y in range(out.shape[1]):
            _first(plane[index1[y, 0]], weight1[y, 0], row)
            for t in range(1, index1.shape[1]):
                _more(plane[index1[y, t]], weight1[y, t], row)
            target = out[z, y]
            for x in range(out.shape[2]):
                s = 0.0
                for t in range(index2.shape[1]):
                    s += row[index2[x, t]] * weight2[x, t]
                target[x] = np.rint(s) if whole else s


@njit(cache=True, nogil=True)
def _first(source: np.ndarray, weight: float, line: np.ndarray) -> None:
    for x in range(line.shape[0]):
        line[x] = 0.0 + np.float64(source[x]) * weight


@njit(cache=True, nogil=True)
def _more(source: np.ndarray, weight: float, line: np.ndarray) -> None:
    for x in range(line.shape[0]):
        line[x] += np.float64(source[x]) * weight
