"""ImgLib2's images across the border, ImageJ2's ``Dataset`` and ``ImgPlus``: every type exact.

ImgLib2 counts dimensions from the fastest, ours from the slowest: x, y, channel, z, t there are
t z c y x here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fijibridge.bridge._java import jimport
from fijibridge.bridge._pixels import plane_from_java, plane_to_java
from fijibridge.errors import UnsupportedError
from fijibridge.model import Axes, Axis, Extra, Image, LabelImage
from fijibridge.model.units import PIXEL, canonical_unit, imagej_unit

if TYPE_CHECKING:
    from fijibridge.model import Role

__all__ = ["from_imglib", "is_image", "to_imgplus", "to_rai"]

#: ImgLib2's type -> (factory of `ArrayImgs`, numpy's type)
_TYPES = {
    "UnsignedByteType": ("unsignedBytes", np.uint8),
    "ByteType": ("bytes", np.int8),
    "UnsignedShortType": ("unsignedShorts", np.uint16),
    "ShortType": ("shorts", np.int16),
    "UnsignedIntType": ("unsignedInts", np.uint32),
    "IntType": ("ints", np.int32),
    "UnsignedLongType": ("unsignedLongs", np.uint64),
    "LongType": ("longs", np.int64),
    "FloatType": ("floats", np.float32),
    "DoubleType": ("doubles", np.float64),
}
_FACTORIES = {np.dtype(dtype): name for name, dtype in _TYPES.values()}
_LABELS = {"X": "x", "Y": "y", "Z": "z", "Time": "t", "Channel": "c"}
_AXES = {"x": "X", "y": "Y", "z": "Z", "t": "TIME", "c": "CHANNEL"}
#: Axes of an image that does not name them, by their number; as ImageJ has them.
_UNNAMED = {2: "yx", 3: "zyx", 4: "tzyx", 5: "tzcyx"}
_PIECE = 1 << 28  # elements that are copied at once


def is_image(value: Any) -> bool:
    """Return whether a Java object is one of ImgLib2's images."""
    try:
        return isinstance(value, jimport("net.imglib2.RandomAccessibleInterval"))
    except TypeError:  # JPype's word for a class that is not on the class path
        return False


def _longs(values: list[int]) -> Any:
    import jpype

    return jpype.JArray(jpype.JLong)(values)


def from_imglib(value: Any, *, role: Role = "intensity") -> Image | LabelImage:
    """Return a ``Dataset``, an ``ImgPlus`` or any other image of ImgLib2 as an `Image`.

    Axes of size 1 are left out; y and x always stay. A merged RGB dataset has its c axis last.

    Parameters
    ----------
    value
        The Java object. Without named axes: x, y; x, y, z; x, y, z, t; x, y, channel, z, t.
    role
        ``labels`` gives a `LabelImage`.

    Raises
    ------
    UnsupportedError
        For other pixel types or axes.
    """
    rgb = bool(value.isRGBMerged()) if hasattr(value, "isRGBMerged") else False
    if hasattr(value, "getImgPlus"):
        value = value.getImgPlus()
    sizes = [int(value.dimension(d)) for d in range(int(value.numDimensions()))]
    axes = _axes(value, sizes)
    image = Image.from_array(_pixels(value, sizes), axes, name=_name(value))
    keys = "".join(a.key for a in axes if a.key in "yx" or a.size > 1)
    ordered = "".join(k for k in "tzcyx" if k in keys)
    image = image.reorder(ordered)
    if rgb and "c" in ordered:
        image = image.reorder(ordered.replace("c", "") + "c")
        image = Image.from_array(image.data, image.axes, name=image.name, extra=Extra(rgb=True))
    if role == "labels":
        return LabelImage.from_array(image.data, image.axes, name=image.name)
    return image


def _name(value: Any) -> str:
    name = value.getName() if hasattr(value, "getName") else None
    return "" if name is None else str(name)


