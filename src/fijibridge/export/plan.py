"""Decide everything before a pixel is read: what is read, done, written, and where.

Decisions where ilastik is silent or wrong, so that an error comes here and not while a file is
being written: an empty cut-out and a stop below 0 are errors; a start below 0 and a stop beyond the
image are clipped with a warning, as ilastik does; a stop of 0 is empty (ilastik takes it for the
end, as ``compat`` does); dropping an axis of more than one sample, a volume in a picture format,
a sequence without ``{slice_index}`` (or with fewer axes than it needs), a name with
``{slice_index}`` that is no sequence, and a name inside another file are errors.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fijibridge.errors import SettingsError, UnsupportedError
from fijibridge.export import outputs as _outputs
from fijibridge.export.naming import (
    expand,
    has_slice_index,
    region_fields,
    slice_names,
    strip_suffix,
)
from fijibridge.export.pyramid import with_levels
from fijibridge.export.settings import ExportSettings
from fijibridge.export.steps import Subregion, Transpose, describe_all
from fijibridge.export.summary import plan_html, plan_json, plan_summary
from fijibridge.export.values import value_steps, value_warnings
from fijibridge.formats import Location, WriteOptions
from fijibridge.formats.dvid import is_dvid, parse_url
from fijibridge.model import Region

if TYPE_CHECKING:
    from collections.abc import Callable

    from fijibridge.export.naming import InputName
    from fijibridge.export.outputs import Output
    from fijibridge.export.settings import Cutout
    from fijibridge.export.steps import Step
    from fijibridge.model import Axes, ImageSpec

__all__ = ["ExportPlan", "make_plan", "resolve_cutout"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportPlan:
    """One export, decided.

    Parameters
    ----------
    settings
        What was asked for.
    source
        What the input is.
    region
        The part of it that is read.
    steps
        From the source to `exported`.
    exported
        The image that is exported, in the order that was asked for.
    fit
        From `exported` (of a sequence: one slice of it) to what a file holds.
    output
        What is then found on disk; of a sequence in each file.
    format
        The format.
    files
        Paths; into HDF5 files with the place inside.
    sequence_axis
        Letter of the axis of a sequence, "" for single files.
    options
        How the format writes.
    warnings
        What a user should know before.
    """

    settings: ExportSettings
    source: ImageSpec
    region: Region
    steps: tuple[Step, ...]
    exported: ImageSpec
    fit: tuple[Step, ...]
    output: ImageSpec
    format: Output
    files: tuple[str, ...]
    sequence_axis: str
    options: WriteOptions
    warnings: tuple[str, ...]

    @property
    def nbytes(self) -> int:
        """Bytes of all pixels that are written, uncompressed, without the levels of a pyramid."""
        return self.output.nbytes * len(self.files)

    @property
    def memory(self) -> int:
        """Bytes that blocks in flight take at most, as far as one chunk each fits them."""
        return min(self.settings.memory, self.source.nbytes + 24 * self.nbytes)

    @property
    def summary(self) -> dict[str, Any]:
        """What a dry run prints and a report holds; JSON values."""
        return plan_summary(self)

    def to_json(self) -> dict[str, Any]:
        """Return all of the plan as JSON values."""
        return plan_json(self)

    def _repr_html_(self) -> str:
        return plan_html(self)

    @property
    def levels(self) -> tuple[Axes, ...]:
        """Axes of every scale of a pyramid; empty for other formats."""
        if self.format.kind != "zarr":
            return ()
        if self.format.levels == 1:
            return (self.output.axes,)
        if len(self.output.scales) > 1 or self.settings.exact:
            return tuple(level.axes for level in self.output.scales)
        from fijibridge.model.scaling import level_axes

        return level_axes(self.output.axes)


def resolve_cutout(
    spec: ImageSpec, cutout: Cutout | None, *, exact: bool
) -> tuple[Region, tuple[str, ...]]:
    """Return (region of the source, warnings).

    Raises
    ------
    SettingsError
        When the cut-out does not fit the axes, or is empty.
    """
    axes = spec.axes
    if cutout is None:
        return Region.whole(axes.shape), ()
    start, stop = _by_position(spec, cutout, exact=exact)
    begins, ends, clipped = [], [], []
    for axis, a, b in zip(axes, start, stop, strict=True):
        low = 0 if a is None else a
        high = axis.size if b is None or (exact and b == 0) else b
        if low < 0 or high > axis.size:
            clipped.append(axis.key)
        low, high = max(0, low), min(axis.size, high)
        if low >= high:
            raise SettingsError(
                f"The cut-out is empty along {axis.key!r}: {a} to {b} of {axis.size} samples.",
                "Starts are counted from 0, stops are exclusive and not negative; None is the end.",
            )
        begins.append(low)
        ends.append(high)
    region = Region(tuple(begins), tuple(ends))
    if not clipped:
        return region, ()
    said = f"The cut-out reaches beyond the image along {', '.join(clipped)}; it is clipped to "
    return region, (said + f"{[tuple(begins), tuple(ends)]}.",)


def _by_position(
    spec: ImageSpec, cutout: Cutout, *, exact: bool
) -> tuple[tuple[int | None, ...], tuple[int | None, ...]]:
    axes = spec.axes
    if cutout.named:
        absent = [key for key in cutout.named if key not in axes]
        if absent:
            raise SettingsError(
                f"The cut-out names the axis {absent[0]!r}; the input has {axes.keys!r}."
            )
        pairs = [cutout.named.get(key, (None, None)) for key in axes.keys]
        return tuple(a for a, _ in pairs), tuple(b for _, b in pairs)
    start, stop = cutout.start, cutout.stop
    n = len(axes)
    if len(start) == n + 1 and "c" not in axes and not exact:
        if start[-1] not in (None, 0) or stop[-1] not in (None, 1):
            raise SettingsError(
                f"The cut-out takes {start[-1]} to {stop[-1]} of the channel axis that ilastik "
                f"appends; the input, {axes.keys!r}, has one channel."
            )
        start, stop = start[:-1], stop[:-1]
    if len(start) != n:
        raise SettingsError(
            f"The cut-out names {len(start)} axes; the input has {n}: {axes.keys!r} of the shape "
            f"{axes.shape}.",
            "Give one start and one stop an axis, in the input's order, or letters: z=0:10,y=:100.",
        )
    return start, stop


def make_plan(
    spec: ImageSpec, name: InputName, settings: ExportSettings, kind: str = "Input"
) -> ExportPlan:
    """Return the plan of one export; nothing is read or written.

    Parameters
    ----------
    spec
        The source.
    name
        What the placeholders are made of.
    settings
        What was asked for.
    kind
        What the source is: ``Input``, or a result of a project; ``{result_type}``.

    Raises
    ------
    SettingsError
        For settings that contradict the image, the format or each other.
    UnsupportedError
        When the format cannot hold the image.
    """
    output = _chosen(settings)
    if kind == "Input" and settings.export_source.strip().lower() != "input":
        raise SettingsError(
            f"export_source is {settings.export_source!r}; a plain export has the source Input.",
            "Results of a trained project come from the verb ilastik.",
        )
    _check_used(settings, output)
    region, warnings = resolve_cutout(spec, settings.cutout_subregion, exact=settings.exact)
    steps: list[Step] = [Subregion(region)]
    cut = steps[0].describe(spec)
    steps += value_steps(cut, settings)
    order = settings.output_axis_order or spec.axes.keys
    if order != spec.axes.keys:
        steps.append(Transpose(spec.axes.keys, order))
    exported = describe_all(steps, spec)
    output = _outputs.output_for_role(output, exported)
    axis = _sequence_axis(output, exported) if output.sequence else ""
    one = _slice_spec(exported, axis)
    fit = _outputs.fit_steps(output, one, exact=settings.exact)
    found = describe_all(fit, one)
    found = with_levels(found, output, spec, region, exact=settings.exact)
    options = WriteOptions(
        overwrite=settings.overwrite,
        compression=output.compression,
        downscale=settings.downscale if output.kind == "zarr" else None,
        levels=output.levels,
        version="ilastik" if settings.exact and output.shelf == "n5" else settings.ome_zarr_version,
        layout="ilastik" if settings.exact and output.kind == "zarr" else "",
    )
    _outputs.check_fits(output, found, options)
    found = replace(found, dtype=_outputs.stored_dtype(output, found))
    return ExportPlan(
        settings=settings,
        source=spec,
        region=region,
        steps=tuple(steps),
        exported=exported,
        fit=tuple(fit),
        output=found,
        format=output,
        files=_files(output, spec, region, exported, axis, name, settings, kind),
        sequence_axis=axis,
        options=options,
        warnings=(*warnings, *value_warnings(cut, settings), *_unused(settings, output)),
    )


def _chosen(settings: ExportSettings) -> Output:
    pattern = settings.output_filename_format
    meant = None if settings.exact else _outputs.output_for_suffix(pattern)
    if settings.output_format is None:
        chosen = meant or _outputs.output_named("compressed hdf5")
    else:
        chosen = _outputs.output_named(settings.output_format)
        _, suffix = strip_suffix(pattern, _outputs.known_suffixes())
        if suffix and not settings.exact and suffix.lower() not in chosen.suffixes:
            raise SettingsError(
                f"output_format is {chosen.name!r}, but the name {pattern!r} ends in {suffix}.",
                f"Use {chosen.suffixes[0]}, or leave one of them out.",
            )
    if is_dvid(pattern) and not chosen.remote:
        raise SettingsError(
            f"The name {pattern!r} is on a server; {chosen.name!r} writes files.",
            "Name a file, or choose the format dvid.",
        )
    indexed = has_slice_index(pattern)
    if chosen.sequence and not indexed:
        raise SettingsError(
            f"The format {chosen.name!r} writes one file a slice; the name {pattern!r} has no "
            "{slice_index} to tell them apart.",
            "Such as --output_filename_format '{nickname}_{slice_index}'.",
        )
    if indexed and not chosen.sequence and not settings.exact:
        raise SettingsError(
            f"The name {pattern!r} has a {{slice_index}}, but {chosen.name!r} is no sequence.",
            "Leave it out, or choose a format that ends in 'sequence'.",
        )
    return chosen


def _check_used(settings: ExportSettings, output: Output) -> None:
    """Raise SettingsError for a setting that the format has no use for."""
    if output.kind == "zarr" and output.levels != 1:
        return
    for name in ("downscale", "ome_zarr_version"):
        value = getattr(settings, name)
        if value is None or (name == "ome_zarr_version" and output.kind == "zarr"):
            continue
        what = "levels" if name == "downscale" else "OME-Zarr version"
        raise SettingsError(
            f"{name} is {value!r}, but {output.name!r} has no {what}.",
            "Leave it out, or say --output_format 'multi-scale OME-Zarr'.",
        )


def _unused(settings: ExportSettings, output: Output) -> tuple[str, ...]:
    """Warn of a setting of ilastik's that it takes for every format, whether it has an effect."""
    inner = settings.output_internal_path
    if output.inner or inner == ExportSettings().output_internal_path:
        return ()
    return (f"output_internal_path {inner!r} has no effect: {output.name!r} holds one image.",)


