#@script(headless=true)
#@ Context (required=false) context
#@ ImagePlus (required=false, persist=false) imp
#@ String (label="Input", description="image, label mask, ROI set or table; a quoted pattern is one stack", required=false, persist=false, value="") input
#@ String (label="Output", description="the target; its suffix is the format. {name} is the input's name", required=false, persist=false, value="") output
#@ String (label="Each", description="take every match as its own input; OUTPUT has {name}", required=false, persist=false, value="") each
#@ String (label="To", description="format, where a suffix fits several", required=false, persist=false, value="") to
#@ String (label="Lut", description="colour table of label images", required=false, persist=false, choices={"glasbey", "none"}, value="glasbey") lut
#@ String (label="Role", description="labels, intensity or probabilities; left out: as the file says", required=false, persist=false, choices={"", "labels", "intensity", "probabilities"}, value="") role
#@ String (label="Axes", description="axes of the image, such as zyx", required=false, persist=false, value="") axes
#@ String (label="Pixel size", description="pixel sizes in place of the file's", required=false, persist=false, value="") pixel_size
#@ String (label="Unit", description="unit of length (um, nm, ...)", required=false, persist=false, value="") unit
#@ String (label="Like", description="ROIs to labels: size as this image's", required=false, persist=false, value="") like
#@ String (label="Shape", description="ROIs to labels: size, height first", required=false, persist=false, value="") shape
#@ String (label="Overlap", description="who gets a pixel of several ROIs: last, first, smallest; error; channels keeps all", required=false, persist=false, choices={"last", "first", "smallest", "error", "channels"}, value="last") overlap
#@ String (label="Names", description="names of ROIs made from labels; fields: label, index, t, z", required=false, persist=false, value="{label:04d}") names
#@ String (label="Vertices", description="ROIs along pixel corners (exact) or through pixel centres", required=false, persist=false, choices={"corners", "centers"}, value="corners") vertices
#@ Boolean (label="Overwrite", description="replace existing targets", required=false, persist=false, value=false) overwrite
#@ Boolean (label="Skip existing", description="skip targets that are complete: made with the same settings from the same source", required=false, persist=false, value=false) skip_existing
#@ Boolean (label="Dry run", description="print the plan, write nothing", required=false, persist=false, value=false) dry_run
#@ Boolean (label="No settings", description="leave no NAME_settings.json beside the outputs", required=false, persist=false, value=false) no_settings
#@output Boolean ok
#@output String message

# FijiBridge Convert...: any label mask, ROI set, table or image into any other format or kind.
# Made by: python -m fijibridge.bridge.shims macros. Do not edit.

import sys
from ij import IJ

macros = IJ.getDirectory("macros") or IJ.getDirectory("imagej") + "macros/"
here = macros + "FijiBridge"
if here not in sys.path:
    sys.path.insert(0, here)
import fijibridge_call

defaults = {
    "input": "",
    "output": "",
    "each": "",
    "to": "",
    "lut": "glasbey",
    "role": "",
    "axes": "",
    "pixel_size": "",
    "unit": "",
    "like": "",
    "shape": "",
    "overlap": "last",
    "names": "{label:04d}",
    "vertices": "corners",
    "overwrite": "false",
    "skip_existing": "false",
    "dry_run": "false",
    "no_settings": "false",
}
ok, message = fijibridge_call.run("convert", defaults, globals())
