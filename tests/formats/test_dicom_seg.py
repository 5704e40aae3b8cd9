"""DICOM Segmentation objects: ours, and those that highdicom makes."""

from __future__ import annotations

import io
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fijibridge import formats
from fijibridge.errors import FormatError, SettingsError, UnsupportedError
from fijibridge.formats._dicom.write import header_bytes
from fijibridge.model import Axes, Extra, Image, ImageSpec, LabelImage

pytest.importorskip("highdicom")

AXES = {
    "scale": {"z": 2.0, "y": 0.5, "x": 0.3},
    "unit": "um",
    "origin": {"z": 3.0, "y": -1.0, "x": 7.0},
}


def labels(shape, values, seed=0, **about):
    data = np.random.default_rng(seed).choice(np.asarray(values), shape)
    keys = "zyx"[-len(shape) :]
    return LabelImage.from_array(data, Axes.of(keys, shape, **(about or AXES)))


def segmentation(pixels, kind="BINARY", numbers=(1, 2)):
    """Return an object as highdicom makes it, of (z, y, x) or (z, y, x, segments)."""
    import highdicom as hd
    import pydicom
    from pydicom.sr.codedict import codes

    axes = Axes.of("zyx", pixels.shape[:3], **{**AXES, "unit": "mm"})
    head = header_bytes(ImageSpec(axes=axes, dtype=np.dtype(np.uint8)))
    source = pydicom.dcmread(io.BytesIO(head), stop_before_pixels=True)
    return hd.seg.Segmentation(
        [source],
        pixels,
        kind,
        [
            hd.seg.SegmentDescription(i, f"cell {i}", codes.SCT.Cell, codes.SCT.Cell, "MANUAL")
            for i in numbers
        ],
        series_instance_uid=hd.UID(),
        series_number=1,
        sop_instance_uid=hd.UID(),
        instance_number=1,
        manufacturer="m",
        manufacturer_model_name="m",
        software_versions="1",
        device_serial_number="1",
    )


@settings(max_examples=pytest.count(8, 200))
@given(
    st.tuples(*[st.integers(1, 6)] * 3),
    st.sampled_from([(0,), (0, 1), (0, 2, 255), (0, 256, 65535), (7,)]),
    st.sampled_from(["uint8", "int16", "uint16", "int32", "uint64"]),
    st.sampled_from(["um", "pixel"]),
)
def test_labels_come_back(tmp_path_factory, shape, values, dtype, unit):
    top = np.iinfo(dtype).max
    made = labels(shape, [v for v in values if v <= top] or [0], **{**AXES, "unit": unit})
    made = LabelImage.from_array(made.data.astype(dtype), made.axes)
    path = tmp_path_factory.mktemp("s") / "a.dcm"
    formats.write_labels(made, path, to="dicom seg")
    found = formats.read_image(path)
    assert found.spec.role == "labels"
    assert found.dtype == (np.uint8 if np.dtype(dtype).itemsize == 1 else np.uint16)
    axes = made.axes.reorder("zyx" if shape[0] > 1 else "yx")
    assert found.axes.keys == axes.keys
    np.testing.assert_array_equal(found.data.reshape(shape), made.data)
    for mine, theirs in zip(found.axes, axes, strict=True):
        assert (mine.scale, mine.unit) == (theirs.scale, theirs.unit)
        assert mine.origin == pytest.approx(theirs.origin, abs=1e-3)


def test_highdicom_reads_ours(tmp_path):
    import highdicom as hd

    made = labels((3, 8, 9), [0, 4, 300])
    extra = Extra(label_properties=({"label-value": 4, "name": "nucleus"},))
    image = Image.from_array(made.data, made.axes, role="labels", extra=extra)
    formats.write_image(image, tmp_path / "a.dcm", to="dicom seg")
    found = hd.seg.segread(tmp_path / "a.dcm")
    assert found.segment_numbers == [4, 300]
    names = [found.get_segment_description(i).segment_label for i in (4, 300)]
    assert names == ["nucleus", "label 300"]
    volume = found.get_volume(combine_segments=True)
    np.testing.assert_array_equal(volume.array[::-1], made.data)
    np.testing.assert_allclose(volume.spacing, (0.002, 0.0005, 0.0003))
    back = formats.read_image(tmp_path / "a.dcm")
    assert [dict(p) for p in back.spec.extra.label_properties] == [
        {"label-value": 4, "name": "nucleus"}
    ]


