"""The levels of a pyramid, made while the largest one is written, each chunk when it is complete.

A chunk goes to its file and, at once, into the next level (see `edges`). So nothing is read twice,
chunks may come in any order, and every sample is computed once, by the sums of
`fijibridge.model.scaling`. Where blocks of whole chunks are announced, the next level is made of
whole blocks: the fewer edges, the less has to wait.

Written depth first, whole subtrees are finished as the image grows, and the open parts are few.
"""

from __future__ import annotations

import itertools
import threading
from typing import TYPE_CHECKING

import numpy as np

from fijibridge.formats._memory import Allowance
from fijibridge.formats._patchwork import Patchwork, cells_of
from fijibridge.formats._zarr.edges import Edges
from fijibridge.model import Region

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from fijibridge.formats._zarr.chunks import ChunkFiles
    from fijibridge.model.scaling import Scaling

__all__ = ["Cascade"]

_HELD = 32 << 20  # bytes of all levels that wait in memory


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
        self._begin(arrays[0].chunk)

    def _begin(self, tile: Sequence[int]) -> None:
        """Have nothing yet; tiles are the pieces in which the largest level goes into the next."""
        self._held = Allowance(_HELD)
        tiles = [tuple(tile), *(array.chunk for array in self._arrays[1:])]
        self._patches = [self._patchwork(i, tile) for i, tile in enumerate(tiles)]
        self._edges = [
            Edges(
                fine.shape,
                tile,
                fine.dtype,
                coarse.shape,
                self._scaling,
                self._folder,
                write=patch.write,
                held=self._held,
            )
            for (fine, coarse), tile, patch in zip(
                itertools.pairwise(self._arrays), tiles, self._patches[1:], strict=False
            )
        ]

    def _patchwork(self, i: int, tile: Sequence[int]) -> Patchwork:
        array = self._arrays[i]

        def put(region: Region, part: np.ndarray) -> None:
            for box, inner in _chunks(region, array.chunk):
                array.put(box, part[inner])
            self._reduce(i, region, part)

        def patch(region: Region, part: np.ndarray) -> None:
            with self._again:  # written twice: the other levels are made anew at the end
                self._changed = True
                for box, inner in _chunks(region, array.chunk):
                    array.patch(box, part[inner])

        return Patchwork(
            array.shape,
            tile,
            array.dtype,
            self._folder,
            put=put,
            patch=patch,
            held=self._held,
        )

    def expect(self, regions: Iterable[Region]) -> None:
        """Say which blocks will come, before the first; none has to come so.

        Parameters
        ----------
        regions
            That cover the largest level, each once.
        """
        first = self._arrays[0]
        tile: tuple[int, ...] = ()
        for region in regions:
            tile = tile or region.shape
            if any(a % s for a, s in zip(region.start, tile, strict=True)):
                return
        if tile and all(
            s % c == 0 or s == n for s, c, n in zip(tile, first.chunk, first.shape, strict=True)
        ):
            self.close()
            self._begin(tile)

    def write(self, region: Region, block: np.ndarray) -> None:
        """Take a block of the largest level."""
        self._patches[0].write(region, block)

    def _reduce(self, i: int, region: Region, part: np.ndarray) -> None:
        if i + 1 < len(self._arrays):
            self._edges[i].take(region, part)

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
        for i, patch in enumerate(self._patches):
            for cell in () if i == 0 and self._changed else patch.missing():
                region = patch.cell_region(cell)
                self._reduce(i, region, np.zeros(region.shape, self._arrays[i].dtype))
            patch.finish()
        self.close()

    def _start_again(self) -> None:
        """Make the other levels from the stored largest one."""
        self.close()
        first = self._arrays[0]
        self._begin(first.chunk)
        for box, _ in _chunks(Region.whole(first.shape), first.chunk):
            self._reduce(0, box, first.get(box))

    def close(self) -> None:
        """Let go of the hidden files."""
        for patch in self._patches:
            patch.close()
        for edges in self._edges:
            edges.close()


def _chunks(region: Region, chunk: Sequence[int]) -> Iterator[tuple[Region, tuple[slice, ...]]]:
    """Yield the parts of a region that lie in one chunk each, and where they are in the region."""
    for cell in cells_of(region, chunk):
        low = tuple(max(i * c, a) for i, c, a in zip(cell, chunk, region.start, strict=True))
        high = tuple(min(i * c + c, b) for i, c, b in zip(cell, chunk, region.stop, strict=True))
        inner = (slice(a - o, b - o) for a, b, o in zip(low, high, region.start, strict=True))
        yield Region(low, high), tuple(inner)
