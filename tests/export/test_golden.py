"""ilastik's own Data Conversion exports, repeated with ``compat="ilastik"``."""

from __future__ import annotations

import hashlib
import json
import shutil

import numpy as np
import pytest

from fijibridge.export.batch import plan_batch, run_item
from fijibridge.export.settings import ExportSettings
from fijibridge.formats import read_image

CASES = (
    "s01_defaults_zyxc_u8",
    "s02_cutout_none_zyx_u16",
    "s03_cutout_oversize_negstart",
    "s04_drange_f32_to_u8",
    "s05_drange_u16_to_u8_truncates",
    "s06_dtype_f32_to_u8_truncates",
    "s07_transpose_zyxc_to_cxyz",
    "s08_yx_to_tzyxc",
    "s09_numpy_transpose_cutout",
    "s10_png_rgb",
    "s11_png_seq_z_offset",
    "s12_tiff_seq_x",
    "s13_tiff_2d_f32",
    "s14_multipage_tiff_zyx_res",
    "s15_multipage_tiff_tzyxc",
    "s16_multipage_tiff_seq_tzyx",
    "s17_internal_path_placeholders",
    "s18_hdf5_chunks_compressed",
    "s19_n5",
    "s25_stack_input_nickname",
    "s26_input_axes_batch",
    "s27_meta_carryover_h5",
    "errors/exists_overwrite_h5",
    "errors/pipeline_drange_only",
    "errors/png_2channels",
    "errors/png_sequence_channels4",
)


def arguments(case, folder):
    """Return (settings, inputs) of the flags of a case."""
    chosen, inputs = {}, []
    for word in case["args"]:
        text = word.replace("{CASE}", str(folder))
        if text.startswith("--"):
            key, _, value = text[2:].partition("=")
            chosen[key] = value
        else:
            inputs.append(text)
    return chosen, inputs


def assert_same(data, about):
    little = np.ascontiguousarray(data.astype(data.dtype.newbyteorder("<")))
    assert list(data.shape) == about["shape"]
    assert data.dtype.name == about["dtype"]
    assert hashlib.sha256(little.tobytes()).hexdigest() == about["sha256"]


def assert_dataset(dataset, about):
    assert_same(dataset[()], about)
    assert list(dataset.chunks) == about["chunks"]
    assert dataset.compression == about["compression"]
    attributes = dict(dataset.attrs)
    assert json.loads(attributes["axistags"]) == json.loads(about["attrs"]["axistags"])
    assert attributes["display_mode"] == about["attrs"]["display_mode"]
    drange = attributes.get("drange")
    assert (None if drange is None else drange.tolist()) == about["attrs"].get("drange")
    assert [dimension.label for dimension in dataset.dims] == about["dims"]


def assert_n5(path, about):
    found = {str(p.relative_to(path)) for p in path.rglob("*") if p.is_file()}
    assert found == set(about["files"])
    for name, wanted in about["attributes"].items():
        attributes = json.loads((path / name).read_text())
        for kept in (attributes, wanted):
            if "axistags" in kept:
                kept["axistags"] = json.loads(kept["axistags"])
        assert attributes == wanted
    for inner, wanted in about["arrays"].items():
        assert_same(read_image(path / inner).data, wanted)


@pytest.mark.parametrize("name", CASES)
def test_same_files_as_ilastik(shared, tmp_path, name):
    import h5py
    import tifffile

    folder = shared / "golden/ilastik" / name
    case = json.loads((folder / "case.json").read_text())
    work = tmp_path / "case"
    shutil.copytree(folder / "input", work)
    before = {p for p in work.rglob("*") if p.is_file()}
    chosen, inputs = arguments(case, work)
    # small blocks, several threads: the cut must not show
    wanted = ExportSettings(**chosen, compat="ilastik", overwrite=True, memory=200_000, jobs=3)
    for item in plan_batch(inputs, wanted):
        run_item(item)
    outputs = {work / about["path"] for about in case["outputs"]}
    stores = {path for path in outputs if path.is_dir()}
    made = {p for p in work.rglob("*") if p.is_file() and not stores & set(p.parents)}
    assert made - before == outputs - before - stores
    for about in case["outputs"]:
        path = work / about["path"]
        if about["kind"] == "hdf5":
            with h5py.File(path) as file:
                for inner, dataset in about["datasets"].items():
                    if name != "errors/exists_overwrite_h5" or inner == "new":
                        assert_dataset(file[inner], dataset)
                    else:
                        assert_same(file[inner][()], dataset)
        elif about["kind"] == "n5":
            assert_n5(path, about)
        elif about["kind"] == "npy":
            assert_same(np.load(path), about)
        elif about["kind"] == "tiff":
            with tifffile.TiffFile(path) as file:
                assert_same(file.series[0].asarray(), about)
                assert (file.series[0].axes, file.is_ome) == (about["axes"], about["is_ome"])
        else:
            assert_same(read_image(path).reorder("yxc").data, about)
