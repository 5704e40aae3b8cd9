"""Random images and options, compared with the real ImageJ in memory."""

from __future__ import annotations

import importlib.util
import math
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fijibridge.errors import SettingsError
from fijibridge.measure.particle_settings import MEASUREMENTS, ParticleSettings
from fijibridge.measure.particles import analyze_particles
from fijibridge.model import Axes, Image, Roi
from fijibridge.model.image import Extra, Valuation

_spec = importlib.util.spec_from_file_location(
    "imagej_witness", Path(__file__).with_name("imagej_witness.py")
)
witness = importlib.util.module_from_spec(_spec)
sys.modules["imagej_witness"] = witness
_spec.loader.exec_module(witness)

#: Stack shapes by axes.
STACKS = {"yx": (), "zyx": (3,), "tyx": (2,), "tczyx": (2, 2, 2)}


def texture(rng, shape, smooth):
    field = rng.random(shape)
    if smooth:
        from scipy import ndimage

        sigma = [0.0] * (len(shape) - 2) + [rng.uniform(0.6, 3.0)] * 2
        field = ndimage.gaussian_filter(field, sigma)
        field = (field - field.min()) / (np.ptp(field) or 1.0)
    return field


@st.composite
def images(draw):
    """An image and a threshold for it."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    keys = draw(st.sampled_from(["yx", "yx", "yx", "yx", *STACKS]))
    shape = (*STACKS[keys], draw(st.integers(1, 70)), draw(st.integers(1, 70)))
    field = texture(rng, shape, draw(st.booleans()))
    kind = draw(st.sampled_from(["binary", "uint8", "uint16", "int16", "float32"]))
    if kind == "binary":
        share = draw(st.sampled_from([0.05, 0.2, 0.4, 0.5, 0.55, 0.65, 0.8, 0.95]))
        data, threshold = ((field < np.quantile(field, share)) * 255).astype(np.uint8), None
    else:
        top = {"uint8": [3, 20, 255], "float32": [1e-3, 1.0, 100.0]}.get(kind, [5, 300, 30000])
        data = (field * draw(st.sampled_from(top))).astype(kind)
        if kind == "int16":
            data -= 100
        if kind == "float32" and draw(st.booleans()):
            data = np.round(data, 1)  # pixels at the threshold, in single precision
        low, high = np.quantile(data, sorted(draw(st.tuples(*[st.floats(0, 1)] * 2))))
        if draw(st.booleans()):
            high = data.max()
        if draw(st.booleans()):
            low = round(float(low), 1)
        threshold = (float(low), float(high))
    scale = draw(
        st.sampled_from([(1.0, 1.0), (0.1625, 0.1625), (2.5, 2.5), (0.37, 0.81), (0.5, 0.501)])
    )
    origin = draw(st.sampled_from([(0.0, 0.0), (-3.0, 0.0), (4.5, -7.5)]))
    axes = Axes.of(
        keys,
        shape,
        scale={"x": scale[0], "y": scale[1]},
        unit="micrometer" if scale != (1.0, 1.0) else "pixel",
        origin={"x": origin[0] * scale[0], "y": origin[1] * scale[1]},
    )
    return Image.from_array(
        data, axes, name=draw(st.sampled_from(["cells.tif", "a b", "x,y"]))
    ), threshold


@st.composite
def redirects(draw, image):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    kind = draw(st.sampled_from(["uint8", "uint16", "float32"]))
    field = texture(rng, image.shape, smooth=True)
    data = (field * {"uint8": 255, "uint16": 5000, "float32": 1}[kind]).astype(kind)
    if kind == "float32" and draw(st.booleans()):
        data[rng.random(data.shape) < 0.05] = np.nan
    return Image.from_array(data, image.axes, name="other.tif")


@st.composite
def selections(draw, image):
    height, width = image.shape[-2:]
    x, y = draw(st.integers(-2, width - 1)), draw(st.integers(-2, height - 1))
    box = (float(x), float(y), draw(st.integers(3, 80)) + 0.0, draw(st.integers(3, 80)) + 0.0)
    kind = draw(st.sampled_from(["rectangle", "oval", "polygon", "all"]))
    if kind == "all":
        return Roi(kind="rectangle", bounds=(0.0, 0.0, float(width), float(height)))
    if kind != "polygon":
        return Roi(kind=kind, bounds=box)
    corners = st.tuples(st.integers(0, width), st.integers(0, height))
    return Roi(kind="polygon", points=np.array(draw(st.lists(corners, min_size=3, max_size=7))))


@st.composite
def cases(draw):
    image, threshold = draw(images())
    words = tuple(MEASUREMENTS)
    if draw(st.booleans()):
        words = tuple(draw(st.lists(st.sampled_from(words), min_size=1, unique=True)))
    words += tuple(
        w for w in ("stack", "display", "invert", "limit") if draw(st.integers(0, 3)) == 0
    )
    outputs = {"table", "labels", "rois"}
    if draw(st.integers(0, 3)) == 0:
        outputs.add("summary")
        words += ("area",)
    stacked = len(image.shape) > 2 and draw(st.booleans())
    flags = {
        k: draw(st.integers(0, 3)) == 0
        for k in (
            "exclude",
            "include",
            "four",
            "composite",
            "record",
            "pixel_units",
            "white_background",
        )
    }
    chosen = ParticleSettings(
        threshold=threshold,
        size=draw(st.sampled_from([(0, math.inf)] * 3 + [(2, math.inf), (3, 50), (0.5, 8)])),
        circularity=draw(
            st.sampled_from([(0, 1)] * 4 + [(0.3, 1), (0, 0.8), (0.2, 3), (0.5, 0.5)])
        ),
        stack=stacked,
        slice=None if stacked or len(image.shape) == 2 else draw(st.integers(1, image.shape[0])),
        select=draw(selections(image)) if draw(st.integers(0, 2)) == 0 else None,
        measurements=words,
        outputs=frozenset(outputs),
        **flags,
    )
    redirect = draw(redirects(image)) if draw(st.integers(0, 4)) == 0 else None
    return image, chosen, redirect


@pytest.mark.imagej
@settings(max_examples=pytest.count(20, 500), deadline=None)
@given(case=cases())
def test_everything_is_imagejs(imagej, case):
    image, chosen, redirect = case
    try:
        result = analyze_particles(image, chosen, redirect=redirect)
    except SettingsError as error:
        assert "ImageJ" in error.message or "lies outside" in error.message  # noqa: PT017  # refused where ImageJ never ends or stops
        assume(False)
    told = witness.tell(imagej, image, chosen, redirect=redirect)
    assert told.error is None
    assert witness.differences(told, result) == []


#: ImageJ's calibration functions: a falling line, one with holes (NaN), a cubic, optical density.
VALUATIONS = [(0, (10.0, -1.0)), (9, (1.0, 2.0, 5.0)), (2, (0.0, 1.0, 0.1, 0.01)), (21, ())]


@pytest.mark.imagej
@settings(max_examples=pytest.count(10, 100), deadline=None)
@given(case=cases(), function=st.sampled_from(VALUATIONS))
def test_calibrated_pixel_values_are_imagejs(imagej, case, function):
    image, chosen, redirect = case
    assume(image.dtype == np.uint8 or (image.dtype == np.uint16 and function[0] != 21))
    valuation = Valuation(function=function[0], coefficients=function[1], unit="value")
    image = Image(image.data, replace(image.spec, extra=Extra(valuation=valuation)))
    # medians pass through Java's own logarithm: last-digit differences
    words = tuple(w for w in chosen.measurements if w != "median") or ("area",)
    chosen = replace(chosen, measurements=words)
    try:
        result = analyze_particles(image, chosen, redirect=redirect)
    except SettingsError:
        assume(False)
    told = witness.tell(imagej, image, chosen, redirect=redirect)
    assert told.error is None
    assert witness.differences(told, result) == []


@pytest.mark.imagej
@pytest.mark.parametrize("kind", ["constant", "uint8", "uint16", "float32"])
def test_sums_beyond_exact_doubles_are_imagejs(imagej, kind):
    rng = np.random.default_rng(0)
    data = np.full((1600, 1700), 255, np.uint8)
    threshold = None
    if kind != "constant":
        top = {"uint8": 255, "uint16": 65535, "float32": 1}[kind]
        data = (rng.random(data.shape) * top + top / 300).clip(0, top).astype(kind)
        threshold = (float(data[data > 0].min()), float(data.max()))
    data[0, :3] = 0
    image = Image.from_array(data, "yx", name="big")
    chosen = ParticleSettings(threshold=threshold, measurements=("all",))
    result = analyze_particles(image, chosen)
    assert witness.differences(witness.tell(imagej, image, chosen), result) == []


@pytest.mark.imagej
def test_summary_leaves_out_pixels_without_a_value(imagej):
    pixels = np.random.default_rng(3).integers(0, 20, (9, 30)).astype(np.uint8)
    valuation = Valuation(function=9, coefficients=(1.0, 2.0, 5.0), unit="value")
    image = Image.from_array(pixels, "yx", name="holes.tif", extra=Extra(valuation=valuation))
    chosen = ParticleSettings(
        threshold=(11.0, 19.0),
        select=Roi(kind="oval", bounds=(2.0, 1.0, 17.0, 7.0)),
        measurements=("area", "mean"),
        outputs=frozenset({"labels", "rois", "summary", "table"}),
    )
    result = analyze_particles(image, chosen)
    told = witness.tell(imagej, image, chosen)
    assert witness.differences(told, result) == []


@pytest.mark.imagej
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("exclude", [False, True])
def test_composites_of_pixels_at_the_threshold_in_single_precision_only(imagej, seed, exclude):
    # they belong to the outline, but not to the mask: ImageJ moves the ROI of the mask
    pixels = np.random.default_rng(seed).integers(4, 10, (20, 22)).astype(np.float32) / 10
    image = Image.from_array(pixels, "yx", name="rounded.tif")
    chosen = ParticleSettings(
        threshold=(0.7, 3.5), composite=True, exclude=exclude, measurements=("all",)
    )
    result = analyze_particles(image, chosen)
    told = witness.tell(imagej, image, chosen)
    assert witness.differences(told, result) == []


@pytest.mark.imagej
def test_rounded_corners_without_effect_still_leave_out_pixels_without_a_value(imagej):
    pixels = np.random.default_rng(5).random((12, 9)).astype(np.float32)
    pixels[3:5, 4:7] = np.nan
    image = Image.from_array(pixels, "yx", name="round.tif")
    chosen = ParticleSettings(
        threshold=(0.5, 0.9),
        select=Roi(kind="rectangle", bounds=(1.0, 1.0, 7.0, 8.0), arc_size=1),
        measurements=("area",),
        outputs=frozenset({"labels", "rois", "summary", "table"}),
    )
    result = analyze_particles(image, chosen)
    assert witness.differences(witness.tell(imagej, image, chosen), result) == []


@pytest.mark.imagej
@pytest.mark.parametrize(
    ("dtype", "threshold"), [(np.uint8, (300.0, 400.0)), (np.uint16, (7e4, 8e4))]
)
def test_a_threshold_above_all_values_finds_nothing_in_a_selection(imagej, dtype, threshold):
    pixels = np.random.default_rng(5).integers(0, 255, (12, 9)).astype(dtype)
    pixels[5, 5] = 0
    image = Image.from_array(pixels, "yx", name="above.tif")
    select = Roi(kind="oval", bounds=(1.0, 1.0, 7.0, 8.0))
    chosen = ParticleSettings(threshold=threshold, select=select, exclude=True)
    result = analyze_particles(image, chosen)
    assert len(result.table) == 0
    assert witness.differences(witness.tell(imagej, image, chosen), result) == []
