#!/bin/sh
# Analyze Particles, its outputs saved, in a shell: sh examples/output_saving.sh IMAGE OUTDIR
set -eu
fijibridge particles "$1" --threshold "Otsu dark" --size 10-Infinity --exclude \
    --measurements "area mean centroid perimeter shape" --overwrite \
    --table "$2/Results.tsv" --rois "$2/RoiSet.zip" --labels "$2/labels.tif"
