"""What travels with an image through an export, format by format."""

from __future__ import annotations

import numpy as np
import pytest

import fijibridge as fb
from fijibridge.model import Axes, Extra, Image

SCALE = {"t": 3.0, "z": 2.0, "y": 0.5, "x": 0.25}
UNIT = {"t": "second", "z": "um", "y": "um", "x": "um"}
ORIGIN = {"z": 10.0, "y": -1.0, "x": 7.0}
NAMES = ("DAPI", "GFP")
RANGES = ((3.0, 100.0), (0.0, 50.0))
CUT = "z=1:,y=2:,x=4:8"
#: Where the cut-out begins, in micrometers.
BEGIN = {"z": 12.0, "y": 0.0, "x": 8.0}

#: format -> what it holds beside the pixels; everything else is None
HELD = {
    "hdf5": {"scale", "unit", "drange"},
    "compressed hdf5": {"scale", "unit", "drange"},
    "n5": {"scale", "unit", "origin", "drange"},
    "compressed n5": {"scale", "unit", "origin", "drange"},
    "numpy": set(),
    "multipage tiff": {"scale", "unit", "origin", "names"},
    "imagej tiff": {"scale", "unit", "origin", "names", "ranges"},
    "multi-scale OME-Zarr": {"scale", "unit", "origin", "names", "ranges"},
    "single-scale OME-Zarr": {"scale", "unit", "origin", "names", "ranges"},
    "nifti": {"scale", "unit", "origin", "names"},
}


def source(keys="tczyx", shape=(2, 2, 3, 9, 8)):
    data = np.random.default_rng(0).integers(0, 200, shape, np.uint16)
    extra = Extra(channel_names=NAMES, display_ranges=RANGES, drange=(0, 200))
    axes = Axes.of(keys, shape, scale=SCALE, unit=UNIT, origin=ORIGIN)
    return Image.from_array(data, axes, extra=extra)


def carried(image):
    axes, extra = image.axes, image.spec.extra
    return {
        "scale": {k: axes[k].scale for k in "tzyx"},
        "unit": {k: axes[k].unit for k in "zyx"},
        "origin": {k: axes[k].origin for k in "zyx"},
        "names": extra.channel_names,
        "ranges": extra.display_ranges,
        "drange": extra.drange,
    }


@pytest.mark.parametrize("name", HELD)
def test_each_format_carries_what_it_can(tmp_path, name):
    image = source()
    report = fb.export(
        image,
        output_format=name,
        cutout_subregion=CUT,
        output_filename_format=f"{tmp_path}/o",
    )
    named = {"axes": "tczyx"} if name == "numpy" else {}
    found = carried(fb.read_image(report.outputs[0], **named))
    wanted = {
        "scale": SCALE,
        "unit": dict.fromkeys("zyx", "micrometer"),
        "origin": BEGIN,
        "names": NAMES,
        "ranges": RANGES,
        "drange": (0, 200),
    }
    same = {
        what
        for what in wanted
        if found[what]
        == (pytest.approx(wanted[what]) if what in ("scale", "origin") else wanted[what])
    }
    assert same >= HELD[name], {what: found[what] for what in HELD[name] - same}


@pytest.mark.parametrize("name", HELD)
def test_a_chosen_channel_keeps_its_name_and_range(tmp_path, name):
    if "names" not in HELD[name]:
        pytest.skip(f"{name} holds no names of channels")
    report = fb.export(
        source(),
        output_format=name,
        cutout_subregion="c=1:2,t=0:1",
        output_filename_format=f"{tmp_path}/o",
    )
    extra = fb.read_image(report.outputs[0]).spec.extra
    if name != "imagej tiff":  # one channel's planes have no names of channels there
        assert extra.channel_names == NAMES[1:]
    if "ranges" in HELD[name]:
        assert extra.display_ranges == RANGES[1:]


def test_ranges_follow_the_values(tmp_path):
    report = fb.export(
        source(),
        output_format="imagej tiff",
        pipeline_result_drange=(0, 200),
        export_drange=(0, 100),
        export_dtype="uint8",
        output_filename_format=f"{tmp_path}/o",
    )
    extra = fb.read_image(report.outputs[0]).spec.extra
    assert extra.display_ranges == ((1.5, 50.0), (0.0, 25.0))


@pytest.mark.parametrize("name", ["dicom", "dicom seg", "nifti"])
def test_volumes_lie_where_the_part_lay(tmp_path, name):
    image = source("zyx", (3, 9, 8))
    role = "labels" if name == "dicom seg" else "intensity"
    report = fb.export(
        Image.from_array(image.data, image.axes, role=role),
        output_format=name,
        cutout_subregion=CUT,
        output_filename_format=f"{tmp_path}/o",
    )
    found = fb.read_image(report.outputs[0])
    assert {k: found.axes[k].scale for k in "zyx"} == {k: SCALE[k] for k in "zyx"}
    assert {k: found.axes[k].origin for k in "zyx"} == pytest.approx(BEGIN, abs=1e-3)
    assert {found.axes[k].unit for k in "zyx"} == {"micrometer"}


def test_axistags_survive_hdf5_to_hdf5(tmp_path):
    import json

    import h5py

    fb.write_image(source(), tmp_path / "a.h5/raw")
    report = fb.export(
        tmp_path / "a.h5/raw", output_format="hdf5", output_filename_format=f"{tmp_path}/b"
    )
    with h5py.File(tmp_path / "a.h5") as one, h5py.File(tmp_path / "b.h5") as other:
        mine, theirs = one["raw"].attrs, other["exported_data"].attrs
        assert json.loads(mine["axistags"]) == json.loads(theirs["axistags"])
        assert json.loads(mine["axis_units"]) == json.loads(theirs["axis_units"])
        assert list(mine["drange"]) == list(theirs["drange"]) == [0, 200]
    assert report.outputs[0].endswith("b.h5/exported_data")


def test_omero_and_ome_xml_travel_between_pyramids_and_tiffs(tmp_path):
    image = source()
    fb.write_image(image, tmp_path / "a.ome.zarr")
    fb.export(tmp_path / "a.ome.zarr", output_filename_format=f"{tmp_path}/b.ome.tif")
    fb.export(tmp_path / "b.ome.tif", output_filename_format=f"{tmp_path}/c.zarr")
    for name in ("b.ome.tif", "c.zarr"):
        found = fb.read_image(tmp_path / name)
        assert found.spec.extra.channel_names == NAMES
        assert {k: found.axes[k].scale for k in "tzyx"} == pytest.approx(SCALE)
        np.testing.assert_array_equal(found.reorder("tczyx").data, image.data)