def _axes(value: Any, sizes: list[int]) -> Axes:
    """Return the axes, slowest first."""
    if not hasattr(value, "axis"):
        keys = _UNNAMED.get(len(sizes))
        if keys is None:
            raise UnsupportedError(f"An image of {len(sizes)} dimensions needs named axes.")
        return Axes(tuple(Axis(k, n) for k, n in zip(keys, reversed(sizes), strict=True)))
    items = []
    for d in reversed(range(len(sizes))):
        axis = value.axis(d)
        label = str(axis.type().getLabel())
        if label not in _LABELS:
            raise UnsupportedError(
                f"The image has an axis {label!r}; known are {', '.join(_LABELS)}.",
                "Set the axis types first, or take one plane along it.",
            )
        items.append(_axis(_LABELS[label], sizes[d], axis))
    return Axes(tuple(items))


def _axis(key: str, size: int, axis: Any) -> Axis:
    unit = axis.unit()
    scale, origin = float(axis.averageScale(0, 1)), float(axis.calibratedValue(0))
    if key == "c" or not scale or not np.isfinite(scale):
        return Axis(key, size)
    found = PIXEL if unit is None else canonical_unit(str(unit))
    return Axis(key, size, scale, found, origin)


def _pixels(value: Any, sizes: list[int]) -> np.ndarray:
    """Return the pixels, slowest axis first."""
    image = value.getImg() if hasattr(value, "getImg") else value
    kind = str(
        jimport("net.imglib2.util.Util").getTypeFromInterval(image).getClass().getSimpleName()
    )
    if kind not in _TYPES:
        raise UnsupportedError(
            f"ImgLib2's {kind} has no numpy type here; known are {', '.join(_TYPES)}.",
            "Convert it first, such as with Image > Type > 8-bit.",
        )
    factory, dtype = _TYPES[kind]
    out = np.empty(sizes[::-1], dtype)
    views = jimport("net.imglib2.view.Views")
    _copy(views.zeroMin(image), sizes, factory, out, views)
    return out


def _copy(image: Any, sizes: list[int], factory: str, out: np.ndarray, views: Any) -> None:
    if out.size == 0:
        return
    if out.size > _PIECE and len(sizes) > 2:
        for i in range(sizes[-1]):
            plane = views.hyperSlice(image, len(sizes) - 1, i)
            _copy(plane, sizes[:-1], factory, out[i], views)
        return
    array = getattr(jimport("net.imglib2.img.array.ArrayImgs"), factory)(_longs(sizes))
    jimport("net.imglib2.util.ImgUtil").copy(image, array)
    plane_from_java(array.update(None).getCurrentStorageArray(), out)


def to_rai(image: Image) -> Any:
    """Return the pixels as ImgLib2's ``ArrayImg``, fastest axis first.

    Raises
    ------
    UnsupportedError
        For pixel types that ImgLib2 has not, or more pixels than one Java array holds.
    """
    data = image.data.astype(np.uint8) if image.data.dtype == bool else image.data
    factory = _FACTORIES.get(data.dtype.newbyteorder("="))
    if factory is None:
        raise UnsupportedError(
            f"ImgLib2 has no pixel type for {data.dtype}.",
            "Convert it first: image.data.astype('float32').",
        )
    if data.size > 2**31 - 9:
        raise UnsupportedError(
            f"The image has {data.size} pixels; one Java array holds 2147483638.",
            "Give a part of it.",
        )
    native = np.ascontiguousarray(data, data.dtype.newbyteorder("="))
    sizes = _longs([int(n) for n in reversed(native.shape)])
    arrays = jimport("net.imglib2.img.array.ArrayImgs")
    return getattr(arrays, factory)(plane_to_java(native.reshape(-1)), sizes)


def to_imgplus(image: Image) -> Any:
    """Return an image as ``net.imagej.ImgPlus`` with its axes, calibration and name."""
    if image.spec.extra.rgb:
        image = image.reorder("".join(k for k in "tzcyx" if k in image.axes))
    linear, types = jimport("net.imagej.axis.DefaultLinearAxis"), jimport("net.imagej.axis.Axes")
    import jpype

    axes = []
    for axis in reversed(tuple(image.axes)):
        unit = None if axis.unit == PIXEL else imagej_unit(axis.unit)
        axes.append(linear(getattr(types, _AXES[axis.key]), unit, axis.scale, axis.origin))
    items = jpype.JArray(jimport("net.imagej.axis.CalibratedAxis"))(axes)
    return jimport("net.imagej.ImgPlus")(to_rai(image), image.name or "image", items)
