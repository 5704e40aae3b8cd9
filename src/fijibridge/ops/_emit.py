"""``--emit``: the same run as a script of ImageJ, Jython, Python or the shell."""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING, Any

from fijibridge.errors import SettingsError
from fijibridge.ops._kinds import FLAG, absolute_path
from fijibridge.ops._record import move_paths
from fijibridge.ops._settings import as_json, as_text, declared, from_mapping

if TYPE_CHECKING:
    from fijibridge.ops._operation import Operation
    from fijibridge.ops._run import RunOptions

__all__ = ["bracketed", "emit", "shell_words"]


def emit(operation: Operation, settings: Any, options: RunOptions) -> str:
    """Return the script; paths are absolute, so that it runs from anywhere."""
    cls = type(settings)
    here = from_mapping(cls, move_paths(as_json(settings), cls, absolute_path))
    common = from_mapping(
        type(options),
        {k: v for k, v in as_json(options).items() if k not in {"emit", "dry_run", "json"}},
    )
    if options.emit == "shell":
        return shlex.join(["fijibridge", *shell_words(operation, here, common)])
    if options.emit == "python":
        return _python(operation, here, common)
    return _ij(operation, here, common, jython=options.emit == "jython")


def shell_words(operation: Operation, settings: Any, common: Any) -> list[str]:
    """Return the words of the command line after ``fijibridge``."""
    words = [operation.name]
    texts = as_text(settings)
    kinds = {item.name: item for item in declared(type(settings))}
    for name, item in kinds.items():
        if item.positional and name in texts:
            value = getattr(settings, name)
            parts = list(value) if item.kind.many else [texts[name]]
            # a name such as "-a.tif" must not look like a flag
            words += [f".{os.sep}{p}" if p.startswith("-") else p for p in parts]
    for value in (settings, common):
        for item in declared(type(value)):
            text = as_text(value).get(item.name)
            if text is None or item.positional:
                continue
            if item.kind is FLAG:
                words.append(item.flag if text == "true" else f"{item.flag}=false")
            elif text.startswith("-"):
                words.append(f"{item.flag}={text}")
            else:
                words += [item.flag, text]
    return words


def _python(operation: Operation, settings: Any, common: Any) -> str:
    pairs = {**as_json(settings), **as_json(common)}
    lines = [f"    {name}={value!r}," for name, value in pairs.items()]
    return "\n".join(
        [
            "import fijibridge as fb",
            "",
            "report = fb.run_verb(",
            f"    {operation.name!r},",
            *lines,
            ")",
            'print("\\n".join(report.lines))',
        ]
    )


def bracketed(name: str, value: str) -> str:
    """Return ``name=value`` as ImageJ's macro options hold it, in brackets or quotes if need be.

    Raises
    ------
    SettingsError
        For a value that they cannot hold.
    """
    if "[" not in value and "]" not in value:
        return (
            f"{name}=[{value}]" if not value or any(c in value for c in " '") else f"{name}={value}"
        )
    if "'" not in value:
        return f"{name}='{value}'"
    raise SettingsError(
        f"{name} is {value!r}: ImageJ's macro options cannot hold brackets and ' together.",
        "Rename the file, or use --emit python.",
    )


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _ij(operation: Operation, settings: Any, common: Any, *, jython: bool) -> str:
    texts = {**as_text(settings), **as_text(common)}
    if operation.menu:
        keys = _quoted(" ".join(bracketed(name, value) for name, value in texts.items()))
        if jython:
            return f"from ij import IJ\n\nIJ.run({_quoted(operation.menu)}, {keys})"
        return f"run({_quoted(operation.menu)}, {keys});"
    words = [_quoted(word) for word in ["fijibridge", *shell_words(operation, settings, common)]]
    if jython:
        return f"import subprocess\n\nprint(subprocess.check_output([{', '.join(words)}]))"
    return f"print(exec({', '.join(words)}));"
