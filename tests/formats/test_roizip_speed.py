"""The compiled paths through large ROI zips give what the plain ones give, errors and all."""

from __future__ import annotations

import ctypes
import pickle
import random
import subprocess
import sys
import zipfile

import numpy as np
import pytest

from fijibridge import formats
from fijibridge.errors import FormatError
from fijibridge.formats import roizip
from fijibridge.formats._roi import bulk as _roi_bulk
from fijibridge.formats._roi import libz as _libz
from fijibridge.formats._roi import shares as _shares
from fijibridge.formats._roi import zip_archive as _zip_archive
from fijibridge.formats._roi.packed_names import PackedNames
from fijibridge.formats._roi.zip_archive import MANY, inflate, read_archive
from fijibridge.model import RoiSet
from formats.roi_cases import random_outlines

ARRAYS = ("x", "y", "loop_start", "loop_size", "roi_start", "kinds", "positions", "ids")
needs_zlib = pytest.mark.skipif(_libz.zlib_calls() is None, reason="zlib is not to be had here")


def same(one: RoiSet, two: RoiSet) -> None:
    assert one.names == two.names
    a, b = one.outlines, two.outlines
    assert a is not None
    assert b is not None
    for name in ARRAYS:
        left, right = getattr(a, name), getattr(b, name)
        assert left.dtype == right.dtype
        np.testing.assert_array_equal(left, right, err_msg=name)


def outcome(path) -> object:
    """Everything that reading gives: arrays and names, or the message."""
    try:
        rois = formats.read_rois(path)
    except FormatError as error:
        return str(error)
    if rois.outlines is None:
        return [(roi.name, roi.record) for roi in rois]
    return [rois.names, *(getattr(rois.outlines, name).tolist() for name in ARRAYS)]


def plainly(monkeypatch) -> None:
    """Switch off what is compiled: the directory's scan, zlib by its address, outlines at once."""
    monkeypatch.setattr(_libz, "zlib_calls", lambda: None)
    monkeypatch.setattr(_zip_archive, "_plain_archive", lambda *_: None)


@pytest.fixture(params=[None, "deflate"])
def many(request, tmp_path):
    path = tmp_path / "many.zip"
    formats.write_rois(RoiSet(outlines=random_outlines(4, 3000)), path, compression=request.param)
    return path


