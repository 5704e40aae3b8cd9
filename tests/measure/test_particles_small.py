"""Small planes take one call: everything equal to what the general way gives."""

from __future__ import annotations

import copy
import dataclasses
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fijibridge.errors import SettingsError
from fijibridge.measure import particles, small
from fijibridge.measure.particle_settings import MEASUREMENTS, ParticleSettings
from fijibridge.measure.particles import analyze_particles
from fijibridge.model import Image
from fijibridge.model.axes import Axes
from fijibridge.model.rois import Roi


def same_tables(a, b):
    assert a.headings == b.headings
    for heading in a.headings:
        assert a[heading].dtype == b[heading].dtype
        if a[heading].dtype == object:
            assert a[heading].tolist() == b[heading].tolist()
        else:
            assert a[heading].tobytes() == b[heading].tobytes(), heading
        assert not a[heading].flags.writeable
    assert a.object_ids.dtype == b.object_ids.dtype
    assert np.array_equal(a.object_ids, b.object_ids)
    assert (a.style, a.units, a.name) == (b.style, b.units, b.name)


def same_results(a, b):
    same_tables(a.table, b.table)
    assert (a.labels is None) == (b.labels is None)
    if a.labels is not None:
        assert np.array_equal(a.labels.data, b.labels.data)
        assert (a.labels.axes, a.labels.dtype) == (b.labels.axes, b.labels.dtype)
        assert (a.labels.name, a.labels.spec.role) == (b.labels.name, b.labels.spec.role)
        assert not a.labels.data.flags.writeable
    assert a.rois.names == b.rois.names
    for one, other in zip(a.rois, b.rois, strict=True):
        assert (one.kind, one.position, one.bounds) == (other.kind, other.position, other.bounds)
        assert np.array_equal(one.points, other.points)
    one, other = a.rois.outlines, b.rois.outlines
    assert (one is None) == (other is None)
    if one is not None:
        for name in ("loop_size", "roi_start", "kinds", "positions", "ids", "x", "y"):
            assert getattr(one, name).dtype == getattr(other, name).dtype, name
            if name not in "xy":
                assert np.array_equal(getattr(one, name), getattr(other, name)), name
    assert a.summary is None
    assert b.summary is None
    assert (a.threshold, a.warnings) == (b.threshold, b.warnings)


