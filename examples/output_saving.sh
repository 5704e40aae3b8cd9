#!/bin/sh
# The lesson "Output saving" in a shell: sh examples/output_saving.sh IMAGE OUTDIR
set -eu
mkdir -p "$2"
fijibridge particles "$1" --threshold "Default dark" --show Masks --drawing "$2/mask.tif" --overwrite
fijibridge particles "$2/mask.tif" --size 20-Infinity --circularity 0.50-1.00 \
    --measurements "area centroid center perimeter bounding" --overwrite \
    --table "$2/Results.tsv" --rois "$2/RoiSet.zip" --labels "$2/labels.tif"
