"""ilastik's tracking plug-ins Contours (.outline) and Contours-With-Head (.contours)."""

from __future__ import annotations

import contextlib
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from fijibridge.errors import SettingsError
from fijibridge.formats._format import Format
from fijibridge.formats._tracks.files import Shelf, base_of, plain_path, staged_all
from fijibridge.formats._tracks.frames import Frames, label_frames
from fijibridge.formats._tracks.lost import lost
from fijibridge.formats._tracks.outlines import outlines
from fijibridge.model._links import sorted_pairs

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from fijibridge.formats._format import TrackOptions
    from fijibridge.formats._location import Location
    from fijibridge.model import Tracks

__all__ = ["FORMATS", "write_heads", "write_outlines"]

#: The head is where the third channel is brightest in a window of this reach.
_REACH = 20
_HEAD_CHANNEL = 2


def _paths(suffix: str, path: Path) -> Mapping[str, Path]:
    return {"outlines": plain_path(base_of(path, suffix), suffix)}


def _lost_outlines(tracks: Tracks) -> tuple[str, ...]:
    return (*_twins(tracks, tracked=True), *lost(tracks, "lineage"))


def _lost_heads(tracks: Tracks) -> tuple[str, ...]:
    return (*_twins(tracks, tracked=False), *lost(tracks, "lineage untracked"))


def _twins(tracks: Tracks, *, tracked: bool) -> tuple[str, ...]:
    """Say how many objects have no line as another one of the frame has their lineage."""
    rows = tracks.tracked if tracked else np.ones(len(tracks), bool)
    pairs = np.stack([tracks.t[rows], tracks.lineage[rows]], axis=1)
    gone = len(pairs) - len(sorted_pairs(pairs))
    if not gone:
        return ()
    word = "object" if gone == 1 else "objects"
    return (
        f"{gone} {word}: a frame has one outline a lineage, that of the last object (as ilastik)",
    )


def _text(contour: np.ndarray) -> bytes:
    from fijibridge.formats._tracks.kernels import contour_text

    return bytes(contour_text(contour).data)


def write_outlines(where: Location, tracks: Tracks, options: TrackOptions) -> None:
    """Write one line a lineage and frame: ``00000000_FRAME LINEAGE 0.000 y x y x …``.

    Parameters
    ----------
    where
        ``NAME.outline``, or the base name.
    tracks
        Sorted by lineage, then frame; where two objects of a frame share a lineage, the last one.
    options
        ``labels`` in the plane; ``overwrite``.

    Source
    ------
    ilastik plugins_default/tracking_contour_export.py (behaviour only).
    """
    frames = label_frames(tracks, options, "Contours", flat=True)
    with (
        staged_all(_paths(".outline", where.path), overwrite=options.overwrite) as parts,
        contextlib.closing(Shelf(parts["outlines"].parent)) as shelf,
    ):
        for t, row, contour in outlines(tracks, frames):
            lineage = int(tracks.lineage[row])
            if lineage:
                head = f"00000000_{t:06d} {lineage:05d} 0.000 ".encode()
                shelf.put(lineage, t, head + _text(contour) + b"\n")
        with parts["outlines"].open("wb") as file:
            file.writelines(line for _, _, line in shelf.lines())


def write_heads(where: Location, tracks: Tracks, options: TrackOptions) -> None:
    """Write one line an object: ``FRAME LINEAGE HEAD POINTS y x y x …``.

    Parameters
    ----------
    where
        ``NAME.contours``, or the base name.
    tracks
        By frame; objects of no track have the lineage ``None``.
    options
        ``labels`` in the plane; ``raw`` with three channels or more: the head is the point of the
        outline around which, in 41 x 41 pixels, the third channel is brightest; ``overwrite``.

    Raises
    ------
    SettingsError
        When the raw images are missing, have fewer channels, or another size.

    Source
    ------
    ilastik plugins_default/tracking_contours_with_head_export.py (behaviour only).
    """
    frames = label_frames(tracks, options, "Contours-With-Head", flat=True)
    if options.raw is None:
        raise SettingsError(
            "Contours-With-Head needs the raw images, in whose third channel heads are bright.",
            "Name them: --raw_data FILE.",
        )
    raw = Frames(options.raw, "the raw image")
    if raw.axes.size("c") <= _HEAD_CHANNEL:
        raise SettingsError(
            f"Contours-With-Head looks for heads in the third channel; the raw image has "
            f"{raw.axes.size('c')}."
        )
    sizes = [(k, raw.axes.size(k), frames.axes.size(k)) for k in "tzyx"]
    for key, ours, theirs in sizes:
        if ours != theirs:
            raise SettingsError(
                f"The raw image has the size {ours} along {key}, the label image {theirs}."
            )
    now, sums = -1, np.empty((0, 0))
    # of a frame, in the order in which lineages first appear in it
    lines: dict[int, bytes] = {}
    with (
        staged_all(_paths(".contours", where.path), overwrite=options.overwrite) as parts,
        parts["outlines"].open("wb") as file,
    ):
        for t, row, contour in outlines(tracks, frames):
            if t != now:
                file.writelines(lines.values())
                lines.clear()
                now, sums = t, _sums(raw.read(t, "cxy")[_HEAD_CHANNEL])
            head = int(np.argmax(_window(sums, contour)))
            lineage = int(tracks.lineage[row])
            start = f"{t} {lineage or None} {head} {len(contour)} ".encode()
            lines[lineage] = start + _text(contour) + b"\n"
        file.writelines(lines.values())


def _sums(plane: np.ndarray) -> np.ndarray:
    """Return the sums of all pixels above and left, one row and column more than the plane."""
    wide = np.int64 if plane.dtype.kind in "iub" else np.float64
    out = np.zeros((plane.shape[0] + 1, plane.shape[1] + 1), wide)
    out[1:, 1:] = plane.astype(wide).cumsum(axis=0).cumsum(axis=1)
    return out


def _window(sums: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Return the sum around each point, cut at the border of the plane."""
    low = np.maximum(points - _REACH, 0)
    high = np.minimum(points + _REACH + 1, np.array(sums.shape) - 1)
    found: np.ndarray = (
        sums[high[:, 0], high[:, 1]]
        - sums[low[:, 0], high[:, 1]]
        - sums[high[:, 0], low[:, 1]]
        + sums[low[:, 0], low[:, 1]]
    )
    return found


OUTLINES = Format(
    name="contours",
    suffixes=(".outline",),
    title="ilastik's outlines of tracks",
    write_tracks=write_outlines,
    track_paths=partial(_paths, ".outline"),
    lost_tracks=_lost_outlines,
    track_needs=frozenset({"labels"}),
)
HEADS = Format(
    name="contours-with-head",
    suffixes=(".contours",),
    title="ilastik's outlines of tracks with heads",
    write_tracks=write_heads,
    track_paths=partial(_paths, ".contours"),
    lost_tracks=_lost_heads,
    track_needs=frozenset({"labels", "raw"}),
)
FORMATS = (OUTLINES, HEADS)
