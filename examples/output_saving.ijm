// Analyze Particles, its outputs saved, no ROI Manager: an ImageJ macro. Works headless:
//     fijibridge fiji run examples/output_saving.ijm --headless image=nuclei.tif outdir=out
#@ String image
#@ String outdir
open(image);
setAutoThreshold("Otsu dark");
run("FijiBridge Particles...", "size=[10-Infinity] exclude measurements=[area mean centroid perimeter shape]"
    + " table=[" + outdir + "/Results.tsv] rois=[" + outdir + "/RoiSet.zip] labels=[" + outdir + "/labels.tif] overwrite");
if (call("java.lang.System.getProperty", "fijibridge.status") != "ok")
    exit(call("java.lang.System.getProperty", "fijibridge.message"));
