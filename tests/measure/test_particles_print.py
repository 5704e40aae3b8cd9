"""What ImageJ prints and assumes in rare cases; each was seen in the real ImageJ 1.54p."""

from dataclasses import replace

import numpy as np
import pytest

import fijibridge as fb
from fijibridge.errors import SettingsError
from fijibridge.measure.threshold import resolve_threshold
from fijibridge.model.image import Extra, Image, Valuation

DOWN = np.repeat(np.arange(256, dtype=np.uint8)[::-1, None], 3, axis=1)
RED = np.stack([DOWN[::-1, 0], np.zeros(256, np.uint8), np.zeros(256, np.uint8)], axis=1)


def image_of(data, axes="yx", **extra):
    made = Image.from_array(np.asarray(data), axes, name="i.tif")
    return Image(made.data, replace(made.spec, extra=Extra(**extra)))


def rows_of(table, tmp_path, name="t.csv"):
    fb.write_table(table, tmp_path / name, overwrite=True)
    return [line.split(",") for line in (tmp_path / name).read_text().splitlines()]


def squares():
    data = np.zeros((12, 12), np.uint8)
    data[1:4, 1:4] = 255
    data[6:10, 5:11] = 255
    data[6, 5] = 0
    return data


@pytest.mark.parametrize(("decimal", "printed"), [(0, "16.000"), (1, "16.000"), (5, "16.00000")])
def test_the_summary_has_three_places_or_more(tmp_path, decimal, printed):
    result = fb.analyze_particles(
        image_of(squares()),
        measurements=("area", "perimeter", "scientific", "nan"),
        decimal=decimal,
        outputs=frozenset({"table", "summary"}),
    )
    heading, row = rows_of(result.summary, tmp_path)
    cells = dict(zip(heading, row, strict=True))
    assert (cells["Count"], cells["Total Area"], cells["Average Size"]) == ("2", "32", "16")
    assert len(cells["%Area"].partition(".")[2]) == len(printed.partition(".")[2])


def test_scientific_stacks_print_shapes_in_scientific_notation(tmp_path):
    data = np.zeros((2, 12, 12), np.uint8)
    data[0] = squares()
    data[0, 1:4, 1:4] = 0
    words = ("area", "shape", "scientific")
    stack = fb.analyze_particles(image_of(data, "zyx"), measurements=words, stack=True)
    alone = fb.analyze_particles(image_of(data[0]), measurements=words)
    assert np.array_equal(stack.table["Circ."], alone.table["Circ."])
    circ = rows_of(stack.table, tmp_path)[0].index("Circ.")
    assert "E" in rows_of(stack.table, tmp_path)[1][circ]
    assert "E" not in rows_of(alone.table, tmp_path)[1][circ]


def test_a_first_circularity_above_one_is_scientific(tmp_path):
    data = np.zeros((5, 5), np.uint8)
    data[2, 2] = 255
    for most, notation in ((1.0, False), (2.0, True)):
        table = fb.analyze_particles(
            image_of(data), measurements=("shape", "scientific"), circularity=(0.0, most)
        ).table
        heading, row = rows_of(table, tmp_path)
        assert ("E" in row[heading.index("Circ.")]) is notation


@pytest.mark.parametrize(
    ("values", "median"),
    [
        ([0.0, -0.0, 0.0], 0.0),
        ([0.0, -0.0, -0.0], -0.0),
        ([-1.0, 0.0, -0.0, 0.0], 0.0),
        ([-0.0, -0.0], -0.0),
    ],
)
def test_medians_sort_zeros_as_java_does(values, median):
    data = np.array([[9.0, *values, 9.0]], np.float32)
    table = fb.analyze_particles(
        image_of(data), threshold=(-2.0, 1.0), measurements=("median",)
    ).table
    assert table["Median"].tolist() == [median]
    assert bool(np.signbit(table["Median"][0])) is bool(np.signbit(median))


class TestInvertedLut:
    def test_of_a_palette(self):
        image = image_of(squares(), luts=(DOWN,))
        assert image.spec.extra.shows_inverted()
        white = fb.analyze_particles(image, white_background=True).table
        assert np.array_equal(white["Area"], fb.analyze_particles(image).table["Area"])
        plain = fb.analyze_particles(image_of(squares()), white_background=True).table
        assert not np.array_equal(white["Area"], plain["Area"])

    def test_of_an_uncalibrated_density(self):
        density = Valuation(function=21, coefficients=(), unit="OD")
        palette = image_of(squares(), luts=(DOWN,), valuation=density)
        tag = image_of(squares(), inverted_lut=True, valuation=density)
        both = [fb.analyze_particles(i, measurements=("mean",)).table for i in (palette, tag)]
        assert np.array_equal(both[0]["Mean"], both[1]["Mean"])

    def test_of_channels(self):
        assert not image_of(squares(), luts=(RED,), inverted_lut=True).spec.extra.shows_inverted()
        extra = Extra(inverted_lut=True, mode="composite")
        assert [extra.shows_inverted(c) for c in range(3)] == [True, False, False]
        assert replace(extra, mode="grayscale").shows_inverted(2)


