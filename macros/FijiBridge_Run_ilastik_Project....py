#@script(headless=true)
#@ Context (required=false) context
#@output Boolean ok
#@output String message

# FijiBridge Run ilastik Project...: run a trained ilastik project on new images, with ilastik's flags, without ilastik.
# Made by: python -m fijibridge.bridge.shims macros. Do not edit.

import sys
from ij import IJ
from java.lang import System

app = System.getProperty("imagej.dir", "Fiji.app")
for macros in (app + "/macros/", IJ.getDirectory("macros")):
    if macros and macros + "FijiBridge" not in sys.path:
        sys.path.insert(0, macros + "FijiBridge")
import fijibridge_call

title = "FijiBridge Run ilastik Project"
about = "Run a trained ilastik project on new images, with ilastik's flags, without ilastik.\nEmpty fields are left out; no input: the active image."
# name, default, kind, help
fields = (
    ("project", "", "file", "the trained project, an .ilp file"),
    ("inputs", "", "file", "images; a path may go on inside a file; a quoted pattern is one stack"),
    ("input_data", "", "file", "the same as INPUT, ilastik's flag"),
    ("each", "", "file", "take every match as its own input"),
    ("input_axes", "", "text", "axes of the input, such as zyxc; with a mask two, parted by a comma"),
    ("stack_along", "z", "text", "axis of the files of a pattern"),
    ("role", "", ("", "labels", "intensity", "probabilities",), "labels, intensity or probabilities; left out: as the file says"),
    ("preconvert_stacks", "false", "flag", "ilastik's; stacks are read as they are, in bounded memory"),
    ("export_source", "", "text", "Probabilities (the default), Simple Segmentation, Uncertainty, Features, Labels; of Autocontext w..."),
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
    ("ignore_training_axistags", "false", "flag", "never take the training image's axes for those of an input"),
    ("new_project", "", "text", "ilastik's; no project is made"),
    ("workflow", "", "text", "ilastik's: Data Conversion"),
    ("raw_data", "", "text", "the same as INPUT, ilastik's flag"),
    ("prediction_mask", "", "text", "one an input: probabilities are 0 where it is 0"),
    ("filters", "fastfilters", ("fastfilters", "vigra",), "vigra for projects of an ilastik that had no fastfilters; which one fits shows where the result o..."),
    ("configfile", "", "file", "ilastik's configuration: threads and total_ram_mb of [lazyflow]"),
    ("logfile", "", "file", "what was done is added to this file"),
    ("redirect_output", "", "file", "the same as --logfile"),
    ("clean_paths", "false", "flag", "ilastik's; nothing to clean here"),
    ("debug", "false", "flag", "ilastik's; errors are always told in full"),
    ("segmentation_image", "", "text", "one an input: a segmentation, 0 outside"),
    ("label_image", "", "text", "one an input: a label image"),
    ("prediction_maps", "", "text", "one an input: probabilities"),
    ("probabilities", "", "text", "the same as --prediction_maps; of Multicut and Boundary-based Segmentation"),
    ("probabilitie_maps", "", "text", "the same, as ilastik spells it at times"),
    ("binary_image", "", "text", "the same as --segmentation_image"),
    ("table_filename", "", "file", "writes the object table too; its suffix is the format: .csv, .tsv, .parquet, or .h5 with a cut-ou..."),
    ("table_only", "false", "flag", "writes the object table and no image"),
    ("table_margin", "0", "text", "around the cut-outs of an .h5 table"),
    ("export_object_prediction_img", "false", "flag", "ilastik's; --export_source says it better"),
    ("export_object_probability_img", "false", "flag", "ilastik's; --export_source says it better"),
    ("export_pixel_probability_img", "false", "flag", "ilastik's; --export_source says it better"),
    ("export_plugin", "", "text", "Tracking, with --export_source Plugin: a layout of fijibridge tracks"),
    ("big_data_viewer_xml_file", "", "file", "Tracking; by ilastik itself"),
    ("csv_export_file", "", "file", "Counting; by ilastik itself"),
    ("engine", "auto", ("native", "executable", "auto",), "who computes: fijibridge, or the ilastik that is installed; auto = ilastik for what does not run..."),
    ("ilastik_executable", "", "file", "run_ilastik.sh or ilastik.exe; left out: ILASTIK_EXECUTABLE, or the usual places"),
    ("overwrite", "false", "flag", "replace existing targets"),
    ("skip_existing", "false", "flag", "skip targets that are complete: made with the same settings from the same source"),
    ("dry_run", "false", "flag", "print the plan, write nothing"),
    ("no_settings", "false", "flag", "leave no NAME_settings.json beside the outputs"),
)
try:
    context
except NameError:  # run by something other than Fiji
    context = None
ok, message = fijibridge_call.run("ilastik", title, about, fields, context)
