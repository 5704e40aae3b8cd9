"""What Object Classification adds to ``fijibridge ilastik``: second images, and tables."""

from __future__ import annotations

import dataclasses
import os
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from fijibridge.errors import SettingsError
from fijibridge.ops._export_words import engine_settings
from fijibridge.ops._operation import Job, JobReport, Plan

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from fijibridge.model.project import Project
    from fijibridge.ops._ilastik_words import IlastikSettings
    from fijibridge.ops._operation import Context
    from fijibridge.ops._project_inputs import ProjectImage, ProjectInput

__all__ = [
    "SECONDS",
    "asked_source",
    "check_flags",
    "needs_classifier",
    "one_second",
    "seconds_of",
    "with_tables",
]

_PROBABILITIES = ("prediction_maps", "probabilities", "probabilitie_maps")
#: Where objects come from -> flags of the second image, ilastik's own first.
_TAKES = {
    "probabilities": _PROBABILITIES,
    "segmentation": ("segmentation_image", "binary_image"),
    "labels": ("label_image", "segmentation_image"),
}
SECONDS = (*_PROBABILITIES, "segmentation_image", "binary_image", "label_image")
_TABLE = ("table_filename", "table_only", "table_margin")
_OLD = (
    "export_object_prediction_img",
    "export_object_probability_img",
    "export_pixel_probability_img",
)
#: Flag -> the workflow whose projects have it.
_FOREIGN = {
    **dict.fromkeys((*SECONDS, *_TABLE, *_OLD), "Object Classification"),
    "export_plugin": "Tracking",
    "big_data_viewer_xml_file": "Tracking",
    "csv_export_file": "Cell Density Counting",
}


#: Results of Object Classification that no object classifier is needed for.
_FOUND = ("object identities", "pixel probabilities", "simple segmentation")


def asked_source(value: IlastikSettings) -> str:
    """Return the result of Object Classification that is asked for, also by older flags."""
    if value.export_source:
        return value.export_source
    if value.export_object_probability_img:
        return "Object Probabilities"
    return "Pixel Probabilities" if value.export_pixel_probability_img else "Object Predictions"


def needs_classifier(value: IlastikSettings) -> bool:
    """Whether objects are classified for what is asked of Object Classification."""
    return asked_source(value).lower() not in _FOUND or value.table_filename is not None


def check_flags(value: IlastikSettings, project: Project) -> None:
    """Raise SettingsError for a flag that the project's workflow has not."""
    allowed: tuple[str, ...] = ()
    hint = "Leave it out; images are named plainly, or with --raw_data."
    if project.objects is not None:
        allowed = (*_TABLE, *_OLD, *_TAKES.get(project.objects.origin, ()))
        takes = _TAKES.get(project.objects.origin, ())
        hint = f"This project takes --{takes[0]}." if takes else hint
        if value.prediction_mask:
            raise SettingsError(
                "A prediction mask is of Pixel Classification; objects have none.", hint
            )
    for name, workflow in _FOREIGN.items():
        if getattr(value, name) and name not in allowed:
            raise SettingsError(
                f"--{name} is of the workflow {workflow}; {value.project!r} is a project of "
                f"{project.workflow}.",
                hint,
            )
    if value.new_project is not None:
        raise SettingsError(
            f"new_project is {value.new_project!r}; a new project was not trained.",
            "Leave it out: --project names the trained one.",
        )
    if value.table_only and value.table_filename is None:
        raise SettingsError("--table_only needs a table.", "Add --table_filename objects.csv")
    if not 0 <= value.table_margin <= 10_000:
        raise SettingsError(f"table_margin is {value.table_margin}; it is 0 to 10000 pixels.")


def seconds_of(value: IlastikSettings, project: Project, count: int) -> list[str]:
    """Return the second image of each input, "" for none."""
    from fijibridge.projects.run import SECOND_FLAGS

    if project.objects is None or project.objects.origin == "pixels":
        return [""] * count
    flags = _TAKES[project.objects.origin]
    given = [path.removeprefix("file://") for flag in flags for path in getattr(value, flag)]
    if len(given) != count:
        name, what = SECOND_FLAGS[project.objects.origin]
        raise SettingsError(
            f"There are {count} inputs and {len(given)} second images; the project "
            f"({project.workflow}) needs {what} for each input.",
            f"Type: --raw_data raw.h5/data --{name} objects.h5/exported_data",
        )
    return [os.path.abspath(os.path.expanduser(path)) for path in given]  # noqa: PTH100, PTH111  # links are kept


