# Analyze Particles, its outputs saved, no ROI Manager: Jython, in Fiji or ImageJ. Works headless:
#     fijibridge fiji run examples/output_saving_jython.py --headless image=nuclei.tif outdir=out
# ruff: noqa: D100, UP031, F821
# @ String image
# @ String outdir
from ij import IJ
from java.lang import System

plus = IJ.openImage(image)
IJ.setAutoThreshold(plus, "Otsu dark")
keys = "size=[10-Infinity] exclude measurements=[area mean centroid perimeter shape] overwrite"
for name, file_name in (("table", "Results.tsv"), ("rois", "RoiSet.zip"), ("labels", "labels.tif")):
    keys += " %s=[%s/%s]" % (name, outdir, file_name)
IJ.run(plus, "FijiBridge Particles...", keys)
if System.getProperty("fijibridge.status") != "ok":
    raise RuntimeError(System.getProperty("fijibridge.message"))
