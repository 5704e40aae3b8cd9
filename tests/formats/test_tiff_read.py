"""What TIFFs of other programs are read as: axes, calibration, tiles, levels, odd pixels."""

from __future__ import annotations

import numpy as np
import pytest

from fijibridge import formats
from fijibridge.errors import FormatError, SettingsError
from fijibridge.model import Axes, Extra, Image, Region, Roi, RoiSet

tifffile = pytest.importorskip("tifffile")
RNG = np.random.default_rng(7)
STACK = RNG.integers(0, 60000, (5, 33, 47)).astype(np.uint16)


def write(path, data, **options):
    tifffile.imwrite(path, data, **{"photometric": "minisblack", **options})
    return path


@pytest.mark.parametrize(
    "options",
    [
        {"rowsperstrip": 5},
        {"compression": "zlib"},
        {"compression": "lzw", "predictor": True, "rowsperstrip": 7},
        {"compression": "packbits"},
        {"compression": "zstd", "tile": (16, 32)},
        {"tile": (16, 16)},
        {"bigtiff": True},
        {"byteorder": ">"},
        {"byteorder": ">", "tile": (32, 16), "compression": "zlib"},
        {"ome": True, "metadata": {"axes": "ZYX"}},
        {"imagej": True, "metadata": {"axes": "ZYX"}},
        {"imagej": True, "compression": "zlib", "metadata": {"axes": "ZYX"}},
        {"metadata": None},
    ],
    ids=str,
)
def test_every_layout_gives_the_same_pixels(tmp_path, options):
    path = write(tmp_path / "a.tif", STACK, **options)
    source = formats.open_image(path)
    assert source.spec.axes.keys == "zyx"
    assert source.spec.dtype == np.uint16
    np.testing.assert_array_equal(source.read(Region.whole(STACK.shape)), STACK)
    region = Region((1, 3, 20), (4, 30, 47))
    np.testing.assert_array_equal(source.read(region), STACK[region.slices])
    source.close()


@pytest.mark.parametrize(
    ("data", "said"),
    [(b"", "is empty: it has 0 bytes"), (b"II*\0\x08", "truncated: it has 5 bytes")],
)
def test_hardly_any_bytes(tmp_path, data, said):
    path = tmp_path / "a.tif"
    path.write_bytes(data)
    with pytest.raises(FormatError, match=said) as caught:
        formats.read_image(path)
    assert "Copy the file again" in str(caught.value)


@pytest.mark.parametrize("dtype", ["uint32", "int32", "float64", "float16", "int8", "uint64"])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_every_number_type_is_read(tmp_path, dtype, compression):
    data = STACK.astype(dtype)
    path = write(tmp_path / "a.tif", data, compression=compression)
    image = formats.read_image(path)
    assert image.dtype == dtype
    np.testing.assert_array_equal(image.data, data)


def test_bits_are_0_and_255_or_labels(tmp_path):
    bits = STACK[0] % 2 == 0
    path = write(tmp_path / "a.tif", bits)
    np.testing.assert_array_equal(formats.read_image(path).data, bits * np.uint8(255))
    assert formats.read_labels(path).ids.tolist() == [1]
    path = write(tmp_path / "b.tif", bits, photometric="miniswhite")
    assert formats.read_image(path).spec.extra.inverted_lut


@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_colours_lie_last(tmp_path, planar, compression):
    data = RNG.integers(0, 255, (20, 30, 3)).astype(np.uint8)
    stored = data if planar == "contig" else data.transpose(2, 0, 1)
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, stored, photometric="rgb", planarconfig=planar, compression=compression)
    image = formats.read_image(path)
    assert image.axes.keys == "yxc"
    assert image.spec.extra.rgb
    np.testing.assert_array_equal(image.data, data)
    source = formats.open_image(path)
    region = Region((3, 4, 1), (9, 20, 3))
    np.testing.assert_array_equal(source.read(region), data[region.slices])


def test_rgba_has_four_channels(tmp_path):
    data = RNG.integers(0, 255, (20, 30, 4)).astype(np.uint8)
    write(tmp_path / "a.tif", data, photometric="rgb", extrasamples=["unassalpha"])
    image = formats.read_image(tmp_path / "a.tif")
    assert (image.axes.keys, image.spec.extra.rgb) == ("yxc", False)
    np.testing.assert_array_equal(image.data, data)


