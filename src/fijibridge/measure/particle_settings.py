"""What Analyze Particles and Set Measurements can be told."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from fijibridge.errors import SettingsError, nearest
from fijibridge.model.rois import AREA_KINDS

if TYPE_CHECKING:
    from fijibridge.model.rois import Roi

__all__ = ["MEASUREMENTS", "OUTPUTS", "SWITCHES", "ParticleSettings", "measurement_words"]

#: Words of Set Measurements -> headings they add, in ImageJ's order of columns.
MEASUREMENTS: dict[str, tuple[str, ...]] = {
    "area": ("Area",),
    "mean": ("Mean",),
    "standard": ("StdDev",),
    "modal": ("Mode",),
    "min": ("Min", "Max"),
    "centroid": ("X", "Y"),
    "center": ("XM", "YM"),
    "perimeter": ("Perim.",),
    "bounding": ("BX", "BY", "Width", "Height"),
    "fit": ("Major", "Minor", "Angle"),
    "shape": ("Circ.", "AR", "Round", "Solidity"),
    "feret's": ("Feret", "FeretX", "FeretY", "FeretAngle", "MinFeret"),
    "integrated": ("IntDen", "RawIntDen"),
    "median": ("Median",),
    "skewness": ("Skew",),
    "kurtosis": ("Kurt",),
    "area_fraction": ("%Area",),
}
#: Words of Set Measurements that add no measured column.
SWITCHES = ("stack", "display", "limit", "invert", "scientific", "nan")
#: Other spellings that macros and people use.
_ALIASES = {
    "feret": "feret's",
    "ferets": "feret's",
    "mode": "modal",
    "std": "standard",
    "stddev": "standard",
    "max": "min",
    "min&max": "min",
    "centre": "center",
    "skew": "skewness",
    "kurt": "kurtosis",
    "%area": "area_fraction",
    "bounds": "bounding",
    "ellipse": "fit",
    "label": "display",
}
#: What a run can give.
OUTPUTS = ("table", "labels", "rois", "summary")


def measurement_words(words: tuple[str, ...] | str) -> tuple[str, ...]:
    """Return known words of Set Measurements, each once; ``all`` stands for every measurement.

    Examples
    --------
    >>> measurement_words(("area", "Feret"))
    ('area', "feret's")

    Raises
    ------
    SettingsError
        For a word that ImageJ does not have.
    """
    if isinstance(words, str):
        words = tuple(words.replace(",", " ").split())
    return _known_words(tuple(map(str, words)))


@functools.lru_cache(maxsize=256)
def _known_words(words: tuple[str, ...]) -> tuple[str, ...]:
    known = (*MEASUREMENTS, *SWITCHES)
    found: list[str] = []
    for word in words:
        name = str(word).lower()
        if name == "all":
            found.extend(MEASUREMENTS)
            continue
        name = _ALIASES.get(name, name)
        if name not in known:
            raise SettingsError(
                f"Measurement {word!r} is unknown.{nearest(str(word), known)} "
                f"Allowed are {', '.join(known)} and all.",
                "These are the words that ImageJ's Set Measurements records.",
            )
        found.append(name)
    return tuple(dict.fromkeys(found))


@dataclass(frozen=True, slots=True, kw_only=True)
class ParticleSettings:
    """Settings of Analyze Particles.

    Parameters
    ----------
    threshold
        (lower, upper) raw pixel values, both ends inclusive, as `threshold.resolve_threshold` gives
        them; None: the image is binary (0 and 255 only), or a label image.
    white_background
        A binary image's particles are the 0 pixels (unless it has an inverted LUT).
    size
        (smallest, largest) area, both inclusive, calibrated units squared.
    pixel_units
        `size` counts pixels.
    circularity
        (smallest, largest) circularity, 0 to 1; larger than 1 switches ImageJ's clipping off.
    exclude
        Leave out what touches the edge (of the selection, if there is one).
    include
        Holes, and all that lies in them, belong to the particle around them.
    four
        Pixels that touch only at a corner are apart; holes are included then, as in ImageJ.
    composite
        Particles with holes become composite ROIs.
    record
        Add the columns XStart and YStart.
    stack
        Analyze all planes, not one.
    slice
        The plane to analyze, running number from 1 (c fastest, then z, then t); None = 1.
    select
        An area ROI; only what is inside counts.
    measurements
        Words of Set Measurements; ``all``: every measured column.
    decimal
        Decimal places, 0 to 9.
    connectivity
        ``2d``: plane by plane as ImageJ; ``3d``: objects through z.
    label_limit
        Highest label written, 65535 as ImageJ's; None: as many as there are.
    outputs
        What is wanted of table, labels, rois and summary; only that is computed.
    """

    threshold: tuple[float, float] | None = None
    white_background: bool = False
    size: tuple[float, float] = (0.0, math.inf)
    pixel_units: bool = False
    circularity: tuple[float, float] = (0.0, 1.0)
    exclude: bool = False
    include: bool = False
    four: bool = False
    composite: bool = False
    record: bool = False
    stack: bool = False
    slice: int | None = None
    select: Roi | None = None
    measurements: tuple[str, ...] = ("area", "mean", "min")
    decimal: int = 3
    connectivity: Literal["2d", "3d"] = "2d"
    label_limit: int | None = None
    outputs: frozenset[str] = frozenset(("table", "labels", "rois"))

    def __post_init__(self) -> None:
        values = {
            "threshold": None if self.threshold is None else _threshold(self.threshold),
            "size": _size(self.size),
            "circularity": _circularity(self.circularity),
            "measurements": measurement_words(self.measurements),
            "outputs": frozenset(self.outputs),
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)
        _check_words(self)
        _check_planes(self)

    @property
    def headings(self) -> tuple[str, ...]:
        """The measured headings asked for, in ImageJ's order of columns."""
        words = set(self.measurements)
        if "summary" in self.outputs:
            words.add("area")  # ImageJ switches it on for its summary
        asked = {heading for word in words for heading in MEASUREMENTS.get(word, ())}
        return tuple(heading for heading in COLUMN_ORDER if heading in asked)


