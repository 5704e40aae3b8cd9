"""``preview``: raw beside what an export would give, of one region, computed on the fly."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fijibridge.errors import SettingsError
from fijibridge.ops._export_words import CUTOUT, ExportVerbSettings, engine_settings
from fijibridge.ops._inputs import each_path
from fijibridge.ops._kinds import PATH
from fijibridge.ops._operation import Job, JobReport, Operation, Plan
from fijibridge.ops._settings import from_mapping, setting, settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fijibridge.export.plan import ExportPlan
    from fijibridge.export.preview import Preview
    from fijibridge.export.settings import Cutout
    from fijibridge.ops._operation import Context

__all__ = ["OPERATION", "PreviewSettings", "preview"]

_SHOWN = "what is shown"
#: Settings of an export that do nothing here.
_IDLE = ("recipe", "report", "delete", "yes", "scheduler")


@settings
class PreviewSettings(ExportVerbSettings):
    """Settings of ``preview``: those of ``export``, and what is shown."""

    region: Cutout | None = setting(
        None,
        kind=CUTOUT,
        metavar="z=A:B,y=A:B,x=A:B",
        group=_SHOWN,
        help="the part of the input that is shown; left out: the middle plane",
    )
    output: str | None = setting(
        None,
        kind=PATH,
        metavar="FILE.png",
        group=_SHOWN,
        help="the picture; left out: beside the input, NAME_preview.png",
    )

    def check(self) -> None:
        """Refuse what does not go together."""
        ExportVerbSettings.check(self)
        for name in _IDLE:
            if getattr(self, name):
                raise SettingsError(f"preview has no {name}: it exports nothing.", "Leave it out.")
        if self.output is not None and not self.output.lower().endswith(".png"):
            raise SettingsError(f"output is {self.output!r}; a preview is a PNG.")


def _run(value: PreviewSettings, context: Context) -> Plan:
    from fijibridge.export.batch import plan_one
    from fijibridge.export.sources import input_name
    from fijibridge.export.summary import plan_lines

    values = each_path([*value.input_data, *value.inputs], value.each)
    if not values:
        raise SettingsError(
            "preview needs an INPUT.",
            "Type: fijibridge preview a.h5/raw --export_dtype uint8 --region z=10:11,y=:200,x=:200",
        )
    if len(values) > 1 and value.output is not None:
        raise SettingsError("Several inputs cannot have one output.", "Leave --output out.")
    jobs = []
    for i, path in enumerate(values):
        plan = plan_one(path, engine_settings(value, overwrite=True), i)
        name = input_name(path, i, exact=False)
        target = value.output or str(Path(name.dataset_dir) / f"{name.nickname}_preview.png")
        jobs.append(
            Job(
                title=path,
                run=partial(_do, plan, path, value, target, context.options.overwrite),
                sources=(path,),
                targets={"picture": target},
                planned=plan.summary,
                said=plan_lines(plan),
            )
        )
    return Plan(jobs=tuple(jobs))


def _preview(plan: ExportPlan, value: Any, asked: PreviewSettings) -> Preview:
    from fijibridge.export.preview import make_preview
    from fijibridge.export.sources import open_source

    source = open_source(value, plan.settings)
    try:
        return make_preview(plan, source, asked.region)
    finally:
        source.close()


def _do(
    plan: ExportPlan,
    path: str,
    value: PreviewSettings,
    target: str,
    overwrite: bool,
    _earlier: Mapping[str, JobReport],
) -> JobReport:
    from fijibridge.formats import write_image
    from fijibridge.model import Extra, Image

    found = _preview(plan, path, value)
    picture = np.ascontiguousarray(found.picture)
    image = Image.from_array(picture, "yxc", extra=Extra(rgb=True))
    write_image(image, target, overwrite=overwrite)
    data = {
        **plan.summary,
        "region": [list(found.region.start), list(found.region.stop)],
        "saturated": found.saturated,
        "nans": found.nans,
    }
    line = f"{path}: {found.picture.shape[1]} x {found.picture.shape[0]} pixels"
    return JobReport(line=line, data=data, notes=found.warnings, value=found)


OPERATION = Operation(
    name="preview",
    menu="",
    summary="raw beside what an export with the same settings would give, of one region",
    settings=PreviewSettings,
    run=_run,
    examples=(
        "fijibridge preview probs.h5 --export_dtype uint8 --region z=5:6,y=:200,x=:200",
        'fijibridge preview a.h5/raw --pipeline_result_drange "(0,4095)" --export_drange "(0,255)"',
    ),
)


def preview(image: Any, **settings: Any) -> Preview:
    """Return raw beside what an export would give; in a notebook it shows itself.

    Parameters
    ----------
    image
        A path, an `Image`, or a numpy, zarr or dask array (with ``input_axes=``).
    **settings
        Those of ``fijibridge export``, and ``region="z=5:6,y=:200,x=:200"``: what is shown of the
        input; left out, the middle plane.

    Returns
    -------
    Preview
        ``.raw``, ``.exported`` (arrays), ``.picture`` ((h, w, 3) uint8), ``.saturated``.

    Raises
    ------
    SettingsError
        For a wrong setting.
    FormatError
        When the image is missing or broken.
    """
    from fijibridge.export.batch import plan_one

    asked: PreviewSettings = from_mapping(PreviewSettings, settings, where="preview")
    value = os.fspath(image) if isinstance(image, (str, os.PathLike)) else image
    return _preview(plan_one(value, engine_settings(asked, overwrite=True)), value, asked)
