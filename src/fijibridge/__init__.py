"""Label masks, results tables, ROI sets and images between Fiji/ImageJ, ilastik and Python.

The public names, imported when they are used.
"""

from __future__ import annotations

import importlib
import sys
import types
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
    **dict.fromkeys(
        ("analyze_particles", "convert", "labels_to_rois", "rois_to_labels"), "ops.api"
    ),
    "run_verb": "ops",
    "start_fiji": "bridge.gateway",
}

__all__ = ["__version__", *_NAMES, "measure"]  # noqa: PLE0604  # all of them are str


def __getattr__(name: str) -> Any:
    if name == "measure":
        return importlib.import_module(f"{__name__}.measure")
    module = _NAMES.get(name)
    if module is None:
        raise AttributeError(f"module 'fijibridge' has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{module}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)


class _Room(types.ModuleType):
    """The room ``fijibridge.measure``, also the function ``fb.measure(objects, image)``."""

    def __call__(self, objects: Any, image: Any = None, **settings: Any) -> Any:
        """Measure existing objects, one row each; see `fijibridge.ops.api.measure`."""
        api = importlib.import_module("fijibridge.ops.api")
        return api.measure(objects, image, **settings)


class _Package(types.ModuleType):
    # importing the room sets it as an attribute here and would hide the function of its name
    def __setattr__(self, name: str, value: Any) -> None:
        if name == "measure" and isinstance(value, types.ModuleType):
            value.__class__ = _Room
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