def test_unnamed_axes_are_guessed(tmp_path):
    for shape, keys in (((4, 5, 6), "zyx"), ((2, 4, 5, 6), "tzyx"), ((2, 3, 4, 5, 6), "tzcyx")):
        path = write(tmp_path / f"{keys}.tif", np.zeros(shape, np.uint16))
        assert formats.open_image(path).spec.axes.keys == keys
    path = write(tmp_path / "6.tif", np.zeros((2, 2, 2, 2, 4, 5), np.uint16))
    with pytest.raises(FormatError, match="at most t, z, y, x and c"):
        formats.open_image(path)


def test_axes_of_the_user_win(tmp_path):
    path = write(tmp_path / "a.tif", STACK)
    assert formats.open_image(path, axes="tyx").spec.axes.keys == "tyx"
    assert formats.open_image(path, axes="CYX").spec.axes.keys == "cyx"
    with pytest.raises(SettingsError, match=r"name 2 axes; the image has 3: z of size 5"):
        formats.open_image(path, axes="yx")


@pytest.mark.parametrize(
    ("unit", "name"),
    [
        ("\\u00B5m", "micrometer"),
        ("um", "micrometer"),
        ("micron", "micrometer"),
        ("microns", "micrometer"),
        ("\\u03BCm", "micrometer"),
        ("nm", "nanometer"),
        ("pixel", "pixel"),
        ("", "pixel"),
        ("fur\\u0020long", "fur long"),
    ],
)
def test_every_spelling_of_a_unit_is_understood(tmp_path, unit, name):
    text = f"ImageJ=1.54p\nimages=1\nunit={unit}\nspacing=0.4\n"
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, STACK[0], description=text, metadata=None, resolution=((5, 1), (4, 1)))
    axes = formats.open_image(path).spec.axes
    assert (axes["x"].unit, axes["x"].scale, axes["y"].scale) == (name, 0.2, 0.25)


@pytest.mark.parametrize("coding", ["utf-8", "latin-1"])
def test_units_that_were_not_escaped_are_understood(tmp_path, coding):
    path = tmp_path / "a.tif"
    text = "ImageJ=1.50\r\nunit=µm\r\n".encode(coding)
    tifffile.imwrite(
        path,
        STACK[0],
        metadata=None,
        resolution=((5, 1), (5, 1)),
        extratags=[(270, 2, 0, text, True)],
    )
    assert formats.open_image(path).spec.axes["x"].unit == "micrometer"


def test_resolutions_of_other_programs_are_read_as_imagej_does(tmp_path):
    cases = {
        ("CENTIMETER", 20000): ("micrometer", 0.5),
        ("CENTIMETER", 100): ("centimeter", 0.01),
        ("INCH", 300): ("inch", 1 / 300),
        ("INCH", 72): ("pixel", 1.0),
        ("NONE", 4): ("pixel", 0.25),
    }
    for (unit, number), expected in cases.items():
        path = tmp_path / "a.tif"
        tifffile.imwrite(path, STACK[0], resolution=(number, number), resolutionunit=unit)
        x = formats.open_image(path).spec.axes["x"]
        assert (x.unit, x.scale) == (expected[0], pytest.approx(expected[1], rel=1e-12))


