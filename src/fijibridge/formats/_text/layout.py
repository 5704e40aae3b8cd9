"""What the headings of a text table say: whose table it is, units, object ids."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from fijibridge.model._links import sorted_pairs
from fijibridge.model.table import LABEL
from fijibridge.model.units import canonical_unit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fijibridge.formats._text.split import Cells

__all__ = [
    "Layout",
    "find_layout",
    "find_object_ids",
    "heading_unit",
    "power_unit",
    "unique_headings",
]

_KNOWN = frozenset(
    {
        *("micrometer", "nanometer", "millimeter", "centimeter", "meter", "inch", "picometer"),
        *("angstrom", "second", "millisecond", "microsecond", "minute", "hour", "pixel"),
    }
)
#: Units that may stand behind a heading without brackets ("Area \u00b5m^2"); "Mean s" has none.
_BARE = re.compile(r"(?:[\u00b5\u03bcu]m|nm|mm|px|microns?)(?:\^?[23]|[\u00b2\u00b3])?")
_BRACKETS = re.compile(r".*[(\[]([^()\[\]]{1,20})[)\]]\s*")
_POWER = re.compile(r"(.*?)\s*(?:\^?([23])|([\u00b2\u00b3]))")
#: Headings of label ids and of time points, in lower case without blanks and underscores.
_LABEL_HEADINGS = ("labelimageoid", "labelimageid", "objectnumber", "label", "labelid")
_TIME_HEADINGS = {"timestep": 0, "frame": 0, "t": 0, "timepoint": 0, "imagenumber": 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Headings and where the values begin.

    Parameters
    ----------
    program
        Whose layout it is, for people.
    headings
        One a column that is kept.
    keep
        Indices of those columns.
    skip
        Lines below the heading that belong to it.
    units
        Heading -> unit.
    row_numbers
        The file has a column that only counts rows.
    """

    program: str
    headings: list[str]
    keep: list[int]
    skip: int = 0
    units: Mapping[str, str] = field(default_factory=dict)
    row_numbers: bool = False


def power_unit(text: str) -> str:
    """Return a unit, perhaps with a power, in this project's words; "" when it is none.

    Examples
    --------
    >>> power_unit("\u00b5m\u00b2"), power_unit("px^2"), power_unit("a.u.")
    ('micrometer^2', 'pixel^2', '')
    """
    text = text.strip().replace("\\u00B5", "\u00b5")
    power = ""
    match = _POWER.fullmatch(text)
    if match and canonical_unit(match[1]) in _KNOWN and match[1]:
        text = match[1]
        power = "^2" if (match[2] or match[3]) in ("2", "\u00b2") else "^3"
    unit = canonical_unit(text) if text else ""
    return unit + power if unit in _KNOWN else ""


def heading_unit(heading: str) -> str:
    """Return the unit that a heading names, or "".

    Examples
    --------
    >>> [heading_unit(h) for h in ("Area \u00b5m^2", "Birth [s]", "Length (um)", "Mean", "Min")]
    ['micrometer^2', 'second', 'micrometer', '', '']
    """
    match = _BRACKETS.fullmatch(heading)
    if match:
        return power_unit(match[1])
    last = heading.rsplit(" ", 1)
    return power_unit(last[1]) if len(last) == 2 and _BARE.fullmatch(last[1]) else ""


def find_layout(cells: Cells) -> Layout:
    """Recognise the program by its headings."""
    width = len(cells.columns)
    headings = cells.headings or [f"C{i + 1}" for i in range(width)]
    if not cells.headings:
        return Layout(program="numbers only", headings=headings, keep=list(range(width)))
    return _trackmate(cells) or _cellprofiler(cells) or _plain(cells, headings)


def _trackmate(cells: Cells) -> Layout | None:
    """TrackMate: keys, names, short names and units, one line each."""
    keys = [h.strip() for h in cells.headings]
    if len(keys) < 2 or not all(re.fullmatch(r"[A-Z][A-Z0-9_]*", k) for k in keys):
        return None
    if not cells.columns or len(cells.columns[0]) < 3:
        return None
    marks = [column[2].strip() for column in cells.columns]
    names = [column[0].strip() for column in cells.columns]
    if not all(m == "" or (m[0] == "(" and m[-1] == ")") for m in marks) or "" in names:
        return None
    if not any(marks) and all(_is_numeric(n) for n in names):
        return None
    units = {}
    for key, mark in zip(keys, marks, strict=True):
        text = mark[1:-1].strip()
        if text:
            units[key] = power_unit(text) or text
    return Layout(
        program="TrackMate",
        headings=unique_headings(keys),
        keep=list(range(len(keys))),
        skip=3,
        units=units,
    )


