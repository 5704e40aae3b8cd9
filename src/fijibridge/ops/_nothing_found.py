"""Why an analysis found nothing: the limits, in numbers."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from fijibridge.errors import FijiBridgeError

if TYPE_CHECKING:
    from fijibridge.ops._particles_core import Analysis

__all__ = ["why_empty"]


def why_empty(analysis: Analysis) -> tuple[str, ...]:
    """Return what was found before the filters, when nothing passed them; else nothing.

    Sizes are compared in the image's unit, which is what people forget.
    """
    settings = analysis.settings
    limits = []
    if settings.size != (0.0, math.inf):
        limits.append(f"size {settings.size[0]:g}-{_end(settings.size[1])}")
    if settings.circularity != (0.0, 1.0):
        limits.append("circularity {:g}-{:g}".format(*settings.circularity))
    if settings.exclude:
        limits.append("exclude")
    asked = " ".join(limits)
    if len(analysis.result.table) or not asked:
        return ()
    from fijibridge.measure.particles import analyze_particles

    open_settings = replace(
        settings,
        size=(0.0, math.inf),
        circularity=(0.0, 1.0),
        exclude=False,
        measurements=("area",),
        outputs=frozenset({"table"}),
    )
    image = analysis.whole()
    try:
        table = analyze_particles(image, open_settings).table
    except FijiBridgeError:  # the limits were what made it possible
        return ()
    if not len(table):
        return ()
    areas = table["Area"]
    unit = table.units.get("Area", "")
    scale = 1.0
    if settings.pixel_units:
        axes = image.spec.axes
        scale = math.prod(axis.scale for axis in axes if axis.key in "yx")
        unit = "pixel^2"
    least, most = (f"{value / scale:.4g}" for value in (areas.min(), areas.max()))
    spread = least if least == most else f"{least} to {most}"
    objects = "1 object" if len(table) == 1 else f"{len(table)} objects"
    hint = "" if settings.pixel_units or unit == "pixel^2" else "; --pixel-units counts pixels"
    return (f"none of {objects} (area {spread} {unit}) passes {asked}{hint}",)


def _end(limit: float) -> str:
    return "Infinity" if math.isinf(limit) else f"{limit:g}"
