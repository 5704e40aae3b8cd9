#@script(headless=true)
#@ Context (required=false) context
#@ ImagePlus (required=false, persist=false) imp
#@ String (label="Store", description="Zarr array or OME-Zarr image: a folder, a zip or a URL such as s3://bucket/a.zarr; the path may g...", required=false, persist=false, value="") store
#@ String (label="Region", description="z=5:15,y=40:120,x=40:120, or by lengths z=5um:15um; an axis left out is whole", required=false, persist=false, value="") region
#@ String (label="Out", description="the file: .tif, .ome.tif, .nii.gz, .dcm, .npy, .h5", required=false, persist=false, value="") out
#@ String (visibility=INVISIBLE, required=false, persist=false, value="") output
#@ String (label="Level", description="level of a pyramid by number or name; default 0", required=false, persist=false, value="") level
#@ String (label="To", description="format, where a suffix fits several", required=false, persist=false, value="") to
#@ Boolean (label="Overwrite", description="replace existing targets", required=false, persist=false, value=false) overwrite
#@ Boolean (label="Skip existing", description="skip targets that are complete: made with the same settings from the same source", required=false, persist=false, value=false) skip_existing
#@ Boolean (label="Dry run", description="print the plan, write nothing", required=false, persist=false, value=false) dry_run
#@ Boolean (label="No settings", description="leave no NAME_settings.json beside the outputs", required=false, persist=false, value=false) no_settings
#@output Boolean ok
#@output String message

# FijiBridge Patch Checkout...: a sub-volume of a Zarr store as a file to edit, which remembers where it came from.
# Made by: python -m fijibridge.bridge.shims macros. Do not edit.

import sys
from ij import IJ

macros = IJ.getDirectory("macros") or IJ.getDirectory("imagej") + "macros/"
here = macros + "FijiBridge"
if here not in sys.path:
    sys.path.insert(0, here)
import fijibridge_call

defaults = {
    "store": "",
    "region": "",
    "out": "",
    "output": "",
    "level": "",
    "to": "",
    "overwrite": "false",
    "skip_existing": "false",
    "dry_run": "false",
    "no_settings": "false",
}
ok, message = fijibridge_call.run("patch checkout", defaults, globals())
