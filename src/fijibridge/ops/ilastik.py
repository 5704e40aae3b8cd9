"""``ilastik --project=P.ilp INPUT…``: ilastik's headless command line, run natively.

Decisions where ilastik is silent: unknown flags, and those of another workflow, are errors; axes of
files that say theirs are kept (ilastik forces those of the last training image, as ``compat``
does); names and colours of the labels travel with the results; Labels of an image that is none of
the project's own are an error (ilastik writes zeros).
"""

from __future__ import annotations

import configparser
import dataclasses
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fijibridge.errors import FormatError, SettingsError
from fijibridge.export.settings import Cutout
from fijibridge.ops._export_words import engine_settings
from fijibridge.ops._ilastik_engine import (
    command_of,
    executable_for,
    run_ilastik,
    side_files,
)
from fijibridge.ops._ilastik_objects import (
    asked_source,
    check_flags,
    one_second,
    seconds_of,
    with_tables,
)
from fijibridge.ops._ilastik_tracks import plan_tracks
from fijibridge.ops._ilastik_words import INNER, MEMORY, NAME, IlastikSettings
from fijibridge.ops._inputs import each_path
from fijibridge.ops._operation import Job, JobReport, Operation, Plan
from fijibridge.ops._project_inputs import ProjectImage, ProjectInput, load_project

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fijibridge.model.project import Project
    from fijibridge.ops._operation import Context, Report

__all__ = ["OPERATION", "IlastikSettings"]


def _inputs(value: IlastikSettings) -> list[str]:
    typed = [*value.raw_data, *value.input_data, *value.inputs]
    found = each_path([path.removeprefix("file://") for path in typed], value.each)
    if not found:
        raise SettingsError(
            "ilastik needs an INPUT.", "Type: fijibridge ilastik --project=P.ilp image.tif"
        )
    return found


def _filled(value: IlastikSettings, project: Project) -> IlastikSettings:
    """Return the settings with the project's own where the user said nothing."""
    own = project.export
    found: dict[str, Any] = {}
    if not value.export_source:
        stages = len(project.stages)
        found["export_source"] = "Probabilities" + (f" Stage {stages}" if stages > 1 else "")
        if project.objects is not None:
            found["export_source"] = asked_source(value)
    if value.output_format is None and value.output_filename_format == NAME:
        found["output_format"] = own.get("OutputFormat")
    if value.output_filename_format == NAME and "OutputFilenameFormat" in own:
        name = own["OutputFilenameFormat"]
        if not (name.startswith(("{dataset_dir}", "~")) or Path(name).is_absolute()):
            name = str(Path(project.path).parent / name)
        found["output_filename_format"] = name
    if value.output_internal_path == INNER and "OutputInternalPath" in own:
        found["output_internal_path"] = own["OutputInternalPath"]
    if value.export_dtype is None:
        found["export_dtype"] = own.get("ExportDtype")
    if value.output_axis_order is None:
        found["output_axis_order"] = own.get("OutputAxisOrder")
    return dataclasses.replace(value, **found, **_filled_values(value, own))


def _filled_values(value: IlastikSettings, own: Mapping[str, Any]) -> dict[str, Any]:
    """Return the project's ranges and part, where the user said nothing."""
    found: dict[str, Any] = {}
    ranges = [own.get(k) for k in ("InputMin", "InputMax", "ExportMin", "ExportMax")]
    given = value.pipeline_result_drange, value.export_drange, value.export_dtype
    if given == (None, None, None) and None not in ranges:
        found["pipeline_result_drange"] = ranges[0], ranges[1]
        found["export_drange"] = ranges[2], ranges[3]
    start, stop = own.get("RegionStart", ()), own.get("RegionStop", ())
    if value.cutout_subregion is None and len(start) == len(stop) > 0:
        found["cutout_subregion"] = Cutout(start=start, stop=stop)
    return found


def _environment(value: IlastikSettings) -> IlastikSettings:
    """Return the settings with ilastik's threads and memory, where the user said nothing."""
    threads = os.environ.get("LAZYFLOW_THREADS", "")
    memory = os.environ.get("LAZYFLOW_TOTAL_RAM_MB", "")
    if value.configfile is not None:
        parser = configparser.ConfigParser(interpolation=None)
        try:
            parser.read_string(Path(value.configfile).read_text(encoding="utf-8"))
        except (OSError, ValueError, configparser.Error) as error:
            raise FormatError(
                f"{value.configfile!r} is no configuration of ilastik: {error}."
            ) from None
        threads = threads or parser.get("lazyflow", "threads", fallback="")
        memory = memory or parser.get("lazyflow", "total_ram_mb", fallback="")
    found: dict[str, Any] = {}
    if value.jobs == 0 and threads:
        found["jobs"] = max(0, _whole(threads, "threads"))  # 0 and less: all
    if value.memory == MEMORY and memory and _whole(memory, "total_ram_mb") > 0:
        found["memory"] = _whole(memory, "total_ram_mb") << 20
    return dataclasses.replace(value, **found)


