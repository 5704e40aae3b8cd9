"""ROI files and the real ImageJ: it reads ours, we read its, the bytes are the same."""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fijibridge import formats
from fijibridge.formats.roi import decode_roi, encode_roi
from fijibridge.model import Position, Roi, RoiSet
from formats.roi_cases import POINT_KINDS, random_outlines, rois, squares

pytestmark = pytest.mark.imagej

TYPES = {"polygon": 2, "freehand": 3, "traced": 4, "line": 5, "polyline": 6, "freeline": 7,
         "angle": 8, "composite": 9, "point": 10, "rectangle": 0, "oval": 1}  # fmt: skip


def java_array(values, kind):
    import jpype

    return jpype.JArray(getattr(jpype, kind))(np.asarray(values).tolist())


def opened(imagej, record: bytes):
    return imagej.java("ij.io.RoiDecoder").openFromByteArray(java_bytes(record))


def java_bytes(data: bytes):
    import jpype

    return jpype.JArray(jpype.JByte)(np.frombuffer(data, np.int8))


def encoded(imagej, roi) -> bytes:
    return bytes(imagej.java("ij.io.RoiEncoder").saveAsByteArray(roi))


def built(imagej, seed: int):
    """A random ROI of any kind, built by ImageJ's own constructors, and what it is."""
    rng = np.random.default_rng(seed)
    gui = lambda name: imagej.java(f"ij.gui.{name}")  # noqa: E731
    kind = rng.choice([*POINT_KINDS, "rectangle", "oval", "line", "arrow", "composite", "text",
                       "ellipse", "rotated rectangle", "rounded", "image"])  # fmt: skip
    n = 3 if kind == "angle" else int(rng.integers(3, 25))
    points = rng.integers(0, 400, (n, 2)) + rng.integers(0, 3000, 2)
    sub_pixel = bool(rng.integers(0, 2))
    floats = (points + rng.random(points.shape) * sub_pixel).astype(np.float32)
    numbers = [float(v) for v in rng.integers(0, 300, 5) + rng.integers(0, 4, 5) / 4]
    if kind == "point":
        roi = gui("PointRoi")(
            java_array(floats[:, 0], "JFloat"), java_array(floats[:, 1], "JFloat"), n
        )
        roi.setPointType(int(rng.integers(0, 4)))
        roi.setShowLabels(bool(rng.integers(0, 2)))
    elif kind in POINT_KINDS:
        code = TYPES[kind]
        kind_of, values = ("JFloat", floats) if sub_pixel else ("JInt", points)
        roi = gui("PolygonRoi")(
            java_array(values[:, 0], kind_of), java_array(values[:, 1], kind_of), n, code
        )
        if kind in ("polygon", "polyline") and rng.integers(0, 3) == 0:
            roi.fitSpline()
    elif kind in ("rectangle", "rounded"):
        x, y, w, h = (numbers if sub_pixel else [int(v) + 1 for v in numbers])[:4]
        roi = gui("Roi")(x, y, w + 1, h + 1)
        if kind == "rounded":
            roi.setCornerDiameter(int(rng.integers(1, 30)))
    elif kind == "oval":
        x, y, w, h = (numbers if sub_pixel else [int(v) + 1 for v in numbers])[:4]
        roi = gui("OvalRoi")(x, y, w + 1, h + 1)
    elif kind == "line":
        roi = gui("Line")(*numbers[:4])
    elif kind == "arrow":
        roi = gui("Arrow")(*numbers[:4])
        roi.setStyle(int(rng.integers(0, 5)))
    elif kind == "composite":
        shape = gui("ShapeRoi")
        one, two = gui("Roi")(5, 6, 70, 80), gui("Roi")(int(numbers[0]), 20, 30, 10)
        roi = shape(one).xor(shape(two))
    elif kind == "text":
        roi = gui("TextRoi")(numbers[0], numbers[1], "some text\nµ two")
    elif kind == "ellipse":
        roi = gui("EllipseRoi")(*numbers[:4], 0.25)
    elif kind == "rotated rectangle":
        roi = gui("RotatedRectRoi")(*numbers[:4], 12.5)
    else:
        pixels = imagej.java("ij.process.ByteProcessor")(7, 5)
        pixels.set(2, 3, 99)
        roi = gui("ImageRoi")(10, 20, pixels)
    if rng.integers(0, 2):
        roi.setName(f"näme {seed}")
    if rng.integers(0, 2):
        roi.setPosition(*(int(v) for v in rng.integers(1, 9, 3)))
    elif rng.integers(0, 2):
        roi.setPosition(int(rng.integers(1, 99)))
    if rng.integers(0, 2) and kind not in ("point", "text", "image"):
        roi.setStrokeWidth(float(rng.integers(1, 20)) / 2)
    color = imagej.java("java.awt.Color")
    if rng.integers(0, 2):
        roi.setStrokeColor(color(*(int(v) for v in rng.integers(1, 256, 4))))
    if rng.integers(0, 2):
        roi.setFillColor(color(*(int(v) for v in rng.integers(1, 256, 4))))
    if rng.integers(0, 2):
        roi.setGroup(int(rng.integers(1, 256)))
    if rng.integers(0, 2):
        roi.setProperty("label", "7")
        roi.setProperty("note", "two words: yes")
    return str(kind), roi


