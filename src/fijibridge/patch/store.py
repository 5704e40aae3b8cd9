"""The store of a patch: its image, its keys and its journal."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, TypeVar
from urllib.request import url2pathname

from fijibridge.errors import UnsupportedError
from fijibridge.formats import Location, format_for_reading
from fijibridge.formats._zarr.pyramid import Pyramid, open_pyramid, pyramid_of
from fijibridge.formats._zarr.remote_store import RemoteStore, locate_url
from fijibridge.formats._zarr.store import locate
from fijibridge.formats.remote import is_url
from fijibridge.patch.journal import Journal
from fijibridge.patch.keys import LocalKeys, ObjectKeys

if TYPE_CHECKING:
    from collections.abc import Callable

    from fijibridge.patch.keys import Keys

__all__ = ["journal_of", "keys_of", "named_node", "open_store", "plain_path", "state_of", "steady"]

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
    path = plain_path(store)
    if is_url(path):
        return _open_url(path, writable=writable)
    where = Location.parse(path)
    _is_zarr(where)
    return open_pyramid(where, writable=writable)


def _open_url(url: str, *, writable: bool) -> Pyramid:
    root, node = locate_url(url)
    store = RemoteStore(root)
    try:
        if writable:
            _check_takes(store)
        else:  # a writer recovers first
            store.check_settled()
        return pyramid_of(store, node)
    except BaseException:
        store.close()
        raise


def _check_takes(store: RemoteStore) -> None:
    if store.zipped or store.on_the_web:
        what = "a zipped store" if store.zipped else "a store on a web server"
        raise UnsupportedError(
            f"{store.where!r} is {what}; those are only read.",
            "Copy it to a folder or to object storage, and name that: --store STORE",
        )


def plain_path(store: str | os.PathLike[str]) -> str:
    """Return a path or URL as text; ``file:///d/a.zarr`` is a path like any other.

    Examples
    --------
    >>> plain_path("file:///d/my%20a.zarr"), plain_path("s3://b/a.zarr")
    ('/d/my a.zarr', 's3://b/a.zarr')
    """
    text = os.fspath(store)
    if not text.lower().startswith("file://"):
        return text
    host = text[len("file://") :].partition("/")[0]
    if host not in ("", "localhost"):
        raise UnsupportedError(
            f"{text!r} is a place on the computer {host!r}, not on this one.",
            "A path of this computer has three slashes: file:///folder/a.zarr",
        )
    return url2pathname(text[len("file://") + len(host) :])


def named_node(store: str | os.PathLike[str]) -> str:
    """Return the place inside the store that a path or URL names, "" for the store itself."""
    path = plain_path(store)
    return (locate_url(path) if is_url(path) else locate(Location.parse(path)))[1]


def keys_of(pyramid: Pyramid) -> Keys:
    """Return the keys of the store that an image is in."""
    store = pyramid.store
    if isinstance(store, RemoteStore):
        return ObjectKeys(store.system, store.path, store.where)
    return LocalKeys(store.root)


def journal_of(store: str | os.PathLike[str]) -> Journal:
    """Return the journal of a store; an interrupted check-in is no hindrance."""
    path = plain_path(store)
    if is_url(path):
        found = RemoteStore(locate_url(path)[0])
        try:
            _check_takes(found)
        finally:
            found.close()
        return Journal(ObjectKeys(found.system, found.path, found.where))
    where = Location.parse(path)
    _is_zarr(where)
    root, _ = locate(where)
    if root.is_file():
        raise UnsupportedError(
            f"{str(root)!r} is a zipped store; those are only read.", "It has no journal."
        )
    return Journal(LocalKeys(root))


def state_of(pyramid: Pyramid) -> tuple[tuple[str, bool], ...]:
    """Return what the journal says now; equal before and after means nobody wrote between."""
    store = pyramid.store
    if store.zipped or (isinstance(store, RemoteStore) and store.on_the_web):
        return ()  # nobody checks anything in
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
