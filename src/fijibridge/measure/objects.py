"""Measure what exists already: labels, or ROIs of any kind, as ImageJ's Measure does.

Source: ImageJ ij.plugin.filter.Analyzer (measure, saveResults, getFileName),
ij.plugin.frame.RoiManager.measure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fijibridge.errors import SettingsError
from fijibridge.measure.particle_settings import (
    COLUMN_ORDER,
    MEASUREMENTS,
    ParticleSettings,
    measurement_words,
)
from fijibridge.measure.planes import Calibration, Planes
from fijibridge.model.labels import LabelImage
from fijibridge.model.rois import AREA_KINDS, RoiSet
from fijibridge.model.table import LABEL, ResultsTable, TableStyle

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fijibridge.model.image import Image
    from fijibridge.model.rois import Roi

__all__ = ["MeasureWords", "measure"]

#: Columns behind ImageJ's own, in the order in which it adds them.
_BEHIND = ("Length", "MinThr", "MaxThr", "RRLength", "RRWidth", "Group", "Counter", "Count")
_FIXED = ("Circ.", "AR", "Round", "Solidity")
_SQUARED = frozenset({"Area", "IntDen"})
_LENGTHS = frozenset(
    {
        "X", "Y", "XM", "YM", "Perim.", "BX", "BY", "Width", "Height", "Major", "Minor",
        "Feret", "MinFeret", "Length", "RRLength", "RRWidth",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class MeasureWords:
    """Words of Set Measurements, looked up."""

    words: frozenset[str]
    headings: frozenset[str]

    @classmethod
    def of(cls, measurements: tuple[str, ...] | str) -> MeasureWords:
        """Check the words."""
        words = frozenset(measurement_words(measurements))
        return cls(words, frozenset(h for w in words for h in MEASUREMENTS.get(w, ())))

    def __contains__(self, word: str) -> bool:
        return word in self.words


def measure(
    objects: LabelImage | RoiSet,
    image: Image,
    *,
    measurements: tuple[str, ...] | str = ("area", "mean", "min"),
    decimal: int = 3,
    slice: int | None = None,  # noqa: A002  # ImageJ's word
    threads: int | None = None,
) -> ResultsTable:
    """Measure labels or ROIs in an image.

    Parameters
    ----------
    objects
        A label image of the planes of `image` (or of one plane), or ROIs. An ROI with a position
        is measured in that plane.
    image
        Where intensities, title and, for ROIs, the calibration come from; axes y and x, and any of
        t, z and c.
    measurements
        Words of Set Measurements; ``all``: every column.
    decimal
        Decimal places, 0 to 9.
    slice
        The plane for ROIs without a position, 1-based in ImageJ's order; None is the first.
    threads
        How many, for label images; the result does not depend on it.

    Returns
    -------
    ResultsTable
        One row per label (ascending, plane by plane) or per ROI in order (a multi-point has one row
        per point). ``object_ids`` are (t, label): of ROIs, what they were traced from, else their
        number from 1. An ROI that holds no pixel of the image has Area 0 and NaN; ImageJ would
        move it to the middle of the image.

    Raises
    ------
    SettingsError
        For unknown measurements, a label image of another size, a plane that does not exist.
    UnsupportedError
        For RGB images and lines wider than one pixel.
    """
    words = MeasureWords.of(measurements)
    if isinstance(objects, LabelImage):
        return _labels(objects, image, words, decimal, threads)
    if not 0 <= decimal <= 9:
        raise SettingsError(f"decimal {decimal!r} is not one of 0 to 9.")
    planes = Planes.of(image)
    first = 1 if slice is None else slice
    if not 1 <= first <= len(planes):
        raise SettingsError(
            f"slice {first} is asked for; the image {image.name!r} has {len(planes)} planes.",
            f"Give 1 to {len(planes)}.",
        )
    return _rois(objects, planes, words, decimal, first - 1)


def _labels(
    labels: LabelImage, image: Image, words: MeasureWords, decimal: int, threads: int | None
) -> ResultsTable:
    from fijibridge.measure.particles import analyze_particles

    count, other = len(Planes.of(labels)), len(Planes.of(image))
    if count != other and 1 not in (count, other):
        raise SettingsError(
            f"The label image has {count} planes ({labels.axes.keys} {labels.shape}), the image "
            f"{other} ({image.axes.keys} {image.shape}).",
            "Give one plane, or as many as the image has.",
        )
    settings = ParticleSettings(
        measurements=tuple(sorted(words.words)),
        decimal=decimal,
        stack=count > 1,
        outputs=frozenset({"table"}),
    )
    return analyze_particles(labels, settings, redirect=image, threads=threads).table


def _rois(
    rois: RoiSet, planes: Planes, words: MeasureWords, decimal: int, current: int
) -> ResultsTable:
    from fijibridge.measure.roi_rows import area_rows, other_rows

    items = list(rois)
    where = [plane_of(roi, planes, current) for roi in items]
    rows: list[list[dict[str, object]]] = [[] for _ in items]
    for k in sorted(set(where)):
        areas = [i for i, at in enumerate(where) if at == k and items[i].kind in AREA_KINDS]
        for i, row in zip(
            areas, area_rows([items[i] for i in areas], planes, k, words), strict=True
        ):
            rows[i] = [row]
    for i, roi in enumerate(items):
        if roi.kind not in AREA_KINDS and roi.kind != "none":
            rows[i] = other_rows(roi, planes, where[i], words)
    for i, roi in enumerate(items):
        for row in rows[i]:
            _add_places(row, roi, planes, where[i], words)
    return _table(items, rows, rois, planes, words, decimal)


def plane_of(roi: Roi, planes: Planes, current: int) -> int:
    """Return the plane (0-based) an ROI is measured in.

    Raises
    ------
    SettingsError
        When its position does not exist.
    """
    p = roi.position
    frames, slices, channels = planes.data.shape[:3]
    if len(planes) == 1 or not (p.c or p.z or p.t or p.slice):
        return current
    if p.slice:
        if p.slice > len(planes):
            raise SettingsError(
                f"ROI {roi.name!r} is on slice {p.slice}; the image has {len(planes)}.",
                "Measure it in the image it was drawn on.",
            )
        return p.slice - 1
    c, z, t = planes.place(current)
    at = (p.c - 1 if p.c else c, p.z - 1 if p.z else z, p.t - 1 if p.t else t)
    if at[0] >= channels or at[1] >= slices or at[2] >= frames:
        raise SettingsError(
            f"ROI {roi.name!r} is at channel {p.c}, slice {p.z}, frame {p.t}; the image has "
            f"{channels}, {slices} and {frames}.",
            "Measure it in the image it was drawn on.",
        )
    return int((at[2] * slices + at[1]) * channels + at[0])


def _add_places(
    row: dict[str, object], roi: Roi, planes: Planes, k: int, words: MeasureWords
) -> None:
    """Add Label, Ch, Slice, Frame, thresholds and the ROI's group."""
    if "display" in words:
        row[LABEL] = _row_label(roi, planes, k)
    if "stack" in words or (len(planes) > 1 and "Length" not in row):
        if planes.is_hyperstack or planes.is_composite:
            frames, slices, channels = planes.data.shape[:3]
            c, z, t = planes.place(k)
            counts = (("Ch", channels, c), ("Slice", slices, z), ("Frame", frames, t))
            row.update({heading: at + 1.0 for heading, n, at in counts if n > 1})
        else:
            row["Slice"] = k + 1.0
    if "limit" in words:
        # no threshold is set: ImageJ names the ends of the type
        low, high = {"uint8": (0.0, 255.0), "uint16": (0.0, 65535.0)}.get(
            planes.stored.name, (-float(np.finfo(np.float32).max), float(np.finfo(np.float32).max))
        )
        row["MinThr"], row["MaxThr"] = low, high
    if roi.group > 0:
        row["Group"] = float(roi.group)


