"""PNG, BMP, GIF, JPEG and PNM: pictures of one plane, through imageio and Pillow.

JPEG and GIF change pixels, so they hold no labels. A PNG of labels says so in a text of its own,
and is read as labels again. The indices of a palette are kept, as ImageJ does, with the palette as
LUT.
"""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from fijibridge.errors import FijiBridgeError, FormatError, SettingsError, UnsupportedError
from fijibridge.formats._format import Finding, Format, ReadOptions, WriteOptions
from fijibridge.formats._image_info import describe_spec
from fijibridge.formats._lazy import LazySource, first_line
from fijibridge.formats._raster.mark import has_label_mark
from fijibridge.formats._raster.pnm import pnm_header, pnm_pixels
from fijibridge.formats._raster.write import (
    BMP,
    GIF,
    JPEG,
    LARGEST_PIXEL_UM,
    PNG,
    PNM,
    Kind,
    PictureSink,
    checker,
)
from fijibridge.formats._tiff.arrays import WholeArray
from fijibridge.formats._tiff.axes import rename_axes
from fijibridge.model import Axes, Axis, Extra, ImageSpec

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fijibridge.formats._location import Location
    from fijibridge.model import ImageSink, ImageSource, Region

__all__ = ["FORMATS"]

_SMALL, _LARGEST_RATIO = 2**28, 2**16
#: Pillow takes more pixels than this for an attack.
_PILLOW_LIMIT = 80_000_000
_GIVEN: dict[str, tuple[str, tuple[int, ...], str]] = {
    "1": ("yx", (), "uint8"),
    "L": ("yx", (), "uint8"),
    "P": ("yx", (), "uint8"),
    "I;16": ("yx", (), "uint16"),
    "I;16B": ("yx", (), "uint16"),
    "I": ("yx", (), "uint16"),
    "LA": ("yxc", (2,), "uint8"),
    "RGB": ("yxc", (3,), "uint8"),
    "RGBA": ("yxc", (4,), "uint8"),
    "F": ("yx", (), "float32"),
}


def _broken(where: Location, error: BaseException) -> FormatError:
    return FormatError(
        f"{str(where)!r} cannot be read as a picture: {first_line(error)}.",
        "Copy the file again, or save it as TIFF.",
    )


def _open_pillow(where: Location) -> tuple[ImageSpec, Callable[[], np.ndarray]]:
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # large pictures are what science has
            picture = Image.open(where.path)
        with picture:
            mode, (width, height) = picture.mode, picture.size
            frames = int(getattr(picture, "n_frames", 1))
            dpi, palette = picture.info.get("dpi"), picture.getpalette()
    except FijiBridgeError:
        raise
    except Exception as error:
        # Pillow's readers raise what they please on broken bytes
        raise _broken(where, error) from error
    if frames > 1:
        mode = "RGB"
    keys, channels, dtype = _GIVEN.get(mode, ("yxc", (3,), "uint8"))
    shape = (height, width, *channels)
    if frames > 1:
        keys, shape = "t" + keys, (frames, *shape)
    axes = _calibrated(Axes.of(keys, shape), dpi if where.path.suffix.lower() == ".png" else None)
    extra = Extra(rgb=channels == (3,))
    if mode == "P" and palette:
        extra = replace(extra, luts=_palette(palette))
    spec = ImageSpec(axes=axes, dtype=np.dtype(dtype), name=where.path.name, extra=extra)
    return spec, lambda: _pillow_pixels(where, spec, mode)


def _direct_png(where: Location) -> tuple[ImageSpec, Callable[[], np.ndarray]] | None:
    """Describe a PNG that Pillow would change or refuse: 16-bit colours, very many pixels."""
    with where.path.open("rb") as file:
        head = file.read(26)
    if len(head) < 26 or head[:8] != PNG.magic[0]:
        return None
    width, height = (int.from_bytes(head[i : i + 4], "big") for i in (16, 20))
    bits, samples = head[24], {0: 1, 2: 3, 4: 2, 6: 4}.get(head[25], 0)
    deep, large = bits == 16 and samples > 1, bits >= 8 and width * height > _PILLOW_LIMIT
    if not samples or not (deep or large) or bits not in (8, 16) or not width * height:
        return None
    shape = (height, width) if samples == 1 else (height, width, samples)
    spec = ImageSpec(
        axes=Axes.of("yxc"[: len(shape)], shape),
        dtype=np.dtype(f"uint{bits}"),
        name=where.path.name,
        extra=Extra(rgb=samples == 3),
    )

    def load() -> np.ndarray:
        from imagecodecs import png_decode

        try:
            data = np.asarray(png_decode(where.path.read_bytes()))
        except Exception as error:
            raise _broken(where, error) from error
        return _checked(data, spec, where)

    return spec, load


def _checked(data: np.ndarray, spec: ImageSpec, where: Location) -> np.ndarray:
    if data.shape != spec.shape:
        raise FormatError(f"{str(where)!r} is broken: its pixels have the shape {data.shape}.")
    return data if data.dtype == np.bool_ else data.astype(spec.dtype, copy=False)


def _check_ratio(spec: ImageSpec, where: Location) -> None:
    size = where.path.stat().st_size
    if spec.nbytes > _SMALL and spec.nbytes > _LARGEST_RATIO * size:
        raise FormatError(
            f"{str(where)!r} says it holds {spec.nbytes / 2**30:.1f} GB of pixels, it has {size} "
            "bytes.",
            "Copy the file again from its source.",
        )


