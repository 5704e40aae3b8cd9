#@script(headless=true)
#@ Context (required=false) context
#@ ImagePlus (required=false, persist=false) imp
#@ Boolean (label="Start", description="really start ImageJ (--start=false only looks whether it could)", required=false, persist=false, value=true) start
#@ Boolean (label="Overwrite", description="replace existing targets", required=false, persist=false, value=false) overwrite
#@ Boolean (label="Skip existing", description="skip targets that are complete: made with the same settings from the same source", required=false, persist=false, value=false) skip_existing
#@ Boolean (label="Dry run", description="print the plan, write nothing", required=false, persist=false, value=false) dry_run
#@ Boolean (label="No settings", description="leave no NAME_settings.json beside the outputs", required=false, persist=false, value=false) no_settings
#@output Boolean ok
#@output String message

# FijiBridge Doctor: what works here, and the exact next command for what does not.
# Made by: python -m fijibridge.bridge.shims macros. Do not edit.

import sys
from ij import IJ

macros = IJ.getDirectory("macros") or IJ.getDirectory("imagej") + "macros/"
here = macros + "FijiBridge"
if here not in sys.path:
    sys.path.insert(0, here)
import fijibridge_call

defaults = {
    "start": "true",
    "overwrite": "false",
    "skip_existing": "false",
    "dry_run": "false",
    "no_settings": "false",
}
ok, message = fijibridge_call.run("doctor", defaults, globals())
