"""Parts of OME-Zarr: stores, metadata, levels, checks."""
