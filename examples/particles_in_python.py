#!/usr/bin/env python3
"""Analyze Particles in Python: ``python particles_in_python.py [DIR]``.

Measures an image, joins the table with the label mask, and saves what Fiji opens.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np

import fijibridge as fb
from fijibridge.model import Axes, Image


def cells() -> Image:
    """Return two rows of disks, brighter from left to right, 0.5 um a pixel."""
    y, x = np.mgrid[0:120, 0:300]
    inside = (y % 60 - 30) ** 2 + (x % 60 - 30) ** 2 < 20**2
    pixels = np.where(inside, 60 + x // 2, 10).astype(np.uint8)
    axes = Axes.of("yx", pixels.shape, scale={"x": 0.5, "y": 0.5}, unit="um")
    return Image.from_array(pixels, axes, name="cells")


def main(folder: Path) -> None:
    """Analyze, print and save."""
    image = cells()
    result = fb.analyze_particles(
        image,
        threshold=(50, 255),
        size=(20, float("inf")),
        measurements=("area", "mean", "centroid", "shape"),
    )
    table = result.table
    bright = table["Mean"] > table["Mean"].mean()
    print(f"{len(table)} cells, {bright.sum()} brighter than the mean")

    # every row knows its label, so a table selects pixels
    wanted = table.object_ids[bright, 1]
    print(f"labels {wanted.tolist()}: {np.isin(result.labels.data, wanted).sum()} pixels")

    fb.write_image(image, folder / "cells.tif", overwrite=True)
    fb.write_labels(result.labels, folder / "cells_labels.tif", overwrite=True)
    fb.write_rois(result.rois, folder / "cells_RoiSet.zip", overwrite=True)
    fb.write_table(table, folder / "cells_Results.tsv", overwrite=True)
    print(f"wrote {', '.join(sorted(p.name for p in folder.iterdir()))}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if sys.argv[1:] else Path(tempfile.mkdtemp()))
