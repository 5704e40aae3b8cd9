"""Images: what they are (spec), where pixels come from and go to (protocols), whole arrays."""

from __future__ import annotations

import copyreg
import types
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

import numpy as np

from fijibridge.errors import SettingsError
from fijibridge.model.axes import Axes, Region

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike, DTypeLike

    from fijibridge.model.rois import RoiSet

__all__ = ["Extra", "Image", "ImageSink", "ImageSource", "ImageSpec", "Level", "Role", "Valuation"]

Role = Literal["intensity", "labels", "probabilities"]


def _empty() -> Mapping[Any, Any]:
    return types.MappingProxyType({})


def _proxy(value: dict[Any, Any]) -> Mapping[Any, Any]:
    return types.MappingProxyType(value)


def _proxy_parts(value: types.MappingProxyType[Any, Any]) -> tuple[Any, ...]:
    return _proxy, (dict(value),)


# images travel to other processes, and Python pickles no read-only mapping by itself
copyreg.pickle(types.MappingProxyType, _proxy_parts)


@dataclass(frozen=True, slots=True)
class Level:
    """One level of a multiscale source: its name inside the file and its axes."""

    name: str
    axes: Axes


@dataclass(frozen=True, slots=True, kw_only=True)
class Valuation:
    """How raw pixel values become physical ones: ImageJ's calibration function.

    ``function`` is ImageJ's number (0 straight line, 20 none, 21 uncalibrated OD, …), see
    ij.measure.Calibration; ``coefficients`` belong to it, ``unit`` is the value unit.
    """

    function: int
    coefficients: tuple[float, ...] = ()
    unit: str = ""


#: Fields of an `Extra` that would fill a screen.
_LONG = frozenset({"slice_labels", "info", "luts", "ome_xml", "label_properties", "label_colors"})


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Extra:
    """What travels with an image beside its pixels; a format keeps what it can hold.

    Parameters
    ----------
    channel_names
        One per channel.
    slice_labels
        One per plane, in ImageJ's order (channel fastest, then z, then t).
    info
        ImageJ's "Info" text.
    properties
        ImageJ's image properties.
    display_ranges
        (min, max) per channel, raw values.
    luts
        One (256, 3) uint8 array per channel.
    inverted_lut
        The 8-bit image has an inverting LUT (0 is shown white).
    rgb
        The last axis ``c`` of 3 are the colours of RGB pixels.
    mode
        ImageJ's composite mode.
    overlay
        ROIs drawn over the image.
    valuation
        ImageJ's calibration function of the pixel values.
    drange
        ilastik's data range.
    display_mode
        ilastik's display mode.
    ome_xml
        The OME-XML text the image came with.
    label_properties
        OME-Zarr image-label properties, one mapping per label value.
    label_colors
        OME-Zarr image-label colours: label value -> (r, g, b, a).
    other
        Anything else, by the format's own names; text, numbers, lists and mappings only.
    """

    channel_names: tuple[str, ...] = ()
    slice_labels: tuple[str, ...] = ()
    info: str = ""
    properties: Mapping[str, str] = field(default_factory=_empty)
    display_ranges: tuple[tuple[float, float], ...] = ()
    luts: tuple[np.ndarray, ...] = ()
    inverted_lut: bool = False
    rgb: bool = False
    mode: Literal["", "grayscale", "color", "composite"] = ""
    overlay: RoiSet | None = None
    valuation: Valuation | None = None
    drange: tuple[float, float] | None = None
    display_mode: str = ""
    ome_xml: str = ""
    label_properties: tuple[Mapping[str, Any], ...] = ()
    label_colors: Mapping[int, tuple[int, int, int, int]] = field(default_factory=_empty)
    other: Mapping[str, Any] = field(default_factory=_empty)

    def __repr__(self) -> str:
        """Name what is there; long values by their length."""
        words = []
        for item in fields(self):
            value = getattr(self, item.name)
            if isinstance(value, bool) or value is None or not len(value):
                words += [f"{item.name}=True"] if value is True else []
                continue
            text = f"<{len(value)}>" if item.name in _LONG else repr(value)
            words.append(f"{item.name}={text}")
        return f"Extra({', '.join(words)})"

    def shows_inverted(self, channel: int = 0) -> bool:
        """Return whether a channel's LUT shows 0 white: no step of it goes up.

        Source: ImageJ ij.process.ImageProcessor.isInvertedLut; ij.CompositeImage gives all channels
        but the first a LUT of its own in colour.
        """
        if not self.luts:
            return self.inverted_lut and (channel == 0 or self.mode in {"", "grayscale"})
        lut = np.asarray(self.luts[min(channel, len(self.luts) - 1)], np.int64)
        return not bool((np.diff(lut.sum(axis=1)[:255]) > 0).any())


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSpec:
    """What an image is, without its pixels.

    Parameters
    ----------
    axes
        Letters, sizes, scales, units and origins, C order.
    dtype
        Type of a pixel.
    role
        ``labels`` picks nearest neighbours and refuses lossy formats.
    name
        Title of the image, usually the file name.
    scales
        The levels of a multiscale source, largest first; empty for plain images.
    extra
        Everything that travels along.
    """

    axes: Axes
    dtype: np.dtype[Any]
    role: Role = "intensity"
    name: str = ""
    scales: tuple[Level, ...] = ()
    extra: Extra = field(default_factory=Extra)

    def __post_init__(self) -> None:
        object.__setattr__(self, "dtype", np.dtype(self.dtype))
        if self.role not in ("intensity", "labels", "probabilities"):
            raise SettingsError(
                f"role {self.role!r} is unknown. Allowed are intensity, labels and probabilities."
            )

    @property
    def shape(self) -> tuple[int, ...]:
        """The size along each axis."""
        return self.axes.shape

    @property
    def nbytes(self) -> int:
        """Bytes of all pixels."""
        return int(np.prod(self.shape, dtype=object)) * self.dtype.itemsize


