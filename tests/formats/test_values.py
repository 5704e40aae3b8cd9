"""What users give to be read and written: arrays, lists, frames and wrong words."""

import numpy as np
import pytest

import fijibridge as fb
from fijibridge.errors import FormatError, SettingsError

_LABELS = np.array([[0, 1], [2, 2]], np.uint16)


def test_arrays_are_written(tmp_path):
    fb.write_image(_LABELS, tmp_path / "a.tif")
    assert np.array_equal(fb.read_image(tmp_path / "a.tif").data, _LABELS)
    fb.write_image(np.zeros((2, 3, 4), np.uint8), tmp_path / "b.h5", axes="zyx")
    assert fb.read_image(tmp_path / "b.h5").axes.keys == "zyx"
    fb.write_labels(_LABELS.astype(float), tmp_path / "c.tif")
    assert list(fb.read_labels(tmp_path / "c.tif").ids) == [1, 2]
    fb.write_labels(fb.Image.from_array(_LABELS, "yx"), tmp_path / "d.h5")
    assert fb.read_image(tmp_path / "d.h5").spec.role == "labels"


def test_frames_and_lists_are_written(tmp_path):
    import pandas as pd

    fb.write_table(pd.DataFrame({"Area": [1.5, 2.0]}), tmp_path / "a.csv")
    assert list(fb.read_table(tmp_path / "a.csv").columns["Area"]) == [1.5, 2.0]
    roi = fb.Roi(kind="rectangle", bounds=(0, 0, 4, 4), name="1")
    for n, value in enumerate((roi, [roi, roi], fb.RoiSet([roi]))):
        fb.write_rois(value, tmp_path / f"{n}.zip")
        assert len(fb.read_rois(tmp_path / f"{n}.zip")) == (2 if n == 1 else 1)


@pytest.mark.parametrize(
    ("act", "said"),
    [
        (lambda p: fb.write_image([[1]], p / "a.tif"), "an Image or an array, not list"),
        (lambda p: fb.write_image(np.zeros((2, 2, 2)), p / "a.tif"), "needs axes="),
        (
            lambda p: fb.write_image(fb.Image.from_array(_LABELS, "yx"), p / "a.tif", axes="xy"),
            "has 'yx' already",
        ),
        (lambda p: fb.write_labels(_LABELS - 0.5, p / "a.tif"), "whole numbers"),
        (lambda p: fb.write_labels(_LABELS.astype(int) - 1, p / "a.tif"), "0 or more"),
        (lambda p: fb.write_table({"a": [1]}, p / "a.csv"), "DataFrame, not dict"),
        (lambda p: fb.write_rois([1], p / "a.zip"), "list of Roi, not list"),
        (lambda p: fb.write_image(_LABELS, p / "a.tif", overwrit=True), "mean 'overwrite'"),
        (lambda p: fb.read_image(p / "a.tif", axis="yx"), "mean 'axes'"),
        (lambda _: fb.read_image(5), "not int"),
        (lambda p: fb.write_image(_LABELS, p / ("x" * 300 + ".tif")), "name too long"),
    ],
)
def test_what_is_wrong_is_told(tmp_path, act, said):
    if "axes" in said and "overwrite" not in said:
        fb.write_image(_LABELS, tmp_path / "a.tif", overwrite=True)
    with pytest.raises(SettingsError, match=said) as caught:
        act(tmp_path)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [("a.h5", b"", "is empty"), ("a.png", b"hello world", "suffix .png, but is in no format")],
)
def test_files_that_are_not_what_they_say(tmp_path, name, content, said):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(FormatError, match=said):
        fb.read_image(tmp_path / name)


@pytest.mark.parametrize("suffix", [".npz", ".parquet", ".xlsx", ".geojson"])
def test_truncated_files_have_a_hint(tmp_path, suffix):
    target = tmp_path / f"a{suffix}"
    table = fb.ResultsTable({"Area": np.arange(50.0)})
    if suffix == ".npz":
        fb.write_image(_LABELS, target)
    elif suffix == ".geojson":
        fb.write_rois(fb.Roi(kind="rectangle", bounds=(0, 0, 4, 4), name="1"), target)
    else:
        fb.write_table(table, target)
    target.write_bytes(target.read_bytes()[: target.stat().st_size * 6 // 10])
    read = {".npz": fb.read_image, ".geojson": fb.read_rois}.get(suffix, fb.read_table)
    with pytest.raises(FormatError) as caught:
        read(target)
    assert caught.value.hint
    assert ".." not in caught.value.message


def test_wrong_labels_name_their_file(tmp_path):
    fb.write_image(np.array([[0, -5]], np.int16), tmp_path / "neg.npy")
    with pytest.raises(SettingsError, match=r"neg\.npy' holds -5") as caught:
        fb.read_labels(tmp_path / "neg.npy")
    assert caught.value.hint
