"""The real ImageJ with its real windows: our files open calibrated, coloured, ROIs on objects."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import fijibridge as fb
from fijibridge.model import Axes, LabelImage

PROBE = Path(__file__).with_name("display_probe.py")


@pytest.mark.imagej
@pytest.mark.display
def test_labels_and_rois_open_in_imagejs_windows(imagej, display, tmp_path):
    y, x = np.mgrid[0:200, 0:300]
    row, column = y // 50, x // 50
    inside = (y % 50 - 25) ** 2 + (x % 50 - 25) ** 2 < 18**2
    data = np.where(inside, row * 6 + column + 1, 0).astype(np.uint16)
    axes = Axes.of("yx", data.shape, scale={"x": 0.25, "y": 0.25}, unit="um")
    labels = LabelImage.from_array(data, axes, name="labels")
    fb.write_labels(labels, tmp_path / "labels.tif")
    fb.write_rois(fb.labels_to_rois(labels), tmp_path / "rois.zip")
    shot = tmp_path / "screen.png"
    done = subprocess.run(
        [sys.executable, str(PROBE), str(shot), str(tmp_path / "labels.tif"),
         str(tmp_path / "rois.zip")],
        env={**os.environ, "DISPLAY": display},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    facts = json.loads(done.stdout.strip().splitlines()[-1])
    assert facts["unit"] == "\u00b5m"
    assert facts["pixel_width"] == pytest.approx(0.25, rel=1e-12)
    assert facts["color_lut"]
    assert facts["display_range"] == [0.0, 255.0]
    assert facts["rois"] == 24
    assert facts["smallest_pixel_in_rois"] >= 1  # no ROI covers a background pixel
    screen = np.asarray(fb.read_image(shot).reorder("yxc").data)[..., :3].astype(int)
    window = screen[150:400, 10:320].reshape(-1, 3)
    yellow = (np.abs(window - [255, 255, 0]).max(axis=1) < 30).sum()
    assert yellow > 1000  # the outlines of "Show All"
    assert len(np.unique(window, axis=0)) > 20  # a colour for each label
