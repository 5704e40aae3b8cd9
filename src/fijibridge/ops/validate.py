"""``validate FILE``: everything that is wrong with a file, at once."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from fijibridge.errors import FijiBridgeError, FormatError
from fijibridge.ops._inputs import check_sources, slabs
from fijibridge.ops._operation import JobReport, Operation
from fijibridge.ops.info import InfoSettings, describe, plan_files

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fijibridge.formats import Finding, Format, Kind, Location

__all__ = ["OPERATION", "findings"]

_KINDS: tuple[Kind, ...] = ("image", "table", "rois")
_SLAB = 64 << 20  # bytes read at once


def findings(path: str) -> list[Finding]:
    """Return everything that is wrong with a file, the worst first.

    Pixels, rows and ROIs are all read, so that a truncated file is found.

    Raises
    ------
    FormatError
        When the file is missing.
    """
    from fijibridge.formats import Finding, Location

    check_sources([path])
    where = Location.parse(path)
    found: dict[tuple[str, str], Finding] = {}
    for fmt in _knowing(where):
        for finding in fmt.validate(where) if fmt.validate is not None else ():
            found.setdefault((finding.severity, finding.message), finding)
    if not any(finding.severity == "error" for finding in found.values()):
        try:
            _read_all(path)
        except FijiBridgeError as error:
            found["error", error.message] = Finding("error", str(error))
    order = {"error": 0, "warning": 1, "note": 2}
    return sorted(found.values(), key=lambda finding: order[finding.severity])


def _knowing(where: Location) -> list[Format]:
    """Return the formats that know the file, each once."""
    from fijibridge.formats import format_for_reading

    known: dict[str, Format] = {}
    for kind in _KINDS:
        try:
            fmt = format_for_reading(where, kind)
        except FijiBridgeError:
            continue
        known[fmt.name] = fmt
    return list(known.values())


def _read_all(path: str) -> None:
    """Read a file once, whole; what it holds decides how."""
    from fijibridge.formats import open_image, read_rois, read_table

    kind = describe(path)["kind"]
    if kind == "table":
        read_table(path)
    elif kind == "rois":
        read_rois(path)
    elif kind in {"image", "labels"}:
        source = open_image(path)
        try:
            for region in slabs(source.spec.shape, source.spec.dtype.itemsize, _SLAB):
                source.read(region)
        finally:
            source.close()


def _job(path: str, _earlier: Mapping[str, JobReport]) -> JobReport:
    found = findings(path)
    lines = [f"{path}: {'nothing wrong' if not found else f'{len(found)} found'}"]
    lines += [f"  {finding.severity}: {finding.message}" for finding in found]
    data = {
        "valid": not any(finding.severity == "error" for finding in found),
        "findings": [{"severity": f.severity, "message": f.message} for f in found],
    }
    worst = next((f for f in found if f.severity == "error"), None)
    error = None if worst is None else FormatError(worst.message)
    return JobReport(line="\n".join(lines), data=data, value=found, error=error)


OPERATION = Operation(
    name="validate",
    menu="",
    summary="everything that is wrong with a file, at once",
    settings=InfoSettings,
    run=partial(plan_files, _job),
    examples=("fijibridge validate RoiSet.zip",),
)
