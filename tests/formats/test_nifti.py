"""NIfTI: the contract, nibabel as the witness, files of others, hostile headers."""

from __future__ import annotations

import contextlib
import gzip
import struct
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fijibridge import formats
from fijibridge.errors import FijiBridgeError, FormatError, SettingsError, UnsupportedError
from fijibridge.formats import Location
from fijibridge.model import Axes, Extra, Image, LabelImage, Region, Valuation
from formats.contract import ImageContract, random_pixels

nib = pytest.importorskip("nibabel")

INTEGERS = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64")


class TestNifti(ImageContract):
    fmt = "nifti"
    suffix = ".nii"
    dtypes = (*INTEGERS, "float32", "float64")
    label_dtypes = ("uint8", "uint16", "uint32", "int64", "uint64")
    axes_sets = ("yx", "zyx", "xyz", "tzyx", "cyx", "tyx", "tzyxc")
    keeps = frozenset({"scale", "unit", "origin", "time"})


class TestPackedNifti(TestNifti):
    suffix = ".nii.gz"
    dtypes = ("uint8", "int64", "float32")


def calibrated(axes="zyx", shape=(4, 5, 6), dtype="int16", unit="micrometer", **more):
    data = random_pixels(np.random.default_rng(3), shape, dtype)
    full = Axes.of(
        axes,
        shape,
        scale={"x": 0.2, "y": 0.3, "z": 1.5, "t": 30.0},
        unit={"x": unit, "y": unit, "z": unit, "t": "second"},
        origin={"x": 10.0, "y": -20.0, "z": 5.0, "t": 7.0},
    )
    return Image.from_array(data, full, name="volume", **more)


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_nibabel_sees_the_same_volume(tmp_path, suffix):
    image = calibrated("tzyx", (2, 4, 5, 6))
    path = tmp_path / f"a{suffix}"
    formats.write_image(image, path)
    found = nib.load(path)
    assert found.shape == (6, 5, 4, 2)
    np.testing.assert_array_equal(np.asarray(found.dataobj), image.data.transpose())
    assert found.get_data_dtype() == np.int16
    expected = np.diag([0.0002, 0.0003, 0.0015, 1.0])
    expected[:3, 3] = (0.01, -0.02, 0.005)
    for got, code in (found.get_sform(coded=True), found.get_qform(coded=True)):
        np.testing.assert_allclose(got, expected, rtol=1e-6, atol=1e-12)
        assert int(code) == 1
    assert found.header.get_xyzt_units() == ("mm", "sec")
    assert found.header.get_zooms()[3] == 30.0
    assert found.header["toffset"] == 7.0
    raw = path.read_bytes()
    raw = gzip.decompress(raw) if suffix == ".nii.gz" else raw
    assert struct.unpack_from("<ff", raw, 112) == (1.0, 0.0)
    assert found.header["descrip"].item() == b"volume"


@pytest.mark.parametrize("dtype", ["int64", "uint64"])
def test_64_bit_labels_are_untouched(tmp_path, dtype):
    data = np.zeros((3, 4, 5), dtype)
    data[1, 2, 3] = 2**53 + 1
    formats.write_labels(LabelImage.from_array(data, "zyx"), tmp_path / "a.nii.gz")
    found = nib.load(tmp_path / "a.nii.gz")
    assert found.get_data_dtype() == dtype
    assert found.header.get_intent()[0] == "label"
    assert np.asarray(found.dataobj)[3, 2, 1] == 2**53 + 1
    back = formats.read_image(tmp_path / "a.nii.gz")
    assert back.spec.role == "labels"
    np.testing.assert_array_equal(back.data, data)


def test_the_exact_numbers_win_only_while_the_header_agrees(tmp_path):
    formats.write_image(calibrated(), tmp_path / "a.nii")
    axes = formats.read_image(tmp_path / "a.nii").axes
    assert (axes["x"].scale, axes["x"].unit, axes["y"].origin) == (0.2, "micrometer", -20.0)
    loaded = nib.load(tmp_path / "a.nii")
    affine = loaded.affine.copy()
    affine[:3, 3] += (0.001, 0, 0)
    affine[2, 2] *= 2
    made = nib.Nifti1Image(np.asarray(loaded.dataobj), affine, loaded.header)
    nib.save(made, tmp_path / "b.nii")
    axes = formats.read_image(tmp_path / "b.nii").axes
    assert axes["x"].origin == pytest.approx(11.0)
    assert (axes["x"].scale, axes["x"].unit) == (0.2, "micrometer")
    assert (axes["z"].scale, axes["z"].unit) == (pytest.approx(0.003), "millimeter")


