"""``fiji install|uninstall|run|commands``: the commands in a Fiji, and scripts run in it."""

from __future__ import annotations

import os
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

from fijibridge.errors import BridgeError, MissingDependencyError, SettingsError
from fijibridge.ops._host import from_bridge
from fijibridge.ops._kinds import PATH, TEXT, Kind
from fijibridge.ops._operation import Job, JobReport, Operation, Plan
from fijibridge.ops._settings import declared, setting, settings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from fijibridge.ops._operation import Context

__all__ = ["OPERATION", "FijiSettings"]

_ACTIONS = ("install", "uninstall", "run", "commands")


def _pairs(value: Any, name: str) -> tuple[str, ...]:
    """Return words ``key=value``; a mapping is written as such."""
    if isinstance(value, str):
        value = [value]
    elif hasattr(value, "items"):
        value = [f"{key}={text}" for key, text in value.items()]
    found = tuple(str(word) for word in value)
    wrong = [word for word in found if not word.partition("=")[0].isidentifier() or "=" not in word]
    if wrong:
        raise SettingsError(f"{name} holds {wrong[0]!r}; allowed are words such as size=20.")
    return found


_PAIRS = Kind(metavar="KEY=VALUE", parse=_pairs, dump=list, text=" ".join, many=True)


@settings
class FijiSettings:
    """Settings of ``fiji``."""

    action: str = setting(
        kind=TEXT,
        choices=_ACTIONS,
        metavar="|".join(_ACTIONS),
        positional=True,
        help="install or uninstall the commands, run a script, or list the commands",
    )
    target: str | None = setting(
        None,
        kind=PATH,
        metavar="DIR|SCRIPT",
        positional=True,
        aliases=("dir", "script"),
        help="the folder Fiji.app, Fiji or ImageJ; or the script (.ijm, .py, .groovy)",
    )
    values: tuple[str, ...] = setting(
        (), kind=_PAIRS, positional=True, help="the script's parameters: key=value"
    )
    headless: bool = setting(default=False, help="run: open no windows")
    fiji_dir: str | None = setting(
        None,
        kind=PATH,
        metavar="DIR",
        help="run: the Fiji; left out: FIJI_DIR, the usual places, else the embedded ImageJ",
    )

    def check(self) -> None:
        """Refuse what does not go together."""
        if self.action in ("install", "uninstall", "run") and self.target is None:
            what = "SCRIPT" if self.action == "run" else "DIR"
            raise SettingsError(
                f"fiji {self.action} needs a {what}.", f"Type: fijibridge fiji {self.action} {what}"
            )
        if self.action == "commands" and self.target is not None:
            raise SettingsError("fiji commands takes no DIR.", "Type: fijibridge fiji commands")
        if self.values and self.action != "run":
            raise SettingsError(f"fiji {self.action} takes no {self.values[0]!r}.")


def _bridge(module: str, name: str) -> Callable[..., Any]:
    found = from_bridge(module, name)
    if found is None:
        raise MissingDependencyError("scyjava", "fiji", "This verb")
    return found  # type: ignore[no-any-return]  # found by name


def _install(value: FijiSettings, context: Context, _earlier: Mapping[str, JobReport]) -> JobReport:
    done = _bridge("install", "install")(value.target, overwrite=context.options.overwrite)
    place = done.place
    lines = [f"FijiBridge is in {place.root} ({len(done.written)} files written)"]
    if done.written:
        lines.append("Restart it, or choose Help > Refresh Menus; then Plugins > FijiBridge")
    data = {
        "folder": str(place.root),
        "kind": place.kind,
        "python": sys.executable,
        "written": list(done.written),
        "removed": list(done.removed),
        "kept": list(done.kept),
    }
    return JobReport(line="\n".join(lines), data=data, value=done, notes=_kept(done))


def _kept(done: Any) -> tuple[str, ...]:
    return tuple(f"{name} was changed by somebody and stays" for name in done.kept)


def _uninstall(value: FijiSettings, _earlier: Mapping[str, JobReport]) -> JobReport:
    done = _bridge("install", "uninstall")(value.target)
    line = f"FijiBridge is no longer in {done.place.root} ({len(done.removed)} files removed)"
    data = {
        "folder": str(done.place.root),
        "removed": list(done.removed),
        "kept": list(done.kept),
    }
    return JobReport(line=line, data=data, value=done, notes=_kept(done))


def _has_display() -> bool:
    return bool(os.environ.get("DISPLAY")) or sys.platform in {"win32", "darwin"}


def _script(value: FijiSettings, _earlier: Mapping[str, JobReport]) -> JobReport:
    notes: tuple[str, ...] = ()
    headless = value.headless
    if not headless and not _has_display():
        headless, notes = True, ("There is no display: the script ran without windows.",)
    given = dict(word.split("=", 1) for word in value.values)
    ran = _bridge("scripts", "run_script")(
        value.target, given, headless=headless, fiji=value.fiji_dir
    )
    data = {"script": value.target, "exit_code": ran.code, "log": ran.log}
    error = None
    if ran.code:
        error = BridgeError(ran.message)
        error.exit_code = ran.code
    return JobReport(line=ran.log.rstrip("\n"), data=data, value=ran, notes=notes, error=error)


def _commands(_earlier: Mapping[str, JobReport]) -> JobReport:
    from fijibridge.ops import OPERATIONS, operation

    found = [verb for verb in map(operation, OPERATIONS) if verb.menu]
    width = max(len(verb.menu) for verb in found)
    lines = [f"{verb.menu:{width}}  {verb.summary}" for verb in found]
    rows = [
        {
            "label": verb.menu,
            "verb": verb.name,
            "menu": f"Plugins > FijiBridge > {verb.menu}",
            "keys": [item.name for item in declared(verb.settings)],
        }
        for verb in found
    ]
    return JobReport(line="\n".join(lines), data={"commands": rows}, value=rows)


def _planned(value: FijiSettings, context: Context) -> dict[str, Any]:
    """Return what would be written, removed and kept."""
    if value.action == "install":
        asked = {"overwrite": context.options.overwrite}
        done = _bridge("install", "planned_install")(value.target, **asked)
    else:
        done = _bridge("install", "planned_uninstall")(value.target)
    found = {"folder": str(done.place.root), "kind": done.place.kind}
    for what in ("written", "removed", "kept"):
        if names := getattr(done, what):
            found[what] = list(names)
    return found


def _run(value: FijiSettings, context: Context) -> Plan:
    planned: dict[str, Any] = {}
    if value.action in ("install", "uninstall") and context.options.dry_run:
        planned = _planned(value, context)
    run: dict[str, Callable[[Mapping[str, JobReport]], JobReport]] = {
        "install": partial(_install, value, context),
        "uninstall": partial(_uninstall, value),
        "run": partial(_script, value),
        "commands": _commands,
    }
    title = f"fiji {value.action}"
    return Plan(jobs=(Job(title=title, run=run[value.action], planned=planned),))


OPERATION = Operation(
    name="fiji",
    menu="",
    summary="put the commands into a Fiji or ImageJ, run scripts in it, list the commands",
    settings=FijiSettings,
    run=_run,
    examples=(
        "fijibridge fiji install /path/to/Fiji.app",
        "fijibridge fiji run script.ijm --headless input=a.tif",
    ),
)
