"""The export engine: decide everything from what the source says of itself, then copy blocks."""
