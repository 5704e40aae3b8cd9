"""ImageJ's Analyze Particles: pixels to labels, table, ROIs and summary.

Source: ij.plugin.filter.ParticleAnalyzer, ij.plugin.filter.Analyzer.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fijibridge.errors import SettingsError
from fijibridge.measure.assembly import Assembly
from fijibridge.measure.features import Greys
from fijibridge.measure.labelling import find_labels
from fijibridge.measure.planes import Calibration, Planes
from fijibridge.measure.planework import (
    Selection,
    analyze_plane,
    binary_band,
    check_band,
    find_plane,
)

if TYPE_CHECKING:
    from fijibridge.measure.particle_settings import ParticleSettings
    from fijibridge.measure.planework import Band
    from fijibridge.measure.tracing import Particles
    from fijibridge.model.image import Image
    from fijibridge.model.labels import LabelImage
    from fijibridge.model.rois import RoiSet
    from fijibridge.model.table import ResultsTable

__all__ = ["ParticleResult", "analyze_particles"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ParticleResult:
    """What Analyze Particles gives.

    Parameters
    ----------
    labels
        Label image of what is in the table; a label is the number of its row (of a label image: the
        label itself). None when it was not asked for.
    table
        One row per particle, ImageJ's headings; ``object_ids`` are (t, label).
    rois
        One ROI per row; empty when not asked for.
    summary
        ImageJ's Summary table, or None.
    threshold
        Raw values in force, or None for a binary or label image.
    warnings
        What a user should know.
    """

    labels: LabelImage | None
    table: ResultsTable
    rois: RoiSet
    summary: ResultsTable | None
    threshold: tuple[float, float] | None
    warnings: tuple[str, ...]


def analyze_particles(
    image: Image,
    settings: ParticleSettings,
    *,
    redirect: Image | None = None,
    threads: int | None = None,
) -> ParticleResult:
    """Find and measure particles.

    Parameters
    ----------
    image
        Axes y and x, and any of t, z and c. Role ``intensity``: pixels inside the threshold are
        particles; role ``labels`` without a threshold: each label is one object. Calibration comes
        from its axes, the title from its name.
    settings
        What is wanted.
    redirect
        Image that intensities (and the calibration of areas and positions) are taken from.
    threads
        How many threads; None = as the machine has. The result does not depend on it.

    Returns
    -------
    ParticleResult
        Rows, labels and ROIs in the order in which ImageJ finds particles: raster order, plane by
        plane.

    Raises
    ------
    SettingsError
        When settings and image do not go together.
    UnsupportedError
        For pixels that ImageJ does not know.
    """
    if settings.connectivity == "3d":
        from fijibridge.measure.volume import analyze_volume

        return analyze_volume(image, settings, redirect=redirect, threads=threads)
    planes = Planes.of(image)
    from_labels = image.spec.role == "labels" and settings.threshold is None
    check_together(planes, settings, redirect, from_labels=from_labels)
    values = planes if redirect is None else Planes.of(redirect)
    selection = Selection.of(settings, planes.shape)
    band = None if from_labels else check_band(planes, settings)
    out = Assembly.of(planes, values, settings, from_labels=from_labels)
    own = Calibration.of(image.spec)
    measured = own if redirect is None else Calibration.of(redirect.spec)
    table, curve = values.table(), values.curve()
    total_area = math.nan
    for k in out.wanted:
        plane_band: Band | None = None
        plane = None if from_labels else planes.plane(k)
        if k == out.wanted[0]:
            total_area = _total_area(selection, measured, plane)
        if plane is None:
            found = find_labels(planes.labels(k, selection), threads=threads)
        else:
            plane_band = band or binary_band(
                selection.inside(plane),
                white_background=settings.white_background,
                inverted_lut=image.spec.extra.inverted_lut,
            )
            found, plane = find_plane(plane, plane_band, settings, selection, threads)
        greys = _greys(plane, plane_band, values, k, found, settings, table, curve, redirect)
        out.add(
            k,
            analyze_plane(
                found,
                greys,
                settings,
                out.headings,
                frame=selection.frame,
                calibration=measured,
                outline_calibration=own,
                total_area=total_area,
                threads=threads,
            ),
            threads,
        )
    return ParticleResult(
        labels=out.labels(),
        table=out.table(),
        rois=out.rois(),
        summary=out.summary(),
        threshold=None if from_labels or band is None else settings.threshold,
        warnings=tuple(out.warnings),
    )


def check_together(
    planes: Planes, settings: ParticleSettings, redirect: Image | None, *, from_labels: bool
) -> None:
    """Raise SettingsError when settings, image and redirect image do not go together."""
    if settings.slice is not None and settings.slice > len(planes):
        raise SettingsError(
            f"slice {settings.slice} is asked for; the image {planes.image.name!r} has "
            f"{len(planes)} planes.",
            f"Give 1 to {len(planes)}.",
        )
    if from_labels:
        for word in ("include", "four"):
            if getattr(settings, word):
                raise SettingsError(
                    f"{word!r} has no meaning for a label image: its labels say what belongs "
                    "together.",
                    "Leave it out, or give a threshold.",
                )
    if redirect is None:
        return
    other = Planes.of(redirect)
    if other.shape != planes.shape:
        raise SettingsError(
            f"The redirect image {redirect.name!r} has {other.shape[1]} x {other.shape[0]} pixels, "
            f"the image {planes.shape[1]} x {planes.shape[0]}; they must be equal.",
            "Redirect to an image of the same size.",
        )


def _total_area(selection: Selection, calibration: Calibration, plane: np.ndarray | None) -> float:
    """Return the area that ImageJ relates the summary to, from the first plane for all."""
    _, _, w, h = selection.frame
    if selection.mask is None:
        return w * calibration.width * h * calibration.height
    count = int(selection.mask.sum())
    if plane is not None and plane.dtype.kind == "f":
        count = int(np.isfinite(selection.inside(plane)).sum())
    return count * calibration.width * calibration.height


def _greys(
    plane: np.ndarray | None,
    band: Band | None,
    values: Planes,
    k: int,
    found: Particles,
    settings: ParticleSettings,
    table: np.ndarray | None,
    curve: np.ndarray | None,
    redirect: Image | None,
) -> Greys:
    """Say where the pixel values of plane k come from."""
    if redirect is not None:
        return Greys(values.plane(k if len(values) > k else 0), table, curve)
    if plane is None or band is None:
        return Greys(values.loose_plane(k), table, curve)
    threshold = band.levels if band.user else None
    whole = not (settings.include or settings.four or len(found.seeds))
    constant = None
    if whole and table is None and plane.dtype == np.uint8 and band.low == band.high:
        constant = int(band.low)
    return Greys(plane, table, curve, threshold, constant)
