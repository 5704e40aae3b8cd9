"""What N5 datasets say about their axes, and how ours say it.

There is no one way: ilastik writes ``axistags`` and ``axes`` as one string, fastest first; n5-ij
and tensorstore ``resolution``/``units`` or ``pixelResolution``, fastest first; COSEM a
``transform`` in C order. All are read. Ours write ilastik's ``axistags``, tensorstore's words, and
``transform`` where there is an origin.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from fijibridge.errors import FormatError
from fijibridge.formats._hdf5.axistags import (
    axes_attribute_keys,
    axis_units_of,
    axistags_json,
    axistags_of,
    checked_axes,
    guess_keys,
    text_of,
)
from fijibridge.model.json_text import parse_json
from fijibridge.model.units import PIXEL

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from fijibridge.formats._n5.blocks import Layout
    from fijibridge.model import Axes, ImageSpec

__all__ = ["axes_of", "read_attributes", "written_attributes"]

_LARGEST = 2**26
_SYMBOLS = {"micrometer": "um", "nanometer": "nm", "millimeter": "mm", "second": "s", PIXEL: ""}


def read_attributes(folder: Path) -> dict[str, Any]:
    """Return ``attributes.json`` of a folder; nothing when there is none.

    Raises
    ------
    FormatError
        When it is no JSON object.
    """
    path = folder / "attributes.json"
    try:
        with path.open("rb") as file:
            raw = file.read(_LARGEST)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise FormatError(f"{str(path)!r} cannot be read: {error.strerror or error}.") from error
    try:
        found = parse_json(raw)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{str(path)!r} is no JSON: {error}.", "Copy it again.") from error
    if not isinstance(found, dict):
        raise FormatError(f"{str(path)!r} holds no attributes, but {str(found)[:60]!r}.")
    return found


def axes_of(
    own: Mapping[str, Any], above: Mapping[str, Any], shape: tuple[int, ...], what: str
) -> Axes:
    """Return the axes of a dataset, from its own attributes and those of the group above it."""
    scale: dict[str, float] = {}
    tags = text_of(own.get("axistags"))
    transform = own.get("transform")
    if tags:
        found, _ = axistags_of(tags, what)
        keys = "".join(key for key, _ in found)
        scale = {key: value for key, value in found if value}
    else:
        said = [axes_attribute_keys(a.get("axes")) for a in (own, above)]
        if isinstance(transform, dict) and isinstance(transform.get("axes"), list):
            said.append("".join(map(text_of, transform["axes"])).lower())
        keys = next((k for k in said if len(k) == len(shape)), "") or guess_keys(shape)
    units = axis_units_of(own.get("axis_units") or {})
    origin: dict[str, float] = {}
    if isinstance(transform, dict):
        names = "".join(map(text_of, transform.get("axes") or []))
        scale = _by_key(names, transform.get("scale"), float) | scale
        origin = _by_key(names, transform.get("translate"), float)
        units = _by_key(names, transform.get("units"), str) | units
    fastest = keys[::-1]
    spatial = "".join(key for key in fastest if key in "xyz")
    for attributes in (own, above):
        scale = _by_key(fastest, attributes.get("resolution"), float) | scale
        units = _by_key(fastest, attributes.get("units"), str) | units
        pixel = attributes.get("pixelResolution")
        if isinstance(pixel, dict):
            unit = text_of(pixel.get("unit"))
            units = (dict.fromkeys(spatial, unit) if unit else {}) | units
            pixel = pixel.get("dimensions")
        found_scale = _by_key(spatial, pixel, float)
        if found_scale and not scale:
            factors = _by_key(spatial, own.get("downsamplingFactors"), float)
            scale = {k: v * factors.get(k, 1.0) for k, v in found_scale.items()}
            # samples of a level lie at the centres of what they stand for
            origin = {k: (factors.get(k, 1.0) - 1) / 2 * v for k, v in found_scale.items()}
    return checked_axes(keys, shape, what, scale=scale, unit=units, origin=origin)


def _by_key(keys: str, values: Any, kind: type[Any]) -> dict[str, Any]:
    """Return {letter: value} of a list of values of one kind; nothing of anything else."""
    if not isinstance(values, list) or len(values) < len(keys):
        return {}
    try:
        return {key: kind(value) for key, value in zip(keys, values, strict=False)}
    except (TypeError, ValueError, OverflowError):
        return {}


def written_attributes(spec: ImageSpec, layout: Layout, *, ilastik: bool) -> dict[str, Any]:
    """Return the attributes of a dataset.

    `ilastik` writes its words and no others: ``axes`` is one string, which tensorstore refuses.
    """
    axes, extra = spec.axes, spec.extra
    said: dict[str, Any] = {
        "dimensions": list(layout.shape[::-1]),
        "blockSize": list(layout.chunk[::-1]),
        "dataType": layout.dtype.name,
        "compression": dict(layout.codec),
        "axes": axes.keys[::-1] if ilastik else list(axes.keys[::-1]),
        "axistags": axistags_json(axes),
    }
    units = {axis.key: axis.unit for axis in axes if axis.unit != PIXEL}
    if units:
        said["axis_units"] = json.dumps(units)
    mode = "random-colortable" if spec.role == "labels" else "default"
    said["display_mode"] = extra.display_mode or mode
    if extra.drange is not None:
        said["drange"] = [float(v) for v in extra.drange]
    calibrated = bool(units) or any(a.scale != 1.0 or a.origin for a in axes)
    if ilastik or not calibrated:
        return said
    symbols = [_SYMBOLS.get(a.unit, a.unit) for a in axes]
    said["resolution"] = [a.scale for a in axes][::-1]
    said["units"] = symbols[::-1]
    if any(a.origin for a in axes):
        said["transform"] = {
            "ordering": "C",
            "axes": list(axes.keys),
            "scale": [a.scale for a in axes],
            "translate": [a.origin for a in axes],
            "units": symbols,
        }
    return said
