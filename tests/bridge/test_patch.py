"""Patches in ImageJ's windows: checked out into one, edited there, checked in from there."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from patch.stores import pyramid, read_levels, tree, write_store

pytestmark = pytest.mark.imagej
STATUS = 'return call("ij.plugin.FijiBridge.status") + "|" + call("ij.plugin.FijiBridge.message");'
REGION = "z=2:12,y=10:50,x=20:70"
BOX = (slice(2, 12), slice(10, 50), slice(20, 70))


@pytest.fixture
def store(tmp_path):
    a = np.random.default_rng(1).integers(100, 4000, (16, 64, 80)).astype(np.uint16)
    levels = pyramid(a, "zyx", "yx", "even", 3)
    path = tmp_path / "my store.ome.zarr"
    write_store(path, levels, "zyx", chunks=(8, 32, 32), scale=[2.0, 0.5, 0.5])
    return a, path


def _checkout(path):
    return f'run("FijiBridge Patch Checkout...", "store=[{path.as_posix()}] region=[{REGION}]");'


def test_checked_out_edited_and_checked_in(commanded, store):
    a, path = store
    told = commanded.run_macro(
        _checkout(path) + "Stack.getDimensions(w, h, c, z, t); getVoxelSize(x, y, d, unit); "
        'text = "" + w + " " + h + " " + c + " " + z + " " + t + " " + d + " "'
        '+ Property.getSliceLabel(3) + "|" + Property.get("fijibridge patch") + "|"'
        '+ getInfo("image.title"); ' + STATUS.replace("return ", 'return text + "|" + ')
    )
    sizes, prop, title, status, message = told.split("|", 4)
    assert status == "ok", message
    assert sizes.startswith("50 40 1 10 1 2 [patch ")
    origin = json.loads(prop)
    assert (origin["store"], origin["start"]) == (str(path), [2, 10, 20])
    assert f"[patch {origin['id']}]" in sizes
    assert title
    assert commanded.run_macro('return getMetadata("Info");').count("fijibridge patch") == 1
    assert commanded.run_macro('return "" + nImages;') == "1"
    told = commanded.run_macro(
        'run("Add...", "value=7 stack"); run("FijiBridge Patch Checkin...", "");' + STATUS
    )
    assert told.startswith("ok|"), told
    b = a.copy()
    b[BOX] += 7
    for mine, its in zip(read_levels(path), pyramid(b, "zyx", "yx", "even", 3), strict=True):
        assert np.array_equal(mine, its)


def test_saved_and_opened_in_between(commanded, store, tmp_path):
    a, path = store
    file = (tmp_path / "p q.tif").as_posix()
    told = commanded.run_macro(
        _checkout(path) + f'saveAs("Tiff", "{file}"); close("*"); open("{file}"); '
        'run("Median...", "radius=2 stack"); run("FijiBridge Patch Checkin...", "");' + STATUS
    )
    assert told.startswith("ok|"), told
    assert not np.array_equal(read_levels(path)[0], a)


def test_what_cannot_go_back_is_said(commanded, store):
    _, path = store
    before = tree(path, journal=True)
    told = commanded.run_macro(
        _checkout(path)
        + 'makeRectangle(2, 3, 20, 20); run("Crop"); run("FijiBridge Patch Checkin...", "");'
        + STATUS
    )
    assert told.startswith("error|")
    assert "does not fit z=2:12,y=10:50,x=20:70: y has 20 samples" in told
    assert "fijibridge-" not in told  # no name of a file that nobody has seen
    told = commanded.run_macro('close("*"); newImage("x", "16-bit ramp", 20, 20, 3); '
                               'run("FijiBridge Patch Checkin...", "");' + STATUS)  # fmt: skip
    assert told.startswith("error|")
    assert "says where it came from" in told
    told = commanded.run_macro('close("*"); run("FijiBridge Patch Checkin...", "");' + STATUS)
    assert "No image is open." in told
    assert tree(path, journal=True) == before
