"""Write an image as a group of a Zarr store, with all its levels.

Level 0 is taken block by block; the other levels grow with it (see `cascade`; what a coarser level
is belongs to `fijibridge.model.scaling`, so that every caller of the shelf gets a whole pyramid).
`commit` completes them, writes the metadata and renames the group in. So memory is bounded by a few
chunks, nothing is read twice, and nothing is visible before.

Chunks are powers of two, 2 million pixels at most (128 x 128 x 128 in volumes, 1024 x 1024 in
planes), t and c one by one; every level has the same, so a chunk is made of whole chunks.
"""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from fijibridge.errors import SettingsError, UnsupportedError
from fijibridge.formats._lazy import check_region, first_line
from fijibridge.formats._memory import ThreadMemory
from fijibridge.formats._target import Staged, target_errors
from fijibridge.formats._zarr.cascade import Cascade
from fijibridge.formats._zarr.chunks import LEVELS, ChunkFiles
from fijibridge.formats._zarr.meta import (
    ORDER,
    check_with_models,
    default_color,
    group_attributes,
    set_attributes,
)
from fijibridge.formats._zarr.target import Target
from fijibridge.model import Axes, Region
from fijibridge.model.scaling import coarser, level_axes, scaling_for
from fijibridge.model.units import PIXEL

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from fijibridge.formats._format import WriteOptions
    from fijibridge.formats._location import Location
    from fijibridge.model import ImageSpec

__all__ = ["COMPRESSIONS", "DTYPES", "VERSIONS", "ZarrSink", "check_image", "chunk_shape"]

DTYPES = frozenset(
    (
        *("uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64"),
        *("float16", "float32", "float64"),
    )
)
COMPRESSIONS = tuple(LEVELS)
VERSIONS = ("0.4", "0.5")
_CHUNK_PIXELS = 1 << 21
_CHUNK_EDGE = 1024
_MAX_COLORS = 1024
_COLOR_LABELS = 1 << 16


def chunk_shape(axes: Axes) -> tuple[int, ...]:
    """Return the chunk shape: even edges, equal as far as the axes are long enough.

    Examples
    --------
    >>> chunk_shape(Axes.of("czyx", (2, 300, 900, 900))), chunk_shape(Axes.of("yx", (5000, 5000)))
    ((1, 128, 128, 128), (1024, 1024))
    """
    edge = [1] * len(axes)
    pixels = 1
    while True:
        able = [
            i
            for i, axis in enumerate(axes)
            if axis.key in "zyx" and edge[i] < min(axis.size, _CHUNK_EDGE)
        ]
        if not able or 2 * pixels > _CHUNK_PIXELS:
            return tuple(max(1, min(e, a.size)) for e, a in zip(edge, axes, strict=True))
        shortest = min(edge[i] for i in able)
        edge[max(i for i in able if edge[i] == shortest)] *= 2
        pixels *= 2


def check_image(spec: ImageSpec, options: WriteOptions) -> None:
    """Raise when OME-Zarr cannot hold an image or an option is unknown."""
    if spec.dtype.name not in DTYPES:
        raise UnsupportedError(
            f"OME-Zarr holds no pixels of {spec.dtype}; allowed are {', '.join(sorted(DTYPES))}."
        )
    if not {"x", "y"} <= set(spec.axes.keys):
        raise UnsupportedError(
            f"OME-Zarr images have the axes y and x; this one has {spec.axes.keys!r}.",
            "Use .h5 or .npy, or name the axes otherwise.",
        )
    if spec.role == "labels" and spec.dtype.kind == "f":
        raise UnsupportedError(f"Labels in OME-Zarr are integers; the image is {spec.dtype}.")
    if options.compression not in (None, *COMPRESSIONS):
        raise SettingsError(
            f"OME-Zarr compression {options.compression!r} is unknown. "
            f"Allowed are {', '.join(COMPRESSIONS)}."
        )
    if options.version not in (None, *VERSIONS):
        raise SettingsError(
            f"OME-Zarr version {options.version!r} is not written. Allowed are 0.4 and 0.5."
        )
    if options.chunks is not None and (
        len(options.chunks) != len(spec.shape) or min(options.chunks) < 1
    ):
        raise SettingsError(
            f"chunks {options.chunks} do not fit the axes {spec.axes.keys!r}; "
            "give one number, 1 or more, for each axis."
        )
    if 0 in spec.shape:
        raise UnsupportedError(
            f"An empty image (shape {spec.shape}) cannot be written to OME-Zarr.",
            "Use .npy or .h5, or check what made it.",
        )
    scaling_for(spec.role, options.downscale)


