"""ImageJ 1.54p opens what we write, and we read what ImageJ writes."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fijibridge import formats
from fijibridge.model import Axes, Extra, Image, LabelImage, Position, Roi, RoiSet, Valuation

pytestmark = pytest.mark.imagej

TYPES = {8: np.uint8, 16: np.uint16, 32: np.float32}
UNITS = ("micrometer", "nanometer", "millimeter", "inch", "pixel", "furlong", "Å", "Ω=\\x")
TEXTS = st.text(
    st.characters(codec="utf-16", exclude_categories=("Cs",), exclude_characters="\0"), max_size=12
)
POSITIVE = st.sampled_from([1.0, 0.1625, 0.2, 3.0, 1 / 3, 0.0431, 12.5, 1e-3, 250.0])


def pixels(imp) -> np.ndarray:
    """All planes of an ImagePlus, (planes, y, x) or (planes, y, x, 3)."""
    stack = imp.getStack()
    out = []
    for i in range(1, stack.getSize() + 1):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            raw = np.array(memoryview(stack.getPixels(i)))
        if imp.getBitDepth() == 24:
            values = raw.view(np.uint32)
            plane = np.stack([values >> 16 & 255, values >> 8 & 255, values & 255], -1)
            plane = plane.astype(np.uint8)
        else:
            plane = raw.view(TYPES[imp.getBitDepth()])
        out.append(plane.reshape(imp.getHeight(), imp.getWidth(), *plane.shape[1:]))
    return np.array(out)


def planes(image: Image) -> np.ndarray:
    """All planes of an image in ImageJ's order."""
    keys = "tzyxc" if image.spec.extra.rgb else "tzcyx"
    data = image.reorder(keys).data
    return (
        data.reshape(-1, *data.shape[-3:])
        if image.spec.extra.rgb
        else data.reshape(-1, *data.shape[-2:])
    )


@st.composite
def images(draw):
    """Random calibrated images with everything that travels along."""
    kind = draw(st.sampled_from(["uint8", "uint16", "int16", "float32", "rgb"]))
    sizes = {k: draw(st.integers(1, 3)) for k in "tzc"} | {
        "y": draw(st.integers(1, 9)),
        "x": draw(st.integers(1, 9)),
    }
    if kind == "rgb":
        sizes["c"] = 3
    keys = "tzyxc" if kind == "rgb" else "tzcyx"
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    dtype = np.uint8 if kind == "rgb" else np.dtype(kind)
    shape = tuple(sizes[k] for k in keys)
    if dtype == np.float32:
        data = rng.normal(0, 100, shape).astype(dtype)
    else:
        info = np.iinfo(dtype)
        data = rng.integers(info.min, info.max, shape, dtype, endpoint=True)
    unit = draw(st.sampled_from(UNITS))
    scale = {k: draw(POSITIVE) for k in "xyz"}
    origin = {k: draw(st.sampled_from([0.0, -1.5, 2.0])) * scale[k] for k in "xyz"}
    time = {"t": draw(POSITIVE)} if draw(st.booleans()) else {}
    axes = Axes.of(
        keys,
        shape,
        scale={**scale, **time},
        unit={**dict.fromkeys("xyz", unit), **dict.fromkeys(time, "second")},
        origin=origin,
    )
    channels, count = sizes["c"] if kind != "rgb" else 1, int(np.prod(shape[:-2]))
    count = count if kind != "rgb" else sizes["t"] * sizes["z"]
    luts = ()
    if kind != "rgb" and draw(st.booleans()):
        luts = tuple(rng.integers(0, 256, (256, 3)).astype(np.uint8) for _ in range(channels))
    ranges = tuple((float(i), float(i) + 100.0) for i in range(1, channels + 1))
    valuation = None
    if kind in ("uint8", "uint16") and draw(st.booleans()):
        valuation = Valuation(function=0, coefficients=(2.5, -0.25), unit="µM")
    extra = Extra(
        info=draw(TEXTS),
        properties=draw(st.dictionaries(TEXTS.filter(bool), TEXTS.filter(bool), max_size=2)),
        slice_labels=tuple(draw(TEXTS) for _ in range(count)) if draw(st.booleans()) else (),
        display_ranges=ranges if kind != "rgb" and draw(st.booleans()) else (),
        luts=luts,
        rgb=kind == "rgb",
        mode=draw(st.sampled_from(["composite", "color", "grayscale"])),
        inverted_lut=kind == "uint8" and not luts and channels == 1 and draw(st.booleans()),
        overlay=RoiSet(
            [
                Roi(kind="rectangle", bounds=(1.0, 0.0, 2.0, 3.0), name="a", group=2),
                Roi(kind="oval", bounds=(0.0, 0.0, 4.0, 4.0), position=Position(c=1, z=1, t=1)),
            ]
        )
        if draw(st.booleans())
        else None,
        valuation=valuation,
        other={"inverty": True, "loop": True, "fps": 12.5} if draw(st.booleans()) else {},
    )
    return Image.from_array(data, axes, name="a.tif", extra=extra)