def one_second(value: IlastikSettings, second: str) -> dict[str, tuple[str, ...]]:
    """Return the settings that give one input its second image."""
    return {flag: (second,) if getattr(value, flag) else () for flag in SECONDS}


def with_tables(
    plan: Plan | None,
    made: Sequence[ProjectInput | ProjectImage],
    value: IlastikSettings,
    context: Context,
) -> Plan:
    """Return the plan with a table for each input; without a plan, of tables only."""
    if value.table_filename is None:
        assert plan is not None  # noqa: S101  # checked
        return plan
    paths = _names(made, value.table_filename)
    jobs = []
    for i, (one, path) in enumerate(zip(made, paths, strict=True)):
        write = partial(_write, one, path, value, context)
        if plan is None:
            title = os.fspath(one) if isinstance(one, os.PathLike) else f"image {i}"
            sources = () if not isinstance(one, os.PathLike) else _sources(one)
            jobs.append(
                Job(
                    title=title,
                    run=partial(_table_job, None, write),
                    sources=sources,
                    targets={"table": path},
                    planned={"table": path},
                )
            )
            continue
        job = plan.jobs[i]
        alone = job.settings
        if alone is not None:
            alone = dataclasses.replace(alone, table_filename=path)
        jobs.append(
            dataclasses.replace(
                job,
                run=partial(_table_job, job.run, write),
                targets={**job.targets, "table": path},
                planned={**job.planned, "table": path},
                settings=alone,
                resume=None,
            )
        )
    return Plan(jobs=tuple(jobs), notes=() if plan is None else plan.notes)


def _sources(one: Any) -> tuple[str, ...]:
    found = (os.fspath(one), one.project, one.second)
    return tuple(path for path in found if path)


def _names(made: Sequence[Any], pattern: str) -> list[str]:
    from fijibridge.export.naming import expand
    from fijibridge.export.places import name_of

    found = []
    for i, one in enumerate(made):
        name = name_of(one, i, exact=False)
        path = expand(os.path.expanduser(pattern), name, "table", {}, exact=False)  # noqa: PTH111
        found.append(os.path.abspath(path))  # noqa: PTH100  # links are kept
    if len(set(found)) < len(found):
        raise SettingsError(
            f"The tables of {len(found)} inputs would all be written to {found[0]!r}.",
            "Put {nickname} or {index} into --table_filename.",
        )
    return found


def _table_job(
    image: Callable[[Mapping[str, JobReport]], JobReport] | None,
    write: Callable[[], tuple[int, float]],
    earlier: Mapping[str, JobReport],
) -> JobReport:
    """Write the image and then the table."""
    report = JobReport(line="") if image is None else image(earlier)
    rows, seconds = write()
    said = f"table: {rows} objects"
    return dataclasses.replace(
        report,
        line=f"{report.line}\n{said}" if report.line else said,
        data={"seconds": seconds, **report.data, "objects": rows},
    )


def _write(
    one: ProjectInput | ProjectImage, path: str, value: IlastikSettings, context: Context
) -> tuple[int, float]:
    from fijibridge.formats import write_table
    from fijibridge.projects.object_table import patches_of, table_of

    overwrite = context.options.overwrite
    began = time.perf_counter()
    objects, lane = one.open_objects(engine_settings(value, overwrite=overwrite))
    try:
        table = table_of(objects, lane)
        write_table(table, path, overwrite=overwrite)
        if path.lower().endswith((".h5", ".hdf5")):
            from fijibridge.formats._hdf5.patches import add_patches

            add_patches(path, patches_of(objects, value.table_margin))
    finally:
        if isinstance(one, os.PathLike):
            objects.close()
    return len(table), time.perf_counter() - began
