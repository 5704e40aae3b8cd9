"""Set up the checkout with nothing but Python: make or reuse .venv, install, go on in it.

Only the standard library is used here, and only what Python 3.8 understands, so that an old Python
gets a clear word instead of a syntax error.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
NEEDED = (3, 11)
NEWER = ("python3.13", "python3.12", "python3.11", "python3.14")


def _python() -> str:
    """Return a Python that is new enough: this one, else one on the PATH."""
    if sys.version_info[:2] >= NEEDED:
        return sys.executable
    for name in NEWER:
        found = shutil.which(name)
        if found and subprocess.run([found, "-c", ""], check=False).returncode == 0:
            return found
    sys.exit(
        "fijibridge needs Python {}.{} or newer; this is Python {}.{}.\n"
        "Install one, then run this command again with it.".format(*NEEDED, *sys.version_info[:2])
    )


def _venv_python() -> Path:
    return VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def _run(command: list[str], failed: str) -> None:
    if subprocess.run(command, cwd=ROOT, check=False).returncode:
        sys.exit(failed)


def ready(extra: str) -> Path:
    """Return the Python of .venv, with fijibridge and an extra installed.

    Parameters
    ----------
    extra
        What to install beside the core: ``fiji`` or ``test``.
    """
    python = _venv_python()
    if not python.exists():
        print(f"Making {VENV} ...", flush=True)
        _run(
            [_python(), "-m", "venv", str(VENV)],
            "Python's venv module did not work. On Debian and Ubuntu: apt-get install python3-venv",
        )
    # reinstall only when what is to be installed has changed
    wanted = hashlib.sha256((ROOT / "pyproject.toml").read_bytes() + extra.encode()).hexdigest()
    stamp = VENV / f"fijibridge-{extra}.stamp"
    if not stamp.exists() or stamp.read_text() != wanted:
        print(f"Installing fijibridge[{extra}] into {VENV.name} (a minute or two) ...", flush=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        _run(
            [*pip, "--editable", f".[{extra}]"],
            "pip could not install fijibridge; its message is above.",
        )
        stamp.write_text(wanted)
    return python


def go_on(extra: str, arguments: list[str], **environment: str) -> None:
    """Run ``python ARGUMENTS`` in the ready environment and end with its exit code."""
    command = [str(ready(extra)), *arguments]
    sys.exit(subprocess.run(command, env={**os.environ, **environment}, check=False).returncode)
