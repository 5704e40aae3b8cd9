#@script(headless=true)
#@ Context (required=false) context
#@ ImagePlus (required=false, persist=false) imp
#@ String (label="Input", description="images; a quoted pattern ('t_*.tif') is one stack", required=false, persist=false, value="") input
#@ String (visibility=INVISIBLE, required=false, persist=false, value="") image
#@ String (visibility=INVISIBLE, required=false, persist=false, value="") images
#@ String (visibility=INVISIBLE, required=false, persist=false, value="") inputs
#@ String (label="Each", description="take every match as its own input", required=false, persist=false, value="") each
#@ String (label="Axes", description="axes of the image, such as zyx", required=false, persist=false, value="") axes
#@ String (label="Pixel size", description="pixel sizes in place of the file's", required=false, persist=false, value="") pixel_size
#@ String (label="Unit", description="unit of length (um, nm, ...)", required=false, persist=false, value="") unit
#@ String (label="Role", description="labels: each label of the image is one object, touching or not", required=false, persist=false, choices={"intensity", "labels", "probabilities"}, value="intensity") role
#@ String (label="Threshold", description="'LOW,HIGH' or a method of ImageJ ('Otsu dark'); left out: the image is binary", required=false, persist=false, value="") threshold
#@ Boolean (label="White background", description="binary images: objects are 0 on 255", required=false, persist=false, value=false) white_background
#@ String (label="Size", description="area, such as 20-Infinity, in calibrated units squared", required=false, persist=false, value="") size
#@ Boolean (label="Pixel units", description="size is in pixels", required=false, persist=false, value=false) pixel_units
#@ String (label="Circularity", description="circularity, such as 0.80-1.00", required=false, persist=false, value="") circularity
#@ Boolean (label="Exclude", description="leave out objects on the edges", required=false, persist=false, value=false) exclude
#@ Boolean (label="Include", description="fill holes", required=false, persist=false, value=false) include
#@ Boolean (label="Four", description="4-connected; includes holes, as in ImageJ", required=false, persist=false, value=false) four
#@ Boolean (label="Composite", description="ROIs keep their holes", required=false, persist=false, value=false) composite
#@ Boolean (label="Record", description="table columns XStart and YStart", required=false, persist=false, value=false) record
#@ Boolean (label="Stack", description="all planes of a stack, one after the other", required=false, persist=false, value=false) stack
#@ String (label="Slice", description="the plane that is analyzed, 1 = first", required=false, persist=false, value="") slice
#@ String (label="Select", description="only in rect:X,Y,W,H, oval:X,Y,W,H, polygon:x1,y1,x2,y2,... or FILE.roi", required=false, persist=false, value="") select
#@ String (label="Connectivity", description="3d: objects of a volume, not of its planes", required=false, persist=false, choices={"", "2d", "3d"}, value="") connectivity
#@ String (label="Options", description="a recorded Analyze Particles line: 'size=20-Infinity exclude show=[Count Masks]'", required=false, persist=false, value="") options
#@ String (label="Redirect", description="measure the grey values of this image", required=false, persist=false, value="") redirect
#@ String (label="Measurements", description="words of Set Measurements ('area mean feret's display'), or all", required=false, persist=false, value="area mean min") measurements
#@ String (label="Decimal", description="decimal places, 0 to 9", required=false, persist=false, value="3") decimal
#@ String (label="Label limit", description="largest label; later objects share it (ImageJ: 65535); default none", required=false, persist=false, value="") label_limit
#@ String (label="Outdir", description="folder for NAME_Results.tsv, NAME_RoiSet.zip and NAME_labels.tif; without it, and nothing named,...", required=false, persist=false, value="") outdir
#@ String (label="Table", description="results table; of several images the combined one, or one each with {name}", required=false, persist=false, value="") table
#@ String (label="Rois", description="ROI set (.zip, .geojson)", required=false, persist=false, value="") rois
#@ String (label="Labels", description="label mask (.tif, .h5, .ome.zarr, ...)", required=false, persist=false, value="") labels
#@ String (label="Summary", description="summary table", required=false, persist=false, value="") summary
#@ String (label="Overlay", description="picture of the outlines on the image", required=false, persist=false, value="") overlay
#@ String (label="Drawing", description="the image that --show names", required=false, persist=false, value="") drawing
#@ String (label="Show", description="Nothing, Overlay, Overlay Masks, Outlines, Bare Outlines, Ellipses, Masks, Count Masks", required=false, persist=false, choices={"", "Nothing", "Overlay", "Overlay Masks", "Outlines", "Bare Outlines", "Ellipses", "Masks", "Count Masks"}, value="") show
#@ Boolean (label="Overwrite", description="replace existing targets", required=false, persist=false, value=false) overwrite
#@ Boolean (label="Skip existing", description="skip targets that are complete: made with the same settings from the same source", required=false, persist=false, value=false) skip_existing
#@ Boolean (label="Dry run", description="print the plan, write nothing", required=false, persist=false, value=false) dry_run
#@ Boolean (label="No settings", description="leave no NAME_settings.json beside the outputs", required=false, persist=false, value=false) no_settings
#@output Boolean ok
#@output String message

# FijiBridge Particles...: ImageJ's Analyze Particles: results table, ROI set and label mask of images.
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
    "image": "",
    "images": "",
    "inputs": "",
    "each": "",
    "axes": "",
    "pixel_size": "",
    "unit": "",
    "role": "intensity",
    "threshold": "",
    "white_background": "false",
    "size": "",
    "pixel_units": "false",
    "circularity": "",
    "exclude": "false",
    "include": "false",
    "four": "false",
    "composite": "false",
    "record": "false",
    "stack": "false",
    "slice": "",
    "select": "",
    "connectivity": "",
    "options": "",
    "redirect": "",
    "measurements": "area mean min",
    "decimal": "3",
    "label_limit": "",
    "outdir": "",
    "table": "",
    "rois": "",
    "labels": "",
    "summary": "",
    "overlay": "",
    "drawing": "",
    "show": "",
    "overwrite": "false",
    "skip_existing": "false",
    "dry_run": "false",
    "no_settings": "false",
}
ok, message = fijibridge_call.run("particles", defaults, globals())
