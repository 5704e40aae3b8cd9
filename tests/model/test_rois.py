"""ROIs and ROI sets: boxes, flat outlines and single values say the same."""

from __future__ import annotations

import numpy as np
import pytest

from fijibridge.errors import SettingsError
from fijibridge.model import Outlines, Position, Roi, RoiSet
from fijibridge.model.rois import OUTLINE_KINDS


def outlines():
    """Return a square with a hole, and a rectangle; there is a gap between the loops."""
    x = np.array([0, 9, 9, 0, 3, 3, 5, 5, 77, 2, 6, 6, 2], np.int16)
    y = np.array([0, 0, 9, 9, 3, 5, 5, 3, 77, 1, 1, 4, 4], np.int16)
    return Outlines(
        x=x, y=y, loop_start=np.array([0, 4, 9]), loop_size=np.array([4, 4, 4]),
        roi_start=np.array([0, 2, 3]),
        kinds=np.array([OUTLINE_KINDS.index("composite"), OUTLINE_KINDS.index("rectangle")]),
        positions=np.array([[0, 0, 0, 2], [1, 2, 3, 0]]), ids=np.array([(0, 5), (2, 6)]),
        names=("ring", "box"),
    )  # fmt: skip


def test_outlines_become_rois_when_asked_for():
    rois = RoiSet(outlines=outlines())
    assert len(rois) == 2
    assert rois.names == ("ring", "box")
    ring, box = rois
    assert ring.kind == "composite"
    assert [len(p) for p in ring.paths] == [4, 4]
    assert ring.box == (0.0, 0.0, 9.0, 9.0)
    assert ring.position == Position(slice=2)
    assert box.kind == "rectangle"
    assert box.bounds == (2.0, 1.0, 4.0, 3.0)
    assert rois[-1].position == Position(c=1, z=2, t=3)
    assert [r.name for r in rois[::-1]] == ["box", "ring"]
    assert rois[:1].names == ("ring",)
    with pytest.raises(IndexError):
        rois[2]


def test_boxes_of_all_kinds():
    points = np.array([(1.5, 2.0), (4.0, 8.0)])
    assert Roi(kind="line", points=points).box == (1.5, 2.0, 2.5, 6.0)
    assert Roi(kind="oval", bounds=(1, 2, 3, 4)).box == (1, 2, 3, 4)
    assert Roi(kind="composite", paths=(points, points + 10)).box == (1.5, 2.0, 12.5, 16.0)
    assert Roi(kind="none").box == (0.0, 0.0, 0.0, 0.0)


def test_a_roi_is_frozen_and_renamed_by_copy():
    roi = Roi(kind="polygon", points=np.zeros((3, 2), np.int32), name="a", properties={"k": "v"})
    assert roi.renamed("b").name == "b"
    assert roi.name == "a"
    with pytest.raises(ValueError, match="read-only"):
        roi.points[0, 0] = 1
    with pytest.raises(TypeError):
        roi.properties["k"] = "w"


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Roi(kind="rectangle"), "A rectangle needs bounds"),
        (lambda: Roi(kind="oval", bounds=(1, 2, 3)), "A oval needs bounds"),
        (lambda: Roi(kind="polygon", points=np.zeros(4)), r"shape \(4,\); it must be \(n, 2\)"),
        (lambda: Roi(kind="composite", paths=(np.zeros((2, 3)),)), r"it must be \(n, 2\): x, y"),
        (lambda: Roi(kind="polygn"), "ROI kind 'polygn' is unknown.*Did you mean 'polygon'"),
        (lambda: Position(c=-1), "is not a position: 1 is the first, 0 means all"),
        (lambda: RoiSet([Roi(kind="none")], outlines=outlines()), "not from both"),
    ],
)
def test_what_is_refused(make, says):
    with pytest.raises(SettingsError, match=says):
        make()


def test_sets_show_themselves():
    rois = RoiSet(
        [
            Roi(kind="rectangle", bounds=(1, 2, 3, 4)),
            Roi(kind="polygon", points=np.array([(0, 0), (5, 0), (5, 5)])),
            *RoiSet(outlines=outlines()),
        ]
    )
    shown = rois._repr_html_()
    assert shown.count("<polygon") == 5
    assert "4 ROIs" in shown
    assert repr(rois) == "RoiSet(4 ROIs)"
    assert "empty" in RoiSet()._repr_html_()
    many = RoiSet([Roi(kind="rectangle", bounds=(1, 2, 3, 4))] * 501)
    assert "first 500 drawn" in many._repr_html_()
