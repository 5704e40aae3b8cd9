#@script(headless=true)
#@ Context (required=false) context
#@ ImagePlus (required=false, persist=false) imp
#@ String (label="Project", description="the trained project, an .ilp file", required=false, persist=false, value="") project
#@ String (label="Inputs", description="images; a path may go on inside a file; a quoted pattern is one stack", required=false, persist=false, value="") inputs
#@ String (visibility=INVISIBLE, required=false, persist=false, value="") input
#@ String (label="Input data", description="the same as INPUT, ilastik's flag", required=false, persist=false, value="") input_data
#@ String (label="Each", description="take every match as its own input", required=false, persist=false, value="") each
#@ String (label="Input axes", description="axes of the input, such as zyxc; with a mask two, parted by a comma", required=false, persist=false, value="") input_axes
#@ String (visibility=INVISIBLE, required=false, persist=false, value="") axes
#@ String (label="Stack along", description="axis of the files of a pattern", required=false, persist=false, value="z") stack_along
#@ String (label="Role", description="labels, intensity or probabilities; left out: as the file says", required=false, persist=false, choices={"", "labels", "intensity", "probabilities"}, value="") role
#@ Boolean (label="Preconvert stacks", description="ilastik's; stacks are read as they are, in bounded memory", required=false, persist=false, value=false) preconvert_stacks
#@ String (label="Export source", description="Probabilities (the default), Simple Segmentation, Uncertainty, Features, Labels; of Autocontext w...", required=false, persist=false, value="") export_source
#@ String (label="Cutout subregion", description="the part that is written, in the input's axis order, None = open end; or z=0:10,y=:100", required=false, persist=false, value="") cutout_subregion
#@ String (label="Export dtype", description="pixel type", required=false, persist=false, value="") export_dtype
#@ String (label="Pipeline result drange", description="the range of values that becomes export_drange", required=false, persist=false, value="") pipeline_result_drange
#@ String (label="Export drange", description="the range of values afterwards", required=false, persist=false, value="") export_drange
#@ String (label="Output axis order", description="axes of the output, such as tzyxc", required=false, persist=false, value="") output_axis_order
#@ String (label="Downscale", description="how the levels of a pyramid are made; left out: linear, labels nearest", required=false, persist=false, choices={"", "linear", "mean", "nearest"}, value="") downscale
#@ String (label="Ome zarr version", description="of an OME-Zarr; left out: 0.4, which Fiji and MoBIE open", required=false, persist=false, choices={"", "0.4", "0.5"}, value="") ome_zarr_version
#@ String (label="Compat", description="bit for bit what current ilastik writes, truncation, wrapping and names included", required=false, persist=false, choices={"", "ilastik"}, value="") compat
#@ String (label="Output format", description="left out: as the suffix says, else compressed hdf5; one of: hdf5, compressed hdf5, blockwise hdf5...", required=false, persist=false, value="") output_format
#@ String (label="Output filename format", description="name with placeholders: dataset_dir, nickname, result_type, roi, x_start, x_stop, ..., index, sli...", required=false, persist=false, value="{dataset_dir}/{nickname}_{result_type}") output_filename_format
#@ String (label="Output internal path", description="place inside HDF5 and N5 files", required=false, persist=false, value="exported_data") output_internal_path
#@ String (label="Recipe", description="several products of each input in one read: a TOML or JSON list of these options", required=false, persist=false, value="") recipe
#@ String (label="Report", description="page with thumbnails, settings, times and failures", required=false, persist=false, value="") report
#@ Boolean (label="Delete", description="delete what an export with these settings has written; lists it and asks first", required=false, persist=false, value=false) delete
#@ Boolean (label="Yes", description="with --delete: do not ask, just list", required=false, persist=false, value=false) yes
#@ String (label="Scheduler", description="work on the dask.distributed cluster of this scheduler", required=false, persist=false, value="") scheduler
#@ String (label="Jobs", description="threads; 0 = one a core", required=false, persist=false, value="0") jobs
#@ String (label="Memory", description="what blocks in flight may take, such as 1GB", required=false, persist=false, value="268435456") memory
#@ Boolean (label="Headless", description="ilastik's; nothing here opens windows", required=false, persist=false, value=false) headless
#@ Boolean (label="Readonly", description="ilastik's; inputs are never changed", required=false, persist=false, value=false) readonly
#@ Boolean (label="Ignore training axistags", description="never take the training image's axes for those of an input", required=false, persist=false, value=false) ignore_training_axistags
#@ String (label="New project", description="ilastik's; no project is made", required=false, persist=false, value="") new_project
#@ String (label="Workflow", description="ilastik's: Data Conversion", required=false, persist=false, value="") workflow
#@ String (label="Raw data", description="the same as INPUT, ilastik's flag", required=false, persist=false, value="") raw_data
#@ String (label="Prediction mask", description="one an input: probabilities are 0 where it is 0", required=false, persist=false, value="") prediction_mask
#@ String (label="Filters", description="vigra for projects of an ilastik that had no fastfilters; which one fits shows where the result o...", required=false, persist=false, choices={"fastfilters", "vigra"}, value="fastfilters") filters
#@ String (label="Configfile", description="ilastik's configuration: threads and total_ram_mb of [lazyflow]", required=false, persist=false, value="") configfile
#@ String (label="Logfile", description="what was done is added to this file", required=false, persist=false, value="") logfile
#@ String (label="Redirect output", description="the same as --logfile", required=false, persist=false, value="") redirect_output
#@ Boolean (label="Clean paths", description="ilastik's; nothing to clean here", required=false, persist=false, value=false) clean_paths
#@ Boolean (label="Debug", description="ilastik's; errors are always told in full", required=false, persist=false, value=false) debug
#@ String (label="Segmentation image", description="one an input: a segmentation, 0 outside", required=false, persist=false, value="") segmentation_image
#@ String (label="Label image", description="one an input: a label image", required=false, persist=false, value="") label_image
#@ String (label="Prediction maps", description="one an input: probabilities", required=false, persist=false, value="") prediction_maps
#@ String (label="Probabilities", description="the same as --prediction_maps; of Multicut and Boundary-based Segmentation", required=false, persist=false, value="") probabilities
#@ String (label="Probabilitie maps", description="the same, as ilastik spells it at times", required=false, persist=false, value="") probabilitie_maps
#@ String (label="Binary image", description="the same as --segmentation_image", required=false, persist=false, value="") binary_image
#@ String (label="Table filename", description="writes the object table too; its suffix is the format: .csv, .tsv, .parquet, or .h5 with a cut-ou...", required=false, persist=false, value="") table_filename
#@ Boolean (label="Table only", description="writes the object table and no image", required=false, persist=false, value=false) table_only
#@ String (label="Table margin", description="around the cut-outs of an .h5 table", required=false, persist=false, value="0") table_margin
#@ Boolean (label="Export object prediction img", description="ilastik's; --export_source says it better", required=false, persist=false, value=false) export_object_prediction_img
#@ Boolean (label="Export object probability img", description="ilastik's; --export_source says it better", required=false, persist=false, value=false) export_object_probability_img
#@ Boolean (label="Export pixel probability img", description="ilastik's; --export_source says it better", required=false, persist=false, value=false) export_pixel_probability_img
#@ String (label="Export plugin", description="Tracking, with --export_source Plugin: a layout of fijibridge tracks", required=false, persist=false, value="") export_plugin
#@ String (label="Big data viewer xml file", description="Tracking; by ilastik itself", required=false, persist=false, value="") big_data_viewer_xml_file
#@ String (label="Csv export file", description="Counting; by ilastik itself", required=false, persist=false, value="") csv_export_file
#@ String (label="Engine", description="who computes: fijibridge, or the ilastik that is installed; auto = ilastik for what does not run...", required=false, persist=false, choices={"native", "executable", "auto"}, value="auto") engine
#@ String (label="Ilastik executable", description="run_ilastik.sh or ilastik.exe; left out: ILASTIK_EXECUTABLE, or the usual places", required=false, persist=false, value="") ilastik_executable
#@ Boolean (label="Overwrite", description="replace existing targets", required=false, persist=false, value=false) overwrite
#@ Boolean (label="Skip existing", description="skip targets that are complete: made with the same settings from the same source", required=false, persist=false, value=false) skip_existing
#@ Boolean (label="Dry run", description="print the plan, write nothing", required=false, persist=false, value=false) dry_run
#@ Boolean (label="No settings", description="leave no NAME_settings.json beside the outputs", required=false, persist=false, value=false) no_settings
#@output Boolean ok
#@output String message

