"""Axes and regions: what they refuse, and the laws of reordering and cropping."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fijibridge.errors import SettingsError
from fijibridge.model import Axes, Axis, Region

KEYS = "tzyxc"


@st.composite
def axes(draw):
    keys = draw(st.permutations(KEYS))[: draw(st.integers(1, 5))]
    return Axes(
        tuple(
            Axis(
                k,
                draw(st.integers(0, 9)),
                draw(st.floats(0.01, 100)),
                draw(st.sampled_from(["um", "nm", "pixel", "furlong"])),
                draw(st.floats(-10, 10)),
            )
            for k in keys
        )
    )


@given(axes())
def test_keys_shape_and_places_agree(value):
    assert len(value) == len(value.keys) == len(value.shape) == len(list(value))
    for i, key in enumerate(value.keys):
        assert value.index(key) == i
        assert value[key] == value[i] == value.get(key)
        assert value.size(key) == value.shape[i]


@given(axes(), st.permutations(KEYS))
def test_reordering_there_and_back(value, order):
    there = value.reorder("".join(order))
    assert there.shape == tuple(value.size(k) for k in order)
    assert there.reorder(value.keys) == value


@given(axes(), st.data())
def test_a_crop_lies_where_it_was(value, data):
    start = tuple(data.draw(st.integers(0, n)) for n in value.shape)
    stop = tuple(data.draw(st.integers(a, n)) for a, n in zip(start, value.shape, strict=True))
    region = Region(start, stop)
    cropped = value.crop(region)
    assert cropped.shape == region.shape
    for old, new, a in zip(value, cropped, start, strict=True):
        assert new.origin == old.origin + a * old.scale
        assert (new.key, new.scale, new.unit) == (old.key, old.scale, old.unit)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=4))
def test_a_region_indexes_its_own_shape(bounds):
    start = tuple(min(b) for b in bounds)
    stop = tuple(max(b) for b in bounds)
    array = np.zeros((5,) * len(bounds))
    assert array[Region(start, stop).slices].shape == Region(start, stop).shape
    assert array[Region.whole(array.shape).slices].shape == array.shape


def test_units_are_translated():
    assert Axis("x", 3, unit="\u00b5m").unit == Axis("x", 3, unit="microns").unit == "micrometer"


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Axis("q", 3), "Axis 'q' is unknown. Allowed are t, z, y, x and c"),
        (lambda: Axis("", 3), "Axis '' is unknown"),
        (lambda: Axis("xy", 3), "Axis 'xy' is unknown"),
        (lambda: Axis("x", -1), "size -1; it cannot be < 0"),
        (lambda: Axis("x", 2.5), "size 2.5; it must be a whole number"),
        (lambda: Axis("x", 1, 0.0), "scale 0.0; it must be positive"),
        (lambda: Axis("x", 1, float("nan")), "scale nan"),
        (lambda: Axis("x", 1, float("inf")), "scale inf"),
        (lambda: Axes.of("yxx", (1, 2, 3)), "use a letter twice"),
        (lambda: Axes.of("yx", (1, 2, 3)), "name 2 axes, the data has 3"),
        (lambda: Axes.of("yx", (1, 2))["z"], "no axis 'z'; the axes are 'yx'"),
        (lambda: Region((1,), (2, 3)), "1 starts and 2 stops"),
        (lambda: Region((3,), (2,)), "not 0 <= start <= stop"),
        (lambda: Region((-1,), (2,)), "not 0 <= start <= stop"),
    ],
)
def test_what_is_refused(make, says):
    with pytest.raises(SettingsError, match=says):
        make()


def test_values_are_frozen():
    with pytest.raises(AttributeError):
        Axis("x", 3).size = 4
