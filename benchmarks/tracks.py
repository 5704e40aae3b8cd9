"""100,000 objects in 500 frames through every tracking format, beside pandas' plain CSV.

``python benchmarks/tracks.py`` prints seconds and ratios. ``python benchmarks/tracks.py --memory``
prints how much memory each job needs beyond the tracks that it is given or returns, for 100, 250
and 500 frames of 200 objects: what is made of images stays the same, what is a table grows with the
table. The label images are made frame by frame, so what is measured is ours.
"""

from __future__ import annotations

import gc
import os
import sys
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd  # noqa: TID253  # the peer
from _common import show, timed

from fijibridge.formats import all_formats, read_table, read_tracks, write_tracks
from fijibridge.measure.object_features import survey
from fijibridge.model import Axes, ImageSpec, Tracks

FRAMES, SIDE, ROWS, COLUMNS = 500, 512, 10, 20


class Movie:
    """Blocks that move along x; frames are made when they are asked for."""

    def __init__(self, frames: int = FRAMES) -> None:
        axes = Axes.of("tyx", (frames, SIDE, SIDE))
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


def tracks_of(movie: Movie) -> Tracks:
    """Measured objects, each label one track."""
    seen = survey(movie)
    frame, label = seen.ids.T
    parent = np.where(frame > 0, label, 0)
    made = Tracks.from_links(frame, label, parent, objects=seen.ids, frames=seen.frames)
    return made.with_features(seen.features)


def writers():
    """All formats that need no raw images."""
    return [f for f in all_formats() if f.write_tracks is not None and "raw" not in f.track_needs]


def write(fmt, tracks: Tracks, movie: Movie, target: Path) -> None:
    """Write tracks as one format."""
    more = {"labels": movie, "big_data_viewer": "movie.xml", "overwrite": True}
    write_tracks(tracks, target, to=fmt.name, **more)


def _status(key: str) -> float:
    """MB of a line of this process's status (Linux)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(key))


def grown(warm, job) -> float:
    """MB that a job needs at most, in a process of its own that has done a small one before."""
    here, there = os.pipe()
    child = os.fork()
    if not child:
        warm()
        gc.collect()
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
        before = _status("VmRSS")
        job()
        os.write(there, f"{_status('VmHWM') - before:.1f}".encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(there)
    with os.fdopen(here) as file:
        return float(file.read() or "nan")


def memory() -> None:
    """Print the megabytes of every job for three lengths of the movie."""
    lengths = (100, 250, 500)
    movies = [Movie(n) for n in (5, *lengths)]
    made = [tracks_of(m) for m in movies]
    data = [sum(v.nbytes for v in t.to_table().columns.values()) / 2**20 for t in made]
    print(f"{'':52} " + " ".join(f"{n:>7}" for n in lengths) + "  frames of 200 objects")
    print(f"{'the tracks and their measurements, MB':52} " + _cells(data[1:]))
    for fmt in writers():
        with tempfile.TemporaryDirectory() as folder:
            targets = [Path(folder) / f"{fmt.name}{i}" for i in range(len(movies))]
            jobs = [
                partial(write, fmt, *parts) for parts in zip(made, movies, targets, strict=True)
            ]
            print(f"{'tracks -> ' + fmt.title:52} " + _cells(grown(jobs[0], j) for j in jobs[1:]))
            if fmt.read_tracks is None:
                continue
            jobs[0]()
            paths = [next(iter(fmt.track_paths(t).values())) for t in targets]
            for job in jobs[1:]:
                grown(int, job)
            reads = [partial(read_tracks, path) for path in paths]
            print(f"{fmt.title + ' -> tracks':52} " + _cells(grown(reads[0], r) for r in reads[1:]))


def _cells(values) -> str:
    return " ".join(f"{v:7.1f}" for v in values)


def main() -> None:
    """Print the blocks."""
    movie = Movie()
    seen = survey(movie)
    mine = timed("fijibridge", lambda: survey(movie), repeat=1)
    show(f"{FRAMES} frames of {SIDE}² -> {len(seen.ids)} objects, measured", mine, [])
    frame, label = seen.ids.T
    rows = (frame, label, np.where(frame > 0, label, 0))
    mine = timed(
        "fijibridge",
        lambda: Tracks.from_links(*rows, objects=seen.ids, frames=FRAMES),
        repeat=3,
    )
    show("links -> tracks, checked", mine, [])
    tracks = tracks_of(movie)
    table = tracks.to_pandas()
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        plain = here / "pandas.csv"
        peers = timed("pandas plain CSV", lambda: table.to_csv(plain, index=False), repeat=1)
        back = timed("pandas plain CSV", lambda: pd.read_csv(plain), repeat=1)
        back_same = timed("the same with fijibridge", lambda: read_table(plain), repeat=1)
        show("plain CSV -> table", back_same, [back])
        for fmt in writers():
            target = here / fmt.name
            job = timed(fmt.name, partial(write, fmt, tracks, movie, target), repeat=1)
            show(f"tracks -> {fmt.title}", job, [peers])
            if fmt.read_tracks is None:
                continue
            path = next(iter(fmt.track_paths(target).values()))
            job = timed(fmt.name, partial(read_tracks, path), repeat=1)
            show(f"{fmt.title} -> tracks", job, [back])


if __name__ == "__main__":
    memory() if "--memory" in sys.argv else main()