#: Order of the measured columns in ImageJ's tables; Ch, Slice and Frame follow RawIntDen.
COLUMN_ORDER = (
    "Area", "Mean", "StdDev", "Mode", "Min", "Max", "X", "Y", "XM", "YM", "Perim.", "BX", "BY",
    "Width", "Height", "Major", "Minor", "Angle", "Circ.", "Feret", "IntDen", "Median", "Skew",
    "Kurt", "%Area", "RawIntDen", "FeretX", "FeretY", "FeretAngle", "MinFeret", "AR", "Round",
    "Solidity",
)  # fmt: skip


def _pair(name: str, value: Any) -> tuple[float, float]:
    try:
        low, high = value
        return float(low), float(high)
    except (TypeError, ValueError):
        raise SettingsError(f"{name} {value!r} is not a pair of numbers (low, high).") from None


def _check_words(settings: ParticleSettings) -> None:
    for word in sorted(settings.outputs):
        if word not in OUTPUTS:
            raise SettingsError(
                f"Output {word!r} is unknown.{nearest(word, OUTPUTS)} "
                f"Allowed are {', '.join(OUTPUTS)}."
            )
    if not (isinstance(settings.decimal, int) and 0 <= settings.decimal <= 9):
        raise SettingsError(f"decimal {settings.decimal!r} is not one of 0 to 9.")
    if settings.connectivity not in ("2d", "3d"):
        raise SettingsError(
            f"connectivity {settings.connectivity!r} is unknown. Allowed are 2d and 3d."
        )
    limit = settings.label_limit
    if limit is not None and not 1 <= limit <= 2**32 - 1:
        raise SettingsError(
            f"label_limit {limit!r} is not one of 1 to {2**32 - 1}.", "ImageJ's is 65535."
        )
    if settings.select is not None and settings.select.kind not in AREA_KINDS:
        raise SettingsError(
            f"The selection is a {settings.select.kind}; it must enclose an area: "
            f"{', '.join(sorted(AREA_KINDS))}."
        )


def _check_planes(settings: ParticleSettings) -> None:
    if settings.slice is None:
        return
    if not isinstance(settings.slice, int) or settings.slice < 1:
        raise SettingsError(f"slice {settings.slice!r} is not a plane; the first is 1.")
    if settings.stack:
        raise SettingsError(
            f"stack and slice {settings.slice} exclude each other: stack means all planes.",
            "Leave one of them out.",
        )


def _threshold(value: object) -> tuple[float, float]:
    low, high = _pair("threshold", value)
    if math.isnan(low) or math.isnan(high):
        raise SettingsError(
            f"threshold {value!r} is not a number.", "Give LOW,HIGH, such as 25,255."
        )
    return low, high


def _size(value: object) -> tuple[float, float]:
    low, high = _pair("size", value)
    low = 0.0 if math.isnan(low) or low < 0 else low
    if math.isnan(high) or high < low:
        high = math.inf
    return low, high


def _circularity(value: object) -> tuple[float, float]:
    """Return the range as ImageJ's dialog corrects it."""
    low, high = _pair("circularity", value)
    low = 0.0 if math.isnan(low) or low < 0 else low
    high = 1.0 if math.isnan(high) else high
    if low > high and high == 1.0:
        low = 0.0
    low = min(low, high)
    if low == high == 1.0:
        low = 0.0
    return low, high
