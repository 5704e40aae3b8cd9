#!/usr/bin/env python3
"""Follow dividing cells: ``python tracks.py [DIR]``.

A generated movie of label images and a table of links become a folder of the Cell Tracking
Challenge, a TrackMate file, a table, an ROI set in which every track can be followed, and a picture
in which cells of one lineage share a colour.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np

import fijibridge as fb

FRAMES, SIDE = 8, 96


def movie() -> tuple[fb.LabelImage, str]:
    """Return label images (t, y, x) of three cells that drift and divide, and their links as CSV.

    Labels are numbered anew in every frame, as most segmentations do.
    """
    y, x = np.mgrid[:SIDE, :SIDE]
    data = np.zeros((FRAMES, SIDE, SIDE), np.uint16)
    lines = ["frame,label,parent"]
    # y, x, their change, radius, frame of division, label of the cell it comes from
    cells = [
        (18.0, 14.0, 0.0, 5.0, 7.0, 2, 0),
        (48.0, 20.0, 0.0, 4.0, 7.0, 4, 0),
        (78.0, 70.0, 0.0, -4.0, 7.0, -1, 0),
    ]
    for t in range(FRAMES):
        order = np.random.default_rng(t).permutation(len(cells))
        after = []
        for label, (cy, cx, vy, vx, radius, end, parent) in zip(order + 1, cells, strict=True):
            data[t][(y - cy) ** 2 + (1.3 * (x - cx)) ** 2 < radius**2] = label
            lines.append(f"{t},{label},{parent}")
            if t == end:
                after += [(cy + 6 * d, cx + vx, d / 2, vx, 5.0, -1, label) for d in (-1, 1)]
            else:
                after.append((cy + vy, cx + vx, vy, vx, radius, end, label))
        cells = after
    scale = {"x": 0.5, "y": 0.5, "t": 30.0}
    axes = fb.Axes.of("tyx", data.shape, scale=scale, unit="um")
    return fb.LabelImage.from_array(data, axes, name="cells"), "\n".join(lines) + "\n"


def count(tracks: fb.Tracks) -> int:
    """Return how many objects divide."""
    return int((tracks.children > 1).sum())


def picture(labels: fb.LabelImage, rois: fb.RoiSet) -> np.ndarray:
    """Return every second frame side by side, (y, x, 3), objects in the colours of their ROIs."""
    tiles = np.full((*labels.data.shape, 3), 24, np.uint8)
    for roi in rois:
        t = roi.position.slice - 1
        tiles[t][labels.data[t] == int(roi.properties["label"])] = roi.stroke_color[1:]
    tiles[:, :, -1] = 90
    return np.concatenate(tiles[::2].repeat(2, axis=1).repeat(2, axis=2), axis=1)


def main(folder: Path) -> None:
    """Write everything, read some of it back."""
    labels, links = movie()
    (folder / "links.csv").write_text(links)
    fb.write_labels(labels, folder / "cells.tif", overwrite=True)
    tracks = fb.read_tracks(folder / "links.csv", labels=labels)
    print(f"{len(tracks)} objects, {len(tracks.list)} tracks, {count(tracks)} divisions")
    for name, target in (
        ("CellTrackingChallenge", "cells_RES"),
        ("TrackMate", "cells.xml"),
        ("CSV-Table", "cells_tracks.csv"),
    ):
        for lost in fb.write_tracks(
            tracks, folder / target, to=name, labels=labels, overwrite=True
        ):
            print(f"{name} cannot hold: {lost}")
        back = fb.read_tracks(folder / target)
        print(f"{name}: {target}, read back: {len(back.list)} tracks, {count(back)} divisions")
    rois = fb.track_rois(tracks, labels)
    fb.write_rois(rois, folder / "cells_RoiSet.zip", overwrite=True)
    print(f"ROIs by lineage, track and frame: {rois.names[0]} to {rois.names[-1]}")
    fb.write_image(picture(labels, rois), folder / "cells.png", axes="yxc", overwrite=True)
    print(f"See {folder}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if sys.argv[1:] else Path(tempfile.mkdtemp()))
