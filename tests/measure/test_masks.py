"""The pixels of area ROIs, against the real ImageJ and against plain geometry."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fijibridge.errors import SettingsError
from fijibridge.measure.masks import roi_mask
from fijibridge.model import Roi
from fijibridge.model.curves import flatten_curve

WHOLE = st.integers(-40, 40)
REAL = st.one_of(
    st.floats(-40, 40, width=32),
    st.integers(-160, 160).map(lambda n: n / 4),
)
SIZE = st.one_of(st.integers(0, 45).map(float), st.integers(0, 180).map(lambda n: n / 4))


def points(values, low=1, high=9):
    pair = st.tuples(values, values)
    return st.lists(pair, min_size=low, max_size=high)


@st.composite
def area_rois(draw):
    """Any area ROI, degenerate ones too."""
    kind = draw(
        st.sampled_from(
            ["rectangle", "oval", "polygon", "freehand", "traced", "float", "composite"]
        )
    )
    if kind in ("rectangle", "oval"):
        bounds = (draw(REAL), draw(REAL), draw(SIZE), draw(SIZE))
        if draw(st.booleans()):
            bounds = tuple(float(int(v)) for v in bounds)
        arc = draw(st.integers(0, 50)) if kind == "rectangle" else 0
        return Roi(kind=kind, bounds=bounds, arc_size=arc)
    if kind == "float":
        xy = np.array(draw(points(REAL)), np.float32)
        return Roi(kind=draw(st.sampled_from(["polygon", "freehand"])), points=xy)
    if kind == "composite":
        values = draw(st.sampled_from([WHOLE, REAL]))
        paths = draw(st.lists(points(values, 2, 7), min_size=1, max_size=4))
        return Roi(kind=kind, paths=tuple(np.array(p, np.float32) for p in paths))
    return Roi(kind=kind, points=np.array(draw(points(WHOLE)), np.int32))


def java_roi(imagej, roi):
    """Build the same ROI in the real ImageJ."""
    from jpype import JArray, JFloat, JInt

    if roi.kind in ("rectangle", "oval"):
        name = "ij.gui.Roi" if roi.kind == "rectangle" else "ij.gui.OvalRoi"
        whole = all(float(v).is_integer() for v in roi.bounds)
        made = imagej.java(name)(*(int(v) if whole else float(v) for v in roi.bounds))
        if roi.arc_size:
            made.setCornerDiameter(roi.arc_size)
        return made
    if roi.kind == "composite":
        numbers: list[float] = []
        for path in roi.paths:
            for i, (x, y) in enumerate(path):
                numbers += [1.0 if i else 0.0, float(x), float(y)]
            numbers.append(4.0)
        return imagej.java("ij.gui.ShapeRoi")(JArray(JFloat)(numbers))
    kinds = {"polygon": 2, "freehand": 3, "traced": 4}
    number = JInt if roi.points.dtype.kind == "i" else JFloat
    x, y = (JArray(number)(roi.points[:, k].tolist()) for k in (0, 1))
    return imagej.java("ij.gui.PolygonRoi")(x, y, len(roi.points), kinds[roi.kind])


def java_mask(made):
    """Return mask, x0, y0 of an ImageJ ROI."""
    box = made.getBounds()
    w, h = int(box.width), int(box.height)
    mask = made.getMask()
    if mask is None:
        pixels = np.ones((h, w), bool)
    else:
        pixels = np.frombuffer(memoryview(mask.getPixels()), np.uint8).reshape(h, w) != 0
    return pixels, int(box.x), int(box.y)


def placed(mask, x0, y0, size=220, shift=100):
    """Draw a mask on a canvas."""
    canvas = np.zeros((size, size), bool)
    h, w = mask.shape
    canvas[y0 + shift : y0 + shift + h, x0 + shift : x0 + shift + w] = mask
    return canvas


@pytest.mark.imagej
@settings(max_examples=pytest.count(200, 5000))
@given(roi=area_rois())
def test_every_area_kind_encloses_the_pixels_of_imagej(imagej, roi):
    ours, x0, y0 = roi_mask(roi)
    theirs, jx, jy = java_mask(java_roi(imagej, roi))
    np.testing.assert_array_equal(placed(ours, x0, y0), placed(theirs, jx, jy))
    if roi.kind != "composite" and len(roi.points) == 0:
        assert (x0, y0, ours.shape) == (jx, jy, theirs.shape)


@pytest.mark.imagej
@settings(max_examples=pytest.count(50, 1000))
@given(
    ends=st.lists(st.floats(-30, 30, width=32), min_size=4, max_size=4),
    extra=st.floats(0.0625, 1, width=32),
    kind=st.sampled_from(["ellipse", "rotated rectangle"]),
)
def test_ellipses_and_rotated_rectangles(imagej, ends, extra, kind):
    if np.hypot(ends[2] - ends[0], ends[3] - ends[1]) < 0.5:
        ends[2] += 5
    if kind == "ellipse":
        made = imagej.java("ij.gui.EllipseRoi")(*map(float, ends), float(extra))
    else:
        made = imagej.java("ij.gui.RotatedRectRoi")(*map(float, ends), float(extra * 20))
    outline = made.getFloatPolygon()
    xy = np.stack([np.array(outline.xpoints[:]), np.array(outline.ypoints[:])], axis=1)
    roi = Roi(kind="freehand", points=xy[: int(outline.npoints)].astype(np.float32), subtype=kind)
    theirs = placed(*java_mask(made))
    ours = placed(*roi_mask(roi))
    # the absolute outline has lost the last bit of the relative one: centres on the very edge
    assert np.count_nonzero(ours != theirs) <= (ours != theirs).size // 20000


@pytest.mark.imagej
@settings(max_examples=pytest.count(50, 1000))
@given(
    xy=st.one_of(points(WHOLE, 3, 9), points(REAL, 3, 9)),
    kind=st.sampled_from(["polygon", "freehand", "traced"]),
    far=st.sampled_from([1, 1, 6]),
)
def test_splines(imagej, xy, kind, far):
    whole = all(isinstance(v, int) for pair in xy for v in pair)
    array = np.array(xy, np.int32 if whole else np.float32) * far
    roi = Roi(kind=kind, points=array, spline=True)
    made = java_roi(imagej, roi)
    if made.getBounds().width == 0 or made.getBounds().height == 0:
        return
    made.fitSpline()
    theirs = placed(*java_mask(made), 1000, 500)
    np.testing.assert_array_equal(placed(*roi_mask(roi), 1000, 500), theirs)


@pytest.mark.imagej
@settings(max_examples=pytest.count(50, 1000))
@given(
    ends=st.lists(st.floats(-30, 30, width=32), min_size=4, max_size=4),
    extra=st.floats(0.0625, 1, width=32),
    kind=st.sampled_from(["ellipse", "rotated rectangle"]),
)
def test_ellipses_by_their_numbers(imagej, ends, extra, kind):
    if np.hypot(ends[2] - ends[0], ends[3] - ends[1]) < 0.5:
        ends[2] += 5
    numbers = (*map(float, ends), float(extra * (1 if kind == "ellipse" else 20)))
    java = {"ellipse": "ij.gui.EllipseRoi", "rotated rectangle": "ij.gui.RotatedRectRoi"}[kind]
    theirs = placed(*java_mask(imagej.java(java)(*numbers)))
    roi = Roi(kind="freehand", points=np.zeros((4, 2)), subtype=kind, parameters=numbers)
    np.testing.assert_array_equal(placed(*roi_mask(roi)), theirs)


@pytest.mark.imagej
@settings(max_examples=pytest.count(50, 1000))
@given(
    start=st.tuples(REAL, REAL),
    curves=st.lists(st.one_of(points(REAL, 2, 2), points(REAL, 3, 3)), min_size=1, max_size=4),
)
def test_composites_with_curves(imagej, start, curves):
    from jpype import JArray, JFloat

    numbers = [0.0, *start]
    path = [start]
    for rest in curves:
        numbers += [float(len(rest)), *(v for pair in rest for v in pair)]
        path += flatten_curve(np.array([path[-1], *rest], np.float32))
    numbers.append(4.0)
    made = imagej.java("ij.gui.ShapeRoi")(JArray(JFloat)([float(v) for v in numbers]))
    ours = placed(*roi_mask(Roi(kind="composite", paths=(np.array(path),))))
    theirs = placed(*java_mask(made))
    # ImageJ flattens relative to the ROI's corner: float32 may differ in the last bit
    assert np.count_nonzero(ours != theirs) <= 1


@pytest.mark.imagej
def test_big_outlines(imagej):
    rng = np.random.default_rng(5)
    angle = np.sort(rng.uniform(0, 2 * np.pi, 3000))
    radius = rng.uniform(300, 1400, 3000)
    xy = np.stack([1500 + radius * np.cos(angle), 1500 + radius * np.sin(angle)], axis=1)
    for array in (xy.astype(np.float32), xy.round().astype(np.int32)):
        roi = Roi(kind="polygon", points=array)
        ours = placed(*roi_mask(roi), 3200, 0)
        theirs = placed(*java_mask(java_roi(imagej, roi)), 3200, 0)
        np.testing.assert_array_equal(ours, theirs)
    for kind in ("oval", "rectangle"):
        roi = Roi(kind=kind, bounds=(3, 4, 2501, 1777), arc_size=700 * (kind == "rectangle"))
        ours = placed(*roi_mask(roi), 3200, 0)
        theirs = placed(*java_mask(java_roi(imagej, roi)), 3200, 0)
        np.testing.assert_array_equal(ours, theirs)


@given(roi=area_rois(), window=st.tuples(WHOLE, WHOLE, st.integers(0, 50), st.integers(0, 50)))
@example(roi=Roi(kind="oval", bounds=(-9.0, -9.0, 21.0, 14.0)), window=(0, 0, 5, 5))
def test_a_window_shows_what_the_whole_mask_shows(roi, window):
    whole = placed(*roi_mask(roi))
    mask, x0, y0 = roi_mask(roi, within=window)
    inside = np.zeros_like(whole)
    x, y, w, h = window
    inside[100 + y : 100 + y + h, 100 + x : 100 + x + w] = True
    np.testing.assert_array_equal(placed(mask, x0, y0), whole & inside)


@given(st.lists(st.tuples(WHOLE, WHOLE), min_size=3, max_size=3, unique=True))
def test_a_triangle_encloses_the_centres_inside_of_it(corners):
    xy = np.array(corners, np.int32)
    ours = placed(*roi_mask(Roi(kind="polygon", points=xy)))
    yy, xx = np.mgrid[0:220, 0:220] - 99.5
    signs = []
    for (ax, ay), (bx, by) in zip(xy, np.roll(xy, -1, axis=0), strict=True):
        signs.append((bx - ax) * (yy - ay) - (by - ay) * (xx - ax))
    inside = np.all([s > 1e-6 for s in signs], axis=0) | np.all([s < -1e-6 for s in signs], axis=0)
    border = np.any([np.abs(s) <= 1e-6 for s in signs], axis=0)
    np.testing.assert_array_equal(ours[~border], inside[~border])


@pytest.mark.parametrize("kind", ["line", "polyline", "freeline", "angle", "point", "none"])
def test_kinds_without_an_area_are_refused(kind):
    with pytest.raises(SettingsError, match=f"is a {kind}; it encloses no pixels"):
        roi_mask(Roi(kind=kind, points=np.array([[1, 2], [3, 4]])))


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e30])
@pytest.mark.parametrize("kind", ["polygon", "composite", "oval", "rectangle"])
def test_absurd_coordinates_are_refused(kind, bad):
    xy = np.array([[0, 0], [5, 0], [bad, 5]], np.float64)
    parts = {"bounds": (0.0, 0.0, bad, 5.0)} if kind in ("oval", "rectangle") else {"points": xy}
    parts = {"paths": (xy,)} if kind == "composite" else parts
    with pytest.raises(SettingsError, match="not finite or beyond"):
        roi_mask(Roi(kind=kind, **parts))


def test_a_mask_too_large_is_refused_unless_a_window_is_given():
    roi = Roi(kind="oval", bounds=(0, 0, 1e9, 1e9))
    with pytest.raises(SettingsError, match="more than 2\\*\\*31 pixels"):
        roi_mask(roi)
    mask, x0, y0 = roi_mask(roi, within=(499_999_990, 0, 20, 3))
    assert (mask.shape, x0, y0) == ((3, 20), 499_999_990, 0)
    far = Roi(kind="polygon", points=np.array([[0, -1e9], [1e9, 1e9], [-1e9, 1e9]], np.float32))
    assert roi_mask(far, within=(0, 0, 10, 10))[0].all()


@pytest.mark.parametrize("kind", ["polygon", "traced", "composite"])
def test_nothing_at_all(kind):
    assert roi_mask(Roi(kind=kind))[0].size == 0
