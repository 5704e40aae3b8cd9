"""ilastik's "Standard Object Features": shapes, places and grey values of objects.

Decisions where ilastik is silent: an object whose neighbourhood is empty (it fills the image) has
zeros there, where ilastik leaves the column out and then fails.

Source: ilastik plugins_default/vigra_objfeats.py, opObjectExtraction.py; vigra accumulator.hxx,
histogram.hxx; spec/ilastik-projects.md 6.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fijibridge.errors import UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

__all__ = ["DISPLAY", "NEIGHBOURHOOD", "PLUGIN", "check_features", "measure"]

PLUGIN = "Standard Object Features"
NEIGHBOURHOOD = " in neighborhood"
#: Feature -> what tables call it; the others are called by their own names.
DISPLAY = {
    "Count": "Size in pixels",
    "Maximum": "Maximum intensity",
    "Minimum": "Minimum intensity",
    "Coord<Minimum>": "Bounding Box Minimum",
    "Coord<Maximum>": "Bounding Box Maximum",
    "Mean": "Mean Intensity",
    "Variance": "Variance of Intensity",
    "Skewness": "Skewness of Intensity",
    "Kurtosis": "Kurtosis of Intensity",
    "RegionCenter": "Center of the object",
    "RegionRadii": "Radii of the object",
    "RegionAxes": "Principal components of the object",
    "Quantiles": "Quantiles of Intensity",
    "Histogram": "Histogram of Intensity",
    "Covariance": "Covariance of Channel Intensity",
    "Sum": "Total Intensity",
}
_BINS = 64
_QUANTILES = np.array([0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0])
#: Where the scatter matrix of x, y, z is in the sums of the kernel.
_SCATTER = ((10, 11, 12), (11, 13, 14), (12, 14, 15))
_LOCAL = ("Mean", "Variance", "Skewness", "Kurtosis", "Histogram", "Covariance")
_LOCAL_TOO = ("Minimum", "Maximum", "Sum")


class _Objects:
    """Sums over the objects of one frame, each made once."""

    def __init__(self, raw: np.ndarray, ranks: np.ndarray, count: int, *, deep: bool) -> None:
        self.raw, self.ranks, self.count, self.deep = raw, ranks, count, deep
        self._made: dict[str, np.ndarray] = {}

    def _once(self, name: str, make: Callable[[], np.ndarray]) -> np.ndarray:
        if name not in self._made:
            self._made[name] = make()
        return self._made[name]

    @property
    def n(self) -> int:
        """Axes of space."""
        return 3 if self.deep else 2

    @property
    def shape(self) -> np.ndarray:
        from fijibridge.model import _moment_kernels as moments

        return self._once("shape", lambda: moments.shapes(self.ranks.astype(np.int32), self.count))

    @property
    def size(self) -> np.ndarray:
        return self.shape[:, :1]

    def _grey(self) -> None:
        from fijibridge.projects._kernels import objects

        if "greys" not in self._made:
            found = objects.greys(self.ranks, self.raw, self.count)
            self._made["greys"], self._made["products"] = found

    @property
    def greys(self) -> np.ndarray:
        self._grey()
        return self._made["greys"]

    @property
    def products(self) -> np.ndarray:
        self._grey()
        return self._made["products"]

    def _axes(self, kind: str, scatter: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        from fijibridge.model import _moment_kernels as moments

        if kind not in self._made:
            n = scatter.shape[-1]
            radii, axes = np.empty((self.count, n)), np.empty((self.count, n * n))
            moments.main_axes(np.ascontiguousarray(scatter), self.size[:, 0], radii, axes)
            self._made[kind], self._made[kind + " axes"] = radii, axes
        return self._made[kind], self._made[kind + " axes"]

    @property
    def space(self) -> tuple[np.ndarray, np.ndarray]:
        """Radii and axes of the coordinates."""
        n = self.n
        matrix = np.array([[self.shape[:, _SCATTER[i][j]] for j in range(n)] for i in range(n)])
        return self._axes("space", matrix.transpose(2, 0, 1))

    @property
    def colours(self) -> tuple[np.ndarray, np.ndarray]:
        """Roots of the main variances of the channels, and their axes."""
        return self._axes("colours", self.products)

    @property
    def _range(self) -> tuple[float, float]:
        low, high = float(self.greys[:, :, 1].min()), float(self.greys[:, :, 2].max())
        if low == high:
            high += _BINS * float(np.finfo(np.float64).eps)
        return low, _BINS / (high - low) if high > low else 1.0

    @property
    def histogram(self) -> np.ndarray:
        from fijibridge.projects._kernels import objects

        low, scale = self._range
        return self._once(
            "histogram",
            lambda: objects.histograms(self.ranks, self.raw[0], self.count, low, scale, _BINS),
        )

    @property
    def quantiles(self) -> np.ndarray:
        from fijibridge.projects._kernels import objects

        low, scale = self._range
        smallest, largest = (np.ascontiguousarray(self.greys[:, 0, i]) for i in (1, 2))
        found: np.ndarray = objects.quantiles(
            self.histogram, low, scale, smallest, largest, _QUANTILES
        )
        return found

    def whole(self, values: float) -> np.ndarray:
        """Return one value for all."""
        return np.full((self.count, 1), values)


def _skewness(o: _Objects) -> np.ndarray:
    g = o.greys
    found: np.ndarray = np.sqrt(o.size) * g[:, :, 4] / g[:, :, 3] ** 1.5
    return found


def _kurtosis(o: _Objects) -> np.ndarray:
    g = o.greys
    found: np.ndarray = o.size * g[:, :, 5] / (g[:, :, 3] * g[:, :, 3]) - 3.0
    return found


#: Feature -> its values, (objects, values).
_MADE: dict[str, Callable[[_Objects], np.ndarray]] = {
    "Count": lambda o: o.size,
    "Sum": lambda o: o.greys[:, :, 0],
    "Mean": lambda o: o.greys[:, :, 0] / o.size,
    "Minimum": lambda o: o.greys[:, :, 1],
    "Maximum": lambda o: o.greys[:, :, 2],
    "Variance": lambda o: o.greys[:, :, 3] / o.size,
    "Skewness": _skewness,
    "Kurtosis": _kurtosis,
    "Covariance": lambda o: (o.products / o.size[:, :, None]).reshape(o.count, -1),
    "Histogram": lambda o: o.histogram,
    "Quantiles": lambda o: o.quantiles,
    "RegionCenter": lambda o: o.shape[:, 1 : 1 + o.n],
    "RegionRadii": lambda o: o.space[0],
    "RegionAxes": lambda o: o.space[1],
    "PrincipalAxes": lambda o: o.colours[1],
    "Principal<Variance>": lambda o: o.colours[0] ** 2,
    "Coord<Minimum>": lambda o: o.shape[:, 4 : 4 + o.n],
    "Coord<Maximum>": lambda o: o.shape[:, 7 : 7 + o.n] + 1,  # ilastik's: beyond the last pixel
    "Central<PowerSum<2>>": lambda o: o.greys[:, :, 3],
    "Central<PowerSum<3>>": lambda o: o.greys[:, :, 4],
    "Central<PowerSum<4>>": lambda o: o.greys[:, :, 5],
    "Coord<PowerSum<1>>": lambda o: o.shape[:, 1 : 1 + o.n] * o.size,
    "Coord<Principal<PowerSum<2>>>": lambda o: o.space[0] ** 2 * o.size,
    "Coord<DivideByCount<Principal<PowerSum<2>>>>": lambda o: o.space[0] ** 2,
    "Global<Minimum>": lambda o: o.whole(float(o.greys[:, :, 1].min())),
    "Global<Maximum>": lambda o: o.whole(float(o.greys[:, :, 2].max())),
}
#: What vigra knows of images of one channel only.
_ONE_CHANNEL = ("Histogram", "Quantiles", "Global<Minimum>", "Global<Maximum>")
_MANY_CHANNELS = ("Covariance", "PrincipalAxes", "Principal<Variance>")


def check_features(chosen: Mapping[str, Sequence[str]]) -> None:
    """Raise UnsupportedError that names every feature which is not computed here."""
    bad = []
    for plugin, names in chosen.items():
        for name in names:
            base = name.removesuffix(NEIGHBOURHOOD)
            known = base in _LOCAL + _LOCAL_TOO if base != name else name in _MADE
            if plugin != PLUGIN or not known:
                bad.append(f"{name} ({plugin})")
    if bad:
        raise UnsupportedError(
            f"The project uses object features that are not supported: {', '.join(bad)}.",
            "Train it in ilastik with Standard Object Features only, or run it with ilastik itself "
            "(--engine executable).",
        )


def measure(
    raw: np.ndarray,
    ranks: np.ndarray,
    count: int,
    names: Iterable[str],
    margin: Sequence[float] = (),
    *,
    deep: bool | None = None,
) -> dict[str, np.ndarray]:
    """Measure the objects of one frame.

    Parameters
    ----------
    raw
        Grey values, (c, z, y, x); computed as float32.
    ranks
        uint32, (z, y, x): objects 1 .. count, 0 is background.
    names
        ilastik's names, see `check_features`.
    margin
        How far the neighbourhood reaches, in pixels along x, y (and z).
    deep
        Three axes of space; None = when there is more than one plane.

    Returns
    -------
    dict
        Name -> float64, (count, values); coordinates are x, y(, z). Values that are not defined
        are NaN (skewness and kurtosis of even objects). What ilastik does not compute for such an
        image is left out.
    """
    deep = ranks.shape[0] > 1 if deep is None else deep
    raw = np.ascontiguousarray(raw, np.float32)
    skipped = _ONE_CHANNEL if len(raw) > 1 else _MANY_CHANNELS
    names = [n for n in names if n.removesuffix(NEIGHBOURHOOD) not in skipped]
    whole = _Objects(raw, np.ascontiguousarray(ranks, np.uint32), count, deep=deep)
    around = [n.removesuffix(NEIGHBOURHOOD) for n in names if n.endswith(NEIGHBOURHOOD)]
    near: dict[str, np.ndarray] = {}
    with np.errstate(divide="ignore", invalid="ignore"):
        if around and any(margin):
            near = _around(whole, around, margin)
        found = {}
        for name in names:
            base = name.removesuffix(NEIGHBOURHOOD)
            if base == name:
                found[name] = _MADE[name](whole) if count else _nothing(whole, name)
            elif base in near:
                found[name] = near[base]
    return found


def _nothing(o: _Objects, name: str) -> np.ndarray:
    return _zero(o, name)[:0]


def _zero(o: _Objects, name: str) -> np.ndarray:
    """Return zeros, as many as one object has of a feature."""
    pixel = np.ascontiguousarray(o.raw[:, :1, :1, :1])
    one = _Objects(pixel, np.ones((1, 1, 1), np.uint32), 1, deep=o.deep)
    return np.zeros_like(_MADE[name](one))


def _around(o: _Objects, names: Sequence[str], margin: Sequence[float]) -> dict[str, np.ndarray]:
    """Return features of what lies less than the margin from each object, but in no part of it."""
    from scipy.ndimage import distance_transform_edt

    steps = [int(m) for m in margin] + [0] * (3 - len(margin))
    reach = float(np.float32(max(margin)))
    planar = len(margin) < 3
    with np.errstate(divide="ignore"):
        pitch = [reach // m if m else np.inf for m in margin]
    sampling = [pitch[i] for i in ((1, 0) if planar else (2, 1, 0))]
    box = o.shape[:, 4:10].astype(np.int64)
    rows: dict[str, list[np.ndarray]] = {name: [] for name in names}
    for k in range(o.count):
        where = tuple(
            slice(max(int(box[k, i]) - steps[i], 0), int(box[k, 3 + i]) + 1 + steps[i])
            for i in (2, 1, 0)
        )
        mine = o.ranks[where] == k + 1
        away = mine[0] if planar else mine
        sides = [min(s, 1e30) for s in sampling]
        near = distance_transform_edt(~away, sampling=sides).astype(np.float32) < reach
        context = near.reshape(mine.shape) & ~mine
        part = _Objects(
            np.ascontiguousarray(o.raw[(slice(None), *where)]),
            context.astype(np.uint32),
            1,
            deep=o.deep,
        )
        empty = not context.any()
        for name in names:
            rows[name].append(_zero(part, name) if empty else _MADE[name](part))
    if not o.count:
        return {name: _nothing(o, name) for name in names}
    return {name: np.concatenate(parts) for name, parts in rows.items()}
