"""The jobs of ``particles``: one per image, and the combined table; their targets and reports."""

from __future__ import annotations

import dataclasses
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fijibridge.errors import SettingsError
from fijibridge.ops._inputs import folder_of, glob_paths, nickname
from fijibridge.ops._kinds import number_text
from fijibridge.ops._nothing_found import why_empty
from fijibridge.ops._operation import Job, JobReport, Plan
from fijibridge.ops._particles_core import Analysis, Asked, analyze, asked, read_selection
from fijibridge.ops._record import SUFFIX
from fijibridge.ops._targets import named

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fijibridge.model import ResultsTable
    from fijibridge.ops._host import Host
    from fijibridge.ops._operation import Context
    from fijibridge.ops.particles import ParticlesSettings

__all__ = ["plan_particles"]

_NAMED = ("table", "rois", "labels", "summary", "overlay", "drawing")
_ENDINGS = {
    "table": "_Results.tsv",
    "rois": "_RoiSet.zip",
    "labels": "_labels.tif",
    "summary": "_Summary.tsv",
    "overlay": "_overlay.png",
    "drawing": "_drawing.tif",
}
_COMBINED = "combined table"


def plan_particles(value: ParticlesSettings, paths: Sequence[str], context: Context) -> Plan:
    """Return the jobs; wrong settings and targets are found here, before pixels are read."""
    what = asked(value)
    _check_early(value)
    if not paths:
        return _host_plan(value, what, context)
    several = len(paths) > 1
    jobs = [_job(path, value, what, context, several=several) for path in paths]
    if several:
        combined = _combined_path(value, paths[0])
        if combined is not None:
            jobs.append(_combined_job(combined, value, jobs, context))
    return Plan(jobs=tuple(jobs), notes=_line_notes(value, what))


def _check_early(value: ParticlesSettings) -> None:
    """Refuse what can be known to be wrong without the image."""
    from fijibridge.formats import Location, format_for_writing

    if value.threshold is not None:
        from fijibridge.measure.threshold import parse_threshold

        parse_threshold(value.threshold)
    if value.select is not None:
        read_selection(value.select)
    kinds = {"table": "table", "summary": "table", "rois": "rois"}
    for what in _NAMED:
        path = getattr(value, what)
        if path is None:
            continue
        fmt = format_for_writing(Location.parse(path), kinds.get(what, "image"))  # type: ignore[arg-type]  # a kind
        if what == "labels":
            check_keeps_labels(fmt)


def check_keeps_labels(fmt: Any) -> None:
    """Raise UnsupportedError when a format would change labels."""
    from fijibridge.errors import UnsupportedError

    if fmt.lossy:
        raise UnsupportedError(
            f"{fmt.title} changes pixel values, so labels would be lost.",
            "Use .tif, .png, .h5 or .ome.zarr for label images.",
        )


def _line_notes(value: ParticlesSettings, what: Asked) -> tuple[str, ...]:
    draws = what.show not in (None, "Nothing", "Overlay", "Overlay Masks")
    if draws and value.drawing is None and _names_outputs(value):
        return (f"show=[{what.show}] is not drawn: name its file with --drawing",)
    return ()


def _names_outputs(value: ParticlesSettings) -> bool:
    """Return whether only what is named is written."""
    return value.outdir is None and any(getattr(value, what) is not None for what in _NAMED)


def _targets(path: str, value: ParticlesSettings, what: Asked, *, several: bool) -> dict[str, str]:
    """Return what -> path of one image."""
    found: dict[str, str] = {}
    if not _names_outputs(value):
        folder = folder_of(path) if value.outdir is None else Path(value.outdir)
        wanted = ["table", "rois", "labels"]
        if "summarize" in what.words:
            wanted.append("summary")
        if several or "overlay" in what.words or what.show in ("Overlay", "Overlay Masks"):
            wanted.append("overlay")
        if what.show not in (None, "Nothing", "Overlay", "Overlay Masks"):
            wanted.append("drawing")
        name = nickname(path)
        found = {key: str(folder / f"{name}{_ENDINGS[key]}") for key in wanted}
    for key in _NAMED:
        pattern = getattr(value, key)
        if pattern is None:
            continue
        if several and key == "table" and "{name}" not in pattern:
            continue  # the combined table
        found[key] = named(pattern, path)
    return found