class TestCalibratedThresholds:
    def test_a_falling_calibration_wants_its_ends_turned_round(self):
        falling = Valuation(function=0, coefficients=(10.0, -1.0), unit="u")
        image = image_of(squares(), valuation=falling)
        assert resolve_threshold(image, "7,2") == (3.0, 8.0)
        low, high = resolve_threshold(image, "2,7")
        assert low > high  # ImageJ finds nothing

    def test_ends_in_the_wrong_order_are_refused_without_calibration(self):
        with pytest.raises(SettingsError, match="lower end above"):
            resolve_threshold(image_of(squares()), "7,2")

    def test_a_rising_one_keeps_ends_that_nothing_fulfils(self):
        rising = Valuation(function=4, coefficients=(1.0, 0.01), unit="u")
        image = image_of(squares(), valuation=rising)
        low, high = resolve_threshold(image, "2,1e30")  # past the table ImageJ takes value 0
        assert low > high == 0.0
        assert len(fb.analyze_particles(image, threshold="2,1e30").table) == 0


def test_the_display_range_of_signed_pixels_is_signed():
    data = np.arange(0, 300, dtype=np.int16).reshape(20, 15)
    ranged = image_of(data, display_ranges=((0.0, 299.0),))
    assert resolve_threshold(ranged, "Otsu dark no-reset") == resolve_threshold(ranged, "Otsu dark")


def test_infinite_pixels_leave_no_threshold():
    data = np.arange(300, dtype=np.float32).reshape(20, 15)
    data[3, 3] = -np.inf
    with pytest.raises(fb.errors.SettingsError, match="infinite"):
        resolve_threshold(image_of(data), "Moments")


@pytest.mark.imagej
@pytest.mark.parametrize("mode", ["", "grayscale", "color", "composite"])
@pytest.mark.parametrize("axes", ["yx", "zyx", "cyx", "zcyx"])
def test_inverted_luts_in_imagej(imagej, tmp_path, mode, axes):
    from fijibridge.bridge.convert import to_imageplus

    shape = {"y": 12, "x": 12, "c": 3, "z": 2}
    data = np.broadcast_to(squares(), [shape[k] for k in axes])
    extra = {"mode": mode if "c" in axes else "", "inverted_lut": True}
    image = image_of(data, axes, **extra)
    path = tmp_path / "i.tif"
    fb.write_image(image, path)
    read = fb.read_image(path).spec.extra
    file = imagej.IJ.openImage(str(path))
    memory = to_imageplus(Image(image.data, replace(image.spec, extra=read)))
    for plus in (file, memory):
        for c in range(image.axes.size("c")):
            plus.setPosition(c + 1, 1, 1)
            assert bool(plus.isInvertedLut()) is read.shows_inverted(c)


@pytest.mark.parametrize(
    ("mode", "inverted", "planes"),
    [  # as ImageJ 1.54p says: which of six planes have an inverted LUT
        ("color", (0,), "111111"),
        ("color", (1,), "000000"),
        ("color", (0, 1), "111111"),
        ("color", (2,), "000000"),
        ("color", None, "111111"),
        ("composite", (0,), "011111"),
        ("composite", (1,), "000000"),
        ("composite", (0, 1), "011111"),
        ("composite", (2,), "100000"),
        ("composite", None, "100000"),
        ("grayscale", None, "111111"),
    ],
)
def test_which_lut_counts_for_a_plane(mode, inverted, planes):
    up = np.arange(256, dtype=np.uint8)[:, None].repeat(3, axis=1)
    luts = () if inverted is None else tuple(up[:: -1 if c in inverted else 1] for c in range(3))
    data = np.broadcast_to(squares(), (2, 3, *squares().shape))
    image = image_of(data, "tcyx", mode=mode, luts=luts, inverted_lut=inverted is None)
    labels = fb.analyze_particles(image, white_background=True, stack=True).labels.data
    bright = np.count_nonzero(squares())
    found = [np.count_nonzero(plane) for plane in labels.reshape(6, *squares().shape)]
    assert "".join("1" if n == bright else "0" for n in found) == planes
