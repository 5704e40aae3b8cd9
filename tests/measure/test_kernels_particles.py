"""Kernels of Analyze Particles against independent witnesses."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fijibridge.measure._kernels.trig import java_atan, java_atan2
from fijibridge.measure.tracing import band_limits, find_literally, find_particles, scan_rows


def particles(data, **kwargs):
    height, width = data.shape
    scan = scan_rows(
        height,
        width,
        lambda a, b: data[a:b],
        band_limits(data.dtype, 255, 255),
        step=kwargs.pop("step", height),
        threads=kwargs.get("threads") or 1,
    )
    return find_particles(scan, **kwargs)


def painted(found, shape):
    out = np.zeros(shape, np.int32)
    for p in range(len(found)):
        for i in range(found.start[p], found.start[p + 1]):
            assert not out[found.y[i], found.x0[i] : found.x1[i]].any()
            out[found.y[i], found.x0[i] : found.x1[i]] = p + 1
    return out


shapes = st.tuples(st.integers(1, 140), st.integers(1, 140))
noise = st.tuples(st.integers(0, 2**32 - 1), shapes, st.sampled_from([0.2, 0.4, 0.5, 0.6, 0.8]))


def binary(seed, shape, share):
    return ((np.random.default_rng(seed).random(shape) < share) * 255).astype(np.uint8)


@given(noise, st.booleans(), st.booleans(), st.integers(1, 5))
def test_components_are_scipys(case, four, include, threads):
    from scipy import ndimage

    data = binary(*case)
    wanted = data > 0
    near = ndimage.generate_binary_structure(2, 1 if four else 2)
    if include or four:
        # the background of 4-connected particles is 8-connected
        wanted = ndimage.binary_fill_holes(
            wanted, ndimage.generate_binary_structure(2, 2 if four else 1)
        )
    labels, count = ndimage.label(wanted, near)
    first = np.array([np.flatnonzero(labels == k)[0] for k in range(1, count + 1)], int)
    order = np.zeros(count + 1, int)
    order[1 + np.argsort(first)] = np.arange(1, count + 1)
    found = particles(
        data, four=four, include=include, composite=False, threads=threads, step=1 + case[0] % 40
    )
    assert np.array_equal(painted(found, data.shape), order[labels])


@given(noise, st.booleans(), st.booleans(), st.booleans())
def test_the_fast_way_is_the_literal_way(case, four, include, composite):
    data = binary(*case)
    fast = particles(data, four=four, include=include, composite=composite)
    slow = find_literally(
        data,
        (255.0, 255.0),
        fill=64,
        frame=(0, 0, data.shape[1], data.shape[0]),
        include=include,
        four=four,
        exclude=False,
        selection=None,
        only_first=False,
        composite=composite,
    )
    for name in ("start", "x0", "x1", "y", "box", "area"):
        assert np.array_equal(getattr(fast, name), getattr(slow, name)), name
    a, b = fast.loops, slow.loops
    assert np.array_equal(a.roi_start, b.roi_start)
    assert np.array_equal(a.kinds, b.kinds)
    assert np.array_equal(a.loop_size, b.loop_size)
    for k in range(len(a.loop_start)):
        i, j, n = a.loop_start[k], b.loop_start[k], a.loop_size[k]
        assert np.array_equal(a.x[i : i + n], b.x[j : j + n])
        assert np.array_equal(a.y[i : i + n], b.y[j : j + n])


@given(noise)
def test_loops_enclose_the_particle(case):
    data = binary(*case)
    found = particles(data, four=False, include=False, composite=True)
    loops = found.loops
    for p in range(len(found)):
        twice = 0
        for k in range(loops.roi_start[p], loops.roi_start[p + 1]):
            a, n = loops.loop_start[k], loops.loop_size[k]
            x, y = loops.x[a : a + n].astype(int), loops.y[a : a + n].astype(int)
            twice += int(np.sum(x * np.roll(y, -1) - y * np.roll(x, -1)))
        assert abs(twice) == 2 * found.area[p]


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
def test_angles_are_within_two_units_of_the_last_place(y, x):
    assert java_atan(y) == pytest.approx(math.atan(y), rel=5e-16, abs=0)
    assert java_atan2(y, x) == pytest.approx(math.atan2(y, x), rel=5e-16, abs=0)
    assert math.copysign(1, java_atan2(y, x)) == math.copysign(1, math.atan2(y, x))


@pytest.mark.imagej
@given(st.integers(0, 2**32 - 1))
def test_angles_are_javas(imagej, seed):
    java = imagej.java("java.lang.Math")
    rng = np.random.default_rng(seed)
    for y, x in rng.normal(size=(50, 2)) * 10.0 ** rng.integers(-4, 5, (50, 1)):
        assert java_atan(y) == java.atan(float(y))
        assert java_atan2(y, x) == java.atan2(float(y), float(x))


@pytest.mark.parametrize("n", [0, 1, 63, 64, 65, 128, 300])
def test_one_pixel_that_is_neither_black_nor_white_is_seen(n):
    from fijibridge.measure._kernels.runs import only_ends

    pixels = np.where(np.arange(n) % 3 == 0, 255, 0).astype(np.uint8)
    assert only_ends(pixels)
    for k in range(n):
        for value in (1, 128, 254):
            other = pixels.copy()
            other[k] = value
            assert not only_ends(other)