class ZarrSink:
    """Takes blocks of level 0 in the spec's axes; thread-safe."""

    def __init__(self, where: Location, spec: ImageSpec, options: WriteOptions) -> None:
        check_image(spec, options)
        self._target = Target(where, spec, options)
        self._spec = spec
        self._scaling = scaling_for(spec.role, options.downscale)
        keys = [k for k in ORDER if k in spec.axes]
        self._order = [spec.axes.keys.index(k) for k in keys]
        axes = _where_the_image_lies(spec.axes.reorder("".join(keys)), self._target.image_axes)
        self._levels = _level_plan(axes, spec, self._target)[: options.levels]
        chunk = chunk_shape(axes)
        if options.chunks is not None:
            chunk = tuple(min(options.chunks[i], spec.shape[i]) for i in self._order)
        self._chunk = chunk
        self._compression = options.compression or "lz4"
        wanted = options.lut == "glasbey" and spec.role == "labels"
        self._seen = np.zeros(_COLOR_LABELS, bool) if wanted else None
        self._cascade: Cascade | None = None
        self._stage = Staged(self._target.stage_at, overwrite=options.overwrite)
        try:
            with target_errors(self._stage.target):
                self._create()
        except BaseException:
            self.abort()
            raise

    #: Blocks may hold parts of chunks: those wait until they are whole.
    takes_parts = True

    @property
    def chunks(self) -> tuple[int, ...]:
        """Shape of the blocks that are written fastest, in the spec's axes."""
        chunk = [1] * len(self._chunk)
        for place, i in enumerate(self._order):
            chunk[i] = self._chunk[place]
        return tuple(chunk)

    @property
    def depth_first(self) -> bool:
        """Whether blocks best come in the order of an octree: levels grow with them."""
        return len(self._levels) > 1

    @property
    def linked(self) -> bool:
        """Whether levels need pixels over the edges of blocks: large blocks have fewer."""
        return self.depth_first and self._scaling == "linear"

    def expect(self, regions: Iterable[Region]) -> None:
        """Say in which blocks the image will come, before the first (see `Cascade.expect`)."""
        assert self._cascade is not None  # noqa: S101  # made in __init__
        self._cascade.expect(map(self._placed, regions))

    def _placed(self, region: Region) -> Region:
        """Return a region in the order of the store."""
        return Region(
            tuple(region.start[i] for i in self._order), tuple(region.stop[i] for i in self._order)
        )

    @property
    def _folder(self) -> Path:
        return self._stage.path.joinpath(*self._target.below)

    def _create(self) -> None:
        import zarr

        target = self._target
        self._stage.path.mkdir()
        for folder in (self._stage.path, *_steps(self._stage.path, target.below)):
            set_attributes(folder, target.zarr_format, {})
        group = zarr.open_group(self._folder, mode="r+", use_consolidated=False)
        more: dict[str, Any] = {"compressors": _compressor(self._compression, target.zarr_format)}
        if target.zarr_format == 2:
            more["chunk_key_encoding"] = {"name": "v2", "separator": "/"}
        else:
            more["dimension_names"] = list(self._levels[0][1].keys)
        self._arrays = [
            group.create_array(
                path,
                shape=axes.shape,
                chunks=tuple(min(c, n) for c, n in zip(self._chunk, axes.shape, strict=True)),
                dtype=self._spec.dtype,
                fill_value=0,
                **more,
            )
            for path, axes in self._levels
        ]
        memory = ThreadMemory()
        files = [
            ChunkFiles(
                self._folder / path,
                array.shape,
                array.chunks,
                self._spec.dtype,
                codec=self._compression,
                zarr_format=target.zarr_format,
                memory=memory,
            )
            for (path, _), array in zip(self._levels, self._arrays, strict=True)
        ]
        self._cascade = Cascade(files, self._scaling, self._stage.path.parent)

    def write(self, region: Region, block: np.ndarray) -> None:
        check_region(region, self._spec.shape, f"the target {str(self._target)!r}")
        if block.shape != region.shape:
            raise SettingsError(
                f"A block of the shape {block.shape} does not fill the region "
                f"{region.start} to {region.stop}."
            )
        if block.size == 0:
            return
        block = block.astype(self._spec.dtype, copy=False)
        self._note_labels(block)
        with target_errors(self._stage.target):
            assert self._cascade is not None  # noqa: S101  # made in __init__
            self._cascade.write(self._placed(region), block.transpose(self._order))

    def _note_labels(self, block: np.ndarray) -> None:
        """Remember which labels there are, for their colours, as long as they are few."""
        if self._seen is None:
            return
        if int(block.max()) >= _COLOR_LABELS or int(block.min()) < 0:
            self._seen = None
            return
        self._seen[block.reshape(-1)] = True

    def share(self) -> ChunkWriter:
        """Return what writes blocks of whole chunks from any process that sees the folder."""
        assert self._cascade is not None  # noqa: S101  # made in __init__
        return ChunkWriter(
            self._cascade.largest, self._spec.dtype, tuple(self._order), self._seen is not None
        )

    def absorb(self, labels: np.ndarray | None) -> None:
        """Take what `ChunkWriter.write` returned for a block that was written elsewhere."""
        assert self._cascade is not None  # noqa: S101  # made in __init__
        self._cascade.made_elsewhere()
        if labels is not None:
            self._note_labels(labels)

    def commit(self) -> None:
        target = self._target
        with target_errors(self._stage.target):
            assert self._cascade is not None  # noqa: S101  # made in __init__
            self._cascade.finish()
            self._write_metadata()
            target.carry_over(self._stage.path)
        target.check_unchanged()
        self._stage.commit()
        target.announce()

    def _write_metadata(self) -> None:
        target, spec = self._target, self._spec
        attributes = group_attributes(
            spec,
            self._levels,
            target.version,
            self._scaling,
            label_source=target.label_source,
            label_colors=self._colors(),
        )
        set_attributes(self._folder, target.zarr_format, attributes)
        ilastik: dict[str, Any] = {}
        if spec.extra.drange is not None:
            ilastik["drange"] = list(spec.extra.drange)
        if spec.extra.display_mode:
            ilastik["display_mode"] = spec.extra.display_mode
        if ilastik:
            for array in self._arrays:
                array.attrs.update(ilastik)
        try:
            check_with_models(self._folder, target.version, labels=spec.role == "labels")
        except Exception as error:
            raise UnsupportedError(
                f"OME-Zarr {target.version} cannot hold the metadata of this image: "
                f"{first_line(error)}."
            ) from error
        target.list_label(self._stage.path)

    def _colors(self) -> dict[int, tuple[int, ...]]:
        """Return the colours the labels came with, else made ones when there are few labels."""
        given = self._spec.extra.label_colors
        if given or self._seen is None:
            return dict(given)
        values = np.flatnonzero(self._seen)
        values = values[values != 0]
        if len(values) > _MAX_COLORS:
            return {}
        return {int(v): default_color(int(v)) for v in values}

    def abort(self) -> None:
        if self._cascade is not None:
            self._cascade.close()
        self._stage.abort()
        self._target.clean()


