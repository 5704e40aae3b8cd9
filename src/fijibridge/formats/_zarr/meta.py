"""OME-Zarr metadata as they are written: 0.4 (Zarr 2) and 0.5 (Zarr 3)."""

from __future__ import annotations

import json
import math
import uuid
from typing import TYPE_CHECKING, Any

from fijibridge.formats._luts import glasbey_lut
from fijibridge.formats._target import target_errors
from fijibridge.model.json_text import parse_json
from fijibridge.model.units import PIXEL

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from fijibridge.model import Axes, Axis, ImageSpec
    from fijibridge.model.scaling import Scaling

__all__ = ["ORDER", "check_with_models", "default_color", "group_attributes", "set_attributes"]

#: The order that OME-Zarr asks for.
ORDER = "tczyx"
_TYPES = {"t": "time", "c": "channel", "z": "space", "y": "space", "x": "space"}
_METHOD = {
    "linear": ("gaussian", "gaussian of sigma factor/4, then linear interpolation"),
    "mean": ("mean", "mean of the area that a sample covers, rounded half to even"),
    "nearest": ("nearest", "nearest sample"),
}


def _axis(axis: Axis) -> dict[str, str]:
    out = {"name": axis.key, "type": _TYPES[axis.key]}
    if axis.unit != PIXEL and axis.key != "c":
        out["unit"] = axis.unit
    return out


def _dataset(path: str, axes: Axes) -> dict[str, Any]:
    steps: list[dict[str, Any]] = [{"type": "scale", "scale": [a.scale for a in axes]}]
    if any(a.origin for a in axes):
        steps.append({"type": "translation", "translation": [a.origin for a in axes]})
    return {"path": path, "coordinateTransformations": steps}


def group_attributes(
    spec: ImageSpec,
    levels: Sequence[tuple[str, Axes]],
    version: str,
    scaling: Scaling,
    *,
    label_source: str | None,
    label_colors: Mapping[int, tuple[int, ...]],
) -> dict[str, Any]:
    """Return the attributes of an image group.

    Parameters
    ----------
    spec
        What the image is.
    levels
        (path, axes in the order of `ORDER`) of each level, largest first.
    version
        ``0.4`` or ``0.5``.
    scaling
        How the levels were made.
    label_source
        Where the image of a label image is (``../../``); None = nowhere known.
    label_colors
        label value -> (r, g, b, a).
    """
    multiscale: dict[str, Any] = {
        "name": spec.name or "image",
        "axes": [_axis(axis) for axis in levels[0][1]],
        "datasets": [_dataset(path, axes) for path, axes in levels],
    }
    if len(levels) > 1:
        kind, text = _METHOD[scaling]
        multiscale |= {"type": kind, "metadata": {"description": text, "method": "fijibridge"}}
    out: dict[str, Any] = {"multiscales": [multiscale]}
    omero = _omero(spec)
    if omero is not None:
        out["omero"] = omero
    if spec.role == "labels":
        out["image-label"] = _image_label(spec, version, label_source, label_colors)
    if version == "0.5":
        return {"ome": {"version": "0.5", **out}}
    multiscale["version"] = "0.4"
    return out


def _image_label(
    spec: ImageSpec,
    version: str,
    source: str | None,
    colors: Mapping[int, tuple[int, ...]],
) -> dict[str, Any]:
    out: dict[str, Any] = {"version": version}
    notes = {int(p["label-value"]): dict(p) for p in spec.extra.label_properties if _has_value(p)}
    if notes and colors:  # both name the same labels, or ome-zarr-models refuses them
        colors = {v: default_color(v) for v in notes} | dict(colors)
        notes = {v: {"label-value": v} for v in colors} | notes
    if colors:
        out["colors"] = [{"label-value": v, "rgba": list(rgba)} for v, rgba in colors.items()]
    if notes:
        out["properties"] = [notes[v] for v in (colors or notes)]
    kept = spec.extra.other.get("image-label source")
    if source is not None:
        out["source"] = {"image": source}
    elif isinstance(kept, dict):
        out["source"] = kept
    return out


