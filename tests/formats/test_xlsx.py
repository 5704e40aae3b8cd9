"""Excel workbooks."""

from __future__ import annotations

import zipfile

import numpy as np
import pytest

from fijibridge.errors import FormatError, UnsupportedError
from fijibridge.formats import read_table, write_table
from fijibridge.model import ResultsTable

openpyxl = pytest.importorskip("openpyxl")


def test_workbooks_of_other_programs(tmp_path):
    path = tmp_path / "a.xlsx"
    book = openpyxl.Workbook()
    book.active.append(["label", "Area (\u00b5m\u00b2)", None, "s"])
    book.active.append([1, 2.5, None, "x"])
    book.active.append([2, None, None, 5])
    book.active.append([None] * 4)
    book.save(path)
    table = read_table(path)
    assert table.headings == ("label", "Area (\u00b5m\u00b2)", "s")
    np.testing.assert_array_equal(table["Area (\u00b5m\u00b2)"], [2.5, np.nan])
    assert table["s"].tolist() == ["x", "5"]
    assert table.object_ids.tolist() == [[0, 1], [0, 2]]
    assert dict(table.units) == {"Area (\u00b5m\u00b2)": "micrometer^2"}


def test_text_is_never_a_formula(tmp_path):
    path = tmp_path / "a.xlsx"
    write_table(ResultsTable({"=1+1": np.array(["=2+2", "#N/A"], object)}), path)
    sheet = openpyxl.load_workbook(path).worksheets[0]
    assert [c.data_type for c in sheet["A"]] == ["s", "s", "s"]
    assert read_table(path)["=1+1"].tolist() == ["=2+2", "#N/A"]


def test_what_excel_cannot_hold(tmp_path):
    for columns, words in (
        ({"a": np.zeros(1_048_576, np.uint8)}, "1048576 rows"),
        ({"a": np.array(["\x07"], object)}, "control characters"),
        ({"a": np.array(["x" * 40_000], object)}, "40000 characters"),
    ):
        with pytest.raises(UnsupportedError, match=words):
            write_table(ResultsTable(columns), tmp_path / "a.xlsx")
    assert list(tmp_path.iterdir()) == []


def test_a_zip_that_unpacks_to_too_much(tmp_path):
    path = tmp_path / "a.xlsx"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("x", "w") as f:
        for _ in range(300):
            f.write(bytes(1 << 20))
    with pytest.raises(FormatError, match="would unpack to"):
        read_table(path)
