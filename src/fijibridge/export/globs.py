"""Patterns that go on inside files: ``a.h5/vol*``, ``d/*.zarr/labels/*``.

A ``*`` stands for a part of one name, ``**`` for any number of names; only images are matches.
Levels of a pyramid are no images of their own.
"""

from __future__ import annotations

import glob
import re
from typing import TYPE_CHECKING, Any

from fijibridge.errors import FijiBridgeError
from fijibridge.formats import Location, format_for_reading

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["inner_matches"]


def _pattern(text: str) -> re.Pattern[str]:
    """Return the expression of a pattern.

    Examples
    --------
    >>> bool(_pattern("vol*").fullmatch("vol_1")), bool(_pattern("*").fullmatch("a/b"))
    (True, False)
    >>> bool(_pattern("**/b[0-9]").fullmatch("x/y/b1")), bool(_pattern("**/b").fullmatch("b"))
    (True, True)
    """
    out = []
    i = 0
    while i < len(text):
        closing = text.find("]", i + 2) if text[i] == "[" else -1
        if text.startswith("**/", i):
            out.append("(?:[^/]+/)*")
            i += 3
        elif text.startswith("**", i):
            out.append(".*")
            i += 2
        elif closing > 0:
            inside = text[i + 1 : closing].replace("\\", "\\\\").replace("[", "\\[")
            out.append(f"[{'^' + inside[1:] if inside.startswith('!') else inside}]")
            i = closing + 1
        else:
            out.append({"*": "[^/]*", "?": "[^/]"}.get(text[i], re.escape(text[i])))
            i += 1
    return re.compile("".join(out))


def _images(path: str) -> Iterable[str]:
    """Return the places of all images of a container; none when it is broken or no container."""
    where = Location.parse(path)
    try:
        fmt = format_for_reading(where, "image")
        about: dict[str, Any] = fmt.describe(where) if fmt.container and fmt.describe else {}
    except FijiBridgeError:
        return []
    found = about.get("images", [])
    if not isinstance(found, list):
        return []
    names = [one["path"] if isinstance(one, dict) else one for one in found]
    return [str(name).strip("/") for name in names if str(name).strip("/.")]


def inner_matches(pattern: str) -> list[str]:
    """Return the images inside files that a pattern names; none when it names no such place.

    Parameters
    ----------
    pattern
        Path of a container, which may be a pattern itself, and a pattern of places inside.
    """
    where = Location.parse(pattern)
    if not where.inner or not any(c in where.inner for c in "*?["):
        return []
    files = [str(where.path)]
    if any(c in files[0] for c in "*?[") and not where.path.exists():
        files = glob.glob(files[0], recursive=True)  # noqa: PTH207  # patterns may be absolute
    wanted = _pattern(where.inner.strip("/"))
    return [f"{file}/{name}" for file in files for name in _images(file) if wanted.fullmatch(name)]
