"""Parquet tables."""

from __future__ import annotations

import builtins
import datetime as dt

import numpy as np
import pytest

from fijibridge.errors import FormatError, MissingDependencyError
from fijibridge.formats import read_table, write_table
from fijibridge.model import ResultsTable

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")


def test_tables_of_other_programs(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(
        pa.table(
            {
                "label": [3, 4, 9],
                "n": pa.array([1, None, 3]),
                "s": pa.array(["a", None, "b"]).dictionary_encode(),
                "day": [dt.date(2020, 1, 2)] * 3,
                "none": pa.nulls(3),
                "Area \u00b5m^2": [1.5, 2.5, 3.5],
            }
        ),
        path,
    )
    table = read_table(path)
    assert table.object_ids.tolist() == [[0, 3], [0, 4], [0, 9]]
    np.testing.assert_array_equal(table["n"], [1, np.nan, 3])
    assert table["s"].tolist() == ["a", "", "b"]
    assert table["day"].tolist() == ["2020-01-02"] * 3
    assert np.isnan(table["none"]).all()
    assert dict(table.units) == {"Area \u00b5m^2": "micrometer^2"}
    assert table.style.exact


def test_pandas_reads_it(tmp_path):
    import pandas as pd

    path = tmp_path / "a.parquet"
    write_table(ResultsTable({"a": np.array([1.5]), "s": np.array(["x"], object)}), path)
    assert pd.read_parquet(path).to_dict("list") == {"a": [1.5], "s": ["x"]}


def test_more_rows_than_fit_the_file(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"a": np.zeros(1000)}), path)

    class About:
        num_rows, num_columns = 10**12, 1

    from fijibridge.formats import parquet

    with pytest.raises(FormatError, match="do not fit"):
        parquet._check_size(About, path)


@pytest.mark.parametrize(("package", "suffix"), [("pyarrow", ".parquet"), ("openpyxl", ".xlsx")])
def test_without_the_package(tmp_path, monkeypatch, package, suffix):
    real = builtins.__import__

    def missing(name, *args, **kwargs):
        if name.startswith(package):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(MissingDependencyError, match=r"pip install 'fijibridge\[tables\]'"):
        write_table(ResultsTable({"a": np.zeros(1)}), tmp_path / f"a{suffix}")
