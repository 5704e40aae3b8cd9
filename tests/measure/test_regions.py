"""Labels to ROIs and back: the identity, on everything hypothesis can think of."""

from __future__ import annotations

import time
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fijibridge.errors import SettingsError
from fijibridge.measure.regions import (
    labels_to_rois,
    paint_rois,
    rois_to_labels,
    round_trip_report,
)
from fijibridge.model import Axes, Image, LabelImage, Position, Roi, RoiSet

DTYPES = st.sampled_from([np.uint8, np.uint16, ">u2", np.uint32, np.int32, np.int64, np.uint64])


@st.composite
def label_images(draw, keys=("yx", "zyx", "tyx", "tzyx", "ztxy"), side=24):
    """Small label images: blobs with holes and parts, noise, huge and gappy ids."""
    axes = draw(st.sampled_from(keys))
    shape = tuple(draw(st.integers(1, 3 if k in "tz" else side)) for k in axes)
    most = draw(st.sampled_from([1, 2, 4, 200]))
    small = draw(hnp.arrays(np.uint8, shape, elements=st.integers(0, most)))
    if draw(st.booleans()):  # blocks, so that outlines are long
        factor = draw(st.integers(2, 5))
        small = small.repeat(factor, axis=-1).repeat(factor, axis=-2)
    dtype = np.dtype(draw(DTYPES))
    ids = draw(
        st.lists(
            st.integers(1, min(np.iinfo(dtype).max, 2**63 - 1)),
            min_size=most,
            max_size=most,
            unique=True,
        )
    )
    table = np.array([0, *ids], dtype)
    return LabelImage.from_array(table[small], axes)


@settings(max_examples=pytest.count(200, 5000))
@given(labels=label_images(), threads=st.integers(1, 4), as_list=st.booleans())
def test_labels_come_back_identical(labels, threads, as_list):
    rois = labels_to_rois(labels, threads=threads)
    if as_list:
        rois = RoiSet(list(rois))
    back = rois_to_labels(rois, like=labels)
    assert back.axes == labels.axes
    np.testing.assert_array_equal(back.data, labels.data)
    for of in ("labels", "rois"):
        report = round_trip_report(labels, rois, of=of)
        assert (report.identical, report.lost, report.changed) == (report.total, 0, 0)
    frames = labels.reorder("tzyx").data
    assert round_trip_report(labels, rois).total == sum(
        np.count_nonzero(np.unique(frame)) for frame in frames
    )


@settings(max_examples=pytest.count(100, 2000))
@given(labels=label_images(keys=("yx",)))
def test_outlines_run_along_the_edges_of_their_label(labels):
    for roi in labels_to_rois(labels):
        paths = roi.paths if roi.kind == "composite" else (roi.points,)
        mask = np.pad(labels.data == int(roi.name), 1)
        edges = np.count_nonzero(mask[1:] != mask[:-1]) + np.count_nonzero(
            mask[:, 1:] != mask[:, :-1]
        )
        length = 0
        for path in paths:
            step = np.diff(np.vstack([path, path[:1]]), axis=0)
            assert ((step == 0).sum(axis=1) == 1).all()  # along one axis, and never in place
            turn = step[:-1, 0] * step[1:, 1] - step[:-1, 1] * step[1:, 0]
            assert (turn != 0).all()  # a vertex only where the direction changes
            length += np.abs(step).sum()
        assert length == edges


def test_parts_holes_and_what_is_in_them():
    a = np.zeros((9, 12), np.uint16)
    a[1:8, 1:8] = 5
    a[2:7, 2:7] = 0
    a[3:6, 3:6] = 9
    a[4, 4] = 5
    a[8, 11] = 5
    a[0, 11] = 65535
    rois = labels_to_rois(LabelImage.from_array(a, "yx"))
    assert rois.names == ("0005", "0009", "65535")
    assert [roi.kind for roi in rois] == ["composite", "composite", "traced"]
    assert [len(roi.paths) for roi in rois] == [4, 2, 0]
    assert rois.outlines.ids.tolist() == [[0, 5], [0, 9], [0, 65535]]
    assert rois[2].points.tolist() == [[12, 1], [11, 1], [11, 0], [12, 0]]


