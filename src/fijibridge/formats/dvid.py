"""Volumes on a DVID server, written through its HTTP API: ``http://HOST/api/node/UUID/NAME``.

Grey values of 8 bits become an instance of the type ``uint8blk``, labels one of ``labelblk``
(64 bits). A volume lies where its origin says, in voxels; DVID takes whole blocks of 32 voxels a
side, so what is beside the volume in its outer blocks is 0 in a new instance and stays what it was
in an existing one.

The server knows no renaming, so this target alone does not appear all at once: everything is
gathered in a file first and sent when it is whole; a server that stops in the middle keeps what
it got. An existing instance is refused, unless overwriting is asked for; then the volume is put
into it. An instance that this run has made stays there, as deleting one takes the rights of an
administrator.

Source: DVID's help pages of imageblk and labelblk; ilastik's OpExportDvidVolume for the address.
"""

from __future__ import annotations

import itertools
import math
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fijibridge.errors import SettingsError, UnsupportedError
from fijibridge.formats._blocks import BlockWriter
from fijibridge.formats._dvid.client import Address, Client, is_dvid, parse_url
from fijibridge.formats._format import Format
from fijibridge.formats._target import target_errors
from fijibridge.model.units import length_factor

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fijibridge.formats._format import WriteOptions
    from fijibridge.formats._location import Location
    from fijibridge.model import Axes, ImageSink, ImageSpec, Region

__all__ = ["FORMAT", "Address", "is_dvid", "parse_url"]

_BLOCK = 32
_ORDER = "zyx"
#: Voxels sent at a time, in whole blocks: up to 32 MB of labels.
_VOXELS = 1 << 22
_LARGEST = 2**31 - 1


def _is_labels(spec: ImageSpec) -> bool:
    return spec.role == "labels" and spec.dtype.kind in "iu"


def _offset(axes: Axes) -> tuple[int, ...]:
    """Return the voxel at which the volume begins, z, y, x."""
    return tuple(round(a.origin / a.scale) for a in (axes.get(key) for key in _ORDER))


def _check(spec: ImageSpec, options: WriteOptions, /) -> None:
    if options.compression not in (None, "none"):
        raise SettingsError(f"DVID takes no compression {options.compression!r}; leave it out.")
    axes = spec.axes
    if axes.size("t") * axes.size("c") != 1 or 0 in spec.shape:
        sizes = ", ".join(f"{a.key} of {a.size}" for a in axes)
        raise UnsupportedError(
            f"DVID holds volumes of z, y and x; what is exported has {sizes}.",
            "Cut one channel and time out with --cutout_subregion.",
        )
    if not _is_labels(spec) and spec.dtype != np.uint8:
        raise UnsupportedError(
            f"DVID holds grey values as uint8 and labels; what is exported has {spec.dtype} "
            "pixels.",
            "Say --export_dtype uint8 (with a range), or --role labels.",
        )
    if any(abs(v) > _LARGEST for v in (*_offset(axes), *spec.shape)):
        raise UnsupportedError("DVID counts voxels up to 2147483647; the volume lies beyond.")


def _settings(spec: ImageSpec) -> dict[str, str]:
    """Return the settings of a new instance; DVID keeps voxel sizes in nanometers, x first."""
    found = {"BlockSize": ",".join([str(_BLOCK)] * 3)}
    axes = [spec.axes.get(key) for key in "xyz"]
    factors = [length_factor(axis.unit, "nanometer") for axis in axes]
    known = [f for f in factors if f is not None]
    if known:
        # an axis that was not there is as thick as the others
        sizes = [a.scale * f for a, f in zip(axes, factors, strict=True) if f is not None]
        each = [sizes[0] if f is None else a.scale * f for a, f in zip(axes, factors, strict=True)]
        found["VoxelSize"] = ",".join(f"{size:.9g}" for size in each)
        found["VoxelUnits"] = "nanometers"
    return found


