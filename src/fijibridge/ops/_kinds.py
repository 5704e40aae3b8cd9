"""Kinds of settings: one way from text (flags, macro keys), JSON and Python to a value, and back.

A kind knows nothing of any verb. ``parse`` takes whatever a user may give and returns the one
typed value; ``dump`` returns what JSON holds; ``text`` what a flag or a macro key holds.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fijibridge.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "FLAG",
    "INTEGER",
    "NUMBER",
    "PATH",
    "PATHS",
    "RANGE",
    "SCALES",
    "SHAPE",
    "TEXT",
    "THRESHOLD",
    "WORDS",
    "Kind",
    "absolute_path",
    "number_text",
    "parse_range",
]

_NUMBER = r"[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|inf(?:inity)?)"
_RANGE = re.compile(rf"\s*({_NUMBER})\s*(?:-|\u2013|\.\.)\s*({_NUMBER})\s*", re.IGNORECASE)
_TRUE = frozenset({"true", "yes", "on", "1"})
_FALSE = frozenset({"false", "no", "off", "0"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """How the values of a setting are read and written.

    Parameters
    ----------
    metavar
        What stands for a value in the help.
    parse
        (value, name of the setting) -> typed value; SettingsError when it is none.
    dump
        Typed value -> JSON value.
    text
        Typed value -> text of a flag or macro key.
    many
        Takes several words on the command line.
    greedy
        A flag takes all words up to the next flag.
    """

    metavar: str
    parse: Callable[[Any, str], Any]
    dump: Callable[[Any], Any] = lambda value: value
    text: Callable[[Any], str] = str
    many: bool = False
    greedy: bool = False


def number_text(value: float) -> str:
    """Return the shortest text of a number.

    Examples
    --------
    >>> number_text(20.0), number_text(0.25), number_text(float("inf"))
    ('20', '0.25', 'Infinity')
    """
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(float(value))


def _refuse(value: object, name: str, allowed: str, hint: str = "") -> SettingsError:
    return SettingsError(f"{name} is {_shown(value)}; allowed is {allowed}.", hint)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _flag(value: object, name: str) -> bool:
    if isinstance(value, bool) or type(value).__name__ in {"bool_", "bool"}:
        return bool(value)
    word = value.strip().lower() if isinstance(value, str) else ""
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise _refuse(value, name, "true or false")


def _is_number(value: object) -> bool:
    return hasattr(value, "__float__") and not isinstance(value, (bool, str))


def _number(value: Any, name: str) -> float:
    try:
        if _is_number(value) or (
            isinstance(value, str) and re.fullmatch(_NUMBER, value.strip(), re.IGNORECASE)
        ):
            found = float(value)
        else:
            raise _refuse(value, name, "a number")
    except OverflowError:
        raise _refuse(value, name, "a number that fits 64 bits") from None
    if math.isnan(found):
        raise _refuse(value, name, "a number, not NaN")
    return found


def _integer(value: object, name: str) -> int:
    found = _number(value, name)
    if not math.isfinite(found) or found != int(found):
        raise _refuse(value, name, "a whole number")
    return int(found)


def _text(value: object, name: str) -> str:
    if isinstance(value, str):
        return value
    raise _refuse(value, name, "a text")


def _path(value: object, name: str) -> str:
    """Return a path as text; a leading ``~`` is expanded, also where quotes kept the shell off."""
    if not isinstance(value, (str, os.PathLike)):
        raise _refuse(value, name, "a path")
    text = os.fspath(value)
    if not isinstance(text, str) or not text.strip():
        raise _refuse(value, name, "a path", "Name a file.")
    if "\0" in text:
        raise SettingsError(f"{name} holds a NUL character; no file can be so named.")
    if not text.startswith("~"):
        return text
    try:
        return str(Path(text).expanduser())
    except RuntimeError:  # no such user: a file may be so named
        return text


def absolute_path(path: str) -> str:
    """Return a path from the root, links kept."""
    return os.path.abspath(path)  # noqa: PTH100  # Path.resolve follows links


def _paths(value: object, name: str) -> tuple[str, ...]:
    """Return paths; in one text they are parted by ``;`` (unless a file has that very name)."""
    if isinstance(value, str) and ";" in value and not Path(value).exists():
        value = [part for part in value.split(";") if part.strip()]
    if isinstance(value, (str, os.PathLike)):
        return (_path(value, name),)
    if isinstance(value, Iterable) and not isinstance(value, (bytes, Mapping)):
        return tuple(_path(part, name) for part in value)
    raise _refuse(value, name, "a path or a list of paths")


def _paths_text(value: tuple[str, ...]) -> str:
    if len(value) > 1 and any(";" in part for part in value):
        raise SettingsError("A file name with ';' cannot be one of several in a macro key.")
    return ";".join(value)


def parse_range(value: Any, name: str) -> tuple[float, float]:
    """Return (low, high); a single number is the lower end, as in ImageJ.

    Examples
    --------
    >>> parse_range("20-Infinity", "size"), parse_range([0.5, "1"], "circularity")
    ((20.0, inf), (0.5, 1.0))
    >>> parse_range("7", "size"), parse_range("1e-4-5", "size")
    ((7.0, inf), (0.0001, 5.0))
    """
    allowed = "a range such as 20-Infinity"
    if isinstance(value, str):
        found = _RANGE.fullmatch(value)
        if found is not None:
            low, high = float(found[1]), float(found[2])
        elif re.fullmatch(_NUMBER, value.strip(), re.IGNORECASE):
            low, high = float(value), math.inf
        else:
            raise _refuse(value, name, allowed)
    elif _is_number(value):
        low, high = _number(value, name), math.inf
    elif isinstance(value, Iterable) and not isinstance(value, (bytes, Mapping)):
        ends = list(value)
        if len(ends) != 2:
            raise _refuse(value, name, allowed)
        low = 0.0 if ends[0] is None else _number(ends[0], name)
        high = math.inf if ends[1] is None else _number(ends[1], name)
    else:
        raise _refuse(value, name, allowed)
    if low > high:
        raise SettingsError(
            f"{name} is {_shown(value)}: its lower end is above its upper end.",
            f"Write {number_text(high)}-{number_text(low)}.",
        )
    return low, high


def _range_text(value: tuple[float, float]) -> str:
    return f"{number_text(value[0])}-{number_text(value[1])}"


def _threshold(value: object, name: str) -> str:
    """Return a threshold as text: ``LOW,HIGH`` or the words of a method."""
    if isinstance(value, str):
        if not value.strip():
            raise _refuse(value, name, "LOW,HIGH or a method such as 'Otsu dark'")
        return value.strip()
    if isinstance(value, Iterable) and not isinstance(value, (bytes, Mapping)):
        ends = list(value)
        if len(ends) == 2:
            return ",".join(number_text(_number(end, name)) for end in ends)
    raise _refuse(value, name, "LOW,HIGH or a method such as 'Otsu dark'")


def _words(value: object, name: str) -> tuple[str, ...]:
    if isinstance(value, str):
        return tuple(value.replace(",", " ").split())
    if isinstance(value, Iterable) and not isinstance(value, (bytes, Mapping)):
        return tuple(word for part in value for word in _text(part, name).split())
    raise _refuse(value, name, "words")


def _scales(value: object, name: str) -> Mapping[str, float]:
    """Return axis letter -> scale from ``x=0.2,y=0.2,z=1``, one number or a mapping."""
    if _is_number(value) or (
        isinstance(value, str) and re.fullmatch(_NUMBER, value.strip(), re.IGNORECASE)
    ):
        one = _number(value, name)
        value = {"x": one, "y": one}
    if isinstance(value, str):
        pairs = [part.partition("=") for part in re.split(r"[,\s]+", value.strip()) if part]
        if not pairs or not all(sep for _, sep, _ in pairs):
            raise _refuse(value, name, "such as x=0.2,y=0.2,z=1")
        value = {key: number for key, _, number in pairs}
    if not isinstance(value, Mapping):
        raise _refuse(value, name, "such as x=0.2,y=0.2,z=1")
    found = {}
    for key, number in value.items():
        scale = _number(number, name)
        if key not in tuple("tzyx") or not (math.isfinite(scale) and scale > 0):
            text = ",".join(f"{k}={v}" for k, v in value.items())
            raise _refuse(text, name, "letters t z y x, each with a positive size")
        found[str(key)] = scale
    return found


def _scales_text(value: Mapping[str, float]) -> str:
    return ",".join(f"{key}={number_text(scale)}" for key, scale in value.items())


def _shape(value: object, name: str) -> tuple[int, ...]:
    if isinstance(value, str):
        parts = [part for part in re.split(r"[,x\s]+", value.strip()) if part]
        if not all(part.isdigit() for part in parts):
            raise _refuse(value, name, "sizes such as 512,512 (height, width)")
        value = parts
    if isinstance(value, Iterable) and not isinstance(value, (bytes, Mapping)):
        sizes = tuple(_integer(part, name) for part in value)
        if sizes and min(sizes) > 0:
            return sizes
        value = sizes
    raise _refuse(value, name, "sizes such as 512,512 (height, width)")


FLAG = Kind(metavar="", parse=_flag, text=lambda value: "true" if value else "false")
INTEGER = Kind(metavar="N", parse=_integer)
NUMBER = Kind(metavar="X", parse=_number, text=number_text)
TEXT = Kind(metavar="TEXT", parse=_text)
PATH = Kind(metavar="FILE", parse=_path)
PATHS = Kind(metavar="FILE", parse=_paths, dump=list, text=_paths_text, many=True)
RANGE = Kind(metavar="LOW-HIGH", parse=parse_range, dump=_range_text, text=_range_text)
THRESHOLD = Kind(metavar="LOW,HIGH|METHOD", parse=_threshold)
WORDS = Kind(metavar="WORDS", parse=_words, dump=" ".join, text=" ".join)
SCALES = Kind(metavar="x=0.2,y=0.2", parse=_scales, dump=dict, text=_scales_text)
SHAPE = Kind(metavar="H,W", parse=_shape, dump=list, text=lambda v: ",".join(map(str, v)))
