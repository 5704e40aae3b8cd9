"""ImageJ's text tables: golden bytes, its number rules, the fast path against the plain one."""

from __future__ import annotations

import csv
import json
import math
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fijibridge.errors import SettingsError
from fijibridge.formats._text import imagej_text
from fijibridge.formats._text.imagej_numbers import AUTO, cell_text, column_places, d2s
from fijibridge.formats._text.imagej_text import format_imagej
from fijibridge.model import ResultsTable, TableStyle

FLOAT_MAX = float(np.finfo(np.float32).max)
FIXED = ("Circ.", "AR", "Round", "Solidity")


def values_table(folder) -> ResultsTable:
    """The table of a golden case, from its full-precision values."""
    options = json.loads((folder / "options.json").read_text("utf-8"))
    with (folder / "values.csv").open(encoding="utf-8", newline="") as file:
        head, *rows = list(csv.reader(file))
    columns = {}
    for i, heading in enumerate(head):
        cells = [row[i] for row in rows]
        if heading == "Label":
            columns[heading] = np.array(cells, object)
        else:
            columns[heading] = np.array([float(c) for c in cells])
    scientific = "scientific" in options["measurements"]
    places = options.get("decimal", 3)
    style = TableStyle(
        precision=places,
        scientific=scientific,
        row_numbers=True,
        decimals={} if scientific else dict.fromkeys(FIXED, places),
    )
    return ResultsTable(columns, style=style)


@pytest.mark.parametrize("few", [0, 10**9])
def test_golden_tables_byte_for_byte(shared, monkeypatch, few):
    monkeypatch.setattr(imagej_text, "_FEW_CELLS", few)
    seen = 0
    for values in sorted((shared / "golden/imagej").glob("*/values.csv")):
        table = values_table(values.parent)
        for name, delimiter in (("results.csv", ","), ("results.tsv", "\t"), ("results.txt", "\t")):
            expected = (values.parent / name).read_bytes()
            assert format_imagej(table, delimiter) == expected, values.parent.name
            seen += 1
    assert seen == 34 * 3


@pytest.mark.parametrize(
    ("value", "places", "text"),
    [
        (math.nan, 3, "NaN"),
        (math.inf, 3, "Infinity"),
        (-math.inf, 0, "-Infinity"),
        (FLOAT_MAX, 3, "3.4e38"),
        (-FLOAT_MAX, 3, "-3.403E38"),
        (0.0005, 3, "5.000E-4"),
        (0.001, 3, "0.001"),
        (999999999999.0, 3, "999999999999.000"),
        (1e12, 3, "1.000E12"),
        (0.0625, 3, "0.062"),  # an exact half goes to the even digit
        (0.1875, 3, "0.188"),
        (1.0005, 3, "1.000"),  # the double is below the half
        (0.5, 0, "5.000E-1"),
        (2.5, 0, "3"),  # without decimals halves go up
        (-2.5, 0, "-3"),
        (0.99999, 0, "1.000E0"),
        (-0.0, 3, "-0.000"),
        (-0.0, 0, "-0"),
        (255.0, -6, "2.550000E2"),
        (0.0, -3, "0.000E0"),
        (9.9996e-4, 3, "1.000E-3"),
        (12.0, 12, "12.000000000"),
        (99999999.99999999, 9, "99999999.999999990"),  # no digits beyond those of the double
        (5e-324, 3, "4.900E-324"),
        (7005.0, -2, "7.01E3"),  # whole numbers: halves go up
        (-9995.0, -2, "-1.00E4"),
        (0.28125, -3, "2.812E-1"),  # others: to even
        (1000500000000.0, 3, "1.001E12"),
    ],
)
def test_numbers(value, places, text):
    assert d2s(value, places) == text


def test_a_column_gets_its_decimals_from_its_first_24_rows():
    style = TableStyle()
    late = np.array([1.0] * 24 + [2.5])
    assert column_places(late, "a", style) == AUTO
    assert column_places(late[1:], "a", style) == 3
    assert column_places(np.array([math.nan, 1.0]), "a", style) == AUTO
    assert column_places(np.array([math.inf]), "a", style) == 3
    assert column_places(np.array([2.0**31]), "a", style) == 3
    assert column_places(np.array([1.0]), "a", TableStyle(decimals={"a": 2})) == 2
    assert column_places(np.array([1.5]), "a", TableStyle(decimals={"a": -1})) == AUTO
    lines = format_imagej(ResultsTable({"a": late}), ",").split()
    assert lines[1] == b"1"
    assert lines[25] == b"2.500"


