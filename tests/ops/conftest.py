"""A small picture with a few objects, made anew for every test that asks for one."""

import numpy as np
import pytest

import fijibridge as fb


def blobs(seed: int = 1, size: int = 96) -> np.ndarray:
    """Return (y, x) uint8: discs on a dim background."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[:size, :size]
    image = random.integers(5, 20, (size, size))
    for _ in range(9):
        y, x = random.integers(0, size, 2)
        r = random.integers(3, 9)
        image[(rows - y) ** 2 + (columns - x) ** 2 <= r * r] = random.integers(120, 250)
    return image.astype(np.uint8)


@pytest.fixture
def picture(tmp_path):
    """Return the path of a calibrated 8-bit TIFF in a folder of its own."""
    axes = fb.Axes.of("yx", (96, 96), scale={"y": 0.5, "x": 0.5}, unit="micrometer")
    folder = tmp_path / "in put"
    folder.mkdir()
    path = folder / "a b.tif"
    fb.write_image(fb.Image.from_array(blobs(), axes, name="a b.tif"), path)
    return path


@pytest.fixture
def mask(tmp_path):
    """Return the path of a 16-bit label TIFF: a hole, two parts, one pixel, the last row."""
    labels = np.zeros((40, 50), np.uint16)
    labels[2:12, 3:15] = 1
    labels[5:8, 6:10] = 0
    labels[6, 7] = 9
    labels[20:24, 5:9] = 4
    labels[26:30, 9:12] = 4
    labels[15, 30] = 300
    labels[39, 10:50] = 7
    path = tmp_path / "mask.tif"
    fb.write_labels(fb.LabelImage.from_array(labels, "yx", name="mask.tif"), path)
    return path
