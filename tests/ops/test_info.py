"""info, validate, doctor, measure: what they say."""

import json

import numpy as np
import pytest

import fijibridge as fb
from fijibridge.cli import main
from fijibridge.errors import FijiBridgeError, FormatError, SettingsError
from fijibridge.ops import call, run_verb


def test_info_of_every_kind(picture, mask, tmp_path):
    fb.write_rois(fb.labels_to_rois(mask), tmp_path / "r.zip")
    fb.write_table(fb.ResultsTable({"Area": np.array([1.5])}), tmp_path / "t.csv")
    image = run_verb("info", input=picture).to_json()
    assert (image["kind"], image["axes"], image["shape"]) == ("image", "yx", [96, 96])
    assert image["pixel_size"] == {"y": 0.5, "x": 0.5}
    rois = run_verb("info", input=tmp_path / "r.zip").to_json()
    assert (rois["kind"], rois["rois"], rois["kinds"]) == (
        "rois",
        5,
        {"composite": 2, "traced": 3},
    )
    table = run_verb("info", input=tmp_path / "t.csv").to_json()
    assert (table["kind"], table["rows"], table["columns"]) == ("table", 1, ["Area"])
    several = run_verb("info", input=[picture, tmp_path / "r.zip"])
    assert len(several.to_json()["jobs"]) == 2


def test_info_says_the_same_through_every_door(picture, capsys):
    assert main(["info", str(picture), "--json"]) == 0
    cli = json.loads(capsys.readouterr().out)
    request = {"verb": "info", "settings": {"input": [str(picture)]}}
    assert json.loads(call(json.dumps(request)))["report"] == cli
    assert run_verb("info", input=picture).to_json() == cli


def test_validate_finds_what_is_broken(picture, tmp_path, capsys):
    assert run_verb("validate", input=picture).to_json()["valid"]
    half = tmp_path / "half.tif"
    half.write_bytes(picture.read_bytes()[:3000])
    report = run_verb("validate", input=half)
    assert not report.to_json()["valid"]
    assert report.to_json()["findings"][0]["severity"] == "error"
    assert report.exit_code == 3
    assert main(["validate", str(half), str(picture)]) == 3
    said = capsys.readouterr()
    assert "error:" in said.out
    assert "nothing wrong" in said.out


def test_no_file_is_named():
    for verb in ("info", "validate"):
        with pytest.raises((SettingsError, FormatError)):
            run_verb(verb, input=[])


def test_doctor_says_what_works():
    report = run_verb("doctor", start=False)
    body = report.to_json()
    assert body["works"]
    names = [check["name"] for check in body["checks"]]
    assert {"Python", "numpy", "Java", "Fiji"} <= set(names)
    for check in body["checks"]:
        assert check["state"] in ("ok", "missing", "broken")
        assert check["fix"] or check["state"] == "ok"
    answer = json.loads(call('{"verb": "doctor", "settings": {"start": false}}'))
    assert answer["report"] == body


def test_doctor_names_the_next_command(monkeypatch):
    from importlib import metadata

    real = metadata.version

    def version(name):
        if name in ("tifffile", "nibabel"):
            raise metadata.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(metadata, "version", version)
    report = run_verb("doctor", start=False)
    body = report.to_json()
    assert "pip install 'fijibridge[medical]'" in report.lines[0]
    assert "tifffile" in body["broken"]
    assert not body["works"]
    assert report.exit_code == 4


def test_measure_through_every_door(mask, tmp_path):
    grey = fb.Image.from_array(np.arange(2000, dtype=np.uint16).reshape(40, 50), "yx", name="g.tif")
    fb.write_image(grey, tmp_path / "g.tif")
    fb.write_rois(fb.labels_to_rois(mask), tmp_path / "r.zip")
    words = "area mean min centroid"
    image = str(tmp_path / "g.tif")
    flags = ["--image", image, "--measurements", words]
    assert main(["measure", str(mask), *flags, f"--table={tmp_path / 'c.tsv'}", "--quiet"]) == 0
    settings = {"objects": str(mask), "image": image, "measurements": words}
    request = {"verb": "measure", "settings": {**settings, "table": str(tmp_path / "j.tsv")}}
    assert json.loads(call(json.dumps(request)))["report"]["count"] == 5
    run_verb("measure", **settings, table=tmp_path / "p.tsv")
    fb.write_table(fb.measure(mask, grey, measurements=words), tmp_path / "f.tsv")
    assert len({(tmp_path / f"{n}.tsv").read_bytes() for n in "cjpf"}) == 1
    table = fb.read_table(tmp_path / "c.tsv")
    labels = fb.read_labels(mask).data
    assert table["Area"].tolist() == [np.sum(labels == n) for n in (1, 4, 7, 9, 300)]
    assert table["Mean"].tolist() == pytest.approx(
        [grey.data[labels == n].mean() for n in (1, 4, 7, 9, 300)], abs=5e-4
    )
    by_rois = fb.measure(tmp_path / "r.zip", grey, measurements="area")
    assert by_rois["Area"].tolist() == table["Area"].tolist()


def test_measure_default_target_and_errors(mask, tmp_path):
    run_verb("measure", objects=mask, measurements="area bounding")
    assert len(fb.read_table(tmp_path / "mask_Results.tsv")) == 5
    assert (tmp_path / "mask_settings.json").is_file()
    with pytest.raises(SettingsError, match="'mean' needs an image"):
        fb.measure(mask)
    with pytest.raises(SettingsError, match="Did you mean 'area'"):
        run_verb("measure", objects=mask, measurements="aria", table=tmp_path / "x.tsv")
    with pytest.raises(FijiBridgeError):
        fb.measure(mask, np.zeros((3, 3), np.uint8))


def test_containers_are_listed_and_what_is_not_there_is_an_error(tmp_path):
    labels = np.ones((4, 5), np.uint16)
    store = tmp_path / "a.h5"
    for name in "xy":
        fb.write_labels(labels, store / name)
    assert run_verb("info", input=store).to_json()["kind"] == "container"
    assert run_verb("info", input=store / "x").to_json()["kind"] == "labels"
    with pytest.raises(FormatError, match="holds no dataset 'nope'"):
        run_verb("info", input=store / "nope")
    several = tmp_path / "b.ome.zarr"
    for name in "xy":
        fb.write_labels(labels, several / "labels" / name)
    assert run_verb("info", input=several / "labels").to_json()["kind"] == "container"


def test_a_store_that_lies_is_an_error(tmp_path):
    fb.write_image(np.ones((4, 5), np.uint16), tmp_path / "a.ome.zarr")
    path = tmp_path / "a.ome.zarr/s0/.zarray"
    body = json.loads(path.read_text())
    path.write_text(json.dumps({**body, "shape": [200000, 200000], "chunks": [200000, 200000]}))
    with pytest.raises(FormatError, match="chunks are"):
        run_verb("info", input=tmp_path / "a.ome.zarr")
