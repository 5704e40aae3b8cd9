"""Texts of any length in damaged HDF5 files: read only after a look at where they lie.

HDF5 keeps them in heaps, lists of objects behind each other, and where one is used it says how
long it is, in which heap it lies and which object it is. The library follows such a list without
end when an object says that it takes no bytes, and asks for all the memory that a wrong length
claims; nothing inside the process can stop it. So such values are read through a file that looks
at every heap and at every such pointer that pass.

The names in a group lie in a heap of another kind, with a list of its gaps that can go in circles
too. A group is read by the library itself, so these are looked at where they usually are.

Source: HDF5 file format specification 3.0, III.D local heaps and III.E global heap; H5HGcache.c,
which adds 16 bytes for the head of every object but number 0, the free space.
"""

from __future__ import annotations

import contextlib
import io
import os
import struct
from typing import TYPE_CHECKING, Any

import numpy as np

from fijibridge.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["check_name_heaps", "guarded", "has_long_texts"]

_SIGNATURE = b"GCOL"
_MAGIC = b"\x89HDF\r\n\x1a\n"
_NAMES = b"HEAP\0\0\0\0"
#: Bytes of names, first gap, where they are.
_NAMES_HEAD = struct.Struct("<8sQQQ")
_NO_GAP, _GAPS = 1, 100_000
_HEAD = struct.Struct("<HHIQ")
#: How many values, place of the heap, number of the object.
_POINTER = np.dtype([("length", "<u4"), ("place", "<u8"), ("index", "<u4")])
#: Longer reads hold pixels or rows; so many different numbers are looked up as places at most.
_LONG_READ, _PLACES = 1 << 20, 20_000
#: Bytes of the widest value.
_WIDEST = 32


class _GuardedFile(io.FileIO):
    """A file for h5py that refuses endless heaps, and pointers that claim what is not there."""

    def __init__(self, path: str, base: int) -> None:
        super().__init__(path)
        self._base = base
        self._size = os.fstat(self.fileno()).st_size
        self._heaps: dict[int, dict[int, int] | None] = {}
        self._end, self._tail = -1, b""

    def readinto(self, buffer: Any) -> int:
        at = self.tell()
        n = super().readinto(buffer) or 0
        data = bytes(memoryview(buffer)[:n])
        found = data.find(_SIGNATURE)
        while found >= 0:
            self._heap(at + found)
            found = data.find(_SIGNATURE, found + 4)
        if n <= _LONG_READ:
            # the library reads long headers in two parts
            self._check_pointers(self._tail + data if at == self._end else data)
        self._end, self._tail = at + n, data[-_POINTER.itemsize :]
        self.seek(at + n)
        return n

    def _check_pointers(self, data: bytes) -> None:
        many = len(data) - _POINTER.itemsize + 1
        if many <= 0:
            return
        pointers = np.ndarray((many,), _POINTER, data, strides=(1,))
        place, index = pointers["place"], pointers["index"]
        maybe = (place > 0) & (place < self._size) & (index > 0) & (index < 1 << 16)
        pointers = pointers[maybe & (pointers["length"] > 0)]
        places = set(pointers["place"].tolist())
        if len(places) > _PLACES:
            return
        heaps = {p: heap for p in places if (heap := self._heap(self._base + p))}
        if not heaps:
            return
        for length, place, index in pointers.tolist():
            size = heaps.get(place, {}).get(index)
            if size is not None and not length <= size <= _WIDEST * length:
                raise FormatError(
                    f"A text of {length} bytes is said to lie in the heap at byte {place}, where "
                    f"object {index} has {size}."
                )

    def _heap(self, start: int) -> dict[int, int] | None:
        """Return the sizes of the objects in the heap at a byte, None when there is none."""
        if start not in self._heaps:
            self._heaps[start] = self._read_heap(start)
        return self._heaps[start]

    def _read_heap(self, start: int) -> dict[int, int] | None:
        self.seek(start)
        head = super().read(16)
        if len(head) < 16 or head[:5] != _SIGNATURE + b"\1":
            return None
        size = int.from_bytes(head[8:], "little")
        if size > self._size - start:
            return None  # the library says so itself
        self.seek(start)
        heap = super().read(size)
        place = 16
        sizes: dict[int, int] = {}
        while place + _HEAD.size <= len(heap):
            index, _, _, length = _HEAD.unpack_from(heap, place)
            step = length if index == 0 else (16 + (length + 7) // 8 * 8) % 2**64
            if step == 0:
                raise FormatError(
                    f"The heap at byte {start} is damaged: its object at byte {start + place} has "
                    "no size."
                )
            if index:
                sizes.setdefault(index, length)
            place += step
        return sizes


def check_name_heaps(path: Path) -> None:
    """Look at the heaps of names in the first and last MiB of a file.

    Raises
    ------
    FormatError
        When the gaps of one follow each other in a circle.
    OSError
        When the file cannot be read.
    """
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        # places are counted from the end of a user block, whose size is 0 or a power of 2
        base = max(file.read(_LONG_READ).find(_MAGIC), 0)
        for start in sorted({0, max(size - _LONG_READ, 0)}):
            file.seek(start)
            data = file.read(_LONG_READ)
            found = data.find(_NAMES)
            while found >= 0:
                head = data[found : found + _NAMES_HEAD.size]
                if len(head) == _NAMES_HEAD.size:
                    _, length, gap, names = _NAMES_HEAD.unpack(head)
                    _check_gaps(file, start + found, length, gap, base + names)
                found = data.find(_NAMES, found + 4)


def _check_gaps(file: Any, place: int, length: int, gap: int, names: int) -> None:
    # a gap takes 16 bytes at least, so more of them than fit are met again
    seen = 0
    while gap + 16 <= length and gap != _NO_GAP:
        file.seek(names + gap)
        entry = file.read(8)
        if len(entry) < 8:
            return
        gap = int.from_bytes(entry, "little")
        if gap == 0:
            return  # the library refuses it itself; real files hold zeros where a heap once was
        seen += 1
        if seen > length // 16 or seen > _GAPS:
            raise FormatError(
                f"The heap at byte {place} is damaged: its gaps follow each other in a circle."
            )


@contextlib.contextmanager
def guarded(obj: Any) -> Iterator[Any]:
    """Yield a group or dataset once more, read through a guarded file.

    One that is open for writing is yielded as it is: the library has made sense of it before.
    """
    if obj.file.mode != "r" or obj.name is None:
        yield obj
        return
    import h5py

    base = obj.file.userblock_size
    with _GuardedFile(obj.file.filename, base) as raw, h5py.File(raw, "r") as file:
        yield file[obj.name]


def has_long_texts(dtype: Any) -> bool:
    """Whether values of a type lie in a heap."""
    import h5py

    if dtype.subdtype is not None:
        return has_long_texts(dtype.subdtype[0])
    if dtype.names:
        return any(has_long_texts(dtype[name]) for name in dtype.names)
    text = h5py.check_string_dtype(dtype)
    return h5py.check_vlen_dtype(dtype) is not None or (text is not None and text.length is None)
