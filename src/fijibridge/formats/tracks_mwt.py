"""ilastik's tracking plug-in Multi-Worm-Tracker: ``.blobs`` and ``.summary``."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import numpy as np

from fijibridge.formats._format import Format
from fijibridge.formats._tracks.features import AXES, CENTER, RADII, SIZE, needed
from fijibridge.formats._tracks.files import Shelf, base_of, plain_path, staged_all
from fijibridge.formats._tracks.frames import label_frames
from fijibridge.formats._tracks.lost import lost
from fijibridge.formats._tracks.outlines import outlines

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from fijibridge.formats._format import TrackOptions
    from fijibridge.formats._location import Location
    from fijibridge.model import Tracks

__all__ = ["FORMAT", "packed", "write_tracks"]

_WHAT = "Multi-Worm-Tracker"


def _paths(path: Path) -> Mapping[str, Path]:
    base = base_of(path, ".blobs", ".summary")
    return {"blobs": plain_path(base, ".blobs"), "summary": plain_path(base, ".summary")}


def _lost(tracks: Tracks) -> tuple[str, ...]:
    notes = ["tracks: the layout follows labels, which are the same object only by chance"]
    return (*notes, *lost(tracks, "untracked gaps track lineage features labels"))


def packed(contour: np.ndarray) -> tuple[int, str]:
    """Return (number of points, steps as text: 2 bits a step, 6 bits a letter from ``0``).

    Parameters
    ----------
    contour
        (m, 2) whole numbers x, y. A diagonal step counts as two, along x first.

    Notes
    -----
    As ilastik writes it: one step that is left over at the end fills its letter with ``00001``, and
    what is left over when the last step overflows a letter is not written.

    Examples
    --------
    >>> packed(np.array([[2, 1], [1, 2], [0, 1], [1, 0], [2, 1]]))
    (9, '<VL')
    """
    bits, letters, count = "", [], 0
    steps = np.diff(contour, axis=0).tolist()
    for i, (dx, dy) in enumerate(steps):
        along = ("00" if dx < 0 else "01") if abs(dx) == 1 and abs(dy) <= 1 else ""
        across = ("10" if dy < 0 else "11") if abs(dy) == 1 and abs(dx) <= 1 else ""
        bits += along + across
        count += bool(along) + bool(across)
        if len(bits) >= 6:
            letters.append(chr(int(bits[:6], 2) + 48))
            bits = bits[6:]
        elif i == len(steps) - 1 and bits:
            bits += "00001" if len(bits) == 2 else "00"
            letters.append(chr(int(bits, 2) + 48))
            bits = ""
    return count + 1, "".join(letters)


class _Sizes:
    """The measurements that the layout prints, in single precision as ilastik has them."""

    def __init__(self, tracks: Tracks) -> None:
        def single(name: str) -> list[np.ndarray]:
            return [c.astype(np.float32) for c in needed(tracks, name, _WHAT)]

        self.x, self.y = single(CENTER)[:2]
        self.area = single(SIZE)[0]
        self.length, self.width = single(RADII)[:2]
        along = single(AXES)[:2]
        self.major = [a * self.length for a in along]
        self.mean = np.mean(np.stack([self.length, self.width]), axis=0)

    def line(self, row: int) -> str:
        """Return the eight numbers of an object."""
        columns = (self.x, self.y, self.area, *self.major, self.mean, self.length, self.width)
        return " ".join(str(float(c[row])) for c in columns)


def write_tracks(where: Location, tracks: Tracks, options: TrackOptions) -> None:
    """Write the objects by label (``.blobs``) and the means of each frame (``.summary``).

    Parameters
    ----------
    where
        ``NAME.blobs``, ``NAME.summary`` or the base name.
    tracks
        With the measurements centre, radii, principal components and size.
    options
        ``labels`` in the plane; ``overwrite``.

    Source
    ------
    ilastik plugins_default/tracking_mwt_export.py (behaviour only).
    """
    frames = label_frames(tracks, options, _WHAT, flat=True)
    sizes = _Sizes(tracks)
    with (
        staged_all(_paths(where.path), overwrite=options.overwrite) as parts,
        contextlib.closing(Shelf(parts["blobs"].parent)) as shelf,
    ):
        for t, row, contour in outlines(tracks, frames):
            points, text = packed(contour)
            x, y = contour[0].tolist()
            line = f"{t} {sizes.line(row)} %% {x}.0 {y}.0 {points} {text}\n"
            shelf.put(int(tracks.label[row]), t, line.encode())
        with parts["blobs"].open("wb") as file:
            now, number = 0, 0
            for label, _, rest in shelf.lines():
                if label != now:
                    now, number = label, 0
                    file.write(b"%% %d\n" % label)
                number += 1
                file.write(b"%d " % number + rest)
        with parts["summary"].open("w", encoding="ascii", newline="") as file:
            for t, rows in tracks.by_frame():
                if rows.start < rows.stop:
                    file.write(_summary(t, sizes, rows))


def _summary(t: int, sizes: _Sizes, rows: slice) -> str:
    """Return the line of a frame; sums are single precision, in order, as ilastik adds them."""
    length, width = sizes.length[rows], sizes.width[rows]
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = length / width
    count = len(length)
    means = [float(np.add.accumulate(v)[-1]) / count for v in (length, width, ratio)]
    numbers = [0.0, 0.0, 0.0, *(m for m in means for _ in range(2)), 0.0]
    return f"{t + 1} {t} {count} {count} {' '.join(map(str, numbers))}\n"


FORMAT = Format(
    name="multi-worm-tracker",
    suffixes=(".blobs", ".summary"),
    title="Multi-Worm-Tracker blobs",
    write_tracks=write_tracks,
    track_paths=_paths,
    lost_tracks=_lost,
    track_needs=frozenset({"labels", "features"}),
)