# FijiBridge Run ilastik Project...: run a trained ilastik project on new images, with ilastik's flags, without ilastik.
# Made by: python -m fijibridge.bridge.shims macros. Do not edit.

import sys
from ij import IJ

macros = IJ.getDirectory("macros") or IJ.getDirectory("imagej") + "macros/"
here = macros + "FijiBridge"
if here not in sys.path:
    sys.path.insert(0, here)
import fijibridge_call

defaults = {
    "project": "",
    "inputs": "",
    "input": "",
    "input_data": "",
    "each": "",
    "input_axes": "",
    "axes": "",
    "stack_along": "z",
    "role": "",
    "preconvert_stacks": "false",
    "export_source": "",
    "cutout_subregion": "",
    "export_dtype": "",
    "pipeline_result_drange": "",
    "export_drange": "",
    "output_axis_order": "",
    "downscale": "",
    "ome_zarr_version": "",
    "compat": "",
    "output_format": "",
    "output_filename_format": "{dataset_dir}/{nickname}_{result_type}",
    "output_internal_path": "exported_data",
    "recipe": "",
    "report": "",
    "delete": "false",
    "yes": "false",
    "scheduler": "",
    "jobs": "0",
    "memory": "268435456",
    "headless": "false",
    "readonly": "false",
    "ignore_training_axistags": "false",
    "new_project": "",
    "workflow": "",
    "raw_data": "",
    "prediction_mask": "",
    "filters": "fastfilters",
    "configfile": "",
    "logfile": "",
    "redirect_output": "",
    "clean_paths": "false",
    "debug": "false",
    "segmentation_image": "",
    "label_image": "",
    "prediction_maps": "",
    "probabilities": "",
    "probabilitie_maps": "",
    "binary_image": "",
    "table_filename": "",
    "table_only": "false",
    "table_margin": "0",
    "export_object_prediction_img": "false",
    "export_object_probability_img": "false",
    "export_pixel_probability_img": "false",
    "export_plugin": "",
    "big_data_viewer_xml_file": "",
    "csv_export_file": "",
    "engine": "auto",
    "ilastik_executable": "",
    "overwrite": "false",
    "skip_existing": "false",
    "dry_run": "false",
    "no_settings": "false",
}
ok, message = fijibridge_call.run("ilastik", defaults, globals())
