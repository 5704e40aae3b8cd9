"""What happens to pixels between source and sink, one small value each.

A step says what an image becomes (`describe`), which part of its input a part of its output is
made of (`pull`), and makes it (`apply`). So a dry run, a preview and any cutting into blocks come
for free, and block-wise is the same as whole.

Safe arithmetic is the default: float64 or exact integers, rounding half to even, saturation at the
ends of the type, NaN to 0 in integers, all counted in a `Tally`. With ``exact=True`` it is
ilastik's (spec/ilastik-export.md 3), including what numpy 1.24 made of Python's numbers: int to int
truncates, values out of range wrap, the ratio is a float32.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from fijibridge.errors import SettingsError
from fijibridge.model import Axes, Region

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fijibridge.model import Extra, ImageSpec

__all__ = [
    "Convert",
    "KeepLabels",
    "Rename",
    "Renormalize",
    "Step",
    "Subregion",
    "Tally",
    "Transpose",
    "apply_all",
    "describe_all",
    "legacy_type",
    "pull_all",
]


@dataclass(slots=True)
class Tally:
    """How many values had to give way; filled from any thread."""

    saturated: int = 0
    nans: int = 0
    _lock: Any = field(default_factory=threading.Lock, repr=False, compare=False)

    def add(self, *, saturated: int = 0, nans: int = 0) -> None:
        """Count."""
        if saturated or nans:
            with self._lock:
                self.saturated += saturated
                self.nans += nans


class Step(Protocol):
    """One thing that is done to an image."""

    def describe(self, spec: ImageSpec, /) -> ImageSpec:
        """Return what the image becomes."""
        ...

    def pull(self, region: Region, /) -> Region:
        """Return the part of the input that a part of the output is made of."""
        ...

    def apply(self, block: np.ndarray, tally: Tally, /) -> np.ndarray:
        """Return the output of a block that was read from ``pull(region)``."""
        ...


def describe_all(steps: Sequence[Step], spec: ImageSpec) -> ImageSpec:
    """Return what an image is after all steps."""
    for step in steps:
        spec = step.describe(spec)
    return spec


def pull_all(steps: Sequence[Step], region: Region) -> Region:
    """Return the part of the source that a part of the end is made of."""
    for step in reversed(steps):
        region = step.pull(region)
    return region


def apply_all(steps: Sequence[Step], block: np.ndarray, tally: Tally) -> np.ndarray:
    """Return a block after all steps."""
    for step in steps:
        block = step.apply(block, tally)
    return block


@dataclass(frozen=True, slots=True)
class Subregion:
    """A box of the image; origins move with it."""

    region: Region

    def describe(self, spec: ImageSpec, /) -> ImageSpec:
        if self.region == Region.whole(spec.shape):
            return spec
        axes = spec.axes.crop(self.region)
        return replace(spec, axes=axes, extra=_cropped(spec.extra, spec.axes, self.region))

    def pull(self, region: Region, /) -> Region:
        start = self.region.start
        return Region(
            tuple(a + o for a, o in zip(region.start, start, strict=True)),
            tuple(b + o for b, o in zip(region.stop, start, strict=True)),
        )

    def apply(self, block: np.ndarray, _tally: Tally, /) -> np.ndarray:
        return block


def _cropped(extra: Extra, axes: Axes, region: Region) -> Extra:
    """Return what still holds for a part: channels chosen, planes chosen, drawings left out."""
    chosen = {a.key: range(p, q) for a, p, q in zip(axes, region.start, region.stop, strict=True)}
    c, z, t = (chosen.get(key, range(1)) for key in "czt")
    n, depth = axes.size("c"), axes.size("z")

    def channels(values: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(values[i] for i in c) if len(values) == n else values

    labels = extra.slice_labels
    if len(labels) == n * depth * axes.size("t"):
        labels = tuple(labels[(k * depth + j) * n + i] for k in t for j in z for i in c)
    else:
        labels = ()
    return replace(
        extra,
        channel_names=channels(extra.channel_names),
        display_ranges=channels(extra.display_ranges),
        luts=channels(extra.luts),
        slice_labels=labels,
        rgb=extra.rgb and len(c) == n,
        overlay=None,
        ome_xml="",
    )


def legacy_type(dtype: np.dtype[Any], value: float | np.floating[Any]) -> np.dtype[Any]:
    """Return the type of ``array (op) number`` in numpy 1.24, where the number's value mattered.

    Examples
    --------
    >>> [str(legacy_type(np.dtype(d), v)) for d, v in (("u2", 5), ("u2", -5), ("u2", 5.0))]
    ['uint16', 'int32', 'float64']
    >>> str(legacy_type(np.dtype("f4"), 0.1)), str(legacy_type(np.dtype("u1"), np.float32(2)))
    ('float32', 'float32')
    """
    whole = isinstance(value, int)
    if dtype.kind in "iu" and not whole:
        return np.promote_types(dtype, getattr(value, "dtype", np.float64))
    least = np.min_scalar_type(value)
    if whole and dtype.kind == "i" and value >= 0:
        signed = np.dtype(f"i{least.itemsize}")
        if value <= np.iinfo(signed).max:
            least = signed
    return np.promote_types(dtype, least)


def _cast_wrapping(block: np.ndarray, dtype: np.dtype[Any]) -> np.ndarray:
    """Cast as C does: towards zero, modulo."""
    with np.errstate(all="ignore"):
        if dtype == np.uint32 and block.dtype.kind == "f":
            # numpy answers otherwise for eight values at once than for one
            block = block.astype(np.int64)
        return block.astype(dtype)


def _cast_safely(block: np.ndarray, dtype: np.dtype[Any], tally: Tally) -> np.ndarray:
    """Cast to the nearest value that the type has, half to even."""
    if block.dtype == dtype:
        return block
    if dtype.kind == "f":
        return _to_float(block, dtype, tally)
    info = np.iinfo(dtype)
    if block.dtype.kind in "iu":
        given = np.iinfo(block.dtype)
        low, high = max(int(info.min), int(given.min)), min(int(info.max), int(given.max))
        if (low, high) != (int(given.min), int(given.max)):
            wrong = (block < low) | (block > high)
            tally.add(saturated=int(np.count_nonzero(wrong)))
            block = np.clip(block, block.dtype.type(low), block.dtype.type(high))
        return block.astype(dtype)
    nan = np.isnan(block)
    nans = int(np.count_nonzero(nan))
    # every integer of 32 bits and the ends of 64 bits plus one are float64 numbers
    work = np.rint(block.astype(np.float64))
    if nans:
        work[nan] = 0
    below, above = work < float(info.min), work >= float(int(info.max) + 1)
    tally.add(nans=nans, saturated=int(np.count_nonzero(below)) + int(np.count_nonzero(above)))
    work[below | above] = 0
    out = work.astype(dtype)
    out[below], out[above] = info.min, info.max
    return out


def _to_float(block: np.ndarray, dtype: np.dtype[Any], tally: Tally) -> np.ndarray:
    if block.dtype.kind in "iu" or block.dtype.itemsize <= dtype.itemsize:
        return block.astype(dtype)
    with np.errstate(over="ignore"):
        out = block.astype(dtype)
    wrong = np.isinf(out) & np.isfinite(block)
    n = int(np.count_nonzero(wrong))
    if n:
        tally.add(saturated=n)
        out[wrong] = np.copysign(np.finfo(dtype).max, block[wrong]).astype(dtype)
    return out


@dataclass(frozen=True, slots=True)
class Convert:
    """Another pixel type.

    Parameters
    ----------
    dtype
        The new type.
    exact
        ilastik's arithmetic: towards zero, wrapping.
    """

    dtype: np.dtype[Any]
    exact: bool = False

    def describe(self, spec: ImageSpec, /) -> ImageSpec:
        extra = spec.extra
        if self.exact and extra.drange is not None:
            extra = replace(extra, drange=_numbers(self.apply(np.array(extra.drange), Tally())))
        if not self.exact and self.dtype != spec.dtype:
            extra = replace(extra, valuation=None)
        return replace(spec, dtype=self.dtype, extra=extra)

    def pull(self, region: Region, /) -> Region:
        return region

    def apply(self, block: np.ndarray, tally: Tally, /) -> np.ndarray:
        if self.exact:
            return _cast_wrapping(block, self.dtype)
        return _cast_safely(block, self.dtype, tally)


@dataclass(frozen=True, slots=True)
class KeepLabels:
    """Labels in another pixel type; one that would become another label is an error."""

    dtype: np.dtype[Any]

    def describe(self, spec: ImageSpec, /) -> ImageSpec:
        return replace(spec, dtype=self.dtype)

    def pull(self, region: Region, /) -> Region:
        return region

    def apply(self, block: np.ndarray, _tally: Tally, /) -> np.ndarray:
        low, high = _whole_range(self.dtype)
        least, most = (int(block.min()), int(block.max())) if block.size else (0, 0)
        if least < low or most > high:
            wrong = most if most > high else least
            raise SettingsError(
                f"The label {wrong} does not fit {self.dtype}, which holds whole numbers from "
                f"{low} to {high}.",
                "Choose a larger --export_dtype, or a format with larger integers: hdf5, multipage "
                "tiff or OME-Zarr.",
            )
        return block.astype(self.dtype)


def _whole_range(dtype: np.dtype[Any]) -> tuple[int, int]:
    """Return the whole numbers that a type holds, each apart from its neighbours."""
    if dtype.kind == "f":
        most = 1 << (np.finfo(dtype).nmant + 1)
        return -most, most
    info = np.iinfo(dtype)
    return int(info.min), int(info.max)


def _numbers(values: np.ndarray) -> tuple[float, float]:
    low, high = (v.item() for v in values)
    return low, high


@dataclass(frozen=True, slots=True)
class Renormalize:
    """One range of values becomes another; values outside go on along the line.

    Parameters
    ----------
    source, target
        Ranges.
    dtype
        Pixel type afterwards.
    exact
        ilastik's arithmetic.
    """

    source: tuple[float, float]
    target: tuple[float, float]
    dtype: np.dtype[Any]
    exact: bool = False

    def describe(self, spec: ImageSpec, /) -> ImageSpec:
        drange = self.target
        if self.exact:  # the numbers go through the same arithmetic as the pixels
            drange = _numbers(self.apply(np.array(self.source), Tally()))
        ranges = tuple(
            (self._along(low), self._along(high)) for low, high in spec.extra.display_ranges
        )
        extra = replace(spec.extra, drange=drange, display_ranges=ranges, valuation=None)
        role = "intensity" if spec.role == "labels" else spec.role
        return replace(spec, dtype=self.dtype, extra=extra, role=role)

    def _along(self, value: float) -> float:
        return self.target[0] + (value - self.source[0]) * self._ratio

    @property
    def _ratio(self) -> float:
        spread = float(self.source[1]) - float(self.source[0])
        if np.isclose(spread, 0.0):
            return 0.0
        return (float(self.target[1]) - float(self.target[0])) / spread

    def pull(self, region: Region, /) -> Region:
        return region

    def apply(self, block: np.ndarray, tally: Tally, /) -> np.ndarray:
        if self.exact:
            return self._as_ilastik(block)
        work = block.astype(np.float64)
        with np.errstate(invalid="ignore", over="ignore"):
            work -= self.source[0]
            work *= float(self.target[1]) - float(self.target[0])
            spread = float(self.source[1]) - float(self.source[0])
            if np.isclose(spread, 0.0):
                work[...] = 0
            else:
                # multiplied, then divided: 51 of 0-255 is 0.2, not 0.2 and a bit
                work /= spread
            work += self.target[0]
        return _cast_safely(work, self.dtype, tally)

    def _as_ilastik(self, block: np.ndarray) -> np.ndarray:
        """Source: ilastik opFormattedDataExport.normalize under numpy 1.24."""
        ratio = np.float32(self._ratio)
        low_in, low_out = self.source[0], self.target[0]
        with np.errstate(all="ignore"):
            one = legacy_type(block.dtype, low_in)
            work = block.astype(one) - np.array(low_in).astype(one)
            two = legacy_type(one, ratio)
            work = work.astype(two) * ratio.astype(two)
            three = legacy_type(two, low_out)
            work = np.array(low_out).astype(three) + work.astype(three)
            if block.dtype.kind == "f" and self.dtype.kind in "iu":
                work = np.rint(work)
        return _cast_wrapping(work, self.dtype)


@dataclass(frozen=True, slots=True)
class Transpose:
    """Another order of the axes: new ones have size 1, those of size 1 may go.

    Parameters
    ----------
    before, after
        Letters.
    """

    before: str
    after: str

    def describe(self, spec: ImageSpec, /) -> ImageSpec:
        lost = [a for a in spec.axes if a.key not in self.after and a.size != 1]
        if lost:
            sizes = ", ".join(f"{a.key} of size {a.size}" for a in lost)
            raise SettingsError(
                f"The axis order {self.after!r} leaves out {sizes}; only an axis of size 1 can be "
                "dropped.",
                "Name it in --output_axis_order, or cut one sample out with --cutout_subregion.",
            )
        return replace(spec, axes=spec.axes.reorder(self.after))

    def pull(self, region: Region, /) -> Region:
        place = {key: i for i, key in enumerate(self.after)}
        empty = 0 in region.shape

        def ends(key: str) -> tuple[int, int]:
            if key in place:
                return region.start[place[key]], region.stop[place[key]]
            return (0, 0) if empty else (0, 1)

        pairs = [ends(key) for key in self.before]
        return Region(tuple(a for a, _ in pairs), tuple(b for _, b in pairs))

    def apply(self, block: np.ndarray, _tally: Tally, /) -> np.ndarray:
        if self.before == self.after:
            return block
        kept = [key for key in self.before if key in self.after]
        index = tuple(slice(None) if key in self.after else 0 for key in self.before)
        block = block[index]
        block = block.transpose([kept.index(key) for key in self.after if key in kept])
        return block[tuple(slice(None) if key in kept else None for key in self.after)]


@dataclass(frozen=True, slots=True)
class Rename:
    """Other letters for the same axes: a plane of z and y is a picture, whose axes are y and x.

    Parameters
    ----------
    before, after
        Letters.
    """

    before: str
    after: str

    def describe(self, spec: ImageSpec, /) -> ImageSpec:
        named = zip(spec.axes, self.after, strict=True)
        return replace(spec, axes=Axes(tuple(replace(a, key=key) for a, key in named)))

    def pull(self, region: Region, /) -> Region:
        return region

    def apply(self, block: np.ndarray, _tally: Tally, /) -> np.ndarray:
        return block
