"""100,000 objects in 500 frames through every tracking format, beside pandas' plain CSV.

``python benchmarks/tracks.py`` prints seconds and ratios, and how much memory each job added. The
label images are made frame by frame, so what is measured is ours.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd  # noqa: TID253  # the peer
from _common import peak_mb, show, timed

from fijibridge.formats import all_formats, read_tracks, write_tracks
from fijibridge.measure.object_features import survey
from fijibridge.model import Axes, ImageSpec, Tracks

FRAMES, SIDE, ROWS, COLUMNS = 500, 512, 10, 20


class Movie:
    """Blocks that move along x; frames are made when they are asked for."""

    def __init__(self) -> None:
        axes = Axes.of("tyx", (FRAMES, SIDE, SIDE))
        self.spec = ImageSpec(axes=axes, dtype=np.dtype(np.uint16), role="labels")
        self._first = np.zeros((SIDE, SIDE), np.uint16)
        for i in range(ROWS * COLUMNS):
            y, x = 50 * (i // COLUMNS) + 5, 25 * (i % COLUMNS) + 3
            self._first[y : y + 20, x : x + 17] = i + 1

    def read(self, region):
        time, y, x = region.slices
        frames = range(time.start, time.stop)
        return np.stack([np.roll(self._first, t % 7, axis=1)[y, x] for t in frames])

    def close(self):
        """Nothing is open."""


def main() -> None:
    """Print the blocks."""
    movie = Movie()
    seen = survey(movie)
    mine = timed("fijibridge", lambda: survey(movie), repeat=1)
    show(f"{FRAMES} frames of {SIDE}² -> {len(seen.ids)} objects, measured", mine, [])
    frame, label = seen.ids.T
    parent = np.where(frame > 0, label, 0)
    rows = (frame, label, parent)
    mine = timed(
        "fijibridge",
        lambda: Tracks.from_links(*rows, objects=seen.ids, frames=FRAMES),
        repeat=3,
    )
    show("links -> tracks, checked", mine, [])
    tracks = Tracks.from_links(*rows, objects=seen.ids, frames=FRAMES)
    tracks = tracks.with_features(seen.features)
    table = tracks.to_pandas()
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        plain = here / "pandas.csv"
        peers = timed("pandas plain CSV", lambda: table.to_csv(plain, index=False), repeat=1)
        back = timed("pandas plain CSV", lambda: pd.read_csv(plain), repeat=1)
        for fmt in all_formats():
            if fmt.write_tracks is None or "raw" in fmt.track_needs:
                continue
            target = here / fmt.name
            before = peak_mb()
            job = timed(
                f"fijibridge {fmt.name}",
                lambda fmt=fmt, target=target: write_tracks(
                    tracks,
                    target,
                    to=fmt.name,
                    labels=movie,
                    big_data_viewer="movie.xml",
                    overwrite=True,
                ),
                repeat=1,
            )
            show(f"tracks -> {fmt.title} (+{peak_mb() - before:.0f} MB)", job, [peers])
            if fmt.read_tracks is None:
                continue
            path = next(iter(fmt.track_paths(target).values()))
            before = peak_mb()
            job = timed(f"fijibridge {fmt.name}", lambda path=path: read_tracks(path), repeat=1)
            show(f"{fmt.title} -> tracks (+{peak_mb() - before:.0f} MB)", job, [back])


if __name__ == "__main__":
    main()
