"""Measuring labels and ROIs equals ImageJ's Measure, kind by kind, column by column."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fijibridge.errors import SettingsError, UnsupportedError
from fijibridge.measure.objects import measure
from fijibridge.measure.particle_settings import MEASUREMENTS
from fijibridge.model import Axes, Image, LabelImage, Outlines, Position, Roi, RoiSet

#: Bits of ij.measure.Measurements.
BITS = {
    "area": 1, "mean": 2, "standard": 4, "modal": 8, "min": 16, "centroid": 32, "center": 64,
    "perimeter": 128, "limit": 256, "bounding": 512, "display": 1024, "fit": 2048, "shape": 8192,
    "feret's": 16384, "integrated": 0x8000, "invert": 0x1000, "median": 0x10000,
    "skewness": 0x20000, "kurtosis": 0x40000, "area_fraction": 0x80000, "stack": 0x100000,
    "scientific": 0x200000, "nan": 0x800000,
}  # fmt: skip
ALL = tuple(MEASUREMENTS)


def java_image(imagej, array, *, title="t", scale=(1.0, 1.0), origin=(0.0, 0.0)):
    from jpype import JArray, JByte, JFloat, JShort

    kinds = {
        np.dtype("u1"): ("ij.process.ByteProcessor", JByte, np.int8),
        np.dtype("u2"): ("ij.process.ShortProcessor", JShort, np.int16),
        np.dtype("f4"): ("ij.process.FloatProcessor", JFloat, np.float32),
    }
    name, java, view = kinds[array.dtype]
    planes = np.ascontiguousarray(array).reshape((-1, *array.shape[-2:]))
    h, w = planes.shape[1:]
    stack = imagej.java("ij.ImageStack")(w, h)
    for plane in planes:
        stack.addSlice("", imagej.java(name)(w, h, JArray(java)(plane.view(view).ravel()), None))
    plus = imagej.java("ij.ImagePlus")(title, stack)
    calibration = plus.getCalibration()
    calibration.pixelWidth, calibration.pixelHeight = scale
    calibration.xOrigin, calibration.yOrigin = origin
    return plus


def java_roi(imagej, roi):
    """Build the same ROI in the real ImageJ."""
    from jpype import JArray, JFloat, JInt

    gui = "ij.gui."
    if roi.subtype == "ellipse":
        made = imagej.java(gui + "EllipseRoi")(*roi.parameters)
    elif roi.subtype == "rotated rectangle":
        made = imagej.java(gui + "RotatedRectRoi")(*roi.parameters)
    elif roi.kind in ("rectangle", "oval"):
        kind = imagej.java(gui + ("Roi" if roi.kind == "rectangle" else "OvalRoi"))
        made = kind(*(int(v) for v in roi.bounds))
        if roi.arc_size:
            made.setCornerDiameter(roi.arc_size)
    elif roi.kind == "composite":
        numbers: list[float] = []
        for path in roi.paths:
            for i, (x, y) in enumerate(path):
                numbers += [1.0 if i else 0.0, float(x), float(y)]
            numbers.append(4.0)
        made = imagej.java(gui + "ShapeRoi")(JArray(JFloat)(numbers))
    elif roi.kind == "line":
        made = imagej.java(gui + "Line")(*(float(v) for v in roi.points.ravel()))
    elif roi.kind == "point":
        x, y = (JArray(JFloat)(roi.points[:, k].tolist()) for k in (0, 1))
        made = imagej.java(gui + "PointRoi")(x, y, len(roi.points))
    else:
        kinds = {"polygon": 2, "freehand": 3, "traced": 4, "polyline": 6, "freeline": 7, "angle": 8}
        number = JInt if roi.points.dtype.kind == "i" else JFloat
        x, y = (JArray(number)(roi.points[:, k].tolist()) for k in (0, 1))
        made = imagej.java(gui + "PolygonRoi")(x, y, len(roi.points), kinds[roi.kind])
    if roi.name:
        made.setName(roi.name)
    if roi.group:
        made.setGroup(roi.group)
    return made


def java_measure(imagej, plus, rois, words):
    """Measure ROI by ROI into one table; return heading -> values, and the labels."""
    table = imagej.java("ij.measure.ResultsTable")()
    bits = sum(BITS[w] for w in words)
    analyzer = imagej.java("ij.plugin.filter.Analyzer")(plus, bits, table)
    # y is inverted by the system's measurements only
    type(analyzer).setMeasurement(BITS["invert"], "invert" in words)
    for roi in rois:
        plus.setRoi(java_roi(imagej, roi))
        analyzer.measure()
    type(analyzer).setMeasurement(BITS["invert"], False)
    columns = {}
    for heading in str(table.getColumnHeadings()).split("\t"):
        if heading.strip() and heading != "Label":
            columns[heading] = np.array(table.getColumnAsDoubles(table.getColumnIndex(heading)))
    labels = [str(table.getLabel(i)) for i in range(table.size())]
    return columns, labels


def same(mine, theirs, where=""):
    assert list(mine.headings) == list(theirs), where
    for heading, values in theirs.items():
        np.testing.assert_allclose(
            mine[heading], values, rtol=1e-8, atol=1e-12, err_msg=f"{heading} {where}"
        )


WHOLE, REAL = st.integers(0, 30), st.floats(0, 30, width=32)


def corner_lists(values, low=3, high=9):
    return st.lists(st.tuples(values, values), min_size=low, max_size=high, unique=True)


@st.composite
def stepped(draw):
    """Closed outlines along the pixel grid."""
    xs = draw(st.lists(WHOLE, min_size=2, max_size=5, unique=True))
    ys = draw(st.lists(WHOLE, min_size=2, max_size=5, unique=True))
    points = []
    for i in range(min(len(xs), len(ys))):
        points += [(xs[i], ys[i]), (xs[(i + 1) % min(len(xs), len(ys))], ys[i])]
    return np.array(points, np.int32)


@st.composite
def area_rois(draw):
    kind = draw(
        st.sampled_from(
            ["rectangle", "rounded", "oval", "polygon", "freehand", "traced", "stepped", "float",
             "composite", "holed", "ellipse", "rotated"]
        )
    )  # fmt: skip
    if kind in ("rectangle", "oval", "rounded"):
        box = draw(st.tuples(WHOLE, WHOLE, st.integers(1, 20), st.integers(1, 20)))
        return Roi(
            kind="oval" if kind == "oval" else "rectangle",
            bounds=tuple(float(v) for v in box),
            arc_size=draw(st.integers(1, 9)) if kind == "rounded" else 0,
        )
    if kind in ("ellipse", "rotated"):
        ends = [draw(st.floats(2, 28)) for _ in range(4)]
        if abs(ends[0] - ends[2]) + abs(ends[1] - ends[3]) < 3:
            ends[2] += 5
        last = draw(st.floats(0.2, 1.0) if kind == "ellipse" else st.floats(2, 9))
        subtype = "ellipse" if kind == "ellipse" else "rotated rectangle"
        return Roi(kind="freehand", subtype=subtype, parameters=(*ends, last))
    if kind in ("traced", "stepped"):
        return Roi(kind="traced" if kind == "traced" else "polygon", points=draw(stepped()))
    if kind == "float":
        xy = np.array(draw(corner_lists(REAL)), np.float32)
        return Roi(kind=draw(st.sampled_from(["polygon", "freehand"])), points=xy)
    if kind == "composite":
        paths = draw(st.lists(corner_lists(WHOLE), min_size=1, max_size=3))
        return Roi(kind=kind, paths=tuple(np.array(p, np.float32) for p in paths))
    if kind == "holed":
        x, y = draw(WHOLE), draw(WHOLE)
        outer = np.array([(x, y), (x + 9, y), (x + 9, y + 8), (x, y + 8)])
        inner = np.array([(x + 2, y + 2), (x + 2, y + 5), (x + 4, y + 5), (x + 4, y + 2)])
        return Roi(kind="composite", paths=(outer, inner))
    return Roi(kind=kind, points=np.array(draw(corner_lists(WHOLE)), np.int32))


images = st.sampled_from(["u1", "u2", "f4", "zero"])
scales = st.sampled_from([(1.0, 1.0), (0.5, 0.5), (0.25, 0.4)])
origins = st.sampled_from([(0.0, 0.0), (3.0, 5.0)])


def pixels(kind, seed=0, shape=(40, 44)):
    rng = np.random.default_rng(seed)
    if kind == "f4":
        return rng.normal(0, 10, shape).astype(np.float32)
    if kind == "zero":
        return np.zeros(shape, np.uint8)
    return rng.integers(0, 250 if kind == "u1" else 5000, shape).astype(kind)


def as_image(array, scale, origin):
    keys = "zyx"[-array.ndim :]
    axes = Axes.of(
        keys,
        array.shape,
        scale={"x": scale[0], "y": scale[1]},
        unit="um",
        origin={"x": -origin[0] * scale[0], "y": -origin[1] * scale[1]},
    )
    return Image.from_array(array, axes, name="t")


@pytest.mark.imagej
@settings(max_examples=pytest.count(60, 600))
@given(area_rois(), images, scales, origins, st.booleans())
def test_every_area_kind(imagej, roi, kind, scale, origin, inverted):
    array = pixels(kind)
    words = (*ALL, "invert") if inverted else ALL
    plus = java_image(imagej, array, scale=scale, origin=origin)
    made = java_roi(imagej, roi)
    plus.setRoi(made)
    if plus.getRoi() is None or int(plus.getStatistics().pixelCount) == 0:
        return
    theirs, _ = java_measure(imagej, plus, [roi], words)
    # round corners and turned rectangles have two longest diagonals: the last bit of a float,
    # which is rounded elsewhere, decides which one ImageJ takes
    without = ()
    if roi.arc_size:
        without = ("Feret", "FeretX", "FeretY", "FeretAngle", "MinFeret")
    elif roi.subtype == "rotated rectangle":
        without = ("FeretX", "FeretY", "FeretAngle")
    theirs = {h: v for h, v in theirs.items() if h not in without}
    mine = measure(RoiSet([roi]), as_image(array, scale, origin), measurements=words)
    mine = mine.select([h for h in mine.headings if h not in without])
    same(mine, theirs, f"{roi}")


@pytest.mark.imagej
@settings(max_examples=pytest.count(40, 300))
@given(
    st.one_of(
        st.builds(
            lambda p: Roi(kind="line", points=np.array(p, np.float64)), corner_lists(REAL, 2, 2)
        ),
        st.builds(
            lambda p, k: Roi(kind=k, points=np.array(p, np.int32)),
            corner_lists(WHOLE, 2, 7),
            st.sampled_from(["polyline", "freeline"]),
        ),
        st.builds(
            lambda p, k: Roi(kind=k, points=np.array(p, np.float32)),
            corner_lists(REAL, 3, 7),
            st.sampled_from(["polyline", "freeline"]),
        ),
        st.builds(
            lambda p: Roi(kind="point", points=np.array(p, np.float32)), corner_lists(REAL, 1, 4)
        ),
    ),
    images,
    scales,
    st.sampled_from([ALL, ("perimeter",), ("area", "mean", "centroid"), ("feret's", "display")]),
)
def test_lines_and_points(imagej, roi, kind, scale, words):
    array = pixels(kind)
    plus = java_image(imagej, array, scale=scale)
    plus.setRoi(java_roi(imagej, roi))
    if plus.getRoi() is None:
        return
    theirs, _ = java_measure(imagej, plus, [roi], words)
    mine = measure(RoiSet([roi]), as_image(array, scale, (0.0, 0.0)), measurements=words)
    if "Label" in mine:
        mine = mine.select([h for h in mine.headings if h != "Label"])
    same(mine, theirs, f"{roi}")


@pytest.mark.imagej
def test_a_mixed_list_on_a_stack(imagej):
    array = np.stack([pixels("u2", seed) for seed in range(3)])
    rois = RoiSet(
        [
            Roi(kind="oval", bounds=(3.0, 4.0, 9.0, 7.0), name="cell", position=Position(slice=2)),
            Roi(
                kind="line", points=np.array([(1.0, 2.0), (20.0, 11.0)]), position=Position(slice=3)
            ),
            Roi(kind="rectangle", bounds=(5.0, 6.0, 4.0, 9.0), name="a.b", group=3),
            Roi(kind="rectangle", bounds=(5.0, 6.0, 4.0, 9.0), name="n" * 40),
        ]
    )
    words = ("area", "mean", "min", "perimeter", "display", "stack", "nan", "median")
    plus = java_image(imagej, array, title="my image")
    table = imagej.java("ij.measure.ResultsTable")()
    analyzer = imagej.java("ij.plugin.filter.Analyzer")(plus, sum(BITS[w] for w in words), table)
    table.setNaNEmptyCells(True)
    for roi in rois:
        plus.setSlice(max(roi.position.slice, 1))
        plus.setRoi(java_roi(imagej, roi))
        analyzer.measure()
    image = Image.from_array(array, "zyx", name="my image")
    mine = measure(rois, image, measurements=words, decimal=4)
    assert list(mine["Label"]) == [str(table.getLabel(i)) for i in range(4)]
    headings = [h for h in str(table.getColumnHeadings()).split("\t") if h.strip()]
    assert list(mine.headings) == headings
    for heading in headings[1:]:
        theirs = np.array(table.getColumnAsDoubles(table.getColumnIndex(heading)))
        np.testing.assert_allclose(mine[heading], theirs, rtol=1e-12, err_msg=heading)
    assert mine.style.row_numbers
    assert mine.style.nan_empty
    assert mine.style.precision == 4
    np.testing.assert_array_equal(mine.object_ids, [(0, 1), (0, 2), (0, 3), (0, 4)])


@pytest.mark.imagej
def test_only_length_and_angle_without_pixels(imagej):
    roi = Roi(kind="line", points=np.array([(1.0, 2.0), (4.0, 6.0)]))
    table = measure(RoiSet([roi]), as_image(pixels("u1"), (0.5, 0.5), (0.0, 0.0)),
                    measurements=("perimeter",))  # fmt: skip
    plus = java_image(imagej, pixels("u1"), scale=(0.5, 0.5))
    theirs, _ = java_measure(imagej, plus, [roi], ("perimeter",))
    same(table, theirs)
    assert table.units == {"Length": "micrometer", "Angle": "degree"}


def test_labels_give_one_row_each_with_their_ids():
    labels = np.zeros((6, 8), np.uint16)
    labels[1:3, 1:3] = 7
    labels[1:3, 3:5] = 3
    values = np.arange(48, dtype=np.uint8).reshape(6, 8)
    table = measure(
        LabelImage.from_array(labels, "yx"), Image.from_array(values, "yx", name="raw"),
        measurements=("area", "mean", "display"),
    )  # fmt: skip
    order = np.argsort(table.object_ids[:, 1])
    assert table.object_ids[order].tolist() == [[0, 3], [0, 7]]
    assert table["Area"].tolist() == [4.0, 4.0]
    expected = [values[labels == i].mean() for i in (3, 7)]
    assert table["Mean"][order].tolist() == expected
    assert set(table["Label"]) == {"raw"}


def test_labels_and_image_must_have_the_same_planes():
    labels = LabelImage.from_array(np.ones((2, 4, 4), np.uint8), "zyx")
    image = Image.from_array(np.zeros((3, 4, 4), np.uint8), "zyx")
    with pytest.raises(SettingsError, match="has 2 planes"):
        measure(labels, image)


def test_an_roi_beside_the_image_is_a_row_without_values():
    roi = Roi(kind="rectangle", bounds=(100.0, 100.0, 3.0, 3.0))
    table = measure(RoiSet([roi]), Image.from_array(pixels("u1"), "yx"))
    assert table["Area"].tolist() == [0.0]
    assert math.isnan(table["Mean"][0])


def test_outlines_keep_their_object_ids():
    square = np.array([1, 4, 4, 1], np.int32), np.array([1, 1, 4, 4], np.int32)
    outlines = Outlines(
        x=square[0], y=square[1], loop_start=np.array([0]), loop_size=np.array([4]),
        roi_start=np.array([0, 1]), kinds=np.array([0], np.uint8),
        positions=np.zeros((1, 4), np.int32), ids=np.array([(0, 42)]), names=("0042",),
    )  # fmt: skip
    table = measure(RoiSet(outlines=outlines), Image.from_array(pixels("u1"), "yx"))
    assert table.object_ids.tolist() == [[0, 42]]
    assert table["Area"].tolist() == [9.0]


@pytest.mark.parametrize(
    ("roi", "error", "says"),
    [
        (Roi(kind="rectangle", bounds=(1.0, 1.0, 2.0, 2.0), position=Position(slice=9)),
         SettingsError, "is on slice 9; the image has 2"),
        (Roi(kind="rectangle", bounds=(1.0, 1.0, 2.0, 2.0), position=Position(z=1, t=5)),
         SettingsError, "frame 5"),
        (Roi(kind="line", points=np.array([(1, 2), (3, 4)]), stroke_width=5.0),
         UnsupportedError, "5 pixels wide"),
    ],
)  # fmt: skip
def test_rois_that_cannot_be_measured(roi, error, says):
    with pytest.raises(error, match=says):
        measure(RoiSet([roi]), Image.from_array(np.zeros((2, 9, 9), np.uint8), "zyx"))


def test_settings_that_are_wrong():
    image = Image.from_array(np.zeros((9, 9), np.uint8), "yx")
    with pytest.raises(SettingsError, match="Did you mean 'perimeter'"):
        measure(RoiSet(), image, measurements=("perimetr",))
    with pytest.raises(SettingsError, match="decimal 12"):
        measure(RoiSet(), image, decimal=12)
    with pytest.raises(SettingsError, match="slice 3 is asked for"):
        measure(RoiSet(), image, slice=3)