def _whole(text: str, name: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise SettingsError(
            f"{name} of ilastik's configuration is {text!r}; it is a whole number."
        ) from None


def _run(value: IlastikSettings, context: Context) -> Plan:
    return _plan(_inputs(value), value, context)


def _plan(values: Sequence[Any], value: IlastikSettings, context: Context) -> Plan:
    from fijibridge.ops import export

    program = executable_for(value)
    if program is not None:
        return _executed(program, values, _environment(value), context)
    project = load_project(value.project)
    check_flags(value, project)
    own_cutout = value.cutout_subregion is None
    notes = _notes(value, project)
    value = _environment(_filled(value, project))
    masks = _masks(value, len(values))
    seconds = seconds_of(value, project, len(values))
    made = [_input(*one, value, project) for one in zip(values, masks, seconds, strict=True)]
    if value.table_only:
        plan = with_tables(None, made, value, context)
        return dataclasses.replace(plan, notes=(*plan.notes, *notes))
    axes = (value.input_axes or "").split(",")[0] or None
    value = dataclasses.replace(value, input_axes=axes, raw_data=())
    value = _with_named_cutout(value, made, of_result=own_cutout)
    plan = export.OPERATION.plan_values(made, value, context)  # type: ignore[misc]  # it has one
    jobs = tuple(_job(job, masks[i], seconds[i], value) for i, job in enumerate(plan.jobs))
    plan = dataclasses.replace(plan, jobs=jobs, notes=(*plan.notes, *notes))
    return with_tables(plan, made, value, context)


_VERSION = re.compile(r"(\d+)\.(\d+)")


def _notes(value: IlastikSettings, project: Project) -> tuple[str, ...]:
    """Return what a user of this project should know."""
    notes = []
    version = _VERSION.match(project.version)
    old = version is not None and (int(version[1]), int(version[2])) < (1, 3)
    if old and project.stages and value.filters == "fastfilters":
        notes.append(
            f"The project was made by ilastik {project.version}, which often had no fastfilters: "
            "its own results are those of --filters vigra. The filters that fit are surer of what "
            "was drawn on a training image (--export_source Probabilities beside Labels)."
        )
    objects = project.objects
    if objects is not None and objects.has_table_settings and value.table_filename is None:
        notes.append(
            "The project's settings of an object table are a Python pickle, which is never "
            "loaded: no table is written. Add --table_filename '{nickname}_table.csv'"
        )
    return tuple(notes)


def _executed(
    program: str, values: Sequence[Any], value: IlastikSettings, context: Context
) -> Plan:
    """Return the plan of exporting what the user's ilastik makes, which it makes now."""
    from fijibridge.ops import export

    tracks = plan_tracks(program, values, value, context)
    if tracks is not None:
        return tracks
    files = side_files(value)
    if not context.options.overwrite:
        for path in files:
            if Path(path).exists():
                raise SettingsError(
                    f"The target {path!r} exists.", "Add --overwrite to replace it."
                )
    if context.options.dry_run:
        names = [one if isinstance(one, str) else f"image {i}" for i, one in enumerate(values)]
        command = " ".join(command_of(program, value, names, "{nickname}.h5"))
        job = Job(title="ilastik", run=_nothing, planned={"command": command})
        return Plan(jobs=(job,))
    quiet = context.options.quiet or context.options.json
    made = run_ilastik(program, value, values, quiet=quiet)
    note = f"ilastik itself computed this: {program}"
    if not made:
        report = JobReport(line="ilastik wrote " + (", ".join(files) or "what the plug-in makes"))
        return Plan(jobs=(Job(title="ilastik", run=lambda _earlier: report),), notes=(note,))
    asked = dataclasses.replace(value, input_axes=None, raw_data=(), export_source=made[0].name)
    plan = export.OPERATION.plan_values(made, asked, context)  # type: ignore[misc]  # it has one
    jobs = tuple(dataclasses.replace(job, record=None, settings=None) for job in plan.jobs)
    return dataclasses.replace(plan, jobs=jobs, notes=(note, *plan.notes))


def _nothing(_earlier: Mapping[str, JobReport]) -> JobReport:
    return JobReport(line="")


def _masks(value: IlastikSettings, count: int) -> list[str]:
    masks = list(value.prediction_mask)
    if not masks:
        return [""] * count
    if len(masks) != count:
        raise SettingsError(
            f"There are {count} inputs and {len(masks)} prediction masks.", "Give one an input."
        )
    return [os.path.abspath(mask) for mask in masks]  # noqa: PTH100  # links are kept


def _input(
    one: Any, mask: str, second: str, value: IlastikSettings, project: Project
) -> ProjectInput | ProjectImage:
    axes = (value.input_axes or "").partition(",")[2] if second else ""
    if not isinstance(one, (str, os.PathLike)):
        return ProjectImage(
            project=project.path,
            image=one,
            mask=mask,
            filters=value.filters,
            second=second,
            second_axes=axes,
        )
    return ProjectInput(
        project=project.path,
        input=os.path.abspath(os.path.expanduser(one)),  # noqa: PTH100, PTH111  # links are kept
        mask=mask,
        filters=value.filters,
        own_axes=value.ignore_training_axistags,
        second=second,
        second_axes=axes,
    )


def _with_named_cutout(
    value: IlastikSettings, made: Sequence[ProjectInput | ProjectImage], *, of_result: bool
) -> IlastikSettings:
    """Return the settings with a cut-out by letters.

    What a user types is in the inputs' order, what a project keeps in the result's.

    Raises
    ------
    SettingsError
        When the inputs have several orders.
    """
    cutout = value.cutout_subregion
    if cutout is None or cutout.named or value.compat:
        return value
    from fijibridge.errors import FijiBridgeError

    orders = set()
    asked = engine_settings(value, overwrite=False)
    for one in made:
        try:
            source = one.open_raw(asked)
        except FijiBridgeError:
            continue  # told when it is planned
        orders.add(source.spec.axes.keys)
        if isinstance(one, ProjectInput):
            source.close()
    if not orders:
        return value
    if len(orders) > 1:
        raise SettingsError(
            f"The inputs have the axes {', '.join(sorted(orders))}; a cut-out by position is "
            "another part of each.",
            "Name the axes: --cutout_subregion z=0:10,y=:100",
        )
    keys = orders.pop()
    keys = keys.replace("c", "") + "c" if of_result or "c" not in keys else keys
    count = len(cutout.start)
    if count == len(keys) - 1 and keys.endswith("c"):
        keys = keys[:-1]
    if count != len(keys):
        return value  # the engine says what is wrong
    pairs = zip(cutout.start, cutout.stop, strict=True)
    return dataclasses.replace(
        value, cutout_subregion=Cutout(named=dict(zip(keys, pairs, strict=True)))
    )


def _job(job: Job, mask: str, second: str, value: IlastikSettings) -> Job:
    sources = tuple(job.sources)
    if sources:
        sources = (*sources, value.project, *(path for path in (mask, second) if path))
    alone = job.settings
    if alone is not None:
        alone = dataclasses.replace(
            alone,
            prediction_mask=(mask,) if mask else (),
            **one_second(value, second),
            project=os.path.abspath(value.project),  # noqa: PTH100  # links are kept
            logfile=None,
            redirect_output=None,
            configfile=None,
        )
    return dataclasses.replace(job, sources=sources, settings=alone)


def _finish(value: IlastikSettings, context: Context, report: Report) -> Report:
    from fijibridge.ops import export

    report = export.OPERATION.finish(value, context, report)  # type: ignore[misc]  # it has one
    for path in {value.logfile, value.redirect_output} - {None}:
        assert path is not None  # noqa: S101  # taken out above
        lines = [*report.lines, *(f"note: {note}" for note in report.notes)]
        lines += [f"{title}: {error}" for title, error in report.failures]
        lines += [f"wrote {file}" for file in report.outputs]
        with Path(path).open("a", encoding="utf-8") as log:
            log.write("\n".join(lines) + "\n")
    return report


OPERATION = Operation(
    name="ilastik",
    menu="FijiBridge Run ilastik Project...",
    summary="run a trained ilastik project on new images, with ilastik's flags, without ilastik",
    settings=IlastikSettings,
    run=_run,
    finish=_finish,
    opens={"inputs": ("image",)},
    targets=("output_filename_format", "output_format", "output_internal_path"),
    shows={"output_filename_format": "{folder}/{nickname}.tif"},
    plan_values=_plan,
    examples=(
        "fijibridge ilastik --project=cells.ilp image.tif",
        (
            "fijibridge ilastik --project=cells.ilp --export_source='Simple Segmentation' "
            "--output_format='multi-scale OME-Zarr' --each 'day*/*.h5'"
        ),
    ),
)
