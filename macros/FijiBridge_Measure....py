#@script(headless=true)
#@ Context (required=false) context
#@ ImagePlus (required=false, persist=false) imp
#@ String (label="Objects", description="label mask or ROI set", required=false, persist=false, value="") objects
#@ String (visibility=INVISIBLE, required=false, persist=false, value="") input
#@ String (visibility=INVISIBLE, required=false, persist=false, value="") labels
#@ String (visibility=INVISIBLE, required=false, persist=false, value="") rois
#@ String (label="Image", description="the image whose grey values are measured", required=false, persist=false, value="") image
#@ String (label="Axes", description="axes of image and labels, such as zyx", required=false, persist=false, value="") axes
#@ String (label="Slice", description="the plane that is measured, 1 = first", required=false, persist=false, value="") slice
#@ String (label="Measurements", description="words of Set Measurements ('area mean feret's display'), or all", required=false, persist=false, value="area mean min") measurements
#@ String (label="Decimal", description="decimal places, 0 to 9", required=false, persist=false, value="3") decimal
#@ String (label="Table", description="results table; default NAME_Results.tsv", required=false, persist=false, value="") table
#@ String (label="Outdir", description="folder for NAME_Results.tsv", required=false, persist=false, value="") outdir
#@ Boolean (label="Overwrite", description="replace existing targets", required=false, persist=false, value=false) overwrite
#@ Boolean (label="Skip existing", description="skip targets that are complete: made with the same settings from the same source", required=false, persist=false, value=false) skip_existing
#@ Boolean (label="Dry run", description="print the plan, write nothing", required=false, persist=false, value=false) dry_run
#@ Boolean (label="No settings", description="leave no NAME_settings.json beside the outputs", required=false, persist=false, value=false) no_settings
#@output Boolean ok
#@output String message

# FijiBridge Measure...: measurements of existing labels or ROIs, as ImageJ's Measure gives them.
# Made by: python -m fijibridge.bridge.shims macros. Do not edit.

import sys
from ij import IJ

macros = IJ.getDirectory("macros") or IJ.getDirectory("imagej") + "macros/"
here = macros + "FijiBridge"
if here not in sys.path:
    sys.path.insert(0, here)
import fijibridge_call

defaults = {
    "objects": "",
    "input": "",
    "labels": "",
    "rois": "",
    "image": "",
    "axes": "",
    "slice": "",
    "measurements": "area mean min",
    "decimal": "3",
    "table": "",
    "outdir": "",
    "overwrite": "false",
    "skip_existing": "false",
    "dry_run": "false",
    "no_settings": "false",
}
ok, message = fijibridge_call.run("measure", defaults, globals())
