"""ilastik's tracking plug-in H5-Event-Sequence: a folder with one HDF5 file a frame."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from fijibridge.errors import FormatError
from fijibridge.formats._format import Format
from fijibridge.formats._hdf5.read import open_file
from fijibridge.formats._tracks.files import of_file, staged_all
from fijibridge.formats._tracks.frames import label_frames, rows_by_frame
from fijibridge.formats._tracks.graph import tracks_of
from fijibridge.formats._tracks.lost import lost
from fijibridge.model import Axes, ImageSpec, Region
from fijibridge.model._links import Faults, Keys

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from fijibridge.formats._format import TrackOptions
    from fijibridge.formats._location import Location
    from fijibridge.model import Tracks

__all__ = ["FORMAT", "open_labels", "read_tracks", "write_tracks"]

_NAME = re.compile(r"(\d{5,9})\.h5", re.IGNORECASE)
_FORMATS = {
    "Moves": "from (previous file), to (current file)",
    "Splits": "ancestor (previous file), descendant (current file), descendant (current file)",
    "Mergers": "descendant (current file), number of objects",
    "MultiFrameMoves": "from (given by timestep), to (current file), timestep",
}
_COLUMNS = {"Moves": 2, "Splits": 3, "Mergers": 2, "MultiFrameMoves": 3, "Appearances": 1}
_MAX_EVENTS = 1 << 28


def _paths(path: Path) -> Mapping[str, Path]:
    return {"folder": path}


def _lost(tracks: Tracks) -> tuple[str, ...]:
    linked = np.zeros(len(tracks), bool)
    has = tracks.link >= 0
    linked[has] = True
    linked[tracks.link[has]] = True
    alone = int(np.count_nonzero(tracks.tracked & ~linked & (tracks.count <= 1)))
    notes = []
    if alone:
        word = "track of one object is" if alone == 1 else "tracks of one object are"
        notes.append(f"{alone} {word} not said: readers take such objects for not tracked")
    many = int(np.count_nonzero(tracks.children > 2))
    if many:
        word = "division" if many == 1 else "divisions"
        notes.append(f"{many} {word} into more than two: Splits names two, Moves all of them")
    few = np.count_nonzero(tracks.count < 1)
    if few:
        notes.append(f"{few} objects counted as less than one")
    return (*notes, *lost(tracks, "untracked count gaps labels"))


def write_tracks(where: Location, tracks: Tracks, options: TrackOptions) -> None:
    """Write ``00000.h5``, ``00001.h5``, …: labels, objects, and what happened since the last frame.

    Parameters
    ----------
    where
        The folder.
    tracks
        ``tracking/Moves`` (from, to), ``Splits`` (parent, child, child), ``Mergers`` (label, number
        of objects) and, over gaps, ``MultiFrameMoves`` (from, to, frame of from); int32, tables
        without rows are not written.
    options
        ``labels``; ``overwrite``.

    Source
    ------
    ilastik plugins_default/tracking_h5_event_export.py before June 2026 (behaviour only).
    """
    import h5py

    frames = label_frames(tracks, options, "H5-Event-Sequence")
    with staged_all(_paths(where.path), overwrite=options.overwrite) as parts:
        parts["folder"].mkdir()
        for t, rows in rows_by_frame(tracks, len(frames)):
            frame = frames.read(t, "xyz")
            with h5py.File(parts["folder"] / f"{t:05d}.h5", "w") as file:
                file.create_dataset(
                    "segmentation/labels", data=frame[None, ..., None], compression="gzip"
                )
                ids = tracks.label[rows].astype(np.uint32)
                file.create_dataset("objects/meta/id", data=ids)
                file.create_dataset("objects/meta/valid", data=np.ones(len(ids), np.uint32))
                group = file.create_group("tracking")
                for name, table in _events(tracks, rows).items():
                    if len(table):
                        dataset = group.create_dataset(name, data=table.astype(np.int32))
                        dataset.attrs["Format"] = _FORMATS[name]


def _events(tracks: Tracks, rows: slice) -> dict[str, np.ndarray]:
    """Return the tables of one frame."""
    mine = np.arange(rows.start, rows.stop)
    mine = mine[tracks.link[mine] >= 0]
    before = tracks.link[mine]
    order = np.lexsort((mine, before))
    mine, before = mine[order], before[order]
    label = tracks.label
    near = tracks.t[mine] - tracks.t[before] == 1
    moves = np.stack([label[before[near]], label[mine[near]]], axis=1)
    far = ~near
    leaps = np.stack([label[before[far]], label[mine[far]], tracks.t[before[far]]], axis=1)
    parents, first = np.unique(before[near], return_index=True)
    divides = (tracks.children[parents] > 1) & (
        np.append(first[1:], int(near.sum())) - first > 1 if len(first) else False
    )
    at = first[divides] if len(first) else first
    young = mine[near]
    splits = np.stack([label[parents[divides]], label[young[at]], label[young[at + 1]]], axis=1)
    here = np.arange(rows.start, rows.stop)
    merged = here[tracks.count[here] > 1]
    mergers = np.stack([label[merged], tracks.count[merged]], axis=1)
    return {"Moves": moves, "Splits": splits, "Mergers": mergers, "MultiFrameMoves": leaps}


def _files(path: Path) -> dict[int, Path]:
    found = {}
    for file in path.iterdir():
        match = _NAME.fullmatch(file.name)
        if match:
            found[int(match[1])] = file
    return found


def _all_files(path: Path) -> list[Path]:
    found = _files(path)
    if not found:
        raise FormatError(f"{str(path)!r} holds no files named 00000.h5, 00001.h5, …")
    faults = Faults()
    missing = max(found) + 1 - len(found)
    faults.add((f"frame {t} is missing" for t in range(max(found)) if t not in found), missing)
    faults.check("The events")
    return [found[t] for t in range(len(found))]


def _table(file: Any, name: str, columns: int) -> np.ndarray:
    dataset = file.get(name)
    if dataset is None:
        return np.empty((0, columns), np.int64)
    shape = getattr(dataset, "shape", None)
    if shape is None or dataset.dtype.kind not in "iu" or dataset.size > _MAX_EVENTS:
        raise FormatError(f"{name!r} is no table of whole numbers.")
    if dataset.size == 0:
        return np.empty((0, columns), np.int64)
    if dataset.size % columns or (dataset.ndim == 2 and shape[1] != columns) or dataset.ndim > 2:
        raise FormatError(f"{name!r} has the shape {shape}; it has {columns} columns.")
    found: np.ndarray = np.asarray(dataset[()]).astype(np.int64).reshape(-1, columns)
    return found


def read_tracks(where: Location) -> Tracks:
    """Read a folder of events.

    Returns
    -------
    Tracks
        Numbered anew, as ilastik numbers. Objects that nothing happens to are not tracked.

    Raises
    ------
    FormatError
        One error for all faults, the first ten by name: missing frames, events of labels that are
        not in their frame, two parents.
    """
    with of_file(where.path, "H5-Event-Sequence"):
        paths = _all_files(where.path)
        ids, pairs, merged, begun = [], [], [], []
        for t, path in enumerate(paths):
            with open_file(path) as file:
                label = _table(file, "objects/meta/id", 1)[:, 0]
                ids.append(np.stack([np.full(len(label), t), np.sort(label)], axis=1))
                tables = {k: _table(file, f"tracking/{k}", n) for k, n in _COLUMNS.items()}
            splits = tables["Splits"]
            near = np.concatenate([tables["Moves"], splits[:, :2], splits[:, [0, 2]]])
            far = tables["MultiFrameMoves"]
            pairs.append(np.stack([np.full(len(near), t - 1), near[:, 0], *_to(near, t)], axis=1))
            pairs.append(np.stack([far[:, 2], far[:, 0], *_to(far, t)], axis=1))
            merged.append(np.insert(tables["Mergers"], 0, t, axis=1))
            begun.append(np.insert(tables["Appearances"], 0, t, axis=1))
        return _tracks(
            np.concatenate(ids),
            np.unique(np.concatenate(pairs), axis=0),
            np.concatenate(merged),
            np.concatenate(begun),
            len(paths),
        )


def _to(table: np.ndarray, t: int) -> tuple[np.ndarray, np.ndarray]:
    return np.full(len(table), t), table[:, 1]


def _tracks(
    ids: np.ndarray, pairs: np.ndarray, merged: np.ndarray, begun: np.ndarray, frames: int
) -> Tracks:
    faults = Faults()
    keys = Keys(ids)
    rows = []
    for named in (pairs[:, :2], pairs[:, 2:], merged[:, :2], begun):
        at = keys.rows(named)
        lost_ = named[at < 0]
        faults.add((f"label {v} is not in frame {t}" for t, v in lost_.tolist()), len(lost_))
        rows.append(at)
    faults.check("The events")
    count = np.ones(len(ids), np.int64)
    count[rows[2]] = merged[:, 2]
    tracked = count > 1
    tracked[rows[3]] = True
    edges = np.stack([rows[0], rows[1]], axis=1)
    known = {"count": count, "tracked": tracked}
    node = np.arange(len(ids))
    return tracks_of(node, ids[:, 0], ids[:, 1], edges, known, frames=frames)[0]


class _Labels:
    """The labels of a folder as one image txyz, read frame by frame."""

    def __init__(self, path: Path) -> None:
        self._paths = _all_files(path)
        with open_file(self._paths[0]) as file:
            first = self._dataset(file, self._paths[0])
            shape, dtype = first.shape, first.dtype
        axes = Axes.of("txyz", (len(self._paths), *shape[1:4]))
        self._spec = ImageSpec(axes=axes, dtype=dtype, role="labels", name=path.name)

    @staticmethod
    def _dataset(file: Any, path: Path) -> Any:
        found = file.get("segmentation/labels")
        shape: tuple[int, ...] = getattr(found, "shape", ())
        if len(shape) != 5 or shape[0] != 1 or shape[4] != 1 or found.dtype.kind not in "iu":
            raise FormatError(
                f"{str(path)!r} holds no segmentation/labels of one frame and channel, txyzc."
            )
        return found

    @property
    def spec(self) -> ImageSpec:
        return self._spec

    def read(self, region: Region) -> np.ndarray:
        time, *space = region.slices
        out = np.empty(region.shape, self._spec.dtype)
        for i, path in enumerate(self._paths[time]):
            with open_file(path) as file:
                dataset = self._dataset(file, path)
                if dataset.shape[1:4] != self._spec.shape[1:]:
                    raise FormatError(f"{str(path)!r} has another size than the first frame.")
                out[i] = dataset[0][..., 0][tuple(space)]
        return out

    def close(self) -> None:
        """Nothing is open."""


def open_labels(where: Location) -> Any:
    """Open the labels of a folder as one label image txyz."""
    with of_file(where.path, "H5-Event-Sequence"):
        return _Labels(where.path)


def _sniff(path: Path, head: bytes) -> bool:
    if head or not path.is_dir():
        return False
    try:
        return bool(_files(path))
    except OSError:
        return False


FORMAT = Format(
    name="h5-event-sequence",
    suffixes=(),
    title="ilastik's H5-Event-Sequence",
    sniff=_sniff,
    read_tracks=read_tracks,
    write_tracks=write_tracks,
    track_paths=_paths,
    lost_tracks=_lost,
    track_labels=open_labels,
    track_needs=frozenset({"labels"}),
    folder=True,
)
