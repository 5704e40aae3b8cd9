"""Delete what an export with the same settings has written, as ilastik's "Delete All".

Only outputs that the settings name are deleted: files, Zarr and N5 stores or the place inside them,
datasets of HDF5 files (the file goes with its last dataset). Inputs never are. A store is renamed
first, so that no half of it is ever seen.
"""

from __future__ import annotations

import contextlib
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fijibridge.errors import FijiBridgeError, SettingsError
from fijibridge.formats import Location, format_for_reading, hidden_name

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from fijibridge.export.batch import Item

__all__ = ["Removal", "found_outputs", "remove_output", "remove_path"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """One output that is there.

    Parameters
    ----------
    file
        As the plan names it.
    path
        What is removed.
    inner
        Dataset that is removed from the file at `path`, "" for the whole of it.
    """

    file: str
    path: Path
    inner: str = ""


def found_outputs(items: Iterable[Item]) -> list[Removal]:
    """Return what is there of the outputs of a batch, in order.

    Raises
    ------
    SettingsError
        When a file that holds an output cannot be looked into.
    """
    found = []
    for item in items:
        for file in item.plan.files if item.plan is not None else ():
            where = Location.parse(file)
            if not where.path.exists():
                continue
            if not where.inner:
                found.append(Removal(file=file, path=where.path))
            elif where.path.is_dir():
                place = where.path.joinpath(where.inner)
                if place.exists():
                    found.append(Removal(file=file, path=place))
            else:
                found += _inside(file, where)
    return found


def _inside(file: str, where: Location) -> list[Removal]:
    whole = Location(where.path)
    try:
        fmt = format_for_reading(whole, "image")
        about: dict[str, Any] = fmt.describe(whole) if fmt.describe is not None else {}
    except FijiBridgeError as error:
        raise SettingsError(
            f"{str(where.path)!r} cannot be looked into, so nothing is deleted: {error.message}",
            "Remove it by hand, if it is what you want to lose.",
        ) from error
    images = [str(one["path"]).strip("/") for one in about.get("images", [])]
    inner = where.inner.strip("/")
    if inner not in images:
        return []
    alone = images == [inner] and not about.get("others")
    return [Removal(file=file, path=where.path, inner="" if alone else inner)]


def remove_output(removal: Removal) -> None:
    """Delete one output.

    Raises
    ------
    SettingsError
        When it cannot be deleted.
    """
    try:
        if removal.inner:
            from fijibridge.formats.hdf5 import remove_dataset

            remove_dataset(removal.path, removal.inner)
        else:
            remove_path(removal.path)
    except OSError as error:
        raise SettingsError(
            f"{removal.file!r} cannot be deleted: {error.strerror or error}."
        ) from error


def remove_path(path: Path) -> None:
    """Delete a file, or a folder as a whole; what is not there is no error."""
    if not path.is_dir() or path.is_symlink():
        path.unlink(missing_ok=True)
        return
    hidden = path.with_name(hidden_name(path.name))
    with contextlib.suppress(FileNotFoundError):
        path.rename(hidden)
        shutil.rmtree(hidden)
