"""The Cell Tracking Challenge: a folder of label images by track, and one line a track."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fijibridge.errors import FormatError, UnsupportedError
from fijibridge.formats._format import Format
from fijibridge.formats._location import Location
from fijibridge.formats._tracks.files import of_file, staged_all
from fijibridge.formats._tracks.frames import label_frames, mapped, rows_by_frame
from fijibridge.formats._tracks.lost import lost
from fijibridge.model import Axes, ImageSpec, Region, Tracks
from fijibridge.model._links import Faults, Keys, roots

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from fijibridge.formats._format import TrackOptions

__all__ = ["FORMAT", "open_labels", "read_tracks", "write_tracks"]

_LARGEST = 2**16 - 1
_LINES = ("res_track.txt", "man_track.txt")
_MASK = re.compile(r"(mask|man_track)(\d{1,9})\.tiff?", re.IGNORECASE)
#: Frames from which on names have four digits, so that their order is that of the frames.
_FOUR_DIGITS = 1001
_MAX_FRAMES = 10_000_000


def _paths(path: Path) -> Mapping[str, Path]:
    return {"folder": path}


def _lost(tracks: Tracks) -> tuple[str, ...]:
    notes = list(lost(tracks, "track gaps lineage labels"))
    number, kept = _pieces(tracks)
    if not kept:
        notes.append("the numbers of tracks beyond 65536: all tracks are numbered anew")
    made = len(np.unique(number[number > 0])) - len(np.unique(tracks.track[tracks.tracked]))
    if made:
        word = "track is" if made == 1 else "tracks are"
        notes.append(
            f"{made} {word} made at gaps and where a parent goes on: a track of the challenge has "
            "no gap and ends before its children begin"
        )
    notes.append("labels: an object is known by the number of its track, less one")
    return tuple(notes)


def _pieces(tracks: Tracks) -> tuple[np.ndarray, bool]:
    """Return (n,) pixel values and whether they are the tracks' own numbers less one.

    A track is cut at gaps, and where other tracks come from one of its objects.
    """
    link, track = tracks.link, tracks.track
    has = np.flatnonzero(link >= 0)
    before = link[has]
    cut = (track[before] != track[has]) | (tracks.t[has] - tracks.t[before] > 1)
    cut |= tracks.children[before] > 1
    heads = np.zeros(len(tracks), bool)
    heads[tracks.tracked & (link < 0)] = True
    heads[has[cut]] = True
    rows = np.flatnonzero(heads)
    _, own = np.unique(track[rows], return_index=True)
    less = 0 if len(rows) and int(track[rows].min()) < 2 else 1
    values = np.zeros(len(rows), np.int64)
    values[own] = track[rows[own]] - less
    new = np.setdiff1d(np.arange(len(rows)), own)
    top = int(values.max()) if len(rows) else 0
    values[new] = top + 1 + np.arange(len(new))
    kept = True
    if len(rows) and int(values.max()) > _LARGEST:
        kept = False
        values = np.arange(1, len(rows) + 1)
    number = np.zeros(len(tracks), np.int64)
    number[rows] = values
    goes_on = has[~cut]
    follows = np.full(len(tracks), -1, np.int64)
    follows[goes_on] = link[goes_on]
    found: np.ndarray = number[roots(follows)]
    return found, kept


def track_lines(tracks: Tracks, number: np.ndarray) -> np.ndarray:
    """Return (m, 4) lines L B E P in the order of first appearance."""
    rows = np.flatnonzero(number > 0)
    values, first = np.unique(number[rows], return_index=True)
    first = rows[first]
    last = np.zeros(len(values), np.int64)
    last[np.searchsorted(values, number[rows])] = tracks.t[rows]  # rows are sorted by t
    link = tracks.link[first]
    parent = np.where(link >= 0, number[link], 0)
    lines = np.stack([values, tracks.t[first], last, parent], axis=1)
    ordered: np.ndarray = lines[np.argsort(first, kind="stable")]
    return ordered


def write_tracks(where: Location, tracks: Tracks, options: TrackOptions) -> None:
    """Write ``maskTTT.tif`` for every frame and ``res_track.txt``.

    Parameters
    ----------
    where
        The folder.
    tracks
        Pixels have the number of the track less one (ilastik's tracks begin at 2); where tracks
        begin at 1, the number itself.
    options
        ``labels``, ``overwrite``; ``compat`` leaves frames of which no object is tracked as they
        are, as ilastik does.

    Raises
    ------
    UnsupportedError
        For more than 65535 tracks.

    Source
    ------
    ilastik plugins_default/tracking_ctc_export.py (behaviour only); the rules of
    celltrackingchallenge.net: 16-bit labels, tracks without gaps, parents that end before.
    """
    import tifffile

    frames = label_frames(tracks, options, "CellTrackingChallenge")
    number, _ = _pieces(tracks)
    if len(number) and int(number.max()) > _LARGEST:
        raise UnsupportedError(
            f"The Cell Tracking Challenge holds {_LARGEST} tracks; these are {int(number.max())}.",
            "Use geff, TrackMate or CSV-Table.",
        )
    digits = 4 if len(frames) >= _FOUR_DIGITS else 3
    with staged_all(_paths(where.path), overwrite=options.overwrite) as parts:
        folder = parts["folder"]
        folder.mkdir()
        for t, rows in rows_by_frame(tracks, len(frames)):
            frame = frames.read(t)
            if options.compat and not number[rows].any():
                mask = frame.astype(np.uint16)
            else:
                mask = mapped(frame, tracks.label[rows], number[rows], np.dtype(np.uint16))
            path = folder / f"mask{t:0{digits}d}.tif"
            if frames.is_3d:
                tifffile.imwrite(path, mask, photometric="minisblack")
            else:
                tifffile.imwrite(
                    path, mask[0], photometric="minisblack", compression="lzw", metadata=None
                )
        found = track_lines(tracks, number).tolist()
        lines = "".join(f"{a} {b} {e} {p}\n" for a, b, e, p in found)
        (folder / _LINES[0]).write_text(lines, encoding="ascii", newline="")


@dataclass(frozen=True, slots=True)
class _Folder:
    """What a folder holds: its list of tracks and the masks by frame."""

    lines: Path | None
    masks: Mapping[int, Path]


def _look(path: Path) -> _Folder:
    names = {p.name.lower(): p for p in path.iterdir() if p.is_file()}
    lines = next((names[n] for n in _LINES if n in names), None)
    if lines is None:
        lines = next((p for n, p in sorted(names.items()) if n.endswith("_track.txt")), None)
    masks: dict[int, Path] = {}
    for name, found in sorted(names.items()):
        match = _MASK.fullmatch(name)
        if match and int(match[2]) not in masks:
            masks[int(match[2])] = found
    return _Folder(lines, masks)


def _read_lines(path: Path) -> np.ndarray:
    rows = []
    text = path.read_text(encoding="utf-8-sig", errors="replace")
    for i, line in enumerate(text.splitlines(), 1):
        parts = line.replace(",", " ").split()
        if not parts:
            continue
        if len(parts) != 4 or not all(re.fullmatch(r"[+-]?\d{1,18}(\.0*)?", p) for p in parts):
            raise FormatError(
                f"Line {i} of {str(path)!r} is {line[:60]!r}; it has four whole numbers: "
                "track, first frame, last frame, parent."
            )
        rows.append([int(p.partition(".")[0]) for p in parts])
    return np.array(rows, np.int64).reshape(-1, 4)


def read_tracks(where: Location) -> Tracks:
    """Read a folder of the challenge: results or gold truth, names of three or four digits.

    Returns
    -------
    Tracks
        Labels are the pixel values L, tracks L + 1 (ilastik's numbers, so that writing gives L
        again). Without masks the list of tracks alone says where the objects are.

    Raises
    ------
    FormatError
        One error for all faults, the first ten by name: missing frames, labels that are not in
        their frame, labels that are no track, two lines of a track, cycles.
    """
    path = where.path
    with of_file(path, "folder of the Cell Tracking Challenge"):
        found = _look(path)
        if found.lines is None:
            raise FormatError(f"{str(path)!r} holds no res_track.txt or man_track.txt.")
        lines = _read_lines(found.lines)
        faults = Faults()
        _check_lines(lines, faults)
        faults.check("The list of tracks")
        ids = _expand(lines)
        frames = max(found.masks) + 1 if found.masks else 0
        if found.masks:
            _check_masks(found.masks, ids, faults)
            faults.check("The tracks")
        track = ids[:, 1] + 1
        order = np.argsort(lines[:, 0])
        parent = lines[order, 3][np.searchsorted(lines[order, 0], ids[:, 1])]
        return Tracks.from_track_ids(
            ids[:, 0], ids[:, 1], track, np.where(parent > 0, parent + 1, 0), frames=frames
        )


def _check_lines(lines: np.ndarray, faults: Faults) -> None:
    label, begin, end, parent = lines.T
    value, count = np.unique(label, return_counts=True)
    twice = value[count > 1]
    faults.add((f"track {v} has several lines" for v in twice), len(twice))
    for rows, text in (
        (label < 1, "is not 1 or more"),
        ((begin < 0) | (end >= _MAX_FRAMES), "has frames out of range"),
        (end < begin, "ends before it begins"),
    ):
        faults.add((f"track {v} {text}" for v in label[rows]), int(rows.sum()))
    unknown = (parent > 0) & ~np.isin(parent, label)
    faults.add(
        (f"track {a} has the parent {b}, which is no track" for a, b in lines[unknown][:, [0, 3]]),
        int(unknown.sum()),
    )
    if not faults.count and int((end - begin + 1).sum()) > 10**9:
        faults.add(["the tracks have more than a billion objects"], 1)


def _expand(lines: np.ndarray) -> np.ndarray:
    """Return (n, 2) all (t, label) that lines L B E P say."""
    size = lines[:, 2] - lines[:, 1] + 1
    label = np.repeat(lines[:, 0], size)
    t = np.arange(len(label)) - np.repeat(np.cumsum(size) - size - lines[:, 1], size)
    order = np.lexsort((label, t))
    return np.stack([t[order], label[order]], axis=1)


def _check_masks(masks: Mapping[int, Path], ids: np.ndarray, faults: Faults) -> None:
    last = max(*masks, int(ids[:, 0].max()) if len(ids) else 0)
    missing = [t for t in range(last + 1) if t not in masks]
    faults.add((f"frame {t} is missing" for t in missing), len(missing))
    seen = [
        np.stack([np.full(len(v), t), v], axis=1)
        for t, path in sorted(masks.items())
        for v in [_labels_of(path)]
    ]
    there = np.concatenate(seen) if seen else np.empty((0, 2), np.int64)
    gone = ids[(Keys(there).rows(ids) < 0) & np.isin(ids[:, 0], list(masks))]
    faults.add((f"label {v} is not in frame {t}" for t, v in gone.tolist()), len(gone))
    extra = there[Keys(ids).rows(there) < 0]
    faults.add(
        (f"label {v} in frame {t} belongs to no track of it" for t, v in extra.tolist()),
        len(extra),
    )


def _labels_of(path: Path) -> np.ndarray:
    plane = _read_mask(path)
    if plane.dtype.kind not in "iub":
        raise FormatError(f"{str(path)!r} holds {plane.dtype}; masks hold whole numbers.")
    if plane.dtype.itemsize <= 2 and plane.dtype.kind == "u":
        found: np.ndarray = np.flatnonzero(np.bincount(plane.reshape(-1)))
    else:
        found = np.unique(plane).astype(np.int64)
    kept: np.ndarray = found[found != 0]
    return kept


def _read_mask(path: Path) -> np.ndarray:
    """Return a mask (z, y, x)."""
    from fijibridge.formats._format import ReadOptions
    from fijibridge.formats._tiff.read import open_tiff

    source = open_tiff(Location(path), ReadOptions())
    try:
        array = source.read(Region.whole(source.spec.shape))
    finally:
        source.close()
    squeezed = array.reshape([n for n in array.shape if n > 1] or [1])
    if squeezed.ndim > 3:
        raise FormatError(f"{str(path)!r} has the shape {array.shape}; a mask is yx or zyx.")
    if array.ndim in (2, 3):
        squeezed = array
    mask: np.ndarray = squeezed.reshape((1,) * (3 - squeezed.ndim) + squeezed.shape)
    return mask


class _Masks:
    """The masks of a folder as one image tzyx, read frame by frame."""

    def __init__(self, path: Path) -> None:
        masks = _look(path).masks
        count = max(masks) + 1 if masks else 0
        missing = [t for t in range(count) if t not in masks]
        if missing or not masks:
            listed = ", ".join(map(str, missing[:10])) or "all"
            raise FormatError(f"{str(path)!r} lacks the masks of the frames {listed}.")
        self._paths = [masks[t] for t in range(count)]
        first = _read_mask(self._paths[0])
        axes = Axes.of("tzyx", (count, *first.shape))
        self._spec = ImageSpec(axes=axes, dtype=first.dtype, role="labels", name=path.name)

    @property
    def spec(self) -> ImageSpec:
        return self._spec

    def read(self, region: Region) -> np.ndarray:
        time, *space = region.slices
        planes = []
        for path in self._paths[time]:
            plane = _read_mask(path)
            if plane.shape != self._spec.shape[1:]:
                raise FormatError(f"{str(path)!r} has another size than the first mask.")
            planes.append(plane[tuple(space)])
        return (
            np.stack(planes).astype(self._spec.dtype)
            if planes
            else np.empty(region.shape, self._spec.dtype)
        )

    def close(self) -> None:
        """Nothing is open."""


def open_labels(where: Location) -> Any:
    """Open the masks of a folder as one label image tzyx."""
    return _Masks(where.path)


def _sniff(path: Path, head: bytes) -> bool:
    if head or not path.is_dir():
        return False
    try:
        return _look(path).lines is not None
    except OSError:
        return False


FORMAT = Format(
    name="celltrackingchallenge",
    suffixes=(),
    title="a folder of the Cell Tracking Challenge",
    sniff=_sniff,
    read_tracks=read_tracks,
    write_tracks=write_tracks,
    track_paths=_paths,
    lost_tracks=_lost,
    track_labels=open_labels,
    track_needs=frozenset({"labels"}),
    folder=True,
)
