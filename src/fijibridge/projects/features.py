"""ilastik's pixel features of a part of an image, exact whatever part is asked for.

Each scale is presmoothed once; all its filters act on that at sigma 1 (or less). Tiles are read
with a halo as wide as the widest filter and mirrored only at the edges of the image itself, so a
pixel's features are the same in every tile.

Source: ilastik lazyflow opPixelFeaturesPresmoothed.py, filterOperators.py;
spec/ilastik-projects.md 2.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from fijibridge.errors import SettingsError
from fijibridge.projects.filters import (
    LEAST_WIDTH,
    Derivatives,
    Flavor,
    Tile,
    gaussian_kernel,
    radius_of,
    smooth,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fijibridge.model.project import FeatureSelection

__all__ = ["FeatureBank", "mirrored"]

Triple = tuple[int, int, int]
_PRETTY = {
    "GaussianSmoothing": "Gaussian Smoothing",
    "LaplacianOfGaussian": "Laplacian of Gaussian",
    "GaussianGradientMagnitude": "Gaussian Gradient Magnitude",
    "DifferenceOfGaussians": "Difference of Gaussians",
    "StructureTensorEigenvalues": "Structure Tensor Eigenvalues",
    "HessianOfGaussianEigenvalues": "Hessian of Gaussian Eigenvalues",
}
#: What the windows of ilastik's filters are: of the presmoothing, and of the filters.
_PRE_WINDOW, _WINDOW = 3.5, 2.0


def mirrored(start: int, stop: int, size: int) -> np.ndarray:
    """Return where the samples start .. stop of an axis are read, mirrored outside 0 .. size.

    Examples
    --------
    >>> mirrored(-2, 6, 4).tolist()
    [2, 1, 0, 1, 2, 3, 2, 1]
    """
    index = np.abs(np.arange(start, stop))
    if size == 1:
        return np.zeros_like(index)
    index %= 2 * (size - 1)
    return np.where(index >= size, 2 * (size - 1) - index, index)


class _Family(Protocol):
    """Derivatives of one presmoothed tile, by sigma."""

    def __call__(
        self, sigma: float, around: int, *, flat: bool, plain: bool = False
    ) -> Derivatives: ...


def _flattened(tile: Tile) -> Tile:
    """Return a tile without margins along z."""
    m = tile.margin[0]
    if m == 0:
        return tile
    data = np.ascontiguousarray(tile.data[m:-m])
    return tile.with_data(data, (0, *tile.margin[1:]))


@dataclass(frozen=True, slots=True)
class _Filter:
    """One filter at one scale, for an image of a known size."""

    name: str
    scale: int
    flat: bool
    results: int
    column: int


class FeatureBank:
    """The features of a selection for images of one size.

    Parameters
    ----------
    selection
        Which filters at which scales.
    size
        The image along z, y and x.
    channels
        Channels of the image.
    flavor
        ``fastfilters``, or ``vigra`` for projects made where ilastik had no fastfilters.

    Raises
    ------
    SettingsError
        When the image is smaller than a filter.
    """

    def __init__(
        self,
        selection: FeatureSelection,
        size: Triple,
        channels: int,
        flavor: Flavor = "fastfilters",
    ) -> None:
        self.selection, self.size, self.channels, self.flavor = selection, size, channels, flavor
        plane = size[0] == 1
        chosen = selection.in_2d or (plane,) * len(selection.scales)
        self._named_2d = chosen
        self._flat = tuple(plane or flat for flat in chosen)
        self._filters: list[_Filter] = []
        column = 0
        for name, j in selection.chosen:
            flat = self._flat[j] or any(
                math.ceil(_WINDOW * s) + 1 > size[0] for s in self._sigmas(name, j)
            )
            tensor = name.endswith("Eigenvalues")
            results = (2 if flat else 3) if tensor else 1
            self._filters.append(_Filter(name, j, flat, results, column))
            column += results * channels
        self.columns = column
        self._scales = sorted({one.scale for one in self._filters})
        self._check_size()
        # a scale whose filters have no taps is refused now
        for one in self._filters:
            for order, sigma in self._kernels(one):
                gaussian_kernel(order, sigma, _WINDOW, flavor)
        for j in self._scales:
            gaussian_kernel(0, self._presmoothing(j), _PRE_WINDOW, flavor)

    def _check_size(self) -> None:
        for j in self._scales:
            scale = self.selection.scales[j]
            need = math.ceil(_PRE_WINDOW * scale) + 1
            axes = "yx" if self._flat[j] else "zyx"
            for key in axes:
                have = self.size["zyx".index(key)]
                if have < need:
                    raise SettingsError(
                        f"The image has {have} samples along {key}; the project's features at "
                        f"scale {scale:g} need {need}.",
                        "Use larger images, or a project with smaller scales.",
                    )

    def _presmoothing(self, j: int) -> float:
        scale = self.selection.scales[j]
        return math.sqrt(scale * scale - 1.0) if scale > 1.0 else scale

    def _reduced(self, j: int) -> float:
        return min(1.0, self.selection.scales[j])

    def _tensor_sigmas(self, j: int) -> tuple[float, float]:
        """Return (of the gradient, of the smoothing) of the structure tensor."""
        f = self._reduced(j)
        return (0.5 * f, f) if self.flavor == "fastfilters" else (f, 0.5 * f)

    def _sigmas(self, name: str, j: int) -> tuple[float, ...]:
        f = self._reduced(j)
        if name == "DifferenceOfGaussians":
            return f, 0.66 * f
        return (f, 0.5 * f) if name == "StructureTensorEigenvalues" else (f,)

    def _kernels(self, one: _Filter) -> list[tuple[int, float]]:
        f = self._reduced(one.scale)
        if one.name == "GaussianSmoothing":
            return [(0, f)]
        if one.name == "DifferenceOfGaussians":
            return [(0, f), (0, 0.66 * f)]
        if one.name == "GaussianGradientMagnitude":
            return [(0, f), (1, f)]
        if one.name == "StructureTensorEigenvalues":
            gradient, smoothing = self._tensor_sigmas(one.scale)
            return [(0, gradient), (1, gradient), (0, smoothing)]
        orders = (0, 2) if one.name == "LaplacianOfGaussian" else (0, 1, 2)
        return [(order, f) for order in orders]

    def _radius(self, one: _Filter) -> int:
        radii = [radius_of(s, _WINDOW, order, self.flavor) for order, s in self._kernels(one)]
        if one.name == "StructureTensorEigenvalues":
            return max(radii[:2]) + radii[2]
        return max(radii)

    def _margin(self, j: int) -> Triple:
        """Return what the filters of a scale need around a tile of the presmoothed image."""
        mine = [one for one in self._filters if one.scale == j]
        wide = max(self._radius(one) for one in mine)
        deep = max((self._radius(one) for one in mine if not one.flat), default=0)
        return (0 if self._flat[j] else deep, wide, wide)

    def _halo_of(self, j: int) -> Triple:
        r = radius_of(self._presmoothing(j), _PRE_WINDOW, 0, self.flavor)
        z, y, x = self._margin(j)
        return (z if self._flat[j] else z + r, y + r, x + r)

    @property
    def halo(self) -> Triple:
        """Samples along z, y and x that a tile is read with on each side."""
        halos = [self._halo_of(j) for j in self._scales] or [(0, 0, 0)]
        z, y, x = (max(h[i] for h in halos) for i in range(3))
        return z, y, x

    @property
    def names(self) -> tuple[str, ...]:
        """One name a column, as ilastik names them."""
        found = []
        for one in self._filters:
            scale = self.selection.scales[one.scale]
            name = f"{_PRETTY[one.name]} (σ={scale})"  # noqa: RUF001  # ilastik's names
            name += " in 2D" if self._named_2d[one.scale] else ""
            count = one.results * self.channels
            found += [name] if count == 1 else [f"{name} [{i}]" for i in range(count)]
        return tuple(found)

    def reads(self, start: Sequence[int], stop: Sequence[int]) -> tuple[Triple, Triple]:
        """Return the part of the image (start, stop; z, y, x) that the features of a part need."""
        begins, ends = [], []
        for a, b, h, n in zip(start, stop, self.halo, self.size, strict=True):
            index = mirrored(a - h, b + h, n)
            begins.append(int(index.min()))
            ends.append(int(index.max()) + 1)
        return (begins[0], begins[1], begins[2]), (ends[0], ends[1], ends[2])

    def compute(
        self, raw: np.ndarray, offset: Sequence[int], start: Sequence[int], stop: Sequence[int]
    ) -> np.ndarray:
        """Compute the features of a part.

        Parameters
        ----------
        raw
            (c, z, y, x), at least what `reads` says.
        offset
            Where `raw` lies in the image: z, y, x.
        start, stop
            The part: z, y, x.

        Returns
        -------
        numpy.ndarray
            float32, (columns, z, y, width): rows are at least 64 long, what is beyond the part is
            to be cut off.
        """
        width = max(LEAST_WIDTH, stop[2] - start[2])
        shape = (stop[0] - start[0], stop[1] - start[1], width)
        out = np.empty((self.columns, *shape), np.float32)
        halo = self.halo
        index = [
            mirrored(a - h, a + n + h, size) - o
            for a, n, h, size, o in zip(start, shape, halo, self.size, offset, strict=True)
        ]
        # beyond the image a row only fills a vector: any values of the tile do
        index = [
            np.minimum(np.maximum(i, 0), n - 1) for i, n in zip(index, raw.shape[1:], strict=True)
        ]
        origin = tuple(h - a for h, a in zip(halo, start, strict=True))
        for c in range(self.channels):
            data = np.ascontiguousarray(raw[c][np.ix_(*index)], np.float32)
            tile = Tile(data, halo, origin, self.size)  # type: ignore[arg-type]  # three of them
            for j in self._scales:
                self._scale(tile, j, c, out)
        return out

    def _scale(self, tile: Tile, j: int, c: int, out: np.ndarray) -> None:
        kernel = gaussian_kernel(0, self._presmoothing(j), _PRE_WINDOW, self.flavor)
        margin = self._margin(j)
        made = smooth(tile, kernel, margin, flat=self._flat[j])
        shared: dict[tuple[float, int, bool, bool], Derivatives] = {}

        def derivatives(
            sigma: float, around: int, *, flat: bool, plain: bool = False
        ) -> Derivatives:
            # fastfilters has one kind of kernels, so that all filters share their passes
            plain = plain or self.flavor == "fastfilters"
            key = (sigma, around, flat, plain)
            if key not in shared:
                left = (0 if flat else around, around, around)
                tile = _flattened(made) if flat else made
                shared[key] = Derivatives(tile, sigma, left, self.flavor, plain=plain)
            return shared[key]

        for one in self._filters:
            if one.scale != j:
                continue
            at = one.column + c * one.results
            self._filter(one, derivatives, out[at : at + one.results])

    def _filter(self, one: _Filter, derivatives: _Family, out: np.ndarray) -> None:
        from fijibridge.projects._kernels import tensors

        f, flat = self._reduced(one.scale), one.flat
        d = 2 if flat else 3
        wide = self.flavor == "vigra"
        zero, rows = (0,) * d, [row.reshape(-1) for row in out]

        def at(*marks: int) -> tuple[int, ...]:
            return tuple(sum(m == axis for m in marks) for axis in range(d))

        def flats(arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
            return [array.reshape(-1) for array in arrays]

        if one.name == "GaussianSmoothing":
            derivatives(f, 0, flat=flat, plain=True).get(*zero, out=out[0])
        elif one.name == "DifferenceOfGaussians":
            big = derivatives(f, 0, flat=flat, plain=True).get(*zero)
            small = derivatives(0.66 * f, 0, flat=flat, plain=True).get(*zero)
            tensors.difference(*flats([big, small]), rows[0])
        elif one.name == "GaussianGradientMagnitude":
            bank = derivatives(f, 0, flat=flat)
            parts = flats([bank.get(*at(axis)) for axis in range(d)])
            (tensors.length2 if flat else tensors.length3)(*parts, rows[0])
        elif one.name == "LaplacianOfGaussian":
            bank = derivatives(f, 0, flat=flat)
            parts = flats([bank.get(*at(axis, axis)) for axis in range(d)])
            (tensors.sum2 if flat else tensors.sum3)(*parts, rows[0])
        else:
            if one.name == "HessianOfGaussianEigenvalues":
                bank = derivatives(f, 0, flat=flat)
                entries = {pair: bank.get(*at(*pair)) for pair in _PAIRS[d]}
            else:
                entries = self._structure(one, derivatives, d)
            # x is 0, y 1, z 2; the order decides the last bits, which equal eigenvalues magnify
            parts = flats([entries[pair] for pair in (_PAIRS if wide else _ORDER)[d]])
            if flat:
                (tensors.eigen2_wide if wide else tensors.eigen2)(*parts, *rows)
            else:
                (tensors.eigen3_wide if wide else tensors.eigen3)(*parts, *rows)

    def _structure(
        self, one: _Filter, derivatives: _Family, d: int
    ) -> dict[tuple[int, int], np.ndarray]:
        """Return the smoothed products of the gradient."""
        from fijibridge.projects._kernels.convolve import mirror_outside
        from fijibridge.projects._kernels.tensors import product

        gradient, smoothing = self._tensor_sigmas(one.scale)
        kernel = gaussian_kernel(0, smoothing, _WINDOW, self.flavor)
        around = kernel.radius
        bank = derivatives(gradient, around, flat=one.flat)
        parts = [bank.get(*(int(axis == i) for i in range(d))) for axis in range(d)]
        tile = bank.tile
        margin = (0 if one.flat else around, around, around)
        frame = tile.with_data(parts[0], margin)
        found = {}
        for a, b in _PAIRS[d]:
            made = np.empty_like(parts[0])
            product(parts[a].reshape(-1), parts[b].reshape(-1), made.reshape(-1))
            if a != b:
                # a gradient changes its sign at the edge, where its products are mirrored
                for axis in range(3):
                    mirror_outside(made, axis, frame.origin[axis], frame.size[axis])
            found[a, b] = smooth(
                tile.with_data(made, margin), kernel, (0, 0, 0), flat=one.flat
            ).data
        return found


_PAIRS = {2: ((0, 0), (0, 1), (1, 1)), 3: ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2))}
#: Entries in the order in which fastfilters has them; vigra has those above.
_ORDER = {
    2: ((0, 0), (0, 1), (1, 1)),
    3: ((2, 2), (1, 2), (0, 2), (1, 1), (0, 1), (0, 0)),
}
