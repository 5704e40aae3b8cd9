"""Coarser levels: equal however they are cut, equal to scikit-image, lying where they say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fijibridge.errors import SettingsError
from fijibridge.model import Axes, Region
from fijibridge.model.scaling import (
    SCALINGS,
    coarser,
    level_axes,
    reduce_block,
    scaling_for,
    support,
)

DTYPES = ("uint8", "int16", "uint32", "uint64", "int64", "float32", "float64")


def reduce_whole(data, coarse, scaling):
    region = Region.whole(coarse)
    box = support(data.shape, coarse, region, scaling)
    return reduce_block(data[box.slices], data.shape, coarse, region, scaling)


@st.composite
def cases(draw):
    ndim = draw(st.integers(1, 4))
    fine = tuple(draw(st.integers(1, 23)) for _ in range(ndim))
    coarse = tuple(draw(st.sampled_from(sorted({n, max(1, n // 2), max(1, n // 3)}))) for n in fine)
    dtype = np.dtype(draw(st.sampled_from(DTYPES)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    if dtype.kind == "f":
        data = rng.normal(0, 1000, fine).astype(dtype)
    else:
        info = np.iinfo(dtype)
        data = rng.integers(info.min, info.max, fine, dtype, endpoint=True)
    start = tuple(draw(st.integers(0, n - 1)) for n in coarse)
    stop = tuple(draw(st.integers(a + 1, n)) for a, n in zip(start, coarse, strict=True))
    return data, coarse, Region(start, stop)


@given(case=cases(), scaling=st.sampled_from(SCALINGS))
def test_a_block_is_a_slice_of_the_whole(case, scaling):
    data, coarse, region = case
    whole = reduce_whole(data, coarse, scaling)
    assert whole.shape == coarse
    assert whole.dtype == data.dtype
    box = support(data.shape, coarse, region, scaling)
    part = reduce_block(data[box.slices], data.shape, coarse, region, scaling)
    np.testing.assert_array_equal(part, whole[region.slices])


@given(case=cases(), scaling=st.sampled_from(SCALINGS))
def test_values_stay_in_range(case, scaling):
    data, coarse, _ = case
    whole = reduce_whole(data, coarse, scaling)
    slack = (
        1e-3 * max(1.0, float(np.abs(data.astype(float)).max())) if data.dtype.kind == "f" else 0
    )
    assert float(whole.min()) >= float(data.min()) - slack
    assert float(whole.max()) <= float(data.max()) + slack
    if scaling == "nearest":
        assert set(whole.ravel().tolist()) <= set(data.ravel().tolist())


@given(case=cases(), scaling=st.sampled_from(SCALINGS), value=st.integers(0, 127))
def test_a_constant_stays(case, scaling, value):
    data, coarse, _ = case
    flat = np.full(data.shape, value, data.dtype)
    whole = reduce_whole(flat, coarse, scaling)
    np.testing.assert_allclose(whole.astype(float), value, rtol=1e-6)


def test_mean_of_even_sizes_is_the_mean_of_eight():
    data = np.random.default_rng(0).integers(0, 60_000, (8, 10, 12), np.uint16)
    mean = np.rint(data.reshape(4, 2, 5, 2, 6, 2).mean((1, 3, 5)))
    np.testing.assert_array_equal(reduce_whole(data, (4, 5, 6), "mean"), mean)


def test_mean_of_odd_sizes_drops_nothing():
    data = np.array([0.0, 0, 0, 0, 100])
    np.testing.assert_allclose(reduce_whole(data, (2,), "mean"), [0, 40])
    assert reduce_whole(data, (2,), "mean").mean() == pytest.approx(data.mean())


@pytest.mark.parametrize(
    ("fine", "coarse"),
    [((16, 16), (8, 8)), ((129, 31), (64, 15)), ((7, 9, 11), (3, 4, 5)), ((20, 30), (5, 30))],
)
def test_linear_is_smoothing_then_interpolating(fine, coarse):
    ndimage = pytest.importorskip("scipy.ndimage")
    data = np.random.default_rng(1).normal(0, 1000, fine)
    factors = [n / m for n, m in zip(fine, coarse, strict=True)]
    smooth = ndimage.gaussian_filter(
        data, [f / 4 if f > 1 else 0 for f in factors], mode="mirror", truncate=4
    )
    centres = [f / 2 - 0.5 + f * np.arange(m) for f, m in zip(factors, coarse, strict=True)]
    expected = ndimage.map_coordinates(
        smooth, np.meshgrid(*centres, indexing="ij"), order=1, mode="mirror"
    )
    np.testing.assert_allclose(reduce_whole(data, coarse, "linear"), expected, atol=1e-9)


def test_linear_by_two_is_scikit_images_resize():
    transform = pytest.importorskip("skimage.transform")
    data = np.random.default_rng(1).normal(0, 1000, (16, 22, 8))
    resized = transform.resize(
        data, (8, 11, 4), order=1, mode="reflect", anti_aliasing=True, preserve_range=True
    )
    np.testing.assert_allclose(reduce_whole(data, (8, 11, 4), "linear"), resized, atol=1e-9)


def test_nearest_takes_the_odd_samples():
    data = np.arange(15)
    assert reduce_whole(data, (7,), "nearest").tolist() == [1, 3, 5, 7, 9, 11, 13]


def test_a_coarser_ramp_lies_where_it_says():
    """A ramp of coordinates keeps saying where its samples are."""
    axes = Axes.of("x", (129,), scale={"x": 0.5}, origin={"x": 7.0})
    ramp = 7.0 + 0.5 * np.arange(129)
    level = coarser(axes, (64,))
    there = level["x"].origin + level["x"].scale * np.arange(64)
    for scaling in ("linear", "mean"):
        inner = slice(2, -2)
        close = 1e-9 if scaling == "linear" else 0.005
        np.testing.assert_allclose(
            reduce_whole(ramp, (64,), scaling)[inner], there[inner], rtol=0, atol=close
        )


@pytest.mark.parametrize(
    ("keys", "shape", "scale", "shapes"),
    [
        ("yx", (100, 128), {}, [(100, 128)]),
        ("yx", (129, 20), {}, [(129, 20), (64, 10)]),
        ("czyx", (3, 10, 300, 99), {}, [(3, 10, 300, 99), (3, 10, 150, 49), (3, 10, 75, 24)]),
        ("zyx", (64, 300, 300), {"z": 4, "y": 1}, [(64, 300, 300), (64, 150, 150), (64, 75, 75)]),
        (
            "zyx",
            (300, 512, 8),
            {"z": 2},
            [(300, 512, 8), (300, 256, 8), (150, 128, 8), (75, 64, 8)],
        ),
        ("c", (5000,), {}, [(5000,)]),
        ("zyx", (1, 1, 1), {}, [(1, 1, 1)]),
    ],
)
def test_level_sizes(keys, shape, scale, shapes):
    levels = level_axes(Axes.of(keys, shape, scale=scale, unit="um"))
    assert [level.shape for level in levels] == shapes
    for level in levels:
        for axis in level:
            first = levels[0][axis.key]
            assert axis.scale * axis.size == pytest.approx(first.scale * first.size)


def test_how_levels_are_made():
    assert scaling_for("intensity") == "linear"
    assert scaling_for("probabilities", "mean") == "mean"
    assert scaling_for("labels") == "nearest"
    with pytest.raises(SettingsError, match="labels that are no objects"):
        scaling_for("labels", "mean")
    with pytest.raises(SettingsError, match="downscale 'cubic'"):
        scaling_for("intensity", "cubic")
