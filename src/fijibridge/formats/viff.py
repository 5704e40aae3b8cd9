"""Khoros VIFF pictures (``.xv``): a plane of bytes, integers or floats, as vigra and ilastik write.

Written big endian, channel after channel, without packing or maps. Read are both byte orders; of
pixels with a map (palette) the indices are kept and the map is left out. Packed files, single
bits, complex numbers and several images in one file are refused.

Source: Khoros <viff.h>: 1024 bytes of header, then maps, then pixels.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np

from fijibridge.errors import FormatError
from fijibridge.formats._raster.own import file_bytes, own_format, picture_spec, truncated
from fijibridge.formats._raster.write import Kind

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fijibridge.model import ImageSpec

__all__ = ["FORMAT"]

_SIZE = 1024
#: Identifier, kind of file (picture), release, version.
_MAGIC = b"\xab\x01"
_RELEASE = b"\x01\x03"
_BIG, _LITTLE = 2, 8
_PIXELS = {1: "u1", 2: "i2", 4: "i4", 5: "f4", 9: "f8"}
_CODES = {"uint8": 1, "int16": 2, "int32": 4, "float32": 5, "float64": 9}
#: Bytes of a value of a map, by its kind of storage.
_MAP_BYTES = {0: 0, 1: 1, 2: 2, 4: 4, 5: 4, 6: 8, 7: 8}
_NO_COLOURS, _GENERIC_RGB = 0, 15
_FIELDS = 520  # where the numbers begin


def _encode(data: np.ndarray) -> bytes:
    height, width = data.shape[:2]
    bands = 1 if data.ndim == 2 else data.shape[2]
    head = _MAGIC + _RELEASE + bytes([_BIG])
    numbers = struct.pack(
        ">IIIiiff21I",
        *(width, height, 0, -1, -1, 1.0, 1.0),
        *(1, 0, 1, bands, _CODES[data.dtype.name], 0),  # pixels lie on a grid; one image; raw
        *(0, 0, 0, 0, 0, 1, 0),  # no maps
        _GENERIC_RGB if bands == 3 else _NO_COLOURS,
        *(0,) * 7,
    )
    planes = data if data.ndim == 2 else np.moveaxis(data, 2, 0)
    pixels = np.ascontiguousarray(planes, data.dtype.newbyteorder(">")).tobytes()
    return head.ljust(_FIELDS, b"\0") + numbers.ljust(_SIZE - _FIELDS, b"\0") + pixels


def _read(path: Path) -> tuple[ImageSpec, Callable[[], np.ndarray]]:
    head = file_bytes(path, _SIZE)
    if not head.startswith(_MAGIC):
        raise FormatError(f"{str(path)!r} is no VIFF picture.")
    if len(head) < _SIZE:
        raise truncated(path, "its header ends early")
    order = "<" if head[4] == _LITTLE else ">"
    if head[4] not in (_BIG, _LITTLE):
        raise _unknown(path, f"numbers of the machine {head[4]}")
    width, height = struct.unpack_from(f"{order}2I", head, _FIELDS)
    location, _, images, bands, code, packing = struct.unpack_from(f"{order}6I", head, 548)
    scheme, map_code, map_width, map_height = struct.unpack_from(f"{order}4I", head, 572)
    if code not in _PIXELS:
        raise _unknown(path, f"pixels of the kind {code}")
    if location != 1 or images != 1 or packing:
        raise _unknown(path, f"{images} images, placement {location}, packing {packing}")
    if not (width and height and bands):
        raise _unknown(path, f"{width} x {height} pixels of {bands} channels")
    dtype = np.dtype(order + _PIXELS[code])
    if map_code not in _MAP_BYTES:
        raise _unknown(path, f"a map of the kind {map_code}")
    # a map belongs to each channel (scheme 1), or one to all
    maps = bands if scheme == 1 else 1
    begin = _SIZE + (maps * map_width * map_height * _MAP_BYTES[map_code] if scheme else 0)
    need, size = width * height * bands * dtype.itemsize, path.stat().st_size
    if begin + need > size:
        raise truncated(path, f"{width} x {height} pixels need {begin + need} bytes, it has {size}")
    shape = (height, width) if bands == 1 else (height, width, bands)
    spec = picture_spec(path, shape, dtype.newbyteorder("="))

    def load() -> np.ndarray:
        pixels = np.frombuffer(file_bytes(path), dtype, height * width * bands, begin)
        planes = pixels.reshape(bands, height, width)
        return planes[0] if bands == 1 else np.moveaxis(planes, 0, 2)

    return spec, load


def _unknown(path: Path, what: str) -> FormatError:
    return FormatError(
        f"{str(path)!r} is a VIFF file of a kind that is not read here: {what}.",
        "Save it as TIFF with the program that made it.",
    )


FORMAT = own_format(
    Kind(
        name="viff",
        suffixes=(".xv",),
        title="Khoros VIFF",
        magic=(_MAGIC,),
        dtypes=frozenset(_CODES),
        channels=frozenset({1, 2, 3, 4}),
        encode=_encode,
    ),
    _read,
)
