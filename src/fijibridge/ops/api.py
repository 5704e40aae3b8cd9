"""The Python front door: thin functions over what the verbs do."""

from __future__ import annotations

import inspect
import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from fijibridge.errors import SettingsError
from fijibridge.ops._inputs import to_image, to_labels
from fijibridge.ops._kinds import PATH, WORDS
from fijibridge.ops._settings import from_mapping

if TYPE_CHECKING:
    from fijibridge.measure.particles import ParticleResult
    from fijibridge.model import Image, LabelImage, ResultsTable, RoiSet
    from fijibridge.ops.particles import ParticlesSettings

__all__ = ["analyze_particles", "convert", "labels_to_rois", "measure", "rois_to_labels"]


def analyze_particles(
    image: Any,
    *,
    redirect: Any = None,
    select: Any = None,
    outputs: tuple[str, ...] = ("table", "rois", "labels", "summary"),
    **settings: Any,
) -> ParticleResult:
    """Find and measure the objects of an image as ImageJ's Analyze Particles does.

    Parameters
    ----------
    image
        A path, an `Image`, or a numpy, zarr or dask array (with ``axes=``; two dimensions are
        ``yx``).
    redirect
        Image (or path, or array) whose grey values are measured.
    select
        `Roi`, ``"rect:X,Y,W,H"``, ``"oval:…"``, ``"polygon:…"`` or a ROI file; only what is in it
        counts.
    outputs
        What is wanted of table, rois, labels and summary; less is faster.
    **settings
        Those of ``fijibridge particles``: ``threshold=(25, 255)`` or ``"Otsu dark"``,
        ``size=(20, inf)`` in calibrated units squared, ``pixel_units``, ``circularity``,
        ``exclude``, ``include``, ``four``, ``composite``, ``record``, ``stack``, ``slice``,
        ``white_background``, ``measurements``, ``decimal``, ``connectivity``, ``label_limit``,
        ``role="labels"``, ``axes``, ``pixel_size``, ``unit``, ``options="a recorded line"``.

    Returns
    -------
    ParticleResult
        ``.labels`` (y, x) or (n, y, x), ``.table``, ``.rois``, ``.summary``.

    Raises
    ------
    SettingsError
        For an unknown setting (the nearest name is given) or a wrong value.
    FormatError
        When the file is missing or broken.

    Source
    ------
    ImageJ 1.54p ij.plugin.filter.ParticleAnalyzer.
    """
    from fijibridge.model import Roi
    from fijibridge.ops._particles_core import analyze, read_selection
    from fijibridge.ops.particles import ParticlesSettings

    files = [name for name in ("input", *_OUTPUTS) if name in settings]
    if files:
        raise SettingsError(
            f"analyze_particles has no setting {files[0]!r}: it returns values, no files.",
            "Use fb.write_table(result.table, path) and the like, or fb.run_verb('particles', …).",
        )
    value = from_mapping(ParticlesSettings, settings, where="analyze_particles")
    if select is not None and not isinstance(select, Roi):
        select = read_selection(os.fspath(select))
    if redirect is not None:
        redirect = to_image(redirect)
    wanted = frozenset(outputs)
    result = analyze(image, value, outputs=wanted, redirect=redirect, select=select).result
    if "area" not in value.measurements and not _wants_area(value):
        # the summary needs areas; in the table they were not asked for
        kept = [heading for heading in result.table.headings if heading != "Area"]
        result = replace(result, table=result.table.select(kept))
    return result


def _signature() -> inspect.Signature:
    """Return the signature with every setting of the verb, for editors and ``help``."""
    from fijibridge.ops._settings import declared
    from fijibridge.ops.particles import ParticlesSettings

    own = inspect.signature(analyze_particles)
    known = [p for p in own.parameters.values() if p.kind is not inspect.Parameter.VAR_KEYWORD]
    names = {p.name for p in known} | {"input", *_OUTPUTS}
    more = [
        inspect.Parameter(item.name, inspect.Parameter.KEYWORD_ONLY, default=item.default)
        for item in declared(ParticlesSettings)
        if item.name not in names
    ]
    return own.replace(parameters=[*known, *more])


def _wants_area(value: ParticlesSettings) -> bool:
    from fijibridge.ops._particles_core import asked

    what = asked(value)
    return "summarize" in what.words or "area" in what.engine["measurements"]


_OUTPUTS = ("each", "outdir", "table", "rois", "labels", "summary", "overlay", "drawing", "show")
analyze_particles.__signature__ = _signature()  # type: ignore[attr-defined]  # inspect looks here


