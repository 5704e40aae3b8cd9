"""Which pictures a format can hold, and writing them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fijibridge.errors import SettingsError, UnsupportedError
from fijibridge.formats._lazy import check_region
from fijibridge.formats._raster.mark import label_mark
from fijibridge.formats._target import Staged, target_errors
from fijibridge.model.units import length_factor

if TYPE_CHECKING:
    from collections.abc import Callable

    from fijibridge.formats._format import WriteOptions
    from fijibridge.formats._location import Location
    from fijibridge.model import ImageSpec, Region

__all__ = [
    "BMP",
    "GIF",
    "JPEG",
    "LARGEST_PIXEL_UM",
    "PNG",
    "PNM",
    "Kind",
    "PictureSink",
    "checker",
]

#: Pixels larger than this come from screens and printers: 96 dpi is no calibration.
LARGEST_PIXEL_UM = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What a picture format can hold."""

    name: str
    suffixes: tuple[str, ...]
    title: str
    magic: tuple[bytes, ...]
    dtypes: frozenset[str]
    channels: frozenset[int]
    extension: str = ""
    #: Makes a file of a plane (y, x) or (y, x, c); None = Pillow does.
    encode: Callable[[np.ndarray], bytes] | None = None
    lossy: bool = False
    longest: int = 2**31 - 1

    def label_dtype(self, largest: int) -> np.dtype[Any]:
        """Return the smallest integer type of a pixel for labels up to `largest`, if there is."""
        held = sorted((np.iinfo(d).max, d) for d in self.dtypes if np.dtype(d).kind in "iu")
        return np.dtype(next((d for top, d in held if top >= largest), held[-1][1]))

    @property
    def label_max(self) -> int:
        """The largest label; 0 where pixels are no integers."""
        held = [np.iinfo(d).max for d in self.dtypes if np.dtype(d).kind in "iu"]
        return int(max(held, default=0))


PNG = Kind(
    name="png",
    suffixes=(".png",),
    title="PNG",
    magic=(b"\x89PNG\r\n\x1a\n",),
    dtypes=frozenset({"uint8", "uint16"}),
    channels=frozenset({1, 2, 3, 4}),
    extension=".png",
)
BMP = Kind(
    name="bmp",
    suffixes=(".bmp",),
    title="BMP",
    magic=(b"BM",),
    dtypes=frozenset({"uint8"}),
    channels=frozenset({1, 3}),
    extension=".bmp",
)
GIF = Kind(
    name="gif",
    suffixes=(".gif",),
    title="GIF",
    magic=(b"GIF87a", b"GIF89a"),
    dtypes=frozenset({"uint8"}),
    channels=frozenset({1, 3}),
    extension=".gif",
    lossy=True,
    longest=65535,
)
JPEG = Kind(
    name="jpeg",
    suffixes=(".jpg", ".jpeg"),
    title="JPEG",
    magic=(b"\xff\xd8\xff",),
    dtypes=frozenset({"uint8"}),
    channels=frozenset({1, 3}),
    extension=".jpg",
    lossy=True,
    longest=65500,
)
PNM = Kind(
    name="pnm",
    suffixes=(".pgm", ".ppm", ".pbm", ".pnm"),
    title="PGM, PPM or PBM",
    magic=tuple(f"P{i}".encode() for i in range(1, 7)),
    dtypes=frozenset({"uint8", "uint16"}),
    channels=frozenset({1, 3}),
    extension=".pgm",
)


