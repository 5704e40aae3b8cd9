"""Which axis is which: tifffile's letters and ours, and guesses for files that do not say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fijibridge.errors import FormatError, SettingsError
from fijibridge.model import Axes, Axis

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Layout", "named_axes", "rename_axes"]


@dataclass(frozen=True, slots=True)
class Layout:
    """Where pixels lie: an array, the file's letters and sizes, C order."""

    array: Any
    letters: str
    sizes: tuple[int, ...]
    dtype: np.dtype[Any]
    rgb: bool = False


def named_axes(layout: Layout, what: str) -> tuple[tuple[int, ...], dict[str, int], bool]:
    """Return our axes of a layout.

    Samples (``S``) are channels, last when they are colours; letters without a meaning (``I``,
    ``Q``) take the free ones of z, t and c: one alone is z, as ImageJ's stacks are, two are t
    and z. Other letters of size 1 are dropped.

    Returns
    -------
    The order in which the file's axes are read, sizes by letter in that order, and whether the
    channels are colours.

    Raises
    ------
    FormatError
        When the image has more axes than t z y x c.
    """
    letters = layout.letters.upper()
    names = _letter_names(letters, layout.sizes)
    unknown = [i for i, name in enumerate(names) if not name and layout.sizes[i] > 1]
    free = [key for key in "ztc" if key not in names]
    if len(unknown) > len(free):
        raise FormatError(
            f"{what!r} has the axes {layout.letters!r} of the sizes {layout.sizes}; "
            "at most t, z, y, x and c can be read.",
            "Save one series or position of it as a file of its own.",
        )
    chosen = sorted(free[: len(unknown)], key="tzc".index)
    for place, key in zip(unknown, chosen, strict=True):
        names[place] = key
    kept = [i for i, name in enumerate(names) if name]
    samples = letters.find("S")
    is_rgb = layout.rgb and samples >= 0 and names[samples] == "c" and layout.sizes[samples] == 3
    if is_rgb:
        kept.remove(samples)
        kept.append(samples)
    return tuple(kept), {names[i]: layout.sizes[i] for i in kept}, is_rgb


def _letter_names(letters: str, sizes: tuple[int, ...]) -> list[str]:
    """Return our letter of each axis, "" where the file's letter has no meaning here."""
    names = [""] * len(letters)
    for place, letter in enumerate(letters):
        if letter in "TZYXC" and letter.lower() not in names:
            names[place] = letter.lower()
    samples = letters.find("S")
    if samples >= 0:
        channel = letters.find("C")
        if channel < 0:
            names[samples] = "c"
        elif sizes[channel] == 1:
            names[channel], names[samples] = "", "c"
    return names


def rename_axes(axes: Axes, keys: str) -> Axes:
    """Return axes under the letters a user gives; sizes and scales stay where the letter stays.

    Raises
    ------
    SettingsError
        When the letters are wrong, or not one per axis.
    """
    keys = keys.lower()
    if len(keys) != len(axes):
        raise SettingsError(
            f"Axes {keys!r} name {len(keys)} axes; the image has {len(axes)}: "
            + ", ".join(f"{a.key} of size {a.size}" for a in axes)
            + ".",
            "Name each axis once, in the order of the file, with the letters t, z, y, x and c.",
        )
    return Axes(
        tuple(a if a.key == key else Axis(key, a.size) for a, key in zip(axes, keys, strict=True))
    )
