"""Trained ilastik projects, run: filters, forest, and images that are computed block by block."""
