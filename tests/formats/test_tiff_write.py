"""What is written into TIFFs, and what is refused before anything is written."""

from __future__ import annotations

import subprocess
import sys
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fijibridge import formats
from fijibridge.errors import SettingsError, UnsupportedError
from fijibridge.formats import Location, WriteOptions, _blocks
from fijibridge.formats._luts import glasbey_lut
from fijibridge.formats._tiff.encode import java_double, needs_big_endian, rational
from fijibridge.model import Axes, Extra, Image, ImageSpec, LabelImage, Region

tifffile = pytest.importorskip("tifffile")


def create(path, spec, **options):
    fmt = formats.format_for_writing(Location.parse(path), "image")
    return fmt.create_image(Location.parse(path), spec, WriteOptions(**options))


@pytest.mark.parametrize(
    ("dtype", "axes", "shape", "match"),
    [
        ("float64", "yx", (4, 5), "cannot hold float64 pixels; it holds float32, int16, uint16"),
        ("uint32", "yx", (4, 5), "cannot hold uint32"),
        ("int64", "yx", (4, 5), "cannot hold int64"),
        ("complex64", "yx", (4, 5), "cannot hold complex64"),
        ("uint8", "zc", (4, 5), "without y or x"),
        ("uint8", "yx", (0, 5), "is empty"),
        ("uint8", "yx", (2**16, 2**16), "more than ImageJ can hold"),
    ],
)
def test_what_imagej_cannot_hold_is_refused(tmp_path, dtype, axes, shape, match):
    spec = ImageSpec(axes=Axes.of(axes, shape), dtype=np.dtype(dtype))
    with pytest.raises(UnsupportedError, match=match) as caught:
        create(tmp_path / "a.tif", spec)
    assert caught.value.hint or "empty" in match
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["plain tiff", "bigtiff", "ome-tiff"])
def test_what_no_tiff_holds_is_refused(tmp_path, name):
    fmt = next(f for f in formats.all_formats() if f.name == name)
    spec = ImageSpec(axes=Axes.of("yx", (4, 5)), dtype=np.dtype("complex64"))
    with pytest.raises(UnsupportedError, match="cannot hold complex64"):
        fmt.create_image(Location(tmp_path / "a.tif"), spec, WriteOptions())


def test_a_plain_tiff_of_more_than_4_gb_names_the_others(tmp_path):
    fmt = next(f for f in formats.all_formats() if f.name == "plain tiff")
    spec = ImageSpec(axes=Axes.of("zyx", (600, 4096, 4096)), dtype=np.dtype("uint8"))
    with pytest.raises(UnsupportedError, match=r"9\.4 GB.*bigtiff"):
        fmt.create_image(Location(tmp_path / "a.tif"), spec, WriteOptions())


def test_labels_beyond_2_24_name_what_holds_them(tmp_path):
    labels = LabelImage.from_array(np.array([[0, 2**24 + 1]]), "yx")
    with pytest.raises(UnsupportedError, match=r"16777217.*\.ome\.tif, \.h5 or \.ome\.zarr"):
        formats.write_labels(labels, tmp_path / "a.tif")
    sink = create(tmp_path / "a.tif", labels.spec)
    with pytest.raises(UnsupportedError, match="16777217"):
        sink.write(Region.whole(labels.shape), labels.data)
    sink.abort()
    assert list(tmp_path.iterdir()) == []
    formats.write_labels(labels, tmp_path / "a.ome.tif")
    assert formats.read_labels(tmp_path / "a.ome.tif").ids.tolist() == [2**24 + 1]


def test_labels_that_no_tiff_holds_are_refused(tmp_path):
    labels = LabelImage.from_array(np.array([[0, 2**32]]), "yx")
    with pytest.raises(UnsupportedError, match="4294967296"):
        formats.write_labels(labels, tmp_path / "a.ome.tif")
    spec = ImageSpec(axes=Axes.of("yx", (1, 2)), dtype=np.dtype("int32"), role="labels")
    sink = create(tmp_path / "a.tif", spec)
    with pytest.raises(SettingsError, match="0 or more; the block holds -1"):
        sink.write(Region((0, 0), (1, 2)), np.array([[0, -1]], np.int32))
    sink.abort()


