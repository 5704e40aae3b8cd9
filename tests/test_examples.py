"""Every example runs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
EXPECTED = {
    "particles_in_python.py": ["10 cells, 4 brighter", "cells_RoiSet.zip"],
    "tracks.py": [
        "32 objects, 7 tracks, 2 divisions",
        "CellTrackingChallenge: cells_RES, read back: 7 tracks, 2 divisions",
        "TrackMate: cells.xml, read back: 7 tracks, 2 divisions",
        "CSV-Table: cells_tracks.csv, read back: 7 tracks, 2 divisions",
    ],
    "masks_to_rois.py": ["0003: composite", "0070: traced", "identical after the round trip: True"],
}
#: Examples whose tests are elsewhere: tests/ops, tests/patch, tests/test_lesson.py.
OTHERS = {
    "demo.py",
    "patch_roundtrip.py",
    "output_saving.py",
    "output_saving_fiji.py",
    "output_saving_jython.py",
}


def test_every_example_is_here():
    found = {p.name for p in (ROOT / "examples").glob("*.py") if not p.name.startswith("_")}
    assert found == {*EXPECTED, *OTHERS}


@pytest.mark.parametrize("name", EXPECTED)
def test_example_runs(name, tmp_path):
    command = [sys.executable, "-W", "error", str(ROOT / "examples" / name), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for text in EXPECTED[name]:
        assert text in done.stdout
