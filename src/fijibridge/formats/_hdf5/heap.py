"""Texts of any length in damaged HDF5 files: read only after a look at where they lie.

HDF5 keeps them in heaps, lists of objects behind each other. The library follows such a list
without end when an object says that it takes no bytes, and nothing inside the process can stop it.
So such attributes are read through a file that looks at every heap that passes.

Source: HDF5 file format specification 3.0, III.E global heap; H5HGcache.c, which adds 16 bytes for
the head of every object but number 0, the free space.
"""

from __future__ import annotations

import contextlib
import io
import os
import struct
from typing import TYPE_CHECKING, Any

from fijibridge.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["guarded", "has_long_texts"]

_SIGNATURE = b"GCOL"
_HEAD = struct.Struct("<HHIQ")


class _GuardedFile(io.FileIO):
    """A file for h5py that refuses endless heaps."""

    def readinto(self, buffer: Any) -> int:
        at = self.tell()
        n = super().readinto(buffer) or 0
        data = bytes(memoryview(buffer)[:n])
        found = data.find(_SIGNATURE)
        while found >= 0:
            self._check(at + found)
            found = data.find(_SIGNATURE, found + 4)
        self.seek(at + n)
        return n

    def _check(self, start: int) -> None:
        self.seek(start)
        head = self.read(16)
        if len(head) < 16 or head[4] != 1:
            return
        size = int.from_bytes(head[8:], "little")
        self.seek(0, os.SEEK_END)
        if size > self.tell() - start:
            return  # the library says so itself
        self.seek(start)
        heap = self.read(size)
        place = 16
        while place + _HEAD.size <= len(heap):
            index, _, _, length = _HEAD.unpack_from(heap, place)
            step = length if index == 0 else (16 + (length + 7) // 8 * 8) % 2**64
            if step == 0:
                raise FormatError(
                    f"The heap at byte {start} is damaged: its object at byte {start + place} has "
                    "no size."
                )
            place += step


@contextlib.contextmanager
def guarded(obj: Any) -> Iterator[Any]:
    """Yield a group or dataset once more, read through a guarded file.

    One that is open for writing is yielded as it is: the library has made sense of it before.
    """
    if obj.file.mode != "r" or obj.name is None:
        yield obj
        return
    import h5py

    with _GuardedFile(obj.file.filename) as raw, h5py.File(raw, "r") as file:
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
