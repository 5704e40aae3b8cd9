"""N5: the contract, ilastik's golden case, tensorstore as the witness, hostile containers."""

from __future__ import annotations

import contextlib
import json
import shutil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fijibridge import formats
from fijibridge.errors import FijiBridgeError, FormatError, SettingsError, UnsupportedError
from fijibridge.formats import Location
from fijibridge.model import Axes, Image, LabelImage, Region
from formats.contract import ImageContract, random_pixels


class TestN5(ImageContract):
    fmt = "n5"
    suffix = ".n5"
    dtypes = ("uint8", "int16", "uint32", "int64", "uint64", "float32", "float64")
    label_dtypes = ("uint8", "uint16", "uint32", "int64", "uint64")
    axes_sets = ("yx", "zyx", "xyz", "tzyxc", "czyx")
    keeps = frozenset({"scale", "unit", "origin", "time"})


class TestN5Inside(TestN5):
    inner = "a/b/data"
    dtypes = ("uint16",)
    axes_sets = ("zyx",)


def image(shape=(20, 30, 40), dtype="uint16", seed=1):
    data = random_pixels(np.random.default_rng(seed), shape, dtype)
    axes = Axes.of("zyx", shape, scale={"x": 0.2, "y": 0.2, "z": 1.5}, unit="um")
    return Image.from_array(data, axes)


def attributes(path):
    return json.loads((path / "attributes.json").read_text())


def change(path, **values):
    found = attributes(path) | values
    (path / "attributes.json").write_text(json.dumps(found))


def test_ilastik_s_container_is_read_and_written_again(shared, tmp_path):
    case = shared / "golden/ilastik/s19_n5"
    source = formats.read_image(case / "input/v.h5/data")
    found = formats.read_image(case / "expected/o.n5")
    assert found.axes.keys == "zyxc"
    np.testing.assert_array_equal(found.data, source.reorder("zyxc").data)
    formats.write_image(
        Image.from_array(found.data, "zyxc"),
        tmp_path / "o.n5",
        compression="none",
        version="ilastik",
    )
    golden = case / "expected/o.n5"
    names = sorted(p.relative_to(golden) for p in golden.rglob("*") if p.is_file())
    written = (tmp_path / "o.n5").rglob("*")
    assert sorted(p.relative_to(tmp_path / "o.n5") for p in written if p.is_file()) == names
    for name in names:
        ours, theirs = (root / name for root in (tmp_path / "o.n5", golden))
        if name.name == "attributes.json":
            assert json.loads(ours.read_text()) == json.loads(theirs.read_text())
        else:
            assert ours.read_bytes() == theirs.read_bytes()


@pytest.fixture(scope="module")
def tensorstore():
    return pytest.importorskip("tensorstore")


def ts_spec(path, **metadata):
    spec = {"driver": "n5", "kvstore": {"driver": "file", "path": str(path)}}
    return spec | ({"metadata": metadata, "create": True} if metadata else {})


@pytest.mark.parametrize("compression", ["gzip", "none"])
def test_tensorstore_reads_what_we_write(tmp_path, tensorstore, compression):
    made = image()
    formats.write_image(made, tmp_path / "a.n5", compression=compression, chunks=(7, 16, 40))
    found = tensorstore.open(ts_spec(tmp_path / "a.n5/exported_data"), read=True).result()
    assert found.shape == (40, 30, 20)
    np.testing.assert_array_equal(found.read().result().transpose(), made.data)
    units = [(u.multiplier, u.base_unit) for u in found.dimension_units]
    assert units == [(0.2, "um"), (0.2, "um"), (1.5, "um")]


@pytest.mark.parametrize("codec", ["raw", "gzip", "zlib", "bzip2", "xz", "zstd", "blosc"])
def test_we_read_what_tensorstore_writes(tmp_path, tensorstore, codec):
    made = image()
    compression = {"type": "gzip", "useZlib": True} if codec == "zlib" else {"type": codec}
    if codec == "blosc":
        compression |= {"cname": "lz4", "clevel": 5, "shuffle": 1}
    store = tensorstore.open(
        ts_spec(
            tmp_path / "a.n5/d",
            dimensions=[40, 30, 20],
            blockSize=[16, 16, 7],
            dataType="uint16",
            compression=compression,
            axes=["x", "y", "z"],
            units=["nm", "nm", "nm"],
            resolution=[4, 4, 40],
        )
    ).result()
    store.write(made.data.transpose()).result()
    found = formats.read_image(tmp_path / "a.n5")
    np.testing.assert_array_equal(found.data, made.data)
    assert [(a.key, a.scale, a.unit) for a in found.axes] == [
        ("z", 40.0, "nanometer"),
        ("y", 4.0, "nanometer"),
        ("x", 4.0, "nanometer"),
    ]


