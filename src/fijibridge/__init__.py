"""Label masks, results tables, ROI sets and images between Fiji/ImageJ, ilastik and Python.

The public names, imported when they are used.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

#: Public name -> module that holds it.
_NAMES = {
    **dict.fromkeys(
        (
            "BridgeError",
            "FijiBridgeError",
            "FormatError",
            "MissingDependencyError",
            "SettingsError",
            "UnsupportedError",
        ),
        "errors",
    ),
    **dict.fromkeys(
        (
            "Axes",
            "Axis",
            "Image",
            "LabelImage",
            "Position",
            "Region",
            "ResultsTable",
            "Roi",
            "RoiSet",
        ),
        "model",
    ),
    **dict.fromkeys(
        (
            "open_image",
            "read_image",
            "read_labels",
            "read_rois",
            "read_table",
            "write_image",
            "write_labels",
            "write_rois",
            "write_table",
        ),
        "formats",
    ),
}

__all__ = ["__version__", *_NAMES]  # noqa: PLE0604  # all of them are str


def __getattr__(name: str) -> Any:
    module = _NAMES.get(name)
    if module is None:
        raise AttributeError(f"module 'fijibridge' has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{module}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
