"""``fijibridge ilastik`` on projects of Object Classification: flags, images and tables."""

from __future__ import annotations

import csv
import json
import pickle

import h5py  # noqa: TID253
import numpy as np
import pytest

import fijibridge as fb
from fijibridge.cli import main
from fijibridge.model import Image
from projects.make_objects import ObjectIlp, blobs


def run(*words) -> int:
    return main(["ilastik", *map(str, words), "--quiet"])


@pytest.fixture
def images(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        raw = rng.integers(0, 250, (80, 100)).astype(np.uint8)
        fb.write_image(Image.from_array(raw, "yx"), tmp_path / f"{name}.tif")
        labels = blobs(ord(name), (80, 100))
        fb.write_image(Image.from_array(labels, "yx", role="labels"), tmp_path / f"{name}_l.tif")
    return tmp_path


@pytest.mark.parametrize(
    ("origin", "flag"),
    [
        ("labels", "label_image"),
        ("labels", "segmentation-image"),
        ("segmentation", "segmentation_image"),
        ("segmentation", "binary_image"),
        ("probabilities", "prediction_maps"),
        ("probabilities", "probabilitie_maps"),
    ],
)
def test_every_role(images, origin, flag):
    project = ObjectIlp(origin, thresholds={"MinSize": 2}).write(images / "p.ilp")
    out = images / "o.npy"
    code = run(
        *("--headless", f"--project={project}", "--raw_data", images / "a.tif"),
        *(f"--{flag}", images / "a_l.tif", "--export_source=object probabilities"),
        *("--output_filename_format", out),
    )
    assert code == 0
    expected = fb.IlastikProject(project).predict(
        images / "a.tif", "Object Probabilities", objects=images / "a_l.tif"
    )
    np.testing.assert_array_equal(np.load(out), expected.data)


def test_images_and_tables_of_several_inputs(images):
    project = ObjectIlp().write(images / "p.ilp")
    words = (
        *("--project", project, "--raw_data", images / "a.tif", images / "b.tif"),
        *("--label_image", images / "a_l.tif", images / "b_l.tif", "--output_format=numpy"),
        *("--table_filename", images / "{nickname}_table.csv", "--jobs=2"),
    )
    assert run(*words) == 0
    for name in "ab":
        expected = fb.IlastikProject(project).table(
            images / f"{name}.tif", images / f"{name}_l.tif"
        )
        with (images / f"{name}_table.csv").open() as file:
            rows = list(csv.DictReader(file))
        assert list(rows[0]) == list(expected.columns)
        assert list(rows[0])[:5] == [
            *("object_id", "timestep", "labelimage_oid", "User Label", "Predicted Class")
        ]
        for heading in expected.columns:
            got = [row[heading] for row in rows]
            want = expected[heading]
            if want.dtype == object:
                assert got == want.tolist()
            else:
                np.testing.assert_array_equal(np.array(got, want.dtype), want)
        classes = np.load(images / f"{name}_Object Predictions.npy")
        assert set(np.unique(classes)) <= {0, 1, 2}
    record = images / "a_Object Predictions_settings.json"
    first = (images / "a_table.csv").read_bytes()
    (images / "a_table.csv").unlink()
    (images / "a_Object Predictions.npy").unlink()
    assert main(["run", str(record), "--quiet"]) == 0
    assert (images / "a_table.csv").read_bytes() == first
    assert json.loads(record.read_text())["verb"] == "ilastik"
    assert run(*words) != 0  # they exist
    assert run(*words, "--overwrite") == 0


def test_a_table_with_cut_outs(images):
    project = ObjectIlp().write(images / "p.ilp")
    path = images / "t.h5"
    words = (
        *("--project", project, images / "a.tif", "--label_image", images / "a_l.tif"),
        *("--table_filename", path, "--table_only", "--table_margin=2"),
    )
    assert run(*words) == 0
    assert not (images / "a_Object Predictions.h5").exists()
    raw = fb.read_image(images / "a.tif").data
    ids = fb.IlastikProject(project).predict(
        images / "a.tif", "Object Identities", objects=images / "a_l.tif"
    )
    with h5py.File(path) as file:
        table = file["table"][()]
        for row, one in enumerate(table):
            x0, y0 = (max(int(one[f"Bounding Box Minimum_{i}"]) - 2, 0) for i in (0, 1))
            x1, y1 = (
                min(int(one[f"Bounding Box Maximum_{i}"]) + 2, n) for i, n in ((0, 100), (1, 80))
            )
            patch = file[f"images/{row}/raw"]
            np.testing.assert_array_equal(patch[()], raw[y0:y1, x0:x1].T)
            keys = [a["key"] for a in json.loads(patch.attrs["axistags"])["axes"]]
            assert keys == ["x", "y"]
            assert patch.attrs["type"] == "image"
            mine = file[f"images/{row}/labeling"]
            assert (mine.attrs["type"], mine.dtype) == ("labeling", np.uint8)
            want = one["labelimage_oid"] == ids.data[y0:y1, x0:x1, 0].T
            np.testing.assert_array_equal(mine[()], want)
    back = fb.read_table(path)
    assert len(back) == len(table)
    assert run(*words) != 0
    assert run(*words, "--overwrite") == 0


def test_settings_of_tables_are_named_and_not_loaded(images, capsys):
    """ilastik keeps a pickle of (None, None) in every project."""
    words = ["--raw_data", images / "a.tif", "--label_image", images / "a_l.tif", "--dry-run"]
    project = ObjectIlp().write(images / "p.ilp")
    for pickled, told in (
        (b"(NNtp1\n.", False),
        (pickle.dumps(({"file type": "csv"}, None)), True),
    ):
        with h5py.File(project, "r+") as file:
            del file["ObjectClassification/ExportSettings"]
            file["ObjectClassification/ExportSettings"] = np.void(pickled)
        assert main(["ilastik", "--project", str(project), *map(str, words)]) == 0
        assert ("no table is written" in capsys.readouterr().out) is told
        table = ("--table_filename", str(images / "t.csv"))
        assert main(["ilastik", "--project", str(project), *map(str, words), *table]) == 0
        assert "no table is written" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "There are 1 inputs and 0 second images"),
        (["--prediction_maps=x.h5"], "takes --label_image"),
        (["--label_image", "x.h5", "y.h5"], "2 second images"),
        (["--label_image=a_l.tif", "--prediction_mask=m.tif"], "prediction mask"),
        (["--label_image=a_l.tif", "--table_only"], "--table_only needs a table"),
        (["--label_image=a_l.tif", "--csv_export_file=x.csv"], "Cell Density Counting"),
        (["--label_image=a_l.tif", "--export_source=Probabilities"], "this project has Object"),
        (["--label_image=nowhere.tif"], "nowhere.tif"),
        (["--label_image=a_l.tif", "--table_margin=-1", "--table_filename=t.h5"], "table_margin"),
    ],
)
def test_what_does_not_fit_is_refused(images, capsys, monkeypatch, words, said):
    monkeypatch.chdir(images)
    project = ObjectIlp().write(images / "p.ilp")
    code = run("--project", project, "a.tif", *words)
    assert code != 0
    assert said in capsys.readouterr().err


def test_tables_of_several_inputs_need_names(images, capsys):
    project = ObjectIlp().write(images / "p.ilp")
    code = run(
        *("--project", project, "--raw_data", images / "a.tif", images / "b.tif"),
        *("--label_image", images / "a_l.tif", images / "b_l.tif"),
        *("--table_filename", images / "t.csv"),
    )
    assert code != 0
    assert "{nickname}" in capsys.readouterr().err
