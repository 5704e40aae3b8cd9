"""What messages say, in the words of macros: ``--size 20`` -> ``size=20``, a command -> ``run(…)``.

Messages are written once, for the shell; a Fiji user types macro keys. Every door of a host passes
them through here. Words that no verb has stay as they are.
"""

from __future__ import annotations

import functools
import re
import shlex
from typing import TYPE_CHECKING

from fijibridge.errors import FijiBridgeError
from fijibridge.ops import OPERATIONS, operation
from fijibridge.ops._emit import bracketed
from fijibridge.ops._kinds import FLAG
from fijibridge.ops._run import RunOptions
from fijibridge.ops._settings import declared

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fijibridge.ops import Operation
    from fijibridge.ops._settings import Declared

__all__ = ["in_macro_words"]

_VALUE = r"\"[^\"]*\"|'[^']*'|[^\s\"'(),;]*[^\s\"'(),;:.]"
_FLAG = re.compile(rf"(?<![\w-])--([a-z][\w-]*)(?:(=| )({_VALUE}))?")
#: ``overwrite (--overwrite)``, ``axes='zyx' (--axes zyx)``: the same for Python and the shell.
_TWICE = re.compile(r"\b(\w+)(?:='[^']*'|=\"[^\"]*\"|=\w+)? \((--[a-z][^()]*)\)")
#: ``--image IMAGE (image=…)``.
_TWICE_BACK = re.compile(rf"(--([a-z][\w-]*)(?: (?:{_VALUE}))?) \((\w+)=[^()]*\)")
#: A command line; that of another program stays as it is.
_COMMAND = re.compile(r"(?<![\w/\\.-])(fijibridge|run_ilastik\.sh) ((?:(?!, or | {2}|\n).)+)")
#: Words that go on after a flag and are no value of it.
_SENTENCE = re.compile(
    "a|all|and|another|as|gives|in|is|it|makes|names|of|or|out|says|takes|the|to|too|with"
)


@functools.cache
def _settings(verb: str) -> dict[str, Declared]:
    """Return name -> setting, its other names too; "" stands for all verbs."""
    found: dict[str, Declared] = {}
    for name in [verb] if verb in OPERATIONS else OPERATIONS:
        for item in declared(operation(name).settings):
            for one in (item.name, *item.aliases):
                found.setdefault(one, item)
    for item in declared(RunOptions):
        found.setdefault(item.name, item)
    return found


def _item(name: str, verb: str) -> Declared | None:
    return _settings(verb).get(name) or _settings("").get(name)


def in_macro_words(text: str, verb: str = "") -> str:
    """Return a message with macro keys in place of flags, and commands as ``run(…)``.

    Parameters
    ----------
    text
        For people; may have several lines.
    verb
        Whose settings the flags are; "" or an unknown one = any verb's.

    Examples
    --------
    >>> in_macro_words("Choose another name, or say overwrite (--overwrite) to replace it.")
    'Choose another name, or say overwrite to replace it.'
    >>> in_macro_words('Type: fijibridge particles IMAGE --threshold "Otsu dark"')
    'Type: run("FijiBridge Particles...", "input=IMAGE threshold=[Otsu dark]");'
    """
    if "--" not in text and "fijibridge " not in text:
        return text
    parts: list[str] = []
    end = 0
    for match in _COMMAND.finditer(text):
        parts += [_flags(text[end : match.start()], verb), _command(match)]
        end = match.end()
    parts.append(_flags(text[end:], verb))
    return "".join(parts)


def _flags(text: str, verb: str) -> str:
    def once(match: re.Match[str]) -> str:
        name = match[2].lstrip("-").partition(" ")[0].replace("-", "_")
        return match[2] if name == match[1] else match[0]

    def once_back(match: re.Match[str]) -> str:
        return match[1] if match[2].replace("-", "_") == match[3] else match[0]

    text = _TWICE_BACK.sub(once_back, _TWICE.sub(once, text))
    return _FLAG.sub(lambda match: _key(match, verb), text)


def _key(match: re.Match[str], verb: str) -> str:
    name, between, value = match[1].replace("-", "_"), match[2] or "", match[3] or ""
    item = _item(name, verb)
    if item is None:
        return match[0]
    if item.kind is FLAG or not value or (between == " " and _SENTENCE.fullmatch(value)):
        return name + (_FLAG.sub(lambda m: _key(m, verb), between + value) if value else "")
    if value.startswith("--"):
        return f"{name} {_FLAG.sub(lambda m: _key(m, verb), value)}"
    if value[0] in "\"'":
        value = value[1:-1]
    return _bracketed(name, value)


def _bracketed(name: str, value: str) -> str:
    try:
        return bracketed(name, value)
    except FijiBridgeError:  # no macro line can hold it
        return f"{name}={value}"


def _command(match: re.Match[str]) -> str:
    """Return a command line as the line of a macro; as it is where that cannot be said."""
    said, end = match[2].rstrip(), ""
    while said and said[-1] in ".;,)":
        said, end = said[:-1], said[-1] + end
    tail = match[2][len(match[2].rstrip()) :]
    try:
        words = shlex.split(said)
    except ValueError:
        return match[0]
    verb = next((v for v in (" ".join(words[:2]), words[0]) if v in OPERATIONS), "")
    if match[1] != "fijibridge" or not verb or not operation(verb).menu:
        return match[0]
    found = operation(verb)
    keys = _keys(found, words[len(verb.split()) :])
    if keys is None:
        return match[0]
    line = "".join(f"{_bracketed(name, value)} " if value else f"{name} " for name, value in keys)
    options = f', "{line.strip()}"'.replace("\\", "\\\\") if line else ""
    return f'run("{found.menu}"{options});' + end.replace(".", "") + tail


def _keys(found: Operation, words: list[str]) -> list[tuple[str, str]] | None:
    """Return (key, value) of the words of a command line; None when it is not understood."""
    known: Mapping[str, Declared] = _settings(found.name)
    places = [item for item in declared(found.settings) if item.positional]
    keys: list[tuple[str, str]] = []
    rest = iter(words)
    for word in rest:
        if not word.startswith("--"):
            if not places:
                return None
            keys.append((places[0].name, word))
            if not places[0].kind.many:
                places.pop(0)
            continue
        name, same, value = word[2:].partition("=")
        item = known.get(name.replace("-", "_"))
        if item is None:
            return None
        if item.kind is not FLAG and not same:
            value = next(rest, "")
        keys.append((name.replace("-", "_"), value))
    return keys
