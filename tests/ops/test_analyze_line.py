"""A recorded Analyze Particles line means what it means in ImageJ."""

import math

import pytest

from fijibridge.errors import SettingsError
from fijibridge.ops._analyze_line import parse_line


def test_every_word():
    line = parse_line(
        "size=20-Infinity pixel circularity=0.50-1.00 show=[Bare Outlines] display exclude clear "
        "include summarize overlay add composite record in_situ stack"
    )
    assert line.size == (20.0, math.inf)
    assert line.circularity == (0.5, 1.0)
    assert line.show == "Bare Outlines"
    assert line.words == {
        "pixel",
        "display",
        "exclude",
        "clear",
        "include",
        "summarize",
        "overlay",
        "add",
        "composite",
        "record",
        "in_situ",
        "stack",
    }
    assert len(line.notes) == 4


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("size=5", (5.0, math.inf)),
        ("size=5-2", (5.0, math.inf)),
        ("size=[5 - 9]", (5.0, 9.0)),
        ("size=0-Infinity", (0.0, math.inf)),
        ("size=1-2-3", (1.0, math.inf)),
    ],
)
def test_sizes_as_imagej_reads_them(text, size):
    assert parse_line(text).size == size


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        ("circularity=0.2-0.8", (0.2, 0.8)),
        ("circularity=1.00-1.00", (0.0, 1.0)),
        ("circularity=2-1", (0.0, 1.0)),
        ("circularity=0.9-0.5", (0.5, 0.5)),
        ("circularity=0.9", (0.9, 1.0)),
    ],
)
def test_circularities_as_imagej_corrects_them(text, ends):
    assert parse_line(text).circularity == ends


def test_words_that_imagej_looks_for_anywhere():
    assert parse_line("four_connected").words == {"four"}
    assert parse_line("in_situ").show == "Outlines"
    assert parse_line("show=[Overlay Outlines]").show == "Overlay"
    assert parse_line("show=Nothing").show == "Nothing"


def test_lines_of_old_versions():
    line = parse_line("minimum=20 maximum=500 bins=20 show=Outlines exclude")
    assert line.size == (20.0, 500.0)
    assert line.words == {"pixel", "exclude"}
    assert "bins=" in line.notes[0]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("size=20-Infinity exclud", "no option 'exclud'. Did you mean 'exclude'?"),
        ("show=[Count Mask]", "Did you mean 'Count Masks'?"),
        ("size=1.0E-4-5", "is no range"),
        ("circularity=round", "is no range"),
        ("sise=5", "no option 'sise'. Did you mean 'size'?"),
        ("exclude=true", "no option 'exclude'"),
        ("size=[5", "that is not closed"),
        ("maximum=many", "is no number"),
    ],
)
def test_unknown_words_are_errors(text, said):
    with pytest.raises(SettingsError) as caught:
        parse_line(text)
    assert said in str(caught.value)
