"""Neuroglancer Precomputed: volumes that tensorstore wrote, and broken ones."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest

from fijibridge import formats
from fijibridge.errors import (
    FijiBridgeError,
    FormatError,
    MissingDependencyError,
    SettingsError,
    UnsupportedError,
)
from fijibridge.formats import Location
from fijibridge.model import Image, Region

ts = pytest.importorskip("tensorstore")

SHAPE = (10, 8, 6)  # x, y, z


def scale(folder, key, data, step, offset, *, encoding="raw", kind="image", more=None):
    spec = {
        "driver": "neuroglancer_precomputed",
        "kvstore": {"driver": "file", "path": str(folder)},
        "multiscale_metadata": {
            "type": kind,
            "data_type": data.dtype.name,
            "num_channels": data.shape[3],
        },
        "scale_metadata": {
            "key": key,
            "size": list(data.shape[:3]),
            "resolution": step,
            "voxel_offset": offset,
            "encoding": encoding,
            "chunk_size": [4, 4, 4],
            **(more or {}),
        },
        "create": True,
    }
    ts.open(spec).result().write(data).result()


@pytest.fixture
def volume(tmp_path):
    """Two scales of one channel; returns the folder and the pixels (x, y, z, c) of both."""
    full = np.random.default_rng(2).integers(0, 65536, (*SHAPE, 1), np.uint16)
    half = full[::2, ::2]
    scale(tmp_path / "a", "4_4_40", full, [4, 4, 40], [3, 2, 1])
    scale(tmp_path / "a", "8_8_40", half, [8, 8, 40], [1, 1, 1])
    return tmp_path / "a", full, half


def test_scales_are_levels(volume):
    folder, full, half = volume
    image = formats.read_image(folder)
    assert image.axes.keys == "zyx"
    np.testing.assert_array_equal(image.data, full[..., 0].transpose())
    assert [a.scale for a in image.axes] == [40.0, 4.0, 4.0]
    assert [a.origin for a in image.axes] == [40.0, 8.0, 12.0]
    assert image.axes["x"].unit == "nanometer"
    assert [level.name for level in image.spec.scales] == ["4_4_40", "8_8_40"]
    for level in (1, "1", -1, "8_8_40"):
        found = formats.read_image(folder, level=level)
        np.testing.assert_array_equal(found.data, half[..., 0].transpose())
        assert found.axes["x"].scale == 8.0
    with pytest.raises(SettingsError, match="no level 5; it has 4_4_40, 8_8_40"):
        formats.open_image(folder, level=5)


def test_regions_are_slices_of_the_whole(volume):
    folder, full, _ = volume
    whole = full[..., 0].transpose()
    source = formats.open_image(folder)
    assert source.chunks == (4, 4, 4)
    rng = np.random.default_rng(5)
    for _ in range(12):
        start = [int(rng.integers(0, n)) for n in whole.shape]
        stop = [int(rng.integers(a + 1, n + 1)) for a, n in zip(start, whole.shape, strict=True)]
        region = Region(tuple(start), tuple(stop))
        np.testing.assert_array_equal(source.read(region), whole[region.slices])
    with pytest.raises(SettingsError, match="does not lie in"):
        source.read(Region((0, 0, 0), (7, 8, 10)))


def test_channels_come_first_and_segmentations_are_labels(tmp_path):
    data = np.random.default_rng(3).integers(0, 256, (*SHAPE, 3), np.uint8)
    scale(tmp_path / "c", "s", data, [1, 1, 1], [0, 0, 0])
    image = formats.read_image(tmp_path / "c")
    assert image.axes.keys == "czyx"
    np.testing.assert_array_equal(image.data, data.transpose())
    labels = np.random.default_rng(3).integers(0, 2**40, (*SHAPE, 1), np.uint64)
    packed = {"compressed_segmentation_block_size": [8, 8, 8]}
    scale(
        tmp_path / "l",
        "s",
        labels,
        [1, 1, 1],
        [0, 0, 0],
        encoding="compressed_segmentation",
        kind="segmentation",
        more=packed,
    )
    found = formats.read_labels(tmp_path / "l")
    np.testing.assert_array_equal(found.data, labels[..., 0].transpose())
    assert formats.open_image(tmp_path / "l").spec.role == "labels"


def test_it_is_not_written(volume, tmp_path):
    with pytest.raises(UnsupportedError, match="holds no images"):
        formats.write_image(
            Image.from_array(np.zeros((3, 4), np.uint8), "yx"), tmp_path / "b.precomputed"
        )


def test_tensorstore_may_be_missing(volume, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorstore", None)
    with pytest.raises(MissingDependencyError, match=r"fijibridge\[volumes\]"):
        formats.open_image(volume[0])


def change(folder, **values):
    found = json.loads((folder / "info").read_text())
    found["scales"][0].update(values.pop("scale", {}))
    found.update(values)
    (folder / "info").write_text(json.dumps(found))


BROKEN = {
    "no scales": {"scales": [{}]},
    "empty scales": {"scales": [{}, {}]},
    "other type": {"data_type": "complex64"},
    "mesh": {"@type": "neuroglancer_legacy_mesh"},
    "no channels": {"num_channels": 0},
    "40 GB": {"scale": {"size": [5000, 5000, 5000]}},
    "negative": {"scale": {"size": [-1, 2, 2]}},
    "flat": {"scale": {"size": [5, 5]}},
    "infinite": {"scale": {"resolution": [1e400, 1, 1]}},
    "zero": {"scale": {"resolution": [0, 1, 1]}},
    "large chunks": {"scale": {"chunk_sizes": [[5000, 5000, 5000]]}},
    "unknown encoding": {"scale": {"encoding": "magic"}},
}


@pytest.mark.parametrize("how", BROKEN)
def test_broken_volumes_are_format_errors(volume, how):
    change(volume[0], **BROKEN[how])
    with pytest.raises(FormatError):
        formats.read_image(volume[0])


def test_broken_chunks_are_format_errors(volume):
    where = Location.parse(volume[0])
    fmt = formats.format_for_reading(where, "image")
    assert fmt.validate(where) == []
    assert fmt.describe(where)["format"] == "Neuroglancer Precomputed"
    for path in (volume[0] / "4_4_40").iterdir():
        path.write_bytes(b"abc")
    with pytest.raises(FormatError, match="cannot be read"):
        formats.read_image(volume[0])
    (volume[0] / "info").write_text("{")
    with pytest.raises(FijiBridgeError):
        formats.read_image(volume[0])
