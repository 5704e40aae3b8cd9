"""What show= draws, against the real ImageJ; the overlay picture."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fijibridge.errors import SettingsError
from fijibridge.measure.drawing import SHOW, draw
from fijibridge.measure.particle_settings import ParticleSettings
from fijibridge.measure.particles import analyze_particles
from fijibridge.measure.picture import overlay_picture, palette
from fijibridge.measure.regions import labels_to_rois
from fijibridge.model import Axes, Extra, Image, LabelImage, Position, Roi, RoiSet

CHOICE = {"Outlines": 1, "Bare Outlines": 2, "Ellipses": 3, "Masks": 4, "Count Masks": 5}
INCLUDE_HOLES, COMPOSITE, EXCLUDE = 1024, 131072, 8
OUTPUTS = frozenset({"table", "labels", "rois"})


@st.composite
def binary_images(draw):
    height, width = draw(st.integers(1, 40)), draw(st.integers(1, 40))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    field = rng.random((height, width))
    for _ in range(draw(st.integers(0, 2))):  # smoother, larger particles
        field = (field + np.roll(field, 1, 0) + np.roll(field, 1, 1)) / 3
    share = draw(st.floats(0.2, 0.8))
    return (field >= np.quantile(field, share)).astype(np.uint8) * np.uint8(255)


def imagej_drawing(imagej, pixels, choice, options):
    """Return pixels, title and whether the LUT is inverted, of ImageJ's drawing."""
    from jpype import JArray, JByte

    height, width = pixels.shape
    data = JArray(JByte)(pixels.view(np.int8).ravel().tolist())
    plane = imagej.java("ij.process.ByteProcessor")(width, height, data)
    plane.setThreshold(255.0, 255.0, 2)
    image = imagej.java("ij.ImagePlus")("a.tif", plane)
    particles = imagej.java("ij.plugin.filter.ParticleAnalyzer")
    analyzer = particles(options, 0, imagej.java("ij.measure.ResultsTable")(), 0.0, 1e9)
    field = particles.class_.getDeclaredField("showChoice")
    field.setAccessible(True)
    field.setInt(analyzer, choice)
    analyzer.setHideOutputImage(True)
    assert analyzer.analyze(image)
    made = analyzer.getOutputImage()
    if made is None:
        return None
    shown = made.getProcessor()
    dtype = np.uint16 if shown.getBitDepth() == 16 else np.uint8
    got = np.frombuffer(memoryview(shown.getPixels()), dtype).reshape(height, width)
    return got, str(made.getTitle()), bool(shown.isInvertedLut())


@pytest.mark.imagej
@settings(max_examples=pytest.count(40, 1000))
@given(
    pixels=binary_images(),
    show=st.sampled_from(["Bare Outlines", "Ellipses", "Masks", "Count Masks"]),
    include=st.booleans(),
    composite=st.booleans(),
    exclude=st.booleans(),
)
def test_drawings_are_imagejs(imagej, pixels, show, include, composite, exclude):
    options = INCLUDE_HOLES * include + COMPOSITE * composite + EXCLUDE * exclude
    image = Image.from_array(pixels, "yx", name="a.tif")
    result = analyze_particles(
        image,
        ParticleSettings(
            threshold=(255, 255),
            include=include,
            composite=composite,
            exclude=exclude,
            outputs=OUTPUTS,
        ),
    )
    ours = draw(image, result, show=show)
    try:
        theirs = imagej_drawing(imagej, pixels, CHOICE[show], options)
    except imagej.java("java.lang.ArrayIndexOutOfBoundsException"):
        assert show == "Ellipses"  # ImageJ breaks on an ellipse higher than the image
        return
    assert theirs is not None
    np.testing.assert_array_equal(ours.data, theirs[0])
    assert ours.name == theirs[1]
    assert ours.spec.extra.inverted_lut == theirs[2]


def small(**extra):
    a = np.zeros((20, 30), np.uint16)
    a[3:15, 2:14] = 1
    a[6:9, 6:9] = 0
    a[5:18, 18:29] = 2
    labels = LabelImage.from_array(a, Axes.of("yx", a.shape, scale={"x": 0.5}, unit="um"))
    image = Image.from_array((a * 90).astype(np.uint8), labels.axes, name="n", extra=Extra(**extra))
    return image, SimpleNamespace(labels=labels, rois=labels_to_rois(labels))


