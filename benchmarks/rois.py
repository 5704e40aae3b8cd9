"""Labels to outlines and ROI zips beside ImageJ 1.54p and roifile, in one run.

``python benchmarks/rois.py`` prints seconds and ratios. The machine should be idle.
"""

from __future__ import annotations

import os
import tempfile
import zipfile
from pathlib import Path

import numpy as np
from _common import blobs, show, timed
from _imagej import ImageJ

from fijibridge.formats import read_rois, write_rois
from fijibridge.measure.regions import labels_to_rois
from fijibridge.model import LabelImage, RoiSet


def disks(side: int, per_row: int) -> LabelImage:
    """Return a label image of per_row² disks."""
    pitch = side / per_row
    y, x = np.mgrid[0:side, 0:side]
    row, column = (y / pitch).astype(np.int64), (x / pitch).astype(np.int64)
    inside = (y - (row + 0.5) * pitch) ** 2 + (x - (column + 0.5) * pitch) ** 2 < (
        0.45 * pitch
    ) ** 2
    labels = np.where(inside, row * per_row + column + 1, 0).astype(np.uint16)
    return LabelImage.from_array(labels, "yx")


def outlines() -> None:
    """Labels -> outlines."""
    for side, per_row, goal in ((2048, 71, 15), (4096, 155, 60)):
        labels = disks(side, per_row)
        mine = timed("fijibridge", lambda labels=labels: labels_to_rois(labels), repeat=7, warm=3)
        show(f"{per_row**2} labels in {side}² -> outlines (goal {goal} ms)", mine, [])


def with_roifile(source: Path) -> int:
    import roifile

    return len([roi.coordinates() for roi in roifile.roiread(source)])


def files(folder: Path) -> None:
    """Write and read a zip of 23,818 ROIs."""
    import roifile
    from scipy import ndimage

    binary, _ = blobs(4096, 24000)
    labels, _ = ndimage.label(binary, np.ones((3, 3)))
    labels[labels > 23818] = 0
    rois = labels_to_rois(LabelImage.from_array(labels.astype(np.uint16), "yx"))
    n = len(rois)
    ours, theirs, peer = folder / "ours.zip", folder / "imagej.zip", folder / "roifile.zip"
    imagej = ImageJ()
    mine = timed("fijibridge (stored)", lambda: write_rois(rois, ours, overwrite=True), repeat=7)
    with zipfile.ZipFile(ours) as archive:
        records = [archive.read(name) for name in archive.namelist()]
    java_rois = imagej.loops.read(str(ours))
    peers = [timed("ImageJ 1.54p", lambda: imagej.loops.write(java_rois, str(theirs)), repeat=3)]
    py_rois = [roifile.ImagejRoi.frombytes(record) for record in records]
    peers.append(
        timed("roifile", lambda: roifile.roiwrite(peer, py_rois, mode="w"), repeat=1, warm=0)
    )
    show(f"{n} ROIs written to a zip (goals: ImageJ 8x, roifile 10x)", mine, peers)

    mine = timed("fijibridge, its own zip", lambda: _read(ours), repeat=7)
    mine2 = timed("fijibridge, ImageJ's zip", lambda: _read(theirs), repeat=7)
    ij_own = timed("ImageJ 1.54p, its own zip", lambda: imagej.loops.read(str(theirs)), repeat=5)
    ij_ours = timed("ImageJ 1.54p, our zip", lambda: imagej.loops.read(str(ours)), repeat=5)
    py = timed("roifile, ImageJ's zip", lambda: with_roifile(theirs), repeat=1, warm=0)
    show(f"{n} ROIs read, our zip (goal: 8x ImageJ reading its own)", mine, [ij_own, ij_ours, py])
    show(f"{n} ROIs read, ImageJ's zip (goal: 1.5x, roifile 10x)", mine2, [ij_own, py])


def _read(path: Path) -> RoiSet:
    return read_rois(path)


def main() -> None:
    print(f"{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}")
    outlines()
    with tempfile.TemporaryDirectory() as folder:
        files(Path(folder))


if __name__ == "__main__":
    main()
