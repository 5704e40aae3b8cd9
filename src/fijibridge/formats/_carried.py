"""What our files carry beside a header that is too narrow for it: exact scales, units and texts.

Medical headers keep lengths in millimeters with few digits. The exact numbers go along as JSON and
count only where they agree with the header, which a program that resamples or crops changes.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from fijibridge.model import Axis
from fijibridge.model.units import length_factor

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fijibridge.model import ImageSpec

__all__ = ["CARRIED", "placed", "refined", "said_of", "texts_of"]

#: Name of the attribute where a format has attributes.
CARRIED = "fijibridge"

_LARGEST_TEXT = 2**20


def said_of(spec: ImageSpec) -> dict[str, Any]:
    """Return what is carried, as JSON values."""
    extra = spec.extra
    said: dict[str, Any] = {
        "axes": {
            a.key: {"scale": a.scale, "unit": a.unit, "origin": a.origin}
            for a in spec.axes
            if a.key != "c"
        }
    }
    if extra.channel_names:
        said["channel_names"] = list(extra.channel_names)
    if extra.properties:
        said["properties"] = dict(extra.properties)
    if extra.info and len(extra.info) < _LARGEST_TEXT:
        said["info"] = extra.info
    return said


def refined(axis: Axis, said: Mapping[str, Any], *, known: bool) -> Axis:
    """Return an axis with the exact numbers, where they agree with those of the header.

    `known` says that the header gives the unit.
    """
    about = said.get("axes")
    try:
        mine = about[axis.key]  # type: ignore[index]  # anything may stand there
        mine = Axis(
            axis.key, axis.size, float(mine["scale"]), str(mine["unit"]), float(mine["origin"])
        )
    except (TypeError, KeyError, ValueError, OverflowError):
        return axis
    factor = length_factor(mine.unit, axis.unit) if known else 1.0
    if factor is None or not math.isclose(mine.scale * factor, axis.scale, rel_tol=1e-5):
        return axis
    near = 1e-5 * abs(axis.origin) + 1e-4 * axis.scale
    if not abs(mine.origin * factor - axis.origin) <= near:
        mine = replace(mine, origin=axis.origin / factor)
    return mine


def placed(axis: Axis, said: Mapping[str, Any]) -> Axis:
    """Return an axis with the origin that was carried: the header has no place for one.

    It counts only while the header's scale is the one it was written with.
    """
    about = said.get("axes")
    try:
        mine = about[axis.key]  # type: ignore[index]  # anything may stand there
        scale, origin, unit = float(mine["scale"]), float(mine["origin"]), str(mine["unit"])
    except (TypeError, KeyError, ValueError, OverflowError):
        return axis
    same = unit == axis.unit and math.isclose(scale, axis.scale, rel_tol=1e-9)
    return replace(axis, origin=origin) if same and math.isfinite(origin) else axis


def texts_of(said: Mapping[str, Any]) -> tuple[tuple[str, ...], str, dict[str, str]]:
    """Return channel names, info and properties."""
    names, info, properties = (said.get(k) for k in ("channel_names", "info", "properties"))
    return (
        tuple(map(str, names)) if isinstance(names, list) else (),
        info if isinstance(info, str) else "",
        {str(k): str(v) for k, v in properties.items()} if isinstance(properties, dict) else {},
    )
