"""ROI records: every kind there and back, byte for byte as ImageJ's, changes patched in."""

from __future__ import annotations

import struct
import zipfile
from dataclasses import replace

import numpy as np
import pytest
import roifile  # noqa: TID253  # the oracle
from hypothesis import example, given
from hypothesis import strategies as st

from fijibridge import formats
from fijibridge.errors import FormatError, SettingsError, UnsupportedError
from fijibridge.formats._roi.properties import join_properties, split_properties
from fijibridge.formats.roi import decode_roi, encode_outlines, encode_roi
from fijibridge.model import Position, Roi, RoiSet
from formats.roi_cases import assert_same, random_outlines, rois


@given(rois())
def test_every_kind_survives(roi):
    record = encode_roi(roi)
    back = decode_roi(record)
    assert_same(back, roi)
    assert encode_roi(back) == record


@given(rois(), rois(kinds=("rectangle",)))
def test_changes_are_patched_in(roi, other):
    """Names, positions, groups, colours, properties: the rest of the record stays."""
    read = decode_roi(encode_roi(roi))
    changed = replace(
        read,
        name=other.name,
        position=other.position,
        group=other.group,
        stroke_color=other.stroke_color,
        fill_color=other.fill_color,
        properties=other.properties,
    )
    back = decode_roi(encode_roi(changed))
    assert_same(back, changed)
    assert encode_roi(back) == encode_roi(replace(changed, record=encode_roi(back)))


def test_unknown_bytes_are_kept():
    """Bytes that no version defines, and what stands between the known blocks."""
    record = bytearray(encode_roi(Roi(kind="oval", bounds=(1, 2, 3, 4), name="old", group=3)))
    (start,) = struct.unpack_from(">i", record, 60)
    record[53] = 77  # of arrows only
    record[start + 56 : start + 60] = b"past"
    record += b"unknown tail"
    read = decode_roi(bytes(record))
    assert encode_roi(read) == record
    renamed = encode_roi(replace(read, name="a longer name", position=Position(slice=4)))
    assert b"unknown tail" in renamed
    assert renamed[53] == 77
    assert renamed[start + 56 : start + 60] == b"past"
    back = decode_roi(renamed)
    assert (back.name, back.position.slice, back.group) == ("a longer name", 4, 3)


def test_new_vertices_keep_the_settings():
    """A point ROI's type, size and labels are not modelled; they outlive new coordinates."""
    oracle = roifile.ImagejRoi.frompoints([[1.5, 2.5], [3.5, 4.5]])
    oracle.roitype = roifile.ROI_TYPE.POINT
    oracle.arrow_style_or_aspect_ratio = 3
    oracle.stroke_width = 4
    oracle.options |= roifile.ROI_OPTIONS.SHOW_LABELS
    read = decode_roi(oracle.tobytes())
    moved = encode_roi(replace(read, points=read.points[:1] + 1))
    again = roifile.ImagejRoi.frombytes(moved)
    assert again.arrow_style_or_aspect_ratio == 3
    assert again.stroke_width == 4
    assert again.options & roifile.ROI_OPTIONS.SHOW_LABELS
    np.testing.assert_array_equal(decode_roi(moved).points, [[2.5, 3.5]])


@given(rois())
def test_roifile_agrees(roi):
    record = encode_roi(roi)
    oracle = roifile.ImagejRoi.frombytes(record)
    assert oracle.name == roi.name
    assert (oracle.position, oracle.c_position) == (roi.position.slice, roi.position.c)
    assert (oracle.z_position, oracle.t_position) == (roi.position.z, roi.position.t)
    if roi.group < 256:
        assert oracle.group == roi.group
    if roi.kind == "composite":
        ours = [np.concatenate([path, path[:1]]) for path in roi.paths]
        for mine, theirs in zip(ours, oracle.coordinates(multi=True), strict=True):
            np.testing.assert_array_equal(mine.astype(np.float32), theirs)
    elif roi.kind in ("rectangle", "oval", "none"):
        pass
    elif roi.kind == "line":
        np.testing.assert_array_equal(
            roi.points.ravel().astype(np.float32), [oracle.x1, oracle.y1, oracle.x2, oracle.y2]
        )
    elif roi.points.dtype.kind == "f":
        np.testing.assert_array_equal(roi.points.astype(np.float32), oracle.subpixel_coordinates)
    else:
        corner = [oracle.left, oracle.top]
        np.testing.assert_array_equal(roi.points, oracle.integer_coordinates + corner)


