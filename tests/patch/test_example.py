"""The worked example, small: out, into the real ImageJ, back in, and a picture of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import fijibridge as fb

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "patch_roundtrip.py"


@pytest.mark.imagej
def test_patch_roundtrip(imagej, tmp_path):
    assert imagej.version.startswith("1.54")
    done = subprocess.run(
        [sys.executable, str(EXAMPLE), str(tmp_path), "270"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for text in ("levels s0, s1, s2", "edited in ImageJ", "from the finer one: True"):
        assert text in done.stdout
    picture = fb.read_image(tmp_path / "before_after.png").data.squeeze()
    h, w = (picture.shape[0] - 18) // 2, (picture.shape[1] - 24) // 3
    for i in range(3):  # the middle is brighter at each level, the corner is as it was
        before, after = (picture[y : y + h, 6 + i * (w + 6) :][:, :w] for y in (6, 12 + h))
        middle = (slice(h // 2 - 4, h // 2 + 4), slice(w // 2 - 4, w // 2 + 4))
        assert after[middle].mean() > before[middle].mean() + 50
        assert (after[:40, :40] == before[:40, :40]).all()
