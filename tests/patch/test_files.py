"""Every kind of file a patch may be: exact both ways, and what other programs read of it."""

from __future__ import annotations

import numpy as np
import pytest

import fijibridge as fb
from fijibridge.formats import read_labels
from fijibridge.model import Axes, Axis, Image
from patch.stores import pyramid, read_levels, write_store

REGION = {"z": (2, 9), "y": (5, 30), "x": (7, 40)}
BOX = (slice(2, 9), slice(5, 30), slice(7, 40))
FILES = ("p.tif", "p.ome.tif", "p.nii", "p.nii.gz", "p.npy", "p.h5", "p.h5/some/where", "p.dcm")


@pytest.fixture(params=["uint8", "uint16", "int16", "float32"])
def place(request, tmp_path):
    rng = np.random.default_rng(1)
    a = rng.integers(1, 200, (12, 40, 50)).astype(request.param)
    axes = Axes(
        (
            Axis("z", 12, 2.0, "micrometer", 7.0),
            Axis("y", 40, 0.25, "micrometer", -3.0),
            Axis("x", 50, 0.25, "micrometer", 1.5),
        )
    )
    fb.write_image(Image.from_array(a, axes), tmp_path / "s.ome.zarr")
    return tmp_path, a


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("keep", [True, False], ids=["beside", "inside"])
def test_out_and_in(place, name, keep):
    folder, a = place
    if name == "p.dcm" and a.dtype not in (np.uint8, np.uint16):
        pytest.skip("DICOM holds unsigned pixels of 8 and 16 bits; it says so")
    fb.checkout(folder / "s.ome.zarr", REGION, folder / name)
    image = fb.read_image(folder / name)
    assert image.dtype == a.dtype
    assert np.array_equal(image.data, a[BOX])
    if name != "p.npy":
        assert [x.scale for x in image.axes] == pytest.approx([2.0, 0.25, 0.25])
        assert [x.origin for x in image.axes] == pytest.approx([11.0, -1.75, 3.25])
        assert {x.unit for x in image.axes} == {"micrometer"}
    new = image.data + np.asarray(3, a.dtype)
    if name == "p.npy":
        np.save(folder / name, new)
    else:
        fb.write_image(Image(new, image.spec), folder / name, overwrite=True)
    if not keep and name != "p.npy":  # an array alone says nothing
        (folder / "p_patch.json").unlink()
    fb.checkin(folder / name)
    assert np.array_equal(fb.read_image(folder / "s.ome.zarr").data[BOX], new)


def test_nibabel_and_simpleitk_see_the_same_place(place):
    import nibabel

    folder, a = place
    fb.checkout(folder / "s.ome.zarr", REGION, folder / "p.nii.gz")
    image = nibabel.load(folder / "p.nii.gz")
    assert np.array_equal(np.asarray(image.dataobj).T, a[BOX])
    assert image.header.get_zooms() == pytest.approx((0.25e-3, 0.25e-3, 2e-3)) or (
        image.header.get_zooms() == pytest.approx((0.25, 0.25, 2.0))
    )
    assert int(image.header["qform_code"]) == int(image.header["sform_code"]) == 1
    space, _ = image.header.get_xyzt_units()
    per_mm = {"mm": 1e-3, "micron": 1.0}[space]
    assert np.abs(image.affine[:3, 3]) == pytest.approx([3.25 * per_mm, 1.75 * per_mm, 11 * per_mm])
    sitk = pytest.importorskip("SimpleITK", reason="SimpleITK is not installed")
    other = sitk.ReadImage(str(folder / "p.nii.gz"))
    assert np.array_equal(sitk.GetArrayFromImage(other), a[BOX])
    assert other.GetSpacing() == pytest.approx((0.25e-3, 0.25e-3, 2e-3))


def test_dicom_frames_lie_in_order(tmp_path):
    import pydicom

    rng = np.random.default_rng(1)
    a = rng.integers(1, 4000, (12, 40, 50)).astype(np.uint16)
    fb.write_image(Image.from_array(a, "zyx"), tmp_path / "s.ome.zarr")
    fb.checkout(tmp_path / "s.ome.zarr", REGION, tmp_path / "p.dcm")
    found = pydicom.dcmread(tmp_path / "p.dcm")
    assert np.array_equal(found.pixel_array, a[BOX])


