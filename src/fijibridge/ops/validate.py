"""``validate FILE``: everything that is wrong with a file, at once."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from fijibridge.errors import FijiBridgeError, FormatError
from fijibridge.ops._inputs import check_sources, slabs
from fijibridge.ops._kinds import PATHS
from fijibridge.ops._operation import JobReport, Operation, Plan
from fijibridge.ops._settings import setting, settings
from fijibridge.ops.info import InfoSettings, describe, plan_files

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fijibridge.formats import Finding, Format, Kind, Location
    from fijibridge.ops._operation import Context

__all__ = ["OPERATION", "ValidateSettings", "findings"]

_KINDS: tuple[Kind, ...] = ("image", "table", "rois")
_SLAB = 64 << 20  # bytes read at once


@settings
class ValidateSettings:
    """Settings of ``validate``."""

    input: tuple[str, ...] = setting(
        kind=PATHS,
        metavar="FILE",
        positional=True,
        aliases=("file", "files"),
        help="files or stores; the path may go on inside (a.h5/raw)",
    )
    full: bool = setting(
        default=False,
        help="compare every sample of a pyramid's levels with the finer level, not some boxes",
    )

    def check(self) -> None:
        """Refuse an empty list."""
        InfoSettings(input=self.input).check()


def findings(path: str, *, full: bool = False) -> list[Finding]:
    """Return everything that is wrong with a file, the worst first.

    Pixels, rows and ROIs are all read, so that a truncated file is found.

    Parameters
    ----------
    path
        The file.
    full
        Of a pyramid, compare every sample of each level with the finer one.

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
            for finding in _levels(where, full=full):
                found.setdefault((finding.severity, finding.message), finding)
        except FijiBridgeError as error:
            found["error", error.message] = Finding("error", str(error))
    order = {"error": 0, "warning": 1, "note": 2}
    return sorted(found.values(), key=lambda finding: order[finding.severity])


def _levels(where: Location, *, full: bool) -> list[Finding]:
    """Return the levels of a Zarr store that do not follow from the finer one."""
    if not any(fmt.name == "ome-zarr" for fmt in _knowing(where)):
        return []
    from fijibridge.patch.follow import level_findings

    return level_findings(where, full=full)


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


def _job(full: bool, path: str, _earlier: Mapping[str, JobReport]) -> JobReport:  # bound by `_run`
    found = findings(path, full=full)
    lines = [f"{path}: {'nothing wrong' if not found else f'{len(found)} found'}"]
    lines += [f"  {finding.severity}: {finding.message}" for finding in found]
    data = {
        "valid": not any(finding.severity == "error" for finding in found),
        "findings": [{"severity": f.severity, "message": f.message} for f in found],
    }
    worst = next((f for f in found if f.severity == "error"), None)
    error = None if worst is None else FormatError(worst.message)
    return JobReport(line="\n".join(lines), data=data, value=found, error=error)


def _run(value: ValidateSettings, context: Context) -> Plan:
    return plan_files(partial(_job, value.full), InfoSettings(input=value.input), context)


OPERATION = Operation(
    name="validate",
    menu="",
    summary="everything that is wrong with a file, at once",
    settings=ValidateSettings,
    run=_run,
    examples=("fijibridge validate RoiSet.zip", "fijibridge validate big.ome.zarr --full"),
)
