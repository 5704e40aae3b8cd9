"""Laws of exports into every format: what is planned is found, and is numpy's answer."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from export.test_laws import expected
from fijibridge.errors import FijiBridgeError
from fijibridge.export.batch import plan_batch, run_item
from fijibridge.export.outputs import OUTPUTS, shelf_format
from fijibridge.export.settings import DTYPES, ExportSettings
from fijibridge.formats import open_image, read_image
from fijibridge.model import Axes, Image
from fijibridge.model.image import Level

#: DVID has tests of its own, with a server; PBM holds two values, JPEG none exactly.
FORMATS = sorted(set(OUTPUTS) - {"dvid", "pbm", "pbm sequence"})
_LONG = {"plane": 2, "tiff": 4, "volume": 3, "array": 4, "zarr": 4}


@st.composite
def cases(draw, name):
    """Draw an image that the format may hold, and settings."""
    output = OUTPUTS[name]
    long = _LONG[output.kind] + (1 if output.sequence and output.kind == "plane" else 0)
    if name == "nifti":
        long = 4
    keys = "".join(draw(st.permutations("tzyxc")))
    sized = draw(st.permutations("tzyx"))[:long] if not output.sequence else "tzyx"[-long:]
    low = 2 if output.sequence else 1
    channels = 1 if name.startswith("dicom") else draw(st.sampled_from((1, 1, 2, 3)))
    shape = tuple(
        channels if k == "c" else draw(st.integers(low, 6)) if k in sized else 1 for k in keys
    )
    held = sorted(shelf_format(output).dtypes & set(DTYPES)) or list(DTYPES)
    role = "labels" if name == "dicom seg" else draw(st.sampled_from(("intensity", "labels")))
    dtype = np.dtype(draw(st.sampled_from(held)))
    if role == "labels" and dtype.kind == "f":
        role = "intensity"
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    top = 2 if role == "labels" else 200
    data = rng.random(shape) * min(top * 60, np.iinfo(dtype).max if dtype.kind in "iu" else 900)
    scale = {"t": 3.0, "z": 2.0, "y": 0.5, "x": 0.25}
    axes = Axes.of(keys, shape, scale=scale, unit="um")
    start = [0 if n < 4 else draw(st.integers(0, 2)) for n in shape]
    order = "".join(draw(st.permutations(keys)))
    if output.sequence:  # its first long axis must leave a plane, and colours may not be it
        order = "tz" + order.replace("t", "").replace("z", "")
    chosen = {
        "output_format": name,
        "cutout_subregion": (start, shape),
        "output_axis_order": order,
        "export_dtype": None,
    }
    return Image.from_array(data.astype(dtype), axes, role=role), chosen


def found_on_disk(plan):
    """Return the whole image that was written, in the axes of a file, a sequence's axis first."""
    keys = plan.output.axes.keys
    named = {"axes": keys} if plan.format.name == "numpy" else {}
    images = [read_image(file, **named) for file in plan.files]
    for one in images:
        assert (one.axes.keys, one.shape, one.dtype) == (
            keys,
            plan.output.shape,
            plan.output.dtype,
        )
    if not plan.sequence_axis:
        return keys, images[0].data
    return plan.sequence_axis + keys, np.stack([one.data for one in images])


HELD = Counter()


