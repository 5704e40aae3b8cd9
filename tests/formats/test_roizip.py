"""ROI sets as zip files: names, order, speed path and slow path alike, hostile archives."""

from __future__ import annotations

import io
import struct
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fijibridge import formats
from fijibridge.errors import FormatError, SettingsError
from fijibridge.formats import Location
from fijibridge.formats._roi import bulk as _roi_bulk
from fijibridge.formats._roi import zip_archive as _zip_archive
from fijibridge.formats._roi import zip_write as _zip_write
from fijibridge.formats._roi.names import automatic_name, entry_names, name_from_entry
from fijibridge.formats._roi.zip_archive import MANY, check_sums, read_archive
from fijibridge.formats.roi import encode_roi
from fijibridge.model import Roi, RoiSet
from formats.roi_cases import assert_same, names, random_outlines, rois, squares

OVAL = Roi(kind="oval", bounds=(1, 2, 3, 4), name="a")


def packed(entries, method=zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in entries:
            archive.writestr(zipfile.ZipInfo(name), data, method)
    return buffer.getvalue()


def read(tmp_path, data: bytes) -> RoiSet:
    path = tmp_path / "x.zip"
    path.write_bytes(data)
    return formats.read_rois(path)


@given(st.lists(rois(), max_size=6), st.sampled_from([None, "stored", "deflate"]))
def test_sets_survive(tmp_path, values, compression):
    path = tmp_path / "r.zip"
    formats.write_rois(RoiSet(values), path, overwrite=True, compression=compression)
    back = formats.read_rois(path)
    assert len(back) == len(values)
    for mine, theirs in zip(values, back, strict=True):
        named = mine if mine.name else mine.renamed(theirs.name)
        assert theirs.name.startswith(mine.name or automatic_name(mine))
        assert_same(theirs, named)
        if mine.name:
            assert theirs.record == encode_roi(mine)
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None


@pytest.mark.parametrize("compression", [None, "deflate"])
@pytest.mark.parametrize("n", [0, 1, MANY - 1, MANY, 2000])
def test_outlines_survive(tmp_path, n, compression):
    """Many at once give the same bytes as one by one."""
    outlines = random_outlines(n, max(n, 1))
    many = RoiSet(outlines=outlines)[:n] if n == 0 else RoiSet(outlines=outlines)
    single = RoiSet(list(many))
    formats.write_rois(many, tmp_path / "m.zip", compression=compression)
    formats.write_rois(single, tmp_path / "s.zip", compression=compression)
    assert (tmp_path / "m.zip").read_bytes() == (tmp_path / "s.zip").read_bytes()
    back = formats.read_rois(tmp_path / "m.zip")
    assert (back.outlines is not None) == (n >= MANY)
    assert back.names == many.names
    for mine, theirs in zip(many, back, strict=True):
        assert encode_roi(mine) == encode_roi(theirs)


def test_batches_and_large_archives(tmp_path, monkeypatch):
    """Small limits in place of 64 MB, 65535 entries and 4 GB."""
    rois = RoiSet(outlines=random_outlines(3, 700))
    formats.write_rois(rois, tmp_path / "a.zip")
    monkeypatch.setattr(_roi_bulk, "BATCH", 10_000)
    formats.write_rois(rois, tmp_path / "b.zip")
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    whole = (tmp_path / "a.zip").stat().st_size
    monkeypatch.setattr(_zip_write, "LIMIT_16", 500)
    formats.write_rois(rois, tmp_path / "c.zip")
    assert (tmp_path / "c.zip").stat().st_size == whole + 76
    monkeypatch.setattr(_zip_write, "LIMIT_16", 65535)
    limit = whole // 2
    monkeypatch.setattr(_zip_write, "LIMIT_32", limit)
    monkeypatch.setattr(_zip_archive, "_NONE32", limit)
    formats.write_rois(rois, tmp_path / "d.zip")
    back = formats.read_rois(tmp_path / "d.zip")
    assert back.names == rois.names
    assert encode_roi(back[699]) == encode_roi(rois[699])


def test_more_entries_than_16_bits(tmp_path):
    n = 66_000
    formats.write_rois(RoiSet(outlines=squares(n)), tmp_path / "m.zip")
    back = formats.read_rois(tmp_path / "m.zip")
    assert back.outlines is not None
    assert back.names[-1] == f"r{n - 1}"
    with zipfile.ZipFile(tmp_path / "m.zip") as archive:
        assert len(archive.namelist()) == n


def test_a_prefix_and_a_comment_are_no_harm(tmp_path):
    data = packed([("a.roi", encode_roi(OVAL))])
    assert read(tmp_path, b"#!/bin/sh\n" + data).names == ("a",)
    commented = data[:-2] + struct.pack("<H", 7) + b"comment"
    assert read(tmp_path, commented).names == ("a",)


def test_names_that_look_like_directory_entries(tmp_path):
    entries = [(f"PK\1\2{i}.roi", encode_roi(OVAL.renamed(f"PK\1\2{i}"))) for i in range(300)]
    found = read(tmp_path, packed(entries))
    assert found.names == tuple(f"PK\1\2{i}" for i in range(300))


def test_ambitious_records_keep_everything(tmp_path):
    """One coloured ROI among thousands: all are read one by one, none loses a byte."""
    values = list(RoiSet(outlines=random_outlines(5, 300)))
    values[7] = replace(values[7], stroke_color=(255, 1, 2, 3), properties={"k": "v"}, group=4)
    formats.write_rois(RoiSet(values), tmp_path / "m.zip")
    back = formats.read_rois(tmp_path / "m.zip")
    assert back.outlines is None
    for mine, theirs in zip(values, back, strict=True):
        assert_same(mine, theirs)
    formats.write_rois(back, tmp_path / "again.zip")
    assert (tmp_path / "again.zip").read_bytes() == (tmp_path / "m.zip").read_bytes()


def test_golden_sets(shared, tmp_path):
    for path in sorted((shared / "golden/imagej").glob("*/rois.zip")):
        with zipfile.ZipFile(path) as archive:
            expected = [(n, archive.read(n)) for n in archive.namelist()]
        found = formats.read_rois(path)
        assert [n + ".roi" for n in found.names] == [n for n, _ in expected]
        formats.write_rois(found, tmp_path / "again.zip", overwrite=True)
        with zipfile.ZipFile(tmp_path / "again.zip") as archive:
            assert [(n, archive.read(n)) for n in archive.namelist()] == expected


# names


def test_duplicates_are_numbered_as_in_imagej():
    assert entry_names(["a", "b", "a", "a"]) == ["a.roi", "b.roi", "a-1.roi", "a-2.roi"]
    assert entry_names(["a", "a-1", "a"]) == ["a.roi", "a-1.roi", "a-2.roi"]
    assert entry_names(["0001-0005", "0001-0005"]) == ["0001-0005.roi", "0001-0005-1.roi"]
    assert entry_names(["c-12", "c-12"]) == ["c-12.roi", "c-1.roi"]
    assert entry_names(["a.roi", "a"]) == ["a.roi", "a-1.roi"]
    assert entry_names([]) == []
    assert len(set(entry_names(["cell"] * 30_000))) == 30_000


@given(st.lists(st.sampled_from(["a", "a-1", "a-2", "b", "b.roi", "../a", "/a", "c:x"]) | names))
def test_entries_are_unique_and_harmless(values):
    entries = entry_names(values)
    assert len(set(entries)) == len(entries) == len(values)
    data = packed([(e, b"") for e in entries])
    found = read_archive(np.frombuffer(data, np.uint8))
    assert len(found.names) == len(entries)


@given(st.lists(names.filter(bool) | st.sampled_from(["a", "a", "x-1", "../a"]), max_size=6))
def test_duplicate_and_strange_names_come_back(tmp_path, values):
    formats.write_rois(
        RoiSet([OVAL.renamed(n) for n in values]), tmp_path / "n.zip", overwrite=True
    )
    assert formats.read_rois(tmp_path / "n.zip").names == tuple(values)


def test_the_entry_names_an_roi_that_was_renamed_outside(tmp_path):
    """As in ImageJ's list; the name inside stays in the record."""
    data = packed(
        [("cells/renamed.roi", encode_roi(OVAL)), ("b.roi", encode_roi(OVAL.renamed("")))]
    )
    found = read(tmp_path, data)
    assert found.names == ("cells/renamed", "b")
    formats.write_rois(found, tmp_path / "again.zip")
    with zipfile.ZipFile(tmp_path / "again.zip") as archive:
        assert archive.namelist() == ["cells/renamed.roi", "b.roi"]
        assert archive.read("cells/renamed.roi") == encode_roi(OVAL)
    assert name_from_entry("a-1", "a", {"a"}) == "a"
    assert name_from_entry("a-1", "a", set()) == "a-1"


def test_unnamed_rois_are_named_as_the_roi_manager_does(tmp_path):
    unnamed = Roi(kind="rectangle", bounds=(10, 20, 31, 41))
    assert automatic_name(unnamed) == "0040-0025"
    formats.write_rois(RoiSet([unnamed, unnamed]), tmp_path / "u.zip")
    with zipfile.ZipFile(tmp_path / "u.zip") as archive:
        assert archive.namelist() == ["0040-0025.roi", "0040-0025-1.roi"]


# targets


def test_targets(tmp_path):
    path = tmp_path / "r.zip"
    formats.write_rois(RoiSet([OVAL]), path)
    before = path.read_bytes()
    with pytest.raises(SettingsError, match="exists"):
        formats.write_rois(RoiSet([OVAL]), path)
    with pytest.raises(SettingsError, match="compression 'zstd'"):
        formats.write_rois(RoiSet([OVAL]), path, overwrite=True, compression="zstd")
    with pytest.raises(SettingsError, match="group 70000"):
        formats.write_rois(RoiSet([OVAL, replace(OVAL, group=70_000)]), path, overwrite=True)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["r.zip"]
    formats.write_rois(RoiSet([OVAL, OVAL]), path, overwrite=True)
    assert len(formats.read_rois(path)) == 2  # replaced, not appended


# hostile archives


@pytest.mark.parametrize(
    "name",
    [
        "../evil.roi",
        "a/../../b.roi",
        "/etc/x.roi",
        "C:\\x.roi",
        "c:x.roi",
        "..\\x.roi",
        "\\x.roi",
        "..",
    ],
)
def test_names_outside_are_refused(tmp_path, name):
    data = packed([("good.roi", encode_roi(OVAL)), (name, encode_roi(OVAL))])
    with pytest.raises(FormatError, match="points outside") as error:
        read(tmp_path, data)
    assert repr(name) in str(error.value)


def test_a_bomb_is_not_inflated(tmp_path):
    """A small file that claims 40 GB."""
    data = bytearray(packed([("a.roi", bytes(100_000))]))
    central = data.rfind(b"PK\1\2")
    data[central + 24 : central + 28] = struct.pack("<I", 0xFFFFFFF0)
    with pytest.raises(FormatError, match="more bytes than it can inflate to"):
        read(tmp_path, bytes(data))
    many = packed([(f"{i}.roi", bytes(40_000_000)) for i in range(16)])
    with pytest.raises(FormatError, match="made to fill the memory"):
        read(tmp_path, many)


def test_entries_that_hold_more_than_announced(tmp_path):
    data = bytearray(packed([("a.roi", bytes(50_000_000))]))
    assert len(data) < 100_000
    central = data.rfind(b"PK\1\2")
    data[central + 24 : central + 28] = struct.pack("<I", 100)
    with pytest.raises(FormatError, match="damaged"):
        read(tmp_path, bytes(data))


def test_overlapping_entries(tmp_path):
    """The trick of the smallest bombs: many directory entries, one body."""
    data = packed([("a.roi", encode_roi(OVAL)), ("b.roi", encode_roi(OVAL))])
    raw = bytearray(data)
    second = raw.rfind(b"PK\1\2")
    raw[second + 42 : second + 46] = bytes(4)
    with pytest.raises(FormatError, match=r"'[ab].roi' overlaps"):
        read(tmp_path, bytes(raw))


def broken_cases():
    good = packed([("a.roi", encode_roi(OVAL)), ("b.roi", encode_roi(OVAL))], zipfile.ZIP_STORED)
    central = good.find(b"PK\1\2")
    end = good.rfind(b"PK\5\6")

    def changed(at, data):
        return good[:at] + data + good[at + len(data) :]

    yield "truncated", good[: len(good) // 2], "no zip directory"
    yield "empty", b"", "is empty"
    yield "text", b"Name,Area\n1,2\n", "no zip directory"
    yield "encrypted", changed(central + 8, b"\1\0"), "encrypted"
    yield "method", changed(central + 10, b"\x0e\0"), "method 14"
    yield "check sum", changed(central + 16, b"abcd"), "check sum"
    yield "body", changed(60, b"xyz"), "check sum"
    yield "sizes", changed(central + 20, b"\xff\0\0\0"), "beyond the file|two different sizes"
    yield "offset", changed(central + 42, b"\xff\xff\xff\x7f"), "outside of the file"
    yield "local", changed(0, b"XX"), "not where the directory says"
    yield "count", changed(end + 8, b"\xff\xfe\xff\xfe"), "do not fit"
    yield "count 2", changed(end + 8, b"\3\0\3\0"), "do not fit"
    yield "count 3", changed(end + 8, b"\1\0\1\0"), "more than its 1 entries"
    yield "second", changed(good.rfind(b"PK\1\2"), b"XX"), "broken at entry 2"
    yield "parts", changed(end + 8, b"\1\0"), "several parts"
    yield "directory", changed(end + 16, b"\xff\xff\xff\x0f"), "do not fit"
    yield "name", changed(central + 46, b"\0"), "NUL"
    yield "record", packed([("a.roi", b"Iout")]), "'a.roi': An ROI record is truncated"
    yield "no rois", packed([("a.txt", b"Iout")]), "holds no ROIs"


@pytest.mark.parametrize(("data", "message"), [c[1:] for c in broken_cases()],
                         ids=[c[0] for c in broken_cases()])  # fmt: skip
def test_broken_archives(tmp_path, data, message):
    with pytest.raises(FormatError, match=message) as error:
        read(tmp_path, data)
    assert str(error.value).count("x.zip") == 1


def test_other_entries_are_ignored(tmp_path):
    entries = [("readme.txt", b"x"), ("folder/", b""), ("__MACOSX/._a.roi", b"junk")]
    data = packed([*entries, ("folder/a.roi", encode_roi(OVAL.renamed("folder/a")))])
    assert read(tmp_path, data).names == ("folder/a",)


def test_validate_lists_all_findings(tmp_path):
    record = encode_roi(OVAL)
    with pytest.warns(UserWarning, match="Duplicate"):
        data = packed([("a.roi", record), ("a.roi", record), ("b.roi", b"Iout"), ("c.roi", record),
                       ("x.txt", b"")], zipfile.ZIP_STORED)  # fmt: skip
    bad = data.rfind(b"PK\1\2", 0, data.rfind(b"c.roi"))
    data = data[: bad + 16] + b"abcd" + data[bad + 20 :]
    path = tmp_path / "v.zip"
    path.write_bytes(data)
    fmt = formats.format_for_reading(Location(path), "rois")
    found = [(f.severity, f.message) for f in fmt.validate(Location(path))]
    text = "\n".join(message for _, message in found)
    assert "The entry 'a.roi' is there 2 times." in text
    assert "'b.roi': An ROI record is truncated" in text
    assert "'c.roi': The zip entry 'c.roi' is damaged" in text
    assert "1 entries are no ROIs" in text
    assert "The ROI name 'a' is there 2 times." in text
    assert sum(severity == "error" for severity, _ in found) == 2
    path.write_bytes(data[:100])
    assert fmt.validate(Location(path))[0].severity == "error"
    formats.write_rois(RoiSet([OVAL]), path, overwrite=True)
    assert fmt.validate(Location(path)) == []
    assert fmt.describe(Location(path))["kinds"] == {"oval": 1}


def test_check_sums_of_many_and_few_agree():
    import zlib

    rng = np.random.default_rng(1)
    data = rng.integers(0, 256, 40_000, np.uint8)
    sizes = rng.integers(0, 150, 2 * MANY)
    begins = rng.integers(0, 39_000, 2 * MANY)
    expected = [zlib.crc32(data[a : a + n].tobytes()) for a, n in zip(begins, sizes, strict=True)]
    assert check_sums(data, begins, sizes).tolist() == expected
    assert check_sums(data, begins[:9], sizes[:9]).tolist() == expected[:9]
