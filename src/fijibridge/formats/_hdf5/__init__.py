"""Parts of HDF5: axistags, reading, writing."""
