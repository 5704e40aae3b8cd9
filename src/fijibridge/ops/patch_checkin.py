"""``patch checkin FILE``: an edited patch goes back where it came from, every level right."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from fijibridge.ops._inputs import check_sources
from fijibridge.ops._kinds import PATH, TEXT
from fijibridge.ops._operation import Job, JobReport, Operation, Plan
from fijibridge.ops._settings import from_mapping, setting, settings

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence

    from fijibridge.model import Region
    from fijibridge.ops._operation import Context
    from fijibridge.patch.checkin import CheckinPlan, CheckinResult

__all__ = ["OPERATION", "CheckinSettings", "checkin"]

_PLACE = "the place, where the file does not say it"


@settings
class CheckinSettings:
    """Settings of ``patch checkin``."""

    file: str = setting(
        kind=PATH,
        metavar="FILE",
        positional=True,
        aliases=("input",),
        help="the edited patch",
    )
    store: str | None = setting(
        None, kind=PATH, metavar="STORE", group=_PLACE, help="the store; left out: its own"
    )
    region: str | None = setting(
        None, kind=TEXT, metavar="REGION", group=_PLACE, help="the region; left out: its own"
    )
    level: str | None = setting(
        None, kind=TEXT, metavar="LEVEL", group=_PLACE, help="the level; left out: its own"
    )
    axes: str | None = setting(
        None, kind=TEXT, metavar="LETTERS", group=_PLACE, help="axes of the file, such as zyx"
    )
    filter: str | None = setting(
        None,
        kind=TEXT,
        choices=("linear", "mean", "nearest"),
        metavar="linear|mean|nearest",
        help="how coarser levels are made; left out: as the pyramid was",
    )
    as_labels: str | None = setting(
        None,
        kind=TEXT,
        metavar="NAME",
        help="put it beside the image as the new label image labels/NAME",
    )
    convert_dtype: bool = setting(
        default=False, help="convert a changed pixel type: rounded, limited to the store's range"
    )
    force: bool = setting(
        default=False, help="replace what was changed in the store since check-out"
    )


def _plan_of(value: CheckinSettings) -> CheckinPlan:
    from fijibridge.patch.checkin import CheckinOptions, plan_checkin

    return plan_checkin(
        value.file,
        store=value.store,
        region=value.region,
        level=value.level,
        as_labels=value.as_labels,
        options=CheckinOptions(
            force=value.force,
            convert_dtype=value.convert_dtype,
            filter=value.filter,  # type: ignore[arg-type]  # one of the choices
            axes=value.axes,
        ),
    )


def _run(value: CheckinSettings, _context: Context) -> Plan:
    check_sources([value.file])
    plan = _plan_of(value)
    job = Job(
        title=value.file,
        run=partial(_job, plan),
        sources=(value.file,),
        planned=_planned(plan),
    )
    return Plan(jobs=(job,), notes=plan.notes)


def _planned(plan: CheckinPlan) -> dict[str, Any]:
    facts = {name: fact for name, fact in plan.facts().items() if fact}
    for one in facts.pop("levels"):
        facts[f"level {one['level']}".strip()] = (
            f"{one['touched']}: {one['chunks_written']} chunks written, {one['chunks_read']} read"
        )
    return facts


def _job(plan: CheckinPlan, _earlier: Mapping[str, JobReport]) -> JobReport:
    from fijibridge.patch.checkin import run_checkin

    line = plan.text
    done = run_checkin(plan)
    notes = tuple(note for note in done.notes if note not in plan.notes)
    data = {**done.facts, "entry": done.entry}
    return JobReport(line=line, data=data, notes=notes, value=done)


def checkin(
    file: str | os.PathLike[str],
    *,
    store: str | os.PathLike[str] | None = None,
    region: str | Region | Mapping[str, Sequence[float | None]] | Sequence[slice] | None = None,
    level: int | str | None = None,
    **settings: Any,
) -> CheckinResult:
    """Put an edited patch back where it came from, every level of the pyramid right.

    Parameters
    ----------
    file
        The patch, in any format; it says itself where it came from.
    store, region, level
        The place, where the file does not say it any more.
    **settings
        Those of ``fijibridge patch checkin``: ``force=True`` replaces what was changed in the store
        since; ``convert_dtype=True`` converts a changed pixel type; ``filter="mean"`` says how
        coarser levels are made; ``as_labels="nuclei"`` makes a new label image beside the image;
        ``axes="zyx"``.

    Returns
    -------
    CheckinResult
        Name of the journal entry, what was written and read at each level, and notes.

    Raises
    ------
    SettingsError
        When the patch does not fit, the store was changed since check-out, or somebody else is
        changing it. Nothing was changed.
    FormatError
        When file or store are damaged.
    """
    from fijibridge.patch.checkin import CheckinOptions, plan_checkin, run_checkin

    value = from_mapping(CheckinSettings, {"file": file, **settings}, where="patch checkin")
    options = CheckinOptions(
        force=value.force,
        convert_dtype=value.convert_dtype,
        filter=value.filter,  # type: ignore[arg-type]  # one of the choices
        axes=value.axes,
    )
    return run_checkin(
        plan_checkin(
            file,
            store=store,
            region=region,
            level=level,
            as_labels=value.as_labels,
            options=options,
        )
    )


OPERATION = Operation(
    name="patch checkin",
    menu="FijiBridge Patch Checkin...",
    summary="an edited patch goes back where it came from, every pyramid level right",
    settings=CheckinSettings,
    run=_run,
    opens={"file": ("image",)},
    examples=("fijibridge patch checkin patch.tif",),
)