def test_corners_that_touch_are_one_outline():
    a = np.eye(4, dtype=np.uint8)
    (roi,) = labels_to_rois(LabelImage.from_array(a, "yx"))
    assert roi.kind == "traced"
    assert len(roi.points) == 16


def test_positions_of_stacks():
    one = np.ones((1, 1), np.uint8)
    plane = labels_to_rois(LabelImage.from_array(one[None], "zyx"))
    assert plane[0].position == Position()
    stack = labels_to_rois(LabelImage.from_array(np.ones((3, 1, 1), np.uint8), "tyx"))
    assert [roi.position.slice for roi in stack] == [1, 2, 3]
    assert stack.outlines.ids.tolist() == [[0, 1], [1, 1], [2, 1]]
    hyper = labels_to_rois(LabelImage.from_array(np.ones((2, 2, 1, 1), np.uint8), "tzyx"))
    assert [roi.position for roi in hyper] == [
        Position(z=1, t=1),
        Position(z=2, t=1),
        Position(z=1, t=2),
        Position(z=2, t=2),
    ]
    names = labels_to_rois(
        LabelImage.from_array(np.ones((2, 2, 1, 1), np.uint8), "tzyx"),
        names="{index}: {label} t{t} z{z:02d}",
    ).names
    assert names == ("1: 1 t1 z01", "2: 1 t1 z02", "3: 1 t2 z01", "4: 1 t2 z02")


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_noise_over_threads(threads):
    rng = np.random.default_rng(3)
    a = rng.integers(0, 50_000, (1100, 1000)).astype(np.uint16)
    labels = LabelImage.from_array(a, "yx")
    rois = labels_to_rois(labels, threads=threads)
    expected = labels_to_rois(labels, threads=1)
    assert rois.names == expected.names
    for name in ("loop_size", "roi_start", "kinds", "positions", "ids"):
        np.testing.assert_array_equal(
            getattr(rois.outlines, name), getattr(expected.outlines, name)
        )
    for i in range(0, len(rois), 997):
        for ours, theirs in zip(rois[i].paths, expected[i].paths, strict=True):
            np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(rois_to_labels(rois, like=labels).data, a)


def test_a_hundred_thousand_labels():
    a = np.arange(1, 100_001, dtype=np.uint32).reshape(250, 400).repeat(3, 0).repeat(2, 1)
    a[::3] = 0
    labels = LabelImage.from_array(a, "yx")
    rois = labels_to_rois(labels)
    assert len(rois) == 100_000
    back = rois_to_labels(rois, like=labels)
    assert back.dtype == np.uint32
    np.testing.assert_array_equal(back.data, a)
    assert str(round_trip_report(labels, rois)) == "100000 of 100000 identical"


def test_centers_run_through_the_border_pixels():
    a = np.zeros((5, 6), np.uint8)
    a[1:4, 1:5] = 1
    a[0, 0] = 2
    rois = labels_to_rois(LabelImage.from_array(a, "yx"), vertices="centers")
    assert rois[0].kind == "polygon"
    assert {tuple(p) for p in rois[0].points.tolist()} == {
        (4.5, 1.5), (4.5, 3.5), (1.5, 3.5), (1.5, 1.5),
    }  # fmt: skip
    assert rois[1].points.tolist() == [[0.5, 0.5]]
    report = round_trip_report(LabelImage.from_array(a, "yx"), rois)
    assert (report.identical, report.changed, report.lost) == (0, 1, 1)


