#!/usr/bin/env python3
"""The same from Python with Fiji, or ImageJ 1.54p: ``output_saving_fiji.py IMAGE OUTDIR``.

ImageJ opens the image and finds the threshold; the image comes over as it is.
"""

from __future__ import annotations

import sys
from pathlib import Path

import fijibridge as fb


def main(image: str, outdir: Path) -> None:
    """Open and threshold in ImageJ, analyze, save."""
    fiji = fb.start_fiji()
    plus = fiji.imagej.IJ.openImage(str(Path(image).absolute()))
    fiji.imagej.IJ.setAutoThreshold(plus, "Otsu dark")
    processor = plus.getProcessor()
    threshold = (float(processor.getMinThreshold()), float(processor.getMaxThreshold()))
    result = fb.analyze_particles(
        fiji.from_imagej(plus),
        threshold=threshold,
        size=(10, float("inf")),
        exclude=True,
        measurements=("area", "mean", "centroid", "perimeter", "shape"),
    )
    outdir.mkdir(parents=True, exist_ok=True)
    fb.write_table(result.table, outdir / "Results.tsv", overwrite=True)
    fb.write_rois(result.rois, outdir / "RoiSet.zip", overwrite=True)
    fb.write_labels(result.labels, outdir / "labels.tif", overwrite=True)
    print(f"{len(result.table)} objects")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
