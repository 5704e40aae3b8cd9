"""The levels of a pyramid, made while the largest one is written, each chunk when it is complete.

A chunk goes to its file and, at once, into the next level: all samples that are made of its pixels
alone. Samples that lie across the edge of chunks (the linear filter reaches 2 pixels over it, odd
sizes shift everything) wait: the pixels they need, a thin slab along each such edge, are kept in a
hidden file until the level is whole. So nothing is read twice, chunks may come in any order, and
every sample is computed once, by the sums of `fijibridge.model.scaling`.

Written depth first, whole subtrees are finished as the image grows, and the open parts are few.
"""

from __future__ import annotations

import itertools
import os
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

from fijibridge.formats._patchwork import Patchwork
from fijibridge.model import Region
from fijibridge.model.scaling import reach, reduce_block, support

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from fijibridge.formats._zarr.chunks import ChunkFiles
    from fijibridge.model.scaling import Scaling

__all__ = ["Cascade"]

Span = tuple[int, int]


class Cascade:
    """Takes blocks of the largest level from any thread; `finish` completes all levels.

    Parameters
    ----------
    arrays
        The levels, largest first.
    scaling
        How a level is made of the one before.
    folder
        Where hidden files may lie; they have no names.
    """

    def __init__(self, arrays: Sequence[ChunkFiles], scaling: Scaling, folder: Path) -> None:
        self._arrays, self._scaling, self._folder = arrays, scaling, folder
        self._changed = False
        self._again = threading.Lock()
        self._patches: list[Patchwork] = []
        self._edges: list[_Edges] = []
        for i, array in enumerate(arrays):
            self._patches.append(self._patchwork(i, array))
            if i + 1 < len(arrays):
                self._edges.append(_Edges(array, arrays[i + 1], scaling, folder))

    def _patchwork(self, i: int, array: ChunkFiles) -> Patchwork:
        def put(region: Region, part: np.ndarray) -> None:
            array.put(region, part)
            self._reduce(i, region, part)

        def patch(region: Region, part: np.ndarray) -> None:
            with self._again:  # written twice: the other levels are made anew at the end
                self._changed = True
                array.patch(region, part)

        return Patchwork(array.shape, array.chunk, array.dtype, self._folder, put=put, patch=patch)

    def write(self, region: Region, block: np.ndarray) -> None:
        """Take a block of the largest level."""
        self._patches[0].write(region, block)

    def _reduce(self, i: int, region: Region, part: np.ndarray) -> None:
        if i + 1 < len(self._arrays):
            self._edges[i].take(region, part, self._patches[i + 1].write)

    @property
    def largest(self) -> ChunkFiles:
        """The largest level, for those who write its chunks elsewhere."""
        return self._arrays[0]

    def made_elsewhere(self) -> None:
        """Take note that chunks of the largest level are in their files; the others come last."""
        with self._again:
            self._changed = True

    def finish(self) -> None:
        """Complete all levels."""
        self._patches[0].finish()
        if self._changed:
            self._start_again()
        for i, edges in enumerate(self._edges):
            for cell in () if i == 0 and self._changed else self._patches[i].missing():
                region = self._patches[i].cell_region(cell)
                self._reduce(i, region, np.zeros(region.shape, self._arrays[i].dtype))
            edges.finish(self._patches[i + 1].write)
            self._patches[i + 1].finish()

    def _start_again(self) -> None:
        """Make the other levels from the stored largest one."""
        self.close()
        first = self._arrays[0]
        for i, array in enumerate(self._arrays[1:], 1):
            self._patches[i] = self._patchwork(i, array)
            self._edges[i - 1] = _Edges(self._arrays[i - 1], array, self._scaling, self._folder)
        ranges = (range(-(-n // c)) for n, c in zip(first.shape, first.chunk, strict=True))
        for cell in itertools.product(*ranges):
            region = self._patches[0].cell_region(cell)
            self._reduce(0, region, first.get(region))

    def close(self) -> None:
        """Let go of the hidden files."""
        for patch in self._patches:
            patch.close()
        for edges in self._edges:
            edges.close()


class _Axis:
    """Which samples of the coarser axis are made within one chunk, and which across an edge."""

    def __init__(
        self, fine: int, coarse: int, chunk: int, coarse_chunk: int, scaling: Scaling
    ) -> None:
        cells = -(-fine // chunk)
        low, high = reach(fine, coarse, scaling)
        inside = low // chunk == high // chunk
        owner = low // chunk
        #: per chunk: samples made of it alone
        self.own: list[Span] = [(0, 0)] * cells
        for cell in range(cells):
            mine = np.flatnonzero(inside & (owner == cell))
            if mine.size:
                self.own[cell] = int(mine[0]), int(mine[-1]) + 1
        #: runs of samples across edges, cut at the coarser chunks, with the pixels they need
        self.runs: list[tuple[Span, Span]] = []
        across = np.flatnonzero(~inside)
        if across.size:
            cuts = (np.diff(across) > 1) | (np.diff(across // coarse_chunk) > 0)
            for run in np.split(across, np.flatnonzero(cuts) + 1):
                need = int(low[run].min()), int(high[run].max()) + 1
                self.runs.append(((int(run[0]), int(run[-1]) + 1), need))
        #: all samples, cut at the coarser chunks
        self.all = [(a, min(a + coarse_chunk, coarse)) for a in range(0, coarse, coarse_chunk)]
        self.spans = [span for span in self.own if span[1] > span[0]]


class _Edges:
    """From one level to the next."""

    def __init__(
        self, fine: ChunkFiles, coarse: ChunkFiles, scaling: Scaling, folder: Path
    ) -> None:
        self._fine, self._coarse, self._scaling, self._folder = fine, coarse, scaling, folder
        self._axes = [
            _Axis(n, m, c, k, scaling)
            for n, m, c, k in zip(fine.shape, coarse.shape, fine.chunk, coarse.chunk, strict=True)
        ]
        self._lock = threading.Lock()
        self._file: Any = None
        self._end = 0
        #: (axis, run, chunk) -> (box, place in the hidden file)
        self._kept: dict[tuple[int, int, tuple[int, ...]], tuple[Region, int]] = {}

    def take(
        self, region: Region, part: np.ndarray, write: Callable[[Region, np.ndarray], None]
    ) -> None:
        """Take a chunk: make what can be made of it, keep what others need of it."""
        cell = tuple(a // c for a, c in zip(region.start, self._fine.chunk, strict=True))
        own = [axis.own[i] for axis, i in zip(self._axes, cell, strict=True)]
        made = Region(tuple(a for a, _ in own), tuple(b for _, b in own))
        if 0 not in made.shape:
            write(made, self._made(made, region.start, part))
        for d, axis in enumerate(self._axes):
            for r, (_, (low, high)) in enumerate(axis.runs):
                if low < region.stop[d] and high > region.start[d]:
                    self._keep((d, r, cell), region, part, d, low, high)

    def _made(self, made: Region, origin: Sequence[int], part: np.ndarray) -> np.ndarray:
        """Return samples; `part` begins at `origin` and holds all that they need."""
        box = support(self._fine.shape, self._coarse.shape, made, self._scaling)
        inner = tuple(
            slice(a - o, b - o) for a, b, o in zip(box.start, box.stop, origin, strict=True)
        )
        return reduce_block(part[inner], self._fine.shape, self._coarse.shape, made, self._scaling)

    def _keep(
        self,
        key: tuple[int, int, tuple[int, ...]],
        region: Region,
        part: np.ndarray,
        axis: int,
        low: int,
        high: int,
    ) -> None:
        start, stop = list(region.start), list(region.stop)
        start[axis], stop[axis] = max(low, start[axis]), min(high, stop[axis])
        inner = tuple(
            slice(a - o, b - o) for a, b, o in zip(start, stop, region.start, strict=True)
        )
        data = np.ascontiguousarray(part[inner])
        view = memoryview(data.reshape(-1).view(np.uint8).data)
        with self._lock:
            if self._file is None:
                self._file = tempfile.TemporaryFile(dir=self._folder, buffering=0)  # noqa: SIM115
            place, self._end = self._end, self._end + len(view)
            self._kept[key] = Region(tuple(start), tuple(stop)), place
            self._file.seek(place)
            while view:
                view = view[self._file.write(view) :]

    def finish(self, write: Callable[[Region, np.ndarray], None]) -> None:
        """Make the samples that lie across edges."""
        with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:

            def one(job: tuple[int, int, Region]) -> None:
                d, r, made = job
                box = support(self._fine.shape, self._coarse.shape, made, self._scaling)
                write(made, self._made(made, box.start, self._collected(d, r, box)))

            jobs = self._jobs()
            while batch := list(itertools.islice(jobs, 64)):
                for done in [pool.submit(one, job) for job in batch]:
                    done.result()
        self.close()

    def _jobs(self) -> Iterator[tuple[int, int, Region]]:
        """Yield (axis, run, box of samples): every sample that lies across an edge, once."""
        for d, axis in enumerate(self._axes):
            for r, (span, _) in enumerate(axis.runs):
                # earlier axes: what is no run there; later ones: everything
                others = [
                    [span] if i == d else (other.spans if i < d else other.all)
                    for i, other in enumerate(self._axes)
                ]
                for spans in itertools.product(*others):
                    yield d, r, Region(tuple(a for a, _ in spans), tuple(b for _, b in spans))

    def _collected(self, axis: int, run: int, box: Region) -> np.ndarray:
        """Return kept pixels of a box."""
        out = np.empty(box.shape, self._fine.dtype)
        ranges = (
            range(a // c, -(-b // c))
            for a, b, c in zip(box.start, box.stop, self._fine.chunk, strict=True)
        )
        for cell in itertools.product(*ranges):
            region, place = self._kept[axis, run, cell]
            data = self._read_at(place, region)
            first = tuple(map(max, region.start, box.start))
            last = tuple(map(min, region.stop, box.stop))
            out[_inner(first, last, box.start)] = data[_inner(first, last, region.start)]
        return out

    def _read_at(self, place: int, region: Region) -> np.ndarray:
        out = np.empty(region.shape, self._fine.dtype)
        raw = out.reshape(-1).view(np.uint8)
        if hasattr(os, "preadv"):
            os.preadv(self._file.fileno(), [raw.data], place)
            return out
        with self._lock:  # Windows
            self._file.seek(place)
            self._file.readinto(raw.data)
        return out

    def close(self) -> None:
        """Let go of the hidden file."""
        if self._file is not None:
            self._file.close()
            self._file = None


def _inner(first: Sequence[int], last: Sequence[int], origin: Sequence[int]) -> tuple[slice, ...]:
    return tuple(slice(a - o, b - o) for a, b, o in zip(first, last, origin, strict=True))
