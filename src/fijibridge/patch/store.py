"""The store of a patch: its image, its keys and its journal."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

from fijibridge.errors import UnsupportedError
from fijibridge.formats import Location, format_for_reading
from fijibridge.formats._zarr.pyramid import Pyramid, open_pyramid
from fijibridge.formats._zarr.store import locate
from fijibridge.patch.journal import Journal
from fijibridge.patch.keys import LocalKeys

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    from fijibridge.patch.keys import Keys

__all__ = ["journal_of", "keys_of", "open_store", "state_of", "steady"]

_T = TypeVar("_T")
_TRIES = 50
_PAUSE = 0.1


def _is_zarr(where: Location) -> None:
    fmt = format_for_reading(where, "image")
    if fmt.name != "ome-zarr":
        raise UnsupportedError(
            f"{str(where)!r} is {fmt.title}; patches are taken out of Zarr stores.",
            f"Convert it first: fijibridge convert {where} store.ome.zarr",
        )


def open_store(store: str | os.PathLike[str], *, writable: bool = False) -> Pyramid:
    """Open an image of a Zarr store.

    Raises
    ------
    FormatError
        When there is none.
    UnsupportedError
        When the file is no Zarr store, or cannot be written.
    """
    where = Location.parse(store)
    _is_zarr(where)
    return open_pyramid(where, writable=writable)


def keys_of(pyramid: Pyramid) -> Keys:
    """Return the keys of the store that an image is in."""
    return LocalKeys(pyramid.store.root)


def journal_of(store: str | os.PathLike[str]) -> Journal:
    """Return the journal of a store; an interrupted check-in is no hindrance."""
    where = Location.parse(store)
    _is_zarr(where)
    root, _ = locate(where)
    if root.is_file():
        raise UnsupportedError(
            f"{str(root)!r} is a zipped store; those are only read.", "It has no journal."
        )
    return Journal(LocalKeys(root))


def state_of(pyramid: Pyramid) -> tuple[tuple[str, bool], ...]:
    """Return what the journal says now; equal before and after means nobody wrote between."""
    if pyramid.store.root.is_file():
        return ()
    return tuple((e.name, e.applied) for e in Journal(keys_of(pyramid)).entries())


def steady(pyramid: Pyramid, look: Callable[[], _T]) -> _T:
    """Return what `look` sees when nobody checks anything in meanwhile.

    Levels that are read while units are moved in follow from nothing.
    """
    for _ in range(_TRIES):
        before = state_of(pyramid)
        found = look()
        if before == state_of(pyramid) and all(applied for _, applied in before):
            break
        time.sleep(_PAUSE)
    return found
