"""Fuzzing the ROI readers: no crash, no hang, no absurd memory, only FormatError."""

from __future__ import annotations

import contextlib
import io
import json
import random
import struct
import time
import tracemalloc
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fijibridge import formats
from fijibridge.errors import FormatError
from fijibridge.formats import Location
from fijibridge.formats.roi import decode_roi, encode_roi
from fijibridge.model import Roi, RoiSet
from formats.roi_cases import random_outlines, rois

CASES = pytest.count(500, 20_000)


def mutated(data: bytes, rng: random.Random) -> bytes:
    """Some bytes changed, cut out, doubled, or set to what hurts."""
    out = bytearray(data)
    for _ in range(rng.randint(1, 6)):
        if not out:
            break
        at = rng.randrange(len(out))
        what = rng.random()
        if what < 0.45:
            out[at] = rng.choice((0, 1, 127, 128, 255, rng.randrange(256)))
        elif what < 0.7:
            size = rng.choice((2, 4, 8))
            value = rng.choice((0, 1, 0x7F, 0x80, 0xFF)) if size > 2 else rng.randrange(256)
            out[at : at + size] = bytes([value]) * min(size, len(out) - at)
        elif what < 0.8:
            del out[at:]
        elif what < 0.9:
            del out[at : at + rng.randint(1, 40)]
        else:
            out[at:at] = out[at : at + rng.randint(1, 40)]
    return bytes(out)


def one_by_one(read, seeds, cases=CASES) -> int:
    """Read mutations of files; return how many were refused."""
    rng = random.Random(1)
    refused = 0
    longest = 0.0
    for i in range(cases):
        data = mutated(seeds[i % len(seeds)], rng)
        begun = time.process_time()  # other programs may keep this one waiting
        try:
            read(data)
        except FormatError:
            refused += 1
        longest = max(longest, time.process_time() - begun)
    assert longest < 20
    return refused


def records() -> list[bytes]:
    outlines = random_outlines(2, 12)
    found = [encode_roi(outlines.roi(i)) for i in range(12)]
    found += [
        encode_roi(Roi(kind="rectangle", bounds=(1, 2, 3, 4), subtype="text", text="a text")),
        encode_roi(Roi(kind="freehand", subtype="ellipse", parameters=(1, 2, 30, 4, 0.5))),
        encode_roi(Roi(kind="line", points=np.array([[1.0, 2], [3, 4]]), properties={"a": "b"})),
        encode_roi(Roi(kind="point", points=np.array([[1.0, 2], [3, 4]]),
                       counters=np.array([1, 2]), name="p")),
    ]  # fmt: skip
    return found


def test_mutated_records():
    def read(data):
        roi = decode_roi(data, "entry")
        assert encode_roi(roi) == data
        changed = encode_roi(roi.renamed("another name"))
        assert decode_roi(changed).name == "another name"

    assert one_by_one(read, records()) > CASES // 20


@given(rois(), st.binary(max_size=300))
def test_any_bytes(roi, data):
    for bytes_ in (data, b"Iout" + data, encode_roi(roi)[:64] + data):
        with contextlib.suppress(FormatError):
            decode_roi(bytes_)


@settings(max_examples=pytest.count(60, 2000))
@given(rois(), st.integers(0, 200), st.binary(min_size=1, max_size=8))
def test_header_bytes(roi, at, data):
    record = bytearray(encode_roi(roi))
    record[at : at + len(data)] = data
    try:
        read = decode_roi(bytes(record))
    except FormatError:
        return
    assert encode_roi(read) == record


