#@script(headless=true)
#@ Context (required=false) context
#@output Boolean ok
#@output String message

# FijiBridge Measure...: measurements of existing labels or ROIs, as ImageJ's Measure gives them.
# Made by: python -m fijibridge.bridge.shims macros. Do not edit.

import sys
from ij import IJ
from java.lang import System

app = System.getProperty("imagej.dir", "Fiji.app")
for macros in (app + "/macros/", IJ.getDirectory("macros")):
    if macros and macros + "FijiBridge" not in sys.path:
        sys.path.insert(0, macros + "FijiBridge")
import fijibridge_call

title = "FijiBridge Measure"
about = "Measurements of existing labels or ROIs, as ImageJ's Measure gives them.\nEmpty fields are left out; no input: the active image."
# name, default, kind, help
fields = (
    ("objects", "", "file", "label mask or ROI set"),
    ("image", "", "file", "the image whose grey values are measured"),
    ("axes", "", "text", "axes of image and labels, such as zyx"),
    ("slice", "", "text", "the plane that is measured, 1 = first"),
    ("measurements", "area mean min", "text", "words of Set Measurements ('area mean feret's display'), or all"),
    ("decimal", "3", "text", "decimal places, 0 to 9"),
    ("table", "", "file", "results table; default NAME_Results.tsv"),
    ("outdir", "", "folder", "folder for NAME_Results.tsv"),
    ("overwrite", "false", "flag", "replace existing targets"),
    ("skip_existing", "false", "flag", "skip targets that are complete: made with the same settings from the same source"),
    ("dry_run", "false", "flag", "print the plan, write nothing"),
    ("no_settings", "false", "flag", "leave no NAME_settings.json beside the outputs"),
)
try:
    context
except NameError:  # run by something other than Fiji
    context = None
ok, message = fijibridge_call.run("measure", title, about, fields, context)
