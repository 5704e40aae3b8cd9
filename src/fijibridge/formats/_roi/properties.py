"""The ``key: value`` lines that ImageJ keeps in an ROI.

ImageJ writes them as they are and reads them as a Java properties file, so keys with spaces,
backslashes and letters beyond Latin-1 come back changed. Here they are written with Java's escapes,
which ImageJ reads right, and both spellings are read.

Source: ImageJ 1.54p Roi.getProperties and Roi.setProperties; java.util.Properties.load.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["join_properties", "split_properties"]

_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_CONTROL = {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}
#: The first unescaped ``:`` or ``=`` ends a key; a key without either ends at a space.
_SEPARATOR = re.compile(r"(?<!\\)(?:\\\\)*[:=]")
_SPACE = re.compile(r"(?<!\\)(?:\\\\)*[ \t\f]+")
#: Blanks at the end of a key, but not an escaped one.
_TRAILING = re.compile(r"(?<!\\)((?:\\\\)*)[ \t\f]+$")
#: QuPath's measurements have colons in their names and numbers as values.
_MEASUREMENT = "qupath.object.measurements."


def _unescaped(match: re.Match[str]) -> str:
    code = match[1]
    if len(code) == 5:
        return chr(int(code[1:], 16))
    return _CONTROL.get(code, code)


def _plain(text: str) -> str:
    if "\\" not in text:
        return text
    text = _ESCAPE.sub(_unescaped, text)
    # letters beyond 16 bits are two escapes; half of one is replaced
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _split_line(line: str) -> tuple[str, str]:
    if line.startswith(_MEASUREMENT) and ": " in line:
        key, _, value = line.rpartition(": ")
        return key, value
    found = _SEPARATOR.search(line) or _SPACE.search(line)
    if found is None:
        return line, ""
    end = found.end() - (1 if line[found.end() - 1] in ":=" else 0)
    return _TRAILING.sub(r"\1", line[:end]), line[found.end() :].lstrip(" \t\f")


def split_properties(text: str) -> dict[str, str]:
    r"""Return the properties in a record's text, in their order.

    Examples
    --------
    >>> split_properties("label: 7\nMean Intensity: 12.5\n")
    {'label': '7', 'Mean Intensity': '12.5'}
    >>> split_properties("qupath.object.measurements.Nucleus: Area: 12\n")
    {'qupath.object.measurements.Nucleus: Area': '12'}
    """
    found = {}
    for line in re.split(r"\r\n|\r|\n", text):
        stripped = line.lstrip(" \t\f")
        if not stripped or stripped[0] in "#!":
            continue
        key, value = _split_line(stripped)
        found[_plain(key)] = _plain(value)
    return found


def _escaped(text: str, special: str) -> str:
    out = []
    for letter in text:
        if letter in special or letter == "\\":
            out.append("\\" + letter)
        elif letter in "\t\n\r\f":
            out.append({"\t": "\\t", "\n": "\\n", "\r": "\\r", "\f": "\\f"}[letter])
        elif " " <= letter <= "~":
            out.append(letter)
        else:
            units = letter.encode("utf-16-be", "surrogatepass")
            out += [f"\\u{units[i : i + 2].hex().upper()}" for i in range(0, len(units), 2)]
    return "".join(out)


def join_properties(properties: Mapping[str, str]) -> str:
    r"""Return the text that ImageJ reads as these properties; keys are sorted, as ImageJ does.

    Examples
    --------
    >>> join_properties({"label": "7", "a b": "\u00b5m"})
    'a\\ b: \\u00B5m\nlabel: 7\n'
    """
    lines = []
    for key in sorted(properties):
        value = _escaped(str(properties[key]), "")
        if value.startswith(" "):  # leading blanks would be taken as part of the separator
            value = "\\" + value
        lines.append(f"{_escaped(key, ' :=#!')}: {value}\n")
    return "".join(lines)