def test_centers_of_parts_and_holes():
    a = np.zeros((5, 9), np.uint8)
    a[:, :5] = 1
    a[2, 2] = 0
    a[1:3, 7:9] = 1
    (roi,) = labels_to_rois(LabelImage.from_array(a, "yx"), vertices="centers")
    assert sorted(sorted(map(tuple, path.tolist())) for path in roi.paths) == [
        [(0.5, 0.5), (0.5, 4.5), (4.5, 0.5), (4.5, 4.5)],
        [(1.5, 2.5), (2.5, 1.5), (2.5, 3.5), (3.5, 2.5)],
        [(7.5, 1.5), (7.5, 2.5), (8.5, 1.5), (8.5, 2.5)],
    ]


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("{lable}", "Did you mean 'label'"),
        ("{label:99999d}", "asks for a width"),
        ("{label", "is no pattern"),
        ("{label:x04q}", "cannot be filled in"),
        ("", "names of 0 letters"),
        ("{label!z}", "cannot be filled in"),
        ("{label.__class__}", "uses the field 'label.__class__'"),
    ],
)
def test_wrong_patterns(pattern, text):
    with pytest.raises(SettingsError, match=text):
        labels_to_rois(LabelImage.from_array(np.ones((2, 2), np.uint8), "yx"), names=pattern)


def test_wrong_words():
    labels = LabelImage.from_array(np.ones((2, 2), np.uint8), "yx")
    with pytest.raises(SettingsError, match="Did you mean 'centers'"):
        labels_to_rois(labels, vertices="centres")
    rois = labels_to_rois(labels)
    with pytest.raises(SettingsError, match="overlap 'lst' is unknown"):
        rois_to_labels(rois, like=labels, overlap="lst")
    with pytest.raises(SettingsError, match="ids 'nmes' is unknown"):
        rois_to_labels(rois, like=labels, ids="nmes")
    with pytest.raises(SettingsError, match="of 'x' is unknown"):
        round_trip_report(labels, rois, of="x")
    huge = LabelImage.from_array(np.full((1, 1), 2**63, np.uint64), "yx")
    with pytest.raises(SettingsError, match="beyond 2\\*\\*63 - 1"):
        labels_to_rois(huge)


def square(x, y, w, h, name="", **position):
    return Roi(kind="rectangle", bounds=(x, y, w, h), name=name, position=Position(**position))


def test_the_size_is_given_once():
    rois = RoiSet([square(3, 2, 4, 9), Roi(kind="point", points=np.array([[99, 99]]))])
    with pytest.raises(SettingsError, match=r"holds all ROIs has the shape \(11, 7\)"):
        rois_to_labels(rois)
    image = Image.from_array(np.zeros((3, 4)), "yx")
    with pytest.raises(SettingsError, match="not both"):
        rois_to_labels(rois, like=image, shape=(3, 4))
    with pytest.raises(SettingsError, match="is not \\(y, x\\)"):
        rois_to_labels(rois, shape=(5,))
    with pytest.raises(SettingsError, match="y and x are needed"):
        rois_to_labels(rois, like=Image.from_array(np.zeros(3), "x"))


def test_who_gets_a_pixel():
    rois = RoiSet([square(0, 0, 3, 1, "3"), square(2, 0, 2, 1, "9"), square(2, 0, 3, 1, "4")])
    rows = {
        how: rois_to_labels(rois, shape=(1, 5), overlap=how).data[0].tolist()
        for how in ("last", "first", "smallest")
    }
    assert rows == {
        "last": [3, 3, 4, 4, 4],
        "first": [3, 3, 3, 9, 4],
        "smallest": [3, 3, 9, 9, 4],
    }
    with pytest.raises(SettingsError, match="ROI '9' shares 1 pixels with ROIs before it"):
        rois_to_labels(rois, shape=(1, 5), overlap="error")
    stack = rois_to_labels(rois, shape=(1, 5), overlap="channels")
    assert stack.axes.keys == "cyx"
    assert stack.data[:, 0].tolist() == [[3, 3, 3, 0, 0], [0, 0, 9, 9, 0], [0, 0, 4, 4, 4]]
    assert stack.spec.extra.channel_names == ("3", "9", "4")
    apart = RoiSet([square(0, 0, 3, 1, "3"), square(3, 0, 2, 1, "9")])
    assert rois_to_labels(apart, shape=(1, 5), overlap="error").data.max() == 9
    many = RoiSet([square(0, 0, 9, 9)] * 30)
    with pytest.raises(SettingsError, match=r"takes 15\.0 GB"):
        rois_to_labels(many, shape=(10, 5000, 5000), overlap="channels")


