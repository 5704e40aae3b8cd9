#!/usr/bin/env python3
"""The lesson "Output saving" in pure Python: ``output_saving.py IMAGE OUTDIR``.

Binarise, Analyze Particles, save results table, ROI set and label mask. The files are those that
``output_saving.ijm``, ``_jython.py``, ``_fiji.py`` and ``.sh`` make.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

import fijibridge as fb


def main(image: str, outdir: Path) -> None:
    """Binarise, analyze, save."""
    grey = fb.read_image(image)
    everything = fb.analyze_particles(grey, threshold="Default dark")
    binary = np.where(everything.labels.data > 0, 255, 0).astype(np.uint8)
    result = fb.analyze_particles(
        fb.Image.from_array(binary, grey.axes, name=grey.name),
        size=(20, float("inf")),
        circularity=(0.5, 1),
        measurements=("area", "centroid", "center", "perimeter", "bounding"),
    )
    outdir.mkdir(parents=True, exist_ok=True)
    fb.write_table(result.table, outdir / "Results.tsv", overwrite=True)
    fb.write_rois(result.rois, outdir / "RoiSet.zip", overwrite=True)
    fb.write_labels(result.labels, outdir / "labels.tif", overwrite=True)
    print(f"{len(result.table)} objects")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
