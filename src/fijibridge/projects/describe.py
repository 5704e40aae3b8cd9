"""What results of a project are, before a pixel is computed: axes, type, names, colours."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from fijibridge.model import Axes, Axis, Extra, ImageSpec, Level

if TYPE_CHECKING:
    from fijibridge.model.project import ObjectStage, PixelStage
    from fijibridge.projects.features import FeatureBank

__all__ = ["label_extra", "result_axes", "result_spec", "scales_of"]


def result_axes(axes: Axes, channels: int) -> Axes:
    """Return the axes of a result: those of the image, channels last.

    Examples
    --------
    >>> result_axes(Axes.of("cyx", (3, 40, 50)), 2).shape
    (40, 50, 2)
    """
    return Axes((*(a for a in axes if a.key != "c"), Axis("c", channels)))


def scales_of(spec: ImageSpec, channels: int) -> tuple[Level, ...]:
    """Return the levels of an image with the channels of a result."""
    return tuple(Level(s.name, result_axes(s.axes, channels)) for s in spec.scales)


def result_spec(
    raw: ImageSpec, stage: PixelStage, kind: str, bank: FeatureBank, *, exact: bool
) -> ImageSpec:
    """Return what a result of a pixel classifier is.

    Parameters
    ----------
    raw
        The image.
    stage, kind
        The classifier, and which of its results.
    bank
        Its features for this image.
    exact
        As ilastik describes it.
    """
    channels = {"Probabilities": stage.classes, "Features": bank.columns}.get(kind, 1)
    extra = Extra(drange=(0.0, 1.0), display_mode="grayscale")
    dtype: np.dtype[Any] = np.dtype(np.float32)
    if kind == "Probabilities":
        extra = replace(extra, channel_names=stage.names)
    elif kind == "Features":
        extra = Extra(channel_names=bank.names, display_mode="grayscale")
    elif kind == "Simple Segmentation":
        dtype = np.dtype(np.uint8 if stage.classes < 256 else np.uint16)
        extra = label_extra(stage) if not exact else replace(extra, drange=(0, 1))
    role = {"Probabilities": "probabilities", "Simple Segmentation": "labels"}.get(kind)
    return ImageSpec(
        axes=result_axes(raw.axes, channels),
        dtype=dtype,
        role=role or "intensity",  # type: ignore[arg-type]  # one of them
        name=raw.name,
        scales=scales_of(raw, channels),
        extra=extra,
    )


def label_extra(stage: PixelStage | ObjectStage) -> Extra:
    """Return names and colours of label values."""
    colors = stage.map_colors or stage.label_colors
    return Extra(
        label_properties=tuple(
            {"label-value": i, "name": name} for i, name in enumerate(stage.names, start=1)
        ),
        label_colors={i: (*rgb, 255) for i, rgb in enumerate(colors, start=1)},
    )