def test_labels_from_names():
    def ids(*names, how="names"):
        rois = RoiSet([square(0, i, 1, 1, name) for i, name in enumerate(names)])
        return rois_to_labels(rois, shape=(9, 1), ids=how).data[: len(names), 0].tolist()

    assert ids("0007", "12", "3") == [7, 12, 3]
    assert ids("0007", "12", "3", how="order") == [1, 2, 3]
    assert ids("0007", "cell", "3") == [1, 2, 3]
    assert ids("0007", "7") == [1, 2]
    assert ids("0", "7") == [1, 2]
    assert ids("0001-0034", "0005-0070") == [1, 2]  # ImageJ's own names are no labels
    assert ids("70000") == [70000]
    assert ids(str(2**63 - 1)) == [2**63 - 1]
    assert ids(str(2**63)) == [1]
    rois = RoiSet([square(0, 0, 1, 1, name, slice=i + 1) for i, name in enumerate(("7", "7-1"))])
    assert rois_to_labels(rois, shape=(2, 1, 1)).data.ravel().tolist() == [7, 7]
    assert rois_to_labels(rois, shape=(2, 1, 1)).dtype == np.uint16
    traced = labels_to_rois(LabelImage.from_array([[0, 8]], "yx"), names="cell {index}")
    assert rois_to_labels(traced, shape=(1, 2)).data.tolist() == [[0, 8]]


def test_positions_choose_the_planes():
    like = Image.from_array(np.zeros((2, 3, 2, 1, 5), np.uint8), "tzcyx")
    rois = RoiSet(
        [
            square(0, 0, 1, 1, "1"),
            square(1, 0, 1, 1, "2", z=2),
            square(2, 0, 1, 1, "3", t=2, c=2),
            square(3, 0, 1, 1, "4", slice=8),  # c 2, z 1, t 2
            square(4, 0, 1, 1, "5", z=3, t=1),
        ]
    )
    got = rois_to_labels(rois, like=like)
    assert got.axes.keys == "tzyx"
    assert got.data[:, :, 0].tolist() == [
        [[1, 0, 0, 0, 0], [1, 2, 0, 0, 0], [1, 0, 0, 0, 5]],
        [[1, 0, 3, 4, 0], [1, 2, 3, 0, 0], [1, 0, 3, 0, 0]],
    ]
    with pytest.warns(UserWarning, match="Of 1 ROIs, 1 lie outside of it"):
        gone = rois_to_labels(RoiSet([square(0, 0, 1, 1, z=4)]), like=like)
    assert not gone.data.any()


def test_like_gives_scale_and_unit():
    axes = Axes.of("zyx", (2, 3, 4), scale={"z": 2, "x": 0.5}, unit="um")
    labels = rois_to_labels(
        RoiSet([square(0, 0, 1, 1)]), like=Image.from_array(np.zeros((2, 3, 4)), axes)
    )
    assert labels.axes == axes
    assert labels.spec.role == "labels"
    swapped = Image.from_array(np.zeros((4, 3)), "xy")
    assert rois_to_labels(RoiSet([square(1, 0, 3, 1)]), like=swapped).data.tolist() == [
        [0, 0, 0], [1, 0, 0], [1, 0, 0], [1, 0, 0],
    ]  # fmt: skip


