"""Parts of GeoJSON: rings from outlines, and writing."""
