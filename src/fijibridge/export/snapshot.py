"""The composite view of layered images: one picture, or one a position along an axis.

Only the plane that is seen is read. The camera looks along one axis; what it sees is cut out by
``region`` and enlarged or made smaller by ``zoom``, pixels staying squares.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from fijibridge.errors import SettingsError
from fijibridge.export.layers import ranges_of, rendered
from fijibridge.export.settings import Cutout, ExportSettings
from fijibridge.export.sources import open_source
from fijibridge.model import Region

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from fijibridge.export.layers import Layer
    from fijibridge.model import ImageSource, ImageSpec

__all__ = ["Camera", "View", "open_view"]

_JUDGED = 5  # positions along an axis whose pixels say the range
_LARGEST = 1 << 28  # pixels of a picture


@dataclass(frozen=True, slots=True, kw_only=True)
class Camera:
    """How images are looked at.

    Parameters
    ----------
    axis
        Letter of the axis of space the camera looks along.
    slice
        Position along it, 0 the first; None = the middle.
    time
        Position in time; None = the first.
    region
        What is seen of the plane; None = all.
    zoom
        Pixels of the picture a pixel of the image.
    """

    axis: str = "z"
    slice: int | None = None
    time: int | None = None
    region: Cutout | None = None
    zoom: float = 1.0

    def __post_init__(self) -> None:
        if self.axis not in ("z", "y", "x"):
            raise SettingsError(f"axis is {self.axis!r}; the camera looks along z, y or x.")
        if not 0.01 <= self.zoom <= 100:
            raise SettingsError(f"zoom is {self.zoom!r}; allowed is 0.01 to 100.")
        if self.region is not None and not self.region.named:
            raise SettingsError("region names its axes, such as y=10:200,x=:100.")

    @property
    def plane(self) -> str:
        """Letters of the picture: down, across."""
        return "zyx".replace(self.axis, "")


class View:
    """Layers and a camera; `picture` shows one position.

    Parameters
    ----------
    layers, sources
        What is shown, the first lies lowest.
    camera
        From where.
    along
        Axis of a movie, "" = one picture.
    """

    def __init__(
        self,
        layers: Sequence[Layer],
        sources: Sequence[ImageSource],
        camera: Camera,
        along: str = "",
    ) -> None:
        self._layers, self._sources, self._camera = tuple(layers), tuple(sources), camera
        self._along = along
        self._sizes = self._checked()
        self._box = self._seen()
        if along and along in camera.plane:
            raise SettingsError(
                f"along is {along!r}, but the camera looks along {camera.axis!r}: {along!r} is "
                "an axis of the picture.",
                f"Choose {camera.axis}, t or c, or another --axis.",
            )
        self._check_position("slice", camera.axis, camera.slice)
        self._check_position("time", "t", camera.time)
        height, width = self.shape
        if height * width > _LARGEST:
            raise SettingsError(
                f"The picture would have {height} x {width} pixels.",
                "Choose a part with --region, or a smaller --zoom.",
            )
        self._ranges: list[list[tuple[float, float]]] | None = None

    def _checked(self) -> dict[str, int]:
        """Return the size of each axis; all layers that have it agree."""
        sizes: dict[str, int] = {}
        for layer, source in zip(self._layers, self._sources, strict=True):
            axes = source.spec.axes
            for key in self._camera.plane:
                if key not in axes:
                    raise SettingsError(
                        f"{layer.path!r} has the axes {axes.keys!r}, without {key!r}.",
                        "Look along another --axis, or name the axes of the layer: axes=zyx.",
                    )
            if layer.channel is not None and layer.channel >= axes.size("c"):
                raise SettingsError(
                    f"{layer.path!r} has {axes.size('c')} channels; channel {layer.channel} is "
                    "none of them (0 is the first)."
                )
            for axis in axes:
                known = sizes.get(axis.key, axis.size)
                # a layer without depth or time is seen in all of it
                spread = axis.key not in self._camera.plane and 1 in (known, axis.size)
                if axis.key != "c" and known != axis.size and not spread:
                    raise SettingsError(
                        f"{layer.path!r} has {axis.size} samples along {axis.key!r}, "
                        f"{self._layers[0].path!r} has {known}.",
                        "Layers lie on each other pixel by pixel; export one to fit the other.",
                    )
                sizes[axis.key] = max(known, axis.size)
        return sizes

    def _check_position(self, name: str, key: str, value: int | None) -> None:
        size = self._sizes.get(key, 1)
        if value is not None and not 0 <= value < size:
            raise SettingsError(
                f"{name} is {value}; the image has {size} samples along {key!r}, 0 to {size - 1}."
            )

    def _seen(self) -> dict[str, tuple[int, int]]:
        """Return start and stop of the picture's axes."""
        region = self._camera.region
        named = region.named if region is not None else {}
        odd = next((key for key in named if key not in self._camera.plane), None)
        if odd is not None:
            raise SettingsError(
                f"region names the axis {odd!r}; the picture has {self._camera.plane!r}.",
                "Choose a position with --slice and --time.",
            )
        found = {}
        for key in self._camera.plane:
            a, b = named.get(key, (None, None))
            size = self._sizes[key]
            low, high = max(0, a or 0), size if b is None else min(size, b)
            if low >= high:
                raise SettingsError(f"region is empty along {key!r}: {a} to {b} of {size} samples.")
            found[key] = low, high
        return found

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of a picture."""
        height, width = (max(1, round((b - a) * self._camera.zoom)) for a, b in self._box.values())
        return height, width

    @property
    def count(self) -> int:
        """Number of pictures."""
        return self._length(self._along) if self._along else 1

    def _length(self, key: str) -> int:
        if key == "c":
            return max(source.spec.axes.size("c") for source in self._sources)
        return self._sizes.get(key, 1)

    def _place(self, i: int) -> dict[str, int]:
        camera = self._camera
        axis = self._sizes.get(camera.axis, 1)
        place = {
            camera.axis: axis // 2 if camera.slice is None else camera.slice,
            "t": camera.time or 0,
        }
        if self._along and self._along != "c":
            place[self._along] = i
        return place

    def _planes(self, source: ImageSource, layer: Layer, i: int) -> np.ndarray:
        """Return (c, down, across) of one layer."""
        axes = source.spec.axes
        place = self._place(i)
        pairs = []
        for axis in axes:
            if axis.key in self._box:
                pairs.append(self._box[axis.key])
            elif axis.key == "c":
                pairs.append(self._channels(axis.size, layer, i))
            else:
                at = min(place[axis.key], axis.size - 1)
                pairs.append((at, at + 1))
        data = source.read(Region(tuple(a for a, _ in pairs), tuple(b for _, b in pairs)))
        order = ("c" if "c" in axes else "") + self._camera.plane
        kept = [key for key in axes.keys if key in order]
        data = data[tuple(slice(None) if key in order else 0 for key in axes.keys)]
        data = data.transpose([kept.index(key) for key in order])
        return data if "c" in axes else data[None]

    def _channels(self, size: int, layer: Layer, i: int) -> tuple[int, int]:
        if self._along == "c":
            at = min(i, size - 1)
            return at, at + 1
        return (0, size) if layer.channel is None else (layer.channel, layer.channel + 1)

    def _judged(self) -> list[list[tuple[float, float]]]:
        """Return what range is shown of every layer, the same in all pictures."""
        if self._ranges is None:
            places = sorted({round(p) for p in np.linspace(0, self.count - 1, _JUDGED)})
            self._ranges = []
            for layer, source in zip(self._layers, self._sources, strict=True):
                found = [
                    ranges_of(layer, _spec_of(source.spec, layer), self._planes(source, layer, i))
                    for i in places
                ]
                if self._along == "c":
                    self._ranges.append([pair for one in found for pair in one])
                    continue
                self._ranges.append(
                    [
                        (min(low for low, _ in one), max(high for _, high in one))
                        for one in zip(*found, strict=True)
                    ]
                )
        return self._ranges

    def picture(self, i: int = 0) -> np.ndarray:
        """Return (h, w, 3) uint8 of one position along the axis of the movie."""
        (top, bottom), (left, right) = self._box.values()
        out = np.zeros((bottom - top, right - left, 3))
        parts = zip(self._layers, self._sources, self._judged(), strict=True)
        for layer, source, ranges in parts:
            spec = _spec_of(source.spec, layer)
            planes = self._planes(source, layer, i)
            if self._along == "c":
                ranges = ranges_of(layer, spec, planes)  # noqa: PLW2901  # each channel its own
                layer = replace(layer, channel=min(i, spec.axes.size("c") - 1))  # noqa: PLW2901
            colours, cover = rendered(layer, spec, planes, ranges)
            out += cover[..., None] * (colours - out)
        return _zoomed(np.rint(out).astype(np.uint8), self.shape)

    def pictures(self) -> Iterator[np.ndarray]:
        """Yield all pictures."""
        for i in range(self.count):
            yield self.picture(i)

    def close(self) -> None:
        """Let go of the files."""
        for source in self._sources:
            source.close()


def _spec_of(spec: ImageSpec, layer: Layer) -> ImageSpec:
    """Return what one channel of an image is."""
    if layer.channel is None or not spec.extra.display_ranges[layer.channel :]:
        return spec
    own = spec.extra.display_ranges[layer.channel : layer.channel + 1]
    return replace(spec, extra=replace(spec.extra, display_ranges=own))


def _zoomed(picture: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Return a picture of another size: larger by repeating pixels, smaller by their means."""
    if picture.shape[:2] == shape:
        return picture
    from PIL import Image

    larger = shape[0] >= picture.shape[0]
    how = Image.Resampling.NEAREST if larger else Image.Resampling.BOX
    made: Any = Image.fromarray(picture).resize((shape[1], shape[0]), how)
    return np.asarray(made)


def open_view(layers: Sequence[Layer], camera: Camera, along: str = "") -> View:
    """Open all layers; nothing of their pixels is read.

    Raises
    ------
    FormatError
        When a file is missing or broken.
    SettingsError
        When layers do not lie on each other, or the camera looks past them.
    """
    sources: list[ImageSource] = []
    try:
        for layer in layers:
            asked = ExportSettings(input_axes=layer.axes, role=layer.role)
            sources.append(open_source(layer.path, asked))
        return View(layers, sources, camera, along)
    except BaseException:
        for source in sources:
            source.close()
        raise
