"""`validate` names the levels that do not follow from the finer one."""

from __future__ import annotations

import json

import numpy as np
import pytest

import fijibridge as fb
from fijibridge.cli import main
from fijibridge.ops.validate import findings
from patch.stores import pyramid, write_store


def _store(folder, how="even", shape=(40, 90, 100), *, labels=False, seed=0):
    rng = np.random.default_rng(seed)
    a = rng.integers(0, 4000, shape).astype(np.uint16)
    levels = pyramid(a, "zyx", "zyx", how, 3)
    return levels, write_store(
        folder / "s.ome.zarr", levels, "zyx", chunks=(16, 32, 32), labels=labels
    )


def _put(store, level, place, value):
    import zarr

    zarr.open_group(store, mode="r+")[level][place] = value


def _wrong(store, **more):
    return [f.message for f in findings(str(store), **more) if "does not follow" in f.message]


@pytest.mark.parametrize("how", ["even", "up", "down", "first"])
def test_good_pyramids_are_good(tmp_path, how):
    _, store = _store(tmp_path, how, labels=how == "first")
    assert _wrong(store) == _wrong(store, full=True) == []


def test_our_own_are_good_and_after_check_ins_too(tmp_path):
    axes = fb.Axes.of("czyx", (2, 30, 300, 310))
    data = np.random.default_rng(1).integers(0, 255, axes.shape).astype(np.uint8)
    store = tmp_path / "s.ome.zarr"
    fb.write_image(fb.Image.from_array(data, axes), store)
    fb.checkout(store, "c=1:2,z=3:17,y=5:200,x=7:100", tmp_path / "p.npy")
    np.save(tmp_path / "p.npy", 255 - np.load(tmp_path / "p.npy"))
    fb.checkin(tmp_path / "p.npy")
    assert len(fb.open_image(store).spec.scales) > 1
    assert _wrong(store, full=True) == []


def test_an_edit_of_one_level_is_found(tmp_path, capsys):
    _, store = _store(tmp_path)
    _put(
        store, "0", (slice(0, 40), slice(0, 60), slice(0, 60)), 7
    )  # by a tool that knows no levels
    found = _wrong(store)
    assert len(found) == 1
    assert "level '1' does not follow from '0' (mean of" in found[0]
    assert main(["validate", str(store), "--full", "--json"]) == 3
    told = json.loads(capsys.readouterr().out)
    assert not told["valid"]
    (line,) = (f["message"] for f in told["findings"] if "does not follow" in f["message"])
    assert "of 45000 samples looked at differ, the first in z=0:16,y=0:32,x=0:32" in line


def test_one_sample_is_found_by_the_full_look(tmp_path):
    levels, store = _store(tmp_path)
    _put(store, "2", (9, 21, 24), int(levels[2][9, 21, 24]) ^ 1)
    (line,) = _wrong(store, full=True)
    assert "level '2' does not follow from '1'" in line
    assert "1 of 5500 samples looked at differ" in line


def test_label_images_inside_are_looked_at(tmp_path):
    levels, store = _store(tmp_path)
    np.save(tmp_path / "m.npy", (levels[0] > 2000).astype(np.uint16))
    fb.checkin(tmp_path / "m.npy", store=store, as_labels="big", axes="zyx")
    assert _wrong(store, full=True) == []
    _put(store, "labels/big/0", (slice(0, 30), slice(0, 60), slice(0, 60)), 5)
    (line,) = _wrong(store, full=True)
    assert "labels/big': level '1' does not follow from '0' (nearest sample)" in line


def test_rules_of_others_are_no_errors(tmp_path):
    levels, store = _store(tmp_path)
    rng = np.random.default_rng(3)
    for i, level in enumerate(levels[1:], 1):
        _put(store, str(i), ..., rng.permuted(level.ravel()).reshape(level.shape))
    assert _wrong(store) == []
    found = findings(str(store))
    assert any("by no rule known for pixels" in f.message for f in found)
    assert not any(f.severity == "error" for f in found)