@st.composite
def cases(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    shape = draw(st.tuples(st.integers(1, 90), st.integers(1, 150)))
    dtype = draw(st.sampled_from((np.uint8, np.uint16)))
    binary = dtype == np.uint8 and draw(st.booleans())
    if binary:
        pixels = np.where(rng.random(shape) < draw(st.floats(0, 1)), 255, 0).astype(dtype)
    else:
        top = draw(st.sampled_from((3, 255, np.iinfo(dtype).max)))
        pixels = rng.integers(0, top, shape, endpoint=True).astype(dtype)
    if draw(st.booleans()):
        k = draw(st.integers(2, 9))
        pixels = np.repeat(np.repeat(pixels, k, 0), k, 1)[: shape[0], : shape[1]]
    threshold = None
    if not binary:
        low = draw(st.integers(1, int(pixels.max()) + 2))
        threshold = (low, low + draw(st.integers(0, 300)))
    scale = {"x": draw(st.sampled_from((1.0, 0.3))), "y": draw(st.sampled_from((1.0, 0.3, 2.0)))}
    origin = {"x": draw(st.sampled_from((0.0, 4.5))), "y": draw(st.sampled_from((0.0, -3.0)))}
    keys = draw(st.sampled_from(("yx", "zyx", "yxc")))
    data = pixels.reshape({"yx": shape, "zyx": (1, *shape), "yxc": (*shape, 1)}[keys])
    axes = Axes.of(keys, data.shape, scale=scale, origin=origin, unit="um")
    words = ["all"]
    if draw(st.booleans()):
        names = sorted(MEASUREMENTS)
        words = draw(st.lists(st.sampled_from(names), max_size=5))
    words += draw(st.lists(st.sampled_from(("display", "invert", "nan", "stack", "scientific"))))
    low = draw(st.sampled_from((0.0, 2.0, 9.5)))
    wanted = ParticleSettings(
        threshold=threshold,
        white_background=draw(st.booleans()),
        size=(low, draw(st.sampled_from((np.inf, 40.0)))),
        pixel_units=draw(st.booleans()),
        circularity=draw(st.sampled_from(((0, 1), (0.3, 1), (0, 0.8), (0, 2), (0.2, 0.9)))),
        exclude=draw(st.booleans()),
        include=draw(st.booleans()),
        four=draw(st.booleans()),
        composite=draw(st.booleans()) and draw(st.booleans()),
        record=draw(st.booleans()),
        stack=draw(st.booleans()),
        slice=None,
        measurements=tuple(words),
        decimal=draw(st.integers(0, 9)),
        label_limit=draw(st.sampled_from((None, 3, 65535, 70000))),
        outputs=frozenset(draw(st.sets(st.sampled_from(("table", "labels", "rois"))))),
    )
    return Image.from_array(data, axes, name="some.tif"), wanted


def generally(image, wanted, **more):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(particles, "analyze_at_once", lambda *_: None)
        return analyze_particles(image, wanted, **more)


@settings(max_examples=pytest.count(60, 2000))
@given(cases())
def test_small_planes_equal_the_general_way(case):
    image, wanted = case
    same_results(analyze_particles(image, wanted), generally(image, wanted))


@given(cases(), st.integers(1, 3))
def test_three_calls_equal_one(case, threads):
    image, wanted = case
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(small, "_ONE_CALL", 0)
        same_results(analyze_particles(image, wanted, threads=threads), generally(image, wanted))


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_larger_planes_equal_the_general_way(threads):
    rng = np.random.default_rng(11)
    grey = np.kron(rng.integers(0, 256, (150, 170), np.uint8), np.ones((5, 4), np.uint8))
    image = Image.from_array(grey, "yx")
    wanted = ParticleSettings(measurements=("all",), threshold=(195, 255), size=(30, 1e9))
    assert small.analyze_at_once(image, wanted) is not None
    results = analyze_particles(image, wanted, threads=threads)
    assert len(results.table) > 500
    same_results(results, generally(image, wanted))


def test_what_the_one_call_is_for():
    """The measurements that everybody takes do go that way."""
    binary = np.zeros((40, 50), np.uint8)
    binary[3:9, 5:12] = 255
    image = Image.from_array(binary, "yx")
    for words in (("all",), ("area", "mean"), ("display", "area", "invert")):
        wanted = ParticleSettings(measurements=words, size=(2, 100), exclude=True)
        assert small.analyze_at_once(image, wanted) is not None


@pytest.mark.parametrize(
    "more",
    [
        {"composite": True},
        {"select": Roi(kind="rectangle", bounds=(1, 1, 9, 9))},
        {"outputs": frozenset(("summary",))},
        {"measurements": ("area", "scientific")},
        {"circularity": (0, 3)},
    ],
)
def test_what_the_one_call_is_not_for(more):
    image = Image.from_array(np.full((9, 9), 255, np.uint8), "yx")
    assert small.analyze_at_once(image, ParticleSettings(**more)) is None


def test_errors_are_those_of_the_general_way():
    grey = Image.from_array(np.arange(20, dtype=np.uint8).reshape(4, 5), "yx")
    with pytest.raises(SettingsError, match="not binary"):
        analyze_particles(grey, ParticleSettings())
    wide = Image.from_array(np.arange(20, dtype=np.uint16).reshape(4, 5), "yx")
    with pytest.raises(SettingsError, match="not binary"):
        analyze_particles(wide, ParticleSettings())
    with pytest.raises(SettingsError, match="0 to 65535"):
        analyze_particles(wide, ParticleSettings(threshold=(0, 65535)))
    with pytest.raises(SettingsError, match="no pixels"):
        analyze_particles(Image.from_array(np.zeros((0, 5), np.uint8), "yx"), ParticleSettings())


def test_busy_planes_and_large_ones_take_the_general_way():
    rng = np.random.default_rng(4)
    noise = Image.from_array((rng.random((400, 500)) < 0.5).astype(np.uint8) * 255, "yx")
    wanted = ParticleSettings(measurements=("all",))
    assert small.analyze_at_once(noise, wanted) is None
    same_results(analyze_particles(noise, wanted), generally(noise, wanted, threads=2))
    large = Image.from_array(np.zeros((1100, 1100), np.uint8), "yx")
    assert small.analyze_at_once(large, wanted) is None


def test_planes_in_any_layout():
    """Views with steps are copied, arrays of the other byte order take the general way."""
    base = np.zeros((60, 80), np.uint16)
    base[4:20, 6:30] = 300
    wanted = ParticleSettings(threshold=(200, 400), measurements=("all",))
    for data in (base[::2, ::2], np.asfortranarray(base), base.astype(">u2")):
        image = Image.from_array(data, "yx", name="some.tif")
        same_results(analyze_particles(image, wanted), generally(image, wanted))


def test_alternating_images_do_not_mix_up():
    """What is kept of the last call belongs to its settings, pixel size and look-up table."""
    binary = np.zeros((30, 30), np.uint8)
    binary[3:9, 5:12] = 255
    images = [
        Image.from_array(binary, Axes.of("yx", (30, 30), scale={"x": s, "y": s}), name=f"{s}")
        for s in (1.0, 0.5)
    ]
    many = [ParticleSettings(measurements=w) for w in (("area",), ("area", "mean"))]
    for _ in range(3):
        for image in images:
            for wanted in many:
                same_results(analyze_particles(image, wanted), generally(image, wanted))


def test_values_made_late_are_values_like_others():
    binary = np.zeros((30, 40), np.uint8)
    binary[3:9, 5:12] = binary[20:22, 1:4] = 255
    image = Image.from_array(binary, "yx", name="a.tif")
    found = analyze_particles(image, ParticleSettings(measurements=("all",)))
    assert found.table is found.table
    same_results(copy.copy(found), found)
    travelled = pickle.loads(pickle.dumps(found))  # noqa: S301  # our own
    assert np.array_equal(travelled.table["Feret"], found.table["Feret"])
    assert np.array_equal(travelled.labels.data, found.labels.data)
    assert dataclasses.replace(found, warnings=("seen",)).labels is found.labels
    assert (found.summary, found.threshold, found.warnings) == (None, None, ())
    with pytest.raises(AttributeError, match="no attribute 'lables'"):
        _ = found.lables
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.table = None
    for array in (found.labels.data, found.table["Area"], found.table.object_ids):
        assert not array.flags.writeable


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_sums_of_long_runs_and_of_the_last_pixels(dtype):
    """Sums in vectors end where they would not fit, and before the last pixels of an image."""
    rng = np.random.default_rng(3)
    for height, width in ((3, 5), (2, 4000), (300, 400)):
        plane = rng.integers(np.iinfo(dtype).max - 9, np.iinfo(dtype).max, (height, width), dtype)
        plane[rng.random(plane.shape) < 1e-3] = 0
        image = Image.from_array(plane, "yx")
        wanted = ParticleSettings(threshold=(1, np.iinfo(dtype).max - 1), measurements=("all",))
        found = analyze_particles(image, wanted)
        label, y, x = found.labels.data, *np.indices(plane.shape)
        for k in range(min(len(found.table), 4)):
            v = plane[label == k + 1].astype(object)
            table = {h: float(found.table[h][k]) for h in ("RawIntDen", "Min", "Max", "XM", "YM")}
            assert table == {
                "RawIntDen": pytest.approx(v.sum(), rel=1e-15), "Min": v.min(), "Max": v.max(),
                "XM": pytest.approx((v * x[label == k + 1]).sum() / v.sum() + 0.5, rel=1e-12),
                "YM": pytest.approx((v * y[label == k + 1]).sum() / v.sum() + 0.5, rel=1e-12),
            }  # fmt: skip
