"""OME-TIFF: the contract, sub-resolutions, metadata."""

from __future__ import annotations

from formats.contract import ImageContract


class TestOmeTiff(ImageContract):
    fmt = "ome-tiff"
    suffix = ".ome.tif"
    dtypes = ("uint8", "int8", "uint16", "int32", "uint32", "float32", "float64")
    label_dtypes = ("uint8", "uint16", "uint32", "int64")
    axes_sets = ("yx", "zyx", "tyx", "cyx", "tzyxc", "xy")
    keeps = frozenset({"scale", "unit", "origin", "time"})