def test_labels_quotes_and_commas():
    table = ResultsTable(
        {
            "Label": np.array(["a,b", None, 'q"'], object),
            "s": np.array(['a,b "q"', "", "line\nbreak"], object),
            "n": np.array([1, 2, 3]),
        },
        style=TableStyle(row_numbers=True),
    )
    assert format_imagej(table, ",") == (
        b' ,Label,s,n\n1,a;b,"a,b "q"",1\n2,,"",2\n3,q",line\\nbreak,3\n'
    )
    assert format_imagej(table, "\t") == (
        b' \tLabel\ts\tn\n1\ta,b\ta,b "q"\t1\n2\t\t\t2\n3\tq"\tline\\nbreak\t3\n'
    )


def test_no_rows_and_no_columns():
    nothing = np.zeros(0)
    assert format_imagej(ResultsTable({}), ",") == b""
    measured = TableStyle(row_numbers=True)
    assert format_imagej(ResultsTable({"Area": nothing}, style=measured), ",") == b""
    assert format_imagej(ResultsTable({"Area": nothing}), ",") == b"Area\n"
    labels = ResultsTable({"Label": np.array(["x"], object)})
    assert format_imagej(labels, "\t") == b"Label\t\nx\t\n"


def test_exact_tables_keep_every_digit():
    values = np.array([1 / 3, 1e-30, 3.0, math.nan, -math.inf])
    table = ResultsTable(
        {"a": values, "f": values.astype(np.float32), "n": np.array([2**60, 1, 2, 3, 4])},
        style=TableStyle(exact=True),
    )
    lines = format_imagej(table, "\t").decode().split("\n")
    assert lines[1] == "0.3333333333333333\t0.33333334\t1152921504606846976"
    assert lines[2:6] == [
        "1e-30\t1e-30\t1",
        "3.0\t3.0\t2",
        "NaN\tNaN\t3",
        "-Infinity\t-Infinity\t4",
    ]


def test_only_imagejs_delimiters():
    with pytest.raises(SettingsError, match="';'"):
        format_imagej(ResultsTable({}), ";")


odd = st.one_of(
    st.floats(),
    st.floats(-1e15, 1e15),
    st.integers(-(2**40), 2**40).map(float),
    st.builds(lambda n, k: n / 2.0**k, st.integers(-(10**9), 10**9), st.integers(0, 30)),
    st.builds(lambda n, k: n / 10.0**k, st.integers(-(10**9), 10**9), st.integers(0, 12)),
    st.builds(
        lambda k, up: float(np.nextafter(10.0**k, math.inf if up else 0.0)),
        st.integers(-15, 23),
        st.booleans(),
    ),
    st.sampled_from([0.0, -0.0, math.nan, math.inf, FLOAT_MAX, 5e-324, 1e-11, 1e21, 4503599627.5]),
)


@settings(max_examples=pytest.count(50, 2000))
@given(
    values=st.lists(odd, min_size=1, max_size=100),
    precision=st.integers(0, 9),
    scientific=st.booleans(),
    decimals=st.dictionaries(st.sampled_from("ab"), st.integers(-1, 9)),
)
def test_the_fast_path_prints_what_the_plain_one_does(values, precision, scientific, decimals):
    style = TableStyle(
        precision=precision, scientific=scientific, row_numbers=True, decimals=decimals
    )
    column = np.array(values)
    text = np.array([f"é{i}" for i in range(len(values))], object)
    table = ResultsTable({"Label": text, "a": column, "t": text, "b": column[::-1]}, style=style)
    columns = [imagej_text._Column(table, h, ",", labels=h == "Label") for h in table.headings]
    fast = imagej_text._format_compiled(table, columns, ",")
    assert fast == imagej_text._format_cells(table, columns, ",")
    places = column_places(column, "a", style)
    signed = -precision if scientific else precision
    assert [c.split(b",")[2].decode() for c in fast.split(b"\n")[:-1]] == [
        cell_text(v, places, signed) for v in values
    ]


def test_a_large_table_is_written_in_less_than_three_seconds():
    rng = np.random.default_rng(1)
    rows = 111_049
    columns = {
        f"C{i}": rng.random(rows) * 1000 if i % 3 else rng.integers(0, 4000, rows)
        for i in range(35)
    }
    table = ResultsTable(columns, style=TableStyle(row_numbers=True))
    format_imagej(ResultsTable({k: v[:2000] for k, v in columns.items()}), "\t")
    start = time.process_time()
    data = format_imagej(table, "\t")
    assert time.process_time() - start < 3  # 0.3 s on an idle core; machines differ
    assert data.count(b"\n") == rows + 1
