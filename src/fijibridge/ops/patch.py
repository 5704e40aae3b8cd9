"""``patch status|undo|recover|prune STORE``: what was checked in, and taking it back."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fijibridge.errors import SettingsError
from fijibridge.ops._kinds import INTEGER, PATH, TEXT
from fijibridge.ops._operation import Job, JobReport, Operation, Plan
from fijibridge.ops._settings import setting, settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fijibridge.ops._operation import Context
    from fijibridge.patch.journal import Entry, Journal

__all__ = ["OPERATION", "PatchSettings"]

_ACTIONS = ("status", "undo", "recover", "prune")


@settings
class PatchSettings:
    """Settings of ``patch``; ``patch checkout`` and ``patch checkin`` are verbs of their own."""

    action: str = setting(
        kind=TEXT,
        choices=_ACTIONS,
        metavar="|".join(("checkout", "checkin", *_ACTIONS)),
        positional=True,
        help="what was checked in; take the last one back; finish or roll back an interrupted "
        "one; forget what undo needs. checkout and checkin: fijibridge patch checkout --help",
    )
    store: str = setting(
        kind=PATH,
        metavar="STORE",
        positional=True,
        aliases=("input",),
        help="the Zarr store: a folder or a URL",
    )
    keep: int = setting(0, kind=INTEGER, help="prune: how many of the last check-ins stay undoable")
    force: bool = setting(
        default=False,
        help="undo: although it was changed since; recover: although another process seems at work",
    )

    def check(self) -> None:
        """Refuse what makes no sense."""
        if self.keep < 0:
            raise SettingsError(f"keep is {self.keep}; it cannot be < 0.", "Say 0 or more.")


def _entry(entry: Entry, journal: Journal) -> dict[str, Any]:
    about = entry.about
    return {
        "entry": entry.name,
        "time": time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(entry.time)),
        "owner": entry.owner,
        "file": str(about.get("file", "")),
        "image": str(about.get("image", "")),
        "region": str(about.get("region", "")),
        "units": len(entry.operations),
        "state": "done" if entry.applied else "interrupted",
        "bytes_kept": journal.old_bytes(entry),
    }


def _checkins(number: int) -> str:
    return "1 check-in" if number == 1 else f"{number} check-ins"


def _status(value: PatchSettings, journal: Journal) -> JobReport:
    entries = [_entry(entry, journal) for entry in journal.entries()]
    owner = journal.at_work()
    lines = [f"{value.store}: {_checkins(len(entries))} can be taken back"]
    if owner is not None:
        age = max(0.0, time.time() - float(owner.get("since", time.time())))
        lines.append(
            f"  at work: {owner.get('owner')} (process {owner.get('process')}), since {age:.0f} s"
        )
    lines += [
        f"  {e['entry']}  {e['time']}  {e['owner']}  {Path(e['file']).name}  {e['region']}  "
        f"{e['units']} chunks, {e['bytes_kept'] / 1e6:.1f} MB kept for undo"
        + ("" if e["state"] == "done" else "  INTERRUPTED: fijibridge patch recover STORE")
        for e in entries
    ]
    return JobReport(line="\n".join(lines), data={"entries": entries, "owner": owner})


def _undo(value: PatchSettings, journal: Journal) -> JobReport:
    with journal.locked():
        journal.recover()
        entries = journal.entries()
        if not entries:
            raise SettingsError(
                f"Nothing in {value.store!r} can be taken back: nothing was checked in, or it was "
                "pruned.",
                f"Look: fijibridge patch status {value.store}",
            )
        last = entries[-1]
        changed = journal.changed_since(last)
        if changed and not value.force:
            raise SettingsError(
                f"{len(changed)} chunks were changed since {last.name} was checked in, the first "
                f"is {changed[0]}.",
                "Say force (--force) to put the older ones back all the same.",
            )
        found = _entry(last, journal)
        journal.undo(last)
    line = f"{value.store}: taken back: {Path(found['file']).name} {found['region']}"
    return JobReport(line=line, data={"undone": found})


def _recover(value: PatchSettings, journal: Journal) -> JobReport:
    if value.force:
        journal.break_lock()
    with journal.locked():
        done = journal.recover()
    line = f"{value.store}: " + ("; ".join(done) or "nothing was interrupted")
    return JobReport(line=line, data={"recovered": done})


def _prune(value: PatchSettings, journal: Journal) -> JobReport:
    with journal.locked():
        journal.recover()
        count, freed = journal.prune(value.keep)
    line = f"{value.store}: {_checkins(count)} forgotten, {freed / 1e6:.1f} MB freed"
    return JobReport(line=line, data={"forgotten": count, "bytes_freed": freed})


_DO = {"status": _status, "undo": _undo, "recover": _recover, "prune": _prune}


def _job(value: PatchSettings, _earlier: Mapping[str, JobReport]) -> JobReport:
    from fijibridge.patch.store import journal_of

    return _DO[value.action](value, journal_of(value.store))


def _run(value: PatchSettings, _context: Context) -> Plan:
    from fijibridge.patch.store import journal_of

    journal_of(value.store)
    return Plan(jobs=(Job(title=value.store, run=partial(_job, value)),))


OPERATION = Operation(
    name="patch",
    menu="",
    summary="a sub-volume of a Zarr store out (checkout) and back in (checkin); status, undo",
    settings=PatchSettings,
    run=_run,
    examples=("fijibridge patch status big.ome.zarr", "fijibridge patch undo big.ome.zarr"),
)
