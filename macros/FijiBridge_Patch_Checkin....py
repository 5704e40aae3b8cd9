#@script(headless=true)
#@ Context (required=false) context
#@output Boolean ok
#@output String message

# FijiBridge Patch Checkin...: an edited patch goes back where it came from, every pyramid level right.
# Made by: python -m fijibridge.bridge.shims macros. Do not edit.

import sys
from ij import IJ
from java.lang import System

app = System.getProperty("imagej.dir", "Fiji.app")
for macros in (app + "/macros/", IJ.getDirectory("macros")):
    if macros and macros + "FijiBridge" not in sys.path:
        sys.path.insert(0, macros + "FijiBridge")
import fijibridge_call

title = "FijiBridge Patch Checkin"
about = "An edited patch goes back where it came from, every pyramid level right.\nEmpty fields are left out; no input: the active image."
# name, default, kind, help
fields = (
    ("file", "", "file", "the edited patch"),
    ("store", "", "file", "the store; left out: its own"),
    ("region", "", "text", "the region; left out: its own"),
    ("level", "", "text", "the level; left out: its own"),
    ("axes", "", "text", "axes of the file, such as zyx"),
    ("filter", "", ("", "linear", "mean", "nearest",), "how coarser levels are made; left out: as the pyramid was"),
    ("as_labels", "", "text", "put it beside the image as the new label image labels/NAME"),
    ("convert_dtype", "false", "flag", "convert a changed pixel type: rounded, limited to the store's range"),
    ("force", "false", "flag", "replace what was changed in the store since check-out"),
    ("overwrite", "false", "flag", "replace existing targets"),
    ("skip_existing", "false", "flag", "skip targets that are complete: made with the same settings from the same source"),
    ("dry_run", "false", "flag", "print the plan, write nothing"),
    ("no_settings", "false", "flag", "leave no NAME_settings.json beside the outputs"),
)
try:
    context
except NameError:  # run by something other than Fiji
    context = None
ok, message = fijibridge_call.run("patch checkin", title, about, fields, context)
