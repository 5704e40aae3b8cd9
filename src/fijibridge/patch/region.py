"""Which part of an image: ``z=5:15,y=40:120``, in samples or in units of length."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from fijibridge.errors import SettingsError
from fijibridge.model import Region
from fijibridge.model.units import canonical_unit, length_factor

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fijibridge.model import Axes, Axis

__all__ = ["parse_region", "region_text"]

_EXAMPLE = "Type for example z=5:15,y=40:120,x=40:120, or z=5um:15um; an axis left out is whole."
_END = re.compile(r"([-+]?[0-9.]+(?:[eE][-+]?[0-9]+)?)\s*(\D*)")


def parse_region(
    value: str | Region | Mapping[str, Sequence[float | None]] | Sequence[slice], axes: Axes
) -> Region:
    """Return a region of an image.

    Parameters
    ----------
    value
        ``"z=5:15,y=40um:120um"``; a mapping of axis to (start, stop); one slice an axis; a Region.
        Lengths are coordinates as the image's axes give them; a sample belongs to the region when
        its place, rounded, does.
    axes
        Axes of the image.

    Raises
    ------
    SettingsError
        When it is empty, lies outside, or names an axis or a unit that the image does not have.

    Examples
    --------
    >>> from fijibridge.model import Axes
    >>> parse_region("y=1:3", Axes.of("yx", (5, 6)))
    Region(start=(1, 0), stop=(3, 6))
    """
    if isinstance(value, Region):
        found = dict(zip(axes.keys, zip(value.start, value.stop, strict=True), strict=False))
        if len(value.start) != len(axes):
            raise SettingsError(
                f"The region has {len(value.start)} axes, the image {len(axes)} ({axes.keys}).",
                _EXAMPLE,
            )
    elif isinstance(value, str):
        found = _parsed(value, axes)
    elif hasattr(value, "items"):
        found = {key: _pair(key, ends, axes) for key, ends in value.items()}
    else:
        found = _of_slices(value, axes)
    start, stop = [], []
    for axis in axes:
        a, b = found.get(axis.key, (0, axis.size))
        if not 0 <= a < b <= axis.size:
            why = "is empty" if a >= b else "lies outside the image"
            raise SettingsError(
                f"The region {axis.key}={a}:{b} {why}: {axis.key} has {axis.size} samples, "
                f"0:{axis.size}.",
                _EXAMPLE,
            )
        start.append(a)
        stop.append(b)
    return Region(tuple(start), tuple(stop))


def _of_slices(value: Sequence[slice], axes: Axes) -> dict[str, tuple[int, int]]:
    if len(value) != len(axes) or not all(isinstance(one, slice) for one in value):
        raise SettingsError(
            f"A region of {axes.keys!r} takes {len(axes)} slices; {value!r} was given.", _EXAMPLE
        )
    if any(one.step not in (None, 1) for one in value):
        raise SettingsError("A region takes every sample; a slice with a step leaves some out.")
    return {
        axis.key: (
            0 if one.start is None else int(one.start),
            axis.size if one.stop is None else int(one.stop),
        )
        for axis, one in zip(axes, value, strict=True)
    }


def _pair(key: str, ends: Sequence[float | None], axes: Axes) -> tuple[int, int]:
    axis = _axis(key, axes)
    if len(ends) != 2:
        raise SettingsError(f"The axis {key!r} takes (start, stop); {ends!r} was given.", _EXAMPLE)
    low = 0 if ends[0] is None else int(ends[0])
    return low, axis.size if ends[1] is None else int(ends[1])


def _axis(key: str, axes: Axes) -> Axis:
    if key not in axes:
        raise SettingsError(
            f"The image has no axis {key!r}; its axes are {', '.join(axes.keys)}.", _EXAMPLE
        )
    return axes[key]


def _parsed(text: str, axes: Axes) -> dict[str, tuple[int, int]]:
    found: dict[str, tuple[int, int]] = {}
    for part in filter(None, (p.strip() for p in text.replace(";", ",").split(","))):
        key, sign, span = part.partition("=")
        low, colon, high = span.partition(":")
        key = key.strip().lower()
        if not sign or not colon:
            raise SettingsError(f"The region {part!r} is not AXIS=START:STOP.", _EXAMPLE)
        axis = _axis(key, axes)
        if key in found:
            raise SettingsError(f"The region names {key!r} twice: {text!r}.", _EXAMPLE)
        found[key] = (_end(low, axis, 0, part), _end(high, axis, axis.size, part))
    if not found:
        raise SettingsError("The region is empty text.", _EXAMPLE)
    return found


def _end(text: str, axis: Axis, blank: int, part: str) -> int:
    text = text.strip()
    if not text or text.lower() == "none":
        return blank
    match = _END.fullmatch(text)
    try:
        number, unit = (float(match[1]), match[2].strip()) if match else (float("nan"), "")
    except ValueError:
        number, unit = float("nan"), ""
    if unit:
        name = canonical_unit(unit)
        factor = 1.0 if name == axis.unit else length_factor(name, axis.unit)
        if factor is None:
            raise SettingsError(
                f"The region {part!r} is in {unit!r}; {axis.key} of the image is in {axis.unit}.",
                _EXAMPLE,
            )
        number = float(round((number * factor - axis.origin) / axis.scale))
    if number != number or number != int(number):  # noqa: PLR0124  # NaN
        raise SettingsError(f"The region {part!r} has an end {text!r} that is no sample.", _EXAMPLE)
    return int(number)


def region_text(axes: Axes, region: Region) -> str:
    """Return a region as users type it.

    Examples
    --------
    >>> from fijibridge.model import Axes
    >>> region_text(Axes.of("yx", (5, 6)), Region((1, 0), (3, 6)))
    'y=1:3,x=0:6'
    """
    return ",".join(
        f"{k}={a}:{b}" for k, a, b in zip(axes.keys, region.start, region.stop, strict=True)
    )