@given(st.integers(0, 2**32))
def test_roifiles_records_are_read(seed):
    rng = np.random.default_rng(seed)
    points = rng.integers(0, 500, (int(rng.integers(1, 30)), 2))
    if seed % 2:
        points = points + rng.random(points.shape)
    oracle = roifile.ImagejRoi.frompoints(points, name="a", position=3, c=1, z=2, t=4)
    read = decode_roi(oracle.tobytes())
    assert (read.kind, read.name) == ("freehand", "a")
    assert read.position == Position(c=2, z=3, t=5, slice=4)
    np.testing.assert_array_equal(read.points, points.astype(np.float32))
    assert encode_roi(read) == oracle.tobytes()


def test_golden_records_are_made_again(shared):
    """What ImageJ wrote in all cases is read, written, and made anew from the values alone."""
    total = 0
    for path in sorted((shared / "golden/imagej").glob("*/rois.zip")):
        with zipfile.ZipFile(path) as archive:
            for entry in archive.namelist():
                record = archive.read(entry)
                roi = decode_roi(record)
                assert roi.name + ".roi" == entry
                assert encode_roi(roi) == record
                assert encode_roi(replace(roi, record=b"")) == record
                total += 1
    assert total > 1000


def test_many_vertices_become_a_composite():
    """ImageJ counts the vertices of areas with 16 bits."""
    n = 70000
    steps = np.arange(n // 2, dtype=np.int32)
    points = np.concatenate(
        [np.stack([steps, steps % 2], 1), np.stack([steps[::-1], steps % 2 + 5], 1)]
    )
    back = decode_roi(encode_roi(Roi(kind="traced", points=points, name="many")))
    assert (back.kind, back.name, len(back.paths)) == ("composite", "many", 1)
    np.testing.assert_array_equal(back.paths[0], points)
    line = decode_roi(encode_roi(Roi(kind="freeline", points=points)))
    np.testing.assert_array_equal(line.points, points)


@pytest.mark.parametrize("low", [0, -5000, -5001, 32767, 32768, 59999, 60001, 70000])
def test_coordinates_beyond_16_bits(low):
    points = np.array([[low, 3], [low + 70, 3], [low + 70, 9], [low, 9]], np.int32)
    for kind in ("traced", "polygon", "polyline", "point"):
        back = decode_roi(encode_roi(Roi(kind=kind, points=points)))
        np.testing.assert_array_equal(back.points, points)
    bounds = (float(low), 3.0, 70.0, 6.0)
    for kind in ("rectangle", "oval"):
        assert decode_roi(encode_roi(Roi(kind=kind, bounds=bounds))).bounds == bounds


def test_curves_are_flattened_and_kept():
    numbers = [0, 0, 0, 2, 10, 0, 10, 10, 3, 10, 20, 0, 20, 0, 10, 4]
    record = bytearray(encode_roi(Roi(kind="composite", paths=(np.zeros((1, 2)),))))
    data = np.array(numbers, ">f4").tobytes()
    record[36:40] = struct.pack(">i", len(numbers))
    record[60:64] = struct.pack(">i", 64 + len(data))
    record[64:-64] = data
    read = decode_roi(bytes(record))
    assert len(read.paths) == 1
    assert len(read.paths[0]) == 33
    np.testing.assert_allclose(read.paths[0][16], [10, 10])
    np.testing.assert_allclose(read.paths[0][8], [7.5, 2.5])
    assert encode_roi(read) == bytes(record)


def test_subtypes():
    text = Roi(kind="rectangle", bounds=(1, 2, 30, 12), subtype="text", text="häl\nlo", name="t")
    back = decode_roi(encode_roi(text))
    assert (back.subtype, back.text, back.name) == ("text", "häl\nlo", "t")
    longer = decode_roi(encode_roi(replace(back, text="another text")))
    assert (longer.text, longer.name) == ("another text", "t")
    for subtype, five in (
        ("ellipse", (10, 20, 30, 20, 0.5)),
        ("rotated rectangle", (1, 1, 9, 1, 4)),
    ):
        back = decode_roi(encode_roi(Roi(kind="freehand", subtype=subtype, parameters=five)))
        assert (back.subtype, back.parameters) == (subtype, five)
        np.testing.assert_allclose(np.ptp(back.points, axis=0)[0], five[2] - five[0], rtol=1e-3)
    with pytest.raises(UnsupportedError, match="no pixels"):
        encode_roi(Roi(kind="rectangle", bounds=(0, 0, 2, 2), subtype="image"))
    with pytest.raises(SettingsError, match="no subtype"):
        encode_roi(Roi(kind="rectangle", bounds=(0, 0, 2, 2), subtype="star"))


def test_large_groups_need_the_newer_version():
    roi = Roi(kind="oval", bounds=(0, 0, 4, 4), group=300)
    record = encode_roi(roi)
    assert struct.unpack_from(">h", record, 4) == (229,)
    assert record[64 + 30] == 0
    assert decode_roi(record).group == 300
    small = encode_roi(replace(decode_roi(record), group=7))
    assert decode_roi(small).group == 7
    assert small[64 + 30] == 7


def test_an_old_record_gets_a_newer_version_when_it_must():
    """Groups came with version 228, which says otherwise than before how strokes scale."""
    record = bytearray(encode_roi(Roi(kind="polyline", points=np.array([[0, 0], [5, 5]]))))
    record[4:6] = struct.pack(">h", 217)
    record[50:52] = struct.pack(">H", 128)  # meant nothing before 222
    grouped = encode_roi(replace(decode_roi(bytes(record)), group=9))
    assert struct.unpack_from(">h", grouped, 4) == (228,)
    assert struct.unpack_from(">H", grouped, 50) == (8192,)
    back = decode_roi(grouped)
    assert back.group == 9
    np.testing.assert_array_equal(back.points, [[0, 0], [5, 5]])


def test_names_from_files_are_not_put_into_records():
    record = encode_roi(Roi(kind="oval", bounds=(0, 0, 4, 4)))
    read = decode_roi(record, "cell 7")
    assert read.name == "cell 7"
    assert encode_roi(read) == record
    assert decode_roi(encode_roi(read.renamed("other")), "cell 7").name == "other"
    named = decode_roi(encode_roi(Roi(kind="oval", bounds=(0, 0, 4, 4), name="x")), "file")
    assert named.name == "x"
    assert decode_roi(encode_roi(named.renamed("")), "file").name == "file"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1\nb: two words\n", {"a": "1", "b": "two words"}),
        ("a=1\r\nb 2\n# no\n! no\n\nc", {"a": "1", "b": "2", "c": ""}),
        ("Mean Intensity: 3\n", {"Mean Intensity": "3"}),
        ("a\\ b\\:c: \\u00b5m\\\\\n", {"a b:c": "µm\\"}),
        (
            "qupath.object.measurements.Cell: Area: 3\n",
            {"qupath.object.measurements.Cell: Area": "3"},
        ),
    ],
)
def test_properties_are_read(text, expected):
    assert split_properties(text) == expected


