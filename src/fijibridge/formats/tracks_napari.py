"""napari's tracks: a table ID, T, Z, Y, X, and the graph of parents beside it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from fijibridge.errors import FormatError
from fijibridge.formats._format import Format
from fijibridge.formats._location import Location
from fijibridge.formats._tracks.features import CENTER, positions
from fijibridge.formats._tracks.files import base_of, of_file, plain_path, staged_all
from fijibridge.formats._tracks.lost import lost
from fijibridge.model import ResultsTable, Tracks
from fijibridge.model._trackbuild import whole_column
from fijibridge.model.json_text import parse_json

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from fijibridge.formats._format import TrackOptions

__all__ = ["FORMAT", "layer_data", "read_tracks", "write_tracks"]

_HEAD = "ID,T,Z,Y,X"
_TABLE, _GRAPH = "_napari.csv", "_napari_graph.json"


def _paths(path: Path) -> Mapping[str, Path]:
    base = base_of(path, _TABLE, _GRAPH, ".csv")
    return {"table": plain_path(base, _TABLE), "graph": plain_path(base, _GRAPH)}


def _lost(tracks: Tracks) -> tuple[str, ...]:
    notes = ("labels: an object is known by its track; measurements other than centres",)
    return (*notes, *lost(tracks, "track gaps features labels"))


def layer_data(tracks: Tracks) -> tuple[np.ndarray, dict[int, list[int]]]:
    """Return (data, graph) for ``viewer.add_tracks(data, graph=graph)``.

    Parameters
    ----------
    tracks
        With centres in pixels.

    Returns
    -------
    data
        (n, 5) track, t, z, y, x, sorted by track, then t.
    graph
        Track -> the track it comes from, in a list.
    """
    rows = np.flatnonzero(tracks.tracked)
    rows = rows[np.argsort(tracks.track[rows], kind="stable")]
    places = positions(tracks, "napari")[rows]
    data = np.column_stack([tracks.track[rows], tracks.t[rows], places[:, ::-1]])
    listed = tracks.list
    graph = {int(a): [int(b)] for a, b in zip(listed.track, listed.parent, strict=True) if b}
    return data, graph


def write_tracks(where: Location, tracks: Tracks, options: TrackOptions) -> None:
    """Write ``NAME_napari.csv`` and ``NAME_napari_graph.json``, see `layer_data`."""
    data, graph = layer_data(tracks)
    with staged_all(_paths(where.path), overwrite=options.overwrite) as parts:
        with parts["table"].open("w", encoding="ascii", newline="") as file:
            file.write(_HEAD + "\n")
            file.writelines(
                f"{int(i)},{int(t)},{z!r},{y!r},{x!r}\n" for i, t, z, y, x in data.tolist()
            )
        parts["graph"].write_text(json.dumps(graph) + "\n", encoding="ascii")


def read_tracks(where: Location) -> Tracks:
    """Read a table of napari's tracks, and the graph where it is there.

    Returns
    -------
    Tracks
        Labels are the numbers of the tracks.

    Raises
    ------
    FormatError
        One error for all faults, the first ten by name.
    """
    from fijibridge.formats.csv import FORMATS

    paths = _paths(where.path)
    read = FORMATS[0].read_table
    assert read is not None  # noqa: S101  # tables in text are read
    with of_file(where.path, "table of napari's tracks"):
        table = read(Location(paths["table"] if paths["table"].exists() else where.path))
        track = whole_column(table["ID"], "ID")
        shift = 1 if len(track) and track.min() == 0 else 0
        graph = _read_graph(paths["graph"])
        parent = np.array([graph.get(i, -shift) + shift for i in track.tolist()], np.int64)
        frame = whole_column(table["T"], "T", empty=-1)
        tracks = Tracks.from_track_ids(frame, track + shift, track + shift, parent)
        ids = np.stack([frame, track + shift], axis=1)
        axes = "XYZ" if "Z" in table and np.any(np.asarray(table["Z"]) != 0) else "XY"
        columns = {f"{CENTER}_{i}": table[k] for i, k in enumerate(axes)}
        return tracks.with_features(ResultsTable(columns, ids))


def _read_graph(path: Path) -> dict[int, int]:
    if not path.exists():
        return {}
    body: Any = parse_json(path.read_bytes())
    found: dict[int, int] = {}
    for child, parents in body.items():
        several = parents if isinstance(parents, list) else [parents]
        if len(several) > 1:
            raise FormatError(f"track {child} has {len(several)} parents: {several[:10]}.")
        if several:
            found[int(child)] = int(several[0])
    return found


def _sniff(path: Path, head: bytes) -> bool:
    del path
    return head.split(b"\n", 1)[0].strip().upper() in (_HEAD.encode(), b"ID,T,Y,X")


FORMAT = Format(
    name="napari",
    suffixes=(_TABLE,),
    title="a table of napari's tracks",
    sniff=_sniff,
    read_tracks=read_tracks,
    write_tracks=write_tracks,
    track_paths=_paths,
    lost_tracks=_lost,
    track_needs=frozenset({"features"}),
)
