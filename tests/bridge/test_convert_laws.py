"""Laws of the border, on random values of every kind; and ImageJ's windows as a host."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fijibridge as fb
from fijibridge.bridge.convert import ImagePlusSource, from_imageplus, to_imageplus
from fijibridge.bridge.convert_objects import (
    roi_from_java,
    roi_to_java,
    table_from_java,
    table_to_java,
)
from fijibridge.bridge.host import ImageJHost
from fijibridge.model import Axes, Extra, Image, LabelImage, Region, ResultsTable, RoiSet
from formats.roi_cases import assert_same, rois

pytestmark = pytest.mark.imagej
SEEDS = st.integers(0, 2**32 - 1)


def pixels(seed, shape, dtype):
    """Random pixels of a type's whole range, NaN and infinities of floats too."""
    rng = np.random.default_rng(seed)
    width = shape[-1] * np.dtype(dtype).itemsize
    return rng.integers(0, 256, (*shape[:-1], width), np.uint8).view(dtype).reshape(shape)


@given(
    seed=SEEDS,
    channels=st.integers(2, 5),
    rest=st.sampled_from(["", "z", "t", "tz"]),
    dtype=st.sampled_from([np.uint8, np.uint16, np.float32]),
    mode=st.sampled_from(["composite", "color", "grayscale"]),
)
def test_composites(imagej, seed, channels, rest, dtype, mode):
    rng = np.random.default_rng(seed)
    keys = f"{rest}cyx"
    shape = (*(2,) * len(rest), channels, 3, 4)
    luts = tuple(rng.integers(0, 256, (256, 3)).astype(np.uint8) for _ in range(channels))
    ranges = tuple((float(i), float(i + rng.integers(1, 99))) for i in range(channels))
    image = Image.from_array(
        pixels(seed, shape, dtype), keys, extra=Extra(luts=luts, display_ranges=ranges, mode=mode)
    )
    plus = to_imageplus(image)
    assert int(plus.getNChannels()) == channels
    back = from_imageplus(plus)
    assert back.axes.keys == keys
    assert back.data.tobytes() == image.data.tobytes()
    assert back.spec.extra.mode == mode
    assert back.spec.extra.display_ranges == ranges
    for ours, theirs in zip(luts, back.spec.extra.luts, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@given(seed=SEEDS, rest=st.sampled_from(["", "z", "t", "tz"]))
def test_rgb(imagej, seed, rest):
    keys = f"{rest}yxc"
    image = Image.from_array(
        pixels(seed, (*(2,) * len(rest), 4, 5, 3), np.uint8), keys, extra=Extra(rgb=True)
    )
    back = from_imageplus(to_imageplus(image))
    assert back.spec.extra.rgb
    np.testing.assert_array_equal(back.reorder(keys).data, image.data)


@given(
    seed=SEEDS, top=st.sampled_from([1, 255, 65535, 2**24]), rest=st.sampled_from(["", "z", "t"])
)
def test_labels(imagej, seed, top, rest):
    rng = np.random.default_rng(seed)
    data = rng.integers(0, top + 1, (*(3,) * len(rest), 6, 7)).astype(np.uint32)
    labels = LabelImage.from_array(data, f"{rest}yx")
    back = from_imageplus(to_imageplus(labels), role="labels")
    assert isinstance(back, LabelImage)
    np.testing.assert_array_equal(back.data, data)


@given(roi=rois())
def test_rois_keep_their_record(imagej, roi):
    from fijibridge.formats.roi import decode_roi, encode_roi

    # ImageJ gives points the position of the image in front, where there is one
    imagej.java("ij.WindowManager").setTempCurrentImage(None)
    # strange keys have tests of their own, beside ImageJ's reader
    roi = replace(roi, properties={"key": "a value"} if roi.properties else {}, record=b"")
    java = roi_to_java(roi)
    if java is None:
        return  # ImageJ has no such ROI: none, or no points
    # what ImageJ wrote once, it and we keep for ever
    once = roi_from_java(java)
    again = roi_from_java(roi_to_java(once))
    assert encode_roi(again) == encode_roi(once)
    assert_same(decode_roi(encode_roi(once)), once)
    assert once.kind == roi.kind or roi.kind in ("none", "point")
    assert once.name == roi.name


cells = st.floats(allow_nan=True, allow_infinity=True, width=64)
texts = st.text(
    st.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters="\t"), max_size=8
)


