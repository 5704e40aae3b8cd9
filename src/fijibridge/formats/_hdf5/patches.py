"""Small images beside an object table in an HDF5 file, as ilastik puts them there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fijibridge.formats._hdf5.axistags import axistags_json
from fijibridge.formats._hdf5.write import _StageFile
from fijibridge.model import Axes

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable

    import numpy as np

__all__ = ["add_patches"]


def add_patches(
    path: str | os.PathLike[str], patches: Iterable[tuple[str, str, str, np.ndarray]]
) -> None:
    """Add cut-outs to the file of a table; those of an earlier table go.

    Parameters
    ----------
    path
        The file.
    patches
        (path in the file, ``labeling`` or ``image``, letters of its axes, array).

    Raises
    ------
    SettingsError
        When the disk is full or the file cannot be written.
    """
    from pathlib import Path

    import h5py

    raw = _StageFile(Path(path), "rb+")
    try:
        with h5py.File(raw, "r+") as file:
            if "images" in file:
                del file["images"]
            for name, kind, keys, data in patches:
                packed = {"compression": "gzip", "shuffle": True} if data.ndim else {}
                dataset = file.create_dataset(name, data=data, **packed)
                dataset.attrs["type"] = kind
                dataset.attrs["axistags"] = axistags_json(Axes.of(keys, data.shape))
    except ValueError as error:
        if raw.failed is None:
            raise
        raise raw.failed from error
    finally:
        raw.close()
    if raw.failed is not None:
        raise raw.failed
