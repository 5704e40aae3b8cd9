"""Read a text table of any dialect."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fijibridge.errors import FormatError
from fijibridge.formats._text.layout import Layout, find_layout, find_object_ids
from fijibridge.formats._text.plain import plain_numbers, sample_of
from fijibridge.formats._text.sidecar import apply_record, read_sidecar
from fijibridge.formats._text.split import Cells, decode, split_table
from fijibridge.formats._text.style import find_style
from fijibridge.formats._text.values import Notation, column_values, find_notation
from fijibridge.model import ResultsTable, TableStyle
from fijibridge.model.table import LABEL

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["Dialect", "parse_table", "read_text_table"]

_SEPARATOR_WORDS = {"\t": "tab", ",": "comma", ";": "semicolon", "|": "bar", " ": "blanks"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How a text table is written.

    Parameters
    ----------
    encoding
        Of the bytes.
    cells
        Separator, quotes, preamble.
    layout
        Whose headings.
    notation
        What a comma in a number is.
    units
        Heading -> unit found in the file.
    """

    encoding: str
    cells: Cells
    layout: Layout
    notation: Notation

    def describe(self) -> str:
        """Return it in a few words: ``tab, row numbers, ISO-8859-1, unit micrometer``."""
        words = [_SEPARATOR_WORDS.get(self.cells.separator, repr(self.cells.separator))]
        if self.layout.program:
            words.append(self.layout.program)
        if self.layout.row_numbers:
            words.append("row numbers")
        if LABEL in self.layout.headings:
            words.append("Label column")
        if self.layout.skip:
            words.append(f"{self.layout.skip + 1} heading lines")
        if self.notation.seen:
            words.append("decimal commas" if self.notation.comma == "decimal" else "digit groups")
        words.append(self.encoding)
        units = Counter(u.split("^")[0] for u in self.layout.units.values())
        words += [f"unit {unit}" for unit, _ in units.most_common(3)]
        return ", ".join(words)


def parse_table(
    data: bytes, name: str, record: Mapping[str, Any] | None = None
) -> tuple[ResultsTable, Dialect]:
    """Read the bytes of a text table.

    Parameters
    ----------
    data
        The whole file.
    name
        For error messages.
    record
        The sidecar, when there is one: what it calls text is text, also where it looks like
        numbers.

    Returns
    -------
    table, dialect
        Columns are int64 (whole numbers only), float64 or str objects. Units and object ids are
        what the headings tell.

    Raises
    ------
    FormatError
        When it is no table; names file and line.
    """
    sample = sample_of(data)
    if sample is not None:
        found = _parse_plain(data, sample, name, record)
        if found is not None:
            return found
    return _parse_cells(data, name, record)


def _parse_plain(
    data: bytes, sample: bytes, name: str, record: Mapping[str, Any] | None
) -> tuple[ResultsTable, Dialect] | None:
    """Read a large table of which the first and last lines hold plain numbers only, or return None.

    What a table of numbers is must follow from its first and last lines: then those in between
    must print their numbers in the same way.
    """
    try:
        table, dialect = _parse_cells(sample, name, record)
    except FormatError:
        return None  # said again with the number of the line in the whole file
    cells, layout = dialect.cells, dialect.layout
    width = len(cells.headings)
    if (
        cells.first_line != 2
        or cells.quoted
        or cells.separator == " "
        or layout.skip
        or dialect.notation.seen
        or (cells.headings and cells.headings[0] == "")  # rows may be counted there
        or any(v.dtype == object for v in table.columns.values())
    ):
        return None
    some, whole = (plain_numbers(d, cells.separator, width) for d in (sample, data))
    if some is None or whole is None:
        return None
    columns = {h: whole.columns[i] for h, i in zip(layout.headings, layout.keep, strict=True)}
    if any(columns[h].dtype != v.dtype for h, v in table.columns.items()):
        return None
    style = table.style
    if some.printed != whole.printed:
        if not whole.is_mixed:
            return None
        style = TableStyle(row_numbers=layout.row_numbers, exact=True)
    ids = find_object_ids(columns)
    return ResultsTable(columns, ids, units=layout.units, style=style), dialect


def _parse_cells(
    data: bytes, name: str, record: Mapping[str, Any] | None
) -> tuple[ResultsTable, Dialect]:
    text, encoding = decode(data, name)
    types = record.get("types") if record else None
    known = tuple(types) if isinstance(types, dict) else ()
    said = record.get("separator") if record else None
    cells = split_table(text, name, known, said if isinstance(said, str) else "")
    layout = find_layout(cells)
    raw = {
        h: cells.columns[i][layout.skip :]
        for h, i in zip(layout.headings, layout.keep, strict=True)
    }
    notation = find_notation(_odd_columns(raw), cells.separator)
    texts = _text_headings(record, list(raw))
    columns: dict[str, np.ndarray] = {}
    for heading, column in raw.items():
        labels = heading == LABEL and layout.row_numbers and not columns
        blank = layout.row_numbers and cells.separator == "," and not any(column)
        as_text = labels or (blank and len(column) > 0) or heading in texts
        columns[heading] = np.array(column, object) if as_text else column_values(column, notation)
    rows = len(cells.columns[0]) - layout.skip if cells.columns else 0
    if not columns and rows:
        raise FormatError(f"{name!r} has {rows} rows but no column that is not empty.")
    table = ResultsTable(
        columns,
        find_object_ids(columns) if columns else None,
        units=layout.units,
        style=find_style(raw, columns, row_numbers=layout.row_numbers),
    )
    return table, Dialect(encoding=encoding, cells=cells, layout=layout, notation=notation)


def _text_headings(record: Mapping[str, Any] | None, headings: list[str]) -> set[str]:
    types = record.get("types") if record else None
    if not isinstance(types, dict) or list(types) != headings:
        return set()
    return {h for h, name in types.items() if name == "text"}


def _odd_columns(raw: dict[str, list[str]]) -> list[list[str]]:
    """Return the columns that tell what a comma is: all, if any number has one."""
    columns = list(raw.values())
    return columns if any("," in c for column in columns for c in column[:5000]) else []


def read_text_table(path: Path) -> tuple[ResultsTable, Dialect]:
    """Read a text table with its sidecar; parameters and errors as `parse_table`."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise FormatError(f"{str(path)!r} cannot be read: {error.strerror or error}.") from error
    record = read_sidecar(path)
    table, dialect = parse_table(data, str(path), record)
    return apply_record(table, record), dialect