@example({" ": "", "a ": " "})
@given(st.dictionaries(st.text(min_size=1, max_size=9), st.text(max_size=9), max_size=4))
def test_properties_survive(properties):
    clean = {
        key.encode("utf-16", "replace").decode("utf-16"): value.encode("utf-16", "replace").decode(
            "utf-16"
        )
        for key, value in properties.items()
    }
    assert split_properties(join_properties(clean)) == clean


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda b: b[:40], "truncated: 40 bytes"),
        (lambda b: b"PK" + b[2:], "begins with b'PKut'"),
        (lambda b: b[:6] + b"\x0b" + b[7:], "type is 11"),
        (lambda b: b[:16] + b"\xff\xff" + b[18:], "truncated: 131070 numbers"),
        (lambda b: b[:36] + b"\x7f\xff\xff\xff" + b[40:], "a composite of type 8"),
        (
            lambda b: b[:6] + b"\x01" + b[7:36] + b"\x7f\xff\xff\xff" + b[40:],
            "2147483647 numbers were announced",
        ),
        (
            lambda b: b[:50] + b"\x00\x80" + b[52:] + b"\x7f\xff\xff\xff" * 9,
            r"second header is announced at byte 76, where .* coordinates are \(bytes 0 to 99\)",
        ),
    ],
)
def test_broken_records(change, message):
    record = encode_roi(Roi(kind="traced", points=np.array([[0, 0], [4, 0], [4, 4]])))
    broken = change(record)
    with pytest.raises(FormatError, match=message):
        decode_roi(broken)


