"""ilastik's object tables (golden/ilastik s60): CSV, HDF5 and Parquet, joined with others."""

from __future__ import annotations

import numpy as np
import pytest

import fijibridge as fb
from fijibridge.errors import SettingsError
from fijibridge.model import ResultsTable

NAMES = ("2d3c-data_table_table.csv", "2d3c-data_table.h5")


@pytest.fixture
def folder(shared):
    return shared / "golden/ilastik/s60_object_table_2d3c/expected"


def same(a, b, *, rel=0.0):
    assert set(a.headings) == set(b.headings)
    for heading in a.headings:
        one, two = a[heading], b[heading]
        if one.dtype == object or two.dtype == object:
            assert [str(v) for v in one] == [str(v) for v in two], heading
        else:
            assert np.allclose(one, two, rtol=rel, atol=0, equal_nan=True), heading
    assert np.array_equal(a.object_ids, b.object_ids)


def test_both_of_ilastiks_files_say_the_same(folder):
    text, binary = (fb.read_table(folder / name) for name in NAMES)
    same(text, binary, rel=1e-6)
    assert text.object_ids.tolist() == [[0, n] for n in range(1, 13)]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("suffix", [".parquet", ".h5", ".csv", ".xlsx"])
def test_converted_and_back(folder, tmp_path, name, suffix):
    fb.convert(folder / name, tmp_path / f"a{suffix}")
    # xlsx holds 15 digits
    rel = 1e-14 if suffix == ".xlsx" else 0.0
    same(fb.read_table(folder / name), fb.read_table(tmp_path / f"a{suffix}"), rel=rel)


def test_joined_with_another_table(folder):
    ours = fb.read_table(folder / NAMES[1])
    ids = ours.object_ids[::-1][2:]
    more = ResultsTable({"Feret": np.arange(10.0), "Size in pixels": np.zeros(10)}, ids)
    both = ours.joined(more)
    assert both["Feret"][:10].tolist() == list(range(9, -1, -1))
    assert np.isnan(both["Feret"][10:]).all()
    assert np.array_equal(both["Size in pixels"], ours["Size in pixels"])
    with pytest.raises(SettingsError, match="no object ids"):
        ours.joined(ResultsTable({"Feret": np.arange(3.0)}))
    with pytest.raises(SettingsError, match="two rows of the object t=0, label 1"):
        ours.joined(ResultsTable({"Feret": np.arange(2.0)}, np.array([[0, 1], [0, 1]])))


def test_measurements_are_ilastiks(shared, folder):
    """Radii, axes, means and variances of the objects of s60."""
    from fijibridge.measure.object_features import survey
    from fijibridge.model import Image
    from formats.track_cases import Source

    case = folder.parent / "input"
    arrays = {}
    for name in ("raw", "labels"):
        with np.load(case / f"{name}.npz") as found:
            arrays[name] = found[found.files[0]]
    labels = Source(Image.from_array(arrays["labels"], "txyzc", role="labels"))
    seen = survey(labels, Source(Image.from_array(arrays["raw"], "txyzc")))
    theirs = fb.read_table(folder / NAMES[1])
    assert np.array_equal(seen.ids, theirs.object_ids)
    for heading, values in seen.features.columns.items():
        if heading in theirs:
            assert np.allclose(values, theirs[heading], rtol=1e-6, atol=1e-6), heading
    assert "Principal components of the object_3" in theirs