@settings(max_examples=pytest.count(40, 500))
@given(images())
def test_imagej_opens_what_we_write(imagej, tmp_path_factory, image):
    path = tmp_path_factory.getbasetemp() / "live.tif"
    formats.write_image(image, path, overwrite=True)
    imp = imagej.IJ.openImage(str(path))
    assert imp is not None
    axes, extra = image.axes, image.spec.extra
    channels = 1 if extra.rgb else axes.size("c")
    count = channels * axes.size("z") * axes.size("t")
    assert (imp.getNChannels(), imp.getNSlices(), imp.getNFrames()) == (
        (channels, axes.size("z"), axes.size("t")) if count > 1 else (1, 1, 1)
    )
    found = pixels(imp)
    expected = planes(image)
    if image.dtype == np.int16:
        expected = (expected.astype(np.int32) + 32768).astype(np.uint16)
    np.testing.assert_array_equal(found, expected)
    check_calibration(imp, image, count)
    check_extra(imagej, imp, image, count)
    # and what we read from our own file is what we wrote
    back = formats.read_image(path)
    np.testing.assert_array_equal(planes(back), planes(image))
    assert back.dtype == image.dtype
    assert back.spec.extra.info == extra.info
    assert dict(back.spec.extra.properties) == dict(extra.properties)
    assert back.spec.extra.display_ranges == extra.display_ranges or not extra.display_ranges


def check_calibration(imp, image, count):
    axes, cal = image.axes, imp.getCalibration()
    shown = {"micrometer": "µm", "nanometer": "nm", "millimeter": "mm"}
    unit = axes["x"].unit
    if all(axes[k].scale == 1.0 for k in "xyz") and unit == "pixel":
        return
    if unit == "inch" and axes["x"].scale == 1 / 72:
        return
    assert str(cal.getUnit()) == shown.get(unit, unit)
    assert cal.pixelWidth == pytest.approx(axes["x"].scale, rel=1e-14)
    assert cal.pixelHeight == pytest.approx(axes["y"].scale, rel=1e-14)
    if count > 1:
        assert cal.pixelDepth == axes["z"].scale
    for key, found in (("x", cal.xOrigin), ("y", cal.yOrigin), ("z", cal.zOrigin)):
        assert found == pytest.approx(-axes[key].origin / axes[key].scale, rel=1e-14)
    expected = axes["t"].scale if axes["t"].unit == "second" else 0.0
    assert cal.frameInterval == expected
    other = image.spec.extra.other
    assert bool(cal.getInvertY()) == bool(other.get("inverty"))
    if count > 1:
        assert cal.fps == other.get("fps", 0.0)
        assert bool(cal.loop) == bool(other.get("loop"))


