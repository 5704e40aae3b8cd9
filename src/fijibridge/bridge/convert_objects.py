"""ROIs and tables across the border, both ways, cell for cell and byte for byte."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from fijibridge.bridge._java import jimport
from fijibridge.formats.roi import decode_roi, encode_roi
from fijibridge.model import ResultsTable, TableStyle
from fijibridge.model.table import LABEL

if TYPE_CHECKING:
    from fijibridge.model import Roi

__all__ = ["roi_from_java", "roi_to_java", "style_table", "table_from_java", "table_to_java"]


def roi_from_java(roi: Any) -> Roi:
    """Return an ``ij.gui.Roi`` as a `Roi`; it crosses as the bytes of a .roi file."""
    return decode_roi(bytes(jimport("ij.io.RoiEncoder").saveAsByteArray(roi)))


def roi_to_java(roi: Roi) -> Any:
    """Return a `Roi` as an ``ij.gui.Roi``; it crosses as the bytes of a .roi file."""
    import jpype

    if roi.spline and len(roi.points) < 2:  # ImageJ fits no curve through one point: it fails
        roi = replace(roi, spline=False)
    record = np.frombuffer(encode_roi(roi), np.int8)
    return jimport("ij.io.RoiDecoder").openFromByteArray(jpype.JArray(jpype.JByte)(record))


def table_from_java(table: Any) -> ResultsTable:
    """Return an ``ij.measure.ResultsTable`` as a `ResultsTable`, cell for cell.

    A column in which any cell is text becomes a text column.
    """
    columns: dict[str, np.ndarray] = {}
    decimals: dict[str, int] = {}
    rows = int(table.size())
    places = [int(n) for n in _private(table, "decimalPlaces")]
    for heading in (str(h) for h in table.getHeadings()):
        if heading == LABEL and table.getColumnIndex(LABEL) < 0:
            labels = [table.getLabel(i) for i in range(rows)]
            columns[heading] = np.array(["" if t is None else str(t) for t in labels], object)
            continue
        index = int(table.getColumnIndex(heading))
        values = np.array(table.getColumnAsDoubles(index), dtype=np.float64)
        texts = _texts(table, heading, values)
        columns[heading] = values if texts is None else texts
        if places[index] != int(table.AUTO_FORMAT):
            decimals[heading] = abs(places[index])
    precision = int(_private(table, "precision"))
    return ResultsTable(
        columns,
        style=TableStyle(
            precision=abs(precision),
            scientific=precision < 0,
            row_numbers=bool(table.showRowNumbers()),
            nan_empty=bool(_private(table, "NaNEmptyCells")),
            decimals=decimals,
        ),
        name=str(table.getTitle() or ""),
    )


def _private(table: Any, name: str) -> Any:
    """Return a field for which ResultsTable has no getter."""
    field = jimport("ij.measure.ResultsTable").class_.getDeclaredField(name)
    field.setAccessible(True)
    return field.get(table)


def _texts(table: Any, heading: str, values: np.ndarray) -> np.ndarray | None:
    """Return the cells as text when any of them is text: those read as NaN but print otherwise."""
    strange = np.flatnonzero(np.isnan(values))
    if not any(str(table.getStringValue(heading, int(i))) != "NaN" for i in strange):
        return None
    return np.array([str(text) for text in table.getColumnAsStrings(heading)], object)


def table_to_java(table: ResultsTable) -> Any:
    """Return a new ``ij.measure.ResultsTable`` with the same cells."""
    import jpype

    java = jimport("ij.measure.ResultsTable")(jpype.JInt(len(table)))
    for heading, values in table.columns.items():
        if heading == LABEL:
            for i, text in enumerate(values):
                java.setLabel(str(text), i)
        elif values.dtype.kind == "O":
            for i, text in enumerate(values):
                java.setValue(heading, i, str(text))
        else:
            java.setValues(heading, jpype.JArray(jpype.JDouble)(values.astype(np.float64)))
    style_table(java, table)
    return java


def style_table(java: Any, table: ResultsTable) -> None:
    """Let a table of ImageJ's print its numbers as `table` does."""
    style = table.style
    java.setPrecision(-style.precision if style.scientific else style.precision)
    java.setNaNEmptyCells(style.nan_empty)
    for heading, places in style.decimals.items():
        column = int(java.getColumnIndex(heading))
        if column >= 0 and heading != LABEL:
            java.setDecimalPlaces(column, places)
    java.showRowNumbers(style.row_numbers)
