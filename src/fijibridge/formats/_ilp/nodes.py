"""Careful reading of an HDF5 file of settings: every step checked, every size bounded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fijibridge.errors import FormatError
from fijibridge.formats._lazy import first_line

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Node", "check_links"]

_MAX_OBJECTS = 1_000_000
_MAX_DEPTH = 64
#: The largest array of a project: labels that somebody drew, the topology of a tree.
_MAX_BYTES = 1 << 30
#: No lossless filter of HDF5 shrinks more.
_MAX_RATIO = 2100


def check_links(file: Any, what: str) -> None:
    """Raise FormatError when a file has links out of it, or groups that hold themselves."""
    import h5py

    count = 0
    # (group, addresses of the groups it lies in)
    stack: list[tuple[Any, frozenset[int]]] = [(file, frozenset({_address(file)}))]
    while stack:
        group, above = stack.pop()
        for name in _names(group, what):
            count += 1
            if count > _MAX_OBJECTS or len(above) > _MAX_DEPTH:
                raise FormatError(
                    f"{what} holds more than {_MAX_OBJECTS} objects, or groups more than "
                    f"{_MAX_DEPTH} deep; no ilastik project does."
                )
            link = group.get(name, getlink=True)
            if not isinstance(link, h5py.HardLink):
                raise FormatError(
                    f"{what} has a link at {group.name.rstrip('/')}/{name}; ilastik writes none, "
                    "and links are not followed.",
                )
            item = _get(group, name, what)
            if isinstance(item, h5py.Group):
                address = _address(item)
                if address in above:
                    raise FormatError(
                        f"{what} has a group that holds itself: {group.name.rstrip('/')}/{name}."
                    )
                stack.append((item, above | {address}))


def _address(item: Any) -> int:
    import h5py

    return int(h5py.h5o.get_info(item.id).addr)


def _names(group: Any, what: str) -> list[str]:
    try:
        return list(group)
    except Exception as error:
        raise FormatError(f"{what} is damaged at {group.name}: {first_line(error)}.") from error


def _get(group: Any, name: str, what: str) -> Any:
    try:
        return group[name]
    except Exception as error:
        raise FormatError(
            f"{what} is damaged at {group.name.rstrip('/')}/{name}: {first_line(error)}."
        ) from error


@dataclass(frozen=True, slots=True)
class Node:
    """A group of a project."""

    group: Any
    what: str

    @property
    def name(self) -> str:
        """The path inside the file."""
        return str(self.group.name).rstrip("/")

    def __contains__(self, name: str) -> bool:
        return name in self.group

    def names(self, prefix: str = "") -> list[str]:
        """Return the names of the members that begin so, sorted."""
        return sorted(n for n in _names(self.group, self.what) if n.startswith(prefix))

    def node(self, name: str) -> Node:
        """Return a group in this one.

        Raises
        ------
        FormatError
            When there is none.
        """
        import h5py

        item = _get(self.group, name, self.what) if name in self.group else None
        if not isinstance(item, h5py.Group):
            raise FormatError(f"{self.what} has no group {self.name}/{name}.")
        return Node(item, self.what)

    def nodes(self, prefix: str) -> Iterator[Node]:
        """Yield the groups whose names begin so, in the order of their names."""
        for name in self.names(prefix):
            yield self.node(name)

    def dataset(self, name: str) -> Any:
        """Return a dataset that may be read."""
        import h5py

        item = _get(self.group, name, self.what) if name in self.group else None
        where = f"{self.name}/{name}"
        if not isinstance(item, h5py.Dataset):
            raise FormatError(f"{self.what} has no dataset {where}.")
        if item.is_virtual or item.external:
            raise FormatError(f"{self.what} keeps {where} in other files, which are not opened.")
        nbytes = int(np.prod(item.shape or (1,), dtype=object)) * max(1, item.dtype.itemsize)
        stored = int(item.id.get_storage_size())
        chunk = int(np.prod(item.chunks or (1,), dtype=object)) * max(1, item.dtype.itemsize)
        if nbytes > _MAX_BYTES or chunk > _MAX_BYTES or nbytes > stored * _MAX_RATIO + (1 << 20):
            raise FormatError(
                f"{self.what} says that {where} is {item.shape} of {item.dtype}, but holds "
                f"{stored} bytes of it."
            )
        return item

    def array(self, name: str, kinds: str = "biuf") -> np.ndarray:
        """Return a whole dataset of numbers."""
        item = self.dataset(name)
        if item.dtype.kind not in kinds:
            raise FormatError(
                f"{self.what}: {self.name}/{name} is of type {item.dtype}, not numbers."
            )
        return np.asarray(_read(item, self.what))

    def numbers(self, name: str, count: int | None = None) -> list[float]:
        """Return a dataset of a few numbers."""
        found = [float(v) for v in self.array(name).ravel().tolist()]
        if count is not None and len(found) < count:
            raise FormatError(f"{self.what}: {self.name}/{name} holds {len(found)} numbers.")
        return found

    def integer(self, name: str) -> int:
        """Return a number of vigra's options, which are float64 arrays of one."""
        found = self.numbers(name, 1)[0]
        if not found.is_integer() or abs(found) > 2**31:
            raise FormatError(f"{self.what}: {self.name}/{name} is {found}, no whole number.")
        return int(found)

    def raw(self, name: str) -> bytes:
        """Return the bytes of a text, whatever they are."""
        found = _read(self.dataset(name), self.what)
        if isinstance(found, np.ndarray):
            found = found.reshape(-1)[0] if found.size else b""
        if isinstance(found, str):
            return found.encode("utf-8", "surrogateescape")
        return bytes(found)

    def text(self, name: str, default: str = "") -> str:
        """Return a text; the default when there is none."""
        return self.raw(name).decode("utf-8", "replace") if name in self.group else default

    def texts(self, name: str) -> tuple[str, ...]:
        """Return a list of texts."""
        found = np.asarray(_read(self.dataset(name), self.what)).ravel().tolist()
        return tuple(
            v.decode("utf-8", "replace") if isinstance(v, bytes) else str(v) for v in found
        )

    def label_names(self) -> tuple[str, ...]:
        """Return the names of the labels of a classifier."""
        names = self.texts("LabelNames") if "LabelNames" in self else ()
        return tuple(n for n in names if n) if len(names) == 1 else names

    def colors(self, name: str) -> tuple[tuple[int, int, int], ...]:
        """Return colours, one a row; none when they are no colours."""
        if name not in self:
            return ()
        found = self.array(name)
        if found.ndim != 2 or found.shape[1] != 3 or len(found) > 4096:
            return ()
        return tuple((int(r) % 256, int(g) % 256, int(b) % 256) for r, g, b in found.tolist())


def _read(item: Any, what: str) -> Any:
    try:
        return item[()]
    except Exception as error:
        raise FormatError(f"{what} is damaged at {item.name}: {first_line(error)}.") from error
