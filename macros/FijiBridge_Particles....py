#@script(headless=true)
#@ Context (required=false) context
#@output Boolean ok
#@output String message

# FijiBridge Particles...: ImageJ's Analyze Particles: results table, ROI set and label mask of images.
# Made by: python -m fijibridge.bridge.shims macros. Do not edit.

import sys
from ij import IJ
from java.lang import System

app = System.getProperty("imagej.dir", "Fiji.app")
for macros in (app + "/macros/", IJ.getDirectory("macros")):
    if macros and macros + "FijiBridge" not in sys.path:
        sys.path.insert(0, macros + "FijiBridge")
import fijibridge_call

title = "FijiBridge Particles"
about = "ImageJ's Analyze Particles: results table, ROI set and label mask of images.\nEmpty fields are left out; no input: the active image."
# name, default, kind, help
fields = (
    ("input", "", "file", "images; a quoted pattern ('t_*.tif') is one stack"),
    ("each", "", "file", "take every match as its own input"),
    ("axes", "", "text", "axes of the image, such as zyx"),
    ("pixel_size", "", "text", "pixel sizes in place of the file's"),
    ("unit", "", "text", "unit of length (um, nm, ...)"),
    ("role", "intensity", ("intensity", "labels", "probabilities",), "labels: each label of the image is one object, touching or not"),
    ("threshold", "", "text", "'LOW,HIGH' or a method of ImageJ ('Otsu dark'); left out: the image is binary"),
    ("white_background", "false", "flag", "binary images: objects are 0 on 255"),
    ("size", "", "text", "area, such as 20-Infinity, in calibrated units squared"),
    ("pixel_units", "false", "flag", "size is in pixels"),
    ("circularity", "", "text", "circularity, such as 0.80-1.00"),
    ("exclude", "false", "flag", "leave out objects on the edges"),
    ("include", "false", "flag", "fill holes"),
    ("four", "false", "flag", "4-connected; includes holes, as in ImageJ"),
    ("composite", "false", "flag", "ROIs keep their holes"),
    ("record", "false", "flag", "table columns XStart and YStart"),
    ("stack", "false", "flag", "all planes of a stack, one after the other"),
    ("slice", "", "text", "the plane that is analyzed, 1 = first"),
    ("select", "", "file", "only in rect:X,Y,W,H, oval:X,Y,W,H, polygon:x1,y1,x2,y2,... or FILE.roi"),
    ("connectivity", "", ("", "2d", "3d",), "3d: objects of a volume, not of its planes"),
    ("options", "", "text", "a recorded Analyze Particles line: 'size=20-Infinity exclude show=[Count Masks]'"),
    ("redirect", "", "file", "measure the grey values of this image"),
    ("measurements", "area mean min", "text", "words of Set Measurements ('area mean feret's display'), or all"),
    ("decimal", "3", "text", "decimal places, 0 to 9"),
    ("label_limit", "", "text", "largest label; later objects share it (ImageJ: 65535); default none"),
    ("outdir", "", "folder", "folder for NAME_Results.tsv, NAME_RoiSet.zip and NAME_labels.tif; without it, and nothing named,..."),
    ("table", "", "file", "results table; of several images the combined one, or one each with {name}"),
    ("rois", "", "file", "ROI set (.zip, .geojson)"),
    ("labels", "", "file", "label mask (.tif, .h5, .ome.zarr, ...)"),
    ("summary", "", "file", "summary table"),
    ("overlay", "", "file", "picture of the outlines on the image"),
    ("drawing", "", "file", "the image that --show names"),
    ("show", "", ("", "Nothing", "Overlay", "Overlay Masks", "Outlines", "Bare Outlines", "Ellipses", "Masks", "Count Masks",), "Nothing, Overlay, Overlay Masks, Outlines, Bare Outlines, Ellipses, Masks, Count Masks"),
    ("overwrite", "false", "flag", "replace existing targets"),
    ("skip_existing", "false", "flag", "skip targets that are complete: made with the same settings from the same source"),
    ("dry_run", "false", "flag", "print the plan, write nothing"),
    ("no_settings", "false", "flag", "leave no NAME_settings.json beside the outputs"),
)
try:
    context
except NameError:  # run by something other than Fiji
    context = None
ok, message = fijibridge_call.run("particles", title, about, fields, context)
