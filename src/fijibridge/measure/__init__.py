"""Pixels to objects: Analyze Particles, measurements, labels to ROIs and back. numpy only."""
