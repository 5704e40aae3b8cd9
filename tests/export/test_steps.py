"""Arithmetic of pixel values: safe by default, ilastik's where asked."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fijibridge.errors import SettingsError
from fijibridge.export.execute import block_shape, blocks
from fijibridge.export.naming import InputName, expand, nickname, slice_names
from fijibridge.export.settings import ExportSettings, parse_cutout
from fijibridge.export.steps import Convert, KeepLabels, Renormalize, Tally


def run(step, values, dtype):
    tally = Tally()
    return step.apply(np.array(values, dtype), tally), tally


def test_half_goes_to_even_and_ends_saturate():
    made, tally = run(Convert(np.dtype("int16")), [0.5, 1.5, 2.5, 1e9, -1e9, np.nan, np.inf], "f8")
    assert made.tolist() == [0, 2, 2, 32767, -32768, 0, 32767]
    assert (tally.saturated, tally.nans) == (3, 1)


def test_the_ends_of_64_bits():
    made, tally = run(Convert(np.dtype("uint32")), [0, 2**32, 2**64 - 1], "u8")
    assert made.tolist() == [0, 2**32 - 1, 2**32 - 1]
    assert tally.saturated == 2
    made, tally = run(Convert(np.dtype("int32")), [2.0**31, -(2.0**31), 2.0**31 - 1], "f8")
    assert made.tolist() == [2**31 - 1, -(2**31), 2**31 - 1]
    assert tally.saturated == 1


def test_floats_saturate_but_infinity_stays():
    made, tally = run(Convert(np.dtype("float32")), [1e300, -1e300, np.inf, 0.1], "f8")
    assert made.tolist() == [np.finfo("f4").max, np.finfo("f4").min, np.inf, np.float32(0.1)]
    assert tally.saturated == 2


def test_ilastik_truncates_and_wraps():
    made, tally = run(Convert(np.dtype("uint8"), exact=True), [300, 511, 5], "u2")
    assert made.tolist() == [44, 255, 5]
    assert tally == Tally()


def test_wrapping_does_not_depend_on_how_many_values_there_are():
    values = np.array([2.68e9, 5e9, -1e10, 1e11, np.nan, -3.0, 7.9, 2**32 + 1.0])
    many = Convert(np.dtype("uint32"), exact=True).apply(np.tile(values, 9), Tally())[:8]
    one = [Convert(np.dtype("uint32"), exact=True).apply(v[None], Tally())[0] for v in values]
    assert many.tolist() == one
    assert one[1:] == [705032704, 2884901888, 1215752192, 0, 2**32 - 3, 7, 1]


def test_ilastiks_whole_and_fractional_ranges_differ():
    # both ran in ilastik: uint16 50 wraps below a whole low end, but not below 100.0
    whole = Renormalize((100, 5000), (0, 255), np.dtype("uint8"), exact=True)
    fractional = Renormalize((100.0, 5000.0), (0, 255), np.dtype("uint8"), exact=True)
    assert run(whole, [50], "u2")[0].tolist() == [79]
    assert run(fractional, [50], "u2")[0].tolist() == [254]


def test_ilastiks_data_range_goes_through_the_same_arithmetic():
    step = Renormalize((100, 5000), (0, 65535), np.dtype("uint16"), exact=True)
    import fijibridge as fb

    image = fb.Image.from_array(np.zeros((2, 2), np.uint16), "yx")
    assert step.describe(image.spec).extra.drange == (0, 65534)


def test_a_range_without_length_is_one_value():
    step = Renormalize((5.0, 5.0), (7, 9), np.dtype("uint8"))
    assert run(step, [0, 5, 9], "f4")[0].tolist() == [7, 7, 7]


def test_labels_that_floats_cannot_hold_are_refused():
    with pytest.raises(SettingsError, match="16777216"):
        run(KeepLabels(np.dtype("float32")), [2**24 + 1], "u4")
    assert run(KeepLabels(np.dtype("float32")), [2**24], "u4")[0].tolist() == [2.0**24]


def test_names():
    name = InputName(dataset_dir="/d {x}", nickname="movie.x", index=3)
    made = expand("{dataset_dir}/{nickname}_{index:03}_{{}}", name, "Input", {}, exact=False)
    assert made == "/d {x}/movie.x_003_{}"
    assert expand("a{{b}}_{bogus:>3}", name, "Input", {}, exact=True) == "a{b}_{bogus:>3}"
    assert slice_names("{x}_{slice_index}", 96, 4)[0] == "{x}_096"
    assert nickname(["d/movie.x.tif"], exact=True) == "movie.x"
    assert nickname(["/d/1.png", "/d/2.png"], exact=True) == "stack_at-1"
    assert nickname(["/d/1.png", "/d/2.png"]) == "d"


@settings(max_examples=pytest.count(100, 2000))
@given(st.text(alphabet="{}nickame:!x_0. ", max_size=20))
def test_any_name_is_filled_in_or_refused(pattern):
    name = InputName(dataset_dir="/d", nickname="n")
    for exact in (True, False):
        try:
            made = expand(pattern, name, "Input", {"x_start": 1}, exact=exact)
        except SettingsError:
            continue
        assert isinstance(made, str)


@settings(max_examples=pytest.count(100, 2000))
@given(st.data())
def test_blocks_cover_an_image_once_in_whole_chunks(data):
    shape = data.draw(st.lists(st.integers(1, 12), min_size=1, max_size=4))
    chunks = [data.draw(st.integers(1, 12)) for _ in shape]
    source = [data.draw(st.integers(1, 12)) for _ in shape]
    block = block_shape(shape, chunks, source, data.draw(st.integers(1, 500)))
    seen = np.zeros(shape, int)
    for region in blocks(shape, block):
        seen[region.slices] += 1
    assert (seen == 1).all()
    for b, c, n in zip(block, chunks, shape, strict=True):
        assert b % min(c, n) == 0 or b == n


@pytest.mark.parametrize("text", ["", "[", "[1,2]", "[(1,),(2,3)]", "[(),()]", "z=", "q=1:2", 7])
def test_no_cut_outs(text):
    with pytest.raises(SettingsError, match="cutout_subregion"):
        parse_cutout(text)


def test_settings_that_contradict_each_other():
    with pytest.raises(SettingsError, match="does nothing"):
        ExportSettings(pipeline_result_drange=(0, 1))
    assert ExportSettings(pipeline_result_drange=(0, 1), compat="ilastik").exact
    with pytest.raises(SettingsError, match="from which range"):
        ExportSettings(export_drange=(0, 1))
    with pytest.raises(SettingsError, match="two numbers"):
        ExportSettings(export_drange=(0, float("nan")), pipeline_result_drange=(0, 1))
