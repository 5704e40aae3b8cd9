"""Loops that make coarser levels, compiled. Imported only when there are pixels to reduce.

The sums are those of `fijibridge.model.scaling`, in the same order, so every bit is the same.
"""
# straight functions are what numba compiles best
# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

import numpy as np
from numba import njit  # noqa: TID253  # this module is imported inside functions only

__all__ = ["halve_planes", "halve_volume", "weigh"]

_ROWS, _WIDTH = 16, 512  # samples


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

    Done in columns of `_ROWS` by `_WIDTH` samples, all planes of one after the other, so that what
    lies between the sums stays in a core's cache.

    block
        In C order, as `out`; only samples that the indices name are looked at.
    index, weight
        (n, k) per axis; a single tap of weight 1 leaves an axis as it is.
    even
        From which to which sample of x the taps are the same, two samples further each.
    """
    for y in range(0, out.shape[1], _ROWS):
        end = min(y + _ROWS, out.shape[1])
        top, bottom = index1[y:end].min(), index1[y:end].max() + 1
        for x in range(0, out.shape[2], _WIDTH):
            stop = min(x + _WIDTH, out.shape[2])
            left, right = index2[x:stop].min(), index2[x:stop].max() + 1
            _column(
                block,
                (top, bottom, left, right),
                index0,
                weight0,
                index1[y:end] - top,
                weight1[y:end],
                index2[x:stop] - left,
                weight2[x:stop],
                (max(x, even[0]) - x, min(stop, even[1]) - x),
                whole,
                out,
                (y, x),
            )


@njit(cache=True, nogil=True)
def _column(
    block: np.ndarray,
    box: tuple[int, int, int, int],
    index0: np.ndarray,
    weight0: np.ndarray,
    index1: np.ndarray,
    weight1: np.ndarray,
    index2: np.ndarray,
    weight2: np.ndarray,
    even: tuple[int, int],
    whole: bool,
    out: np.ndarray,
    place: tuple[int, int],
) -> None:
    """Do `weigh` for some rows and columns; indices of y and x count from the box's corner."""
    top, bottom, left, right = box
    width, step = right - left, block.shape[2]
    # rows that are nearly whole are summed in one go along z, others one by one
    together = 4 * step <= 5 * width
    stride = step if together else width
    planes = np.empty((2, (bottom - top) * stride), np.float64)
    row = np.empty(width, np.float64)
    p, q = np.empty(width // 2 + 1, np.float64), np.empty(width // 2 + 1, np.float64)
    flat = block.reshape(-1)
    low, high = even
    if index2.shape[1] != 6 or high < low:
        low = high = index2.shape[0]
    n = high - low
    last = weight2[low] if n > 0 else weight2[0]
    end = place[1] + index2.shape[0]
    z = 0
    while z < out.shape[0]:
        count = 2 if _is_pair(index0, weight0, z) else 1
        for r in range(1 if together else bottom - top):
            size = (bottom - top - 1) * step + width if together else width
            at = index0[z] * (block.shape[1] * step) + ((top + r) * step + left)
            _depth(flat, at, size, weight0[z], count, block.shape[1] * step, planes, r * stride)
        for k in range(count):
            plane = planes[k]
            for y in range(index1.shape[0]):
                i = index1[y] * stride
                if i.shape[0] == 6:  # here, so that it is compiled in place
                    _six(
                        plane[i[0] : i[0] + width],
                        plane[i[1] : i[1] + width],
                        plane[i[2] : i[2] + width],
                        plane[i[3] : i[3] + width],
                        plane[i[4] : i[4] + width],
                        plane[i[5] : i[5] + width],
                        weight1[y],
                        row,
                    )
                else:
                    _first(plane[i[0] : i[0] + width], weight1[y, 0], row)
                    for t in range(1, i.shape[0]):
                        _more(plane[i[t] : i[t] + width], weight1[y, t], row)
                target = out[z + k, place[0] + y, place[1] : end]
                if n > 0:
                    _split(row[index2[low, 0] :], n + 2, p, q)
                    _neighbours(p, q, last, whole, target[low:high])
                _others(row, index2, weight2, low, n, whole, target)
        z += count


@njit(cache=True, nogil=True)
def _is_pair(index: np.ndarray, weight: np.ndarray, z: int) -> bool:
    """Whether a sample and the next have the same six neighbours, two further."""
    pair: bool = index.shape[1] == 6 and z + 1 < index.shape[0]
    if pair:
        for t in range(6):
            pair &= index[z, t] == index[z, 0] + t and index[z + 1, t] == index[z, t] + 2
            pair &= weight[z, t] == weight[z + 1, t]
    return bool(pair)


@njit(cache=True, nogil=True)
def _depth(
    flat: np.ndarray,
    i: np.ndarray,
    size: int,
    w: np.ndarray,
    count: int,
    plane: int,
    planes: np.ndarray,
    at: int,
) -> None:
    """Sum runs of samples that begin at `i`; `count` 2: also those two planes further."""
    line = planes[0, at : at + size]
    if count == 2:
        g, h = i[4] + 2 * plane, i[5] + 2 * plane
        _pair(
            flat[i[0] : i[0] + size],
            flat[i[1] : i[1] + size],
            flat[i[2] : i[2] + size],
            flat[i[3] : i[3] + size],
            flat[i[4] : i[4] + size],
            flat[i[5] : i[5] + size],
            flat[g : g + size],
            flat[h : h + size],
            w,
            line,
            planes[1, at : at + size],
        )
        return
    if i.shape[0] == 6:
        _six(
            flat[i[0] : i[0] + size],
            flat[i[1] : i[1] + size],
            flat[i[2] : i[2] + size],
            flat[i[3] : i[3] + size],
            flat[i[4] : i[4] + size],
            flat[i[5] : i[5] + size],
            w,
            line,
        )
        return
    _first(flat[i[0] : i[0] + size], w[0], line)
    for t in range(1, i.shape[0]):
        _more(flat[i[t] : i[t] + size], w[t], line)


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
