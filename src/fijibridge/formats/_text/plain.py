"""Large tables of plain numbers, read in one go; everything else is read cell by cell.

The first and last lines are read as any table is; where they hold numbers only, the lines between
are given to the compiled reader. What it finds must say the same about how numbers are printed.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

import numpy as np

__all__ = ["PlainNumbers", "plain_numbers", "sample_of"]

#: Smaller tables are read before the compiled reader is loaded; less is worth it once it is.
_SMALL, _SMALL_AT_FIRST = 1 << 18, 1 << 23
_HEAD, _TAIL = 300, 250
_HARD = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainNumbers:
    """The body of a table.

    Parameters
    ----------
    columns
        One a column: int64 when all cells are whole, else float64.
    printed
        Per column how numbers are printed: fewest and most decimals, and what there is.
    """

    columns: list[np.ndarray]
    printed: list[tuple[int, int, int]]

    @property
    def is_mixed(self) -> bool:
        """Whether a column has different decimals, or powers: no style of ImageJ's."""
        from fijibridge.formats._text.number_kernels import SMALL_E

        return any(low != high or bits & SMALL_E for low, high, bits in self.printed)


def sample_of(data: bytes) -> bytes | None:
    """Return the first and last lines of a large table, or None."""
    if len(data) < (_SMALL if "numba" in sys.modules else _SMALL_AT_FIRST):
        return None
    head = _nth_line(data, _HEAD)
    tail = len(data)
    for _ in range(_TAIL):
        tail = data.rfind(b"\n", 0, tail)
        if tail <= head:
            return None
    return data[:head] + data[tail + 1 :]


def _nth_line(data: bytes, count: int) -> int:
    at = 0
    for _ in range(count):
        at = data.find(b"\n", at) + 1
        if at == 0:
            return len(data)
    return at


def plain_numbers(data: bytes, separator: str, width: int) -> PlainNumbers | None:
    """Read all lines below the first one; None when there is anything but plain numbers.

    Parameters
    ----------
    data
        The whole file.
    separator
        One character.
    width
        Cells of a line.
    """
    from fijibridge.formats._text import number_kernels as kernels

    begin = data.find(b"\n") + 1
    rows = data.count(b"\n", begin) + (not data.endswith(b"\n"))
    out = np.empty((width, rows))
    places = np.full((width, 2), -1, np.int64)
    has = np.zeros(width, np.int64)
    hard = np.empty((_HARD, 4), np.int64)
    raw = np.frombuffer(data, np.uint8)
    found, odd = kernels.read_numbers(raw, begin, ord(separator), out, places, has, hard)
    if found != rows:
        return None
    for column, row, start, stop in hard[:odd].tolist():
        out[column, row] = float(data[start:stop])
    if (has == kernels.MISSING).any():
        return None  # nothing in a column says that it holds numbers
    columns = [
        out[i].astype(np.int64) if bits == kernels.BARE else out[i]
        for i, bits in enumerate(has.tolist())
    ]
    printed = [(*places[i].tolist(), int(has[i])) for i in range(width)]
    return PlainNumbers(columns=columns, printed=printed)
