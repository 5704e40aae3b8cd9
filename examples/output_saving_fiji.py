#!/usr/bin/env python3
"""The lesson from Python with Fiji, or ImageJ 1.54p: ``output_saving_fiji.py IMAGE OUTDIR``.

ImageJ opens the image and makes the mask; the mask comes over as it is.
"""

from __future__ import annotations

import sys
from pathlib import Path

import fijibridge as fb


def main(image: str, outdir: Path) -> None:
    """Binarise in ImageJ, analyze, save."""
    fiji = fb.start_fiji()
    ij = fiji.imagej.IJ
    plus = ij.openImage(str(Path(image).absolute()))
    fiji.imagej.java("ij.Prefs").blackBackground = True
    ij.setAutoThreshold(plus, "Default dark")
    ij.run(plus, "Convert to Mask", "")
    result = fb.analyze_particles(
        fiji.from_imagej(plus),
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
