"""Parts of the ROI formats: records, zips of them, and the kernels for many at once."""