@given(
    rows=st.lists(st.tuples(cells, texts, texts), min_size=1, max_size=6),
    scientific=st.booleans(),
    places=st.integers(0, 9),
)
def test_tables(imagej, rows, scientific, places):
    from fijibridge.model import TableStyle

    columns = {
        "Label": np.array([row[1] for row in rows], object),
        "Area": np.array([row[0] for row in rows]),
        "Type": np.array([f"{row[2]}x" for row in rows], object),
    }
    scientific = scientific and places > 0  # ImageJ has no minus 0
    style = TableStyle(precision=places, scientific=scientific, row_numbers=True)
    table = ResultsTable(columns, style=style)
    back = table_from_java(table_to_java(table))
    assert back.headings == table.headings
    np.testing.assert_array_equal(back["Area"], table["Area"])
    assert list(back["Label"]) == list(table["Label"])
    assert list(back["Type"]) == list(table["Type"])
    assert (back.style.precision, back.style.scientific) == (places, scientific)


@given(seed=SEEDS, data=st.data())
def test_virtual_stacks_are_read_by_the_plane_that_is_asked_for(imagej, tmp_path, seed, data):
    stack = pixels(seed, (6, 9, 8), np.uint16)
    path = tmp_path / "v.tif"
    fb.write_image(Image.from_array(stack, "zyx"), path, overwrite=True)
    plus = imagej.IJ.openVirtual(str(path))
    assert plus.getStack().isVirtual()
    source = ImagePlusSource(plus)
    spans = [sorted(data.draw(st.lists(st.integers(0, n), min_size=2, max_size=2, unique=True)))
             for n in stack.shape]  # fmt: skip
    region = Region(tuple(a for a, _ in spans), tuple(b for _, b in spans))
    wanted = stack[tuple(slice(a, b) for a, b in spans)]
    np.testing.assert_array_equal(source.read(region), wanted)


def test_the_windows_of_imagej_as_host(commanded):
    host = ImageJHost()
    assert (host.active_image(), host.selection(), host.threshold()) == (None, None, None)
    assert (host.rois(), host.results(), host.active_folder()) == (None, None, None)
    axes = Axes.of("zyx", (3, 20, 30), scale={"x": 0.5, "y": 0.5, "z": 2.0}, unit="um")
    data = np.arange(1800, dtype=np.uint16).reshape(3, 20, 30)
    plus = to_imageplus(Image.from_array(data, axes, name="active"))
    windows = commanded.java("ij.WindowManager")
    windows.setTempCurrentImage(plus)
    image = host.active_image()
    assert image.name == "active"
    assert image.axes["z"].scale == 2.0
    np.testing.assert_array_equal(image.data, data)
    plus.setRoi(3, 4, 10, 5)
    assert host.selection().bounds == (3.0, 4.0, 10.0, 5.0)
    assert len(host.rois()) == 1
    commanded.IJ.setRawThreshold(plus, 100, 900)
    assert host.threshold() == (100.0, 900.0)
    from fijibridge.model import Roi

    host.show_rois(RoiSet([Roi(kind="oval", bounds=(1, 1, 5, 5), name="one")]))
    host.show_rois(RoiSet([Roi(kind="oval", bounds=(2, 2, 5, 5), name="two")]))
    assert host.rois().names == ("one", "two")
    table = ResultsTable({"Area": np.array([1.0, 2.0])}, name="Results")
    host.show_table(table)
    host.show_table(ResultsTable({"Area": np.array([3.0]), "B": np.array([4.0])}, name="Results"))
    assert list(host.results()["Area"]) == [1.0, 2.0, 3.0]
    host.clear_results()
    assert host.results() is None
    labels = LabelImage.from_array(np.eye(4, dtype=np.uint8), "yx", name="l")
    host.show_image(labels)
    assert bool(host._plus().getProcessor().isColorLut())


def test_stacks_cross_at_the_speed_of_memory(imagej):
    """20 x 1024 x 1024 uint16: at most ten copies' worth of processor time, each way."""
    data = np.random.default_rng(0).integers(0, 65536, (20, 1024, 1024)).astype(np.uint16)
    image = Image.from_array(data, "zyx")
    plus = to_imageplus(image)

    def cost(work):
        """Return the least processor time of this thread, seconds."""
        times = []
        for _ in range(7):
            start = time.thread_time()
            work()
            times.append(time.thread_time() - start)
        return min(times)

    copy = cost(data.copy)
    there, back = cost(lambda: to_imageplus(image)), cost(lambda: from_imageplus(plus))
    assert there < 10 * copy + 0.01, (there, copy)
    assert back < 10 * copy + 0.01, (back, copy)
    assert max(there, back) < 0.48  # a tenth of what pyimagej's from_java took, 4.85 s
    np.testing.assert_array_equal(from_imageplus(plus).data, data)
