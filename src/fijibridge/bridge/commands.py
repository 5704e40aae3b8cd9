"""Every verb as a command of the running ImageJ or Fiji: menu, macro, Jython, recorder.

Registered live in this JVM, on both hosts. A command answers a macro with a status, as ImageJ's
commands return nothing: ``call("ij.plugin.FijiBridge.status")`` is ``ok``, ``error`` or
``cancelled``, ``.message`` says why, ``.report`` is the report as JSON. The same stand in the
system properties ``fijibridge.status``, ``.message`` and ``.report``.
"""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from fijibridge.bridge import _door, dialog
from fijibridge.bridge._java import jimport
from fijibridge.bridge._words import in_macro_words
from fijibridge.bridge.host import ImageJHost, is_headless
from fijibridge.errors import FijiBridgeError
from fijibridge.ops import OPERATIONS, call, operation
from fijibridge.ops._hosted import run_hosted
from fijibridge.ops._operation import error_json
from fijibridge.ops._settings import parse_keys

if TYPE_CHECKING:
    from fijibridge.ops import Operation, Report

__all__ = ["MENU", "Outcome", "commands", "register_commands", "run_command", "run_guarded"]

MENU = "Plugins>FijiBridge"
_PROPERTY = "fijibridge."
_log = logging.getLogger("fijibridge")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a command answers.

    Parameters
    ----------
    status
        ``ok``, ``error`` or ``cancelled``.
    message
        What went wrong and what to do, or what was done.
    report
        The report as JSON values.
    """

    status: Literal["ok", "error", "cancelled"]
    message: str = ""
    report: Mapping[str, Any] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether it was done."""
        return self.status == "ok"


def commands() -> dict[str, Operation]:
    """Return menu label -> verb, for every verb that has a label, in menu order."""
    found = (operation(name) for name in OPERATIONS)
    return {one.menu: one for one in found if one.menu}


def register_commands() -> tuple[str, ...]:
    """Put every verb under Plugins > FijiBridge of the ImageJ that runs here; returns the labels.

    Calling it again changes nothing.

    Raises
    ------
    BridgeError
        When ImageJ does not run here.
    """
    _door.open_door(_from_table, call)
    menus = jimport("ij.Menus")
    if menus.getCommands() is None:
        jimport("ij.IJ").runPlugIn("ij.IJ.init", "")  # a headless ImageJ fills its table late
    table = menus.getCommands()
    windows = jimport("ij.IJ").getInstance() is not None and not is_headless()
    for label, found in commands().items():
        target = f'{_door.CLASS}("{found.name}")'
        if windows and table.get(label) is None:
            menus.add(f"{MENU}>{label}", target)
        table.put(label, target)
    return tuple(commands())


def _from_table(verb: str) -> None:
    """Do a command of the table, in the thread that ImageJ runs it in; never raises."""
    options = jimport("ij.Macro").getOptions()
    in_macro = options is not None or bool(jimport("ij.IJ").isMacro())
    outcome = run_guarded(verb, None if options is None else str(options))
    _answer(verb, outcome, in_macro=in_macro)


def run_guarded(verb: str, given: Mapping[str, Any] | str | None) -> Outcome:
    """Do a verb and answer bugs too: Java would print them and go on.

    Parameters
    ----------
    verb
        ``particles``, …
    given
        Settings, ImageJ's macro options, or None: its dialog is asked.
    """
    try:
        found = operation(verb)
        values = given if isinstance(given, Mapping) else _values(found, given)
        if values is None:
            return Outcome(status="cancelled", message=f"{found.menu} was cancelled.")
        return run_command(verb, values)
    except FijiBridgeError as error:
        return _refused(error, verb)
    except Exception as error:  # noqa: BLE001  # Java would print it and go on
        return _bug(error)