@pytest.mark.parametrize(
    ("dtype", "top", "stored"),
    [
        ("uint8", 200, "uint8"),
        ("uint16", 200, "uint16"),
        ("uint32", 200, "uint16"),
        ("int64", 65535, "uint16"),
        ("uint32", 65536, "float32"),
        ("uint64", 2**24, "float32"),
    ],
)
def test_labels_take_the_type_they_need(tmp_path, dtype, top, stored):
    data = np.zeros((3, 300, 7), dtype)
    data[1, 200:, 3:] = top
    formats.write_labels(LabelImage.from_array(data, "zyx"), tmp_path / "a.tif")
    image = formats.read_image(tmp_path / "a.tif")
    assert image.dtype == stored
    np.testing.assert_array_equal(formats.read_labels(tmp_path / "a.tif").data, data)
    np.testing.assert_array_equal(image.spec.extra.luts[0], glasbey_lut())


def test_the_lut_is_a_switch(tmp_path):
    labels = LabelImage.from_array(np.arange(20).reshape(4, 5), "yx")
    formats.write_labels(labels, tmp_path / "a.tif", lut="none")
    extra = formats.read_image(tmp_path / "a.tif").spec.extra
    assert extra.luts == ()
    assert extra.display_ranges == ((0.0, 19.0),)
    with tifffile.TiffFile(tmp_path / "a.tif") as tif:
        assert tif.pages[0].photometric == 1


def test_glasbey_colours_are_far_apart():
    lut = glasbey_lut().astype(int)
    assert lut[0].tolist() == [0, 0, 0]
    assert len({tuple(c) for c in lut.tolist()}) == 256
    first = lut[:32]
    gaps = np.abs(first[:, None] - first[None]).sum(-1) + 999 * np.eye(32, dtype=int)
    assert gaps.min() > 60
    # the same on every computer
    assert lut[1:5].tolist() == [[0, 255, 0], [85, 0, 255], [255, 0, 0], [0, 255, 255]]


def test_the_description_is_what_imagej_writes(tmp_path):
    data = np.zeros((2, 3, 4, 5, 6), np.uint16)
    axes = Axes.of(
        "tzcyx",
        data.shape,
        scale={"x": 0.1625, "y": 0.1625, "z": 0.4, "t": 2.5},
        unit={"x": "um", "y": "um", "z": "um", "t": "s"},
        origin={"x": -0.325},
    )
    extra = Extra(display_ranges=((1.0, 2.0),) * 4, mode="composite")
    formats.write_image(Image.from_array(data, axes, extra=extra), tmp_path / "a.tif")
    with tifffile.TiffFile(tmp_path / "a.tif") as tif:
        text = tif.pages[0].description
        assert tif.is_imagej
        assert len(tif.pages) == 24
        assert tif.series[0].axes == "TZCYX"
        assert tif.pages[0].tags["XResolution"].value == (80, 13)
    assert text.splitlines() == [
        "ImageJ=1.54p",
        "images=24",
        "channels=4",
        "slices=3",
        "frames=2",
        "hyperstack=true",
        "mode=composite",
        "unit=\\u00B5m",
        "finterval=2.5",
        "spacing=0.4",
        "loop=false",
        "min=1.0",
        "max=2.0",
        "xorigin=2.0",
    ]


def test_display_ranges_are_found_while_blocks_come(tmp_path):
    data = np.zeros((2, 40, 50), np.float32)
    data[0, 3, 4], data[1, 30, 2], data[1, 0, 0], data[0, 0, 0] = -2, 7, np.nan, np.inf
    formats.write_image(Image.from_array(data, "cyx"), tmp_path / "a.tif")
    extra = formats.read_image(tmp_path / "a.tif").spec.extra
    assert extra.display_ranges == ((-2.0, 0.0), (0.0, 7.0))


@given(st.floats(1e-6, 1e6))
def test_pixel_sizes_come_back(scale):
    num, den = rational(scale)
    assert 0 < num < 2**32 > den > 0
    assert 1.0 / (num / den) == pytest.approx(scale, rel=1e-9)
    short = float(f"{scale:.6g}")
    num, den = rational(short)
    assert 1.0 / (num / den) == pytest.approx(short, rel=1e-12 if 1e-3 < scale < 1e3 else 1e-9)


