"""Objects of volumes: ``--connectivity 3d``.

Voxels that touch by a face, an edge or a corner belong together (26 neighbours), with `four` only
those that share a face (6). ImageJ has no such analysis; units, the +0.5 of centroids, the bounds
and the statistics are those of its results table.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from fijibridge.errors import SettingsError, UnsupportedError
from fijibridge.measure.features import Greys, measure_particles, pixel_counts
from fijibridge.measure.planes import Calibration, Planes
from fijibridge.measure.tracing import Loops, Particles
from fijibridge.measure.voxels import (
    Objects,
    find_objects,
    looked_at,
    paint_objects,
    relabel,
    surface_voxels,
)
from fijibridge.model.axes import Axes
from fijibridge.model.image import ImageSpec
from fijibridge.model.labels import LabelImage
from fijibridge.model.rois import RoiSet
from fijibridge.model.table import LABEL, ResultsTable, TableStyle

if TYPE_CHECKING:
    from fijibridge.measure.particle_settings import ParticleSettings
    from fijibridge.measure.particles import ParticleResult
    from fijibridge.model.image import Image

__all__ = ["HEADINGS", "analyze_volume"]

#: Columns of every table of volumes; "Frame" is in front of them when there are several frames.
HEADINGS = (
    "Label id", "Volume", "Voxels", "Surface voxels", "X", "Y", "Z", "BX", "BY", "BZ", "Width",
    "Height", "Depth", "Mean", "StdDev", "Min", "Max", "IntDen", "Median",
)  # fmt: skip
#: Words of Set Measurements that add a column.
_MORE = {"modal": "Mode", "skewness": "Skew", "kurtosis": "Kurt", "integrated": "RawIntDen"}
_GREY = ("Mean", "StdDev", "Min", "Max", "Median")
_LENGTHS = ("X", "Y", "Z", "BX", "BY", "BZ", "Width", "Height", "Depth")


def analyze_volume(
    image: Image,
    settings: ParticleSettings,
    *,
    redirect: Image | None = None,
    threads: int | None = None,
) -> ParticleResult:
    """Find and measure the objects of a volume, or of each volume of a time series.

    Parameters
    ----------
    image
        Axes y and x, and z and t as there are; one channel. Role ``labels`` without a threshold:
        each label is one object, in one piece or not.
    settings
        `threshold`, `white_background`, `four`, `size` (calibrated units cubed, or voxels with
        `pixel_units`), `exclude` (objects at a face of the volume; at the first and last z only if
        there are several), `select`, `measurements`, `decimal`, `label_limit` and `outputs` count.
    redirect
        Image of the same size that intensities and the calibration are taken from.
    threads
        How many; the result does not depend on it.

    Returns
    -------
    ParticleResult
        One row per object in the order of its first voxel (z, then y, then x), of a label image by
        label, volume by volume. Headings are `HEADINGS` and those of the words modal, skewness,
        kurtosis and integrated. ``X`` is the mean of x + 0.5 as in ImageJ; a surface voxel has a
        face to something else or to the outside; ROIs are outlines of each plane.

    Raises
    ------
    SettingsError
        For settings that have no meaning in volumes.
    UnsupportedError
        For several channels.
    """
    from fijibridge.measure.particles import ParticleResult

    planes = Planes.of(image)
    _check(planes, settings)
    source = planes if redirect is None else Planes.of(redirect)
    if source.data.shape != planes.data.shape:
        raise SettingsError(
            f"The redirect image {source.image.name!r} has the shape {source.image.shape}, the "
            f"image {image.shape}; volumes must be equal.",
            "Redirect to an image of the same size.",
        )
    from_labels = image.spec.role == "labels" and settings.threshold is None
    inside = looked_at(settings, planes.shape)
    frames = planes.data.shape[0]
    tables: list[dict[str, np.ndarray]] = []
    painted: list[np.ndarray] = []
    rows = 0
    for t in range(frames):
        found, values = find_objects(planes, t, settings, inside, source, from_labels, threads)
        whole = paint_objects(found, planes, np.arange(1, len(found) + 1, dtype=np.uint32), threads)
        surface = surface_voxels(whole, len(found), threads)
        chosen = _choose(found, planes, settings)
        number = np.arange(rows + 1, rows + len(chosen) + 1)
        rows += len(chosen)
        ids = found.values[chosen] if from_labels else number
        table = _measure(found, chosen, ids, values, source, settings, threads)
        table["Surface voxels"] = surface[chosen]
        tables.append({"Frame": np.full(len(chosen), t + 1), **table})
        if settings.outputs & {"labels", "rois"}:
            painted.append(relabel(whole, chosen, ids, settings.label_limit))
    labels = _labels(painted, planes) if painted else None
    rois = RoiSet()
    if labels is not None and "rois" in settings.outputs:
        from fijibridge.measure.regions import labels_to_rois

        rois = labels_to_rois(labels, threads=threads)
    made = _table(tables, planes, source, settings)
    return ParticleResult(
        labels=labels if "labels" in settings.outputs else None,
        table=made,
        rois=rois,
        summary=_summary(made, planes, settings) if "summary" in settings.outputs else None,
        threshold=settings.threshold,
        warnings=(),
    )


def _check(planes: Planes, settings: ParticleSettings) -> None:
    channels = planes.data.shape[2]
    if channels > 1:
        raise UnsupportedError(
            f"The image has {channels} channels; volumes are analyzed one channel at a time.",
            "Take one channel.",
        )
    without = {
        "include": settings.include,
        "composite": settings.composite,
        "record": settings.record,
        "slice": settings.slice is not None,
        "circularity": settings.circularity != (0.0, 1.0),
    }
    for name, given in without.items():
        if given:
            raise SettingsError(
                f"{name!r} has no meaning with connectivity 3d.",
                "Leave it out, or use connectivity 2d, plane by plane.",
            )


def _voxel(planes: Planes) -> tuple[float, float, float]:
    axes = planes.image.axes
    return axes["x"].scale, axes["y"].scale, axes.get("z").scale


def _choose(found: Objects, planes: Planes, settings: ParticleSettings) -> np.ndarray:
    """Return the numbers of the objects that pass the filters."""
    unit = 1.0 if settings.pixel_units else math.prod(_voxel(planes))
    low, high = (v / unit for v in settings.size)
    good = (found.count >= low) & (found.count <= high)
    if settings.exclude:
        from fijibridge.measure.planework import Selection

        x, y, w, h = Selection.of(settings, planes.shape).frame
        depth = planes.data.shape[1]
        box = found.box
        good &= (box[:, 0] != x) & (box[:, 1] != y)
        good &= (box[:, 3] != x + w) & (box[:, 4] != y + h)
        if depth > 1:
            good &= (box[:, 2] != 0) & (box[:, 5] != depth)
    return np.flatnonzero(good)


def _measure(
    found: Objects,
    chosen: np.ndarray,
    ids: np.ndarray,
    values: np.ndarray,
    source: Planes,
    settings: ParticleSettings,
    threads: int | None,
) -> dict[str, np.ndarray]:
    """Return the columns of one volume but the surface."""
    pw, ph, pd = _voxel(source)
    c = Calibration.of(source.image.spec)
    z_axis = source.image.axes.get("z")
    origin = (c.x_origin, c.y_origin, z_axis.zero)
    count = found.count[chosen]
    out: dict[str, np.ndarray] = {
        "Label id": np.asarray(ids),
        "Volume": count * (pw * ph * pd),
        "Voxels": count,
        "Surface voxels": count,
    }
    size = (pw, ph, pd)
    box = found.box[chosen]
    for k, heading in enumerate("XYZ"):
        out[heading] = (found.sums[chosen, k] / count + 0.5 - origin[k]) * size[k]
    for k, heading in enumerate(("BX", "BY", "BZ")):
        out[heading] = (box[:, k] - origin[k]) * size[k]
    for k, heading in enumerate(("Width", "Height", "Depth")):
        out[heading] = (box[:, k + 3] - box[:, k]) * size[k]
    more = [h for word, h in _MORE.items() if word in settings.measurements]
    # the kernels take "IntDen" and "RawIntDen" together
    wanted = tuple(dict.fromkeys((*_GREY, *more, "IntDen", "RawIntDen")))
    particles = _as_particles(found)
    greys = Greys(values, source.table(), source.curve())
    counts = pixel_counts(particles, greys)
    measured = measure_particles(
        particles, chosen, counts, greys, wanted,
        calibration=Calibration(), outline_calibration=Calibration(), threads=threads,
    )  # fmt: skip
    measured["IntDen"] = counts[chosen] * (pw * ph * pd) * measured["Mean"]
    out.update({h: measured[h] for h in (*_GREY[:4], "IntDen", "Median", *more)})
    return out


def _as_particles(found: Objects) -> Particles:
    """Return the objects as particles of one tall plane, without outlines."""
    n = len(found)
    none = np.zeros(0, np.int64)
    loops = Loops(none, none, none, none, np.zeros(n + 1, np.int64), np.zeros(n, np.uint8))
    box = np.zeros((n, 4), np.int32)
    return Particles(
        found.start, found.x0, found.x1, found.row, box, found.count, loops,
        none.astype(np.bool_), none.reshape(0, 2), none,
    )  # fmt: skip


def _labels(painted: list[np.ndarray], planes: Planes) -> LabelImage:
    axes = planes.image.axes
    data = np.stack(painted) if len(painted) > 1 else painted[0][None]
    kept = tuple(axes.get(k) for k in "tzyx" if k in "yx" or axes.size(k) > 1)
    made = Axes(kept)
    data = data.reshape(made.shape)
    name = f"Count Masks of {planes.image.name}"
    return LabelImage(data, ImageSpec(axes=made, dtype=data.dtype, role="labels", name=name))


def _table(
    tables: list[dict[str, np.ndarray]], planes: Planes, source: Planes, settings: ParticleSettings
) -> ResultsTable:
    columns = {h: np.concatenate([t[h] for t in tables]) for h in tables[0]}
    frame = columns["Frame"]
    ids = np.stack([frame - 1, columns["Label id"].astype(np.int64)], axis=1)
    if planes.data.shape[0] == 1:
        del columns["Frame"]
    if "table" not in settings.outputs:
        columns = {}
    if "display" in settings.measurements:
        columns = {LABEL: np.full(len(ids), source.image.name, object), **columns}
    unit = source.image.axes["x"].unit
    units = {h: unit for h in _LENGTHS if h in columns}
    units.update({h: f"{unit}^3" for h in ("Volume", "IntDen") if h in columns})
    for heading in ("Z", "BZ", "Depth"):
        if heading in columns:
            units[heading] = source.image.axes.get("z").unit
    style = TableStyle(
        precision=settings.decimal,
        scientific="scientific" in settings.measurements,
        row_numbers=True,
        nan_empty="nan" in settings.measurements,
    )
    return ResultsTable(columns, ids, units=units, style=style, name="Results")


def _summary(table: ResultsTable, planes: Planes, settings: ParticleSettings) -> ResultsTable:
    """Return one row per volume: how many objects, their volume, their share."""
    assert table.object_ids is not None  # noqa: S101  # `_table` always gives them
    frames, depth = planes.data.shape[:2]
    whole = int(looked_at(settings, planes.shape).sum()) * depth * math.prod(_voxel(planes))
    volume = table.columns.get("Volume", np.zeros(len(table)))
    rows = []
    for t in range(frames):
        mine = volume[table.object_ids[:, 0] == t]
        total = float(mine.sum())
        name = planes.image.name if frames == 1 else str(t + 1)
        average = total / len(mine) if len(mine) else math.nan
        rows.append((name, len(mine), total, average, 100.0 * total / whole))
    headings = ("Slice", "Count", "Total Volume", "Average Size", "%Volume")
    kinds = (object, np.int64, np.float64, np.float64, np.float64)
    columns = {h: np.array([r[i] for r in rows], kinds[i]) for i, h in enumerate(headings)}
    style = TableStyle(precision=settings.decimal)
    return ResultsTable(columns, style=style, name=f"Summary of {planes.image.name}")
