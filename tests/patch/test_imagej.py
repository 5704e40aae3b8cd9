"""Patches through the real ImageJ: what is checked in without a number, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

import fijibridge as fb
from fijibridge.errors import FijiBridgeError
from fijibridge.model import Axes, Axis, Image
from patch.stores import pyramid, read_levels, tree, write_store

pytestmark = pytest.mark.imagej

REGION = "z=2:12,y=10:50,x=20:70"
BOX = (slice(2, 12), slice(10, 50), slice(20, 70))


@pytest.fixture
def place(tmp_path):
    rng = np.random.default_rng(1)
    a = rng.integers(100, 4000, (16, 64, 80)).astype(np.uint16)
    store = write_store(
        tmp_path / "s.ome.zarr",
        pyramid(a, "zyx", "yx", "even", 3),
        "zyx",
        chunks=(8, 32, 32),
        scale=[2.0, 0.5, 0.5],
    )
    fb.checkout(store, REGION, tmp_path / "p.tif")
    return tmp_path, store, a


def _macro(imagej, folder, body, *, save="p.tif"):
    path = (folder / "p.tif").as_posix()
    out = (folder / save).as_posix()
    imagej.run_macro(
        f'setBatchMode(true); open("{path}"); {body} saveAs("Tiff", "{out}"); '
        'close("*"); setBatchMode(false);'
    )


def _same(store, a, new):
    b = a.copy()
    b[BOX] = new
    for mine, its in zip(read_levels(store), pyramid(b, "zyx", "yx", "even", 3), strict=True):
        assert np.array_equal(mine, its)


@pytest.mark.parametrize(
    "body",
    [
        'run("Median...", "radius=2 stack");',
        'run("Duplicate...", "title=other duplicate"); run("Invert", "stack");',
        'run("Gaussian Blur 3D...", "x=1 y=1 z=1");',
        'run("Add...", "value=7 stack");',
    ],
)
def test_edited_and_saved(imagej, place, body):
    folder, store, a = place
    _macro(imagej, folder, body)
    new = fb.read_image(folder / "p.tif").data
    assert not np.array_equal(new, a[BOX])
    fb.checkin(folder / "p.tif")
    _same(store, a, new)


def test_saved_under_another_name_beside(imagej, place):
    folder, store, a = place
    _macro(imagej, folder, 'run("Add...", "value=1 stack");', save="my result.tif")
    fb.checkin(folder / "my result.tif")
    _same(store, a, a[BOX] + 1)


def test_slice_labels_are_enough_after_the_image_calculator(imagej, place):
    folder, store, a = place
    _macro(
        imagej,
        folder,
        'rename("a"); run("Duplicate...", "title=b duplicate"); '
        'imageCalculator("Add create stack", "a", "b");',
        save="sum.tif",
    )
    image = fb.read_image(folder / "sum.tif")
    assert "fijibridge patch" not in image.spec.extra.properties
    done = fb.checkin(folder / "sum.tif")
    assert done.entry
    _same(store, a, 2 * a[BOX])


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            'makeRectangle(5, 5, 20, 20); run("Crop");',
            (
                r"does not fit z=2:12,y=10:50,x=20:70: y has 20 samples, its place 40; "
                r"x has 20 samples, its place 50"
            ),
        ),
        ('run("Z Project...", "projection=[Max Intensity]");', "says where it came from|z has 1"),
        ('run("8-bit");', "has pixels of uint8, 0 has uint16"),
        ('run("32-bit");', "has pixels of float32, 0 has uint16"),
        ('run("Size...", "width=25 height=20 depth=10 interpolation=None");', "does not fit"),
    ],
)
def test_what_does_not_fit_is_refused(imagej, place, body, message):
    folder, store, _ = place
    before = tree(store, journal=True)
    _macro(imagej, folder, body, save="changed.tif")
    with pytest.raises(FijiBridgeError, match=message) as caught:
        fb.checkin(folder / "changed.tif")
    assert caught.value.hint
    assert tree(store, journal=True) == before


def test_a_crop_goes_to_the_place_that_is_told(imagej, place):
    folder, store, a = place
    _macro(imagej, folder, 'makeRectangle(5, 6, 20, 21); run("Crop");', save="crop.tif")
    inner = (slice(2, 12), slice(16, 37), slice(25, 45))
    new = a[inner] // 2
    image = fb.read_image(folder / "crop.tif")
    assert np.array_equal(image.data, a[inner])
    fb.write_image(Image(new, image.spec), folder / "crop.tif", overwrite=True)
    done = fb.checkin(folder / "crop.tif", store=store, region="z=2:12,y=16:37,x=25:45")
    assert any("not compared" in note for note in done.notes)
    b = a.copy()
    b[inner] = new
    assert np.array_equal(read_levels(store)[0], b)


def test_a_flip_cannot_be_seen_and_is_told(imagej, place):
    folder, store, a = place
    _macro(imagej, folder, 'run("Flip Horizontally", "stack");')
    done = fb.checkin(folder / "p.tif")
    assert any("flip" in note for note in done.notes)
    _same(store, a, a[BOX][:, :, ::-1])


def test_converted_pixels_need_a_word(imagej, place):
    folder, store, a = place
    _macro(imagej, folder, 'run("32-bit"); run("Divide...", "value=3 stack");')
    values = fb.read_image(folder / "p.tif").data
    fb.checkin(folder / "p.tif", convert_dtype=True)
    _same(store, a, np.rint(values).astype(np.uint16))


def test_imagej_sees_the_patch_calibrated(imagej, place):
    folder, _, _ = place
    said = imagej.run_macro(
        f'setBatchMode(true); open("{(folder / "p.tif").as_posix()}"); '
        "getVoxelSize(w, h, d, unit); getDimensions(x, y, c, z, t); "
        'r = "" + w + " " + h + " " + d + " " + x + " " + y + " " + c + " " + z + " " + t '
        '+ " " + getInfo("slice.label"); close(); setBatchMode(false); return r;'
    )
    assert str(said).startswith("0.5 0.5 2 50 40 1 10 1 [patch ")


def test_labels_edited_in_imagej(imagej, tmp_path):
    rng = np.random.default_rng(2)
    a = rng.integers(0, 300, (64, 80)).astype(np.uint32)
    store = write_store(
        tmp_path / "s.ome.zarr",
        pyramid(a, "yx", "yx", "first", 3),
        "yx",
        chunks=(32, 32),
        labels=True,
    )
    fb.checkout(store, "y=10:50,x=20:70", tmp_path / "p.tif")
    _macro(imagej, tmp_path, 'makeRectangle(3, 4, 10, 11); run("Set...", "value=299");')
    fb.checkin(tmp_path / "p.tif")
    a[14:25, 23:33] = 299
    for mine, its in zip(read_levels(store), pyramid(a, "yx", "yx", "first", 3), strict=True):
        assert np.array_equal(mine, its)


def test_hyperstacks(imagej, tmp_path):
    rng = np.random.default_rng(3)
    a = rng.integers(0, 200, (2, 3, 6, 40, 48)).astype(np.uint8)
    axes = Axes(tuple(Axis(k, n) for k, n in zip("tczyx", a.shape, strict=True)))
    fb.write_image(Image.from_array(a, axes), tmp_path / "s.ome.zarr", downscale="nearest")
    fb.checkout(tmp_path / "s.ome.zarr", "t=1:2,c=1:3,z=1:5,y=3:30,x=4:40", tmp_path / "p.tif")
    _macro(imagej, tmp_path, 'run("Add...", "value=5 stack");')
    fb.checkin(tmp_path / "p.tif")
    a[1:2, 1:3, 1:5, 3:30, 4:40] += 5
    assert np.array_equal(fb.read_image(tmp_path / "s.ome.zarr").data, a)
