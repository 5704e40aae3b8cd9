"""ROIs and tables across the border, both ways, cell for cell and byte for byte."""

from __future__ import annotations

import struct
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from fijibridge.bridge._java import jimport
from fijibridge.formats.roi import decode_roi, encode_roi
from fijibridge.model import ResultsTable, RoiSet, TableStyle
from fijibridge.model.table import LABEL

if TYPE_CHECKING:
    from fijibridge.model import Roi

__all__ = [
    "overlay_from_java",
    "overlay_to_java",
    "roi_from_java",
    "roi_to_java",
    "style_table",
    "table_from_java",
    "table_to_java",
]


_ROTATED = b"\x00\x05"  # ij.io.RoiDecoder.ROTATED_RECT
_AUTO = -1  # of TableStyle.decimals


def roi_from_java(roi: Any) -> Roi:
    """Return an ``ij.gui.Roi`` as a `Roi`; it crosses as the bytes of a .roi file."""
    return decode_roi(bytes(jimport("ij.io.RoiEncoder").saveAsByteArray(roi)))


def roi_to_java(roi: Roi) -> Any:
    """Return a `Roi` as an ``ij.gui.Roi``; it crosses as the bytes of a .roi file."""
    import jpype

    if roi.spline and len(roi.points) < 2:  # ImageJ fits no curve through one point: it fails
        roi = replace(roi, spline=False)
    record = encode_roi(roi)
    array = jpype.JArray(jpype.JByte)(np.frombuffer(record, np.int8))
    java = jimport("ij.io.RoiDecoder").openFromByteArray(array)
    if java is None:
        return None
    _restore(java, record, roi.name)
    return _rotated(java, record) if record[48:50] == _ROTATED else java


def _restore(java: Any, record: bytes, name: str) -> None:
    """Set what ImageJ's reader drops: the colours of ROIs in groups, the names of images."""
    if name and str(java.getName()) != name:
        java.setName(name)
    color = jimport("java.awt.Color")
    stroke, fill = struct.unpack(">2i", record[40:48])
    there = java.getStrokeColor()
    if stroke and (there is None or int(there.getRGB()) != stroke):
        java.setStrokeColor(color(stroke, True))  # with its alpha
    there = java.getFillColor()
    if fill and (there is None or int(there.getRGB()) != fill):
        java.setFillColor(color(fill, True))


def _rotated(java: Any, record: bytes) -> Any:
    """Return a rotated rectangle as one: ImageJ opens its own records of them as polygons."""
    numbers = struct.unpack(">4f", record[18:34]) + struct.unpack(">f", record[52:56])
    made = jimport("ij.gui.RotatedRectRoi")(*numbers)
    made.copyAttributes(java)
    if java.getProperties() is not None:
        made.setProperties(java.getProperties())
    if java.hasHyperStackPosition():
        made.setPosition(java.getCPosition(), java.getZPosition(), java.getTPosition())
    else:
        made.setPosition(java.getPosition())
    # where points or something else of it were changed it is a polygon
    return made if bytes(jimport("ij.io.RoiEncoder").saveAsByteArray(made)) == record else java


def overlay_from_java(overlay: Any) -> RoiSet:
    """Return the ROIs of an ``ij.gui.Overlay``; the first one's record tells how it is drawn.

    Source: ij.io.FileSaver.getOverlay.
    """
    found = [overlay.get(i) for i in range(int(overlay.size()))]
    if found:
        found[0].setPrototypeOverlay(overlay)
    return RoiSet([roi_from_java(roi) for roi in found])


def overlay_to_java(rois: RoiSet) -> Any:
    """Return ROIs as an ``ij.gui.Overlay``, drawn as the first one's record tells."""
    overlay = jimport("ij.gui.Overlay")()
    for n, roi in enumerate(rois):
        java = roi_to_java(roi)
        overlay.add(java)
        if n == 0 and java is not None:
            like = java.getPrototypeOverlay()
            overlay.drawLabels(like.getDrawLabels())
            overlay.drawNames(like.getDrawNames())
            overlay.drawBackgrounds(like.getDrawBackgrounds())
            overlay.setLabelColor(like.getLabelColor())
            overlay.setLabelFont(like.getLabelFont(), like.scalableLabels())
    return overlay


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
            decimals[heading] = places[index]
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
            java.setDecimalPlaces(column, java.AUTO_FORMAT if places == _AUTO else places)
    java.showRowNumbers(style.row_numbers)
