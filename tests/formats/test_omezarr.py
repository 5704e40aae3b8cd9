"""OME-Zarr: the round-trip contract, levels, labels beside images, both versions."""

from __future__ import annotations

import importlib.util
import json
import shutil
import warnings
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
from fijibridge.formats._zarr.meta import check_with_models
from fijibridge.formats.omezarr import FORMAT, describe, validate
from fijibridge.model import Axes, Extra, Image, LabelImage, Region
from fijibridge.model.scaling import level_axes

zarr = pytest.importorskip("zarr")
_spec = importlib.util.spec_from_file_location("contract", Path(__file__).with_name("contract.py"))
contract = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(contract)

KEEPS = frozenset({"scale", "unit", "origin", "time"})


class TestContract(contract.ImageContract):
    fmt = "ome-zarr"
    suffix = ".ome.zarr"
    dtypes = ("uint8", "uint16", "int32", "uint64", "float32", "float64")
    label_dtypes = ("uint8", "uint32", "uint64", "int64")
    label_max = 2**63 - 1
    axes_sets = ("yx", "zyx", "zyxc", "tzyxc", "xy")
    keeps: ClassVar = KEEPS


class TestContractInside(contract.ImageContract):
    fmt = "ome-zarr"
    suffix = ".zarr"
    inner = "volumes/raw"
    dtypes = ("uint16",)
    axes_sets = ("zyx", "cyx")
    keeps: ClassVar = KEEPS


class TestContract05(contract.ImageContract):
    fmt = "ome-zarr"
    suffix = ".ome.zarr"
    dtypes = ("uint8", "int16", "float32")
    axes_sets = ("yx", "tczyx")
    keeps: ClassVar = KEEPS

    @pytest.fixture(autouse=True)
    def _version(self, monkeypatch):
        write, create = formats.write_image, FORMAT.create_image
        monkeypatch.setattr(
            formats, "write_image", lambda *a, **k: write(*a, **({"version": "0.5"} | k))
        )
        assert create is not None


def picture(shape=(300, 260), seed=0, keys=None, **more):
    rng = np.random.default_rng(seed)
    data = rng.integers(0, 60_000, shape, np.uint16)
    keys = keys or "tczyx"[-len(shape) :]
    axes = Axes.of(keys, shape, scale={"x": 0.2, "y": 0.2, "z": 0.3}, unit="um")
    return Image.from_array(data, axes, name="cells", **more)


def nuclei(shape=(300, 260), n=9):
    data = np.zeros(shape, np.uint32)
    for i in range(1, n + 1):
        data[..., 25 * i : 25 * i + 20, 30:200] = i
    return LabelImage.from_array(data, "tczyx"[-len(shape) :])


def check_valid(path, *, version, labels=False):
    """The three witnesses: our look, ome-zarr-models and ome-zarr-py's reader."""
    check_with_models(path, version, labels=labels)
    errors = [f for f in validate(Location.parse(path)) if f.severity == "error"]
    assert errors == []


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize("shape", [(300, 260), (2, 40, 150, 131), (2, 3, 17, 40, 300)])
def test_levels_and_witnesses(tmp_path, version, shape):
    image = picture(shape)
    path = tmp_path / "a.ome.zarr"
    formats.write_image(image, path, version=version)
    check_valid(path, version=version)
    source = formats.open_image(path)
    levels = level_axes(image.axes)
    assert [level.axes.shape for level in source.spec.scales] == [a.shape for a in levels]
    assert [level.name for level in source.spec.scales] == [f"s{i}" for i in range(len(levels))]
    for i, axes in enumerate(levels):
        back = formats.read_image(path, level=i)
        assert back.shape == axes.shape
        for one, two in zip(back.axes, axes, strict=True):
            assert (one.scale, one.origin, one.unit) == pytest.approx(
                (two.scale, two.origin, two.unit)
            )
        again = formats.read_image(path / f"s{i}")
        np.testing.assert_array_equal(again.data, back.data)
        assert again.axes == back.axes
        assert formats.open_image(path, level=f"s{i}").spec.shape == axes.shape
    assert formats.open_image(path, level=-1).spec.shape == levels[-1].shape
    with pytest.raises(SettingsError, match=r"no level 's9'\. Did you mean"):
        formats.open_image(path, level="s9")
    with pytest.raises(SettingsError, match="no level 77"):
        formats.open_image(path, level=77)
    with pytest.raises(SettingsError, match="one level only"):
        formats.open_image(path / "s0", level=1)


