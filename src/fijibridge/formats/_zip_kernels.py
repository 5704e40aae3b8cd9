"""Loops over thousands of zip entries, compiled. Imported only for large archives."""
# mypy: disable-error-code="untyped-decorator, assignment"

from __future__ import annotations

import functools

import numpy as np
from numba import njit  # noqa: TID253  # this module is imported inside functions only

__all__ = ["crc32", "crc32_table", "place_rows", "weave"]


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
def crc32(
    data: np.ndarray, at: np.ndarray, sizes: np.ndarray, table: np.ndarray, out: np.ndarray
) -> None:
    """Fill `out` with the CRC-32 of each ``data[at : at + size]``, 16 bytes a step."""
    for i in range(len(at)):
        p = at[i]
        end = p + sizes[i]
        c = np.uint32(0xFFFFFFFF)
        while p + 16 <= end:
            c = (
                table[15, data[p] ^ (c & 255)]
                ^ table[14, data[p + 1] ^ ((c >> 8) & 255)]
                ^ table[13, data[p + 2] ^ ((c >> 16) & 255)]
                ^ table[12, data[p + 3] ^ (c >> 24)]
                ^ table[11, data[p + 4]]
                ^ table[10, data[p + 5]]
                ^ table[9, data[p + 6]]
                ^ table[8, data[p + 7]]
                ^ table[7, data[p + 8]]
                ^ table[6, data[p + 9]]
                ^ table[5, data[p + 10]]
                ^ table[4, data[p + 11]]
                ^ table[3, data[p + 12]]
                ^ table[2, data[p + 13]]
                ^ table[1, data[p + 14]]
                ^ table[0, data[p + 15]]
            )
            p += 16
        while p < end:
            c = (c >> 8) ^ table[0, (c ^ data[p]) & 255]
            p += 1
        out[i] = np.int64(c ^ np.uint32(0xFFFFFFFF))
