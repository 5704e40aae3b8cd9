"""convert: any kind into any other, and what it says."""

import json
import zipfile

import numpy as np
import pytest

import fijibridge as fb
from fijibridge.errors import FijiBridgeError, FormatError, SettingsError, UnsupportedError
from fijibridge.ops import call, run_verb


def test_labels_to_rois_and_back(mask, tmp_path):
    report = run_verb("convert", input=mask, output=tmp_path / "r.zip")
    assert "5 labels -> 5 ROIs, check: 5 of 5 identical" in report.lines[0]
    body = report.to_json()
    assert (body["count"], body["identical"], body["lost"]) == (5, 5, 0)
    with zipfile.ZipFile(tmp_path / "r.zip") as archive:
        assert archive.namelist() == [f"{n:04d}.roi" for n in (1, 4, 7, 9, 300)]
    back = run_verb("convert", input=tmp_path / "r.zip", output=tmp_path / "b.tif", like=mask)
    assert "check: 5 of 5 identical" in back.lines[0]
    assert np.array_equal(fb.read_labels(tmp_path / "b.tif").data, fb.read_labels(mask).data)


def test_all_doors_write_the_same_bytes(mask, tmp_path):
    from fijibridge.cli import main

    names = {"cli": "c.zip", "json": "j.zip", "python": "p.zip", "function": "f.zip"}
    paths = {door: tmp_path / name for door, name in names.items()}
    pattern = "cell {label}"
    assert main(["convert", str(mask), str(paths["cli"]), f"--names={pattern}", "--quiet"]) == 0
    settings = {"input": str(mask), "output": str(paths["json"]), "names": pattern}
    assert json.loads(call(json.dumps({"verb": "convert", "settings": settings})))["ok"]
    fb.convert(mask, paths["python"], names=pattern)
    fb.write_rois(fb.labels_to_rois(mask, names=pattern), paths["function"])
    assert len({path.read_bytes() for path in paths.values()}) == 1


def test_shape_and_overlap(tmp_path):
    rois = fb.RoiSet(
        [
            fb.Roi(kind="rectangle", bounds=(0, 0, 4, 4), name="1"),
            fb.Roi(kind="rectangle", bounds=(2, 2, 4, 4), name="2"),
        ]
    )
    fb.write_rois(rois, tmp_path / "r.zip")
    for overlap, value in (("last", 2), ("first", 1)):
        target = tmp_path / f"{overlap}.tif"
        run_verb("convert", input=tmp_path / "r.zip", output=target, shape="8,8", overlap=overlap)
        assert fb.read_labels(target).data[3, 3] == value
    with pytest.raises(SettingsError, match="overlap"):
        run_verb(
            "convert",
            input=tmp_path / "r.zip",
            output=tmp_path / "e.tif",
            shape=(8, 8),
            overlap="error",
        )
    report = run_verb(
        "convert", input=tmp_path / "r.zip", output=tmp_path / "small.tif", shape=(5, 5)
    )
    assert report.to_json()["notes"] == [
        "1 of 2 ROIs reach beyond the image and were cut at its border"
    ]


def test_images_keep_their_calibration(picture, tmp_path):
    run_verb("convert", input=picture, output=tmp_path / "x.h5")
    image = fb.read_image(tmp_path / "x.h5")
    assert image.axes["x"].scale == 0.5
    assert image.axes["x"].unit == "micrometer"
    assert np.array_equal(image.data, fb.read_image(picture).data)


def test_calibration_and_axes_can_be_said(tmp_path):
    np.save(tmp_path / "a.npy", np.arange(24, dtype=np.uint8).reshape(2, 3, 4))
    run_verb(
        "convert",
        input=tmp_path / "a.npy",
        output=tmp_path / "a.tif",
        axes="zyx",
        pixel_size="x=0.2,y=0.2,z=1",
        unit="um",
    )
    axes = fb.read_image(tmp_path / "a.tif").axes
    assert [(a.key, a.scale) for a in axes] == [("z", 1.0), ("y", 0.2), ("x", 0.2)]
    assert axes["x"].unit == "micrometer"
    with pytest.raises(SettingsError, match="axes"):
        run_verb("convert", input=tmp_path / "a.npy", output=tmp_path / "b.tif", axes="yx")


def test_tables(tmp_path):
    fb.write_table(fb.ResultsTable({"Area": np.array([1.5, 2.0])}), tmp_path / "t.csv")
    report = run_verb("convert", input=tmp_path / "t.csv", output=tmp_path / "t.parquet")
    assert report.to_json()["count"] == 2
    assert fb.read_table(tmp_path / "t.parquet")["Area"].tolist() == [1.5, 2.0]


def test_the_overlay_of_an_image_becomes_rois(tmp_path):
    rois = fb.RoiSet([fb.Roi(kind="oval", bounds=(1, 2, 5, 6), name="here")])
    image = fb.Image.from_array(
        np.zeros((20, 20), np.uint8), "yx", extra=fb.model.Extra(overlay=rois)
    )
    fb.write_image(image, tmp_path / "i.tif")
    report = run_verb("convert", input=tmp_path / "i.tif", output=tmp_path / "o.zip")
    assert report.lines[0].endswith("1 ROIs")
    assert fb.read_rois(tmp_path / "o.zip")[0].kind == "oval"


def test_each_takes_every_match(mask, tmp_path):
    out = tmp_path / "out"
    run_verb("convert", each=str(tmp_path / "ma*.tif"), output=f"{out}/{{name}}.zip")
    assert [p.name for p in out.glob("*.zip")] == ["mask.zip"]


def wrong_labels(tmp_path):
    """Write label images that are none."""
    arrays = {
        "negative.npy": np.array([[0, -3]], np.int16),
        "half.npy": np.array([[0, 0.5]], np.float32),
        "nan.npy": np.array([[0, np.nan]], np.float32),
    }
    for name, array in arrays.items():
        np.save(tmp_path / name, array)


