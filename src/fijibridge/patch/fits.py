"""Whether an edited patch fits its place: its size, its axes, its pixel type."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fijibridge.errors import SettingsError
from fijibridge.patch.region import region_text

if TYPE_CHECKING:
    from fijibridge.formats._zarr.pyramid import StoredLevel
    from fijibridge.model import Axes, ImageSource, Region
    from fijibridge.patch.provenance import Provenance

__all__ = ["check_dtype", "check_fits"]

_LABEL_FILES = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float32")


def check_fits(
    path: str, source: ImageSource, stored: StoredLevel, box: Region, *, told: bool
) -> None:
    """Raise when the file is not as large as its place."""
    axes = source.spec.axes
    wanted = dict(zip(stored.axes.keys, box.shape, strict=True))
    wrong = [
        f"{key} has {axes.size(key)} samples, its place {wanted.get(key, 1)}"
        for key in dict.fromkeys((*stored.axes.keys, *axes.keys))
        if axes.size(key) != wanted.get(key, 1)
    ]
    if wrong and (named := _otherwise_named(axes, stored.axes.keys, box)):
        raise SettingsError(
            f"{path!r} does not fit {region_text(stored.axes, box)}: {'; '.join(wrong)}. Who "
            "saved it named its axes otherwise.",
            f"If nothing else was changed, say what they are: --axes {named}",
        )
    if wrong:
        raise SettingsError(
            f"{path!r} does not fit {region_text(stored.axes, box)}: {'; '.join(wrong)}. "
            "It was cropped, resized or projected after check-out.",
            "Edit without changing its size, or name the place of what is left: "
            "--store STORE --region z=…,y=…,x=…"
            + ("" if told else f" (whole: {region_text(stored.axes, box)})"),
        )


def _otherwise_named(axes: Axes, keys: str, box: Region) -> str:
    """Return other letters for a file's axes with which it fits its place, "" for none."""
    wanted = [(key, n) for key, n in zip(keys, box.shape, strict=True) if n > 1]
    long = [axis for axis in axes if axis.size > 1]
    if [axis.size for axis in long] != [n for _, n in wanted]:
        return ""
    free = iter(key for key in "tczyx" if key not in dict(wanted))
    names = iter(key for key, _ in wanted)
    return "".join(next(names) if axis.size > 1 else next(free) for axis in axes)


def check_dtype(
    path: str,
    source: ImageSource,
    stored: StoredLevel,
    origin: Provenance | None,
    *,
    convert: bool,
) -> None:
    """Raise when the file's pixel type is not the store's and nobody asked for converting."""
    have = source.spec.dtype
    wanted = np.dtype(np.uint8) if stored.dtype.kind == "b" else stored.dtype
    if have == wanted or convert:
        return
    if origin is not None and str(have) == origin.file_dtype:
        return  # as it was checked out; exactness is looked at pixel by pixel
    if origin is not None and (str(wanted), str(have)) == ("float16", "float32"):
        return  # ImageJ's files hold no halves
    if origin is not None and origin.role == "labels" and str(have) in _LABEL_FILES:
        return  # what label files for ImageJ hold, whatever the store does
    raise SettingsError(
        f"{path!r} has pixels of {have}, {stored.name or 'the array'} has {wanted}.",
        "Convert it back in the program that changed it, or say convert_dtype (--convert-dtype): "
        "values are rounded and limited to what the store holds.",
    )