@pytest.mark.parametrize("n", [5, 300])
@pytest.mark.parametrize("compression", [None, "deflate"])
def test_mutated_zips(tmp_path, n, compression):
    formats.write_rois(RoiSet(outlines=random_outlines(n, n)), tmp_path / "g.zip",
                       compression=compression)  # fmt: skip
    good = (tmp_path / "g.zip").read_bytes()
    path = tmp_path / "m.zip"
    # half of the changes in the directory
    start = good.find(b"PK\1\2")
    rng = random.Random(n)

    def read(data):
        path.write_bytes(data)
        found = formats.read_rois(path)
        list(found)

    class Seeds(list):
        def __getitem__(self, i):
            return good if i % 2 else good[:start] + mutated(good[start:], rng)

        def __len__(self):
            return 2**60

    assert one_by_one(read, Seeds(), CASES // (8 if n > 100 else 3)) > CASES // 40


def test_a_lying_zip_takes_no_memory(tmp_path):
    """Every size in the directory set to what is absurd."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.roi", records()[0])
    data = buffer.getvalue()
    central, end = data.find(b"PK\1\2"), data.rfind(b"PK\5\6")
    path = tmp_path / "m.zip"
    tracemalloc.start()
    for at in (20, 24, 28, 30, 42):
        for value in (b"\xff\xff", b"\xfe\xff\xff\xff", b"\0\0\0\x80"):
            changed = bytearray(data)
            changed[central + at : central + at + len(value)] = value
            path.write_bytes(changed)
            with pytest.raises(FormatError):
                formats.read_rois(path)
    for at in (8, 12, 16):
        changed = bytearray(data)
        changed[end + at : end + at + 4] = b"\xff\xff\xff\xff"
        path.write_bytes(changed)
        with pytest.raises(FormatError):
            formats.read_rois(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20_000_000


def test_a_lying_record_takes_no_memory():
    """A record of 1 kB that announces 2^31 vertices."""
    record = bytearray(records()[0]) + bytes(1000)
    tracemalloc.start()
    for kind in range(11):
        many = b"\x7f\xff\xff\xff"
        for where, value in ((16, b"\xff\xff"), (18, many), (36, many)):
            changed = bytearray(record)
            changed[6] = kind
            changed[16:18] = bytes(2)
            changed[where : where + len(value)] = value
            with contextlib.suppress(FormatError):
                decode_roi(bytes(changed))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5_000_000


def test_mutated_geojson(tmp_path):
    some = list(RoiSet(outlines=random_outlines(9, 9)))
    some.append(Roi(kind="point", points=np.zeros((1, 2)), properties={"k": "v"}, group=3))
    path = tmp_path / "g.geojson"
    formats.write_rois(RoiSet(some), path)
    good = path.read_bytes()

    def read(data):
        path.write_bytes(data)
        list(formats.read_rois(path))

    assert one_by_one(read, [good]) > CASES // 10


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=4) | st.sampled_from(["Polygon", "Point", "Feature", "Group 3"]),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(st.sampled_from(["type", "coordinates", "plane", "c", "name", "color",
                                       "classification", "measurements", "metadata"]),
                      inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@settings(max_examples=pytest.count(100, 5000))
@given(st.sampled_from(["Polygon", "MultiPolygon", "LineString", "MultiLineString", "Point",
                        "MultiPoint", "GeometryCollection"]), JSON, JSON, JSON)  # fmt: skip
def test_any_geojson(tmp_path, kind, coordinates, plane, properties):
    path = tmp_path / "a.geojson"
    geometry = {"type": kind, "coordinates": coordinates, "plane": plane}
    feature = {"type": "Feature", "geometry": geometry, "properties": properties}
    path.write_text(json.dumps([feature]))
    with contextlib.suppress(FormatError):
        formats.read_rois(path)
    formats.format_for_reading(Location(path), "rois").validate(Location(path))


def test_huge_counts_in_good_order():
    """The largest shape that fits its record is still read in a moment."""
    n = 200_000
    numbers = np.tile(np.array([0, 1, 2], ">f4"), n).tobytes()
    record = bytearray(encode_roi(Roi(kind="composite", paths=(np.zeros((1, 2)),))))
    record[36:40] = struct.pack(">i", 3 * n)
    record[60:64] = struct.pack(">i", 64 + len(numbers))
    record[64:-64] = numbers
    begun = time.perf_counter()
    assert len(decode_roi(bytes(record)).paths) == n
    assert time.perf_counter() - begun < 20
