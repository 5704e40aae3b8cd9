"""Units: every spelling of the field, one name inside, factors only where there is one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fijibridge.model.units import canonical_unit, imagej_unit, length_factor

LENGTHS = ["picometer", "angstrom", "nanometer", "micrometer", "millimeter", "centimeter", "meter"]


@pytest.mark.parametrize(
    "text", ["um", "µm", "\u03bcm", "\\u00B5m", "micron", "Microns", " um ", "micrometre"]
)  # fmt: skip
def test_every_micrometer(text):
    assert canonical_unit(text) == "micrometer"


@pytest.mark.parametrize(
    ("text", "name"),
    [("", "pixel"), (None, "pixel"), ("pixels", "pixel"), ("sec", "second"), ("furlong", "furlong"),
     ("inch", "inch"), ("\u212b", "angstrom"), ("MSEC", "millisecond")],
)  # fmt: skip
def test_other_spellings(text, name):
    assert canonical_unit(text) == name


@given(st.text(max_size=8))
def test_a_name_is_its_own_name(text):
    name = canonical_unit(text)
    assert canonical_unit(name) == name


@given(st.sampled_from([*LENGTHS, "second", "minute", "hour", "pixel", "furlong"]))
def test_imagejs_spelling_is_understood(unit):
    assert canonical_unit(imagej_unit(unit)) == unit


@given(st.sampled_from(LENGTHS), st.sampled_from(LENGTHS))
def test_factors_are_inverse(a, b):
    assert length_factor(a, b) * length_factor(b, a) == pytest.approx(1.0)


def test_factors():
    assert length_factor("um", "nm") == 1000.0
    assert length_factor("inch", "mm") == 25.4
    assert length_factor("minute", "s") == 60.0
    assert length_factor("furlong", "furlong") == 1.0


@pytest.mark.parametrize(
    ("a", "b"), [("second", "micrometer"), ("meter", "hour"), ("pixel", "um"), ("furlong", "m")]
)
def test_what_cannot_be_compared_has_no_factor(a, b):
    assert length_factor(a, b) is None
