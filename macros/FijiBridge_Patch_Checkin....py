#@script(headless=true)
#@ Context (required=false) context
#@ ImagePlus (required=false, persist=false) imp
#@ String (label="File", description="the edited patch", required=false, persist=false, value="") file
#@ String (visibility=INVISIBLE, required=false, persist=false, value="") input
#@ String (label="Store", description="the store; left out: its own", required=false, persist=false, value="") store
#@ String (label="Region", description="the region; left out: its own", required=false, persist=false, value="") region
#@ String (label="Level", description="the level; left out: its own", required=false, persist=false, value="") level
#@ String (label="Axes", description="axes of the file, such as zyx", required=false, persist=false, value="") axes
#@ String (label="Filter", description="how coarser levels are made; left out: as the pyramid was", required=false, persist=false, choices={"", "linear", "mean", "nearest"}, value="") filter
#@ String (label="As labels", description="put it beside the image as the new label image labels/NAME", required=false, persist=false, value="") as_labels
#@ Boolean (label="Convert dtype", description="convert a changed pixel type: rounded, limited to the store's range", required=false, persist=false, value=false) convert_dtype
#@ Boolean (label="Force", description="replace what was changed in the store since check-out", required=false, persist=false, value=false) force
#@ Boolean (label="Overwrite", description="replace existing targets", required=false, persist=false, value=false) overwrite
#@ Boolean (label="Skip existing", description="skip targets that are complete: made with the same settings from the same source", required=false, persist=false, value=false) skip_existing
#@ Boolean (label="Dry run", description="print the plan, write nothing", required=false, persist=false, value=false) dry_run
#@ Boolean (label="No settings", description="leave no NAME_settings.json beside the outputs", required=false, persist=false, value=false) no_settings
#@output Boolean ok
#@output String message

# FijiBridge Patch Checkin...: an edited patch goes back where it came from, every pyramid level right.
# Made by: python -m fijibridge.bridge.shims macros. Do not edit.

import sys
from ij import IJ

macros = IJ.getDirectory("macros") or IJ.getDirectory("imagej") + "macros/"
here = macros + "FijiBridge"
if here not in sys.path:
    sys.path.insert(0, here)
import fijibridge_call

defaults = {
    "file": "",
    "input": "",
    "store": "",
    "region": "",
    "level": "",
    "axes": "",
    "filter": "",
    "as_labels": "",
    "convert_dtype": "false",
    "force": "false",
    "overwrite": "false",
    "skip_existing": "false",
    "dry_run": "false",
    "no_settings": "false",
}
ok, message = fijibridge_call.run("patch checkin", defaults, globals())
