"""Tables to text, millions of cells a second; the rules are in `imagej_numbers`.

Rounding is exact: the product of a value and a power of ten is kept as the sum of two doubles, so
a half is recognised as one and everything else falls on its right side.
"""

# numba's decorator has no types
# mypy: disallow-untyped-decorators=False, warn-return-any=False
# ruff: noqa: PLR0124

from __future__ import annotations

import numba as nb  # noqa: TID253  # this module is imported where a large table is written
import numpy as np

__all__ = ["AUTO", "TEXT", "fits", "render"]

AUTO = -128
#: In place of decimal places: the column is text.
TEXT = -100
_POW10 = np.array([10.0**i for i in range(23)])
_NEWLINE, _MINUS, _DOT, _ZERO, _EXP = 10, 45, 46, 48, 69
_LARGEST_PLAIN = 999999999999.0


@nb.njit(cache=True, nogil=True, inline="always")
def _two_product(a: float, b: float) -> tuple[float, float]:
    """Return the rounded product and its rounding error (Dekker)."""
    p = a * b
    t = 134217729.0 * a
    ah = t - (t - a)
    al = a - ah
    t = 134217729.0 * b
    bh = t - (t - b)
    bl = b - bh
    return p, ((ah * bh - p) + ah * bl + al * bh) + al * bl


@nb.njit(cache=True, nogil=True, inline="always")
def _round(y: float, err: float, half_up: bool) -> int:
    """Return y + err rounded; y is below 2^52 and err smaller than half its last place."""
    n = int(y)
    f = y - n
    if f > 0.5 or (f == 0.5 and (err > 0 or (err == 0 and (half_up or n % 2 == 1)))):
        n += 1
    return n


@nb.njit(cache=True, nogil=True, inline="always")
def _put_int(out: np.ndarray, pos: int, n: int) -> int:
    end = pos + 1
    m = n
    while m >= 10:
        m //= 10
        end += 1
    i = end - 1
    while i >= pos:
        q = n // 10
        out[i] = _ZERO + (n - 10 * q)
        n = q
        i -= 1
    return end


@nb.njit(cache=True, nogil=True)
def _put_digits(out: np.ndarray, pos: int, n: int, places: int) -> int:
    """Write n / 10^places."""
    if places == 0:
        return _put_int(out, pos, n)
    t = np.int64(_POW10[places])
    head = n // t
    tail = n - head * t
    pos = _put_int(out, pos, head)
    out[pos] = _DOT
    for i in range(places, 0, -1):
        q = tail // 10
        out[pos + i] = _ZERO + (tail - 10 * q)
        tail = q
    return pos + places + 1


@nb.njit(cache=True, nogil=True)
def _put_scientific(out: np.ndarray, pos: int, size: float, places: int) -> int:
    e = 0
    n = 0
    if size != 0.0:
        e = int(np.floor(np.log10(size)))
        y = err = 0.0
        moved = 0
        for _ in range(3):
            k = places - e
            if k >= 0:
                y, err = _two_product(size, _POW10[k])
            else:
                y = size / _POW10[-k]
                back, low = _two_product(y, _POW10[-k])
                err = (size - back) - low  # the remainder is exact; only its sign counts
            # the logarithm is off by one near powers of ten; beside one, both exponents do
            if y < _POW10[places] and moved <= 0:
                e -= 1
                moved = -1
            elif y >= _POW10[places + 1] and moved >= 0:
                e += 1
                moved = 1
            else:
                break
        # Java rounds halves of whole numbers up, others to even (see imagej_numbers)
        n = _round(y, err, size < 9.2e18 and size == np.floor(size))
        if n >= np.int64(_POW10[places + 1]):
            n //= 10
            e += 1
    pos = _put_digits(out, pos, n, places)
    out[pos] = _EXP
    pos += 1
    if e < 0:
        out[pos] = _MINUS
        pos += 1
        e = -e
    return _put_int(out, pos, e)


@nb.njit(cache=True, nogil=True, inline="always")
def _resolve(v: float, places: int, precision: int) -> int:
    """Return the decimal places of a cell; negative is scientific."""
    if places == AUTO:
        whole = -2147483648.0 <= v <= 2147483647.0 and v == np.trunc(v)
        places = 0 if precision >= 0 and whole else precision
    size = abs(v)
    if places >= 0 and ((size != 0.0 and size < 1.0 / _POW10[places]) or size > _LARGEST_PLAIN):
        places = -3
    return places


@nb.njit(cache=True, nogil=True)
def fits(values: np.ndarray, places: np.ndarray, precision: int) -> np.ndarray:
    """Return for values (columns, rows) whether `render` can print them itself.

    The others (infinite, below 1e-11, or so large that digits and decimals pass 2^52) are
    printed one by one.
    """
    columns, rows = values.shape
    good = np.ones((columns, rows), np.bool_)
    for c in range(columns):
        if places[c] == TEXT:
            continue
        for r in range(rows):
            v = values[c, r]
            if v != v:
                continue
            p = _resolve(v, places[c], precision)
            size = abs(v)
            if p >= 0:
                good[c, r] = size * _POW10[p] < 4503599627370496.0
            else:
                good[c, r] = size == 0.0 or 1e-11 <= size <= 1e21
    return good


@nb.njit(cache=True, nogil=True)
def render(
    values: np.ndarray,
    places: np.ndarray,
    precision: int,
    good: np.ndarray,
    text: np.ndarray,
    offsets: np.ndarray,
    after: np.ndarray,
    delimiter: int,
    number: int,
    out: np.ndarray,
) -> int:
    """Write rows of a table into `out` (uint8, large enough) and return how many bytes it took.

    Parameters
    ----------
    values
        (columns, rows) float64.
    places
        (columns,) decimal places; negative is scientific, or `AUTO` or `TEXT`.
    precision
        Of the table; negative is scientific.
    good
        (columns, rows); where False, or in `TEXT` columns, the cell is the next piece of `text`,
        row by row.
    text, offsets
        Bytes of those cells one after another, and where each begins.
    after
        (columns,) whether a delimiter follows the column.
    delimiter
        A byte.
    number
        Number of the first row, printed in front; 0 is none.
    out
        The bytes.
    """
    columns, rows = values.shape
    pos = 0
    piece = 0
    for r in range(rows):
        if number > 0:
            pos = _put_int(out, pos, number + r)
            out[pos] = delimiter
            pos += 1
        for c in range(columns):
            if places[c] == TEXT or not good[c, r]:
                for i in range(offsets[piece], offsets[piece + 1]):
                    out[pos] = text[i]
                    pos += 1
                piece += 1
            else:
                v = values[c, r]
                if v != v:
                    out[pos] = 78
                    out[pos + 1] = 97
                    out[pos + 2] = 78
                    pos += 3
                else:
                    p = _resolve(v, places[c], precision)
                    if v < 0 or (v == 0.0 and np.copysign(1.0, v) < 0):
                        out[pos] = _MINUS
                        pos += 1
                    size = abs(v)
                    if p < 0:
                        pos = _put_scientific(out, pos, size, -p)
                    else:
                        y, err = _two_product(size, _POW10[p])
                        pos = _put_digits(out, pos, _round(y, err, p == 0), p)
            if after[c]:
                out[pos] = delimiter
                pos += 1
        out[pos] = _NEWLINE
        pos += 1
    return pos
