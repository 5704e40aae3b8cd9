"""Random ROIs of every kind, and what equality of ROIs means."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from fijibridge.model import Outlines, Position, Roi

#: Kinds whose points are whole or sub-pixel.
POINT_KINDS = ("polygon", "freehand", "traced", "polyline", "freeline", "angle", "point")


def _number(whole: bool):
    if whole:
        return st.integers(-4000, 59000)
    return st.floats(-70000, 70000, width=32).map(float)


@st.composite
def points(draw, least: int = 1, most: int = 30, whole: bool | None = None) -> np.ndarray:
    whole = draw(st.booleans()) if whole is None else whole
    n = draw(st.integers(least, most))
    number = _number(whole)
    values = draw(st.lists(st.tuples(number, number), min_size=n, max_size=n))
    array = np.array(values, np.int32 if whole else np.float64).reshape(n, 2)
    if whole:  # bounds above 60000 are sub-pixel
        array = np.minimum(array, array.min(axis=0) + 60000)
    return array


names = st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\0"), max_size=20)
colors = st.none() | st.tuples(*[st.integers(0, 255)] * 4).filter(any)
properties = st.dictionaries(
    st.text(st.characters(min_codepoint=32, max_codepoint=0x2FFF), min_size=1, max_size=9).filter(
        lambda key: key == key.strip() and not key.startswith("qupath.")
    ),
    st.text(st.characters(blacklist_categories=("Cs", "Cc")), max_size=9),
    max_size=3,
)
positions = st.builds(
    Position, *[st.integers(0, 2**31 - 1)] * 3, st.integers(0, 2**31 - 1)
) | st.just(Position())


@st.composite
def rois(draw, kinds=None) -> Roi:
    kind = draw(
        st.sampled_from(kinds or (*POINT_KINDS, "rectangle", "oval", "line", "composite", "none"))
    )
    common = {
        "kind": kind,
        "name": draw(names),
        "position": draw(positions),
        "group": draw(st.integers(0, 255) | st.integers(256, 65535)),
        "stroke_color": draw(colors),
        "fill_color": draw(colors),
        "properties": draw(properties),
    }
    if kind != "point":
        common["stroke_width"] = draw(st.sampled_from([0.0, 0.5, 1.0, 7.25]))
    if kind in ("rectangle", "oval"):
        if draw(st.booleans()):
            x, y = draw(st.integers(-4000, 60000)), draw(st.integers(-4000, 60000))
            w, h = draw(st.integers(0, 60000)), draw(st.integers(0, 60000))
            w, h = min(w, 60000 - max(x, 0)), min(h, 60000 - max(y, 0))
        else:
            x, y, w, h = (draw(st.floats(0, 70000, width=32)) for _ in range(4))
        common["bounds"] = (float(x), float(y), float(w), float(h))
        if kind == "rectangle":
            common["arc_size"] = draw(st.integers(0, 40))
    elif kind == "line":
        common["points"] = draw(points(2, 2, whole=False))
        common["subtype"] = draw(st.sampled_from(["", "arrow"]))
    elif kind == "composite":
        n = draw(st.integers(1, 4))
        whole = draw(st.booleans())
        common["paths"] = tuple(draw(points(3, 9, whole)) for _ in range(n))
    elif kind == "none":
        common["bounds"] = (0.0, 0.0, 0.0, 0.0)
    elif kind == "point":
        common["points"] = draw(points(whole=False))
        if draw(st.booleans()):
            n = len(common["points"])
            common["counters"] = np.array(draw(st.lists(st.integers(0, 2**31 - 1), min_size=n,
                                                        max_size=n)), np.int32)  # fmt: skip
    else:
        n = 3 if kind == "angle" else None
        common["points"] = draw(points(n or 1, n or 30))
        common["spline"] = kind in ("polygon", "polyline") and draw(st.booleans())
    return Roi(**common)


def assert_same(a: Roi, b: Roi) -> None:
    """All that a file keeps is equal."""
    for field in ("kind", "subtype", "name", "position", "group", "stroke_color", "fill_color",
                  "stroke_width", "text", "spline", "arc_size"):  # fmt: skip
        assert getattr(a, field) == getattr(b, field), field
    assert dict(a.properties) == dict(b.properties)
    assert tuple(a.bounds) == tuple(b.bounds)
    np.testing.assert_array_equal(a.points, b.points)
    np.testing.assert_array_equal(a.counters, b.counters)
    assert len(a.paths) == len(b.paths)
    for one, other in zip(a.paths, b.paths, strict=True):
        np.testing.assert_array_equal(one, other)


def random_outlines(seed: int, n: int, largest: int = 3000) -> Outlines:
    """`n` outlines of all kinds; the names are unique."""
    rng = np.random.default_rng(seed)
    x, y, loop_start, loop_size, roi_start, kinds = [], [], [], [], [0], []
    at = 0
    for _ in range(n):
        kind = int(rng.integers(0, 5))
        loops = int(rng.integers(1, 4)) if kind == 1 else 1
        for _ in range(loops):
            left, top = rng.integers(0, largest, 2)
            if kind == 3:
                w, h = rng.integers(1, 50, 2)
                px, py = np.array([0, w, w, 0]) + left, np.array([0, 0, h, h]) + top
            else:
                size = int(rng.integers(4, 40))
                px, py = left + rng.integers(0, 60, size), top + rng.integers(0, 60, size)
            x.append(px)
            y.append(py)
            loop_start.append(at)
            loop_size.append(len(px))
            at += len(px)
        roi_start.append(len(loop_start))
        kinds.append(kind)
    dtype = np.int16 if largest < 30000 else np.int32
    return Outlines(
        x=np.concatenate(x).astype(dtype),
        y=np.concatenate(y).astype(dtype),
        loop_start=np.array(loop_start),
        loop_size=np.array(loop_size),
        roi_start=np.array(roi_start),
        kinds=np.array(kinds, np.uint8),
        positions=rng.integers(0, 3, (n, 4)).astype(np.int32),
        ids=np.stack([np.zeros(n, np.int64), np.arange(1, n + 1)], axis=1),
        names=[f"{i + 1:04d}-{int(v):04d}" for i, v in enumerate(rng.integers(0, largest, n))],
    )


def squares(n: int) -> Outlines:
    """`n` small rectangles named r0, r1, …."""
    x = np.tile(np.array([1, 4, 4, 1], np.int16), n)
    y = np.tile(np.array([2, 2, 6, 6], np.int16), n)
    return Outlines(
        x=x,
        y=y,
        loop_start=np.arange(0, 4 * n, 4),
        loop_size=np.full(n, 4),
        roi_start=np.arange(n + 1),
        kinds=np.full(n, 3, np.uint8),
        positions=np.zeros((n, 4), np.int32),
        ids=np.zeros((n, 2), np.int64),
        names=[f"r{i}" for i in range(n)],
    )
