"""Neuroglancer Precomputed volumes, read through tensorstore; local folders with an ``info`` file.

The scales are the levels of the image, by number or key. Resolutions are nanometers, the origin is
``voxel_offset`` times the resolution. Raw, jpeg, png and compressed_segmentation chunks, sharded
or not. A volume of the type ``segmentation`` holds labels. There is no writer.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fijibridge.errors import (
    FijiBridgeError,
    FormatError,
    MissingDependencyError,
    SettingsError,
)
from fijibridge.formats._format import Finding, Format, ReadOptions
from fijibridge.formats._image_info import describe_spec
from fijibridge.formats._lazy import GIB, LazySource, first_line
from fijibridge.formats._tiff.arrays import TransposedArray
from fijibridge.formats._tiff.axes import rename_axes
from fijibridge.model import Axes, Axis, ImageSpec, Level, Role
from fijibridge.model.json_text import parse_json

if TYPE_CHECKING:
    from pathlib import Path

    from fijibridge.formats._location import Location
    from fijibridge.model import ImageSource

__all__ = ["FORMAT"]

_LARGEST_INFO = 2**24
_DTYPES = frozenset({"uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "float32"})
#: What the codecs reach on pixels that are all the same.
_LARGEST_RATIO = 5000
_TYPE = "neuroglancer_multiscale_volume"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scale:
    key: str
    axes: Axes
    chunk: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Info:
    """What the ``info`` file says; axes are z, y, x, with c in front where there are several."""

    dtype: np.dtype[Any]
    role: Role
    scales: tuple[_Scale, ...]


def _json(folder: Path) -> Any:
    with (folder / "info").open("rb") as file:
        return parse_json(file.read(_LARGEST_INFO))


def _sniff(path: Path, head: bytes, /) -> bool:
    del head
    if not (path / "info").is_file():
        # the path may name a level: volume/16_16_40
        return path.is_dir() and (path.parent / "info").is_file() and _sniff(path.parent, b"")
    try:
        found = _json(path)
    except (OSError, ValueError, RecursionError):
        return path.name.lower().endswith(".precomputed")
    return isinstance(found, dict) and "scales" in found and "data_type" in found


def _info(folder: Path) -> _Info:
    what = str(folder / "info")
    try:
        found = _json(folder)
        dtype = str(found["data_type"])
        channels = int(found["num_channels"])
        _check_kind(found.get("@type", _TYPE), dtype, channels, what)
        scales = tuple(_scale(entry, channels) for entry in found["scales"])
        largest = max(math.prod(scale.chunk) for scale in scales) * np.dtype(dtype).itemsize
    except FijiBridgeError as error:
        if isinstance(error, FormatError):
            raise
        raise FormatError(f"{what!r} is broken: {error}") from error
    except Exception as error:
        # whatever a hostile file can make of indexing and arithmetic
        raise FormatError(
            f"{what!r} does not describe a volume: {first_line(error)}.", "Copy it again."
        ) from error
    if largest > GIB:
        raise FormatError(f"{what!r} says that its chunks have {largest} bytes, more than 1 GiB.")
    role: Role = "labels" if found.get("type") == "segmentation" else "intensity"
    return _Info(dtype=np.dtype(dtype), role=role, scales=scales)


def _check_kind(kind: Any, dtype: str, channels: int, what: str) -> None:
    if kind != _TYPE or dtype not in _DTYPES or channels < 1:
        raise FormatError(
            f"{what!r} is no volume that is read here: {kind!r} of {channels} channels of {dtype}."
        )


def _scale(entry: dict[str, Any], channels: int) -> _Scale:
    size = [int(n) for n in entry["size"]]
    steps = [float(v) for v in entry["resolution"]]
    offset = [int(n) for n in entry.get("voxel_offset", (0, 0, 0))]
    chunk = [int(n) for n in entry["chunk_sizes"][0]]
    if not len(size) == len(steps) == len(offset) == len(chunk) == 3 or min(*size, *chunk) < 1:
        raise FormatError(f"A scale has the size {size} and the chunks {chunk}; each is x, y, z.")
    axes = [
        Axis(key, n, step, "nanometer", begin * step)
        for key, n, step, begin in zip("xyz", size, steps, offset, strict=True)
    ]
    axes += [Axis("c", channels)] if channels > 1 else []
    chunk += [channels] if channels > 1 else []
    return _Scale(key=str(entry["key"]), axes=Axes(tuple(axes[::-1])), chunk=tuple(chunk[::-1]))


def _tensorstore() -> Any:
    try:
        import tensorstore
    except ImportError:
        raise MissingDependencyError("tensorstore", "volumes", "Neuroglancer Precomputed") from None
    return tensorstore


class _Volume:
    """A scale as tensorstore opens it, (x, y, z, c); places count from 0, not from the offset."""

    def __init__(self, store: Any, chunk: tuple[int, ...], *, channels: bool) -> None:
        self._store = store
        self._origin = tuple(store.domain.origin)
        self._channels = channels
        self.chunks = chunk[::-1]

    def __getitem__(self, slices: tuple[slice, ...]) -> np.ndarray:
        at = slices if self._channels else (*slices, slice(0, 1))
        box = zip(at, self._origin, strict=True)
        index = tuple(slice(s.start + o, s.stop + o) for s, o in box)
        found = np.asarray(self._store[index].read().result())
        return found if self._channels else found[..., 0]


def _chosen(info: _Info, asked: int | str, what: str) -> int:
    keys = [scale.key for scale in info.scales]
    if asked in keys:
        return keys.index(str(asked))
    if re.fullmatch(r"-?\d{1,4}", str(asked)) and -len(keys) <= int(asked) < len(keys):
        return int(asked) % len(keys)
    raise SettingsError(
        f"{what} has no level {asked!r}; it has {', '.join(keys)}.",
        f"Choose one by name, or by number, 0 to {len(keys) - 1}.",
    )


def _open(where: Location, options: ReadOptions, /) -> ImageSource:
    what = repr(str(where))
    folder = where.path / where.inner if where.inner else where.path
    asked = options.level
    if not (folder / "info").exists() and (folder.parent / "info").exists():
        asked, folder = folder.name, folder.parent  # the path names a level
    info = _info(folder)
    level = _chosen(info, asked, what)
    scale = info.scales[level]
    ts = _tensorstore()
    try:
        store = ts.open(
            {
                "driver": "neuroglancer_precomputed",
                "kvstore": {"driver": "file", "path": str(folder.absolute())},
                "scale_index": level,
            },
            open=True,
            read=True,
        ).result()
    except Exception as error:
        # tensorstore raises ValueError and others
        raise FormatError(f"{what} cannot be opened: {first_line(error)}.") from error
    axes = scale.axes if options.axes is None else rename_axes(scale.axes, options.axes)
    shape = tuple(reversed(store.shape))
    if shape[1:] != scale.axes.shape[-3:]:
        raise FormatError(f"{what} has the shape {shape}; its info says {scale.axes.shape}.")
    several = len(info.scales) > 1 and options.axes is None
    spec = ImageSpec(
        axes=axes,
        dtype=info.dtype,
        role=options.role or info.role,
        name=folder.name,
        scales=tuple(Level(s.key, s.axes) for s in info.scales) if several else (),
    )

    def guard(nbytes: int) -> None:
        if nbytes <= GIB:
            return
        files = (folder / scale.key).rglob("*")
        stored = sum(f.stat().st_size for f in files if f.is_file())
        if nbytes > stored * _LARGEST_RATIO + GIB:
            raise FormatError(
                f"{what} says that it is {scale.axes.shape} ({nbytes / GIB:.1f} GiB asked for), "
                f"but it holds {stored} bytes of it.",
                "It is damaged or incomplete. Read a region of it, if it is right.",
            )

    volume = _Volume(store, scale.chunk, channels="c" in scale.axes)
    array = TransposedArray(volume, tuple(reversed(range(len(axes)))))
    return LazySource(spec, array, what, close=lambda: None, guard=guard)


def _describe(where: Location, /) -> dict[str, Any]:
    source = _open(where, ReadOptions())
    return {"format": "Neuroglancer Precomputed", **describe_spec(source.spec)}


def _validate(where: Location, /) -> list[Finding]:
    try:
        info = _info(where.path / where.inner)
        for scale in info.scales:
            _open(where, ReadOptions(level=scale.key))
    except FijiBridgeError as error:
        return [Finding("error", str(error))]
    return []


FORMAT = Format(
    name="precomputed",
    suffixes=(".precomputed",),
    title="Neuroglancer Precomputed",
    sniff=_sniff,
    open_image=_open,
    describe=_describe,
    validate=_validate,
    dtypes=_DTYPES,
    folder=True,
    extra="volumes",
)
