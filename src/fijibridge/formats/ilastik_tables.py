"""HDF5 object tables in ilastik's layout: one compound dataset, ``table`` unless named otherwise.

Written tables have ilastik's id columns ``object_id``, ``timestep`` and ``labelimage_oid``; units
and types are in the attribute ``fijibridge``. A table is added beside the other datasets of a file.
"""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np

from fijibridge.errors import FijiBridgeError, FormatError, SettingsError, UnsupportedError
from fijibridge.formats._format import Format
from fijibridge.formats._hdf5.heap import guarded, has_long_texts
from fijibridge.formats._hdf5.read import entries, guard_for, open_file, read_attribute
from fijibridge.formats._hdf5.write import _existing, _StageFile
from fijibridge.formats._lazy import first_line
from fijibridge.formats._target import check_target, staged
from fijibridge.formats._text.layout import find_object_ids, heading_unit, unique_headings
from fijibridge.formats._text.sidecar import apply_record, record_of
from fijibridge.model import ResultsTable, TableStyle
from fijibridge.model.json_text import parse_json

if TYPE_CHECKING:
    from pathlib import Path

    from fijibridge.formats._format import WriteOptions
    from fijibridge.formats._location import Location

__all__ = ["DEFAULT_TABLE", "FORMAT", "read_table", "write_table"]

DEFAULT_TABLE = "table"
_MAGIC = b"\x89HDF\r\n\x1a\n"
_ATTRIBUTE = "fijibridge"
#: An attribute of HDF5 holds less than 64 KiB.
_ATTRIBUTE_BYTES = 60_000


def sniff(path: Path, head: bytes) -> bool:
    """Whether it is HDF5 with a table in it."""
    if not any(head[at : at + 8] == _MAGIC for at in (0, 512, 1024, 2048)):
        return False
    try:
        with open_file(path) as file:
            return any(e.dtype.names for e in entries(file))
    except FijiBridgeError:
        return False


def read_table(where: Location) -> ResultsTable:
    """Read a compound dataset, ilastik's or any other program's.

    Parameters
    ----------
    where
        The file; the path goes on inside it. Without that: ``table``, or the only one there is.

    Returns
    -------
    ResultsTable
        Object ids are (timestep, labelimage_oid). Fields of several values become columns ``_0``,
        ``_1`` and so on.

    Raises
    ------
    FormatError
        When there is no table, or several and none is named, or it is damaged.
    """
    with open_file(where.path) as file:
        found = [e.path for e in entries(file) if e.dtype.names and len(e.shape) == 1]
        inner = where.inner.strip("/")
        if not inner and (DEFAULT_TABLE in found or len(found) == 1):
            inner = DEFAULT_TABLE if DEFAULT_TABLE in found else found[0]
        if inner not in found:
            said = f"no table {inner!r}" if inner else "several tables" if found else "no table"
            raise FormatError(
                f"{str(where.path)!r} holds {said}; tables in it: {', '.join(found) or 'none'}.",
                f"Say which one: {where.path}/{found[0]}" if found else "",
            )
        dataset = file[inner]
        what = f"{where.path}/{inner}"
        guard_for(dataset, what)(len(dataset) * dataset.dtype.itemsize)
        try:
            rows = _rows(dataset)
            record, added = _read_record(dataset)
        except Exception as error:
            raise FormatError(f"{what!r} cannot be read: {first_line(error)}.") from error
    columns: dict[str, np.ndarray] = {}
    names = unique_headings(list(rows.dtype.names))
    for field, heading in zip(rows.dtype.names, names, strict=True):
        _add_field(columns, heading, rows[field], what)
    ids = find_object_ids(columns)
    units = {h: unit for h in columns if (unit := heading_unit(h))}
    kept = {h: v for h, v in columns.items() if h not in added}
    table = ResultsTable(kept, ids, units=units, style=TableStyle(exact=True))
    return apply_record(table, record)


def _rows(dataset: Any) -> Any:
    if not has_long_texts(dataset.dtype):
        return dataset[()]
    with guarded(dataset) as again:
        return again[()]


def _add_field(columns: dict[str, np.ndarray], heading: str, values: np.ndarray, what: str) -> None:
    if values.ndim > 1:
        flat = values.reshape(len(values), -1)
        for i in range(flat.shape[1]):
            _add_field(columns, f"{heading}_{i}", flat[:, i], what)
        return
    kind = values.dtype.kind
    if kind in "SO":
        texts = [v.decode("utf-8", "replace") if isinstance(v, bytes) else str(v) for v in values]
        columns[heading] = np.array(texts, object)
    elif kind in "biuf":
        columns[heading] = values.astype(values.dtype.newbyteorder("="))
    else:
        raise FormatError(f"Column {heading!r} of {what!r} holds {values.dtype}, no plain values.")


def _read_record(dataset: Any) -> tuple[Any, list[str]]:
    text = read_attribute(dataset, _ATTRIBUTE)
    if not isinstance(text, str):
        return None, []
    for i in range(1, 1000):
        more = read_attribute(dataset, f"{_ATTRIBUTE}_{i}")
        if not isinstance(more, str):
            break
        text += more
    try:
        record = parse_json(text)
        return record, [str(h) for h in record.get("added", [])]
    except (ValueError, AttributeError, TypeError, RecursionError):
        return None, []


