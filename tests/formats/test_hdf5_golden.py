"""HDF5 as ilastik wrote it: read right, and written again with the same words beside it."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest

from fijibridge import formats
from fijibridge.errors import FormatError
from fijibridge.formats import Location
from fijibridge.formats.hdf5 import describe, validate

h5py = pytest.importorskip("h5py")


def golden_outputs(shared):
    """Yield (file, dataset name, what the case says of it)."""
    for case in sorted((shared / "golden/ilastik").rglob("case.json")):
        for output in json.loads(case.read_text()).get("outputs", []):
            if output.get("kind") == "hdf5":
                path = case.parent / "expected" / output["path"]
                for name, about in output["datasets"].items():
                    if path.exists() and "sha256" in about and "axistags" in about["attrs"]:
                        yield path, name, about


def test_golden_outputs_read_right(shared):
    n = 0
    for path, name, about in golden_outputs(shared):
        image = formats.read_image(path / name)
        assert list(image.shape) == about["shape"]
        assert image.dtype == about["dtype"]
        data = np.ascontiguousarray(image.data)
        assert hashlib.sha256(data.tobytes()).hexdigest() == about["sha256"], path
        tags = json.loads(about["attrs"]["axistags"])["axes"]
        assert image.axes.keys == "".join(t["key"] for t in tags)
        for tag in tags:
            assert image.axes[tag["key"]].scale == (tag["resolution"] or 1)
        n += 1
    assert n >= 15


def test_written_again_the_words_are_the_same(shared, tmp_path):
    for i, (path, name, about) in enumerate(golden_outputs(shared)):
        if about["chunks"] is None or name.startswith("images/"):
            continue  # not written by ilastik's image export
        image = formats.read_image(path / name)
        target = tmp_path / f"{i}.h5"
        formats.write_image(image, target / name, compression=about["compression"] or "none")
        with h5py.File(target) as new, h5py.File(path) as old:
            now, was = new[name], old[name]
            np.testing.assert_array_equal(now[()], was[()])
            assert now.chunks == was.chunks, path
            assert (now.compression, now.compression_opts) == (
                was.compression,
                was.compression_opts,
            )
            assert [d.label for d in now.dims] == [d.label for d in was.dims]
            assert set(now.attrs) == set(was.attrs), path
            for key in set(was.attrs) - {"axis_units", "DIMENSION_LABELS"}:
                np.testing.assert_array_equal(now.attrs[key], was.attrs[key])
                assert np.asarray(now.attrs[key]).dtype == np.asarray(was.attrs[key]).dtype


def test_all_inputs_open(shared):
    for path in sorted((shared / "golden/ilastik").rglob("input/*.h5")):
        for about in describe(Location.parse(path))["images"]:
            image = formats.read_image(path / about["path"])
            assert list(image.shape) == about["shape"]
        assert not [f for f in validate(Location.parse(path)) if f.severity == "error"]


def test_an_object_table_is_no_image(shared):
    path = next((shared / "golden/ilastik").rglob("*_table.h5"))
    with pytest.raises(FormatError, match="holds no image"):
        formats.open_image(path)
    assert formats.read_labels(path / "images/0/labeling").axes.keys == "xy"
    about = describe(Location.parse(path))
    assert next(o for o in about["others"] if o.get("kind") == "table")["path"] == "table"
