"""Pictures: the contract of the exact ones, refusals of the lossy ones, odd files."""

from __future__ import annotations

import contextlib
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow

from fijibridge import formats
from fijibridge.errors import FijiBridgeError, FormatError, SettingsError, UnsupportedError
from fijibridge.formats._raster.mark import label_mark
from fijibridge.model import Axes, Extra, Image, LabelImage
from formats.contract import ImageContract

iio = pytest.importorskip("imageio.v3")

SIZES = {"t": 1, "z": 1, "y": 13, "x": 17, "c": 3}


class TestPng(ImageContract):
    fmt = "png"
    suffix = ".png"
    dtypes = ("uint8", "uint16")
    label_dtypes = ("uint8", "uint16", "uint32", "int64")
    label_max = 65535
    axes_sets = ("yx", "yxc", "xy", "zyx", "cyx", "tzyxc")
    sizes = SIZES


class TestBmp(ImageContract):
    fmt = "bmp"
    suffix = ".bmp"
    dtypes = ("uint8",)
    label_dtypes = ("uint8", "int32")
    label_max = 255
    axes_sets = ("yx", "yxc", "cyx")
    sizes = SIZES


class TestPnm(ImageContract):
    fmt = "pnm"
    suffix = ".pgm"
    dtypes = ("uint8", "uint16")
    label_dtypes = ("uint8", "uint16", "int64")
    label_max = 65535
    axes_sets = ("yx", "xy")
    sizes = SIZES


def grey(dtype="uint8"):
    return Image.from_array(np.arange(20, dtype=dtype).reshape(4, 5), "yx")


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32"])
def test_labels_in_a_png_say_so(tmp_path, dtype):
    path = tmp_path / "a.png"
    formats.write_labels(
        LabelImage.from_array(np.arange(20, dtype=dtype).reshape(4, 5), "yx"), path
    )
    assert formats.open_image(path).spec.role == "labels"
    assert formats.open_image(path, role="intensity").spec.role == "intensity"
    formats.write_image(grey(), path, overwrite=True)
    assert formats.open_image(path).spec.role == "intensity"


def test_marks_that_are_none(tmp_path):
    path = tmp_path / "a.png"
    formats.write_labels(LabelImage.from_array(np.ones((4, 5), np.uint8), "yx"), path)
    data = path.read_bytes()
    at = data.find(b"tEXt") - 4
    for wrong in (
        data.replace(b"role=labels", b"role=label\0"),  # the checksum is Pillow's affair
        data[:at] + b"\xff\xff\xff\xff" + data[at + 4 :],
        data[: at + 9],
    ):
        path.write_bytes(wrong)
        with contextlib.suppress(FormatError):
            assert formats.open_image(path).spec.role == "intensity"
    # somebody made a colour picture of it
    info = label_mark()
    Pillow.fromarray(np.zeros((4, 5, 3), np.uint8)).save(path, pnginfo=info)
    assert formats.open_image(path).spec.role == "intensity"


@pytest.mark.parametrize("suffix", [".jpg", ".jpeg", ".gif"])
def test_lossy_formats_refuse_labels(tmp_path, suffix):
    labels = LabelImage.from_array(np.arange(20).reshape(4, 5), "yx")
    with pytest.raises(UnsupportedError, match="changes pixel values, so labels would be lost"):
        formats.write_labels(labels, tmp_path / f"a{suffix}")
    assert list(tmp_path.iterdir()) == []
    formats.write_image(grey(), tmp_path / f"a{suffix}")
    assert formats.read_image(tmp_path / f"a{suffix}").shape == (4, 5)