def test_levels_are_one_image(tmp_path):
    root = tmp_path / "a.n5"
    formats.write_image(image((8, 8, 8)), root / "vol/s0", version="ilastik")
    formats.write_image(image((4, 4, 4)), root / "vol/s1", version="ilastik")
    for name, factors in (("s0", [1, 1, 1]), ("s1", [2, 2, 2])):
        folder = root / "vol" / name
        found = attributes(folder)
        del found["axistags"], found["axis_units"]
        found |= {"downsamplingFactors": factors}
        (folder / "attributes.json").write_text(json.dumps(found))
    (root / "vol/attributes.json").write_text(
        json.dumps({"pixelResolution": {"unit": "um", "dimensions": [0.5, 0.5, 3.0]}})
    )
    source = formats.open_image(root)
    assert [level.name for level in source.spec.scales] == ["s0", "s1"]
    assert source.spec.shape == (8, 8, 8)
    for level in (1, "s1", "1", -1):
        axes = formats.open_image(root / "vol", level=level).spec.axes
        assert [a.scale for a in axes] == [6.0, 1.0, 1.0]
        assert [a.origin for a in axes] == [1.5, 0.25, 0.25]
        assert axes["x"].unit == "micrometer"
    with pytest.raises(SettingsError, match=r"no level 7; it has s0, s1"):
        formats.open_image(root, level=7)
    assert formats.open_image(root / "vol/s1").spec.shape == (4, 4, 4)


def test_several_images_must_be_named(tmp_path):
    root = tmp_path / "a.n5"
    formats.write_image(image(), root / "one")
    formats.write_image(image(seed=2), root / "two")
    with pytest.raises(FormatError, match=r"holds 2 images.*one.*two"):
        formats.read_image(root)
    np.testing.assert_array_equal(formats.read_image(root / "two").data, image(seed=2).data)
    with pytest.raises(FormatError, match="There is no 'three'"):
        formats.read_image(root / "three")
    with pytest.raises(SettingsError, match="is a dataset"):
        formats.write_image(image(), root / "one/inside")
    formats.write_image(image(), root / "g/d")
    with pytest.raises(SettingsError, match="group of other datasets"):
        formats.write_image(image(), root / "g", overwrite=True)
    with pytest.raises(SettingsError, match="begins with a dot"):
        formats.write_image(image(), root / ".hidden")
    where = Location.parse(root)
    fmt = formats.format_for_reading(where, "image")
    assert sorted(fmt.describe(where)["images"]) == ["g/d", "one", "two"]
    assert fmt.validate(where) == []


def test_labels_say_so(tmp_path):
    data = np.arange(60, dtype=np.uint64).reshape(3, 4, 5)
    formats.write_labels(LabelImage.from_array(data, "zyx"), tmp_path / "a.n5")
    assert formats.read_image(tmp_path / "a.n5").spec.role == "labels"


def test_missing_blocks_are_0(tmp_path):
    formats.write_image(image(), tmp_path / "a.n5", chunks=(10, 30, 40))
    shutil.rmtree(tmp_path / "a.n5/exported_data/0/0/1", ignore_errors=True)
    (tmp_path / "a.n5/exported_data/0/0/1").unlink(missing_ok=True)
    found = formats.read_image(tmp_path / "a.n5").data
    assert not found[10:].any()
    np.testing.assert_array_equal(found[:10], image().data[:10])


