"""Parts of the TIFF formats: directories, descriptions, arrays, sinks."""
