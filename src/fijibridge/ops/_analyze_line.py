"""A recorded Analyze Particles line: every word with ImageJ's meaning.

Source: ImageJ ij.plugin.filter.ParticleAnalyzer.showDialog and updateMacroOptions,
ij.gui.GenericDialog.getNextBoolean, ij.IJ.setupDialog.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from fijibridge.errors import SettingsError, nearest
from fijibridge.ops._settings import parse_keys

__all__ = ["SHOW", "AnalyzeLine", "parse_line"]

#: ImageJ's kinds of ``show=``.
SHOW = (
    "Nothing",
    "Overlay",
    "Overlay Masks",
    "Outlines",
    "Bare Outlines",
    "Ellipses",
    "Masks",
    "Count Masks",
)
_WORDS = (
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
    "four",
    "in_situ",
    "stack",
    "slice",
)
_KEYS = ("size", "circularity", "show")
_ANYWHERE = ("record", "four", "in_situ")  # ImageJ looks for these as parts of any word


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalyzeLine:
    """What a line asks for.

    Parameters
    ----------
    size, circularity
        (low, high), or None when the line does not name them.
    show
        One of `SHOW`, or None.
    words
        The bare words that are set, out of ``pixel display exclude clear include summarize overlay
        add composite record four in_situ stack slice``.
    notes
        What has no meaning here, and why.
    """

    size: tuple[float, float] | None = None
    circularity: tuple[float, float] | None = None
    show: str | None = None
    words: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()


def _numbers(text: str, key: str) -> list[float]:
    parts = [part for part in re.split(r"[ -]", text) if part]
    try:
        values = [float(part) for part in parts[:2]]
    except ValueError:
        raise SettingsError(
            f"{key}={text} in the options is no range; ImageJ parts it at '-' and ' '.",
            f"Write {key}=20-Infinity, without exponents.",
        ) from None
    return values if len(parts) <= 2 else values[:1]


def _size(text: str) -> tuple[float, float]:
    values = _numbers(text, "size")
    low = values[0] if values and not math.isnan(values[0]) else 0.0
    high = values[1] if len(values) == 2 and not math.isnan(values[1]) else math.inf
    return low, (math.inf if high < low else high)


def _circularity(text: str) -> tuple[float, float]:
    values = _numbers(text, "circularity")
    low = values[0] if values and not math.isnan(values[0]) else 0.0
    high = values[1] if len(values) == 2 and not math.isnan(values[1]) else 1.0
    if low > high:
        low = 0.0 if high == 1.0 else high
    return (0.0 if low == high == 1.0 else low), high


def _show(text: str) -> str:
    if text == "Overlay Outlines":  # the name it had before
        return "Overlay"
    found = {word.lower(): word for word in SHOW}
    if text.lower() not in found:
        raise SettingsError(
            f"show=[{text}] in the options is unknown. Allowed are {', '.join(SHOW)}."
            + nearest(text, SHOW)
        )
    return found[text.lower()]


def _old(text: str) -> tuple[str, bool]:
    """Return the line with ``minimum= maximum=`` (pixels) of old macros as ``size=``.

    As in ImageJ, what stands before ``maximum=`` is lost.
    """
    at = text.find("maximum=")
    if at < 0:
        return text, False
    keys = parse_keys(text)
    ends = []
    for key, default in (("minimum", "1"), ("maximum", "999999")):
        try:
            ends.append(int(float(str(keys.get(key, default)))))
        except (ValueError, OverflowError):
            raise SettingsError(f"{key}={keys[key]} in the options is no number.") from None
    rest = text[at:].partition(" ")[2]
    return f"size={ends[0]}-{ends[1]} {rest}", True


def parse_line(text: str) -> AnalyzeLine:
    """Read a line as ImageJ's recorder wrote it.

    Examples
    --------
    >>> line = parse_line("size=20-Infinity exclude show=[Count Masks] display clear add")
    >>> line.size, line.show, sorted(line.words)
    ((20.0, inf), 'Count Masks', ['add', 'clear', 'display', 'exclude'])

    Raises
    ------
    SettingsError
        For a word that Analyze Particles does not know; the nearest one is named.
    """
    notes: list[str] = []
    text, old = _old(text)
    size = circularity = show = None
    words = {"pixel"} if old else set()
    for key, value in parse_keys(text).items():
        if isinstance(value, str) and key in _KEYS:
            if key == "size":
                size = _size(value)
            elif key == "circularity":
                circularity = _circularity(value)
            else:
                show = _show(value)
        elif key in _WORDS and value is True:
            words.add(key)
        elif any(part in key for part in _ANYWHERE):
            words |= {part for part in _ANYWHERE if part in key}
        elif key in {"bins", "minimum"}:
            notes.append(f"{key}= is a word of old ImageJ versions; 1.54 ignores it")
        else:
            raise SettingsError(
                f"Analyze Particles has no option {key!r}.{nearest(key, (*_KEYS, *_WORDS))}",
                f"Options: {' '.join((*(k + '=' for k in _KEYS), *_WORDS))}.",
            )
    if "in_situ" in words and show in (None, "Nothing"):
        show = "Outlines"  # ImageJ draws something when it is to replace the image
    return AnalyzeLine(
        size=size,
        circularity=circularity,
        show=show,
        words=frozenset(words),
        notes=tuple(notes) + _explained(words),
    )


def _explained(words: set[str]) -> tuple[str, ...]:
    """Say what the words for ImageJ's windows come to in files."""
    meaning = {
        "clear": "clear: every run starts a new table here",
        "display": "display: the table is written as a file",
        "add": "add: the ROI Manager's list is the ROI zip",
        "in_situ": "in_situ: the image file is left as it is; the drawing is written beside it",
    }
    return tuple(text for word, text in meaning.items() if word in words)