def check_extra(imagej, imp, image, count):
    extra = image.spec.extra
    assert (imp.getInfoProperty() or "") == extra.info
    for key, value in extra.properties.items():
        assert str(imp.getProp(key)) == value
    if extra.slice_labels and count > 1:
        for i, label in enumerate(extra.slice_labels):
            assert (imp.getStack().getSliceLabel(i + 1) or "") == label
    channels = 1 if extra.rgb else image.axes.size("c")
    shift = 32768.0 if image.dtype == np.int16 else 0.0
    if channels > 1:
        assert imp.isComposite()
        assert str(imp.getModeAsString()) == extra.mode
        for c in range(channels):
            lut = imp.getChannelLut(c + 1)
            if extra.display_ranges:
                low, high = extra.display_ranges[c]
                assert (lut.min, lut.max) == (low + shift, high + shift)
            if extra.luts:
                raw = np.array(memoryview(lut.getBytes())).view(np.uint8)
                np.testing.assert_array_equal(raw.reshape(3, 256).T, extra.luts[c])
    elif not extra.rgb:
        ip = imp.getProcessor()
        if extra.display_ranges and image.dtype != np.uint8:
            low, high = extra.display_ranges[0]
            assert (ip.getMin(), ip.getMax()) == pytest.approx((low + shift, high + shift))
        assert bool(imp.isInvertedLut()) == extra.inverted_lut or extra.luts
        if extra.luts:
            lut = imp.getProcessor().getLut()
            raw = np.array(memoryview(lut.getBytes())).view(np.uint8)
            if image.dtype != np.uint8 or not extra.display_ranges:  # ImageJ stretches 8-bit LUTs
                np.testing.assert_array_equal(raw.reshape(3, 256).T, extra.luts[0])
    overlay = imp.getOverlay()
    if extra.overlay is None:
        assert overlay is None
    else:
        assert overlay.size() == 2
        assert str(overlay.get(0).getName()) == "a"
        assert overlay.get(0).getGroup() == 2
        box = overlay.get(1).getBounds()
        assert (box.x, box.y, box.width, box.height) == (0, 0, 4, 4)
        assert overlay.get(1).getCPosition() == 1
    if extra.valuation is not None:
        cal = imp.getCalibration()
        assert cal.getFunction() == 0
        assert tuple(cal.getCoefficients()) == extra.valuation.coefficients
        assert str(cal.getValueUnit()) == extra.valuation.unit


@pytest.mark.parametrize("top", [200, 60000, 70000, 2**24])
def test_label_images_look_as_fiji_shows_them(imagej, tmp_path, top):
    data = np.array([[0, 1, 2], [3, 255, top]], np.uint32)
    path = tmp_path / "labels.tif"
    axes = Axes.of("yx", data.shape, scale={"x": 0.5, "y": 0.5}, unit="um")
    formats.write_labels(LabelImage.from_array(data, axes), path)
    imp = imagej.IJ.openImage(str(path))
    assert imp.getBitDepth() == (16 if top <= 65535 else 32)
    np.testing.assert_array_equal(pixels(imp)[0], data)
    ip = imp.getProcessor()
    assert (ip.getMin(), ip.getMax()) == (0.0, 255.0)
    from fijibridge.formats._luts import glasbey_lut

    raw = np.array(memoryview(ip.getLut().getBytes())).view(np.uint8).reshape(3, 256).T
    np.testing.assert_array_equal(raw, glasbey_lut())
    assert raw[0].tolist() == [0, 0, 0]
    assert str(imp.getCalibration().getUnit()) == "µm"
    formats.write_labels(LabelImage.from_array(data, axes), path, overwrite=True, lut="none")
    ip = imagej.IJ.openImage(str(path)).getProcessor()
    assert ip.isDefaultLut()
    assert ip.getMax() == data.max()


def imagej_image(imagej, kind, sizes, rng):
    """A stack with random pixels, made by ImageJ."""
    width, height = sizes["x"], sizes["y"]
    stack = imagej.java("ij.ImageStack")(width, height)
    from jpype.types import JArray, JByte, JFloat, JInt, JShort

    made = []
    for _ in range(sizes["c"] * sizes["z"] * sizes["t"]):
        if kind == "8":
            data = rng.integers(0, 256, (height, width)).astype(np.uint8)
            stack.addSlice("", JArray(JByte)(data.view(np.int8).ravel()))
        elif kind == "16":
            data = rng.integers(0, 65536, (height, width)).astype(np.uint16)
            stack.addSlice("", JArray(JShort)(data.view(np.int16).ravel()))
        elif kind == "32":
            data = rng.normal(0, 10, (height, width)).astype(np.float32)
            stack.addSlice("", JArray(JFloat)(data.ravel()))
        else:
            data = rng.integers(0, 256, (height, width, 3)).astype(np.uint8)
            values = data.astype(np.int32)
            packed = (values[..., 0] << 16) | (values[..., 1] << 8) | values[..., 2]
            stack.addSlice("", JArray(JInt)(packed.astype(np.int32).ravel()))
        made.append(data)
    imp = imagej.java("ij.ImagePlus")("made.tif", stack)
    imp.setDimensions(sizes["c"], sizes["z"], sizes["t"])
    return imp, np.array(made)


