"""``NAME_settings.json``: what a run did, so that it can be repeated and recognised."""

from __future__ import annotations

import json
import os
import sys
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fijibridge.errors import FormatError, SettingsError
from fijibridge.ops._kinds import PATH, PATHS, absolute_path
from fijibridge.ops._operation import plain
from fijibridge.ops._settings import as_json, declared, load_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = [
    "SUFFIX",
    "absolute",
    "changed_sources",
    "identity",
    "made_before",
    "matches",
    "move_paths",
    "read_record",
    "record_path",
    "write_record",
]

SUFFIX = "_settings.json"
_FORMAT = 1
_PACKAGES = ("numpy", "numba", "scipy", "tifffile", "roifile", "h5py", "zarr")
_LARGEST = 64 << 20  # bytes; a record is a few kilobytes


def identity(path: str) -> dict[str, Any]:
    """Return what recognises a file again: size and time, of a folder its newest entry's."""
    from fijibridge.formats import Location

    where = Location.parse(path)
    files = [Path(p) for p in _matching(str(where.path))]
    size, newest = 0, 0
    for top in files:
        inside: Iterable[Path] = (p for p in top.rglob("*")) if top.is_dir() else (top,)
        for file in inside:
            found = file.stat()
            if not file.is_dir():
                size += found.st_size
                newest = max(newest, found.st_mtime_ns)
    return {"path": path, "size": size, "mtime_ns": newest}


def _matching(path: str) -> list[str]:
    from fijibridge.ops._inputs import glob_paths

    return glob_paths(path)


def _relative(path: str, folder: Path) -> str:
    try:
        return os.path.relpath(path, folder).replace(os.sep, "/")
    except ValueError:  # another drive
        return absolute_path(path)


def move_paths(settings: dict[str, Any], cls: type, change: Any) -> dict[str, Any]:
    """Return the settings with `change` done to every path."""
    out = dict(settings)
    for item in declared(cls):
        value = out.get(item.name)
        if value is None:
            continue
        if item.kind is PATH and not _is_words(item.name, value):
            out[item.name] = change(value)
        elif item.kind is PATHS:
            out[item.name] = [change(part) for part in value]
    return out


def _is_words(name: str, value: str) -> bool:
    # a selection is a file or a drawing such as rect:1,2,3,4
    return name == "select" and ":" in value[2:]


def record_path(wanted: str, outputs: Iterable[str]) -> Path:
    """Return the path of the record: `wanted`, or its next free number.

    A record of other outputs that are still there is kept; one of the same outputs is replaced.
    """
    path = Path(wanted)
    stem = path.name.removesuffix(SUFFIX)
    mine = {absolute_path(p) for p in outputs}
    for n in range(1, 10_000):
        here = path if n == 1 else path.with_name(f"{stem}_{n}{SUFFIX}")
        if not here.exists():
            return here
        try:
            body = read_record(here)
            old = {absolute_path(here.parent / made["path"]) for made in body["outputs"]}
        except (FormatError, KeyError, TypeError):
            continue  # somebody else's file
        if old == mine or not any(Path(p).exists() for p in old):
            return here
    raise SettingsError(f"There are too many {path.name} already.", "Say --no-settings.")