@runtime_checkable
class ImageSource(Protocol):
    """Where pixels come from, block by block."""

    @property
    def spec(self) -> ImageSpec:
        """What the image is."""
        ...

    def read(self, region: Region) -> np.ndarray:
        """Return the pixels of a region, in the order of ``spec.axes``."""
        ...

    def close(self) -> None:
        """Let go of the file."""
        ...


@runtime_checkable
class ImageSink(Protocol):
    """Where pixels go to; nothing is visible at the target before `commit`."""

    def write(self, region: Region, block: np.ndarray) -> None:
        """Take the pixels of a region, in the order of the spec's axes."""
        ...

    def commit(self) -> None:
        """Make the whole image appear at the target."""
        ...

    def abort(self) -> None:
        """Leave nothing behind."""
        ...


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Image:
    """A whole image in memory; also an `ImageSource`.

    Parameters
    ----------
    data
        The pixels, in the order of ``spec.axes``; made read-only.
    spec
        What they are.
    """

    data: np.ndarray
    spec: ImageSpec

    def __post_init__(self) -> None:
        if self.data.shape != self.spec.shape:
            raise SettingsError(
                f"The data has the shape {self.data.shape}, its axes {self.spec.axes.keys!r} "
                f"say {self.spec.shape}."
            )
        view = self.data.view()
        view.flags.writeable = False
        object.__setattr__(self, "data", view)

    @classmethod
    def from_array(
        cls,
        array: ArrayLike,
        axes: str | Axes,
        *,
        name: str = "",
        role: Role = "intensity",
        extra: Extra | None = None,
    ) -> Image:
        """Wrap an array.

        Parameters
        ----------
        array
            numpy, zarr or dask array; bool becomes uint8 0/255.
        axes
            Letters such as ``"zyx"``, or `Axes` with scales and units.

        Examples
        --------
        >>> Image.from_array(np.zeros((4, 5), np.uint8), "yx").axes.keys
        'yx'
        """
        data = np.asarray(array)
        if data.dtype == np.bool_:
            data = data.astype(np.uint8) * np.uint8(255 if role == "intensity" else 1)
        if isinstance(axes, str):
            axes = Axes.of(axes, data.shape)
        spec = ImageSpec(axes=axes, dtype=data.dtype, role=role, name=name, extra=extra or Extra())
        return cls(data, spec)

    @property
    def axes(self) -> Axes:
        """The axes."""
        return self.spec.axes

    @property
    def shape(self) -> tuple[int, ...]:
        """The size along each axis."""
        return self.spec.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of a pixel."""
        return self.spec.dtype

    @property
    def name(self) -> str:
        """The title."""
        return self.spec.name

    def __repr__(self) -> str:
        sizes = "x".join(map(str, self.shape))
        return f"{type(self).__name__}({self.name!r}, {self.axes.keys} {sizes} {self.dtype})"

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.data, dtype=dtype, copy=copy)

    def read(self, region: Region) -> np.ndarray:
        return self.data[region.slices]

    def close(self) -> None:
        return

    def reorder(self, keys: str) -> Image:
        """Return a view with the axes in another order.

        Missing axes are added with size 1, axes of size 1 that `keys` leaves out are dropped.

        Raises
        ------
        SettingsError
            When an axis of more than one sample would be dropped.
        """
        axes = self.spec.axes
        made = axes.reorder(keys)
        lost = [axis for axis in axes if axis.key not in keys and axis.size != 1]
        if lost:
            raise SettingsError(
                f"Axes {keys!r} leave out {', '.join(f'{a.key} of size {a.size}' for a in lost)}; "
                "only an axis of size 1 can be dropped."
            )
        kept = [axis.key for axis in axes if axis.key in keys]
        index = tuple(slice(None) if axis.key in keys else 0 for axis in axes)
        data = self.data[index]
        data = data.transpose([kept.index(k) for k in keys if k in kept])
        data = data[tuple(slice(None) if k in kept else None for k in keys)]
        return type(self)(data, replace(self.spec, axes=made))

    def _repr_html_(self) -> str:
        from fijibridge.model._html import image_html

        return image_html(self)