def test_pixels_without_a_unit_stay_pixels(tmp_path):
    image = Image.from_array(np.zeros((3, 4, 5), np.uint8), "zyx")
    formats.write_image(image, tmp_path / "a.nii")
    assert nib.load(tmp_path / "a.nii").header.get_xyzt_units()[0] == "unknown"
    assert formats.read_image(tmp_path / "a.nii").axes == image.axes
    nib.save(nib.Nifti1Image(np.zeros((5, 4, 3), np.uint8), np.eye(4)), tmp_path / "b.nii")
    assert formats.read_image(tmp_path / "b.nii").axes["x"].unit == "millimeter"


def test_names_and_texts_travel(tmp_path):
    extra = Extra(channel_names=("a", "b"), info="text \u00b5", properties={"id": "7"})
    image = calibrated("czyx", (2, 4, 5, 6), extra=extra)
    formats.write_image(image, tmp_path / "a.nii")
    back = formats.read_image(tmp_path / "a.nii").spec.extra
    assert back.channel_names == ("a", "b")
    assert back.info == "text \u00b5"
    assert dict(back.properties) == {"id": "7"}
    found = nib.load(tmp_path / "a.nii")
    assert found.shape == (6, 5, 4, 1, 2)
    assert found.header.get_intent()[0] == "vector"


def turned():
    """A volume stored as left, posterior, superior, and one that is oblique."""
    mirrored = np.array([[-0.5, 0, 0, 90], [0, -0.5, 0, 80], [0, 0, 2, -30], [0, 0, 0, 1.0]])
    a = np.deg2rad(20)
    oblique = mirrored.copy()
    oblique[:3, :3] = np.array(
        [[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]]
    ) @ np.diag([0.5, 0.5, 2])
    return {"LPS": mirrored, "RAS": oblique}


@pytest.mark.parametrize("orientation", ["LPS", "RAS"])
def test_turned_volumes_keep_their_data_and_their_affine(tmp_path, orientation):
    affine = turned()[orientation]
    data = np.arange(120, dtype=np.float32).reshape(6, 5, 4)
    nib.save(nib.Nifti1Image(data, affine), tmp_path / "a.nii.gz")
    image = formats.read_image(tmp_path / "a.nii.gz")
    assert image.axes.keys == "zyx"
    np.testing.assert_array_equal(image.data, data.transpose())
    assert [a.scale for a in image.axes] == [2.0, 0.5, 0.5]
    about = image.spec.extra.other["nifti"]
    assert about["orientation"] == orientation
    np.testing.assert_allclose(about["affine"], affine, rtol=1e-6, atol=1e-6)
    formats.write_image(image, tmp_path / "b.nii")
    np.testing.assert_allclose(nib.load(tmp_path / "b.nii").affine, affine, rtol=1e-5, atol=1e-5)
    # a part of it lies where it lay
    region = Region((1, 2, 3), (3, 4, 6))
    spec = image.spec
    part = Image.from_array(image.data[region.slices], image.axes.crop(region), extra=spec.extra)
    formats.write_image(part, tmp_path / "c.nii")
    expected = affine @ [3, 2, 1, 1]
    np.testing.assert_allclose(nib.load(tmp_path / "c.nii").affine[:, 3], expected, atol=1e-4)


def test_slopes_become_a_valuation(tmp_path):
    header = nib.Nifti1Header()
    header.set_data_dtype(np.int16)
    made = nib.Nifti1Image(np.arange(60, dtype=np.int16).reshape(5, 4, 3), np.eye(4), header)
    made.header.set_slope_inter(2.5, -1024)
    nib.save(made, tmp_path / "a.nii")
    raw = bytearray((tmp_path / "a.nii").read_bytes())
    raw[112:120] = struct.pack("<ff", 2.5, -1024)
    (tmp_path / "a.nii").write_bytes(raw)
    image = formats.read_image(tmp_path / "a.nii")
    assert image.dtype == np.int16
    assert image.spec.extra.valuation == Valuation(function=0, coefficients=(-1024.0, 2.5))
    formats.write_image(image, tmp_path / "b.nii")
    a, b = (nib.load(tmp_path / f"{name}.nii").get_fdata() for name in "ab")
    np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(("code", "samples"), [(128, 3), (2304, 4)])
