"""Where in a Zarr store a path leads, and opening what is there without trusting it.

The small JSON files of groups are read here, for folders and zips and both Zarr versions alike;
arrays are opened by zarr-python.
"""

from __future__ import annotations

import contextlib
import os
import time
import warnings
import zipfile
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np

from fijibridge.errors import FijiBridgeError, FormatError, SettingsError
from fijibridge.formats._lazy import GIB, first_line
from fijibridge.model.json_text import parse_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fijibridge.formats._location import Location

__all__ = [
    "MARKERS",
    "Store",
    "check_settled",
    "guard_for",
    "is_marked",
    "locate",
    "quiet",
    "wait_until_settled",
]

#: Files that make a folder a Zarr group or array.
MARKERS = (".zgroup", ".zattrs", ".zarray", "zarr.json")
ZIP_SUFFIXES = (".zarr.zip", ".ozx")
_MAX_JSON = 256 * 2**20
_MAX_CHUNK = GIB
#: More chunks than this at a time are read only when one in a thousand is there.
_MANY_CHUNKS = 20_000
#: Sparse stores are honest: only what no codec could shrink so far is refused.
_MAX_RATIO = 20_000
_FREE = GIB
#: A check-in moves its chunks in in a moment; readers wait so often, so many seconds.
_WAITS = 20
_WAIT = 0.1


def is_marked(folder: Path) -> bool:
    """Whether a folder is a Zarr group or array."""
    return any((folder / name).is_file() for name in MARKERS)


def locate(where: Location) -> tuple[Path, str]:
    """Split a path into store and node: the store ends in ``.zarr`` or is the topmost Zarr group.

    Raises
    ------
    SettingsError
        When the path leads out of the store.
    """
    inner = PurePosixPath(where.inner.strip("/"))
    if ".." in inner.parts:
        raise SettingsError(f"The path {str(where)!r} leads out of its store.", "Leave out '..'.")
    path = where.path
    parts = [p for p in inner.parts if p != "."]
    if path.is_file() or path.name.lower().endswith(ZIP_SUFFIXES):
        return path, "/".join(parts)
    full = path.joinpath(*parts)
    for root in (full, *full.parents):
        if root.name.lower().endswith(".zarr"):
            return root, "/".join(full.relative_to(root).parts)
    root = full
    while root.parent != root and is_marked(root.parent):
        root = root.parent
    return root, "/".join(full.relative_to(root).parts)


