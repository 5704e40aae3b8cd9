"""Sun raster files (``.ras``): grey and colour pictures of 8 bits, as vigra and so ilastik write.

Written without packing, big endian, rows padded to 16 bits, colours as blue, green, red. Read are
1, 8, 24 and 32 bits, packed (run lengths) or not; the indices of a palette are kept, with the
palette as LUT; of 32 bits the unused byte is dropped.

Source: Sun's <rasterfile.h>; the layout is described in Murray, vanRyper: Encyclopedia of Graphics
File Formats.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np

from fijibridge.errors import FormatError
from fijibridge.formats._raster.own import (
    check_ratio,
    file_bytes,
    own_format,
    picture_spec,
    truncated,
)
from fijibridge.formats._raster.write import Kind
from fijibridge.model import Extra

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fijibridge.model import ImageSpec

__all__ = ["FORMAT"]

_MAGIC = 0x59A66A95
_HEADER = struct.Struct(">8I")
_STANDARD, _PACKED, _RGB = 1, 2, 3
_KINDS = (0, _STANDARD, _PACKED, _RGB)  # 0: the first Suns wrote no kind
_LONGEST = 2**32 - 1  # the size is a hint only
_ESCAPE = b"\x80"
#: Three bytes stand for 256 at most.
_LARGEST_RATIO = 90


def _encode(data: np.ndarray) -> bytes:
    height, width = data.shape[:2]
    if data.ndim == 3:
        data = data[..., ::-1]  # blue first
    rows = data.reshape(height, -1)
    if rows.shape[1] % 2:
        rows = np.pad(rows, ((0, 0), (0, 1)))
    depth = 8 if data.ndim == 2 else 24
    head = _HEADER.pack(_MAGIC, width, height, depth, min(rows.size, _LONGEST), _STANDARD, 0, 0)
    return head + np.ascontiguousarray(rows).tobytes()


def _read(path: Path) -> tuple[ImageSpec, Callable[[], np.ndarray]]:
    head = file_bytes(path, _HEADER.size)
    if len(head) < _HEADER.size:
        raise truncated(path, "its header ends early")
    magic, width, height, depth, _, kind, map_kind, map_bytes = _HEADER.unpack(head)
    known = kind in _KINDS and depth in (1, 8, 24, 32) and map_kind in (0, 1, 2)
    if magic != _MAGIC or not (width and height) or not known:
        raise FormatError(
            f"{str(path)!r} is no Sun raster that is known here: {width} x {height} pixels of "
            f"{depth} bits, kind {kind}, palette kind {map_kind}.",
            "Save it as PNG or TIFF.",
        )
    row = (width * depth + 15) // 16 * 2
    need, size = row * height, path.stat().st_size
    begin = _HEADER.size + map_bytes
    if begin > size or (kind != _PACKED and begin + need > size):
        raise truncated(path, f"{width} x {height} pixels need {begin + need} bytes, it has {size}")
    check_ratio(path, need, _LARGEST_RATIO)
    shape = (height, width) if depth <= 8 else (height, width, 3)
    extra = None
    if map_kind == 1 and depth <= 8:
        extra = Extra(luts=_palette(file_bytes(path, begin)[_HEADER.size :]))
    spec = picture_spec(path, shape, np.dtype(np.uint8), extra)

    def load() -> np.ndarray:
        raw = file_bytes(path)[begin:]
        raw = _unpacked(path, raw, need) if kind == _PACKED else raw[:need]
        rows = np.frombuffer(raw, np.uint8).reshape(height, row)
        if depth == 1:
            bits = np.unpackbits(rows, axis=1)[:, :width]
            # a set bit is ink, unless it is an index
            return bits if extra is not None else bits == 0
        if depth == 8:
            return rows[:, :width]
        pixels = rows[:, : width * depth // 8].reshape(height, width, depth // 8)
        colours = pixels[..., -3:]
        return colours if kind == _RGB else colours[..., ::-1]

    return spec, load


def _palette(raw: bytes) -> tuple[np.ndarray, ...]:
    n = min(len(raw) // 3, 256)
    lut = np.zeros((256, 3), np.uint8)
    for channel in range(3):
        begin = channel * (len(raw) // 3)
        lut[:n, channel] = np.frombuffer(raw, np.uint8, n, begin)
    grey = np.array_equal(lut, np.arange(256, dtype=np.uint8)[:, None].repeat(3, 1))
    return () if grey else (lut,)


def _unpacked(path: Path, raw: bytes, need: int) -> bytes:
    """Undo run lengths: 80 n v is n + 1 times v, 80 00 is one 80, all else is itself."""
    out = bytearray()
    at = 0
    while len(out) < need and at < len(raw):
        mark = raw.find(_ESCAPE, at)
        if mark < 0:
            out += raw[at:]
            break
        out += raw[at:mark]
        run = raw[mark + 1 : mark + 3]
        if run[:1] == b"\0":
            out += _ESCAPE
            at = mark + 2
        elif len(run) == 2:
            out += run[1:] * (run[0] + 1)
            at = mark + 3
        else:
            break
    if len(out) < need:
        raise truncated(path, f"its pixels need {need} bytes, they unpack to {len(out)}")
    return bytes(out[:need])


FORMAT = own_format(
    Kind(
        name="sun raster",
        suffixes=(".ras",),
        title="Sun raster",
        magic=(struct.pack(">I", _MAGIC),),
        dtypes=frozenset({"uint8"}),
        channels=frozenset({1, 3}),
        encode=_encode,
    ),
    _read,
)
