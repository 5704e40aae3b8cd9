"""Results tables: columns of one length, ids and units that stay, errors that help."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fijibridge.errors import SettingsError
from fijibridge.model import ResultsTable, TableStyle

IDS = np.array([(0, 3), (1, 7)])


def table():
    return ResultsTable(
        {"Label": ["a", "b"], "Area": np.array([1.5, 2.0]), "Slice": np.array([1, 2])},
        IDS,
        units={"Area": "micrometer^2"},
        style=TableStyle(precision=4),
        name="Results",
    )


@given(st.integers(0, 6), st.integers(0, 4))
def test_pandas_there_and_back(rows, columns):
    rng = np.random.default_rng(rows * 7 + columns)
    made = ResultsTable(
        {f"C{i}": rng.random(rows) for i in range(columns)},
        np.stack([np.zeros(rows, np.int64), np.arange(rows)], axis=1),
        units={"C0": "micrometer"} if columns else {},
    )
    back = ResultsTable.from_pandas(made.to_pandas())
    assert back.headings == made.headings
    assert dict(back.units) == dict(made.units)
    np.testing.assert_array_equal(back.object_ids, made.object_ids)
    for heading in made.headings:
        np.testing.assert_array_equal(back[heading], made[heading])


def test_a_plain_index_is_no_object_id():
    frame = table().to_pandas().reset_index(drop=True)
    assert ResultsTable.from_pandas(frame).object_ids is None


def test_columns_are_read_only_and_text_is_text():
    made = table()
    assert len(made) == 2
    assert made["Label"].dtype == object
    for heading in made.headings:
        with pytest.raises(ValueError, match="read-only"):
            made[heading][0] = made[heading][1]
    with pytest.raises(TypeError):
        made.columns["Area"] = np.zeros(2)
    with pytest.raises(ValueError, match="read-only"):
        made.object_ids[0, 0] = 5


def test_choosing_and_adding_keeps_the_rest():
    made = table().with_columns({"Mean": np.array([3.0, 4.0]), "Area": np.array([9.0, 8.0])})
    assert made.headings == ("Label", "Area", "Slice", "Mean")
    assert made["Area"].tolist() == [9.0, 8.0]
    chosen = made.select(["Mean", "Area"])
    assert chosen.headings == ("Mean", "Area")
    np.testing.assert_array_equal(chosen.object_ids, IDS)
    assert chosen.style.precision == 4
    assert "Area" in chosen
    assert "Label" not in chosen


def test_rows_without_columns_are_counted_by_their_ids():
    assert len(ResultsTable({}, IDS)) == 2
    assert len(ResultsTable({})) == 0


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: ResultsTable({"A": np.zeros(2), "B": np.zeros(3)}), "'A' 2, 'B' 3"),
        (lambda: ResultsTable({"A": np.zeros((2, 2))}), r"shape \(2, 2\); a column has one"),
        (lambda: ResultsTable({"A": np.zeros(2)}, np.zeros((3, 2))), r"must be \(2, 2\)"),
        (lambda: table()["Aera"], "no column 'Aera'.*Did you mean 'Area'"),
        (lambda: table().select(["Perim"]), "no column 'Perim'; the columns are Label, Area"),
    ],
)
def test_what_is_refused(make, says):
    with pytest.raises(SettingsError, match=says):
        make()


def test_tables_show_themselves():
    many = ResultsTable({"A & B": np.arange(30) / 7.0, "T": ["<x>"] * 30}, units={"A & B": "um^2"})
    shown = many._repr_html_()
    assert "A &amp; B" in shown
    assert "[um^2]" in shown
    assert "&lt;x&gt;" in shown
    assert "30 rows" in shown
    assert "0.142857" in shown


def test_tables_are_short_in_print():
    table = ResultsTable({"Area": np.arange(3.0), "T": list("abc")}, name="Results")
    assert repr(table) == "ResultsTable('Results', 3 rows: Area, T)"
    wide = ResultsTable({f"C{i}": np.zeros(1) for i in range(30)})
    assert repr(wide).endswith("C7, ...)")
