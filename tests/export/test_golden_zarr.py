"""ilastik's own OME-Zarr exports, repeated with ``compat="ilastik"``."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

import fijibridge as fb
from fijibridge.export.batch import plan_batch, run_item
from fijibridge.export.settings import ExportSettings
from fijibridge.model import Level

CASES = (
    "s20_omezarr_single_cutout_res",
    "s21_omezarr_multi_2d_u16",
    "s22_omezarr_multi_small",
    "s23_omezarr_match_input_from_1",
    "s24_omezarr_match_input_cutout",
)


def assert_attributes(found, wanted):
    assert {k: v for k, v in found.items() if k != "_creator"} == {
        k: v for k, v in wanted.items() if k != "_creator"
    }
    creators = [about["_creator"]["ome_zarr_exporter_version"] for about in (found, wanted)]
    assert creators[0] == creators[1]


def assert_level(folder, about):
    import zarr

    data = zarr.open_array(folder, mode="r")[...]
    assert list(data.shape) == about["shape"]
    assert data.dtype.name == about["dtype"]
    if data.dtype.kind in "iu":
        assert hashlib.sha256(np.ascontiguousarray(data).tobytes()).hexdigest() == about["sha256"]
    else:
        values = data.astype(float)
        found = [values.min(), values.max(), values.sum()]
        assert found == pytest.approx([about["min"], about["max"], about["sum"]], rel=1e-6)
    kept = json.loads((folder / ".zarray").read_text())
    for name in ("chunks", "dimension_separator", "dtype", "order", "shape", "zarr_format"):
        assert kept[name] == about["zarray"][name]
    assert {k: kept["compressor"][k] for k in ("id", "cname", "clevel", "shuffle")} == {
        k: about["zarray"]["compressor"][k] for k in ("id", "cname", "clevel", "shuffle")
    }
    mine, theirs = (
        dict(v) for v in (json.loads((folder / ".zattrs").read_text()), about["zattrs"])
    )
    assert json.loads(mine.pop("axistags")) == json.loads(theirs.pop("axistags"))
    assert mine == theirs


@pytest.mark.parametrize("name", CASES)
def test_same_store_as_ilastik(shared, tmp_path, name):
    folder = shared / "golden/ilastik" / name
    case = json.loads((folder / "case.json").read_text())
    work = tmp_path / "case"
    shutil.copytree(folder / "input", work)
    chosen, inputs = {}, []
    for word in case["args"]:
        text = word.replace("{CASE}", str(work))
        if text.startswith("--"):
            key, _, value = text[2:].partition("=")
            chosen[key] = value
        else:
            inputs.append(text)
    items = plan_batch(inputs, ExportSettings(**chosen, compat="ilastik", jobs=2))
    for item in items:
        run_item(item)
    for about in case["outputs"]:
        path = work / about["path"]
        assert_attributes(json.loads((path / ".zattrs").read_text()), about["zattrs"])
        for level, array in about["arrays"].items():
            assert_level(path / level, array)
        shapes = [axes.shape for axes in items[0].plan.levels]
        assert shapes == [tuple(array["shape"]) for array in about["arrays"].values()]


def test_nearest_levels_are_ilastiks(shared, tmp_path):
    import zarr

    folder = shared / "golden/ilastik/s51_seg_multiscale_nearest/expected/seg.zarr"
    data = zarr.open_array(folder / "s0", mode="r")[...]
    wanted = json.loads((folder / ".zattrs").read_text())
    image = fb.Image.from_array(data, "tczyx")
    fb.export(
        image,
        output_format="multi-scale OME-Zarr",
        compat="ilastik",
        downscale="nearest",
        output_filename_format=f"{tmp_path}/seg.zarr",
    )
    made = json.loads((tmp_path / "seg.zarr/.zattrs").read_text())
    assert made["multiscales"] == wanted["multiscales"]
    for level in ("s0", "s1"):
        found = zarr.open_array(tmp_path / "seg.zarr" / level, mode="r")
        expected = zarr.open_array(folder / level, mode="r")
        assert found.chunks == expected.chunks
        assert np.array_equal(found[...], expected[...])


@pytest.mark.parametrize("compat", [None, "ilastik"])
@pytest.mark.parametrize("name", ["single-scale OME-Zarr", "multi-scale OME-Zarr"])
def test_what_is_written_is_valid_and_what_was_planned(tmp_path, name, compat):
    import zarr
    from ome_zarr_models.v04 import Image

    axes = fb.Axes.of("zyx", (6, 300, 290), scale={"z": 2, "y": 0.5, "x": 0.5}, unit="um")
    data = np.random.default_rng(1).integers(0, 60000, axes.shape, np.uint16)
    report = fb.export(
        fb.Image.from_array(data, axes),
        output_format=name,
        compat=compat,
        cutout_subregion="z=1:5,x=10:",
        output_filename_format=f"{tmp_path}/o.zarr",
    )
    told = report.to_json()
    group = zarr.open_group(tmp_path / "o.zarr", mode="r")
    Image.from_zarr(group)
    datasets = group.attrs["multiscales"][0]["datasets"]
    assert [list(group[d["path"]].shape) for d in datasets] == told["levels"]
    assert (len(datasets) == 1) == (name.startswith("single") or compat == "ilastik")
    found = fb.read_image(tmp_path / "o.zarr")
    assert found.axes.keys == told["axes"]
    assert np.array_equal(found.reorder("zyx").data, data[1:5, :, 10:])
    assert (found.axes["z"].origin, found.axes["x"].origin) == (2.0, 5.0)
    assert (found.axes["z"].scale, found.axes["x"].scale) == (2.0, 0.5)


def test_a_part_of_a_pyramid_keeps_its_levels(tmp_path):
    data = np.random.default_rng(1).integers(0, 255, (4, 600, 500), np.uint8)
    fb.write_image(fb.Image.from_array(data, "zyx"), tmp_path / "in.zarr")
    source = fb.open_image(tmp_path / "in.zarr").spec.scales
    fb.export(
        tmp_path / "in.zarr",
        cutout_subregion="y=100:500,x=:444",
        output_filename_format=f"{tmp_path}/out.zarr",
    )
    made = fb.open_image(tmp_path / "out.zarr").spec.scales
    assert [level.name for level in made] == [level.name for level in source]
    assert [level.axes.size("y") for level in made] == [
        int(400 / (600 / level.axes.size("y"))) for level in source
    ]


@pytest.mark.parametrize("shape", [(1, 2, 7, 90, 80), (1, 1, 1, 101, 63)])
def test_levels_do_not_depend_on_chunks(tmp_path, monkeypatch, shape):
    import zarr

    from fijibridge.formats._zarr import ilastik

    data = np.random.default_rng(2).integers(0, 60000, shape, np.uint16)
    image = fb.Image.from_array(data, "tczyx")

    def halved(i):
        sizes = [n if k in "tc" else max(n >> i, 1) for k, n in zip("tczyx", shape, strict=True)]
        return Level(f"s{i}", image.axes.with_shape(sizes))

    spec = replace(image.spec, scales=tuple(map(halved, range(3))))
    stores = []
    for nbytes in (300, 1 << 20):
        monkeypatch.setattr(ilastik, "_CHUNK_BYTES", nbytes)
        path = tmp_path / f"{nbytes}.zarr"
        fb.write_image(type(image)(image.data, spec), path, layout="ilastik")
        stores.append([zarr.open_array(path / f"s{i}", mode="r")[...] for i in range(3)])
    for small, large in zip(*stores, strict=True):
        assert np.array_equal(small, large)
