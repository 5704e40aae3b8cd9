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
    even: tuple[int, int],
    whole: bool,  # numba takes no keywords here
    out: np.ndarray,
) -> None:
    """Weighted sums along z, then y, then x; `whole` numbers are rounded, half to even.

    block
        In C order, as `out`.
    index, weight
        (n, k) per axis; a single tap of weight 1 leaves an axis as it is.
    even
        From which to which sample of x the taps are the same, two samples further each.
    """
    height, width = block.shape[1], block.shape[2]
    planes = np.empty((2, height, width), np.float64)
    row = np.empty(width, np.float64)
    flat, lines = block.reshape((block.shape[0], height * width)), planes.reshape((2, -1))
    p, q = np.empty(width // 2 + 1, np.float64), np.empty(width // 2 + 1, np.float64)
    low, high = even
    if index2.shape[1] != 6:
        low = high = out.shape[2]
    n = high - low
    last = weight2[low] if n > 0 else weight2[0]
    z = 0
    while z < out.shape[0]:
        count = _depth(flat, index0, weight0, z, lines)
        for k in range(count):
            plane = planes[k]
            for y in range(out.shape[1]):
                i = index1[y]
                if i.shape[0] == 6:  # here, so that it is compiled in place
                    _six(
                        plane[i[0]],
                        plane[i[1]],
                        plane[i[2]],
                        plane[i[3]],
                        plane[i[4]],
                        plane[i[5]],
                        weight1[y],
                        row,
                    )
                else:
                    _sum(plane, i, weight1[y], row)
                target = out[z + k, y]
                if n > 0:
                    _split(row[index2[low, 0] :], n + 2, p, q)
                    _neighbours(p, q, last, whole, target[low:high])
                _others(row, index2, weight2, low, n, whole, target)
        z += count


@njit(cache=True, nogil=True)
def _depth(
    flat: np.ndarray, index: np.ndarray, weight: np.ndarray, z: int, lines: np.ndarray
) -> int:
    """Sum planes; two sums at a time where the second is two planes further, else one."""
    pair = index.shape[1] == 6 and z + 1 < index.shape[0]
    if pair:
        for t in range(6):
            pair &= index[z, t] == index[z, 0] + t and index[z + 1, t] == index[z, t] + 2
            pair &= weight[z, t] == weight[z + 1, t]
    if not pair:
        _sum(flat, index[z], weight[z], lines[0])
        return 1
    i = index[z, 0]
    _pair(
        flat[i],
        flat[i + 1],
        flat[i + 2],
        flat[i + 3],
        flat[i + 4],
        flat[i + 5],
        flat[i + 6],
        flat[i + 7],
        weight[z],
        lines[0],
        lines[1],
    )
    return 2


@njit(cache=True, nogil=True)
def _others(
    row: np.ndarray,
    index: np.ndarray,
    weight: np.ndarray,
    low: int,
    n: int,
    whole: bool,
    line: np.ndarray,
) -> None:
    """Sum along a row what lies outside the even run."""
    for x in range(line.shape[0] - n):
        i = x if x < low else x + n
        s = 0.0
        for t in range(index.shape[1]):
            s += row[index[i, t]] * weight[i, t]
        line[i] = np.rint(s) if whole else s


@njit(cache=True, nogil=True)
def _sum(source: np.ndarray, index: np.ndarray, weight: np.ndarray, line: np.ndarray) -> None:
    """One weighted sum of lines."""
    if index.shape[0] == 6:
        _six(
            source[index[0]],
            source[index[1]],
            source[index[2]],
            source[index[3]],
            source[index[4]],
            source[index[5]],
            weight,
            line,
        )
        return
    _first(source[index[0]], weight[0], line)
    for t in range(1, index.shape[0]):
        _more(source[index[t]], weight[t], line)


@njit(cache=True, nogil=True)
def _first(source: np.ndarray, weight: float, line: np.ndarray) -> None:
    for x in range(line.shape[0]):
        line[x] = 0.0 + np.float64(source[x]) * weight


@njit(cache=True, nogil=True)
def _more(source: np.ndarray, weight: float, line: np.ndarray) -> None:
    for x in range(line.shape[0]):
        line[x] += np.float64(source[x]) * weight


@njit(cache=True, nogil=True)
def _six(
    a: np.ndarray,
    b: np.ndarray,
    c: np.ndarray,
    d: np.ndarray,
    e: np.ndarray,
    f: np.ndarray,
    w: np.ndarray,
    line: np.ndarray,
) -> None:
    """Six lines in one go: the sums stay in registers."""
    w0, w1, w2, w3, w4, w5 = w[0], w[1], w[2], w[3], w[4], w[5]
    for x in range(line.shape[0]):
        s = 0.0 + np.float64(a[x]) * w0
        s += np.float64(b[x]) * w1
        s += np.float64(c[x]) * w2
        s += np.float64(d[x]) * w3
        s += np.float64(e[x]) * w4
        s += np.float64(f[x]) * w5
        line[x] = s


@njit(cache=True, nogil=True)
def _split(row: np.ndarray, n: int, p: np.ndarray, q: np.ndarray) -> None:
    for x in range(n):
        p[x] = row[2 * x]
        q[x] = row[2 * x + 1]


@njit(cache=True, nogil=True)
def _neighbours(
    p: np.ndarray,
    q: np.ndarray,
    w: np.ndarray,
    whole: bool,
    line: np.ndarray,
) -> None:
    """Six neighbours each, given as every other one."""
    w0, w1, w2, w3, w4, w5 = w[0], w[1], w[2], w[3], w[4], w[5]
    for x in range(line.shape[0]):
        s = 0.0 + p[x] * w0
        s += q[x] * w1
        s += p[x + 1] * w2
        s += q[x + 1] * w3
        s += p[x + 2] * w4
        s += q[x + 2] * w5
        line[x] = np.rint(s) if whole else s


@njit(cache=True, nogil=True)
def _pair(
    a: np.ndarray,
    b: np.ndarray,
    c: np.ndarray,
    d: np.ndarray,
    e: np.ndarray,
    f: np.ndarray,
    g: np.ndarray,
    h: np.ndarray,
    w: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
) -> None:
    """Two sums of six lines each, the second two lines further: half of the samples are shared."""
    w0, w1, w2, w3, w4, w5 = w[0], w[1], w[2], w[3], w[4], w[5]
    for x in range(first.shape[0]):
        p, q, r, s = np.float64(c[x]), np.float64(d[x]), np.float64(e[x]), np.float64(f[x])
        t = 0.0 + np.float64(a[x]) * w0
        t += np.float64(b[x]) * w1
        t += p * w2
        t += q * w3
        t += r * w4
        t += s * w5
        first[x] = t
        t = 0.0 + p * w0
        t += q * w1
        t += r * w2
        t += s * w3
        t += np.float64(g[x]) * w4
        t += np.float64(h[x]) * w5
        second[x] = t
