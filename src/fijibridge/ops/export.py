"""``export INPUT…``: the export engine with the words of ilastik's Data Export.

Decisions where ilastik is silent: a flag that is unknown is an error (ilastik logs a line and goes
on); dashes and underscores are alike (ilastik takes only underscores, and ignores the others);
several inputs whose outputs have one name are refused; ``--table_only`` is unknown here, as a plain
export has no table (ilastik does nothing and says that all is well).
"""

from __future__ import annotations

import dataclasses
import os
import re
from functools import partial
from typing import TYPE_CHECKING, Any

from fijibridge.errors import SettingsError
from fijibridge.export.settings import (
    Cutout,
    parse_axis_order,
    parse_cutout,
    parse_dtype,
    parse_pair,
)
from fijibridge.ops._inputs import each_path
from fijibridge.ops._kinds import FLAG, INTEGER, PATH, PATHS, TEXT, Kind, absolute_path
from fijibridge.ops._operation import Job, JobReport, Operation, Plan
from fijibridge.ops._record import SUFFIX
from fijibridge.ops._settings import setting, settings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fijibridge.export.batch import Item
    from fijibridge.export.plan import ExportPlan
    from fijibridge.export.settings import ExportSettings
    from fijibridge.ops._operation import Context, Report

__all__ = ["OPERATION", "ExportVerbSettings", "export"]

_VALUES = "what is done to the pixels"
_NAMES = "what is written, and where"
_READ = "how the input is read"
_WORK = "how the work is done"
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_MEMORY = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?)(i?)b?\s*", re.IGNORECASE)
_INDEX = re.compile(r"\{index(?::([^{}]*))?\}")


def _memory(value: Any, name: str) -> int:
    """Return bytes of ``1GB``, ``500 MiB`` or a number.

    Examples
    --------
    >>> _memory("1.5kB", "memory"), _memory("1 MiB", "memory"), _memory(7, "memory")
    (1500, 1048576, 7)
    """
    match = _MEMORY.fullmatch(str(value))
    if match is None or isinstance(value, bool):
        raise SettingsError(f"{name} is {value!r}; allowed is a size such as 1GB or 500MB.")
    unit = match[2].lower()
    factor = 1024 ** "kmgt".index(unit) * 1024 if match[3] and unit else _UNITS[unit]
    found = int(float(match[1]) * factor)
    if found < 1:
        raise SettingsError(f"{name} is {value!r}; it must be 1 byte or more.")
    return found


def _cutout_text(value: Cutout) -> str:
    if value.named:
        return ",".join(
            f"{key}={'' if a is None else a}:{'' if b is None else b}"
            for key, (a, b) in value.named.items()
        )
    parts = [", ".join(map(str, part)) for part in (value.start, value.stop)]
    return f"[[{parts[0]}], [{parts[1]}]]"


def _pair_text(value: tuple[float, float]) -> str:
    return f"({value[0]!r},{value[1]!r})"


CUTOUT = Kind(
    metavar="[(STARTS),(STOPS)]", parse=parse_cutout, dump=_cutout_text, text=_cutout_text
)
DTYPE = Kind(metavar="DTYPE", parse=parse_dtype)
ORDER = Kind(metavar="LETTERS", parse=parse_axis_order)
PAIR = Kind(metavar="(LOW,HIGH)", parse=parse_pair, dump=list, text=_pair_text)
MEMORY = Kind(metavar="SIZE", parse=_memory)


