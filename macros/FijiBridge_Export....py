#@script(headless=true)
#@ Context (required=false) context
#@output Boolean ok
#@output String message

# FijiBridge Export...: any image into any format: part, pixel type, range and axes, with ilastik's flags.
# Made by: python -m fijibridge.bridge.shims macros. Do not edit.

import sys
from ij import IJ
from java.lang import System

app = System.getProperty("imagej.dir", "Fiji.app")
for macros in (app + "/macros/", IJ.getDirectory("macros")):
    if macros and macros + "FijiBridge" not in sys.path:
        sys.path.insert(0, macros + "FijiBridge")
import fijibridge_call

title = "FijiBridge Export"
about = "Any image into any format: part, pixel type, range and axes, with ilastik's flags.\nEmpty fields are left out; no input: the active image."
# name, default, kind, help
fields = (
    ("inputs", "", "file", "images; a path may go on inside a file; a quoted pattern is one stack"),
    ("input_data", "", "file", "the same as INPUT, ilastik's flag"),
    ("each", "", "file", "take every match as its own input"),
    ("input_axes", "", "text", "axes of the input, such as zyx"),
    ("stack_along", "z", "text", "axis of the files of a pattern"),
    ("role", "", ("", "labels", "intensity", "probabilities",), "labels, intensity or probabilities; left out: as the file says"),
    ("preconvert_stacks", "false", "flag", "ilastik's; stacks are read as they are, in bounded memory"),
    ("export_source", "Input", "text", "Input, the only source here"),
    ("cutout_subregion", "", "text", "the part that is written, in the input's axis order, None = open end; or z=0:10,y=:100"),
    ("export_dtype", "", "text", "pixel type"),
    ("pipeline_result_drange", "", "text", "the range of values that becomes export_drange"),
    ("export_drange", "", "text", "the range of values afterwards"),
    ("output_axis_order", "", "text", "axes of the output, such as tzyxc"),
    ("downscale", "", ("", "linear", "mean", "nearest",), "how the levels of a pyramid are made; left out: linear, labels nearest"),
    ("ome_zarr_version", "", ("", "0.4", "0.5",), "of an OME-Zarr; left out: 0.4, which Fiji and MoBIE open"),
    ("compat", "", ("", "ilastik",), "bit for bit what current ilastik writes, truncation, wrapping and names included"),
    ("output_format", "", "text", "left out: as the suffix says, else compressed hdf5; one of: hdf5, compressed hdf5, blockwise hdf5..."),
    ("output_filename_format", "{dataset_dir}/{nickname}_{result_type}", "text", "name with placeholders: dataset_dir, nickname, result_type, roi, x_start, x_stop, ..., index, sli..."),
    ("output_internal_path", "exported_data", "text", "place inside HDF5 and N5 files"),
    ("recipe", "", "text", "several products of each input in one read: a TOML or JSON list of these options"),
    ("report", "", "file", "page with thumbnails, settings, times and failures"),
    ("delete", "false", "flag", "delete what an export with these settings has written; lists it and asks first"),
    ("yes", "false", "flag", "with --delete: do not ask, just list"),
    ("scheduler", "", "text", "work on the dask.distributed cluster of this scheduler"),
    ("jobs", "0", "text", "threads; 0 = one a core"),
    ("memory", "268435456", "text", "what blocks in flight may take, such as 1GB"),
    ("headless", "false", "flag", "ilastik's; nothing here opens windows"),
    ("readonly", "false", "flag", "ilastik's; inputs are never changed"),
    ("ignore_training_axistags", "false", "flag", "ilastik's; an export has no training data"),
    ("new_project", "", "text", "ilastik's; no project is made"),
    ("workflow", "", "text", "ilastik's: Data Conversion"),
    ("overwrite", "false", "flag", "replace existing targets"),
    ("skip_existing", "false", "flag", "skip targets that are complete: made with the same settings from the same source"),
    ("dry_run", "false", "flag", "print the plan, write nothing"),
    ("no_settings", "false", "flag", "leave no NAME_settings.json beside the outputs"),
)
try:
    context
except NameError:  # run by something other than Fiji
    context = None
ok, message = fijibridge_call.run("export", title, about, fields, context)
