"""Write an image as one dataset of an HDF5 file, as ilastik does.

The target is the dataset, not the file. HDF5 files break when a program dies while it changes
them, so an existing file is never changed: it is copied beside, the copy gets the dataset, and is
renamed in by `commit`. The other datasets are copied byte for byte with the file. The room of a
replaced dataset is not given back (``h5repack`` does that), except where it was the only one.
"""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from fijibridge.errors import FijiBridgeError, SettingsError, UnsupportedError
from fijibridge.formats._carried import CARRIED, said_of
from fijibridge.formats._hdf5.axistags import axistags_json
from fijibridge.formats._hdf5.chunked import packing_of
from fijibridge.formats._hdf5.read import image_entries, open_file
from fijibridge.formats._lazy import check_region
from fijibridge.formats._memory import ThreadMemory
from fijibridge.formats._patchwork import Patchwork, cells_of
from fijibridge.formats._target import Staged, target_errors
from fijibridge.model.units import PIXEL

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from fijibridge.formats._format import WriteOptions
    from fijibridge.formats._hdf5.chunked import Packing
    from fijibridge.formats._location import Location
    from fijibridge.model import ImageSpec, Region

__all__ = ["COMPRESSIONS", "DEFAULT_INNER", "DTYPES", "Hdf5Sink", "block_shape", "check_image"]

DEFAULT_INNER = "exported_data"
DTYPES = frozenset(
    (
        *("uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64"),
        *("float16", "float32", "float64"),
    )
)
COMPRESSIONS = ("gzip", "none")
#: HDF5 keeps attributes up to 64 kB in the header.
_LARGEST_ATTRIBUTE = 60_000
_GZIP_LEVEL = 1  # ilastik's
#: At level 2 isal packs noise, labels and probabilities as tightly as zlib at 1, and much faster.
_ISAL_LEVEL = 2
_CHUNK_BYTES = 512_000  # ilastik's


