"""Plans: what they warn of, and how they show themselves."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

import fijibridge as fb
from fijibridge.errors import SettingsError, UnsupportedError
from fijibridge.export.batch import plan_one
from fijibridge.export.settings import ExportSettings
from fijibridge.model import Axes, Extra, Image

SHAPE = (6, 300, 290)


def image(dtype="float32", role="intensity", **extra):
    axes = Axes.of("zyx", SHAPE, scale={"z": 2, "y": 0.5, "x": 0.5}, unit="um")
    data = np.zeros(SHAPE, dtype)
    return Image.from_array(data, axes, role=role, name="a.tif", extra=Extra(**extra))


def plan(source, **chosen):
    chosen.setdefault("output_format", "hdf5")
    return plan_one(source, ExportSettings(**chosen))


#: image, settings, what is said ("" = nothing)
WARNINGS = [
    (image(drange=(0.0, 1.0)), {"export_dtype": "uint8"}, "become 0 and 1"),
    (image(role="probabilities"), {"export_dtype": "uint16"}, "become 0 and 1"),
    (image(), {"export_dtype": "uint8"}, "would become 0 and 1"),
    (image(drange=(0.0, 200.0)), {"export_dtype": "uint8"}, ""),
    (image(drange=(0.0, 1.0)), {"export_dtype": "float64"}, ""),
    (image(drange=(0.0, 1000.0)), {"export_dtype": "uint8"}, "go from 0.0 to 1000.0"),
    (image("uint16"), {"export_dtype": "uint8"}, "values beyond saturate"),
    (image("uint16"), {"export_dtype": "uint8", "compat": "ilastik"}, "wrap around"),
    (image("uint16", drange=(0, 255)), {"export_dtype": "uint8"}, ""),
    (image("uint8"), {"export_dtype": "uint16"}, ""),
    (image("uint8"), {"export_dtype": "int8"}, "go from 0 to 255"),
    (image("uint16", role="labels"), {"export_dtype": "uint8"}, ""),  # an error if it matters
    (image(drange=(0.0, 1.0)), {"to": ((0.0, 1.0), (0, 255), "uint8")}, ""),
    (image(drange=(0.0, 1.0)), {"to": ((0, 255), (0, 255), "uint8")}, "nearly one grey"),
    (image(drange=(0.0, 1.0)), {"to": ((0.0, 1.0), (0.0, 1.0), "uint8")}, "leaves two values"),
    (image(drange=(0.0, 1.0)), {"to": ((5, 9), (0, 255), "uint8")}, "No value lies in"),
    (image("uint8"), {"to": ((0, 100), (0, 255), "uint8")}, "more than half of that range"),
    (image("uint8"), {"to": ((0, 200), (0, 255), "uint8")}, ""),
    (image(), {"to": ((3, 3), (0, 255), "uint8")}, "has no length"),
    (image(), {"to": ((0, 3), (7, 7), "uint8")}, "has no length"),
    (image(), {"to": ((0, 1), (0, 300), "uint8")}, "is more than uint8 holds"),
    (image(), {"to": ((0, 1), (0, 1), "float32")}, ""),
    (image(), {"to": ((0, 1), (0, 255), "uint8")}, ""),
]


@pytest.mark.parametrize(("source", "chosen", "said"), WARNINGS)
def test_useless_results_are_warned_of(source, chosen, said):
    if "to" in chosen:
        given, wanted, dtype = chosen["to"]
        chosen = {
            "pipeline_result_drange": given,
            "export_drange": wanted,
            "export_dtype": dtype,
        }
    found = plan(source, **chosen).warnings
    assert len(found) == bool(said)
    assert said in " ".join(found)


def test_labels_that_another_type_cannot_hold_are_an_error(tmp_path):
    labels = Image.from_array(np.array([[0, 255], [256, 7]], np.uint16), "yx", role="labels")
    with pytest.raises(SettingsError, match="The label 256 does not fit uint8"):
        fb.export(labels, export_dtype="uint8", output_filename_format=f"{tmp_path}/a.h5")
    assert not list(tmp_path.iterdir())
    report = fb.export(labels, export_dtype="int32", output_filename_format=f"{tmp_path}/a.h5")
    np.testing.assert_array_equal(fb.read_image(report.outputs[0]).data, labels.data)


def test_a_plan_is_data():
    found = plan(
        image(drange=(0.0, 1.0)),
        output_format="multi-scale OME-Zarr",
        cutout_subregion="z=1:5,x=90:",
        export_dtype="uint8",
        output_filename_format="{nickname}_{x_start}",
    )
    told = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert told["region"] == [[1, 0, 90], [5, 300, 290]]
    assert (told["shape"], told["axes"], told["dtype"]) == ([4, 300, 200], "zyx", "uint8")
    assert told["bytes"] == 4 * 300 * 200
    assert told["levels"] == [[4, 300, 200], [4, 150, 100], [4, 75, 50]]
    assert told["level_bytes"] == [math.prod(shape) for shape in told["levels"]]
    assert [scale["axes"][2]["scale"] for scale in told["scales"]] == [0.5, 1.0, 2.0]
    assert told["output"]["axes"][2]["origin"] == 45.0
    assert told["source"]["shape"] == list(SHAPE)
    assert told["range"] == [0.0, 1.0]
    assert told["files"][0].endswith("a_90.zarr")
    assert "become 0 and 1" in told["warnings"][0]
    assert 0 < told["memory"] <= found.settings.memory


def test_a_plan_shows_itself_in_a_notebook(tmp_path):
    report = fb.export(
        image(drange=(0.0, 1.0)),
        output_format="png sequence",
        export_dtype="uint8",
        output_filename_format=f"{tmp_path}/<b>_{{slice_index}}",
        dry_run=True,
    )
    shown = report.value._repr_html_()
    assert shown in report._repr_html_()
    for text in ("png sequence", "y 300 x x 290, uint8", "0 to 1", "&lt;b&gt;_0.png", "Warning:"):
        assert text in shown, shown
    assert "<b>_" not in shown
    assert not list(tmp_path.iterdir())
    many = plan(
        Image.from_array(np.zeros((40, 4, 4), np.uint8), "zyx"),
        output_format="png sequence",
        output_filename_format="s_{slice_index}",
        cutout_subregion="z=:30",
    )
    assert "and 10 more" in many._repr_html_()
    assert "z 0 to 30" in many._repr_html_()


def test_a_dry_run_tells_everything(tmp_path, capsys):
    from fijibridge.cli import main

    fb.write_image(image(drange=(0.0, 1.0)), tmp_path / "a.h5/raw")
    words = ["export", f"{tmp_path}/a.h5/raw", "--output_format", "multi-scale OME-Zarr"]
    assert main([*words, "--export_dtype", "uint8", "--dry-run"]) == 0
    out, err = capsys.readouterr()
    for word in ("shape", "dtype", "axes", "range", "files", "bytes", "memory", "scale 0"):
        assert f"  {word}" in out
    assert "a-raw_Input.zarr" in out
    assert "become 0 and 1" in out + err
    assert [path.name for path in tmp_path.iterdir()] == ["a.h5"]


def test_options_without_effect_are_told():
    for chosen in (
        {"downscale": "mean"},
        {"downscale": "nearest", "output_format": "single-scale OME-Zarr"},
        {"ome_zarr_version": "0.5"},
        {"ome_zarr_version": "0.5", "output_format": "n5"},
    ):
        with pytest.raises(SettingsError, match=r"has no (levels|OME-Zarr version)"):
            plan(image(), **chosen)
    with pytest.raises(SettingsError, match=r"allowed are 0\.4 and 0\.5"):
        plan(image(), ome_zarr_version="0.3")
    with pytest.raises(SettingsError, match=r"ilastik writes OME-Zarr 0\.4"):
        plan(image(), ome_zarr_version="0.5", compat="ilastik", output_format="n5")
    found = plan(image(), output_internal_path="vol/a", output_format="multipage tiff")
    assert "has no effect" in found.warnings[0]
    for name in ("hdf5", "n5"):
        assert not plan(image(), output_internal_path="vol/a", output_format=name).warnings


def test_labels_in_dicom_are_segments():
    labels = image("uint16", role="labels")
    assert plan(labels, output_format="dicom").format.name == "dicom seg"
    assert plan(image("uint16"), output_format="dicom").format.name == "dicom"
    assert plan(labels, output_filename_format="a.dcm", output_format=None).format.name == (
        "dicom seg"
    )


@pytest.mark.parametrize(
    ("name", "format_"),
    [
        ("a.n5", "compressed n5"),
        ("a.nii", "nifti"),
        ("a.nii.gz", "nifti"),
        ("a.xv", None),
        ("a.ome.zarr", "multi-scale OME-Zarr"),
        ("http://localhost:8000/api/node/1/v", "dvid"),
        ("a_{slice_index}.hdr", "hdr sequence"),
        ("a_{slice_index}.tif", "tif sequence"),
    ],
)
def test_the_suffix_means_a_format(name, format_):
    source = image("float32" if "hdr" in name else "uint8")
    if format_ is None:
        with pytest.raises(UnsupportedError, match="holds one plane"):
            plan(source, output_format=None, output_filename_format=name)
        return
    found = plan(source, output_format=None, output_filename_format=name)
    assert found.format.name == format_
    if "slice_index" in name:
        assert len(found.files) == SHAPE[0]
    else:
        assert found.files[0].removesuffix("/exported_data").endswith(name)


@pytest.mark.parametrize(
    ("format_", "name"),
    [
        ("jpeg", "o.jpg"),
        ("jpg", "o.jpeg"),
        ("tiff", "o.tif"),
        ("tif sequence", "{slice_index}.tiff"),
    ],
)
def test_both_spellings_of_a_suffix_are_right(format_, name):
    source = image("uint8")
    cut = None if "sequence" in format_ else ((0, None, None), (1, None, None))
    found = plan(source, output_format=format_, output_filename_format=name, cutout_subregion=cut)
    assert found.files[0].endswith(name[-4:])


def test_a_dry_run_speaks_to_people(tmp_path, capsys):
    from fijibridge.cli import main

    data = np.zeros((30, 100, 120), np.uint16)
    axes = Axes.of("zyx", data.shape, scale={"z": 2, "y": 0.5, "x": 0.5}, unit="um")
    fb.write_image(fb.Image.from_array(data, axes), tmp_path / "a.h5")
    words = ["export", f"{tmp_path}/a.h5", "--dry-run", "--output_format", "tif sequence"]
    assert main([*words, "--output_filename_format", f"{tmp_path}/{{slice_index}}"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    for part in ("shape 100 x 120", "files 30 along z", "bytes 720 kB", "range not known"):
        assert part in said
    assert "part all of it" in said
    assert "…" in said
    assert "25.tif" not in said
    assert said.count(".tif") == 19
