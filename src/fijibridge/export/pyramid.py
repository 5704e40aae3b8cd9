"""The levels of an exported pyramid: those of the source where it has some, never upscaled."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from fijibridge.formats.omezarr import SCALED_AXES, ilastik_levels
from fijibridge.model import Axes, Level

if TYPE_CHECKING:
    from fijibridge.export.outputs import Output
    from fijibridge.model import ImageSpec, Region

__all__ = ["matched_levels", "with_levels"]


def matched_levels(spec: ImageSpec, region: Region, axes: Axes) -> tuple[Level, ...]:
    """Return the source's levels from the one that is read downwards, cut as the image is.

    Parameters
    ----------
    spec
        The source.
    region
        The part of it that is read.
    axes
        Of what is written; the first level.

    Source: ilastik's writer: a level has the cut size over the factor of the whole sizes, cut to a
    whole number; it ends before fewer than two axes of space have more than one sample.
    """
    keys = spec.axes.keys
    shared = [level for level in spec.scales if set(level.axes.keys) >= set(keys) - {"c"}]
    sizes = [tuple(level.axes.size(k) for k in keys) for level in shared]
    if spec.axes.shape not in sizes:
        return ()
    at = sizes.index(spec.axes.shape)
    cut = dict(zip(keys, region.shape, strict=True))
    levels: list[Level] = []
    for level, whole in zip(shared[at:], sizes[at:], strict=True):
        items = []
        for axis in axes:
            if axis.key not in keys or axis.key not in "zyx":
                items.append(axis)
                continue
            factor = spec.axes.size(axis.key) / whole[keys.index(axis.key)]
            size = max(int(cut[axis.key] / factor), 1)
            items.append(replace(axis, size=size, scale=axis.scale * factor))
        made = Axes(tuple(items))
        if levels and sum(a.size > 1 for a in made if a.key in "zyx") < 2:
            break
        levels.append(Level(level.name, made))
    return tuple(levels)


def with_levels(
    found: ImageSpec, output: Output, spec: ImageSpec, region: Region, *, exact: bool
) -> ImageSpec:
    """Return what is written with the levels it will have, none beside OME-Zarr.

    Parameters
    ----------
    found
        What is written, in its order.
    output
        The format.
    spec, region
        The source, and the part of it that is read.
    exact
        As ilastik lays it out.
    """
    if output.kind != "zarr":
        return replace(found, scales=())
    levels = matched_levels(spec, region, found.axes)
    if not exact:
        return replace(found, scales=levels if len(levels) > 1 and output.levels != 1 else ())
    if levels:
        scaled = {
            a.key
            for level in spec.scales
            for a in level.axes
            if a.key in spec.axes and a.size != spec.axes.size(a.key)
        }
        other = {**found.extra.other, SCALED_AXES: "".join(sorted(scaled))}
        found = replace(found, extra=replace(found.extra, other=other))
    levels = levels or ilastik_levels(found.axes, found.dtype.itemsize)
    return replace(found, scales=levels[: output.levels])
