"""``--export_source Plugin`` of tracking projects, for layouts that ilastik itself has not.

ilastik computes (twice: the label images, and its CSV-Table of them), the writers of ``tracks``
write. What ilastik writes itself (`OWN`) is left to it, in one run.
"""

from __future__ import annotations

import dataclasses
import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fijibridge.errors import FormatError, SettingsError
from fijibridge.ops._ilastik_engine import ROLES, Folder, command_of, run_ilastik
from fijibridge.ops._operation import Job, JobReport, Plan
from fijibridge.ops._track_api import find_plugin, measured_tracks, plugins

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fijibridge.formats import Format
    from fijibridge.ops._ilastik_words import IlastikSettings
    from fijibridge.ops._operation import Context

__all__ = ["OWN", "plan_tracks"]

#: Plug-ins that today's ilastik has.
OWN = (
    *("CSV-Table", "CellTrackingChallenge", "Contours", "Contours-With-Head"),
    *("Multi-Worm-Tracker", "Fiji-MaMuT"),
)
_TABLE, _LABELS = "CSV-Table", "Object-Identities"


def plan_tracks(
    program: str, values: Sequence[Any], value: IlastikSettings, context: Context
) -> Plan | None:
    """Return the plan of writing tracks; None when that is ilastik's own affair.

    Parameters
    ----------
    program
        The ilastik that computes them.
    values
        Paths, or images in memory.
    value
        The settings.
    context
        The options.
    """
    name = (value.export_plugin or "").strip()
    ours = {known.lower() for known in plugins()} - {own.lower() for own in OWN}
    if value.export_source.lower() != "plugin" or name.lower() not in ours:
        return None
    spelled, fmt = find_plugin(name)
    jobs, used = [], set[str]()
    for i, one in enumerate(values):
        base = _base(one, i, value, spelled)
        assert fmt.track_paths is not None  # noqa: S101  # all that write tracks have it
        targets = {what: str(path) for what, path in fmt.track_paths(Path(base)).items()}
        first = next(iter(targets.values()))
        if first in used:
            raise SettingsError(
                f"The tracks of several inputs would be written to {first!r}.",
                "Put {nickname} or {index} into --output_filename_format.",
            )
        used.add(first)
        alone = _alone(value, i, len(values))
        title = os.fspath(one) if isinstance(one, (str, os.PathLike)) else f"image {i}"
        planned: dict[str, Any] = {}
        if context.options.dry_run:
            asked = dataclasses.replace(alone, export_source=_LABELS, export_plugin=None)
            planned["command"] = " ".join(command_of(program, asked, [title], "{nickname}.h5"))
        write = partial(_write, program, one, alone, fmt, first, context)
        jobs.append(Job(title=title, run=write, targets=targets, planned=planned))
    note = f"ilastik itself computes the tracks, in two runs: {program}"
    return Plan(jobs=tuple(jobs), notes=(note,))


def _base(one: Any, number: int, value: IlastikSettings, spelled: str) -> str:
    from fijibridge.export.naming import expand
    from fijibridge.export.places import name_of

    name = name_of(one, number, exact=False)
    pattern = os.path.expanduser(value.output_filename_format)  # noqa: PTH111
    return os.path.abspath(expand(pattern, name, spelled, {}, exact=False))  # noqa: PTH100


def _alone(value: IlastikSettings, number: int, count: int) -> IlastikSettings:
    """Return the settings for one of several inputs."""
    lists = {role: getattr(value, role) for role in ROLES}
    mine: dict[str, Any] = {}
    for role, given in lists.items():
        mine[role] = (given[number],) if len(given) == count else given
    return dataclasses.replace(value, **mine)


def _write(
    program: str,
    one: Any,
    value: IlastikSettings,
    fmt: Format,
    target: str,
    context: Context,
    _earlier: Mapping[str, JobReport],
) -> JobReport:
    from fijibridge.formats import Location, TrackOptions
    from fijibridge.ops._track_input import open_movie

    quiet = context.options.quiet or context.options.json
    asked = dataclasses.replace(value, export_source=_LABELS, export_plugin=None)
    made = run_ilastik(program, asked, [one], quiet=quiet)[0]
    folder = Folder()
    table = dataclasses.replace(
        value,
        export_source="Plugin",
        export_plugin=_TABLE,
        output_filename_format=f"{folder.path}/{{nickname}}",
    )
    run_ilastik(program, table, [one], quiet=quiet)
    found = sorted(Path(folder.path).glob("*.csv"))
    if len(found) != 1:
        raise FormatError(
            f"ilastik ended well but wrote {len(found)} tables of {made.input!r}; one is expected.",
            f"Look at what it says of --export_plugin={_TABLE}.",
        )
    labels, raw = open_movie(made.result), None
    try:
        wants = "features" in fmt.track_needs
        raw = open_movie(one, axes=(value.input_axes or "").partition(",")[0] or None)
        tracks = measured_tracks(str(found[0]), labels, raw, measure=wants)
        options = TrackOptions(
            overwrite=context.options.overwrite,
            labels=labels,
            raw=raw,
            big_data_viewer=value.big_data_viewer_xml_file or "",
            compat=value.compat is not None,
        )
        assert fmt.write_tracks is not None  # noqa: S101  # find_plugin chose it
        fmt.write_tracks(Location(Path(target)), tracks, options)
    finally:
        for source in (labels, raw):
            if source is not None:
                source.close()
    lost = () if fmt.lost_tracks is None else fmt.lost_tracks(tracks)
    notes = tuple(f"{fmt.title} cannot hold: {said}" for said in lost)
    data = {"objects": len(tracks), "tracks": len(tracks.list)}
    line = f"{made.input}: {data['objects']} objects, {data['tracks']} tracks"
    return JobReport(line=line, data=data, notes=notes, value=tracks)