def test_levels_are_read(tmp_path):
    base = STACK[0]
    with tifffile.TiffWriter(tmp_path / "a.ome.tif", ome=True) as tif:
        said = {"axes": "YX", "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.25}
        tif.write(base, subifds=2, tile=(16, 16), metadata=said)
        tif.write(base[::2, ::2], subfiletype=1, tile=(16, 16))
        tif.write(base[::4, ::4], subfiletype=1, tile=(16, 16))
    spec = formats.open_image(tmp_path / "a.ome.tif").spec
    assert [level.axes.shape for level in spec.scales] == [(33, 47), (17, 24), (9, 12)]
    assert [level.name for level in spec.scales] == ["0", "1", "2"]
    assert spec.axes["x"].unit == "micrometer"
    second = formats.read_image(tmp_path / "a.ome.tif", level=1)
    np.testing.assert_array_equal(second.data, base[::2, ::2])
    assert second.axes["x"].scale == pytest.approx(0.5 * 47 / 24)
    np.testing.assert_array_equal(
        formats.read_image(tmp_path / "a.ome.tif", level="2").data, base[::4, ::4]
    )
    with pytest.raises(SettingsError, match="its levels are 0 to 2"):
        formats.open_image(tmp_path / "a.ome.tif", level=3)


def test_the_overlay_is_an_roi_set(tmp_path):
    rois = RoiSet([Roi(kind="oval", bounds=(1.0, 2.0, 3.0, 4.0), name="ring")])
    image = Image.from_array(STACK, "zyx", extra=Extra(overlay=rois))
    formats.write_image(image, tmp_path / "a.tif")
    assert formats.read_rois(tmp_path / "a.tif").names == ("ring",)
    write(tmp_path / "b.tif", STACK)
    with pytest.raises(FormatError, match="no overlay"):
        formats.read_rois(tmp_path / "b.tif")


def test_pages_that_lie_apart_are_found(tmp_path):
    """A stack of ImageJ's that another program rewrote page by page."""
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as tif:
        for i, plane in enumerate(STACK):
            text = "ImageJ=1.54p\nimages=5\nframes=5\nloop=false\n" if i == 0 else None
            tif.write(plane, description=text, metadata=None, contiguous=False)
    image = formats.read_image(path)
    assert image.axes.keys == "tyx"
    np.testing.assert_array_equal(image.data, STACK)


def test_golden_images_are_read_as_tifffile_does(shared):
    paths = sorted((shared / "golden" / "imagej").glob("*/*.tif"))
    assert paths
    for path in paths:
        image = formats.read_image(path)
        assert image.name == path.name
        with tifffile.TiffFile(path) as tif:
            np.testing.assert_array_equal(
                image.data.squeeze(), tif.series[0].asarray().squeeze(), err_msg=str(path)
            )


def test_describe_and_validate(tmp_path):
    axes = Axes.of("zyx", STACK.shape, scale={"x": 0.5, "y": 0.5, "z": 2}, unit="um")
    formats.write_image(Image.from_array(STACK, axes), tmp_path / "a.tif")
    where = formats.Location(tmp_path / "a.tif")
    fmt = formats.format_for_reading(where, "image")
    assert fmt.name == "imagej tiff"
    found = fmt.describe(where)
    assert found["axes"]["z"] == {"size": 5, "scale": 2.0, "unit": "micrometer", "origin": 0.0}
    assert (found["format"], found["written_by"]) == ("ImageJ TIFF", "ImageJ 1.54p")
    assert fmt.validate(where) == []
    write(tmp_path / "b.tif", STACK.astype("f8"), bigtiff=True, tile=(16, 16), compression="zstd")
    where = formats.Location(tmp_path / "b.tif")
    fmt = formats.format_for_reading(where, "image")
    assert fmt.name == "bigtiff"
    text = " ".join(f.message for f in fmt.validate(where))
    for word in ("BigTIFF", "tiled", "zstd", "float64", "No pixel size"):
        assert word in text
    raw = (tmp_path / "a.tif").read_bytes()
    (tmp_path / "c.tif").write_bytes(raw[: len(raw) // 2])
    assert fmt.validate(formats.Location(tmp_path / "c.tif"))[0].severity == "error"


def test_a_path_inside_a_tiff_is_refused(tmp_path):
    write(tmp_path / "a.tif", STACK)
    with pytest.raises(SettingsError, match="nothing inside"):
        formats.open_image(formats.Location(tmp_path / "a.tif", "x"))


def test_a_closed_image_says_so(tmp_path):
    source = formats.open_image(write(tmp_path / "a.tif", STACK))
    source.close()
    with pytest.raises(FormatError, match="closed"):
        source.read(Region.whole(STACK.shape))


def test_sources_say_in_which_blocks_they_are_stored(tmp_path):
    path = write(tmp_path / "a.tif", STACK, tile=(16, 32), compression="zlib")
    assert formats.open_image(path).chunks == (1, 16, 32)
    colours = np.zeros((3, 64, 70), np.uint8)
    options = {"photometric": "rgb", "planarconfig": "separate"}
    path = write(tmp_path / "b.tif", colours, tile=(16, 32), compression="zlib", **options)
    assert formats.open_image(path).chunks == (16, 32, 1)
    path = write(tmp_path / "c.tif", STACK, rowsperstrip=10, compression="zlib")
    assert formats.open_image(path).chunks == (1, 10, 47)
