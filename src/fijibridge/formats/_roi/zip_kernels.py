"""Loops over thousands of zip entries, compiled. Imported only for large archives."""
# ruff: noqa: C901, PLR0911  # straight functions are what numba compiles best
# mypy: disable-error-code="untyped-decorator, assignment, no-any-return, return-value"

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numba import njit  # noqa: TID253  # this module is imported inside functions only

__all__ = ["crc32", "crc32_table", "place_rows", "scan", "strip", "unpack", "weave"]


@njit(cache=True, nogil=True)
def place_rows(out: np.ndarray, at: np.ndarray, rows: np.ndarray) -> None:
    """Copy row i of `rows` (n, bytes) to ``out[at[i]:]``."""
    for i in range(len(at)):
        for j in range(rows.shape[1]):
            out[at[i] + j] = rows[i, j]


@njit(cache=True, nogil=True)
def weave(out: np.ndarray, rows: np.ndarray, texts: np.ndarray, start: np.ndarray) -> None:
    """Write row 0, text 0, row 1, text 1 … into `out`; text i begins at ``start[i]``."""
    p = 0
    for i in range(len(rows)):
        for j in range(rows.shape[1]):
            out[p] = rows[i, j]
            p += 1
        for j in range(start[i], start[i + 1]):
            out[p] = texts[j]
            p += 1


@functools.cache
def crc32_table() -> np.ndarray:
    """Return (16, 256) uint32: the CRC of each byte with 0 to 15 zero bytes behind it."""
    table = np.zeros((16, 256), np.uint32)
    first = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        first = (first >> 1) ^ np.where(first & 1, np.uint32(0xEDB88320), np.uint32(0))
    table[0] = first
    for k in range(1, 16):
        table[k] = (table[k - 1] >> 8) ^ first[table[k - 1] & 255]
    return table


@njit(cache=True, nogil=True)
def _byte(data: np.ndarray, at: int) -> int:
    """Return a byte; an unsigned index is not tested for counting from the end."""
    return np.uint32(data[np.uint64(at)])


@njit(cache=True, nogil=True)
def _crc32_one(data: np.ndarray, begin: int, size: int, table: np.ndarray) -> int:
    c = np.uint32(0xFFFFFFFF)
    p = begin
    end = begin + size
    while p + 16 <= end:
        # what waits for the step before comes last
        rest = (
            table[11, _byte(data, p + 4)]
            ^ table[10, _byte(data, p + 5)]
            ^ table[9, _byte(data, p + 6)]
            ^ table[8, _byte(data, p + 7)]
            ^ table[7, _byte(data, p + 8)]
            ^ table[6, _byte(data, p + 9)]
            ^ table[5, _byte(data, p + 10)]
            ^ table[4, _byte(data, p + 11)]
            ^ table[3, _byte(data, p + 12)]
            ^ table[2, _byte(data, p + 13)]
            ^ table[1, _byte(data, p + 14)]
            ^ table[0, _byte(data, p + 15)]
        )
        one = (
            table[15, _byte(data, p) ^ (c & 255)] ^ table[14, _byte(data, p + 1) ^ ((c >> 8) & 255)]
        )
        two = (
            table[13, _byte(data, p + 2) ^ ((c >> 16) & 255)]
            ^ table[12, _byte(data, p + 3) ^ (c >> 24)]
        )
        c = (one ^ two) ^ rest
        p += 16
    while p < end:
        c = (c >> 8) ^ table[0, (c ^ _byte(data, p)) & 255]
        p += 1
    return np.int64(c ^ np.uint32(0xFFFFFFFF))


@njit(cache=True, nogil=True)
def crc32(
    data: np.ndarray,
    at: np.ndarray,
    sizes: np.ndarray,
    table: np.ndarray,
    out: np.ndarray,
    first: int,
    last: int,
) -> bool:
    """Fill ``out[first:last]`` with the CRC-32 of each ``data[at : at + size]``; return True."""
    for i in range(first, last):
        out[i] = _crc32_one(data, at[i], sizes[i], table)
    return True


