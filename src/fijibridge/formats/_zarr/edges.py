"""From one level of a pyramid to the next: samples made of one tile, and those that lie across.

A tile is what comes at once: a chunk, or whole chunks side by side. Its own samples are made when
it comes. Samples that lie across the edges of tiles (the linear filter reaches 2 pixels over them,
odd sizes shift everything) wait for the other tiles: the thin slabs of pixels that they need are
kept, and each such box of samples is made when the last of its tiles has come. Tiles may come in
any order; in that of an octree few slabs wait. More than fit a bounded memory go to a hidden file.
"""

from __future__ import annotations

import itertools
import os
import tempfile
import threading
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from fijibridge.formats._memory import Allowance, ThreadMemory
from fijibridge.model import Region
from fijibridge.model.scaling import reach, reduce_block, support

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from fijibridge.model.scaling import Scaling

__all__ = ["Edges"]

Cell = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Run:
    """Neighbouring samples of a coarser axis that are made of the same tiles.

    Parameters
    ----------
    first, last
        The samples, half-open.
    need
        The finer samples they are made of, half-open.
    tiles
        The first and the last tile they are made of.
    """

    first: int
    last: int
    need: tuple[int, int]
    tiles: tuple[int, int]

    @property
    def across(self) -> bool:
        """Whether they need more than one tile."""
        return self.tiles[0] != self.tiles[1]


