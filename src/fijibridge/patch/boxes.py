"""What a change of a region means at every level: pixels touched, units written, units read."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fijibridge.model import Region

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fijibridge.formats._zarr.pyramid import StoredLevel
    from fijibridge.model.rules import Rule

__all__ = ["LevelWork", "contains", "level_works", "overlap", "within"]


@dataclass(frozen=True, slots=True)
class LevelWork:
    """What is done at one level.

    Parameters
    ----------
    level
        The level.
    touched
        The pixels that change.
    box
        Whole units: all that is written, and what the next level is made of.
    written
        The units with a part in `touched`.
    read
        The units of which something that does not change is needed: the least that a change of a
        part of a unit takes.
    """

    level: StoredLevel
    touched: Region
    box: Region
    written: tuple[Region, ...]
    read: tuple[Region, ...]


def overlap(a: Region, b: Region) -> Region | None:
    """Return what two regions share, or None."""
    start = tuple(map(max, a.start, b.start))
    stop = tuple(map(min, a.stop, b.stop))
    return Region(start, stop) if all(p < q for p, q in zip(start, stop, strict=True)) else None


def contains(outer: Region, inner: Region) -> bool:
    """Return whether a region lies in another."""
    return all(p <= q for p, q in zip(outer.start, inner.start, strict=True)) and all(
        p >= q for p, q in zip(outer.stop, inner.stop, strict=True)
    )


def within(outer: Region, inner: Region) -> tuple[slice, ...]:
    """Return where a region lies in an array that holds `outer`."""
    return tuple(
        slice(a - o, b - o) for a, b, o in zip(inner.start, inner.stop, outer.start, strict=True)
    )


def _hull(a: Region, b: Region) -> Region:
    return Region(tuple(map(min, a.start, b.start)), tuple(map(max, a.stop, b.stop)))


def level_works(levels: Sequence[StoredLevel], rule: Rule, region: Region) -> list[LevelWork]:
    """Return the work at each level that a change of a region of the first one brings.

    Parameters
    ----------
    levels
        The level that is changed and the coarser ones.
    rule
        How each follows from the one before.
    region
        What changes.
    """
    touched: list[Region] = [region]
    for finer, coarser in itertools.pairwise(levels):
        reached = rule.touched(finer.shape, coarser.shape, touched[-1])
        if reached is None:
            break
        touched.append(reached)
    works = []
    for i, mine in enumerate(touched):
        level = levels[i]
        needed = None
        if i + 1 < len(touched):
            needed = rule.support(level.shape, levels[i + 1].shape, touched[i + 1])
        box = level.aligned(mine if needed is None else _hull(mine, needed))
        read = tuple(
            unit
            for unit in level.units(box)
            if not contains(mine, unit)
            and (overlap(unit, mine) or (needed is not None and overlap(unit, needed)))
        )
        works.append(LevelWork(level, mine, box, tuple(level.units(mine)), read))
    return works
