"""What a text table cannot hold, in a small JSON file beside it: units, object ids, types.

``Results.tsv`` has ``Results.tsv.fijibridge.json``. It is read back when it is there and fits the
table; nothing needs it. The same JSON goes into Parquet, HDF5 and xlsx tables.
"""

from __future__ import annotations

import json
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from fijibridge.formats._target import staged
from fijibridge.model import ResultsTable, TableStyle
from fijibridge.model.json_text import parse_json

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = [
    "apply_record",
    "read_sidecar",
    "record_of",
    "record_text",
    "sidecar_path",
    "write_sidecar",
]

_VERSION = 1
_MAX_BYTES = 1 << 30


def sidecar_path(path: Path) -> Path:
    """Return where the sidecar of a table is."""
    return path.with_name(f"{path.name}.fijibridge.json")


def record_of(table: ResultsTable) -> dict[str, Any]:
    """Return everything about a table but its numbers, as JSON values."""
    style = {
        f.name: getattr(table.style, f.name) for f in fields(TableStyle) if f.name != "decimals"
    }
    ids = table.object_ids
    return {
        "fijibridge": "table",
        "version": _VERSION,
        "name": table.name,
        "rows": len(table),
        "types": {h: _type_name(v) for h, v in table.columns.items()},
        "units": dict(table.units),
        "object_ids": None if ids is None else {"t": _runs(ids[:, 0]), "label": _runs(ids[:, 1])},
        "style": {**style, "decimals": dict(table.style.decimals)},
    }


def record_text(table: ResultsTable) -> str:
    """Return `record_of` as JSON text."""
    return _json(record_of(table))


def _json(record: Mapping[str, Any]) -> str:
    return json.dumps(record, ensure_ascii=False, separators=(",", ":"))


def _type_name(values: np.ndarray) -> str:
    return "text" if values.dtype == object else values.dtype.name


def _runs(values: np.ndarray) -> list[list[int]]:
    """Return integers as runs [first, step, count]: 1..n is one run."""
    values = np.asarray(values, np.int64)
    if not len(values):
        return []
    steps = np.diff(values)
    runs: list[list[int]] = []
    i = 0
    changes = [*(np.flatnonzero(np.diff(steps)) + 1).tolist(), len(steps)]
    for stop in changes:  # steps[i:stop] are equal
        if stop <= i and len(steps):
            continue
        step = int(steps[i]) if len(steps) else 0
        runs.append([int(values[i]), step, stop - i + 1])
        i = stop + 1
        if i >= len(values):
            break
    if sum(r[2] for r in runs) < len(values):
        runs.append([int(values[-1]), 0, 1])
    return runs


def _unroll(runs: Any, rows: int) -> np.ndarray | None:
    parts = []
    left = rows
    for first, step, number in runs:
        if not 0 < number <= left:
            return None
        left -= number
        parts.append(first + step * np.arange(number, dtype=np.int64))
    return (
        np.concatenate(parts) if parts and not left else (None if left else np.zeros(0, np.int64))
    )


def apply_record(table: ResultsTable, record: Mapping[str, Any] | None) -> ResultsTable:
    """Return a table with what a record knows about it; unchanged when the record does not fit.

    It fits when the number of rows and the headings are the same.
    """
    if not isinstance(record, dict) or record.get("fijibridge") != "table":
        return table
    try:
        types = record["types"]
        empty = not table.columns and not len(table) and record["rows"] == 0
        if record["rows"] != len(table) or (list(types) != list(table.headings) and not empty):
            return table
        columns = {
            h: _as_type(table.columns.get(h, np.zeros(0)), str(name)) for h, name in types.items()
        }
        stored = record["object_ids"]
        ids = table.object_ids
        if stored is not None:
            pair = [_unroll(stored[k], len(table)) for k in ("t", "label")]
            ids = np.column_stack([p for p in pair if p is not None])
        known = {f.name for f in fields(TableStyle)}
        style = {k: v for k, v in record["style"].items() if k in known}
        return replace(
            table,
            columns=columns,
            object_ids=ids,
            units={str(k): str(v) for k, v in record["units"].items()},
            style=TableStyle(**style),
            name=str(record["name"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
        return table  # somebody else's file, or a damaged one: the table itself is whole


def _as_type(values: np.ndarray, name: str) -> np.ndarray:
    if name == "text" or values.dtype == object:
        return values if values.dtype == object else values.astype(object)
    dtype = np.dtype(name)
    if dtype.kind not in "iufb":
        return values
    converted = values.astype(dtype)
    same = np.array_equal(
        converted.astype(values.dtype), values, equal_nan=values.dtype.kind == "f"
    )
    return converted if same or dtype.kind == "f" else values


def read_sidecar(path: Path) -> dict[str, Any] | None:
    """Return the record beside a table, or None."""
    side = sidecar_path(path)
    try:
        if not side.is_file() or side.stat().st_size > _MAX_BYTES:
            return None
        record = parse_json(side.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None


def write_sidecar(path: Path, table: ResultsTable, *, needed: bool, separator: str = "") -> None:
    """Write the record of the table at `path`, or remove a stale one when none is needed.

    A `separator` is told where the reader would find another one in the text.
    """
    side = sidecar_path(path)
    if not needed and not separator:
        side.unlink(missing_ok=True)
        return
    with staged(side, overwrite=True) as part:
        record = record_of(table) | ({"separator": separator} if separator else {})
        part.write_text(_json(record), "utf-8")
