"""The public names: all there, all lazy, and they do what they say."""

import importlib
import inspect
import subprocess
import sys
import warnings

import numpy as np
import pytest

import fijibridge as fb

PROMISED = (
    *("read_image", "open_image", "read_labels", "read_table", "read_rois"),
    *("write_image", "write_labels", "write_table", "write_rois"),
    *("Image", "LabelImage", "ResultsTable", "RoiSet", "Roi", "Position", "Axes", "Region"),
    *("analyze_particles", "labels_to_rois", "rois_to_labels", "measure", "export", "start_fiji"),
    *("FijiBridgeError", "SettingsError", "FormatError", "UnsupportedError", "BridgeError"),
    "MissingDependencyError",
)


@pytest.mark.parametrize("name", PROMISED)
def test_promised_names_are_there(name):
    assert callable(getattr(fb, name))
    assert name in dir(fb)
    assert name in fb.__all__


def test_unknown_names_are_attribute_errors():
    with pytest.raises(AttributeError, match="has no attribute 'reed_image'"):
        _ = fb.reed_image


def test_all_names_can_be_imported_by_a_star():
    code = "from fijibridge import *; print(callable(measure), callable(analyze_particles))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["True", "True"]


def test_measure_is_a_function_and_a_room():
    labels = np.array([[0, 3, 3], [0, 0, 7]], np.uint8)
    before = fb.measure(labels, measurements="area")["Area"]
    room = importlib.import_module("fijibridge.measure")
    regions = importlib.import_module("fijibridge.measure.regions")
    assert fb.measure is room
    assert fb.measure.regions is regions
    assert fb.measure(labels, measurements="area")["Area"].tolist() == before.tolist() == [2, 1]


def test_export_is_a_function_and_a_room(tmp_path):
    room = importlib.import_module("fijibridge.export")
    assert fb.export is room
    report = fb.export(np.eye(3, dtype=np.uint8), output_filename_format=f"{tmp_path}/a.npy")
    assert report.outputs == (f"{tmp_path}/a.npy",)


def test_labels_to_rois_and_back_from_arrays(tmp_path):
    labels = np.array([[0, 3, 3], [0, 3, 7]], np.uint16)
    rois = fb.labels_to_rois(labels)
    assert rois.names == ("0003", "0007")
    assert np.array_equal(fb.rois_to_labels(rois, like=labels).data, labels)
    assert np.array_equal(fb.rois_to_labels(rois, shape=(2, 3)).data, labels)
    fb.write_rois(rois, tmp_path / "r.zip")
    fb.write_image(fb.Image.from_array(labels, "yx"), tmp_path / "i.tif")
    back = fb.rois_to_labels(tmp_path / "r.zip", like=tmp_path / "i.tif")
    assert np.array_equal(back.data, labels)
    with pytest.raises(fb.SettingsError, match="0 or more"):
        fb.labels_to_rois(np.array([[0, -1]]))
    with pytest.raises(fb.SettingsError, match="whole numbers"):
        fb.labels_to_rois(np.array([[0, 0.5]]))


def test_values_show_themselves_in_a_notebook():
    labels = fb.LabelImage.from_array(np.array([[0, 3, 3], [0, 0, 7]], np.uint8), "yx")
    result = fb.analyze_particles(labels)
    for value in (labels, result.table, result.rois, result):
        assert "<" in value._repr_html_()
    assert "<img" in result._repr_html_()
    assert repr(result).startswith("ParticleResult(2 particles, LabelImage(")
    without = fb.analyze_particles(labels, outputs=("table", "rois"))
    assert "<polygon" in without._repr_html_()


def test_help_knows_every_setting():
    names = inspect.signature(fb.analyze_particles).parameters
    assert {"image", "threshold", "size", "exclude", "measurements", "select", "axes"} <= set(names)
    assert not {"input", "table", "outdir"} & set(names)


def test_other_threads_may_run_verbs(tmp_path):
    from concurrent.futures import ThreadPoolExecutor

    fb.write_image(fb.Image.from_array(np.eye(9, dtype=np.uint8) * 255, "yx"), tmp_path / "i.tif")
    before = list(warnings.filters)

    def run(n):
        return fb.run_verb("particles", input=tmp_path / "i.tif", table=tmp_path / f"{n}" / "t.tsv")

    with ThreadPoolExecutor(4) as pool:
        reports = list(pool.map(run, range(8)))
    assert {report.to_json()["count"] for report in reports} == {1}
    assert list(warnings.filters) == before


def test_plans_and_reports_show_themselves_in_a_notebook(tmp_path):
    fb.write_labels(np.array([[0, 3]], np.uint8), tmp_path / "a<b.tif")
    pair = {"input": tmp_path / "a<b.tif", "output": tmp_path / "r.zip"}
    plan = fb.run_verb("convert", **pair, dry_run=True)._repr_html_()
    assert "planned" in plan
    assert "would write" in plan
    done = fb.run_verb("convert", **pair)._repr_html_()
    assert "a&lt;b.tif" in done
    assert "wrote" in done