def write_record(
    path: Path, verb: str, settings: Any, sources: Mapping[str, Any], outputs: Iterable[str]
) -> None:
    """Write the record of one job; an older one of the same outputs is replaced.

    Parameters
    ----------
    path
        The file.
    verb, settings
        What repeats the job. Paths are kept relative to the file, so that a folder may move.
    sources
        Path -> `identity` from before the run.
    outputs
        Paths written.
    """
    from fijibridge import __version__
    from fijibridge.formats import staged

    folder = path.parent.absolute()
    values = move_paths(as_json(settings), type(settings), lambda p: _relative(p, folder))
    body = {
        "fijibridge": __version__,
        "record": _FORMAT,
        "paths": "relative to this file",
        "verb": verb,
        "settings": values,
        "sources": [
            {**found, "path": _relative(found["path"], folder)} for found in sources.values()
        ],
        "outputs": [{**made, "path": _relative(made["path"], folder)} for made in _made(outputs)],
        "versions": {"python": sys.version.split()[0], **_versions()},
    }
    text = json.dumps(plain(body), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    with staged(path, overwrite=True) as part:
        part.write_bytes(text.encode())


def _made(outputs: Iterable[str]) -> list[dict[str, Any]]:
    from fijibridge.formats import Location

    # a dataset of a file changes with its neighbours: only its path says something
    inside = {p: Location.parse(p) for p in outputs}
    return [
        {"path": p} if where.inner and where.path.is_file() else identity(p)
        for p, where in inside.items()
    ]


def _versions() -> dict[str, str]:
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def read_record(path: Path) -> dict[str, Any]:
    """Read a settings file or a request; paths are made absolute where they are relative to it.

    Raises
    ------
    FormatError
        When it is missing or no settings file.
    """
    try:
        if path.stat().st_size > _LARGEST:
            raise FormatError(f"{str(path)!r} is too large for a settings file.")
        body = load_json(path.read_bytes())
    except OSError as error:
        raise FormatError(
            f"The settings file {str(path)!r} cannot be read: {error.strerror or error}.",
            f"Name the NAME{SUFFIX} beside the outputs.",
        ) from error
    except SettingsError as error:
        raise FormatError(
            f"{str(path)!r} is no settings file: it is no JSON text.",
            f"Name the NAME{SUFFIX} beside the outputs. {error.message}",
        ) from error
    if not isinstance(body, dict) or not isinstance(body.get("verb"), str):
        raise FormatError(
            f"{str(path)!r} is no settings file: it has no 'verb'.",
            'A settings file holds {"verb": "particles", "settings": {…}}.',
        )
    if not isinstance(body.get("settings", {}), dict):
        raise FormatError(f"{str(path)!r} is no settings file: 'settings' is no object.")
    return body


def absolute(body: dict[str, Any], cls: type, folder: Path) -> dict[str, Any]:
    """Return the settings of a record with paths that hold from here."""
    values = dict(body.get("settings", {}))
    if body.get("paths") != "relative to this file":
        return values

    def join(path: Any) -> Any:
        return os.path.normpath(folder / path) if isinstance(path, str) else path

    return move_paths(values, cls, join)


def matches(path: Path, verb: str, settings: Any, sources: Iterable[str]) -> str:
    """Return "" when a record says that this very run was done, else what differs."""
    try:
        body = read_record(path)
    except FormatError:
        return "there is no record of how they were made"
    folder = path.parent.absolute()
    values = absolute(body, type(settings), folder)
    now = move_paths(as_json(settings), type(settings), os.path.abspath)
    if body["verb"] != verb or plain(values) != plain(now):
        return "they were made with other settings"
    if _unnamed(body.get("sources", [])) != _unnamed(identity(p) for p in sources):
        return "the source has changed since"
    made = [os.path.normpath(folder / found["path"]) for found in body.get("outputs", [])]
    if _unnamed(body.get("outputs", [])) != _unnamed(_made(made)):
        return "they have changed since they were made"
    return ""


def _unnamed(found: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [{k: v for k, v in item.items() if k != "path"} for item in found]


def changed_sources(body: Mapping[str, Any], path: Path) -> list[str]:
    """Return the names of the recorded sources that are not what they were."""
    changed = []
    for then in body.get("sources", []):
        if not isinstance(then, dict) or not isinstance(then.get("path"), str):
            continue
        try:
            now = identity(os.path.normpath(path.parent.absolute() / then["path"]))
        except (OSError, FormatError):
            continue  # the verb will say that it is missing
        if now["size"] != then.get("size") or now["mtime_ns"] != then.get("mtime_ns"):
            changed.append(Path(then["path"]).name)
    return changed


def made_before(path: Path, verb: str) -> bool:
    """Return whether a record says that `verb` made its outputs, and nobody touched them since."""
    try:
        body = read_record(path)
        folder = path.parent.absolute()
        made = [os.path.normpath(folder / found["path"]) for found in body["outputs"]]
        return body["verb"] == verb and _unnamed(body["outputs"]) == _unnamed(_made(made))
    except (FormatError, KeyError, TypeError, OSError):
        return False