class PictureSink:
    """A picture is encoded as a whole: blocks are gathered in memory, one plane is small."""

    def __init__(self, where: Location, spec: ImageSpec, options: WriteOptions, kind: Kind) -> None:
        self._spec = spec
        self._kind = kind
        self._staged = Staged(where.path, overwrite=options.overwrite)
        dtype = spec.dtype
        self._top = kind.label_max
        if spec.role == "labels" and dtype.kind in "iu":
            dtype = kind.label_dtype(np.iinfo(dtype).max)
        self._data = np.zeros(spec.shape, dtype)

    def write(self, region: Region, block: np.ndarray) -> None:
        check_region(region, self._spec.shape, "the picture")
        if block.shape != region.shape:
            raise SettingsError(f"A block of the shape {block.shape} does not fit {region}.")
        if self._spec.role == "labels" and block.size and block.dtype.kind in "iu":
            self._check_labels(int(block.min()), int(block.max()))
        self._data[region.slices] = block

    def _check_labels(self, low: int, high: int) -> None:
        if low < 0:
            raise SettingsError(f"Labels must be 0 or more; the block holds {low}.")
        if high > self._top:
            raise UnsupportedError(
                f"{self._kind.title} holds labels up to {self._top}; the image has the label "
                f"{high}.",
                "Use .tif, .h5 or .ome.zarr"
                + ("." if self._top > 255 else ", or .png up to 65535."),
            )

    def _plane(self) -> np.ndarray:
        axes = self._spec.axes
        keys = "yxc" if axes.size("c") > 1 else "yx"
        index = tuple(slice(None) if a.key in keys else 0 for a in axes)
        kept = [a.key for a in axes if a.key in keys]
        return np.ascontiguousarray(self._data[index].transpose([kept.index(k) for k in keys]))

    def commit(self) -> None:
        try:
            with target_errors(self._staged.target):
                self._staged.path.write_bytes(self._encoded())
            self._staged.commit()
        except BaseException:
            self.abort()
            raise

    def _encoded(self) -> bytes:
        data, kind = self._plane(), self._kind
        if kind.encode is not None:
            return kind.encode(data)
        if kind is PNG and data.ndim == 3 and data.dtype == np.uint16:
            from imagecodecs import png_encode

            return bytes(png_encode(data))
        if kind is PNM and self._staged.target.suffix.lower() != ".pbm":
            return _pnm(data)
        import imageio.v3 as iio

        options: dict[str, Any] = {"quality": 95} if kind is JPEG else {}
        if kind is PNG:
            options.update(self._dpi())
            if self._spec.role == "labels":
                options["pnginfo"] = label_mark()
        if kind is GIF and data.ndim == 2:
            options["optimize"] = False  # the palette stays that of all greys: indices are values
        extension = kind.extension
        if self._staged.target.suffix.lower() == ".pbm":
            if not np.isin(data, (0, 255)).all() or data.ndim == 3:
                raise UnsupportedError(
                    "PBM holds black and white only, the values 0 and 255; the image has others.",
                    "Use .pgm or .png.",
                )
            return _pbm(data)
        return bytes(iio.imwrite("<bytes>", data, plugin="pillow", extension=extension, **options))

    def _dpi(self) -> dict[str, Any]:
        sizes = []
        for key in "xy":
            axis = self._spec.axes[key]
            factor = length_factor(axis.unit, "micrometer")
            if factor is None:
                return {}
            sizes.append(axis.scale * factor)
        fits = all(5e-4 < size < LARGEST_PIXEL_UM for size in sizes)
        return {"dpi": tuple(25400.0 / size for size in sizes)} if fits else {}

    def abort(self) -> None:
        self._staged.abort()


def _pnm(data: np.ndarray) -> bytes:
    """Encode a plane as binary PGM, or colours as PPM; 16 bits are big endian."""
    height, width = data.shape[:2]
    head = f"P{5 if data.ndim == 2 else 6}\n{width} {height}\n{np.iinfo(data.dtype).max}\n"
    return head.encode() + data.astype(data.dtype.newbyteorder(">")).tobytes()


def _pbm(data: np.ndarray) -> bytes:
    """Encode a plane of 0 and 255 as binary PBM, where a set bit is black."""
    height, width = data.shape
    return f"P4\n{width} {height}\n".encode() + np.packbits(data == 0, axis=1).tobytes()


def checker(kind: Kind) -> Callable[[ImageSpec, WriteOptions], None]:
    def check(spec: ImageSpec, options: WriteOptions, /) -> None:
        del options
        axes, hint = spec.axes, "Use .tif, .h5 or .ome.zarr, or take one plane."
        if 0 in spec.shape:
            raise UnsupportedError(
                f"The image is empty: its shape is {spec.shape}; {kind.title} holds at least one "
                "pixel.",
                "Use .npy or .h5, or check what made it.",
            )
        if "y" not in axes or "x" not in axes:
            raise UnsupportedError(
                f"{kind.title} holds a plane; the image has {axes.keys!r}.", hint
            )
        if axes.size("t") * axes.size("z") > 1 or axes.size("c") not in kind.channels:
            sizes = ", ".join(f"{a.key} of {a.size}" for a in axes)
            raise UnsupportedError(
                f"{kind.title} holds one plane of {' or '.join(map(str, sorted(kind.channels)))} "
                f"channels; the image has {sizes}.",
                hint,
            )
        labels = spec.role == "labels" and spec.dtype.kind in "iu"
        if labels and kind.lossy:
            raise UnsupportedError(
                f"{kind.title} changes pixel values, so labels would be lost.",
                "Use .tif, .png, .h5 or .ome.zarr for label images.",
            )
        usual = "uint8" if "uint8" in kind.dtypes else min(kind.dtypes)
        if not labels and spec.dtype.name not in kind.dtypes:
            raise UnsupportedError(
                f"{kind.title} cannot hold {spec.dtype} pixels; it holds "
                f"{', '.join(sorted(kind.dtypes))}.",
                "Use .tif, .h5 or .ome.zarr"
                + (
                    "; for a label image say --role labels (role='labels')."
                    if spec.dtype.kind in "iu" and not kind.lossy
                    else f", or convert the pixels to {usual} first."
                ),
            )
        if max(axes.size("y"), axes.size("x")) > kind.longest:
            raise UnsupportedError(
                f"{kind.title} holds at most {kind.longest} pixels a side.", hint
            )

    return check
