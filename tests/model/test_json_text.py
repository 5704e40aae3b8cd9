"""Foreign JSON, however deep, with and without a Java in the process."""

import json

import pytest

from fijibridge.model.json_text import parse_json

DEEP = "[" * 100_000


@pytest.mark.parametrize("text", [DEEP, '{"a":' * 100_000, DEEP.encode()])
def test_text_without_end(text):
    with pytest.raises((RecursionError, ValueError)):
        parse_json(text)


@pytest.mark.imagej
def test_text_without_end_beside_java(imagej):
    with pytest.raises(RecursionError):
        parse_json(DEEP)


def test_large_texts_are_what_json_says():
    value = [{"at": [i, i / 7, None], "s": "[{" * 3} for i in range(2000)]
    text = json.dumps(value)
    assert parse_json(text) == parse_json(text.encode("utf-16")) == value
    with pytest.raises(ValueError, match="line 1 column"):
        parse_json(text[:-9])


def test_constants():
    def refuse(word):
        raise ValueError(f"{word} is no number here")

    for text in ("[NaN]", "[NaN]" + " " * 5 + "\n", json.dumps([[1]] * 2000)[:-1] + ", NaN]"):
        with pytest.raises(ValueError, match="NaN is no number"):
            parse_json(text, parse_constant=refuse)
