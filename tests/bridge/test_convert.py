"""Values across the border and back are the same values."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fijibridge.bridge.convert import from_imageplus, to_imageplus
from fijibridge.bridge.convert_objects import (
    roi_from_java,
    roi_to_java,
    table_from_java,
    table_to_java,
)
from fijibridge.errors import UnsupportedError
from fijibridge.model import (
    Axes,
    Extra,
    Image,
    LabelImage,
    ResultsTable,
    Roi,
    RoiSet,
    TableStyle,
    Valuation,
)

pytestmark = pytest.mark.imagej
SIZES = st.integers(1, 5)


@st.composite
def images(draw):
    keys = draw(st.sampled_from(["yx", "zyx", "tyx", "cyx", "tzcyx", "tzyx", "zcyx"]))
    shape = [draw(st.integers(2, 4)) if k in "tzc" else draw(SIZES) for k in keys]
    dtype = draw(st.sampled_from([np.uint8, np.uint16, np.float32]))
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    data = rng.integers(0, 250, shape).astype(dtype)
    scale = {k: draw(st.sampled_from([1.0, 0.25, 0.1625, 2.5])) for k in keys if k != "c"}
    origin = {k: -scale[k] * draw(st.sampled_from([0, 3, 1.5])) for k in keys if k in "zyx"}
    unit = draw(st.sampled_from(["micrometer", "nanometer", "pixel"]))
    units = {"x": unit, "y": unit, "z": unit, "t": "second"}
    axes = Axes.of(keys, shape, scale=scale, origin=origin, unit=units)
    planes = int(np.prod([n for k, n in zip(keys, shape, strict=True) if k in "tzc"], dtype=int))
    extra = Extra(
        info=draw(st.sampled_from(["", "a: 1\nµ: 2"])),
        properties=draw(st.sampled_from([{}, {"key": "value", "b": "ü"}])),
        slice_labels=draw(st.sampled_from([(), tuple(f"s{i}" for i in range(planes))])),
        display_ranges=((10.0, 200.0),) * axes.size("c"),
        overlay=draw(
            st.sampled_from([None, RoiSet([Roi(kind="rectangle", bounds=(1, 2, 3, 4), name="r")])])
        ),
    )
    return Image.from_array(data, axes, name="an image", extra=extra)


@given(image=images())
def test_image_there_and_back(imagej, image):
    from fijibridge.bridge.convert import from_imageplus, to_imageplus

    plus = to_imageplus(image)
    back = from_imageplus(plus)
    assert back.axes.keys == image.axes.keys
    assert back.dtype == image.dtype
    np.testing.assert_array_equal(back.data, image.data)
    for axis in image.axes:
        other = back.axes[axis.key]
        assert (other.scale, other.unit) == (axis.scale, axis.unit)
        assert other.origin == pytest.approx(axis.origin, rel=1e-12)
    ours, theirs = image.spec.extra, back.spec.extra
    assert theirs.info == ours.info
    assert dict(theirs.properties) == dict(ours.properties)
    assert theirs.slice_labels == ours.slice_labels
    assert theirs.display_ranges == ours.display_ranges
    if ours.overlay is None:
        assert theirs.overlay is None
    else:
        assert [(r.kind, r.bounds, r.name) for r in theirs.overlay] == [
            (r.kind, r.bounds, r.name) for r in ours.overlay
        ]


def test_imagej_sees_the_same_pixels(imagej):
    from fijibridge.bridge.convert import to_imageplus

    data = np.arange(2 * 3 * 4 * 5 * 6, dtype=np.uint16).reshape(2, 3, 4, 5, 6)
    plus = to_imageplus(Image.from_array(data, "tzcyx", name="h"))
    assert list(plus.getDimensions()) == [6, 5, 4, 3, 2]
    plus.setPosition(3, 2, 2)
    assert plus.getProcessor().getPixel(5, 4) == data[1, 1, 2, 4, 5]


@pytest.mark.parametrize("keys", ["yxc", "zyxc", "tyxc"])
def test_rgb_there_and_back(imagej, keys):
    from fijibridge.bridge.convert import from_imageplus, to_imageplus

    shape = (2, 4, 5, 3)[-len(keys) :]
    data = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    plus = to_imageplus(Image.from_array(data, keys, extra=Extra(rgb=True)))
    assert plus.getBitDepth() == 24
    red = plus.getProcessor().getPixel(2, 1) >> 16 & 255
    assert red == data.reshape(-1, 4, 5, 3)[0, 1, 2, 0]
    back = from_imageplus(plus)
    assert back.spec.extra.rgb
    np.testing.assert_array_equal(back.reorder(keys).data, data)


def test_luts_inverted_lut_and_valuation(imagej):
    from fijibridge.bridge.convert import from_imageplus, to_imageplus

    data = np.arange(12, dtype=np.uint8).reshape(3, 4)
    lut = np.random.default_rng(1).integers(0, 256, (256, 3)).astype(np.uint8)
    back = from_imageplus(to_imageplus(Image.from_array(data, "yx", extra=Extra(luts=(lut,)))))
    np.testing.assert_array_equal(back.spec.extra.luts[0], lut)
    back = from_imageplus(
        to_imageplus(Image.from_array(data, "yx", extra=Extra(inverted_lut=True)))
    )
    assert back.spec.extra.inverted_lut
    valuation = Valuation(function=0, coefficients=(1.0, 2.0), unit="OD")
    extra = Extra(valuation=valuation)
    back = from_imageplus(to_imageplus(Image.from_array(data, "yx", extra=extra)))
    assert back.spec.extra.valuation == valuation


def test_labels_keep_their_values_or_are_refused(imagej):
    from fijibridge.bridge.convert import from_imageplus, to_imageplus

    labels = LabelImage.from_array(np.array([[0, 70000], [2**24, 5]], np.uint32), "yx")
    back = from_imageplus(to_imageplus(labels), role="labels")
    assert isinstance(back, LabelImage)
    np.testing.assert_array_equal(back.data, labels.data)
    too_large = LabelImage.from_array(np.array([[0, 2**24 + 1]], np.uint32), "yx")
    with pytest.raises(UnsupportedError, match="would change"):
        to_imageplus(too_large)


def test_virtual_stack_is_read_plane_by_plane(imagej):
    from fijibridge.bridge.convert import ImagePlusSource
    from fijibridge.model import Region

    plus = imagej.IJ.createImage("big", "16-bit ramp", 50, 40, 30)
    source = ImagePlusSource(plus)
    assert source.spec.axes.keys == "zyx"
    block = source.read(Region((3, 5, 7), (4, 9, 17)))
    assert block.shape == (1, 4, 10)
    assert block[0, 0, 0] == plus.getProcessor().getPixel(7, 5)


@given(
    values=st.lists(
        st.floats(allow_nan=False, allow_infinity=False, width=64), min_size=1, max_size=5
    ),
    places=st.integers(0, 9),
)
def test_table_there_and_back(imagej, values, places):
    from fijibridge.bridge.convert_objects import table_from_java, table_to_java

    table = ResultsTable(
        {
            "Label": np.array([f"row {i}" for i in range(len(values))], object),
            "Area": np.array(values),
            "Text": np.array(["a,b", *["ü"] * (len(values) - 1)], object),
            "Circ.": np.array(values),
        },
        style=TableStyle(precision=places, row_numbers=True, decimals={"Circ.": 3}),
    )
    back = table_from_java(table_to_java(table))
    assert back.headings == table.headings
    for heading in table.headings:
        assert list(back[heading]) == list(table[heading])
    assert back.style.row_numbers
    assert back.style.precision == places
    assert back.style.decimals["Circ."] == 3


def roundtrip(plus):
    return to_imageplus(from_imageplus(plus))


def test_what_no_axis_holds_comes_back(imagej):
    plus = imagej.IJ.createImage("one", "8-bit ramp", 8, 6, 1)
    cal = plus.getCalibration()
    cal.pixelDepth, cal.frameInterval, cal.fps, cal.loop = 2.5, 0.04, 12.0, True
    cal.setUnit("micron")
    cal.setTimeUnit("ms")
    cal.setInvertY(True)
    plus.setRoi(imagej.java("ij.gui.OvalRoi")(3, 2, 4, 3))
    back = roundtrip(plus)
    found = back.getCalibration()
    assert (found.pixelDepth, found.frameInterval, found.fps) == (2.5, 0.04, 12.0)
    assert found.loop
    assert found.getInvertY()
    assert (str(found.getUnit()), str(found.getTimeUnit())) == ("\u00b5m", "ms")
    assert str(back.getRoi()) == str(plus.getRoi())


@pytest.mark.parametrize("kind", ["8-bit", "16-bit", "32-bit"])
def test_inverted_luts_of_every_type(imagej, kind):
    plus = imagej.IJ.createImage("inverted", f"{kind} ramp", 8, 6, 2)
    imagej.IJ.run(plus, "Invert LUT", "")
    assert roundtrip(plus).isInvertedLut()


def test_how_an_overlay_is_drawn_comes_back(imagej):
    plus = imagej.IJ.createImage("drawn", "8-bit ramp", 40, 30, 1)
    overlay = imagej.java("ij.gui.Overlay")()
    overlay.add(imagej.java("ij.gui.Roi")(1, 2, 9, 9))
    overlay.drawLabels(True)
    overlay.drawNames(True)
    overlay.drawBackgrounds(True)
    overlay.setLabelColor(imagej.java("java.awt.Color").cyan)
    plus.setOverlay(overlay)
    back = roundtrip(plus).getOverlay()
    assert back.getDrawLabels()
    assert back.getDrawNames()
    assert back.getDrawBackgrounds()
    assert back.getLabelColor().getRGB() == imagej.java("java.awt.Color").cyan.getRGB()


def test_what_imagejs_reader_of_rois_drops_comes_back(imagej):
    gui = "ij.gui."
    color = imagej.java("java.awt.Color")
    rotated = imagej.java(f"{gui}RotatedRectRoi")(1.0, 2.0, 30.0, 9.0, 7.0)
    rotated.setStrokeWidth(2.5)
    pixels = imagej.IJ.createImage("i", "RGB ramp", 9, 7, 1).getProcessor()
    image = imagej.java(f"{gui}ImageRoi")(3, 4, pixels)
    line = imagej.java(f"{gui}Line")(1.5, 2.0, 9.0, 8.0)
    for n, roi in enumerate((rotated, image, line)):
        roi.setName(f"name {n}")
        roi.setGroup(5)
        roi.setStrokeColor(color(1, 2, 3, 77))
        roi.setPosition(2, 3, 4)
        back = roi_to_java(roi_from_java(roi))
        assert str(back) == str(roi)
        assert str(back.getName()) == f"name {n}"
        assert back.getGroup() == 5
        assert back.getStrokeColor().getRGB() == roi.getStrokeColor().getRGB()
        assert back.getZPosition() == 3


def test_scientific_columns_of_a_table_come_back(imagej):
    import jpype

    table = imagej.java("ij.measure.ResultsTable")()
    for value in (0.5, 1e20, float("nan")):
        table.incrementCounter()
        table.addValue("a", jpype.JDouble(value))
        table.addValue("b", jpype.JDouble(value))
        table.addValue("n", jpype.JDouble(3))
    table.setDecimalPlaces(table.getColumnIndex("a"), -4)
    table.setDecimalPlaces(table.getColumnIndex("b"), 2)
    back = table_to_java(table_from_java(table))
    for row in range(3):
        assert str(back.getRowAsString(row)) == str(table.getRowAsString(row))
