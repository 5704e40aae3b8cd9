"""One declaration, one way from text, JSON and Python to a value."""

import contextlib
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fijibridge.errors import SettingsError
from fijibridge.ops import OPERATIONS, operation
from fijibridge.ops._kinds import (
    FLAG,
    INTEGER,
    NUMBER,
    PATH,
    PATHS,
    RANGE,
    SCALES,
    SHAPE,
    TEXT,
    THRESHOLD,
    WORDS,
)
from fijibridge.ops._run import RunOptions, split_options
from fijibridge.ops._settings import (
    as_json,
    as_text,
    declared,
    from_mapping,
    load_json,
    parse_keys,
)
from fijibridge.ops.particles import ParticlesSettings


@pytest.mark.parametrize(
    ("kind", "given_", "value"),
    [
        (FLAG, "Yes", True),
        (FLAG, np.bool_(False), False),
        (INTEGER, "12", 12),
        (INTEGER, 12.0, 12),
        (NUMBER, "-1.5e3", -1500.0),
        (RANGE, "20-Infinity", (20.0, math.inf)),
        (RANGE, "0.80 - 1.00", (0.8, 1.0)),
        (RANGE, "-5--2", (-5.0, -2.0)),
        (RANGE, "1e-4-5E2", (0.0001, 500.0)),
        (RANGE, (np.float32(2), math.inf), (2.0, math.inf)),
        (RANGE, [3, None], (3.0, math.inf)),
        (RANGE, 7, (7.0, math.inf)),
        (THRESHOLD, (25, math.inf), "25,Infinity"),
        (THRESHOLD, "Otsu dark", "Otsu dark"),
        (WORDS, "area  mean,min", ("area", "mean", "min")),
        (WORDS, ["area", "mean"], ("area", "mean")),
        (SCALES, "x=0.2,y=0.3", {"x": 0.2, "y": 0.3}),
        (SCALES, 0.2, {"x": 0.2, "y": 0.2}),
        (SHAPE, "512,256", (512, 256)),
        (SHAPE, [4, 5, 6], (4, 5, 6)),
        (PATHS, "a b.tif;c.tif", ("a b.tif", "c.tif")),
        (PATHS, ["C:\\d\\a;b.tif"], ("C:\\d\\a;b.tif",)),
        (PATH, "C:\\Users\\x y\\a.tif", "C:\\Users\\x y\\a.tif"),
    ],
)
def test_values_of_every_door(kind, given_, value):
    assert kind.parse(given_, "it") == value


@pytest.mark.parametrize(
    ("kind", "wrong", "said"),
    [
        (FLAG, "maybe", "it is 'maybe'; allowed is true or false."),
        (FLAG, 2, "it is 2; allowed is true or false."),
        (INTEGER, "1.5", "it is '1.5'; allowed is a whole number."),
        (INTEGER, math.inf, "it is inf; allowed is a whole number."),
        (NUMBER, "NaN", "it is 'NaN'; allowed is a number."),
        (NUMBER, math.nan, "it is nan; allowed is a number, not NaN."),
        (RANGE, "small", "it is 'small'; allowed is a range such as 20-Infinity."),
        (RANGE, "5-2", "it is '5-2': its lower end is above its upper end."),
        (RANGE, [1, 2, 3], "it is [1, 2, 3]; allowed is a range such as 20-Infinity."),
        (TEXT, 3, "it is 3; allowed is a text."),
        (PATH, " ", "it is ' '; allowed is a path."),
        (PATH, "a\0b", "it holds a NUL character; no file can be so named."),
        (SCALES, "0.2,0.3", "it is '0.2,0.3'; allowed is such as x=0.2,y=0.2,z=1."),
        (SCALES, {"x": -1}, "it is 'x=-1'; allowed is letters t z y x"),
        (SHAPE, "512", None),
        (SHAPE, "0,5", "allowed is sizes such as 512,512 (height, width)."),
    ],
)
def test_wrong_values_say_what_is_allowed(kind, wrong, said):
    if said is None:
        assert kind.parse(wrong, "it")
        return
    with pytest.raises(SettingsError) as caught:
        kind.parse(wrong, "it")
    assert said in caught.value.message


