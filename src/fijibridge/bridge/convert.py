"""Images across the border: ``ij.ImagePlus`` <-> `Image`, exact, at the speed of a memory copy.

ImageJ's planes come in the order channel, z, t (channel fastest); ours are t z c y x here and only
here. Pixels cross through direct buffers, so Java copies into and out of numpy's memory in bulk.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from fijibridge.bridge._java import jimport
from fijibridge.bridge._pixels import plane_from_java, plane_to_java
from fijibridge.bridge.looks import dressed, extra_from_java
from fijibridge.errors import UnsupportedError
from fijibridge.model import (
    Axes,
    Axis,
    Image,
    ImageSpec,
    LabelImage,
    Region,
    Valuation,
)
from fijibridge.model.units import PIXEL, canonical_unit, imagej_unit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fijibridge.model import Role

__all__ = ["ImagePlusSource", "from_imageplus", "imageplus_spec", "to_imageplus"]

_ORDER = "tzcyx"
_RGB_ORDER = "tzyxc"
#: bit depth -> numpy dtype of a plane
_DTYPES: dict[int, np.dtype[Any]] = {
    8: np.dtype(np.uint8),
    16: np.dtype(np.uint16),
    32: np.dtype(np.float32),
}
_FLOAT_LABELS = 2**24  # whole numbers that float32 holds exactly


class ImagePlusSource:
    """An ImagePlus as an `ImageSource`; a virtual stack is read plane by plane, when asked.

    Parameters
    ----------
    plus
        The ``ij.ImagePlus``.
    role
        What its pixels are.
    """

    def __init__(self, plus: Any, *, role: Role = "intensity") -> None:
        self.plus = plus
        self._full = imageplus_spec(plus, role=role)
        self.spec = _squeezed(self._full)

    def read(self, region: Region) -> np.ndarray:
        full = self._full
        shape = [stop - start for start, stop in zip(region.start, region.stop, strict=True)]
        starts = dict(zip(self.spec.axes.keys, region.start, strict=True))
        stops = dict(zip(self.spec.axes.keys, region.stop, strict=True))
        spans = {k: slice(starts.get(k, 0), stops.get(k, 1)) for k in full.axes.keys}
        read = self._read_rgb if full.extra.rgb else self._read_planes
        return read(spans).reshape(shape)

    def _read_planes(self, spans: dict[str, slice]) -> np.ndarray:
        sizes = [spans[k].stop - spans[k].start for k in _ORDER]
        out = np.empty(sizes, self._full.dtype)
        plane = np.empty((self._full.axes.size("y"), self._full.axes.size("x")), self._full.dtype)
        stack = self.plus.getStack()
        c_size, z_size = self._full.axes.size("c"), self._full.axes.size("z")
        for t, z, c in np.ndindex(*sizes[:3]):
            slice_index = spans["z"].start + z + z_size * (spans["t"].start + t)
            index = spans["c"].start + c + c_size * slice_index
            pixels = stack.getPixels(int(index) + 1)
            if plane.shape == out.shape[3:]:
                plane_from_java(pixels, out[t, z, c])
            else:
                plane_from_java(pixels, plane)
                out[t, z, c] = plane[spans["y"], spans["x"]]
        return out

    def _read_rgb(self, spans: dict[str, slice]) -> np.ndarray:
        sizes = [spans[k].stop - spans[k].start for k in _RGB_ORDER]
        out = np.empty(sizes, np.uint8)
        argb = np.empty((self._full.axes.size("y"), self._full.axes.size("x")), np.int32)
        colors = argb.view(np.uint8).reshape(*argb.shape, 4)[..., 2::-1]
        stack = self.plus.getStack()
        for t, z in np.ndindex(*sizes[:2]):
            slice_index = spans["z"].start + z + self._full.axes.size("z") * (spans["t"].start + t)
            plane_from_java(stack.getPixels(int(slice_index) + 1), argb)
            out[t, z] = colors[spans["y"], spans["x"], spans["c"]]
        return out

    def close(self) -> None:
        return


def _squeezed(spec: ImageSpec) -> ImageSpec:
    keys = "".join(a.key for a in spec.axes if a.key in "yx" or a.size > 1)
    return replace(spec, axes=spec.axes.reorder(keys))


def _calibrated_axes(plus: Any, sizes: dict[str, int], keys: str) -> Axes:
    cal = plus.getCalibration()
    unit = canonical_unit(str(cal.getUnit()))
    units = {
        "x": unit,
        "y": canonical_unit(str(cal.getYUnit() or unit)),
        "z": canonical_unit(str(cal.getZUnit() or unit)),
        "t": canonical_unit(str(cal.getTimeUnit() or "sec")),
        "c": PIXEL,
    }
    scale = {"x": float(cal.pixelWidth), "y": float(cal.pixelHeight), "z": float(cal.pixelDepth)}
    interval = float(cal.frameInterval)
    scale["t"] = interval if interval > 0 else 1.0
    if interval <= 0:
        units["t"] = PIXEL
    origins = {"x": float(cal.xOrigin), "y": float(cal.yOrigin), "z": float(cal.zOrigin)}
    return Axes(
        tuple(
            Axis(k, sizes[k], scale.get(k, 1.0) or 1.0, units[k],
                 0.0 - origins.get(k, 0.0) * scale.get(k, 1.0))
            for k in keys
        )
    )  # fmt: skip


def imageplus_spec(plus: Any, *, role: Role = "intensity") -> ImageSpec:
    """Return what an ImagePlus is: t z c y x, or t z y x c when it is RGB."""
    width, height, channels, slices, frames = (int(n) for n in plus.getDimensions())
    bits = int(plus.getBitDepth())
    sizes = {"t": frames, "z": slices, "c": channels, "y": height, "x": width}
    extra = extra_from_java(plus)
    name = str(plus.getTitle())
    if bits == 24:
        axes = _calibrated_axes(plus, sizes | {"c": 3}, _RGB_ORDER)
        dtype: np.dtype[Any] = np.dtype(np.uint8)
        return ImageSpec(axes=axes, dtype=dtype, role=role, name=name, extra=extra)
    axes = _calibrated_axes(plus, sizes, _ORDER)
    return ImageSpec(axes=axes, dtype=_DTYPES[bits], role=role, name=name, extra=extra)


def from_imageplus(plus: Any, *, role: Role = "intensity") -> Image | LabelImage:
    """Return an ImagePlus as a whole `Image`, or a `LabelImage` with ``role="labels"``.

    Axes of size 1 are left out; y and x always stay.
    """
    source = ImagePlusSource(plus, role=role)
    data = source.read(Region.whole(source.spec.shape))
    if role == "labels":
        return LabelImage.from_array(
            data, source.spec.axes, name=source.spec.name, extra=source.spec.extra
        )
    return Image(data, source.spec)


def _imagej_pixels(image: Image) -> tuple[np.ndarray, Valuation | None]:
    """Return pixels in a type of ImageJ's, and the calibration function that goes with it."""
    data, valuation = image.data, image.spec.extra.valuation
    kind, size = data.dtype.kind, data.dtype.itemsize
    if data.dtype in (np.uint8, np.uint16, np.float32):
        return data, valuation
    if data.dtype == np.int16:  # ImageJ's own way: shifted, with a calibration function
        shifted = (data.astype(np.int32) + 32768).astype(np.uint16)
        return shifted, Valuation(function=0, coefficients=(-32768.0, 1.0), unit="Gray Value")
    top = int(data.max()) if data.size else 0
    if kind in "iu" and (data.size == 0 or int(data.min()) >= 0):
        if top <= 255 and size == 1:
            return data.astype(np.uint8), valuation
        if top <= 65535:
            return data.astype(np.uint16), valuation
        if top <= _FLOAT_LABELS:
            return data.astype(np.float32), valuation
    as_float = data.astype(np.float32)
    if np.array_equal(as_float.astype(data.dtype), data, equal_nan=kind == "f"):
        return as_float, valuation
    raise UnsupportedError(
        f"ImageJ has 8-bit, 16-bit and 32-bit float pixels; these {data.dtype} values "
        f"(up to {top}) would change.",
        "Convert them first: image.data.astype('float32').",
    )


