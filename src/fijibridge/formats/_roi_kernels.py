"""Loops over thousands of ROI records, compiled. Imported only for large sets.

The layout of a record is in `_roi_layout`; `_roi_bulk` calls these with arrays that fit.
Forms of a record: 0 whole vertices, 1 sub-pixel vertices, 2 path, 3 bounds, 4 sub-pixel bounds.
"""
# ruff: noqa: C901, PLR0911, PLR0912, PLR0915, SIM110  # straight functions are what numba compiles best
# mypy: disable-error-code="untyped-decorator, return-value, no-any-return, assignment"

from __future__ import annotations

import numpy as np
from numba import njit  # noqa: TID253  # this module is imported inside functions only

__all__ = ["assemble", "extract", "measure", "survey"]

_LARGEST_EXACT = 1 << 24


@njit(cache=True, nogil=True)
def _u16(data: np.ndarray, at: int) -> int:
    return (np.int64(data[at]) << 8) | np.int64(data[at + 1])


@njit(cache=True, nogil=True)
def _u32(data: np.ndarray, at: int) -> int:
    return (_u16(data, at) << 16) | _u16(data, at + 2)


@njit(cache=True, nogil=True)
def _put16(out: np.ndarray, at: int, value: int) -> None:
    out[at] = (value >> 8) & 255
    out[at + 1] = value & 255


@njit(cache=True, nogil=True)
def _put32(out: np.ndarray, at: int, value: int) -> None:
    out[at] = (value >> 24) & 255
    out[at + 1] = (value >> 16) & 255
    out[at + 2] = (value >> 8) & 255
    out[at + 3] = value & 255


@njit(cache=True, nogil=True)
def _is_zero(data: np.ndarray, start: int, stop: int) -> bool:
    for p in range(start, stop):
        if data[p] != 0:
            return False
    return True


@njit(cache=True, nogil=True)
def measure(
    x: np.ndarray,
    y: np.ndarray,
    loop_start: np.ndarray,
    loop_size: np.ndarray,
    roi_start: np.ndarray,
    boxes: np.ndarray,
    counts: np.ndarray,
) -> None:
    """Fill boxes (n, 4: left, top, right, bottom) and counts (n, 2: vertices, loops with any)."""
    for i in range(len(roi_start) - 1):
        left = top = np.int64(1) << 40
        right = bottom = -left
        vertices = loops = 0
        for k in range(roi_start[i], roi_start[i + 1]):
            a = loop_start[k]
            b = a + loop_size[k]
            if b > a:
                loops += 1
                vertices += b - a
            for j in range(a, b):
                left = min(left, np.int64(x[j]))
                right = max(right, np.int64(x[j]))
                top = min(top, np.int64(y[j]))
                bottom = max(bottom, np.int64(y[j]))
        if vertices == 0:
            left = top = right = bottom = 0
        boxes[i, 0] = left
        boxes[i, 1] = top
        boxes[i, 2] = right
        boxes[i, 3] = bottom
        counts[i, 0] = vertices
        counts[i, 1] = loops