def test_a_quoted_home_is_expanded(monkeypatch):
    monkeypatch.setenv("HOME", "/home/somebody")
    assert PATH.parse("~/a.tif", "it") == "/home/somebody/a.tif"


@given(st.tuples(st.floats(0, 1e12), st.floats(0, 1e12)).map(sorted))
def test_ranges_survive_text_and_json(ends):
    value = tuple(ends)
    assert RANGE.parse(RANGE.text(value), "size") == value
    assert RANGE.parse(RANGE.dump(value), "size") == value


def test_unknown_settings_name_the_nearest():
    with pytest.raises(SettingsError, match=r"no setting 'treshold' of particles.*'threshold'"):
        split_options(operation("particles"), {"treshold": "1,2"})
    with pytest.raises(SettingsError, match=r"no setting 'overwite'.*'overwrite'"):
        split_options(operation("particles"), {"overwite": True})


def test_dashes_and_underscores_are_alike():
    value, options = split_options(
        operation("particles"), {"white-background": True, "dry-run": "true"}
    )
    assert value.white_background
    assert options.dry_run


def test_a_setting_given_twice_is_refused():
    with pytest.raises(SettingsError, match="'input' is given twice"):
        from_mapping(ParticlesSettings, {"input": "a.tif", "image": "b.tif"})


def test_contradictions_are_refused():
    with pytest.raises(SettingsError, match="slice and stack"):
        ParticlesSettings(slice=2, stack=True)
    with pytest.raises(SettingsError, match="overwrite and skip_existing"):
        RunOptions(overwrite=True, skip_existing=True)
    with pytest.raises(SettingsError, match="emit is 'matlab'; allowed are macro"):
        RunOptions(emit="matlab")
    with pytest.raises(SettingsError, match="decimal is 12"):
        ParticlesSettings(decimal=12)


def test_only_what_was_changed_is_kept():
    value = ParticlesSettings(input=("a.tif",), size=(20, math.inf), exclude=True)
    assert as_json(value) == {"input": ["a.tif"], "size": "20-Infinity", "exclude": True}
    assert as_text(value) == {"input": "a.tif", "size": "20-Infinity", "exclude": "true"}
    assert from_mapping(ParticlesSettings, as_json(value)) == value
    assert from_mapping(ParticlesSettings, as_text(value)) == value


@pytest.mark.parametrize("word", ["Infinity", "-Infinity", "NaN"])
def test_bare_infinity_and_nan_are_refused(word):
    with pytest.raises(SettingsError, match=f"bare {word}"):
        load_json(f'{{"size": [1, {word}]}}')


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, b"\xff\xfe{}"])
def test_no_json_is_told(text):
    with pytest.raises(SettingsError, match="The request"):
        load_json(text)


def test_macro_keys():
    keys = parse_keys("input=[a b.tif] names=[{label:[x]}] say='it[s' exclude size=20-Infinity ")
    assert keys == {
        "input": "a b.tif",
        "names": "{label:[x]}",
        "say": "it[s",
        "exclude": True,
        "size": "20-Infinity",
    }
    for wrong in ("input=[a b.tif", "say='it", "=5"):
        with pytest.raises(SettingsError):
            parse_keys(wrong)


@given(st.text(max_size=60))
def test_macro_keys_of_any_text_end(text):
    with contextlib.suppress(SettingsError):
        parse_keys(text)


@pytest.mark.parametrize("verb", OPERATIONS)
def test_every_setting_is_declared_well(verb):
    found = operation(verb)
    common = {item.name for item in declared(RunOptions)}
    names = [n for item in declared(found.settings) for n in (item.name, *item.aliases)]
    assert len(names) == len(set(names))
    assert not common & set(names)
    for item in declared(found.settings):
        assert item.help
        assert item.name == item.name.lower()
        if not item.required and item.default is not None:
            assert item.parse(item.default) == item.default
            assert type(item.parse(item.default)) is type(item.default)
    assert found.summary
    assert found.name == verb