@contextlib.contextmanager
def quiet(what: str) -> Iterator[None]:
    """Silence zarr's advice and turn whatever it raises on broken stores into a FormatError."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except FijiBridgeError:
        raise
    except Exception as error:
        raise FormatError(
            f"{what} is no readable Zarr: {first_line(error)}.",
            "It is damaged or incomplete; make it anew or copy it again.",
        ) from error


def check_settled(root: Path) -> None:
    """Raise FormatError when a check-in was committed to a store but is not in its place wholly.

    Who reads then gets a mixture; see `fijibridge.patch.journal`. One that is under way is waited
    for.
    """
    wait_until_settled(lambda: _unsettled(root), str(root))


def wait_until_settled(unsettled: Callable[[], str], where: str) -> None:
    """Wait until `unsettled` names no check-in any more; FormatError when it goes on to.

    Parameters
    ----------
    unsettled
        Returns the name of a check-in that is committed and not in its place wholly, "" for none.
    where
        The store.
    """
    for _ in range(_WAITS):
        name = unsettled()
        if not name:
            return
        time.sleep(_WAIT)
    raise FormatError(
        f"A check-in into {where!r} ({name}) is under way or was interrupted.",
        f"Wait a moment; if it stays: fijibridge patch recover {where}",
    )


def _unsettled(root: Path) -> str:
    folder = root / ".fijibridge" / "txn"
    try:
        with os.scandir(folder) as found:
            names = [entry.name for entry in found]
    except OSError:
        return ""
    for name in names:
        home = folder / name
        if (home / "manifest.json").exists() and not (home / "applied").exists():
            return name
    return ""


class Store:
    """A store on disk, a folder or a zip, for reading.

    Parameters
    ----------
    root
        The folder or zip; `where` is the same as text.

    Raises
    ------
    FormatError
        When there is none, or it is a broken zip.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.where = str(root)
        self._zip: zipfile.ZipFile | None = None
        self._zarr: Any = None
        if not root.exists():
            raise FormatError(f"There is no store {str(root)!r}.", "Check the path.")
        if root.is_file():
            with quiet(repr(str(root))):
                self._zip = zipfile.ZipFile(root)

    def close(self) -> None:
        """Let go of a zip."""
        if self._zip is not None:
            self._zip.close()
        if self._zarr is not None:
            self._zarr.close()

    def forget(self) -> None:
        """Ask for the metadata again; those on disk always are."""

    def name(self, node: str) -> str:
        """Return the path of a node, for messages."""
        return repr(f"{self.where}/{node}" if node else self.where)

    @property
    def zipped(self) -> bool:
        """Whether it is a zip."""
        return self._zip is not None

    def has_folder(self, node: str) -> bool:
        """Whether there is a folder that may be no group."""
        return (self.root / node).is_dir()

    def _bytes(self, key: str) -> bytes | None:
        with quiet(self.name(key)):
            if self._zip is not None:
                if key not in self._zip.NameToInfo:
                    return None
                if self._zip.getinfo(key).file_size > _MAX_JSON:
                    raise FormatError(f"{self.name(key)} is too large for metadata.")
                return self._zip.read(key)
            file = self.root / key
            if not file.is_file():
                return None
            if file.stat().st_size > _MAX_JSON:
                raise FormatError(f"{self.name(key)} is too large for metadata.")
            return file.read_bytes()

    def json(self, node: str, name: str) -> dict[str, Any] | None:
        """Return a JSON object beside a node; None when there is no such file."""
        key = f"{node}/{name}" if node else name
        data = self._bytes(key)
        if data is None:
            return None
        try:
            found = parse_json(data)
        except (ValueError, RecursionError) as error:
            raise FormatError(
                f"{self.name(key)} is no JSON: {first_line(error)}.",
                "The store is damaged or incomplete; make it anew or copy it again.",
            ) from error
        if not isinstance(found, dict):
            raise FormatError(f"{self.name(key)} is not a JSON object but {str(found)[:40]!r}.")
        return found

    def kind(self, node: str) -> str:
        """Return ``array``, ``group`` or "" for nothing."""
        three = self.json(node, "zarr.json")
        if three is not None:
            return "array" if three.get("node_type") == "array" else "group"
        if self._bytes(f"{node}/.zarray".lstrip("/")) is not None:
            return "array"
        if any(self._bytes(f"{node}/{n}".lstrip("/")) is not None for n in (".zgroup", ".zattrs")):
            return "group"
        return ""

    def zarr_format(self, node: str) -> int:
        """Return 2 or 3."""
        return 2 if self.json(node, "zarr.json") is None else 3

    def attributes(self, node: str) -> dict[str, Any]:
        """Return the attributes of a group or array."""
        three = self.json(node, "zarr.json")
        found = self.json(node, ".zattrs") if three is None else three.get("attributes")
        return found if isinstance(found, dict) else {}

    def children(self, node: str) -> list[str]:
        """Return the names of the groups and arrays in a group."""
        if self._zip is not None:
            prefix = f"{node}/" if node else ""
            names = {
                key[len(prefix) :].split("/")[0]
                for key in self._zip.namelist()
                if key.startswith(prefix) and "/" in key[len(prefix) :]
            }
        else:
            with quiet(self.name(node)), os.scandir(self.root / node) as found:
                names = {entry.name for entry in found if entry.is_dir()}
        return sorted(
            name
            for name in names
            if name and not name.startswith(".") and self._safe_kind(f"{node}/{name}".lstrip("/"))
        )

    def _safe_kind(self, node: str) -> str:
        try:
            return self.kind(node)
        except FormatError:
            return "group"

    def _opened(self) -> Any:
        """Return the store as zarr takes it."""
        import zarr.storage

        if self._zip is not None:
            return zarr.storage.ZipStore(self.root, mode="r", read_only=True)
        return zarr.storage.LocalStore(self.root, read_only=True)

    def array(self, node: str) -> Any:
        """Return the zarr array at a node, read-only.

        Raises
        ------
        FormatError
            When its metadata are broken.
        """
        import zarr

        what = self.name(node)
        with quiet(what):
            if self._zarr is None:
                self._zarr = self._opened()
            array = zarr.open_array(
                store=self._zarr, path=node, mode="r", zarr_format=self.zarr_format(node)
            )
            if _packed_by_blosc(array):
                array = zarr.open_array(
                    store=_whole_chunks(self._zarr),
                    path=node,
                    mode="r",
                    zarr_format=array.metadata.zarr_format,
                )
            dtype = np.dtype(array.dtype)
            shape = tuple(int(n) for n in array.shape)
        if dtype.kind not in "biuf":
            raise FormatError(f"{what} is of type {dtype}, not an image; pixels are numbers.")
        if min(shape, default=0) < 0 or not 1 <= len(shape) <= 5:
            raise FormatError(f"{what} has the shape {shape}; images have 1 to 5 axes.")
        return array

    def stored(self, node: str) -> tuple[int, int]:
        """Return (number, bytes) of the chunks of an array."""
        if self._zip is not None:
            sizes = [
                info.file_size
                for key, info in self._zip.NameToInfo.items()
                if key.startswith(f"{node}/" if node else "") and key.split("/")[-1] not in MARKERS
            ]
        else:
            sizes = [
                (Path(folder) / name).stat().st_size
                for folder, _, names in os.walk(self.root / node)
                for name in names
                if name not in MARKERS
            ]
        return len(sizes), sum(sizes)


