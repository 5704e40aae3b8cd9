"""The words that vigra and ilastik leave beside an array: axistags, axis_units, axes.

``axistags`` is JSON text with one entry an axis, in C order: letter, kind (``typeFlags``),
distance of two samples (``resolution``, 0 = unknown) and a free text (``description``).
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from fijibridge.errors import FormatError
from fijibridge.model import Axes, Axis
from fijibridge.model.axes import KEYS
from fijibridge.model.json_text import parse_json
from fijibridge.model.units import PIXEL

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = [
    "asked_axes",
    "axes_attribute_keys",
    "axis_units_of",
    "axistags_json",
    "axistags_of",
    "checked_axes",
    "guess_keys",
    "text_of",
]

_KIND = {"c": 1, "z": 2, "y": 2, "x": 2, "t": 8}
#: What ilastik takes untagged arrays for.
_BY_NDIM = {1: "x", 2: "yx", 3: "zyx", 4: "zyxc", 5: "tzyxc"}
_CHANNELS = 4  # a last axis this short is one of channels, in 3-D arrays


def text_of(value: Any) -> str:
    """Return an attribute that is text in one of the ways in which files hold text."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if hasattr(value, "tolist"):
        return text_of(value.tolist())
    if isinstance(value, list) and len(value) == 1:
        return text_of(value[0])
    return value if isinstance(value, str) else ""


def guess_keys(shape: Sequence[int]) -> str:
    """Return the axis letters of an array that does not say them.

    Source: ilastik's rule (spec/ilastik-export.md 2).

    Examples
    --------
    >>> guess_keys((5, 40, 50)), guess_keys((40, 50, 3)), guess_keys((2, 5, 40, 50))
    ('zyx', 'yxc', 'zyxc')
    """
    if len(shape) == 3 and shape[-1] <= _CHANNELS:
        return "yxc"
    if len(shape) not in _BY_NDIM:
        raise FormatError(
            f"An array of {len(shape)} dimensions (shape {tuple(shape)}) is no image; "
            "images have 1 to 5.",
        )
    return _BY_NDIM[len(shape)]


def axes_attribute_keys(value: Any) -> str:
    """Return the letters, C order, that an ``axes`` attribute means; "" when it means none.

    N5 tools (and so ilastik) write them fastest first, ``["x", "y", "z"]``; people who use Python
    write ``"zyx"``. Images have y before x in C order, so the place of x tells which it is.

    Examples
    --------
    >>> axes_attribute_keys(["x", "y", "z"]), axes_attribute_keys("zyx"), axes_attribute_keys(7)
    ('zyx', 'zyx', '')
    """
    if hasattr(value, "tolist"):
        value = value.tolist()
    letters = "".join(map(text_of, value)) if isinstance(value, list) else text_of(value)
    letters = letters.lower()
    if not letters or len(set(letters)) != len(letters) or set(letters) - set(KEYS):
        return ""
    c_order = letters.find("y") < letters.find("x") if {"x", "y"} <= set(letters) else False
    return letters if c_order else letters[::-1]


def _number(value: float) -> str:
    return f"{value:.17g}"


def axistags_json(axes: Axes, descriptions: Mapping[str, str] | None = None) -> str:
    """Return axistags as vigra prints them, byte for byte (17 digits, two blanks indent).

    Examples
    --------
    >>> print(axistags_json(Axes.of("x", (3,), scale={"x": 0.2})))
    {
      "axes": [
        {
          "key": "x",
          "typeFlags": 2,
          "resolution": 0.20000000000000001,
          "description": ""
        }
      ]
    }
    """
    entries = []
    for axis in axes:
        known = axis.unit != PIXEL or axis.scale != 1.0
        text = json.dumps((descriptions or {}).get(axis.key, ""))
        entries.append(
            "    {\n"
            f'      "key": "{axis.key}",\n'
            f'      "typeFlags": {_KIND[axis.key]},\n'
            f'      "resolution": {_number(axis.scale) if known else 0},\n'
            f'      "description": {text}\n'
            "    }"
        )
    return '{\n  "axes": [\n' + ",\n".join(entries) + "\n  ]\n}"


def axistags_of(text: str, where: str) -> tuple[list[tuple[str, float]], dict[str, str]]:
    """Return [(letter, resolution)] and {letter: description} of axistags JSON.

    Raises
    ------
    FormatError
        When it is no axistags JSON or has letters that are no axes of an image.
    """
    try:
        entries = parse_json(text)["axes"]
        found = [(str(e["key"]).lower(), float(e.get("resolution", 0) or 0)) for e in list(entries)]
        notes = {str(e["key"]).lower(): str(e.get("description", "") or "") for e in entries}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError):
        raise FormatError(
            f"{where} has an axistags attribute that is not axistags: {text[:60]!r}.",
            "Say what the axes are: axes='zyx' (--axes zyx).",
        ) from None
    return found, {key: note for key, note in notes.items() if note}


def axis_units_of(value: Any) -> dict[str, str]:
    """Return {letter: unit} of an ``axis_units`` attribute (JSON text or a mapping)."""
    if not isinstance(value, dict):
        try:
            value = parse_json(text_of(value) or "{}")
        except (ValueError, RecursionError):
            return {}
    if not isinstance(value, dict):
        return {}
    return {str(k).lower(): v for k, v in value.items() if isinstance(v, str)}


def asked_axes(keys: str, axes: Axes) -> Axes:
    """Return the axes with the letters that a user says; scales stay where the letters agree.

    Raises
    ------
    SettingsError
        When the letters are wrong or too many or too few.
    """
    keys = keys.lower()
    if keys == axes.keys:
        return axes
    return Axes.of(keys, axes.shape)


def checked_axes(
    keys: str,
    shape: Sequence[int],
    where: str,
    *,
    scale: Mapping[str, float] | None = None,
    unit: Mapping[str, str] | None = None,
    origin: Mapping[str, float] | None = None,
) -> Axes:
    """Return the axes that a file declares; a scale of 0 (vigra: unknown) becomes 1 pixel.

    Raises
    ------
    FormatError
        When letters, their number, scales or origins cannot be those of an image.
    """
    scale, unit, origin = scale or {}, unit or {}, origin or {}
    if len(keys) != len(shape) or len(set(keys)) != len(keys) or set(keys) - set(KEYS):
        raise FormatError(
            f"{where} has axes {keys!r} that do not fit its shape {tuple(shape)}: each of "
            f"{len(shape)} axes needs one letter of {KEYS!r}.",
            "Say what the axes are: axes='zyx' (--axes zyx).",
        )
    items = []
    for key, size in zip(keys, shape, strict=True):
        step, start = scale.get(key, 0.0), origin.get(key, 0.0)
        if not (math.isfinite(step) and math.isfinite(start) and step >= 0):
            raise FormatError(
                f"{where} has the scale {step} and origin {start} on axis {key!r}; "
                "both must be finite and the scale positive."
            )
        items.append(
            Axis(key, int(size), step or 1.0, unit.get(key, PIXEL) if step else PIXEL, start)
        )
    return Axes(tuple(items))
