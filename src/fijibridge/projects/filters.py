"""The filters of ilastik's pixel features, on tiles that are padded with mirror images.

fastfilters' arithmetic is followed bit for bit: kernels in float64 rounded to float32, one fused
product a tap, float32 between the passes x, y, z. The structure tensor takes its gradient at half
the scale and smooths at the scale, as its Python binding swaps the two (``vigra``: the other way
round, with vigra's kernels and float64 sums).

Source: fastfilters fir_kernel.c, fir_filters.c, core.cxx; vigra separableconvolution.hxx,
gaussians.hxx; spec/ilastik-projects.md 2.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from fijibridge.errors import UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Flavor", "Kernel", "Tile", "gaussian_kernel", "radius_of", "smooth"]

Flavor = Literal["fastfilters", "vigra"]
#: Shortest row of a tile; vectors are so long.
LEAST_WIDTH = 64


@dataclass(frozen=True, slots=True, eq=False)
class Kernel:
    """Half a kernel: centre and one side; `ordered`: summed from side to side in float32."""

    weights: np.ndarray
    odd: bool = False
    ordered: bool = False

    @property
    def radius(self) -> int:
        """Taps on each side."""
        return len(self.weights) - 1


def radius_of(sigma: float, window: float, order: int, flavor: Flavor) -> int:
    """Return how many samples a Gaussian kernel reaches to each side."""
    if flavor == "vigra":
        found = int(window * sigma + 0.5)
        return max(found, 1) if order else found
    return math.floor(float(np.float32(window)) * sigma + 0.5)


@functools.lru_cache(maxsize=256)
def gaussian_kernel(order: int, sigma: float, window: float, flavor: Flavor) -> Kernel:
    """Return the Gaussian or its first or second derivative.

    Raises
    ------
    UnsupportedError
        When the scale is so small that nothing is left of it.
    """
    radius = radius_of(sigma, window, order, flavor)
    if flavor == "vigra":
        return Kernel(_vigra_weights(order, sigma, radius), odd=order == 1)
    if radius == 0:
        raise UnsupportedError(
            f"A filter of sigma {sigma:g} reaches no neighbour; ilastik cannot compute it either.",
            "Train the project without this feature at this scale.",
        )
    x = np.arange(radius + 1, dtype=np.float64)
    norm = -1.0 / (math.sqrt(2.0 * math.pi) * sigma**3) if order else _norm(sigma)
    values = np.array([norm * math.exp(float(v) ** 2 * (-0.5 / sigma / sigma)) for v in x])
    if order == 1:
        values *= x
    elif order == 2:
        values *= 1.0 - (x / sigma) * (x / sigma)
    taps = values.astype(np.float32)
    if order == 2:
        total = float(taps[0])
        for value in taps[1:]:
            total += 2 * float(value)
        total /= 2.0 * radius + 1.0
        taps = (taps.astype(np.float64) - total).astype(np.float32)
    total = float(taps[0]) if order == 0 else 0.0
    for i, value in enumerate(taps[1:].tolist(), start=1):
        if order == 0:
            total += 2 * value
        elif order == 1:
            total += value * -float(i)
            total -= value * float(i)
        else:
            total += value * float(i) ** 2 / 2.0
            total += value * float(i) ** 2 / 2.0
    taps = (taps.astype(np.float64) / total).astype(np.float32)
    return Kernel(-taps if order == 1 else taps, odd=order == 1)


def _norm(sigma: float) -> float:
    return 1.0 / (math.sqrt(2.0 * math.pi) * sigma)


def _vigra_weights(order: int, sigma: float, radius: int) -> np.ndarray:
    """Return vigra's kernel: float64, without its mean, normalised to its moment."""
    x = np.arange(-radius, radius + 1, dtype=np.float64)
    g = np.exp(-0.5 * (x / sigma) ** 2)
    taps = g
    if order == 1:
        taps = -x * g
    elif order == 2:
        taps = ((x / sigma) ** 2 - 1.0) * g
    if order:
        taps = taps - taps.mean()
    moment = float((taps * (-x) ** order).sum()) / math.factorial(order)
    taps = taps / moment
    half = taps[radius:].copy()
    # correlation: the far side of an odd kernel has the sign of the convolution
    return -half if order == 1 else half


@functools.lru_cache(maxsize=64)
def derivative_kernel(order: int, sigma: float, window: float, flavor: Flavor) -> Kernel:
    """Return the kernel that derivatives of this order are made with.

    vigra has them (the Gaussian beside them too) in float32, made and summed, other than the plain
    Gaussian; fastfilters has one kind.
    """
    if flavor == "fastfilters":
        return gaussian_kernel(order, sigma, window, flavor)
    single = np.float32
    radius = max(1, radius_of(sigma, window, order, flavor))
    s = single(sigma)
    norm = single(-1.0 / (math.sqrt(2.0 * math.pi) * float(s * s) * float(s)))
    if order == 0:
        norm = single(1.0 / (math.sqrt(2.0 * math.pi) * float(s)))
    falls = single(-0.5 / float(s) / float(s))
    taps = []
    for i in range(-radius, radius + 1):
        x = single(i)
        # numpy's exp of float32 is a few last bits off; that of C libraries is rounded well
        g = norm * single(math.exp(float(x * x * falls)))
        if order == 1:
            g = x * g
        elif order == 2:
            g = single((1.0 - float((x / s) * (x / s))) * float(g))
        taps.append(single(g))
    if order:
        total = single(0)
        for tap in taps:
            total += tap
        mean = single(float(total) / (2.0 * radius + 1.0))
        taps = [tap - mean for tap in taps]
    moment = single(0)
    for i, tap in zip(range(-radius, radius + 1), taps, strict=True):
        share = float(-i) ** order / math.factorial(order)
        moment = single(float(moment) + float(tap) * share)
    factor = single(1.0) / moment
    half = np.array([tap * factor for tap in taps[radius:]], np.float32)
    return Kernel(-half if order == 1 else half, odd=order == 1, ordered=True)