def _palette(values: list[int]) -> tuple[np.ndarray, ...]:
    lut = np.zeros((256, 3), np.uint8)
    found = np.array(values[: len(values) // 3 * 3], np.uint8).reshape(-1, 3)[:256]
    lut[: len(found)] = found
    grey = np.array_equal(lut, np.arange(256, dtype=np.uint8)[:, None].repeat(3, 1))
    return () if grey else (lut,)


def _calibrated(axes: Axes, dpi: Any) -> Axes:
    """Return axes with the pixel size of a PNG, where it is one of a microscope."""
    try:
        x, y = (25400.0 / float(v) for v in dpi)
    except (TypeError, ValueError, ZeroDivisionError):
        return axes
    if not (0 < x < LARGEST_PIXEL_UM and 0 < y < LARGEST_PIXEL_UM):
        return axes
    # whole pixels per metre give about seven digits
    size = {"x": float(f"{x:.7g}"), "y": float(f"{y:.7g}")}
    return Axes(
        tuple(Axis(a.key, a.size, size[a.key], "micrometer") if a.key in size else a for a in axes)
    )


def _pillow_pixels(where: Location, spec: ImageSpec, mode: str) -> np.ndarray:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if "t" in spec.axes:
                data = _frames(where.path, spec)
            else:
                from PIL import Image

                with Image.open(where.path) as picture:
                    direct = mode in _GIVEN
                    data = np.asarray(picture if direct else picture.convert("RGB"))
    except Exception as error:
        raise _broken(where, error) from error
    return _checked(data, spec, where)


def _frames(path: Path, spec: ImageSpec) -> np.ndarray:
    from PIL import Image

    data = np.zeros(spec.shape, spec.dtype)
    with Image.open(path) as picture:
        for i in range(len(data)):
            picture.seek(i)
            data[i] = np.asarray(picture.convert("RGB"))
    return data


def _open_pnm(where: Location) -> tuple[ImageSpec, Callable[[], np.ndarray]]:
    try:
        header = pnm_header(where.path)
    except OSError as error:
        raise _broken(where, error) from error
    height, width, samples = header.shape
    shape = header.shape if samples == 3 else (height, width)
    axes = Axes.of("yxc"[: len(shape)], shape)
    spec = ImageSpec(
        axes=axes, dtype=header.dtype, name=where.path.name, extra=Extra(rgb=samples == 3)
    )

    def load() -> np.ndarray:
        data = pnm_pixels(where.path, header).reshape(shape)
        return data > 0 if header.bits else data

    return spec, load


def _open(where: Location, options: ReadOptions, /) -> ImageSource:
    if where.inner:
        raise SettingsError(f"{str(where.path)!r} is a picture; nothing inside has a name.")
    if options.level not in (0, "0"):
        raise SettingsError(f"{str(where)!r} has no level {options.level!r}; it has one, 0.")
    is_pnm = where.path.suffix.lower() in PNM.suffixes
    spec, load = _open_pnm(where) if is_pnm else _direct_png(where) or _open_pillow(where)
    _check_ratio(spec, where)
    if options.axes is not None:
        axes = rename_axes(spec.axes, options.axes)
        rgb = spec.extra.rgb and axes.keys.endswith("c")
        spec = replace(spec, axes=axes, extra=replace(spec.extra, rgb=rgb))
    marked = spec.axes.size("c") == 1 and has_label_mark(where.path)
    spec = replace(spec, role=options.role or ("labels" if marked else "intensity"))
    return LazySource(spec, WholeArray(load), repr(str(where)))


def _findings(where: Location, kind: Kind) -> list[Finding]:
    try:
        source = _open(where, ReadOptions())
        source.read(_whole(source.spec))
    except FijiBridgeError as error:
        return [Finding("error", str(error))]
    if kind.lossy:
        return [Finding("warning", f"{kind.title} changes pixel values; do not measure them.")]
    return []


def _format(kind: Kind) -> Format:
    check = checker(kind)

    def create(where: Location, spec: ImageSpec, options: WriteOptions, /) -> ImageSink:
        check(spec, options)
        if where.inner:
            raise SettingsError(f"{str(where.path)!r} is a picture; nothing inside has a name.")
        return PictureSink(where, spec, options, kind)

    def sniff(path: Path, head: bytes, /) -> bool:
        by_name = path.suffix.lower() in kind.suffixes
        if kind is PNM or kind is BMP or len(head) < 8:  # too short to say it themselves
            return by_name
        return head.startswith(kind.magic)

    def check_labels(largest: int, /) -> None:
        top = kind.label_max
        if largest > top:
            raise UnsupportedError(
                f"{kind.title} holds labels up to {top}; the image has the label {largest}.",
                "Use .tif, .h5 or .ome.zarr" + ("." if top > 255 else ", or .png up to 65535."),
            )

    def describe(where: Location, /) -> dict[str, Any]:
        return {"format": kind.title, **describe_spec(_open(where, ReadOptions()).spec)}

    def validate(where: Location, /) -> list[Finding]:
        return _findings(where, kind)

    return Format(
        name=kind.name,
        suffixes=kind.suffixes,
        title=kind.title,
        sniff=sniff,
        open_image=_open,
        create_image=create,
        check_image=check,
        check_label_max=check_labels,
        describe=describe,
        validate=validate,
        dtypes=kind.dtypes,
        lossy=kind.lossy,
    )


def _whole(spec: ImageSpec) -> Region:
    from fijibridge.model import Region as Box

    return Box.whole(spec.shape)


FORMATS = tuple(_format(kind) for kind in (PNG, BMP, GIF, JPEG, PNM))
