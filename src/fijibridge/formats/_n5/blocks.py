"""Blocks of an N5 dataset: one file each, a big-endian header, then packed big-endian pixels.

N5 counts axes fastest first; everything here that is called a shape, a chunk or a cell is in C
order (last axis fastest), the reverse of what is in the file and in its path.

Source: https://github.com/saalfeldlab/n5, file-system specification.
"""

from __future__ import annotations

import bz2
import itertools
import lzma
import math
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fijibridge.errors import FijiBridgeError, FormatError, UnsupportedError
from fijibridge.formats._lazy import GIB, first_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from fijibridge.model import Region

__all__ = ["CODECS", "DTYPES", "Layout", "N5Array", "cells_of", "layout_of", "pack_block"]

DTYPES = frozenset(
    {"uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64"}
    | {"float32", "float64"}
)
CODECS = ("raw", "gzip", "bzip2", "xz", "zstd", "blosc")
_GZIP_LEVEL = 1  # ilastik's
_MOST_BLOCKS = 2**22
#: What the codecs reach on pixels that are all the same.
_LARGEST_RATIO = 2000
_VARIABLE_LENGTH = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How a dataset is stored: shape and chunk in C order, dtype in native order, codec."""

    folder: Path
    shape: tuple[int, ...]
    chunk: tuple[int, ...]
    dtype: np.dtype[Any]
    codec: Mapping[str, Any]

    def path(self, cell: tuple[int, ...]) -> Path:
        """Return the file of a block."""
        return self.folder.joinpath(*(str(i) for i in reversed(cell)))


def layout_of(folder: Path, attributes: Mapping[str, Any], what: str) -> Layout:
    """Return the layout that the attributes of a dataset say.

    Raises
    ------
    FormatError
        When they are no attributes of an image, or cannot be true.
    UnsupportedError
        When the pixels are packed in a way that is not known here.
    """
    dims, block = (_sizes(attributes.get(name)) for name in ("dimensions", "blockSize"))
    kind = attributes.get("dataType")
    if dims is None or block is None or len(dims) != len(block) or len(dims) > 5:
        raise FormatError(
            f"{what} says that its dimensions are {attributes.get('dimensions')!r} and its blocks "
            f"{attributes.get('blockSize')!r}; each is a list of 1 to 5 numbers above 0."
        )
    if kind not in DTYPES:
        raise FormatError(f"{what} holds {kind!r}; pixels are {', '.join(sorted(DTYPES))}.")
    dtype = np.dtype(str(kind))
    if math.prod(block) * dtype.itemsize > GIB:
        raise FormatError(f"{what} says that its blocks are {block} of {kind}, more than 1 GiB.")
    codec = attributes.get("compression", attributes.get("compressionType"))
    if isinstance(codec, str):  # before version 1.0
        codec = {"type": codec}
    if not isinstance(codec, dict) or codec.get("type") not in CODECS:
        raise UnsupportedError(
            f"{what} is packed with {codec!r}; known here are {', '.join(CODECS)}.",
            "Save it again with gzip.",
        )
    return Layout(
        folder=folder, shape=tuple(dims[::-1]), chunk=tuple(block[::-1]), dtype=dtype, codec=codec
    )


def _sizes(value: Any) -> list[int] | None:
    right = isinstance(value, list) and bool(value)
    right = right and all(type(n) is int and 0 < n < 2**53 for n in value)
    return value if right else None


def _unpacked(codec: Mapping[str, Any], raw: bytes, nbytes: int) -> bytes | np.ndarray:
    """Return at least `nbytes` bytes, and never many more, whatever the block says."""
    match codec["type"]:
        case "raw":
            return raw
        case "gzip":
            from isal import isal_zlib

            wbits = 31 if raw[:2] == b"\x1f\x8b" else 15
            found = isal_zlib.decompressobj(wbits=wbits).decompress(raw, nbytes + 1)
            return bytes(found)
        case "bzip2":
            return bz2.BZ2Decompressor().decompress(raw, nbytes + 1)
        case "xz":
            return lzma.LZMADecompressor().decompress(raw, nbytes + 1)
    import imagecodecs

    decode: Any = imagecodecs.zstd_decode if codec["type"] == "zstd" else imagecodecs.blosc_decode
    return np.asarray(decode(raw, out=np.empty(nbytes, np.uint8)))


def _block(layout: Layout, cell: tuple[int, ...]) -> np.ndarray | None:
    """Return the pixels of a block; None when it is not there (all 0)."""
    path = layout.path(cell)
    try:
        raw = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise FormatError(f"{str(path)!r} cannot be read: {error.strerror or error}.") from error
    try:
        mode, ndim = struct.unpack_from(">HH", raw)
        dims = struct.unpack_from(f">{ndim}I", raw, 4)
        begin = 4 + 4 * ndim + (4 if mode == _VARIABLE_LENGTH else 0)
        shape = tuple(reversed(dims))
        _check_block(layout, path, shape, mode)
        count = math.prod(shape)
        pixels = _unpacked(layout.codec, raw[begin:], count * layout.dtype.itemsize)
        found = np.frombuffer(pixels, layout.dtype.newbyteorder(">"), count)
    except FijiBridgeError:
        raise
    except Exception as error:
        # the codecs raise what they please on broken bytes
        raise FormatError(
            f"The block {str(path)!r} cannot be read: {first_line(error)}.",
            "The file is damaged or incomplete; copy it again.",
        ) from error
    return found.reshape(shape)


def _check_block(layout: Layout, path: Path, shape: tuple[int, ...], mode: int) -> None:
    fits = len(shape) == len(layout.chunk) and mode in (0, _VARIABLE_LENGTH)
    if not fits or any(n > c for n, c in zip(shape, layout.chunk, strict=True)):
        raise FormatError(
            f"The block {str(path)!r} has the shape {shape} and the mode {mode}; the blocks of "
            f"its dataset have the shape {layout.chunk}."
        )


def pack_block(layout: Layout, block: np.ndarray) -> bytes:
    """Return the file of a block; only raw and gzip are written."""
    head = struct.pack(f">HH{block.ndim}I", 0, block.ndim, *reversed(block.shape))
    pixels = np.ascontiguousarray(block, layout.dtype.newbyteorder(">"))
    if layout.codec["type"] == "raw":
        return head + pixels.tobytes()
    from isal import isal_zlib

    packer = isal_zlib.compressobj(level=_GZIP_LEVEL, wbits=31)
    return head + packer.compress(pixels.reshape(-1).view(np.uint8)) + packer.flush()


def cells_of(
    layout: Layout, region: Region
) -> Iterator[tuple[tuple[int, ...], tuple[slice, ...], tuple[slice, ...], bool]]:
    """Yield each block that a region touches.

    Yields (cell, where in the region, where in the block, whether all of the block is meant).
    """
    ranges = [
        range(a // c, -(-b // c))
        for a, b, c in zip(region.start, region.stop, layout.chunk, strict=True)
    ]
    for cell in itertools.product(*ranges):
        low = [i * c for i, c in zip(cell, layout.chunk, strict=True)]
        sizes = zip(low, layout.chunk, layout.shape, strict=True)
        high = [min(o + c, n) for o, c, n in sizes]
        a = [max(o, s) for o, s in zip(low, region.start, strict=True)]
        b = [min(o, s) for o, s in zip(high, region.stop, strict=True)]
        outer = zip(a, b, region.start, strict=True)
        inner = zip(a, b, low, strict=True)
        yield (
            cell,
            tuple(slice(i - o, j - o) for i, j, o in outer),
            tuple(slice(i - o, j - o) for i, j, o in inner),
            a == low and b == high,
        )


class N5Array:
    """Pixels of a dataset; only the blocks that a slice touches are read."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout

    @property
    def chunks(self) -> tuple[int, ...]:
        """Shape of a block."""
        return self.layout.chunk

    def __getitem__(self, slices: tuple[slice, ...]) -> np.ndarray:
        from fijibridge.model import Region as Box

        region = Box(tuple(s.start for s in slices), tuple(s.stop for s in slices))
        out = np.zeros(region.shape, self.layout.dtype)
        for cell, outer, inner, _ in cells_of(self.layout, region):
            block = self.block(cell)
            if block is None:
                continue
            # a block at the edge may be cut or whole, and what it lacks is 0
            part = block[inner]
            place = zip(outer, part.shape, strict=True)
            out[tuple(slice(s.start, s.start + n) for s, n in place)] = part
        return out

    def block(self, cell: tuple[int, ...]) -> np.ndarray | None:
        """Return one block."""
        return _block(self.layout, cell)

    def guard(self, nbytes: int) -> None:
        """Raise FormatError when so many bytes cannot be in the dataset."""
        pixels = max(1, math.prod(self.layout.chunk))
        if nbytes // (pixels * self.layout.dtype.itemsize) > _MOST_BLOCKS:
            raise FormatError(
                f"{str(self.layout.folder)!r} has blocks of {self.layout.chunk}, too many to be "
                f"read at once for {nbytes} bytes.",
                "Read a region of it.",
            )
        if nbytes <= GIB:
            return
        stored = sum(f.stat().st_size for f in self.layout.folder.rglob("*") if f.is_file())
        if nbytes > stored * _LARGEST_RATIO + GIB:
            raise FormatError(
                f"{str(self.layout.folder)!r} says that it is {self.layout.shape} "
                f"({nbytes / GIB:.1f} GiB asked for), but it holds {stored} bytes.",
                "It is damaged or incomplete. Read a region of it, if it is right.",
            )
