"""Settings that several verbs have under one name: declared here, once."""

from __future__ import annotations

from typing import Any

from fijibridge.errors import SettingsError
from fijibridge.ops._kinds import INTEGER, PATH, SCALES, TEXT, WORDS
from fijibridge.ops._settings import setting

__all__ = [
    "axes_setting",
    "check_decimal",
    "decimal_setting",
    "each_setting",
    "measurements_setting",
    "pixel_size_setting",
    "unit_setting",
]

_GROUP = "options"


def each_setting(*, group: str = _GROUP, more: str = "") -> Any:
    """Declare ``each``: a pattern of which every match is an input of its own."""
    text = f"take every match as its own input{more}"
    return setting(None, kind=PATH, metavar="GLOB", group=group, help=text)


def axes_setting(*, of: str = "the image", group: str = _GROUP) -> Any:
    """Declare ``axes``: letters in the order of the file."""
    text = f"axes of {of}, such as zyx"
    return setting(None, kind=TEXT, metavar="LETTERS", group=group, help=text)


def pixel_size_setting(*, group: str = _GROUP) -> Any:
    """Declare ``pixel_size``: x=0.2,y=0.2."""
    return setting(None, kind=SCALES, group=group, help="pixel sizes in place of the file's")


def unit_setting(*, group: str = _GROUP) -> Any:
    """Declare ``unit``: that of the pixel sizes."""
    text = "unit of length (um, nm, …)"
    return setting(None, kind=TEXT, metavar="UNIT", group=group, help=text)


def measurements_setting(*, group: str = _GROUP) -> Any:
    """Declare ``measurements``: the words of ImageJ's Set Measurements."""
    return setting(
        ("area", "mean", "min"),
        kind=WORDS,
        group=group,
        help='words of Set Measurements ("area mean feret\'s display"), or all',
    )


def decimal_setting(*, group: str = _GROUP) -> Any:
    """Declare ``decimal``: places of numbers in tables; see `check_decimal`."""
    return setting(3, kind=INTEGER, group=group, help="decimal places, 0 to 9")


def check_decimal(decimal: int) -> None:
    """Refuse decimal places that ImageJ does not have."""
    if not 0 <= decimal <= 9:
        raise SettingsError(f"decimal is {decimal}; allowed is 0 to 9.")
