"""Excel workbooks: the table on the first sheet, what Excel cannot hold on the second.

Numbers keep 16 significant digits: that is what openpyxl writes.
"""

from __future__ import annotations

import contextlib
import io
import json
import math
import re
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fijibridge.errors import FormatError, MissingDependencyError, UnsupportedError
from fijibridge.formats._format import Format
from fijibridge.formats._target import check_target, staged
from fijibridge.formats._text.layout import find_object_ids, heading_unit, unique_headings
from fijibridge.formats._text.sidecar import apply_record, record_text
from fijibridge.model import ResultsTable, TableStyle
from fijibridge.model.json_text import parse_json

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fijibridge.formats._format import WriteOptions
    from fijibridge.formats._location import Location

__all__ = ["FORMAT", "read_table", "write_table"]

_SHEET = "fijibridge"
_MAX_ROWS, _MAX_COLUMNS, _MAX_TEXT = 1_048_576, 16_384, 32_767
_MAX_UNPACKED, _MAX_RATIO = 1 << 28, 200
#: Excel's numbers are doubles.
_MAX_WHOLE = 2**53
_DAMAGED = "It is truncated or no workbook; copy it again from its source."
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\ufffe\uffff\ud800-\udfff]|_x[0-9A-Fa-f]{4}_")
#: Numbers that Excel has no room for are stored as text.
_LARGEST = 9.99e307
_DIGITS = re.compile(r"-?\d{1,20}|-?\d\.\d+e\+30[78]")
_WORDS = {"nan": math.nan, "infinity": math.inf, "-infinity": -math.inf}


def _openpyxl() -> Any:
    try:
        import openpyxl  # type: ignore[import-untyped]  # has no types
    except ImportError as error:
        raise MissingDependencyError("openpyxl", "tables", "An Excel workbook") from error
    return openpyxl


def sniff(path: Path, head: bytes) -> bool:
    """Whether it is a zip archive with Excel's suffix."""
    return path.suffix.lower() in (".xlsx", ".xlsm", ".xls") and head.startswith(b"PK\x03\x04")


def read_table(where: Location) -> ResultsTable:
    """Read the first sheet; its first row is the headings.

    Parameters
    ----------
    where
        The file.

    Returns
    -------
    ResultsTable
        Empty cells of number columns are NaN; dates become text.

    Raises
    ------
    FormatError
        When the file is damaged.
    MissingDependencyError
        Without openpyxl.
    """
    openpyxl = _openpyxl()
    path = str(where.path)
    _check_archive(where.path)
    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
        try:
            sheets = [s for s in book.worksheets if s.title != _SHEET]
            rows = [tuple(row) for row in sheets[0].iter_rows(values_only=True)] if sheets else []
            record = _read_record(book[_SHEET]) if _SHEET in book.sheetnames else None
        finally:
            book.close()
    except Exception as error:  # openpyxl raises a dozen kinds on damaged bytes
        line = str(error).strip().split("\n")[0]
        raise FormatError(
            f"{path!r} is no readable Excel workbook: {line.rstrip('.')}.", _DAMAGED
        ) from error
    return _table(rows, record)