def _row_label(roi: Roi, planes: Planes, k: int) -> str:
    text = planes.image.name
    if roi.name and "." not in roi.name:
        text += ":" + (roi.name if len(roi.name) <= 30 else roi.name[:27] + "...")
    if len(planes) > 1:
        text += (":" if text else "") + (planes.label(k) or str(k + 1))
    return text


def _table(
    items: Sequence[Roi],
    rows: list[list[dict[str, object]]],
    rois: RoiSet,
    planes: Planes,
    words: MeasureWords,
    decimal: int,
) -> ResultsTable:
    flat = [row for group in rows for row in group]
    present = {heading for row in flat for heading in row}
    order: list[str] = [LABEL] if LABEL in present else []
    for heading in COLUMN_ORDER:
        if heading == "FeretX":
            order += [h for h in ("Ch", "Slice", "Frame") if h in present]
        if heading in present:
            order.append(heading)
    order += [h for h in _BEHIND if h in present]
    empty = np.nan if "nan" in words else 0.0
    columns: dict[str, np.ndarray] = {}
    for heading in order:
        values = [row.get(heading, "" if heading == LABEL else empty) for row in flat]
        columns[heading] = np.array(values, object if heading == LABEL else np.float64)
    number = np.repeat(np.arange(len(items)), [len(group) for group in rows])
    ids = np.empty((len(flat), 2), np.int64)
    if rois.outlines is not None:
        ids[:] = rois.outlines.ids[number]
    else:
        ids[:, 0] = [max(items[i].position.t - 1, 0) for i in number.tolist()]
        ids[:, 1] = number + 1
    unit = Calibration.of(planes.image.spec).unit
    units = {}
    for heading in order:
        if heading in _SQUARED:
            units[heading] = f"{unit}^2"
        elif heading in _LENGTHS:
            units[heading] = unit
        elif heading in ("Angle", "FeretAngle"):
            units[heading] = "degree"
    style = TableStyle(
        precision=decimal,
        scientific="scientific" in words,
        row_numbers=True,
        nan_empty="nan" in words,
        decimals={h: decimal for h in _FIXED if h in present},
    )
    return ResultsTable(columns, ids, units=units, style=style, name="Results")
