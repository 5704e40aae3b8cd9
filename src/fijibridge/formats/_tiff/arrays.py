"""Pixels of a TIFF as arrays that read only what a slice asks for."""

from __future__ import annotations

import itertools
import math
import threading
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fijibridge.errors import FormatError
from fijibridge.formats._tiff.ifd import PositionalFile

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["MappedArray", "PagedArray", "TransposedArray", "WholeArray"]

Slices = tuple[slice, ...]
_LZW = 5
#: Decoded strips and tiles that are kept, because blocks share them.
_CACHE_BYTES = 64 * 2**20


class MappedArray:
    """Contiguous pixels of a file, mapped; a slice is copied into native byte order.

    Parameters
    ----------
    path
        The file.
    dtype
        As stored, with its byte order.
    offset
        Where the pixels begin.
    shape
        As stored, C order.
    """

    def __init__(
        self, path: Path, dtype: np.dtype[Any], offset: int, shape: tuple[int, ...]
    ) -> None:
        self.shape = shape
        self.dtype = dtype
        try:
            self._map: np.ndarray | None = np.memmap(path, dtype, "r", offset, shape)
        except (OSError, ValueError, OverflowError) as error:
            raise FormatError(
                f"{str(path)!r} is truncated or broken: {error}.", "Copy the file again."
            ) from error

    def __getitem__(self, slices: Slices) -> np.ndarray:
        if self._map is None:
            raise FormatError("The image is closed.", "Open it again.")
        return np.array(self._map[slices], self.dtype.newbyteorder("="))

    def close(self) -> None:
        """Let go of the file."""
        self._map = None


class WholeArray:
    """Pixels that can only be read all at once; read when first asked for."""

    def __init__(self, load: Any) -> None:
        self._load = load
        self._data: np.ndarray | None = None
        self._lock = threading.Lock()

    def __getitem__(self, slices: Slices) -> np.ndarray:
        with self._lock:
            if self._data is None:
                self._data = np.asarray(self._load())
        return np.array(self._data[slices])


class TransposedArray:
    """Another array with its axes in another order."""

    def __init__(self, array: Any, order: Sequence[int]) -> None:
        self._array = array
        self._order = tuple(order)

    @property
    def chunks(self) -> tuple[int, ...] | None:
        """Shape of the blocks in which the file holds the pixels; None when it has none."""
        found = getattr(self._array, "chunks", None)
        return tuple(found[axis] for axis in self._order) if found else None

    def __getitem__(self, slices: Slices) -> np.ndarray:
        inner: list[slice] = [slice(None)] * len(slices)
        for place, axis in enumerate(self._order):
            inner[axis] = slices[place]
        data: np.ndarray = self._array[tuple(inner)]
        return data.transpose(self._order)


