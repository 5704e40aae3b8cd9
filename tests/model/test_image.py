"""Images and label images: valid once they exist, read-only, reordered without loss."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fijibridge.errors import SettingsError
from fijibridge.model import Axes, Extra, Image, ImageSource, ImageSpec, LabelImage, Region


@st.composite
def images(draw):
    keys = "".join(draw(st.permutations("tzyxc")))[: draw(st.integers(2, 5))]
    shape = tuple(draw(st.integers(1, 4)) for _ in keys)
    data = np.arange(np.prod(shape), dtype=draw(st.sampled_from(["u1", "u2", "f4"])))
    return Image.from_array(data.reshape(shape), keys, name="n")


@given(images(), st.permutations("tzyxc"))
def test_reordering_there_and_back_is_the_identity(image, order):
    there = image.reorder("".join(order))
    assert there.shape == there.data.shape
    back = there.reorder(image.axes.keys)
    np.testing.assert_array_equal(back.data, image.data)
    assert back.spec == image.spec


@given(images(), st.data())
def test_a_region_is_what_slicing_gives(image, data):
    start = tuple(data.draw(st.integers(0, n)) for n in image.shape)
    stop = tuple(data.draw(st.integers(a, n)) for a, n in zip(start, image.shape, strict=True))
    region = Region(start, stop)
    np.testing.assert_array_equal(image.read(region), image.data[region.slices])
    assert isinstance(image, ImageSource)


def test_data_cannot_be_changed_and_costs_no_copy():
    array = np.zeros((3, 4), np.uint8)
    image = Image.from_array(array, "yx")
    assert np.shares_memory(image.data, array)
    with pytest.raises(ValueError, match="read-only"):
        image.data[0, 0] = 1
    assert np.asarray(image).shape == (3, 4)
    assert image.spec.nbytes == 12


def test_bool_becomes_black_and_white_or_labels():
    mask = np.array([[True, False]])
    assert Image.from_array(mask, "yx").data.tolist() == [[255, 0]]
    assert LabelImage.from_array(mask, "yx").data.tolist() == [[1, 0]]


def test_only_axes_of_one_sample_are_dropped():
    image = Image.from_array(np.zeros((1, 2, 3), np.uint8), "zyx")
    assert image.reorder("xy").shape == (3, 2)
    with pytest.raises(SettingsError, match="leave out y of size 2"):
        image.reorder("zx")


@pytest.mark.parametrize("keys", ["yyx", "yxq", "yxx"])
def test_reordering_to_axes_that_are_none(keys):
    with pytest.raises(SettingsError, match=r"use a letter twice|Axis 'q' is unknown"):
        Image.from_array(np.zeros((2, 3), np.uint8), "yx").reorder(keys)


def test_shapes_and_roles_are_checked():
    axes = Axes.of("yx", (2, 3))
    with pytest.raises(SettingsError, match=r"the shape \(3, 2\), its axes 'yx' say \(2, 3\)"):
        Image(np.zeros((3, 2)), ImageSpec(axes=axes, dtype=np.dtype("f8")))
    with pytest.raises(SettingsError, match="role 'mask' is unknown"):
        ImageSpec(axes=axes, dtype=np.dtype("u1"), role="mask")


def test_label_ids_leave_the_background_out():
    assert LabelImage.from_array([[1, 1], [5, 1]], "yx").ids.tolist() == [1, 5]
    assert LabelImage.from_array(np.zeros((0, 3), np.uint8), "yx").ids.tolist() == []


@pytest.mark.parametrize(
    ("largest", "kind"), [(3.0, "u4"), (2.0**32, "u8"), (2.0**53, "u8"), (-0.0, "u4")]
)
def test_whole_floats_become_labels(largest, kind):
    labels = LabelImage.from_array(np.array([[0.0, largest]]), "yx")
    assert labels.dtype == np.dtype(kind)
    assert labels.data.tolist() == [[0, int(largest)]]


@pytest.mark.parametrize(
    ("array", "keys", "says"),
    [
        (np.array([[0.5]]), "yx", "whole numbers; the array holds 0.5"),
        (np.array([[np.nan]]), "yx", "whole numbers; the array holds nan"),
        (np.array([[np.inf]]), "yx", "whole numbers; the array holds inf"),
        (np.array([[1e30]]), "yx", r"up to 18446744073709551615; the array holds 1e\+30"),
        (np.array([[-2.0]]), "yx", "0 or more; the array holds -2"),
        (np.array([[-2]]), "yx", "0 or more; the array holds -2"),
        (np.array([[1 + 2j]]), "yx", "must be integers; the array is complex"),
        (np.zeros((1, 2, 2), np.uint8), "cyx", "no channel axis; the axes are 'cyx'"),
    ],
)
def test_what_no_label_image_is(array, keys, says):
    with pytest.raises(SettingsError, match=says):
        LabelImage.from_array(array, keys)


def test_a_label_image_has_the_role_labels():
    image = Image.from_array(np.zeros((2, 2), np.uint8), "yx")
    with pytest.raises(SettingsError, match="has the role 'labels', not 'intensity'"):
        LabelImage(image.data, image.spec)


def test_label_images_are_reordered_with_and_without_channels():
    labels = LabelImage.from_array(np.ones((2, 3), np.uint8), "yx")
    assert type(labels.reorder("zxy")) is LabelImage
    looked = labels.reorder("tzcyx")
    assert type(looked) is Image
    assert looked.spec.role == "labels"


def test_images_show_themselves():
    rng = np.random.default_rng(1)
    for data, keys, extra in (
        (rng.random((300, 400)).astype(np.float32), "yx", None),
        (np.full((5, 6), np.nan, np.float32), "yx", None),
        (rng.integers(0, 9, (2, 3, 4, 5)).astype(np.uint16), "tzyx", None),
        (rng.integers(0, 9, (4, 5, 3)).astype(np.uint8), "yxc", Extra(rgb=True)),
        (rng.integers(0, 9, (3, 4, 5)).astype(np.uint8), "cyx", Extra(rgb=True)),
    ):
        shown = Image.from_array(data, keys, name="<a & b>", extra=extra)._repr_html_()
        assert "data:image/png;base64," in shown
        assert "&lt;a &amp; b&gt;" in shown
    axes = Axes.of("yx", (4, 5), scale={"x": 0.25}, unit="um")
    shown = LabelImage.from_array(rng.integers(0, 3, (4, 5)), axes)._repr_html_()
    assert "0.25 micrometer a pixel" in shown
    assert "2 labels" in shown
    assert "<img" not in Image.from_array(np.zeros((0, 4)), "yx")._repr_html_()
    assert "<img" not in Image.from_array(np.zeros((3, 4)), "zc")._repr_html_()


def test_thumbnails_are_png_files():
    import io

    import imageio.v3 as iio

    from fijibridge.model._html import png_bytes

    rgb = np.random.default_rng(2).integers(0, 256, (7, 9, 3)).astype(np.uint8)
    np.testing.assert_array_equal(iio.imread(io.BytesIO(png_bytes(rgb))), rgb)


def test_images_are_short_in_print():
    image = Image.from_array(np.zeros((3, 4), np.uint8), "yx", name="a")
    assert repr(image) == "Image('a', yx 3x4 uint8)"
    assert repr(LabelImage.from_array([[1]], "yx")) == "LabelImage('', yx 1x1 int64)"
    lut = np.zeros((256, 3), np.uint8)
    extra = Extra(luts=(lut, lut), rgb=True, drange=(0.0, 1.0), properties={"a": "b"})
    assert repr(extra) == "Extra(properties={'a': 'b'}, luts=<2>, rgb=True, drange=(0.0, 1.0))"
    assert repr(Extra()) == "Extra()"