def to_imageplus(image: Image) -> Any:
    """Return a new ``ij.ImagePlus`` with everything the image carries.

    Labels above 65,535 become 32-bit float up to 2**24.

    Raises
    ------
    UnsupportedError
        When the values do not fit ImageJ's pixel types.
    """
    extra = image.spec.extra
    data, valuation = _imagej_pixels(image)
    stack = jimport("ij.ImageStack")(image.axes.size("x"), image.axes.size("y"))
    labels = iter(extra.slice_labels)
    if extra.rgb:
        whole = image.reorder(_RGB_ORDER)
        for t, z in np.ndindex(*whole.shape[:2]):
            plane = np.full((*whole.shape[2:4], 4), 255, np.uint8)
            plane[..., 2::-1] = whole.data[t, z]
            stack.addSlice(next(labels, "") or None, plane_to_java(plane.view(np.int32)[..., 0]))
    else:
        whole = Image(data, replace(image.spec, dtype=data.dtype)).reorder(_ORDER)
        for t, z, c in np.ndindex(*whole.shape[:3]):
            stack.addSlice(next(labels, "") or None, plane_to_java(whole.data[t, z, c]))
    sizes = tuple(1 if k == "c" and extra.rgb else image.axes.size(k) for k in "czt")
    plus = jimport("ij.ImagePlus")(image.name or "image", stack)
    plus.setDimensions(*sizes)
    if sum(n > 1 for n in sizes) > 1:
        plus.setOpenAsHyperStack(True)
    plus = dressed(plus, image.spec.extra, channels=sizes[0])
    _calibrate(plus, image.axes, valuation, extra.other)
    return plus