@pytest.mark.parametrize(
    ("image", "suffix", "match"),
    [
        (grey("float32"), ".png", "cannot hold float32"),
        (grey("uint16"), ".jpg", "cannot hold uint16"),
        (grey("uint16"), ".bmp", "cannot hold uint16"),
        (Image.from_array(np.zeros((3, 4, 5), np.uint8), "zyx"), ".png", "z of 3"),
        (Image.from_array(np.zeros((4, 5, 5), np.uint8), "yxc"), ".png", "c of 5"),
        (Image.from_array(np.zeros((0, 5), np.uint8), "yx"), ".png", "is empty"),
        (Image.from_array(np.zeros(5, np.uint8), "x"), ".png", "holds a plane"),
        (Image.from_array(np.zeros((1, 66000), np.uint8), "yx"), ".jpg", "at most 65500"),
        (grey(), ".pbm", "black and white only"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path, image, suffix, match):
    with pytest.raises(UnsupportedError, match=match):
        formats.write_image(image, tmp_path / f"a{suffix}")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("suffix", "top"), [(".png", 70000), (".bmp", 256), (".pgm", 70000)])
def test_labels_that_are_too_large_are_refused(tmp_path, suffix, top):
    labels = LabelImage.from_array(np.array([[0, top]]), "yx")
    with pytest.raises(UnsupportedError, match=f"label {top}"):
        formats.write_labels(labels, tmp_path / f"a{suffix}")
    fmt = formats.format_for_writing(formats.Location.parse(tmp_path / f"a{suffix}"), "image")
    sink = fmt.create_image(
        formats.Location.parse(tmp_path / f"a{suffix}"), labels.spec, formats.WriteOptions()
    )
    with pytest.raises(UnsupportedError, match=f"label {top}"):
        sink.write(formats.Region.whole(labels.shape), labels.data)
    with pytest.raises(SettingsError, match="0 or more"):
        sink.write(formats.Region.whole(labels.shape), -labels.data)
    sink.abort()


def test_png_keeps_a_microscope_s_pixel_size(tmp_path):
    data = np.zeros((4, 5), np.uint8)
    for size, unit, expected in ((0.1625, "um", 0.1625), (65.0, "nm", 0.065)):
        axes = Axes.of("yx", data.shape, scale={"x": size, "y": size}, unit=unit)
        formats.write_image(Image.from_array(data, axes), tmp_path / "a.png", overwrite=True)
        x = formats.read_image(tmp_path / "a.png").axes["x"]
        assert (x.scale, x.unit) == (pytest.approx(expected, rel=1e-6), "micrometer")
    Pillow.fromarray(data).save(tmp_path / "b.png", dpi=(96, 96))
    assert formats.read_image(tmp_path / "b.png").axes["x"].unit == "pixel"


def test_palettes_keep_their_indices(tmp_path):
    picture = Pillow.fromarray(np.array([[0, 1], [2, 1]], np.uint8), mode="P")
    picture.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0])
    picture.save(tmp_path / "a.png")
    image = formats.read_image(tmp_path / "a.png")
    assert image.data.tolist() == [[0, 1], [2, 1]]
    assert image.spec.extra.luts[0][1].tolist() == [255, 0, 0]
    assert formats.read_labels(tmp_path / "a.png").ids.tolist() == [1, 2]


def test_one_bit_pictures_are_0_and_255(tmp_path):
    data = np.eye(9, dtype=bool)
    Pillow.fromarray(data).save(tmp_path / "a.png")
    np.testing.assert_array_equal(formats.read_image(tmp_path / "a.png").data, data * 255)
    formats.write_image(Image.from_array(data, "yx"), tmp_path / "a.pbm")
    np.testing.assert_array_equal(formats.read_image(tmp_path / "a.pbm").data, data * 255)
    np.testing.assert_array_equal(iio.imread(tmp_path / "a.pbm", plugin="pillow") > 0, data)
    assert formats.read_labels(tmp_path / "a.pbm").ids.tolist() == [1]


def test_colours_are_colours(tmp_path):
    data = np.arange(60, dtype=np.uint8).reshape(4, 5, 3)
    for suffix in (".png", ".bmp", ".ppm", ".gif"):
        image = Image.from_array(data, "yxc", extra=Extra(rgb=True))
        formats.write_image(image, tmp_path / f"a{suffix}")
        back = formats.read_image(tmp_path / f"a{suffix}")
        if suffix != ".gif":
            assert back.spec.extra.rgb
            np.testing.assert_array_equal(back.data, data)


@pytest.mark.parametrize("channels", [2, 3, 4])
def test_16_bit_colour_pngs_keep_16_bits(tmp_path, channels):
    data = np.arange(4 * 5 * channels, dtype=np.uint16).reshape(4, 5, channels) * 1000
    formats.write_image(Image.from_array(data, "yxc"), tmp_path / "a.png")
    np.testing.assert_array_equal(formats.read_image(tmp_path / "a.png").data, data)


def test_animations_have_a_time_axis(tmp_path):
    frames = np.zeros((3, 8, 9, 3), np.uint8)
    frames[1, 2:4], frames[2, 5:] = 255, 128
    iio.imwrite(tmp_path / "a.gif", frames, plugin="pillow")
    image = formats.read_image(tmp_path / "a.gif")
    assert image.axes.keys == "tyxc"
    np.testing.assert_array_equal(image.data, frames)


PNM = {
    "P2 3 2 1000\n0 1 2\n3 500 1000\n": [[0, 1, 2], [3, 500, 1000]],
    "P2\n# made by hand\n3 1\n15\n0 7 15": [[0, 7, 15]],
    "P1\n4 1\n1010": [[0, 255, 0, 255]],
    "P3 1 1 255 1 2 3": [[[1, 2, 3]]],
}


@pytest.mark.parametrize("text", sorted(PNM))
def test_text_pnms_are_not_rescaled(tmp_path, text):
    (tmp_path / "a.pnm").write_text(text)
    assert formats.read_image(tmp_path / "a.pnm").data.tolist() == PNM[text]