@pytest.mark.parametrize("name", ["l.tif", "l.ome.tif", "l.nii.gz", "l.npy", "l.h5", "l.dcm"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32", "int32"])
def test_label_images(tmp_path, name, dtype):
    rng = np.random.default_rng(1)
    a = rng.integers(0, 90, (12, 40, 50)).astype(dtype)
    store = write_store(
        tmp_path / "s.ome.zarr",
        pyramid(a, "zyx", "zyx", "first", 2),
        "zyx",
        chunks=(8, 16, 16),
        labels=True,
    )
    fb.checkout(store, REGION, tmp_path / name)
    labels = read_labels(tmp_path / name)
    assert np.array_equal(labels.data, a[BOX])
    image = fb.read_image(tmp_path / name)
    new = np.where(image.data > 40, 0, image.data).astype(image.dtype)
    if name == "l.npy":
        np.save(tmp_path / name, new)
    else:
        fb.write_image(Image(new, image.spec), tmp_path / name, overwrite=True)
    fb.checkin(tmp_path / name)
    a[BOX] = new
    for mine, its in zip(read_levels(store), pyramid(a, "zyx", "zyx", "first", 2), strict=True):
        assert np.array_equal(mine, its)


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize("whole", [True, False])
def test_a_new_label_image(tmp_path, version, whole):
    from ome_zarr_models import open_ome_zarr

    rng = np.random.default_rng(4)
    a = rng.integers(0, 4000, (2, 12, 40, 50)).astype(np.uint16)
    levels = pyramid(a, "czyx", "yx", "even", 2)
    chunks = (1, 8, 16, 16)
    store = write_store(tmp_path / "s.ome.zarr", levels, "czyx", chunks=chunks, version=version)
    region = {} if whole else REGION
    fb.checkout(store, {"c": (0, 1), **region}, tmp_path / "p.npy")
    shape = np.load(tmp_path / "p.npy").shape
    mask = rng.integers(0, 70000, shape[-3:]).astype(np.uint32)
    np.save(tmp_path / "p.npy", mask)
    fb.checkin(tmp_path / "p.npy", as_labels="nuclei")
    labels = fb.read_labels(store / "labels" / "nuclei")
    wanted = np.zeros((12, 40, 50), np.uint32)
    wanted[(slice(None),) * 3 if whole else BOX] = mask
    assert np.array_equal(labels.data, wanted)
    assert [level.shape for level in read_levels(store / "labels" / "nuclei")] == [
        *((12, 40, 50), (12, 20, 25))
    ]
    assert np.array_equal(read_levels(store)[0], a)
    assert type(open_ome_zarr(str(store / "labels" / "nuclei"))).__name__ == "ImageLabel"
    report = fb.run_verb("validate", input=(str(store),)).to_json()
    assert "nothing wrong" in str(report) or report["ok"]
    with pytest.raises(fb.SettingsError, match="There is a label image 'nuclei'"):
        fb.checkin(tmp_path / "p.npy", as_labels="nuclei")


def test_a_whole_mask_without_origin(tmp_path):
    a = np.arange(40 * 50, dtype=np.uint16).reshape(40, 50)
    store = write_store(
        tmp_path / "s.ome.zarr", pyramid(a, "yx", "yx", "even", 2), "yx", chunks=(16, 16)
    )
    np.save(tmp_path / "mask.npy", (a % 7).astype(np.uint8))
    fb.checkin(tmp_path / "mask.npy", store=store, as_labels="cells")
    assert np.array_equal(fb.read_labels(store / "labels" / "cells").data, a % 7)


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_lone_arrays(tmp_path, zarr_format):
    import zarr

    a = np.arange(10 * 20 * 30, dtype=np.int32).reshape(10, 20, 30)
    array = zarr.create_array(
        tmp_path / "a.zarr", shape=a.shape, chunks=(4, 7, 9), dtype=a.dtype, zarr_format=zarr_format
    )
    array[...] = a
    fb.checkout(tmp_path / "a.zarr", "z=1:6,y=3:17,x=2:29", tmp_path / "p.npy")
    np.save(tmp_path / "p.npy", -np.load(tmp_path / "p.npy"))
    fb.checkin(tmp_path / "p.npy")
    a[1:6, 3:17, 2:29] *= -1
    assert np.array_equal(zarr.open_array(tmp_path / "a.zarr", mode="r")[...], a)


def test_bool_and_big_endian(tmp_path):
    import zarr

    a = np.random.default_rng(0).random((20, 30)) < 0.5
    zarr.create_array(tmp_path / "b.zarr", shape=a.shape, chunks=(7, 9), dtype=bool)[...] = a
    fb.checkout(tmp_path / "b.zarr", "y=3:17", tmp_path / "p.tif")
    image = fb.read_image(tmp_path / "p.tif")
    assert np.array_equal(image.data, a[3:17] * np.uint8(255))
    fb.write_image(Image(255 - image.data, image.spec), tmp_path / "p.tif", overwrite=True)
    fb.checkin(tmp_path / "p.tif")
    a[3:17] = ~a[3:17]
    assert np.array_equal(zarr.open_array(tmp_path / "b.zarr", mode="r")[...], a)
    b = np.arange(600, dtype=">u2").reshape(20, 30)
    zarr.create_array(
        tmp_path / "c.zarr", shape=b.shape, chunks=(7, 9), dtype=">u2", zarr_format=2
    )[...] = b
    fb.checkout(tmp_path / "c.zarr", "x=3:17", tmp_path / "q.tif")
    image = fb.read_image(tmp_path / "q.tif")
    fb.write_image(Image(image.data + np.uint16(1), image.spec), tmp_path / "q.tif", overwrite=True)
    fb.checkin(tmp_path / "q.tif")
    b[:, 3:17] += 1
    found = zarr.open_array(tmp_path / "c.zarr", mode="r")
    assert np.array_equal(found[...], b)
    assert found.metadata.to_dict()["dtype"] == ">u2"
