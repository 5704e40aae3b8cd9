"""``export INPUT…``: the export engine with the words of ilastik's Data Export.

Decisions where ilastik is silent: a flag that is unknown is an error (ilastik logs a line and goes
on); dashes and underscores are alike (ilastik takes only underscores, and ignores the others); what
begins one flag only is that flag, as in ilastik; several inputs whose outputs have one name are
refused; ``--table_only`` is unknown here, as a plain export has no table (ilastik does nothing and
says that all is well).
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from fijibridge.errors import FijiBridgeError, SettingsError
from fijibridge.ops._export_words import ExportVerbSettings, engine_settings, recipe_products
from fijibridge.ops._inputs import each_path
from fijibridge.ops._kinds import absolute_path
from fijibridge.ops._operation import Job, JobReport, Operation, Plan
from fijibridge.ops._record import SUFFIX
from fijibridge.ops._settings import as_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from fijibridge.export.batch import Item
    from fijibridge.export.execute import Done
    from fijibridge.export.plan import ExportPlan
    from fijibridge.export.recipe import Product
    from fijibridge.ops._operation import Context, Report

__all__ = ["OPERATION", "ExportVerbSettings", "export"]

_INDEX = re.compile(r"\{index(?::([^{}]*))?\}")


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

    overwrite = context.options.overwrite
    recipe = recipe_products(value, overwrite=overwrite)
    products = [(product.name, one) for product, one in recipe]
    items = plan_batch(values, engine_settings(value, overwrite=overwrite), products)
    if len({item.title for item in items}) == 1 and items[0].error is not None:
        _failed_page(items[0].error, items[0].title, value, context)
        raise items[0].error
    if value.delete:
        from fijibridge.ops._export_delete import plan_delete

        return plan_delete(items, value, context)
    inline = value.recipe
    if recipe:
        from fijibridge.export.recipe import recipe_text

        inline = recipe_text([_anywhere(product) for product, _ in recipe])
    notes = []
    for item in items:
        if item.error is not None and context.options.dry_run:
            notes.append(f"{item.name} cannot be exported: {item.error}")
        said = item.plan.warnings if item.plan is not None else ()
        notes += said if len(items) == 1 else [f"{item.name}: {text}" for text in said]
    per_input = max(1, len(products))
    groups = [items[i : i + per_input] for i in range(0, len(items), per_input)]
    jobs = tuple(_job(group, i, value, inline, context) for i, group in enumerate(groups))
    if len(jobs) == 1 and value.report is not None:
        jobs = (_paged(jobs[0], value, context),)
    return Plan(jobs=_with_titles(jobs), notes=tuple(notes))


def _paged(job: Job, value: ExportVerbSettings, context: Context) -> Job:
    """Return a job that leaves the page too when it fails: an only input ends the run."""

    def guarded(run: Callable[[Mapping[str, JobReport]], JobReport]) -> Any:
        def do(earlier: Mapping[str, JobReport]) -> JobReport:
            try:
                return run(earlier)
            except FijiBridgeError as error:
                _failed_page(error, job.title, value, context)
                raise

        return do

    again = job.resume
    resume = None if again is None else lambda whole: guarded(again(whole))
    return dataclasses.replace(job, run=guarded(job.run), resume=resume)


def _failed_page(
    error: FijiBridgeError, title: str, value: ExportVerbSettings, context: Context
) -> None:
    if value.report is None or value.delete or context.options.dry_run:
        return
    from fijibridge.export.report import write_page

    row = {"title": title, "state": "failed", "error": error.message, "hint": error.hint}
    with contextlib.suppress(FijiBridgeError):  # what went wrong first is what is said
        write_page(value.report, [row], as_text(value))


def _anywhere(product: Product) -> Product:
    """Return a product whose name means the same from any folder."""
    name = product.options.get("output_filename_format")
    if name is None or name.startswith(("{dataset_dir}", "~")):
        return product
    options = {**product.options, "output_filename_format": absolute_path(name)}
    return dataclasses.replace(product, options=options)


def _with_titles(jobs: tuple[Job, ...]) -> tuple[Job, ...]:
    """Return the jobs with a title each, also where an input is named twice."""
    seen: dict[str, int] = {}
    found = []
    for job in jobs:
        n = seen[job.title] = seen.get(job.title, 0) + 1
        found.append(job if n == 1 else dataclasses.replace(job, title=f"{job.title} ({n})"))
    return tuple(found)


def _job(
    group: list[Item], index: int, value: ExportVerbSettings, recipe: str | None, context: Context
) -> Job:
    from fijibridge.export.summary import plan_lines
    from fijibridge.formats.remote import is_url

    first = group[0]
    is_path = isinstance(first.value, (str, os.PathLike))
    sources = (os.fspath(first.value),) if is_path else ()
    run = partial(_do, group, frozenset(), value.scheduler, context.meter)
    plans = [item.plan for item in group if item.plan is not None]
    if len(plans) < len(group):
        return Job(title=first.title, run=run, sources=sources)
    # beside a place on a server there is no room for a record
    keeps_record = is_path and not any(plan.format.remote for plan in plans)
    places = [*sources, *(file for plan in plans for file in plan.files)]
    keeps_record = keeps_record and not any(is_url(place) for place in places)
    planned: dict[str, Any] = plans[0].summary
    said = plan_lines(plans[0])
    if len(plans) > 1:
        named = [(item.product, plan) for item, plan in zip(group, plans, strict=True)]
        planned = {product: plan.summary for product, plan in named}
        said = {product: ", ".join(_brief(plan)) for product, plan in named}
    return Job(
        title=first.title,
        run=run,
        sources=sources,
        targets=_targets(group),
        record=_record_name(plans[0]) if keeps_record else None,
        settings=_alone(value, first, index, recipe) if keeps_record else None,
        planned=planned,
        said=said,
        plan=plans[0] if len(plans) == 1 else tuple(plans),
        resume=lambda whole: partial(_do, group, whole, value.scheduler, context.meter),
    )


def _brief(plan: ExportPlan) -> list[str]:
    from fijibridge.export.summary import plan_lines

    lines = plan_lines(plan)
    return [lines[what] for what in ("format", "axes", "shape", "dtype", "bytes")]


def _targets(group: list[Item]) -> dict[str, str]:
    found = {}
    for item in group:
        files = item.plan.files if item.plan is not None else ()
        for i, file in enumerate(files):
            what = "output" if len(files) == 1 else f"slice {i}"
            found[f"{item.product} {what}".strip()] = file
    return found


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


def _alone(
    value: ExportVerbSettings, item: Item, index: int, recipe: str | None
) -> ExportVerbSettings:
    """Return the settings that repeat one input of a batch alone, from any folder.

    How the work was done is left out: it changes nothing.
    """

    def numbered(text: str) -> str:
        return _INDEX.sub(lambda m: format(index, m[1] or ""), text)

    name = numbered(value.output_filename_format)
    if not name.startswith(("{dataset_dir}", "~")):
        name = absolute_path(name)
    return dataclasses.replace(
        value,
        inputs=(os.fspath(item.value),),
        input_data=(),
        each=None,
        output_filename_format=name,
        output_internal_path=numbered(value.output_internal_path),
        recipe=None if recipe is None else numbered(recipe),
        report=None,
        scheduler=None,
        jobs=0,
        memory=1 << 28,
    )


def _do(
    group: list[Item],
    whole: frozenset[str],
    scheduler: str | None,
    meter: Callable[[str, int], Callable[[int], None]] | None,
    _earlier: Mapping[str, JobReport],
) -> JobReport:
    from fijibridge.export.batch import run_items

    total = sum(item.plan.nbytes for item in group if item.plan is not None)
    began = time.perf_counter()
    progress = meter(group[0].title, total) if meter is not None else lambda _nbytes: None
    if scheduler is None:
        found = run_items(group, progress, whole)
    else:
        from fijibridge.export.cluster import run_items_on

        found = run_items_on(scheduler, group, progress, whole)
    seconds = time.perf_counter() - began
    pairs = list(zip(group, found, strict=True))
    lines = [_line(item, done) for item, done in pairs]
    data: dict[str, Any] = _data(*pairs[0])
    if len(pairs) > 1:
        data = {"products": [{"product": item.product, **_data(item, d)} for item, d in pairs]}
        data["bytes"] = total
    data |= {"seconds": seconds, "bytes_per_second": total / seconds if seconds else None}
    return JobReport(
        line="\n".join(lines),
        data=data,
        notes=tuple(note for item, done in pairs for note in _notes(item, done)),
        value=found[0] if len(found) == 1 else found,
    )


def _line(item: Item, done: Done) -> str:
    assert item.plan is not None  # noqa: S101  # what is done was planned
    spec = item.plan.output
    sizes = " x ".join(map(str, spec.shape))
    files = f", {len(done.files)} files" if len(done.files) > 1 else ""
    return f"{item.name}: {spec.axes.keys} {sizes} {spec.dtype}{files}"


def _notes(item: Item, done: Done) -> list[str]:
    assert item.plan is not None  # noqa: S101  # what is done was planned
    what = f"{item.product}: " if item.product else ""
    notes = []
    if done.saturated:
        dtype = item.plan.output.dtype
        notes.append(f"{what}{done.saturated} values were beyond {dtype} and saturated.")
    if done.nans:
        notes.append(f"{what}{done.nans} values were NaN and became 0.")
    return notes


def _data(item: Item, done: Done) -> dict[str, Any]:
    assert item.plan is not None  # noqa: S101  # what is done was planned
    return {
        **item.plan.summary,
        "files": list(done.files),
        "saturated": done.saturated,
        "nans": done.nans,
    }


def _finish(value: ExportVerbSettings, _context: Context, report: Report) -> Report:
    """Add the table over all inputs, and write the page."""
    if value.delete:
        return report
    from fijibridge.export.report import summary_table, write_page

    rows = _rows(report)
    if len(rows) > 1:
        report = dataclasses.replace(report, summary=summary_table(rows))
    if value.report is not None:
        write_page(value.report, rows, as_text(value), notes=report.notes)
        report = dataclasses.replace(report, outputs=(*report.outputs, value.report))
    return report


def _rows(report: Report) -> list[dict[str, Any]]:
    """Return what the table and the page say of each input."""
    rows: list[dict[str, Any]] = []
    for title, job in report.jobs.items():
        seconds = job.data.get("seconds")
        for one in job.data.get("products", [job.data]):
            product = one.get("product", "")
            name = f"{title}, product {product}" if product else title
            notes = [n for n in job.notes if not product or n.startswith(f"{product}: ")]
            rows.append({"title": name, "state": "done", "seconds": seconds, "notes": notes} | one)
    rows += [{"title": title, "state": "complete, skipped"} for title in report.skipped]
    rows += [
        {"title": title, "state": "failed", "error": error.message, "hint": error.hint}
        for title, error in report.failures
    ]
    return rows


OPERATION = Operation(
    name="export",
    menu="FijiBridge Export...",
    summary="any image into any format: part, pixel type, range and axes, with ilastik's flags",
    settings=ExportVerbSettings,
    run=_run,
    finish=_finish,
    opens={"inputs": ("image",)},
    targets=("output_filename_format", "output_format", "output_internal_path"),
    shows={"output_filename_format": "{folder}/{nickname}.tif"},
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
