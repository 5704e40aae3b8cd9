"""Opening any TIFF lazily: what the image is, and an array that reads what is asked for."""

from __future__ import annotations

import math
import weakref
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from fijibridge.errors import FormatError, SettingsError
from fijibridge.formats._lazy import LazySource
from fijibridge.formats._tiff import ifd
from fijibridge.formats._tiff.arrays import TransposedArray
from fijibridge.formats._tiff.axes import Layout, named_axes, rename_axes
from fijibridge.formats._tiff.imagej import ROLE_PROPERTY, read_calibration, read_extra
from fijibridge.formats._tiff.layout import Opened, opened_tiff
from fijibridge.model import Axes, Axis, Extra, ImageSpec, Level
from fijibridge.model.json_text import parse_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fijibridge.formats._format import ReadOptions
    from fijibridge.formats._location import Location
    from fijibridge.model import Role

__all__ = ["open_tiff"]


def open_tiff(where: Location, options: ReadOptions) -> LazySource:
    """Open a TIFF; pixels are read when a region is asked for.

    Parameters
    ----------
    where
        The file.
    options
        ``axes`` renames the axes, ``level`` picks a sub-resolution.

    Raises
    ------
    FormatError
        When the file is truncated, hostile or no TIFF.
    SettingsError
        When the axes or the level do not fit.
    """
    opened = opened_tiff(where)
    try:
        spec, array = _describe(opened, where, options)
    except BaseException:
        opened.close()
        raise
    what = repr(str(where))
    source = LazySource(spec, array, what, close=opened.close)
    # whoever only looks at the spec need not close it
    weakref.finalize(source, opened.close)
    return source


def _describe(opened: Opened, where: Location, options: ReadOptions) -> tuple[ImageSpec, Any]:
    """Return what the chosen level is, and the array its pixels come from."""
    levels = opened.levels or (opened.layout,)
    number = _level_number(options.level, len(levels), where)
    base = _axes_of(opened, levels[0], where)
    layout = levels[number]
    scales: tuple[Level, ...] = ()
    if len(levels) > 1:
        all_axes = [_scaled(base, _named(level, where)[1]) for level in levels]
        scales = tuple(Level(str(i), axes) for i, axes in enumerate(all_axes))
    order, sizes, is_rgb = _named(layout, where)
    axes = _scaled(base, sizes)
    array = layout.array
    if order != tuple(range(len(order))) or len(order) != len(layout.sizes):
        array = TransposedArray(array, order)
    extra = _extra(opened, axes)
    extra = replace(extra, rgb=is_rgb)
    if options.axes is not None:
        axes = rename_axes(axes, options.axes)
        scales = tuple(Level(s.name, rename_axes(s.axes, options.axes)) for s in scales)
        extra = replace(extra, rgb=extra.rgb and axes.keys.endswith("c"))
    dtype = np.dtype(np.uint8) if layout.dtype.kind == "b" else layout.dtype
    name = opened.props.get("name") or where.path.name
    role, extra = _role(opened, options, extra)
    return (
        ImageSpec(axes=axes, dtype=dtype, role=role, name=name, scales=scales, extra=extra),
        array,
    )


def _role(opened: Opened, options: ReadOptions, extra: Extra) -> tuple[Role, Extra]:
    """Return the role as asked, else as we wrote it, and the other properties."""
    said = extra.properties.get(ROLE_PROPERTY)
    if said is not None:
        rest = {k: v for k, v in extra.properties.items() if k != ROLE_PROPERTY}
        extra = replace(extra, properties=rest)
    if said is None and opened.ome:
        from fijibridge.formats._tiff.ome import says_labels

        said = "labels" if says_labels(opened.ome) else None
    return options.role or ("labels" if said == "labels" else "intensity"), extra


def _named(layout: Layout, where: Location) -> tuple[tuple[int, ...], dict[str, int], bool]:
    return named_axes(layout, str(where.path))


def _level_number(level: int | str, count: int, where: Location) -> int:
    number = int(level) if isinstance(level, int) or level.isdigit() else -1
    if not 0 <= number < count:
        raise SettingsError(
            f"{str(where)!r} has no level {level!r}; "
            + (f"its levels are 0 to {count - 1}." if count > 1 else "it has one level, 0.")
        )
    return number


def _scaled(base: Axes, sizes: Mapping[str, int]) -> Axes:
    """Return the axes with the sizes of a level; its pixels are larger by the ratio."""
    return Axes(
        tuple(
            replace(a, size=sizes[a.key], scale=a.scale * a.size / sizes[a.key])
            if sizes[a.key] != a.size
            else a
            for a in base
        )
    )


def _axes_of(opened: Opened, layout: Layout, where: Location) -> Axes:
    sizes = _named(layout, where)[1]
    if opened.ome:
        from fijibridge.formats._tiff.ome import read_ome_axes

        return read_ome_axes(opened.ome, sizes)
    calibration = read_calibration(opened.first, opened.props)
    shaped = _shaped_metadata(opened)
    scale, unit = {**calibration.scale, **shaped["scale"]}, {**calibration.unit, **shaped["unit"]}
    origin = {**calibration.origins(), **shaped["origin"]}
    try:
        return Axes(
            tuple(
                Axis(k, n, scale.get(k, 1.0), unit.get(k, ""), origin.get(k, 0.0))
                for k, n in sizes.items()
            )
        )
    except SettingsError as error:
        raise FormatError(f"{str(where)!r} is broken: {error.message}") from error


def _shaped_metadata(opened: Opened) -> dict[str, dict[str, Any]]:
    """Return the sizes that our plain TIFFs keep in tifffile's JSON description."""
    empty: dict[str, dict[str, Any]] = {"scale": {}, "unit": {}, "origin": {}}
    text = opened.first.text(ifd.DESCRIPTION)
    if not text.startswith('{"shape"'):
        return empty
    try:
        found = parse_json(text)
    except (ValueError, RecursionError):
        return empty
    for name in ("scale", "origin"):
        values = found.get(name)
        if isinstance(values, dict):
            empty[name] = {
                k: float(v)
                for k, v in values.items()
                if isinstance(v, (int, float)) and math.isfinite(v) and (v > 0 or name == "origin")
            }
    if isinstance(found.get("unit"), dict):
        empty["unit"] = {k: v for k, v in found["unit"].items() if isinstance(v, str)}
    return empty


def _extra(opened: Opened, axes: Axes) -> Extra:
    extra = read_extra(opened.first, opened.props, axes.size("c"))
    photometric = opened.first.number(ifd.PHOTOMETRIC, 1)
    # 16-bit colour tables of other programs are not what their images look like
    if opened.layout.dtype.itemsize > 1 and not opened.props:
        extra = replace(extra, luts=())
    extra = replace(extra, inverted_lut=photometric == 0)
    if opened.layout.dtype == np.int16 and opened.props:
        # ImageJ shows signed pixels 32768 higher
        ranges = tuple((a - 32768.0, b - 32768.0) for a, b in extra.display_ranges)
        extra = replace(extra, display_ranges=ranges)
    if opened.ome:
        from fijibridge.formats._tiff.ome import read_ome_channels, read_ome_properties

        names = read_ome_channels(opened.ome)
        extra = replace(
            extra,
            ome_xml=opened.ome,
            properties={**extra.properties, **read_ome_properties(opened.ome)},
            channel_names=names if len(names) == axes.size("c") and any(names) else (),
        )
    return extra
