"""Compiled loops of the project room; imported only when a project runs."""