@settings(max_examples=pytest.count(120, 3000))
@given(st.integers(0, 2**32))
def test_imagejs_records_are_understood(imagej, seed):
    kind, java = built(imagej, seed)
    record = encoded(imagej, java)
    roi = decode_roi(record)
    assert encode_roi(roi) == record
    if kind in ("arrow", "text", "ellipse", "rotated rectangle", "image"):
        assert roi.subtype == kind
    else:
        assert roi.kind == ("rectangle" if kind == "rounded" else kind) or kind == "composite"
    # what ImageJ itself finds in the file
    back = opened(imagej, record)
    if kind != "image":  # ImageJ forgets the names of those
        assert roi.name == ("" if back.getName() is None else str(back.getName()))
    if roi.kind != "point":  # those answer with the slice of their points
        flat = 0 if back.hasHyperStackPosition() else back.getPosition()
        assert roi.position.slice == flat
    if back.hasHyperStackPosition():
        where = (back.getCPosition(), back.getZPosition(), back.getTPosition())
        assert (roi.position.c, roi.position.z, roi.position.t) == where
    assert roi.group == back.getGroup()
    if roi.kind != "point":
        assert roi.stroke_width == (back.getStrokeWidth() if back.getStroke() is not None else 0)
    if java.getPropertyCount():
        assert dict(roi.properties) == {"label": "7", "note": "two words: yes"}
    if roi.kind in POINT_KINDS and not roi.parameters and not roi.spline:
        polygon = back.getFloatPolygon()
        theirs = np.stack([polygon.xpoints, polygon.ypoints], axis=1)[: polygon.npoints]
        np.testing.assert_allclose(roi.points, theirs, atol=1e-3)
    if roi.kind == "text":
        assert roi.text == str(back.getText())


def _same_bytes(imagej, record: bytes) -> None:
    """ImageJ reads a record and writes it again."""
    assert encoded(imagej, opened(imagej, record)).hex(" ", 4) == record.hex(" ", 4)


@pytest.mark.parametrize("seed", range(4))
def test_traced_composite_and_rectangle_records_are_imagejs(imagej, seed):
    outlines = random_outlines(seed, 40)
    for i in range(40):
        roi = replace(outlines.roi(i), position=Position(slice=i % 3))
        if len(roi.points) < 3 and roi.kind != "composite" and not roi.bounds:
            continue
        _same_bytes(imagej, encode_roi(roi))


@settings(max_examples=pytest.count(60, 2000))
@given(rois(kinds=("polygon", "freehand", "traced", "polyline", "freeline", "rectangle", "oval",
                   "line", "composite", "point")))  # fmt: skip
def test_imagej_reads_every_kind(imagej, roi):
    # its groups are one byte, and it does not take single points for lines or areas
    roi = replace(roi, group=roi.group % 256, position=Position(), spline=False, arc_size=0)
    back = opened(imagej, encode_roi(roi))
    if roi.kind in ("polygon", "freehand", "traced", "polyline", "freeline", "point"):
        polygon = back.getFloatPolygon()
        theirs = np.stack([polygon.xpoints, polygon.ypoints], axis=1)[: polygon.npoints]
        np.testing.assert_allclose(theirs, roi.points, rtol=1e-6, atol=1e-2)
    elif roi.kind == "line":
        np.testing.assert_allclose([back.x1d, back.y1d, back.x2d, back.y2d], roi.points.ravel())
    elif roi.kind in ("rectangle", "oval"):
        bounds = back.getFloatBounds()
        x, y, width, height = roi.bounds
        theirs = [bounds.x, bounds.y]
        np.testing.assert_allclose(theirs, [x, y], rtol=1e-6)
        if width >= 1 and height >= 1:
            np.testing.assert_allclose([bounds.width, bounds.height], [width, height], rtol=1e-6)
    assert int(back.getType()) == TYPES[roi.kind]
    assert str(back.getName() or "") == roi.name
    assert int(back.getGroup()) == roi.group
    for key, value in roi.properties.items():
        assert str(back.getProperty(key) or "") == value


def _read_by_imagej(imagej, path):
    """Names and ROIs as the ROI Manager reads them (it needs a display itself)."""
    stream = imagej.java("java.util.zip.ZipInputStream")(
        imagej.java("java.io.FileInputStream")(str(path))
    )
    found = []
    while (entry := stream.getNextEntry()) is not None:
        record = stream.readAllBytes()
        name = entry.getName()
        found.append((str(name), imagej.java("ij.io.RoiDecoder")(record, name).getRoi()))
    stream.close()
    return found


