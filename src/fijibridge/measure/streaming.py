"""Images larger than memory: planes are read when they are needed, large ones strip by strip."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np

from fijibridge.measure.planework import Band, binary_band, rounds_differently
from fijibridge.measure.tracing import band_limits, find_particles, scan_rows
from fijibridge.model.axes import Axes, Region
from fijibridge.model.image import Image
from fijibridge.model.labels import LabelImage

if TYPE_CHECKING:
    from typing import Any

    from fijibridge.measure.particle_settings import ParticleSettings
    from fijibridge.measure.planes import Planes
    from fijibridge.measure.tracing import Particles
    from fijibridge.model.image import ImageSource, ImageSpec

__all__ = ["LazyStack", "find_by_strips", "lazy_image", "pixel_rows", "strip_rows", "whole_image"]

#: Planes of more bytes than this are read strip by strip.
STRIP_BYTES = 1 << 28


@dataclass(frozen=True, slots=True, eq=False)
class LazyStack:
    """A source as a (t, z, c, y, x) array of which planes, or rows of planes, are read.

    Examples
    --------
    >>> stack = LazyStack(Image.from_array(np.arange(6).reshape(2, 3), "yx"))
    >>> stack.shape, stack[0, 0, 0, 1:2]
    ((1, 1, 1, 2, 3), array([[3, 4, 5]]))
    """

    source: ImageSource

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes along t, z, c, y and x."""
        return tuple(self.source.spec.axes.size(key) for key in "tzcyx")

    def __getitem__(self, key: tuple[Any, ...]) -> np.ndarray:
        t, z, c, *rest = key
        height, width = self.shape[3:]
        first, stop, _ = (rest[0] if rest else slice(None)).indices(height)
        spans = {"t": (t, t + 1), "z": (z, z + 1), "c": (c, c + 1)}
        spans |= {"y": (first, max(first, stop)), "x": (0, width)}
        axes = self.source.spec.axes
        region = Region(
            tuple(spans[k][0] for k in axes.keys), tuple(spans[k][1] for k in axes.keys)
        )
        block = self.source.read(region)
        order = [axes.keys.index(k) for k in "yx"]
        others = [k for k in range(len(axes)) if k not in order]
        plane: np.ndarray = block.transpose([*others, *order])
        return plane.reshape(plane.shape[-2:])


@dataclass(frozen=True, slots=True, eq=False)
class _LazyImage:
    """What of an `Image` the analysis uses, read when it is needed."""

    spec: ImageSpec
    data: LazyStack

    @property
    def axes(self) -> Axes:
        return self.spec.axes

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.spec.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        return self.spec.shape

    @property
    def name(self) -> str:
        return self.spec.name

    def reorder(self, keys: str) -> _LazyImage:
        assert keys == "tzcyx"  # noqa: S101  # the only order a LazyStack has
        return self


def lazy_image(source: ImageSource | Image) -> Image:
    """Return an image in memory as it is, and one that reads its planes from any other source."""
    if isinstance(source, Image):
        return source
    return cast("Image", _LazyImage(source.spec, LazyStack(source)))


def whole_image(source: ImageSource | Image) -> Image:
    """Return an image in memory."""
    if isinstance(source, Image):
        return source
    data = source.read(Region.whole(source.spec.shape))
    if source.spec.role == "labels":
        return LabelImage(data, source.spec)
    return Image(data, source.spec)


def strip_rows(planes: Planes) -> int:
    """Return how many rows to read at a time; 0 = whole planes."""
    if not isinstance(planes.data, LazyStack):
        return 0
    height, width = planes.shape
    row = width * planes.image.dtype.itemsize
    if height * row <= STRIP_BYTES:
        return 0
    return max(1, STRIP_BYTES // 8 // row)


@dataclass(frozen=True, slots=True, eq=False)
class _PlaneRows:
    """Plane k of an image: rows are read when it is sliced."""

    planes: Planes
    k: int

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width."""
        return self.planes.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Pixel type as ImageJ holds it."""
        return self.planes.stored

    def __getitem__(self, rows: slice) -> np.ndarray:
        first, stop, _ = rows.indices(self.shape[0])
        if stop <= first:
            return np.empty((0, self.shape[1]), self.dtype)
        return self.planes.rows(self.k, first, stop)


def pixel_rows(planes: Planes, k: int) -> np.ndarray:
    """Return plane k as something that reads rows when it is sliced."""
    return cast("np.ndarray", _PlaneRows(planes, k))


class _RoundingError(Exception):
    """Pixels lie on the threshold in single precision only: the plane must be read as a whole."""


def find_by_strips(
    planes: Planes,
    k: int,
    band: Band | None,
    settings: ParticleSettings,
    *,
    step: int,
    threads: int | None,
) -> tuple[Particles, Band] | None:
    """Find the particles of plane k, reading `step` rows at a time.

    Returns None when only a whole plane can be analyzed (see `planework.rounds_differently`).
    """
    height, width = planes.shape
    inverted = planes.shows_inverted(k)

    def assumed(rows: np.ndarray) -> Band:
        return binary_band(rows, white_background=settings.white_background, inverted_lut=inverted)

    pixels = pixel_rows(planes, k)
    in_force = band or assumed(pixels[:1])

    def rows(first: int, stop: int) -> np.ndarray:
        part = pixels[first:stop]
        if band is None:
            assumed(part)
        elif rounds_differently(part, band):
            raise _RoundingError
        return part

    limits = band_limits(planes.stored, *in_force.levels)
    if limits is None:
        limits = (planes.stored.type(1), planes.stored.type(0))
    try:
        # sources are read by one thread: not every file library allows more
        scan = scan_rows(height, width, rows, limits, step=step, threads=1)
    except _RoundingError:
        return None
    found = find_particles(
        scan,
        four=settings.four,
        include=settings.include,
        composite=settings.composite,
        threads=threads,
    )
    return found, in_force
