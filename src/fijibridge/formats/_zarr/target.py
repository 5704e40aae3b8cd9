"""Where an image goes in a Zarr store: a new store, a group beside others, or in place of one.

The target is one group. A new store is staged beside and renamed in. A group of an existing store
is staged in the folder it will lie in (a hidden name, which Zarr readers skip) and renamed in; a
label image is named in the ``labels`` list last. What lies below a replaced group and is not a
level of it (``labels``, other images) is carried over by links.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import warnings
from typing import TYPE_CHECKING, Any

from fijibridge.errors import FormatError, SettingsError, UnsupportedError
from fijibridge.formats._target import check_target, target_errors
from fijibridge.formats._zarr.meta import set_attributes
from fijibridge.formats._zarr.read import multiscale_of, ome_attributes
from fijibridge.formats._zarr.store import Store, locate

if TYPE_CHECKING:
    from pathlib import Path

    from fijibridge.formats._format import WriteOptions
    from fijibridge.formats._location import Location
    from fijibridge.model import Axes, ImageSpec

__all__ = ["Target"]


class Target:
    """One group of a store that is, or will be, on disk.

    Raises
    ------
    SettingsError
        When something is in the way, or the store is of another version.
    """

    def __init__(self, where: Location, spec: ImageSpec, options: WriteOptions) -> None:
        self.root, self.node = locate(where)
        self.parts = tuple(self.node.split("/")) if self.node else ()
        self._overwrite = options.overwrite
        self._carried: list[str] = []
        self._made: list[Path] = []
        self.image_levels: list[tuple[str, dict[str, int]]] = []
        self.image_axes: Axes | None = None
        self.label_source: str | None = None
        self._is_label = len(self.parts) >= 2 and self.parts[-2] == "labels"
        self._check_names(spec)
        existing = self.root.exists() and not (self.root.is_dir() and not any(self.root.iterdir()))
        inside = bool(self.parts) and existing
        self.stage_at = self.root.joinpath(*self.parts) if inside else self.root
        self.below = () if inside else self.parts
        self.version = options.version or "0.4"
        if existing:
            self._look(options)
        check_target(self.stage_at, overwrite=options.overwrite)
        self.zarr_format = 2 if self.version == "0.4" else 3
        parent = self.stage_at.parent
        while inside and not parent.exists():
            self._made.append(parent)
            parent = parent.parent

    def _check_names(self, spec: ImageSpec) -> None:
        if self.root.is_file() or self.root.name.lower().endswith((".zip", ".ozx")):
            raise UnsupportedError(
                f"The target {str(self.root)!r} is a zipped store; those are only read.",
                "Write a folder: NAME.ome.zarr.",
            )
        if any(part.startswith(".") for part in self.parts):
            raise SettingsError(
                f"The target {str(self)!r} has a part that begins with a dot; "
                "Zarr keeps such names for itself."
            )
        if self.parts and self.parts[-1] == "labels":
            raise SettingsError(
                f"The target {str(self)!r} is the folder of label images.",
                f"Name one: {self}/nuclei",
            )
        if self._is_label and spec.role != "labels":
            raise SettingsError(
                f"The target {str(self)!r} is a label image; what is written is {spec.role}.",
                "Write labels, or choose a path outside labels/.",
            )

    def _look(self, options: WriteOptions) -> None:
        """Learn from the store what must be respected."""
        store = Store(self.root)
        kind = store.kind("")
        if not self.parts:
            if options.overwrite and kind == "group":
                self._note_carried(store, "")
                if self._carried:
                    self._follow_version(store, options)
            return
        if kind != "group":
            raise SettingsError(
                f"The target {str(self)!r} cannot be written: {str(self.root)!r} is "
                f"{'an array' if kind else 'no Zarr store'}.",
                "Choose another store.",
            )
        self._follow_version(store, options)
        for i in range(1, len(self.parts)):
            above = "/".join(self.parts[:i])
            if store.kind(above) == "array":
                raise SettingsError(
                    f"The target {str(self)!r} cannot be written: {above!r} is an array."
                )
        if store.kind(self.node) == "array":
            raise SettingsError(
                f"The target {str(self)!r} is an array, which may be a level of an image; "
                "it is not replaced.",
                "Choose another path inside the store.",
            )
        if options.overwrite and store.kind(self.node) == "group":
            self._note_carried(store, self.node)
        if self._is_label:
            self._note_image(store, "/".join(self.parts[:-2]))

    def _follow_version(self, store: Store, options: WriteOptions) -> None:
        found = "0.4" if store.zarr_format("") == 2 else "0.5"
        if options.version not in (None, found):
            raise SettingsError(
                f"The store {str(self.root)!r} is version {found}; an image of version "
                f"{options.version} cannot lie in it.",
                f"Leave the version out, or say {found}.",
            )
        self.version = found

    def _note_carried(self, store: Store, node: str) -> None:
        levels: set[str] = set()
        with contextlib.suppress(FormatError):
            image = multiscale_of(store, node, lenient=True)
            levels = {d.path.split("/")[0] for d in image.datasets} if image else set()
        self._carried = [
            name
            for name in store.children(node)
            if name not in levels and store.kind(f"{node}/{name}".lstrip("/")) == "group"
        ]

    def _note_image(self, store: Store, image_node: str) -> None:
        """Learn the levels of the image that the labels belong to."""
        try:
            image = multiscale_of(store, image_node)
            if image is None:
                return
            for i, dataset in enumerate(image.datasets):
                shape = store.array(f"{image_node}/{dataset.path}".lstrip("/")).shape
                if i == 0:
                    self.image_axes = image.axes(0, [shape, shape], store.name(image_node))
                keys = image.keys or "tczyx"[-len(shape) :]
                sizes = {k: int(n) for k, n in zip(keys, shape, strict=True) if k in "zyx"}
                self.image_levels.append((dataset.path.replace("/", "_"), sizes))
        except (FormatError, ValueError):
            self.image_levels, self.image_axes = [], None
            return
        self.label_source = "../../"

    def carry_over(self, stage: Path) -> None:
        """Link what lies below a replaced group into its successor."""
        for name in self._carried:
            _copy_links(self.stage_at / name, stage / name)

    def check_unchanged(self) -> None:
        """Raise SettingsError when somebody else wrote the target meanwhile."""
        check_target(self.stage_at, overwrite=self._overwrite)

    def list_label(self, stage: Path) -> None:
        """Name a label image in the ``labels`` list of a new store."""
        if self._is_label and self.below:
            _add_label(stage.joinpath(*self.below[:-1]), self.zarr_format, self.parts[-1])

    def announce(self) -> None:
        """Make the groups above the target groups, and name a label image in the list."""
        if not self.parts or self.below:
            return
        folder = self.root
        for part in self.parts[:-1]:
            folder = folder / part
            set_attributes(folder, self.zarr_format, {})
        if self._is_label:
            _add_label(folder, self.zarr_format, self.parts[-1])
        _consolidate_again(self.root, self.zarr_format)

    def clean(self) -> None:
        """Remove the empty folders that were made for the stage."""
        for folder in self._made:
            with contextlib.suppress(OSError):
                folder.rmdir()

    def __str__(self) -> str:
        return f"{self.root}/{self.node}" if self.node else str(self.root)


def _add_label(folder: Path, zarr_format: int, name: str) -> None:
    attributes = Store(folder).attributes("")
    ome, _ = ome_attributes(attributes)
    listed = ome.get("labels")
    names = [n for n in listed if isinstance(n, str)] if isinstance(listed, list) else []
    names = [*names, *([] if name in names else [name])]
    change: dict[str, Any] = {"labels": names}
    if zarr_format == 3:
        change = {"ome": {"version": "0.5", **change}}
    set_attributes(folder, zarr_format, change)


def _consolidate_again(root: Path, zarr_format: int) -> None:
    """Renew consolidated metadata where the store has them; readers would miss the new group."""
    if zarr_format == 2:
        has = (root / ".zmetadata").exists()
    else:
        has = bool((Store(root).json("", "zarr.json") or {}).get("consolidated_metadata"))
    if not has:
        return
    import zarr

    with target_errors(root), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        zarr.consolidate_metadata(str(root), zarr_format=2 if zarr_format == 2 else 3)


def _copy_links(source: Path, target: Path) -> None:
    """Copy a folder without copying bytes where the file system has links."""

    def link(one: str, two: str) -> None:
        try:
            os.link(one, two)
        except OSError:
            shutil.copy2(one, two)

    shutil.copytree(source, target, copy_function=link)
