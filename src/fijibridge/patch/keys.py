"""Where a store keeps its bytes: keys in a folder, or in object storage through fsspec.

The few things a journal needs: bytes appear whole under a key, one of two creators wins, and a key
is moved without its bytes passing through here.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Protocol

from fijibridge.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["Keys", "LocalKeys", "ObjectKeys"]

#: What storage says when a key that was to be created is there already.
_REFUSED = re.compile(
    r"precondition|conditional request|already exists|\b409\b|\b412\b", re.IGNORECASE
)


class Keys(Protocol):
    """The keys of a store."""

    def get(self, key: str) -> bytes | None:
        """Return the bytes of a key, None when there is none."""
        ...

    def put(self, key: str, data: bytes) -> None:
        """Store bytes, whole and for good."""
        ...

    def create(self, key: str, data: bytes) -> bool:
        """Store bytes unless the key is there; of several creators one gets True."""
        ...

    def exists(self, key: str) -> bool:
        """Return whether there is such a key."""
        ...

    def keep(self, key: str, other: str) -> None:
        """Let the bytes of `key` be found under `other` too."""
        ...

    def replace(self, key: str, other: str) -> None:
        """Let `other` hold the bytes of `key`; a reader sees the old or the new ones."""
        ...

    def delete(self, key: str) -> None:
        """Remove a key; nothing happens when there is none."""
        ...

    def folders(self, prefix: str) -> list[str]:
        """Return the names one step below a prefix that have keys below them."""
        ...

    def clear(self, prefix: str) -> None:
        """Remove all keys below a prefix."""
        ...

    def size(self, prefix: str) -> int:
        """Return the bytes of all keys below a prefix."""
        ...

    def settle(self, prefix: str, moved: Iterable[str] = ()) -> None:
        """Return when all below a prefix, and keys moved or removed, would survive a power cut."""
        ...


def _sync(path: Path) -> None:
    with contextlib.suppress(OSError):  # some systems open no folders
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


class LocalKeys:
    """A folder; keys are paths below it."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def __str__(self) -> str:
        return str(self.root)

    def _path(self, key: str) -> Path:
        return self.root.joinpath(*key.split("/"))

    def get(self, key: str) -> bytes | None:
        try:
            return self._path(key).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def put(self, key: str, data: bytes) -> None:
        path = self._path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.part")
        try:
            with part.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        except OSError:
            part.unlink(missing_ok=True)
            raise

    def create(self, key: str, data: bytes) -> bool:
        path = self._path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with path.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        except FileExistsError:
            return False
        return True

    def exists(self, key: str) -> bool:
        return self._path(key).is_file()

    def keep(self, key: str, other: str) -> None:
        source, target = self._path(key), self._path(other)
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f".{target.name}.part")
        part.unlink(missing_ok=True)
        try:
            os.link(source, part)
        except OSError:  # a file system without links
            shutil.copy2(source, part)
        part.replace(target)

    def replace(self, key: str, other: str) -> None:
        target = self._path(other)
        target.parent.mkdir(parents=True, exist_ok=True)
        self._path(key).replace(target)

    def delete(self, key: str) -> None:
        path = self._path(key)
        path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # folders that hold nothing any more
            for folder in path.relative_to(self.root).parents[:-1]:
                (self.root / folder).rmdir()

    def folders(self, prefix: str) -> list[str]:
        try:
            with os.scandir(self._path(prefix)) as found:
                return sorted(entry.name for entry in found if entry.is_dir())
        except FileNotFoundError:
            return []

    def clear(self, prefix: str) -> None:
        path = self._path(prefix)
        if path.exists():
            shutil.rmtree(path)

    def size(self, prefix: str) -> int:
        walk = os.walk(self._path(prefix))
        return sum((Path(folder) / n).stat().st_size for folder, _, names in walk for n in names)

    def settle(self, prefix: str, moved: Iterable[str] = ()) -> None:
        for folder, _, _ in os.walk(self._path(prefix)):
            _sync(Path(folder))
        _sync(self._path(prefix).parent)
        # of a folder that is new, the one above remembers its name
        for above in {parent for key in moved for parent in PurePosixPath(key).parents}:
            _sync(self.root / above)


@contextlib.contextmanager
def _asked() -> Iterator[None]:
    """Let all that storage says in anger be an OSError, as of a disk."""
    try:
        yield
    except OSError:
        raise
    except Exception as error:
        raise OSError(str(error) or type(error).__name__) from error


class ObjectKeys:
    """A prefix of an fsspec file system: S3 and the like. There is no renaming; keys are copied.

    Parameters
    ----------
    system
        The fsspec file system.
    root
        The prefix, without its protocol: ``bucket/a.zarr``.
    url
        The same as people type it.
    """

    def __init__(self, system: Any, root: str, url: str) -> None:
        self._system = system
        self._root = root.rstrip("/")
        self._url = url

    def __str__(self) -> str:
        return self._url

    def _path(self, key: str) -> str:
        return f"{self._root}/{key}".rstrip("/")

    def get(self, key: str) -> bytes | None:
        with _asked():
            try:
                return bytes(self._system.cat_file(self._path(key)))
            except FileNotFoundError:
                return None

    def put(self, key: str, data: bytes) -> None:
        with _asked():
            self._system.pipe_file(self._path(key), data)

    def create(self, key: str, data: bytes) -> bool:
        with _asked():
            try:
                self._system.pipe_file(self._path(key), data, mode="create")
            except OSError as error:
                if not isinstance(error, FileExistsError) and not _REFUSED.search(str(error)):
                    raise
        # of two creators one reads its own: also where storage does not know the condition, and
        # where the first try arrived but its answer did not
        return self.get(key) == data

    def exists(self, key: str) -> bool:
        with _asked():
            self._system.invalidate_cache()
            return bool(self._system.isfile(self._path(key)))

    def _copy(self, key: str, other: str) -> None:
        with _asked():
            self._system.cp_file(self._path(key), self._path(other))

    def keep(self, key: str, other: str) -> None:
        self._copy(key, other)

    def replace(self, key: str, other: str) -> None:
        self._copy(key, other)

    def delete(self, key: str) -> None:
        with _asked(), contextlib.suppress(FileNotFoundError):
            self._system.rm_file(self._path(key))

    def folders(self, prefix: str) -> list[str]:
        with _asked():
            self._system.invalidate_cache()
            try:
                found = self._system.ls(self._path(prefix), detail=True)
            except (FileNotFoundError, NotADirectoryError):
                return []
        return sorted(
            str(one["name"]).rstrip("/").rpartition("/")[2]
            for one in found
            if one["type"] == "directory"
        )

    def clear(self, prefix: str) -> None:
        with _asked():
            self._system.invalidate_cache()
            with contextlib.suppress(FileNotFoundError):
                self._system.rm(self._path(prefix), recursive=True)
            self._system.invalidate_cache()

    def size(self, prefix: str) -> int:
        with _asked():
            self._system.invalidate_cache()
            return int(self._system.du(self._path(prefix)))

    def settle(self, prefix: str, moved: Iterable[str] = ()) -> None:
        """Nothing to do: an object that was put is there."""


def not_writable(where: str, error: OSError) -> SettingsError:
    """Return what people read when a store takes no bytes."""
    return SettingsError(
        f"The store {where!r} could not be written: {error.strerror or error}.",
        "Nothing of it was changed. Free room, or ask who owns it.",
    )
