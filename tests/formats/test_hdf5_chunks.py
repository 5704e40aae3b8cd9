"""Chunks read and inflated beside the HDF5 library: the library is the witness."""

from __future__ import annotations

import h5py  # noqa: TID253  # the witness
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fijibridge.errors import FormatError
from fijibridge.formats import open_image, read_image
from fijibridge.formats._hdf5.chunked import ChunkedDataset, chunked, packing_of
from fijibridge.model import Region

DTYPES = ("u1", "<u2", ">u2", "<i4", ">f8", "<f4", "?")
FILTERS = (
    {},
    {"compression": "gzip", "compression_opts": 6},
    {"compression": "gzip", "shuffle": True},
    {"shuffle": True},
    {"compression": "gzip", "fletcher32": True},
    {"compression": "lzf"},
)


@settings(max_examples=pytest.count(60, 2000))
@given(st.data())
def test_any_region_is_what_hdf5_says(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("h") / "a.h5"
    shape = tuple(data.draw(st.integers(1, 9)) for _ in range(data.draw(st.integers(2, 4))))
    chunks = tuple(data.draw(st.integers(1, n)) for n in shape)
    dtype = np.dtype(data.draw(st.sampled_from(DTYPES)))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    pixels = rng.integers(0, 2 if dtype.kind == "b" else 100, shape).astype(dtype)
    block = 512 if data.draw(st.booleans()) else 0
    with h5py.File(path, "w", userblock_size=block) as file:
        made = file.create_dataset(
            "a",
            shape,
            dtype,
            chunks=chunks,
            fillvalue=True if dtype.kind == "b" else 7,
            **data.draw(st.sampled_from(FILTERS)),
        )
        part = tuple(slice(0, data.draw(st.integers(0, n))) for n in shape)
        made[part] = pixels[part]  # chunks that are not stored hold the fill value
        pixels = made[...]
    source = open_image(path, axes="tzyxc"[: len(shape)] if len(shape) > 2 else "yx")
    for _ in range(4):
        start = [data.draw(st.integers(0, n - 1)) for n in shape]
        stop = [data.draw(st.integers(a + 1, n)) for a, n in zip(start, shape, strict=True)]
        region = Region(tuple(start), tuple(stop))
        found = source.read(region)
        wanted = pixels[region.slices]
        if dtype.kind == "b":
            wanted = wanted.astype(np.uint8) * 255
        np.testing.assert_array_equal(found, wanted)
        into = np.empty(region.shape, source.spec.dtype)
        np.testing.assert_array_equal(source.read(region, into), wanted)
    source.close()


def stored(path, **more):
    with h5py.File(path, "w") as file:
        file["a"] = 0
        del file["a"]
        rng = np.random.default_rng(0)
        data = rng.integers(0, 9, (32, 64, 64), np.uint16)
        file.create_dataset("a", data=data, chunks=(16, 32, 32), **more)
    return data


def test_gzip_is_read_beside_the_library(tmp_path):
    stored(tmp_path / "a.h5", compression="gzip")
    with h5py.File(tmp_path / "a.h5") as file:
        array = chunked(file["a"], tmp_path / "a.h5", "a")
        assert isinstance(array, ChunkedDataset)
        assert array.packing == packing_of(file["a"])
        assert array.costly
        array.close()
        array.close()


@pytest.mark.parametrize("how", ["flip", "cut", "longer"])
def test_a_damaged_chunk(tmp_path, how):
    path = tmp_path / "a.h5"
    stored(path, compression="gzip")
    with h5py.File(path, "r+") as file:
        dataset = file["a"].id
        _, raw = dataset.read_direct_chunk((16, 32, 0))
        bad = bytearray(raw)
        if how == "flip":
            bad[len(bad) // 2] ^= 0xFF
        elif how == "cut":
            bad = bad[: len(bad) // 2]
        else:
            import zlib

            bad = zlib.compress(bytes(16 * 32 * 32 * 2 + 1))
        dataset.write_direct_chunk((16, 32, 0), bytes(bad))
    with pytest.raises(FormatError, match=r"chunk at \(16, 32, 0\).*"):
        read_image(path)
    source = open_image(path)
    assert source.read(Region((0, 0, 0), (16, 64, 64))).shape == (16, 64, 64)


def test_a_file_cut_off(tmp_path):
    path = tmp_path / "a.h5"
    stored(path)
    source = open_image(path)
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)
    with pytest.raises(FormatError, match="outside the file"):
        source.read(Region.whole(source.spec.shape))


def test_parts_of_a_chunk_inflate_it_once(tmp_path, monkeypatch):
    path = tmp_path / "a.h5"
    data = stored(path, compression="gzip")
    seen = []
    real = ChunkedDataset._unpacked
    monkeypatch.setattr(
        ChunkedDataset,
        "_unpacked",
        lambda self, raw, low: seen.append(low) or real(self, raw, low),
    )
    source = open_image(path)
    for z in range(32):
        plane = source.read(Region((z, 0, 0), (z + 1, 64, 64)))
        np.testing.assert_array_equal(plane[0], data[z])
    assert len(seen) == len(set(seen)) == 8
