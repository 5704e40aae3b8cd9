#@script(headless=true)
#@ Context (required=false) context
#@output Boolean ok
#@output String message

# FijiBridge Convert...: any label mask, ROI set, table or image into any other format or kind.
# Made by: python -m fijibridge.bridge.shims macros. Do not edit.

import sys
from ij import IJ
from java.lang import System

app = System.getProperty("imagej.dir", "Fiji.app")
for macros in (app + "/macros/", IJ.getDirectory("macros")):
    if macros and macros + "FijiBridge" not in sys.path:
        sys.path.insert(0, macros + "FijiBridge")
import fijibridge_call

title = "FijiBridge Convert"
about = "Any label mask, ROI set, table or image into any other format or kind.\nEmpty fields are left out; no input: the active image."
# name, default, kind, help
fields = (
    ("input", "", "file", "image, label mask, ROI set or table; a quoted pattern is one stack"),
    ("output", "", "file", "the target; its suffix is the format. {name} is the input's name"),
    ("each", "", "file", "take every match as its own input; OUTPUT has {name}"),
    ("to", "", "text", "format, where a suffix fits several"),
    ("lut", "glasbey", ("glasbey", "none",), "colour table of label images"),
    ("role", "", ("", "labels", "intensity", "probabilities",), "labels, intensity or probabilities; left out: as the file says"),
    ("axes", "", "text", "axes of the image, such as zyx"),
    ("pixel_size", "", "text", "pixel sizes in place of the file's"),
    ("unit", "", "text", "unit of length (um, nm, ...)"),
    ("like", "", "file", "ROIs to labels: size as this image's"),
    ("shape", "", "text", "ROIs to labels: size, height first"),
    ("overlap", "last", ("last", "first", "smallest", "error", "channels",), "who gets a pixel of several ROIs: last, first, smallest; error; channels keeps all"),
    ("names", "{label:04d}", "text", "names of ROIs made from labels; fields: label, index, t, z"),
    ("vertices", "corners", ("corners", "centers",), "ROIs along pixel corners (exact) or through pixel centres"),
    ("overwrite", "false", "flag", "replace existing targets"),
    ("skip_existing", "false", "flag", "skip targets that are complete: made with the same settings from the same source"),
    ("dry_run", "false", "flag", "print the plan, write nothing"),
    ("no_settings", "false", "flag", "leave no NAME_settings.json beside the outputs"),
)
try:
    context
except NameError:  # run by something other than Fiji
    context = None
ok, message = fijibridge_call.run("convert", title, about, fields, context)
