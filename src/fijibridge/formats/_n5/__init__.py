"""Parts of the N5 format: blocks, attributes, writing."""