@pytest.mark.parametrize("name", FORMATS)
def test_what_is_planned_is_found_and_is_numpys_answer(tmp_path_factory, name):
    @settings(max_examples=pytest.count(5, 200))
    @given(cases(name), st.integers(1, 2), st.sampled_from([1, 2000, 1 << 28]))
    def law(case, jobs, memory):
        image, chosen = case
        folder = tmp_path_factory.mktemp("f")
        pattern = str(folder / ("o_{slice_index}" if OUTPUTS[name].sequence else "o"))
        wanted = ExportSettings(**chosen, jobs=jobs, memory=memory, output_filename_format=pattern)
        (item,) = plan_batch([image], wanted)
        if item.error is not None:
            assert type(item.error).__name__ in ("UnsupportedError", "SettingsError"), item.error
            return
        try:
            done = run_item(item)
        except FijiBridgeError:
            # negative values, say, show up when they come; nothing is left then
            assert not [p for p in folder.rglob("*") if p.is_file()]
            return
        HELD[name] += 1
        plan = item.plan
        if "gif" in name and plan.output.axes.size("c") == 3:
            return  # colours are kept as a palette, and read as places in it
        assert sorted(done.files) == sorted(plan.files)
        keys, data = found_on_disk(plan)
        answer = expected(image, chosen)
        lossy = shelf_format(plan.format).lossy
        answer = (
            answer.data.reshape([answer.axes.size(k) for k in answer.axes.keys]),
            answer.axes.keys,
        )
        values = _in_order(*answer, keys, data.shape)
        if name.startswith(("jpeg", "jpg")):
            assert np.abs(data.astype(int) - values.astype(int)).max() <= 255
        elif lossy and "gif" not in name:
            np.testing.assert_allclose(data, values, rtol=0.01, atol=values.max() / 128)
        else:
            np.testing.assert_array_equal(data, values)

    law()


def _in_order(values, mine, keys, shape):
    """Return values in other axes: size-1 axes come and go, a plane may have other letters."""
    kept = [k for k in keys if k in mine]
    rest = [k for k in mine if k not in keys]
    moved = values.transpose([mine.index(k) for k in [*kept, *rest]])
    if all(values.shape[mine.index(k)] == 1 for k in rest):
        return moved.reshape(shape)
    # a plane of other axes is found as y and x: x is across wherever it is, else y, else z
    long = [k for k in "tzyx" if values.shape[mine.index(k)] != 1]
    first = keys[0] if len(keys) > 2 and keys[0] not in "yxc" else ""
    plane = [k for k in long if k != first]
    free = [k for k in "xyzt" if k not in long]
    chosen = [*plane, *free[: 2 - len(plane)]]
    order = [first] if first else []
    letters = dict(zip("yx", (k for k in "tzyx" if k in chosen), strict=True))
    order += [letters.get(k, k) for k in keys if k != first]
    others = [k for k in mine if k not in order]
    return values.transpose([mine.index(k) for k in [*order, *others]]).reshape(shape)


def test_the_law_is_about_most_formats():
    assert len([name for name in FORMATS if HELD[name]]) >= 0.8 * len(FORMATS) or not HELD


@settings(max_examples=pytest.count(15, 300))
@given(
    st.lists(st.integers(1, 300), min_size=2, max_size=3),
    st.sampled_from(["intensity", "labels"]),
    st.sampled_from([0.25, 0.5, 1.0, 3.0]),
    st.sampled_from(["", "ilastik"]),
    st.data(),
)
def test_the_levels_that_are_planned_are_found(tmp_path_factory, shape, role, depth, compat, data):
    keys = "zyx"[-len(shape) :]
    rng = np.random.default_rng(0)
    axes = Axes.of(keys, shape, scale={"z": depth, "y": 0.5, "x": 0.5}, unit="um")
    image = Image.from_array(rng.integers(0, 9, shape, np.uint8), axes, role=role)
    start = [data.draw(st.integers(0, n - 1)) for n in shape]
    more = ([0], [1]) if compat else ([], [])
    wanted = ExportSettings(
        output_format="multi-scale OME-Zarr",
        cutout_subregion=([*start, *more[0]], [*shape, *more[1]]),
        compat=compat,
        output_filename_format=str(tmp_path_factory.mktemp("z") / "o.zarr"),
    )
    (item,) = plan_batch([image], wanted)
    run_item(item)
    plan = item.plan
    found = open_image(plan.files[0], level=0).spec
    scales = found.scales or (Level("", found.axes),)
    assert [level.axes.shape for level in scales] == [one.shape for one in plan.levels]
    for mine, theirs in zip(scales, plan.levels, strict=True):
        assert [a.scale for a in mine.axes] == pytest.approx([a.scale for a in theirs])
        if not compat:
            assert [a.origin for a in mine.axes] == pytest.approx([a.origin for a in theirs])
    whole = read_image(plan.files[0], level=0)
    cut = image.data[tuple(slice(a, None) for a in start)]
    np.testing.assert_array_equal(whole.data.reshape(cut.shape), cut)