@njit(cache=True, nogil=True)
def unpack(
    data: np.ndarray,
    at: np.ndarray,
    packed: np.ndarray,
    method: np.ndarray,
    out: np.ndarray,
    begins: np.ndarray,
    sizes: np.ndarray,
    crc: np.ndarray,
    table: np.ndarray,
    stream: np.ndarray,
    inflate: Any,
    reset: Any,
    first: int,
    last: int,
) -> bool:
    """Whether the entries `first` to `last` are whole and sound; puts them into `out`.

    stream, inflate, reset: from `libz`. A stream that has not exactly the announced bytes in and
    out is not taken; nothing is read or written outside of the arrays.
    """
    for i in range(first, last):
        source, count = at[i], packed[i]
        target, size = begins[i], sizes[i]
        if source < 0 or count < 0 or count > len(data) - source or count >= 1 << 31:
            return False
        if target < 0 or size < 0 or size > len(out) - target or size >= 1 << 31:
            return False
        if method[i] == 0:
            if count != size:
                return False
            out[target : target + size] = data[source : source + size]
        else:
            stream[0] = data.ctypes.data + source
            stream[1] = count
            stream[3] = out.ctypes.data + target
            stream[4] = size
            # 4: all at once; 1: the stream's end was reached
            if inflate(stream.ctypes.data, 4) != 1 or stream[1] != 0 or stream[4] != 0:
                return False
            if reset(stream.ctypes.data) != 0:
                return False
        if _crc32_one(out, target, size, table) != crc[i]:
            return False
    return True


@njit(cache=True, nogil=True)
def _l16(data: np.ndarray, at: int) -> int:
    return np.int64(_byte(data, at)) | (np.int64(_byte(data, at + 1)) << 8)


@njit(cache=True, nogil=True)
def _l32(data: np.ndarray, at: int) -> int:
    return _l16(data, at) | (_l16(data, at + 2) << 16)


@njit(cache=True, nogil=True)
def scan(
    data: np.ndarray,
    start: int,
    size: int,
    count: int,
    shift: int,
    none: int,
    largest_ratio: int,
    fields: np.ndarray,
    letters: np.ndarray,
    name_start: np.ndarray,
) -> bool:
    """Whether a central directory has nothing special in it; fills fields, letters, name_start.

    Special is whatever is wrong, and besides zip64, other methods than stored and deflated, entries
    in another order than their directory, and names that are not plain ASCII. The directory is
    ``data[start : start + size]``; `shift` is added to its offsets, `none` is zip64's mark.
    fields: (5, count) at, packed, unpacked, crc, method. letters: names, each with a NUL behind it.
    """
    p = start
    end = start + size
    free = 0  # where the entry before ends
    w = 0
    for i in range(count):
        if p + 46 > end:
            return False
        flags, method = _l16(data, p + 8), _l16(data, p + 10)
        packed, unpacked, offset = _l32(data, p + 20), _l32(data, p + 24), _l32(data, p + 42)
        if _l32(data, p) != 0x02014B50 or flags & 0x2041 != 0 or method not in (0, 8):
            return False
        if none in (packed, unpacked, offset):
            return False
        crc = _l32(data, p + 16)
        length = _l16(data, p + 28)
        name = p + 46
        p += 46 + length + _l16(data, p + 30) + _l16(data, p + 32)
        offset += shift
        if p > end or offset < free or offset > start - 30:
            return False
        at = offset + 30 + _l16(data, offset + 26) + _l16(data, offset + 28)
        if _l32(data, offset) != 0x04034B50 or packed > start - at:
            return False
        if method == 0 and packed != unpacked:
            return False
        if method == 8 and unpacked > largest_ratio * packed + 64:
            return False
        free = at + packed
        fields[0, i] = at
        fields[1, i] = packed
        fields[2, i] = unpacked
        fields[3, i] = crc
        fields[4, i] = method
        name_start[i] = w
        before = np.uint8(0)
        for j in range(length):
            c = np.uint8(_byte(data, name + j))
            # NUL, not ASCII, backslash, colon, two dots, slash in front
            if c == 0 or c > 127 or c in (92, 58) or (c == 46 == before) or (c == 47 and j == 0):
                return False
            before = c
            letters[np.uint64(w + j)] = c
        w += length
        letters[w] = 0
        w += 1
    name_start[count] = w
    return p + 4 > end or _l32(data, p) != 0x02014B50


@njit(cache=True, nogil=True)
def strip(
    letters: np.ndarray,
    start: np.ndarray,
    suffix: np.ndarray,
    forbidden: np.ndarray,
    out: np.ndarray,
    out_start: np.ndarray,
) -> bool:
    """Whether all names end with `suffix` and none begins with `forbidden`; fills out, out_start.

    letters, out: names, each with a NUL behind it; start, out_start: (n + 1,).
    """
    w = 0
    for i in range(len(start) - 1):
        name = start[i]
        length = start[i + 1] - 1 - name
        rest = length - len(suffix)
        if rest < 0:
            return False
        for j in range(len(suffix)):
            if letters[name + rest + j] != suffix[j]:
                return False
        same = 0
        while same < min(len(forbidden), length) and letters[name + same] == forbidden[same]:
            same += 1
        if same == len(forbidden):
            return False
        out_start[i] = w
        for j in range(rest):
            out[np.uint64(w + j)] = letters[np.uint64(name + j)]
        out[w + rest] = 0
        w += rest + 1
    out_start[len(start) - 1] = w
    return True