def _runs(fine: int, coarse: int, tile: int, scaling: Scaling) -> list[_Run]:
    low, high = reach(fine, coarse, scaling)
    of = np.stack([low // tile, high // tile])
    cuts = np.flatnonzero((np.diff(of) != 0).any(axis=0)) + 1
    return [
        _Run(
            int(run[0]),
            int(run[-1]) + 1,
            (int(low[run].min()), int(high[run].max()) + 1),
            (int(of[0, run[0]]), int(of[1, run[0]])),
        )
        for run in np.split(np.arange(coarse), cuts)
    ]


class Edges:
    """Takes the tiles of a level, each once, from any thread; gives boxes of the next.

    Parameters
    ----------
    fine, tile, dtype
        Shape of the level, shape of its tiles, type of its pixels.
    coarse
        Shape of the next level.
    scaling
        How it is made.
    folder
        Where the hidden file may lie; it has no name, so that nothing is left of it.
    write
        Takes (region, pixels) of the next level; the pixels are valid during the call.
    held
        How many bytes may wait in memory.
    """

    def __init__(
        self,
        fine: Sequence[int],
        tile: Sequence[int],
        dtype: np.dtype[Any],
        coarse: Sequence[int],
        scaling: Scaling,
        folder: Path,
        *,
        write: Callable[[Region, np.ndarray], None],
        held: Allowance,
    ) -> None:
        self._fine, self._tile, self._coarse = tuple(fine), tuple(tile), tuple(coarse)
        self._scaling: Scaling = scaling
        self._write = write
        self._runs = [_runs(n, m, c, scaling) for n, m, c in zip(fine, coarse, tile, strict=True)]
        #: per axis and tile: the runs that need it
        self._needing: list[list[list[int]]] = []
        for n, c, runs in zip(fine, tile, self._runs, strict=True):
            needing: list[list[int]] = [[] for _ in range(-(-n // c))]
            for r, run in enumerate(runs):
                for i in range(run.tiles[0], run.tiles[1] + 1):
                    needing[i].append(r)
            self._needing.append(needing)
        self._lock = threading.Lock()
        #: boxes of samples, by their runs -> how many tiles are still to come
        self._missing: dict[Cell, int] = {}
        self._slabs = _Slabs(dtype, folder, held)
        self._memory = ThreadMemory()
        self._dtype = dtype

    def take(self, region: Region, part: np.ndarray) -> None:
        """Take a tile: make what can be made now, keep what others need of it."""
        cell = tuple(a // c for a, c in zip(region.start, self._tile, strict=True))
        needing = [of[i] for of, i in zip(self._needing, cell, strict=True)]
        self._keep(cell, needing, region, part)
        ready: list[Cell] = []
        for box in itertools.product(*needing):
            total = prod(run.tiles[1] - run.tiles[0] + 1 for run in self._of(box))
            if total == 1:
                self._make(self._region(box), region.start, part)
                continue
            with self._lock:
                left = self._missing.pop(box, total) - 1
                if left:
                    self._missing[box] = left
                else:
                    ready.append(box)
        for box in ready:
            self._make_across(box)

    def _of(self, box: Cell) -> Iterator[_Run]:
        return (runs[r] for runs, r in zip(self._runs, box, strict=True))

    def _region(self, box: Cell) -> Region:
        runs = list(self._of(box))
        return Region(tuple(run.first for run in runs), tuple(run.last for run in runs))

    def _make(self, made: Region, origin: Sequence[int], part: np.ndarray) -> None:
        """Make samples; `part` begins at `origin` and holds all that they need."""
        need = support(self._fine, self._coarse, made, self._scaling)
        part = part[_inner(need.start, need.stop, origin)]
        self._write(made, reduce_block(part, self._fine, self._coarse, made, self._scaling))

    def _keep(self, cell: Cell, needing: list[list[int]], region: Region, part: np.ndarray) -> None:
        """Keep what boxes across an edge need: each takes it from the first axis it is across."""
        across = [
            [r for r in of if runs[r].across] for of, runs in zip(needing, self._runs, strict=True)
        ]
        inside = [len(of) - len(far) for of, far in zip(needing, across, strict=True)]
        for axis, far in enumerate(across):
            users = prod(inside[:axis]) * prod(len(of) for of in needing[axis + 1 :])
            for r in far if users else ():
                low, high = self._runs[axis][r].need
                start, stop = list(region.start), list(region.stop)
                start[axis], stop[axis] = max(low, start[axis]), min(high, stop[axis])
                box = Region(tuple(start), tuple(stop))
                data = part[_inner(box.start, box.stop, region.start)]
                self._slabs.keep((axis, r, *cell), box, data, users)

    def _make_across(self, box: Cell) -> None:
        runs = list(self._of(box))
        axis = next(i for i, run in enumerate(runs) if run.across)
        made = self._region(box)
        need = support(self._fine, self._coarse, made, self._scaling)
        part = self._memory.get("across", need.shape, self._dtype)
        cells = itertools.product(*(range(run.tiles[0], run.tiles[1] + 1) for run in runs))
        for cell in cells:
            self._slabs.copy((axis, box[axis], *cell), need, part)
        self._make(made, need.start, part)

    def close(self) -> None:
        """Let go of the hidden file."""
        self._slabs.close()


@dataclass(slots=True)
class _Slab:
    """Pixels that wait: in memory, else at a place of the file."""

    box: Region
    memory: np.ndarray | None
    place: int
    users: int


class _Slabs:
    """Pixels that wait for their neighbours; each is let go after its last use."""

    def __init__(self, dtype: np.dtype[Any], folder: Path, held: Allowance) -> None:
        self._dtype, self._folder, self._allowed = dtype, folder, held
        self._lock = threading.Lock()
        self._memory = ThreadMemory()
        self._kept: dict[Cell, _Slab] = {}
        self._file: Any = None
        self._end = 0
        self._free: dict[int, list[int]] = {}

    def keep(self, key: Cell, box: Region, data: np.ndarray, users: int) -> None:
        """Copy pixels; they are taken `users` times."""
        size = data.size * self._dtype.itemsize
        if self._allowed.take(size):
            self._kept[key] = _Slab(box, np.array(data, self._dtype, order="C"), 0, users)
            return
        data = np.ascontiguousarray(data, self._dtype)
        with self._lock:
            if self._file is None:
                self._file = tempfile.TemporaryFile(dir=self._folder, buffering=0)  # noqa: SIM115
            free = self._free.get(size)
            place = free.pop() if free else self._end
            self._end = max(self._end, place + size)
            view = memoryview(data.reshape(-1).view(np.uint8).data)
            self._file.seek(place)
            while view:
                view = view[self._file.write(view) :]
            self._kept[key] = _Slab(box, None, place, users)

    def copy(self, key: Cell, need: Region, out: np.ndarray) -> None:
        """Copy what is kept of a box to its place in it."""
        slab = self._kept[key]
        first = tuple(map(max, slab.box.start, need.start))
        last = tuple(map(min, slab.box.stop, need.stop))
        data = self._data(slab)
        out[_inner(first, last, need.start)] = data[_inner(first, last, slab.box.start)]
        size = prod(slab.box.shape) * self._dtype.itemsize
        with self._lock:
            slab.users -= 1
            if slab.users:
                return
            del self._kept[key]
            if slab.memory is not None:
                self._allowed.give(size)
            else:
                self._free.setdefault(size, []).append(slab.place)

    def _data(self, slab: _Slab) -> np.ndarray:
        if slab.memory is not None:
            return slab.memory
        out = self._memory.get("slab", slab.box.shape, self._dtype)
        raw = out.reshape(-1).view(np.uint8)
        if hasattr(os, "preadv"):
            os.preadv(self._file.fileno(), [raw.data], slab.place)
            return out
        with self._lock:  # Windows
            self._file.seek(slab.place)
            self._file.readinto(raw.data)
        return out

    def close(self) -> None:
        """Let go of everything."""
        self._kept.clear()
        if self._file is not None:
            self._file.close()
            self._file = None


def _inner(first: Sequence[int], last: Sequence[int], origin: Sequence[int]) -> tuple[slice, ...]:
    return tuple(slice(a - o, b - o) for a, b, o in zip(first, last, origin, strict=True))
