"""Targets appear whole or not at all: write beside, then rename."""

from __future__ import annotations

import contextlib
import os
import shutil
import uuid
from typing import TYPE_CHECKING

from fijibridge.errors import FijiBridgeError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

__all__ = [
    "Staged",
    "check_target",
    "missing_folders",
    "remove_folders",
    "staged",
    "target_errors",
]


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
        # the suffix stays last: writers look at it
        self.path = target.with_name(f".{uuid.uuid4().hex[:12]}.part.{target.name}")

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
            old = self.target.with_name(f".{uuid.uuid4().hex[:12]}.old.{self.target.name}")
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
