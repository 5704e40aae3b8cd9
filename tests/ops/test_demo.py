"""The demo, and the main job on real images."""

import shutil

import numpy as np
import pytest

import fijibridge as fb
from fijibridge.cli import main
from fijibridge.errors import SettingsError
from fijibridge.ops import run_verb
from fijibridge.ops._sample import sample_image

FILES = {
    "nuclei.tif",
    "nuclei_Results.tsv",
    "nuclei_RoiSet.zip",
    "nuclei_labels.tif",
    "nuclei_overlay.png",
    "nuclei.geojson",
    "nuclei.ome.zarr",
    "nuclei_settings.json",
    "demo_settings.json",
}


def test_the_sample_is_the_same_every_time():
    image = sample_image()
    assert np.array_equal(image.data, sample_image().data)
    assert not np.array_equal(image.data, sample_image(seed=4).data)
    assert image.axes["x"].unit == "micrometer"


@pytest.mark.imagej
def test_demo_equals_imagej(imagej, tmp_path):
    out = tmp_path / "demo"
    report = run_verb("demo", outdir=out)
    body = report.to_json()
    assert body["identical"] is True
    assert 200 < body["count"] < 600
    assert {p.name for p in out.iterdir()} - {"nuclei_Results.tsv.fijibridge.json"} == FILES
    labels = fb.read_labels(out / "nuclei.ome.zarr" / "labels" / "nuclei")
    assert len(labels.ids) == body["count"]
    assert len(fb.read_rois(out / "nuclei.geojson")) == body["count"]


def test_demo_replaces_only_what_it_made(tmp_path):
    out = tmp_path / "demo"
    first = run_verb("demo", outdir=out, imagej=False)
    assert "identical" not in first.to_json()
    run_verb("demo", outdir=out, imagej=False)
    (out / "nuclei_Results.tsv").write_text("mine")
    with pytest.raises(SettingsError, match="exists"):
        run_verb("demo", outdir=out, imagej=False)
    assert (out / "nuclei_Results.tsv").read_text() == "mine"
    run_verb("demo", outdir=out, imagej=False, overwrite=True)


def test_real_images(shared, tmp_path):
    for path in sorted((shared / "data" / "neubias").glob("*.tif")):
        image = tmp_path / path.name
        shutil.copy(path, image)
        words = ["particles", str(image), "--outdir", str(tmp_path / "out"), "--quiet"]
        assert main([*words, "--threshold", "Otsu dark"]) == 0
        table = fb.read_table(tmp_path / "out" / f"{path.stem}_Results.tsv")
        labels = fb.read_labels(tmp_path / "out" / f"{path.stem}_labels.tif")
        assert len(table) == len(labels.ids) == labels.data.max(initial=0) > 0