def _record(path: str, targets: Mapping[str, str], value: ParticlesSettings) -> str:
    if value.outdir is not None:
        folder = Path(value.outdir)
    else:
        first = next(iter(targets.values()), path)
        folder = folder_of(first)
    return str(folder / f"{nickname(path)}{SUFFIX}")


def _alone(path: str, value: ParticlesSettings, targets: Mapping[str, str]) -> ParticlesSettings:
    """Return the settings that repeat one image alone, with its outputs named."""
    outputs: dict[str, Any] = {key: targets.get(key) for key in _NAMED}
    return dataclasses.replace(value, input=(path,), each=None, outdir=None, **outputs)


def _job(
    path: str, value: ParticlesSettings, what: Asked, context: Context, *, several: bool
) -> Job:
    targets = _targets(path, value, what, several=several)
    sources = glob_paths(path)
    if value.redirect is not None:
        sources = [*sources, value.redirect]
    if value.select is not None and Path(value.select).is_file():
        sources = [*sources, value.select]
    return Job(
        title=path,
        run=partial(_analyze_job, path, value, what, targets, context, several=several),
        sources=tuple(sources),
        targets=targets,
        record=_record(path, targets, value),
        settings=_alone(path, value, targets),
    )


def _outputs(targets: Mapping[str, str], what: Asked, *, table: bool) -> frozenset[str]:
    wanted = {key for key in ("table", "rois", "labels", "summary") if key in targets}
    if table:
        wanted.add("table")
    if "overlay" in targets or "drawing" in targets:
        wanted |= {"rois", "labels"}
    if "summarize" in what.words:
        wanted.add("summary")  # it also switches Area on
    return frozenset(wanted or {"table"})


def _analyze_job(
    path: str,
    value: ParticlesSettings,
    what: Asked,
    targets: Mapping[str, str],
    context: Context,
    _earlier: Mapping[str, JobReport],
    *,
    several: bool,
) -> JobReport:
    outputs = _outputs(targets, what, table=several or context.options.json)
    analysis = analyze(path, value, outputs=outputs)
    write_outputs(analysis, what, targets, overwrite=context.options.overwrite)
    return _report(path, analysis)


def write_outputs(
    analysis: Analysis, what: Asked, targets: Mapping[str, str], *, overwrite: bool
) -> None:
    """Write what is asked for."""
    from fijibridge.formats import write_image, write_labels, write_rois, write_table

    result = analysis.result
    if "table" in targets:
        write_table(result.table, targets["table"], overwrite=overwrite)
    if "rois" in targets:
        write_rois(result.rois, targets["rois"], overwrite=overwrite)
    if "labels" in targets and result.labels is not None:
        write_labels(result.labels, targets["labels"], overwrite=overwrite)
    if "summary" in targets and result.summary is not None:
        write_table(result.summary, targets["summary"], overwrite=overwrite)
    if "overlay" in targets:
        from fijibridge.measure.drawing import overlay_picture

        picture = overlay_picture(analysis.whole(), result.rois)
        write_image(_rgb(picture), targets["overlay"], overwrite=overwrite)
    if "drawing" in targets:
        from fijibridge.measure.drawing import draw

        drawn = draw(
            analysis.whole(), result, show=what.show or "Nothing", in_situ="in_situ" in what.words
        )
        write_image(drawn, targets["drawing"], overwrite=overwrite)


def _rgb(picture: Any) -> Any:
    from fijibridge.model import Extra, Image

    if isinstance(picture, Image):
        return picture
    return Image.from_array(picture, "yxc", extra=Extra(rgb=True))


def _report(title: str, analysis: Analysis) -> JobReport:
    result = analysis.result
    count = len(result.table)
    data: dict[str, Any] = {"count": count, "threshold": analysis.threshold}
    line = f"{title}: {count} particle{'' if count == 1 else 's'}"
    if analysis.threshold is not None:
        line += ", threshold " + "..".join(number_text(end) for end in analysis.threshold)
    data["columns"] = list(result.table.headings)
    if "Area" in result.table and count:
        data["mean_area"] = float(result.table["Area"].mean())
    notes = (*analysis.notes, *why_empty(analysis))
    return JobReport(line=line, data=data, notes=notes, value=result)


def _combined_path(value: ParticlesSettings, first: str) -> str | None:
    if value.table is not None and "{name}" not in value.table:
        return value.table
    if _names_outputs(value):
        return None
    folder = folder_of(first) if value.outdir is None else Path(value.outdir)
    return str(folder / "Combined_Results.tsv")


