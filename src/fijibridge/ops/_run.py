"""How every verb runs: plan, check all targets, then do, then leave the settings beside."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import os
import threading
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fijibridge.errors import FijiBridgeError, SettingsError
from fijibridge.ops import _pending, _record
from fijibridge.ops._inputs import check_sources
from fijibridge.ops._kinds import TEXT, absolute_path
from fijibridge.ops._operation import Context, Job, JobReport, Operation, Plan, Report
from fijibridge.ops._settings import declared, from_mapping, setting, settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

__all__ = ["RunOptions", "make_context", "perform", "split_options"]

_GROUP = "common to every verb"


@settings
class RunOptions:
    """What every verb understands beside its own settings."""

    overwrite: bool = setting(default=False, help="replace existing targets", group=_GROUP)
    skip_existing: bool = setting(
        default=False,
        help="skip targets that are complete: made with the same settings from the same source",
        group=_GROUP,
    )
    dry_run: bool = setting(default=False, help="print the plan, write nothing", group=_GROUP)
    no_settings: bool = setting(
        default=False, help="leave no NAME_settings.json beside the outputs", group=_GROUP
    )
    json: bool = setting(default=False, help="print the report as one JSON object", group=_GROUP)
    quiet: bool = setting(default=False, help="print nothing but errors", group=_GROUP)
    emit: str | None = setting(
        default=None,
        kind=TEXT,
        choices=("macro", "jython", "python", "shell"),
        metavar="LANGUAGE",
        help="print the same run as a script (macro, jython, python, shell) and stop",
        group=_GROUP,
    )

    def check(self) -> None:
        """Refuse what contradicts itself."""
        if self.overwrite and self.skip_existing:
            raise SettingsError(
                "overwrite and skip_existing contradict each other.", "Say one of them."
            )


def split_options(operation: Operation, values: Mapping[str, Any]) -> tuple[Any, RunOptions]:
    """Return (settings of the verb, common options) from one mapping of names.

    Raises
    ------
    SettingsError
        For an unknown name or a wrong value.
    """
    common = {item.name for item in declared(RunOptions)}
    own = {n for item in declared(operation.settings) for n in (item.name, *item.aliases)}
    first = {k: v for k, v in values.items() if k.replace("-", "_") in common - own}
    rest = {k: v for k, v in values.items() if k not in first}
    try:
        mine: Any = from_mapping(operation.settings, rest, where=operation.name)
    except SettingsError as error:
        raise _with_common(error, rest, own, common) from None
    return mine, from_mapping(RunOptions, first)


def _with_common(
    error: SettingsError, values: Mapping[str, Any], own: set[str], common: set[str]
) -> SettingsError:
    """Let the nearest name be one of the common ones too."""
    from fijibridge.errors import nearest

    for key in values:
        word = key.replace("-", "_")
        if word not in own and key in error.message:
            head = error.message.partition(" Did you mean")[0]
            return SettingsError(head + nearest(word, own | common), error.hint)
    return error


def make_context(operation: Operation, options: RunOptions, **more: Any) -> Context:
    """Return what a verb runs in; the same through every door."""
    from fijibridge.ops._host import from_bridge

    if operation.name == "doctor":
        more.setdefault("diagnose", from_bridge("doctor", "diagnose"))
    if operation.name == "demo":
        more.setdefault("witness", from_bridge("witness", "imagej_particles"))
    return Context(options=options, **more)


def _key(path: str) -> str:
    return os.path.normcase(absolute_path(path))


def _check_collisions(plan: Plan) -> None:
    writers: dict[str, str] = {}
    for job in plan.jobs:
        for what, path in job.targets.items():
            key = _key(path)
            mine = f"{what} of {job.title}"
            if key in writers:
                raise SettingsError(
                    f"Two outputs have the one path {path!r}: {writers[key]} and {mine}.",
                    "Name two paths, or put {name} into the path of several inputs' outputs.",
                )
            writers[key] = mine
    for job in plan.jobs:
        for source in job.sources:
            if _key(source) in writers:
                raise SettingsError(
                    f"The target {source!r} is also an input of {job.title}.",
                    "Choose another name for the output.",
                )


def _exists(path: str) -> bool:
    from fijibridge.ops._targets import target_exists

    return target_exists(path)


def _check_targets(job: Job, options: RunOptions, known: frozenset[str] = frozenset()) -> None:
    from fijibridge.ops._targets import check_writable

    for path in job.targets.values():
        replaces = options.overwrite or job.replaces or path in known
        check_writable(path, overwrite=replaces)


def _standing(
    operation: Operation, job: Job, settings_: Any, *, dry_run: bool
) -> tuple[bool, frozenset[str]]:
    """Return (whether `job` was done before, targets that a dead run of it has made).

    Raises
    ------
    SettingsError
        When its targets exist but differ.
    """
    there = {path: _exists(path) for path in job.targets.values()}
    if not any(there.values()):
        return False, frozenset()
    some = next(path for path, exists in there.items() if exists)
    mine = job.settings if job.settings is not None else settings_
    if not all(there.values()):
        gone = next(path for path, exists in there.items() if not exists)
        why = f"{gone!r} is missing"
    elif job.record is None:
        why = "this verb keeps no record"
    else:
        record = _record.record_path(job.record, job.targets.values())
        why = _record.matches(record, operation.name, mine, job.sources)
    if not why:
        if not dry_run:
            _pending.unmake_note(job)
        return True, frozenset()
    whole = _pending.whole_targets(job, operation.name, mine, job.sources)
    present = frozenset(path for path, exists in there.items() if exists)
    if present <= whole and all(there.values()):
        if not dry_run:
            _leave_record(operation, job, mine, job.targets.values())
        return True, frozenset()
    if present and present <= whole:
        return False, present
    raise SettingsError(
        f"The target {some!r} exists, but cannot be skipped: {why}.",
        "Say --overwrite to make it again.",
    )


def _leave_record(
    operation: Operation,
    job: Job,
    value: Any,
    written: Iterable[str],
    sources: Mapping[str, Any] | None = None,
) -> Path:
    """Write the settings file of a job that is done."""
    assert job.record is not None  # noqa: S101  # callers looked
    written = list(written)
    record = _record.record_path(job.record, written)
    if sources is None:
        sources = {path: _record.identity(path) for path in job.sources}
    _record.write_record(record, operation.name, value, sources, written)
    _pending.unmake_note(job)
    return record


def _resumed(job: Job, present: frozenset[str]) -> Job:
    """Return what is left to be done of a job after a dead run."""
    from fijibridge.ops._targets import remove_target

    if job.resume is not None:
        return dataclasses.replace(job, run=job.resume(present))
    for path in present:  # one output of several: half a result
        remove_target(path)
    return job


def perform(operation: Operation, settings_: Any, context: Context) -> Report:
    """Do a verb.

    Parameters
    ----------
    operation
        The verb.
    settings_
        A value of ``operation.settings``.
    context
        Common options, host and progress.

    Returns
    -------
    Report
        What was done. In a run of several inputs one that fails does not stop the others; the
        report names it. A run of one input raises.

    Raises
    ------
    FijiBridgeError
        Before anything is written: wrong settings, existing or unwritable targets.
    """
    options = context.options
    said: tuple[str, ...] = ()
    if operation.resolve is not None:
        operation, settings_, said = operation.resolve(settings_)
    if options.emit is not None:
        from fijibridge.ops._emit import emit

        return Report(verb=operation.name, script=emit(operation, settings_, options))
    plan = operation.run(settings_, context)
    plan = dataclasses.replace(plan, notes=(*said, *plan.notes))
    _check_collisions(plan)
    todo, skipped, refused = _sorted(operation, settings_, plan, options)
    if options.dry_run:
        report = _planned(operation, plan, todo, skipped)
        return dataclasses.replace(report, failures=tuple(refused))
    _clear_leftovers(plan)
    report = _do(operation, settings_, context, plan, todo, skipped, refused)
    return report if operation.finish is None else operation.finish(settings_, context, report)


def _sorted(
    operation: Operation, settings_: Any, plan: Plan, options: RunOptions
) -> tuple[list[Job], list[str], list[tuple[str, FijiBridgeError]]]:
    """Return (jobs to be done, titles of those that are done, those whose targets differ)."""
    todo: list[Job] = []
    skipped: list[str] = []
    refused: list[tuple[str, FijiBridgeError]] = []
    for job in plan.jobs:
        present: frozenset[str] = frozenset()
        if options.skip_existing:
            try:
                done, present = _standing(operation, job, settings_, dry_run=options.dry_run)
            except SettingsError as error:
                if _alone(plan):
                    raise
                refused.append((job.title, error))
                continue
            if done:
                skipped.append(job.title)
                continue
        _check_targets(job, options, present)
        todo.append(_resumed(job, present) if present and not options.dry_run else job)
    return todo, skipped, refused


def _alone(plan: Plan) -> bool:
    return sum(not job.after for job in plan.jobs) == 1


def _clear_leftovers(plan: Plan) -> None:
    """Remove what dead runs left half-written where this run writes."""
    from fijibridge.formats import Location, remove_leftovers

    folders = set()
    for path in (path for job in plan.jobs for path in job.targets.values()):
        where = Location.parse(path)
        folders.add(where.path.parent)
        if where.inner and where.path.is_dir():
            folders.add(where.path.joinpath(where.inner).parent)
    for folder in folders:
        remove_leftovers(folder)


def _in_lines(value: Any) -> Any:
    """Return a list of names one below the other."""
    if isinstance(value, list) and value and all(isinstance(name, str) for name in value):
        return f"\n{'':11}".join(value)
    return value


def _planned(operation: Operation, plan: Plan, todo: list[Job], skipped: list[str]) -> Report:
    jobs = {}
    for job in todo:
        lines = [f"{job.title}: would write"] if job.targets else [f"{job.title}: writes nothing"]
        lines += [f"  {what:8} {path}" for what, path in job.targets.items()]
        lines += [f"  {what:8} {_in_lines(value)}" for what, value in job.planned.items()]
        data = {**job.planned, "sources": list(job.sources), "targets": dict(job.targets)}
        jobs[job.title] = JobReport(line="\n".join(lines), data=data, value=job.plan)
    outputs = tuple(path for job in todo for path in job.targets.values())
    return Report(
        verb=operation.name,
        jobs=jobs,
        outputs=outputs,
        skipped=tuple(skipped),
        notes=plan.notes,
        dry_run=True,
    )


def _do(
    operation: Operation,
    settings_: Any,
    context: Context,
    plan: Plan,
    todo: list[Job],
    skipped: list[str],
    refused: list[tuple[str, FijiBridgeError]],
) -> Report:
    reports: dict[str, JobReport] = {}
    outputs: list[str] = []
    failures = list(refused)
    for n, job in enumerate(todo):
        context.progress(n, len(todo), job.title)
        if job.after and len(failures) == len(todo) - 1:
            break  # nothing to combine
        try:
            reports[job.title] = _one(operation, settings_, context, job, reports, outputs)
        except FijiBridgeError as error:
            if _alone(plan):
                raise
            failures.append((job.title, error))
        else:
            bad = reports[job.title].error
            if bad is not None:
                failures.append((job.title, bad))
    context.progress(len(todo), len(todo), "")
    return Report(
        verb=operation.name,
        jobs=reports,
        outputs=tuple(outputs),
        skipped=tuple(skipped),
        notes=plan.notes,
        failures=tuple(failures),
    )


@contextlib.contextmanager
def _room(title: str) -> Iterator[None]:
    """Say what is missing when memory or disk are full, also where no target is being written."""
    try:
        yield
    except MemoryError as error:
        raise SettingsError(
            f"There is not enough memory for {title!r}.", "Take a part of it, or fewer at once."
        ) from error
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EFBIG, errno.EDQUOT):
            raise
        raise SettingsError(
            f"There is no room on the disk while {title!r} is done: {error.strerror}.",
            "Nothing was left behind. Free room, or choose another folder.",
        ) from error


def _noting(job: Job, reports: Mapping[str, JobReport]) -> JobReport:
    """Do a job; what is warned about while it runs becomes a note of its report."""
    if threading.current_thread() is not threading.main_thread():
        return job.run(reports)  # Python's list of warnings belongs to all threads
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        report = job.run(reports)
    notes = []
    for found in caught:
        if found.category is UserWarning:
            notes.append(str(found.message))
        else:
            warnings.warn_explicit(found.message, found.category, found.filename, found.lineno)
    if not notes:
        return report
    return dataclasses.replace(report, notes=(*report.notes, *dict.fromkeys(notes)))


def _one(
    operation: Operation,
    settings_: Any,
    context: Context,
    job: Job,
    reports: Mapping[str, JobReport],
    outputs: list[str],
) -> JobReport:
    from fijibridge.formats import Location, missing_folders, remove_folders

    # what comes after all others does with what they found
    if not job.after:
        check_sources(job.sources)
    folders = missing_folders(Location.parse(p).path for p in job.targets.values())
    fresh = [path for path in job.targets.values() if not _exists(path)]
    wants_record = bool(job.record and job.targets) and not context.options.no_settings
    there = [p for p in job.sources if not job.after or Path(p).exists()]
    sources = {p: _record.identity(p) for p in there} if wants_record else {}
    value = job.settings if job.settings is not None else settings_
    try:
        if wants_record:
            _pending.note_job(job, operation.name, value, sources)
        with _room(job.title):
            report = _noting(job, reports)
        written = list(job.targets.values())
        if wants_record:
            written.append(str(_leave_record(operation, job, value, written, sources)))
    except BaseException:
        from fijibridge.ops._targets import remove_target

        # one output of several may be whole already: half a result is worse than none
        for path in fresh:
            remove_target(path)
        _pending.unmake_note(job)
        remove_folders(folders)
        raise
    outputs.extend(written)
    return report
