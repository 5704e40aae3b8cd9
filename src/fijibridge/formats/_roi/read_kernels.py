"""Loops that read thousands of ROI records, compiled. Imported only for large sets.

The layout of a record is in `layout`. Records are taken only when they are exactly what
`kernels.assemble` makes; their kinds are indices into `OUTLINE_KINDS`.

Indices are unsigned, as signed ones are tested for counting from the end; parts of arrays are not
cut out, as each cut counts references, which takes longer than a record.
"""
# ruff: noqa: C901, PLR0911, PLR0912, PLR0915  # straight functions are what numba compiles best
# mypy: disable-error-code="untyped-decorator, return-value, no-any-return, assignment"
# mypy: disable-error-code="comparison-overlap"

from __future__ import annotations

import numpy as np
from numba import njit  # noqa: TID253  # this module is imported inside functions only

__all__ = ["count", "take"]

_LARGEST_EXACT = 1 << 24


@njit(cache=True, nogil=True)
def _u16(data: np.ndarray, at: int) -> int:
    return (np.int64(data[np.uint64(at)]) << 8) | np.int64(data[np.uint64(at + 1)])


@njit(cache=True, nogil=True)
def _u32(data: np.ndarray, at: int) -> int:
    return (_u16(data, at) << 16) | _u16(data, at + 2)


@njit(cache=True, nogil=True)
def _signed(value: int) -> int:
    signed = value - 65536 if value > 32767 else value
    return value if signed < -5000 else signed


@njit(cache=True, nogil=True)
def count(
    data: np.ndarray,
    at: np.ndarray,
    sizes: np.ndarray,
    vertex_start: np.ndarray,
    roi_start: np.ndarray,
) -> int:
    """Fill the first vertex and the first loop of each record, (n + 1,) both.

    Returns the largest bound, or -1 when a record is too small for what it announces. Sums are
    never above a fourth of the bytes there are, however hostile these are.
    """
    vertices = loops = largest = np.int64(0)
    for i in range(len(at)):
        vertex_start[i] = vertices
        roi_start[i] = loops
        size = sizes[i]
        if size < 128 or at[i] < 0 or size > len(data) - at[i]:
            return -1
        p = at[i]
        for k in (8, 10, 12, 14):
            largest = max(largest, abs(_signed(_u16(data, p + k))))
        n = _u16(data, p + 16)
        numbers = _u32(data, p + 36)
        if n:
            if 4 * n > size - 128:
                return -1
            vertices += n
            loops += 1
        elif numbers:
            if 4 * numbers > size - 128:
                return -1
            k = 0
            while k < numbers:
                code = _u32(data, p + 64 + 4 * k)
                if code == 0x40800000:  # 4.0, close
                    k += 1
                    continue
                if code == 0:  # move
                    loops += 1
                vertices += 1
                k += 3
        else:
            vertices += 4
            loops += 1
    vertex_start[len(at)] = vertices
    roi_start[len(at)] = loops
    return largest


@njit(cache=True, nogil=True)
def _whole(real: np.ndarray, bits: np.ndarray, value: int) -> int:
    """Return the whole number that the bits of a float are, else 2^40."""
    bits[0] = value
    number = real[0]
    # a negative zero is not what we write
    if not abs(number) < _LARGEST_EXACT or value == 0x80000000:
        return 1 << 40
    whole = np.int64(number)
    return whole if np.float32(whole) == number else 1 << 40


@njit(cache=True, nogil=True)
def _points(
    data: np.ndarray,
    p: int,
    n: int,
    real: bool,
    box: tuple[int, int, int, int],
    x: np.ndarray,
    y: np.ndarray,
    first: int,
    number: np.ndarray,
    bits: np.ndarray,
) -> bool:
    """Whether `n` vertices are as we write them: whole, and their box the header's."""
    left, top, right, bottom = box
    xs = p
    ys = xs + 2 * n
    floats = ys + 2 * n
    # 32 bits: twice as many at a time
    low_x = low_y = np.int32(1 << 20)
    high_x = high_y = np.int32(-1)
    for j in range(n):
        vx = np.int32(_u16(data, xs + 2 * j))
        low_x = min(low_x, vx)
        high_x = max(high_x, vx)
        x[np.uint64(first + j)] = np.int32(left + vx)
    for j in range(n):
        vy = np.int32(_u16(data, ys + 2 * j))
        low_y = min(low_y, vy)
        high_y = max(high_y, vy)
        y[np.uint64(first + j)] = np.int32(top + vy)
    if real:
        for j in range(n):
            if _whole(number, bits, _u32(data, floats + 4 * j)) != left + _u16(data, xs + 2 * j):
                return False
            vy = _u32(data, floats + 4 * (n + j))
            if _whole(number, bits, vy) != top + _u16(data, ys + 2 * j):
                return False
    return low_x == 0 and low_y == 0 and high_x == right - left and high_y == bottom - top


