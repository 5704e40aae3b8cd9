"""What every table format promises: what was written is read."""

from __future__ import annotations

import contextlib
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fijibridge.errors import FormatError, SettingsError, UnsupportedError
from fijibridge.formats import all_formats, read_table, write_table
from fijibridge.model import ResultsTable, TableStyle

SUFFIXES = (".tsv", ".txt", ".xls", ".csv", ".parquet", ".xlsx", ".h5")
EXACT = (".parquet", ".xlsx", ".h5")
headings = st.lists(
    st.text("abµ²^ %.()1_", min_size=1, max_size=6).filter(lambda s: s == s.strip()),
    unique=True,
    min_size=1,
    max_size=5,
)
#: What a tab- or comma-delimited file of ImageJ's can hold (it has no way to escape a quote).
plain_text = st.text("abé .1-;:=#'", max_size=8).filter(lambda s: s == s.strip())
any_text = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"), max_size=8
).filter(lambda s: "_x" not in s)
numbers = st.one_of(st.floats(), st.floats(-1e9, 1e9), st.integers(-100, 100).map(float))


@st.composite
def tables(draw, text=plain_text, exact=True):
    rows = draw(st.integers(1, 12))

    def column(kind):
        cell = {
            "f8": numbers,
            "f4": st.floats(width=32),
            "i8": st.integers(-(2**63), 2**63 - 1) if exact else st.integers(-(10**9), 10**9),
            "i4": st.integers(-(2**31), 2**31 - 1),
            "u2": st.integers(0, 65535),
            "text": text,
        }[kind]
        values = draw(st.lists(cell, min_size=rows, max_size=rows))
        return np.array(values, object if kind == "text" else kind)

    kinds = st.sampled_from(["f8", "f4", "i8", "i4", "u2", "text"])
    columns = {h: column(draw(kinds)) for h in draw(headings)}
    units = {h: draw(st.sampled_from(["micrometer", "micrometer^2", "pixel"])) for h in columns}
    ids = None
    if draw(st.booleans()):
        t = draw(st.lists(st.integers(0, 50), min_size=rows, max_size=rows))
        label = draw(st.lists(st.integers(1, 10**6), min_size=rows, max_size=rows, unique=True))
        ids = np.array([t, label]).T
    return ResultsTable(
        columns, ids, units=units, style=TableStyle(exact=True, row_numbers=draw(st.booleans()))
    )


def check_same(back: ResultsTable, table: ResultsTable, rel: float = 0) -> None:
    assert back.headings == table.headings
    assert len(back) == len(table)
    for heading, values in table.columns.items():
        found = back[heading]
        assert found.dtype == values.dtype, heading
        for a, b in zip(found.tolist(), values.tolist(), strict=True):
            same = a == b or (isinstance(a, float) and math.isnan(a) and math.isnan(b))
            same = same or (isinstance(a, float) and a == pytest.approx(b, rel=rel, abs=0))
            assert same, (heading, a, b)
    assert dict(back.units) == dict(table.units)
    if table.object_ids is None:
        assert back.object_ids is None
    else:
        np.testing.assert_array_equal(back.object_ids, table.object_ids)
    assert back.style == table.style
    assert back.name == table.name


@pytest.mark.parametrize("suffix", SUFFIXES)
@settings(max_examples=pytest.count(20, 500))
@given(table=tables())
def test_read_gives_what_was_written(suffix, table, tmp_path):
    path = tmp_path / f"a{suffix}"
    write_table(table, path, overwrite=True)
    # openpyxl writes 16 digits
    check_same(read_table(path), table, rel=1e-15 if suffix == ".xlsx" else 0)


@pytest.mark.parametrize("suffix", EXACT)
@settings(max_examples=pytest.count(20, 500))
@given(table=tables(text=any_text))
def test_binary_formats_hold_any_text(suffix, table, tmp_path):
    path = tmp_path / f"a{suffix}"
    write_table(table, path, overwrite=True)
    # openpyxl writes 16 digits
    check_same(read_table(path), table, rel=1e-15 if suffix == ".xlsx" else 0)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_table_without_rows(suffix, tmp_path):
    table = ResultsTable(
        {"Area": np.zeros(0), "s": np.array([], object)},
        np.zeros((0, 2), np.int64),
        units={"Area": "pixel^2"},
        style=TableStyle(row_numbers=True),
    )
    path = tmp_path / f"a{suffix}"
    write_table(table, path)
    check_same(read_table(path), table)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_targets(suffix, tmp_path):
    path = tmp_path / f"a{suffix}"
    one = ResultsTable({"a": np.array([1.5])})
    write_table(one, path)
    before = path.read_bytes()
    with pytest.raises(SettingsError, match="exists"):
        write_table(ResultsTable({"a": np.array([2.5])}), path)
    assert path.read_bytes() == before
    write_table(ResultsTable({"a": np.array([2.5])}), path, overwrite=True)
    assert read_table(path)["a"].tolist() == [2.5]
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_missing_and_broken_files(suffix, tmp_path):
    with pytest.raises(FormatError, match="There is no file"):
        read_table(tmp_path / f"b{suffix}")
    path = tmp_path / f"a{suffix}"
    write_table(ResultsTable({"a": np.arange(1000) / 7, "b": np.arange(1000)}), path)
    data = path.read_bytes()
    rng = np.random.default_rng(3)
    for _ in range(pytest.count(60, 3000)):
        broken = bytearray(data[: rng.integers(0, len(data) + 1)])
        for _ in range(rng.integers(0, 4)):
            if broken:
                broken[rng.integers(len(broken))] = rng.integers(256)
        path.write_bytes(broken)
        with contextlib.suppress(FormatError, UnsupportedError):
            read_table(path)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(
    "cells", [[";", ";1"], [";", ";"], ["", ";", ";1"], ["1 2", "3 4"], ["a|b", "c|d"]]
)
def test_other_separators_in_the_only_column(cells, suffix, tmp_path):
    """What would be taken for the separator of the file."""
    table = ResultsTable({"1": np.array(cells, object)})
    path = tmp_path / f"a{suffix}"
    write_table(table, path)
    check_same(read_table(path), table)
    # edited elsewhere since, with another separator: the record no longer fits
    if suffix == ".csv":
        path.write_text("a;b\n1;2\n")
        assert read_table(path).headings == ("a", "b")


def test_numbers_need_no_record(tmp_path):
    for i, suffix in enumerate((".csv", ".tsv")):
        write_table(ResultsTable({"a": np.array([1.5, 2.5])}), tmp_path / f"{i}{suffix}")
        assert not (tmp_path / f"{i}{suffix}.fijibridge.json").exists()


def test_every_table_format_says_so():
    able = {f.name: f for f in all_formats() if f.read_table or f.write_table}
    assert set(able) >= {"tsv", "csv", "parquet", "xlsx", "ilastik table"}
    assert able["tsv"].suffixes == (".tsv", ".txt", ".xls")
