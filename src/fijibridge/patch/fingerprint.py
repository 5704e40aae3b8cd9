"""What a region of a level holds, in a few bytes, taken slab by slab."""

from __future__ import annotations

import hashlib
import itertools
import math
import zlib
from typing import TYPE_CHECKING

import numpy as np

from fijibridge.model import Region
from fijibridge.patch.boxes import level_works, overlap, within
from fijibridge.patch.rebuild import slab_axis

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fijibridge.formats._zarr.pyramid import StoredLevel

__all__ = ["Fingerprint", "slabs"]

#: A slab of whole units is read at a time; thin ones are joined up to this many bytes.
_SLAB = 64 << 20


class Fingerprint:
    """SHA-256 of a region's pixels, and short sums of each unit's part, slab by slab."""

    def __init__(self, level: StoredLevel) -> None:
        self._level = level
        self._sum = hashlib.sha256()
        self.units: dict[str, str] = {}

    def see(self, region: Region, block: np.ndarray) -> None:
        """Take the next slab: whole units along every axis, as far as the region goes."""
        little = np.ascontiguousarray(block.astype(block.dtype.newbyteorder("<"), copy=False))
        self._sum.update(little.data if little.ndim else little.tobytes())
        for unit in self._level.units(region):
            part = overlap(unit, region)
            assert part is not None  # noqa: S101  # units of the region
            mine = np.ascontiguousarray(little[within(region, part)])
            self.units[self._level.key(unit)] = f"{zlib.crc32(mine.data):08x}"

    @property
    def sha256(self) -> str:
        """The sum of all slabs so far."""
        return self._sum.hexdigest()


def slabs(level: StoredLevel, region: Region, *, joined: bool = True) -> Iterator[Region]:
    """Yield slabs of whole units that follow each other as their bytes do; thin ones `joined`."""
    from fijibridge.model.rules import Rule

    work = level_works([level], Rule("nearest"), region)
    free, axis = slab_axis(work)
    spans = [range(a, b) for a, b in zip(region.start[:free], region.stop[:free], strict=True)]
    rest = math.prod(region.shape[free:]) // max(1, region.shape[axis])
    thick = max(1, _SLAB // max(1, rest * level.dtype.itemsize) // level.unit[axis])
    step = (thick if joined else 1) * level.unit[axis]
    first = region.start[axis] // level.unit[axis] * level.unit[axis]
    for head in itertools.product(*spans):
        for a in range(first, region.stop[axis], step):
            start = [*head, *region.start[free:]]
            stop = [*(h + 1 for h in head), *region.stop[free:]]
            start[axis] = max(a, region.start[axis])
            stop[axis] = min(a + step, region.stop[axis])
            yield Region(tuple(start), tuple(stop))
