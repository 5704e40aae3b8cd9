"""Write an image as one dataset of an N5 container; it appears whole or not at all."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

import numpy as np

from fijibridge.errors import SettingsError, UnsupportedError
from fijibridge.formats._hdf5.write import block_shape
from fijibridge.formats._lazy import check_region
from fijibridge.formats._n5.attributes import read_attributes, written_attributes
from fijibridge.formats._n5.blocks import DTYPES, Layout, N5Array, cells_of, pack_block
from fijibridge.formats._target import Staged, check_target, target_errors

if TYPE_CHECKING:
    from pathlib import Path

    from fijibridge.formats._format import WriteOptions
    from fijibridge.formats._location import Location
    from fijibridge.model import ImageSpec, Region

__all__ = ["DEFAULT_INNER", "N5Sink", "check_image"]

DEFAULT_INNER = "exported_data"
ILASTIK = "ilastik"
_COMPRESSIONS: dict[str, dict[str, Any]] = {
    "none": {"type": "raw"},
    "raw": {"type": "raw"},
    "gzip": {"type": "gzip", "level": 1, "useZlib": False},
}
_CHUNK_BYTES = 512_000  # ilastik's
_ROOT = {"n5": "2.0.0"}


def check_image(spec: ImageSpec, options: WriteOptions) -> None:
    """Raise when N5 cannot hold an image or an option is unknown."""
    if spec.dtype.name not in DTYPES:
        raise UnsupportedError(
            f"N5 holds no pixels of {spec.dtype}; allowed are {', '.join(sorted(DTYPES))}."
        )
    if not spec.shape or 0 in spec.shape:
        raise UnsupportedError(
            f"N5 holds at least one pixel; the image has the shape {spec.shape}."
        )
    if options.compression not in (None, *_COMPRESSIONS):
        raise SettingsError(
            f"N5 compression {options.compression!r} is unknown. Allowed are gzip and none."
        )
    if options.version not in (None, ILASTIK):
        raise SettingsError(
            f"N5 has no version {options.version!r}. Allowed is 'ilastik', which writes exactly "
            "the attributes that ilastik writes."
        )
    _chunk(spec, options)


def _chunk(spec: ImageSpec, options: WriteOptions) -> tuple[int, ...]:
    """Return the shape of a block; ilastik's rule: t and c one by one, the others nearly cubic."""
    if options.chunks is not None:
        if len(options.chunks) != len(spec.shape) or min(options.chunks) < 1:
            raise SettingsError(
                f"chunks {options.chunks} do not fit the axes {spec.axes.keys!r}; "
                "give one number, 1 or more, for each axis."
            )
        return tuple(min(c, n) for c, n in zip(options.chunks, spec.shape, strict=True))
    place = [i for i, axis in enumerate(spec.axes) if axis.key not in "tc"]
    sides = block_shape(tuple(spec.shape[i] for i in place), _CHUNK_BYTES // spec.dtype.itemsize)
    chunk = [1] * len(spec.shape)
    for i, side in zip(place, sides, strict=True):
        chunk[i] = side
    return tuple(chunk)


class N5Sink:
    """Takes blocks of one dataset, from any thread.

    A new container is made beside the target and renamed in; in an existing one only the dataset
    is. A block that is written in parts is read again for each part, so parts that fit `chunks`
    are fastest.
    """

    def __init__(self, where: Location, spec: ImageSpec, options: WriteOptions) -> None:
        check_image(spec, options)
        self._spec = spec
        self._where = str(where)
        self._lock = threading.Lock()
        parts = (where.inner.strip("/") or DEFAULT_INNER).split("/")
        if any(part.startswith(".") or not part for part in parts):
            raise SettingsError(
                f"The target {self._where!r} has a part that is empty or begins with a dot."
            )
        inside = where.path.exists()
        if inside:
            _check_place(where.path, parts, overwrite=options.overwrite)
        at = where.path.joinpath(*parts) if inside else where.path
        self._stage = Staged(at, overwrite=options.overwrite)
        folder = self._stage.path if inside else self._stage.path.joinpath(*parts)
        codec = _COMPRESSIONS[options.compression or "gzip"]
        chunk = _chunk(spec, options)
        self._layout = Layout(
            folder=folder, shape=spec.shape, chunk=chunk, dtype=spec.dtype, codec=codec
        )
        self._array = N5Array(self._layout)
        said = written_attributes(spec, self._layout, ilastik=options.version == ILASTIK)
        try:
            with target_errors(where.path):
                folder.mkdir(parents=True)
                _write_json(folder, said)
                if not inside:
                    _write_json(self._stage.path, _ROOT)
        except BaseException:
            self.abort()
            raise

    @property
    def chunks(self) -> tuple[int, ...]:
        """Shape of the blocks that are written fastest."""
        return self._layout.chunk

    def write(self, region: Region, block: np.ndarray) -> None:
        check_region(region, self._spec.shape, f"the target {self._where!r}")
        if block.shape != region.shape:
            raise SettingsError(
                f"A block of the shape {block.shape} does not fill the region "
                f"{region.start} to {region.stop}."
            )
        with target_errors(self._stage.target):
            for cell, outer, inner, whole in cells_of(self._layout, region):
                if whole:
                    self._put(cell, block[outer])
                else:
                    with self._lock:
                        self._merge(cell, block[outer], inner)

    def _merge(self, cell: tuple[int, ...], part: np.ndarray, inner: tuple[slice, ...]) -> None:
        known = self._array.block(cell)
        if known is None:
            sizes = zip(cell, self._layout.chunk, self._layout.shape, strict=True)
            data = np.zeros([min(c, n - i * c) for i, c, n in sizes], self._layout.dtype)
        else:
            data = known.astype(self._layout.dtype)
        data[inner] = part
        self._put(cell, data)

    def _put(self, cell: tuple[int, ...], block: np.ndarray) -> None:
        path = self._layout.path(cell)
        raw = pack_block(self._layout, block)
        try:
            path.write_bytes(raw)
        except FileNotFoundError:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(raw)

    def commit(self) -> None:
        try:
            check_target(self._stage.target, overwrite=self._stage.overwrite)
            self._stage.commit()
        except BaseException:
            self.abort()
            raise

    def abort(self) -> None:
        self._stage.abort()


def _check_place(root: Path, parts: list[str], *, overwrite: bool) -> None:
    """Raise SettingsError when something is in the way inside a container."""
    if not root.is_dir():
        raise SettingsError(f"The target {str(root)!r} is a file, no N5 container.")
    for i in range(len(parts)):
        above = root.joinpath(*parts[:i])
        if "dimensions" in read_attributes(above):
            raise SettingsError(
                f"The target {str(root.joinpath(*parts))!r} cannot be written: {str(above)!r} is a "
                "dataset.",
                "Choose another path inside the container.",
            )
    target = root.joinpath(*parts)
    if overwrite and target.exists() and "dimensions" not in read_attributes(target):
        raise SettingsError(
            f"The target {str(target)!r} is a group of other datasets; it is not replaced.",
            "Choose another path inside the container.",
        )


def _write_json(folder: Path, values: dict[str, Any]) -> None:
    (folder / "attributes.json").write_text(json.dumps(values), encoding="utf-8")