def test_what_does_not_fit_is_counted():
    rois = RoiSet(
        [
            square(-2, 0, 4, 1),
            square(50, 0, 4, 1),
            Roi(kind="line", points=np.array([[0.0, 0.0], [3.0, 3.0]])),
            Roi(kind="oval", bounds=(3.0, 3.0, 4.0, 4.0)),
            Roi(kind="polygon", points=np.array([[-5, -5], [-1, -5], [-1, -1]])),
        ]
    )
    painted = paint_rois(rois, shape=(5, 5))
    assert (painted.clipped, painted.outside, painted.no_area) == (2, 2, 1)
    assert painted.labels.data[0].tolist() == [1, 1, 0, 0, 0]
    assert painted.pixels[0] == 2
    with pytest.warns(UserWarning, match="2 reach beyond .* 2 lie outside .* 1 enclose no pixels"):
        rois_to_labels(rois, shape=(5, 5))


@settings(max_examples=pytest.count(50, 1000))
@given(data=st.data())
def test_masks_and_loops_fill_the_same(data):
    """The same polygon as whole numbers (loops) and as floats (masks), clipped or not."""
    whole = st.integers(-10, 40)
    rois = []
    for _ in range(data.draw(st.integers(1, 5))):
        xy = data.draw(st.lists(st.tuples(whole, whole), min_size=3, max_size=8))
        kind = data.draw(st.sampled_from(["polygon", "freehand", "traced"]))
        rois.append(Roi(kind=kind, points=np.array(xy, np.int32)))
    overlap = data.draw(st.sampled_from(["last", "first", "smallest"]))
    loops = paint_rois(RoiSet(rois), shape=(30, 30), overlap=overlap)
    expected = np.zeros((30, 30), np.uint16)
    from fijibridge.measure.masks import roi_mask

    masks = []
    for i, roi in enumerate(rois):
        mask, x, y = roi_mask(roi, within=(0, 0, 30, 30))
        full = np.zeros((30, 30), bool)
        full[y : y + mask.shape[0], x : x + mask.shape[1]] = mask
        masks.append((i + 1, full))
    np.testing.assert_array_equal(loops.pixels, [m.sum() for _, m in masks])
    if overlap == "first":
        masks.reverse()
    elif overlap == "smallest":
        masks.sort(key=lambda item: -item[1].sum())
    for i, full in masks:
        expected[full] = i
    np.testing.assert_array_equal(loops.labels.data, expected)


def test_a_hostile_outline_is_still_filled():
    zigzag = np.empty((40_000, 2), np.int32)
    zigzag[0::2] = [0, -1_000_000]
    zigzag[1::2] = [7, 1_000_000]
    painted = paint_rois(RoiSet([Roi(kind="polygon", points=zigzag)]), shape=(3, 8))
    assert painted.clipped == 1
    broken = RoiSet([Roi(kind="polygon", points=np.array([[0, 0], [5, np.nan], [1, 1]]))])
    with pytest.raises(SettingsError, match="not finite"):
        rois_to_labels(broken, shape=(3, 3))


def test_empty_things():
    none = LabelImage.from_array(np.zeros((4, 5), np.uint8), "yx")
    rois = labels_to_rois(none)
    assert len(rois) == 0
    assert list(rois) == []
    assert str(round_trip_report(none, rois)) == "0 of 0 identical"
    assert not rois_to_labels(RoiSet(), like=none).data.any()
    for shape in ((0, 5), (5, 0)):
        nothing = LabelImage.from_array(np.zeros(shape, np.uint8), "yx")
        assert len(labels_to_rois(nothing)) == 0
    flat = LabelImage.from_array(np.zeros((0, 4, 5), np.uint8), "zyx")
    assert len(labels_to_rois(flat)) == 0
    assert rois_to_labels(RoiSet(), like=flat).data.size == 0


def test_the_report_sees_what_was_lost():
    a = np.array([[1, 1, 2, 3], [1, 4, 4, 3]], np.uint8)
    labels = LabelImage.from_array(a, "yx")
    rois = labels_to_rois(labels)
    fewer = RoiSet([rois[0], rois[2], rois[3]])
    report = round_trip_report(labels, fewer)
    assert (report.total, report.identical, report.lost, report.changed) == (4, 3, 1, 0)
    larger = RoiSet([*rois, square(0, 0, 1, 2, "9")])
    report = round_trip_report(labels, larger)
    assert (report.total, report.identical, report.lost, report.changed) == (4, 3, 0, 1)
    report = round_trip_report(labels, larger, of="rois")
    assert (report.total, report.identical, report.lost, report.changed) == (5, 4, 1, 0)
    cut = RoiSet([*list(rois)[:3], square(1, 1, 9, 1, "4")])
    assert round_trip_report(labels, cut, of="rois").changed == 1


