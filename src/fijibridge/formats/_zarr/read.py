"""What OME-Zarr metadata mean: axes, levels, transformations, channels, labels.

Reading is lenient where versions differ (0.1 to 0.5) and strict where a number would be wrong.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from fijibridge.errors import FormatError
from fijibridge.formats._hdf5.axistags import (
    axes_attribute_keys,
    axis_units_of,
    axistags_of,
    checked_axes,
    guess_keys,
    text_of,
)
from fijibridge.model.axes import KEYS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fijibridge.formats._zarr.store import Store
    from fijibridge.model import Axes

__all__ = ["Dataset", "Multiscale", "extra_fields", "multiscale_of", "ome_attributes", "plain_axes"]

_MAX_LEVELS = 64
_TYPES = {"time": "t", "channel": "c"}
_LONG = {"time": "t", "channel": "c", "channels": "c", "frame": "t"}


@dataclass(frozen=True, slots=True)
class Dataset:
    """One level: path of the array and its own scale and translation, per axis."""

    path: str
    scale: tuple[float, ...] | None
    translation: tuple[float, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Multiscale:
    """The first multiscale image of a group."""

    node: str
    version: str
    keys: str
    units: Mapping[str, str]
    datasets: tuple[Dataset, ...]
    scale: tuple[float, ...] | None
    translation: tuple[float, ...] | None
    name: str = ""
    image_label: Mapping[str, Any] | None = None
    omero: Mapping[str, Any] = field(default_factory=dict)

    def axes(self, index: int, shapes: Sequence[Sequence[int]], what: str) -> Axes:
        """Return the axes of one level.

        Parameters
        ----------
        index
            Number of the level.
        shapes
            Shape of level 0 and of this level; older versions have no scales, their ratio is it.
        what
            Name for messages.
        """
        dataset, shape = self.datasets[index], shapes[-1]
        n = len(shape)
        keys = self.keys or "tczyx"[-n:]
        if dataset.scale is not None:
            own = dataset.scale
        else:
            own = tuple(a / b if b else 1.0 for a, b in zip(shapes[0], shape, strict=False))
        shift = dataset.translation or (0.0,) * n
        outer = self.scale or (1.0,) * n
        outer_shift = self.translation or (0.0,) * n
        for name, values in (("scale", own), ("translation", shift), ("scale", outer)):
            if len(values) != n:
                raise FormatError(
                    f"{what} has a {name} of {len(values)} numbers for {n} axes.",
                )
        scale = {k: a * b for k, a, b in zip(keys, own, outer, strict=False)}
        origin = {k: t * b + o for k, t, b, o in zip(keys, shift, outer, outer_shift, strict=False)}
        return checked_axes(keys, shape, what, scale=scale, unit=self.units, origin=origin)


def ome_attributes(attributes: Mapping[str, Any]) -> tuple[Mapping[str, Any], str]:
    """Return (the attributes that are OME's, version "" when they do not say)."""
    ome = attributes.get("ome")
    if isinstance(ome, dict):
        return ome, str(ome.get("version", "0.5"))
    return attributes, ""


def _axis(entry: Any, what: str) -> tuple[str, str]:
    """Return (letter, unit) of one axis entry: a mapping, or in 0.3 a letter."""
    if isinstance(entry, str):
        name, kind, unit = entry, "", ""
    elif isinstance(entry, dict):
        name, kind = str(entry.get("name", "")), str(entry.get("type", ""))
        unit = entry.get("unit", "")
        unit = unit if isinstance(unit, str) else ""
    else:
        raise FormatError(f"{what} has an axis {str(entry)[:40]!r} that is no axis.")
    key = name.lower()
    key = key if key in KEYS else _LONG.get(key, "") or _TYPES.get(kind, "")
    if len(key) != 1:
        raise FormatError(
            f"{what} has an axis {name[:40]!r}; only t, c, z, y and x are known here.",
            "Say what the axes are: axes='zyx' (--axes zyx).",
        )
    return key, unit


def _vector(entry: Mapping[str, Any], name: str, what: str) -> tuple[float, ...]:
    try:
        return tuple(float(v) for v in entry[name])
    except (KeyError, TypeError, ValueError, OverflowError):
        raise FormatError(
            f"{what} has a {name} that is no list of numbers: {str(entry.get(name))[:40]!r}."
        ) from None


def _transformations(
    entry: Mapping[str, Any], what: str
) -> tuple[tuple[float, ...] | None, tuple[float, ...] | None]:
    """Return (scale, translation), each None when not given."""
    scale = translation = None
    given = entry.get("coordinateTransformations", [])
    if not isinstance(given, list):
        raise FormatError(f"{what} has coordinateTransformations that are no list.")
    for one in given[:8]:
        kind = one.get("type") if isinstance(one, dict) else None
        if kind == "scale":
            scale = _vector(one, "scale", what)
        elif kind == "translation":
            translation = _vector(one, "translation", what)
        elif kind != "identity":
            raise FormatError(
                f"{what} has a coordinate transformation {str(kind)[:40]!r}; "
                "only scale, translation and identity are known here."
            )
    return scale, translation


def multiscale_of(store: Store, node: str, *, lenient: bool = False) -> Multiscale | None:
    """Return the first multiscale image of a group; None when it is none.

    Parameters
    ----------
    store, node
        The group.
    lenient
        Axes that make no sense are left out: the user says them.
    """
    attributes, version = ome_attributes(store.attributes(node))
    given = attributes.get("multiscales")
    if given is None:
        return None
    what = store.name(node)
    first = given[0] if isinstance(given, list) and given else None
    datasets = first.get("datasets") if isinstance(first, dict) else None
    if not isinstance(datasets, list) or not datasets or len(datasets) > _MAX_LEVELS:
        raise FormatError(
            f"{what} has multiscales metadata that name no levels.",
            "Open one of its arrays, such as a.zarr/0.",
        )
    assert isinstance(first, dict)  # noqa: S101  # datasets were found in it
    levels = []
    for entry in datasets:
        path = entry.get("path") if isinstance(entry, dict) else None
        if not isinstance(path, str) or ".." in path.split("/") or not path.strip("/"):
            raise FormatError(f"{what} has a level without a good path: {str(path)[:40]!r}.")
        scale, translation = _transformations(entry, f"{what} level {path!r}")
        levels.append(Dataset(path.strip("/"), scale, translation))
    pairs: list[tuple[str, str]] = []
    entries = first.get("axes")  # before 0.3 there are none: always the last of tczyx
    try:
        pairs = [_axis(entry, what) for entry in entries] if isinstance(entries, list) else []
    except FormatError:
        if not lenient:
            raise
    scale, translation = _transformations(first, what)
    label = attributes.get("image-label")
    omero = attributes.get("omero")
    return Multiscale(
        node=node,
        version=version or str(first.get("version", "0.4")),
        keys="".join(key for key, _ in pairs),
        units={key: unit for key, unit in pairs if unit},
        datasets=tuple(levels),
        scale=scale,
        translation=translation,
        name=str(first.get("name") or ""),
        image_label=label if isinstance(label, dict) else None,
        omero=omero if isinstance(omero, dict) else {},
    )


def plain_axes(store: Store, node: str, array: Any) -> Axes:
    """Return the axes of an array that belongs to no multiscale image.

    ilastik's axistags, zarr 3 dimension names, xarray's ``_ARRAY_DIMENSIONS`` or ``axes`` say
    them; else they are guessed by the number of dimensions.
    """
    attributes, what = store.attributes(node), store.name(node)
    shape = tuple(int(n) for n in array.shape)
    units = axis_units_of(attributes.get("axis_units"))
    tags = text_of(attributes.get("axistags"))
    if tags:
        found, _ = axistags_of(tags, what)
        keys = "".join(k for k, _ in found)
        return checked_axes(keys, shape, what, scale=dict(found), unit=units)
    named = getattr(array.metadata, "dimension_names", None)
    for names in (named, attributes.get("_ARRAY_DIMENSIONS"), attributes.get("axes")):
        if isinstance(names, (list, tuple)):
            short = [_LONG.get(str(n).lower(), str(n).lower()) for n in names]
            keys = "".join(short)
        else:
            keys = axes_attribute_keys(names)
        if len(keys) == len(shape) and len(set(keys)) == len(keys) and not set(keys) - set(KEYS):
            if {"x", "y"} <= set(keys) and keys.find("x") < keys.find("y"):
                keys = keys[::-1] if names is attributes.get("axes") else keys
            return checked_axes(keys, shape, what, unit=units)
    return checked_axes(guess_keys(shape), shape, what, unit=units)


def extra_fields(
    found: Multiscale, attributes: Mapping[str, Any], n_channels: int
) -> dict[str, Any]:
    """Return what `Extra` takes from omero, image-label and ilastik's attributes."""
    out: dict[str, Any] = {}
    channels = found.omero.get("channels")
    if isinstance(channels, list) and len(channels) == n_channels:
        out |= _channel_fields([c if isinstance(c, dict) else {} for c in channels])
    if found.image_label is not None:
        out |= _label_fields(found.image_label)
    out |= ilastik_fields(attributes)
    return out


def ilastik_fields(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return ilastik's drange and display mode."""
    out: dict[str, Any] = {}
    drange = attributes.get("drange")
    if isinstance(drange, list) and len(drange) == 2 and all(map(_is_number, drange)):
        out["drange"] = (float(drange[0]), float(drange[1]))
    if isinstance(attributes.get("display_mode"), str):
        out["display_mode"] = attributes["display_mode"]
    return out


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e308


def _channel_fields(channels: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    names = tuple(str(c.get("label", "")) for c in channels)
    if any(names):
        out["channel_names"] = names
    windows = [c.get("window") for c in channels]
    ranges = [
        (float(w["start"]), float(w["end"]))
        for w in windows
        if isinstance(w, dict) and _is_number(w.get("start")) and _is_number(w.get("end"))
    ]
    if len(ranges) == len(channels):
        out["display_ranges"] = tuple(ranges)
    colors = [_color(c.get("color")) for c in channels]
    if all(c is not None for c in colors):
        ramp = np.arange(256)[:, None] / 255
        out["luts"] = tuple(np.rint(ramp * c).astype(np.uint8) for c in colors if c is not None)
    return out


def _color(text: Any) -> np.ndarray | None:
    try:
        value = int(text[:6], 16) if isinstance(text, str) and len(text) >= 6 else -1
    except ValueError:
        return None
    return None if value < 0 else np.array([value >> 16, value >> 8 & 255, value & 255])


def _label_fields(label: Mapping[str, Any]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    colors: dict[int, tuple[int, int, int, int]] = {}
    given = label.get("colors")
    for one in given if isinstance(given, list) else []:
        entry = one if isinstance(one, dict) else {}
        value: Any = entry.get("label-value")
        rgba = entry.get("rgba")
        if not (_is_number(value) and isinstance(rgba, list) and len(rgba) == 4):
            continue
        if all(_is_number(v) and 0 <= v <= 255 for v in rgba):
            r, g, b, a = (int(v) for v in rgba)
            colors[int(value)] = (r, g, b, a)
    if colors:
        out["label_colors"] = colors
    properties = label.get("properties")
    if isinstance(properties, list):
        out["label_properties"] = tuple(p for p in properties if isinstance(p, dict))
    source = label.get("source")
    if isinstance(source, dict):
        out["other"] = {"image-label source": source}
    return out