@settings(max_examples=pytest.count(40, 500))
@given(
    st.sampled_from(["8", "16", "32", "rgb"]),
    st.fixed_dictionaries({k: st.integers(1, 3) for k in "czt"}),
    st.fixed_dictionaries({k: st.integers(1, 8) for k in "yx"}),
    POSITIVE,
    st.sampled_from(["um", "micron", "µm", "mm", "pixel", "cm", "nm", "inch", "a b"]),
    TEXTS,
    st.integers(0, 10**6),
    st.booleans(),
)
def test_we_read_what_imagej_writes(
    imagej, tmp_path_factory, kind, stack, plane, size, unit, text, seed, big
):
    rng = np.random.default_rng(seed)
    sizes = {**stack, **plane}
    if kind == "rgb":
        sizes["c"] = 1
    imp, made = imagej_image(imagej, kind, sizes, rng)
    count = sizes["c"] * sizes["z"] * sizes["t"]
    if sizes["c"] > 1:
        imp = imagej.java("ij.CompositeImage")(imp, 1)
    cal = imp.getCalibration()
    cal.pixelWidth, cal.pixelHeight, cal.pixelDepth = size, size * 2, size * 3
    cal.setUnit(unit)
    cal.xOrigin, cal.zOrigin, cal.frameInterval = 2.5, -1.0, 0.75
    if kind == "16" and count % 2:
        cal.setSigned16BitCalibration()
    imp.setProperty("Info", text or None)
    labels = [f"{text}{i}" for i in range(count)] if count > 1 else []
    for i, label in enumerate(labels):
        imp.getStack().setSliceLabel(label, i + 1)
    roi = imagej.java("ij.gui.OvalRoi")(1, 2, 3, 4)
    roi.setName("ring")
    imp.setOverlay(imagej.java("ij.gui.Overlay")(roi))
    imp.setProp("key", text or "x")
    prefs = imagej.java("ij.Prefs")
    was = prefs.intelByteOrder
    prefs.intelByteOrder = not big
    path = tmp_path_factory.getbasetemp() / "theirs.tif"
    try:
        saver = imagej.java("ij.io.FileSaver")(imp)
        assert saver.saveAsTiffStack(str(path)) if count > 1 else saver.saveAsTiff(str(path))
    finally:
        prefs.intelByteOrder = was
    image = formats.read_image(path)
    np.testing.assert_array_equal(planes(image), made)
    for key in "czt":
        if not (key == "c" and kind == "rgb"):
            assert image.axes.size(key) == sizes[key]
    reopened = imagej.IJ.openImage(str(path)).getCalibration()
    axes = image.axes
    # exactly what ImageJ makes of its own file
    assert axes["x"].scale == reopened.pixelWidth
    assert axes["y"].scale == reopened.pixelHeight
    from fijibridge.model.units import canonical_unit

    assert axes["x"].unit == canonical_unit(str(reopened.getUnit()).strip())
    assert axes["x"].origin == -2.5 * axes["x"].scale
    if "z" in axes:
        assert axes["z"].scale == reopened.pixelDepth
        assert axes["z"].origin == axes["z"].scale
    if "t" in axes:
        assert (axes["t"].scale, axes["t"].unit) == (0.75, "second")
    extra = image.spec.extra
    assert extra.info == text
    assert extra.properties["key"] == (text or "x")
    assert list(extra.slice_labels) == labels or not any(labels)
    assert extra.overlay.names == ("ring",)
    assert extra.overlay[0].kind == "oval"
    if kind == "16" and count % 2:
        assert extra.valuation.coefficients == (-32768.0, 1.0)
    if sizes["c"] > 1 and kind != "rgb":
        assert extra.mode == "composite"
        assert len(extra.display_ranges) == sizes["c"]


def test_imagej_reads_back_every_stack_kind_beyond_contiguous(imagej, tmp_path):
    for axes, dtype in itertools.product(("zyx", "czyx", "tyx"), ("uint8", "float32")):
        data = np.arange(3 * 2 * 4 * 5).reshape(3, 2, 4, 5)[: 3 if len(axes) == 4 else 2]
        data = (data if len(axes) == 4 else data[:, 0]).astype(dtype)
        path = tmp_path / f"{axes}{dtype}.ome.tif"
        formats.write_image(Image.from_array(data, axes), path)
        imp = imagej.IJ.openImage(str(path))
        expected = planes(Image.from_array(data, axes))
        np.testing.assert_array_equal(pixels(imp), expected)


