"""Where the pixels of a TIFF lie.

ImageJ's and plain contiguous ones are found by our own look at the directory, all others (pages,
tiles, codecs, OME, pyramids) through tifffile.
"""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from fijibridge.errors import FijiBridgeError, FormatError, SettingsError
from fijibridge.formats._lazy import first_line
from fijibridge.formats._tiff import ifd
from fijibridge.formats._tiff.arrays import MappedArray, PagedArray, WholeArray
from fijibridge.formats._tiff.axes import Layout
from fijibridge.formats._tiff.imagej import parse_properties

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from fijibridge.formats._location import Location
    from fijibridge.formats._tiff.ifd import Directory, PositionalFile, TiffHeader

__all__ = ["Opened", "opened_tiff"]

_DTYPES = {
    (8, 1): "u1",
    (8, 2): "i1",
    (16, 1): "u2",
    (16, 2): "i2",
    (16, 3): "f2",
    (32, 1): "u4",
    (32, 2): "i4",
    (32, 3): "f4",
    (64, 1): "u8",
    (64, 2): "i8",
    (64, 3): "f8",
}
#: No codec makes more of a byte than this; what claims more is no image.
_LARGEST_RATIO = 2**20
_SMALL = 256 * 2**20
_LZW = 5
_SILENT = logging.NullHandler()
_ABSURD = "Copy the file again from its source."


@dataclass(slots=True)
class Opened:
    """A TIFF with its parts laid open, for reading and for `info`."""

    file: PositionalFile
    header: TiffHeader
    first: Directory
    props: Mapping[str, str]
    layout: Layout
    ome: str = ""
    levels: tuple[Layout, ...] = ()
    series: int = 1
    notes: dict[str, Any] = field(default_factory=dict)
    closers: list[Callable[[], None]] = field(default_factory=list)

    def close(self) -> None:
        """Let go of every file."""
        for close in self.closers:
            close()
        self.file.close()


def opened_tiff(where: Location) -> Opened:
    """Find the pixels of a TIFF.

    Raises
    ------
    FormatError
        When the file is truncated, hostile or no TIFF.
    """
    if where.inner:
        raise SettingsError(
            f"{str(where.path)!r} is a TIFF; there is nothing inside it called {where.inner!r}."
        )
    file = ifd.PositionalFile(where.path)
    opened: Opened | None = None
    try:
        header = ifd.read_header(file)
        first = next(ifd.directories(file, header))
        text = first.text(ifd.DESCRIPTION)
        props = parse_properties(text) if text.startswith("ImageJ") else {}
        _check_size(first)
        layout = _contiguous(file, header, first, text, props)
        if layout is not None:
            opened = Opened(file, header, first, props, layout)
            opened.closers.append(layout.array.close)
        else:
            for _ in ifd.directories(file, header):
                pass  # tifffile forgives broken chains; a silent loss of pages is no reading
            opened = _through_tifffile(file, header, first, props)
    except BaseException:
        if opened is not None:
            opened.close()
        file.close()
        raise
    return opened


def _check_size(first: Directory) -> None:
    width, height = first.number(ifd.WIDTH, 0), first.number(ifd.LENGTH, 0)
    if width < 1 or height < 1:
        raise FormatError(
            f"{str(first.file.path)!r} says that its image is {width} x {height} pixels.",
            _ABSURD,
        )


def _stored_dtype(first: Directory, order: str) -> np.dtype[Any] | None:
    bits = first.numbers(ifd.BITS)
    formats = first.numbers(ifd.SAMPLE_FORMAT)
    if len(set(bits.flat)) != 1 or len(set(formats.flat)) > 1:
        return None
    kind = int(formats.flat[0]) if formats.size else 1
    code = _DTYPES.get((int(bits.flat[0]), 1 if kind == 4 else kind))
    return None if code is None else np.dtype(code).newbyteorder(order)  # type: ignore[arg-type]  # < or >


