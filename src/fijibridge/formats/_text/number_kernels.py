"""Plain numbers in bytes to doubles, as exactly as Python reads them.

A number is its digits, a whole number, times a power of ten. Up to 19 digits and powers up to 22
both are exact in two doubles, and so is their product or quotient but for a part far below the last
place; where even that part could decide, and for all other numbers, Python reads the cell.
"""

# numba's decorator has no types
# mypy: disallow-untyped-decorators=False, warn-return-any=False
# ruff: noqa: C901, PLR0911, PLR0912, PLR0915  # straight functions are what numba compiles

from __future__ import annotations

import numba as nb  # noqa: TID253  # this module is imported where a large table is read
import numpy as np

from fijibridge.formats._text.kernels import _two_product

__all__ = ["BARE", "FRACTION", "MINUS_ZERO", "MISSING", "SMALL_E", "read_numbers"]

#: What a column has: cells with a point, without one, ``-0``, no number, an ``e``.
FRACTION, BARE, MINUS_ZERO, MISSING, SMALL_E = 1, 2, 4, 8, 16
_POW10 = np.array([10.0**i for i in range(23)])
_LIMIT = np.uint64(1844674407370955160)  # one more digit fits below


@nb.njit(cache=True, nogil=True, inline="always")
def _exact(digits: int, power: int) -> float:
    """Return digits * 10**power rounded once; NaN where this cannot be told."""
    if power == 0 and digits < 9007199254740992:
        return float(digits)
    if power < -22 or power > 22:
        return np.nan
    hi = float(digits)
    if digits < 9007199254740992:
        return hi / _POW10[-power] if power < 0 else hi * _POW10[power]
    half = np.uint64(hi) if hi < 1.8446744073709552e19 else np.uint64(0)
    if half == 0:
        return np.nan
    low = float(np.int64(digits - half))
    p = _POW10[abs(power)]
    if power < 0:
        q = hi / p
        back, err = _two_product(q, p)
        rest = ((hi - back) - err + low) / p
    else:
        q, err = _two_product(hi, p)
        rest = err + low * p
    total = q + rest
    tail = rest - (total - q)
    slack = abs(total) * 2.0**-98
    return total if total + (tail + slack) == total + (tail - slack) == total else np.nan


@nb.njit(cache=True, nogil=True)
def read_numbers(
    data: np.ndarray,
    begin: int,
    separator: int,
    out: np.ndarray,
    places: np.ndarray,
    has: np.ndarray,
    hard: np.ndarray,
) -> tuple[int, int]:
    """Read lines of numbers; return (rows, cells in `hard`), rows -1 where a cell is none.

    Parameters
    ----------
    data
        (n,) bytes; the lines stand from `begin`.
    separator
        Code of the separator.
    out
        (columns, rows) values; cells that Python must read are left out.
    places
        (columns, 2) fewest and most decimals of cells with a point, to start with -1, -1.
    has
        (columns,) what there is in a column.
    hard
        (m, 4) column, row, start and stop in `data` of cells that Python must read.
    """
    width, most = out.shape
    n = len(data)
    i, row, column, odd = begin, 0, 0, 0
    while i < n:
        if row >= most:
            return -1, odd
        start = i
        negative = False
        if data[i] == 45 or data[i] == 43:
            negative = data[i] == 45
            i += 1
        digits, count, point, bad = np.uint64(0), 0, -1, False
        first = i
        while i < n:
            c = data[i]
            if 48 <= c <= 57:
                if digits <= _LIMIT:
                    digits = digits * np.uint64(10) + np.uint64(c - 48)
                else:
                    bad = True
                count += 1
            elif c == 46 and point < 0:
                point = i
            else:
                break
            i += 1
        stop = i
        power = 0
        seen = 0
        if count == 0:
            if point >= 0:
                return -1, odd
            if first == start and i + 2 < n and (data[i] | 32) == 110:
                if (data[i + 1] | 32) != 97 or (data[i + 2] | 32) != 110:
                    return -1, odd
                i += 3
            elif first != start:
                return -1, odd
            seen = 8
        else:
            if point >= 0:
                power = -(stop - point - 1)
                seen = 1
            else:
                seen = 2
                if bad or count > 15:
                    return -1, odd  # whole numbers that a double cannot hold
                if negative and digits == 0:
                    seen |= 4
            if i < n and data[i] == 101:  # e; ImageJ's E is read elsewhere
                i += 1
                seen |= 16
                down = False
                if i < n and (data[i] == 45 or data[i] == 43):
                    down = data[i] == 45
                    i += 1
                exponent, length = 0, 0
                while i < n and 48 <= data[i] <= 57:
                    exponent = min(exponent * 10 + int(data[i]) - 48, 100000)
                    length += 1
                    i += 1
                if length == 0:
                    return -1, odd
                power += -exponent if down else exponent
            elif point >= 0:
                if places[column, 0] < 0 or -power < places[column, 0]:
                    places[column, 0] = -power
                places[column, 1] = max(places[column, 1], -power)
        has[column] |= seen
        if seen == 8:
            out[column, row] = np.nan
        else:
            value = np.nan if bad else _exact(digits, power)
            if value != value:  # noqa: PLR0124
                if odd >= len(hard):
                    return -1, odd
                hard[odd, 0], hard[odd, 1] = column, row
                hard[odd, 2], hard[odd, 3] = start, i
                odd += 1
            else:
                out[column, row] = -value if negative else value
        column += 1
        if i < n and data[i] == separator:
            if column == width:
                return -1, odd
            i += 1
            if i == n:
                return -1, odd
            continue
        if column != width:
            return -1, odd
        if i < n and data[i] == 13:
            i += 1
        if i < n:
            if data[i] != 10:
                return -1, odd
            i += 1
        row += 1
        column = 0
    return row, odd
