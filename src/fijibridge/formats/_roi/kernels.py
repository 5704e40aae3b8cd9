"""Loops that make thousands of ROI records, compiled. Imported only for large sets.

The layout of a record is in `layout`; `bulk` calls these with arrays that fit.
Forms of a record: 0 whole vertices, 1 sub-pixel vertices, 2 path, 3 bounds, 4 sub-pixel bounds.
"""
# ruff: noqa: C901, PLR0912, PLR0915  # straight functions are what numba compiles best
# mypy: disable-error-code="untyped-decorator, return-value, no-any-return, assignment"

from __future__ import annotations

import numpy as np
from numba import njit  # noqa: TID253  # this module is imported inside functions only

__all__ = ["assemble", "measure"]


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
