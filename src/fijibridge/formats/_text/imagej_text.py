"""Results tables as ImageJ 1.54p saves them, byte for byte."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from fijibridge.errors import SettingsError
from fijibridge.formats._text.imagej_numbers import cell_text, column_places, table_precision
from fijibridge.model.table import LABEL

if TYPE_CHECKING:
    from fijibridge.model import ResultsTable

__all__ = ["format_imagej"]

#: Below this many cells, starting the compiled writer costs more than it saves.
_FEW_CELLS = 4000
_ROWS_AT_ONCE = 4096
#: No printed number is longer: sign, 12 digits, dot, 9 decimals.
_CELL_BYTES = 24
_TEXT = -100


def format_imagej(table: ResultsTable, delimiter: str) -> bytes:
    r"""Return a table as the bytes that ImageJ's ResultsTable.saveAs writes (UTF-8, ``\n``).

    Parameters
    ----------
    table
        Text columns are str objects. The column ``Label``, when it is text and stands first, is
        ImageJ's row labels. `table.style` gives decimals and row numbers.
    delimiter
        ``","`` (.csv: cells with a comma and empty ones are quoted, inner quotes stay as they
        are; commas of row labels become semicolons) or ``"\t"`` (everything else, no quotes).

    Returns
    -------
    bytes
        Nothing at all for a table without columns, or a measured one (with row numbers) without
        rows: ImageJ makes columns with the first row.

    Examples
    --------
    >>> from fijibridge.model import ResultsTable
    >>> format_imagej(ResultsTable({"Area": np.array([3.0, 4.5]), "Ch": np.array([1, 2])}), ",")
    b'Area,Ch\n3.000,1\n4.500,2\n'

    Source: ij/measure/ResultsTable.java saveAs, getRowAsString, getColumnHeadings.
    """
    if delimiter not in (",", "\t"):
        raise SettingsError(f"ImageJ tables are delimited by ',' or a tab, not {delimiter!r}.")
    rows = len(table)
    if not table.columns or (rows == 0 and table.style.row_numbers):
        return b""
    headings = list(table.headings)
    has_labels = headings[0] == LABEL and table[LABEL].dtype == object
    head = [" "] if table.style.row_numbers else []
    line = delimiter.join(head + headings) + (
        delimiter if has_labels and len(headings) == 1 else ""
    )
    encoded = line.encode("utf-8", "replace") + b"\n"
    columns = [_Column(table, h, delimiter, h == LABEL and has_labels) for h in headings]
    if rows * len(columns) < _FEW_CELLS or table.style.exact:
        return encoded + _format_cells(table, columns, delimiter)
    return encoded + _format_compiled(table, columns, delimiter)


class _Column:
    """One column: its numbers, or its cells as text."""

    def __init__(self, table: ResultsTable, heading: str, delimiter: str, labels: bool) -> None:
        values = table[heading]
        self.texts: list[str] | None = None
        self.values = values
        self.places = _TEXT
        self.precision = table_precision(table.style)
        if values.dtype == object:
            quote = delimiter == ","
            if labels:
                cells = ["" if v is None else str(v) for v in values]
                self.texts = [c.replace(",", ";") for c in cells] if quote else cells
            else:
                numbers = np.array([v for v in values[:24] if _is_number(v)], np.float64)
                places = column_places(numbers, heading, table.style)
                cells = _object_texts(values.tolist(), places, self.precision)
                self.texts = (
                    [f'"{c}"' if not c or "," in c else c for c in cells] if quote else cells
                )
        elif table.style.exact:
            self.texts = exact_cells(values)
        else:
            self.places = column_places(values, heading, table.style)

    def cells(self) -> list[str]:
        if self.texts is not None:
            return self.texts
        return [cell_text(v, self.places, self.precision) for v in _doubles(self.values).tolist()]


def _doubles(values: np.ndarray) -> np.ndarray:
    return np.asarray(values, np.float64)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.number | np.bool_)


def _object_texts(values: list[Any], places: int, precision: int) -> list[str]:
    """Return the cells of a text column, in which some may be numbers or missing.

    ImageJ keeps the text of a column in a list that ends with the last text: what is missing
    before is empty, what is missing behind is NaN.
    """
    cells = []
    last = len(values)
    while last and not isinstance(values[last - 1], str):
        last -= 1
    for row, value in enumerate(values):
        if isinstance(value, str):
            cells.append(value.replace("\n", "\\n"))
        elif value is None or (_is_number(value) and math.isnan(value)):
            cells.append("" if row < last else "NaN")
        elif _is_number(value):
            cells.append(cell_text(float(value), places, precision))
        else:
            cells.append(str(value).replace("\n", "\\n"))
    return cells


def exact_cells(values: np.ndarray) -> list[str]:
    """Return numbers with every digit that they hold, in words that Java reads."""
    if values.dtype.kind == "b":
        values = values.astype(np.int64)
    if values.dtype.kind != "f":
        return list(map(str, values.tolist()))
    # a float32 is printed with the digits of a float32
    cells = list(map(str, values if values.dtype.itemsize < 8 else values.tolist()))
    if not np.isfinite(values).all():
        words = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}
        cells = [words.get(c, c) for c in cells]
    return cells


def _format_cells(table: ResultsTable, columns: list[_Column], delimiter: str) -> bytes:
    parts = [c.cells() for c in columns]
    if table.style.row_numbers:
        parts.insert(0, list(map(str, range(1, len(table) + 1))))
    if len(columns) == 1 and _labels_only(table):
        parts.append([""] * len(table))
    lines = map(delimiter.join, zip(*parts, strict=True))
    return "".join([f"{line}\n" for line in lines]).encode("utf-8", "replace")


def _labels_only(table: ResultsTable) -> bool:
    return table.headings == (LABEL,) and table[LABEL].dtype == object


def _format_compiled(table: ResultsTable, columns: list[_Column], delimiter: str) -> bytes:
    from fijibridge.formats._text.kernels import fits, render

    rows = len(table)
    precision = table_precision(table.style)
    places = np.array([c.places for c in columns], np.int64)
    after = np.ones(len(columns), np.bool_)
    after[-1] = _labels_only(table)
    parts: list[bytes] = []
    for start in range(0, rows, _ROWS_AT_ONCE):
        stop = min(start + _ROWS_AT_ONCE, rows)
        values = np.zeros((len(columns), stop - start))
        for i, column in enumerate(columns):
            if column.texts is None:
                values[i] = column.values[start:stop]
        good = fits(values, places, precision)
        text, offsets = _pieces(columns, good, start)
        out = np.empty(
            (stop - start) * (_CELL_BYTES * (len(columns) + 1) + len(columns)) + text.size, np.uint8
        )
        number = start + 1 if table.style.row_numbers else 0
        used = render(
            values, places, precision, good, text, offsets, after, ord(delimiter), number, out
        )
        parts.append(out[:used].tobytes())
    return b"".join(parts)


def _pieces(columns: list[_Column], good: np.ndarray, start: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the cells that are not numbers of the fast kind, row by row, and where each begins."""
    taken = ~good.T
    for i, column in enumerate(columns):
        if column.texts is not None:
            taken[:, i] = True
    cells: list[bytes] = []
    for r, c in np.argwhere(taken).tolist():
        column = columns[c]
        if column.texts is not None:
            cells.append(column.texts[start + r].encode("utf-8", "replace"))
        else:
            cells.append(
                cell_text(float(column.values[start + r]), column.places, column.precision).encode()
            )
    offsets = np.zeros(len(cells) + 1, np.int64)
    np.cumsum([len(c) for c in cells], out=offsets[1:])
    return np.frombuffer(b"".join(cells), np.uint8), offsets
