"""Excel workbooks."""

from __future__ import annotations

import subprocess
import sys
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


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit of file sizes")
def test_a_full_disk_leaves_nothing(tmp_path):
    code = (
        "import resource, signal, sys, numpy as np, fijibridge as fb\n"
        "table = fb.ResultsTable({'Area': np.random.default_rng(1).random(5000)})\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (2000, resource.RLIM_INFINITY))\n"
        "try:\n    fb.write_table(table, sys.argv[1])\n"
        "except fb.SettingsError as error:\n    print(error)\n"
    )
    folder = tmp_path / "new"
    done = subprocess.run(
        [sys.executable, "-B", "-c", code, str(folder / "a.xlsx")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "File too large. Nothing was left behind" in done.stdout
    assert done.stderr == ""
    assert list(tmp_path.iterdir()) == []
