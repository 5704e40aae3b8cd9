"""Large tables of plain numbers: read at once, and as if read cell by cell."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fijibridge.errors import FormatError
from fijibridge.formats._text import plain, read, style
from fijibridge.formats._text.plain import plain_numbers

NUMBERS = st.one_of(
    st.floats(allow_infinity=False).map(repr),
    st.floats(-1e6, 1e6).map(lambda v: f"{v:.3f}"),
    st.integers(-(10**14), 10**14).map(str),
    st.tuples(st.integers(0, 10**25), st.integers(0, 30)).map(
        lambda p: f"{p[0]}.{'0' * p[1]}{p[0]}"
    ),
    st.sampled_from(["-0.0", "+1.5", ".5", "5.", "1e5", "2e-7", "9007199254740993.0", "nan", ""]),
)


@settings(max_examples=pytest.count(200, 20_000))
@given(cells=st.lists(NUMBERS, min_size=1, max_size=8))
def test_numbers_are_those_of_python(cells):
    text = "a,b\n" + "".join(f"{c},1.5\n" for c in cells)
    found = plain_numbers(text.encode(), ",", 2)
    if found is None:
        hard = [c for c in cells if "." not in c and "e" not in c and len(c) > 15]
        assert hard or all(c in ("nan", "") for c in cells)
        return
    want = np.array([float(c or "nan") for c in cells])
    assert np.array_equal(found.columns[0], want, equal_nan=True)
    if found.columns[0].dtype.kind == "f":
        assert np.array_equal(np.signbit(found.columns[0]), np.signbit(want))


CELLS = {
    "whole": st.integers(-99, 99).map(str),
    "two": st.floats(-99, 99).map(lambda v: f"{v:.2f}"),
    "any": st.floats(-99, 99).map(repr),
    "gaps": st.sampled_from(["1", "2.5", "", "nan", "NaN"]),
    "odd": st.sampled_from(
        ["1", "-0", "1E3", "x", "1,5", "inf", "1_0", " 1", "1.2.3", "1e", '"1"']
    ),
}


@settings(max_examples=pytest.count(200, 5000))
@given(data=st.data())
def test_tables_are_as_if_read_cell_by_cell(data):
    kinds = data.draw(st.lists(st.sampled_from(sorted(CELLS)), min_size=1, max_size=4))
    rows = data.draw(st.integers(36, 60))
    first = data.draw(st.sampled_from(["frame", " ", "Area (µm^2)", ""]))
    end = data.draw(st.sampled_from(["\n", "\r\n"]))
    separator = data.draw(st.sampled_from(",\t;"))
    columns = [[data.draw(CELLS[k]) for _ in range(rows)] for k in kinds]
    lines = [[first, *(f"c{i}" for i in range(len(kinds)))]]
    lines += [[str(i + 1), *row] for i, row in enumerate(zip(*columns, strict=True))]
    text = end.join(separator.join(line) for line in lines)
    raw = (text + data.draw(st.sampled_from(["", end]))).encode()

    def parsed(how):
        try:
            return how()[0]
        except FormatError as error:
            return str(error)

    with pytest.MonkeyPatch.context() as patch:
        for name, value in (("_SMALL", 0), ("_SMALL_AT_FIRST", 0), ("_HEAD", 30), ("_TAIL", 5)):
            patch.setattr(plain, name, value)
        patch.setattr(style, "_LOOK", 4)  # as in large tables, all these lines are in the sample
        ours = parsed(lambda: read.parse_table(raw, "t"))
        theirs = parsed(lambda: read._parse_cells(raw, "t", None))
    if isinstance(theirs, str):
        assert ours == theirs
        return
    assert ours.headings == theirs.headings
    for heading, values in theirs.columns.items():
        assert ours[heading].dtype == values.dtype
        if values.dtype == object:
            assert ours[heading].tolist() == values.tolist()
        else:
            assert np.array_equal(ours[heading], values, equal_nan=True)
    assert ours.units == theirs.units
    if not theirs.style.exact:
        assert ours.style == theirs.style
    assert ours.style.row_numbers == theirs.style.row_numbers