def block_shape(shape: tuple[int, ...], samples: int) -> tuple[int, ...]:
    """Return a nearly cubic block of about so many samples that lies inside `shape`.

    Source: ilastik's determineBlockShape (spec/ilastik-export.md 6).

    Examples
    --------
    >>> block_shape((60, 200, 150), 512_000)
    (60, 92, 92)
    """
    block = [1] * len(shape)
    volume = 1
    order = sorted(range(len(shape)), key=lambda i: shape[i])
    for rank, i in enumerate(order):
        side = int((samples // volume) ** (1.0 / (len(order) - rank)) + 0.5)
        block[i] = max(1, min(side, shape[i]))
        volume *= block[i]
    return tuple(block)


def _chunks(spec: ImageSpec, options: WriteOptions) -> tuple[int, ...] | None:
    if 0 in spec.shape:
        return None  # an empty dataset has no chunks
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


def check_image(spec: ImageSpec, options: WriteOptions) -> None:
    """Raise when HDF5 cannot hold an image or an option is unknown."""
    if spec.dtype.name not in DTYPES:
        raise UnsupportedError(
            f"HDF5 images hold no pixels of {spec.dtype}; allowed are {', '.join(sorted(DTYPES))}."
        )
    if not spec.shape:
        raise UnsupportedError("An image without axes cannot be written to HDF5.")
    if options.compression not in (None, *COMPRESSIONS):
        raise SettingsError(
            f"HDF5 compression {options.compression!r} is unknown. "
            f"Allowed are {' and '.join(COMPRESSIONS)}."
        )
    if options.version is not None:
        raise SettingsError(f"HDF5 has no versions to choose from, version={options.version!r}.")
    _chunks(spec, options)


def _existing(file: Any, inner: str, *, overwrite: bool, where: str) -> tuple[bool, bool]:
    """Return (whether the dataset is there, whether it is all that is there).

    Raises
    ------
    SettingsError
        When something is in the way.
    """
    import h5py

    parts = inner.split("/")
    for i in range(1, len(parts)):
        above = "/".join(parts[:i])
        if file.get(above, getlink=True) is None:
            return False, len(file) == 0
        if not isinstance(file.get(above), h5py.Group):
            raise SettingsError(
                f"The target {where!r} cannot be written: {above!r} is no group.",
                "Choose another path inside the file.",
            )
    if file.get(inner, getlink=True) is None:
        return False, len(file) == 0
    if not overwrite:
        raise SettingsError(
            f"The target {where!r} exists.",
            "Choose another name, or say overwrite (--overwrite) to replace this dataset only.",
        )
    if isinstance(file.get(inner), h5py.Group):
        raise SettingsError(
            f"The target {where!r} is a group of other datasets; it is not replaced.",
            "Choose another path inside the file.",
        )
    _, found = image_entries(file)
    return True, len(found) == 1 and not len(file.attrs)


class Hdf5Sink:
    """Takes blocks of one dataset; thread-safe; see the module for what `commit` does."""

    def __init__(self, where: Location, spec: ImageSpec, options: WriteOptions) -> None:
        check_image(spec, options)
        self._spec = spec
        self._where = str(where)
        self._inner = where.inner.strip("/") or DEFAULT_INNER
        self._lock = threading.Lock()
        self._file: Any = None
        self._raw: _StageFile | None = None
        self._parts: Patchwork | None = None
        self._memory = ThreadMemory()
        self._turns: Iterator[tuple[int, ...]] | None = None
        self._turn: Any = None
        self._waiting: dict[tuple[int, ...], Any] = {}
        self._before = _state(where.path)
        copy = replace = False
        if self._before is not None:
            replace, alone = self._look(where.path, options)
            copy = not alone
        self._stage = Staged(where.path, overwrite=self._before is not None)
        try:
            with target_errors(where.path), self._errors():
                self._start(where.path, options, copy=copy, replace=replace)
        except BaseException:
            self.abort()
            raise

    def _look(self, path: Path, options: WriteOptions) -> tuple[bool, bool]:
        if path.is_dir():
            raise SettingsError(f"The target {str(path)!r} is a folder, not an HDF5 file.")
        try:
            file = open_file(path)
        except FijiBridgeError as error:
            raise SettingsError(
                f"The target {str(path)!r} exists and is no readable HDF5 file, so nothing "
                "can be added to it.",
                "Choose another name, or remove it.",
            ) from error
        where = f"{path}/{self._inner}"
        with file:
            return _existing(file, self._inner, overwrite=options.overwrite, where=where)

    def _start(self, path: Path, options: WriteOptions, *, copy: bool, replace: bool) -> None:
        import h5py

        if copy:
            shutil.copyfile(path, self._stage.path)
        self._raw = _StageFile(self._stage.path, "rb+" if copy else "xb+")
        self._file = h5py.File(self._raw, "r+" if copy else "w")
        if copy and replace:
            del self._file[self._inner]
        spec = self._spec
        self._chunk = _chunks(spec, options)
        gzip = self._chunk is not None and (options.compression or "gzip") == "gzip"
        self._gzip = gzip
        self._data = self._file.create_dataset(
            self._inner,
            shape=spec.shape,
            dtype=spec.dtype,
            chunks=self._chunk,
            compression="gzip" if gzip else None,
            compression_opts=_GZIP_LEVEL if gzip else None,
        )
        write_attributes(self._data, spec)
        self._packing = packing_of(self._data)
        if self._chunk is not None:
            self._parts = Patchwork(
                spec.shape,
                self._chunk,
                spec.dtype,
                self._stage.path.parent,
                put=self._put,
                patch=self._patch,
            )

    #: Blocks may hold parts of chunks: those wait until they are whole.
    takes_parts = True

    @property
    def chunks(self) -> tuple[int, ...]:
        """Shape of the blocks that are written fastest."""
        return self._chunk or self._spec.shape

    def write(self, region: Region, block: np.ndarray) -> None:
        check_region(region, self._spec.shape, f"the target {self._where!r}")
        if block.shape != region.shape:
            raise SettingsError(
                f"A block of the shape {block.shape} does not fill the region "
                f"{region.start} to {region.stop}."
            )
        if block.size == 0:
            return
        block = block.astype(self._spec.dtype, copy=False)
        with target_errors(self._stage.target), self._errors():
            if self._parts is not None:
                self._parts.write(region, block)
            else:
                self._patch(region, block)

    @property
    def packing(self) -> Packing | None:
        """How chunks are stored; a source's chunks that are stored so need no unpacking."""
        return self._packing

    def expect(self, regions: Iterable[Region]) -> None:
        """Say in which order blocks are cut, so that the file is the same for any threads.

        Chunks are stored in the order in which one thread would complete them: with the block
        that holds their last pixel.

        Parameters
        ----------
        regions
            That cover the image, each once; the block that holds the end of a chunk comes after
            the others of it.
        """
        if self._parts is not None:
            self._turns = self._places(regions)
            self._turn = next(self._turns, None)

    def _places(self, regions: Iterable[Region]) -> Iterator[tuple[int, ...]]:
        assert self._parts is not None  # noqa: S101  # asked before
        for region in regions:
            for cell in cells_of(region, self._parts.chunk):
                chunk = self._parts.cell_region(cell)
                if all(b <= e for b, e in zip(chunk.stop, region.stop, strict=True)):
                    yield chunk.start

    def put_packed(self, low: tuple[int, ...], data: bytes) -> None:
        """Take a chunk as another file stores it (see `packing`), each once.

        Parameters
        ----------
        low
            Where it begins.
        data
            Its bytes. They are not unpacked: a chunk that is damaged stays so.
        """
        with target_errors(self._stage.target), self._errors(), self._lock:
            self._data.id.write_direct_chunk(low, data)

    def _put(self, region: Region, part: np.ndarray) -> None:
        """Write a whole chunk, deflated by isal (several times faster than HDF5's zlib)."""
        assert self._chunk is not None  # noqa: S101  # chunks come from a dataset that has some
        full = part
        if part.shape != self._chunk or not part.flags.c_contiguous:
            full = self._memory.get("chunk", self._chunk, part.dtype)
            if part.shape != self._chunk:
                full[...] = 0
            full[tuple(slice(0, n) for n in part.shape)] = part
        data: Any = full.reshape(-1).view(np.uint8)
        if self._gzip:
            from isal import isal_zlib

            data = isal_zlib.compress(data, level=_ISAL_LEVEL)
        with self._lock:
            if self._turns is None or region.start == self._turn:
                self._data.id.write_direct_chunk(region.start, data)
                self._turn = next(self._turns, None) if self._turns is not None else None
            else:  # without gzip it may be a view of the caller's memory
                self._waiting[region.start] = data if self._gzip else data.tobytes()
            while self._turn in self._waiting:
                self._data.id.write_direct_chunk(self._turn, self._waiting.pop(self._turn))
                self._turn = next(self._turns or iter(()), None)

    def _place_rest(self) -> None:
        for low, data in sorted(self._waiting.items()):
            self._data.id.write_direct_chunk(low, data)
        self._waiting.clear()

    def _patch(self, region: Region, part: np.ndarray) -> None:
        with self._lock:
            self._place_rest()
            self._data[region.slices] = part

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        """Raise what the file could not write, whatever HDF5 made of it."""
        try:
            yield
        except Exception as error:
            if self._raw is not None and self._raw.failed is not None:
                raise self._raw.failed from error
            raise
        if self._raw is not None and self._raw.failed is not None:
            raise self._raw.failed

    def _close_raw(self) -> None:
        if self._raw is not None:
            self._raw.close()

    def commit(self) -> None:
        with target_errors(self._stage.target), self._errors():
            if self._parts is not None:
                self._parts.finish()
            self._place_rest()
            self._file.close()
            self._close_raw()
        if _state(self._stage.target) != self._before:
            self.abort()
            raise SettingsError(
                f"The target {str(self._stage.target)!r} was changed by another program meanwhile.",
                "Write again.",
            )
        self._stage.commit()

    def abort(self) -> None:
        if self._parts is not None:
            self._parts.close()
        if self._file is not None:
            with contextlib.suppress(Exception):  # a full disk: the part file goes anyway
                self._file.close()
        with contextlib.suppress(OSError):
            self._close_raw()
        self._stage.abort()


class _StageFile(io.FileIO):
    """The file that HDF5 writes to.

    On a full disk HDF5 goes on trying to flush, also when its objects are collected, hides the
    reason, and can crash the process. So it is never told: the first OSError is kept here, what
    comes after it is swallowed, and the sink raises it.
    """

    failed: OSError | None = None

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B")
        done = 0
        try:
            while self.failed is None and done < len(view):
                done += super().write(view[done:]) or 0
        except OSError as error:
            self.failed = error
        return len(view)

    def truncate(self, size: int | None = None) -> int:
        try:
            if self.failed is None:
                return super().truncate(size)
        except OSError as error:
            self.failed = error
        return size or 0


def _state(path: Path) -> tuple[int, int, int] | None:
    try:
        stat = path.stat()
    except FileNotFoundError:
        return None
    return stat.st_ino, stat.st_size, stat.st_mtime_ns


def write_attributes(dataset: Any, spec: ImageSpec) -> None:
    """Write what ilastik writes beside the pixels; labels without a mode get random colours."""
    extra = spec.extra
    notes = extra.other.get("axis_descriptions", {})
    dataset.attrs["axistags"] = axistags_json(spec.axes, notes if isinstance(notes, dict) else {})
    for i, axis in enumerate(spec.axes):
        dataset.dims[i].label = axis.key
    units = {axis.key: axis.unit for axis in spec.axes if axis.unit != PIXEL}
    if units:
        dataset.attrs["axis_units"] = json.dumps(units)
    if extra.info or extra.properties or any(axis.origin for axis in spec.axes):
        said = json.dumps(said_of(spec))
        if len(said) > _LARGEST_ATTRIBUTE:
            said = json.dumps(said_of(replace(spec, extra=replace(extra, info=""))))
        if len(said) <= _LARGEST_ATTRIBUTE:
            dataset.attrs[CARRIED] = said
    mode = "random-colortable" if spec.role == "labels" else "default"
    dataset.attrs["display_mode"] = extra.display_mode or mode
    if extra.drange is not None:
        values = np.asarray(extra.drange)
        with np.errstate(all="ignore"):
            cast = values.astype(spec.dtype)
        # a range beyond the dtype keeps its numbers
        dataset.attrs["drange"] = cast if np.array_equal(cast, values) else values