def test_segments_of_bits_are_labels_and_left_out_frames_are_0(tmp_path):
    data = np.zeros((4, 5, 6), np.uint8)
    data[0, :2], data[3, 2:4] = 1, 2
    segmentation(data).save_as(tmp_path / "b.dcm")
    found = formats.read_image(tmp_path / "b.dcm")
    np.testing.assert_array_equal(found.data, data)
    assert found.spec.role == "labels"
    assert (found.axes["z"].scale, found.axes["x"].origin) == (2.0, 7.0)
    assert found.axes["z"].origin == pytest.approx(3.0)
    assert not formats.format_for_reading(formats.Location.parse(tmp_path / "b.dcm"), "image").lossy
    reader = formats.format_for_reading(formats.Location.parse(tmp_path / "b.dcm"), "image")
    assert reader.validate(formats.Location.parse(tmp_path / "b.dcm")) == []


def test_what_is_no_label_image_is_refused(tmp_path):
    both = np.ones((2, 4, 4, 2), np.uint8)
    segmentation(both).save_as(tmp_path / "o.dcm")
    with pytest.raises(UnsupportedError, match="overlap"):
        formats.read_image(tmp_path / "o.dcm")
    part = np.full((2, 4, 4), 0.5)
    segmentation(part, "FRACTIONAL", (1,)).save_as(tmp_path / "f.dcm")
    with pytest.raises(UnsupportedError, match="how much of a segment"):
        formats.read_image(tmp_path / "f.dcm")


def test_what_cannot_be_a_segmentation(tmp_path):
    grey = Image.from_array(np.zeros((4, 4), np.uint8), "yx")
    with pytest.raises(UnsupportedError, match="holds labels"):
        formats.write_image(grey, tmp_path / "a.dcm", to="dicom seg")
    many = LabelImage.from_array(np.full((4, 4), 65536), "yx")
    with pytest.raises(UnsupportedError, match="up to 65535"):
        formats.write_labels(many, tmp_path / "a.dcm", to="dicom seg")
    sink = formats.all_formats()
    seg = next(f for f in sink if f.name == "dicom seg")
    spec = ImageSpec(axes=Axes.of("yx", (4, 4)), dtype=np.dtype(np.int16), role="labels")
    sink = seg.create_image(
        formats.Location.parse(tmp_path / "a.dcm"), spec, formats.WriteOptions()
    )
    from fijibridge.model import Region

    with pytest.raises(SettingsError, match="0 or more"):
        sink.write(Region.whole((4, 4)), np.full((4, 4), -1, np.int16))
    sink.abort()
    stack = LabelImage.from_array(np.zeros((2, 4, 4), int), "tyx")
    with pytest.raises(UnsupportedError, match="one volume of labels"):
        formats.write_labels(stack, tmp_path / "a.dcm", to="dicom seg")
    few = LabelImage.from_array(np.zeros((4, 4), int), "yx")
    with pytest.raises(SettingsError, match="nothing called"):
        formats.write_labels(few, formats.Location(tmp_path / "a.dcm", "x"), to="dicom seg")
    assert list(tmp_path.iterdir()) == []


def test_a_cut_off_file_is_an_error(tmp_path):
    made = labels((3, 30, 30), [0, 1, 2])
    formats.write_labels(made, tmp_path / "a.dcm", to="dicom seg")
    raw = (tmp_path / "a.dcm").read_bytes()
    for n in (200, len(raw) // 2, len(raw) - 100):
        (tmp_path / "b.dcm").write_bytes(raw[:n])
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with pytest.raises((FormatError, UnsupportedError)):
                formats.read_image(tmp_path / "b.dcm")
