"""Damaged and hostile TIFFs: a clear error, never a crash, a hang or an absurd allocation."""

from __future__ import annotations

import contextlib
import io
import struct
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fijibridge import formats
from fijibridge.errors import FijiBridgeError, FormatError
from fijibridge.model import Axes, Extra, Image, Roi, RoiSet

tifffile = pytest.importorskip("tifffile")


def through_tifffile(data, **options):
    file = io.BytesIO()
    levels = options.pop("levels", ())
    options = {"photometric": "minisblack", **options}
    with tifffile.TiffWriter(
        file, bigtiff=options.pop("bigtiff", False), ome=options.pop("ome", False)
    ) as tif:
        tif.write(data, subifds=len(levels) or None, **options)
        for level in levels:
            tif.write(level, subfiletype=1, tile=options.get("tile"), metadata=None)
    return file.getvalue()


def ours(image, suffix=".tif", **options):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"a{suffix}"
        formats.write_image(image, path, **options)
        return path.read_bytes()


def samples() -> dict[str, bytes]:
    rng = np.random.default_rng(3)
    plane = rng.integers(0, 255, (20, 24)).astype(np.uint8)
    stack = rng.integers(0, 60000, (3, 20, 24)).astype(np.uint16)
    extra = Extra(
        info="info",
        slice_labels=("a", "b", "c"),
        properties={"k": "v"},
        overlay=RoiSet([Roi(kind="oval", bounds=(1.0, 2.0, 3.0, 4.0), name="r")]),
        display_ranges=((1.0, 2.0),) * 3,
    )
    axes = Axes.of("cyx", stack.shape, scale={"x": 0.5, "y": 0.5}, unit="um")
    composite = Image.from_array(stack, axes, extra=extra)
    tile = {"tile": (16, 16)}
    return {
        "imagej": ours(composite),
        "imagej rgb": ours(
            Image.from_array(np.stack([plane] * 3, -1), "yxc", extra=Extra(rgb=True))
        ),
        "ome": ours(composite, ".ome.tif"),
        "plain": ours(composite, to="plain tiff"),
        "big": ours(composite, to="bigtiff"),
        "strips": through_tifffile(plane, rowsperstrip=3),
        "tiles": through_tifffile(stack, compression="zlib", **tile),
        "lzw": through_tifffile(stack, compression="lzw", predictor=True),
        "packbits": through_tifffile(plane, compression="packbits"),
        "zstd": through_tifffile(stack, compression="zstd"),
        "jpeg": through_tifffile(np.stack([plane] * 3, -1), compression="jpeg", photometric="rgb"),
        "planar": through_tifffile(
            np.stack([plane] * 3), planarconfig="separate", photometric="rgb", compression="zlib"
        ),
        "bilevel": through_tifffile(plane > 99),
        "palette": through_tifffile(
            plane, photometric="palette", colormap=rng.integers(0, 65535, (3, 256)).astype("u2")
        ),
        "pyramid": through_tifffile(plane, levels=(plane[::2, ::2],), **tile),
        "ome tiles": through_tifffile(stack, ome=True, metadata={"axes": "ZYX"}, **tile),
        "float predictor": through_tifffile(stack.astype("f4"), compression="zlib", predictor=3),
        "big endian": through_tifffile(stack.astype(">u2"), photometric="miniswhite"),
    }


SAMPLES = samples()


def read_all(path: Path) -> None:
    """Everything a user may do with a file."""
    where = formats.Location(path)
    formats.read_image(path)
    formats.read_labels(path)
    fmt = formats.format_for_reading(where, "image")
    fmt.describe(where)
    fmt.validate(where)


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_the_samples_are_read(tmp_path, name):
    path = tmp_path / "a.tif"
    path.write_bytes(SAMPLES[name])
    formats.read_image(path)


@settings(max_examples=pytest.count(500, 20_000))
@given(st.sampled_from(sorted(SAMPLES)), st.data())
def test_damaged_files_are_format_errors(tmp_path_factory, name, data):
    raw = bytearray(SAMPLES[name])
    # most of what matters lies in the first directories
    places = st.one_of(st.integers(0, min(len(raw), 700) - 1), st.integers(0, len(raw) - 1))
    for _ in range(data.draw(st.integers(1, 5))):
        at = data.draw(places)
        value = data.draw(
            st.one_of(
                st.binary(min_size=1, max_size=4),
                st.sampled_from([b"\xff" * 4, b"\0" * 4, b"\x08\0\0\0", b"\0\0\0\x08", b"\x80"]),
                st.integers(0, len(raw)).map(lambda n: struct.pack("<I", n)),
            )
        )
        raw[at : at + len(value)] = value
    if data.draw(st.integers(0, 4)) == 0:
        raw = raw[: data.draw(st.integers(0, len(raw)))]
    path = tmp_path_factory.getbasetemp() / "fuzz.tif"
    path.write_bytes(raw)
    with contextlib.suppress(FijiBridgeError):
        read_all(path)


def test_every_truncation_of_a_stack_is_noticed(tmp_path):
    raw = SAMPLES["imagej"]
    path = tmp_path / "a.tif"
    ends = tifffile_end(raw)
    for size in range(0, ends, 97):
        path.write_bytes(raw[:size])
        with pytest.raises(FormatError):
            formats.read_image(path)


