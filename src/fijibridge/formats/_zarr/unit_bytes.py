"""The bytes of one unit of an array: coded here where that is plain, else by zarr-python.

Plain is what nearly all images are: samples one after the other, then at most one codec. For these
zarr-python's pipeline costs three times what packing costs.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np

from fijibridge.formats._zarr.store import quiet

if TYPE_CHECKING:
    from fijibridge.model import Region

__all__ = ["UnitBytes", "unit_bytes"]

_SHUFFLES = {"noshuffle": 0, "shuffle": 1, "bitshuffle": 2}
#: Bytes that are looked at first: mostly one of them is not the fill value.
_FIRST = 4096


class UnitBytes(Protocol):
    """Reads and packs the units of one array; any thread."""

    def read(self, place: tuple[int, ...], unit: Region) -> np.ndarray:
        """Return the pixels of a unit as far as it lies in the image, in any byte order.

        Parameters
        ----------
        place
            Its number along each axis.
        unit
            The region.
        """
        ...

    def pack(self, place: tuple[int, ...], unit: Region, block: np.ndarray) -> bytes | None:
        """Return the bytes of a unit; None where it holds the fill value only."""
        ...


def unit_bytes(array: Any) -> UnitBytes:
    """Return what codes the units of a zarr array."""
    return _plain(array) or _ByZarr(array)


@dataclass(frozen=True, slots=True, eq=False)
class _Plain:
    array: Any
    codec: Any
    dtype: np.dtype[Any]
    order: Literal["C", "F"]

    def read(self, place: tuple[int, ...], unit: Region) -> np.ndarray:
        from zarr.core.buffer import default_buffer_prototype
        from zarr.core.sync import sync

        where = self.array.store_path
        key = f"{where.path}/{self.array.metadata.encode_chunk_key(place)}".lstrip("/")
        found = sync(where.store.get(key, prototype=default_buffer_prototype()))
        if found is None:
            fill = self.array.metadata.fill_value
            return np.full(unit.shape, 0 if fill is None else fill, self.dtype)
        data: Any = found.as_numpy_array()
        if self.codec is not None:
            data = np.frombuffer(self.codec.decode(data), np.uint8)
        whole = data.view(self.dtype).reshape(self.array.chunks, order=self.order)
        return np.asarray(whole[tuple(slice(0, n) for n in unit.shape)])

    def pack(self, _place: tuple[int, ...], unit: Region, block: np.ndarray) -> bytes | None:
        fill = self.array.metadata.fill_value
        shape = self.array.chunks
        if unit.shape == shape:
            whole = np.asarray(block, self.dtype, order=self.order)
        else:
            whole = np.full(shape, 0 if fill is None else fill, self.dtype, order=self.order)
            whole[tuple(slice(0, n) for n in unit.shape)] = block
        flat = whole.reshape(-1, order=self.order)
        data = flat.view(np.uint8)
        if fill is not None:
            one = np.full(max(1, _FIRST // self.dtype.itemsize), fill, self.dtype).view(np.uint8)
            if np.array_equal(data[: one.size], one[: data.size]) and _is_all(data, one):
                return None
        return bytes(data if self.codec is None else self.codec.encode(flat))


def _is_all(data: np.ndarray, one: np.ndarray) -> bool:
    """Whether bytes are nothing but a pattern, again and again."""
    whole = data.size // one.size * one.size
    rest = data[whole:]
    return bool((data[:whole].reshape(-1, one.size) == one).all()) and np.array_equal(
        rest, one[: rest.size]
    )


class _ByZarr:
    """Shards, filters, transposed chunks, codecs of others."""

    def __init__(self, array: Any) -> None:
        self._array = array

    def read(self, _place: tuple[int, ...], unit: Region) -> np.ndarray:
        return np.asarray(self._array[unit.slices])

    def pack(self, place: tuple[int, ...], unit: Region, block: np.ndarray) -> bytes | None:
        import zarr
        from zarr.core.buffer import default_buffer_prototype
        from zarr.storage import MemoryStore

        meta = self._array.metadata
        held: dict[str, Any] = dict(meta.to_buffer_dict(default_buffer_prototype()))
        with quiet("what is to be written"):
            array = zarr.open_array(
                store=MemoryStore(held),
                mode="r+",
                zarr_format=meta.zarr_format,
                config={"write_empty_chunks": meta.fill_value is None},
            )
            array[unit.slices] = block
        found = held.get(meta.encode_chunk_key(place))
        return None if found is None else bytes(found.to_bytes())


def _plain(array: Any) -> _Plain | None:
    meta = array.metadata
    dtype: np.dtype[Any] = np.dtype(array.dtype)
    if meta.zarr_format == 2:
        if meta.filters:
            return None
        return _Plain(array, meta.compressor, dtype, meta.order)
    first, *rest = meta.codecs
    if type(first).__name__ != "BytesCodec" or len(rest) > 1:
        return None
    codec = _numcodec(rest[0]) if rest else None
    if rest and codec is None:
        return None
    endian = sys.byteorder if first.endian is None else first.endian.value
    return _Plain(array, codec, dtype.newbyteorder("<" if endian == "little" else ">"), "C")


def _numcodec(codec: Any) -> Any:
    """Return the same codec by itself, None for those that are left to zarr-python."""
    import numcodecs
    from zarr.codecs import BloscCodec, GzipCodec, ZstdCodec

    if isinstance(codec, BloscCodec):
        return numcodecs.Blosc(
            cname=codec.cname.value,
            clevel=codec.clevel,
            shuffle=_SHUFFLES[codec.shuffle.value],
            blocksize=codec.blocksize,
            typesize=codec.typesize,
        )
    if isinstance(codec, ZstdCodec):
        return numcodecs.Zstd(codec.level, codec.checksum)
    if isinstance(codec, GzipCodec):
        return numcodecs.GZip(codec.level)
    return None