def test_zarr_versions_and_separator(tmp_path):
    formats.write_image(picture(), tmp_path / "four.ome.zarr")
    array = json.loads((tmp_path / "four.ome.zarr/s0/.zarray").read_text())
    assert (array["zarr_format"], array["dimension_separator"]) == (2, "/")
    assert array["chunks"] == [300, 260]
    assert array["compressor"]["cname"] == "lz4"
    attributes = json.loads((tmp_path / "four.ome.zarr/.zattrs").read_text())
    assert attributes["multiscales"][0]["version"] == "0.4"
    formats.write_image(picture(), tmp_path / "five.ome.zarr", version="0.5", compression="zstd")
    five = json.loads((tmp_path / "five.ome.zarr/zarr.json").read_text())
    assert five["attributes"]["ome"]["version"] == "0.5"
    array = json.loads((tmp_path / "five.ome.zarr/s0/zarr.json").read_text())
    assert array["dimension_names"] == ["y", "x"]


def test_labels_beside_an_image(tmp_path):
    for version in ("0.4", "0.5"):
        path = tmp_path / f"{version}.ome.zarr"
        formats.write_image(picture(), path, version=version)
        before = {p: p.read_bytes() for p in path.rglob("*") if p.is_file()}
        labels = nuclei()
        formats.write_labels(labels, path / "labels/nuclei")
        formats.write_labels(labels, path / "labels/cells")
        for file, content in before.items():
            assert file.read_bytes() == content
        check_valid(path, version=version)
        check_valid(path / "labels/nuclei", version=version, labels=True)
        back = formats.read_labels(path / "labels/nuclei")
        np.testing.assert_array_equal(back.data, labels.data)
        assert formats.open_image(path / "labels/nuclei").spec.role == "labels"
        small = formats.read_labels(path / "labels/nuclei", level=1)
        assert set(small.ids) <= set(labels.ids)
        about = describe(Location.parse(path))
        assert about["labels"] == ["labels/cells", "labels/nuclei"]
        file = "zarr.json" if version == "0.5" else ".zattrs"
        listed = json.loads((path / "labels" / file).read_text())
        listed = listed["attributes"]["ome"] if version == "0.5" else listed
        assert listed["labels"] == ["nuclei", "cells"]
        meta = json.loads((path / "labels/nuclei" / file).read_text())
        meta = meta["attributes"]["ome"] if version == "0.5" else meta
        assert meta["image-label"]["source"] == {"image": "../../"}
        colors = meta["image-label"]["colors"]
        assert [c["label-value"] for c in colors] == list(range(1, 10))
        assert len({tuple(c["rgba"]) for c in colors}) == 9


def test_overwriting_a_label_image_leaves_the_others(tmp_path):
    path = tmp_path / "a.ome.zarr"
    formats.write_image(picture(), path)
    formats.write_labels(nuclei(n=3), path / "labels/one")
    formats.write_labels(nuclei(n=4), path / "labels/two")
    with pytest.raises(SettingsError, match="exists"):
        formats.write_labels(nuclei(n=5), path / "labels/one")
    formats.write_labels(nuclei(n=5), path / "labels/one", overwrite=True)
    assert len(formats.read_labels(path / "labels/one").ids) == 5
    assert len(formats.read_labels(path / "labels/two").ids) == 4
    assert [p.name for p in tmp_path.iterdir()] == ["a.ome.zarr"]
    assert sorted(p.name for p in (path / "labels").iterdir()) == [
        *(".zattrs", ".zgroup", "one", "two")
    ]


def test_overwriting_an_image_keeps_its_labels(tmp_path):
    path = tmp_path / "a.ome.zarr"
    formats.write_image(picture(seed=1), path)
    formats.write_labels(nuclei(), path / "labels/nuclei")
    formats.write_image(picture(seed=2), path, overwrite=True)
    np.testing.assert_array_equal(formats.read_image(path).data, picture(seed=2).data)
    np.testing.assert_array_equal(formats.read_labels(path / "labels/nuclei").data, nuclei().data)
    check_valid(path, version="0.4")
    with pytest.raises(SettingsError, match=r"is version 0\.4"):
        formats.write_image(picture(), path, overwrite=True, version="0.5")


def test_a_label_store_of_its_own(tmp_path):
    labels = nuclei()
    for version in ("0.4", "0.5"):
        path = tmp_path / f"{version}.ome.zarr"
        formats.write_labels(labels, path, version=version)
        check_valid(path, version=version, labels=True)
        assert formats.open_image(path).spec.role == "labels"
        np.testing.assert_array_equal(formats.read_labels(path).data, labels.data)
    formats.write_labels(labels, tmp_path / "new.ome.zarr/labels/nuclei")
    np.testing.assert_array_equal(
        formats.read_labels(tmp_path / "new.ome.zarr/labels/nuclei").data, labels.data
    )
    np.testing.assert_array_equal(formats.read_labels(tmp_path / "new.ome.zarr").data, labels.data)