def _combined_job(
    path: str, value: ParticlesSettings, jobs: Sequence[Job], context: Context
) -> Job:
    titles = [job.title for job in jobs]
    folder = folder_of(path)
    record = folder / f"{nickname(path).removesuffix('_Results')}{SUFFIX}"
    return Job(
        title=_COMBINED,
        run=partial(_combine, path, value, titles, context),
        sources=tuple(source for job in jobs for source in job.sources),
        targets={"table": path},
        record=str(record),
        settings=value,
        after=True,
    )


def _combine(
    path: str,
    value: ParticlesSettings,
    titles: Sequence[str],
    context: Context,
    earlier: Mapping[str, JobReport],
) -> JobReport:
    from fijibridge.formats import write_table

    skipped = context.options.skip_existing
    tables: dict[str, ResultsTable] = {}
    for title in titles:
        if title in earlier:
            tables[title] = earlier[title].value.table
        elif skipped:  # its files were complete: measured again for the common table
            tables[title] = analyze(title, value, outputs=frozenset({"table"})).result.table
    table = combine_tables(tables)
    write_table(table, path, overwrite=context.options.overwrite)
    line = f"{_COMBINED}: {len(table)} rows of {len(tables)} images"
    return JobReport(line=line, data={"count": len(table), "images": len(tables)}, value=table)


def combine_tables(tables: Mapping[str, ResultsTable]) -> ResultsTable:
    """Return one table of several images; the first column is the image.

    Parameters
    ----------
    tables
        Path -> table. Columns that a table lacks are NaN in its rows.
    """
    import numpy as np

    from fijibridge.model import ResultsTable as Table

    headings = list(dict.fromkeys(h for table in tables.values() for h in table.headings))
    columns: dict[str, Any] = {
        "Image": np.array(
            [Path(path).name for path, table in tables.items() for _ in range(len(table))], object
        )
    }
    for heading in headings:
        parts = [
            table[heading] if heading in table else np.full(len(table), np.nan)
            for table in tables.values()
        ]
        mixed = any(part.dtype == object for part in parts)
        columns[heading] = np.concatenate([p.astype(object) if mixed else p for p in parts])
    first = next(iter(tables.values()))
    units = {k: v for table in tables.values() for k, v in table.units.items()}
    if any(dict(table.units) != dict(first.units) for table in tables.values() if len(table)):
        units = {}  # images of different units: the numbers are kept, one unit would be a lie
    return Table(columns, units=units, style=first.style, name="Results")


def _host_plan(value: ParticlesSettings, what: Asked, context: Context) -> Plan:
    """Plan the active image of the host; with no output named, windows take the results."""
    host = context.host
    if host is None:
        raise SettingsError(
            "No image is named.", 'Type: fijibridge particles IMAGE --threshold "Otsu dark"'
        )
    image = host.active_image()
    if image is None:
        raise SettingsError("No image is open.", "Open one, or give input=[FILE].")
    name = image.name or "image"
    outputs = _names_outputs(value) or value.outdir is not None
    targets = _targets(name, value, what, several=False) if outputs else {}
    run = partial(_host_job, value, what, targets, context, host, image)
    record = _record(name, targets, value) if targets else None
    return Plan(
        jobs=(Job(title=name, run=run, targets=targets, record=record),),
        notes=_line_notes(value, what),
    )


def _host_job(
    value: ParticlesSettings,
    what: Asked,
    targets: Mapping[str, str],
    context: Context,
    host: Host,
    image: Any,
    _earlier: Mapping[str, JobReport],
) -> JobReport:
    if value.threshold is None and value.role != "labels":
        ends = host.threshold()
        if ends is not None:
            value = dataclasses.replace(value, threshold=ends)  # type: ignore[arg-type]  # parsed
    select = host.selection() if value.select is None else None
    wanted = _outputs(targets, what, table=not targets) | (
        frozenset() if targets else {"rois", "labels"}
    )
    analysis = analyze(image, value, outputs=wanted, select=select)
    if targets:
        write_outputs(analysis, what, targets, overwrite=context.options.overwrite)
    else:
        host.show_table(analysis.result.table)
        host.show_rois(analysis.result.rois)
        if analysis.result.labels is not None:
            host.show_image(analysis.result.labels)
    return _report(image.name or "image", analysis)
