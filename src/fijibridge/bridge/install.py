"""Put the commands into a Fiji or ImageJ folder, and take them out again.

A manifest says what was written; installing twice changes nothing, removing leaves the folder as it
was, and nothing else is ever touched.

Source: the menus of Fiji (``scripts/Plugins/…``) and of ImageJ (``plugins/…``, ij.Menus), whose
labels are file names with ``_`` as a space.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from fijibridge import __version__
from fijibridge.bridge.shims import shims
from fijibridge.bridge.worker import encoded
from fijibridge.errors import BridgeError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "Installed",
    "Place",
    "find_place",
    "install",
    "planned_install",
    "planned_uninstall",
    "uninstall",
]

_LIBRARY = "macros/FijiBridge"
_MANIFEST = f"{_LIBRARY}/manifest.json"
_COMMANDS = {"fiji": "scripts/Plugins/FijiBridge", "imagej": "plugins/FijiBridge"}
_KINDS = {"fiji": "py", "imagej": "ijm"}


@dataclass(frozen=True, slots=True)
class Place:
    """A Fiji or ImageJ folder: its root, and which of the two it is."""

    root: Path
    kind: Literal["fiji", "imagej"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """What was done.

    Parameters
    ----------
    place
        Where.
    written, removed, kept
        Paths below the root: new or changed files, deleted ones, and files of ours that somebody
        has changed, which stay.
    """

    place: Place
    written: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()


def find_place(folder: str | os.PathLike[str]) -> Place:
    """Return what a folder is: ``Fiji.app``, ``Fiji``, one that holds them, ImageJ or its plugins.

    Raises
    ------
    SettingsError
        When it is none of them.
    """
    path = Path(os.path.abspath(folder))  # noqa: PTH100  # takes ".." out, follows no links
    if path.name in {"plugins", "jars", "scripts", "macros"} and path.is_dir():
        path = path.parent
    for root in (path, path / "Fiji.app", path / "Fiji"):
        if (root / "jars").is_dir() and (root / "plugins").is_dir():
            return Place(root, "fiji")
    for root in (path, path / "ImageJ"):
        if (root / "plugins").is_dir():
            return Place(root, "imagej")
    what = "is no folder" if not path.is_dir() else "has no plugins/ in it"
    raise SettingsError(
        f"{str(folder)!r} {what}, so it is neither a Fiji nor an ImageJ.",
        "Name the folder Fiji.app (or Fiji, or ImageJ) itself.",
    )


def _wanted(place: Place, python: str) -> dict[str, bytes]:
    """Return path below the root -> content."""
    found = {}
    for shim in shims():
        if shim.kind == _KINDS[place.kind]:
            folder = _LIBRARY if shim.shared else _COMMANDS[place.kind]
            found[f"{folder}/{shim.name}"] = shim.text.encode()
    # the path as it is, and once more in letters that no encoding bends
    found[f"{_LIBRARY}/python.txt"] = f"{python}\n{encoded(python)}\n".encode()
    return found


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _manifest(place: Place) -> dict[str, Any]:
    path = place.root / _MANIFEST
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
        files, folders = body["files"], body["folders"]
        inside = [*files, *folders]
        if not all(_is_inside(place, name) for name in inside):
            raise ValueError(inside)  # noqa: TRY301  # as wrong as no JSON
    except FileNotFoundError:
        return {"files": {}, "folders": []}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BridgeError(
            f"{str(path)!r} is no manifest of fijibridge.", f"Delete {path.parent} and try again."
        ) from error
    return {"files": dict(files), "folders": list(folders)}


def _is_inside(place: Place, name: str) -> bool:
    """Return whether a path is one of ours: a broken manifest must not delete anything else."""
    path = Path(os.path.normpath(place.root / name))
    ours = {_LIBRARY, *_COMMANDS.values()}
    below = any(path.is_relative_to(place.root / one) for one in ours)
    above = any((place.root / one).is_relative_to(path) for one in ours) and path != place.root
    return below or above


def _state(place: Place, name: str) -> str | None:
    path = place.root / name
    return _digest(path.read_bytes()) if path.is_file() else None


def _put(path: Path, content: bytes) -> None:
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_bytes(content)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _make_folders(place: Place, names: Mapping[str, bytes]) -> list[str]:
    """Make the folders of files; return those that were not there, the innermost last."""
    made = []
    for name in [*names, _MANIFEST]:
        for parent in reversed(Path(name).parents[:-1]):
            if not (place.root / parent).is_dir():
                (place.root / parent).mkdir()
                made.append(parent.as_posix())
    return made


def _chosen(python: str | None) -> str:
    chosen = sys.executable if python is None else python
    if "\n" in chosen or not chosen:
        raise SettingsError(f"The path of Python is {chosen!r}; a macro cannot hold it.")
    return chosen


def _states(
    place: Place, wanted: Mapping[str, bytes], old: Mapping[str, Any], *, overwrite: bool
) -> dict[str, str | None]:
    """Return file -> digest of what is there; refuse to replace what is not ours."""
    states = {name: _state(place, name) for name in {*wanted, *old["files"]}}
    for name, content in wanted.items():
        there = states[name]
        if there not in {None, _digest(content), old["files"].get(name)} and not overwrite:
            raise SettingsError(
                f"{str(place.root / name)!r} is there already and is not as fijibridge made it.",
                "Say --overwrite to replace it.",
            )
    return states


def planned_install(folder: str | os.PathLike[str], *, overwrite: bool = False) -> Installed:
    """Return what `install` would do; nothing is written.

    Raises
    ------
    SettingsError
        As `install`.
    """
    place = find_place(folder)
    wanted, old = _wanted(place, _chosen(None)), _manifest(place)
    states = _states(place, wanted, old, overwrite=overwrite)
    new = [name for name, content in wanted.items() if states[name] != _digest(content)]
    gone = old["files"].keys() - wanted.keys()
    return Installed(place=place, written=tuple(sorted(new)), removed=tuple(sorted(gone)))


def planned_uninstall(folder: str | os.PathLike[str]) -> Installed:
    """Return what `uninstall` would do; nothing is deleted.

    Raises
    ------
    SettingsError
        As `uninstall`.
    """
    place = _installed(folder)
    files = _manifest(place)["files"]
    ours = [name for name, digest in files.items() if _state(place, name) in {digest, None}]
    kept = files.keys() - set(ours)
    removed = sorted([*ours, _MANIFEST])
    return Installed(place=place, removed=tuple(removed), kept=tuple(sorted(kept)))


def install(
    folder: str | os.PathLike[str], *, overwrite: bool = False, python: str | None = None
) -> Installed:
    """Put the commands, the shared code and the path of this Python into a Fiji or ImageJ.

    Parameters
    ----------
    folder
        ``Fiji.app``, ``Fiji``, ``ImageJ`` or its ``plugins``.
    overwrite
        Replace files that others have put there, or changed.
    python
        The Python that the commands start; None = this one.

    Raises
    ------
    SettingsError
        When it is no such folder, or a file that is not ours is in the way.
    BridgeError
        When the folder cannot be written; the note lists what to copy where.
    """
    place, chosen = find_place(folder), _chosen(python)
    wanted, old = _wanted(place, chosen), _manifest(place)
    states = _states(place, wanted, old, overwrite=overwrite)
    written: list[str] = []
    removed: list[str] = []
    kept: list[str] = []
    try:
        folders = [*old["folders"], *_make_folders(place, wanted)]
        for name, content in wanted.items():
            if states[name] != _digest(content):
                _put(place.root / name, content)
                written.append(name)
        for name in old["files"].keys() - wanted.keys():
            (removed if _take_away(place, name, old["files"][name]) else kept).append(name)
        body = {
            "fijibridge": __version__,
            "python": chosen,
            "files": {name: _digest(content) for name, content in wanted.items()},
            "folders": folders,
        }
        text = (json.dumps(body, indent=1, ensure_ascii=False) + "\n").encode()
        if _state(place, _MANIFEST) != _digest(text):
            _put(place.root / _MANIFEST, text)
    except OSError as error:
        raise _no_rights(place, wanted, error) from error
    return Installed(
        place=place,
        written=tuple(sorted(written)),
        removed=tuple(sorted(removed)),
        kept=tuple(sorted(kept)),
    )


def _no_rights(place: Place, wanted: Mapping[str, bytes], error: OSError) -> BridgeError:
    found = BridgeError(
        f"{str(place.root)!r} cannot be written: {error.strerror or error}.",
        "Ask for the right to write there, or copy the files of a Fiji of your own (below).",
    )
    found.add_note("\n".join(f"{place.root / name}" for name in wanted))
    return found


def _take_away(place: Place, name: str, digest: str) -> bool:
    """Delete a file of ours; one that somebody has changed stays."""
    there = _state(place, name)
    if there is None:
        return True
    if there != digest:
        return False
    (place.root / name).unlink()
    return True


def _installed(folder: str | os.PathLike[str]) -> Place:
    place = find_place(folder)
    if not (place.root / _MANIFEST).is_file():
        raise SettingsError(
            f"FijiBridge is not installed in {str(place.root)!r}.",
            f'Type: fijibridge fiji install "{place.root}"',
        )
    return place


def uninstall(folder: str | os.PathLike[str]) -> Installed:
    """Take out what `install` put in; changed files stay and are named.

    Raises
    ------
    SettingsError
        When fijibridge is not installed there.
    BridgeError
        When the folder cannot be written.
    """
    place = _installed(folder)
    old = _manifest(place)
    removed: list[str] = []
    kept: list[str] = []
    try:
        for name, digest in old["files"].items():
            (removed if _take_away(place, name, digest) else kept).append(name)
        (place.root / _MANIFEST).unlink()
        removed.append(_MANIFEST)
        for name in reversed(old["folders"]):
            path = place.root / name
            _forget_compiled(path)
            if path.is_dir() and not any(path.iterdir()):
                path.rmdir()
    except OSError as error:
        raise BridgeError(
            f"{str(place.root)!r} cannot be written: {error.strerror or error}.",
            "Close Fiji, or ask for the right to write there.",
        ) from error
    return Installed(place=place, removed=tuple(sorted(removed)), kept=tuple(sorted(kept)))


def _forget_compiled(folder: Path) -> None:
    """Delete what Jython made of our shared code when it was first imported."""
    compiled = folder / "fijibridge_call$py.class"
    if folder.name == "FijiBridge" and compiled.is_file():
        compiled.unlink()
