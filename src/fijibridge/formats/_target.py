"""Targets appear whole or not at all: write beside, then rename."""

from __future__ import annotations

import contextlib
import itertools
import os
import platform
import re
import shutil
import sys
import uuid
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from fijibridge.errors import FijiBridgeError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = [
    "Staged",
    "check_target",
    "hidden_name",
    "missing_folders",
    "remove_folders",
    "remove_leftovers",
    "staged",
    "target_errors",
]

#: Which run of Python this is; a later one may have the same number of a process.
_RUN = uuid.uuid4().hex[:8]
_COUNT = itertools.count()
_HIDDEN = re.compile(r"\.([0-9a-f]{4})([0-9a-f]{8})([0-9a-f]{8})[0-9a-f]{4,}\.(part|old)\.(.+)")


def _host() -> str:
    return f"{zlib.crc32(platform.node().encode()) & 0xFFFF:04x}"


def hidden_name(name: str, kind: str = "part") -> str:
    """Return a hidden name that says who made it: computer, process and run.

    The name itself stays last, as writers look at the suffix.
    """
    return f".{_host()}{os.getpid():08x}{_RUN}{next(_COUNT):04x}.{kind}.{name}"


def remove_leftovers(folder: Path) -> list[Path]:
    """Remove what processes of this computer that are dead left half-written in a folder.

    A target that such a process had moved aside and not replaced yet is moved back.

    Returns
    -------
    list of Path
        What was removed.
    """
    removed = []
    try:
        names = [path.name for path in folder.iterdir()]
    except OSError:
        return []
    for name in names:
        found = _HIDDEN.fullmatch(name)
        if found is None or found[1] != _host() or _is_alive(int(found[2], 16), found[3]):
            continue
        path, target = folder / name, folder / found[5]
        if found[4] == "old" and not target.exists():
            with contextlib.suppress(OSError):
                path.rename(target)
            continue
        _remove(path)
        removed.append(path)
    return removed


def _is_alive(pid: int, run: str) -> bool:
    """Return whether a process is there; where that cannot be known, it is."""
    if pid == os.getpid():
        return run == _RUN
    if sys.platform == "win32":
        import ctypes

        handle = ctypes.windll.kernel32.OpenProcess(0x1000, False, pid)
        if handle:
            ctypes.windll.kernel32.CloseHandle(handle)
        return bool(handle)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    with contextlib.suppress(OSError, IndexError):  # dead, and nobody asked how it went
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return True


def check_target(path: Path, *, overwrite: bool) -> None:
    """Raise SettingsError when `path` exists and may not be replaced, or cannot be written."""
    if path.exists() and not overwrite:
        raise SettingsError(
            f"The target {str(path)!r} exists.",
            "Choose another name, or say overwrite (--overwrite) to replace it.",
        )
    folder = path.parent
    while not folder.exists():
        folder = folder.parent
    if not folder.is_dir():
        raise SettingsError(
            f"The target {str(path)!r} lies in {str(folder)!r}, which is a file.",
            "Choose another folder.",
        )
    if not os.access(folder, os.W_OK):
        raise SettingsError(
            f"The target {str(path)!r} cannot be written: no permission.",
            "Choose another folder, or ask who owns it.",
        )


def missing_folders(paths: Iterable[Path]) -> list[Path]:
    """Return the folders that writing to `paths` will make, the innermost first."""
    found = {folder for path in paths for folder in path.parents if not folder.exists()}
    return sorted(found, key=lambda folder: len(folder.parts), reverse=True)


def remove_folders(folders: Iterable[Path]) -> None:
    """Remove those of `folders` that are there and empty."""
    for folder in folders:
        with contextlib.suppress(OSError):
            folder.rmdir()


@contextlib.contextmanager
def target_errors(path: Path) -> Iterator[None]:
    """Turn what the operating system says while writing into a SettingsError."""
    try:
        yield
    except FijiBridgeError:
        raise
    except OSError as error:
        reason = error.strerror or str(error)
        raise SettingsError(
            f"The target {str(path)!r} could not be written: {reason}.",
            "Nothing was left behind. Free room or choose another folder.",
        ) from error


class Staged:
    """A hidden place beside the target; `commit` renames it in, `abort` removes it."""

    def __init__(self, target: Path, *, overwrite: bool) -> None:
        check_target(target, overwrite=overwrite)
        self.target = target
        self.overwrite = overwrite
        self._made = missing_folders([target])
        try:
            with target_errors(target):
                target.parent.mkdir(parents=True, exist_ok=True)
        except FijiBridgeError:
            remove_folders(self._made)
            raise
        self.path = target.with_name(hidden_name(target.name))

    def commit(self) -> None:
        """Make the target appear."""
        with target_errors(self.target):
            if self.path.is_dir():
                self._commit_folder()
            elif self.overwrite:
                self.path.replace(self.target)
            else:
                try:  # a link refuses to replace what somebody wrote meanwhile
                    os.link(self.path, self.target)
                except FileExistsError:
                    self.abort()
                    check_target(self.target, overwrite=False)
                    raise
                except OSError:  # a file system without links
                    self.path.replace(self.target)
                else:
                    self.path.unlink()

    def _commit_folder(self) -> None:
        old = None
        if self.target.exists():
            old = self.target.with_name(hidden_name(self.target.name, "old"))
            self.target.rename(old)
        try:
            self.path.rename(self.target)
        except OSError:
            if old is not None:
                old.rename(self.target)
            raise
        if old is not None:
            _remove(old)

    def abort(self) -> None:
        """Leave nothing behind."""
        _remove(self.path)
        remove_folders(self._made)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)


@contextlib.contextmanager
def staged(target: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Yield a path beside `target`; it becomes the target when the block ends well.

    Raises
    ------
    SettingsError
        When the target exists (and `overwrite` is not said) or cannot be written.
    """
    stage = Staged(target, overwrite=overwrite)
    try:
        with target_errors(target):
            yield stage.path
        stage.commit()
    except BaseException:
        stage.abort()
        raise