def test_without_what_is_fast(many, monkeypatch):
    fast = formats.read_rois(many)
    plainly(monkeypatch)
    same(formats.read_rois(many), fast)
    singly = formats.read_rois(many)
    monkeypatch.setattr(roizip, "outlines_from_records", lambda *_: None)
    one_by_one = formats.read_rois(many)
    assert one_by_one.outlines is None
    assert one_by_one.names == fast.names
    for i in range(0, 3000, 37):
        mine, theirs = singly[i], one_by_one[i]
        assert mine.kind == theirs.kind
        assert mine.position == theirs.position
        np.testing.assert_array_equal(mine.points, theirs.points)
        assert len(mine.paths) == len(theirs.paths)
        for a, b in zip(mine.paths, theirs.paths, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("threads", [1, 2, 3, 8, 50])
def test_threads_change_nothing(many, monkeypatch, threads):
    expected = formats.read_rois(many)
    monkeypatch.setattr(_shares, "_processors", lambda: threads)
    monkeypatch.setattr(_shares, "LEAST", 1)
    same(formats.read_rois(many), expected)


@pytest.mark.parametrize("threads", [1, 3])
def test_damage_in_any_share_is_found(many, monkeypatch, threads):
    monkeypatch.setattr(_shares, "_processors", lambda: threads)
    monkeypatch.setattr(_shares, "LEAST", 1)
    good = many.read_bytes()
    archive = read_archive(np.frombuffer(good, np.uint8))
    for i in (0, 999, 1000, 1001, 1999, 2000, 2999):
        bad = bytearray(good)
        bad[int(archive.at[i] + archive.packed[i] // 2)] ^= 16
        many.write_bytes(bad)
        with pytest.raises(FormatError, match="damaged") as error:
            formats.read_rois(many)
        assert repr(archive.names[i]) in str(error.value)


@pytest.mark.parametrize("where", ["bodies", "directory"])
def test_broken_files_end_alike(many, monkeypatch, where):
    """Hostile changes: one outcome, whether compiled or not."""
    good = many.read_bytes()
    rng = random.Random(8)
    split = good.find(b"PK\1\2")
    cases = []
    for _ in range(pytest.count(25, 1500)):
        bad = bytearray(good)
        low, high = (0, split) if where == "bodies" else (split, len(good))
        for _ in range(rng.randint(1, 3)):
            at = rng.randrange(low, high)
            bad[at] = rng.choice((0, 255, bad[at] ^ 1, bad[at] ^ 128, rng.randrange(256)))
        cases.append(bytes(bad))
    found = []
    for case in cases:
        many.write_bytes(case)
        found.append(outcome(many))
    assert any(isinstance(one, str) for one in found)
    plainly(monkeypatch)
    for case, before in zip(cases, found, strict=True):
        many.write_bytes(case)
        assert outcome(many) == before


def written(path, change) -> None:
    """A deflated zip of many entries whose directory `change` may alter, entry by entry."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for i in range(2 * MANY):
            info = zipfile.ZipInfo(f"{i}.roi")
            info.compress_type = zipfile.ZIP_STORED if i % 7 == 3 else zipfile.ZIP_DEFLATED
            archive.writestr(info, bytes([i % 256]) * (i % 90))
        change(archive)


def test_stored_deflated_and_empty_entries_together(tmp_path, monkeypatch):
    path = tmp_path / "mixed.zip"
    written(path, lambda _: None)
    data = np.fromfile(path, np.uint8)
    chosen = np.arange(2 * MANY)[::-1].copy()
    buffer, at = inflate(read_archive(data), chosen)
    assert not buffer.flags.writeable
    for i, begin in zip(chosen.tolist(), at.tolist(), strict=True):
        assert buffer[begin : begin + i % 90].tobytes() == bytes([i % 256]) * (i % 90)
    plainly(monkeypatch)
    again, also_at = inflate(read_archive(data), chosen)
    assert again.tobytes() == buffer.tobytes()
    np.testing.assert_array_equal(also_at, at)


@needs_zlib
@pytest.mark.parametrize("wrong", ["size", "smaller", "packed", "crc", "cut"])
def test_streams_that_lie_are_not_taken(tmp_path, wrong):
    """Too long, too short, checked wrongly: left to the plain path, never past an array's end."""
    from dataclasses import replace

    path = tmp_path / "lies.zip"
    written(path, lambda _: None)
    archive = read_archive(np.fromfile(path, np.uint8))
    chosen = np.arange(2 * MANY)
    changes = {"size": ("unpacked", 5), "smaller": ("unpacked", -5), "packed": ("packed", 3),
               "crc": ("crc", 1), "cut": ("packed", -1)}  # fmt: skip
    column, by = changes[wrong]
    values = getattr(archive, column).copy()
    values[400] += by
    lying = replace(archive, **{column: values})
    sizes = lying.unpacked
    begins = np.cumsum(sizes) - sizes
    assert _zip_archive._unpacked(lying, chosen, begins, int(sizes.sum())) is None
    good = np.cumsum(archive.unpacked) - archive.unpacked
    total = int(archive.unpacked.sum())
    assert _zip_archive._unpacked(archive, chosen, good, total) is not None
    # outputs or inputs that do not fit the arrays
    assert _zip_archive._unpacked(archive, chosen, good + 1, total) is None
    assert _zip_archive._unpacked(archive, chosen, good - 1, total) is None
    far = replace(archive, at=archive.at + len(archive.data))
    assert _zip_archive._unpacked(far, chosen, good, total) is None


@needs_zlib
def test_a_library_that_is_another_is_not_taken(monkeypatch):
    with pytest.raises(AttributeError):
        _libz._tried(object())
    monkeypatch.setattr(_libz.zlib, "__file__", "/nowhere/zlib.so", raising=False)
    real = ctypes.CDLL

    def none(name):
        raise OSError(name)

    monkeypatch.setattr(_libz.ctypes, "CDLL", none)
    assert _libz.zlib_calls.__wrapped__() is None
    monkeypatch.setattr(_libz.ctypes, "CDLL", real)
    monkeypatch.setattr(_libz.sys, "platform", "win32")
    assert _libz.zlib_calls.__wrapped__() is None


def test_special_directories_are_left_to_the_plain_path(tmp_path):
    path = tmp_path / "special.zip"
    for strange in ("é.roi", "a..b.roi", "cell 1:2.roi", "folder\\b.roi"):
        written(path, lambda archive, name=strange: archive.writestr(name, b""))
        archive = read_archive(np.fromfile(path, np.uint8))
        assert not isinstance(archive.names, PackedNames)
        assert archive.names[-1] == strange
    for harmless in ("a.b.roi", "folder/b.roi", ".", "__MACOSX/a.roi", "a.txt", ""):
        written(path, lambda archive, name=harmless: archive.writestr(zipfile.ZipInfo(name), b""))
        archive = read_archive(np.fromfile(path, np.uint8))
        assert isinstance(archive.names, PackedNames)
        assert archive.names[-1] == harmless
        chosen, stems = roizip._roi_entries(archive.names)
        whole = harmless in ("a.b.roi", "folder/b.roi")
        assert len(chosen) == len(stems) == 2 * MANY + whole
        assert isinstance(stems, PackedNames) == whole
        if whole:
            assert stems[-1] == harmless[:-4]


@pytest.mark.parametrize("evil", ["../x.roi", "/x.roi", "c:x.roi", "a/../../b.roi", "..\\x.roi"])
def test_hostile_names_among_thousands(tmp_path, evil):
    path = tmp_path / "evil.zip"
    written(path, lambda archive: archive.writestr(zipfile.ZipInfo(evil), b""))
    with pytest.raises(FormatError, match="points outside"):
        formats.read_rois(path)


def test_packed_names():
    texts = ["a", "", "0001-0002", "b c", "z" * 300]
    names = PackedNames.of(texts)
    assert names is not None
    assert PackedNames.of(names) is names
    assert list(names) == texts == [names[i] for i in range(5)] == list(names[:])
    assert names[-1] == texts[-1]
    assert names[1:3] == texts[1:3]
    assert len(names) == 5
    assert "b c" in names
    with pytest.raises(IndexError):
        names[5]
    assert list(pickle.loads(pickle.dumps(names))) == texts  # noqa: S301
    assert list(PackedNames.of([])) == []
    assert PackedNames.of(["ä"]) is None
    assert PackedNames.of(["a\0b"]) is None
    assert list(PackedNames.of(["a.roi", ".roi"]).without(".roi", "__MACOSX/")) == ["a", ""]
    assert PackedNames.of(["a.roi", "roi"]).without(".roi", "__MACOSX/") is None
    assert PackedNames.of(["a.roi", "__MACOSX/a.roi"]).without(".roi", "__MACOSX/") is None


def test_large_bounds_need_32_bits(tmp_path):
    outlines = random_outlines(6, 300)
    far = type(outlines)(**{
        **{name: getattr(outlines, name) for name in (*ARRAYS, "names")},
        "x": outlines.x.astype(np.int32) + 40_000,
    })  # fmt: skip
    formats.write_rois(RoiSet(outlines=far), tmp_path / "far.zip")
    back = formats.read_rois(tmp_path / "far.zip")
    if back.outlines is not None:
        assert back.outlines.x.dtype == np.int32
        same(back, formats.read_rois(tmp_path / "far.zip"))
    assert back[0].box == RoiSet(outlines=far)[0].box


def test_shares():
    sizes = np.array([5, 0, 2_000_000, 3, 4_000_000, 1])
    done: list[tuple[int, int]] = []

    def job(first, last):
        done.append((first, last))
        return first != last

    _shares.in_shares(job, sizes)
    covered = sorted(i for first, last in done for i in range(first, last))
    assert covered == list(range(6))
    assert not _shares.in_shares(lambda *_: False, sizes)
    assert _shares.in_shares(lambda *_: True, np.empty(0, np.int64))


def test_a_share_that_fails_is_heard(monkeypatch):
    monkeypatch.setattr(_shares, "_processors", lambda: 2)

    def job(first, last):
        if first == 0:
            raise MemoryError
        return True

    with pytest.raises(MemoryError):
        _shares.in_shares(job, np.full(8, 1 << 20))


def test_small_sets_load_no_compiler(tmp_path):
    path = tmp_path / "small.zip"
    rois = RoiSet(outlines=random_outlines(2, MANY - 1))
    for compression in (None, "deflate"):
        formats.write_rois(rois, path, compression=compression, overwrite=True)
        code = (
            "import sys\nfrom fijibridge.formats import read_rois, write_rois\n"
            f"rois = read_rois({str(path)!r})\n"
            f"write_rois(rois, {str(path)!r}, overwrite=True)\n"
            "assert 'numba' not in sys.modules\n"
        )
        subprocess.run([sys.executable, "-c", code], check=True)


def test_batches_are_as_the_whole(monkeypatch, tmp_path):
    rois = RoiSet(outlines=random_outlines(9, 900))
    formats.write_rois(rois, tmp_path / "a.zip")
    monkeypatch.setattr(_roi_bulk, "BATCH", 5000)
    monkeypatch.setattr(_shares, "_processors", lambda: 3)
    monkeypatch.setattr(_shares, "LEAST", 1)
    formats.write_rois(rois, tmp_path / "b.zip")
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