def test_java_numbers():
    values = {
        0.0: "0.0",
        1e-3: "0.001",
        9.99e-4: "9.99E-4",
        1e7: "1.0E7",
        12345678.9: "1.23456789E7",
    }
    assert {v: java_double(v) for v in values} == values
    assert (java_double(np.nan), java_double(-np.inf)) == ("NaN", "-Infinity")


def test_texts_that_imagej_would_misread_are_written_big_endian(tmp_path):
    assert needs_big_endian(["☹"])
    assert not needs_big_endian(["µm and text"])
    data = np.arange(20, dtype=np.uint16).reshape(4, 5)
    for text, order in (("☹ 😀", b"MM"), ("µm", b"II")):
        path = tmp_path / f"{order.decode()}.tif"
        formats.write_image(Image.from_array(data, "yx", extra=Extra(info=text)), path)
        assert path.read_bytes()[:2] == order
        image = formats.read_image(path)
        assert image.spec.extra.info == text
        np.testing.assert_array_equal(image.data, data)


def test_channel_names_are_kept(tmp_path):
    data = np.zeros((2, 3, 4, 5), np.uint8)
    image = Image.from_array(data, "zcyx", extra=Extra(channel_names=("DAPI", "GFP", "µ")))
    for suffix in (".tif", ".ome.tif"):
        formats.write_image(image, tmp_path / f"a{suffix}")
        back = formats.read_image(tmp_path / f"a{suffix}")
        assert back.spec.extra.channel_names == ("DAPI", "GFP", "µ")


def test_stacks_beyond_4_gb_are_written_as_imagej_does(tmp_path, monkeypatch):
    """One directory, all planes behind it; the file is sparse, so the disk does not notice."""
    monkeypatch.setattr(_blocks, "reserve", lambda file, size: file.truncate(size))
    shape = (70, 8192, 8192)
    spec = ImageSpec(axes=Axes.of("zyx", shape), dtype=np.dtype("uint8"), name="big")
    path = tmp_path / "a.tif"
    sink = create(path, spec)
    last = np.full((1, 8, 8192), 77, np.uint8)
    sink.write(Region((69, 8184, 0), (70, 8192, 8192)), last)
    sink.commit()
    assert path.stat().st_size > 2**32
    source = formats.open_image(path)
    assert source.spec.shape == shape
    found = source.read(Region((69, 8180, 100), (70, 8192, 110)))
    assert found[0, :4].max() == 0
    assert found[0, 4:].min() == 77
    source.close()
    with tifffile.TiffFile(path) as tif:
        assert tif.series[0].shape == shape
        assert len(tif.pages) == 1


def test_a_full_disk_leaves_nothing(tmp_path):
    resource = pytest.importorskip("resource")
    assert resource
    code = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
import numpy as np
from fijibridge import formats
from fijibridge.errors import SettingsError
from fijibridge.model import Image
image = Image.from_array(np.zeros((3, 400, 500), np.uint8), "zyx")
small = Image.from_array(np.random.default_rng(1).integers(0, 255, (600, 700)).astype("u1"), "yx")
for name, value in (("a.tif", image), ("a.ome.tif", image), ("a.npy", image), ("a.png", small)):
    try:
        formats.write_image(value, f"{sys.argv[1]}/{name}")
    except SettingsError as error:
        assert "could not be written: File too large" in str(error), error
    else:
        raise AssertionError(name)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.iterdir()) == []


def test_threads_may_write_at_once(tmp_path):
    data = np.random.default_rng(2).integers(0, 60000, (8, 64, 64)).astype(np.uint16)
    spec = ImageSpec(axes=Axes.of("zyx", data.shape), dtype=data.dtype)
    sink = create(tmp_path / "a.tif", spec)

    def work(part):
        for z in range(part, 8, 4):
            for y in range(0, 64, 16):
                region = Region((z, y, 0), (z + 1, y + 16, 64))
                sink.write(region, data[region.slices])

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sink.commit()
    np.testing.assert_array_equal(formats.read_image(tmp_path / "a.tif").data, data)


