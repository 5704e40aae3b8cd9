"""Images one behind the other along c: what the second stage of Autocontext sees."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from fijibridge.model import Extra, ImageSource, ImageSpec, Region
from fijibridge.projects.describe import result_axes, scales_of
from fijibridge.projects.tiles import box_of

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Stacked"]


class Stacked:
    """Images one behind the other along c, in the type of the first.

    Parameters
    ----------
    parts
        Images of one size, but for their channels.
    convert
        Probabilities are spread over the range of integers, as Autocontext does.
    """

    def __init__(self, parts: Sequence[ImageSource], *, convert: bool) -> None:
        self._parts, self._convert = tuple(parts), convert
        first = parts[0].spec
        self._counts = [one.spec.axes.size("c") for one in parts]
        total = sum(self._counts)
        names: list[str] = []
        for one, count in zip(parts, self._counts, strict=True):
            given = one.spec.extra.channel_names
            names += given if len(given) == count else [f"Channel {i + 1}" for i in range(count)]
        self._spec = replace(
            first,
            axes=result_axes(first.axes, total),
            scales=scales_of(first, total),
            role="intensity" if convert else first.role,
            extra=Extra(
                channel_names=tuple(names),
                drange=None if convert else first.extra.drange,
                display_mode="" if convert else first.extra.display_mode,
            ),
        )

    #: A part of a tile costs as much as all of it.
    costly = True

    @property
    def spec(self) -> ImageSpec:
        return self._spec

    @property
    def chunks(self) -> tuple[int, ...]:
        """Tiles of the last part."""
        last = tuple(getattr(self._parts[-1], "chunks", self._spec.shape))
        return (*last[:-1], self._spec.axes.size("c"))

    def read(self, region: Region) -> np.ndarray:
        out = np.empty(region.shape, self._spec.dtype)
        keys = self._spec.axes.keys
        ends = dict(zip(keys, zip(region.start, region.stop, strict=True), strict=True))
        low, high = ends["c"]
        before = 0
        for one, count in zip(self._parts, self._counts, strict=True):
            a, b = max(low - before, 0), min(high - before, count)
            if a < b:
                mine = one.spec.axes.keys
                data = one.read(box_of(mine, {**ends, "c": (a, b)}))
                place = slice(before + a - low, before + b - low)
                out[..., place] = self._converted(_channels_last(data, mine))
            before += count
        return out

    def _converted(self, data: np.ndarray) -> np.ndarray:
        dtype = self._spec.dtype
        if not self._convert or data.dtype == dtype or dtype.kind not in "iu":
            return data
        info = np.iinfo(dtype)
        spread = np.float32(int(info.max) - int(info.min))
        with np.errstate(invalid="ignore"):
            return (spread * data - np.float32(int(info.min))).astype(dtype)

    def close(self) -> None:
        for one in self._parts:
            one.close()


def _channels_last(data: np.ndarray, keys: str) -> np.ndarray:
    return np.moveaxis(data, keys.index("c"), -1) if "c" in keys else data[..., None]
