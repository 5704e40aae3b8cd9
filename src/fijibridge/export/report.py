"""What a batch did, for people: a table for the terminal and a page with thumbnails."""

from __future__ import annotations

import base64
import io
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fijibridge.errors import FijiBridgeError
from fijibridge.formats import open_image, staged
from fijibridge.model import Image, Region
from fijibridge.model._html import png_bytes, thumbnail

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["bytes_text", "seconds_text", "summary_table", "write_page"]

_FILES = 3  # files of one output that are named on the page
_LOOK = 2048  # samples along y and x that a thumbnail is made of


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


def seconds_text(seconds: float | None) -> str:
    """Return a time for people.

    Examples
    --------
    >>> seconds_text(0.0123), seconds_text(75), seconds_text(7300), seconds_text(None)
    ('0.01 s', '1 min 15 s', '2 h 01 min', '')
    """
    if seconds is None:
        return ""
    if seconds < 60:
        return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def _what(row: Mapping[str, Any]) -> str:
    if "shape" not in row:
        return ""
    files = f", {row['count']} files" if row.get("count", 1) > 1 else ""
    sizes = " x ".join(map(str, row["shape"]))
    return f"{row['format']}: {row['axes']} {sizes} {row['dtype']}{files}"


def summary_table(rows: Sequence[Mapping[str, Any]], *, width: int = 100) -> str:
    """Return a table over all inputs as text.

    Parameters
    ----------
    rows
        One an output: ``title``, ``state``, and of those that are done ``format``, ``axes``,
        ``shape``, ``dtype``, ``bytes``, ``seconds``, ``saturated``; of those that failed ``error``.
    width
        Letters a line.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("input", "state", "output"):
        table.add_column(heading, overflow="fold")
    for heading in ("size", "time", "saturated"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        said = row.get("error") or _what(row)
        size = bytes_text(row["bytes"]) if "bytes" in row else ""
        cells = (row["title"], row["state"], said, size, seconds_text(row.get("seconds")))
        table.add_row(*(Text(str(cell)) for cell in cells), Text(str(row.get("saturated") or "")))
    out = io.StringIO()
    Console(file=out, width=width, color_system=None, legacy_windows=False).print(table)
    return "\n".join(line.rstrip() for line in out.getvalue().strip("\n").splitlines())


def write_page(
    path: str,
    rows: Sequence[Mapping[str, Any]],
    settings: Mapping[str, str],
    notes: Sequence[str] = (),
) -> None:
    """Write the page of a batch; an older one is replaced. It needs no other file.

    Parameters
    ----------
    path
        Target.
    rows
        As of `summary_table`, with ``files`` and ``notes``.
    settings
        Name -> text of the settings that were given.
    notes
        What a user should know of the whole run.

    Raises
    ------
    SettingsError
        When it cannot be written.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    from fijibridge import __version__

    loader = PackageLoader("fijibridge.export")
    pages = Environment(loader=loader, autoescape=True, undefined=StrictUndefined)
    states = [row["state"] for row in rows]
    text = pages.get_template("report.html").render(
        title="Export",
        version=__version__,
        date=datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z"),
        done=states.count("done"),
        failed=states.count("failed"),
        skipped=len(states) - states.count("done") - states.count("failed"),
        bytes=bytes_text(sum(row.get("bytes", 0) for row in rows)),
        seconds=seconds_text(_total(rows)),
        failures=[{"hint": "", **row} for row in rows if row["state"] == "failed"],
        outputs=[_shown(row) for row in rows if row["state"] != "failed"],
        settings=settings,
        notes=notes,
    )
    with staged(Path(path), overwrite=True) as part:
        part.write_text(text, encoding="utf-8")


def _total(rows: Sequence[Mapping[str, Any]]) -> float:
    """Return all seconds; products of one input took theirs together."""
    found = {row["title"].partition(", product ")[0]: row.get("seconds") or 0.0 for row in rows}
    return sum(found.values())


def _shown(row: Mapping[str, Any]) -> dict[str, Any]:
    files = list(row.get("files", ()))
    seconds = row.get("seconds")
    speed = bytes_text(row["bytes"] / seconds) + "/s" if seconds and row.get("bytes") else ""
    return {
        "title": row["title"],
        "state": row["state"],
        "files": files[:_FILES],
        "more": max(0, len(files) - _FILES),
        "what": _what(row),
        "notes": row.get("notes", ()),
        "seconds": seconds_text(seconds),
        "speed": speed,
        "thumbnail": _thumbnail(files[len(files) // 2], row) if files else "",
        "alt": f"middle plane of {row['title']}",
    }


def _thumbnail(file: str, row: Mapping[str, Any]) -> str:
    """Return the middle of an output as base64 of a PNG, "" when it cannot be shown."""
    try:
        axes = row.get("axes") if file.endswith(".npy") else None
        source = open_image(file, axes=axes)
        try:
            return base64.b64encode(png_bytes(middle_plane(source))).decode()
        finally:
            source.close()
    except (FijiBridgeError, OSError):
        return ""


def middle_plane(source: Any) -> Any:
    """Return (y, x, 3) uint8 of the middle of an image, 256 x 256 at most."""
    spec = source.spec
    start, stop = [], []
    for axis in spec.axes:
        wanted = _LOOK if axis.key in "yx" else (axis.size if axis.key == "c" else 1)
        wanted = min(wanted, axis.size)
        first = (axis.size - wanted) // 2
        start.append(first)
        stop.append(first + wanted)
    region = Region(tuple(start), tuple(stop))
    axes = spec.axes.crop(region)
    return thumbnail(Image(source.read(region), replace(spec, axes=axes, scales=())))
