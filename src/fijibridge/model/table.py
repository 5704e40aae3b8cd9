"""Results tables: named columns, ImageJ's headings byte for byte."""

from __future__ import annotations

import types
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from fijibridge.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pandas as pd

__all__ = ["LABEL", "ResultsTable", "TableStyle"]

#: Heading of ImageJ's row labels.
LABEL = "Label"


@dataclass(frozen=True, slots=True, kw_only=True)
class TableStyle:
    """How ImageJ prints a table.

    Parameters
    ----------
    precision
        "Decimal places" of Set Measurements, 0 to 9.
    scientific
        "Scientific notation".
    row_numbers
        The first column is named ``" "`` and counts from 1.
    nan_empty
        "NaN empty cells": what has no value is NaN instead of 0.
    decimals
        By heading: a column's own number of decimal places, below -1 for scientific notation;
        -1 is ImageJ's AUTO rule.
    exact
        Print every digit a number holds, as tables that are not ImageJ's do; the fields above
        are then not used, but for row_numbers.
    """

    precision: int = 3
    scientific: bool = False
    row_numbers: bool = False
    nan_empty: bool = False
    decimals: Mapping[str, int] = field(default_factory=lambda: types.MappingProxyType({}))
    exact: bool = False


_SHOWN = 8  # headings in a repr


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ResultsTable:
    """A table of measurements.

    Parameters
    ----------
    columns
        Heading -> values, shape (rows,): float64, integers, or str objects. Order counts. ImageJ's
        row labels are the column ``Label``.
    object_ids
        (rows, 2) integers (t, label) that tie rows to objects of a label image (t is 0-based), or
        None.
    units
        Heading -> unit, as far as known (``micrometer^2``).
    style
        How ImageJ prints it.
    name
        Title.

    Examples
    --------
    >>> t = ResultsTable({"Area": np.array([3.0, 4.5])})
    >>> len(t), t["Area"].sum()
    (2, np.float64(7.5))
    """

    columns: Mapping[str, np.ndarray]
    object_ids: np.ndarray | None = None
    units: Mapping[str, str] = field(default_factory=lambda: types.MappingProxyType({}))
    style: TableStyle = field(default_factory=TableStyle)
    name: str = ""

    def __post_init__(self) -> None:
        columns: dict[str, np.ndarray] = {}
        for heading, values in self.columns.items():
            array = np.asarray(values)
            if array.ndim != 1:
                raise SettingsError(
                    f"Column {heading!r} has the shape {array.shape}; a column has one dimension."
                )
            if array.dtype.kind in "US":
                array = array.astype(object)
            array = array.view()
            array.flags.writeable = False
            columns[str(heading)] = array
        sizes = {len(array) for array in columns.values()}
        if len(sizes) > 1:
            raise SettingsError(
                "The columns have different lengths: "
                + ", ".join(f"{k!r} {len(v)}" for k, v in columns.items())
                + "."
            )
        object.__setattr__(self, "columns", types.MappingProxyType(columns))
        if self.object_ids is not None:
            ids = np.asarray(self.object_ids)
            if ids.shape != (len(self), 2):
                raise SettingsError(
                    f"object_ids has the shape {ids.shape}; it must be ({len(self)}, 2): t, label."
                )
            ids = ids.view()
            ids.flags.writeable = False
            object.__setattr__(self, "object_ids", ids)
        object.__setattr__(self, "units", types.MappingProxyType(dict(self.units)))

    @classmethod
    def trusted(
        cls,
        columns: Mapping[str, np.ndarray],
        object_ids: np.ndarray | None,
        *,
        units: Mapping[str, str],
        style: TableStyle,
        name: str,
    ) -> ResultsTable:
        """Build a table of parts that are known to be right, without looking at them.

        Arrays must be read-only, columns one-dimensional of one length and no text but objects,
        and `columns` and `units` mappings that nobody changes.
        """
        table = object.__new__(cls)
        put = object.__setattr__
        put(table, "columns", types.MappingProxyType(columns))
        put(table, "object_ids", object_ids)
        put(table, "units", units)
        put(table, "style", style)
        put(table, "name", name)
        return table

    @property
    def headings(self) -> tuple[str, ...]:
        """All headings, in order."""
        return tuple(self.columns)

    def __len__(self) -> int:
        for array in self.columns.values():
            return len(array)
        return 0 if self.object_ids is None else len(self.object_ids)

    def __repr__(self) -> str:
        headings = self.headings
        more = ", ..." if len(headings) > _SHOWN else ""
        columns = ", ".join(headings[:_SHOWN]) + more
        return f"ResultsTable({self.name!r}, {len(self)} rows: {columns})"

    def __contains__(self, heading: str) -> bool:
        return heading in self.columns

    def __getitem__(self, heading: str) -> np.ndarray:
        try:
            return self.columns[heading]
        except KeyError:
            from fijibridge.errors import nearest

            raise SettingsError(
                f"There is no column {heading!r}; the columns are {', '.join(self.columns)}."
                + nearest(heading, self.columns)
            ) from None

    def with_columns(self, columns: Mapping[str, np.ndarray]) -> ResultsTable:
        """Return a table with columns added or replaced."""
        return replace(self, columns={**self.columns, **columns})

    def select(self, headings: Iterable[str]) -> ResultsTable:
        """Return a table of some columns, in the order asked for."""
        return replace(self, columns={heading: self[heading] for heading in headings})

    def joined(self, other: ResultsTable) -> ResultsTable:
        """Return this table with the columns of another one, row by row of the same object.

        Parameters
        ----------
        other
            Its rows may be in any order; objects that it does not hold get NaN (text: ""). A
            column that both have stays as it is here.

        Raises
        ------
        SettingsError
            When one of the tables has no object ids, or `other` an object twice.

        Examples
        --------
        >>> a = ResultsTable({"Area": np.array([3.0, 4.0])}, np.array([[0, 1], [0, 2]]))
        >>> b = ResultsTable({"Mean": np.array([7, 5])}, np.array([[0, 2], [0, 1]]))
        >>> a.joined(b)["Mean"].tolist()
        [5, 7]
        """
        from fijibridge.model._links import Keys

        if self.object_ids is None or other.object_ids is None:
            which = "This table" if self.object_ids is None else "The other table"
            raise SettingsError(
                f"{which} has no object ids, so its rows belong to no objects.",
                "Give it the columns timestep and labelimage_oid (or t and label).",
            )
        ids = np.asarray(other.object_ids, np.int64)
        order = np.lexsort((ids[:, 1], ids[:, 0]))
        ids = ids[order]
        twice = np.flatnonzero((ids[1:] == ids[:-1]).all(axis=1))
        if len(twice):
            t, label = ids[twice[0]].tolist()
            raise SettingsError(f"The table has two rows of the object t={t}, label {label}.")
        rows = Keys(ids).rows(np.asarray(self.object_ids, np.int64))
        there = rows >= 0
        columns = {
            heading: _spread(values, order[rows[there]], there)
            for heading, values in other.columns.items()
            if heading not in self.columns
        }
        units = {**other.units, **self.units}
        return replace(self, columns={**self.columns, **columns}, units=units)

    def to_pandas(self) -> pd.DataFrame:
        """Return a DataFrame; object ids become the index levels ``t`` and ``label``."""
        import pandas as pd

        frame = pd.DataFrame({k: np.asarray(v) for k, v in self.columns.items()})
        if self.object_ids is not None:
            frame.index = pd.MultiIndex.from_arrays(
                [self.object_ids[:, 0], self.object_ids[:, 1]], names=["t", "label"]
            )
        frame.attrs["units"] = dict(self.units)
        return frame

    @classmethod
    def from_pandas(cls, frame: pd.DataFrame, **kwargs: Any) -> ResultsTable:
        """Build a table from a DataFrame; an index (t, label) becomes the object ids."""
        ids = None
        if list(frame.index.names) == ["t", "label"]:
            ids = np.array([tuple(row) for row in frame.index], np.int64).reshape(-1, 2)
        kwargs.setdefault("units", frame.attrs.get("units", {}))
        return cls({str(k): frame[k].to_numpy() for k in frame.columns}, ids, **kwargs)

    def _repr_html_(self) -> str:
        from fijibridge.model._html import table_html

        return table_html(self)


def _spread(values: np.ndarray, taken: np.ndarray, there: np.ndarray) -> np.ndarray:
    """Return the values `taken` at the rows `there`, NaN or "" elsewhere."""
    if there.all():
        whole: np.ndarray = values[taken]
        return whole
    if values.dtype == object:
        out = np.full(len(there), "", object)
    else:
        out = np.full(len(there), np.nan, np.result_type(values.dtype, np.float32))
    out[there] = values[taken]
    return out
