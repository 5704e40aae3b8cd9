#!/usr/bin/env python3
"""Analyze Particles, its outputs saved, in pure Python: ``output_saving.py IMAGE OUTDIR``.

The files are those that ``output_saving.ijm``, ``_jython.py``, ``_fiji.py`` and ``.sh`` make.
"""

from __future__ import annotations

import sys
from pathlib import Path

import fijibridge as fb


def main(image: str, outdir: Path) -> None:
    """Threshold, analyze, save."""
    result = fb.analyze_particles(
        image,
        threshold="Otsu dark",
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
