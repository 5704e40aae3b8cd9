"""Lossy targets: what looks like labels is refused, though nothing says that it is."""

import numpy as np
import pytest

import fijibridge as fb
from fijibridge.errors import UnsupportedError
from fijibridge.ops import run_verb
from fijibridge.ops._inputs import looks_like_labels

_ROWS, _COLUMNS = np.mgrid[:60, :80]


def _disks(dtype, value):
    inside = (_ROWS % 20 - 10) ** 2 + (_COLUMNS % 20 - 10) ** 2 < 64
    return np.where(inside, value, 0).astype(dtype)


def _masks():
    number = _ROWS // 20 * 4 + _COLUMNS // 20 + 1
    return {
        "objects": _disks(np.uint8, number),
        "sixteen": _disks(np.uint16, number * 300),
        "mask": _disks(np.uint8, 255),
        "inverted": 255 - _disks(np.uint8, 255),
        "touching": (_ROWS // 5 * 16 + _COLUMNS // 5).astype(np.uint8),
    }


def _pictures():
    random = np.random.default_rng(1)
    spot = np.exp(-((_ROWS - 30) ** 2 + (_COLUMNS - 40) ** 2) / 400)
    return {
        "noise": random.integers(0, 256, (60, 80)).astype(np.uint8),
        "spot": (spot * 200).astype(np.uint8),
        "ramp": (_COLUMNS * 3).astype(np.uint8),
        "slow ramp": np.tile((np.arange(8000) // 40).astype(np.uint8), (20, 1)),
        "objects in noise": (_disks(np.int64, 100) + random.poisson(20, (60, 80))).astype(np.uint8),
        "nothing": np.zeros((60, 80), np.uint8),
    }


@pytest.mark.parametrize("name", _masks())
def test_masks_look_like_labels(name):
    assert looks_like_labels(_masks()[name])


@pytest.mark.parametrize("name", _pictures())
def test_grey_images_do_not(name):
    assert not looks_like_labels(_pictures()[name])


@pytest.mark.parametrize("suffix", [".jpg", ".gif"])
def test_a_mask_without_a_word_is_refused(tmp_path, suffix):
    fb.write_image(_masks()["objects"], tmp_path / "labels.tif")
    target = tmp_path / f"out{suffix}"
    with pytest.raises(UnsupportedError, match="changes pixel values") as caught:
        run_verb("convert", input=tmp_path / "labels.tif", output=target)
    assert "--role intensity" in caught.value.hint
    assert sorted(p.name for p in tmp_path.iterdir()) == ["labels.tif"]
    run_verb("convert", input=tmp_path / "labels.tif", output=target, role="intensity")
    assert target.exists()


def test_a_picture_is_written(tmp_path):
    fb.write_image(_pictures()["noise"], tmp_path / "grey.tif")
    run_verb("convert", input=tmp_path / "grey.tif", output=tmp_path / "grey.jpg")
    assert fb.read_image(tmp_path / "grey.jpg").shape == (60, 80)


def test_sixteen_bits_are_told_why(tmp_path):
    noise = np.random.default_rng(1).integers(0, 60000, (60, 80)).astype(np.uint16)
    fb.write_image(noise, tmp_path / "grey.tif")
    with pytest.raises(UnsupportedError, match="JPEG cannot hold uint16") as caught:
        run_verb("convert", input=tmp_path / "grey.tif", output=tmp_path / "grey.jpg")
    assert "--export" not in caught.value.hint
    assert "uint8 first" in caught.value.hint


@pytest.mark.parametrize(("suffix", "other"), [(".png", ".h5"), (".bmp", ".png")])
def test_large_labels_name_what_holds_them(tmp_path, suffix, other):
    fb.write_labels(_disks(np.uint32, 70000), tmp_path / "labels.npy")
    with pytest.raises(UnsupportedError, match="has the label 70000") as caught:
        run_verb(
            "convert", input=tmp_path / "labels.npy", output=tmp_path / f"a{suffix}", role="labels"
        )
    assert other in caught.value.hint


@pytest.mark.parametrize("suffix", [".tif", ".ome.tif", ".h5", ".ome.zarr"])
@pytest.mark.parametrize("lut", ["glasbey", "none"])
def test_our_labels_come_back_as_labels(tmp_path, suffix, lut):
    target = tmp_path / f"labels{suffix}"
    fb.write_labels(_masks()["objects"], target, lut=lut)
    image = fb.read_image(target)
    assert image.spec.role == "labels"
    assert dict(image.spec.extra.properties) == {}
    assert fb.read_image(target, role="intensity").spec.role == "intensity"
    with pytest.raises(UnsupportedError, match="labels would be lost"):
        run_verb("convert", input=target, output=tmp_path / "a.jpg")
    fb.write_image(_masks()["objects"], target, overwrite=True)
    assert fb.read_image(target).spec.role == "intensity"