def test_colors_properties_and_source_travel(tmp_path):
    extra = Extra(
        label_colors={3: (1, 2, 3, 255), 9: (4, 5, 6, 0)},
        label_properties=({"label-value": 3, "class": "mitosis"},),
        other={"image-label source": {"image": "../raw"}},
    )
    labels = LabelImage.from_array([[0, 3], [9, 9]], "yx", extra=extra)
    formats.write_labels(labels, tmp_path / "a.ome.zarr")
    back = formats.read_labels(tmp_path / "a.ome.zarr").spec.extra
    assert dict(back.label_colors) == dict(extra.label_colors)
    assert back.label_properties == (*extra.label_properties, {"label-value": 9})
    assert back.other["image-label source"] == {"image": "../raw"}
    formats.write_labels(nuclei(), tmp_path / "b.ome.zarr", lut="none")
    assert not formats.read_labels(tmp_path / "b.ome.zarr").spec.extra.label_colors


def test_channels_travel(tmp_path):
    ramp = np.arange(256)[:, None]
    green = np.rint(ramp / 255 * np.array([0, 255, 0])).astype(np.uint8)
    red = np.rint(ramp / 255 * np.array([255, 0, 0])).astype(np.uint8)
    extra = Extra(
        channel_names=("DAPI", "actin"),
        display_ranges=((10, 500), (0, 65535)),
        luts=(red, green),
        drange=(0, 60_000),
        display_mode="default",
    )
    image = Image.from_array(np.zeros((40, 50, 2), np.uint16), "yxc", extra=extra)
    for version in ("0.4", "0.5"):
        path = tmp_path / f"{version}.ome.zarr"
        formats.write_image(image, path, version=version)
        check_valid(path, version=version)
        back = formats.read_image(path)
        assert back.axes.keys == "cyx"
        assert back.spec.extra.channel_names == extra.channel_names
        assert back.spec.extra.display_ranges == extra.display_ranges
        np.testing.assert_array_equal(np.array(back.spec.extra.luts), np.array(extra.luts))
        assert back.spec.extra.drange == extra.drange


def test_the_levels_of_the_source_are_kept(tmp_path):
    """An image from a multiscale file has that file's levels, from the one that was read down."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        group = zarr.open_group(tmp_path / "src.zarr", mode="w", zarr_format=2)
        for name, n in (("full", 90), ("third", 30), ("tenth", 9)):
            group.create_array(name, shape=(n, n), chunks=(n, n), dtype="u1", fill_value=7)
        scales = [("full", 1.0), ("third", 3.0), ("tenth", 10.0)]
        group.attrs["multiscales"] = [
            {
                "version": "0.4",
                "axes": [{"name": k, "type": "space"} for k in "yx"],
                "datasets": [
                    {
                        "path": path,
                        "coordinateTransformations": [{"type": "scale", "scale": [s, s]}],
                    }
                    for path, s in scales
                ],
            }
        ]
    for level, names in ((0, ["full", "third", "tenth"]), (1, ["third", "tenth"])):
        image = formats.read_image(tmp_path / "src.zarr", level=level)
        target = tmp_path / f"{level}.ome.zarr"
        formats.write_image(image, target)
        back = formats.open_image(target).spec
        assert [s.name for s in back.scales] == names
        assert back.scales[-1].axes.shape == (9, 9)
        assert back.scales[-1].axes["x"].scale == pytest.approx(10)


def test_labels_lie_on_their_image(tmp_path):
    """Uncalibrated labels of the image's size take its pixel size, others keep their own."""
    path = tmp_path / "a.ome.zarr"
    formats.write_image(picture(), path)
    formats.write_labels(nuclei(), path / "labels/bare")
    assert formats.open_image(path / "labels/bare").spec.axes == picture().axes
    own = Axes.of("yx", (300, 260), scale={"x": 3, "y": 3}, unit="nm")
    formats.write_labels(LabelImage.from_array(nuclei().data, own), path / "labels/own")
    assert formats.open_image(path / "labels/own").spec.axes == own
    formats.write_labels(nuclei((200, 210), 3), path / "labels/other")
    assert formats.open_image(path / "labels/other").spec.axes == nuclei((200, 210)).axes
    check_valid(path, version="0.4")