@pytest.mark.parametrize(
    ("source", "target", "more", "error", "said"),
    [
        ("negative.npy", "x.zip", {}, SettingsError, "Labels must be 0 or more"),
        ("half.npy", "x.zip", {}, SettingsError, "whole numbers; 'half.npy' holds 0.5"),
        ("nan.npy", "x.zip", {}, SettingsError, "whole numbers; 'nan.npy' holds nan"),
        ("gone.tif", "x.zip", {}, FormatError, "There is no file"),
        ("mask.tif", "x.tsv", {}, UnsupportedError, "holds tables only"),
        ("mask.tif", "x", {}, SettingsError, "no suffix"),
        ("mask.tif", "x.zip", {"to": "roi zap"}, SettingsError, "There is no format 'roi zap'"),
        ("mask.tif", "x.zip", {"names": "{lable}"}, SettingsError, "Did you mean 'label'?"),
        ("r.zip", "x.tif", {}, SettingsError, "do not say how large the image is"),
        ("r.zip", "x.tif", {"like": "gone.tif"}, FormatError, "There is no file"),
        ("r.zip", "x.tif", {"shape": "5,5", "like": "mask.tif"}, SettingsError, "Say one"),
        ("r.zip", "x.tsv", {"shape": "5,5"}, UnsupportedError, "ROI set"),
        ("t.csv", "x.tif", {}, UnsupportedError, "is a table"),
        ("mask.tif", "mask.tif", {"overwrite": True}, SettingsError, "is also an input"),
        ("mask.tif", "t.csv", {}, FijiBridgeError, ""),
        ("broken.zip", "x.tif", {"shape": "5,5"}, FormatError, ""),
        ("mask.tif", "{nam}.zip", {}, SettingsError, "the only one is {name}"),
    ],
)
def test_what_cannot_be(mask, tmp_path, monkeypatch, source, target, more, error, said):
    monkeypatch.chdir(tmp_path)
    wrong_labels(tmp_path)
    fb.write_rois(fb.RoiSet([fb.Roi(kind="oval", bounds=(0, 0, 3, 3), name="a")]), "r.zip")
    fb.write_table(fb.ResultsTable({"Area": np.array([1.0])}), "t.csv")
    (tmp_path / "broken.zip").write_bytes((tmp_path / "r.zip").read_bytes()[:60])
    before = {p.name for p in tmp_path.iterdir()}
    with pytest.raises(error) as caught:
        run_verb("convert", input=source, output=target, **more)
    assert said in str(caught.value)
    assert {p.name for p in tmp_path.iterdir()} == before


def test_a_lossy_target_refuses_labels(mask, tmp_path):
    with pytest.raises(UnsupportedError, match="changes pixel values, so labels would be lost"):
        run_verb("convert", input=mask, output=tmp_path / "x.jpg", role="labels")
    assert not (tmp_path / "x.jpg").exists()


def test_centers_are_said_to_be_too_small(mask, tmp_path):
    report = run_verb("convert", input=mask, output=tmp_path / "c.zip", vertices="centers")
    assert "half a pixel too small" in report.to_json()["notes"][0]
    assert report.to_json()["identical"] < 5


def test_datasets_stand_beside_each_other(mask, picture, tmp_path):
    store = tmp_path / "s.h5"
    run_verb("convert", input=mask, output=f"{store}/labels")
    run_verb("convert", input=picture, output=f"{store}/raw")
    assert fb.read_image(f"{store}/raw").dtype == np.uint8
    with pytest.raises(SettingsError, match="exists"):
        run_verb("convert", input=mask, output=f"{store}/raw")
    run_verb("convert", input=mask, output=f"{store}/raw", overwrite=True)
    assert fb.read_image(f"{store}/raw").dtype == np.uint16
    assert fb.read_image(f"{store}/labels").dtype == np.uint16


def test_warnings_become_notes(mask, tmp_path, monkeypatch):
    import warnings

    from fijibridge import formats

    real = formats.write_rois

    def write(*args, **kwargs):
        warnings.warn("the colours were left out", UserWarning, stacklevel=2)
        return real(*args, **kwargs)

    monkeypatch.setattr(formats, "write_rois", write)
    report = run_verb("convert", input=mask, output=tmp_path / "r.zip")
    assert report.to_json()["notes"] == ["the colours were left out"]


def test_a_colour_table_for_labels_means_labels(tmp_path):
    labels = np.eye(6, dtype=np.uint8) * np.arange(6, dtype=np.uint8)
    fb.write_labels(fb.LabelImage.from_array(labels, "yx"), tmp_path / "own.tif")
    other = fb.read_image(tmp_path / "own.tif", role="intensity")
    fb.write_image(other, tmp_path / "l.tif")  # the colours, without our word for them
    assert fb.read_image(tmp_path / "l.tif").spec.role == "intensity"
    with pytest.raises(UnsupportedError, match="labels would be lost"):
        run_verb("convert", input=tmp_path / "l.tif", output=tmp_path / "l.jpg")
    report = run_verb("convert", input=tmp_path / "l.tif", output=tmp_path / "l.ome.zarr")
    assert "taken as labels" in report.to_json()["notes"][0]
    assert fb.read_image(tmp_path / "l.ome.zarr").spec.role == "labels"
    run_verb("convert", input=tmp_path / "l.tif", output=tmp_path / "l.jpg", role="intensity")
    grey = fb.Image.from_array(labels, "yx")
    fb.write_image(grey, tmp_path / "g.tif")
    run_verb("convert", input=tmp_path / "g.tif", output=tmp_path / "g.jpg")