class DvidSink:
    """Takes blocks of one volume, from any thread; they are sent when it is whole."""

    def __init__(self, where: Location, spec: ImageSpec, options: WriteOptions) -> None:
        _check(spec, options)
        address = parse_url(str(where.path))
        self._spec = spec
        self._client = Client(address)
        self._kind = "labelblk" if _is_labels(spec) else "uint8blk"
        self._exists = self._client.check(self._kind, overwrite=options.overwrite, block=_BLOCK)
        self._folder = tempfile.TemporaryDirectory(prefix="fijibridge-dvid-")
        self._path = Path(self._folder.name) / "volume"
        self._dtype = np.dtype("<u8" if _is_labels(spec) else "u1")
        self._order = "".join(key for key in "tczyx" if key in spec.axes)
        try:
            with target_errors(self._path):
                self._path.touch()
                self._blocks = BlockWriter(self._path, 0, spec, self._order, self._dtype)
        except BaseException:
            self._folder.cleanup()
            raise

    def write(self, region: Region, block: np.ndarray) -> None:
        self._blocks.check(region, block)
        if _is_labels(self._spec) and block.size and int(block.min()) < 0:
            raise SettingsError(f"Labels must be 0 or more; the block holds {block.min()}.")
        with target_errors(self._path):
            self._blocks.write(region, block)

    def commit(self) -> None:
        try:
            self._blocks.close()
            if not self._exists:
                self._client.create(self._kind, _settings(self._spec))
            self._send()
        finally:
            self.abort()

    def _send(self) -> None:
        shape = tuple(self._spec.axes.size(key) for key in _ORDER)
        volume = np.memmap(self._path, self._dtype, "r", shape=shape)
        first = _offset(self._spec.axes)
        try:
            for start, size in _bricks(first, shape):
                box = [
                    (max(0, a - o), min(n, a + s - o))
                    for a, s, o, n in zip(start, size, first, shape, strict=True)
                ]
                there = volume[tuple(slice(low, high) for low, high in box)]
                if there.shape == size:
                    brick = np.ascontiguousarray(there)
                elif self._exists:
                    raw = self._client.get_voxels(size, start, self._dtype.itemsize)
                    brick = np.frombuffer(raw, self._dtype).reshape(size).copy()
                else:
                    brick = np.zeros(size, self._dtype)
                inside = tuple(
                    slice(low + o - a, high + o - a)
                    for (low, high), a, o in zip(box, start, first, strict=True)
                )
                if there.shape != size:
                    brick[inside] = there
                self._client.put_voxels(brick, start, mutate=self._exists)
        finally:
            del volume

    def abort(self) -> None:
        self._blocks.close()
        self._folder.cleanup()


def _bricks(
    first: tuple[int, ...], shape: tuple[int, ...]
) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Yield (start, size) of boxes of whole blocks that cover a volume, z, y, x.

    Examples
    --------
    >>> list(_bricks((0, 30, 0), (1, 4, 40)))
    [((0, 0, 0), (32, 64, 64))]
    """
    low = [a // _BLOCK for a in first]
    high = [-(-(a + n) // _BLOCK) for a, n in zip(first, shape, strict=True)]
    count = [b - a for a, b in zip(low, high, strict=True)]
    room = max(1, _VOXELS // _BLOCK**3)
    side = [1, 1, 1]
    for i in (2, 1, 0):
        side[i] = max(1, min(count[i], room // math.prod(side)))
    ranges = [range(a, b, s) for a, b, s in zip(low, high, side, strict=True)]
    for at in itertools.product(*ranges):
        size = (min(s, b - a) for a, b, s in zip(at, high, side, strict=True))
        yield tuple(a * _BLOCK for a in at), tuple(n * _BLOCK for n in size)


def _create(where: Location, spec: ImageSpec, options: WriteOptions, /) -> ImageSink:
    return DvidSink(where, spec, options)


FORMAT = Format(
    name="dvid",
    suffixes=(),
    title="DVID server",
    create_image=_create,
    check_image=_check,
    dtypes=frozenset({"uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64"}),
)
