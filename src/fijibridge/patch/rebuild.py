"""Make the changed units of every level, in one pass from the finest to the coarsest.

Levels are worked on in slabs of whole units along one axis. A level asks the finer one for the next
slab when it needs it, so a few slabs a level are in memory, however large the change is, and no
unit is read twice.
"""

from __future__ import annotations

import itertools
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from fijibridge.model import Region
from fijibridge.patch.boxes import LevelWork, contains, overlap, within

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from concurrent.futures import Future

    from fijibridge.formats._zarr.pyramid import StoredLevel
    from fijibridge.model.rules import Rule

__all__ = ["rebuild", "slab_axis"]

_THREADS = 4
#: Slabs of which units may be on their way out while the next one is made.
_AHEAD = 2


def slab_axis(works: Sequence[LevelWork]) -> tuple[int, int]:
    """Return (number of leading axes whose samples are worked on one by one, axis of the slabs).

    In this order slabs of the finest level follow each other as their bytes do.
    """
    first = works[0]
    n = len(first.touched.start)
    free = 0
    while free < n - 1 and all(
        work.level.unit[free] == 1
        and work.level.shape[free] == first.level.shape[free]
        and (work.touched.start[free], work.touched.stop[free])
        == (first.touched.start[free], first.touched.stop[free])
        for work in works
    ):
        free += 1
    axis = next((i for i in range(free, n) if first.touched.shape[i] > 1), n - 1)
    return free, axis


def rebuild(
    works: Sequence[LevelWork],
    rule: Rule,
    pixels: Callable[[Region], np.ndarray],
    emit: Callable[[StoredLevel, Region, np.ndarray], None],
    see: Callable[[np.ndarray], None] | None = None,
) -> None:
    """Make all changed units.

    Parameters
    ----------
    works
        What is to be done, the finest level first.
    rule
        How a level follows from the finer one.
    pixels
        Returns the new pixels of a part of the changed region of the finest level.
    emit
        Takes each unit: (level, region, pixels); called by several threads, while others are made.
    see
        Takes the pixels as they are so far, of the changed region, slab by slab in C order; with it
        units that are wholly replaced are read too.
    """
    free, axis = slab_axis(works)
    first = works[0].touched
    spans = [range(a, b) for a, b in zip(first.start[:free], first.stop[:free], strict=True)]
    with ThreadPoolExecutor(_THREADS) as pool:
        crew = _Crew(pool, emit)
        try:
            for place in itertools.product(*spans):
                mine = [_at(work, place) for work in works]
                for _ in _Panel(mine, axis, rule, pixels, see, crew).slabs(len(works) - 1):
                    pass
            crew.finish()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


class _Crew:
    """Threads that read units, and hand out those that are made while the next ones are."""

    def __init__(
        self, pool: ThreadPoolExecutor, emit: Callable[[StoredLevel, Region, np.ndarray], None]
    ) -> None:
        self._pool, self._emit = pool, emit
        self._out: deque[list[Future[None]]] = deque()

    def read(self, level: StoredLevel, units: Sequence[Region], slab: Region) -> np.ndarray:
        """Return the pixels of a slab, 0 outside of some units."""
        block = np.zeros(slab.shape, level.dtype)

        def fetch(unit: Region) -> None:
            block[within(slab, unit)] = level.read_unit(unit)

        for done in [self._pool.submit(fetch, unit) for unit in units]:
            done.result()
        return block

    def emit(self, level: StoredLevel, region: Region, slab: Region, block: np.ndarray) -> None:
        """Hand out the units of a region; the block must stay as it is."""
        while len(self._out) >= _AHEAD:
            self._wait()
        self._out.append(
            [
                self._pool.submit(self._emit, level, unit, block[within(slab, unit)])
                for unit in level.units(region)
            ]
        )

    def _wait(self) -> None:
        for one in self._out.popleft():
            one.result()

    def finish(self) -> None:
        """Return when all is handed out."""
        while self._out:
            self._wait()


def _at(work: LevelWork, place: tuple[int, ...]) -> LevelWork:
    """Return the work at one sample of the leading axes."""
    n = len(place)

    def cut(region: Region) -> Region:
        return Region((*place, *region.start[n:]), (*(p + 1 for p in place), *region.stop[n:]))

    def here(units: tuple[Region, ...]) -> tuple[Region, ...]:
        return tuple(u for u in units if u.start[:n] == place)

    return LevelWork(
        work.level, cut(work.touched), cut(work.box), here(work.written), here(work.read)
    )


class _Panel:
    def __init__(
        self,
        works: Sequence[LevelWork],
        axis: int,
        rule: Rule,
        pixels: Callable[[Region], np.ndarray],
        see: Callable[[np.ndarray], None] | None,
        crew: _Crew,
    ) -> None:
        self._works, self._axis, self._rule = works, axis, rule
        self._pixels, self._see, self._crew = pixels, see, crew

    def slabs(self, index: int) -> Iterator[tuple[Region, np.ndarray]]:
        """Yield the slabs of a level, with the changes in them; each is emitted on the way."""
        work, axis = self._works[index], self._axis
        finer = self.slabs(index - 1) if index else iter(())
        held: list[tuple[Region, np.ndarray]] = []
        for a in range(work.box.start[axis], work.box.stop[axis], work.level.unit[axis]):
            slab = _rows(work.box, axis, a, a + work.level.unit[axis])
            block = self._stored(work, slab, everything=index == 0 and self._see is not None)
            mine = overlap(work.touched, slab)
            if mine is not None:
                inside = within(slab, mine)
                if index == 0:
                    if self._see is not None:
                        self._see(block[inside])
                    block[inside] = self._pixels(mine)
                else:
                    block[inside] = self._reduced(index, mine, held, finer)
                units = work.level.aligned(mine)
                self._crew.emit(work.level, units, slab, block)
            yield slab, block
        for _ in finer:  # what no coarser sample is made of is written all the same
            pass

    def _stored(self, work: LevelWork, slab: Region, *, everything: bool) -> np.ndarray:
        """Return a slab with those units in it that must be read."""
        wanted = [
            unit
            for unit in (work.level.units(slab) if everything else work.read)
            if contains(slab, unit) and (not everything or _needed(work, unit))
        ]
        return self._crew.read(work.level, wanted, slab)

    def _reduced(
        self,
        index: int,
        mine: Region,
        held: list[tuple[Region, np.ndarray]],
        finer: Iterator[tuple[Region, np.ndarray]],
    ) -> np.ndarray:
        """Return new pixels of a level, made from the finer one's slabs."""
        axis = self._axis
        fine, coarse = self._works[index - 1].level.shape, self._works[index].level.shape
        box = self._rule.support(fine, coarse, mine)
        while held and held[0][0].stop[axis] <= box.start[axis]:
            held.pop(0)
        while not held or held[-1][0].stop[axis] < box.stop[axis]:
            held.append(next(finer))
            if held[0][0].stop[axis] <= box.start[axis]:
                held.pop(0)
        parts = []
        for slab, block in held:
            part = overlap(slab, box)
            if part is not None:
                parts.append(block[within(slab, part)])
        whole = parts[0] if len(parts) == 1 else np.concatenate(parts, axis=axis)
        return self._rule.reduce(whole, fine, coarse, mine)


def _needed(work: LevelWork, unit: Region) -> bool:
    return unit in work.read or overlap(unit, work.touched) is not None


def _rows(box: Region, axis: int, start: int, stop: int) -> Region:
    low, high = list(box.start), list(box.stop)
    low[axis], high[axis] = start, min(stop, box.stop[axis])
    return Region(tuple(low), tuple(high))