def test_16_bit_pgms_agree_with_pillow(tmp_path):
    data = np.arange(20, dtype=np.uint16).reshape(4, 5) * 3000
    Pillow.fromarray(data).save(tmp_path / "a.pgm")
    np.testing.assert_array_equal(formats.read_image(tmp_path / "a.pgm").data, data)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"P5",
        b"P5 10 10 255\n123",
        b"P5 0 10 255\n123",
        b"P5 99999999999 10 255\n",
        b"P5 200000 200000 255\n" + b"1" * 900,
        b"P2 2 1 255\n1 x",
        b"P2 2 1 255\n1 99999999",
        b"P9 1 1",
    ],
)
def test_broken_pnms_are_format_errors(tmp_path, raw):
    (tmp_path / "a.pgm").write_bytes(raw)
    with pytest.raises(FormatError):
        formats.read_image(tmp_path / "a.pgm")


def test_a_png_header_of_40_gb_is_refused(tmp_path):
    formats.write_image(grey(), tmp_path / "a.png")
    raw = bytearray((tmp_path / "a.png").read_bytes())
    raw[16:24] = struct.pack(">II", 200_000, 200_000)
    import zlib

    raw[29:33] = struct.pack(">I", zlib.crc32(raw[12:29]))
    (tmp_path / "a.png").write_bytes(raw)
    with pytest.raises(FormatError):
        formats.read_image(tmp_path / "a.png")


def samples(folder):
    data = np.arange(60, dtype=np.uint8).reshape(4, 5, 3)
    out = {}
    for suffix in (".png", ".bmp", ".gif", ".jpg", ".ppm"):
        path = folder / f"a{suffix}"
        formats.write_image(Image.from_array(data, "yxc", extra=Extra(rgb=True)), path)
        out[suffix] = path.read_bytes()
    return out


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    return samples(tmp_path_factory.mktemp("pictures"))


@settings(max_examples=pytest.count(200, 4000))
@given(st.sampled_from([".png", ".bmp", ".gif", ".jpg", ".ppm"]), st.data())
def test_damaged_pictures_are_format_errors(tmp_path_factory, pictures, suffix, data):
    raw = bytearray(pictures[suffix])
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    raw = raw[: data.draw(st.integers(0, len(raw)))] if data.draw(st.booleans()) else raw
    path = tmp_path_factory.getbasetemp() / f"fuzz{suffix}"
    path.write_bytes(raw)
    with contextlib.suppress(FijiBridgeError):
        formats.read_image(path)


def test_describe_and_validate(tmp_path):
    formats.write_image(grey(), tmp_path / "a.jpg")
    where = formats.Location(tmp_path / "a.jpg")
    fmt = formats.format_for_reading(where, "image")
    assert fmt.describe(where)["axis_order"] == "yx"
    assert fmt.validate(where)[0].severity == "warning"
    (tmp_path / "a.jpg").write_bytes(b"\xff\xd8\xff" + b"\0" * 50)
    assert fmt.validate(where)[0].severity == "error"
    with pytest.raises(SettingsError, match="level"):
        formats.open_image(tmp_path / "a.jpg", level=2)
    with pytest.raises(SettingsError, match="nothing inside"):
        formats.open_image(formats.Location(tmp_path / "a.jpg", "x"))


def test_large_pngs_are_read(tmp_path, monkeypatch):
    from fijibridge.formats import raster

    monkeypatch.setattr(raster, "_PILLOW_LIMIT", 100)
    monkeypatch.setattr(Pillow, "MAX_IMAGE_PIXELS", 100)
    for dtype in ("uint8", "uint16"):
        data = np.arange(30 * 40, dtype=dtype).reshape(30, 40)
        formats.write_image(Image.from_array(data, "yx"), tmp_path / f"{dtype}.png")
        np.testing.assert_array_equal(formats.read_image(tmp_path / f"{dtype}.png").data, data)


@pytest.mark.parametrize("suffix", [".pgm", ".ppm", ".pnm"])
@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 3)])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_pnm_of_both_depths_and_colours(tmp_path, suffix, shape, dtype):
    from PIL import Image as Pillow

    data = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, shape, dtype)
    path = tmp_path / f"a{suffix}"
    formats.write_image(Image.from_array(data, "yxc"[: len(shape)]), path)
    found = formats.read_image(path)
    assert (found.dtype, found.shape) == (data.dtype, shape)
    np.testing.assert_array_equal(found.data, data)
    if dtype == "uint8":
        with Pillow.open(path) as other:
            np.testing.assert_array_equal(np.asarray(other), data)


def test_a_grey_gif_keeps_its_values(tmp_path):
    data = np.array([[7, 200], [9, 7]], np.uint8)
    formats.write_image(Image.from_array(data, "yx"), tmp_path / "a.gif")
    found = formats.read_image(tmp_path / "a.gif")
    np.testing.assert_array_equal(found.data, data)
    assert not found.spec.extra.luts
