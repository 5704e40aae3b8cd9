"""Radiance, Sun raster and VIFF: the contract, ImageMagick and OpenCV as witnesses, odd files."""

from __future__ import annotations

import contextlib
import shutil
import struct
import subprocess

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fijibridge import formats
from fijibridge.errors import FijiBridgeError, FormatError, SettingsError, UnsupportedError
from fijibridge.formats import Location
from fijibridge.model import Axes, Extra, Image, LabelImage
from formats.contract import ImageContract

SIZES = {"t": 1, "z": 1, "y": 13, "x": 17, "c": 3}


class TestSunRaster(ImageContract):
    fmt = "sun raster"
    suffix = ".ras"
    dtypes = ("uint8",)
    label_dtypes = ("uint8", "int32")
    label_max = 255
    axes_sets = ("yx", "yxc", "xy", "cyx", "tzyxc")
    sizes = SIZES


class TestViff(ImageContract):
    fmt = "viff"
    suffix = ".xv"
    dtypes = ("uint8", "int16", "int32", "float32", "float64")
    label_dtypes = ("uint8", "uint16", "int64")
    label_max = 2**31 - 1
    axes_sets = ("yx", "yxc", "xy", "cyx", "tzyxc")
    sizes = SIZES


class TestHdr(ImageContract):
    """With pixels that need no rounding: whole numbers up to 255."""

    fmt = "hdr"
    suffix = ".hdr"
    dtypes = ("float32",)
    label_dtypes = ()
    axes_sets = ("yx", "yxc", "xy", "cyx", "tzyxc")
    sizes = SIZES

    def image(self, axes, dtype, seed=1, **more):
        shape = tuple(self.sizes[k] for k in axes)
        data = np.random.default_rng(seed).integers(0, 256, shape).astype(dtype)
        return Image.from_array(data, Axes.of(axes, shape), name="a", **more)


def floats(shape, seed=4):
    rng = np.random.default_rng(seed)
    return (10.0 ** rng.uniform(-20, 20, shape)).astype(np.float32)


@pytest.mark.parametrize("width", [1, 7, 8, 128, 129, 300])
def test_hdr_rounds_to_the_nearest(tmp_path, width):
    data = floats((5, width, 3))
    formats.write_image(Image.from_array(data, "yxc"), tmp_path / "a.hdr")
    back = formats.read_image(tmp_path / "a.hdr").data
    step = 2.0 ** np.ceil(np.log2(data.max(axis=2, keepdims=True))) / 256
    assert (np.abs(back.astype(np.float64) - data) <= step * 0.5001).all()
    grey = data[..., 0]
    formats.write_image(Image.from_array(grey, "yx"), tmp_path / "b.hdr")
    image = formats.read_image(tmp_path / "b.hdr")
    assert image.axes.keys == "yx"
    np.testing.assert_allclose(image.data, grey, rtol=1 / 256)