def _sequence_axis(output: Output, spec: ImageSpec) -> str:
    long = [a.key for a in spec.axes if a.size != 1]
    rest = [key for key in long[1:] if key != "c"]
    needed = 3 if output.kind == "tiff" else 2
    if len(rest) != needed:
        sizes = ", ".join(f"{a.key} of {a.size}" for a in spec.axes)
        raise UnsupportedError(
            f"A {output.name} needs {needed + 1} axes of more than one sample beside the channels; "
            f"what is exported has {sizes}.",
            "Choose another format, or another part with --cutout_subregion.",
        )
    return long[0]


def _slice_spec(spec: ImageSpec, axis: str) -> ImageSpec:
    """Return what one file of a sequence holds, along the first sample."""
    if not axis:
        return spec
    keys = spec.axes.keys
    i = keys.index(axis)
    whole = Region.whole(spec.shape)
    stop = tuple(1 if k == i else n for k, n in enumerate(whole.stop))
    one = Subregion(Region(whole.start, stop)).describe(spec)
    return Transpose(keys, keys.replace(axis, "")).describe(one)


def _files(
    output: Output,
    spec: ImageSpec,
    region: Region,
    exported: ImageSpec,
    axis: str,
    name: InputName,
    settings: ExportSettings,
    kind: str,
) -> tuple[str, ...]:
    fields = region_fields(spec.axes.keys, region)
    if kind == "Input" and not settings.exact:
        kind = settings.export_source

    def filled(pattern: str) -> str:
        return expand(pattern, name, kind, fields, exact=settings.exact)

    if output.remote:
        return (str(parse_url(filled(settings.output_filename_format))),)
    path, suffix = _split(filled, output, settings)
    path = os.path.abspath(os.path.expanduser(path))  # noqa: PTH100, PTH111  # links are kept
    _check_no_file_above(path + suffix, output)
    if output.inner:
        inner = filled(settings.output_internal_path).strip("/")
        if not inner:
            raise SettingsError("output_internal_path is empty.", "Such as exported_data.")
        return (f"{path}{suffix}/{inner}",)
    if not axis:
        return (f"{path}{suffix}",)
    count = exported.axes.size(axis)
    offset = region.start[spec.axes.keys.index(axis)] if axis in spec.axes else 0
    names = slice_names(path + suffix, offset, count)
    if len(set(names)) != count:
        raise SettingsError(f"The slices of {path + suffix!r} would have one name.")
    return tuple(names)


def _check_no_file_above(path: str, output: Output) -> None:
    """Raise SettingsError when a name goes on inside a file; only Zarr stores hold images so."""
    where = Location.parse(path)
    store = output.kind == "zarr" and where.path.suffix.lower() == ".zarr"
    if where.inner and not store:
        raise SettingsError(
            f"The name {path!r} goes on inside {where.path.name!r}, which {output.name} cannot.",
            "Name a file; the place inside HDF5 files is --output_internal_path.",
        )


def _split(
    filled: Callable[[str], str], output: Output, settings: ExportSettings
) -> tuple[str, str]:
    """Return (path, suffix) of the file."""
    pattern = settings.output_filename_format
    if settings.exact:
        path = filled(pattern)
        return os.path.splitext(path)[0], output.suffixes[0]  # noqa: PTH122  # as ilastik does
    stem, suffix = strip_suffix(pattern, output.suffixes)
    if not Path(stem).name:
        raise SettingsError(f"The name {pattern!r} names no file.")
    return filled(stem), suffix or output.suffixes[0]
