"""Parts of the NIfTI format: the header."""
