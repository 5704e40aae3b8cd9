"""``info FILE``: what a file holds."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any

from fijibridge.errors import FijiBridgeError, FormatError, SettingsError, UnsupportedError
from fijibridge.ops._inputs import check_sources, glob_paths
from fijibridge.ops._kinds import PATHS
from fijibridge.ops._operation import Job, JobReport, Operation, Plan
from fijibridge.ops._settings import setting, settings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from fijibridge.formats import Location
    from fijibridge.model import ImageSpec
    from fijibridge.ops._operation import Context

__all__ = ["OPERATION", "InfoSettings", "plan_files"]


@settings
class InfoSettings:
    """Settings of ``info`` and ``validate``."""

    input: tuple[str, ...] = setting(
        kind=PATHS,
        metavar="FILE",
        positional=True,
        aliases=("file", "files"),
        help="files or stores; the path may go on inside (a.h5/raw)",
    )

    def check(self) -> None:
        """Refuse an empty list."""
        if not self.input:
            raise SettingsError("No file is named.", "Name one: fijibridge info FILE")


def _image_facts(spec: ImageSpec) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "kind": "labels" if spec.role == "labels" else "image",
        "axes": spec.axes.keys,
        "shape": list(spec.shape),
        "dtype": str(spec.dtype),
        "role": spec.role,
        "pixel_size": {a.key: a.scale for a in spec.axes if a.key != "c"},
        "unit": {a.key: a.unit for a in spec.axes if a.key != "c"},
        "bytes": spec.nbytes,
    }
    if spec.scales:
        facts["levels"] = [
            {"name": level.name, "shape": list(level.axes.shape)} for level in spec.scales
        ]
    if spec.extra.channel_names:
        facts["channels"] = list(spec.extra.channel_names)
    if spec.extra.overlay is not None:
        facts["overlay_rois"] = len(spec.extra.overlay)
    return facts


def _image(where: Location) -> dict[str, Any]:
    from fijibridge.formats import open_image

    source = open_image(where)
    try:
        return _image_facts(source.spec)
    finally:
        source.close()


def _table(where: Location) -> dict[str, Any]:
    from fijibridge.formats import read_table

    table = read_table(where)
    return {
        "kind": "table",
        "rows": len(table),
        "columns": list(table.headings),
        "units": dict(table.units),
    }


def _rois(where: Location) -> dict[str, Any]:
    from collections import Counter

    from fijibridge.formats import read_rois

    rois = read_rois(where)
    kinds = Counter(roi.kind for roi in rois)
    return {"kind": "rois", "rois": len(rois), "kinds": dict(sorted(kinds.items()))}


def describe(path: str) -> dict[str, Any]:
    """Return what a file holds, as JSON values.

    Raises
    ------
    FormatError
        When the file is missing, broken, or in no known format.
    """
    from fijibridge.formats import Location, format_for_reading

    where = Location.parse(path)
    failure: FijiBridgeError | None = None
    facts: dict[str, Any] = {}
    for kind, look in (("image", _image), ("table", _table), ("rois", _rois)):
        try:
            fmt = format_for_reading(where, kind)  # type: ignore[arg-type]  # one of the kinds
        except FijiBridgeError as error:
            failure = failure or error
            continue
        facts.setdefault("format", fmt.name)
        facts.setdefault("title", fmt.title)
        try:
            if fmt.describe is not None:
                facts.setdefault("details", fmt.describe(where))
            found = look(where)
        except FijiBridgeError as error:
            # a container without a path inside: what it lists is the answer
            failure = error if failure is None or isinstance(failure, UnsupportedError) else failure
            continue
        return {**found, **facts}
    # a broken image, or a place that is not there, is no container
    if facts.get("details") and _asks_which(failure, inside=bool(where.inner)):
        return {"kind": "container", **facts}
    raise failure or FormatError(f"{path!r} is in no format that is known here.")


def _asks_which(failure: FijiBridgeError | None, *, inside: bool) -> bool:
    """Return whether only the choice of one of several is missing; inside, there must be some."""
    if not isinstance(failure, FormatError):
        return not inside
    return bool(re.search(r"holds \d+" if inside else r"holds (\d+|no image)", failure.message))


def _line(path: str, facts: Mapping[str, Any]) -> str:
    lines = [f"{path}: {facts.get('title', facts.get('format', ''))}"]
    for key, value in facts.items():
        if key in {"format", "title", "details"} or value in ({}, []):
            continue
        lines.append(f"  {key:<12} {_text(value)}")
    details = facts.get("details")
    if isinstance(details, dict):
        lines += [
            f"  {key:<12} {_text(value)}"
            for key, value in details.items()
            if value and key not in facts
        ]
    return "\n".join(lines)


def _text(value: Any) -> str:
    if isinstance(value, dict):
        shown = ", ".join(f"{k} {_text(v)}" for k, v in value.items())
    elif isinstance(value, (list, tuple)):
        shown = " x ".join(map(_text, value)) if _numbers(value) else ", ".join(map(_text, value))
    elif isinstance(value, float):
        shown = f"{value:g}"
    else:
        shown = str(value)
    return shown if len(shown) <= 300 else shown[:297] + "..."


def _numbers(value: Any) -> bool:
    return all(isinstance(item, int) for item in value)


def _job(path: str, _earlier: Mapping[str, JobReport]) -> JobReport:
    facts = describe(path)
    return JobReport(line=_line(path, facts), data=facts, value=facts)


def plan_files(
    job: Callable[[str, Mapping[str, JobReport]], JobReport], value: InfoSettings, _context: Context
) -> Plan:
    """Plan one job per file."""
    paths = [one for path in value.input for one in glob_paths(path)]
    if len(paths) == 1:
        check_sources(paths)
    return Plan(jobs=tuple(Job(title=p, run=partial(job, p), sources=(p,)) for p in paths))


OPERATION = Operation(
    name="info",
    menu="",
    summary="what a file holds: axes, sizes, units, tables, ROIs",
    settings=InfoSettings,
    run=partial(plan_files, _job),
    examples=("fijibridge info stack.tif", "fijibridge info a.h5 --json"),
)
