"""Parts of text tables: dialects read, ImageJ's printing, the sidecar."""
