"""Chunks of an HDF5 dataset, read and unpacked beside the HDF5 library.

The library inflates with zlib under one lock for all threads. Here it only says where a chunk
lies; the bytes are read by position and inflated by libdeflate, 2 to 3 times faster, in as many
threads as ask. What this does not know (other filters, unusual types) is left to the library.
"""

from __future__ import annotations

import itertools
import os
import threading
from collections import OrderedDict
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from fijibridge.errors import FormatError
from fijibridge.formats._memory import ThreadMemory

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["ChunkedDataset", "Packing", "chunked", "packing_of"]

_DEFLATE, _SHUFFLE = 1, 2
_FILTERS = ((), (_DEFLATE,), (_SHUFFLE,), (_SHUFFLE, _DEFLATE))
_CACHE = 32 << 20  # bytes of chunks that were asked for in parts
_LONG = 8 << 20  # bytes of a plain chunk that are read at a time
_SOME = 1 << 20  # bytes that are read at once without a thought
_FEW = 4  # times the bytes that are needed: more are not read, the library picks the rows


@dataclass(frozen=True, slots=True)
class Packing:
    """How the chunks of a dataset are stored; where two are equal, chunks need no unpacking.

    Parameters
    ----------
    chunks
        Shape of a chunk.
    dtype
        Of the file, with its byte order.
    filters
        HDF5's numbers: 2 shuffle, 1 deflate.
    """

    chunks: tuple[int, ...]
    dtype: str
    filters: tuple[int, ...]


def packing_of(dataset: Any) -> Packing | None:
    """Return how a dataset's chunks are stored; None when only the HDF5 library can tell."""
    import h5py

    made = dataset.id.get_create_plist()
    if made.get_layout() != h5py.h5d.CHUNKED or dataset.dtype.kind not in "biuf":
        return None
    filters = tuple(made.get_filter(i)[0] for i in range(made.get_nfilters()))
    if filters not in _FILTERS:
        return None
    if dataset.id.get_type() != h5py.h5t.py_create(dataset.dtype, logical=True):
        return None  # such as 12 bits in 16
    return Packing(tuple(map(int, dataset.chunks)), dataset.dtype.str, filters)


def chunked(dataset: Any, path: Path, what: str) -> Any:
    """Return a dataset with its chunks read directly; as it is where that is not known to be right.

    Parameters
    ----------
    dataset
        Of an open file.
    path
        That file.
    what
        Name for messages.
    """
    packing = packing_of(dataset)
    if packing is None or dataset.file.userblock_size:
        return dataset
    return ChunkedDataset(dataset, packing, path, what)