def test_colours_are_channels(tmp_path, code, samples):
    data = np.arange(24 * samples, dtype=np.uint8).reshape(2, 3, 4, samples)
    kind = np.dtype([(k, "u1") for k in "RGBA"[:samples]])
    packed = data.transpose(2, 1, 0, 3).copy().view(kind)[..., 0]
    nib.save(nib.Nifti1Image(packed, np.eye(4)), tmp_path / "a.nii")
    image = formats.read_image(tmp_path / "a.nii")
    assert image.axes.keys == "zyxc"
    assert image.spec.extra.rgb == (samples == 3)
    np.testing.assert_array_equal(image.data, data)


def test_big_endian_analyze_offsets_and_nifti_2(tmp_path):
    data = np.arange(60, dtype=">i4").reshape(5, 4, 3)
    header = nib.Nifti1Header(endianness=">")
    header.set_data_dtype(">i4")
    nib.save(nib.Nifti1Image(data, np.eye(4), header), tmp_path / "a.nii")
    assert (tmp_path / "a.nii").read_bytes()[:4] == b"\0\0\1\x5c"
    np.testing.assert_array_equal(formats.read_image(tmp_path / "a.nii").data, data.transpose())
    nib.save(nib.Nifti2Image(data.astype("i4"), np.eye(4)), tmp_path / "b.nii")
    np.testing.assert_array_equal(formats.read_image(tmp_path / "b.nii").data, data.transpose())
    long = Image.from_array(np.arange(40000, dtype=np.uint16).reshape(1, 40000), "yx")
    formats.write_image(long, tmp_path / "c.nii")
    assert isinstance(nib.load(tmp_path / "c.nii"), nib.Nifti2Image)
    np.testing.assert_array_equal(formats.read_image(tmp_path / "c.nii").data, long.data)


