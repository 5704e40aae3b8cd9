"""Cells to values: numbers of all countries, what programs write for "no value", text."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from typing import Literal

import numpy as np

__all__ = ["Notation", "column_values", "find_notation"]

#: What stands for "no value" even where nothing else tells that a column holds numbers.
_NAN = frozenset({"", "nan", "-nan", "nan(ind)", "-nan(ind)", "1.#qnan", "-1.#ind", "\ufffd"})
#: The same beside numbers; alone these are words. TrackMate writes ø, Excel the last ones.
_MISSING = _NAN | {
    *("na", "n/a", "#n/a", "null", "none", "\u00f8", "\u2205", "-", "\u2013", "--"),
    *("#num!", "#div/0!", "#value!", "#ref!", "#zahl!", "#wert!", "#nv"),
}
_INFINITE = {
    "\u221e": "inf",
    "+\u221e": "inf",
    "-\u221e": "-inf",
    "1.#inf": "inf",
    "-1.#inf": "-inf",
}
_EXP = r"(?:[eE][-+]?\d+)?"
_COMMA_DECIMAL = re.compile(rf"[-+]?(?:\d+|\d{{1,3}}(?:\.\d{{3}})+)?,\d+{_EXP}|[-+]?\d+,")
_COMMA_GROUPS = re.compile(rf"[-+]?\d{{1,3}}(?:,\d{{3}})+(?:\.\d*)?{_EXP}")
_EITHER = re.compile(r"[-+]?[1-9]\d{0,2},\d{3}")
_DOT_GROUPS = re.compile(r"[-+]?\d{1,3}(?:\.\d{3})+")
_BLANK_GROUPS = re.compile(r"(?<=\d)[ \u00a0\u2009\u202f'\u2019](?=\d{3}(?!\d))")
_LOOK = 5000
_INT64 = 2**63


@dataclass(frozen=True, slots=True)
class Notation:
    """How a file writes numbers: what the comma is."""

    comma: Literal["decimal", "groups"] = "groups"
    seen: bool = False


def find_notation(columns: list[list[str]], separator: str) -> Notation:
    """Decide for a whole file what a comma inside a number is.

    ``1,234`` alone can be both. A cell that can be only one thing decides; without one, a comma
    stands before decimals unless the file is comma-separated, uses decimal points elsewhere, or
    only numbers of four digits and more have it.
    """
    signs: set[str] = set()
    for column in columns:
        here = {_sign(cell.strip()) for cell in column[:_LOOK]}
        if "either" in here and "small" in here and "large" not in here:
            here.add("grows")
        signs |= here
    if not signs & {"decimal", "groups", "either"}:
        return Notation()
    if ("decimal" in signs) != ("groups" in signs):
        return Notation("decimal" if "decimal" in signs else "groups", seen=True)
    if "decimal" in signs:  # both in one file: by its separator
        return Notation("decimal" if separator == ";" else "groups", seen=True)
    groups = separator == "," or "point" in signs or ("grows" in signs and separator != ";")
    return Notation("groups" if groups else "decimal", seen=True)


def _sign(text: str) -> str:
    """Return what one cell tells about commas."""
    if "," not in text:
        if not _plain(text):
            return ""
        if "." in text:
            return "" if _DOT_GROUPS.fullmatch(text) else "point"
        return "small" if abs(float(text)) < 1000 else "large"
    text = _tidy(text)
    if _EITHER.fullmatch(text):
        return "either"
    if _COMMA_GROUPS.fullmatch(text) and not text.startswith(("0", "-0", "+0")):
        return "groups"
    return "decimal" if _COMMA_DECIMAL.fullmatch(text) else ""


def _tidy(text: str) -> str:
    """Return a number with a plain minus sign and without blanks between its groups."""
    return _BLANK_GROUPS.sub("", text.replace("\u2212", "-", 1))


def _plain(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell


def column_values(cells: list[str], notation: Notation) -> np.ndarray:
    """Return the values of a column.

    They are int64 when all are whole and none is missing, else float64, else str objects.

    Parameters
    ----------
    cells
        One cell a row.
    notation
        Of the file.
    """
    dots_are_groups = notation.seen and notation.comma == "decimal" and _has_dot(cells)
    with contextlib.suppress(ValueError):
        if not dots_are_groups:
            return _numbers(cells)
    words = {c.strip().lower() for c in cells[:_LOOK]}
    if words <= _NAN and all(c.strip().lower() in _NAN for c in cells):
        return np.full(len(cells), np.nan)
    converted: list[str] = []
    has_number = False
    for cell in cells:
        text = cell.strip()
        word = text.lower()
        if word in _MISSING:
            converted.append("nan")
            continue
        number = _INFINITE.get(word) or _rewrite(text, notation)
        if number is None:
            return np.array(cells, object)
        converted.append(number)
        has_number = True
    if not has_number:
        return np.array(cells, object)
    try:
        return _numbers(converted)
    except ValueError:
        return np.array(cells, object)


def _numbers(cells: list[str]) -> np.ndarray:
    """Read plain numbers, or raise ValueError."""
    first = cells[0] if cells else "x"
    if first.strip("+-0123456789 ") == "" and first:
        try:
            whole = list(map(int, cells))
        except ValueError:
            pass
        else:
            if min(whole) >= -_INT64 and max(whole) < _INT64 and not _odd_ints(cells):
                return np.array(whole, np.int64)
    values = np.fromiter(map(float, cells), np.float64, len(cells))
    if "_" in "".join(cells):  # Python's 1_000 is no number of a table
        raise ValueError
    return values


def _has_dot(cells: list[str]) -> bool:
    return "." in "".join(cells)


def _odd_ints(cells: list[str]) -> bool:
    """Whether integers would lose something: the sign of -0, or underscores."""
    return "-0" in cells or "_" in "".join(cells)


def _rewrite(text: str, notation: Notation) -> str | None:
    """Return a number as Python writes it, or None."""
    text = _tidy(text)
    if notation.comma == "decimal" and notation.seen:
        if _COMMA_DECIMAL.fullmatch(text):
            return text.replace(".", "").replace(",", ".")
        if _DOT_GROUPS.fullmatch(text):
            return text.replace(".", "")
    elif "," in text:
        return text.replace(",", "") if _COMMA_GROUPS.fullmatch(text) else None
    if text.count(".") > 1 and _DOT_GROUPS.fullmatch(text):
        return text.replace(".", "")
    return text if _plain(text) else None
