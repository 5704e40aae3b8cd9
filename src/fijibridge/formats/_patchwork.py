"""Whole chunks out of blocks of any shape: parts wait until a chunk is complete.

A few chunks wait in memory, any more in a hidden file. So a source can be read along its own
chunks, each of them once, whatever the chunks of the target are; memory does not grow with the
image.
"""

from __future__ import annotations

import itertools
import os
import tempfile
import threading
from dataclasses import dataclass, field
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from fijibridge.formats._memory import Allowance, ThreadMemory
from fijibridge.model import Region

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

__all__ = ["Patchwork", "cells_of"]


_HELD = 16 << 20  # bytes of chunks that wait in memory
_READ = 1 << 18  # bytes that are read at a time


@dataclass(slots=True)
class _Open:
    """A chunk of which parts are missing: in memory, else where the others lie in the file."""

    memory: np.ndarray | None
    slot: int
    parts: list[tuple[Region, int]] = field(default_factory=list)
    used: int = 0  # bytes that were given out
    done: int = 0  # pixels that were written


def cells_of(region: Region, chunk: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """Yield the numbers of the chunks that a region touches, C order."""
    yield from itertools.product(
        *(
            range(a // c, -(-b // c))
            for a, b, c in zip(region.start, region.stop, chunk, strict=True)
        )
    )


class Patchwork:
    """Takes blocks from any thread, gives whole chunks.

    Parameters
    ----------
    shape, chunk, dtype
        Of the image.
    folder
        Where the hidden file may lie; it has no name, so that nothing is left of it.
    put
        Takes (region, pixels) of one chunk, cut at the image's edge. The pixels may be a view of
        the caller's block; they are valid during the call.
    patch
        Takes (region, pixels) of a part of a chunk that was put already.
    held
        How many bytes may wait in memory; None = 16 MB.
    """

    def __init__(
        self,
        shape: Sequence[int],
        chunk: Sequence[int],
        dtype: np.dtype[Any],
        folder: Path,
        *,
        put: Callable[[Region, np.ndarray], None],
        patch: Callable[[Region, np.ndarray], None],
        held: Allowance | None = None,
    ) -> None:
        self.shape, self.chunk, self.dtype = tuple(shape), tuple(chunk), dtype
        self._folder, self._put, self._patch = folder, put, patch
        self._nbytes = prod(self.chunk) * dtype.itemsize
        self._lock = threading.Lock()
        self._memory = ThreadMemory()
        self._file: Any = None
        self._open: dict[tuple[int, ...], _Open] = {}
        self._complete: set[tuple[int, ...]] = set()
        self._free: list[int] = []
        self._slots = 0
        self._spare: list[np.ndarray] = []
        self._idle: list[np.ndarray] = []  # where chunks out of the file are put together
        self._allowed = held or Allowance(_HELD)

    def cell_region(self, cell: Sequence[int]) -> Region:
        """Return the box of a chunk, cut at the image's edge."""
        low = [i * c for i, c in zip(cell, self.chunk, strict=True)]
        high = [min(a + c, n) for a, c, n in zip(low, self.chunk, self.shape, strict=True)]
        return Region(tuple(low), tuple(high))

    def write(self, region: Region, block: np.ndarray) -> None:
        """Take a block; whole chunks in it are put at once."""
        for cell in cells_of(region, self.chunk):
            whole = self.cell_region(cell)
            part = Region(
                tuple(map(max, whole.start, region.start)), tuple(map(min, whole.stop, region.stop))
            )
            inner = tuple(
                slice(a - o, b - o)
                for a, b, o in zip(part.start, part.stop, region.start, strict=True)
            )
            if part == whole:
                self._whole(cell, whole, block[inner])
            else:
                self._part(cell, whole, part, block[inner])

    def _whole(self, cell: tuple[int, ...], whole: Region, data: np.ndarray) -> None:
        with self._lock:
            again = cell in self._complete
            self._complete.add(cell)
            old = self._open.pop(cell, None)
            if old is not None:
                self._let_go(old)
        (self._patch if again else self._put)(whole, data)

    def _part(self, cell: tuple[int, ...], whole: Region, part: Region, data: np.ndarray) -> None:
        size = data.size * self.dtype.itemsize
        with self._lock:
            found = None
            if cell not in self._complete:
                found = self._open.get(cell)
                if found is None:
                    found = self._open[cell] = self._room()
                if found.used + size > self._nbytes:  # parts that overlap: what is there is put
                    self._complete.add(cell)
                    del self._open[cell]
                else:
                    self._take(found, whole, part, data, size)
                    found.done += data.size
                    if found.done < prod(whole.shape):
                        return
                    self._complete.add(cell)
                    del self._open[cell]
                    data = data[:0]
        if found is not None:
            self._put_open(whole, found)
        if data.size:
            self._patch(part, data)

    def finish(self) -> None:
        """Put the chunks of which parts never came; those are 0. Let go of the hidden file."""
        for cell, found in sorted(self._open.items()):
            whole = self.cell_region(cell)
            self._put_open(whole, found)
            self._complete.add(cell)
        self._open.clear()
        self.close()

    def close(self) -> None:
        """Let go of the hidden file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def missing(self) -> Iterator[tuple[int, ...]]:
        """Yield the chunks of which nothing came."""
        for cell in cells_of(Region.whole(self.shape), self.chunk):
            if cell not in self._complete:
                yield cell

    def _room(self) -> _Open:
        """Return where a chunk can wait; the lock is held."""
        if not self._spare and self._allowed.take(self._nbytes):
            self._spare.append(np.empty(prod(self.chunk), self.dtype))
        if self._spare:
            return _Open(self._spare.pop(), 0)
        if not self._free:
            self._free.append(self._slots)
            self._slots += 1
        return _Open(None, self._free.pop())

    def _let_go(self, found: _Open) -> None:
        if found.memory is not None:
            self._spare.append(found.memory)
        else:
            self._free.append(found.slot)

    def _take(self, found: _Open, whole: Region, part: Region, data: np.ndarray, size: int) -> None:
        """Keep a part; the lock is held."""
        if found.memory is not None:
            inner = tuple(
                slice(a - o, b - o)
                for a, b, o in zip(part.start, part.stop, whole.start, strict=True)
            )
            _shaped(found.memory, whole)[inner] = data
            found.parts.append((part, 0))
        else:
            place = found.slot * self._nbytes + found.used
            found.parts.append((part, place))
            self._write_at(place, np.ascontiguousarray(data, self.dtype))
        found.used += size

    def _put_open(self, whole: Region, found: _Open) -> None:
        if found.memory is not None and found.done == prod(whole.shape):
            self._put(whole, _shaped(found.memory, whole))
        else:
            with self._lock:
                memory = self._idle.pop() if self._idle else None
            if memory is None:
                memory = np.empty(prod(self.chunk), self.dtype)
            self._put(whole, self._assembled(whole, found, memory))
            with self._lock:
                self._idle.append(memory)
        with self._lock:
            self._let_go(found)

    def _assembled(self, whole: Region, found: _Open, memory: np.ndarray) -> np.ndarray:
        out = _shaped(memory, whole)
        out[...] = 0  # parts may lie over each other and leave gaps
        for part, place in found.parts:
            inner = tuple(
                slice(a - o, b - o)
                for a, b, o in zip(part.start, part.stop, whole.start, strict=True)
            )
            if found.memory is not None:
                out[inner] = _shaped(found.memory, whole)[inner]
            else:
                self._read_part(place, out[inner])
        return out

    def _read_part(self, place: int, out: np.ndarray) -> None:
        """Read what was kept, a few planes at a time."""
        plane = out[:1].size * self.dtype.itemsize
        step = max(1, _READ // plane)
        for first in range(0, len(out), step):
            some = out[first : first + step]
            data = self._read_at(place + first * plane, some.size * self.dtype.itemsize)
            some[...] = data.view(self.dtype).reshape(some.shape)

    def _write_at(self, place: int, data: np.ndarray) -> None:
        """Write into the hidden file; the lock is held."""
        if self._file is None:
            self._file = tempfile.TemporaryFile(dir=self._folder, buffering=0)  # noqa: SIM115
        view = memoryview(data.reshape(-1).view(np.uint8).data)
        self._file.seek(place)
        while view:
            view = view[self._file.write(view) :]

    def _read_at(self, place: int, size: int) -> np.ndarray:
        out = self._memory.get("part", (size,), np.dtype(np.uint8))
        if hasattr(os, "preadv"):
            os.preadv(self._file.fileno(), [out.data], place)
            return out
        with self._lock:  # Windows
            self._file.seek(place)
            self._file.readinto(out.data)
        return out


def _shaped(memory: np.ndarray, whole: Region) -> np.ndarray:
    return memory[: prod(whole.shape)].reshape(whole.shape)
