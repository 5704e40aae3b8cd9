"""Where a file is, and where inside it: ``a.h5/exported_data``, ``a.zarr/labels/nuclei``."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from fijibridge.errors import SettingsError

__all__ = ["CONTAINER_SUFFIXES", "Location"]

#: Suffixes after which a path may go on inside the file or store.
CONTAINER_SUFFIXES = (".h5", ".hdf5", ".hdf", ".ilp", ".zarr", ".n5", ".npz", ".zarr.zip", ".ozx")


@dataclass(frozen=True, slots=True)
class Location:
    """A file or store, and a path inside it ("" = the whole file).

    Examples
    --------
    >>> Location.parse("d/a.h5/volume/data")
    Location(path=PosixPath('d/a.h5'), inner='volume/data')
    """

    path: Path
    inner: str = ""

    @classmethod
    def parse(cls, text: str | os.PathLike[str] | Location) -> Location:
        """Split a path as users type it; a leading ``~`` is expanded.

        A file whose whole name exists is taken as it is, so ``odd.h5.d/x.tif`` works; but a folder
        in a Zarr or N5 store is a place inside it, whether it exists or not.
        """
        if isinstance(text, Location):
            return text
        if not isinstance(text, (str, os.PathLike)):
            raise SettingsError(
                f"A path is a text or a pathlib.Path, not {type(text).__name__}.", "Name a file."
            )
        text = os.fspath(text)
        if not text.strip():
            raise SettingsError("A path is empty.", "Name a file.")
        if "\0" in text:
            raise SettingsError(
                f"The path {text!r} holds a NUL character; no file can be so named."
            )
        path = Path(text).expanduser()
        try:
            exists = path.exists()
        except OSError as error:
            raise SettingsError(
                f"The path {text[:60] + '…'!r} cannot be used: {error.strerror or error}.",
                "Choose a shorter name.",
            ) from error
        if exists and not any(
            parent.name.lower().endswith((".zarr", ".n5")) for parent in path.parents
        ):
            return cls(path)
        parts = path.parts
        for i, part in enumerate(parts):
            head = Path(*parts[: i + 1])
            is_container = part.lower().endswith(CONTAINER_SUFFIXES)
            if (
                is_container
                and i + 1 < len(parts)
                and not (head.is_dir() and not part.lower().endswith((".zarr", ".n5")))
            ):
                return cls(head, "/".join(parts[i + 1 :]))
        return cls(path)

    @property
    def suffix(self) -> str:
        """The lower-case suffix of the file name; ``.ome.tif`` and the like count as one."""
        name = self.path.name.lower()
        for double in (".ome.tiff", ".ome.tif", ".ome.zarr", ".nii.gz"):
            if name.endswith(double):
                return double
        return self.path.suffix.lower()

    def __str__(self) -> str:
        return f"{self.path}/{self.inner}" if self.inner else str(self.path)