def _values(found: Operation, options: str | None) -> dict[str, Any] | None:
    """Return the settings of a macro's options, else of the dialog; None when it was cancelled."""
    if options is not None and options.strip():
        return dict(parse_keys(options))
    asks = found.menu.endswith("...")
    if not asks or is_headless():
        return {}
    values = dialog.ask(found, partial(_planned, found))
    if values is not None:
        try:
            dialog.record(found, values)
        except FijiBridgeError as error:  # a wrong value: the run itself will say so
            _log.debug("not recorded: %s", error)
    return values


def _planned(found: Operation, values: Mapping[str, Any]) -> str:
    """Return what a run with these settings would do, or what is wrong with them."""
    outcome = run_guarded(found.name, {**values, "dry_run": True})
    notes = (in_macro_words(note, found.name) for note in outcome.report.get("notes", ()))
    said = outcome.message.replace("writes nothing", "writes nothing, its results are shown")
    return "\n".join([said, *notes])


def run_command(verb: str, values: Mapping[str, Any] | str) -> Outcome:
    """Do a verb as its command does, on what is open in this ImageJ where nothing is named.

    Parameters
    ----------
    verb
        ``particles``, …
    values
        Settings, or ImageJ's macro options.

    Returns
    -------
    Outcome
        Errors are in it; only bugs of fijibridge raise.
    """
    ij = jimport("ij.IJ")
    host = ImageJHost()

    def progress(done: int, total: int, what: str) -> None:
        if total > 1:
            ij.showProgress(done, total)
            ij.showStatus(f"{done} of {total} {what}".strip())

    try:
        given = parse_keys(values) if isinstance(values, str) else values
        report = run_hosted(verb, given, host, progress=progress)
    except FijiBridgeError as error:
        return _refused(error, verb)
    return _done(report)


def _done(report: Report) -> Outcome:
    body = report.to_json()
    if report.failures:
        said = [
            f"{title}: {in_macro_words(str(error), report.verb)}"
            for title, error in report.failures
        ]
        return Outcome(status="error", message="\n".join(said), report=body)
    text = in_macro_words("\n".join(report.lines), report.verb)
    return Outcome(status="ok", message=text or report.script, report=body)


def _refused(error: FijiBridgeError, verb: str) -> Outcome:
    text = in_macro_words(f"{error.message} {error.hint}".strip(), verb)
    return Outcome(status="error", message=text, report={"ok": False, "error": error_json(error)})


def _bug(error: Exception) -> Outcome:
    text = "This is a bug in fijibridge: " + "".join(traceback.format_exception(error)).strip()
    return Outcome(status="error", message=text, report={"ok": False, "error": error_json(error)})


def _answer(verb: str, outcome: Outcome, *, in_macro: bool) -> None:
    """Leave the status for macros, and show errors: in a dialog, or the Log of macros."""
    system, ij = jimport("java.lang.System"), jimport("ij.IJ")
    system.setProperty(_PROPERTY + "status", outcome.status)
    system.setProperty(_PROPERTY + "message", outcome.message)
    system.setProperty(_PROPERTY + "report", json.dumps(dict(outcome.report), ensure_ascii=False))
    label = operation(verb).menu.removesuffix("...") if verb in OPERATIONS else verb
    if outcome.ok:
        _said(label, outcome, show=not operation(verb).targets)
    elif outcome.status == "error":
        _log.warning("%s: %s", label, outcome.message)
        if in_macro or is_headless():
            ij.log(f"{label}: {outcome.message}")
        else:
            ij.error(label, _wrapped(outcome.message))


def _said(label: str, outcome: Outcome, *, show: bool) -> None:
    ij = jimport("ij.IJ")
    first = outcome.message.partition("\n")[0]
    ij.showStatus(first)
    if show:
        ij.log(outcome.message)
    for note in outcome.report.get("notes", ()):
        ij.log(f"{label}: {in_macro_words(note, str(outcome.report.get('verb', '')))}")


def _wrapped(text: str) -> str:
    """Return a text in lines that fit a message box."""
    import textwrap

    return "\n".join(textwrap.fill(line, 70) for line in text.splitlines())
