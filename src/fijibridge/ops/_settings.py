"""Settings: every option of a verb is declared once, as a field of the verb's settings dataclass.

From that declaration come the flags, the macro keys, the request JSON and the Python keywords.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import re
from dataclasses import MISSING, dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar, dataclass_transform

from fijibridge.errors import SettingsError, nearest
from fijibridge.model.json_text import parse_json
from fijibridge.ops._kinds import FLAG, Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = [
    "Declared",
    "Settings",
    "as_json",
    "as_text",
    "changed",
    "declared",
    "from_mapping",
    "load_json",
    "parse_keys",
    "setting",
    "settings",
]

#: A settings value; any dataclass made by `settings`.
Settings = Any
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """What was declared about one setting.

    Parameters
    ----------
    name
        The one name: Python keyword, JSON and macro key, flag.
    kind
        How values are read and written.
    help
        One line.
    default
        MISSING when the setting must be given.
    choices
        Allowed values, compared without case; empty = any.
    metavar
        What stands for a value in the help.
    positional
        On the command line the value stands without a flag.
    aliases
        Other names that are understood.
    group
        Heading in the help.
    """

    name: str
    kind: Kind
    help: str
    default: Any
    choices: tuple[str, ...] = ()
    metavar: str = ""
    positional: bool = False
    aliases: tuple[str, ...] = ()
    group: str = "options"

    @property
    def required(self) -> bool:
        """There is no default."""
        return self.default is MISSING

    @property
    def flag(self) -> str:
        """The flag as the help shows it."""
        return "--" + self.name.replace("_", "-")

    def parse(self, value: Any) -> Any:
        """Return the typed value; None stays None where that is the default."""
        if value is None and (self.default is None or self.default is MISSING):
            return None
        if self.choices:
            found = {word.lower(): word for word in self.choices}
            word = value.strip().lower() if isinstance(value, str) else value
            if not isinstance(word, str) or word not in found:
                raise SettingsError(
                    f"{self.name} is {value!r}; allowed are {', '.join(self.choices)}."
                    + nearest(str(value), self.choices)
                )
            return found[word]
        return self.kind.parse(value, self.name)


def setting(
    default: Any = MISSING,
    *,
    kind: Kind = FLAG,
    help: str,  # noqa: A002  # the word argparse has for it
    choices: Iterable[str] = (),
    metavar: str = "",
    positional: bool = False,
    aliases: Iterable[str] = (),
    group: str = "options",
) -> Any:
    """Declare a setting; parameters as in `Declared`."""
    about = {
        "kind": kind,
        "help": help,
        "choices": tuple(choices),
        "metavar": metavar or kind.metavar,
        "positional": positional,
        "aliases": tuple(aliases),
        "group": group,
    }
    if default is MISSING:
        return field(metadata=about)
    return field(default=default, metadata=about)


def declared(cls: type) -> tuple[Declared, ...]:
    """Return the settings of a settings dataclass, in order."""
    return _declared(cls)


@functools.cache
def _declared(cls: Any) -> tuple[Declared, ...]:
    return tuple(
        Declared(name=f.name, default=f.default, **f.metadata) for f in dataclasses.fields(cls)
    )


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(setting,))
def settings(cls: type[T]) -> type[T]:
    """Make a class with `setting` fields a frozen dataclass whose values are valid once it exists.

    A method ``check`` may raise SettingsError for values that do not go together.
    """
    check = getattr(cls, "check", None)

    def __post_init__(self: Any) -> None:  # noqa: N807  # dataclass looks for this name
        for item in declared(type(self)):
            value = getattr(self, item.name)
            if value is not item.default:  # defaults are declared as they are parsed
                object.__setattr__(self, item.name, item.parse(value))
        if check is not None:
            check(self)

    cls.__post_init__ = __post_init__  # type: ignore[attr-defined]  # what dataclass looks for
    return dataclass(frozen=True, kw_only=True)(cls)


def from_mapping(cls: type[T], values: Mapping[str, Any], *, where: str = "") -> T:
    """Build settings from names and values of any door.

    Raises
    ------
    SettingsError
        For an unknown name (with the nearest valid one), a wrong value, or a missing setting.
    """
    known = declared(cls)
    names = {name: item.name for item in known for name in (item.name, *item.aliases)}
    found: dict[str, Any] = {}
    for key, value in values.items():
        name = names.get(key.replace("-", "_"))
        if name is None:
            of = f" of {where}" if where else ""
            raise SettingsError(
                f"There is no setting {key!r}{of}.{nearest(key.replace('-', '_'), names)}",
                f"Settings: {', '.join(item.name for item in known)}.",
            )
        if name in found and found[name] != value:
            raise SettingsError(f"The setting {name!r} is given twice, with different values.")
        found[name] = value
    missing = [item for item in known if item.required and found.get(item.name) is None]
    if missing:
        what = missing[0]
        raise SettingsError(
            f"{where or 'This'} needs {what.metavar}: the setting {what.name!r} is missing.",
            f"It is: {what.help}.",
        )
    return cls(**found)


def changed(value: Settings) -> dict[str, Any]:
    """Return name -> typed value of the settings that are not at their default."""
    return {
        item.name: getattr(value, item.name)
        for item in declared(type(value))
        if item.required or getattr(value, item.name) != _default(item)
    }


def _default(item: Declared) -> Any:
    return item.default if item.default is None else item.parse(item.default)


def as_json(value: Settings) -> dict[str, Any]:
    """Return the changed settings as JSON values."""
    kinds = {item.name: item.kind for item in declared(type(value))}
    return {
        name: None if found is None else kinds[name].dump(found)
        for name, found in changed(value).items()
    }


def as_text(value: Settings) -> dict[str, str]:
    """Return the changed settings as texts of flags or macro keys."""
    kinds = {item.name: item.kind for item in declared(type(value))}
    return {
        name: kinds[name].text(found) for name, found in changed(value).items() if found is not None
    }


def load_json(text: str | bytes) -> Any:
    """Return a JSON value; bare Infinity and NaN, which are no JSON, are refused.

    Raises
    ------
    SettingsError
        When it is no JSON.
    """

    def refuse(word: str) -> None:
        raise SettingsError(
            f"The request holds a bare {word}, which is no JSON.",
            'Write ranges as text: "20-Infinity".',
        )

    try:
        return parse_json(text, parse_constant=refuse)
    except RecursionError:
        raise SettingsError("The request is nested too deeply.") from None
    except UnicodeDecodeError:
        raise SettingsError("The request is no UTF-8 text.") from None
    except json.JSONDecodeError as error:
        raise SettingsError(
            f"The request is no JSON: {error.msg} (line {error.lineno}, column {error.colno})."
        ) from None


_KEY = re.compile(r"([^\s=\[\]']+)(=)?")


def parse_keys(text: str) -> dict[str, str | bool]:
    """Split ImageJ macro options; a bare word is True.

    Examples
    --------
    >>> parse_keys("input=[a b.tif] size=20-Infinity exclude show=[Count Masks]")
    {'input': 'a b.tif', 'size': '20-Infinity', 'exclude': True, 'show': 'Count Masks'}

    Raises
    ------
    SettingsError
        When a bracket or quote is not closed.

    Source
    ------
    ij.Macro.getValue: values in brackets may hold brackets, values in ``'`` anything else.
    """
    found: dict[str, str | bool] = {}
    at = 0
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        match = _KEY.match(text, at)
        if match is None:
            raise SettingsError(f"The options {text!r} have no key before {text[at:]!r}.")
        at = match.end()
        if match[2]:
            value, at = _value(text, at)
            found[match[1]] = value
        else:
            found[match[1]] = True
    return found


def _value(text: str, at: int) -> tuple[str, int]:
    opener = text[at : at + 1]
    if opener == "'":
        end = text.find("'", at + 1)
    elif opener == "[":
        depth, end = 0, -1
        for i in range(at, len(text)):
            depth += {"[": 1, "]": -1}.get(text[i], 0)
            if depth == 0:
                end = i
                break
    else:
        match = re.compile(r"\S*").match(text, at)
        assert match is not None  # noqa: S101  # \S* always matches
        return match[0], match.end()
    if end < 0:
        raise SettingsError(f"The options {text!r} open a {opener} that is not closed.")
    return text[at + 1 : end], end + 1