class ChunkWriter:
    """Writes blocks of whole chunks of the largest level, in any process.

    Parameters
    ----------
    files
        The chunks.
    dtype
        Of the pixels.
    order
        Axes of the store as places in the order of the blocks.
    noting
        Labels are told, for their colours.
    """

    def __init__(
        self, files: ChunkFiles, dtype: np.dtype[Any], order: tuple[int, ...], noting: bool
    ) -> None:
        self._files, self._dtype, self._order, self._noting = files, dtype, order, noting

    def write(self, region: Region, block: np.ndarray) -> np.ndarray | None:
        """Write a block, given in the order of the spec's axes; return its labels, if wanted."""
        block = block.astype(self._dtype, copy=False)
        data = block.transpose(self._order)
        start = [region.start[i] for i in self._order]
        steps = self._files.chunk
        for first in itertools.product(
            *(range(0, n, c) for n, c in zip(data.shape, steps, strict=True))
        ):
            last = [min(a + c, n) for a, c, n in zip(first, steps, data.shape, strict=True)]
            box = tuple(map(slice, first, last))
            low = tuple(a + o for a, o in zip(first, start, strict=True))
            high = tuple(b + o for b, o in zip(last, start, strict=True))
            self._files.put(Region(low, high), data[box])
        if not self._noting:
            return None
        found: np.ndarray = np.unique(block)
        return found[:: max(1, len(found) - 1)] if len(found) > _COLOR_LABELS else found


