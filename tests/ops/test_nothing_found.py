"""When filters leave nothing, the report says what there was."""

import math

import numpy as np

import fijibridge as fb
from fijibridge.ops import run_verb


def two_squares(path, scale):
    data = np.zeros((20, 20), np.uint8)
    data[2:6, 2:6] = data[10:12, 10:12] = 255
    axes = fb.Axes((fb.Axis("y", 20, scale, "micrometer"), fb.Axis("x", 20, scale, "micrometer")))
    fb.write_image(fb.Image.from_array(data, axes), path)
    return str(path)


def notes(path, tmp_path, **settings):
    table = str(tmp_path / "t.tsv")
    report = run_verb("particles", input=[path], table=table, overwrite=True, **settings)
    return report.to_json()["notes"]


def test_sizes_in_the_image_unit(tmp_path):
    path = two_squares(tmp_path / "a.tif", 0.1)
    (found,) = notes(path, tmp_path, size="2-Infinity")
    assert found == (
        "none of 2 objects (area 0.04 to 0.16 micrometer^2) passes size 2-Infinity; "
        "--pixel-units counts pixels"
    )
    assert notes(path, tmp_path, size="17-Infinity", pixel_units=True) == [
        "none of 2 objects (area 4 to 16 pixel^2) passes size 17-Infinity"
    ]
    assert notes(path, tmp_path, size="2-30", pixel_units=True) == []


def test_every_filter_is_named(tmp_path):
    path = two_squares(tmp_path / "a.tif", 1.0)
    (found,) = notes(path, tmp_path, circularity="0.99-1.00", size="17-20", exclude=True)
    assert found.endswith(
        "passes size 17-20 circularity 0.99-1 exclude; --pixel-units counts pixels"
    )
    empty = tmp_path / "e.tif"
    fb.write_image(fb.Image.from_array(np.zeros((5, 5), np.uint8), "yx"), empty)
    assert notes(str(empty), tmp_path, size=f"1-{math.inf}") == []
