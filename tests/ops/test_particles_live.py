"""Recorded lines, word for word, on the command line and in the real ImageJ: the same bytes."""

import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fijibridge as fb
from fijibridge.cli import main

pytestmark = pytest.mark.imagej

METHODS = ("Default", "Otsu", "Huang", "Triangle", "Mean", "Yen", "MaxEntropy")
MEASUREMENTS = (
    *("area", "mean", "standard", "modal", "min", "centroid", "center", "perimeter", "bounding"),
    *("fit", "shape", "feret's", "integrated", "median", "skewness", "kurtosis"),
    *("area_fraction", "display", "invert", "nan"),
)


@st.composite
def lines(draw):
    """Draw a line as ImageJ's recorder writes it."""
    words = []
    if draw(st.booleans()):
        low = draw(st.sampled_from(["0", "2", "3.50", "10"]))
        high = draw(st.sampled_from(["Infinity", "40", "100.25"]))
        words.append(f"size={low}-{high}")
        if draw(st.booleans()):
            words.append("pixel")
    if draw(st.booleans()):
        words.append(f"circularity={draw(st.sampled_from(['0.30', '0.60']))}-1.00")
    flags = ("exclude", "include", "composite", "record", "four_connected")
    words += draw(st.lists(st.sampled_from(flags), unique=True))
    return " ".join(words)


def picture(seed: int, dtype: type, scale: float) -> fb.Image:
    """Return a small image of discs and noise."""
    random = np.random.default_rng(seed)
    height, width = random.integers(20, 70, 2)
    rows, columns = np.mgrid[:height, :width]
    data = random.integers(0, 60, (height, width)).astype(float)
    for _ in range(random.integers(2, 12)):
        y, x, r = random.integers(0, height), random.integers(0, width), random.integers(1, 9)
        ring = (rows - y) ** 2 + (columns - x) ** 2
        data[(ring <= r * r) & (ring >= random.integers(0, 5))] = random.integers(90, 250)
    axes = fb.Axes.of("yx", data.shape, scale={"y": scale, "x": scale}, unit="micrometer")
    return fb.Image.from_array(data.astype(dtype), axes)


@given(
    seed=st.integers(0, 10**6),
    dtype=st.sampled_from([np.uint8, np.uint16, np.float32]),
    scale=st.sampled_from([1.0, 0.5]),
    line=lines(),
    method=st.sampled_from(METHODS),
    words=st.lists(st.sampled_from(MEASUREMENTS), min_size=1, unique=True),
    decimal=st.sampled_from([0, 3, 6]),
)
@settings(max_examples=pytest.count(10, 150))
def test_recorded_lines(imagej, tmp_path_factory, seed, dtype, scale, line, method, words, decimal):
    from fijibridge.bridge.witness import imagej_particles

    folder = tmp_path_factory.mktemp("live")
    path = folder / "live.tif"
    fb.write_image(picture(seed, dtype, scale), path)
    threshold = f"{method} dark"
    set_line = f"{' '.join(words)} redirect=None decimal={decimal}"
    code = main(
        [
            "particles",
            str(path),
            *("--threshold", threshold),
            *("--options", line),
            *("--measurements", set_line),
            *("--outdir", str(folder / "out"), "--label-limit", "65535", "--quiet"),
        ]
    )
    assert code == 0
    theirs = imagej_particles(path, threshold=threshold, options=line, measurements=set_line)
    out = folder / "out"
    assert (out / "live_Results.tsv").read_bytes() == theirs.table
    with zipfile.ZipFile(out / "live_RoiSet.zip") as archive:
        ours = [(e.filename.removesuffix(".roi"), archive.read(e)) for e in archive.infolist()]
    assert ours == list(theirs.rois)
    assert np.array_equal(fb.read_image(out / "live_labels.tif").data, theirs.labels)


@pytest.mark.parametrize("mode", ["grayscale", "color", "composite"])
@pytest.mark.parametrize("line", ["", "stack", "slice"])
def test_planes_of_channels(imagej, tmp_path, mode, line):
    from dataclasses import replace

    from fijibridge.bridge.witness import imagej_particles

    data = np.zeros((2, 3, 20, 20), np.uint8)
    random = np.random.default_rng(5)
    data[random.random(data.shape) < 0.2] = 255
    image = fb.Image.from_array(data, "zcyx")
    extra = replace(image.spec.extra, mode=mode)
    path = tmp_path / "live.tif"
    fb.write_image(fb.Image(image.data, replace(image.spec, extra=extra)), path)
    words = "area stack display redirect=None decimal=3"
    told = imagej_particles(path, threshold="", options=line, measurements=words)
    out = tmp_path / "out"
    code = main(
        [
            *("particles", str(path), "--options", line, "--measurements", words),
            *("--outdir", str(out), "--label-limit", "65535", "--quiet"),
        ]
    )
    assert code == 0
    assert (out / "live_Results.tsv").read_bytes() == told.table
    with zipfile.ZipFile(out / "live_RoiSet.zip") as archive:
        ours = [(e.filename.removesuffix(".roi"), archive.read(e)) for e in archive.infolist()]
    assert ours == list(told.rois)