@pytest.mark.parametrize(
    ("image", "match"),
    [
        (Image.from_array(np.zeros((3, 4), np.float16), "yx"), "cannot hold float16"),
        (Image.from_array(np.zeros((3, 4), np.complex64), "yx"), "cannot hold complex64"),
        (Image.from_array(np.zeros((0, 4), np.uint8), "yx"), "planes"),
        (Image.from_array(np.zeros((3, 4), np.uint8), "zx"), "planes"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path, image, match):
    with pytest.raises(UnsupportedError, match=match):
        formats.write_image(image, tmp_path / "a.nii")
    assert list(tmp_path.iterdir()) == []


def test_settings_are_checked(tmp_path):
    formats.write_image(calibrated(), tmp_path / "a.nii")
    with pytest.raises(SettingsError, match="nothing called"):
        formats.open_image(Location(tmp_path / "a.nii", "x"))
    with pytest.raises(SettingsError, match="nothing called"):
        formats.write_image(calibrated(), Location(tmp_path / "b.nii", "x"))
    with pytest.raises(SettingsError, match="one level only"):
        formats.open_image(tmp_path / "a.nii", level=2)
    with pytest.raises(SettingsError, match="compression"):
        formats.write_image(calibrated(), tmp_path / "b.nii", compression="zip")
    sink = formats.format_for_writing(Location(tmp_path / "c.nii"), "image").create_image(
        Location(tmp_path / "c.nii"), calibrated().spec, formats.WriteOptions()
    )
    with pytest.raises(SettingsError, match="float64 pixels"):
        sink.write(Region((0, 0, 0), (1, 1, 1)), np.zeros((1, 1, 1)))
    sink.abort()


def test_regions_of_plain_files_are_mapped(tmp_path):
    """A file of 8 GB (sparse) gives a plane without reading the rest."""
    formats.write_image(calibrated("zyx", (1, 4, 5), "uint8"), tmp_path / "a.nii")
    raw = bytearray((tmp_path / "a.nii").read_bytes()[:-20])
    raw[40:48] = struct.pack("<4h", 3, 2000, 2000, 2000)
    with (tmp_path / "a.nii").open("wb") as file:
        file.write(raw)
        file.truncate(len(raw) + 2000**3)
    source = formats.open_image(tmp_path / "a.nii")
    assert source.read(Region((1999, 0, 0), (2000, 3, 4))).shape == (1, 3, 4)
    source.close()


def change(raw, at, form, *values):
    raw = bytearray(raw)
    struct.pack_into(form, raw, at, *values)
    return bytes(raw)


BROKEN = {
    "empty": lambda raw: b"",
    "short": lambda raw: raw[:200],
    "cut off": lambda raw: raw[:-1],
    "40 GB": lambda raw: change(raw, 40, "<4h", 3, 4000, 4000, 4000),
    "no axes": lambda raw: change(raw, 40, "<h", 0),
    "nine axes": lambda raw: change(raw, 40, "<h", 9),
    "negative size": lambda raw: change(raw, 42, "<h", -5),
    "six axes": lambda raw: change(raw, 40, "<8h", 6, 1, 2, 2, 2, 2, 2, 1),
    "unknown type": lambda raw: change(raw, 70, "<h", 77),
    "complex": lambda raw: change(raw, 70, "<h", 32),
    "endless offset": lambda raw: change(raw, 108, "<f", np.inf),
    "far offset": lambda raw: change(raw, 108, "<f", 1e15),
    "pair": lambda raw: raw[:344] + b"ni1\0" + raw[348:],
}


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("how", BROKEN)
def test_broken_files_are_format_errors(tmp_path, suffix, how):
    formats.write_image(calibrated(), tmp_path / "a.nii")
    raw = BROKEN[how]((tmp_path / "a.nii").read_bytes())
    path = tmp_path / f"b{suffix}"
    path.write_bytes(gzip.compress(raw) if suffix == ".nii.gz" else raw)
    with pytest.raises(FormatError):
        formats.read_image(path)
    with contextlib.suppress(FormatError):
        fmt = formats.format_for_reading(Location(path), "image")
        assert fmt.validate(Location(path))[0].severity == "error"


def test_packed_files_that_end_early(tmp_path):
    formats.write_image(calibrated(shape=(20, 50, 60)), tmp_path / "a.nii.gz")
    raw = (tmp_path / "a.nii.gz").read_bytes()
    (tmp_path / "a.nii.gz").write_bytes(raw[: len(raw) // 2])
    with pytest.raises(FormatError):
        formats.read_image(tmp_path / "a.nii.gz")


@settings(max_examples=pytest.count(200, 4000))
@given(st.sampled_from([".nii", ".nii.gz"]), st.data())
def test_damaged_files_are_format_errors(tmp_path_factory, suffix, data):
    folder = tmp_path_factory.getbasetemp()
    good = folder / f"nifti-good{suffix}"
    if not good.exists():
        formats.write_image(calibrated(), good)
    raw = bytearray(good.read_bytes())
    top = min(len(raw) - 1, 400)
    for _ in range(data.draw(st.integers(1, 6))):
        raw[data.draw(st.integers(0, top))] = data.draw(st.integers(0, 255))
    raw = raw[: data.draw(st.integers(0, len(raw)))] if data.draw(st.booleans()) else raw
    path = folder / f"nifti-fuzz{suffix}"
    path.write_bytes(raw)
    with contextlib.suppress(FijiBridgeError), warnings.catch_warnings():
        warnings.simplefilter("error")
        formats.read_image(path)


def test_describe_and_validate(tmp_path):
    formats.write_image(calibrated(), tmp_path / "a.nii.gz")
    where = Location(tmp_path / "a.nii.gz")
    fmt = formats.format_for_reading(where, "image")
    assert fmt.describe(where)["format"] == "NIfTI-1, packed"
    assert fmt.validate(where) == []
    nib.save(nib.Nifti1Image(np.zeros((5, 4, 3), np.uint8), turned()["LPS"]), tmp_path / "b.nii")
    where = Location(tmp_path / "b.nii")
    assert {f.severity for f in fmt.validate(where)} == {"note"}
    assert fmt.describe(where)["nifti"]["orientation"] == "LPS"


def test_nibabel_may_be_missing(tmp_path, monkeypatch):
    import sys

    from fijibridge.errors import MissingDependencyError

    formats.write_image(calibrated(), tmp_path / "a.nii")
    monkeypatch.setitem(sys.modules, "nibabel", None)
    with pytest.raises(MissingDependencyError, match=r"fijibridge\[medical\]"):
        formats.read_image(tmp_path / "a.nii")
