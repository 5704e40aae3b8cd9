"""What a run is about to write: so that a run that died can be gone on with.

Beside its outputs every job leaves a hidden note of what it will do, and removes it when its
settings file is there. Outputs appear whole, by renaming; so what is there beside such a note, made
after it with the same settings from the same sources, is whole, and need not be made again.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fijibridge.errors import FormatError, SettingsError
from fijibridge.ops import _record
from fijibridge.ops._kinds import absolute_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from fijibridge.ops._operation import Job

__all__ = ["note_job", "note_path", "unmake_note", "whole_targets"]


def note_path(job: Job) -> Path | None:
    """Return where the note of a job lies; None for a job that leaves no settings file."""
    if job.record is None or not job.targets:
        return None
    name = "\n".join(sorted(absolute_path(path) for path in job.targets.values()))
    short = hashlib.sha256(os.path.normcase(name).encode()).hexdigest()[:12]
    record = Path(job.record)
    return record.with_name(f".{short}.pending{_record.SUFFIX}")


def note_job(job: Job, verb: str, settings: Any, sources: Mapping[str, Any]) -> None:
    """Leave the note; the folder is made where it is missing.

    Raises
    ------
    SettingsError
        When nothing can be written there; names the first target.
    """
    path = note_path(job)
    assert path is not None  # noqa: S101  # only such jobs are noted
    try:
        _record.write_record(path, verb, settings, sources, ())
    except SettingsError as error:
        target = next(iter(job.targets.values()))
        raise SettingsError(error.message.replace(str(path), target), error.hint) from error


def unmake_note(job: Job) -> None:
    """Remove the note: the job is done, or failed and left nothing."""
    path = note_path(job)
    if path is not None:
        path.unlink(missing_ok=True)


def whole_targets(job: Job, verb: str, settings: Any, sources: Iterable[str]) -> frozenset[str]:
    """Return the targets of a job that a dead run of the very same job has made.

    Parameters
    ----------
    job
        The job as it is planned now.
    verb, settings, sources
        As in `fijibridge.ops._record.matches`.
    """
    path = note_path(job)
    if path is None or not path.exists():
        return frozenset()
    if _record.matches(path, verb, settings, sources):
        return frozenset()
    since = path.stat().st_mtime_ns
    found = set()
    for target in job.targets.values():
        try:
            made = _record.identity(target)
        except (OSError, FormatError):
            continue
        if made["mtime_ns"] >= since:
            found.add(target)
    return frozenset(found)
