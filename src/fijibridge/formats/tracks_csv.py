"""ilastik's tracking plug-in CSV-Table: one row an object, ids first, then measurements."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fijibridge.formats._format import Format
from fijibridge.formats._location import Location
from fijibridge.formats._tracks.features import csv_heading, csv_order, plain_heading
from fijibridge.formats._tracks.files import base_of, of_file, plain_path, staged_all
from fijibridge.formats._tracks.lost import lost
from fijibridge.model import ResultsTable, Tracks
from fijibridge.model._trackbuild import whole_column

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from fijibridge.formats._format import TrackOptions

__all__ = ["FORMAT", "read_tracks", "write_tracks"]

_IDS = ("frame", "labelimageId", "trackId", "lineageId", "parentTrackId", "mergerLabelId")
#: ilastik prints measurements whose name says one of these as whole numbers.
_WHOLE = ("Number_of", "Center_of", "Bounding_Box")
#: Rows that are formatted at a time.
_ROWS = 10_000


def _paths(path: Path) -> Mapping[str, Path]:
    return {"table": plain_path(base_of(path, ".csv"), ".csv")}


def _lost(tracks: Tracks) -> tuple[str, ...]:
    return lost(tracks, "track lineage untracked merger features labels")


def division_parents(tracks: Tracks) -> np.ndarray:
    """Return (n,) the parent track of each track's first object, 0 = none or over a gap.

    ilastik keeps the parent of a division apart from that of a link over missing frames.
    """
    parent = tracks.parent
    rows = np.flatnonzero(parent > 0)
    link = tracks.link[rows]
    gap = tracks.t[rows] - tracks.t[link] > 1
    parent[rows[gap & (tracks.children[link] < 2)]] = 0
    return parent


def write_tracks(where: Location, tracks: Tracks, options: TrackOptions) -> None:
    """Write one row an object, sorted by frame and label.

    Parameters
    ----------
    where
        ``NAME.csv``, or the base name.
    tracks
        Objects of no track get -1. Measurements are the columns of ``features``, ilastik's own in
        ilastik's order; centres and bounding boxes are cut to whole numbers, others have six
        decimal places.
    options
        ``overwrite``.

    Source
    ------
    ilastik plugins_default/tracking_csv_export.py (behaviour only).
    """
    bare = ~tracks.tracked
    ids = [
        tracks.t,
        tracks.label,
        np.where(bare, -1, tracks.track),
        np.where(bare, -1, tracks.lineage),
        division_parents(tracks),
        tracks.merger,
    ]
    headings = list(_IDS)
    forms = ["%d"] * len(ids)
    columns: list[np.ndarray] = []
    for name in csv_order(tracks.features.headings):
        values = tracks.features[name]
        heading = csv_heading(name)
        whole = any(word in heading for word in _WHOLE) or heading == "Size_in_pixels"
        if values.dtype.kind not in "biuf":
            forms.append("%s")
        else:
            forms.append("%d" if whole else "%f")
            values = values.astype(np.float64)
            if whole:
                values = np.nan_to_num(values)
        headings.append(heading)
        columns.append(values)
    with staged_all(_paths(where.path), overwrite=options.overwrite) as parts:
        line = ",".join(forms) + "\n"
        with parts["table"].open("w", encoding="utf-8", newline="") as file:
            file.write(",".join(headings) + "\n")
            for start in range(0, len(tracks), _ROWS):
                part = [c[start : start + _ROWS].tolist() for c in (*ids, *columns)]
                file.write("".join([line % row for row in zip(*part, strict=True)]))


def read_tracks(where: Location) -> Tracks:
    """Read a CSV-Table.

    Returns
    -------
    Tracks
        Tracks 1 and less are objects of no track, as ilastik means it. The parent of a division is
        the last object of the named track before; measurements have ilastik's display names.

    Raises
    ------
    FormatError
        One error for all faults, the first ten by name.
    """
    from fijibridge.formats.csv import FORMATS

    read = FORMATS[0].read_table
    assert read is not None  # noqa: S101  # tables in text are read
    with of_file(where.path, "CSV-Table of ilastik"):
        table = read(Location(where.path))
        number = np.asarray(table["trackId"], np.float64)
        optional = {
            key: table[key] if key in table else np.zeros(len(table))
            for key in ("lineageId", "parentTrackId", "mergerLabelId")
        }
        tracks = Tracks.from_track_ids(
            table["frame"],
            table["labelimageId"],
            np.where(number <= 1, 0, number),
            optional["parentTrackId"],
            lineage=optional["lineageId"] if "lineageId" in table else None,
            merger=optional["mergerLabelId"],
        )
        columns = {plain_heading(h): v for h, v in table.columns.items() if h not in _IDS}
        if not columns:
            return tracks
        pair = (whole_column(table[h], h) for h in ("frame", "labelimageId"))
        ids = np.stack(list(pair), axis=1)
        return tracks.with_features(ResultsTable(columns, ids))


def _sniff(path: Path, head: bytes) -> bool:
    del path
    first = head.split(b"\n", 1)[0].strip().decode("utf-8", "replace").split(",")
    return {"frame", "labelimageId", "trackId"} <= set(first)


FORMAT = Format(
    name="csv-table",
    suffixes=(".csv",),
    title="ilastik's CSV-Table of tracks",
    sniff=_sniff,
    read_tracks=read_tracks,
    write_tracks=write_tracks,
    track_paths=_paths,
    lost_tracks=_lost,
)
