"""TrackMate's spot tables: comma-separated, four lines of headings, no edges."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np

from fijibridge.errors import FormatError
from fijibridge.formats._format import Format
from fijibridge.formats._location import Location
from fijibridge.formats._tracks.features import CENTER
from fijibridge.formats._tracks.files import of_file
from fijibridge.formats._tracks.graph import tracks_of
from fijibridge.model import ResultsTable, Tracks
from fijibridge.model._trackbuild import whole_column

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

__all__ = ["FORMAT", "read_csv"]


def read_csv(where: Location) -> Tracks:
    """Read a spot table of TrackMate: TRACK_ID, FRAME, positions, four lines of headings.

    Returns
    -------
    Tracks
        The table has no edges: spots of a TRACK_ID follow one another in time, and where a frame
        has several, each is linked to the nearest spot of the frame before. Labels are ID + 1.

    Raises
    ------
    FormatError
        When columns are missing.
    """
    from fijibridge.formats.csv import FORMATS

    read = FORMATS[0].read_table
    assert read is not None  # noqa: S101  # tables in text are read
    with of_file(where.path, "spot table of TrackMate"):
        table = read(Location(where.path))
        missing = [h for h in ("TRACK_ID", "FRAME") if h not in table]
        if missing:
            raise FormatError(
                f"{str(where.path)!r} has no column {missing[0]}.",
                "Export the spots table in TrackMate.",
            )
        frame = whole_column(_cells(table["FRAME"]), "FRAME", empty=-1)
        line = _cells(table["TRACK_ID"])
        node = _cells(table["ID"]) if "ID" in table else np.arange(len(frame))
        node = whole_column(node, "ID")
        xyz = np.stack(
            [
                np.nan_to_num(_cells(table[f"POSITION_{k}"]))
                if f"POSITION_{k}" in table
                else np.zeros(len(frame))
                for k in "XYZ"
            ],
            axis=1,
        )
        edges = node[_nearest_links(frame, line, xyz)]
        label = node - min(0, int(node.min()) if len(node) else 0) + 1
        known = {"tracked": np.isfinite(line)}
        tracks, _ = tracks_of(node, frame, label, edges, known)
        numbers = {h: v for h, v in table.columns.items() if v.dtype.kind in "biuf"}
        left = ("ID", "TRACK_ID", "FRAME", "LABEL", "TRACK_NAME", "TRACK_VISIBLE")
        kept = {h: v for h, v in numbers.items() if h not in left}
        for i, key in enumerate("XYZ"):
            if f"POSITION_{key}" in kept and (i < 2 or xyz[:, 2].any()):
                kept[f"{CENTER}_{i}"] = kept[f"POSITION_{key}"]
        ids = np.stack([frame, label], axis=1)
        return tracks.with_features(ResultsTable(kept, ids)) if kept else tracks


def _cells(values: np.ndarray) -> np.ndarray:
    """Return numbers; texts such as TrackMate's mark for "none" are NaN."""
    if values.dtype.kind in "biuf":
        return values.astype(np.float64)

    def one(text: Any) -> float:
        try:
            return float(text)
        except (TypeError, ValueError):
            return float("nan")

    return np.array([one(v) for v in values], np.float64)


def _nearest_links(frame: np.ndarray, line: np.ndarray, xyz: np.ndarray) -> np.ndarray:
    """Return (m, 2) rows (parent, child) inside each TRACK_ID."""
    rows = np.flatnonzero(np.isfinite(line))
    rows = rows[np.lexsort((frame[rows], line[rows]))]
    pairs: list[np.ndarray] = []
    bounds = np.flatnonzero(np.diff(line[rows])) + 1
    for part in np.split(rows, bounds) if len(rows) else []:
        cuts = np.flatnonzero(np.diff(frame[part])) + 1
        groups = np.split(part, cuts)
        if len(groups) == len(part):  # one spot a frame
            pairs.append(np.stack([part[:-1], part[1:]], axis=1))
            continue
        for before, now in itertools.pairwise(groups):
            gaps = np.linalg.norm(xyz[now][:, None] - xyz[before][None], axis=2)
            pairs.append(np.stack([before[gaps.argmin(axis=1)], now], axis=1))
    return np.concatenate(pairs) if pairs else np.empty((0, 2), np.int64)


def _sniff_csv(path: Path, head: bytes) -> bool:
    del path
    first = head.split(b"\n", 1)[0].strip().decode("utf-8", "replace").lstrip("\ufeff").split(",")
    return {"TRACK_ID", "FRAME"} <= {h.strip().strip('"') for h in first}


FORMAT = Format(
    name="trackmate spots",
    suffixes=(".csv",),
    title="a spot table of TrackMate",
    sniff=_sniff_csv,
    read_tracks=read_csv,
)
