"""Compiled loops of the measurements; imported by functions, when they are used."""
