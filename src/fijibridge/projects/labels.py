"""What the user of a project drew on its images."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from fijibridge.errors import FormatError
from fijibridge.model import Extra, ImageSource, ImageSpec, Region
from fijibridge.projects.describe import label_extra, result_axes, scales_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fijibridge.model.project import Drawn, PixelStage

__all__ = ["Labels"]


class Labels:
    """What the user drew on one image of the project.

    Parameters
    ----------
    raw
        The image.
    blocks
        Where what was drawn, in the axes of the training image.
    keys
        Letters of those axes.
    stage
        The classifier they belong to.
    exact
        Described as ilastik describes it.
    """

    def __init__(
        self,
        raw: ImageSource,
        blocks: Sequence[Drawn],
        keys: str,
        stage: PixelStage,
        *,
        exact: bool = False,
    ) -> None:
        self._raw, self._blocks = raw, tuple(blocks)
        keys = keys if "c" in keys else keys + "c"
        self._keys = keys
        for block in blocks:
            stop = [a + n for a, n in zip(block.start, block.labels.shape, strict=True)]
            if len(stop) != len(keys) or any(
                b > (1 if k == "c" else raw.spec.axes.size(k))
                for k, b in zip(keys, stop, strict=True)
            ):
                raise FormatError(
                    f"The project's labels reach to {stop} ({keys}), beyond the image "
                    f"({raw.spec.axes.keys}, {raw.spec.shape})."
                )
        extra = Extra(display_mode="default", drange=(0, 255)) if exact else label_extra(stage)
        self._spec = replace(
            raw.spec,
            axes=result_axes(raw.spec.axes, 1),
            dtype=np.dtype(np.uint8),
            role="labels",
            scales=scales_of(raw.spec, 1),
            extra=extra,
        )

    @property
    def spec(self) -> ImageSpec:
        return self._spec

    def read(self, region: Region) -> np.ndarray:
        out = np.zeros(region.shape, np.uint8)
        order = [self._keys.index(k) for k in self._spec.axes.keys if k in self._keys]
        add = tuple(slice(None) if k in self._keys else None for k in self._spec.axes.keys)
        for block in self._blocks:
            labels = block.labels.transpose(self._order(order, block.labels.ndim))[add]
            start = [
                block.start[self._keys.index(k)] if k in self._keys else 0
                for k in self._spec.axes.keys
            ]
            into, of = [], []
            for a, n, low, high in zip(start, labels.shape, region.start, region.stop, strict=True):
                into.append(slice(max(a, low) - low, max(min(a + n, high) - low, 0)))
                of.append(slice(max(a, low) - a, max(min(a + n, high) - a, 0)))
            part = labels[tuple(of)]
            if part.size:
                target = out[tuple(into)]
                np.copyto(target, part.astype(np.uint8), where=part > 0)
        return out

    def _order(self, order: list[int], count: int) -> list[int]:
        if len(order) != count:
            raise FormatError(
                f"The project's labels have the axes {self._keys!r}, the image "
                f"{self._raw.spec.axes.keys!r}."
            )
        return order

    def close(self) -> None:
        self._raw.close()
