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
            "Tracks",
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
    "checkout": "ops.patch_checkout",
    "checkin": "ops.patch_checkin",
    "preview": "ops.preview",
    "IlastikProject": "ops.project",
    "read_tracks": "ops._track_api",
    "run_verb": "ops",
    "snapshot": "ops.snapshot",
    "start_fiji": "bridge.gateway",
    "track_rois": "ops._track_api",
    "write_tracks": "ops._track_api",
}

#: Rooms that are functions too: name -> where the function is.
_ROOMS = {"measure": "ops.api", "export": "ops.export"}

__all__ = ["__version__", *_NAMES, *_ROOMS]  # noqa: PLE0604  # all of them are str


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return importlib.import_module(f"{__name__}.{name}")
    module = _NAMES.get(name)
    if module is None:
        raise AttributeError(f"module 'fijibridge' has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{module}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)


class _Room(types.ModuleType):
    """A room that is a function too: ``fb.measure(objects, image)``, ``fb.export(image)``."""

    def __call__(self, *values: Any, **settings: Any) -> Any:
        """Do what the function of this name does; see `fijibridge.ops`."""
        name = self.__name__.rpartition(".")[2]
        home = importlib.import_module(f"{__package__}.{_ROOMS[name]}")
        return getattr(home, name)(*values, **settings)


class _Package(types.ModuleType):
    # importing the room sets it as an attribute here and would hide the function of its name
    def __setattr__(self, name: str, value: Any) -> None:
        if name in _ROOMS and isinstance(value, types.ModuleType):
            value.__class__ = _Room
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
