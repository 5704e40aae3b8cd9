"""Chunks of a new Zarr array, written and read as files beside zarr-python.

zarr-python makes the metadata; its codec pipeline costs twice what packing costs. A chunk is one
blosc frame of the plain pixels in both Zarr versions, the same bytes as zarr-python writes. Chunks
of nothing but 0, the fill value, are left out, as zarr-python does.
"""

from __future__ import annotations

import functools
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from fijibridge.errors import FormatError
from fijibridge.formats._memory import ThreadMemory
from fijibridge.model import Region

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["LEVELS", "ChunkFiles"]

_ROOM = 64  # bytes that blosc may add
#: Codec -> level of blosc; None is no codec.
LEVELS = {"lz4": 5, "zstd": 3, "none": None}


class ChunkFiles:
    """One array that is being made; any thread, each chunk by one at a time.

    Parameters
    ----------
    folder
        Of the array, in a stage that nobody sees.
    shape, chunk, dtype
        As its metadata say; all chunks have the whole shape.
    codec
        ``lz4``, ``zstd`` or ``none``.
    zarr_format
        2 or 3.
    memory
        Shared by arrays of the same chunks; each thread has its own.
    """

    def __init__(
        self,
        folder: Path,
        shape: Sequence[int],
        chunk: Sequence[int],
        dtype: np.dtype[Any],
        *,
        codec: str,
        zarr_format: int,
        memory: ThreadMemory | None = None,
    ) -> None:
        self.shape, self.chunk = tuple(shape), tuple(chunk)
        self.dtype = dtype.newbyteorder("<")
        self._codec, self._level = codec, LEVELS[codec]
        self._told = folder, tuple(shape), tuple(chunk), dtype, codec, zarr_format
        self._folder = folder if zarr_format == 2 else folder / "c"
        self._made: set[Path] = set()
        self._memory = memory or ThreadMemory()

    def __reduce__(self) -> tuple[Any, ...]:
        """Let another process write chunks too."""
        folder, shape, chunk, dtype, codec, zarr_format = self._told
        make = functools.partial(ChunkFiles, codec=codec, zarr_format=zarr_format)
        return make, (folder, shape, chunk, dtype)

    def _path(self, low: Sequence[int]) -> Path:
        numbers = [str(a // c) for a, c in zip(low, self.chunk, strict=True)]
        return self._folder.joinpath(*numbers)

    def put(self, region: Region, part: np.ndarray) -> None:
        """Write a chunk, given as far as it lies in the image; the rest of it is 0."""
        full: Any = part
        if part.shape != self.chunk or not part.flags.c_contiguous or part.dtype != self.dtype:
            full = self._memory.get("chunk", self.chunk, self.dtype)
            if part.shape != self.chunk:
                full[...] = 0
            full[tuple(slice(0, n) for n in part.shape)] = part
        data = full.reshape(-1).view(np.uint8)
        path = self._path(region.start)
        if not _any(data):
            path.unlink(missing_ok=True)
            return
        if path.parent not in self._made:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._made.add(path.parent)
        packed: Any = data.data
        if self._level is not None:
            import imagecodecs

            room: Any = self._memory.get("packed", (data.size + _ROOM,), data.dtype)
            packed = imagecodecs.blosc_encode(
                full,
                level=self._level,
                compressor=self._codec,
                shuffle=1,
                typesize=self.dtype.itemsize,
                numthreads=1,
                out=room,
            )
        with path.open("wb", buffering=0) as file:
            view = memoryview(packed)
            while view:
                view = view[file.write(view) :]

    def patch(self, region: Region, part: np.ndarray) -> None:
        """Change a part of a chunk that is there."""
        low = tuple(a // c * c for a, c in zip(region.start, self.chunk, strict=True))
        full = self._load(low)
        full[
            tuple(
                slice(a - o, b - o) for a, b, o in zip(region.start, region.stop, low, strict=True)
            )
        ] = part
        seen = tuple(min(c, n - o) for c, n, o in zip(self.chunk, self.shape, low, strict=True))
        high = tuple(o + n for o, n in zip(low, seen, strict=True))
        self.put(Region(low, high), full[tuple(slice(0, n) for n in seen)])

    def get(self, region: Region) -> np.ndarray:
        """Return a chunk as far as it lies in the image."""
        return self._load(region.start)[tuple(slice(0, n) for n in region.shape)]

    def _load(self, low: Sequence[int]) -> np.ndarray:
        path = self._path(low)
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return np.zeros(self.chunk, self.dtype)
        out: Any = np.empty(prod(self.chunk) * self.dtype.itemsize, np.uint8)
        if self._level is None:
            out[:] = np.frombuffer(data, np.uint8)
        else:
            import imagecodecs

            try:
                imagecodecs.blosc_decode(data, out=out, numthreads=1)
            except Exception as error:
                raise FormatError(f"The chunk {str(path)!r} was changed meanwhile.") from error
        return np.asarray(out).view(self.dtype).reshape(self.chunk)


def _any(data: np.ndarray) -> bool:
    """Whether any byte is not 0: mostly one of the first is, so those are looked at first."""
    return bool(data[:4096].any()) or bool(data.any())
