"""``export --delete``: ilastik's "Delete All" on the same settings; lists and asks first."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from fijibridge.errors import FormatError, SettingsError
from fijibridge.ops._operation import Job, JobReport, Plan

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from fijibridge.export.batch import Item
    from fijibridge.export.delete import Removal
    from fijibridge.ops._export_words import ExportVerbSettings
    from fijibridge.ops._operation import Context

__all__ = ["plan_delete"]


def plan_delete(items: Sequence[Item], value: ExportVerbSettings, context: Context) -> Plan:
    """Return the plan of a deletion; the user has been asked.

    Raises
    ------
    SettingsError
        When the user says no, or nobody can be asked.
    """
    from fijibridge.export.delete import found_outputs

    found = found_outputs(items)
    notes = [f"{item.name} has no outputs to name: {item.error}" for item in items if item.error]
    if not found:
        return Plan(jobs=(), notes=(*notes, "None of the outputs is there; nothing to delete."))
    records = _records(found)
    if not (value.yes or context.options.dry_run):
        _ask(found, records, context)
    jobs = [
        Job(title=one.file, run=partial(_delete, one), planned={"deletes": str(one.path)})
        for one in found
    ]
    jobs += [
        Job(title=str(path), run=partial(_delete_record, path), planned={"deletes": str(path)})
        for path in records
    ]
    return Plan(jobs=tuple(jobs), notes=tuple(notes))


def _ask(found: Sequence[Removal], records: Sequence[Path], context: Context) -> None:
    names = [*(one.file for one in found), *map(str, records)]
    text = "\n".join(f"  {name}" for name in names)
    if context.ask is None:
        raise SettingsError(
            f"{len(names)} files would be deleted, and nobody can be asked: {', '.join(names)}.",
            "Say --yes.",
        )
    if not context.ask(f"{text}\nDelete these {len(names)}? [y/N] "):
        raise SettingsError("Nothing was deleted.", "Answer y, or say --yes.")


def _records(found: Iterable[Removal]) -> list[Path]:
    """Return the settings files whose outputs all go."""
    from fijibridge.formats import Location
    from fijibridge.ops._kinds import absolute_path
    from fijibridge.ops._record import SUFFIX, read_record

    gone = {absolute_path(one.file) for one in found}
    folders = {Location.parse(one.file).path.parent for one in found}
    records = []
    for path in sorted(path for folder in folders for path in folder.glob(f"*{SUFFIX}")):
        try:
            body = read_record(path)
            made = {absolute_path(path.parent / made["path"]) for made in body["outputs"]}
        except (FormatError, KeyError, TypeError):
            continue
        if body["verb"] == "export" and made and made <= gone:
            records.append(path)
    return records


def _delete(removal: Removal, _earlier: Mapping[str, JobReport]) -> JobReport:
    from fijibridge.export.delete import remove_output

    remove_output(removal)
    return JobReport(line=f"deleted {removal.file}", data={"deleted": removal.file})


def _delete_record(path: Path, _earlier: Mapping[str, JobReport]) -> JobReport:
    path.unlink(missing_ok=True)
    return JobReport(line=f"deleted {path}", data={"deleted": str(path)})
