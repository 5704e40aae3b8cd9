"""HDF5 files that are broken, lie, or mean harm: FormatError, soon, with little memory."""

from __future__ import annotations

import contextlib
import resource
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fijibridge import formats
from fijibridge.errors import FijiBridgeError, FormatError, SettingsError
from fijibridge.formats import Location
from fijibridge.formats._hdf5.axistags import axistags_json
from fijibridge.formats.hdf5 import describe, validate
from fijibridge.model import Axes, Image, Region

h5py = pytest.importorskip("h5py")


def test_missing_truncated_and_not_hdf5(tmp_path):
    path = tmp_path / "a.h5"
    with pytest.raises(FormatError, match="There is no file"):
        formats.open_image(path)
    formats.write_image(Image.from_array(np.zeros((50, 50), np.uint8), "yx"), path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(FormatError, match="damaged or incomplete"):
        formats.open_image(path)
    path.write_bytes(b"\x89HDF\r\n\x1a\n")
    with pytest.raises(FormatError, match="no readable HDF5"):
        formats.open_image(path)
    assert validate(Location.parse(path))[0].severity == "error"


def test_links_out_of_the_file_are_not_followed(tmp_path):
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["d"] = np.zeros((3, 3))
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["out"] = h5py.ExternalLink("secret.h5", "/d")
        file["group"] = h5py.ExternalLink("secret.h5", "/")
    with pytest.raises(FormatError, match="holds no image"):
        formats.open_image(tmp_path / "a.h5")
    for inner in ("out", "group", "group/d"):
        with pytest.raises(FormatError, match=r"link to another file, 'secret\.h5'"):
            formats.open_image(tmp_path / "a.h5" / inner)


def test_pixels_in_other_files_are_not_read(tmp_path):
    (tmp_path / "raw.bin").write_bytes(bytes(100))
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("d", (10, 10), "u1", external=[(str(tmp_path / "raw.bin"), 0, 100)])
    with h5py.File(tmp_path / "v.h5", "w") as file:
        layout = h5py.VirtualLayout((4, 4), "u1")
        layout[:] = h5py.VirtualSource(str(tmp_path / "x.h5"), "d", (4, 4))
        file.create_virtual_dataset("d", layout)
    for name in ("a.h5", "v.h5"):
        with pytest.raises(FormatError, match="keeps its pixels in other files"):
            formats.open_image(tmp_path / name)


def test_links_in_circles(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        group = file.create_group("g")
        group["up"] = file["/"]
        group["self"] = group
        file["s1"], file["s2"] = h5py.SoftLink("/s2"), h5py.SoftLink("/s1")
        file["nowhere"] = h5py.SoftLink("/missing")
        file["g/d"] = np.zeros((30, 30), np.uint8)
        file["soft"] = h5py.SoftLink("/g/d")
    assert formats.read_image(tmp_path / "a.h5").shape == (30, 30)
    assert formats.read_image(tmp_path / "a.h5/soft").shape == (30, 30)
    assert formats.read_image(tmp_path / "a.h5/g/up/g/d").shape == (30, 30)
    for inner in ("s1", "nowhere", "g/d/x"):
        with pytest.raises(FormatError, match="holds no dataset"):
            formats.open_image(tmp_path / "a.h5" / inner)


@pytest.mark.parametrize("chunks", [None, (64, 64, 64)])
def test_a_huge_header_on_a_small_file(tmp_path, chunks):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("d", (100_000, 100_000, 100_000), "u2", chunks=chunks)
    assert (tmp_path / "a.h5").stat().st_size < 10_000
    source = formats.open_image(tmp_path / "a.h5")
    try:
        assert source.read(Region((9, 9, 9), (10, 11, 12))).shape == (1, 2, 3)
        with pytest.raises(FormatError, match="the file holds 0 bytes of it"):
            source.read(Region.whole(source.spec.shape))
    finally:
        source.close()


def test_chunks_of_gigabytes_are_refused(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("d", (2**16, 2**16), "u1", chunks=(2**15, 2**16 - 1))
    with pytest.raises(FormatError, match="more than 1 GiB each"):
        formats.open_image(tmp_path / "a.h5")


def test_a_bomb_of_zeros_in_proportion_is_read(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("d", data=np.zeros((512, 512), np.uint8), compression="gzip")
    assert formats.read_image(tmp_path / "a.h5").data.max() == 0


@pytest.mark.parametrize(
    "tags",
    [
        '{"axes": [{"key": "y"}]}',
        '{"axes": [{"key": "y"}, {"key": "y"}]}',
        '{"axes": [{"key": "q"}, {"key": "y"}]}',
        '{"axes": [{"key": "y", "resolution": -1}, {"key": "x"}]}',
        '{"axes": [{"key": "y", "resolution": 1e999}, {"key": "x"}]}',
        '{"axes": 5}',
        '{"axes": [5, 6]}',
        "[" * 100_000,
    ],
)
def test_axistags_that_lie(tmp_path, tags):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["d"] = np.zeros((3, 4), np.uint8)
        file["d"].attrs.create("axistags", tags[:60_000])
    with pytest.raises(FormatError, match="ax"):
        formats.open_image(tmp_path / "a.h5")
    assert formats.open_image(tmp_path / "a.h5", axes="yx").spec.axes.keys == "yx"


def test_six_dimensions_and_none(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["six"] = np.zeros((1,) * 6)
        file["none"] = 5.0
        file["null"] = h5py.Empty("f4")
    for inner in ("six", "none", "null"):
        with pytest.raises(FormatError, match="images have 1 to 5 axes"):
            formats.open_image(tmp_path / "a.h5" / inner)


def test_a_full_disk_leaves_nothing(tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    data = np.random.default_rng(0).integers(0, 255, (1000, 1000), np.uint8)
    old = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        for compression in ("none", "gzip"):
            with pytest.raises(SettingsError, match="could not be written"):
                formats.write_image(
                    Image.from_array(data, "yx"), tmp_path / "a.h5", compression=compression
                )
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, old)
    assert list(tmp_path.iterdir()) == []


def endless_heap(path):
    """Free space without a size: libhdf5 looks at it for ever."""
    data = bytearray(path.read_bytes())
    heap = data.find(b"GCOL")
    while heap >= 0:
        place = heap + 16
        while data[place] or data[place + 1]:
            place += 16 + (int.from_bytes(data[place + 8 : place + 16], "little") + 7) // 8 * 8
        data[place + 8 : place + 16] = bytes(8)
        heap = data.find(b"GCOL", heap + 4)
    path.write_bytes(data)


def test_endless_heaps_are_not_followed(tmp_path):
    image, table = tmp_path / "a.h5", tmp_path / "t.h5"
    data = np.arange(60, dtype=np.uint16).reshape(3, 4, 5)
    with h5py.File(image, "w") as file:
        file["raw"] = data
        file["raw"].attrs["axistags"] = axistags_json(Axes.of("zyx", data.shape))
    with h5py.File(table, "w") as file:
        texts = np.array([("a", 1), ("b", 2)], [("Name", h5py.string_dtype()), ("Area", "f8")])
        file["table"] = texts
    endless_heap(image)
    endless_heap(table)
    code = f"""
        from fijibridge import formats
        from fijibridge.errors import FormatError
        assert formats.read_image({str(image)!r}).shape == (3, 4, 5)
        try:
            formats.read_table({str(table)!r})
        except FormatError as error:
            assert "damaged" in str(error) or "cannot be read" in str(error), error
        else:
            raise AssertionError
    """
    # nothing inside the process could stop it
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True, timeout=120)


def tagged(path, **more):
    """Write a small image with axistags; return the bytes of the file."""
    data = np.arange(60, dtype=np.uint16).reshape(3, 4, 5)
    with h5py.File(path, "w") as file:
        file.create_dataset("raw", data=data, **more)
        file["raw"].attrs["axistags"] = axistags_json(Axes.of("zyx", data.shape))
    return bytearray(path.read_bytes())


@pytest.mark.parametrize("length", [1, 317, 319, 4_278_190_398])
def test_texts_of_another_length_than_their_heap_says(tmp_path, length):
    data = tagged(path := tmp_path / "a.h5")
    assert validate(Location(path)) == []
    place = data.find(data.find(b"GCOL").to_bytes(8, "little"))
    assert int.from_bytes(data[place - 4 : place], "little") == 318
    data[place - 4 : place] = length.to_bytes(4, "little")
    path.write_bytes(data)
    begun = time.process_time()
    assert formats.read_image(path).axes.keys == "zyx"  # guessed
    (finding,) = validate(Location(path))
    assert finding.severity == "error"
    assert "attribute axistags cannot be read" in finding.message
    assert time.process_time() - begun < 5


def test_lists_of_an_unknown_kind_are_not_read(tmp_path):
    """The library crashes when the text's type says that it is neither a list nor a text."""
    data = tagged(path := tmp_path / "a.h5")
    kind = data.find(b"axistags\0") + 8
    kind = data.find(b"\x19", kind) + 1
    assert data[kind] == 1
    data[kind] = 0xF6
    path.write_bytes(data)
    code = f"from fijibridge import formats; formats.read_image({str(path)!r})"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
    assert "axistags cannot be read" in validate(Location(path))[0].message


def test_a_fill_value_of_no_size(tmp_path):
    data = tagged(path := tmp_path / "a.h5", chunks=(1, 4, 5), compression="gzip")
    message = bytes.fromhex("0500 0800 0100 0000 0203 0201 0200 0000".replace(" ", ""))
    at = data.find(message[:11])
    assert at > 0
    data[at + 15] = 0xFF
    path.write_bytes(data)
    code = f"""
        from fijibridge import formats
        from fijibridge.errors import FormatError
        try:
            formats.read_image({str(path)!r})
        except FormatError as error:
            assert "fill value" in str(error), error
        else:
            raise AssertionError
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True, timeout=120)


def test_deflate_without_a_level_is_told(tmp_path, monkeypatch):
    tagged(path := tmp_path / "a.h5", chunks=(1, 4, 5), compression="gzip")

    def broken(plist):
        del plist
        raise IndexError("tuple index out of range")  # as h5py does

    monkeypatch.setattr("h5py._hl.filters.get_filters", broken)
    (image,) = describe(Location(path))["images"]
    assert image["problem"] == "tuple index out of range"
    assert image["shape"] == [3, 4, 5]


def test_names_with_gaps_in_a_circle(tmp_path):
    data = tagged(path := tmp_path / "a.h5")
    heap = data.find(b"HEAP")
    gap = int.from_bytes(data[heap + 16 : heap + 24], "little")
    at = int.from_bytes(data[heap + 24 : heap + 32], "little") + gap
    assert data[at] == 1  # there is no other
    data[at] = gap
    path.write_bytes(data)
    with pytest.raises(FormatError, match="gaps follow each other in a circle"):
        formats.read_image(path)
    assert validate(Location(path))[0].severity == "error"


def seeds(folder):
    """Small files of every kind of storage."""
    data = np.arange(60, dtype=np.uint16).reshape(3, 4, 5)
    out = []
    for i, more in enumerate(
        [{}, {"chunks": (1, 4, 5)}, {"chunks": (2, 2, 5), "compression": "gzip", "shuffle": True}]
    ):
        path = folder / f"seed{i}.h5"
        with h5py.File(path, "w", libver="latest" if i == 1 else "earliest") as file:
            file.create_dataset("g/raw", data=data, **more)
            file["g/raw"].attrs["axistags"] = axistags_json(Axes.of("zyx", data.shape))
            file["g/raw"].attrs["drange"] = np.array([0, 59])
        out.append(path)
    return out


def try_everything(path):
    """Open, read, describe and validate; only FijiBridgeErrors may come out."""
    start = time.process_time()
    for act in (
        lambda: formats.read_image(path),
        lambda: formats.read_image(path / "g/raw"),
        lambda: describe(Location(path)),
        lambda: validate(Location(path)),
    ):
        with contextlib.suppress(FijiBridgeError):
            act()
    assert time.process_time() - start < 5


@pytest.fixture(scope="module")
def seed_files(tmp_path_factory):
    return seeds(tmp_path_factory.mktemp("seeds"))


@settings(max_examples=pytest.count(500, 20_000))
@given(
    which=st.integers(0, 2),
    edits=st.lists(st.tuples(st.integers(0, 1 << 20), st.integers(0, 255)), max_size=8),
    cut=st.one_of(st.none(), st.floats(0, 1)),
)
def test_mutated_files(seed_files, tmp_path_factory, which, edits, cut):
    data = bytearray(seed_files[which].read_bytes())
    for at, value in edits:
        data[at % len(data)] = value
    if cut is not None:
        del data[int(cut * len(data)) :]
    path = tmp_path_factory.getbasetemp() / "mutated.h5"
    path.write_bytes(data)
    try_everything(path)
