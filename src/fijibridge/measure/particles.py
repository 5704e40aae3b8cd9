"""ImageJ's Analyze Particles: pixels to labels, table, ROIs and summary.

Where ImageJ 1.54p gives no result, or none that anybody wants, this differs on purpose:

- A threshold with which ImageJ never ends (16-bit 0 to 65535, float from -3.4e38, 8-bit 0 to 255
  in a selection) is refused, and so is a selection that lies outside of the image.
- A threshold holds for every channel of a composite image; ImageJ knows it of one channel only and
  stops at the next.
- A float particle that covers pixels of an earlier one (possible when pixels equal the threshold in
  single precision only) is measured with their values; ImageJ has erased them then.
- A summary of a selection with a calibrated redirect image of fewer bits is given; ImageJ stops
  with an exception.
- Medians of calibrated pixels may differ in the last of 16 digits where the calibration function
  has a power, a logarithm or an exponential.

Source: ij.plugin.filter.ParticleAnalyzer, ij.plugin.filter.Analyzer.
"""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING

import numpy as np

from fijibridge.errors import SettingsError
from fijibridge.measure.assembly import Assembly
from fijibridge.measure.features import Greys
from fijibridge.measure.labelling import find_labels
from fijibridge.measure.particle_result import ParticleResult
from fijibridge.measure.planes import Calibration, Planes
from fijibridge.measure.planework import (
    Selection,
    analyze_plane,
    binary_band,
    check_band,
    find_plane,
)
from fijibridge.measure.small import analyze_at_once
from fijibridge.measure.streaming import (
    find_by_strips,
    lazy_image,
    pixel_rows,
    strip_rows,
    whole_image,
)
from fijibridge.model.image import Image

if TYPE_CHECKING:
    from fijibridge.measure.particle_settings import ParticleSettings
    from fijibridge.measure.planework import Band
    from fijibridge.measure.tracing import Particles
    from fijibridge.model.image import ImageSource

__all__ = ["ParticleResult", "analyze_particles"]


def analyze_particles(
    image: Image | ImageSource,
    settings: ParticleSettings,
    *,
    redirect: Image | ImageSource | None = None,
    threads: int | None = None,
) -> ParticleResult:
    """Find and measure particles.

    Of a source that is no `Image` only the planes in work are in memory; planes of more than 256 MB
    are read strip by strip (unless there is a selection, or they hold labels), with the same
    result. What then stays in memory are the runs of the particles and the results; leave
    ``labels`` out of the outputs where a label image does not fit.

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
    if redirect is None and isinstance(image, Image):
        at_once = analyze_at_once(image, settings, threads)
        if at_once is not None:
            return at_once
    image = lazy_image(image)
    redirect = None if redirect is None else lazy_image(redirect)
    if settings.connectivity == "3d":
        from fijibridge.measure.volume import analyze_volume

        image = whole_image(image)
        redirect = None if redirect is None else whole_image(redirect)
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
    step = 0 if from_labels or selection.given else strip_rows(planes)
    table, curve = values.table(), values.curve()
    total_area = math.nan
    for k in out.wanted:
        if from_labels:
            found = find_labels(planes.labels(k, selection), threads=threads)
            pixels, in_force = planes.loose_plane(k), None
        else:
            found, pixels, in_force = _find(planes, k, band, settings, selection, step, threads)
        if k == out.wanted[0]:
            total_area = _total_area(selection, measured, None if from_labels else pixels, table)
        constant = None
        if redirect is not None:
            other = k if len(values) == len(planes) else 0
            pixels = pixel_rows(values, other) if step else values.loose_plane(other)
            in_force = None
        elif in_force is not None and table is None:
            constant = _constant(in_force, pixels, found, settings)
        limits = in_force.levels if in_force is not None and in_force.user else None
        result = analyze_plane(
            found,
            Greys(pixels, table, curve, limits, constant, step),
            settings,
            out.headings,
            frame=selection.frame,
            calibration=measured,
            outline_calibration=own,
            total_area=total_area,
            painter=functools.partial(out.painter, k),
            threads=threads,
        )
        out.add(k, result)
    return ParticleResult(
        labels=out.labels(),
        table=out.table(),
        rois=out.rois(),
        summary=out.summary(),
        threshold=None if from_labels else settings.threshold,
        warnings=tuple(out.warnings),
    )


def _find(
    planes: Planes,
    k: int,
    band: Band | None,
    settings: ParticleSettings,
    selection: Selection,
    step: int,
    threads: int | None,
) -> tuple[Particles, np.ndarray, Band]:
    """Return the particles of plane k, its pixels as ImageJ measures them, the threshold."""
    if step:
        strips = find_by_strips(planes, k, band, settings, step=step, threads=threads)
        if strips is not None:
            return strips[0], pixel_rows(planes, k), strips[1]
    plane = planes.plane(k)
    in_force = band or binary_band(
        selection.inside(plane),
        white_background=settings.white_background,
        inverted_lut=planes.shows_inverted(k),
    )
    found, plane = find_plane(plane, in_force, settings, selection, threads)
    return found, plane, in_force


def _constant(
    band: Band, pixels: np.ndarray, found: Particles, settings: ParticleSettings
) -> int | None:
    """Return the one 8-bit value that all particles have, when that is known."""
    holes = settings.include or settings.four or len(found.seeds)
    if holes or pixels.dtype != np.uint8 or band.low != band.high:
        return None
    return int(band.low)


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


def _total_area(
    selection: Selection,
    calibration: Calibration,
    plane: np.ndarray | None,
    table: np.ndarray | None,
) -> float:
    """Return the area that ImageJ relates the summary to, from the first plane for all."""
    _, _, w, h = selection.frame
    if selection.mask is None:
        return w * calibration.width * h * calibration.height
    count = int(selection.mask.sum())
    if plane is not None and plane.dtype.kind == "f":  # a selection: the plane is an array
        count = int(np.isfinite(selection.inside(plane)).sum())
    elif plane is not None and plane.dtype == np.uint8 and table is not None:
        # ByteStatistics leaves out pixels whose calibrated value is NaN
        count = int((~np.isnan(table))[selection.inside(plane)].sum())
    return count * calibration.width * calibration.height
