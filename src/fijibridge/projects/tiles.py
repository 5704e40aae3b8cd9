"""Images that are computed tile by tile, each tile once while it is remembered."""

from __future__ import annotations

import abc
import itertools
import threading
from collections import OrderedDict
from concurrent.futures import Future
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fijibridge.model import ImageSpec, Region

__all__ = ["TileCache", "Tiled", "box_of", "czyx"]

#: Order of the pixels of a tile.
_TILE = "czyx"
Box = tuple[tuple[int, int], ...]


class _Sized(Protocol):
    @property
    def nbytes(self) -> int: ...


_S = TypeVar("_S", bound=_Sized)


class TileCache:
    """Tiles by number; what is computed for one thread is not computed for another.

    Tiles are arrays, or anything else with `nbytes`.

    Parameters
    ----------
    memory
        Bytes of tiles that are remembered; the last one always is.
    """

    def __init__(self, memory: int) -> None:
        self._memory = memory
        self._lock = threading.Lock()
        self._tiles: OrderedDict[Any, Future[Any]] = OrderedDict()
        self._used = 0

    def get(self, key: Any, compute: Callable[[], _S]) -> _S:
        """Return a tile, computed now, or by another thread, or before."""
        with self._lock:
            found = self._tiles.get(key)
            mine = found is None
            if found is None:
                found = self._tiles[key] = Future()
            else:
                self._tiles.move_to_end(key)
        if not mine:
            known: _S = found.result()
            return known
        try:
            tile = compute()
        except BaseException as error:
            with self._lock:
                self._tiles.pop(key, None)
            found.set_exception(error)
            raise
        found.set_result(tile)
        with self._lock:
            self._used += tile.nbytes
            self._forget()
        return tile

    def _forget(self) -> None:
        for key in list(self._tiles):
            if self._used <= self._memory or len(self._tiles) < 2:
                return
            future = self._tiles[key]
            if future.done() and future.exception() is None:
                self._used -= future.result().nbytes
                del self._tiles[key]


def czyx(data: np.ndarray, keys: str) -> np.ndarray:
    """Return a view in the order c, z, y, x; axes that are missing have one sample.

    Parameters
    ----------
    data
        In the order of `keys`; t has one sample.
    keys
        Letters.
    """
    here = keys.replace("t", "")
    data = data[tuple(0 if k == "t" else slice(None) for k in keys)]
    order = [here.index(k) for k in _TILE if k in here]
    data = data.transpose(order)
    return data[tuple(slice(None) if k in here else None for k in _TILE)]


def box_of(keys: str, ends: dict[str, tuple[int, int]]) -> Region:
    """Return a region from (start, stop) by letter; axes that are not named have one sample."""
    from fijibridge.model import Region

    pairs = [ends.get(key, (0, 1)) for key in keys]
    return Region(tuple(a for a, _ in pairs), tuple(b for _, b in pairs))


class Tiled(abc.ABC):
    """An `ImageSource` whose pixels are computed in tiles of z, y, x, all channels at once.

    Parameters
    ----------
    spec
        What the image is.
    tile
        Shape of a tile along z, y and x.
    memory
        Bytes of tiles that are remembered.
    """

    def __init__(self, spec: ImageSpec, tile: tuple[int, int, int], memory: int) -> None:
        self._spec, self._tile = spec, tile
        self._cache = TileCache(memory)

    #: A part of a tile costs as much as all of it.
    costly = True

    @property
    def spec(self) -> ImageSpec:
        return self._spec

    @property
    def chunks(self) -> tuple[int, ...]:
        """Shape of a tile in the order of the axes."""
        sides = dict(zip("zyx", self._tile, strict=True)) | {"t": 1}
        sides["c"] = self._spec.axes.size("c")
        return tuple(min(sides[a.key], a.size) for a in self._spec.axes)

    @abc.abstractmethod
    def compute(self, t: int, start: tuple[int, ...], stop: tuple[int, ...]) -> np.ndarray:
        """Return the pixels of a tile, (c, z, y, x)."""

    def read(self, region: Region) -> np.ndarray:
        keys = self._spec.axes.keys
        out = np.empty(region.shape, self._spec.dtype)
        ends = dict(zip(keys, zip(region.start, region.stop, strict=True), strict=True))
        channels = slice(*ends.get("c", (0, 1)))
        for i, t in enumerate(range(*ends.get("t", (0, 1)))):
            here = out[tuple(slice(i, i + 1) if k == "t" else slice(None) for k in keys)]
            target = czyx(here, keys)
            for start, stop in self._tiles([ends.get(k, (0, 1)) for k in "zyx"]):
                tile = self._cache.get((t, start), partial(self.compute, t, start, stop))
                into, of = [slice(None)], [channels]
                for key, a, b in zip("zyx", start, stop, strict=True):
                    low, high = ends.get(key, (0, 1))
                    into.append(slice(max(a, low) - low, min(b, high) - low))
                    of.append(slice(max(a, low) - a, min(b, high) - a))
                target[tuple(into)] = tile[tuple(of)]
        return out

    def _tiles(
        self, ends: list[tuple[int, int]]
    ) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
        sizes = [self._spec.axes.size(k) for k in "zyx"]
        ranges = [range(a // n * n, b, n) for (a, b), n in zip(ends, self._tile, strict=True)]
        for start in itertools.product(*ranges):
            stop = tuple(
                min(a + n, size) for a, n, size in zip(start, self._tile, sizes, strict=True)
            )
            yield start, stop

    def close(self) -> None:
        """Nothing is open here."""
        return
