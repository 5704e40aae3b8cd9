"""Tables as text: written as ImageJ writes them, read from every program.

Separator, encoding, decimal sign and headings are found in the file, not taken from its suffix.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fijibridge.errors import FormatError, UnsupportedError
from fijibridge.formats._format import Finding, Format
from fijibridge.formats._target import check_target, staged
from fijibridge.formats._text.imagej_text import format_imagej
from fijibridge.formats._text.read import parse_table, read_text_table
from fijibridge.formats._text.sidecar import (
    apply_record,
    read_sidecar,
    sidecar_path,
    write_sidecar,
)
from fijibridge.formats._text.split import guessed_separator, is_number
from fijibridge.model.table import LABEL

if TYPE_CHECKING:
    from pathlib import Path

    from fijibridge.formats._format import WriteOptions
    from fijibridge.formats._location import Location
    from fijibridge.model import ResultsTable

__all__ = ["FORMATS", "format_imagej", "parse_table", "read_table"]

#: Files that bear a text suffix and are none: Excel's own .xls and .xlsx.
_NOT_TEXT = (b"\xd0\xcf\x11\xe0", b"PK\x03\x04")

#: Bytes in which the reader looks for the separator.
_LOOK = 1 << 20


def read_table(where: Location) -> ResultsTable:
    """Read a text table of any dialect, with its sidecar.

    Parameters
    ----------
    where
        The file.

    Raises
    ------
    FormatError
        When it is no table; names file and line.
    """
    return read_text_table(_plain_path(where))[0]


def _plain_path(where: Location) -> Path:
    if where.inner:
        raise FormatError(f"{str(where.path)!r} is a text file; there is nothing inside it.")
    return where.path


def _write(where: Location, table: ResultsTable, options: WriteOptions, delimiter: str) -> None:
    path = _plain_path(where)
    check_target(path, overwrite=options.overwrite)
    _check_text(table, delimiter)
    data = format_imagej(table, delimiter)
    with staged(path, overwrite=options.overwrite) as part:
        part.write_bytes(data)
        # before the table appears, so that a full disk leaves neither
        said = "" if _is_clear(data[:_LOOK].decode("utf-8", "replace"), delimiter) else delimiter
        write_sidecar(path, table, needed=_needs_sidecar(table), separator=said)


def _is_clear(text: str, delimiter: str) -> bool:
    """Whether a reader finds the delimiter by itself, or no other one that would cut cells."""
    guess = guessed_separator(text)
    return guess == delimiter or (bool(guess) and guess not in text)


def _write_csv(where: Location, table: ResultsTable, options: WriteOptions) -> None:
    _write(where, table, options, ",")


def _write_tsv(where: Location, table: ResultsTable, options: WriteOptions) -> None:
    _write(where, table, options, "\t")


def _check_text(table: ResultsTable, delimiter: str) -> None:
    """Refuse what would come back as other cells: ImageJ's files cannot quote it."""
    word = "comma" if delimiter == "," else "tab"
    other = ".tsv" if delimiter == "," else ".csv"
    for heading in table.headings:
        if delimiter in heading or "\n" in heading or "\r" in heading:
            raise UnsupportedError(
                f"The heading {heading!r} holds a {word} or a line break, which ImageJ's tables "
                "cannot quote.",
                f"Rename the column, or use {other}, .parquet or .xlsx.",
            )
    for heading, values in table.columns.items():
        if values.dtype != object:
            continue
        for row, value in enumerate(values):
            if not isinstance(value, str) or value.isalnum():
                continue
            label_break = heading == LABEL and "\n" in value
            if "\r" in value or label_break or (delimiter == "\t" and "\t" in value):
                raise UnsupportedError(
                    f"The text {value[:60]!r} in column {heading!r}, row {row + 1}, holds a tab or "
                    "a line break, which ImageJ's tables cannot quote.",
                    "Use .parquet or .xlsx (.csv can hold tabs).",
                )


def _needs_sidecar(table: ResultsTable) -> bool:
    """Whether a table has something that its text does not tell."""
    if table.units or table.object_ids is not None:
        return True
    if table.headings and all(map(is_number, table.headings)):
        return True  # they would be taken for the first row
    return any(_looks_numeric(v) for v in table.columns.values() if v.dtype == object)


def _looks_numeric(values: Any) -> bool:
    """Whether a text column would be read as numbers."""
    for value in values:
        text = "" if value is None else str(value).strip()
        if text and not is_number(text):
            return False
    return True


def _describe(where: Location) -> dict[str, Any]:
    table, dialect = read_text_table(_plain_path(where))
    return {
        "kind": "table",
        "rows": len(table),
        "columns": list(table.headings),
        "units": dict(table.units),
        "object_ids": table.object_ids is not None,
        "dialect": dialect.describe(),
        "sidecar": sidecar_path(where.path).name if sidecar_path(where.path).is_file() else None,
    }


def _validate(where: Location) -> list[Finding]:
    path = _plain_path(where)
    try:
        table, dialect = read_text_table(path)
    except FormatError as error:
        return [Finding("error", str(error))]
    findings = []
    if not dialect.encoding.startswith("UTF-8"):
        findings.append(
            Finding("warning", f"The text is {dialect.encoding}; many programs expect UTF-8.")
        )
    if dialect.notation.seen:
        what = "decimal commas" if dialect.notation.comma == "decimal" else "grouped digits"
        findings.append(Finding("warning", f"Numbers have {what}; ImageJ reads them as text."))
    if dialect.cells.preamble:
        number = len(dialect.cells.preamble)
        findings.append(Finding("warning", f"{number} lines stand before the headings."))
    record = read_sidecar(path)
    bare = parse_table(path.read_bytes(), str(path))[0]
    if sidecar_path(path).exists() and (record is None or apply_record(bare, record) is bare):
        findings.append(
            Finding("warning", f"{sidecar_path(path).name!r} does not fit the table: not used.")
        )
    if not len(table):
        findings.append(Finding("note", "The table has no rows."))
    return findings


def _is_text(head: bytes) -> bool:
    return not head.startswith(_NOT_TEXT) and not head.startswith(b"\x89HDF")


def _sniff_csv(path: Path, head: bytes) -> bool:
    return path.suffix.lower() == ".csv" and _is_text(head)


def _sniff_tsv(path: Path, head: bytes) -> bool:
    return path.suffix.lower() in (".tsv", ".txt", ".xls", ".tab", ".dat") and _is_text(head)


TSV = Format(
    name="tsv",
    suffixes=(".tsv", ".txt", ".xls"),
    title="a tab-delimited table",
    sniff=_sniff_tsv,
    read_table=read_table,
    write_table=_write_tsv,
    describe=_describe,
    validate=_validate,
)
CSV = Format(
    name="csv",
    suffixes=(".csv",),
    title="a comma-separated table",
    sniff=_sniff_csv,
    read_table=read_table,
    write_table=_write_csv,
    describe=_describe,
    validate=_validate,
)
FORMATS = (TSV, CSV)
