"""Targets as verbs see them: files, folders, and datasets inside containers."""

from __future__ import annotations

import contextlib
import re
import shutil
from typing import TYPE_CHECKING

from fijibridge.errors import FijiBridgeError, SettingsError

if TYPE_CHECKING:
    from fijibridge.formats import Location

__all__ = ["check_writable", "named", "remove_target", "target_exists"]


def named(pattern: str, source: str) -> str:
    """Return a target with ``{name}`` filled in by the input's name.

    Raises
    ------
    SettingsError
        When it has another field in braces.
    """
    from fijibridge.ops._inputs import nickname

    target = pattern.replace("{name}", nickname(source))
    odd = re.search(r"\{[a-z_]*\}", pattern.replace("{name}", ""))
    if odd is not None:
        raise SettingsError(
            f"The target {pattern!r} has the field {odd[0]}; the only one is {{name}}."
        )
    return target


def _inner_exists(where: Location) -> bool:
    """Return whether a container holds the dataset already."""
    from fijibridge.formats import open_image, read_table

    if where.path.is_dir():
        return (where.path / where.inner).exists()
    for look in (open_image, read_table):
        try:
            found = look(where)
        except FijiBridgeError:
            continue
        close = getattr(found, "close", None)
        if close is not None:
            close()
        return True
    return False


def target_exists(path: str) -> bool:
    """Return whether a target is there: the file, or the dataset inside it."""
    from fijibridge.formats import Location
    from fijibridge.formats.dvid import is_dvid
    from fijibridge.formats.remote import is_url, remote_exists

    if is_dvid(path):
        return False  # its writer asks the server
    if is_url(path):
        return remote_exists(path)
    where = Location.parse(path)
    if not where.path.exists():
        return False
    return _inner_exists(where) if where.inner else True


def check_writable(path: str, *, overwrite: bool) -> None:
    """Raise SettingsError when a target exists and may not be replaced, or cannot be written."""
    from fijibridge.formats import Location, check_target
    from fijibridge.formats.dvid import is_dvid
    from fijibridge.formats.remote import is_url, remote_exists

    if is_dvid(path):
        return  # its writer asks the server
    if is_url(path):
        if not overwrite and remote_exists(path):
            raise SettingsError(
                f"The target {path!r} exists.",
                "Choose another name, or say overwrite (--overwrite) to replace it.",
            )
        return
    where = Location.parse(path)
    if where.inner and where.path.exists():
        if not overwrite and _inner_exists(where):
            raise SettingsError(
                f"The target {path!r} exists.",
                "Choose another name, or say overwrite (--overwrite) to replace it.",
            )
        check_target(where.path, overwrite=True)
        return
    check_target(where.path, overwrite=overwrite)


def remove_target(path: str) -> None:
    """Remove what a failed run has written at a target that was free before."""
    from fijibridge.formats import Location
    from fijibridge.formats.remote import is_url

    if is_url(path):
        return  # its upload is all or nothing
    where = Location.parse(path)
    if where.inner and where.path.is_file():
        return  # a dataset of its own in somebody's file: its writer is all or nothing
    place = where.path / where.inner if where.inner else where.path
    with contextlib.suppress(OSError):
        if place.is_dir() and not place.is_symlink():
            shutil.rmtree(place)
        else:
            place.unlink(missing_ok=True)
            # what a table leaves beside it
            place.with_name(f"{place.name}.fijibridge.json").unlink(missing_ok=True)