def _contiguous(
    file: PositionalFile, header: TiffHeader, first: Directory, text: str, props: Mapping[str, str]
) -> Layout | None:
    """Lay out uncompressed pixels that follow each other, as ImageJ writes them; None otherwise."""
    dtype = _stored_dtype(first, header.order)
    samples, strips = first.number(ifd.SAMPLES, 1), first.numbers(ifd.STRIP_OFFSETS)
    special = (
        first.number(ifd.COMPRESSION, 1) not in (0, 1)
        or ifd.TILE_WIDTH in first
        or 330 in first  # sub-resolutions
        or first.number(266, 1) != 1  # bits from the right
        or "<OME" in text
        or text.startswith('{"shape"')
        or any(code >= 32768 and code not in (ifd.IJ_COUNTS, ifd.IJ_DATA) for code in first.entries)
    )
    chunky = samples == 1 or (samples == 3 and first.number(ifd.PLANAR, 1) == 1)
    if dtype is None or special or not chunky or strips.ndim != 1 or not strips.size:
        return None
    height, width = first.number(ifd.LENGTH, 0), first.number(ifd.WIDTH, 0)
    rows = max(1, min(first.number(ifd.ROWS_PER_STRIP, height), height))
    row_bytes = width * samples * dtype.itemsize
    if len(strips) != math.ceil(height / rows):
        return None
    if len(strips) > 1 and np.any(np.diff(strips.astype(np.int64)) != rows * row_bytes):
        return None
    planes = _planes(file, header, first, props, int(strips[0]) + height * row_bytes)
    if planes is None:
        return None
    needed = int(strips[0]) + planes * height * row_bytes
    if needed > file.size:
        raise FormatError(
            f"{str(file.path)!r} is truncated: it says it holds {planes} planes of {width} x "
            f"{height} pixels ({needed} bytes), it has {file.size} bytes.",
            _ABSURD,
        )
    letters, sizes = _imagej_dimensions(props, planes)
    letters, sizes = letters + "YX", (*sizes, height, width)
    if samples == 3:
        letters, sizes = letters + "S", (*sizes, 3)
    array = MappedArray(file.path, dtype, int(strips[0]), sizes)
    is_rgb = samples == 3 and first.number(ifd.PHOTOMETRIC, 1) == 2
    return Layout(array, letters, sizes, dtype.newbyteorder("="), is_rgb)


def _planes(
    file: PositionalFile, header: TiffHeader, first: Directory, props: Mapping[str, str], end: int
) -> int | None:
    """Return how many planes follow each other; None when they lie apart."""
    version = props.get("ImageJ", "")
    text = props.get("images", "1") if version else "1"
    images = int(text) if text.isdigit() and len(text) < 12 else 1
    if images <= 1:
        return None if first.next else 1
    if first.next:
        following = ifd.directories(file, replace(header, first=first.next))
        offsets = next(following).numbers(ifd.STRIP_OFFSETS)
        if offsets.ndim != 1 or not offsets.size or int(offsets[0]) != end:
            return None
    return images


def _imagej_dimensions(props: Mapping[str, str], planes: int) -> tuple[str, tuple[int, ...]]:
    """Return ImageJ's dimensions of a stack, slowest first.

    Source: ij.io.FileOpener.setCalibration: sizes that do not fit mean a plain stack.
    """
    sizes = {}
    for letter, key in (("T", "frames"), ("Z", "slices"), ("C", "channels")):
        text = props.get(key, "1").split(".")[0]
        sizes[letter] = int(text) if text.isdigit() and len(text) < 12 else 1
    if math.prod(sizes.values()) != planes or not props:
        sizes = {"Z": planes}
    kept = {letter: n for letter, n in sizes.items() if n > 1}
    return "".join(kept), tuple(kept.values())


