"""Laws of the export engine, for random images and settings."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fijibridge.errors import FijiBridgeError
from fijibridge.export.batch import plan_batch, plan_one, run_item
from fijibridge.export.execute import blocks
from fijibridge.export.settings import ExportSettings
from fijibridge.export.steps import Tally, apply_all, describe_all, pull_all
from fijibridge.formats import read_image
from fijibridge.model import Axes, Image, Region

DTYPES = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64")


@st.composite
def exports(draw, formats=("hdf5",)):
    keys = "".join(draw(st.permutations("tzyxc"))[: draw(st.integers(2, 5))])
    shape = tuple(draw(st.integers(1, 6)) for _ in keys)
    dtype = np.dtype(draw(st.sampled_from(DTYPES)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    if dtype.kind == "f":
        data = (rng.normal(size=shape) * 10.0 ** rng.integers(-2, 11)).astype(dtype)
        data[rng.random(shape) < 0.05] = np.nan
    else:
        info = np.iinfo(dtype)
        data = rng.integers(info.min, info.max, shape, dtype, endpoint=True)
    axes = Axes.of(keys, shape, scale=dict.fromkeys(keys, 0.5), unit="um")
    start = [draw(st.integers(0, n - 1)) for n in shape]
    stop = [draw(st.integers(a + 1, n)) for a, n in zip(start, shape, strict=True)]
    kept = [k for k, a, b in zip(keys, start, stop, strict=True) if b - a > 1]
    more = draw(st.sets(st.sampled_from("tzyxc")))
    order = "".join(draw(st.permutations(sorted(set(kept) | more | {"x"}))))
    chosen = {
        "output_format": draw(st.sampled_from(formats)),
        "cutout_subregion": (start, stop),
        "output_axis_order": order,
        "export_dtype": draw(st.sampled_from((None, *DTYPES))),
    }
    if draw(st.booleans()):
        chosen["pipeline_result_drange"] = draw(st.sampled_from([(0, 100), (0.0, 1.0), (-5, 7)]))
        chosen["export_drange"] = draw(st.sampled_from([(0, 255), (0.0, 1.0), (255, 0)]))
    return Image.from_array(data, axes), chosen


@settings(max_examples=pytest.count(60, 2000))
@given(exports(), st.booleans(), st.data())
def test_block_wise_is_whole(tmp_path_factory, case, exact, data):
    image, chosen = case
    wanted = ExportSettings(**chosen, compat="ilastik" if exact else "", jobs=1)
    if exact and "c" not in image.axes:
        image = image.reorder(image.axes.keys + "c")
        start, stop = chosen["cutout_subregion"]
        chosen["cutout_subregion"] = ([*start, 0], [*stop, 1])
        wanted = ExportSettings(**chosen, compat="ilastik", jobs=1)
    plan = plan_one(image, wanted)
    steps = (*plan.steps, *plan.fit)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        whole = apply_all(
            steps, image.read(pull_all(steps, Region.whole(plan.output.shape))), Tally()
        )
        block = [data.draw(st.integers(1, n)) for n in plan.output.shape]
        made = np.zeros(plan.output.shape, plan.output.dtype)
        for region in blocks(plan.output.shape, block):
            made[region.slices] = apply_all(steps, image.read(pull_all(steps, region)), Tally())
    assert whole.shape == plan.output.shape == describe_all(steps, image.spec).shape
    assert whole.dtype == plan.output.dtype
    np.testing.assert_array_equal(made, whole)


def expected(image, chosen):
    """The answer of plain numpy."""
    start, stop = chosen["cutout_subregion"]
    data = image.data[tuple(map(slice, start, stop))]
    dtype = np.dtype(chosen["export_dtype"] or image.dtype)
    if "export_drange" in chosen:
        (a, b), (c, d) = chosen["pipeline_result_drange"], chosen["export_drange"]
        data = (data.astype(np.float64) - a) * (float(d) - c) / (float(b) - a) + c
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        if data.dtype.kind == "f":
            data = np.rint(np.nan_to_num(data.astype(np.float64), nan=0))
        data = np.clip(data.astype(object), info.min, info.max).astype(dtype)
    else:
        with np.errstate(over="ignore"):
            cast = data.astype(dtype)
        lost = np.isinf(cast) & ~np.isinf(data)
        data = np.where(lost, np.sign(data) * np.finfo(dtype).max, cast).astype(dtype)
    keys = image.axes.keys
    order = chosen["output_axis_order"]
    part = Image.from_array(data, keys)
    return part.reorder(order)


FORMATS = ("hdf5", "compressed hdf5", "numpy", "multipage tiff", "imagej tiff")


@settings(max_examples=pytest.count(60, 2000))
@given(exports(FORMATS), st.integers(1, 3), st.sampled_from([1, 2000, 1 << 28]))
def test_export_and_read_back_is_numpys_answer(tmp_path_factory, case, jobs, memory):
    image, chosen = case
    folder = tmp_path_factory.mktemp("e")
    wanted = ExportSettings(
        **chosen, jobs=jobs, memory=memory, output_filename_format=str(folder / "out")
    )
    try:
        plan = plan_one(image, wanted)
    except FijiBridgeError:
        # only because a format has no such pixels
        assert "tiff" in chosen["output_format"]
        return
    (item,) = plan_batch([image], wanted)
    done = run_item(item)
    keys = plan.output.axes.keys
    found = read_image(done.files[0], axes=keys)
    assert (found.shape, found.dtype) == (plan.output.shape, plan.output.dtype)
    if plan.format.name != "numpy":
        assert read_image(done.files[0]).axes.keys == keys
    answer = expected(image, chosen)
    missing = [k for k in keys if k not in answer.axes]
    answer = answer.reorder("".join(missing) + answer.axes.keys).reorder(keys)
    np.testing.assert_array_equal(found.data, answer.data)
