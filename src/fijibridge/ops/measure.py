"""``measure OBJECTS --image IMAGE``: measurements of existing labels or ROIs."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fijibridge.errors import FijiBridgeError
from fijibridge.ops._inputs import check_sources, folder_of, nickname, to_image, to_labels
from fijibridge.ops._kinds import INTEGER, PATH
from fijibridge.ops._operation import Job, JobReport, Operation, Plan
from fijibridge.ops._record import SUFFIX
from fijibridge.ops._settings import setting, settings
from fijibridge.ops._shared_settings import (
    axes_setting,
    check_decimal,
    decimal_setting,
    measurements_setting,
)
from fijibridge.ops._targets import named

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fijibridge.model import Image, RoiSet
    from fijibridge.ops._operation import Context

__all__ = ["OPERATION", "MeasureSettings", "read_objects"]


@settings
class MeasureSettings:
    """Settings of ``measure``."""

    objects: str = setting(
        kind=PATH,
        metavar="OBJECTS",
        positional=True,
        aliases=("input", "labels", "rois"),
        help="label mask or ROI set",
    )
    image: str | None = setting(
        None, kind=PATH, metavar="IMAGE", help="the image whose grey values are measured"
    )
    axes: str | None = axes_setting(of="image and labels")
    slice: int | None = setting(None, kind=INTEGER, help="the plane that is measured, 1 = first")
    measurements: tuple[str, ...] = measurements_setting()
    decimal: int = decimal_setting()
    table: str | None = setting(
        None, kind=PATH, metavar="FILE", help="results table; default NAME_Results.tsv"
    )
    outdir: str | None = setting(None, kind=PATH, metavar="DIR", help="folder for NAME_Results.tsv")

    def check(self) -> None:
        """Refuse what does not go together."""
        check_decimal(self.decimal)


def read_objects(path: str, axes: str | None = None) -> Image | RoiSet:
    """Return a ROI set where the file holds nothing but ROIs, else its labels."""
    from fijibridge.formats import Location, format_for_reading, read_rois

    where = Location.parse(path)
    try:
        format_for_reading(where, "image")
    except FijiBridgeError:
        return read_rois(where)
    return to_labels(path, axes=axes)


def _target(value: MeasureSettings) -> str:
    if value.table is not None:
        return named(value.table, value.objects)
    folder = folder_of(value.objects) if value.outdir is None else Path(value.outdir)
    return str(folder / f"{nickname(value.objects)}_Results.tsv")


def _run(value: MeasureSettings, context: Context) -> Plan:
    from fijibridge.formats import Location, format_for_writing
    from fijibridge.ops._particles_core import measurement_line

    measurement_line(value.measurements, value.decimal)
    target = _target(value)
    format_for_writing(Location.parse(target), "table")
    sources = [value.objects, *([value.image] if value.image is not None else [])]
    check_sources(sources)
    job = Job(
        title=value.objects,
        run=partial(_job, value, target, context),
        sources=tuple(sources),
        targets={"table": target},
        record=str(folder_of(target) / f"{nickname(value.objects)}{SUFFIX}"),
    )
    return Plan(jobs=(job,))


def _job(
    value: MeasureSettings, target: str, context: Context, _earlier: Mapping[str, JobReport]
) -> JobReport:
    from fijibridge.formats import write_table
    from fijibridge.ops.api import measure

    objects: Any = read_objects(value.objects, value.axes)
    image = None if value.image is None else to_image(value.image, axes=value.axes)
    table = measure(
        objects,
        image,
        measurements=value.measurements,
        decimal=value.decimal,
        slice=value.slice,
    )
    write_table(table, target, overwrite=context.options.overwrite)
    line = f"{value.objects}: {len(table)} objects measured"
    data = {"count": len(table), "columns": list(table.headings)}
    return JobReport(line=line, data=data, value=table)


OPERATION = Operation(
    name="measure",
    menu="FijiBridge Measure...",
    summary="measurements of existing labels or ROIs, as ImageJ's Measure gives them",
    settings=MeasureSettings,
    run=_run,
    opens={"objects": ("rois", "labels"), "image": ("image",)},
    targets=("table", "outdir"),
    shows={"outdir": "{folder}"},
    examples=('fijibridge measure labels.tif --image nuclei.tif --measurements "area mean"',),
)