def tifffile_end(raw: bytes) -> int:
    with tifffile.TiffFile(io.BytesIO(raw)) as tif:
        return max(int(p.dataoffsets[0]) + int(p.databytecounts[0]) for p in tif.pages)


def patched(raw: bytes, code: int, value: int, count: int | None = None) -> bytes:
    """A little-endian classic TIFF with another value of one tag."""
    out = bytearray(raw)
    (at,) = struct.unpack_from("<I", raw, 4)
    (n,) = struct.unpack_from("<H", raw, at)
    for i in range(n):
        place = at + 2 + 12 * i
        if struct.unpack_from("<H", raw, place)[0] == code:
            struct.pack_into("<HI", out, place + 2, 4, count or 1)
            struct.pack_into("<I", out, place + 8, value)
    return bytes(out)


HOSTILE = {
    "40 GB of pixels in 1 kB": (patched(patched(SAMPLES["strips"], 256, 200_000), 257, 200_000)),
    "40 GB of planes": SAMPLES["imagej"]
    .replace(b"images=3\n", b"images=9\n")
    .replace(b"channels=3", b"channels=9"),
    "no width": patched(SAMPLES["strips"], 256, 0),
    "no rows in a strip": patched(SAMPLES["tiles"], 322, 0),
    "absurd count": patched(SAMPLES["strips"], 273, 8, 2**32 - 1),
    "strips beyond the end": patched(SAMPLES["imagej"], 273, 2**31),
    "a circle of directories": b"II*\0\x08\0\0\0" + struct.pack("<HI", 0, 8),
    "a first directory beyond the end": b"II*\0\xff\xff\xff\x7f",
    "an empty file": b"",
    "another file": b"\x89PNG\r\n\x1a\n" + b"\0" * 100,
    "a header alone": b"II*\0\0\0\0\0",
}


@pytest.mark.parametrize("what", sorted(HOSTILE))
def test_hostile_files_are_refused(tmp_path, what):
    from fijibridge.formats import Location, ReadOptions
    from fijibridge.formats._tiff.read import open_tiff
    from fijibridge.model import Region

    path = tmp_path / "a.tif"
    path.write_bytes(HOSTILE[what])

    def read():
        source = open_tiff(Location(path), ReadOptions())
        return source.read(Region.whole(source.spec.shape))

    with pytest.raises(FormatError) as caught:
        read()
    assert "a.tif" in str(caught.value)


def test_long_circles_and_sub_directories_end(tmp_path):
    raw = bytearray(SAMPLES["pyramid"])
    (at,) = struct.unpack_from("<I", raw, 4)
    (n,) = struct.unpack_from("<H", raw, at)
    for i in range(n):
        place = at + 2 + 12 * i
        if struct.unpack_from("<H", raw, place)[0] == 330:
            struct.pack_into("<I", raw, place + 8, at)
    (tmp_path / "a.tif").write_bytes(raw)
    with contextlib.suppress(FormatError):
        formats.read_image(tmp_path / "a.tif")


@pytest.mark.parametrize(
    "suffix", [".tif", ".tiff", ".png", ".gif", ".jpg", ".bmp", ".npy", ".npz"]
)
@pytest.mark.parametrize("raw", [b"", b"II", b"II*\0\x08"])
def test_files_cut_off_at_once_are_named(tmp_path, suffix, raw):
    path = tmp_path / f"a{suffix}"
    path.write_bytes(raw)
    with pytest.raises(FormatError, match="a\\" + suffix):
        formats.read_image(path)


def lzw_strip(data):
    """A plane in one LZW strip, and where the strip is."""
    raw = through_tifffile(data, compression="lzw", metadata=None)
    with tifffile.TiffFile(io.BytesIO(raw)) as tif:
        page = tif.pages[0]
        return raw, page.dataoffsets[0], page.databytecounts[0]


def test_lzw_codes_that_stand_for_nothing_are_refused(tmp_path):
    # the codec follows such a code into memory that is not its own, which ends the process
    plane = np.zeros((8, 40), np.uint16)
    plane[2:5, 3:9] = 3
    raw, at, _ = lzw_strip(plane)
    damaged = bytearray(raw)
    damaged[at + 1] = 0x76
    (tmp_path / "a.tif").write_bytes(damaged)
    with pytest.raises(FormatError, match="a code of its LZW compression stands for nothing"):
        formats.read_image(tmp_path / "a.tif")


@settings(max_examples=pytest.count(50, 2000))
@given(data=st.data())
def test_lzw_is_read_or_refused(tmp_path_factory, data):
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    plane = rng.integers(0, data.draw(st.sampled_from([2, 6, 256])), (40, 90)).astype(np.uint8)
    raw, at, count = lzw_strip(plane)
    path = tmp_path_factory.mktemp("lzw") / "a.tif"
    path.write_bytes(raw)
    assert np.array_equal(formats.read_image(path).data, plane)
    damaged = bytearray(raw)
    for _ in range(data.draw(st.integers(1, 3))):
        damaged[at + data.draw(st.integers(0, count - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(damaged)
    with contextlib.suppress(FormatError):
        formats.read_image(path)