def _packed_by_blosc(array: Any) -> bool:
    """Whether the bytes of a stored chunk are what blosc made, and nothing else."""
    if array.shards is not None or not array.compressors:
        return False
    last = array.compressors[-1]
    return "blosc" in (str(getattr(last, "codec_id", "")) or type(last).__name__).lower()


def _whole_chunks(store: Any) -> Any:
    """Return a store that refuses chunks which are shorter than blosc says.

    numcodecs believes the header and hands out whatever lies behind the bytes that are there.
    """
    from zarr.storage import WrapperStore

    class Whole(WrapperStore):  # type: ignore[misc]  # any store
        async def get(self, key: str, prototype: Any, byte_range: Any = None) -> Any:
            found = await self._store.get(key, prototype, byte_range)
            if found is None or byte_range is not None or key.endswith(MARKERS):
                return found
            size = len(found)
            head = found[:16].to_bytes() if size >= 16 else b""
            if int.from_bytes(head[12:16], "little") != size:
                raise ValueError(f"the chunk {key!r} is cut off")
            return found

    return Whole(store)


def guard_for(array: Any, store: Store, node: str) -> Callable[[int], None]:
    """Return a function that refuses to read more bytes than the store can hold."""
    what = store.name(node)
    chunk = int(np.prod(array.chunks, dtype=object)) * array.dtype.itemsize
    if chunk > _MAX_CHUNK or min(array.chunks, default=1) < 1:
        raise FormatError(
            f"{what} says that its chunks are {array.chunks} of {array.dtype}; "
            "they must be 1 or more on each axis and 1 GiB or less together."
        )

    def guard(nbytes: int) -> None:
        if nbytes > _MANY_CHUNKS * chunk:
            count, _ = store.stored(node)
            if nbytes > (_MANY_CHUNKS + 1000 * count) * chunk:
                raise FormatError(
                    f"{what} would need {nbytes // chunk} chunks at a time, the store holds "
                    f"{count}.",
                    "The store is damaged or incomplete. Read a region of it, if it is right.",
                )
        if nbytes <= _FREE:
            return
        _, stored = store.stored(node)
        if nbytes > _FREE + _MAX_RATIO * stored:
            raise FormatError(
                f"{what} says that it is {array.shape} of {array.dtype} "
                f"({nbytes / GIB:.1f} GiB asked for), but the store holds {stored} bytes of it.",
                "The store is damaged or incomplete. Read a region of it, if it is right.",
            )

    return guard
