"""OME-Zarr 0.4 as ilastik's exporter lays it out, bit for bit in its pixels.

Five axes, nearly cubic chunks of about 1 MB that are the same for every level, levels that are cut
(not rounded) to whole numbers, each from the one before, pixel sizes of unscaled axes on the
multiscale itself, and the position of a cut-out there too (spec/ilastik-export.md 6). The creator
is told as this program with the version of the layout.

The arithmetic is scipy's, as cutting to whole numbers shows every last bit; it is done chunk by
chunk with what lies around, which gives the same bits as doing it at once.
"""

from __future__ import annotations

import itertools
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from fijibridge.errors import SettingsError
from fijibridge.formats._hdf5.axistags import axistags_json
from fijibridge.formats._hdf5.write import block_shape
from fijibridge.formats._lazy import check_region
from fijibridge.formats._patchwork import Patchwork
from fijibridge.formats._target import Staged, target_errors
from fijibridge.formats._zarr.chunks import ChunkFiles
from fijibridge.formats._zarr.gauss import gauss_weights
from fijibridge.formats._zarr.meta import ORDER, set_attributes
from fijibridge.model import Axes, Region
from fijibridge.model.image import Level
from fijibridge.model.scaling import scaling_for
from fijibridge.model.units import PIXEL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fijibridge.formats._format import WriteOptions
    from fijibridge.formats._location import Location
    from fijibridge.model import ImageSpec

__all__ = ["SCALED_AXES", "IlastikZarrSink", "ilastik_levels"]

#: Key of `Extra.other`: letters of the axes that are scaled in the pyramid the image came from.
SCALED_AXES = "scaled axes"
_CHUNK_BYTES = 1_024_000
_EXPORTER = 2
_TYPES = {"t": "time", "c": "channel", "z": "space", "y": "space", "x": "space"}
_METHOD = "ilastik's lazyflow.operators.opResize.OpResize is a lazy implementation of "