@njit(cache=True, nogil=True)
def assemble(
    out: np.ndarray,
    at: np.ndarray,
    x: np.ndarray,
    y: np.ndarray,
    loop_start: np.ndarray,
    loop_size: np.ndarray,
    roi_start: np.ndarray,
    boxes: np.ndarray,
    counts: np.ndarray,
    forms: np.ndarray,
    types: np.ndarray,
    bodies: np.ndarray,
    positions: np.ndarray,
    names: np.ndarray,
    name_start: np.ndarray,
    entries: np.ndarray,
    entry_start: np.ndarray,
) -> None:
    """Write each entry's name and, from `at` on, its record into `out`, which is all zeros.

    names, entries: uint8, UTF-16 and file names one after the other; *_start (n + 1,).
    """
    real = np.zeros(1, np.float32)
    bits = real.view(np.uint32)
    for i in range(len(at)):
        p = at[i]
        size = entry_start[i + 1] - entry_start[i]
        for j in range(size):
            out[p - size + j] = entries[entry_start[i] + j]
        form = forms[i]
        left, top, right, bottom = boxes[i, 0], boxes[i, 1], boxes[i, 2], boxes[i, 3]
        out[p] = 73
        out[p + 1] = 111
        out[p + 2] = 117
        out[p + 3] = 116
        out[p + 5] = 228
        out[p + 6] = types[i]
        _put16(out, p + 8, top)
        _put16(out, p + 10, left)
        _put16(out, p + 12, bottom)
        _put16(out, p + 14, right)
        if form in (1, 4):
            out[p + 51] = 128
        _put32(out, p + 56, positions[i, 3])
        second = 64 + bodies[i]
        _put32(out, p + 60, second)
        n = counts[i, 0]
        if form <= 1:
            _put16(out, p + 16, n)
            xs = p + 64
            ys = xs + 2 * n
            floats = ys + 2 * n
            for k in range(roi_start[i], roi_start[i + 1]):
                for j in range(loop_start[k], loop_start[k] + loop_size[k]):
                    _put16(out, xs, np.int64(x[j]) - left)
                    _put16(out, ys, np.int64(y[j]) - top)
                    xs += 2
                    ys += 2
                    if form == 1:
                        real[0] = x[j]
                        _put32(out, floats, np.int64(bits[0]))
                        real[0] = y[j]
                        _put32(out, floats + 4 * n, np.int64(bits[0]))
                        floats += 4
        elif form == 2:
            _put32(out, p + 36, bodies[i] // 4)
            q = p + 64
            for k in range(roi_start[i], roi_start[i + 1]):
                a = loop_start[k]
                b = a + loop_size[k]
                for j in range(a, b):
                    if j > a:  # 1.0, a line; 0.0 was a move
                        out[q] = 0x3F
                        out[q + 1] = 0x80
                    real[0] = x[j]
                    _put32(out, q + 4, np.int64(bits[0]))
                    real[0] = y[j]
                    _put32(out, q + 8, np.int64(bits[0]))
                    q += 12
                if b > a:  # 4.0, close
                    out[q] = 0x40
                    out[q + 1] = 0x80
                    q += 4
        elif form == 4:
            real[0] = left
            _put32(out, p + 18, np.int64(bits[0]))
            real[0] = top
            _put32(out, p + 22, np.int64(bits[0]))
            real[0] = right - left
            _put32(out, p + 26, np.int64(bits[0]))
            real[0] = bottom - top
            _put32(out, p + 30, np.int64(bits[0]))
        q = p + second
        _put32(out, q + 4, positions[i, 0])
        _put32(out, q + 8, positions[i, 1])
        _put32(out, q + 12, positions[i, 2])
        length = name_start[i + 1] - name_start[i]
        if length:
            _put32(out, q + 16, second + 64)
            _put32(out, q + 20, length // 2)
            for j in range(length):
                out[q + 64 + j] = names[name_start[i] + j]


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
def _survey_points(
    data: np.ndarray, p: int, n: int, box: np.ndarray, real: np.ndarray, bits: np.ndarray, form: int
) -> bool:
    """Whether `n` vertices are as we write them: whole, and their box the header's."""
    left, top, right, bottom = box
    low_x = low_y = np.int64(1) << 20
    high_x = high_y = np.int64(-1)
    xs = p + 64
    ys = xs + 2 * n
    floats = ys + 2 * n
    for j in range(n):
        vx = _u16(data, xs + 2 * j)
        vy = _u16(data, ys + 2 * j)
        low_x = min(low_x, vx)
        high_x = max(high_x, vx)
        low_y = min(low_y, vy)
        high_y = max(high_y, vy)
        if form == 1:
            if _whole(real, bits, _u32(data, floats + 4 * j)) != left + vx:
                return False
            if _whole(real, bits, _u32(data, floats + 4 * (n + j))) != top + vy:
                return False
    return low_x == 0 and low_y == 0 and high_x == right - left and high_y == bottom - top


@njit(cache=True, nogil=True)
def _survey_path(
    data: np.ndarray,
    p: int,
    n: int,
    box: np.ndarray,
    real: np.ndarray,
    bits: np.ndarray,
    counts: np.ndarray,
) -> bool:
    """Whether a path of `n` numbers is closed loops of whole vertices in the header's box."""
    low_x = low_y = np.int64(1) << 40
    high_x = high_y = -low_x
    vertices = loops = 0
    inside = False
    k = 0
    while k < n:
        code = _u32(data, p + 64 + 4 * k)
        if code == 0x40800000 and inside:  # 4.0, close
            inside = False
            k += 1
            continue
        if code == 0 and not inside:  # move
            inside = True
            loops += 1
        elif code != 0x3F800000 or not inside:  # 1.0, line
            return False
        if k + 3 > n:
            return False
        vx = _whole(real, bits, _u32(data, p + 68 + 4 * k))
        vy = _whole(real, bits, _u32(data, p + 72 + 4 * k))
        low_x = min(low_x, vx)
        high_x = max(high_x, vx)
        low_y = min(low_y, vy)
        high_y = max(high_y, vy)
        vertices += 1
        k += 3
    counts[0] = vertices
    counts[1] = loops
    return (
        not inside
        and loops > 0
        and low_x == box[0]
        and low_y == box[1]
        and high_x == box[2]
        and high_y == box[3]
    )


@njit(cache=True, nogil=True)
def _signed(value: int) -> int:
    signed = value - 65536 if value > 32767 else value
    return value if signed < -5000 else signed


@njit(cache=True, nogil=True)
def _survey_one(
    data: np.ndarray,
    p: int,
    size: int,
    box: np.ndarray,
    counts: np.ndarray,
    real: np.ndarray,
    bits: np.ndarray,
) -> int:
    """Return the outline kind of a record that is exactly as we write it, else -1."""
    if size < 128 or _u32(data, p) != 0x496F7574 or _u16(data, p + 4) != 228 or data[p + 7] != 0:
        return -1
    code = data[p + 6]
    options = _u16(data, p + 50)
    n = _u16(data, p + 16)
    numbers = _u32(data, p + 36)
    if not (
        _is_zero(data, p + 18, p + 36)
        and _is_zero(data, p + 40, p + 50)
        and _is_zero(data, p + 52, p + 56)
    ):
        return -1
    box[0] = _signed(_u16(data, p + 10))
    box[1] = _signed(_u16(data, p + 8))
    box[2] = _signed(_u16(data, p + 14))
    box[3] = _signed(_u16(data, p + 12))
    wide = max(box[2] - box[0], box[3] - box[1])
    if min(box[2] - box[0], box[3] - box[1]) < 0 or max(wide, box[0], box[1]) > 60000:
        return -1
    second = _u32(data, p + 60)
    kind = -1
    body = np.int64(0)
    counts[0] = n
    counts[1] = 1
    if code == 8 and options == 0 and numbers == 0 and n > 0:
        kind, body = 0, 4 * n
    elif code == 1 and options == 0 and n == 0 and 0 < numbers < 1 << 29:
        kind, body = 1, 4 * numbers
    elif code in (0, 7) and options == 128 and numbers == 0 and n > 0:
        kind, body = (2 if code == 0 else 4), 12 * n
    elif code == 1 and options == 0 and n == 0 and numbers == 0:
        kind = 3
        counts[0] = 4
    if kind < 0 or second != 64 + body or size < second + 64:
        return -1
    q = p + second
    length = _u32(data, q + 20)
    if (
        not _is_zero(data, q, q + 4)
        or not _is_zero(data, q + 24, q + 64)
        or length == 0
        or _u32(data, q + 16) != second + 64
        or size != second + 64 + 2 * length
    ):
        return -1
    if max(_u32(data, p + 56), _u32(data, q + 4), _u32(data, q + 8), _u32(data, q + 12)) >= 1 << 31:
        return -1
    if kind == 1:
        good = _survey_path(data, p, numbers, box, real, bits, counts)
    elif kind == 3:
        good = True
    else:
        good = _survey_points(data, p, n, box, real, bits, 1 if kind in (2, 4) else 0)
    return kind if good else -1


@njit(cache=True, nogil=True)
def survey(
    data: np.ndarray,
    at: np.ndarray,
    sizes: np.ndarray,
    names: np.ndarray,
    name_start: np.ndarray,
    kinds: np.ndarray,
    counts: np.ndarray,
    boxes: np.ndarray,
) -> bool:
    """Whether all records are exactly as we write outlines; fills kinds, counts and boxes.

    names: uint8, the ASCII names that the records must hold; name_start (n + 1,).
    """
    real = np.zeros(1, np.float32)
    bits = real.view(np.uint32)
    for i in range(len(at)):
        p = at[i]
        kind = _survey_one(data, p, sizes[i], boxes[i], counts[i], real, bits)
        length = name_start[i + 1] - name_start[i]
        if kind < 0 or _u32(data, p + _u32(data, p + 60) + 20) != length:
            return False
        q = p + sizes[i] - 2 * length
        for j in range(length):
            if data[q + 2 * j] != 0 or data[q + 2 * j + 1] != names[name_start[i] + j]:
                return False
        kinds[i] = kind
    return True


@njit(cache=True, nogil=True)
def extract(
    data: np.ndarray,
    at: np.ndarray,
    kinds: np.ndarray,
    counts: np.ndarray,
    boxes: np.ndarray,
    x: np.ndarray,
    y: np.ndarray,
    loop_start: np.ndarray,
    loop_size: np.ndarray,
    positions: np.ndarray,
) -> None:
    """Fill the flat arrays of `Outlines` from records that `survey` accepted."""
    real = np.zeros(1, np.float32)
    bits = real.view(np.uint32)
    v = np.int64(0)
    loop = np.int64(0)
    for i in range(len(at)):
        p = at[i]
        left, top = boxes[i, 0], boxes[i, 1]
        q = p + _u32(data, p + 60)
        positions[i, 0] = _u32(data, q + 4)
        positions[i, 1] = _u32(data, q + 8)
        positions[i, 2] = _u32(data, q + 12)
        positions[i, 3] = _u32(data, p + 56)
        if kinds[i] == 1:
            r = p + 64
            for _ in range(counts[i, 1]):
                loop_start[loop] = v
                while _u32(data, r) != 0x40800000:
                    x[v] = _whole(real, bits, _u32(data, r + 4))
                    y[v] = _whole(real, bits, _u32(data, r + 8))
                    v += 1
                    r += 12
                r += 4
                loop_size[loop] = v - loop_start[loop]
                loop += 1
            continue
        loop_start[loop] = v
        n = counts[i, 0]
        loop_size[loop] = n
        loop += 1
        if kinds[i] == 3:
            for j in range(4):
                x[v + j] = left if j in (0, 3) else boxes[i, 2]
                y[v + j] = top if j < 2 else boxes[i, 3]
        else:
            xs = p + 64
            ys = xs + 2 * n
            for j in range(n):
                x[v + j] = left + _u16(data, xs + 2 * j)
                y[v + j] = top + _u16(data, ys + 2 * j)
        v += n