class PagedArray:
    """Pixels in strips or tiles, compressed or not, of one tifffile series.

    Parameters
    ----------
    series
        A ``tifffile.TiffPageSeries``.
    shape
        Its squeezed shape; the last axes are those of one page.
    tail
        How many of the axes are within a page.
    """

    def __init__(self, series: Any, shape: tuple[int, ...], tail: int) -> None:
        self._series = series
        self._lead = shape[: len(shape) - tail]
        self._key = series.keyframe
        #: (separate samples, depth, length, width, contiguous samples)
        self._page = tuple(int(n) for n in self._key.shaped)
        self._files: dict[str, PositionalFile] = {}
        self._cache: OrderedDict[tuple[int, int], np.ndarray] = OrderedDict()
        self._cached = 0
        self._lock = threading.RLock()
        key = self._key
        width, length = self._page[3], self._page[2]
        if key.is_tiled:
            self._segment = (int(key.tiledepth), int(key.tilelength), int(key.tilewidth))
        else:
            self._segment = (1, min(int(key.rowsperstrip), length), width)
        if min(self._segment) < 1:
            path = str(key.parent.filehandle.path)
            raise FormatError(f"{path!r} says that its tiles have the size {self._segment}.")
        cut = [math.ceil(n / s) for n, s in zip(self._page[1:4], self._segment, strict=True)]
        self._grid = (self._page[0], *cut)

    @property
    def chunks(self) -> tuple[int, ...]:
        """Shape of a strip or tile, one page deep."""
        parts = zip((1, *self._segment, self._page[4]), self._page, self._kept(), strict=True)
        return (*(1 for _ in self._lead), *(min(n, size) for n, size, kept in parts if kept))

    def close(self) -> None:
        """Let go of the files."""
        for file in self._files.values():
            file.close()

    def _file(self, page: Any) -> PositionalFile:
        path = str(page.parent.filehandle.path)
        with self._lock:
            if path not in self._files:
                self._files[path] = PositionalFile(Path(path))
            return self._files[path]

    def __getitem__(self, slices: Slices) -> np.ndarray:
        boxes = [(s.start, s.stop) for s in slices]
        shape = tuple(b - a for a, b in boxes)
        lead, inner = boxes[: len(self._lead)], boxes[len(self._lead) :]
        # page axes of size 1 are squeezed away in the series
        left = iter(inner)
        axes = self._kept()
        box = [next(left) if kept else (0, 1) for kept in axes]
        out = np.zeros((*shape[: len(lead)], *(b - a for a, b in box)), self._key.dtype)
        for index in itertools.product(*(range(a, b) for a, b in lead)):
            place = tuple(i - a for i, (a, _) in zip(index, lead, strict=True))
            number = int(np.ravel_multi_index(index, self._lead)) if self._lead else 0
            self._read_page(number, box, out[place])
        return out.reshape(shape)

    def _kept(self) -> tuple[bool, ...]:
        sep, depth, _, _, contig = self._page
        return (sep > 1, depth > 1, True, True, contig > 1)

    def _read_page(self, number: int, box: list[tuple[int, int]], out: np.ndarray) -> None:
        with self._lock:
            page = self._series[number]
        if page is None:  # an OME plane that no file holds
            return
        ranges = [range(*box[0])]
        ranges += [
            range(a // s, -(-b // s)) for (a, b), s in zip(box[1:4], self._segment, strict=True)
        ]
        for cell in itertools.product(*ranges):
            index = int(np.ravel_multi_index(cell, self._grid))
            segment = self._decoded(number, page, index)
            if segment is None:
                continue
            start = [cell[0], *(c * s for c, s in zip(cell[1:], self._segment, strict=True)), 0]
            shape = (1, *segment.shape)
            low = [max(a, s) for (a, _), s in zip(box, start, strict=True)]
            high = [min(b, s + n) for (_, b), s, n in zip(box, start, shape, strict=True)]
            if any(a >= b for a, b in zip(low, high, strict=True)):
                continue
            to = tuple(slice(a - o, b - o) for a, b, (o, _) in zip(low, high, box, strict=True))
            of = tuple(slice(a - s, b - s) for a, b, s in zip(low, high, start, strict=True))
            out[to] = segment[None][of]

    def _decoded(self, number: int, page: Any, index: int) -> np.ndarray | None:
        with self._lock:
            if (number, index) in self._cache:
                self._cache.move_to_end((number, index))
                return self._cache[number, index]
        offset, count = int(page.dataoffsets[index]), int(page.databytecounts[index])
        if not count or not offset:  # a sparse file
            return None
        raw = self._file(page).read(offset, count)
        tables = {}
        if self._key.compression in {6, 7, 34892, 33007}:
            tables = {"jpegtables": page.jpegtables, "jpegheader": page.jpegheader}
        if self._key.compression == _LZW:
            from fijibridge.formats._tiff.lzw import check_lzw

            pixels = math.prod(self._segment) * self._page[4]
            check_lzw(raw, self._key, pixels * int(self._key.bitspersample) // 8)
        segment, _, _ = self._key.decode(raw, index, **tables)
        data: np.ndarray = segment
        with self._lock:
            self._cache[number, index] = data
            self._cached += data.nbytes
            while self._cached > _CACHE_BYTES and len(self._cache) > 1:
                self._cached -= self._cache.popitem(last=False)[1].nbytes
        return data
