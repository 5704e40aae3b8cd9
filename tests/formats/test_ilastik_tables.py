"""HDF5 tables in ilastik's layout."""

from __future__ import annotations

import h5py  # noqa: TID253
import numpy as np
import pytest

from fijibridge.errors import FormatError, SettingsError, UnsupportedError
from fijibridge.formats import open_image, read_table, write_image, write_table
from fijibridge.model import Image, ResultsTable

TABLE = ResultsTable(
    {"Area": np.array([1.5, 2.5]), "Class": np.array(["a", "b\u00b5"], object)},
    np.array([[0, 3], [1, 4]]),
    units={"Area": "micrometer^2"},
)


def test_written_tables_have_ilastiks_columns(tmp_path):
    path = tmp_path / "a.h5"
    write_table(TABLE, path)
    with h5py.File(path) as file:
        rows = file["table"]
        assert rows.dtype.names == ("object_id", "timestep", "labelimage_oid", "Area", "Class")
        assert rows.dtype["Class"].kind == "S"
        assert rows["timestep"].tolist() == [0, 1]
        assert rows["labelimage_oid"].tolist() == [3, 4]
        assert rows.compression == "gzip"
    back = read_table(path)
    assert back.headings == TABLE.headings
    assert back.object_ids.tolist() == [[0, 3], [1, 4]]
    assert back["Class"].tolist() == ["a", "b\u00b5"]


def test_a_table_beside_an_image(tmp_path):
    path = tmp_path / "a.h5"
    image = Image.from_array(np.arange(12, dtype=np.uint8).reshape(3, 4), "yx")
    write_image(image, path / "raw")
    write_table(TABLE, path / "objects/nuclei")
    write_table(TABLE.select(["Area"]), path / "table")
    assert read_table(path / "objects/nuclei").headings == ("Area", "Class")
    assert read_table(path).headings == ("Area",)
    source = open_image(path / "raw")
    assert source.spec.shape == (3, 4)
    source.close()
    with pytest.raises(SettingsError, match="exists"):
        write_table(TABLE, path / "table")
    write_table(TABLE, path / "table", overwrite=True)
    assert read_table(path).headings == ("Area", "Class")
    assert [p.name for p in tmp_path.iterdir()] == ["a.h5"]


def test_tables_of_other_programs(tmp_path):
    path = tmp_path / "a.h5"
    rows = np.zeros(3, [("n", ">i4"), ("box", "f4", (2,)), ("flag", bool), ("s", "S3")])
    rows["n"] = [1, 2, 3]
    with h5py.File(path, "w") as file:
        file.create_dataset("x/y", data=rows)
    table = read_table(path)
    assert table.headings == ("n", "box_0", "box_1", "flag", "s")
    assert table["n"].dtype == np.dtype("i4")
    assert table["s"].tolist() == ["", "", ""]
    with pytest.raises(FormatError, match=r"no table 'z'.*x/y"):
        read_table(path / "z")


def test_what_hdf5_cannot_hold(tmp_path):
    many = {f"a rather long heading number {i}": np.zeros(2) for i in range(3000)}
    for columns, words in (
        (many, "3000 columns"),
        ({}, "without columns"),
        ({"s": np.array(["a\0"], object)}, "NUL"),
        ({"": np.zeros(1)}, "empty"),
    ):
        with pytest.raises(UnsupportedError, match=words):
            write_table(ResultsTable(columns), tmp_path / "a.h5")
    clash = ResultsTable({"timestep": np.array([5, 6])}, np.array([[0, 1], [0, 2]]))
    with pytest.raises(UnsupportedError, match="differs"):
        write_table(clash, tmp_path / "a.h5")
    assert list(tmp_path.iterdir()) == []


def test_a_target_that_is_no_hdf5(tmp_path):
    path = tmp_path / "a.h5"
    path.write_text("hello", "utf-8")
    with pytest.raises(SettingsError, match="no readable HDF5"):
        write_table(TABLE, path, overwrite=True)
    assert path.read_text("utf-8") == "hello"