def test_outlines_carry_numbers():
    image, result = small()
    bare = draw(image, result, show="bare outlines")
    assert np.unique(bare.data).tolist() == [0, 255]
    drawn = draw(image, result, show="Outlines")
    number = drawn.data == 1
    assert number.any()
    np.testing.assert_array_equal(np.where(number, bare.data, drawn.data), bare.data)
    assert drawn.spec.extra.luts[0][1].tolist() == [255, 0, 0]
    here = draw(image, result, show="Outlines", in_situ=True)
    np.testing.assert_array_equal(here.data == 0, (drawn.data == 0) | number)
    assert not here.spec.extra.luts
    assert drawn.name == "Drawing of n"
    assert drawn.axes["x"].scale == 0.5


def test_overlays_are_the_image_with_rois():
    image, result = small(info="kept")
    for word in ("Overlay", "Overlay Outlines"):
        shown = draw(image, result, show=word)
        assert shown.data is image.data or np.array_equal(shown.data, image.data)
        assert shown.spec.extra.info == "kept"
        assert shown.spec.extra.overlay.names == ("1", "2")
        assert shown.spec.extra.overlay[0].stroke_color == (255, 0, 255, 255)
        assert shown.spec.extra.overlay[0].fill_color is None
    filled = draw(image, result, show="Overlay Masks").spec.extra.overlay
    assert filled[0].fill_color != filled[1].fill_color


def test_count_masks_end_at_65535():
    image = Image.from_array(np.zeros((1, 2), np.uint8), "yx", name="n")
    labels = LabelImage.from_array(np.array([[70_000, 3]], np.uint32), "yx")
    shown = draw(image, SimpleNamespace(labels=labels, rois=RoiSet()), show="Count Masks")
    assert shown.data.tolist() == [[65535, 3]]
    assert shown.dtype == np.uint16
    assert shown.spec.extra.display_ranges == ((0.0, 255.0),)


def test_stacks_are_drawn_plane_by_plane():
    a = np.zeros((3, 8, 8), np.uint8)
    for k in range(3):
        a[k, 1 : 3 + k, 1:4] = 255
    image = Image.from_array(a, "zyx", name="n")
    settings_ = ParticleSettings(threshold=(255, 255), stack=True, outputs=OUTPUTS)
    result = analyze_particles(image, settings_)
    drawn = draw(image, result, show="Bare Outlines")
    assert drawn.axes.keys == "zyx"
    for k in range(3):
        alone = Image.from_array(a[k], "yx", name="n")
        one = analyze_particles(alone, ParticleSettings(threshold=(255, 255), outputs=OUTPUTS))
        np.testing.assert_array_equal(drawn.data[k], draw(alone, one, show="Bare Outlines").data)


def test_wrong_words():
    image, result = small()
    with pytest.raises(SettingsError, match=r"show 'Mask' is unknown.*Did you mean 'Masks'"):
        draw(image, result, show="Mask")
    with pytest.raises(SettingsError, match="nothing to draw"):
        draw(image, result, show="Nothing")
    with pytest.raises(SettingsError, match="needs the labels"):
        draw(image, SimpleNamespace(labels=None, rois=RoiSet()), show="Masks")
    assert "Overlay Masks" in SHOW


def test_a_small_image_is_enlarged_and_its_edges_are_colored():
    image, result = small()
    picture = overlay_picture(image, result.rois)
    assert picture.shape == (240, 360, 3)
    colors = palette(2)
    zoom, thick = 12, 7
    np.testing.assert_array_equal(picture[3 * zoom, 2 * zoom : 14 * zoom], colors[[0] * 144])
    np.testing.assert_array_equal(picture[3 * zoom - 1, 2 * zoom], [0, 0, 0])
    # the hole's outline lies outside of the hole
    np.testing.assert_array_equal(picture[6 * zoom, 6 * zoom + 2], [0, 0, 0])
    np.testing.assert_array_equal(picture[6 * zoom - thick, 6 * zoom], colors[0])
    np.testing.assert_array_equal(picture[6 * zoom - thick, 6 * zoom - thick], colors[0])
    assert overlay_picture(image, result.rois, scale=2).shape == (40, 60, 3)
    assert overlay_picture(image, result.rois, scale=0.5).shape == (10, 15, 3)
    assert max(overlay_picture(image, result.rois, max_side=7).shape) <= 7