def _has_value(entry: Mapping[str, Any]) -> bool:
    return isinstance(entry.get("label-value"), int)


def default_color(label: int) -> tuple[int, int, int, int]:
    """Return the Glasbey colour of a label."""
    r, g, b = (int(v) for v in glasbey_lut()[1 + (label - 1) % 255])
    return r, g, b, 255


def _omero(spec: ImageSpec) -> dict[str, Any] | None:
    """Return channel names, windows and colours; None when the image has none of them."""
    extra, n = spec.extra, spec.axes.size("c")
    names = extra.channel_names if len(extra.channel_names) == n else ()
    ranges = extra.display_ranges if len(extra.display_ranges) == n else ()
    luts = extra.luts if len(extra.luts) == n else ()
    rgb = extra.rgb and n == 3
    if spec.role == "labels" or not (names or ranges or luts or rgb):
        return None
    low, high = _limits(spec)
    channels = []
    for i in range(n):
        start, end = ranges[i] if ranges else (low, high)
        channel: dict[str, Any] = {
            "color": _hex(luts[i][255] if luts else None, i if rgb else None),
            "window": {
                "min": min(low, _finite(start)),
                "max": max(high, _finite(end)),
                "start": _finite(start),
                "end": _finite(end),
            },
            "active": True,
        }
        if names or rgb:
            channel["label"] = names[i] if names else ("Red", "Green", "Blue")[i]
        channels.append(channel)
    return {"channels": channels}


def _finite(value: float) -> float:
    return float(value) if math.isfinite(value) else 0.0


def _limits(spec: ImageSpec) -> tuple[float, float]:
    import numpy as np

    if spec.dtype.kind in "iu" and spec.dtype.itemsize <= 2:
        info = np.iinfo(spec.dtype)
        return float(info.min), float(info.max)
    ranges = spec.extra.display_ranges
    if ranges:
        return _finite(min(r[0] for r in ranges)), _finite(max(r[1] for r in ranges))
    return 0.0, 1.0 if spec.dtype.kind == "f" else 65535.0


def _hex(rgb: Any, primary: int | None) -> str:
    if rgb is not None:
        return "".join(f"{int(v):02X}" for v in rgb)
    return "FFFFFF" if primary is None else ("FF0000", "00FF00", "0000FF")[primary]


def set_attributes(folder: Path, zarr_format: int, changes: Mapping[str, Any]) -> None:
    """Change attributes of a group on disk: a new file is renamed over the old one.

    A folder that is no group yet becomes one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if zarr_format == 2:
        if not (folder / ".zgroup").exists():
            _replace(folder / ".zgroup", {"zarr_format": 2})
        file = folder / ".zattrs"
        attributes = parse_json(file.read_text("utf-8")) if file.exists() else {}
        if changes:
            _replace(file, attributes | dict(changes))
        return
    file = folder / "zarr.json"
    whole: dict[str, Any] = {"zarr_format": 3, "node_type": "group", "attributes": {}}
    if file.exists():
        whole = parse_json(file.read_text("utf-8"))
    attributes = whole.get("attributes") or {}
    ome = {**(attributes.get("ome") or {}), **(changes.get("ome") or {})}
    merged = {**attributes, **changes}
    if ome:
        merged["ome"] = ome
    _replace(file, {**whole, "attributes": merged})


def _replace(file: Path, content: Mapping[str, Any]) -> None:
    part = file.with_name(f".{uuid.uuid4().hex[:12]}.part.{file.name}")
    with target_errors(file):
        try:
            part.write_text(json.dumps(content, indent=2), "utf-8")
            part.replace(file)
        finally:
            part.unlink(missing_ok=True)


def check_with_models(folder: Path, version: str, *, labels: bool) -> None:
    """Raise what ome-zarr-models says when a group is no valid OME-Zarr image."""
    import warnings

    import zarr

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        group = zarr.open_group(folder, mode="r", use_consolidated=False)
        if version == "0.4":
            from ome_zarr_models import v04

            (v04.ImageLabel if labels else v04.Image).from_zarr(group)
        else:
            from ome_zarr_models import v05

            (v05.ImageLabel if labels else v05.Image).from_zarr(group)
