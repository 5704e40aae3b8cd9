"""What an image is, as plain JSON values: the part of `info` that all image formats share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fijibridge.model import ImageSpec

__all__ = ["describe_spec"]

#: Info texts can be megabytes of XML.
_LONGEST = 2000


def describe_spec(spec: ImageSpec) -> dict[str, Any]:
    """Return name, shape, dtype, axes with sizes and units, and what travels along."""
    extra = spec.extra
    found: dict[str, Any] = {
        "name": spec.name,
        "shape": list(spec.shape),
        "dtype": spec.dtype.name,
        "axis_order": spec.axes.keys,
        "axes": {
            a.key: {"size": a.size, "scale": a.scale, "unit": a.unit, "origin": a.origin}
            for a in spec.axes
        },
        "bytes": spec.nbytes,
        "role": spec.role,
    }
    if spec.scales:
        found["levels"] = [{"name": s.name, "shape": list(s.axes.shape)} for s in spec.scales]
    said: dict[str, Any] = {
        "rgb": extra.rgb,
        "channel_names": list(extra.channel_names),
        "slice_labels": list(extra.slice_labels),
        "display_ranges": [list(pair) for pair in extra.display_ranges],
        "mode": extra.mode,
        "luts": len(extra.luts),
        "inverted_lut": extra.inverted_lut,
        "overlay_rois": 0 if extra.overlay is None else len(extra.overlay),
        "value_unit": "" if extra.valuation is None else extra.valuation.unit,
        "info": extra.info[:_LONGEST],
        "properties": dict(extra.properties),
    }
    found.update({key: value for key, value in said.items() if value})
    return found
