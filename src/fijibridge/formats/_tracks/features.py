"""Names of measurements: ilastik's display names (columns of tables) and its internal keys."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from fijibridge.errors import SettingsError

if TYPE_CHECKING:
    from fijibridge.model import Tracks

__all__ = [
    "AXES",
    "CENTER",
    "RADII",
    "SIZE",
    "columns_of",
    "csv_heading",
    "internal_name",
    "plain_heading",
    "positions",
    "radii",
]

CENTER = "Center of the object"
RADII = "Radii of the object"
AXES = "Principal components of the object"
SIZE = "Size in pixels"
#: Display name -> key of ilastik's feature plug-in; both only where they differ.
_INTERNAL = {
    SIZE: "Count",
    CENTER: "RegionCenter",
    RADII: "RegionRadii",
    AXES: "RegionAxes",
    "Bounding Box Minimum": "Coord<Minimum>",
    "Bounding Box Maximum": "Coord<Maximum>",
    "Mean Intensity": "Mean",
    "Variance of Intensity": "Variance",
    "Skewness of Intensity": "Skewness",
    "Kurtosis of Intensity": "Kurtosis",
    "Maximum intensity": "Maximum",
    "Minimum intensity": "Minimum",
    "Total Intensity": "Sum",
    "Covariance of Channel Intensity": "Covariance",
    "Quantiles of Intensity": "Quantiles",
}
#: ilastik's "Default features", which its CSV-Table puts last, by internal key.
_LAST = ("Bounding Box Maximum", "Bounding Box Minimum", SIZE, CENTER)
_HIDDEN = ("Histogram of Intensity", "Histogram")


def split_heading(heading: str) -> tuple[str, int]:
    """Return (name, number) of ``Mean Intensity_2``; -1 = a single value."""
    match = re.fullmatch(r"(.+)_(\d{1,6})", heading)
    return (match[1], int(match[2])) if match else (heading, -1)


def columns_of(tracks: Tracks, name: str) -> list[np.ndarray]:
    """Return the columns ``name_0``, ``name_1``, … or the single column ``name``."""
    found = tracks.features.columns
    if name in found:
        return [found[name]]
    out: list[np.ndarray] = []
    while f"{name}_{len(out)}" in found:
        out.append(found[f"{name}_{len(out)}"])
    return out


def needed(tracks: Tracks, name: str, what: str) -> list[np.ndarray]:
    """Return columns that a format cannot do without.

    Raises
    ------
    SettingsError
        When the tracks have not been measured.
    """
    found = columns_of(tracks, name)
    if not found:
        raise SettingsError(
            f"{what} needs the measurement {name!r}, which these tracks have not.",
            "Name the label image, from which it is measured, or a table of measurements.",
        )
    return [np.asarray(c, np.float64) for c in found]


def positions(tracks: Tracks, what: str) -> np.ndarray:
    """Return (n, 3) centres x, y, z in pixels; z is 0 in the plane."""
    found = needed(tracks, CENTER, what)
    out = np.zeros((len(tracks), 3))
    for i, column in enumerate(found[:3]):
        out[:, i] = np.nan_to_num(column)
    return out


def radii(tracks: Tracks) -> np.ndarray:
    """Return (n,) radii of disks or balls as large as the objects, in pixels; 1 where unknown."""
    size = columns_of(tracks, SIZE)
    if not size:
        return np.ones(len(tracks))
    area = np.nan_to_num(np.asarray(size[0], np.float64))
    if len(columns_of(tracks, CENTER)) > 2:
        found: np.ndarray = np.cbrt(0.75 * area / np.pi)
    else:
        found = np.sqrt(area / np.pi)
    return np.where(found > 0, found, 1.0)


def internal_name(heading: str) -> str:
    """Return a column by its internal key: ``Mean Intensity_0`` Mean_0, ``Size in pixels`` Count_0.

    Examples
    --------
    >>> internal_name("Bounding Box Minimum_1"), internal_name("Size in pixels")
    ('Coord<Minimum>_1', 'Count_0')
    """
    name, number = split_heading(heading)
    tail = " in neighborhood"
    stem = name.removesuffix(tail)
    key = _INTERNAL.get(stem, stem) + (tail if name.endswith(tail) else "")
    if number < 0 and stem in _INTERNAL:
        number = 0
    return key if number < 0 else f"{key}_{number}"


def csv_heading(heading: str) -> str:
    """Return a column's heading in ilastik's CSV-Table.

    Examples
    --------
    >>> csv_heading("Size in pixels"), csv_heading("Mean Intensity_1")
    ('Size_in_pixels_0', 'Mean_Intensity_1')
    """
    name, number = split_heading(heading)
    if number < 0 and name in _INTERNAL:
        number = 0
    name = name.replace(" ", "_")
    return name if number < 0 else f"{name}_{number}"


def plain_heading(heading: str) -> str:
    """Return what `csv_heading` was made from, for ilastik's own features."""
    name, number = split_heading(heading)
    name = name.replace("_", " ")
    if name == SIZE and number == 0:
        return SIZE
    return name if number < 0 else f"{name}_{number}"


def csv_order(headings: tuple[str, ...]) -> list[str]:
    """Return the columns of a CSV-Table in ilastik's order; histograms are left out."""
    kept = [h for h in headings if split_heading(h)[0] not in _HIDDEN]
    given = {h: i for i, h in enumerate(headings)}

    def place(heading: str) -> tuple[int, int, str, int, int]:
        name, number = split_heading(heading)
        if name in _LAST:
            return (1, _LAST.index(name), "", number, 0)
        if name in _INTERNAL:
            return (0, 0, _INTERNAL[name], number, 0)
        return (0, 1, "", 0, given[heading])

    return sorted(kept, key=place)