@settings
class ExportVerbSettings:
    """Settings of ``export``; the words are ilastik's."""

    inputs: tuple[str, ...] = setting(
        (),
        kind=PATHS,
        metavar="INPUT",
        positional=True,
        aliases=("input",),
        help="images; a path may go on inside a file; a quoted pattern is one stack",
    )
    input_data: tuple[str, ...] = setting(
        (), kind=PATHS, metavar="INPUT", group=_READ, help="the same as INPUT, ilastik's flag"
    )
    each: str | None = setting(
        None, kind=PATH, metavar="GLOB", group=_READ, help="take every match as its own input"
    )
    input_axes: str | None = setting(
        None,
        kind=ORDER,
        group=_READ,
        aliases=("axes",),
        help="axes of the input, such as zyx",
    )
    stack_along: str = setting(
        "z", kind=ORDER, metavar="AXIS", group=_READ, help="axis of the files of a pattern"
    )
    role: str | None = setting(
        None,
        kind=TEXT,
        choices=("labels", "intensity", "probabilities"),
        metavar="ROLE",
        group=_READ,
        help="labels, intensity or probabilities; left out: as the file says",
    )
    preconvert_stacks: bool = setting(
        default=False, group=_READ, help="ilastik's; stacks are read as they are, in bounded memory"
    )
    export_source: str = setting(
        "Input", kind=TEXT, metavar="NAME", group=_READ, help="Input, the only source here"
    )
    cutout_subregion: Cutout | None = setting(
        None,
        kind=CUTOUT,
        group=_VALUES,
        help="the part that is written, in the input's axis order, None = open end; or "
        "z=0:10,y=:100",
    )
    export_dtype: str | None = setting(None, kind=DTYPE, group=_VALUES, help="pixel type")
    pipeline_result_drange: tuple[float, float] | None = setting(
        None, kind=PAIR, group=_VALUES, help="the range of values that becomes export_drange"
    )
    export_drange: tuple[float, float] | None = setting(
        None, kind=PAIR, group=_VALUES, help="the range of values afterwards"
    )
    output_axis_order: str | None = setting(
        None, kind=ORDER, group=_VALUES, help="axes of the output, such as tzyxc"
    )
    downscale: str | None = setting(
        None,
        kind=TEXT,
        choices=("linear", "mean", "nearest"),
        metavar="linear|mean|nearest",
        group=_VALUES,
        help="how the levels of a pyramid are made; left out: linear, labels nearest",
    )
    compat: str | None = setting(
        None,
        kind=TEXT,
        choices=("ilastik",),
        metavar="ilastik",
        group=_VALUES,
        help="bit for bit what current ilastik writes, truncation, wrapping and names included",
    )
    output_format: str | None = setting(
        None,
        kind=TEXT,
        metavar="FORMAT",
        group=_NAMES,
        help="ilastik's name of the format; left out: as the suffix says, else compressed hdf5",
    )
    output_filename_format: str = setting(
        "{dataset_dir}/{nickname}_{result_type}",
        kind=TEXT,
        metavar="NAME",
        group=_NAMES,
        help="name with placeholders: dataset_dir, nickname, result_type, roi, x_start, x_stop, …, "
        "index, slice_index",
    )
    output_internal_path: str = setting(
        "exported_data", kind=TEXT, metavar="PATH", group=_NAMES, help="place inside HDF5 files"
    )
    jobs: int = setting(0, kind=INTEGER, group=_WORK, help="threads; 0 = one a core")
    memory: int = setting(
        1 << 28, kind=MEMORY, group=_WORK, help="what blocks in flight may take, such as 1GB"
    )
    headless: bool = setting(
        default=False, kind=FLAG, group=_WORK, help="ilastik's; nothing here opens windows"
    )
    readonly: bool = setting(
        default=False, kind=FLAG, group=_WORK, help="ilastik's; inputs are never changed"
    )

    def check(self) -> None:
        """Refuse what does not go together."""
        if self.jobs < 0:
            raise SettingsError(f"jobs is {self.jobs}; allowed is 0 or more.")
        if len(self.stack_along) != 1:
            raise SettingsError(f"stack_along is {self.stack_along!r}; allowed is one letter.")
        if self.output_format is not None:
            from fijibridge.export.outputs import output_named

            output_named(self.output_format)


#: Fields of the engine's settings that are the verb's under the same name.
_SHARED = (
    *("output_format", "output_filename_format", "output_internal_path", "cutout_subregion"),
    *("export_dtype", "output_axis_order", "pipeline_result_drange", "export_drange"),
    *("export_source", "input_axes", "stack_along", "role", "downscale", "jobs", "memory"),
)


def _engine(value: ExportVerbSettings, *, overwrite: bool) -> ExportSettings:
    from fijibridge.export.settings import ExportSettings

    chosen: dict[str, Any] = {name: getattr(value, name) for name in _SHARED}
    return ExportSettings(**chosen, compat=value.compat or "", overwrite=overwrite)  # type: ignore[arg-type]  # checked there


def _values(value: ExportVerbSettings) -> list[Any]:
    typed = [*value.input_data, *value.inputs]
    found = each_path([path.removeprefix("file://") for path in typed], value.each)
    if not found:
        raise SettingsError(
            "export needs an INPUT.",
            "Type: fijibridge export a.h5/raw --output_format 'multipage tiff'",
        )
    return found


def _run(value: ExportVerbSettings, context: Context) -> Plan:
    return _plan(_values(value), value, context)


def _plan(values: Sequence[Any], value: ExportVerbSettings, context: Context) -> Plan:
    from fijibridge.export.batch import plan_batch

    items = plan_batch(values, _engine(value, overwrite=context.options.overwrite))
    if len(items) == 1 and items[0].error is not None:
        raise items[0].error
    notes = []
    for item in items:
        if item.error is not None and context.options.dry_run:
            notes.append(f"{item.title} cannot be exported: {item.error}")
        said = item.plan.warnings if item.plan is not None else ()
        notes += said if len(items) == 1 else [f"{item.title}: {text}" for text in said]
    return Plan(
        jobs=tuple(_job(item, i, value) for i, item in enumerate(items)), notes=tuple(notes)
    )


