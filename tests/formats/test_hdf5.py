"""HDF5: the round-trip contract, datasets beside each other, ilastik's attributes."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fijibridge import formats
from fijibridge.errors import FormatError, SettingsError, UnsupportedError
from fijibridge.formats import Location, WriteOptions
from fijibridge.formats._hdf5.axistags import axistags_json
from fijibridge.formats._hdf5.write import block_shape
from fijibridge.formats.hdf5 import FORMAT, describe, validate
from fijibridge.model import Axes, Extra, Image, LabelImage, Region

h5py = pytest.importorskip("h5py")
_spec = importlib.util.spec_from_file_location("contract", Path(__file__).with_name("contract.py"))
contract = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(contract)

ALL = ("uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64")


class TestContract(contract.ImageContract):
    fmt = "hdf5"
    suffix = ".h5"
    dtypes = (*ALL, "float16", "float32", "float64")
    label_dtypes = ("uint8", "uint16", "uint32", "uint64", "int32")
    label_max = 2**63 - 1
    axes_sets = ("yx", "zyx", "yxc", "zyxc", "cyx", "tzyxc", "xyz")
    keeps: ClassVar = frozenset({"scale", "unit", "time"})


class TestContractInside(contract.ImageContract):
    fmt = "hdf5"
    suffix = ".hdf5"
    inner = "volumes/raw"
    dtypes = ("uint16",)
    axes_sets = ("zyx",)
    keeps: ClassVar = frozenset({"scale", "unit"})


def image(shape=(4, 5, 6), dtype=np.uint8, seed=0, **more):
    rng = np.random.default_rng(seed)
    data = rng.integers(0, 200, shape).astype(dtype)
    return Image.from_array(data, "tzyxc"[-len(shape) :] if len(shape) > 3 else "zyx", **more)


def test_a_second_dataset_leaves_the_first_alone(tmp_path):
    path = tmp_path / "a.h5"
    first, second = image(seed=1), image(seed=2)
    formats.write_image(first, path / "raw")
    before = h5py.File(path)["raw"][()]
    formats.write_image(second, path / "deep/er/labels")
    with h5py.File(path) as file:
        np.testing.assert_array_equal(file["raw"][()], before)
        np.testing.assert_array_equal(file["deep/er/labels"][()], second.data)
    assert [p.name for p in tmp_path.iterdir()] == ["a.h5"]


def test_overwrite_replaces_one_dataset_only(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file.attrs["mine"] = "kept"
        file["table"] = np.zeros(3, [("a", "f4"), ("b", "i4")])
        file["raw"] = image(seed=1).data
        file["other"] = np.arange(6)
    formats.write_image(image(seed=2), path / "raw", overwrite=True)
    with h5py.File(path) as file:
        assert file.attrs["mine"] == "kept"
        assert sorted(file) == ["other", "raw", "table"]
        np.testing.assert_array_equal(file["raw"][()], image(seed=2).data)


def test_overwriting_the_only_dataset_gives_its_room_back(tmp_path):
    path = tmp_path / "a.h5"
    big = Image.from_array(np.random.default_rng(0).integers(0, 255, (64, 64, 64), np.uint8), "zyx")
    formats.write_image(big, path)
    size = path.stat().st_size
    for _ in range(3):
        formats.write_image(big, path, overwrite=True)
    assert path.stat().st_size < 1.1 * size


@pytest.mark.parametrize(
    ("target", "text"),
    [
        ("group", "is a group of other datasets"),
        ("group/data/x", "is no group"),
        ("group/data", "exists"),
    ],
)
def test_targets_that_are_in_the_way(tmp_path, target, text):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["group/data"] = np.zeros((3, 3))
    before = path.read_bytes()
    with pytest.raises(SettingsError, match=text):
        formats.write_image(image(), path / target, overwrite=target == "group")
    assert path.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1


def test_a_target_that_is_no_hdf5_file_is_not_touched(tmp_path):
    path = tmp_path / "a.h5"
    path.write_bytes(b"something precious")
    with pytest.raises(SettingsError, match="no readable HDF5 file"):
        formats.write_image(image(), path, overwrite=True)
    assert path.read_bytes() == b"something precious"


def test_a_crash_before_commit_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.h5"
    formats.write_image(image(seed=1), path / "raw")
    before = path.read_bytes()
    sink = FORMAT.create_image(Location.parse(path / "new"), image().spec, WriteOptions())
    sink.write(Region.whole((4, 5, 6)), image().data)
    assert path.read_bytes() == before
    sink.abort()
    assert path.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1


def test_two_writers_do_not_lose_a_dataset(tmp_path):
    path = tmp_path / "a.h5"
    formats.write_image(image(seed=1), path / "raw")
    one = FORMAT.create_image(Location.parse(path / "one"), image().spec, WriteOptions())
    formats.write_image(image(seed=2), path / "two")
    with pytest.raises(SettingsError, match="changed by another program"):
        one.commit()
    with h5py.File(path) as file:
        assert sorted(file) == ["raw", "two"]
    assert len(list(tmp_path.iterdir())) == 1


def test_attributes_are_ilastiks(tmp_path):
    axes = Axes.of("yxc", (6, 7, 3), scale={"x": 0.1, "y": 0.2}, unit={"x": "nm", "y": "nm"})
    extra = Extra(drange=(0, 500), display_mode="grayscale")
    formats.write_image(
        Image.from_array(np.zeros((6, 7, 3), np.uint16), axes, extra=extra), tmp_path / "a.h5"
    )
    with h5py.File(tmp_path / "a.h5") as file:
        data = file["exported_data"]
        assert data.attrs["axistags"] == axistags_json(axes)
        assert '"resolution": 0.20000000000000001' in data.attrs["axistags"]
        assert data.attrs["axis_units"] == '{"y": "nanometer", "x": "nanometer"}'
        assert data.attrs["display_mode"] == "grayscale"
        assert data.attrs["drange"].dtype == np.uint16
        assert data.attrs["drange"].tolist() == [0, 500]
        assert [d.label for d in data.dims] == ["y", "x", "c"]
        assert (data.compression, data.compression_opts, data.chunks) == ("gzip", 1, (6, 7, 1))
    back = formats.read_image(tmp_path / "a.h5")
    assert back.axes == axes
    assert back.spec.extra.drange == (0, 500)
    assert back.spec.extra.display_mode == "grayscale"


def test_no_compression_and_own_chunks(tmp_path):
    formats.write_image(image(), tmp_path / "a.h5", compression="none", chunks=(1, 5, 99))
    with h5py.File(tmp_path / "a.h5") as file:
        assert file["exported_data"].compression is None
        assert file["exported_data"].chunks == (1, 5, 6)
    with pytest.raises(SettingsError, match="lzma"):
        formats.write_image(image(), tmp_path / "b.h5", compression="lzma")
    with pytest.raises(SettingsError, match="chunks"):
        formats.write_image(image(), tmp_path / "b.h5", chunks=(1, 5))
    with pytest.raises(SettingsError, match="no versions"):
        formats.write_image(image(), tmp_path / "b.h5", version="0.5")
    with pytest.raises(UnsupportedError, match="complex128"):
        formats.write_image(Image.from_array(np.zeros((3, 3), complex), "yx"), tmp_path / "b.h5")
    assert [p.name for p in tmp_path.iterdir()] == ["a.h5"]


def test_labels_say_that_they_are_labels(tmp_path):
    labels = LabelImage.from_array(np.arange(12).reshape(3, 4), "yx")
    formats.write_labels(labels, tmp_path / "a.h5")
    back = formats.read_image(tmp_path / "a.h5")
    assert back.spec.role == "labels"
    assert formats.read_image(tmp_path / "a.h5", role="intensity").spec.role == "intensity"


def test_blocks_shape_of_golden_s18():
    assert block_shape((60, 200, 150), 512_000) == (60, 92, 92)


@given(
    data=hnp.arrays(
        st.sampled_from([np.uint8, np.int16, np.uint32, np.float32, np.float64]),
        hnp.array_shapes(min_dims=2, max_dims=5, max_side=6),
    ),
    keys=st.permutations("tzyxc"),
    scale=st.floats(1e-6, 1e6),
)
def test_anything_comes_back(tmp_path_factory, data, keys, scale):
    axes = Axes.of("".join(keys[: data.ndim]), data.shape, scale={"x": scale}, unit="um")
    path = tmp_path_factory.mktemp("h") / "a.h5"
    formats.write_image(Image.from_array(data, axes), path)
    back = formats.read_image(path)
    np.testing.assert_array_equal(back.data, data)
    assert back.axes == axes


def test_several_images_are_listed_and_found(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["raw"] = np.zeros((4, 50, 60), np.uint8)
        file["g/labels"] = np.zeros((50, 60), np.uint32)
        file["name"] = "text"
        file["g/labels"].attrs["type"] = "labeling"
    with pytest.raises(FormatError, match=r"holds 2 images: raw \(4, 50, 60\) uint8; g/lab"):
        formats.open_image(path)
    assert formats.open_image(path / "raw").spec.axes.keys == "zyx"
    assert formats.open_image(path / "g").spec.role == "labels"
    with pytest.raises(FormatError, match=r"no dataset 'nope'. It holds: raw"):
        formats.open_image(path / "nope")
    with pytest.raises(FormatError, match="not an image; pixels are numbers"):
        formats.open_image(path / "name")
    about = describe(Location.parse(path))
    assert [i["path"] for i in about["images"]] == ["raw", "g/labels"]
    assert about["images"][0]["axes"] == "zyx"
    assert [o["path"] for o in about["others"]] == ["name"]
    assert {f.severity for f in validate(Location.parse(path))} == {"warning"}


@pytest.mark.parametrize(
    ("attributes", "shape", "keys", "x"),
    [
        ({}, (5, 40, 50), "zyx", (1.0, "pixel")),
        ({}, (40, 50, 3), "yxc", (1.0, "pixel")),
        ({"axes": "xyz"}, (5, 40, 50), "zyx", (1.0, "pixel")),
        ({"axes": "zyx"}, (5, 40, 50), "zyx", (1.0, "pixel")),
        ({"axes": ["x", "y", "c"]}, (5, 40, 50), "cyx", (1.0, "pixel")),
        ({"axes": 7}, (5, 40, 50), "zyx", (1.0, "pixel")),
        ({"element_size_um": [1.5, 0.2, 0.1]}, (5, 40, 50), "zyx", (0.1, "micrometer")),
        (
            {"axistags": axistags_json(Axes.of("tyx", (5, 40, 50)))},
            (5, 40, 50),
            "tyx",
            (1.0, "pixel"),
        ),
        (
            {
                "axistags": np.bytes_(axistags_json(Axes.of("yx", (4, 5), scale={"x": 0.3}))),
                "axis_units": '{"x": "um"}',
            },
            (4, 5),
            "yx",
            (0.3, "micrometer"),
        ),
    ],
)
def test_axes_as_the_attributes_say(tmp_path, attributes, shape, keys, x):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["d"] = np.zeros(shape, np.uint8)
        for name, value in attributes.items():
            file["d"].attrs[name] = value
    axes = formats.open_image(tmp_path / "a.h5").spec.axes
    assert axes.keys == keys
    assert (axes["x"].scale, axes["x"].unit) == x


def test_asked_axes_win(tmp_path):
    formats.write_image(image(), tmp_path / "a.h5")
    assert formats.open_image(tmp_path / "a.h5", axes="CYX").spec.axes.keys == "cyx"
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        file["exported_data"].attrs["axistags"] = "{nonsense"
    with pytest.raises(FormatError, match="not axistags"):
        formats.open_image(tmp_path / "a.h5")
    assert formats.open_image(tmp_path / "a.h5", axes="tyx").spec.axes.keys == "tyx"
    assert validate(Location.parse(tmp_path / "a.h5"))[0].severity == "error"


def test_there_are_no_levels(tmp_path):
    formats.write_image(image(), tmp_path / "a.h5")
    assert formats.open_image(tmp_path / "a.h5", level="0").spec.shape == (4, 5, 6)
    with pytest.raises(SettingsError, match="one level only; level 2"):
        formats.open_image(tmp_path / "a.h5", level=2)


def test_big_endian_and_bool_are_pixels(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["big"] = np.arange(12).reshape(3, 4).astype(">u2")
        file["bool"] = np.eye(3, dtype=bool)
    big = formats.read_image(tmp_path / "a.h5/big")
    assert big.dtype == np.uint16
    assert big.data[2, 3] == 11
    assert formats.read_image(tmp_path / "a.h5/bool").data.max() == 255
    assert formats.read_labels(tmp_path / "a.h5/bool").ids.tolist() == [1]