def test_the_report_needs_no_numbers_in_names():
    a = np.array([[[7, 7, 0], [0, 9, 9]], [[9, 0, 0], [0, 0, 3]]], np.uint16)
    labels = LabelImage.from_array(a, "zyx")
    rois = RoiSet([roi.renamed("cell") for roi in labels_to_rois(labels)])
    assert str(round_trip_report(labels, rois)) == "3 of 3 identical"
    back = rois_to_labels(rois, like=labels)
    assert str(round_trip_report(back, rois, of="rois")) == "4 of 4 identical"


@pytest.mark.imagej
@settings(max_examples=pytest.count(30, 1000))
@given(labels=label_images(keys=("yx", "tyx", "tzyx")))
def test_imagej_fills_the_same_pixels_from_the_records(imagej, labels):
    from fijibridge.formats._roi.encode import encode_roi

    decoder = imagej.java("ij.io.RoiDecoder")
    stack = labels.reorder("tzyx").data
    frames, sections, height, width = stack.shape
    got = np.zeros(stack.shape, np.uint64)
    for roi in labels_to_rois(labels):
        made = decoder(encode_roi(roi), "a").getRoi()
        place = made.getPosition() - 1
        if frames > 1 and sections > 1:
            place = (made.getTPosition() - 1) * sections + made.getZPosition() - 1
        plane = imagej.java("ij.process.ByteProcessor")(width, height)
        plane.setValue(255.0)
        plane.fill(made)
        pixels = np.frombuffer(memoryview(plane.getPixels()), np.uint8).reshape(height, width)
        got.reshape(-1, height, width)[max(place, 0)][pixels != 0] = int(str(made.getName()))
    np.testing.assert_array_equal(got, stack)


@pytest.mark.imagej
@settings(max_examples=pytest.count(30, 1000))
@given(labels=label_images(keys=("yx",)))
def test_composites_are_those_of_imagej(imagej, labels):
    """The same record as of Create Selection, byte for byte."""
    from fijibridge.formats._roi.encode import encode_roi

    ids = np.unique(labels.data[labels.data > 0])
    for roi, label in zip(labels_to_rois(labels), ids, strict=True):
        if roi.kind != "composite":
            continue
        mask = np.where(labels.data == label, 255, 0).astype(np.uint8)
        plane = imagej.java("ij.process.ByteProcessor")(*mask.shape[::-1], mask.tobytes())
        plane.setThreshold(255.0, 255.0, 0)
        made = imagej.java("ij.plugin.filter.ThresholdToSelection")().convert(plane)
        record = bytes(imagej.java("ij.io.RoiEncoder").saveAsByteArray(made))
        assert encode_roi(roi.renamed("")) == record


def test_scattered_labels_take_no_time():
    """The work goes with the pixels of a label, not with the box around them."""
    rng = np.random.default_rng(4)
    a = np.zeros((2048, 2048), np.uint16)
    n = 60_000
    a.ravel()[rng.choice(a.size, 2 * n, replace=False)] = np.arange(2 * n) % n + 1
    labels = LabelImage.from_array(a, "yx")
    labels_to_rois(labels)
    begun = time.process_time()
    rois = labels_to_rois(labels)
    assert time.process_time() - begun < 5  # 15 when every box is looked through
    assert len(rois) == n
    np.testing.assert_array_equal(rois_to_labels(rois, like=labels).data, a)


def test_quiet_when_all_is_well():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rois_to_labels(RoiSet([square(0, 0, 3, 3)]), shape=(3, 3))
