"""What a coarser level of an image is: its sizes, where its samples lie, how they are computed.

Each level comes from the one before. An axis of n samples becomes one of n // 2; the factor is the
true ratio (129 -> 64 is 2.0156), so nothing is dropped at the edge. The samples of a level lie at
the centres of what they stand for, half a pixel off the finer grid: `Axis.origin` says so.

Every sample is a weighted sum of a few samples of each axis, added in one fixed order, so the
result does not depend on how an image is cut into blocks.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from fijibridge.errors import SettingsError
from fijibridge.model.axes import Axes, Region

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fijibridge.model.image import Role

__all__ = [
    "SCALINGS",
    "Scaling",
    "coarser",
    "level_axes",
    "reach",
    "reduce_block",
    "scaling_for",
    "support",
]

Scaling = Literal["linear", "mean", "nearest"]
SCALINGS: tuple[Scaling, ...] = ("linear", "mean", "nearest")

LONGEST = 128  # a level this long or shorter on every axis is the last
THINNEST = 16  # an axis this short is left alone: a few z planes stay what they are
_COMPILED = 1 << 15  # samples; fewer are not worth the start of the compiled loops
_KERNEL_TYPES = frozenset(
    ("uint8", "uint16", "uint32", "int8", "int16", "int32", "float32", "float64")
)
_WORK = 1 << 17  # float64 numbers worked on at a time: they fit a core's cache (2x faster)


def scaling_for(role: Role, asked: Scaling | None = None) -> Scaling:
    """Return how levels are made: as asked, else linear, for labels nearest.

    Raises
    ------
    SettingsError
        When the word is unknown, or would invent labels.
    """
    if asked not in (None, *SCALINGS):
        raise SettingsError(
            f"downscale {asked!r} is unknown. Allowed are linear, mean and nearest."
        )
    if role == "labels":
        if asked not in (None, "nearest"):
            raise SettingsError(
                f"downscale {asked!r} would make labels that are no objects; "
                "label images take nearest.",
                "Leave it out, or write with role='intensity'.",
            )
        return "nearest"
    return asked or "linear"


def coarser(axes: Axes, shape: Sequence[int]) -> Axes:
    """Return the axes of the same image with other sizes: true scales, centred samples."""
    items = []
    for axis, size in zip(axes, shape, strict=True):
        factor = axis.size / size if size else 1.0
        items.append(
            replace(
                axis,
                size=int(size),
                scale=axis.scale * factor,
                origin=axis.origin + (factor - 1) / 2 * axis.scale,
            )
        )
    return Axes(tuple(items))


def level_axes(axes: Axes, longest: int = LONGEST) -> tuple[Axes, ...]:
    """Return the axes of every level of an image, its own first.

    z, y and x are halved until none is longer than `longest`. An axis whose samples lie twice as
    far apart as the closest ones waits until the others have caught up; one of `THINNEST` samples
    or fewer is left alone.

    Examples
    --------
    >>> [level.shape for level in level_axes(Axes.of("zyx", (5, 400, 301)))]
    [(5, 400, 301), (5, 200, 150), (5, 100, 75)]
    """
    levels = [axes]
    while True:
        last = levels[-1]
        able = [a for a in last if a.key in "zyx" and a.size > THINNEST]
        closest = min((a.scale for a in able), default=1.0)
        halved = {a.key for a in able if a.scale < 2 * closest}
        if not any(a.size > longest for a in able if a.key in halved):
            return tuple(levels)
        shape = tuple(a.size // 2 if a.key in halved else a.size for a in last)
        levels.append(coarser(last, shape))


@dataclass(frozen=True, slots=True)
class _Taps:
    """Which samples of the finer axis each sample is made of, and their weights, (n, k) each.

    Some samples may form a `run` of equal weights, their taps neighbours and two further each;
    `half` is whether each is the mean of a pair, one after the other.
    """

    index: np.ndarray
    weight: np.ndarray
    run: tuple[int, int] = (0, 0)
    half: bool = False


@functools.lru_cache(maxsize=64)
def _taps(fine: int, coarse: int, scaling: Scaling) -> _Taps:
    factor = fine / coarse
    centre = factor / 2 - 0.5 + factor * np.arange(coarse)
    if scaling == "nearest":
        index = np.floor(centre + 0.5).astype(np.intp)[:, None]
        return _Taps(np.clip(index, 0, fine - 1), np.ones((coarse, 1)))
    if scaling == "mean":
        low = factor * np.arange(coarse)
        first = np.floor(low + 1e-9).astype(np.intp)
        index = first[:, None] + np.arange(int(np.ceil(factor)) + 1)
        cover = np.minimum(low[:, None] + factor, index + 1) - np.maximum(low[:, None], index)
        weight = np.clip(cover, 0, None)
        weight[weight < 1e-9] = 0
        keep = weight.any(axis=0)
        weight = weight[:, keep] / weight.sum(axis=1, keepdims=True)
        return _Taps(np.clip(index[:, keep], 0, fine - 1), weight)
    # a gaussian of sigma factor / 4, read off linearly between two samples
    sigma = factor / 4
    radius = int(4 * sigma + 0.5)
    gauss = np.exp(-0.5 / sigma**2 * np.arange(-radius, radius + 1) ** 2)
    gauss /= gauss.sum()
    left = np.floor(centre).astype(np.intp)
    part = (centre - left)[:, None]
    weight = np.zeros((coarse, 2 * radius + 2))
    weight[:, :-1] += (1 - part) * gauss
    weight[:, 1:] += part * gauss
    index = left[:, None] + np.arange(-radius, radius + 2)
    period = max(1, 2 * (fine - 1))
    index = np.abs(index) % period  # mirrored at the edge samples
    return _Taps(np.where(index >= fine, period - index, index), weight)


@functools.lru_cache(maxsize=2048)
def _taps_of(
    fine: int, coarse: int, scaling: Scaling, start: int, stop: int
) -> tuple[int, int, _Taps]:
    """Return (first finer sample, last + 1, taps counted from the first) of some samples."""
    taps = _taps(fine, coarse, scaling)
    index = taps.index[start:stop]
    low, high = int(index.min()), int(index.max()) + 1
    part = _Taps(index - low, taps.weight[start:stop])
    return low, high, replace(part, run=_consecutive_run(part), half=_is_half(part))


def reach(fine: int, coarse: int, scaling: Scaling) -> tuple[np.ndarray, np.ndarray]:
    """Return the first and the last sample of the finer axis that each coarser one is made of.

    Examples
    --------
    >>> [ends.tolist() for ends in reach(8, 4, "mean")]
    [[0, 2, 4, 6], [1, 3, 5, 7]]
    """
    if fine == coarse:
        return np.arange(fine), np.arange(fine)
    index = _taps(fine, coarse, scaling).index
    return index.min(axis=1), index.max(axis=1)


def support(fine: Sequence[int], coarse: Sequence[int], region: Region, scaling: Scaling) -> Region:
    """Return the box of the finer level that a region of the coarser one is made of.

    Examples
    --------
    >>> support((10,), (5,), Region((1,), (3,)), "mean")
    Region(start=(2,), stop=(6,))
    """
    start, stop = [], []
    for n, m, a, b in zip(fine, coarse, region.start, region.stop, strict=True):
        if n == m or a == b:
            start.append(a)
            stop.append(b)
        else:
            low, high, _ = _taps_of(n, m, scaling, a, b)
            start.append(low)
            stop.append(high)
    return Region(tuple(start), tuple(stop))


def reduce_block(
    block: np.ndarray,
    fine: Sequence[int],
    coarse: Sequence[int],
    region: Region,
    scaling: Scaling,
) -> np.ndarray:
    """Return a region of the coarser level.

    Parameters
    ----------
    block
        The pixels of ``support(fine, coarse, region, scaling)``.
    fine, coarse
        Shapes of both levels.
    region
        Box of the coarser level.
    scaling
        ``nearest`` picks, ``mean`` averages what a sample covers, ``linear`` smooths and
        interpolates. Integers are rounded, half to even.

    Returns
    -------
    Array of the region's shape and the block's dtype.

    Source: ilastik's OpResize (a gaussian of sigma factor/4, then linear at the sample centres),
    which for a factor of 2 is scikit-image's ``transform.resize``.
    """
    axes = [i for i in range(block.ndim) if fine[i] != coarse[i]]
    if 0 in region.shape:
        return np.empty(region.shape, block.dtype)
    taps = {
        i: _taps_of(fine[i], coarse[i], scaling, region.start[i], region.stop[i])[2] for i in axes
    }
    if scaling == "nearest" or not axes:
        for i in axes:
            block = _picked(block, taps[i].index[:, 0], i)
        return block
    out = np.empty(region.shape, block.dtype)
    if block.size > _COMPILED and axes[0] >= block.ndim - 3 and out.dtype.name in _KERNEL_TYPES:
        _reduce_compiled(block, taps, out)
        return out
    # in slabs of the first axis, so that the float64 work fits a cache
    step = max(1, _WORK // max(1, block.size // block.shape[0]))
    for a in range(0, region.shape[0], step):
        b = min(a + step, region.shape[0])
        if axes[0] == 0:
            part = _Taps(taps[0].index[a:b], taps[0].weight[a:b])
            low, high = int(part.index.min()), int(part.index.max()) + 1
            work = _weighted(block[low:high], _Taps(part.index - low, part.weight), 0)
        else:
            work = block[a:b]
        for i in axes:
            if i != 0:
                work = _weighted(work, taps[i], i)
        out[a:b] = _cast(work, out.dtype)
    return out


def _picked(block: np.ndarray, index: np.ndarray, axis: int) -> np.ndarray:
    """Return samples of an axis; a view where they lie evenly."""
    steps = np.diff(index)
    if len(index) > 1 and steps[0] > 0 and (steps == steps[0]).all():
        cut = slice(int(index[0]), int(index[-1]) + 1, int(steps[0]))
        return block[(slice(None),) * axis + (cut,)]
    return block.take(index, axis=axis)


def _reduce_compiled(block: np.ndarray, taps: dict[int, _Taps], out: np.ndarray) -> None:
    """Fill `out` as `_weighted` and `_cast` do, bit for bit; the last three axes are reduced."""
    from fijibridge.model import _scaling_kernels as kernels

    missing = max(0, 3 - block.ndim)
    taps = {axis + missing: found for axis, found in taps.items()}
    block = block.reshape((1,) * missing + block.shape)
    out = out.reshape((1,) * missing + out.shape)
    first = block.ndim - 3
    halved = block.dtype.kind == "u" and block.dtype.itemsize <= 2
    halved = halved and all(t.half for t in taps.values())
    pattern = tuple(first + i in taps for i in range(3))
    loop: Any = None
    if halved and pattern in {(True, True, True), (False, True, True)}:
        loop = kernels.halve_volume if pattern[0] else kernels.halve_planes
    arguments: list[Any] = []
    even = taps[block.ndim - 1].run if block.ndim - 1 in taps else (0, 0)
    for i in range(first, block.ndim):
        same = _Taps(np.arange(block.shape[i])[:, None], np.ones((block.shape[i], 1)))
        found = taps.get(i, same)
        arguments += [found.index, found.weight]
    for lead in np.ndindex(block.shape[:first]):
        part = _in_order(block[lead])
        if loop is not None:
            loop(part, out[lead])
            continue
        kernels.weigh(part, *arguments, even, out.dtype.kind in "iu", out[lead])


def _in_order(block: np.ndarray) -> np.ndarray:
    """Return an array in C order that begins with a block of three axes.

    Loops of known steps are much faster, and a copy costs as much as they do. A box of a larger
    array becomes an array of all of its rows and planes: it ends beyond the box, where nobody may
    look.
    """
    plane, row, item = block.strides
    whole = item == block.itemsize and row > 0 and row % item == 0 and plane % row == 0
    height, width = (plane // row, row // item) if whole else (0, 0)
    if height < block.shape[1] or width < block.shape[2]:
        return np.ascontiguousarray(block)
    return np.lib.stride_tricks.as_strided(block, (block.shape[0], height, width))


def _is_half(taps: _Taps) -> bool:
    """Whether every sample is the mean of two, one pair after the other from the first."""
    n, k = taps.index.shape
    pairs = np.arange(2 * n).reshape(n, 2)
    return k == 2 and bool((taps.weight == 0.5).all()) and np.array_equal(taps.index, pairs)


def _weighted(block: np.ndarray, taps: _Taps, axis: int) -> np.ndarray:
    """Return the weighted sums along an axis, float64."""
    source = np.moveaxis(block, axis, 0)
    n, k = taps.index.shape
    out = np.zeros((n, *source.shape[1:]))
    low, high = _even_run(taps)
    for t in range(k):
        if high > low:
            first = int(taps.index[low, t])
            part = source[first : first + 2 * (high - low) - 1 : 2]
            out[low:high] += np.multiply(part, float(taps.weight[low, t]), dtype=np.float64)
        for rows in (slice(0, low), slice(high, n)):
            if rows.stop > rows.start:
                weight = taps.weight[rows, t].reshape(-1, *[1] * (source.ndim - 1))
                out[rows] += source[taps.index[rows, t]] * weight
    return np.moveaxis(out, 0, axis)


def _even_run(taps: _Taps) -> tuple[int, int]:
    """Return the longest run of rows in the middle that are the same, 2 samples apart.

    There plain slices do, 3 times faster than picking by index.
    """
    n = len(taps.index)
    middle = n // 2
    same = (taps.weight == taps.weight[middle]).all(axis=1)
    shifted = taps.index - 2 * np.arange(n)[:, None]
    same &= (shifted == shifted[middle]).all(axis=1)
    low, high = middle, middle
    wrong = np.flatnonzero(~same)
    low = int(wrong[wrong < middle].max(initial=-1)) + 1
    high = int(wrong[wrong > middle].min(initial=n))
    return low, high


def _consecutive_run(taps: _Taps) -> tuple[int, int]:
    """Return the run of `_even_run` where its taps are neighbours, else an empty one."""
    low, high = _even_run(taps)
    n, k = taps.index.shape
    if low < high and np.array_equal(taps.index[low], taps.index[low, 0] + np.arange(k)):
        return low, high
    return n, n


def _cast(work: np.ndarray, dtype: np.dtype[Any]) -> np.ndarray:
    if dtype.kind == "f":
        return work.astype(dtype)
    work = np.rint(work)
    if dtype.itemsize == 8:  # float64 rounds the largest integers up, out of range
        work = np.minimum(work, np.nextafter(float(np.iinfo(dtype).max), 0))
    return work.astype(dtype)