def test_imagej_finds_planes_beyond_4_gb(imagej, tmp_path, monkeypatch):
    from fijibridge.formats import _blocks
    from fijibridge.model import ImageSpec, Region

    monkeypatch.setattr(_blocks, "reserve", lambda file, size: file.truncate(size))
    shape = (270, 4096, 4096)
    spec = ImageSpec(axes=Axes.of("zyx", shape), dtype=np.dtype("uint8"))
    path = formats.Location(tmp_path / "a.tif")
    sink = formats.format_for_writing(path, "image").create_image(
        path, spec, formats.WriteOptions()
    )
    sink.write(Region((269, 4000, 0), (270, 4096, 4096)), np.full((1, 96, 4096), 9, np.uint8))
    sink.commit()
    imp = imagej.java("ij.io.Opener")().openTiff(str(path), 270)
    found = pixels(imp)[0]
    assert found[4000:].min() == 9
    assert found[:4000].max() == 0


def test_48_bit_colours_of_imagej_are_read(imagej, tmp_path):
    rng = np.random.default_rng(1)
    imp, made = imagej_image(imagej, "16", {"c": 3, "z": 1, "t": 1, "y": 5, "x": 6}, rng)
    imp = imagej.java("ij.CompositeImage")(imp, 1)
    for i, label in enumerate(("Red", "Green", "Blue")):
        imp.getStack().setSliceLabel(label, i + 1)
    assert imagej.java("ij.io.FileSaver")(imp).saveAsTiffStack(str(tmp_path / "a.tif"))
    image = formats.read_image(tmp_path / "a.tif")
    assert image.axes.keys == "yxc"
    np.testing.assert_array_equal(image.reorder("cyx").data, made)
    formats.write_image(image, tmp_path / "b.tif")
    again = imagej.IJ.openImage(str(tmp_path / "b.tif"))
    np.testing.assert_array_equal(pixels(again), made)
    assert again.isComposite()


@pytest.mark.parametrize(
    ("suffix", "dtype"),
    [
        (".png", "uint8"),
        (".png", "uint16"),
        (".pgm", "uint8"),
        (".pgm", "uint16"),
        (".bmp", "uint8"),
    ],
)
def test_imagej_opens_our_pictures(imagej, tmp_path, suffix, dtype):
    data = (np.arange(63).reshape(7, 9) * (4 if dtype == "uint8" else 1000)).astype(dtype)
    path = tmp_path / f"a{suffix}"
    formats.write_image(Image.from_array(data, "yx"), path)
    imp = imagej.IJ.openImage(str(path))
    if imp.getBitDepth() == 24:  # ImageJ's BMP reader makes colours of greys
        imagej.java("ij.process.ImageConverter")(imp).convertToGray8()
    np.testing.assert_array_equal(pixels(imp)[0], data)


def test_we_read_pictures_of_imagej(imagej, tmp_path):
    rng = np.random.default_rng(4)
    for kind, suffixes in (
        ("8", ("png", "pgm", "bmp", "gif")),
        ("16", ("png",)),
        ("rgb", ("png", "bmp")),
    ):
        imp, made = imagej_image(imagej, kind, {"c": 1, "z": 1, "t": 1, "y": 5, "x": 6}, rng)
        for suffix in suffixes:
            path = tmp_path / f"{kind}.{suffix}"
            imagej.IJ.saveAs(imp, suffix, str(path))
            np.testing.assert_array_equal(formats.read_image(path).data, made[0], err_msg=suffix)


@pytest.mark.parametrize("top", [7, 70000])
def test_labels_that_imagej_saved_again_are_labels(imagej, tmp_path, top):
    labels = np.zeros((20, 30), np.uint32)
    labels[3:9, 4:8] = top
    formats.write_labels(LabelImage.from_array(labels, "yx"), tmp_path / "a.tif")
    imp = imagej.IJ.openImage(str(tmp_path / "a.tif"))
    imagej.IJ.saveAsTiff(imp, str(tmp_path / "b.tif"))
    assert formats.read_image(tmp_path / "b.tif").spec.role == "labels"
    assert list(formats.read_labels(tmp_path / "b.tif").ids) == [top]