def _steps(folder: Path, below: tuple[str, ...]) -> list[Path]:
    return [folder.joinpath(*below[: i + 1]) for i in range(len(below))]


def _where_the_image_lies(axes: Axes, image: Axes | None) -> Axes:
    """Return label axes that lie on their image.

    Labels without any calibration and of the image's size take its pixel size and origin; in any
    other case they say themselves where they lie.
    """
    own = [axis for axis in axes if axis.key in "zyx"]
    if (
        image is None
        or any((a.scale, a.origin, a.unit) != (1.0, 0.0, PIXEL) for a in own)
        or any(a.size != image.size(a.key) for a in own)
    ):
        return axes
    items = [replace(image[a.key], size=a.size) if a.key in image else a for a in axes]
    return Axes(tuple(items))


def _level_plan(axes: Axes, spec: ImageSpec, target: Target) -> list[tuple[str, Axes]]:
    """Return (path, axes) of each level.

    A label image has the levels of the image beside it, an image that came from a multiscale file
    has that file's; others are halved until none of their axes is longer than 128.
    """
    if target.image_levels:
        first = target.image_levels[0][1]
        levels = [axes]
        for _, shape in target.image_levels[1:]:
            sizes = [
                max(1, a.size * shape[a.key] // first[a.key]) if a.key in first else a.size
                for a in axes
            ]
            sizes = [min(n, a.size) for n, a in zip(sizes, levels[-1], strict=True)]
            levels.append(coarser(levels[-1], sizes))
        paths = [path for path, _ in target.image_levels]
        return list(zip(paths, levels, strict=True))
    given = [
        (level.name, level.axes) for level in spec.scales if set(level.axes.keys) == set(axes.keys)
    ]
    sizes_of = [tuple(a.size(k) for k in axes.keys) for _, a in given]
    if axes.shape in sizes_of and len(given) > 1:
        at = sizes_of.index(axes.shape)
        rest, names = sizes_of[at:], [name for name, _ in given[at:]]
        good = all(
            all(1 <= b <= a for a, b in zip(one, two, strict=True))
            for one, two in itertools.pairwise(rest)
        )
        plain = all(n and not n.startswith(".") and "/" not in n for n in names)
        if good and plain and len(rest) > 1:
            levels = [axes]
            for shape_of in rest[1:]:
                levels.append(coarser(levels[-1], shape_of))
            return list(zip(names, levels, strict=True))
    return [(f"s{i}", level) for i, level in enumerate(level_axes(axes))]


def _compressor(name: str, zarr_format: int) -> Any:
    if name == "none":
        return None
    level = LEVELS[name]
    if zarr_format == 2:
        from numcodecs import Blosc

        return Blosc(cname=name, clevel=level, shuffle=Blosc.SHUFFLE)
    from zarr.codecs import BloscCodec

    return BloscCodec(cname=name, clevel=level, shuffle="shuffle")
