"""Kernels of Analyze Particles against independent witnesses."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fijibridge.measure._kernels.hulls import FERET_ROOM, feret_pairs, feret_small, hull
from fijibridge.measure._kernels.outlines import traced_perimeter
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


@pytest.mark.parametrize("dtype", [np.int16, np.int32])
@given(st.lists(st.integers(1, 3), min_size=2, max_size=60), st.integers(0, 5))
def test_perimeters_are_those_of_one_edge_after_the_other(dtype, steps, before):
    """ImageJ's rule, edge by edge: staircases of short and long steps, some edges before them."""
    x, y = [0], [0]
    for k, step in enumerate([*steps, *steps]):
        x.append(x[-1] + (step if k % 2 else 0))
        y.append(y[-1] + (0 if k % 2 else step))
    x, y = [9] * before + x, [7] * before + y
    n = len(x) - before
    total, corners, corner = [0, 0], 0, False
    for i in range(n):
        at, last = before + i, before + (i - 1) % n
        d = abs(x[at] - x[last]), abs(y[at] - y[last])
        total = [total[0] + d[0], total[1] + d[1]]
        corner = sum(d) > 1 or not corner
        corners += corner
    w, h = 0.5, 0.75
    wanted = total[0] * w + total[1] * h - corners * ((w + h) - math.sqrt(w * w + h * h))
    assert traced_perimeter(np.array(x, dtype), np.array(y, dtype), before, n, w, h) == wanted


@given(
    st.lists(st.tuples(st.integers(0, 60), st.integers(1, 60)), min_size=1, max_size=60),
    st.sampled_from([1.0, 0.37, 3.1]),
    st.data(),
)
def test_hulls_and_their_diameters(rows, scale, data):
    """Hulls are convex and hold all points; diameters are those of all pairs."""
    left = np.array([a for a, _ in rows] + [rows[-1][0]], np.int32)
    right = np.array([a + b for a, b in rows] + [sum(rows[-1])], np.int32)
    for gap in data.draw(st.sets(st.integers(1, max(1, len(rows) - 1)))):
        if gap < len(rows):
            left[gap], right[gap] = 1 << 28, -(1 << 28)
    height = len(rows)
    hx, hy = np.empty(2 * height + 2, np.int32), np.empty(2 * height + 2, np.int32)
    c = hull(left, right, height, hx, hy)
    x, y = hx[:c].astype(np.int64), hy[:c].astype(np.int64)
    assert (y[0], x[0]) == (0, left[0])
    ex, ey = np.roll(x, -1) - x, np.roll(y, -1) - y
    lines = np.flatnonzero(left <= right)
    for px, py in zip([*left[lines], *right[lines]], [*lines, *lines], strict=True):
        assert (ex * (int(py) - y) - ey * (int(px) - x) <= 0).all()
    assert (ex * np.roll(ey, -1) - ey * np.roll(ex, -1) < 0).all()
    if c <= 48:
        scratch = (np.empty(FERET_ROOM, np.float32) for _ in range(5))
        assert feret_small(hx, hy, c, scale, scale, *scratch) == feret_pairs(
            hx, hy, c, scale, scale
        )
