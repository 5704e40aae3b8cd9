# The lesson "Output saving" without ROI Manager: Jython, in Fiji or ImageJ. Works headless:
#     fijibridge fiji run examples/output_saving_jython.py --headless image=blobs.tif outdir=out
# ruff: noqa: D100, UP031, F821
# @ String image
# @ String outdir
from ij import IJ, Prefs
from java.lang import System

plus = IJ.openImage(image)
Prefs.blackBackground = True
IJ.setAutoThreshold(plus, "Default dark")
IJ.run(plus, "Convert to Mask", "")
keys = "size=[20-Infinity] circularity=[0.50-1.00] overwrite"
keys += " measurements=[area centroid center perimeter bounding]"
for name, file_name in (("table", "Results.tsv"), ("rois", "RoiSet.zip"), ("labels", "labels.tif")):
    keys += " %s=[%s/%s]" % (name, outdir, file_name)
IJ.run(plus, "FijiBridge Particles...", keys)
if System.getProperty("fijibridge.status") != "ok":
    raise RuntimeError(System.getProperty("fijibridge.message"))