@pytest.mark.parametrize(
    ("what", "options", "error", "match"),
    [
        (image(dtype="uint16"), {"compression": "zip"}, SettingsError, "compression 'zip'"),
        (image(dtype="uint16"), {"version": "3"}, SettingsError, "no version '3'"),
        (image(dtype="uint16"), {"chunks": (1, 2)}, SettingsError, "do not fit the axes"),
        (Image.from_array(np.zeros((3, 4), np.float16), "yx"), {}, UnsupportedError, "float16"),
        (Image.from_array(np.zeros((0, 4), np.uint8), "yx"), {}, UnsupportedError, "one pixel"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path, what, options, error, match):
    with pytest.raises(error, match=match):
        formats.write_image(what, tmp_path / "a.n5", **options)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "a.n5").write_text("x")
    with pytest.raises(SettingsError):
        formats.write_image(image(), tmp_path / "a.n5", overwrite=True)


BROKEN = {
    "40 GB": {"dimensions": [5000, 5000, 5000]},
    "endless": {"dimensions": [2**40, 2**40, 2**40]},
    "tiny blocks": {"dimensions": [300, 300, 300], "blockSize": [1, 1, 1]},
    "large blocks": {"blockSize": [5000, 5000, 5000]},
    "other blocks": {"blockSize": [2, 2, 2], "compression": {"type": "gzip"}},
    "nothing": {"dimensions": [0, 1, 1]},
    "text": {"dimensions": "abc"},
    "negative": {"dimensions": [-1, 3, 3]},
    "axes": {"dimensions": [3, 3]},
    "six axes": {"dimensions": [1] * 6, "blockSize": [1] * 6},
    "type": {"dataType": "object"},
    "tags": {"axistags": "no tags"},
    "resolution": {"axistags": "", "resolution": [-1, 1, 1]},
    "infinite": {"axistags": "", "resolution": [1e400, 1, 1]},
}


@pytest.mark.parametrize("how", BROKEN)
def test_broken_containers_are_format_errors(tmp_path, how):
    formats.write_image(image(), tmp_path / "a.n5")
    change(tmp_path / "a.n5/exported_data", **BROKEN[how])
    with pytest.raises(FormatError):
        formats.read_image(tmp_path / "a.n5")


def test_unknown_packing_is_named(tmp_path):
    formats.write_image(image(), tmp_path / "a.n5")
    for codec in ({"type": "lz4"}, None, 7, {}):
        change(tmp_path / "a.n5/exported_data", compression=codec)
        with pytest.raises(UnsupportedError, match="known here are raw, gzip"):
            formats.read_image(tmp_path / "a.n5")
    where = Location.parse(tmp_path / "a.n5")
    fmt = formats.format_for_reading(where, "image")
    assert fmt.validate(where)[0].severity == "error"
    (tmp_path / "a.n5/exported_data/attributes.json").write_text("{")
    with pytest.raises(FormatError, match="is no JSON"):
        formats.read_image(tmp_path / "a.n5")
    (tmp_path / "a.n5/exported_data/attributes.json").write_text("[]")
    with pytest.raises(FormatError, match="holds no attributes"):
        formats.read_image(tmp_path / "a.n5")
    shutil.rmtree(tmp_path / "a.n5/exported_data")
    with pytest.raises(FormatError, match="holds no image"):
        formats.read_image(tmp_path / "a.n5")
    assert "no N5 dataset" in fmt.validate(where)[0].message


@settings(max_examples=pytest.count(150, 3000))
@given(st.sampled_from(["none", "gzip"]), st.data())
def test_damaged_blocks_are_format_errors(tmp_path_factory, compression, data):
    folder = tmp_path_factory.getbasetemp() / f"n5-fuzz-{compression}.n5"
    if not folder.exists():
        formats.write_image(image((4, 5, 6)), folder, compression=compression)
        shutil.copy(folder / "exported_data/0/0/0", folder / "good")
    raw = bytearray((folder / "good").read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    raw = raw[: data.draw(st.integers(0, len(raw)))] if data.draw(st.booleans()) else raw
    (folder / "exported_data/0/0/0").write_bytes(raw)
    with contextlib.suppress(FijiBridgeError):
        formats.read_image(folder)


def test_a_block_that_unpacks_to_gigabytes_is_stopped(tmp_path):
    import gzip

    formats.write_image(image((4, 5, 6)), tmp_path / "a.n5")
    path = tmp_path / "a.n5/exported_data/0/0/0"
    head = path.read_bytes()[:16]
    path.write_bytes(head + gzip.compress(bytes(2**26)))
    assert not formats.read_image(tmp_path / "a.n5").data.any()


def test_a_region_reads_only_its_blocks(tmp_path):
    formats.write_image(image(), tmp_path / "a.n5", chunks=(10, 10, 10))
    for path in (tmp_path / "a.n5/exported_data/3").rglob("*"):
        if path.is_file():
            path.write_bytes(b"broken")
    source = formats.open_image(tmp_path / "a.n5")
    assert source.chunks == (10, 10, 10)
    part = source.read(Region((0, 0, 0), (20, 30, 30)))
    np.testing.assert_array_equal(part, image().data[:, :, :30])
    with pytest.raises(FormatError, match="cannot be read"):
        source.read(Region((0, 0, 25), (20, 30, 31)))
