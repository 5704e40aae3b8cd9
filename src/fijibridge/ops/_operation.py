"""What a verb is, what it plans, and what it reports."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fijibridge.errors import FijiBridgeError
    from fijibridge.ops._host import Diagnose, Host, Witness
    from fijibridge.ops._run import RunOptions

__all__ = ["Context", "Job", "JobReport", "Operation", "Plan", "Report", "plain"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What a verb runs in.

    Parameters
    ----------
    options
        The settings that every verb has.
    host
        The program with windows, or None.
    diagnose, witness
        What the bridge can be asked for: what works here, and the real ImageJ; None where there is
        no bridge.
    progress
        Called with (done, all, what) while jobs run.
    meter
        Called with (what, bytes) when a job begins; what it returns is called with the bytes of
        each part that is done. None = nobody looks.
    ask
        Puts a question to the user; None = there is nobody to ask.
    """

    options: RunOptions
    host: Host | None = None
    diagnose: Diagnose | None = None
    witness: Witness | None = None
    progress: Callable[[int, int, str], None] = lambda _done, _all, _what: None
    meter: Callable[[str, int], Callable[[int], None]] | None = None
    ask: Callable[[str], bool] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobReport:
    """What one job did.

    Parameters
    ----------
    line
        One line for people.
    data
        The same for programs; JSON values, numpy numbers and NaN allowed.
    notes
        What a user should know.
    value
        Python value of the job; not part of the JSON.
    error
        The job was done and its answer is bad news (`validate`): decides the exit code.
    """

    line: str
    data: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    value: Any = None
    error: FijiBridgeError | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One unit of work, planned: all its targets are known and nothing is read yet.

    Parameters
    ----------
    title
        What people call it, usually the name of the input.
    run
        Does it; gets the report of each earlier job of the plan by title.
    sources
        Files that are read, as typed.
    targets
        What -> path that is written, ``table`` -> ``a_Results.tsv``.
    record
        Path of ``NAME_settings.json``; None = the verb leaves none.
    settings
        Settings that repeat this job alone; None = those of the whole run.
    replaces
        The targets were made by an earlier run of the same job and may be replaced (`demo`).
    after
        Needs the reports of all earlier jobs (a combined table).
    planned
        What is known before anything is read, for ``--dry-run``; JSON values.
    said
        What of it is printed, what -> text; empty = `planned` as it is.
    plan
        The same as a Python value: the value of a dry run, which shows itself in a notebook.
    resume
        Targets that a run that died has made whole -> what does the rest; None = what it made is
        removed and all is made again.
    """

    title: str
    run: Callable[[Mapping[str, JobReport]], JobReport]
    sources: tuple[str, ...] = ()
    targets: Mapping[str, str] = field(default_factory=dict)
    record: str | None = None
    settings: Any = None
    replaces: bool = False
    after: bool = False
    planned: Mapping[str, Any] = field(default_factory=dict)
    said: Mapping[str, str] = field(default_factory=dict)
    plan: Any = None
    resume: Callable[[frozenset[str]], Callable[[Mapping[str, JobReport]], JobReport]] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All jobs of a run.

    Parameters
    ----------
    jobs
        In order.
    notes
        What a user should know before.
    """

    jobs: tuple[Job, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """A verb: its words, its settings and what it does.

    Parameters
    ----------
    name
        The verb.
    menu
        Label under Plugins > FijiBridge, "" for verbs of the shell only.
    summary
        One line.
    settings
        Settings dataclass, see `settings`.
    run
        (settings, context) -> the plan; `perform` checks it and does it.
    examples
        Command lines for the help.
    resolve
        settings -> (operation, its settings, notes): what is really run, for `run FILE.json`.
    opens
        Setting -> what of a host stands for it when it is not named, the first that is there:
        ``image``, ``labels``, ``rois``, ``table``. Verbs that ask their host themselves leave it
        empty.
    targets
        Settings that name an output.
    shows
        Settings that lead the outputs to ``{folder}``, from where a host shows them, when none of
        `targets` is given; ``{name}`` and ``{suffix}`` fit the input.
    finish
        (settings, context, report) -> the report: what is done last, whatever failed.
    plan_values
        (images in place of paths, settings, context) -> the plan; None = it needs files.
    """

    name: str
    menu: str
    summary: str
    settings: type
    run: Callable[[Any, Context], Plan]
    examples: tuple[str, ...] = ()
    opens: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    targets: tuple[str, ...] = ()
    shows: Mapping[str, str] = field(default_factory=dict)
    finish: Callable[[Any, Context, Report], Report] | None = None
    plan_values: Callable[[Sequence[Any], Any, Context], Plan] | None = None
    resolve: Callable[[Any], tuple[Operation, Any, tuple[str, ...]]] | None = None


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Report:
    """What a run did.

    Parameters
    ----------
    verb
        The verb.
    jobs
        One report a job, by title.
    outputs
        Paths written.
    skipped
        Titles of jobs whose outputs were complete.
    notes
        What a user should know.
    failures
        Title and error of each job that failed; the others were done.
    dry_run
        Nothing was written; `outputs` are the paths that would be.
    script
        The script of ``--emit``.
    summary
        Table for people over all jobs, "" for none.
    """

    verb: str
    jobs: Mapping[str, JobReport] = field(default_factory=dict)
    outputs: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    failures: tuple[tuple[str, FijiBridgeError], ...] = ()
    dry_run: bool = False
    script: str = ""
    summary: str = ""

    @property
    def exit_code(self) -> int:
        """0, or that of the first failure."""
        return self.failures[0][1].exit_code if self.failures else 0

    @property
    def lines(self) -> tuple[str, ...]:
        """What people read."""
        return tuple(job.line for job in self.jobs.values() if job.line)

    @property
    def value(self) -> Any:
        """The Python value of the only job, or a list of them."""
        values = [job.value for job in self.jobs.values()]
        return values[0] if len(values) == 1 else values

    @property
    def _title(self) -> str:
        return f"{self.verb}, planned" if self.dry_run else self.verb

    @property
    def _text(self) -> str:
        lines = [self.script] if self.script else list(self.lines)
        lines += [f"{title}: complete, skipped" for title in self.skipped]
        lines += [f"wrote {path}" for path in (() if self.dry_run else self.outputs)]
        lines += [f"note: {note}" for note in self.notes]
        lines += [f"{title}: {error}" for title, error in self.failures]
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"Report({self._title})\n{self._text}"

    def _repr_html_(self) -> str:
        text = f"<div><b>{escape(self._title)}</b><pre>{escape(self._text)}</pre></div>"
        values = [job.value for job in self.jobs.values()] if self.dry_run else []
        shown = [getattr(value, "_repr_html_", None) for value in values]
        return text + "".join(show() for show in shown if show is not None)

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        out: dict[str, Any] = {"ok": not self.failures, "verb": self.verb}
        if self.script:
            return {**out, "script": self.script}
        if self.dry_run:
            out["dry_run"] = True
        out["jobs"] = [{"title": title, **plain(job.data)} for title, job in self.jobs.items()]
        if len(self.jobs) == 1:  # what most people ask for, without digging
            out = {**plain(next(iter(self.jobs.values())).data), **out}
        out["outputs"] = list(self.outputs)
        out["skipped"] = list(self.skipped)
        out["notes"] = [*self.notes, *(n for job in self.jobs.values() for n in job.notes)]
        if self.failures:
            out["failures"] = [
                {"title": title, "error": error_json(error)} for title, error in self.failures
            ]
            out["error"] = out["failures"][0]["error"]
        return out


def error_json(error: BaseException) -> dict[str, str]:
    """Return an error as JSON values."""
    return {
        "type": type(error).__name__,
        "message": getattr(error, "message", "") or str(error),
        "hint": getattr(error, "hint", ""),
    }


def plain(value: Any) -> Any:
    """Return JSON values: numpy numbers become numbers, NaN and infinities texts.

    Examples
    --------
    >>> plain({"a": (1.0, float("nan"))})
    {'a': [1.0, 'NaN']}
    """
    if isinstance(value, (str, int, type(None))):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else _no_number(value)
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    return [plain(item) for item in value] if isinstance(value, (list, tuple)) else str(value)


def _no_number(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"
