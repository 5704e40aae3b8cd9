#!/usr/bin/env python3
"""Masks of any tool to ROIs for Fiji and QuPath, and back: ``python masks_to_rois.py [DIR]``.

The mask has what usually gets lost: a hole, an object in it, two parts, a single pixel, and a label
in the last row and column.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np

import fijibridge as fb
from fijibridge.model import LabelImage


def mask() -> LabelImage:
    """Return a small label image with every difficulty."""
    labels = np.zeros((40, 60), np.uint16)
    labels[5:25, 5:25] = 3
    labels[10:20, 10:20] = 0  # a hole
    labels[13:17, 13:17] = 8  # an object in the hole
    labels[2:6, 40:50] = 11
    labels[10:14, 40:50] = 11  # a second part
    labels[30, 30] = 70  # a single pixel
    labels[39, 40:60] = 5  # the last row and column
    return LabelImage.from_array(labels, "yx", name="mask")


def main(folder: Path) -> None:
    """Convert there and back, and compare."""
    labels = mask()
    rois = fb.labels_to_rois(labels)
    for roi in rois:
        print(f"{roi.name}: {roi.kind}")
    fb.write_rois(rois, folder / "mask.zip", overwrite=True)
    fb.write_rois(rois, folder / "mask.geojson", overwrite=True)
    back = fb.rois_to_labels(fb.read_rois(folder / "mask.zip"), like=labels)
    print(f"identical after the round trip: {np.array_equal(back.data, labels.data)}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if sys.argv[1:] else Path(tempfile.mkdtemp()))