def _job(item: Item, index: int, value: ExportVerbSettings) -> Job:
    is_path = isinstance(item.value, (str, os.PathLike))
    sources = (os.fspath(item.value),) if is_path else ()
    if item.plan is None:
        return Job(title=item.title, run=partial(_do, item), sources=sources)
    files = item.plan.files
    targets = {"output": files[0]}
    if len(files) > 1:
        targets = {f"slice {i}": file for i, file in enumerate(files)}
    return Job(
        title=item.title,
        run=partial(_do, item),
        sources=sources,
        targets=targets,
        record=_record_name(item.plan) if is_path else None,
        settings=_alone(value, item, index) if is_path else None,
        planned=item.plan.summary,
    )


def _record_name(plan: ExportPlan) -> str:
    """Return where the settings of one input are kept: beside its output."""
    from fijibridge.formats import Location

    path = Location.parse(plan.files[0]).path
    stem = path.name
    for suffix in (*plan.format.suffixes, path.suffix):
        if suffix and stem.lower().endswith(suffix) and len(stem) > len(suffix):
            stem = stem[: -len(suffix)]
            break
    return str(path.parent / f"{stem}{SUFFIX}")


def _alone(value: ExportVerbSettings, item: Item, index: int) -> ExportVerbSettings:
    """Return the settings that repeat one input of a batch alone, from any folder."""
    name = _INDEX.sub(lambda m: format(index, m[1] or ""), value.output_filename_format)
    if not name.startswith(("{dataset_dir}", "~")):
        name = absolute_path(name)
    return dataclasses.replace(
        value,
        inputs=(os.fspath(item.value),),
        input_data=(),
        each=None,
        output_filename_format=name,
        output_internal_path=_INDEX.sub(
            lambda m: format(index, m[1] or ""), value.output_internal_path
        ),
    )


def _do(item: Item, _earlier: Mapping[str, JobReport]) -> JobReport:
    from fijibridge.export.batch import run_item

    done = run_item(item)
    assert item.plan is not None  # noqa: S101  # run_item raises when there is none
    spec = item.plan.output
    sizes = " x ".join(map(str, spec.shape))
    files = f", {len(done.files)} files" if len(done.files) > 1 else ""
    notes = []
    if done.saturated:
        notes.append(f"{done.saturated} values were beyond {spec.dtype} and saturated.")
    if done.nans:
        notes.append(f"{done.nans} values were NaN and became 0.")
    data = {
        **item.plan.summary,
        "files": list(done.files),
        "saturated": done.saturated,
        "nans": done.nans,
    }
    line = f"{item.title}: {spec.axes.keys} {sizes} {spec.dtype}{files}"
    return JobReport(line=line, data=data, notes=tuple(notes), value=done)


OPERATION = Operation(
    name="export",
    menu="FijiBridge Export...",
    summary="any image into any format: part, pixel type, range and axes, with ilastik's flags",
    settings=ExportVerbSettings,
    run=_run,
    opens={"inputs": ("image",)},
    targets=("output_filename_format", "output_format", "output_internal_path"),
    shows={"output_filename_format": "{folder}/{name}.tif"},
    plan_values=_plan,
    examples=(
        "fijibridge export a.h5/raw --output_format 'multi-scale OME-Zarr'",
        (
            'fijibridge export probs.h5 --pipeline_result_drange "(0.0,1.0)" '
            '--export_drange "(0,255)" --export_dtype uint8'
        ),
    ),
)


def export(*inputs: Any, **settings: Any) -> Report:
    """Export images as ``fijibridge export`` does.

    Parameters
    ----------
    *inputs
        Paths (a quoted pattern is one stack), `Image` values, or numpy, zarr or dask arrays (with
        ``input_axes=``, or ilastik's guess by their dimensions).
    **settings
        Those of ``fijibridge export``: ``output_format``, ``output_filename_format``,
        ``cutout_subregion``, ``export_dtype``, ``pipeline_result_drange``, ``export_drange``,
        ``output_axis_order``, ``compat="ilastik"``, …; and the common ones (``overwrite=True``).

    Returns
    -------
    Report
        ``.outputs`` are the paths written, ``.notes`` what a user should know.

    Raises
    ------
    SettingsError
        For an unknown or contradicting setting, or an existing target.
    FormatError
        When the only input is missing or broken.
    """
    from fijibridge.ops import run_verb
    from fijibridge.ops._run import make_context, perform, split_options

    values = [v for one in inputs for v in (one if isinstance(one, (list, tuple)) else (one,))]
    if all(isinstance(v, (str, os.PathLike)) for v in values):
        more: dict[str, Any] = {"inputs": [os.fspath(v) for v in values]} if values else {}
        return run_verb("export", **more, **settings)
    mine, options = split_options(OPERATION, settings)
    if mine.inputs or mine.input_data or mine.each:
        raise SettingsError("The inputs are given twice: as values and by name.", "Say one.")
    here = dataclasses.replace(OPERATION, run=partial(_plan, values))
    return perform(here, mine, make_context(here, options))