def write_table(where: Location, table: ResultsTable, options: WriteOptions) -> None:
    """Write a table as one compound dataset.

    Parameters
    ----------
    where
        The file and the dataset in it (default ``table``). A new one is added beside others;
        ``overwrite`` replaces this one only.
    table
        Text is stored as UTF-8 of fixed length.
    options
        ``overwrite``.

    Raises
    ------
    SettingsError
        When the target exists or cannot be written.
    UnsupportedError
        When HDF5 cannot hold the table: no column at all, or more than about a thousand.
    """
    import h5py

    inner = where.inner.strip("/") or DEFAULT_TABLE
    rows, record = _compound(table)
    path = where.path
    exists = path.exists()
    check_target(path, overwrite=True)
    replace = False
    if exists:
        try:
            old = open_file(path)
        except FormatError as error:
            raise SettingsError(
                f"The target {str(path)!r} exists and is no readable HDF5 file.",
                "Choose another name, or remove it.",
            ) from error
        with old:
            replace, _ = _existing(old, inner, overwrite=options.overwrite, where=f"{path}/{inner}")
    with staged(path, overwrite=exists) as part:
        if exists:
            shutil.copyfile(path, part)
        raw = _StageFile(part, "rb+" if exists else "xb+")
        try:
            with h5py.File(raw, "r+" if exists else "w") as file:
                if replace:
                    del file[inner]
                _put(file, inner, rows, record, table)
        except ValueError as error:
            if raw.failed is None:
                raise
            raise raw.failed from error
        finally:
            raw.close()
        if raw.failed is not None:
            raise raw.failed


def _put(file: Any, inner: str, rows: np.ndarray, record: str, table: ResultsTable) -> None:
    try:
        dataset = file.create_dataset(
            inner,
            data=rows,
            compression="gzip" if len(rows) else None,
            shuffle=bool(len(rows)),
            chunks=True if len(rows) else None,
        )
    except (ValueError, RuntimeError, OSError) as error:
        if "header" in str(error) or len(table.columns) > 500:
            raise UnsupportedError(
                f"HDF5 tables cannot hold {len(table.columns)} columns ({first_line(error)}).",
                "Use .parquet.",
            ) from error
        raise
    pieces = [
        record[i : i + _ATTRIBUTE_BYTES // 4] for i in range(0, len(record), _ATTRIBUTE_BYTES // 4)
    ]
    for i, piece in enumerate(pieces):
        dataset.attrs[f"{_ATTRIBUTE}_{i}" if i else _ATTRIBUTE] = piece


def _compound(table: ResultsTable) -> tuple[np.ndarray, str]:
    """Return the rows as a structured array, and the record."""
    columns = dict(table.columns)
    added: list[str] = []
    found = find_object_ids(columns)
    if table.object_ids is not None and not (
        found is not None and np.array_equal(found, table.object_ids)
    ):
        ids = {
            "object_id": np.arange(len(table)),
            "timestep": table.object_ids[:, 0],
            "labelimage_oid": table.object_ids[:, 1],
        }
        clash = [h for h in ids if h in columns and not np.array_equal(columns[h], ids[h])]
        if clash:
            raise UnsupportedError(
                f"The column {clash[0]!r} differs from the table's object ids.",
                "Rename the column, or use .parquet.",
            )
        added = [h for h in ids if h not in columns]
        columns = {**ids, **columns}
        order = [*added, *table.columns]
        columns = {h: columns[h] for h in order}
    if not columns:
        raise UnsupportedError(
            "A table without columns cannot be written to HDF5.", "Use .tsv or .parquet."
        )
    fields = {h: _stored(h, v) for h, v in columns.items()}
    if "" in fields:
        raise UnsupportedError("HDF5 columns need a name, but one heading is empty.")
    rows = np.empty(len(table), [(h, v.dtype) for h, v in fields.items()])
    for heading, values in fields.items():
        rows[heading] = values
    record = {**record_of(table), "object_ids": None, "added": added}
    return rows, json.dumps(record, ensure_ascii=True, separators=(",", ":"))


def _stored(heading: str, values: np.ndarray) -> np.ndarray:
    if values.dtype == object:
        texts = ["" if v is None else str(v) for v in values]
        if any(t.endswith("\0") for t in texts):
            raise UnsupportedError(f"Text in column {heading!r} ends with NUL; HDF5 would cut it.")
        try:
            coded = [t.encode("utf-8") for t in texts]
        except UnicodeEncodeError as error:
            raise UnsupportedError(f"Text in column {heading!r} is no Unicode: {error}.") from error
        return np.array(coded, f"S{max(1, *map(len, coded), 1)}" if coded else "S1")
    if values.dtype.kind == "b":
        return values.astype(np.uint8)
    if values.dtype.kind not in "iuf":
        raise UnsupportedError(
            f"Column {heading!r} holds {values.dtype}; HDF5 tables hold numbers and text."
        )
    return values


FORMAT = Format(
    name="ilastik table",
    suffixes=(".h5", ".hdf5"),
    title="an HDF5 table",
    sniff=sniff,
    read_table=read_table,
    write_table=write_table,
    container=True,
)