def _is_numeric(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _cellprofiler(cells: Cells) -> Layout | None:
    """CellProfiler with several objects in a file: whose measurement, then which."""
    owners = [h.strip() for h in cells.headings]
    if "Image" not in owners or not cells.columns or not cells.columns[0]:
        return None
    names = [column[0].strip() for column in cells.columns]
    if "ImageNumber" not in names or "" in names:
        return None
    headings: list[str] = []
    for owner, name in zip(owners, names, strict=True):
        bare = name in ("ImageNumber", "ObjectNumber") and name not in headings
        headings.append(name if bare else f"{owner}_{name}")
    return Layout(
        program="CellProfiler",
        headings=unique_headings(headings),
        keep=list(range(len(headings))),
        skip=1,
    )


def _plain(cells: Cells, raw: list[str]) -> Layout:
    headings = [h if h == " " else h.strip() for h in raw]
    columns = cells.columns
    keep = list(range(len(headings)))
    row_numbers = False
    program = ""
    if headings and (headings[0] == " " or (headings[0] == "" and _counts_up(columns[0]))):
        # ImageJ itself drops this column when it reads
        row_numbers = headings[0] == " " or _counts_up(columns[0], first=1)
        keep = keep[1:]
    while keep and headings[keep[-1]] == "" and not any(c.strip() for c in columns[keep[-1]]):
        keep.pop()  # every line ends with a separator
    kept = [headings[i] or f"C{i + 1}" for i in keep]
    words = {h.lower().replace(" ", "").replace("_", "") for h in kept}
    if row_numbers:
        program = "ImageJ"
    elif "ImageNumber" in kept and "ObjectNumber" in kept:
        program = "CellProfiler"
    elif "labelimageoid" in words or {"labelimageid", "lineageid"} <= words:
        program = "ilastik"
    kept = unique_headings(kept)
    units = {h: unit for h in kept if (unit := heading_unit(h))}
    return Layout(program=program, headings=kept, keep=keep, units=units, row_numbers=row_numbers)


def _counts_up(cells: list[str], first: int | None = None) -> bool:
    """Whether a column holds 0, 1, 2 ... or 1, 2, 3 ..."""
    if not cells:
        return True
    if first is None:
        return _counts_up(cells, 0) or _counts_up(cells, 1)
    return all(cell.strip() == str(i) for i, cell in enumerate(cells, first))


def unique_headings(headings: list[str]) -> list[str]:
    """Tell equal headings apart as pandas does: Mean, Mean.1, Mean.2."""
    seen: dict[str, int] = {}
    taken = set(headings)
    unique = []
    for heading in headings:
        if heading not in seen:
            seen[heading] = 0
            unique.append(heading)
            continue
        while True:
            seen[heading] += 1
            name = f"{heading}.{seen[heading]}"
            if name not in taken:
                break
        taken.add(name)
        unique.append(name)
    return unique


def find_object_ids(columns: Mapping[str, np.ndarray]) -> np.ndarray | None:
    """Return (t, label) of every row when headings name them, else None.

    A label column holds whole numbers from 1, and no pair twice. ImageJ's own ``Label`` is an
    image title, but MorphoLibJ writes label ids there. Time points count from 0, but CellProfiler's
    ImageNumber and ImageJ's ``Frame`` from 1.
    """
    words = {h: h.lower().replace(" ", "").replace("_", "") for h in columns}
    for word in _LABEL_HEADINGS:
        heading = next((h for h, w in words.items() if w == word), None)
        if heading is None:
            continue
        labels = _whole(columns[heading])
        if labels is None or (len(labels) and labels.min() < 1):
            continue
        times = np.zeros(len(labels), np.int64)
        for other, first in _TIME_HEADINGS.items():
            found = next((h for h, w in words.items() if w == other), None)
            values = None if found is None else _whole(columns[found])
            if values is not None:
                one_based = first or (found == "Frame" and heading in (LABEL, "label"))
                times = values - int(bool(one_based) and (not len(values) or values.min() > 0))
                break
        ids = np.column_stack([times, labels])
        if len(ids) == len(sorted_pairs(ids)):
            return ids
    return None


def _whole(values: np.ndarray) -> np.ndarray | None:
    """Return a column as integers when it holds nothing else."""
    if values.dtype.kind in "iu":
        return values.astype(np.int64)
    if values.dtype == object:
        if not all(
            isinstance(v, str) and v.isascii() and v.isdigit() and len(v) < 19 for v in values
        ):
            return None
        return np.array([int(v) for v in values], np.int64)
    if values.dtype.kind != "f" or not np.isfinite(values).all():
        return None
    whole = np.abs(values) < 2**53
    return values.astype(np.int64) if bool(np.all(whole & (values == np.trunc(values)))) else None
