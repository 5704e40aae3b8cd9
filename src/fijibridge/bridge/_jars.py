"""ImageJ's jars on this computer: fetched once from Maven Central, then used without a network.

The resolver links its jars anew at every start, and takes them away from a process that starts in
the same moment; here they are put aside once, whole or not at all.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["jar_folder"]

_PATIENCE = 120.0  # seconds to wait for a process that fetches the same jars
_STALE = 300.0  # seconds after which such a process is taken for dead


def _home() -> Path:
    """Return the folder for what can be fetched again."""
    named = os.environ.get("FIJIBRIDGE_CACHE")
    if named:
        return Path(named)
    base = os.environ.get("LOCALAPPDATA" if os.name == "nt" else "XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "fijibridge"


def _writable(home: Path) -> Path:
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError:
        home = Path(tempfile.gettempdir()) / "fijibridge-cache"
        home.mkdir(exist_ok=True)
    return home


def jar_folder(endpoints: Sequence[str]) -> Path:
    """Return the folder with the jars of endpoints, and of what they depend on.

    Parameters
    ----------
    endpoints
        ``group:artifact:version``.

    Raises
    ------
    Exception
        What the resolver says when something cannot be had.
    """
    key = hashlib.sha256("+".join(endpoints).encode()).hexdigest()[:12]
    folder = _home() / f"jars-{key}"
    if folder.is_dir():
        return folder
    home = _writable(_home())
    folder = home / f"jars-{key}"
    with _alone(home / f"jars-{key}.lock"):
        if not folder.is_dir():
            _fetch(endpoints, home, folder)
    return folder


def _fetch(endpoints: Sequence[str], home: Path, folder: Path) -> None:
    import jgo

    maven: Any = jgo.maven
    with tempfile.TemporaryDirectory(dir=home, prefix="fetching-") as temporary:
        built = jgo.build(
            endpoint="+".join(endpoints),
            cache_dir=Path(temporary) / "cache",
            resolver=maven.PythonResolver(lenient=True),
        )
        ready = Path(temporary) / "jars"
        ready.mkdir()
        for place in (built.modules_dir, built.jars_dir):
            for jar in Path(place).glob("*.jar"):
                shutil.move(str(jar), ready / jar.name)
        ready.rename(folder)


@contextlib.contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Let one process at a time in."""
    end = time.monotonic() + _PATIENCE
    while True:
        try:
            lock.mkdir()
            break
        except FileExistsError:
            with contextlib.suppress(OSError):
                if time.time() - lock.stat().st_mtime > _STALE:
                    lock.rmdir()
            if time.monotonic() > end:
                break  # whoever it is takes too long: two that fetch do no harm
            time.sleep(0.2)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            lock.rmdir()
