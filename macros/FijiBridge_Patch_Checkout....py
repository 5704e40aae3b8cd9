#@script(headless=true)
#@ Context (required=false) context
#@output Boolean ok
#@output String message

# FijiBridge Patch Checkout...: a sub-volume of a Zarr store as a file to edit, which remembers where it came from.
# Made by: python -m fijibridge.bridge.shims macros. Do not edit.

import sys
from ij import IJ
from java.lang import System

app = System.getProperty("imagej.dir", "Fiji.app")
for macros in (app + "/macros/", IJ.getDirectory("macros")):
    if macros and macros + "FijiBridge" not in sys.path:
        sys.path.insert(0, macros + "FijiBridge")
import fijibridge_call

title = "FijiBridge Patch Checkout"
about = "A sub-volume of a Zarr store as a file to edit, which remembers where it came from.\nEmpty fields are left out."
# name, default, kind, help
fields = (
    ("store", "", "file", "Zarr array or OME-Zarr image: a folder, a zip or a URL such as s3://bucket/a.zarr; the path may g..."),
    ("region", "", "text", "z=5:15,y=40:120,x=40:120, or by lengths z=5um:15um; an axis left out is whole"),
    ("out", "", "file", "the file: .tif, .ome.tif, .nii.gz, .dcm, .npy, .h5"),
    ("level", "", "text", "level of a pyramid by number or name; default 0"),
    ("to", "", "text", "format, where a suffix fits several"),
    ("overwrite", "false", "flag", "replace existing targets"),
    ("skip_existing", "false", "flag", "skip targets that are complete: made with the same settings from the same source"),
    ("dry_run", "false", "flag", "print the plan, write nothing"),
    ("no_settings", "false", "flag", "leave no NAME_settings.json beside the outputs"),
)
try:
    context
except NameError:  # run by something other than Fiji
    context = None
ok, message = fijibridge_call.run("patch checkout", title, about, fields, context)
