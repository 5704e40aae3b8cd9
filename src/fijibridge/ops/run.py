"""``run FILE.json``: repeat what a settings file says."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from fijibridge import __version__
from fijibridge.errors import FormatError, SettingsError
from fijibridge.ops._kinds import PATH
from fijibridge.ops._operation import Operation
from fijibridge.ops._record import absolute, changed_sources, read_record
from fijibridge.ops._settings import from_mapping, setting, settings

if TYPE_CHECKING:
    from fijibridge.ops._operation import Context, Plan

__all__ = ["OPERATION", "RunSettings"]


@settings
class RunSettings:
    """Settings of ``run``."""

    file: str = setting(
        kind=PATH,
        metavar="FILE.json",
        positional=True,
        aliases=("input",),
        help="a NAME_settings.json, or a request {verb, settings}",
    )


def _resolve(value: RunSettings) -> tuple[Operation, Any, tuple[str, ...]]:
    from fijibridge.ops import operation

    path = Path(value.file)
    body = read_record(path)
    found = operation(body["verb"])
    if found.name == "run":
        raise SettingsError(f"{value.file!r} runs 'run', which would never end.")
    values = absolute(body, found.settings, path.parent.absolute())
    try:
        mine: Any = from_mapping(found.settings, values, where=found.name)
    except SettingsError as error:
        raise FormatError(
            f"{value.file!r} cannot be repeated: {error.message}", error.hint
        ) from error
    return found, mine, tuple(_differences(body, path))


def _run(value: RunSettings, context: Context) -> Plan:
    found, mine, _ = _resolve(value)
    return found.run(mine, context)


def _differences(body: dict[str, Any], path: Path) -> list[str]:
    notes = []
    made_by = body.get("fijibridge", __version__)
    if made_by != __version__:
        notes.append(f"recorded by fijibridge {made_by}, repeated by {__version__}")
    notes += [f"{name} has changed since it was recorded" for name in changed_sources(body, path)]
    return notes


OPERATION = Operation(
    name="run",
    menu="",
    summary="repeat a run from its settings file",
    settings=RunSettings,
    run=_run,
    resolve=_resolve,
    examples=("fijibridge run blobs_settings.json --overwrite",),
)