@pytest.mark.parametrize("compression", [None, "deflate"])
def test_imagej_opens_our_zips(imagej, tmp_path, compression):
    outlines = random_outlines(11, 400)
    rois = RoiSet(outlines=outlines)
    formats.write_rois(rois, tmp_path / "r.zip", compression=compression)
    theirs = _read_by_imagej(imagej, tmp_path / "r.zip")
    assert [name for name, _ in theirs] == [name + ".roi" for name in rois.names]
    for roi, (_, back) in zip(rois, theirs, strict=True):
        assert str(back.getName()) == roi.name
        position = roi.position
        if max(position.c, position.z, position.t) > 0:
            where = (back.getCPosition(), back.getZPosition(), back.getTPosition())
            assert where == (position.c, position.z, position.t)
        if roi.kind in ("traced", "polygon", "freehand"):
            polygon = back.getFloatPolygon()
            np.testing.assert_array_equal(
                list(polygon.xpoints)[: polygon.npoints], roi.points[:, 0]
            )
            np.testing.assert_array_equal(
                list(polygon.ypoints)[: polygon.npoints], roi.points[:, 1]
            )
        elif roi.kind == "composite":
            numbers = np.array(list(back.getShapeAsArray()))
            assert len(numbers) == sum(3 * len(path) + 1 for path in roi.paths)


def test_we_open_imagejs_zips(imagej, tmp_path):
    """Written as the ROI Manager does: deflated, with data descriptors."""
    outlines = random_outlines(12, 300)
    # it keeps the running slice only where there is no place in a hyperstack
    positions = outlines.positions.copy()
    positions[positions[:, :3].any(axis=1), 3] = 0
    outlines = replace(outlines, positions=positions)
    buffer = imagej.java("java.io.ByteArrayOutputStream")()
    stream = imagej.java("java.util.zip.ZipOutputStream")(buffer)
    for i in range(300):
        roi = outlines.roi(i)
        stream.putNextEntry(imagej.java("java.util.zip.ZipEntry")(roi.name + ".roi"))
        stream.write(java_bytes(encoded(imagej, opened(imagej, encode_roi(roi)))))
    stream.close()
    (tmp_path / "ij.zip").write_bytes(bytes(buffer.toByteArray()))
    found = formats.read_rois(tmp_path / "ij.zip")
    assert found.outlines is not None
    for mine, theirs in zip(RoiSet(outlines=outlines), found, strict=True):
        assert encode_roi(mine) == encode_roi(theirs)


def test_imagej_opens_seventy_thousand(imagej, tmp_path):
    """More entries than the first zip directories could count."""
    rois = RoiSet(outlines=squares(70_000))
    formats.write_rois(rois, tmp_path / "many.zip")
    names = [name for name, _ in _read_by_imagej_names(imagej, tmp_path / "many.zip")]
    assert names == [f"r{i}.roi" for i in range(70_000)]
    assert len(zipfile.ZipFile(tmp_path / "many.zip").namelist()) == 70_000
    assert formats.read_rois(tmp_path / "many.zip").names == rois.names


def _read_by_imagej_names(imagej, path):
    archive = imagej.java("java.util.zip.ZipFile")(str(path))
    assert archive.size() == 70_000
    archive.close()
    stream = imagej.java("java.util.zip.ZipInputStream")(
        imagej.java("java.io.FileInputStream")(str(path))
    )
    found = []
    while (entry := stream.getNextEntry()) is not None:
        found.append((str(entry.getName()), None))
    stream.close()
    return found


def test_counters_of_points(imagej):
    gui = imagej.java("ij.gui.PointRoi")
    java = gui(java_array([1.5, 20, 30], "JFloat"), java_array([4.5, 50, 60], "JFloat"), 3)
    java.setCounters(java_array([0, 1, 2 + (3 << 8)], "JInt"))
    roi = decode_roi(encoded(imagej, java))
    assert roi.counters.tolist() == [0, 1, 770]
    back = opened(imagej, encode_roi(replace(roi, record=b"")))
    assert [int(v) for v in back.getCounters()][:3] == [0, 1, 770]
    renamed = opened(imagej, encode_roi(roi.renamed("counted")))
    assert [int(v) for v in renamed.getCounters()][:3] == [0, 1, 770]


def test_seventy_thousand_vertices(imagej):
    steps = np.arange(35_000, dtype=np.int32)
    low, high = np.stack([steps, steps % 2], 1), np.stack([steps[::-1], steps % 2 + 5], 1)
    points = np.concatenate([low, high])
    record = encode_roi(Roi(kind="traced", points=points, name="many"))
    java = imagej.java("ij.gui.PolygonRoi")(
        java_array(points[:, 0], "JInt"), java_array(points[:, 1], "JInt"), len(points), 4
    )
    java.setName("many")
    assert encoded(imagej, java) == record
    buffer = io.BytesIO(record)
    assert len(buffer.getvalue()) > 4 * 3 * 70_000
