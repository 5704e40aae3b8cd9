"""Parquet tables: types, units and object ids kept exactly."""

from __future__ import annotations

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
    from pathlib import Path

    from fijibridge.formats._format import WriteOptions
    from fijibridge.formats._location import Location

__all__ = ["FORMAT", "read_table", "write_table"]

_MAGIC = b"PAR1"
_KEY = b"fijibridge"
#: Parquet can say a billion rows in a few bytes; more than this is asked of memory only when the
#: file is a thousandth of it.
_FREE_BYTES = 1 << 32
_MAX_RATIO = 1000


def _arrow() -> Any:
    try:
        import pyarrow.parquet as pq
    except ImportError as error:
        raise MissingDependencyError("pyarrow", "tables", "Parquet") from error
    return pq


def sniff(path: Path, head: bytes) -> bool:
    """Whether it begins as Parquet does."""
    return head.startswith(_MAGIC) or (path.suffix.lower() in (".parquet", ".pq") and not head)


def read_table(where: Location) -> ResultsTable:
    """Read a Parquet table of any program.

    Parameters
    ----------
    where
        The file.

    Returns
    -------
    ResultsTable
        Missing numbers are NaN; dates, lists and other values become text.

    Raises
    ------
    FormatError
        When the file is damaged.
    MissingDependencyError
        Without pyarrow.
    """
    pq = _arrow()
    path = str(where.path)
    try:
        with pq.ParquetFile(path) as file:
            _check_size(file.metadata, where.path)
            table = file.read()
        names = unique_headings(list(table.schema.names))
        columns = {h: _values(table.column(i)) for i, h in enumerate(names)}
    except FormatError:
        raise
    except Exception as error:  # pyarrow raises a dozen kinds on damaged bytes
        line = str(error).strip().split("\n")[0]
        raise FormatError(
            f"{path!r} is no readable Parquet file: {line.rstrip('.')}.",
            "It is truncated or no Parquet file; copy it again from its source.",
        ) from error
    units = {h: unit for h in columns if (unit := heading_unit(h))}
    found = ResultsTable(
        columns, find_object_ids(columns), units=units, style=TableStyle(exact=True)
    )
    return apply_record(found, _record(table.schema.metadata))


def _check_size(about: Any, path: Path) -> None:
    size = 8 * about.num_rows * max(1, about.num_columns)
    if size > max(_FREE_BYTES, _MAX_RATIO * path.stat().st_size):
        raise FormatError(
            f"{str(path)!r} says that it has {about.num_rows} rows of {about.num_columns} "
            f"columns, which do not fit into {path.stat().st_size} bytes."
        )


def _record(metadata: dict[bytes, bytes] | None) -> Any:
    try:
        return parse_json((metadata or {}).get(_KEY, b"null"))
    except (ValueError, RecursionError):
        return None


def _values(column: Any) -> np.ndarray:
    import pyarrow as pa

    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.cast(kind.value_type)
        kind = column.type
    if pa.types.is_null(kind):
        return np.full(len(column), np.nan)
    numeric = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)
    if numeric and not column.null_count:
        return np.asarray(column.to_numpy())
    if numeric or pa.types.is_decimal(kind):
        values = [np.nan if v is None else float(v) for v in column.to_pylist()]
        return np.array(values, np.float64)
    return np.array(["" if v is None else str(v) for v in column.to_pylist()], object)


def write_table(where: Location, table: ResultsTable, options: WriteOptions) -> None:
    """Write a table; units, object ids and style go into the schema's metadata.

    Parameters
    ----------
    where
        The file.
    table
        Any table.
    options
        ``overwrite``; ``compression``: zstd (default), snappy, gzip, none.

    Raises
    ------
    MissingDependencyError
        Without pyarrow.
    """
    pq = _arrow()
    import pyarrow as pa

    check_target(where.path, overwrite=options.overwrite)
    if not table.columns and len(table):
        raise UnsupportedError("Parquet cannot hold a table that has rows but no columns.")
    try:
        arrays = [_array(pa, v) for v in table.columns.values()]
    except (pa.ArrowException, UnicodeError) as error:
        raise UnsupportedError(f"Parquet cannot hold this table: {error}.") from error
    fields = [
        pa.field(h, a.type, metadata={"unit": table.units[h]} if h in table.units else None)
        for h, a in zip(table.headings, arrays, strict=True)
    ]
    schema = pa.schema(fields, metadata={_KEY: record_text(table).encode()})
    with staged(where.path, overwrite=options.overwrite) as part:
        pq.write_table(
            pa.Table.from_arrays(arrays, schema=schema),
            str(part),
            compression=options.compression or "zstd",
        )


def _array(pa: Any, values: np.ndarray) -> Any:
    if values.dtype == object:
        return pa.array([None if v is None else str(v) for v in values], pa.string())
    return pa.array(values)


FORMAT = Format(
    name="parquet",
    suffixes=(".parquet", ".pq"),
    title="a Parquet table",
    sniff=sniff,
    read_table=read_table,
    write_table=write_table,
    extra="tables",
)