class ChunkedDataset:
    """Takes a tuple of slices, as the dataset does; any number of threads."""

    def __init__(self, dataset: Any, packing: Packing, path: Path, what: str) -> None:
        self.packing = packing
        self.chunks = packing.chunks
        self.dtype = np.dtype(packing.dtype)
        self.shape = tuple(map(int, dataset.shape))
        self._dataset = dataset
        self._what = what
        # the library crashes where a damaged file says neither that there is one nor that there
        # is none, but notices it when it is asked for that alone
        dataset.id.get_create_plist().fill_value_defined()
        self._fill = np.asarray(dataset.fillvalue, self.dtype)
        self._nbytes = prod(self.chunks) * self.dtype.itemsize
        self._fd = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        self._lock = threading.Lock()
        self._seek = threading.Lock()
        self._cache: OrderedDict[tuple[int, ...], np.ndarray] = OrderedDict()
        self._memory = ThreadMemory()

    def close(self) -> None:
        """Let go of the file; a second time does nothing."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    @property
    def costly(self) -> bool:
        """Whether a part of a chunk costs as much as the whole."""
        return bool(self.packing.filters)

    def __getitem__(self, slices: tuple[slice, ...]) -> np.ndarray:
        start = tuple(s.start for s in slices)
        stop = tuple(s.stop for s in slices)
        out = np.empty(tuple(b - a for a, b in zip(start, stop, strict=True)), self.dtype)
        self.read_into(start, stop, out)
        return out

    def read_into(self, start: tuple[int, ...], stop: tuple[int, ...], out: np.ndarray) -> None:
        """Read a box into memory that is there already."""
        for low, first, last in _cells(start, stop, self.chunks):
            target = out[
                tuple(slice(a - o, b - o) for a, b, o in zip(first, last, start, strict=True))
            ]
            inner = tuple(slice(a - o, b - o) for a, b, o in zip(first, last, low, strict=True))
            self._fill_in(low, inner, target)

    def packed(self, low: tuple[int, ...]) -> bytes | None:
        """Return the stored bytes of the chunk that begins at `low`.

        None when it is not stored, or not as the others are.

        Raises
        ------
        FormatError
            When they lie outside the file.
        """
        found = self._place(low)
        if found is None:
            return None
        mask, offset, size = found
        if mask or (not self.packing.filters and size != self._nbytes):
            return None
        return self._bytes(offset, size, low).tobytes()

    def _place(self, low: tuple[int, ...]) -> tuple[int, int, int] | None:
        info = self._dataset.id.get_chunk_info_by_coord(low)
        if info.byte_offset is None:
            return None
        return int(info.filter_mask), int(info.byte_offset), int(info.size)

    def _bytes(self, offset: int, size: int, low: tuple[int, ...]) -> np.ndarray:
        """Return stored bytes; they are overwritten by this thread's next call."""
        self._check_place(offset, size, low)  # before so much memory is asked for
        buffer = self._buffer("stored", size)
        self._read_from(offset, buffer, low)
        return buffer

    def _check_place(self, offset: int, size: int, low: tuple[int, ...]) -> None:
        if size < 0 or offset < 0 or offset + size > os.fstat(self._fd).st_size:
            raise FormatError(
                f"The chunk at {low} of {self._what} would lie outside the file.",
                "The file is damaged or incomplete; make it anew or copy it again.",
            )

    def _read_from(self, offset: int, buffer: np.ndarray, low: tuple[int, ...]) -> None:
        """Fill a buffer of bytes."""
        self._check_place(offset, buffer.size, low)
        if self._read_at(offset, buffer) != buffer.size:
            raise FormatError(f"The chunk at {low} of {self._what} is cut off.")

    def _buffer(self, name: str, size: int) -> np.ndarray:
        return self._memory.get(name, (size,), np.dtype(np.uint8))

    def _read_at(self, offset: int, buffer: np.ndarray) -> int:
        if hasattr(os, "preadv"):
            return os.preadv(self._fd, [buffer.data], offset)
        with self._seek:  # Windows, macOS before 11
            os.lseek(self._fd, offset, os.SEEK_SET)
            data = os.read(self._fd, buffer.size)
        buffer[: len(data)] = np.frombuffer(data, np.uint8)
        return len(data)

    def _fill_in(self, low: tuple[int, ...], inner: tuple[slice, ...], out: np.ndarray) -> None:
        """Copy a part of a chunk to where it belongs."""
        with self._lock:
            kept = self._cache.get(low)
            if kept is not None:
                self._cache.move_to_end(low)
        if kept is not None:
            out[...] = kept[inner]
            return
        found = self._place(low)
        if found is None:
            out[...] = self._fill
            return
        mask, offset, size = found
        if mask:  # some filters were left out of this chunk
            box = tuple(slice(s.start + o, s.stop + o) for s, o in zip(inner, low, strict=True))
            out[...] = self._dataset[box]
            return
        if not self.packing.filters:
            self._plain(offset, size, low, inner, out)
            return
        chunk = self._unpacked(self._bytes(offset, size, low), low)
        out[...] = chunk[inner]
        seen = tuple(min(c, n - o) for c, n, o in zip(self.chunks, self.shape, low, strict=True))
        if out.shape != seen:
            self._keep(low, chunk)

    def _plain(
        self,
        offset: int,
        size: int,
        low: tuple[int, ...],
        inner: tuple[slice, ...],
        out: np.ndarray,
    ) -> None:
        """Read the rows of an uncompressed chunk that are needed, a few MB at a time."""
        if size != self._nbytes:
            raise FormatError(f"The chunk at {low} of {self._what} has {size} bytes.")
        row = self._nbytes // self.chunks[0]
        if out.flags.c_contiguous and out.shape[1:] == self.chunks[1:]:
            view = out.reshape(-1).view(np.uint8)
            self._read_from(offset + inner[0].start * row, view, low)
            return
        read = row * len(out)
        few = read > _SOME and read > _FEW * out.nbytes
        if (row > _LONG or few) and len(self.chunks) > 1:
            box = tuple(slice(s.start + o, s.stop + o) for s, o in zip(inner, low, strict=True))
            out[...] = self._dataset[box]
            return
        step = max(1, _LONG // max(1, row))
        for a in range(inner[0].start, inner[0].stop, step):
            b = min(a + step, inner[0].stop)
            data = self._bytes(offset + a * row, (b - a) * row, low)
            rows = data.view(self.dtype).reshape(b - a, *self.chunks[1:])
            out[a - inner[0].start : b - inner[0].start] = rows[(slice(None), *inner[1:])]

    def _unpacked(self, stored: np.ndarray, low: tuple[int, ...]) -> np.ndarray:
        import imagecodecs

        data: Any = stored
        packed: Any = stored.data
        try:
            if _DEFLATE in self.packing.filters:
                buffer: Any = self._buffer("unpacked", self._nbytes)
                data = imagecodecs.deflate_decode(packed, raw=False, out=buffer)
        except Exception as error:
            raise FormatError(
                f"The chunk at {low} of {self._what} is damaged: {error}.",
                "Make the file anew or copy it again.",
            ) from error
        if len(data) != self._nbytes:
            raise FormatError(
                f"The chunk at {low} of {self._what} holds {len(data)} bytes, not {self._nbytes}.",
                "The file is damaged; make it anew or copy it again.",
            )
        if _SHUFFLE in self.packing.filters and self.dtype.itemsize > 1:
            planes = np.frombuffer(data, np.uint8).reshape(self.dtype.itemsize, -1)
            data = np.ascontiguousarray(planes.T)
        return np.frombuffer(data, self.dtype).reshape(self.chunks)

    def _keep(self, low: tuple[int, ...], chunk: np.ndarray) -> None:
        """Keep a chunk of which only a part was asked for: the rest will follow."""
        if self._nbytes > _CACHE:
            return
        chunk = chunk.copy()  # the buffer is used again
        with self._lock:
            self._cache[low] = chunk
            while len(self._cache) * self._nbytes > _CACHE:
                self._cache.popitem(last=False)


def _cells(
    start: tuple[int, ...], stop: tuple[int, ...], chunk: tuple[int, ...]
) -> Iterator[tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]]:
    """Yield (begin of a chunk, start and stop of the part of it that lies in a box)."""
    ranges = [range(a // c, -(-b // c)) for a, b, c in zip(start, stop, chunk, strict=True)]
    for cell in itertools.product(*ranges):
        low = tuple(i * c for i, c in zip(cell, chunk, strict=True))
        first = tuple(map(max, low, start))
        last = tuple(min(a + c, b) for a, c, b in zip(low, chunk, stop, strict=True))
        yield low, first, last