def _chunk(axes: Axes, itemsize: int) -> tuple[int, ...]:
    sides = block_shape(tuple(axes.size(key) for key in "zyx"), _CHUNK_BYTES // itemsize)
    return (1, 1, *sides)


def ilastik_levels(axes: Axes, itemsize: int) -> tuple[Level, ...]:
    """Return the levels that ilastik makes: halved until one chunk holds the space.

    Parameters
    ----------
    axes
        t, c, z, y, x.
    itemsize
        Bytes of a pixel.

    Examples
    --------
    >>> found = ilastik_levels(Axes.of("tczyx", (1, 1, 1, 1300, 1100)), 2)
    >>> [(level.name, level.axes.shape) for level in found]
    [('s0', (1, 1, 1, 1300, 1100)), ('s1', (1, 1, 1, 650, 550))]
    """
    chunk = _chunk(axes, itemsize)
    levels: list[Level] = []
    for i in itertools.count():
        sizes = [max(a.size >> i, 1) if a.key in "zyx" else a.size for a in axes]
        items = [
            replace(a, size=n, scale=a.scale * (a.size / n))
            for a, n in zip(axes, sizes, strict=True)
        ]
        levels.append(Level(f"s{i}", Axes(tuple(items))))
        if all(n <= c for n, c in zip(sizes[2:], chunk[2:], strict=True)):
            return tuple(levels)
    raise AssertionError  # the loop ends: sizes fall to 1


class IlastikZarrSink:
    """Takes blocks of the first level, in the order t, c, z, y, x; thread-safe."""

    def __init__(self, where: Location, spec: ImageSpec, options: WriteOptions) -> None:
        if spec.axes.keys != ORDER:
            raise SettingsError(f"ilastik's OME-Zarr has the axes tczyx, not {spec.axes.keys!r}.")
        if where.inner:
            raise SettingsError(
                f"ilastik writes no OME-Zarr inside another store: {str(where)!r}.",
                "Leave --compat out, or name a new store.",
            )
        self._spec = spec
        self._nearest = scaling_for(spec.role, options.downscale) == "nearest"
        self._levels = spec.scales or ilastik_levels(spec.axes, spec.dtype.itemsize)
        if options.levels is not None:
            self._levels = self._levels[: options.levels]
        self._chunk = _chunk(spec.axes, spec.dtype.itemsize)
        self._parts: Patchwork | None = None
        self._stage = Staged(where.path, overwrite=options.overwrite)
        try:
            with target_errors(where.path):
                self._create()
        except BaseException:
            self.abort()
            raise

    #: Blocks may hold parts of chunks: those wait until they are whole.
    takes_parts = True

    @property
    def chunks(self) -> tuple[int, ...]:
        """Shape of the blocks that are written fastest."""
        return self._chunk

    def _create(self) -> None:
        import zarr
        from numcodecs import Blosc

        self._stage.path.mkdir()
        set_attributes(self._stage.path, 2, {})
        group = zarr.open_group(self._stage.path, mode="r+", use_consolidated=False)
        self._arrays = [
            group.create_array(
                level.name,
                shape=level.axes.shape,
                chunks=self._chunk,
                dtype=self._spec.dtype,
                fill_value=0,
                compressors=Blosc(cname="lz4", clevel=5, shuffle=Blosc.SHUFFLE),
                chunk_key_encoding={"name": "v2", "separator": "/"},
            )
            for level in self._levels
        ]
        files = ChunkFiles(
            self._stage.path / self._levels[0].name,
            self._spec.shape,
            self._chunk,
            self._spec.dtype,
            codec="lz4",
            zarr_format=2,
        )
        self._parts = Patchwork(
            self._spec.shape,
            self._chunk,
            self._spec.dtype,
            self._stage.path.parent,
            put=files.put,
            patch=files.patch,
        )

    def write(self, region: Region, block: np.ndarray) -> None:
        check_region(region, self._spec.shape, f"the target {str(self._stage.target)!r}")
        if block.shape != region.shape:
            raise SettingsError(
                f"A block of the shape {block.shape} does not fill the region "
                f"{region.start} to {region.stop}."
            )
        if block.size == 0:
            return
        block = block.astype(self._spec.dtype, copy=False)
        assert self._parts is not None  # noqa: S101  # made in __init__
        with target_errors(self._stage.target):
            self._parts.write(region, block)

    def commit(self) -> None:
        try:
            with target_errors(self._stage.target):
                assert self._parts is not None  # noqa: S101  # made in __init__
                self._parts.finish()
                for finer, coarser in itertools.pairwise(self._arrays):
                    self._reduce(finer, coarser)
                self._write_metadata()
            self._stage.commit()
        except BaseException:
            self.abort()
            raise

    def _reduce(self, finer: Any, coarser: Any) -> None:
        shape, step = coarser.shape, self._chunk

        def one(start: tuple[int, ...]) -> None:
            stop = tuple(min(a + c, n) for a, c, n in zip(start, step, shape, strict=True))
            region = Region(start, stop)
            made = _resized(finer, shape, region, nearest=self._nearest)
            with np.errstate(invalid="ignore", over="ignore"):
                coarser[region.slices] = made.astype(self._spec.dtype)  # cut, as ilastik does

        starts = itertools.product(*(range(0, n, c) for n, c in zip(shape, step, strict=True)))
        with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
            for done in [pool.submit(one, start) for start in starts]:
                done.result()

    def _write_metadata(self) -> None:
        spec = self._spec
        attributes = _group_attributes(spec, self._levels, nearest=self._nearest)
        set_attributes(self._stage.path, 2, attributes)
        units = {a.key: a.unit for a in spec.axes if a.unit != PIXEL}
        more: dict[str, Any] = {"axistags": axistags_json(spec.axes)}
        if units:
            more["axis_units"] = units
        more["display_mode"] = spec.extra.display_mode or "default"
        if spec.extra.drange is not None:
            more["drange"] = list(spec.extra.drange)
        for array in self._arrays:
            array.attrs.update(more)

    def abort(self) -> None:
        if self._parts is not None:
            self._parts.close()
        self._stage.abort()


def _resized(finer: Any, shape: Sequence[int], region: Region, *, nearest: bool) -> np.ndarray:
    """Return a region of the coarser level, float64 (nearest: as stored).

    Source: ilastik's OpResize: a gaussian of sigma factor/4, mirrored, then linear at the centres.
    """
    from scipy.ndimage import correlate1d, map_coordinates

    factors = [n / m for n, m in zip(finer.shape, shape, strict=True)]
    places, box, sigmas = [], [], []
    ends = zip(factors, finer.shape, shape, region.start, region.stop, strict=True)
    for f, n, m, a, b in ends:
        first = f / 2 - 0.5
        # a last bit of a place shows where the level is cut to whole numbers
        at = np.linspace(first, first + m * f - f, m)[a:b]
        sigma = f / 4 if f > 1 and not nearest else 0.0
        reach = int(4 * sigma + 0.5) + 2
        low = max(0, int(np.floor(at[0])) - reach)
        high = min(n, int(np.floor(at[-1])) + reach + 2)
        places.append(at - low)
        box.append(slice(low, high))
        sigmas.append(sigma)
    block = np.asarray(finer[tuple(box)])
    if nearest:
        for axis, at in enumerate(places):
            index = np.clip(np.floor(at + 0.5).astype(np.intp), 0, block.shape[axis] - 1)
            block = block.take(index, axis=axis)
        return block
    work = block.astype(np.float64)
    for axis, sigma in enumerate(sigmas):
        if sigma:
            work = correlate1d(work, gauss_weights(sigma), axis, mode="mirror")
    grid = np.meshgrid(*places, indexing="ij", sparse=False)
    made: np.ndarray = map_coordinates(work, grid, order=1, mode="mirror")
    return made


def _group_attributes(spec: ImageSpec, levels: Sequence[Level], *, nearest: bool) -> dict[str, Any]:
    from fijibridge import __version__

    base = spec.axes
    scaled = set(str(spec.extra.other.get(SCALED_AXES, "")))
    scaled |= {a.key for level in levels for a in level.axes if a.size != base[a.key].size}
    axes = []
    for axis in base:
        entry = {"name": axis.key, "type": _TYPES[axis.key]}
        if axis.unit != PIXEL:
            entry["unit"] = axis.unit
        axes.append(entry)
    datasets = [
        {
            "path": level.name,
            "coordinateTransformations": [
                {
                    "type": "scale",
                    "scale": [a.scale if a.key in scaled else 1.0 for a in level.axes],
                }
            ],
        }
        for level in levels
    ]
    multiscale: dict[str, Any] = {"axes": axes, "datasets": datasets, "version": "0.4"}
    outer = [1.0 if a.key in scaled else a.scale for a in base]
    origin = [a.origin for a in base]
    if any(v != 1.0 for v in outer) or any(origin):
        steps: list[dict[str, Any]] = [{"type": "scale", "scale": outer}]
        if any(origin):
            steps.append({"type": "translation", "translation": origin})
        multiscale["coordinateTransformations"] = steps
    if any(level.axes.shape != base.shape for level in levels):
        method = "skimage.transform.resize"
        multiscale["metadata"] = {
            "description": f"{_METHOD}{method}.",
            "method": method,
            "version": "0.24.0",
            "kwargs": {
                "order": 0 if nearest else 1,
                "anti_aliasing": True,
                "preserve_range": True,
            },
        }
    creator = {
        "name": "fijibridge",
        "version": __version__,
        "ome_zarr_exporter_version": _EXPORTER,
    }
    return {"_creator": creator, "multiscales": [multiscale]}