def test_blocks_that_do_not_fit_are_refused(tmp_path):
    spec = ImageSpec(axes=Axes.of("yx", (4, 5)), dtype=np.dtype("uint8"))
    sink = create(tmp_path / "a.tif", spec)
    for region, shape in (
        (Region((0, 0), (5, 5)), (5, 5)),
        (Region((0,), (4,)), (4,)),
        (Region((0, 0), (4, 5)), (4, 4)),
    ):
        with pytest.raises(SettingsError, match="does not fit"):
            sink.write(region, np.zeros(shape, np.uint8))
    with pytest.raises(SettingsError, match="float64 pixels, the image uint8"):
        sink.write(Region((0, 0), (4, 5)), np.zeros((4, 5)))
    sink.abort()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", [".tif", ".ome.tif", ".png", ".npy"])
def test_a_place_inside_a_file_is_refused(tmp_path, suffix):
    spec = ImageSpec(axes=Axes.of("yx", (4, 5)), dtype=np.dtype("uint8"))
    where = Location(tmp_path / f"a{suffix}", "inside")
    fmt = formats.format_for_writing(where, "image")
    with pytest.raises(SettingsError):
        fmt.create_image(where, spec, WriteOptions())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("codec", ["zlib", "lzw", "zstd"])
@pytest.mark.parametrize("name", ["ome-tiff", "plain tiff"])
def test_codecs_of_tifffile_are_to_be_had(tmp_path, codec, name):
    data = np.zeros((3, 100, 100), np.uint16)
    data[1, 20:50] = 9
    image = Image.from_array(data, "zyx")
    path = tmp_path / "a.tif"
    formats.write_image(image, path, to=name, compression=codec)
    assert path.stat().st_size < data.nbytes / 4
    np.testing.assert_array_equal(formats.read_image(path).data, data)
    assert [p.name for p in tmp_path.iterdir()] == ["a.tif"]


def test_unknown_codecs_are_refused(tmp_path):
    image = Image.from_array(np.zeros((4, 5), np.uint8), "yx")
    with pytest.raises(UnsupportedError, match="cannot be compressed with 'nope'"):
        formats.write_image(image, tmp_path / "a.ome.tif", compression="nope")
    with pytest.raises(SettingsError, match="not compressed"):
        formats.write_image(image, tmp_path / "a.tif", compression="zlib")
    assert list(tmp_path.iterdir()) == []


def test_float16_is_widened(tmp_path):
    image = Image.from_array(np.array([[0.5, -2]], np.float16), "yx")
    formats.write_image(image, tmp_path / "a.tif")
    back = formats.read_image(tmp_path / "a.tif")
    assert back.dtype == np.float32
    assert back.data.tolist() == [[0.5, -2.0]]


def test_ome_metadata_is_read_by_tifffile(tmp_path):
    data = np.zeros((2, 3, 4, 5), np.uint8)
    axes = Axes.of("zcyx", data.shape, scale={"x": 0.2, "z": 1.5}, unit="um")
    formats.write_image(Image.from_array(data, axes, name="x<y"), tmp_path / "a.ome.tif")
    with tifffile.TiffFile(tmp_path / "a.ome.tif") as tif:
        assert tif.is_ome
        assert tif.series[0].axes == "ZCYX"
        found = tifffile.xml2dict(tif.ome_metadata)["OME"]["Image"]
    assert found["Name"] == "x<y"
    assert found["Pixels"]["PhysicalSizeX"] == 0.2
    assert found["Pixels"]["PhysicalSizeXUnit"] == "µm"
    assert found["Pixels"]["PhysicalSizeZ"] == 1.5


def test_infinite_pixels_are_outside_of_the_display_range(tmp_path):
    data = np.array([[np.inf, 3, -np.inf], [np.nan, 7, 5]], np.float32)
    path = tmp_path / "a.tif"
    formats.write_image(Image.from_array(data, "yx"), path)  # a warning would be an error here
    back = formats.read_image(path)
    assert np.array_equal(back.data, data, equal_nan=True)
    assert back.spec.extra.display_ranges == ((3.0, 7.0),)