@njit(cache=True, nogil=True)
def _path(
    data: np.ndarray,
    p: int,
    n: int,
    box: tuple[int, int, int, int],
    x: np.ndarray,
    y: np.ndarray,
    first: int,
    loop_start: np.ndarray,
    loop_size: np.ndarray,
    loop: int,
    number: np.ndarray,
    bits: np.ndarray,
) -> bool:
    """Whether a path of `n` numbers is closed loops of whole vertices in the header's box.

    Vertices go to `x`, `y` from `first` on, loops to `loop_start`, `loop_size` from `loop` on.
    """
    low_x = low_y = np.int64(1) << 40
    high_x = high_y = -low_x
    v = begun = np.int64(first)
    first_loop = loop
    inside = False
    k = 0
    while k < n:
        code = _u32(data, p + 4 * k)
        if code == 0x40800000 and inside:  # 4.0, close
            inside = False
            loop_size[loop] = v - begun
            loop += 1
            k += 1
            continue
        if code == 0 and not inside:  # move
            inside = True
            begun = v
            loop_start[loop] = v
        elif code != 0x3F800000 or not inside:  # 1.0, line
            return False
        if k + 3 > n:
            return False
        vx = _whole(number, bits, _u32(data, p + 4 * k + 4))
        vy = _whole(number, bits, _u32(data, p + 4 * k + 8))
        low_x = min(low_x, vx)
        high_x = max(high_x, vx)
        low_y = min(low_y, vy)
        high_y = max(high_y, vy)
        x[v] = vx
        y[v] = vy
        v += 1
        k += 3
    return not inside and loop > first_loop and (low_x, low_y, high_x, high_y) == box


@njit(cache=True, nogil=True)
def _any(data: np.ndarray, start: int, size: int) -> int:
    """Return `size` bytes or-ed together."""
    out = np.int64(0)
    for k in range(size):  # with a fixed size: no loop is left of it
        out |= data[np.uint64(start + k)]
    return out


@njit(cache=True, nogil=True)
def take(
    data: np.ndarray,
    at: np.ndarray,
    sizes: np.ndarray,
    letters: np.ndarray,
    name_start: np.ndarray,
    vertex_start: np.ndarray,
    roi_start: np.ndarray,
    x: np.ndarray,
    y: np.ndarray,
    loop_start: np.ndarray,
    loop_size: np.ndarray,
    kinds: np.ndarray,
    positions: np.ndarray,
    first: int,
    last: int,
) -> bool:
    """Whether the records `first` to `last` are exactly as we write outlines.

    Fills the flat arrays of `Outlines`. vertex_start, roi_start: from `count`. letters: the names
    that the records must hold, each with a NUL behind it; name_start (n + 1,).
    """
    number = np.zeros(1, np.float32)
    bits = number.view(np.uint32)
    for i in range(first, last):
        size = sizes[i]
        p = at[i]
        if _u32(data, p) != 0x496F7574 or _u16(data, p + 4) != 228 or data[p + 7] != 0:
            return False
        if _any(data, p + 18, 18) | _any(data, p + 40, 10) | _any(data, p + 52, 4):
            return False
        left, top = _signed(_u16(data, p + 10)), _signed(_u16(data, p + 8))
        right, bottom = _signed(_u16(data, p + 14)), _signed(_u16(data, p + 12))
        if min(right - left, bottom - top) < 0:
            return False
        if max(right - left, bottom - top, left, top) > 60000:
            return False
        box = (left, top, right, bottom)
        code = data[p + 6]
        options = _u16(data, p + 50)
        n = _u16(data, p + 16)
        numbers = _u32(data, p + 36)
        if code == 8 and options == 0 and numbers == 0 and n > 0:
            kind, body = 0, 4 * n
        elif code == 1 and options == 0 and n == 0 and numbers > 0:
            kind, body = 1, 4 * numbers
        elif code == 0 and options == 128 and numbers == 0 and n > 0:
            kind, body = 2, 12 * n
        elif code == 7 and options == 128 and numbers == 0 and n > 0:
            kind, body = 4, 12 * n
        elif code == 1 and options == 0 and n == 0 and numbers == 0:
            kind, body = 3, 0
        else:
            return False
        letter = name_start[i]
        length = name_start[i + 1] - 1 - letter
        if length == 0 or _u32(data, p + 60) != 64 + body or size != 128 + body + 2 * length:
            return False
        q = p + 64 + body
        if _any(data, q, 4) or _any(data, q + 24, 40):
            return False
        if _u32(data, q + 16) != 128 + body or _u32(data, q + 20) != length:
            return False
        differs = np.int64(0)
        for j in range(length):
            differs |= _u16(data, q + 64 + 2 * j) ^ letters[np.uint64(letter + j)]
        if differs:
            return False
        positions[i, 0] = _u32(data, q + 4)
        positions[i, 1] = _u32(data, q + 8)
        positions[i, 2] = _u32(data, q + 12)
        positions[i, 3] = _u32(data, p + 56)
        if (data[p + 56] | data[q + 4] | data[q + 8] | data[q + 12]) > 127:
            return False
        kinds[i] = kind
        a = vertex_start[i]
        loop = roi_start[i]
        if kind == 1:
            if not _path(data, p + 64, numbers, box, x, y, a, loop_start, loop_size, loop,
                         number, bits):  # fmt: skip
                return False
            continue
        loop_start[loop] = a
        loop_size[loop] = vertex_start[i + 1] - a
        if kind == 3:
            for j in range(4):
                x[a + j] = left if j in (0, 3) else right
                y[a + j] = top if j < 2 else bottom
        elif not _points(data, p + 64, n, kind != 0, box, x, y, a, number, bits):
            return False
    return True
