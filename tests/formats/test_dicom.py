"""DICOM: the contract, pydicom as the witness, files of others, damaged ones."""

from __future__ import annotations

import contextlib
import sys
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fijibridge import formats
from fijibridge.errors import (
    FijiBridgeError,
    FormatError,
    MissingDependencyError,
    SettingsError,
    UnsupportedError,
)
from fijibridge.formats import Location
from fijibridge.model import Axes, Extra, Image, LabelImage, Region, Valuation
from formats.contract import SIZES, ImageContract

pydicom = pytest.importorskip("pydicom")


class TestDicom(ImageContract):
    fmt = "dicom"
    suffix = ".dcm"
    dtypes = ("uint8", "uint16")
    label_dtypes = ("uint8", "uint16", "uint32", "int64")
    label_max = 65535
    axes_sets = ("yx", "zyx", "xyz", "tzyxc")
    sizes = SIZES | {"t": 1, "c": 1}
    keeps = frozenset({"scale", "unit", "origin"})


def volume(dtype="uint16", **more):
    data = np.random.default_rng(3).integers(0, 256, (4, 5, 7)).astype(dtype)
    axes = Axes.of(
        "zyx",
        data.shape,
        scale={"x": 0.2, "y": 0.3, "z": 1.5},
        unit="um",
        origin={"x": 10.0, "y": -20.0, "z": 5.0},
    )
    return Image.from_array(data, axes, **more)


@pytest.mark.parametrize(("dtype", "kind"), [("uint8", 2), ("uint16", 3)])
def test_pydicom_sees_the_same_volume_in_the_right_order(tmp_path, dtype, kind):
    image = volume(dtype)
    formats.write_image(image, tmp_path / "a.dcm")
    found = pydicom.dcmread(tmp_path / "a.dcm")
    assert found.SOPClassUID == f"1.2.840.10008.5.1.4.1.1.7.{kind}"
    assert found.file_meta.MediaStorageSOPInstanceUID == found.SOPInstanceUID
    np.testing.assert_array_equal(found.pixel_array, image.data)
    assert [float(v) for v in found.PixelSpacing] == pytest.approx([0.0003, 0.0002])
    assert float(found.SpacingBetweenSlices) == pytest.approx(0.0015)
    places = [
        [float(v) for v in frame.PlanePositionSequence[0].ImagePositionPatient]
        for frame in found.PerFrameFunctionalGroupsSequence
    ]
    assert places[0] == pytest.approx([0.01, -0.02, 0.005])
    assert [p[2] for p in places] == pytest.approx([0.005 + 0.0015 * i for i in range(4)])


def test_texts_and_valuations_travel(tmp_path):
    line = Valuation(function=0, coefficients=(-1024.0, 2.5))
    extra = Extra(info="text \u00b5", properties={"id": "7"}, valuation=line)
    formats.write_image(volume(extra=extra), tmp_path / "a.dcm")
    back = formats.read_image(tmp_path / "a.dcm").spec.extra
    assert (back.info, dict(back.properties), back.valuation) == ("text \u00b5", {"id": "7"}, line)
    formats.write_image(volume(extra=Extra(inverted_lut=True)), tmp_path / "b.dcm")
    assert pydicom.dcmread(tmp_path / "b.dcm").PhotometricInterpretation == "MONOCHROME1"
    assert formats.read_image(tmp_path / "b.dcm").spec.extra.inverted_lut


def test_labels_say_so(tmp_path):
    data = np.arange(60, dtype=np.int64).reshape(3, 4, 5)
    formats.write_labels(LabelImage.from_array(data, "zyx"), tmp_path / "a.dcm")
    assert formats.read_image(tmp_path / "a.dcm").spec.role == "labels"
    assert pydicom.dcmread(tmp_path / "a.dcm").get("PixelSpacing") is None