def _check_archive(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(info.file_size for info in archive.infolist())
    except (OSError, zipfile.BadZipFile, ValueError) as error:
        raise FormatError(
            f"{str(path)!r} is no readable Excel workbook: {str(error).rstrip('.')}.", _DAMAGED
        ) from error
    if unpacked > max(_MAX_UNPACKED, _MAX_RATIO * path.stat().st_size):
        raise FormatError(
            f"{str(path)!r} would unpack to {unpacked} bytes from {path.stat().st_size}."
        )


def _read_record(sheet: Any) -> Any:
    text = "".join(str(row[0]) for row in sheet.iter_rows(values_only=True) if row and row[0])
    try:
        return parse_json(text)
    except (ValueError, RecursionError):
        return None


def _table(rows: list[tuple[Any, ...]], record: Any) -> ResultsTable:
    while rows and not any(v is not None for v in rows[-1]) and not _rows_said(record, rows):
        rows.pop()
    types = record.get("types", {}) if isinstance(record, dict) else {}
    width = max(map(len, rows), default=0)
    if isinstance(types, dict) and types:
        width = max(width, len(types))
    head = list(rows[0]) + [None] * (width - len(rows[0])) if rows else []
    body = rows[1:]
    if isinstance(record, dict) and isinstance(record.get("rows"), int):
        # empty last rows are not stored
        missing = record["rows"] - len(body)
        body += [()] * (missing if 0 < missing < 1000 else 0)
    cells = [[row[i] if i < len(row) else None for row in body] for i in range(width)]
    used = [i for i in range(width) if head[i] is not None or any(v is not None for v in cells[i])]
    if isinstance(types, dict) and len(types) == width:
        used = list(range(width))
    names = unique_headings(["" if head[i] is None else str(head[i]) for i in used])
    if not (isinstance(types, dict) and list(types) == names):
        names = unique_headings([n or f"C{i + 1}" for i, n in zip(used, names, strict=True)])
    columns = {
        h: _values(cells[i], types.get(h) if isinstance(types, dict) else None)
        for h, i in zip(names, used, strict=True)
    }
    units = {h: unit for h in columns if (unit := heading_unit(h))}
    table = ResultsTable(
        columns, find_object_ids(columns), units=units, style=TableStyle(exact=True)
    )
    return apply_record(table, record)


def _rows_said(record: Any, rows: list[tuple[Any, ...]]) -> bool:
    return isinstance(record, dict) and record.get("rows") == len(rows) - 1


def _values(cells: list[Any], hint: str | None) -> np.ndarray:
    def as_text() -> np.ndarray:
        return np.array(["" if v is None else str(v) for v in cells], object)

    if hint == "text":
        return as_text()
    numbers: list[Any] = []
    for value in cells:
        if value is None:
            numbers.append(math.nan)
        elif isinstance(value, int | float):
            numbers.append(value)
        elif isinstance(value, str) and value.lower() in _WORDS:
            numbers.append(_WORDS[value.lower()])
        elif isinstance(value, str) and hint is not None and _DIGITS.fullmatch(value):
            numbers.append(int(value) if value.lstrip("-").isdigit() else float(value))
        else:
            return as_text()
    whole = all(isinstance(v, int) for v in numbers) and hint in (None, "int64", "uint64")
    if whole and numbers:
        top = max(numbers)
        if min(numbers) >= -(2**63) and top < 2**64:
            return np.array(numbers, np.int64 if top < 2**63 else np.uint64)
    return np.array(numbers, np.float64)


def write_table(where: Location, table: ResultsTable, options: WriteOptions) -> None:
    """Write a workbook: the table, and a sheet ``fijibridge`` with units, object ids and types.

    Parameters
    ----------
    where
        The file.
    table
        At most 1,048,575 rows and 16,384 columns.
    options
        ``overwrite``.

    Raises
    ------
    UnsupportedError
        When Excel cannot hold the table.
    MissingDependencyError
        Without openpyxl.
    """
    openpyxl = _openpyxl()
    check_target(where.path, overwrite=options.overwrite)
    if len(table) >= _MAX_ROWS or len(table.columns) > _MAX_COLUMNS:
        raise UnsupportedError(
            f"Excel cannot hold {len(table)} rows and {len(table.columns)} columns; it ends at "
            f"{_MAX_ROWS - 1} and {_MAX_COLUMNS}.",
            "Use .tsv or .parquet.",
        )
    if not table.columns and len(table):
        raise UnsupportedError("Excel cannot hold a table that has rows but no columns.")
    with staged(where.path, overwrite=options.overwrite) as part:
        book = openpyxl.Workbook(write_only=True)
        try:
            _fill(book, table)
            data = io.BytesIO()  # openpyxl leaves its archive open when the disk is full
            book.save(data)
        except OSError:
            _drop(book)
            raise
        part.write_bytes(data.getbuffer())


def _fill(book: Any, table: ResultsTable) -> None:
    title = re.sub(r"[\[\]:*?/\\'\x00-\x1f]", " ", table.name).strip()[:31]
    sheet = book.create_sheet(title if title and title != _SHEET else "Results")
    columns = [_cells(sheet, h, v) for h, v in table.columns.items()]
    if columns:
        sheet.append([_text(sheet, h, "the headings") for h in table.headings])
        for row in zip(*columns, strict=True):
            sheet.append(row)
    notes = book.create_sheet(_SHEET)
    record = json.dumps(parse_json(record_text(table)))  # ASCII: no character that XML forbids
    for start in range(0, len(record), 30_000):
        notes.append([_text(notes, record[start : start + 30_000], "the record", check=False)])
    notes.sheet_state = "hidden"


def _drop(book: Any) -> None:
    """End the sheets that a full disk stopped, which else complain later, and their files."""
    for sheet in book.worksheets:
        writer = getattr(sheet, "_writer", None)
        found: list[Any] = [getattr(sheet, "_rows", None), getattr(writer, "xf", None)]
        for stopped in found:
            with contextlib.suppress(Exception):
                stopped.close()
        with contextlib.suppress(Exception):
            Path(writer.out).unlink()  # type: ignore[union-attr]  # a sheet without rows has none


def _cells(sheet: Any, heading: str, values: np.ndarray) -> Iterable[Any]:
    if values.dtype == object:
        return [None if v is None else _text(sheet, str(v), f"column {heading!r}") for v in values]
    if values.dtype.kind == "b":
        values = values.astype(np.int64)
    cells: list[Any] = values.tolist()
    if values.dtype.kind in "iu":
        return [v if -_MAX_WHOLE <= v <= _MAX_WHOLE else str(v) for v in cells]
    if bool(np.all(np.abs(values.astype(np.float64)) < _LARGEST)):
        return cells
    words = {math.inf: "Infinity", -math.inf: "-Infinity"}
    return [
        None if math.isnan(v) else words.get(v, v if abs(v) < _LARGEST else f"{v:.16e}")
        for v in cells
    ]


def _text(sheet: Any, text: str, place: str, *, check: bool = True) -> Any:
    """Return text as a cell: never a formula or an error, refused when Excel would change it."""
    if check and (len(text) > _MAX_TEXT or _CONTROL.search(text)):
        raise UnsupportedError(
            f"Excel cannot hold the text {text[:40]!r} of {place}: "
            + (f"{len(text)} characters." if len(text) > _MAX_TEXT else "control characters."),
            "Use .parquet.",
        )
    if not text.startswith(("=", "#")):
        return text
    from openpyxl.cell import WriteOnlyCell  # type: ignore[import-untyped]  # as above

    cell = WriteOnlyCell(sheet, text)
    cell.data_type = "s"
    return cell


FORMAT = Format(
    name="xlsx",
    suffixes=(".xlsx",),
    title="an Excel workbook",
    sniff=sniff,
    read_table=read_table,
    write_table=write_table,
    extra="tables",
)
