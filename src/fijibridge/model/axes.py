"""Axes of an image: which letter, how many, how large, and regions along them."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, overload

from fijibridge.errors import SettingsError
from fijibridge.model.units import PIXEL, canonical_unit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["KEYS", "Axes", "Axis", "Region"]

#: All axis letters, in the order in which fijibridge lays out what has no order of its own.
KEYS = "tzyxc"


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis of an image.

    Parameters
    ----------
    key
        One of ``t z y x c``.
    size
        Number of samples, 0 or more.
    scale
        Distance of two samples in `unit`; positive and finite.
    unit
        OME-NGFF name (``micrometer``, ``second``, ``pixel``); other spellings are translated.
    origin
        Coordinate of sample 0 in `unit`.
    """

    key: str
    size: int
    scale: float = 1.0
    unit: str = PIXEL
    origin: float = 0.0

    def __post_init__(self) -> None:
        if self.key not in KEYS or len(self.key) != 1:
            raise SettingsError(f"Axis {self.key!r} is unknown. Allowed are t, z, y, x and c.")
        if not (math.isfinite(self.size) and self.size == int(self.size)):
            raise SettingsError(
                f"Axis {self.key!r} has the size {self.size}; it must be a whole number."
            )
        if self.size < 0:
            raise SettingsError(f"Axis {self.key!r} has the size {self.size}; it cannot be < 0.")
        if not (math.isfinite(self.scale) and self.scale > 0):
            raise SettingsError(
                f"Axis {self.key!r} has the scale {self.scale}; it must be positive and finite."
            )
        object.__setattr__(self, "size", int(self.size))
        object.__setattr__(self, "scale", float(self.scale))
        object.__setattr__(self, "origin", float(self.origin))
        object.__setattr__(self, "unit", canonical_unit(self.unit))

    @property
    def zero(self) -> float:
        """Which sample lies at coordinate 0: what ImageJ calls the origin, in pixels.

        `origin` is a rounded product; fifteen digits undo that, and are what files hold.

        Examples
        --------
        >>> Axis("x", 9, scale=0.1, origin=-0.3).zero
        3.0
        """
        return float(f"{-self.origin / self.scale:.15g}") + 0.0


@dataclass(frozen=True, slots=True)
class Axes:
    """The axes of an array in C order: the last varies fastest.

    Examples
    --------
    >>> axes = Axes.of("zyx", (5, 40, 50), scale={"x": 0.2, "y": 0.2}, unit="um")
    >>> axes.keys, axes.shape, axes["x"].scale, axes["x"].unit
    ('zyx', (5, 40, 50), 0.2, 'micrometer')
    """

    items: tuple[Axis, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "items", tuple(self.items))
        keys = [axis.key for axis in self.items]
        if len(set(keys)) != len(keys):
            raise SettingsError(f"Axes {''.join(keys)!r} use a letter twice. Use each letter once.")

    @classmethod
    def of(
        cls,
        keys: str,
        shape: Sequence[int],
        *,
        scale: Mapping[str, float] | None = None,
        unit: str | Mapping[str, str] = PIXEL,
        origin: Mapping[str, float] | None = None,
    ) -> Axes:
        """Build axes from letters and a shape.

        Parameters
        ----------
        keys
            One letter per axis, C order, such as ``"zyx"``.
        shape
            One size per letter.
        scale, origin
            By letter; what is missing is 1.0 and 0.0.
        unit
            By letter, or one unit of length for z, y and x.

        Raises
        ------
        SettingsError
            When the letters are wrong or their number is not that of the sizes.
        """
        if len(keys) != len(shape):
            raise SettingsError(
                f"Axes {keys!r} name {len(keys)} axes, the data has {len(shape)} "
                f"(shape {tuple(shape)}).",
                "Name each axis once, with the letters t, z, y, x and c.",
            )
        scale, origin = scale or {}, origin or {}
        units = dict.fromkeys("zyx", unit) if isinstance(unit, str) else unit
        return cls(
            tuple(
                Axis(k, int(n), scale.get(k, 1.0), units.get(k, PIXEL), origin.get(k, 0.0))
                for k, n in zip(keys, shape, strict=True)
            )
        )

    @property
    def keys(self) -> str:
        """The letters, such as ``"zyx"``."""
        return "".join(axis.key for axis in self.items)

    @property
    def shape(self) -> tuple[int, ...]:
        """The sizes."""
        return tuple(axis.size for axis in self.items)

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[Axis]:
        return iter(self.items)

    def __contains__(self, key: str) -> bool:
        return any(axis.key == key for axis in self.items)

    @overload
    def __getitem__(self, which: str) -> Axis: ...
    @overload
    def __getitem__(self, which: int) -> Axis: ...
    def __getitem__(self, which: str | int) -> Axis:
        if isinstance(which, int):
            return self.items[which]
        for axis in self.items:
            if axis.key == which:
                return axis
        raise SettingsError(f"There is no axis {which!r}; the axes are {self.keys!r}.")

    def index(self, key: str) -> int:
        """Return the place of `key`."""
        return self.items.index(self[key])

    def get(self, key: str) -> Axis:
        """Return the axis `key`, or one of size 1 when there is none."""
        return self[key] if key in self else Axis(key, 1)

    def size(self, key: str) -> int:
        """Return the size along `key`; 1 when there is no such axis."""
        return self.get(key).size

    def reorder(self, keys: str) -> Axes:
        """Return the axes named by `keys`, in that order; missing ones have size 1."""
        return Axes(tuple(self.get(key) for key in keys))

    def with_shape(self, shape: Sequence[int]) -> Axes:
        """Return the same axes with other sizes."""
        return Axes(tuple(replace(a, size=int(n)) for a, n in zip(self.items, shape, strict=True)))

    def crop(self, region: Region) -> Axes:
        """Return the axes of a region: sizes cut, origins shifted."""
        return Axes(
            tuple(
                replace(a, size=stop - start, origin=a.origin + start * a.scale)
                for a, start, stop in zip(self.items, region.start, region.stop, strict=True)
            )
        )


@dataclass(frozen=True, slots=True)
class Region:
    """A box: half-open, 0-based, one start and stop per axis.

    Examples
    --------
    >>> Region((1, 0), (3, 4)).shape
    (2, 4)
    """

    start: tuple[int, ...]
    stop: tuple[int, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "start", tuple(int(n) for n in self.start))
        object.__setattr__(self, "stop", tuple(int(n) for n in self.stop))
        if len(self.start) != len(self.stop):
            raise SettingsError(
                f"A region has {len(self.start)} starts and {len(self.stop)} stops; give one each."
            )
        if any(not 0 <= a <= b for a, b in zip(self.start, self.stop, strict=True)):
            raise SettingsError(
                f"Region {self.start} to {self.stop} is not 0 <= start <= stop on every axis."
            )

    @classmethod
    def whole(cls, shape: Sequence[int]) -> Region:
        """Return the region that covers a whole array."""
        return cls((0,) * len(shape), tuple(shape))

    @property
    def shape(self) -> tuple[int, ...]:
        """The size along each axis."""
        return tuple(b - a for a, b in zip(self.start, self.stop, strict=True))

    @property
    def slices(self) -> tuple[slice, ...]:
        """The region as an index of an array."""
        return tuple(slice(a, b) for a, b in zip(self.start, self.stop, strict=True))
