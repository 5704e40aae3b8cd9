"""OME-Zarr 0.4 (the default: what Fiji and MoBIE open) and 0.5, images and label images.

A path goes on inside a store: ``a.zarr/labels/nuclei``, ``a.zarr/s1``. Any level is readable;
plain Zarr arrays of both versions, sharded or not, and zipped stores are read too.
"""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING

from fijibridge.formats._format import Format
from fijibridge.formats._zarr.check import describe, validate
from fijibridge.formats._zarr.ilastik import SCALED_AXES, IlastikZarrSink, ilastik_levels
from fijibridge.formats._zarr.open import open_location
from fijibridge.formats._zarr.store import MARKERS, is_marked
from fijibridge.formats._zarr.write import DTYPES, ZarrSink, check_image

if TYPE_CHECKING:
    from pathlib import Path

    from fijibridge.formats._format import ReadOptions, WriteOptions
    from fijibridge.formats._location import Location
    from fijibridge.model import ImageSink, ImageSource, ImageSpec

__all__ = [
    "FORMAT",
    "SCALED_AXES",
    "create_image",
    "describe",
    "ilastik_levels",
    "open_image",
    "validate",
]


def sniff(path: Path, head: bytes) -> bool:
    """Whether it is a Zarr group or array: a folder with Zarr's files, or a zip of one."""
    if path.is_dir():
        return is_marked(path) or path.name.lower().endswith(".zarr")
    if not head.startswith(b"PK"):
        return False
    try:
        with zipfile.ZipFile(path) as found:
            return any(name in found.NameToInfo for name in MARKERS)
    except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError):
        return path.name.lower().endswith((".zarr.zip", ".ozx"))


def open_image(where: Location, options: ReadOptions) -> ImageSource:
    """Open one level of an image lazily.

    Raises
    ------
    FormatError
        When the store is broken, holds no image, or several and none is named.
    SettingsError
        When there is no such level.
    """
    return open_location(where, options)


def create_image(where: Location, spec: ImageSpec, options: WriteOptions) -> ImageSink:
    """Start an image group with all its levels; ``labels/NAME`` is added to the image above."""
    if options.layout == "ilastik":
        check_image(spec, options)
        return IlastikZarrSink(where, spec, options)
    return ZarrSink(where, spec, options)


FORMAT = Format(
    name="ome-zarr",
    suffixes=(".ome.zarr", ".zarr"),
    title="OME-Zarr",
    sniff=sniff,
    open_image=open_image,
    create_image=create_image,
    check_image=check_image,
    describe=describe,
    validate=validate,
    dtypes=DTYPES,
    container=True,
    folder=True,
)
