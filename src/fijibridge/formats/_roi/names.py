"""Names of ROIs and names of zip entries.

Source: ImageJ 1.54p RoiManager.saveMultiple, getUniqueName, getLabel.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fijibridge.model import Roi

__all__ = ["automatic_name", "entry_names", "name_from_entry"]

#: ImageJ lets its suffixes grow without end beyond this.
_LARGEST_SUFFIX = 1000
_LONGEST = 65000


def automatic_name(roi: Roi) -> str:
    """Return ImageJ's name for an ROI without one: ``YYYY-XXXX`` of its bounds' centre."""
    x, y, width, height = (int(v) for v in roi.box)
    xc, yc = max(x + width // 2, 0), max(y + height // 2, 0)
    digits = max(4, len(str(xc)), len(str(yc)))
    return f"{yc:0{digits}d}-{xc:0{digits}d}"


def _safe(name: str) -> str:
    """Return a name as it may stand in an archive: inside the folder it is unpacked to."""
    if not ("/" in name or "\\" in name or ":" in name or "\0" in name or ".." in name):
        return name
    name = name.replace("\0", "_")
    parts = re.split(r"([/\\])", name)
    parts = ["_" if part == ".." else part for part in parts]
    name = "".join(parts)
    if name[:1] in "/\\":
        name = "_" + name[1:]
    if len(name) > 1 and name[1] == ":" and name[0].isalpha():
        name = name[0] + "_" + name[2:]
    return name


def entry_names(names: Sequence[str]) -> list[str]:
    """Return the zip entries of ROIs, in order: ``name.roi``, of duplicates ``name-1.roi`` etc.

    A suffix of less than four characters (``-12``) makes room for the new one, as in ImageJ. Names
    that would lie outside of the folder they are unpacked to are changed to harmless ones.

    Examples
    --------
    >>> entry_names(["a", "a", "b-7", "b-7"])
    ['a.roi', 'a-1.roi', 'b-7.roi', 'b-1.roi']
    """
    joined = "\0".join(names)
    plain = not any(word in joined for word in ("/", "\\", ":", "..", ".roi"))
    if plain and joined.count("\0") == len(names) - 1 and len(set(names)) == len(names):
        longest = max(map(len, names))
        if longest < _LONGEST // 4:
            return (".roi\0".join(names) + ".roi").split("\0")
    stems = [_safe(name.removesuffix(".roi"))[: _LONGEST // 4] for name in names]
    listed = Counter(stems)
    taken: set[str] = set()
    following: dict[str, int] = {}
    out = []
    for stem in stems:
        name = stem
        if name in taken:
            name = _unique(stem, listed, taken, following)
            listed[stem] -= 1
            listed[name] += 1
        taken.add(name)
        out.append(name + ".roi")
    return out


def _unique(stem: str, listed: Counter[str], taken: set[str], following: dict[str, int]) -> str:
    dash = stem.rfind("-")
    base = stem[:dash] if dash != -1 and len(stem) - dash < 5 else stem
    n = following.get(base, 1)
    while listed[f"{base}-{n}"] > 0 or f"{base}-{n}" in taken:
        n += 1
    following[base] = n + 1
    return f"{base}-{n}"


def name_from_entry(entry: str, inside: str, seen: set[str]) -> str:
    """Return an ROI's name from its zip entry (without ``.roi``) and the name inside its record.

    The name inside counts where the entry is that name, made unique or harmless by the writer;
    else the entry counts, as in ImageJ's list.

    Parameters
    ----------
    entry
        Name of the entry without its suffix.
    inside
        Name in the record, "" when it has none.
    seen
        Names of the entries before this one.
    """
    if not inside or inside == entry:
        return entry
    safe = _safe(inside)[: _LONGEST // 4]
    if safe == entry:
        return inside
    dash = safe.rfind("-")
    base = safe[:dash] if dash != -1 and len(safe) - dash < 5 else safe
    numbered = entry.startswith(base + "-") and entry[len(base) + 1 :].isdigit()
    return inside if numbered and safe in seen else entry
