"""The verbs: one list of operations, reached from Python, the command line and JSON.

``OPERATIONS`` lists them; every option is declared once, in the settings dataclass of its verb.
"""

from __future__ import annotations

import functools
import importlib
import json
import traceback
from typing import TYPE_CHECKING, Any

from fijibridge.errors import FijiBridgeError, SettingsError, nearest
from fijibridge.ops._operation import Context, Operation, Report, error_json
from fijibridge.ops._run import make_context, perform, split_options
from fijibridge.ops._settings import load_json, parse_keys

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fijibridge.ops._host import Host

__all__ = [
    "OPERATIONS",
    "Context",
    "Operation",
    "Report",
    "call",
    "from_keys",
    "operation",
    "run_verb",
]

#: One line a verb, in the order of the help; the module holds ``OPERATION``.
OPERATIONS: tuple[str, ...] = (
    "particles",
    "convert",
    "measure",
    "export",
    "ilastik",
    "tracks",
    "preview",
    "snapshot",
    "patch checkout",
    "patch checkin",
    "patch",
    "fiji",
    "view",
    "run",
    "info",
    "validate",
    "doctor",
    "demo",
)


@functools.cache
def operation(name: str) -> Operation:
    """Return the operation of a verb.

    Raises
    ------
    SettingsError
        When there is no such verb; the nearest one is named.
    """
    if name not in OPERATIONS:
        raise SettingsError(
            f"There is no verb {name!r}.{nearest(name, OPERATIONS)}",
            f"Verbs: {', '.join(OPERATIONS)}.",
        )
    found: Operation = importlib.import_module(f"{__name__}.{name.replace(' ', '_')}").OPERATION
    return found


def run_verb(verb: str, /, *, host: Host | None = None, **values: Any) -> Report:
    """Run a verb.

    Parameters
    ----------
    verb
        ``particles``, ``convert``, …
    host
        The program with windows, or None; what is open there stands for inputs that are not named,
        and results are shown there when no output is named.
    **values
        Settings of the verb and the common ones (``overwrite=True``).

    Returns
    -------
    Report
        What was done; ``.lines`` for people, ``.to_json()`` for programs.

    Raises
    ------
    FijiBridgeError
        As the command line would report it; in a run of several inputs failures are in the report.
    """
    return _run_values(verb, values, host)


def _run_values(verb: str, values: Mapping[str, Any], host: Host | None) -> Report:
    if host is not None:
        from fijibridge.ops._hosted import run_hosted

        return run_hosted(verb, values, host)
    found = operation(verb)
    mine, options = split_options(found, values)
    return perform(found, mine, make_context(found, options, host=host))


def from_keys(verb: str, keys: str, *, host: Host | None = None) -> Report:
    """Run a verb with ImageJ macro keys: ``input=[a b.tif] size=[20-Infinity] exclude``."""
    return _run_values(verb, parse_keys(keys), host)


def call(request: str, *, host: Host | None = None) -> str:
    """Run a verb as a JSON request says and answer in JSON; never raises.

    Parameters
    ----------
    request
        ``{"verb": "particles", "settings": {…}}``.
    host
        The program with windows, or None.

    Returns
    -------
    str
        ``{"ok": true, "report": {…}}`` or ``{"ok": false, "error": {type, message, hint}}``.

    Examples
    --------
    >>> call('{"verb": "particle"}')[:78]
    '{"ok": false, "error": {"type": "SettingsError", "message": "There is no verb '
    """
    try:
        body = load_json(request)
        verb, values = _request(body)
        report = _run_values(verb, values, host)
    except FijiBridgeError as error:
        return _answer({"ok": False, "error": error_json(error)})
    except Exception as error:  # noqa: BLE001  # the other side speaks JSON only
        found = error_json(error)
        found["hint"] = "This is a bug in fijibridge: " + traceback.format_exc(limit=-3)
        return _answer({"ok": False, "error": found})
    body = report.to_json()
    answer: dict[str, Any] = {"ok": body["ok"], "report": body}
    if not body["ok"]:
        answer["error"] = body["error"]
    return _answer(answer)


def _answer(body: Mapping[str, Any]) -> str:
    return json.dumps(body, ensure_ascii=False, allow_nan=False)


def _request(body: Any) -> tuple[str, dict[str, Any]]:
    if not isinstance(body, dict):
        raise SettingsError("A request is one JSON object.", '{"verb": "info", "settings": {…}}')
    extra = [key for key in body if key not in {"verb", "settings"}]
    if extra:
        raise SettingsError(
            f"A request has no key {extra[0]!r}.{nearest(extra[0], ['verb', 'settings'])}",
            "Keys: verb, settings.",
        )
    verb, values = body.get("verb"), body.get("settings", {})
    if not isinstance(verb, str):
        raise SettingsError("A request needs the key 'verb'.", f"Verbs: {', '.join(OPERATIONS)}.")
    if not isinstance(values, dict):
        raise SettingsError("The 'settings' of a request are one JSON object.")
    return verb, values
