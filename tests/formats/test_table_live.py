"""Tables against the real ImageJ: it saves what we write, byte for byte, and reads it back."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fijibridge.formats import read_table, write_table
from fijibridge.formats._text.imagej_text import format_imagej
from fijibridge.model import ResultsTable, TableStyle

pytestmark = pytest.mark.imagej

FLOAT_MAX = float(np.finfo(np.float32).max)
numbers = st.one_of(
    st.floats(allow_subnormal=False),
    st.floats(-1e6, 1e6),
    st.integers(-5000, 5000).map(float),
    st.integers(-(2**33), 2**33).map(float),
    # halves of the last place, where rounding rules part
    st.builds(lambda n, k: n / 2.0**k, st.integers(-(10**7), 10**7), st.integers(0, 14)),
    st.builds(lambda n, k: n / 10.0**k, st.integers(-(10**6), 10**6), st.integers(0, 9)),
    st.builds(
        lambda k, d: float(np.nextafter(10.0**k, d)),
        st.integers(-12, 14),
        st.sampled_from([0.0, math.inf]),
    ),
    st.sampled_from([0.0, -0.0, FLOAT_MAX, -FLOAT_MAX, math.nan, 999999999999.0, 1e12, 5e-4]),
)
words = st.text("abÅµ ,;\"'\n.0", max_size=6)
names = st.lists(
    st.sampled_from(["Area", "Mean", "X", "%Area", "Circ.", "µm val", "C1", "Feret", "Label 2"]),
    unique=True,
    max_size=5,
)


@st.composite
def tables(draw: Any) -> ResultsTable:
    rows = draw(st.integers(1, 40))
    columns: dict[str, np.ndarray] = {}
    decimals: dict[str, int] = {}
    if draw(st.booleans()):
        labels = st.lists(st.text("ab,;:\"'µ .", max_size=6), min_size=rows, max_size=rows)
        columns["Label"] = np.array(draw(labels), object)
    for name in draw(names):
        kind = draw(st.sampled_from(["number", "number", "whole", "text", "mixed"]))
        cell = {
            "number": numbers,
            "whole": st.integers(-3000, 3000).map(float),
            "text": words,
            "mixed": st.one_of(words, numbers),
        }[kind]
        cells = draw(st.lists(cell, min_size=rows, max_size=rows))
        columns[name] = np.array(cells, object if kind in ("text", "mixed") else np.float64)
        if draw(st.integers(0, 5)) == 0:
            decimals[name] = draw(st.integers(0, 9))
    return ResultsTable(
        columns,
        style=TableStyle(
            precision=draw(st.integers(0, 9)),
            scientific=draw(st.booleans()),
            row_numbers=draw(st.booleans()),
            decimals=decimals,
        ),
    )


def in_imagej(imagej: Any, table: ResultsTable) -> Any:
    """Build the same table with ImageJ's own calls."""
    java = imagej.java("ij.measure.ResultsTable")()
    style = table.style
    java.setPrecision(-style.precision if style.scientific else style.precision)
    java.showRowNumbers(style.row_numbers)
    for row in range(len(table)):
        java.incrementCounter()
        for heading, values in table.columns.items():
            value = values[row]
            if heading == "Label":
                java.addLabel(value)
            elif isinstance(value, str):
                java.addValue(heading, value)
            else:
                java.addValue(heading, float(value))
    for heading, places in style.decimals.items():
        java.setDecimalPlaces(java.getColumnIndex(heading), places)
    return java


@settings(max_examples=pytest.count(30, 500))
@given(table=tables())
def test_imagej_saves_the_same_bytes(imagej, tmp_path, table):
    java = in_imagej(imagej, table)
    for suffix, delimiter in ((".csv", ","), (".tsv", "\t")):
        path = tmp_path / f"a{suffix}"
        java.saveAs(str(path))
        assert format_imagej(table, delimiter) == path.read_bytes(), suffix


@settings(max_examples=pytest.count(30, 500))
@given(values=st.lists(numbers, min_size=1, max_size=200), places=st.integers(-9, 9))
def test_imagej_prints_the_same_numbers(imagej, values, places):
    from fijibridge.formats._text.imagej_numbers import d2s

    java = imagej.java("ij.measure.ResultsTable")
    for value in values:
        assert d2s(value, places) == str(java.d2s(value, places)), (value, places)


def test_a_table_without_columns_is_an_empty_file(imagej, tmp_path):
    path = tmp_path / "a.csv"
    imagej.java("ij.measure.ResultsTable")().saveAs(str(path))
    assert path.read_bytes() == b"" == format_imagej(ResultsTable({}), ",")


@settings(max_examples=pytest.count(30, 500))
@given(table=tables(), suffix=st.sampled_from([".tsv", ".txt", ".xls", ".csv"]))
def test_imagej_reads_what_we_write(imagej, tmp_path, table, suffix):
    """Equal values: what ImageJ opens is what our own reader finds in the file."""
    columns = {
        h: np.array([_tame(v) for v in values], object) if values.dtype == object else values
        for h, values in table.columns.items()
    }
    if not columns:
        return
    path = tmp_path / f"Results{suffix}"
    write_table(ResultsTable(columns, style=table.style), path, overwrite=True)
    java = imagej.java("ij.measure.ResultsTable").open(str(path))
    ours = read_table(path)
    assert java.size() == len(ours) == len(table)
    seen = [str(h) for h in java.getHeadings()]
    assert seen == list(ours.headings)
    for heading, values in ours.columns.items():
        is_label = heading == "Label" and java.getColumnIndex("Label") < 0
        for row, value in enumerate(values):
            number = math.nan if is_label else float(java.getValue(heading, row))
            if isinstance(value, str) and math.isnan(number):
                assert str(java.getStringValue(heading, row) or "") == value, (heading, row)
            else:  # what looks like a number in a text column is one to ImageJ
                ours_number = float(value)
                assert number == ours_number or (math.isnan(number) and math.isnan(ours_number))


def _tame(value: Any) -> Any:
    """Text that ImageJ's reader keeps: no quotes, nothing blank, no number."""
    if not isinstance(value, str):
        return value
    return "w" + value.replace('"', "").replace("\n", "").strip()
