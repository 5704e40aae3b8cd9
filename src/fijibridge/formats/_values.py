"""What users give to be read and written: option names, arrays and lists in place of values."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from fijibridge.errors import SettingsError, nearest
from fijibridge.formats._format import ReadOptions, TrackOptions, WriteOptions
from fijibridge.model import Image, LabelImage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fijibridge.model import ResultsTable, RoiSet, Role

__all__ = ["as_image", "as_rois", "as_table", "named_options"]

Options = TypeVar("Options", ReadOptions, WriteOptions, TrackOptions)


def named_options(cls: type[Options], values: Mapping[str, object]) -> Options:
    """Return read or write options; unknown names are errors with the nearest one."""
    known = [item.name for item in dataclasses.fields(cls)]
    for name in values:
        if name not in known:
            raise SettingsError(
                f"There is no option {name!r}.{nearest(name, known)}",
                f"Options: {', '.join(known)}.",
            )
    return cls(**values)  # type: ignore[arg-type]  # as the dataclass checks


def as_image(value: Any, axes: str | None, role: Role) -> Image:
    """Return an image to be written: an Image, or an array with its axes."""
    if isinstance(value, Image):
        if axes is not None and axes != value.axes.keys:
            raise SettingsError(
                f"axes is {axes!r}, but the image has {value.axes.keys!r} already.",
                "Use image.reorder(axes).",
            )
        if role == "labels" and not isinstance(value, LabelImage):
            return LabelImage.from_array(
                value.data, value.axes, name=value.name, extra=value.spec.extra
            )
        return value
    shape = getattr(value, "shape", None)
    if not isinstance(shape, tuple):
        raise SettingsError(
            f"What is written is an Image or an array, not {type(value).__name__}.",
            'Say fb.Image.from_array(a, "zyx") or give a numpy array.',
        )
    if axes is None and len(shape) != 2:
        raise SettingsError(
            f"An array of {len(shape)} dimensions needs axes=, one letter each.",
            'Say which is which, such as axes="zyx".',
        )
    data = np.asarray(value)
    if role == "labels":
        return LabelImage.from_array(data, axes or "yx")
    return Image.from_array(data, axes or "yx", role=role)


def as_table(value: Any) -> ResultsTable:
    from fijibridge.model import ResultsTable

    if isinstance(value, ResultsTable):
        return value
    if hasattr(value, "columns") and hasattr(value, "iloc"):
        return ResultsTable.from_pandas(value)
    raise SettingsError(
        f"What is written is a ResultsTable or a pandas DataFrame, not {type(value).__name__}.",
        "Say fb.ResultsTable(columns).",
    )


def as_rois(value: Any) -> RoiSet:
    from fijibridge.model import Roi, RoiSet

    if isinstance(value, RoiSet):
        return value
    if isinstance(value, Roi):
        return RoiSet([value])
    if isinstance(value, (list, tuple)) and all(isinstance(one, Roi) for one in value):
        return RoiSet(value)
    raise SettingsError(
        f"What is written is a RoiSet or a list of Roi, not {type(value).__name__}.",
        "Say fb.RoiSet(rois).",
    )
