// The lesson "Output saving" without ROI Manager: an ImageJ macro. Binarise, Analyze Particles, save
// results table, ROI set and label mask. Works headless; IMAGE is an 8-bit image with bright objects:
//     fijibridge fiji run examples/output_saving.ijm --headless image=blobs.tif outdir=out
#@ String image
#@ String outdir
open(image);
setOption("BlackBackground", true);
setAutoThreshold("Default dark");
run("Convert to Mask");
run("FijiBridge Particles...", "size=[20-Infinity] circularity=[0.50-1.00]"
    + " measurements=[area centroid center perimeter bounding]"
    + " table=[" + outdir + "/Results.tsv] rois=[" + outdir + "/RoiSet.zip] labels=[" + outdir + "/labels.tif] overwrite");
if (call("java.lang.System.getProperty", "fijibridge.status") != "ok")
    exit(call("java.lang.System.getProperty", "fijibridge.message"));