def _calibrate(
    plus: Any, axes: Axes, valuation: Valuation | None, other: Mapping[str, Any]
) -> None:
    # a new one: it keeps whether the LUT is inverted, which the image's own may have looked up
    # before it was
    cal = jimport("ij.measure.Calibration")(plus)
    x, y, z, t = (axes.get(k) for k in "xyzt")
    cal.pixelWidth, cal.pixelHeight, cal.pixelDepth = x.scale, y.scale, z.scale
    cal.setUnit(imagej_unit(x.unit))
    if y.unit != x.unit:
        cal.setYUnit(imagej_unit(y.unit))
    if "z" in axes and z.unit != x.unit:
        cal.setZUnit(imagej_unit(z.unit))
    cal.xOrigin, cal.yOrigin, cal.zOrigin = (a.zero for a in (x, y, z))
    if t.unit != PIXEL or t.scale != 1.0:
        cal.frameInterval = t.scale
        cal.setTimeUnit(imagej_unit(t.unit))
    if "z" not in axes:
        cal.pixelDepth = float(other.get("spacing", z.scale))
    if "t" not in axes and "finterval" in other:
        cal.frameInterval = float(other["finterval"])
        cal.setTimeUnit(str(other.get("tunit", "sec")))
    cal.fps = float(other.get("fps", 0.0))
    cal.loop = bool(other.get("loop"))
    cal.info = other.get("calibration_info")
    cal.setInvertY(bool(other.get("inverty")))
    if valuation is not None:
        import jpype

        numbers = jpype.JArray(jpype.JDouble)(valuation.coefficients)
        clip = bool(other.get("zeroclip"))
        cal.setFunction(valuation.function, numbers, valuation.unit, clip)
    plus.setCalibration(cal)
