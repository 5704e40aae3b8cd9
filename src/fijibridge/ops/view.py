"""``view FILE…``: images, ROIs and tables opened together in Fiji or the embedded ImageJ."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from fijibridge.errors import MissingDependencyError, SettingsError
from fijibridge.ops._host import from_bridge
from fijibridge.ops._inputs import check_sources
from fijibridge.ops._kinds import PATH, PATHS
from fijibridge.ops._operation import Job, JobReport, Operation, Plan
from fijibridge.ops._settings import setting, settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fijibridge.ops._operation import Context

__all__ = ["OPERATION", "ViewSettings"]


@settings
class ViewSettings:
    """Settings of ``view``."""

    files: tuple[str, ...] = setting(
        (),
        kind=PATHS,
        metavar="FILE",
        positional=True,
        aliases=("input",),
        help="images, label masks, ROI sets and tables",
    )
    overlay: bool = setting(
        default=False, help="ROIs as the overlay of the first image, not in the ROI Manager"
    )
    wait: bool = setting(default=False, help="return when ImageJ has been closed")
    fiji_dir: str | None = setting(
        None,
        kind=PATH,
        metavar="DIR",
        help="the Fiji; left out: FIJI_DIR, the usual places, else the embedded ImageJ",
    )

    def check(self) -> None:
        """Refuse to view nothing."""
        if not self.files:
            raise SettingsError("view needs a FILE.", "Type: fijibridge view nuclei.tif RoiSet.zip")


def _job(value: ViewSettings, _earlier: Mapping[str, JobReport]) -> JobReport:
    show = from_bridge("view", "view")
    if show is None:
        raise MissingDependencyError("scyjava", "fiji", "Opening windows")
    seen = show(value.files, fiji=value.fiji_dir, overlay=value.overlay, wait=value.wait)
    parts = [f"{len(seen.images)} images", f"{seen.rois} ROIs", f"{len(seen.tables)} tables"]
    line = f"Open in ImageJ {seen.version}: {', '.join(parts)}"
    data = {
        "images": list(seen.images),
        "tables": list(seen.tables),
        "rois": seen.rois,
        "where": seen.where,
        "version": seen.version,
        "process": seen.process,
    }
    return JobReport(line=line, data=data, value=seen)


def _run(value: ViewSettings, _context: Context) -> Plan:
    check_sources(value.files)
    return Plan(jobs=(Job(title="view", run=partial(_job, value), sources=value.files),))


OPERATION = Operation(
    name="view",
    menu="",
    summary="open images, ROIs and tables together in Fiji or the embedded ImageJ",
    settings=ViewSettings,
    run=_run,
    examples=("fijibridge view nuclei.tif nuclei_RoiSet.zip nuclei_Results.tsv",),
)
