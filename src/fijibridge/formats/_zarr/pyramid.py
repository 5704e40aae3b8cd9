"""A stored pyramid as its writer sees it: levels, and the units in which they are stored.

A unit is what a store replaces at once: a chunk, or a shard of chunks. Pixels go in and out as the
arrays hold them (bool stays bool), and units as the bytes that lie under their keys, so a journal
can move them about.
"""

from __future__ import annotations

import contextlib
import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from fijibridge.errors import FormatError, UnsupportedError
from fijibridge.formats._format import ReadOptions
from fijibridge.formats._lazy import first_line
from fijibridge.formats._zarr.open import open_node
from fijibridge.formats._zarr.read import ome_attributes
from fijibridge.formats._zarr.store import Store, check_settled, guard_for, locate
from fijibridge.formats._zarr.unit_bytes import unit_bytes
from fijibridge.model import Region

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from fijibridge.formats._location import Location
    from fijibridge.formats._zarr.unit_bytes import UnitBytes
    from fijibridge.model import Axes, ImageSpec

__all__ = ["Pyramid", "StoredLevel", "open_pyramid"]


@dataclass(frozen=True, slots=True, eq=False)
class StoredLevel:
    """One level: where it is and how it is stored.

    Parameters
    ----------
    name
        Path of the array below the image, "" when the image is the array itself.
    node
        Path of the array in the store.
    axes
        Axes of the level, in the order of the array.
    array
        The zarr array.
    """

    name: str
    node: str
    axes: Axes
    array: Any
    _bytes: UnitBytes = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_bytes", unit_bytes(self.array))

    @property
    def shape(self) -> tuple[int, ...]:
        """The size along each axis."""
        return self.axes.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the pixels as they are handed out: native byte order."""
        dtype: np.dtype[Any] = np.dtype(self.array.dtype)
        return dtype.newbyteorder("=")

    @property
    def unit(self) -> tuple[int, ...]:
        """Shape of what is replaced at once: a shard, else a chunk."""
        return tuple(int(n) for n in (self.array.shards or self.array.chunks))

    def aligned(self, region: Region) -> Region:
        """Return the smallest region of whole units around a region, cut at the image's edge."""
        return Region(
            tuple(a // u * u for a, u in zip(region.start, self.unit, strict=True)),
            tuple(
                min(-(-b // u) * u, n)
                for b, u, n in zip(region.stop, self.unit, self.shape, strict=True)
            ),
        )

    def units(self, region: Region) -> Iterator[Region]:
        """Yield the regions of the units that a region has a part in, in C order."""
        box = self.aligned(region)
        if 0 in region.shape:
            return
        spans = zip(box.start, box.stop, self.unit, strict=True)
        for start in itertools.product(*(range(a, b, u) for a, b, u in spans)):
            stop = (min(a + u, n) for a, u, n in zip(start, self.unit, self.shape, strict=True))
            yield Region(start, tuple(stop))

    def key(self, unit: Region) -> str:
        """Return the key under which a unit is stored."""
        name = self.array.metadata.encode_chunk_key(self._place(unit))
        return f"{self.node}/{name}".lstrip("/")

    def _place(self, unit: Region) -> tuple[int, ...]:
        return tuple(a // u for a, u in zip(unit.start, self.unit, strict=True))

    def read(self, region: Region) -> np.ndarray:
        """Return pixels.

        Raises
        ------
        FormatError
            When units of the region are damaged.
        """
        if 0 in region.shape:
            return np.zeros(region.shape, self.dtype)
        with self._readable():
            return np.asarray(self.array[region.slices]).astype(self.dtype, copy=False)

    @contextlib.contextmanager
    def _readable(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            raise FormatError(
                f"The pixels of level {self.name!r} cannot be read: {first_line(error)}.",
                "The store is damaged or incomplete; copy it again.",
            ) from error

    def read_unit(self, unit: Region) -> np.ndarray:
        """Return the pixels of one unit, in any byte order.

        Raises
        ------
        FormatError
            When it is damaged.
        """
        with self._readable():
            return self._bytes.read(self._place(unit), unit)

    def pack(self, unit: Region, block: np.ndarray) -> bytes | None:
        """Return the bytes of one unit; None where it holds the fill value only."""
        return self._bytes.pack(self._place(unit), unit, block)


@dataclass(frozen=True, slots=True, eq=False)
class Pyramid:
    """An image of a store with all its levels, for those who change it.

    Parameters
    ----------
    store
        The store.
    node
        The image in it.
    spec
        What level 0 is.
    levels
        Finest first.
    method
        What the metadata say about how the levels were made: ``gaussian``, ``mean``, "".
    own
        fijibridge wrote the levels.
    """

    store: Store
    node: str
    spec: ImageSpec
    levels: tuple[StoredLevel, ...]
    method: str = ""
    own: bool = False

    @property
    def name(self) -> str:
        """Path of the image, for messages."""
        return self.store.name(self.node)

    def close(self) -> None:
        """Let go of the store."""
        self.store.close()


def open_pyramid(where: Location, *, writable: bool = False) -> Pyramid:
    """Open an image with all its levels; a lone array is an image of one level.

    A path that names a level opens the image that it belongs to.

    Parameters
    ----------
    where
        The store, and the image in it.
    writable
        It will be changed.

    Raises
    ------
    FormatError
        When there is no image, or it is broken.
    UnsupportedError
        When it will be changed but is a zip.
    """
    root, node = locate(where)
    if writable and root.is_file():
        raise UnsupportedError(
            f"{str(root)!r} is a zipped store; those are only read.",
            "Unpack it, or convert it to a folder: fijibridge convert IN OUT.ome.zarr",
        )
    if not writable:  # a writer recovers first
        check_settled(root)
    store = Store(root)
    try:
        return pyramid_of(store, node)
    except BaseException:
        store.close()
        raise


def pyramid_of(store: Store, node: str) -> Pyramid:
    """Open the image at a node of a store."""
    from fijibridge.formats._zarr.open import owner_of

    if store.kind(node) == "array":
        owner = owner_of(store, node)
        if owner is not None:
            node = owner
    source = open_node(store, node, ReadOptions())
    spec = source.spec
    if not spec.scales:
        node = _lone(store, node)
        array = store.array(node)
        guard_for(array, store, node)
        return Pyramid(store, node, spec, (StoredLevel("", node, spec.axes, array),))
    node = _multiscale_node(store, node)
    levels = []
    for level in spec.scales:
        place = f"{node}/{level.name}".lstrip("/")
        array = store.array(place)
        guard_for(array, store, place)
        levels.append(StoredLevel(level.name, place, level.axes, array))
    method, own = _method(store.attributes(node))
    return Pyramid(store, node, spec, tuple(levels), method, own)


def _lone(store: Store, node: str) -> str:
    from fijibridge.formats._zarr.open import find_images

    return node if store.kind(node) == "array" else find_images(store, node)[0]


def _multiscale_node(store: Store, node: str) -> str:
    from fijibridge.formats._zarr.open import find_images

    attributes, _ = ome_attributes(store.attributes(node))
    return node if "multiscales" in attributes else find_images(store, node)[0]


def _method(attributes: Mapping[str, Any]) -> tuple[str, bool]:
    """Return what the metadata say about the levels, and whether fijibridge made them."""
    ome, _ = ome_attributes(attributes)
    listed = ome.get("multiscales")
    first = listed[0] if isinstance(listed, list) and listed else {}
    first = first if isinstance(first, dict) else {}
    kind, about = first.get("type"), first.get("metadata")
    method = about.get("method") if isinstance(about, dict) else None
    text = kind if isinstance(kind, str) else ""
    if method == "fijibridge":
        return text, True
    return f"{text} {method}".strip() if isinstance(method, str) else text, False