@pytest.mark.parametrize(
    ("image", "match"),
    [
        (Image.from_array(np.zeros((3, 4), np.float32), "yx"), "cannot hold float32"),
        (Image.from_array(np.zeros((2, 3, 4), np.uint8), "tyx"), "t of 2"),
        (Image.from_array(np.zeros((3, 4, 3), np.uint8), "yxc"), "c of 3"),
        (Image.from_array(np.zeros((0, 4), np.uint8), "yx"), "y of 0"),
        (Image.from_array(np.zeros((1, 70000), np.uint8), "yx"), "65535 pixels a side"),
        (LabelImage.from_array(np.full((3, 4), 65536), "yx"), "label 65536"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path, image, match):
    with pytest.raises(UnsupportedError, match=match):
        formats.write_image(image, tmp_path / "a.dcm")
    assert list(tmp_path.iterdir()) == []


def changed(tmp_path, change, **more):
    """A file of ours that somebody changed."""
    formats.write_image(volume(**more), tmp_path / "a.dcm", overwrite=True)
    found = pydicom.dcmread(tmp_path / "a.dcm")
    change(found)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found.save_as(tmp_path / "b.dcm")
    return tmp_path / "b.dcm"


def test_a_turned_volume_keeps_its_frames_and_its_geometry(tmp_path):
    def turn(found):
        for i, frame in enumerate(found.PerFrameFunctionalGroupsSequence):
            frame.PlanePositionSequence[0].ImagePositionPatient = [1, 2, 30 - 3 * i]

    path = changed(tmp_path, turn)
    image = formats.read_image(path)
    np.testing.assert_array_equal(image.data, volume().data)
    assert image.spec.extra.other["dicom"]["positions"] == [[1, 2, 30], [1, 2, 27]]
    fmt = formats.format_for_reading(Location(path), "image")
    assert fmt.validate(Location(path))[0].severity == "note"


def test_the_exact_numbers_win_only_while_the_header_agrees(tmp_path):
    def rescale(found):
        shared = found.SharedFunctionalGroupsSequence[0]
        shared.PixelMeasuresSequence[0].PixelSpacing = [0.5, 0.0002]

    axes = formats.read_image(changed(tmp_path, rescale)).axes
    assert (axes["y"].scale, axes["y"].unit) == (0.5, "millimeter")
    assert (axes["x"].scale, axes["x"].unit) == (0.2, "micrometer")


def test_signed_and_implicit_files(tmp_path):
    def sign(found):
        found.PixelRepresentation = 1

    image = formats.read_image(changed(tmp_path, sign))
    assert image.dtype == np.int16
    found = pydicom.dcmread(tmp_path / "a.dcm")
    found.file_meta.TransferSyntaxUID = pydicom.uid.ImplicitVRLittleEndian
    found.save_as(tmp_path / "c.dcm", implicit_vr=True, little_endian=True)
    np.testing.assert_array_equal(formats.read_image(tmp_path / "c.dcm").data, volume().data)
    found.compress(pydicom.uid.RLELossless)
    found.save_as(tmp_path / "d.dcm")
    np.testing.assert_array_equal(formats.read_image(tmp_path / "d.dcm").data, volume().data)


def test_settings_are_checked(tmp_path):
    formats.write_image(volume(), tmp_path / "a.dcm")
    with pytest.raises(SettingsError, match="nothing called"):
        formats.open_image(Location(tmp_path / "a.dcm", "x"))
    with pytest.raises(SettingsError, match="nothing called"):
        formats.write_image(volume(), Location(tmp_path / "b.dcm", "x"))
    where = Location(tmp_path / "c.dcm")
    fmt = formats.format_for_writing(where, "image")
    sink = fmt.create_image(where, volume().spec, formats.WriteOptions())
    with pytest.raises(SettingsError, match="float64 pixels"):
        sink.write(Region((0, 0, 0), (1, 1, 1)), np.zeros((1, 1, 1)))
    sink.abort()
    assert fmt.describe(Location(tmp_path / "a.dcm"))["format"] == "DICOM"
    assert fmt.validate(Location(tmp_path / "a.dcm")) == []


def remove_pixels(found):
    del found.PixelData


BROKEN = {
    "40 GB": lambda found: setattr(found, "NumberOfFrames", 10**6),
    "no rows": lambda found: setattr(found, "Rows", 0),
    "bits": lambda found: setattr(found, "BitsAllocated", 12),
    "samples": lambda found: setattr(found, "SamplesPerPixel", 2),
    "no pixels": remove_pixels,
}


@pytest.mark.parametrize("how", BROKEN)
def test_broken_files_are_format_errors(tmp_path, how):
    path = changed(tmp_path, BROKEN[how])
    with pytest.raises(FormatError):
        formats.read_image(path)
    fmt = formats.format_for_reading(Location(path), "image")
    assert fmt.validate(Location(path))[0].severity == "error"


def test_a_segmentation_without_segments_is_refused(tmp_path):
    def segment(found):
        found.SOPClassUID = "1.2.840.10008.5.1.4.1.1.66.4"

    with pytest.raises(FormatError, match="no readable DICOM Segmentation"):
        formats.read_image(changed(tmp_path, segment))


def test_truncated_and_empty_files(tmp_path):
    formats.write_image(volume(), tmp_path / "a.dcm")
    raw = (tmp_path / "a.dcm").read_bytes()
    for n in (0, 100, 140, 500, len(raw) - 1):
        (tmp_path / "a.dcm").write_bytes(raw[:n])
        with pytest.raises(FormatError):
            formats.read_image(tmp_path / "a.dcm")


@settings(max_examples=pytest.count(100, 2000))
@given(st.data())
def test_damaged_files_are_format_errors(tmp_path_factory, data):
    folder = tmp_path_factory.getbasetemp()
    good = folder / "dicom-good.dcm"
    if not good.exists():
        formats.write_image(volume(), good)
    raw = bytearray(good.read_bytes())
    for _ in range(data.draw(st.integers(1, 6))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    raw = raw[: data.draw(st.integers(0, len(raw)))] if data.draw(st.booleans()) else raw
    path = folder / "dicom-fuzz.dcm"
    path.write_bytes(raw)
    with contextlib.suppress(FijiBridgeError):
        formats.read_image(path)


def test_pydicom_may_be_missing(tmp_path, monkeypatch):
    formats.write_image(volume(), tmp_path / "a.dcm")
    monkeypatch.setitem(sys.modules, "pydicom", None)
    with pytest.raises(MissingDependencyError, match=r"fijibridge\[medical\]"):
        formats.read_image(tmp_path / "a.dcm")
