"""Analyze Particles on one image: settings of the verb -> the engine's, and its result."""

from __future__ import annotations

import contextlib
import math
import os
import re
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fijibridge.errors import SettingsError, nearest
from fijibridge.ops._analyze_line import AnalyzeLine, parse_line
from fijibridge.ops._inputs import calibrated, calibrated_spec, is_glob, to_image, to_labels
from fijibridge.ops._kinds import PATH

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    from fijibridge.measure.particle_settings import ParticleSettings
    from fijibridge.measure.particles import ParticleResult
    from fijibridge.model import Image, ImageSource, ImageSpec, Region, Roi
    from fijibridge.ops.particles import ParticlesSettings

__all__ = ["Analysis", "Asked", "analyze", "asked", "read_selection"]

#: Files with more bytes of pixels than this are read piece by piece.
LARGE = 1 << 29
_OLD_WORDS = {"circularity": "shape", "slice": "stack"}
_SHAPES = {"rect": "rectangle", "rectangle": "rectangle", "oval": "oval", "polygon": "polygon"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the flags and the recorded line ask for together.

    Parameters
    ----------
    engine
        Settings of the engine by name, but threshold, select and outputs.
    show
        What is drawn, or None.
    words
        The words of the recorded line.
    notes
        What has no meaning here.
    """

    engine: dict[str, Any]
    show: str | None
    words: frozenset[str]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """The result of one image.

    Parameters
    ----------
    whole
        Returns the image as analyzed, in memory.
    settings
        The engine's settings.
    result
        What the engine found.
    threshold
        Raw values in force, or None.
    notes
        What a user should know.
    """

    whole: Callable[[], Image]
    settings: ParticleSettings
    result: ParticleResult
    threshold: tuple[float, float] | None
    notes: tuple[str, ...]


def asked(value: ParticlesSettings) -> Asked:
    """Put flags and recorded line together.

    Raises
    ------
    SettingsError
        When they contradict each other.
    """
    line = parse_line(value.options) if value.options is not None else AnalyzeLine()
    words = line.words
    measurements, decimal = measurement_line(value.measurements, value.decimal)
    engine: dict[str, Any] = {
        "size": _one("size", value.size, line.size) or (0.0, math.inf),
        "circularity": _one("circularity", value.circularity, line.circularity) or (0.0, 1.0),
        "pixel_units": value.pixel_units or "pixel" in words,
        "exclude": value.exclude or "exclude" in words,
        "include": value.include or "include" in words,
        "four": value.four or "four" in words,
        "composite": value.composite or "composite" in words,
        "record": value.record or "record" in words,
        "stack": value.stack or ("stack" in words and "slice" not in words),
        "slice": value.slice,
        "white_background": value.white_background,
        "measurements": measurements,
        "decimal": decimal,
        "label_limit": value.label_limit,
        "connectivity": value.connectivity or "2d",
    }
    show = _one("show", value.show, line.show)
    return Asked(engine=engine, show=show, words=words, notes=line.notes)


def measurement_line(words: tuple[str, ...], decimal: int) -> tuple[tuple[str, ...], int]:
    """Return the words and decimal places of a Set Measurements line.

    Also as ImageJ's recorder wrote it, ``area mean redirect=None decimal=3``, and with the words
    ``circularity`` and ``slice`` of old macros.

    Examples
    --------
    >>> measurement_line(("area", "slice", "redirect=None", "decimal=5"), 3)
    (('area', 'stack'), 5)

    Raises
    ------
    SettingsError
        For an unknown word; the nearest one is named.

    Source
    ------
    ImageJ ij.plugin.filter.Analyzer.doSetDialog.
    """
    from fijibridge.measure.particle_settings import measurement_words

    kept = []
    for word in words:
        key, equals, text = word.partition("=")
        if not equals:
            kept.append(_OLD_WORDS.get(word, word))
        elif key == "decimal" and text.isdigit() and int(text) <= 9:
            decimal = int(text)
        elif word.lower() != "redirect=none":
            raise SettingsError(
                f"measurements hold {word!r}; allowed are words, redirect=None and decimal=0 to 9.",
                "The image that is measured is named with --redirect FILE.",
            )
    return measurement_words(tuple(kept)), decimal


def _one(name: str, flag: Any, line: Any) -> Any:
    if flag is not None and line is not None and flag != line:
        raise SettingsError(
            f"{name} is given twice, with different values: by itself and in options.",
            "Say it once.",
        )
    return line if flag is None else flag


def read_selection(text: str) -> Roi:
    """Return a selection from ``rect:X,Y,W,H``, ``oval:…``, ``polygon:x1,y1,…`` or a ROI file.

    Examples
    --------
    >>> read_selection("oval:20,15,90,80").bounds
    (20.0, 15.0, 90.0, 80.0)

    Raises
    ------
    SettingsError
        When it is none of these.
    """
    head, colon, rest = text.partition(":")
    kind = _SHAPES.get(head.lower()) if colon else None
    if kind is None:
        if colon and len(head) > 1 and not Path(text).exists():  # one letter is a Windows drive
            raise SettingsError(
                f"select is {text!r}; {head!r} is no shape.{nearest(head, _SHAPES)}",
                "Write rect:X,Y,W,H, oval:X,Y,W,H, polygon:x1,y1,x2,y2,… or name a .roi file.",
            )
        return _from_file(text)
    try:
        numbers = [float(part) for part in re.split(r"[,;\s]+", rest.strip())]
    except ValueError:
        numbers = []
    if not numbers or not all(map(math.isfinite, numbers)):
        raise SettingsError(f"select is {text!r}; after {head}: stand numbers.")
    return _polygon(text, numbers) if kind == "polygon" else _box(text, kind, numbers)


def _box(text: str, kind: Any, numbers: list[float]) -> Roi:
    from fijibridge.model import Roi

    if len(numbers) != 4 or numbers[2] <= 0 or numbers[3] <= 0:
        raise SettingsError(
            f"select is {text!r}; a {kind} has X,Y,WIDTH,HEIGHT, both sizes above 0."
        )
    x, y, width, height = numbers
    return Roi(kind=kind, bounds=(x, y, width, height))


def _polygon(text: str, numbers: list[float]) -> Roi:
    import numpy as np

    from fijibridge.model import Roi

    if len(numbers) % 2 or len(numbers) < 6:
        raise SettingsError(f"select is {text!r}; a polygon has three or more pairs x,y.")
    points = np.array(numbers).reshape(-1, 2)
    whole = bool((points == np.floor(points)).all())
    return Roi(kind="polygon", points=points.astype(np.int32) if whole else points)


def _from_file(path: str) -> Roi:
    from fijibridge.formats import read_rois

    rois = read_rois(path)
    if len(rois) != 1:
        raise SettingsError(
            f"select names {path!r}, which holds {len(rois)} ROIs; a selection is one.",
            "Save the one you mean as a .roi file.",
        )
    return rois[0]


def engine_settings(
    what: Asked,
    threshold: tuple[float, float] | None,
    select: Roi | None,
    outputs: frozenset[str],
) -> ParticleSettings:
    """Return the engine's settings."""
    from fijibridge.measure.particle_settings import ParticleSettings

    return ParticleSettings(threshold=threshold, select=select, outputs=outputs, **what.engine)


def analyze(
    source: Any,
    value: ParticlesSettings,
    *,
    outputs: frozenset[str],
    redirect: Any = None,
    select: Roi | None = None,
) -> Analysis:
    """Find and measure the objects of one image.

    Parameters
    ----------
    source
        Path, Image or array.
    value
        Settings of the verb; its inputs and outputs are not looked at.
    outputs
        What is wanted of table, labels, rois and summary.
    redirect, select
        Values in place of the settings' paths.

    Raises
    ------
    FijiBridgeError
        When the image cannot be read or cannot be analyzed so.
    """
    from fijibridge.measure.particles import analyze_particles

    what = asked(value)
    if redirect is None and value.redirect is not None:
        redirect = to_image(value.redirect)
    if select is None and value.select is not None:
        select = read_selection(value.select)
    with contextlib.closing(_opened(source, value)) as image:
        what = _with_channels(what, image.spec, value)
        threshold = _threshold(image, value, what)
        settings = engine_settings(what, threshold, select, outputs)
        result = analyze_particles(image, settings, redirect=redirect)
    return Analysis(
        whole=partial(_whole, image, source, value),
        settings=settings,
        result=result,
        threshold=threshold,
        notes=(*what.notes, *_plane_note(image.spec, what), *result.warnings),
    )


def _with_channels(what: Asked, spec: ImageSpec, value: ParticlesSettings) -> Asked:
    """Return the same for all planes, where a recorded line means all of them.

    ImageJ analyzes every plane of an image shown as a composite unless the line says ``slice``.

    Source: ImageJ ij.IJ.setupDialog.
    """
    line = value.options
    if line is None or "slice" in line or value.slice is not None or value.connectivity == "3d":
        return what
    if spec.extra.mode != "composite" or spec.axes.size("c") < 2:
        return what
    return replace(what, engine={**what.engine, "stack": True})


@dataclass(frozen=True, slots=True)
class _Calibrated:
    """A source with another calibration."""

    source: ImageSource
    spec: ImageSpec

    def read(self, region: Region) -> np.ndarray:
        return self.source.read(region)

    def close(self) -> None:
        self.source.close()


def _opened(source: Any, value: ParticlesSettings) -> ImageSource:
    """Return the image: whole, or, when it is a large file, to be read piece by piece."""
    if value.role == "labels":
        return calibrated(to_labels(source, axes=value.axes), value.pixel_size, value.unit)
    if isinstance(source, (str, os.PathLike)) and not is_glob(os.fspath(source)):
        from fijibridge.formats import open_image

        file = open_image(PATH.parse(source, "image"), axes=value.axes)
        if file.spec.nbytes > LARGE:
            return _Calibrated(file, calibrated_spec(file.spec, value.pixel_size, value.unit))
        file.close()
    return calibrated(to_image(source, axes=value.axes), value.pixel_size, value.unit)


def _whole(image: ImageSource, source: Any, value: ParticlesSettings) -> Image:
    from fijibridge.model import Image

    if isinstance(image, Image):
        return image
    return calibrated(to_image(source, axes=value.axes), value.pixel_size, value.unit)


def _threshold(
    source: ImageSource, value: ParticlesSettings, what: Asked
) -> tuple[float, float] | None:
    if value.threshold is None or value.role == "labels":
        return None
    from fijibridge.measure.threshold import parse_threshold, resolve_threshold
    from fijibridge.model import Image, Region

    number = what.engine["slice"]
    text = parse_threshold(value.threshold)
    if isinstance(source, Image):
        image = source
    elif isinstance(text, str) and "stack" in text.split():
        image = Image(source.read(Region.whole(source.spec.shape)), source.spec)
    else:
        image, number = _one_plane(source, number), None
    return resolve_threshold(image, value.threshold, slice=number)


def _one_plane(source: ImageSource, number: int | None) -> Image:
    """Return one plane of an image, by its running number from 1 (c fastest, then z, then t)."""
    from fijibridge.model import Image, Region

    axes = source.spec.axes
    planes = math.prod(axes.size(key) for key in "tzc")
    left = (number or 1) - 1
    if left >= planes:
        raise SettingsError(f"slice is {number}; the image has {planes} planes (1 is the first).")
    at = {}
    for key in "czt":
        left, at[key] = divmod(left, axes.size(key))
    start = tuple(at.get(axis.key, 0) for axis in axes)
    stop = tuple(at[axis.key] + 1 if axis.key in at else axis.size for axis in axes)
    region = Region(start, stop)
    return Image(source.read(region), replace(source.spec, axes=axes.crop(region), scales=()))


def _plane_note(spec: ImageSpec, what: Asked) -> tuple[str, ...]:
    planes = math.prod(spec.axes.size(key) for key in "tzc")
    if planes < 2 or spec.extra.rgb:
        return ()
    if what.engine["stack"] or what.engine["connectivity"] == "3d":
        return ()
    number = what.engine["slice"]
    if number is not None:
        return ()
    return (f"plane 1 of {planes} was analyzed; --stack takes all, --slice N another one",)
