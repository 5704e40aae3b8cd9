"""A plan as data and as a table: for dry runs, dialogs, notebooks and other programs."""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fijibridge.export.plan import ExportPlan
    from fijibridge.model import Axes, ImageSpec

__all__ = ["bytes_text", "plan_html", "plan_json", "plan_lines", "plan_summary"]

_MOST_FILES = 20


def _number(value: float | None) -> float | str | None:
    """Return a JSON value: there are no NaN and infinities."""
    return value if value is None or math.isfinite(value) else str(value)


def _level_bytes(plan: ExportPlan) -> list[int]:
    itemsize = plan.output.dtype.itemsize
    return [math.prod(axes.shape) * itemsize for axes in plan.levels]


def plan_summary(plan: ExportPlan) -> dict[str, Any]:
    """Return what a dry run prints and a report holds.

    Returns
    -------
    JSON values: format; shape, axes and dtype of what is then found on disk (in each file of a
    sequence); range of the values, None where nobody knows; number of files; bytes of all pixels of
    the first level, uncompressed; bytes of memory; of a pyramid shape and bytes of every level.
    """
    spec = plan.output
    drange = spec.extra.drange
    out: dict[str, Any] = {
        "format": plan.format.name,
        "shape": list(spec.shape),
        "axes": spec.axes.keys,
        "dtype": str(spec.dtype),
        "range": None if drange is None else [_number(v) for v in drange],
        "count": len(plan.files),
        "bytes": plan.nbytes,
        "memory": plan.memory,
    }
    if plan.sequence_axis:
        out["along"] = plan.sequence_axis
    if plan.levels:
        out["levels"] = [list(axes.shape) for axes in plan.levels]
        out["level_bytes"] = _level_bytes(plan)
    return out


def _axes_json(axes: Axes) -> list[dict[str, Any]]:
    return [
        {"key": a.key, "size": a.size, "scale": a.scale, "unit": a.unit, "origin": a.origin}
        for a in axes
    ]


def _spec_json(spec: ImageSpec) -> dict[str, Any]:
    return {
        "shape": list(spec.shape),
        "axes": _axes_json(spec.axes),
        "dtype": str(spec.dtype),
        "role": spec.role,
    }


def plan_json(plan: ExportPlan) -> dict[str, Any]:
    """Return all of a plan as JSON values; the dialog and the notebook show the same."""
    region = plan.region
    out = {
        **plan_summary(plan),
        "files": list(plan.files),
        "source": {"name": plan.source.name, **_spec_json(plan.source)},
        "region": [list(region.start), list(region.stop)],
        "output": _spec_json(plan.output),
        "compat": plan.settings.compat,
        "warnings": list(plan.warnings),
    }
    if plan.levels:
        out["scales"] = [
            {"shape": list(axes.shape), "axes": _axes_json(axes), "bytes": nbytes}
            for axes, nbytes in zip(plan.levels, _level_bytes(plan), strict=True)
        ]
    return out


def bytes_text(count: float) -> str:
    """Return bytes for people.

    Examples
    --------
    >>> bytes_text(999), bytes_text(1536), bytes_text(5_000_000_000)
    ('999 B', '1.54 kB', '5 GB')
    """
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB" if count < 1000 else f"{count:.0f} TB"


def _sizes(axes: Axes) -> str:
    return " x ".join(f"{a.key} {a.size}" for a in axes)


def _calibration(axes: Axes) -> str:
    said = []
    for axis in axes:
        if axis.scale != 1.0 or axis.unit != "pixel":
            unit = "" if axis.unit == "pixel" else f" {axis.unit}"
            begin = f" from {axis.origin:g}" if axis.origin else ""
            said.append(f"{axis.key} {axis.scale:g}{unit}{begin}")
    return ", ".join(said)


def _rows(plan: ExportPlan) -> list[tuple[str, str]]:
    spec = plan.output
    cut = ", ".join(
        f"{axis.key} {a} to {b}"
        for axis, a, b in zip(plan.source.axes, plan.region.start, plan.region.stop, strict=True)
        if b - a != axis.size
    )
    drange = spec.extra.drange
    rows = [
        ("input", f"{plan.source.name}: {_sizes(plan.source.axes)}, {plan.source.dtype}"),
        ("part", cut or "all of it"),
        ("output", f"{_sizes(spec.axes)}, {spec.dtype}"),
        ("pixel size", _calibration(spec.axes)),
        ("range", "" if drange is None else f"{drange[0]:g} to {drange[1]:g}"),
        ("bytes", bytes_text(plan.nbytes)),
        ("memory", f"at most {bytes_text(plan.memory)}"),
    ]
    scales = zip(plan.levels, _level_bytes(plan), strict=True)
    rows += [
        (f"scale {i}", f"{_sizes(axes)}, {bytes_text(n)}") for i, (axes, n) in enumerate(scales)
    ]
    return [(key, text) for key, text in rows if text]


def _files(plan: ExportPlan) -> list[tuple[str, str]]:
    shown = plan.files[:_MOST_FILES]
    rows = [("file" if i == 0 else "", name) for i, name in enumerate(shown)]
    if len(plan.files) > len(shown):
        rows.append(("", f"and {len(plan.files) - len(shown)} more"))
    return rows


def plan_lines(plan: ExportPlan) -> dict[str, str]:
    """Return a plan as a dry run prints it, what -> text; the names of its files stand above."""
    spec = plan.output
    told = dict(_rows(plan))
    along = f" along {plan.sequence_axis}" if plan.sequence_axis else ""
    lines = {
        "format": plan.format.name,
        "part": told["part"],
        "shape": " x ".join(map(str, spec.shape)),
        "axes": spec.axes.keys,
        "dtype": str(spec.dtype),
        "pixel size": told.get("pixel size", ""),
        "range": told.get("range", "not known"),
        "files": f"{len(plan.files)}{along}",
        "bytes": told["bytes"],
        "memory": told["memory"],
    }
    lines |= {what: text for what, text in told.items() if what.startswith("scale ")}
    return {what: text for what, text in lines.items() if text}


def plan_html(plan: ExportPlan) -> str:
    """Return a plan as a notebook shows it."""
    cells = "".join(
        f"<tr><th style='text-align:left'>{escape(key)}</th>"
        f"<td style='text-align:left'>{escape(text)}</td></tr>"
        for key, text in [*_rows(plan), *_files(plan)]
    )
    notes = "".join(f"<p><b>Warning:</b> {escape(text)}</p>" for text in plan.warnings)
    title = f"Export as {escape(plan.format.name)}"
    return f"<div><b>{title}</b><table>{cells}</table>{notes}</div>"
