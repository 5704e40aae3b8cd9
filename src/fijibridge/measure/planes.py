"""An image as ImageJ sees it: planes in running order, pixel types it knows, its calibration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fijibridge.errors import SettingsError, UnsupportedError
from fijibridge.measure.valuation import _CURVES as CURVES
from fijibridge.measure.valuation import calibration_table
from fijibridge.model.image import Image, Valuation

if TYPE_CHECKING:
    from fijibridge.measure.planework import Selection
    from fijibridge.model.image import ImageSpec
    from fijibridge.model.rois import Position

__all__ = ["Calibration", "Planes"]

#: Floats hold every integer up to here.
_FLOAT_EXACT = 1 << 24


@dataclass(frozen=True, slots=True)
class Calibration:
    """Size of a pixel, and the pixel coordinates of the physical (0, 0)."""

    width: float = 1.0
    height: float = 1.0
    x_origin: float = 0.0
    y_origin: float = 0.0
    unit: str = "pixel"

    @classmethod
    def of(cls, spec: ImageSpec) -> Calibration:
        """Return the calibration of an image; ImageJ's origin is in pixels and points inward."""
        x, y = spec.axes["x"], spec.axes["y"]
        return cls(x.scale, y.scale, x.zero, y.zero, x.unit)


@dataclass(frozen=True, slots=True, eq=False)
class Planes:
    """The planes of an image in ImageJ's running order: c fastest, then z, then t.

    Parameters
    ----------
    image
        Where they come from.
    data
        (t, z, c, y, x) view.
    valuation
        Calibration function of the pixel values as read here.
    """

    image: Image
    data: np.ndarray
    valuation: Valuation | None

    @classmethod
    def of(cls, image: Image) -> Planes:
        """Look at an image.

        Raises
        ------
        UnsupportedError
            For complex pixels and RGB images.
        SettingsError
            When there is no y or x axis, or no pixel.
        """
        for key in "yx":
            if key not in image.axes:
                raise SettingsError(
                    f"The image has the axes {image.axes.keys!r}; particles need y and x."
                )
        if 0 in image.shape:
            raise SettingsError(f"The image {image.name!r} has no pixels (shape {image.shape}).")
        if image.spec.extra.rgb:
            raise UnsupportedError(
                "The image is RGB; Analyze Particles needs grey values.",
                "Take one channel, or convert it to 8-bit first.",
            )
        if image.dtype.kind not in "iufb":
            raise UnsupportedError(
                f"Pixels of type {image.dtype} cannot be analyzed.", "Convert them to float32."
            )
        valuation = image.spec.extra.valuation
        if image.spec.role != "labels" and image.dtype == np.int16 and valuation is None:
            # ImageJ keeps signed 16-bit pixels as unsigned ones with this calibration
            valuation = Valuation(function=0, coefficients=(-32768.0, 1.0), unit="Gray Value")
        return cls(image, image.reorder("tzcyx").data, valuation)

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width."""
        return self.data.shape[3], self.data.shape[4]

    def __len__(self) -> int:
        return int(np.prod(self.data.shape[:3]))

    @property
    def is_hyperstack(self) -> bool:
        """Whether more than one of c, z and t has several planes."""
        return len([n for n in self.data.shape[:3] if n > 1]) > 1

    @property
    def is_composite(self) -> bool:
        """Whether ImageJ shows the channels together."""
        return bool(self.data.shape[2] > 1 and self.image.spec.extra.mode != "")

    def place(self, k: int) -> tuple[int, int, int]:
        """Return (c, z, t), 0-based, of plane k, 0-based."""
        _, z, c = self.data.shape[:3]
        return k % c, k // c % z, k // (c * z)

    def shows_inverted(self, k: int) -> bool:
        """Return whether ImageJ takes plane k, 0-based, for one with an inverted LUT.

        In colour the planes of a stack have the LUT of the first channel, whatever their own is.
        In a composite the plane that is shown first, and only that, still has the one that was
        given last: the last channel's, or the file's when there are none of channels.

        Source: ImageJ 1.54p, tried: ij.CompositeImage, ij.ImageStack.getProcessor.
        """
        extra = self.image.spec.extra
        channel, channels = self.place(k)[0], self.data.shape[2]
        if channels > 1 and extra.mode == "composite":
            if not extra.luts:
                return extra.inverted_lut and k == 0
            channel = 0 if k else channels - 1
        elif channels > 1 and extra.mode == "color":
            channel = 0
        return extra.shows_inverted(channel)

    def position(self, k: int) -> Position:
        """Return where ROIs of plane k say they are."""
        from fijibridge.model.rois import Position

        if len(self) == 1:
            return Position()
        if self.is_hyperstack:
            c, z, t = self.place(k)
            return Position(c=c + 1, z=z + 1, t=t + 1)
        return Position(slice=k + 1)

    def label(self, k: int) -> str:
        """Return ImageJ's short slice label of plane k; empty when there is none."""
        labels = self.image.spec.extra.slice_labels
        if k >= len(labels):
            return ""
        text = labels[k].split("\n", 1)[0]
        if len(text) > 4 and text[-4] == "." and not text[-1].isdigit():
            text = text[:-4]
        return text[:60]

    def table(self) -> np.ndarray | None:
        """Return the calibrated value of each raw value, float32, or None."""
        bits = {1: 8, 2: 16}.get(self.stored.itemsize, 32)
        return calibration_table(
            self.valuation, bits, inverted_lut=self.image.spec.extra.shows_inverted()
        )

    def curve(self) -> np.ndarray | None:
        """Return the same as `table` before it is rounded to floats: ImageJ's medians."""
        table = self.table()
        if table is None or self.valuation is None or self.valuation.function not in CURVES:
            return None if table is None else table.astype(np.float64)
        needed, formula = CURVES[self.valuation.function]
        with np.errstate(all="ignore"):
            raw = np.arange(len(table), dtype=np.float64)
            return np.asarray(formula(self.valuation.coefficients[:needed], raw), np.float64)

    @property
    def stored(self) -> np.dtype[np.generic]:
        """The pixel type ImageJ gives such an image: uint8, uint16 or float32."""
        dtype = self.image.dtype
        if dtype in (np.dtype(np.uint8), np.dtype(np.bool_)):
            return np.dtype(np.uint8)
        if dtype in (np.dtype(np.uint16), np.dtype(np.int16)):
            return np.dtype(np.uint16)
        return np.dtype(np.float32)

    def plane(self, k: int) -> np.ndarray:
        """Return plane k, (y, x) contiguous, as ImageJ would hold it.

        Raises
        ------
        UnsupportedError
            When integers are too large for a float.
        """
        return self.rows(k, 0, self.shape[0])

    def loose_plane(self, k: int) -> np.ndarray:
        """Return plane k like `plane`, large integers rounded to floats."""
        return self.rows(k, 0, self.shape[0], strict=False)

    def rows(self, k: int, first: int, stop: int, *, strict: bool = True) -> np.ndarray:
        """Return some rows of plane k; unless `strict`, large integers are rounded to floats."""
        c, z, t = self.place(k)
        raw = self.data[t, z, c, first:stop]
        if raw.dtype == np.int16:
            return np.ascontiguousarray(raw, np.int16).view(np.uint16) ^ np.uint16(32768)
        if strict and raw.dtype.kind in "iu" and raw.dtype.itemsize > 2 and raw.size:
            largest = max(abs(int(raw.max())), abs(int(raw.min())))
            if largest > _FLOAT_EXACT:
                raise UnsupportedError(
                    f"Pixels of type {raw.dtype} up to {largest} do not fit ImageJ's 32-bit "
                    f"floats, which are exact up to {_FLOAT_EXACT}.",
                    "For label images say role='labels' (--role labels); else scale the values.",
                )
        return np.ascontiguousarray(raw, self.stored.newbyteorder("="))

    def labels(self, k: int, selection: Selection) -> np.ndarray:
        """Return plane k of a label image, contiguous, 0 outside of the selection."""
        c, z, t = self.place(k)
        raw = np.ascontiguousarray(self.data[t, z, c])
        if not raw.dtype.isnative:
            raw = raw.astype(raw.dtype.newbyteorder("="))
        if selection.covers(self.shape):
            return raw
        x, y, w, h = selection.frame
        out = np.zeros_like(raw)
        part = raw[y : y + h, x : x + w]
        out[y : y + h, x : x + w] = part if selection.mask is None else part * selection.mask
        return out