@pytest.mark.parametrize(
    "roi",
    [
        Roi(kind="traced", points=np.array([[0, 0], [4, 0], [4, 4]]), name="n"),
        Roi(kind="oval", bounds=(0, 0, 4, 4), properties={"key": "value"}),
        Roi(kind="point", points=np.array([[0.0, 1], [4, 4]]), counters=np.array([1, 2])),
        Roi(kind="composite", paths=(np.array([[0, 0], [4, 0], [4, 4]]),), position=Position(c=2)),
        Roi(kind="rectangle", bounds=(0, 0, 4, 4), subtype="text", text="a text"),
    ],
)
def test_every_cut_is_noticed(roi):
    record = encode_roi(roi)
    for size in range(len(record)):
        with pytest.raises(FormatError, match=r"truncated|begins with"):
            decode_roi(record[:size])


def test_what_the_second_header_announces():
    record = encode_roi(Roi(kind="oval", bounds=(0, 0, 4, 4), name="four"))
    start = 64
    with pytest.raises(FormatError, match="second header was announced at byte 100000"):
        decode_roi(record[:60] + struct.pack(">i", 100_000) + record[64:])
    for where in (-1, 8, 63):
        with pytest.raises(FormatError, match=f"second header is announced at byte {where}, "):
            decode_roi(record[:60] + struct.pack(">i", where) + record[64:])
    longer = record[: start + 20] + struct.pack(">i", 5) + record[start + 24 :]
    with pytest.raises(FormatError, match="a name of 5 letters was announced at byte 128"):
        decode_roi(longer)
    assert decode_roi(record[:60] + bytes(4) + record[64:], "entry").name == "entry"


def test_numbers_that_are_none():
    record = bytearray(encode_roi(Roi(kind="line", points=np.array([[0.0, 0], [4, 4]]))))
    record[18:22] = b"\x7f\xc0\x00\x00"
    with pytest.raises(FormatError, match="its ends are not numbers"):
        decode_roi(bytes(record))
    with pytest.raises(SettingsError, match="not numbers"):
        encode_roi(Roi(kind="line", points=np.array([[0.0, np.nan], [4, 4]])))


def test_values_that_do_not_fit():
    oval = Roi(kind="oval", bounds=(0, 0, 4, 4))
    with pytest.raises(SettingsError, match="group 70000"):
        encode_roi(replace(oval, group=70000))
    with pytest.raises(SettingsError, match="colour"):
        encode_roi(replace(oval, fill_color=(0, 0, 0, 256)))
    with pytest.raises(SettingsError, match="no paths"):
        encode_roi(Roi(kind="composite", name="c"))
    with pytest.raises(SettingsError, match="two points"):
        encode_roi(Roi(kind="line", points=np.zeros((3, 2))))


@pytest.mark.parametrize("largest", [3000, 59000, 80000])
def test_outlines_are_encoded_as_single_rois(largest):
    outlines = random_outlines(7, 60, largest)
    expected = [encode_roi(outlines.roi(i)) for i in range(60)]
    assert encode_outlines(outlines) == expected
    assert encode_outlines(outlines, 10, 20) == expected[10:20]


def test_files(tmp_path):
    roi = Roi(kind="oval", bounds=(1, 2, 3, 4), name="a", group=2, properties={"k": "v"})
    path = tmp_path / "a.roi"
    formats.write_rois(RoiSet([roi]), path)
    assert path.read_bytes() == encode_roi(roi)
    assert_same(formats.read_rois(path)[0], roi)
    with pytest.raises(SettingsError, match="exists"):
        formats.write_rois(RoiSet([roi]), path)
    formats.write_rois(RoiSet([roi]), path, overwrite=True)
    with pytest.raises(UnsupportedError, match="holds one ROI, the set has 2"):
        formats.write_rois(RoiSet([roi, roi]), tmp_path / "b.roi")
    assert [p.name for p in tmp_path.iterdir()] == ["a.roi"]
    fmt = formats.format_for_reading(formats.Location(path), "rois")
    assert fmt.describe(formats.Location(path))["kind"] == "oval"
    assert fmt.validate(formats.Location(path)) == []
    path.write_bytes(path.read_bytes()[:50])
    assert fmt.validate(formats.Location(path))[0].severity == "error"
    with pytest.raises(FormatError, match="truncated"):
        formats.read_rois(path)
    with pytest.raises(FormatError, match="There is no file"):
        formats.read_rois(tmp_path / "none.roi")


def test_a_single_record_under_a_zip_name(tmp_path):
    """ImageJ's RoiManager.save writes one ROI as a bare record, whatever the name says."""
    roi = Roi(kind="oval", bounds=(1, 2, 3, 4), name="a")
    (tmp_path / "x.zip").write_bytes(encode_roi(roi))
    assert formats.read_rois(tmp_path / "x.zip").names == ("a",)
