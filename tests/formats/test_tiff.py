"""ImageJ, plain and BigTIFF: the contract."""

from __future__ import annotations

from formats.contract import ImageContract


class TestImageJTiff(ImageContract):
    fmt = "imagej tiff"
    suffix = ".tif"
    dtypes = ("uint8", "uint16", "int16", "float32")
    label_dtypes = ("uint8", "uint16", "uint32", "int16", "int32", "int64", "uint64")
    label_max = 2**24
    axes_sets = ("yx", "zyx", "tyx", "cyx", "tzyx", "czyx", "tzcyx", "tzyxc", "xy", "cxyzt")
    keeps = frozenset({"scale", "unit", "origin", "time"})


class TestPlainTiff(ImageContract):
    fmt = "plain tiff"
    suffix = ".tif"
    dtypes = ("uint8", "int8", "uint16", "int32", "uint64", "float16", "float32", "float64")
    label_dtypes = ("uint8", "uint16", "uint32")
    axes_sets = ("yx", "zyx", "tyx", "cyx", "tzyxc", "xy")
    keeps = frozenset({"scale", "unit", "origin", "time"})


class TestBigTiff(TestPlainTiff):
    fmt = "bigtiff"
    suffix = ".btf"