def test_abort_in_an_existing_store(tmp_path):
    path = tmp_path / "a.ome.zarr"
    formats.write_image(picture(), path)
    before = sorted(p.relative_to(path) for p in path.rglob("*"))
    labels = nuclei()
    sink = FORMAT.create_image(Location.parse(path / "labels/n"), labels.spec, WriteOptions())
    sink.write(Region.whole(labels.shape), labels.data)
    sink.abort()
    assert sorted(p.relative_to(path) for p in path.rglob("*")) == before


@pytest.mark.parametrize(
    ("inner", "text"),
    [
        ("labels", "is the folder of label images"),
        ("s0", "is an array"),
        ("s0/deep/x", "'s0' is an array"),
        (".hidden/x", "begins with a dot"),
        ("a/../../x", "leads out of its store"),
    ],
)
def test_targets_that_are_in_the_way(tmp_path, inner, text):
    path = tmp_path / "a.ome.zarr"
    formats.write_image(picture(), path)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(SettingsError, match=text):
        formats.write_labels(nuclei(), Location(path, inner), overwrite=True)
    assert sorted(tmp_path.rglob("*")) == before


def test_what_it_refuses(tmp_path):
    path = tmp_path / "a.ome.zarr"
    with pytest.raises(SettingsError, match=r"version '0\.3' is not written"):
        formats.write_image(picture(), path, version="0.3")
    with pytest.raises(SettingsError, match="compression 'gif'"):
        formats.write_image(picture(), path, compression="gif")
    with pytest.raises(SettingsError, match="chunks"):
        formats.write_image(picture(), path, chunks=(0, 5))
    with pytest.raises(SettingsError, match="would make labels that are no objects"):
        formats.write_labels(nuclei(), path, downscale="linear")
    with pytest.raises(SettingsError, match="downscale 'cubic'"):
        formats.write_image(picture(), path, downscale="cubic")
    with pytest.raises(UnsupportedError, match="axes y and x"):
        formats.write_image(picture((20, 30), keys="zx"), path)
    with pytest.raises(UnsupportedError, match="complex64"):
        formats.write_image(Image.from_array(np.zeros((3, 3), np.complex64), "yx"), path)
    with pytest.raises(UnsupportedError, match="empty image"):
        formats.write_image(Image.from_array(np.zeros((0, 3)), "yx"), path)
    with pytest.raises(UnsupportedError, match="Labels in OME-Zarr are integers"):
        formats.write_image(Image.from_array(np.zeros((3, 3)), "yx", role="labels"), path)
    formats.write_image(picture(), path)
    with pytest.raises(SettingsError, match="is a label image; what is written is intensity"):
        formats.write_image(picture(), path / "labels/n")
    with pytest.raises(SettingsError, match=r"is version 0\.4"):
        formats.write_labels(nuclei(), path / "labels/n", version="0.5")
    (tmp_path / "b.zarr").mkdir()
    (tmp_path / "b.zarr/notes.txt").write_text("mine")
    with pytest.raises(SettingsError, match="no Zarr store"):
        formats.write_image(picture(), tmp_path / "b.zarr/raw")
    assert [p.name for p in (tmp_path / "b.zarr").iterdir()] == ["notes.txt"]


def test_zips_are_read(tmp_path):
    formats.write_image(picture(), tmp_path / "a.ome.zarr")
    formats.write_labels(nuclei(), tmp_path / "a.ome.zarr/labels/nuclei")
    shutil.make_archive(str(tmp_path / "a.zarr"), "zip", tmp_path / "a.ome.zarr")
    path = tmp_path / "a.zarr.zip"
    np.testing.assert_array_equal(formats.read_image(path).data, picture().data)
    np.testing.assert_array_equal(formats.read_labels(path / "labels/nuclei").data, nuclei().data)
    assert describe(Location.parse(path))["labels"] == ["labels/nuclei"]
    with pytest.raises(UnsupportedError, match="zipped store; those are only read"):
        FORMAT.create_image(Location(tmp_path / "b.zarr.zip"), picture().spec, WriteOptions())