def _through_tifffile(
    file: PositionalFile, header: TiffHeader, first: Directory, props: Mapping[str, str]
) -> Opened:
    from tifffile import TiffFile

    # what is wrong is said by our errors, not by tifffile's log on the terminal
    logging.getLogger("tifffile").addHandler(_SILENT)
    try:
        tif = TiffFile(file.path)
    except Exception as error:
        raise FormatError(
            f"{str(file.path)!r} cannot be read as TIFF: {first_line(error)}.", _ABSURD
        ) from error
    closers: list[Callable[[], None]] = [tif.close]
    try:
        found = tif.series
        levels = tuple(_series_layout(tif, series, file) for series in found[0].levels)
        closers.extend(a.array.close for a in levels if hasattr(a.array, "close"))
        ome = (tif.ome_metadata or "") if tif.is_ome else ""
        key = found[0].keyframe
        notes = {
            "compression": getattr(key.compression, "name", str(key.compression)).lower(),
            "tiled": bool(key.is_tiled),
        }
        return Opened(
            file, header, first, props, levels[0], ome, levels, len(found), notes, closers
        )
    except FijiBridgeError:
        _close_all(closers)
        raise
    except Exception as error:
        # tifffile raises what it pleases on broken bytes
        _close_all(closers)
        raise FormatError(
            f"{str(file.path)!r} cannot be read as TIFF: {first_line(error)}.", _ABSURD
        ) from error


def _close_all(closers: list[Callable[[], None]]) -> None:
    for close in closers:
        close()


def _series_layout(tif: Any, series: Any, file: PositionalFile) -> Layout:
    key = series.keyframe
    letters, sizes = str(series.axes), tuple(int(n) for n in series.shape)
    dtype = None if key.dtype is None else np.dtype(key.dtype)
    if dtype is None or dtype.kind not in "buif" or dtype.itemsize > 8:
        raise FormatError(
            f"{str(file.path)!r} holds pixels of the type {dtype or 'unknown'}, "
            "which cannot be read."
        )
    if 0 in sizes or not sizes:
        raise FormatError(f"{str(file.path)!r} says that its image has the shape {sizes}.", _ABSURD)
    nbytes = math.prod(sizes) * dtype.itemsize
    if nbytes > _SMALL and nbytes > _LARGEST_RATIO * file.size:
        raise FormatError(
            f"{str(file.path)!r} says it holds {nbytes / 2**30:.1f} GB of pixels, "
            f"it has {file.size} bytes.",
            _ABSURD,
        )
    _check_segments(series, file)
    is_rgb = int(key.photometric) in (2, 6) and dtype.kind == "u"
    offset = series.dataoffset
    if offset is not None and dtype.kind != "b" and not series.is_multifile:
        stored = np.dtype(tif.byteorder + dtype.char)
        if offset + nbytes > file.size:
            raise FormatError(
                f"{str(file.path)!r} is truncated: it says it holds {nbytes} bytes of pixels, "
                f"it has {file.size} bytes.",
                _ABSURD,
            )
        return Layout(MappedArray(file.path, stored, offset, sizes), letters, sizes, dtype, is_rgb)
    page = tuple(int(n) for n in key.shaped)
    kept = (page[0] > 1, page[1] > 1, True, True, page[4] > 1)
    tail = tuple(n for n, k in zip(page, kept, strict=True) if k)
    lead = sizes[: len(sizes) - len(tail)]
    if sizes[len(lead) :] == tail and math.prod(lead) == len(series):
        paged = PagedArray(series, sizes, len(tail))
        return Layout(paged, letters, sizes, dtype, is_rgb)
    return Layout(WholeArray(partial(_whole, series)), letters, sizes, dtype, is_rgb)


def _whole(series: Any) -> Any:
    """Return all pixels, in whatever order the pages hold them."""
    if series.keyframe.compression == _LZW:
        from fijibridge.formats._tiff.lzw import check_lzw

        size = math.prod(series.keyframe.shaped) * series.dtype.itemsize
        for page in series:
            for raw, _ in page.parent.filehandle.read_segments(
                page.dataoffsets, page.databytecounts
            ):
                check_lzw(raw, series.keyframe, size)
    return series.asarray()


def _check_segments(series: Any, file: PositionalFile) -> None:
    """Raise FormatError when the first or the last page points beyond the file."""
    if series.is_multifile:
        return
    for page in (series[0], series[len(series) - 1]):
        if page is None:
            continue
        ends = [a + b for a, b in zip(page.dataoffsets, page.databytecounts, strict=False) if a]
        if ends and max(ends) > file.size:
            raise FormatError(
                f"{str(file.path)!r} is truncated: its pixels end at {max(ends)}, "
                f"it has {file.size} bytes.",
                _ABSURD,
            )