@dataclass(frozen=True, slots=True, eq=False)
class Tile:
    """A part of a volume with margins.

    Parameters
    ----------
    data
        float32, (z, y, x), contiguous, mirrored where it reaches beyond the image.
    margin
        Samples around the core along z, y and x.
    origin
        Where sample 0 of the image lies in `data`, along z, y and x.
    size
        The image along z, y and x.
    """

    data: np.ndarray
    margin: tuple[int, int, int]
    origin: tuple[int, int, int]
    size: tuple[int, int, int]

    @property
    def core(self) -> tuple[int, int, int]:
        """Shape without margins."""
        z, y, x = (n - 2 * m for n, m in zip(self.data.shape, self.margin, strict=True))
        return z, y, x

    def with_data(self, data: np.ndarray, margin: tuple[int, int, int]) -> Tile:
        """Return the tile of the same core with other margins."""
        shift = (b - a for a, b in zip(self.margin, margin, strict=True))
        z, y, x = (o + s for o, s in zip(self.origin, shift, strict=True))
        return Tile(data, margin, (z, y, x), self.size)


def _pass(
    data: np.ndarray,
    margin: tuple[int, int, int],
    axis: int,
    kernel: Kernel,
    left: tuple[int, int, int],
    out: np.ndarray | None = None,
) -> np.ndarray:
    """Filter along one axis; margins shrink from `margin` to `left`."""
    from fijibridge.projects._kernels.convolve import (
        convolve,
        convolve_ordered,
        convolve_wide,
    )

    cut = tuple(a - b for a, b in zip(margin, left, strict=True))
    shape = tuple(n - 2 * c for n, c in zip(data.shape, cut, strict=True))
    target = np.empty(shape, np.float32) if out is None else out
    strides = (data.shape[1] * data.shape[2], data.shape[2], 1)
    start = sum(c * s for c, s in zip(cut, strides, strict=True))
    run = convolve if kernel.weights.dtype == np.float32 else convolve_wide
    run = convolve_ordered if kernel.ordered else run
    run(data, target, strides[axis], start, kernel.weights, kernel.odd)
    return target


def _after(margin: tuple[int, ...], axis: int, value: int) -> tuple[int, int, int]:
    z, y, x = (value if i == axis else m for i, m in enumerate(margin))
    return z, y, x


def separable(
    tile: Tile,
    kernels: tuple[Kernel | None, Kernel, Kernel],
    margin: tuple[int, int, int],
    out: np.ndarray | None = None,
) -> np.ndarray:
    """Filter along x, y and z (None: not along z) and return what lies in `margin`."""
    data, have = tile.data, tile.margin
    axes = [axis for axis in (2, 1, 0) if kernels[axis] is not None]
    for axis in axes:
        kernel = kernels[axis]
        assert kernel is not None  # noqa: S101  # left out above
        last = axis == axes[-1]
        left = margin if last else _after(have, axis, margin[axis])
        if kernels[0] is None:
            left = _after(left, 0, margin[0])
        data = _pass(data, have, axis, kernel, left, out if last else None)
        have = left
    return data


def smooth(tile: Tile, kernel: Kernel, margin: tuple[int, int, int], *, flat: bool) -> Tile:
    """Return a smoothed tile with smaller margins."""
    return tile.with_data(
        separable(tile, (None if flat else kernel, kernel, kernel), margin), margin
    )


class Derivatives:
    """Gaussian derivatives of one tile that share their passes.

    Parameters
    ----------
    tile
        Presmoothed, with margins that the kernels fit into.
    sigma
        Of the Gaussian.
    margin
        Around the results.
    flavor
        Whose kernels.
    plain
        Only smoothed, no derivatives.
    """

    def __init__(
        self,
        tile: Tile,
        sigma: float,
        margin: tuple[int, int, int],
        flavor: Flavor,
        *,
        plain: bool,
    ) -> None:
        self.tile, self._margin = tile, margin
        make = gaussian_kernel if plain else derivative_kernel
        self._kernel: Callable[[int], Kernel] = lambda order: make(order, sigma, 2.0, flavor)
        self._done: dict[tuple[int, ...], np.ndarray] = {}

    def get(self, *orders: int, out: np.ndarray | None = None) -> np.ndarray:
        """Return the derivative of these orders along x, y (and z), (z, y, x)."""
        if orders in self._done:
            found = self._done[orders]
            if out is not None and out is not found:
                out[...] = found
            return found if out is None else out
        axis = 3 - len(orders)
        if len(orders) == 1:
            before, have = self.tile.data, self.tile.margin
        else:
            before = self.get(*orders[:-1])
            have = self._margins(len(orders) - 1)
        result = _pass(
            before, have, axis, self._kernel(orders[-1]), self._margins(len(orders)), out
        )
        self._done[orders] = result
        return result

    def _margins(self, passes: int) -> tuple[int, int, int]:
        have, want = self.tile.margin, self._margin
        z, y, x = (want[i] if i >= 3 - passes else have[i] for i in range(3))
        return z, y, x