def labels_to_rois(
    labels: Any, *, axes: str | None = None, names: str = "{label:04d}", vertices: str = "corners"
) -> RoiSet:
    """Return the outline of every label as an ROI, exact to the pixel.

    Parameters
    ----------
    labels
        A path, a `LabelImage`, or an array of whole numbers >= 0 (with ``axes=``).
    axes
        Letters of the axes of an array.
    names
        Pattern of the names; fields ``label``, ``index``, ``t``, ``z``.
    vertices
        ``corners`` (exact) or ``centers``.

    Raises
    ------
    SettingsError
        For negative or fractional labels, several channels, or a wrong pattern.
    """
    from fijibridge.measure import regions

    return regions.labels_to_rois(to_labels(labels, axes=axes), names=names, vertices=vertices)  # type: ignore[arg-type]  # checked there


def rois_to_labels(
    rois: Any,
    *,
    like: Any = None,
    shape: tuple[int, ...] | None = None,
    overlap: str = "last",
) -> LabelImage:
    """Fill ROIs into a label image by ImageJ's own rule.

    Parameters
    ----------
    rois
        A `RoiSet` or a path.
    like
        Image (or path) of the size and calibration wanted.
    shape
        Instead: (y, x), (z, y, x) or (t, z, y, x) in pixels.
    overlap
        Who gets a pixel of several ROIs: ``last``, ``first``, ``smallest``; ``error``;
        ``channels`` keeps all.
    """
    from fijibridge.formats import read_rois
    from fijibridge.measure import regions
    from fijibridge.model import ImageSpec

    if isinstance(rois, (str, os.PathLike)):
        rois = read_rois(rois)
    if like is not None and not isinstance(like, ImageSpec):
        like = _spec(like)
    return regions.rois_to_labels(rois, like=like, shape=shape, overlap=overlap)  # type: ignore[call-overload,no-any-return]  # checked there


def _spec(like: Any) -> Any:
    """Return the spec of an image without reading its pixels."""
    from fijibridge.formats import open_image

    if isinstance(like, (str, os.PathLike)):
        source = open_image(like)
        try:
            return source.spec
        finally:
            source.close()
    return like.spec if hasattr(like, "spec") else to_image(like).spec


def measure(
    objects: Any,
    image: Any = None,
    *,
    axes: str | None = None,
    measurements: tuple[str, ...] | str = ("area", "mean", "min"),
    decimal: int = 3,
    slice: int | None = None,  # noqa: A002  # ImageJ's word
) -> ResultsTable:
    """Measure existing objects, one row each, as ImageJ's Measure does.

    Parameters
    ----------
    objects
        `LabelImage`, `RoiSet`, array of labels, or a path to one of them.
    image
        Image (or path, or array) whose grey values are measured; may be left out for labels when
        only shapes are asked for.
    axes
        Letters of the axes of arrays.
    measurements
        Words of Set Measurements.
    decimal
        Decimal places, 0 to 9.
    slice
        The plane for ROIs without a position, 1 = first.

    Raises
    ------
    SettingsError
        For unknown measurements, or when the image is missing but needed.
    """
    from fijibridge.measure import objects as engine
    from fijibridge.model import RoiSet
    from fijibridge.ops._particles_core import measurement_line
    from fijibridge.ops.measure import read_objects

    if isinstance(objects, (str, os.PathLike)):
        objects = read_objects(PATH.parse(objects, "objects"), axes)
    elif not isinstance(objects, RoiSet):
        objects = to_labels(objects, axes=axes)
    words, decimal = measurement_line(WORDS.parse(measurements, "measurements"), decimal)
    shapes = image is None
    grey = _shapes_only(objects, words) if shapes else to_image(image, axes=axes)
    return engine.measure(objects, grey, measurements=words, decimal=decimal, slice=slice)


def _shapes_only(objects: Any, words: tuple[str, ...]) -> Image:
    """Return what stands for the image where no grey value is asked for."""
    from fijibridge.model import Image, LabelImage

    grey = [word for word in words if word in _GREY]
    if grey or not isinstance(objects, LabelImage):
        what = f"The measurement {grey[0]!r}" if grey else "Measuring ROIs"
        raise SettingsError(
            f"{what} needs an image.",
            "Add --image IMAGE (image=…), or ask for shapes only, such as area.",
        )
    return Image(objects.data, replace(objects.spec, role="intensity"))


_GREY = frozenset(
    (
        "mean",
        "standard",
        "modal",
        "min",
        "center",
        "integrated",
        "median",
        "skewness",
        "kurtosis",
        "area_fraction",
    )
)


def convert(source: Any, target: Any, **settings: Any) -> Any:
    """Convert a file as ``fijibridge convert`` does; returns the value that was written.

    Parameters
    ----------
    source, target
        Paths.
    **settings
        Those of ``fijibridge convert`` and the common ones (``overwrite=True``).
    """
    from fijibridge.ops import run_verb

    paths = {"input": os.fspath(source), "output": os.fspath(target)}
    return run_verb("convert", **paths, **settings).value
