"""Zarr stores in object storage, opened as those on disk are: ``s3://bucket/a.zarr``."""

from __future__ import annotations

import contextlib
import zipfile
from typing import TYPE_CHECKING, Any

from fijibridge.errors import FormatError, SettingsError
from fijibridge.formats._zarr.store import (
    MARKERS,
    ZIP_SUFFIXES,
    Store,
    quiet,
    wait_until_settled,
)
from fijibridge.formats.remote import asking

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["RemoteStore", "locate_url"]

_MISSING = (FileNotFoundError, NotADirectoryError, IsADirectoryError)
#: Web servers hand out files; they list none and take none.
_WEB = ("http", "https")


def locate_url(url: str) -> tuple[str, str]:
    """Split a URL into store and node: the store ends in ``.zarr`` or is the topmost Zarr group.

    Raises
    ------
    SettingsError
        When the path leads out of the store.
    """
    scheme, _, rest = url.partition("://")
    parts = [part for part in rest.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise SettingsError(f"The path {url!r} leads out of its store.", "Leave out '..'.")
    scheme = scheme.lower()

    def split(n: int) -> tuple[str, str]:
        return f"{scheme}://{'/'.join(parts[:n])}", "/".join(parts[n:])

    for n, part in enumerate(parts, 1):
        if part.lower().endswith(ZIP_SUFFIXES):
            return split(n)
    for n in range(len(parts), 0, -1):
        if parts[n - 1].lower().endswith(".zarr"):
            return split(n)
    n = len(parts)
    with asking(url) as (fs, path):
        names = path.strip("/").split("/")
        while n > 1 and _is_marked(fs, "/".join(names[: len(names) - (len(parts) - n) - 1])):
            n -= 1
    return split(n)


def _is_marked(fs: Any, folder: str) -> bool:
    return any(fs.isfile(f"{folder}/{name}") for name in MARKERS)


class RemoteStore(Store):
    """A store in object storage, for reading; its metadata are asked for once.

    Parameters
    ----------
    url
        As `locate_url` gives it.

    Raises
    ------
    FormatError
        When there is none, or the storage does not answer.
    """

    def __init__(self, url: str) -> None:
        self.where = url
        self._zip = None
        self._zarr = None
        self._seen: dict[str, bytes | None] = {}
        self._refused = ""
        with asking(url) as (fs, path):
            self.system, self.path = fs, path.rstrip("/")
            if url.lower().endswith(ZIP_SUFFIXES):
                self._file = fs.open(path, "rb")
                with quiet(repr(url)):
                    self._zip = zipfile.ZipFile(self._file)
                return
            if not self.kind("") and (self.on_the_web or not fs.exists(path)):
                why = f" {self._refused}" if self._refused else ""
                raise FormatError(f"There is no Zarr store at {url!r}.{why}", "Check the name.")

    @property
    def on_the_web(self) -> bool:
        """Whether a web server hands it out: it is not listed and not written."""
        return self.where.partition("://")[0] in _WEB

    def close(self) -> None:
        """Let go of a zip."""
        super().close()
        if self._zip is not None:
            self._file.close()

    def forget(self) -> None:
        """Ask for the metadata again."""
        self._seen.clear()

    def has_folder(self, node: str) -> bool:
        """Whether there is a folder that may be no group."""
        if self._zip is not None or self.on_the_web:
            return True
        with self._asked(node):
            return bool(self.system.isdir(f"{self.path}/{node}"))

    @contextlib.contextmanager
    def _asked(self, key: str) -> Iterator[None]:
        with quiet(self.name(key)):
            yield

    def _bytes(self, key: str) -> bytes | None:
        if self._zip is not None:
            return super()._bytes(key)
        if key not in self._seen:
            data = None
            with self._asked(key):
                try:
                    data = bytes(self.system.cat_file(f"{self.path}/{key}"))
                except _MISSING:
                    pass
                except PermissionError as error:
                    # storage that may not be listed says so of whatever is missing
                    self._refused = f"The storage says: {error}."
            self._seen[key] = data
        return self._seen[key]

    def children(self, node: str) -> list[str]:
        """Return the names of the groups and arrays in a group."""
        if self._zip is not None:
            return super().children(node)
        if self.on_the_web:
            return []
        names = self._folders(f"{self.path}/{node}".rstrip("/"))
        return [
            name
            for name in names
            if not name.startswith(".") and self._safe_kind(f"{node}/{name}".lstrip("/"))
        ]

    def _folders(self, path: str) -> list[str]:
        self.system.invalidate_cache()
        try:
            found = self.system.ls(path, detail=True)
        except _MISSING:
            return []
        names = {
            str(one["name"]).rstrip("/").rpartition("/")[2]
            for one in found
            if one["type"] == "directory"
        }
        return sorted(names - {""})

    def _opened(self) -> Any:
        from zarr.storage import FsspecStore

        if self._zip is None:
            return FsspecStore.from_url(self.where, read_only=True)
        from fsspec.implementations.asyn_wrapper import (  # type: ignore[import-untyped]  # it has none
            AsyncFileSystemWrapper,
        )
        from fsspec.implementations.zip import (  # type: ignore[import-untyped]  # it has none
            ZipFileSystem,
        )

        inside = AsyncFileSystemWrapper(ZipFileSystem(self._file), asynchronous=True)
        return FsspecStore(inside, path="", read_only=True)

    def stored(self, node: str) -> tuple[int, int]:
        """Return (number, bytes) of the chunks of an array."""
        if self._zip is not None:
            return super().stored(node)
        if self.on_the_web:
            return 1 << 40, 1 << 62  # nobody knows
        with self._asked(node):
            found = self.system.find(f"{self.path}/{node}".rstrip("/"), detail=True)
        sizes = [
            int(one.get("size") or 0)
            for name, one in found.items()
            if name.rpartition("/")[2] not in MARKERS
        ]
        return len(sizes), sum(sizes)

    def check_settled(self) -> None:
        """Raise FormatError when a check-in was committed but is not in its place wholly."""
        if self._zip is None and not self.on_the_web:
            wait_until_settled(self._unsettled, self.where)

    def _unsettled(self) -> str:
        home = f"{self.path}/.fijibridge/txn"
        with self._asked(".fijibridge"):
            for name in self._folders(home):
                exists = self.system.exists
                if exists(f"{home}/{name}/manifest.json") and not exists(f"{home}/{name}/applied"):
                    return name
        return ""