@pytest.mark.parametrize("bad", [-1.0, np.nan, np.inf, 3e38])
def test_hdr_refuses_what_it_would_cut(tmp_path, bad):
    data = np.ones((4, 5), np.float32)
    data[2, 3] = bad
    with pytest.raises(UnsupportedError, match="Radiance picture holds"):
        formats.write_image(Image.from_array(data, "yx"), tmp_path / "a.hdr")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("image", "suffix", "match"),
    [
        (Image.from_array(np.zeros((4, 5), np.uint8), "yx"), ".hdr", "pixels to float32 first"),
        (Image.from_array(np.zeros((4, 5), np.uint16), "yx"), ".ras", "cannot hold uint16"),
        (Image.from_array(np.zeros((4, 5), np.uint16), "yx"), ".xv", "cannot hold uint16"),
        (Image.from_array(np.zeros((3, 4, 5), np.uint8), "zyx"), ".ras", "z of 3"),
        (Image.from_array(np.zeros((4, 5, 2), np.uint8), "yxc"), ".ras", "c of 2"),
        (LabelImage.from_array(np.ones((4, 5), int), "yx"), ".hdr", "labels would be lost"),
        (LabelImage.from_array(np.full((4, 5), 256), "yx"), ".ras", "label 256"),
        (LabelImage.from_array(np.full((4, 5), 2**31), "yx"), ".xv", "label 2147483648"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path, image, suffix, match):
    with pytest.raises(UnsupportedError, match=match):
        formats.write_image(image, tmp_path / f"a{suffix}")
    assert list(tmp_path.iterdir()) == []


# -------------------------------------------------------------------------------------- witnesses


@pytest.fixture(scope="session")
def magick():
    """ImageMagick: a function that takes the arguments of ``convert``."""
    command = shutil.which("magick") or shutil.which("convert")
    if command is not None:
        said = subprocess.run([command, "-version"], capture_output=True, text=True, check=False)
        if "ImageMagick" not in said.stdout:
            command = None
    if command is None:
        pytest.skip("ImageMagick is not installed (Debian: apt-get install imagemagick)")

    def convert(*words):
        subprocess.run([command, *map(str, words)], check=True, capture_output=True, timeout=60)

    return convert


def colours(shape=(13, 17, 3)):
    return np.random.default_rng(8).integers(0, 256, shape, np.uint8)


@pytest.mark.parametrize("suffix", [".ras", ".xv"])
@pytest.mark.parametrize("shape", [(13, 17), (13, 17, 3), (4, 8, 3)])
def test_imagemagick_reads_what_we_write(tmp_path, magick, suffix, shape):
    data = colours(shape)
    image = Image.from_array(data, "yxc"[: data.ndim], extra=Extra(rgb=data.ndim == 3))
    formats.write_image(image, tmp_path / f"a{suffix}")
    magick(tmp_path / f"a{suffix}", "-depth", "8", tmp_path / "a.ppm")
    found = formats.read_image(tmp_path / "a.ppm").data
    np.testing.assert_array_equal(found, data if data.ndim == 3 else data[..., None].repeat(3, 2))


@pytest.mark.parametrize("suffix", [".ras", ".xv"])
def test_we_read_what_imagemagick_writes(tmp_path, magick, suffix):
    data = colours()
    formats.write_image(Image.from_array(data, "yxc", extra=Extra(rgb=True)), tmp_path / "a.png")
    magick(tmp_path / "a.png", "-depth", "8", tmp_path / f"a{suffix}")
    image = formats.read_image(tmp_path / f"a{suffix}")
    assert image.spec.extra.rgb
    np.testing.assert_array_equal(image.data, data)


@pytest.mark.parametrize("packed", [True, False])
def test_opencv_and_imagemagick_agree_on_radiance(tmp_path, magick, packed):
    cv2 = pytest.importorskip("cv2")
    size = (40, 50, 3) if packed else (40, 5, 3)
    data = np.linspace(0, 255, int(np.prod(size))).astype(np.uint8).reshape(size)
    formats.write_image(Image.from_array(data, "yxc", extra=Extra(rgb=True)), tmp_path / "a.png")
    magick(tmp_path / "a.png", tmp_path / "a.hdr")
    seen = cv2.imread(str(tmp_path / "a.hdr"), cv2.IMREAD_UNCHANGED)[..., ::-1]
    np.testing.assert_array_equal(formats.read_image(tmp_path / "a.hdr").data, seen)


@pytest.mark.parametrize("width", [5, 8, 200])
def test_opencv_reads_our_radiance(tmp_path, width):
    cv2 = pytest.importorskip("cv2")
    data = floats((6, width, 3))
    formats.write_image(Image.from_array(data, "yxc"), tmp_path / "a.hdr")
    seen = cv2.imread(str(tmp_path / "a.hdr"), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(formats.read_image(tmp_path / "a.hdr").data, seen[..., ::-1])


def test_opencv_reads_our_sun_rasters(tmp_path):
    cv2 = pytest.importorskip("cv2")
    data = colours()
    formats.write_image(Image.from_array(data, "yxc"), tmp_path / "a.ras")
    seen = cv2.imread(str(tmp_path / "a.ras"), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(seen[..., ::-1], data)


# -------------------------------------------------------------------------------- files of others


def ras(width, height, depth, pixels, *, kind=1, palette=b""):
    head = (0x59A66A95, width, height, depth, len(pixels), kind, int(bool(palette)), len(palette))
    return struct.pack(">8I", *head) + palette + pixels


def read(path, raw):
    path.write_bytes(raw)
    return formats.read_image(path)


def test_sun_rasters_of_others(tmp_path):
    path = tmp_path / "a.ras"
    packed = bytes([1, 0x80, 2, 9, 0x80, 0, 7, 5, 0])
    found = read(path, ras(7, 1, 8, packed, kind=2)).data
    assert found.tolist() == [[1, 9, 9, 9, 128, 7, 5]]
    bits = ras(3, 2, 1, bytes([0b10100000, 0, 0b01000000, 0]))
    assert read(path, bits).data.tolist() == [[0, 255, 0], [255, 0, 255]]
    palette = bytes([0, 255, 0, 0, 0, 255])  # two of red, two of green, two of blue
    image = read(path, ras(2, 1, 8, b"\0\1", palette=palette))
    assert image.data.tolist() == [[0, 1]]
    assert image.spec.extra.luts[0][1].tolist() == [255, 0, 255]
    image = read(path, ras(2, 1, 1, bytes([0b01000000, 0]), palette=palette))
    assert image.data.tolist() == [[0, 1]]
    four = bytes([9, 3, 2, 1, 9, 6, 5, 4])
    assert read(path, ras(2, 1, 32, four)).data.tolist() == [[[1, 2, 3], [4, 5, 6]]]
    assert read(path, ras(2, 1, 32, four, kind=3)).data.tolist() == [[[3, 2, 1], [6, 5, 4]]]


def rgbe(size, pixels, *, lines=()):
    head = ["#?RGBE", *lines, "FORMAT=32-bit_rle_rgbe", "", size, ""]
    return "\n".join(head).encode() + pixels


def test_radiance_pictures_of_others(tmp_path):
    path = tmp_path / "a.hdr"
    a, b = bytes([128, 64, 0, 129]), bytes([0, 0, 128, 130])
    one, two = [1.0, 0.5, 0.0], [0.0, 0.0, 2.0]
    assert read(path, rgbe("-Y 1 +X 2", a + b)).data.tolist() == [[one, two]]
    assert read(path, rgbe("+Y 2 +X 1", a + b)).data.tolist() == [[two], [one]]
    assert read(path, rgbe("-Y 1 -X 2", a + b)).data.tolist() == [[two, one]]
    assert read(path, rgbe("+X 2 -Y 1", a + b)).data.tolist() == [[one, two]]
    repeated = rgbe("-Y 1 +X 4", a + bytes([1, 1, 1, 2]) + b)
    assert read(path, repeated).data.tolist() == [[one, one, one, two]]
    runs = bytes([2, 2, 0, 9]) + b"".join(bytes([128 + 9, v]) for v in a)
    assert read(path, rgbe("-Y 1 +X 9", runs, lines=["EXPOSURE=2"])).data.tolist() == [[one] * 9]
    assert read(path, rgbe("-Y 1 +X 1", bytes(4))).data.tolist() == [[[0.0, 0.0, 0.0]]]


def test_viff_pictures_in_little_endian_and_with_a_map(tmp_path):
    path = tmp_path / "a.xv"
    data = np.arange(20, dtype=np.int16).reshape(4, 5) - 7
    formats.write_image(Image.from_array(data, "yx"), path)
    raw = bytearray(path.read_bytes())
    raw[4] = 8
    numbers = np.frombuffer(raw[520:1024], ">u4").astype("<u4").tobytes()
    little = bytes(raw[:520]) + numbers + data.astype("<i2").tobytes()
    np.testing.assert_array_equal(read(path, little).data, data)
    mapped = bytearray(raw)
    mapped[4] = 2
    struct.pack_into(">4I", mapped, 572, 3, 1, 3, 2)
    raw = bytes(mapped[:1024]) + bytes(6) + bytes(mapped[1024:])
    np.testing.assert_array_equal(read(path, raw).data, data)


# ---------------------------------------------------------------------------------------- hostile


def changed(suffix, at, form, *values):
    def make(good):
        raw = bytearray(good[suffix])
        struct.pack_into(form, raw, at, *values)
        return bytes(raw)

    return suffix, make


BROKEN = {
    "ras empty": (".ras", lambda good: b""),
    "ras header only": (".ras", lambda good: good[".ras"][:20]),
    "ras cut": (".ras", lambda good: good[".ras"][:-1]),
    "ras 40 GB": changed(".ras", 4, ">2I", 200_000, 200_000),
    "ras nothing": changed(".ras", 4, ">I", 0),
    "ras 5 bits": changed(".ras", 12, ">I", 5),
    "ras kind 9": changed(".ras", 20, ">I", 9),
    "ras large palette": changed(".ras", 24, ">2I", 1, 2**31),
    "ras packed 40 GB": (".ras", lambda good: ras(200_000, 200_000, 8, b"123", kind=2)),
    "ras packed short": (".ras", lambda good: ras(100, 100, 8, b"\x80\x09", kind=2)),
    "xv empty": (".xv", lambda good: b""),
    "xv header only": (".xv", lambda good: good[".xv"][:700]),
    "xv cut": (".xv", lambda good: good[".xv"][:-1]),
    "xv 40 GB": changed(".xv", 520, ">2I", 200_000, 200_000),
    "xv nothing": changed(".xv", 560, ">I", 0),
    "xv complex": changed(".xv", 564, ">I", 6),
    "xv packed": changed(".xv", 568, ">I", 1),
    "xv vax": changed(".xv", 4, "B", 4),
    "xv map": changed(".xv", 572, ">4I", 1, 99, 9, 9),
    "xv large map": changed(".xv", 572, ">4I", 1, 1, 2**31, 2**31),
    "hdr empty": (".hdr", lambda good: b""),
    "hdr cut": (".hdr", lambda good: good[".hdr"][:-1]),
    "hdr no size": (".hdr", lambda good: b"#?RADIANCE\n\n-Y 3\n" + bytes(99)),
    "hdr same axis": (".hdr", lambda good: rgbe("-Y 3 +Y 3", bytes(36))),
    "hdr xyz": (".hdr", lambda good: good[".hdr"].replace(b"rle_rgbe", b"rle_xyze")),
    "hdr 40 GB": (".hdr", lambda good: rgbe("-Y 9 +X 900000000", bytes(99))),
    "hdr many lines": (".hdr", lambda good: rgbe("-Y 900000000 +X 1", bytes(99))),
    "hdr endless header": (".hdr", lambda good: b"#?RADIANCE\n" + b"a=b\n" * 30000),
    "hdr other length": (".hdr", lambda good: rgbe("-Y 1 +X 9", bytes([2, 2, 0, 8]) + bytes(99))),
    "hdr long run": (
        ".hdr",
        lambda good: rgbe("-Y 1 +X 9", bytes([2, 2, 0, 9, 255, 1]) + bytes(99)),
    ),
    "hdr run of none": (
        ".hdr",
        lambda good: rgbe("-Y 1 +X 9", bytes([2, 2, 0, 9, 0]) + bytes(99)),
    ),
    "hdr repeats nothing": (".hdr", lambda good: rgbe("-Y 1 +X 2", bytes([1, 1, 1, 2] * 2))),
}


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    out = {}
    for suffix in (".ras", ".xv", ".hdr"):
        data = colours().astype(np.float32 if suffix == ".hdr" else np.uint8)
        formats.write_image(Image.from_array(data, "yxc"), folder / f"a{suffix}")
        out[suffix] = (folder / f"a{suffix}").read_bytes()
    return out


@pytest.mark.parametrize("how", BROKEN)
def test_broken_files_are_format_errors(tmp_path, good, how):
    suffix, make = BROKEN[how]
    path = tmp_path / f"a{suffix}"
    path.write_bytes(make(good))
    with pytest.raises(FormatError):
        formats.read_image(path)
    fmt = formats.format_for_reading(Location(path), "image")
    assert fmt.validate(Location(path))[0].severity == "error"


@settings(max_examples=pytest.count(300, 6000))
@given(st.sampled_from([".ras", ".xv", ".hdr"]), st.data())
def test_damaged_files_are_format_errors(tmp_path_factory, good, suffix, data):
    raw = bytearray(good[suffix])
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    raw = raw[: data.draw(st.integers(0, len(raw)))] if data.draw(st.booleans()) else raw
    path = tmp_path_factory.getbasetemp() / f"own-fuzz{suffix}"
    path.write_bytes(raw)
    with contextlib.suppress(FijiBridgeError):
        formats.read_image(path)


@pytest.mark.parametrize("suffix", [".ras", ".xv", ".hdr"])
def test_describe_and_settings(tmp_path, good, suffix):
    path = tmp_path / f"a{suffix}"
    path.write_bytes(good[suffix])
    fmt = formats.format_for_reading(Location(path), "image")
    assert fmt.describe(Location(path))["axis_order"] == "yxc"
    assert [f.severity for f in fmt.validate(Location(path))] == ["warning"] * fmt.lossy
    with pytest.raises(SettingsError, match="one level only"):
        formats.open_image(path, level=3)
    with pytest.raises(SettingsError, match="nothing inside"):
        formats.open_image(Location(path, "x"))
    data = np.zeros((4, 5), np.float32 if suffix == ".hdr" else np.uint8)
    with pytest.raises(SettingsError, match="nothing inside"):
        formats.write_image(Image.from_array(data, "yx"), Location(path, "x"))
