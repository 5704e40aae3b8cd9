"""Units coded here are what zarr-python reads and would have written; others it codes itself."""

from __future__ import annotations

import warnings

import numcodecs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fijibridge.errors import FormatError
from fijibridge.formats import Location
from fijibridge.formats._zarr.pyramid import open_pyramid
from fijibridge.model import Region

zarr = pytest.importorskip("zarr")
codecs = pytest.importorskip("zarr.codecs")
TWO = {
    "none": None,
    "lz4": numcodecs.Blosc("lz4", 5, numcodecs.Blosc.SHUFFLE),
    "bits": numcodecs.Blosc("zstd", 3, numcodecs.Blosc.BITSHUFFLE),
    "zstd": numcodecs.Zstd(3),
    "gzip": numcodecs.GZip(3),
    "zlib": numcodecs.Zlib(3),
    "bz2": numcodecs.BZ2(1),
}
THREE = {
    "none": None,
    "lz4": codecs.BloscCodec(cname="lz4"),
    "bits": codecs.BloscCodec(cname="zstd", shuffle="bitshuffle"),
    "zstd": codecs.ZstdCodec(),
    "gzip": codecs.GzipCodec(),
    "summed": [codecs.ZstdCodec(), codecs.Crc32cCodec()],
}
TYPES = ("u1", "b1", "<u2", ">u2", ">i4", "<f2", ">f4", "<f8", "<u8")


@st.composite
def arrays(draw, folder):
    """Make an array of which some chunks are not stored; return (path, pixels)."""
    dtype = np.dtype(draw(st.sampled_from(TYPES)))
    version = draw(st.sampled_from([2, 3]))
    shape = tuple(draw(st.lists(st.integers(1, 20), min_size=2, max_size=3)))
    chunks = tuple(draw(st.integers(1, 9)) for _ in shape)
    fills = [0, 1, *([np.nan] if dtype.kind == "f" else []), *([None] if version == 2 else [])]
    fill = draw(st.sampled_from(fills))
    more = {}
    if version == 2:
        more["order"] = draw(st.sampled_from("CF"))
        more["compressors"] = TWO[draw(st.sampled_from(sorted(TWO)))]
        if draw(st.booleans()) and dtype.kind in "iu":
            more["filters"] = [numcodecs.Delta(dtype.str)]
    else:
        more["compressors"] = THREE[draw(st.sampled_from(sorted(THREE)))]
        end = None if dtype.itemsize == 1 else "big" if dtype.str[0] == ">" else "little"
        more["serializer"] = codecs.BytesCodec(endian=end)
        kind = draw(st.sampled_from(["plain", "turned", "sharded"]))
        if kind == "turned":
            more["filters"] = [codecs.TransposeCodec(order=tuple(range(len(shape)))[::-1])]
        if kind == "sharded":
            more["shards"] = tuple(2 * c for c in chunks)
    path = folder / "a.zarr"
    data = np.random.default_rng(draw(st.integers(0, 99))).integers(0, 3, shape)
    data[: draw(st.integers(0, shape[0]))] = 0 if fill in (None, 0) else 1
    data = data.astype(dtype)
    if fill is not None and fill != fill:  # NaN
        data[data == 1] = fill
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        array = zarr.create_array(
            path,
            shape=shape,
            chunks=chunks,
            dtype=dtype if version == 2 else dtype.newbyteorder("="),
            fill_value=None if fill is None else dtype.type(fill),
            zarr_format=version,
            **more,
        )
        array[...] = data
    return path, data


@settings(max_examples=pytest.count(60, 1500))
@given(st.data())
def test_units_are_those_of_zarr(tmp_path_factory, data):
    path, pixels = data.draw(arrays(tmp_path_factory.mktemp("units")))
    level = open_pyramid(Location.parse(path)).levels[0]
    for unit in level.units(Region.whole(level.shape)):
        block = pixels[unit.slices]
        assert np.array_equal(level.read_unit(unit), block, equal_nan=pixels.dtype.kind == "f")
        file = path / level.key(unit)
        packed = level.pack(unit, block)
        if level.array.metadata.fill_value is not None:
            assert (packed is None) == (not file.exists())
        if packed is not None:
            file.write_bytes(packed)
    found = zarr.open_array(path, mode="r")[...]
    assert np.array_equal(found, pixels, equal_nan=pixels.dtype.kind == "f")


@pytest.mark.parametrize("codec", sorted(TWO))
def test_damaged_units_are_refused(tmp_path, codec):
    array = zarr.create_array(
        tmp_path / "a.zarr",
        shape=(8, 8),
        chunks=(8, 8),
        dtype="u2",
        zarr_format=2,
        compressors=TWO[codec],
    )
    array[...] = np.arange(64, dtype="u2").reshape(8, 8)
    file = tmp_path / "a.zarr" / "0.0"
    file.write_bytes(file.read_bytes()[:-5])
    level = open_pyramid(Location.parse(tmp_path / "a.zarr")).levels[0]
    with pytest.raises(FormatError, match="cannot be read"):
        level.read_unit(Region((0, 0), (8, 8)))