def test_plain_and_sharded_arrays(tmp_path):
    data = np.arange(4 * 6 * 8, dtype=np.uint16).reshape(4, 6, 8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        two = zarr.create_array(tmp_path / "two.zarr", data=data, chunks=(2, 3, 4), zarr_format=2)
        two.attrs["_ARRAY_DIMENSIONS"] = ["time", "y", "x"]
        zarr.create_array(
            tmp_path / "three.zarr",
            data=data,
            chunks=(2, 3, 4),
            shards=(4, 6, 8),
            dimension_names=("c", "y", "x"),
        )
        bare = zarr.open_group(tmp_path / "bare.zarr", mode="w")
        bare.create_array("deep/er", data=data)
        bool_ = zarr.create_array(tmp_path / "bool.zarr", data=np.eye(9, dtype=bool))
        assert bool_.shape == (9, 9)
    for name, keys in (("two", "tyx"), ("three", "cyx"), ("bare", "zyx")):
        back = formats.read_image(tmp_path / f"{name}.zarr")
        assert back.axes.keys == keys
        np.testing.assert_array_equal(back.data, data)
    assert formats.open_image(tmp_path / "two.zarr", axes="zyx").spec.axes.keys == "zyx"
    assert formats.read_image(tmp_path / "bool.zarr").data.max() == 255
    assert formats.read_labels(tmp_path / "bool.zarr").data.max() == 1
    about = describe(Location.parse(tmp_path / "bare.zarr"))
    assert [i["path"] for i in about["images"]] == ["deep/er"]
    findings = validate(Location.parse(tmp_path / "two.zarr"))
    assert [f.severity for f in findings] == ["warning"]


def test_consolidated_metadata_stay_true(tmp_path):
    path = tmp_path / "a.ome.zarr"
    formats.write_image(picture(), path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        zarr.consolidate_metadata(str(path), zarr_format=2)
    formats.write_labels(nuclei(), path / "labels/nuclei")
    whole = json.loads((path / ".zmetadata").read_text())["metadata"]
    assert "labels/nuclei/.zattrs" in whole


@given(
    data=hnp.arrays(
        st.sampled_from([np.uint8, np.int16, np.uint32, np.float32]),
        hnp.array_shapes(min_dims=2, max_dims=5, max_side=6),
    ),
    version=st.sampled_from(["0.4", "0.5"]),
    origin=st.floats(-1e6, 1e6),
    scale=st.floats(1e-6, 1e6),
)
def test_anything_comes_back(tmp_path_factory, data, version, origin, scale):
    axes = Axes.of(
        "tczyx"[-data.ndim :], data.shape, scale={"x": scale}, origin={"y": origin}, unit="nm"
    )
    path = tmp_path_factory.mktemp("z") / "a.zarr"
    formats.write_image(Image.from_array(data, axes), path, version=version)
    back = formats.read_image(path)
    np.testing.assert_array_equal(back.data, data)
    assert back.axes == axes
    check_with_models(path, version, labels=False)
    with pytest.raises(FormatError, match="There is no"):
        formats.open_image(path / "nothing")


def test_threads_may_write(tmp_path):
    """Blocks from several threads, whole chunks and parts of chunks, give the whole."""
    from concurrent.futures import ThreadPoolExecutor

    image = picture((40, 300, 260))
    target = Location.parse(tmp_path / "a.ome.zarr")
    for edge in ((16, 64, 64), (7, 100, 33)):
        options = WriteOptions(chunks=(16, 64, 64), overwrite=True)
        sink = FORMAT.create_image(target, image.spec, options)
        assert sink.chunks == (16, 64, 64)
        with ThreadPoolExecutor(4) as pool:
            regions = contract.blocks(image.shape, edge)
            for done in [pool.submit(sink.write, r, image.data[r.slices]) for r in regions]:
                done.result()
        sink.commit()
        np.testing.assert_array_equal(formats.read_image(target).data, image.data)


def test_the_result_does_not_depend_on_chunks(tmp_path):
    """Levels are the same however the store is cut."""
    image = picture((150, 333))
    for scaling in ("linear", "mean", "nearest"):
        found = []
        for chunks in ((150, 333), (32, 32), (17, 50)):
            path = tmp_path / f"{scaling}-{chunks[0]}.ome.zarr"
            formats.write_image(image, path, chunks=chunks, downscale=scaling)
            found.append(formats.read_image(path, level=1).data)
        np.testing.assert_array_equal(found[0], found[1])
        np.testing.assert_array_equal(found[0], found[2])


def test_several_series_and_plates(tmp_path):
    """Images in groups (bioformats2raw, plates) are named, and opened by their path."""
    for name in ("0", "1", "A/1/0"):
        formats.write_image(picture(seed=len(name)), tmp_path / "plate.zarr" / name)
    with pytest.raises(FormatError, match="holds 3 images: 0; 1; A/1/0"):
        formats.open_image(tmp_path / "plate.zarr")
    assert formats.open_image(tmp_path / "plate.zarr/A").spec.axes.keys == "yx"
    about = describe(Location.parse(tmp_path / "plate.zarr"))
    assert [i["path"] for i in about["images"]] == ["0", "1", "A/1/0"]
    check_valid(tmp_path / "plate.zarr/A/1/0", version="0.4")