@pytest.mark.parametrize(
    ("image", "shape"),
    [
        (Image.from_array(np.full((5, 6), np.nan), "yx"), (5, 6)),
        (Image.from_array(np.zeros((5, 6), np.uint16), "yx"), (5, 6)),
        (Image.from_array(np.full((5, 6), -7.5, np.float32), "yx"), (5, 6)),
        (Image.from_array(np.zeros((2, 5, 6), np.uint16), "cyx"), (5, 6)),
        (Image.from_array(np.zeros((9, 5, 6), np.uint16), "cyx"), (5, 6)),
        (Image.from_array(np.zeros((5, 6, 3), np.uint8), "yxc", extra=Extra(rgb=True)), (5, 6)),
        (Image.from_array(np.zeros((4, 2, 6, 5), bool), "tzxy"), (5, 6)),
        (Image.from_array(np.ones((1, 1), np.int64), "xy"), (1, 1)),
    ],
)
def test_every_image_has_a_picture(image, shape):
    picture = overlay_picture(image, RoiSet(), scale=1)
    assert picture.shape == (*shape, 3)
    assert picture.dtype == np.uint8


def test_the_display_range_decides():
    ramp = np.arange(256, dtype=np.uint8)[None]
    image = Image.from_array(ramp, "yx", extra=Extra(display_ranges=((100.0, 200.0),)))
    grey = overlay_picture(image, RoiSet(), scale=1)[0, :, 0]
    assert grey[:101].max() == 0
    assert grey[200:].min() == grey.max() > 200
    inverted = Image.from_array(
        ramp, "yx", extra=Extra(display_ranges=((0.0, 255.0),), inverted_lut=True)
    )
    assert overlay_picture(inverted, RoiSet(), scale=1)[0, 0, 0] == grey.max()


def test_kinds_of_rois_are_all_drawn():
    image = Image.from_array(np.zeros((60, 60), np.uint8), "yx")
    xy = np.array([[5, 5], [50, 9], [30, 50]])
    rois = [
        Roi(kind="oval", bounds=(5.0, 5.0, 40.0, 30.0)),
        Roi(kind="rectangle", bounds=(5.0, 5.0, 40.0, 30.0), arc_size=9),
        Roi(kind="polygon", points=xy),
        Roi(kind="polygon", points=xy + 0.5),
        Roi(kind="polygon", points=xy, spline=True),
        Roi(kind="freehand", subtype="ellipse", parameters=(5.0, 5.0, 40.0, 40.0, 0.5)),
        Roi(kind="freehand", subtype="rotated rectangle", parameters=(5.0, 5.0, 40.0, 40.0, 9.0)),
        Roi(kind="composite", paths=(xy, xy // 2)),
        Roi(kind="line", points=xy[:2]),
        Roi(kind="point", points=xy),
    ]
    red = (255, 255, 0, 0)
    for roi in rois:
        colored = type(roi)(
            kind=roi.kind, bounds=roi.bounds, points=roi.points, paths=roi.paths,
            arc_size=roi.arc_size, subtype=roi.subtype, parameters=roi.parameters,
            spline=roi.spline, stroke_color=red,
        )  # fmt: skip
        picture = overlay_picture(image, RoiSet([colored]), scale=1)
        assert (picture == [255, 0, 0]).all(axis=2).sum() > 10, roi.kind
    far = RoiSet([Roi(kind="polygon", points=xy * 10**7), Roi(kind="none")])
    overlay_picture(image, far)


def test_the_fullest_plane_is_shown():
    a = np.zeros((3, 4, 4), np.uint8)
    a[1] = 200
    image = Image.from_array(a, "zyx", extra=Extra(display_ranges=((0.0, 255.0),)))
    box = (0.0, 0.0, 1.0, 1.0)
    rois = RoiSet(
        [Roi(kind="rectangle", bounds=box, position=Position(slice=n)) for n in (1, 2, 2, 3)]
    )
    assert overlay_picture(image, rois, scale=1)[3, 3, 0] > 100
    assert overlay_picture(image, rois, scale=1, plane=2)[3, 3, 0] == 0
    with pytest.raises(SettingsError, match="plane is 3; the image has the planes 0 to 2"):
        overlay_picture(image, rois, plane=3)


@pytest.mark.parametrize(
    ("settings_", "text"),
    [({"scale": 0.0}, "scale is 0"), ({"scale": 1e6}, "scale is"), ({"max_side": 0}, "max_side")],
)
def test_wrong_sizes(settings_, text):
    image = Image.from_array(np.zeros((4, 4), np.uint8), "yx")
    with pytest.raises(SettingsError, match=text):
        overlay_picture(image, RoiSet(), **settings_)
    with pytest.raises(SettingsError, match="needs y and x"):
        overlay_picture(Image.from_array(np.zeros((0, 4)), "yx"), RoiSet())


@given(n=st.integers(0, 300))
def test_colors_differ_from_their_neighbours(n):
    colors = palette(n).astype(int)
    assert colors.shape == (n, 3)
    assert (np.abs(np.diff(colors, axis=0)).sum(axis=1) > 90).all()
