"""HDF5 images, with ilastik's and vigra's words: axistags, drange, display_mode, axis_units.

One file holds many datasets; a path goes on inside it: ``a.h5/exported_data``. Without an inner
path the only image is read, and ``exported_data`` is written. Chunks, compression (gzip 1) and
attributes are ilastik's.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

from fijibridge.errors import FormatError
from fijibridge.formats._format import Finding, Format, ReadOptions
from fijibridge.formats._hdf5.read import (
    READ_ATTRIBUTES,
    axes_of,
    check_dataset,
    drange_of,
    entries,
    open_entry,
    open_file,
    read_attribute,
    role_of,
)
from fijibridge.formats._hdf5.write import DTYPES, Hdf5Sink, check_image
from fijibridge.formats._target import staged

if TYPE_CHECKING:
    from pathlib import Path

    from fijibridge.formats._format import WriteOptions
    from fijibridge.formats._location import Location
    from fijibridge.model import ImageSink, ImageSource, ImageSpec

__all__ = ["FORMAT", "create_image", "describe", "open_image", "remove_dataset", "validate"]

_MAGIC = b"\x89HDF\r\n\x1a\n"


def sniff(path: Path, head: bytes) -> bool:
    """Whether it is HDF5: the signature is at 0 or after a user block of 512, 1024, …."""
    del path
    return any(head[at : at + 8] == _MAGIC for at in (0, 512, 1024, 2048))


def open_image(where: Location, options: ReadOptions) -> ImageSource:
    """Open one dataset lazily.

    Raises
    ------
    FormatError
        When the file is broken, holds no image, or several and none is named.
    """
    return open_entry(where, options)


def create_image(where: Location, spec: ImageSpec, options: WriteOptions) -> ImageSink:
    """Start one dataset; a new one is added beside others, ``overwrite`` replaces it only."""
    return Hdf5Sink(where, spec, options)


def describe(where: Location) -> dict[str, Any]:
    """Return every dataset of the file with its axes, shape, dtype and storage."""
    images: list[dict[str, Any]] = []
    others: list[dict[str, Any]] = []
    with open_file(where.path) as file:
        for entry in entries(file):
            if where.inner and not f"{entry.path}/".startswith(where.inner.strip("/") + "/"):
                continue
            about: dict[str, Any] = {"path": entry.path}
            if entry.problem:
                others.append(about | {"problem": entry.problem})
                continue
            about |= {"shape": list(entry.shape), "dtype": str(entry.dtype)}
            if entry.dtype.names:
                about |= {"kind": "table", "dtype": "compound", "columns": list(entry.dtype.names)}
            if not entry.is_image:
                others.append(about)
                continue
            try:
                about |= _about(file[entry.path], entry.path)
            except Exception as error:  # noqa: BLE001  # broken bytes: h5py raises what it pleases
                about["problem"] = str(error)
            images.append(about)
    return {"format": "hdf5", "images": images, "others": others}


def _about(dataset: Any, path: str) -> dict[str, Any]:
    about = {
        "chunks": list(dataset.chunks) if dataset.chunks else None,
        "compression": dataset.compression,
        "role": role_of(dataset, None),
        "drange": drange_of(dataset),
    }
    try:
        axes, _ = axes_of(dataset, path)
    except FormatError as error:
        return about | {"problem": str(error)}
    return about | {
        "axes": axes.keys,
        "pixel_size": {a.key: a.scale for a in axes if a.key != "c"},
        "units": {a.key: a.unit for a in axes if a.key != "c"},
    }


def remove_dataset(path: Path, inner: str) -> None:
    """Remove one dataset from a file that holds others; its room is not given back.

    Raises
    ------
    FormatError
        When the file cannot be opened.
    SettingsError
        When it cannot be written.
    """
    import h5py

    with staged(path, overwrite=True) as part:
        open_file(path).close()
        shutil.copyfile(path, part)
        with h5py.File(part, "r+") as file:
            del file[inner]


def validate(where: Location) -> list[Finding]:
    """Return all that is wrong or doubtful."""
    try:
        file = open_file(where.path)
    except FormatError as error:
        return [Finding("error", str(error))]
    found: list[Finding] = []
    images = 0
    with file:
        for entry in entries(file):
            if entry.problem:
                found.append(Finding("error", f"{entry.path}: {entry.problem}."))
            elif entry.is_image:
                images += 1
                found += _findings(file, entry.path)
            if entry.shape and 0 in entry.shape:
                found.append(Finding("warning", f"{entry.path}: empty, shape {entry.shape}."))
    if not images:
        found.append(Finding("error", "The file holds no image."))
    return found


def _findings(file: Any, path: str) -> list[Finding]:
    found: list[Finding] = []
    try:
        dataset = file[path]
        check_dataset(dataset, path)
        axes, _ = axes_of(dataset, path)
        declared = [n for n in ("axistags", "axes", "DIMENSION_LABELS") if n in dataset.attrs]
        if not declared:
            found.append(
                Finding("warning", f"{path}: says no axes (axistags); taken for {axes.keys!r}.")
            )
        found += [
            Finding("error", f"{path}: its attribute {name} cannot be read.")
            for name in READ_ATTRIBUTES
            if name in dataset.attrs and read_attribute(dataset, name) is None
        ]
        drange = read_attribute(dataset, "drange")
        if drange is not None and drange_of(dataset) is None:
            found.append(Finding("warning", f"{path}: drange {drange!r} is not two numbers."))
        if dataset.size:
            dataset[tuple(slice(n - 1, n) for n in dataset.shape)]
            dataset[tuple(slice(0, 1) for n in dataset.shape)]
            stored = int(dataset.id.get_storage_size())
            if not stored and not dataset.is_virtual:
                found.append(Finding("warning", f"{path}: no pixels are stored."))
    except Exception as error:  # noqa: BLE001  # broken bytes: h5py raises what it pleases
        found.append(Finding("error", f"{path}: {error}"))
    return found


FORMAT = Format(
    name="hdf5",
    suffixes=(".h5", ".hdf5", ".hdf"),
    title="HDF5 with ilastik's axistags",
    sniff=sniff,
    open_image=open_image,
    create_image=create_image,
    check_image=check_image,
    describe=describe,
    validate=validate,
    dtypes=DTYPES,
    container=True,
)
