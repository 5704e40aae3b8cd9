"""GeoJSON: polygons that are valid, outlines that come back, QuPath's properties."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fijibridge import formats
from fijibridge.errors import FormatError, SettingsError
from fijibridge.formats import Location
from fijibridge.formats._geojson.rings import (
    outlines_from_rings,
    polygons_from_paths,
    signed_area,
)
from fijibridge.model import Position, Roi, RoiSet
from formats.roi_cases import random_outlines, rois


def outline(mask: np.ndarray) -> list[np.ndarray]:
    """Outlines of a mask, pixels at corners together: crack edges, inside on the right."""
    padded = np.pad(mask, 1)
    following: dict[tuple[int, int], list[tuple[int, int]]] = {}
    corners = (((0, 0), (1, 0)), ((1, 0), (1, 1)), ((1, 1), (0, 1)), ((0, 1), (0, 0)))
    beside = ((-1, 0), (0, 1), (1, 0), (0, -1))
    for y, x in np.argwhere(padded).tolist():
        for (dy, dx), (one, two) in zip(beside, corners, strict=True):
            a, b = (x + one[0], y + one[1]), (x + two[0], y + two[1])
            if not padded[y + dy, x + dx]:
                following.setdefault(a, []).append(b)
    loops = []
    while following:
        start = here = min(following)
        came = None
        walk = []
        while True:
            choices = following[here]
            if len(choices) > 1 and came is not None:  # left: the corner is crossed outside
                left = (here[0] + came[1], here[1] - came[0])
                there = left if left in choices else choices[0]
            else:
                there = choices[0]
            choices.remove(there)
            if not choices:
                del following[here]
            step = (there[0] - here[0], there[1] - here[1])
            if step != came:
                walk.append(here)
            here, came = there, step
            if here == start and (start not in following or len(following[start]) == 0):
                break
        first = (walk[1][0] - walk[0][0], walk[1][1] - walk[0][1])
        if np.sign(first[0]) == came[0] and np.sign(first[1]) == came[1]:
            walk = walk[1:]
        loops.append(np.array(walk, np.int32) - 1)
    return loops


def filled(paths, shape) -> np.ndarray:
    """Pixels whose centres lie inside, by the even-odd rule."""
    out = np.zeros(shape, bool)
    for path in paths:
        x, y = path.T
        for x1, y1, y2 in zip(x, y, np.roll(y, -1), strict=True):
            if y1 != y2:
                out[min(y1, y2) : max(y1, y2), int(x1) :] ^= True
    return out


masks = hnp.arrays(bool, st.tuples(st.integers(1, 7), st.integers(1, 7))).filter(np.any)


def loops_as_sets(paths):
    """Loops without their beginnings."""
    out = set()
    for path in paths:
        k = int(np.lexsort((path[:, 0], path[:, 1]))[0])
        out.add(tuple(map(tuple, np.roll(path, -k, axis=0).tolist())))
    return out


@given(masks)
def test_polygons_are_valid(mask):
    shapely = pytest.importorskip("shapely", reason="shapely, the witness, is not installed")
    shapes = [shapely.Polygon(p[0], p[1:]) for p in polygons_from_paths(outline(mask))]
    whole = shapely.MultiPolygon(shapes)
    assert whole.is_valid, shapely.is_valid_reason(whole)
    assert whole.area == mask.sum()


@given(masks)
def test_polygons_fill_the_same_pixels(mask):
    paths = outline(mask)
    np.testing.assert_array_equal(filled(paths, mask.shape), mask)
    polygons = polygons_from_paths(paths)
    for polygon in polygons:
        assert signed_area(polygon[0]) > 0
        assert all(signed_area(hole) < 0 for hole in polygon[1:])
    np.testing.assert_array_equal(filled([r for p in polygons for r in p], mask.shape), mask)
    back = outlines_from_rings(polygons)
    np.testing.assert_array_equal(filled(back, mask.shape), mask)


@given(masks)
def test_outlines_are_the_same_after_a_round_trip(mask):
    paths = outline(mask)
    back = outlines_from_rings(polygons_from_paths(paths))
    np.testing.assert_array_equal(filled(back, mask.shape), mask)
    if len(paths) == 1:
        assert loops_as_sets(back) == loops_as_sets(paths)


def test_a_ring_that_touches_itself_is_cut_and_joined():
    """Two pixels at a corner are two polygons, and one outline again."""
    traced = np.array([[0, 0], [1, 0], [1, 1], [2, 1], [2, 2], [1, 2], [1, 1], [0, 1]], np.int32)
    polygons = polygons_from_paths([traced])
    assert len(polygons) == 2
    (back,) = outlines_from_rings(polygons)
    np.testing.assert_array_equal(back, traced)


def equal_rois(mine: Roi, back: Roi) -> None:
    assert back.kind == mine.kind
    for field in ("name", "position", "group", "stroke_color"):
        assert getattr(back, field) == getattr(mine, field), field
    assert dict(back.properties) == dict(mine.properties)
    if mine.bounds:
        np.testing.assert_allclose(back.bounds, mine.bounds, rtol=1e-12, atol=1e-6)


@given(st.lists(rois(kinds=("rectangle", "oval", "line", "polyline", "freeline", "angle", "point")),
                max_size=5))  # fmt: skip
def test_kinds_come_back(tmp_path, values):
    path = tmp_path / "a.geojson"
    values = [replace(v, group=min(v.group, 99)) for v in values]
    values = [v for v in values if not v.bounds or min(v.bounds[2:]) > 0]
    formats.write_rois(RoiSet(values), path, overwrite=True)
    back = formats.read_rois(path)
    assert len(back) == len(values)
    for mine, theirs in zip(values, back, strict=True):
        equal_rois(mine, theirs)
        if mine.kind not in ("rectangle", "oval"):
            np.testing.assert_array_equal(theirs.points, mine.points)
            if mine.kind not in ("point", "line"):
                assert theirs.points.dtype.kind == mine.points.dtype.kind
    first = path.read_bytes()
    formats.write_rois(RoiSet(values), path, overwrite=True)
    assert path.read_bytes() == first  # ids too


def test_golden_outlines_come_back(shared, tmp_path):
    """Traced outlines vertex by vertex; composites pixel by pixel."""
    total = 0
    for source in sorted((shared / "golden/imagej").glob("*/rois.zip")):
        rois = formats.read_rois(source)
        formats.write_rois(rois, tmp_path / "a.geojson", overwrite=True)
        for mine, back in zip(rois, formats.read_rois(tmp_path / "a.geojson"), strict=True):
            equal_rois(mine, back)
            if mine.kind == "traced":
                np.testing.assert_array_equal(back.points, mine.points)
            else:
                shape = np.max([p.max(axis=0) for p in mine.paths], axis=0)[::-1] + 1
                np.testing.assert_array_equal(filled(back.paths, shape), filled(mine.paths, shape))
            total += 1
    assert total > 1000


def test_many_objects(tmp_path):
    outlines = random_outlines(4, 500)
    keep = [roi for roi in RoiSet(outlines=outlines) if roi.kind == "rectangle"]
    formats.write_rois(RoiSet(keep), tmp_path / "m.geojson")
    back = formats.read_rois(tmp_path / "m.geojson")
    assert [roi.bounds for roi in back] == [roi.bounds for roi in keep]


def test_what_qupath_finds(tmp_path):
    roi = Roi(
        kind="composite",
        paths=(
            np.array([[0, 0], [9, 0], [9, 9], [0, 9]]),
            np.array([[2, 2], [2, 5], [5, 5], [5, 2]]),
        ),
        name="cell 7",
        position=Position(c=2, z=3, t=4),
        stroke_color=(255, 200, 100, 0),
        properties={
            "qupath.object.measurements.Nucleus: Area µm^2": "12.5",
            "qupath.object.classification": "Tumor",
            "qupath.object.color": "200,0,0",
            "qupath.object.locked": "true",
            "qupath.object.type": "cell",
            "note": "mine",
        },
    )
    path = tmp_path / "q.geojson"
    formats.write_rois(RoiSet([roi, roi.renamed("other")]), path)
    whole = json.loads(path.read_text("utf-8"))
    assert whole["type"] == "FeatureCollection"
    feature = whole["features"][0]
    assert feature["geometry"] == {
        "type": "Polygon",
        "coordinates": [[[0, 0], [9, 0], [9, 9], [0, 9], [0, 0]],
                        [[2, 2], [2, 5], [5, 5], [5, 2], [2, 2]]],
        "plane": {"c": 1, "z": 2, "t": 3},
    }  # fmt: skip
    assert feature["properties"] == {
        "objectType": "cell",
        "name": "cell 7",
        "classification": {"name": "Tumor", "color": [200, 0, 0]},
        "color": [200, 100, 0],
        "isLocked": True,
        "measurements": {"Nucleus: Area µm^2": 12.5},
        "metadata": {"note": "mine"},
    }
    assert feature["id"] != whole["features"][1]["id"]
    equal_rois(roi, formats.read_rois(path)[0])
    fmt = formats.format_for_reading(Location(path), "rois")
    assert fmt.describe(Location(path)) == {
        "rois": 2, "kinds": {"composite": 2}, "classes": {"Tumor": 2}}  # fmt: skip
    assert fmt.validate(Location(path)) == []
    with pytest.raises(SettingsError, match="exists"):
        formats.write_rois(RoiSet([roi]), path)


def test_what_qupath_writes(tmp_path):
    """Its own file: a list, an ellipse, old measurements, packed colours, a random id."""
    square = [[0, 0], [4, 0], [4, 2], [0, 2], [0, 0]]
    features = [
        {"type": "Feature", "id": "a2b0b7a3-51a6-4d8e-9b0e-6f2f1c1a2b3c",
         "geometry": {"type": "Polygon", "coordinates": [square], "isEllipse": True,
                      "plane": {"c": -1, "z": 0, "t": 5}},
         "properties": {"objectType": "annotation", "colorRGB": -65536,
                        "classification": {"names": ["Tumor", "Positive"], "colorRGB": -3670016},
                        "measurements": [{"name": "Area", "value": 3.5}]}},
        {"type": "Feature", "geometry": None, "properties": {}},
        {"type": "Feature", "properties": None,
         "geometry": {"type": "MultiLineString", "coordinates": [[[0, 0], [1, 1]],
                                                                 [[2, 2], [3, 3], [4, 5]]]}},
        {"type": "Feature", "geometry": {"type": "MultiPoint", "coordinates": [[1.5, 2, 9]]}},
    ]  # fmt: skip
    path = tmp_path / "q.json"
    path.write_text(json.dumps(features))
    oval, line, polyline, point = formats.read_rois(path)
    assert (oval.kind, oval.bounds, oval.position) == ("oval", (0, 0, 4, 2), Position(z=1, t=6))
    assert oval.stroke_color == (255, 255, 0, 0)
    assert dict(oval.properties) == {
        "qupath.object.classification": "Tumor: Positive",
        "qupath.object.color": "200,0,0",
        "qupath.object.id": "a2b0b7a3-51a6-4d8e-9b0e-6f2f1c1a2b3c",
        "qupath.object.measurements.Area": "3.5",
        "qupath.object.type": "annotation",
    }
    assert (line.kind, polyline.kind, point.kind) == ("line", "polyline", "point")
    assert point.points.tolist() == [[1.5, 2]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no GeoJSON"),
        ("{", "no GeoJSON"),
        ("[" * 100_000, "nested too deep"),
        ('"FeatureCollection"', "neither a FeatureCollection"),
        ('{"type":"FeatureCollection","features":5}', "neither a FeatureCollection"),
        ("[5]", "Object 1 is broken: it is not an object"),
        ('[{"geometry":[]}]', "its geometry is not an object"),
        ('[{"geometry":{"type":"Star"}}]', "geometry 'Star'"),
        ('[{"geometry":{"type":[]}}]', "geometry"),
        ('[{"geometry":{"type":"Polygon","coordinates":[[[0,0],[1,1]]]}}]', "2 vertices"),
        ('[{"geometry":{"type":"Polygon","coordinates":[[[0,0],[1],[2,2]]]}}]', "not numbers"),
        ('[{"geometry":{"type":"Polygon","coordinates":[[["a","b"]]]}}]', "not numbers"),
        ('[{"geometry":{"type":"Polygon","coordinates":5}}]', "not a list"),
        ('[{"geometry":{"type":"Point","coordinates":[1e999,0]}}]', "not pairs of numbers"),
        ('[{"geometry":{"type":"Point","coordinates":[NaN,0]}}]', "NaN is no JSON number"),
        ('[{"geometry":{"type":"Point","coordinates":{}}}]', "not numbers|not pairs"),
    ],
)
def test_broken_files(tmp_path, text, message):
    path = tmp_path / "b.geojson"
    path.write_text(text)
    with pytest.raises(FormatError, match=message):
        formats.read_rois(path)
    fmt = formats.format_for_reading(Location(path), "rois")
    assert fmt.validate(Location(path))[0].severity == "error"


def test_validate_says_what_is_doubtful(tmp_path):
    path = tmp_path / "v.geojson"
    point = Roi(kind="point", points=np.zeros((1, 2)), name="a")
    formats.write_rois(RoiSet([point, point]), path)
    fmt = formats.format_for_reading(Location(path), "rois")
    assert [f.severity for f in fmt.validate(Location(path))] == ["note"]
    formats.write_rois(RoiSet(), path, overwrite=True)
    assert [f.severity for f in fmt.validate(Location(path))] == ["warning"]
    assert len(formats.read_rois(path)) == 0
