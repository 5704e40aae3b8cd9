"""All or none: killed at any step, two at a time, undone, pruned, disturbed."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import fijibridge as fb
from fijibridge.errors import FormatError, SettingsError
from fijibridge.patch.journal import Journal
from fijibridge.patch.keys import LocalKeys
from patch.stores import manifest, pyramid, read_levels, tree, write_store

PROBE = Path(__file__).with_name("crash_probe.py")


def _store(folder, name="s.ome.zarr", version="0.4", seed=0):
    rng = np.random.default_rng(seed)
    a = rng.integers(1, 4000, (20, 40, 40)).astype(np.uint16)
    levels = pyramid(a, "zyx", "zyx", "even", 3)
    return a, write_store(folder / name, levels, "zyx", chunks=(8, 16, 16), version=version)


def _edit(folder, region="z=3:15,y=5:30,x=9:40", *, store="s.ome.zarr", name="p.npy", value=None):
    fb.checkout(folder / store, region, folder / name)
    old = np.load(folder / name)
    new = np.random.default_rng(5).integers(1, 4000, old.shape).astype(old.dtype)
    if value is not None:
        new[...] = value
    new[:8, :16, :16] = 0  # a whole unit of zeros is removed
    np.save(folder / name, new)
    return new


@pytest.mark.parametrize(
    ("mode", "version"),
    [
        *((mode, version) for mode in ("checkin", "labels", "undo") for version in ("0.4", "0.5")),
        ("recover", "0.4"),
    ],
)
def test_killed_at_any_step(tmp_path, mode, version):
    _, store = _store(tmp_path, version=version)
    _edit(tmp_path)
    if mode == "labels":
        np.save(tmp_path / "p.npy", np.load(tmp_path / "p.npy").astype(np.uint32))
    if mode == "undo":
        fb.checkin(tmp_path / "p.npy")
    run = subprocess.run(
        [
            *(sys.executable, str(PROBE), str(tmp_path), store.name, str(tmp_path / "p.npy")),
            *(mode, str(pytest.count(41 if mode == "recover" else 9, 1))),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=1500,
    )
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout)
    assert found["broken"] == []
    assert found["litter"] == []
    assert found["before"] + found["after"] == found["tried"] > 1
    assert found["before"] > 0
    assert found["after"] > 0


def test_undo_gives_every_byte_back(tmp_path):
    _, store = _store(tmp_path)
    before = tree(store)
    new = _edit(tmp_path)
    fb.checkin(tmp_path / "p.npy")
    assert np.array_equal(read_levels(store)[0][3:15, 5:30, 9:40], new)
    fb.run_verb("patch", action="undo", store=str(store))
    assert tree(store, journal=True) == before


def test_undo_goes_back_one_by_one(tmp_path):
    _, store = _store(tmp_path)
    states = [tree(store)]
    for i in range(3):
        fb.checkout(store, "z=0:9", tmp_path / f"{i}.npy")
        np.save(tmp_path / f"{i}.npy", np.load(tmp_path / f"{i}.npy") + np.uint16(1))
        fb.checkin(tmp_path / f"{i}.npy")
        states.append(tree(store))
    status = fb.run_verb("patch", action="status", store=str(store)).to_json()
    assert [Path(e["file"]).name for e in status["entries"]] == ["0.npy", "1.npy", "2.npy"]
    for state in states[-2::-1]:
        fb.run_verb("patch", action="undo", store=str(store))
        assert tree(store) == state
    with pytest.raises(SettingsError, match="can be taken back"):
        fb.run_verb("patch", action="undo", store=str(store))


def test_undo_refuses_what_was_changed_since(tmp_path):
    _, store = _store(tmp_path)
    _edit(tmp_path)
    fb.checkin(tmp_path / "p.npy")
    unit = store / "0" / "1" / "1" / "1"
    unit.write_bytes(unit.read_bytes()[:-1] + b"\0")
    with pytest.raises(SettingsError, match=r"1 chunks were changed since .* 0/1/1/1"):
        fb.run_verb("patch", action="undo", store=str(store))


def test_prune_forgets_and_leaves_nothing(tmp_path):
    _, store = _store(tmp_path)
    _edit(tmp_path)
    fb.checkin(tmp_path / "p.npy")
    after = tree(store)
    report = fb.run_verb("patch", action="prune", store=str(store)).to_json()
    assert report["forgotten"] == 1
    assert report["bytes_freed"] > 0
    assert tree(store, journal=True) == after


def test_readers_are_told_and_a_check_in_recovers_first(tmp_path):
    _, store = _store(tmp_path)
    _edit(tmp_path)
    fb.checkout(store, "z=17:20", tmp_path / "other.npy")

    class Stop(BaseException):
        pass

    from fijibridge.patch.checkin import plan_checkin, run_checkin

    steps = []

    def tick():
        steps.append(1)
        if (store / ".fijibridge").exists() and list(store.glob(".fijibridge/txn/*/old/*")):
            raise Stop

    with pytest.raises(Stop):
        run_checkin(plan_checkin(tmp_path / "p.npy"), tick)
    with pytest.raises(FormatError, match="under way or was interrupted"):
        fb.read_image(store)
    with pytest.raises(FormatError, match="patch recover"):
        fb.checkout(store, "z=0:3", tmp_path / "q.npy")
    done = fb.checkin(tmp_path / "other.npy")
    assert any("rolled forward" in note for note in done.notes)
    assert np.array_equal(fb.read_image(store).data[3:15, 5:30, 9:40], np.load(tmp_path / "p.npy"))


def test_stale_patches_are_refused_and_told_what_changed(tmp_path):
    _, store = _store(tmp_path)
    _edit(tmp_path)
    fb.checkout(store, "z=0:5,y=0:10,x=0:12", tmp_path / "mine.npy")
    np.save(tmp_path / "mine.npy", np.zeros((5, 10, 12), np.uint16))
    fb.checkin(tmp_path / "mine.npy")
    before = tree(store, journal=True)
    with pytest.raises(SettingsError) as caught:
        fb.checkin(tmp_path / "p.npy")
    assert "1 of 12 chunks differ: z=0:8,y=0:16,x=0:16." in caught.value.message
    assert "mine.npy was checked in by" in caught.value.message
    assert "--force" in caught.value.hint
    assert tree(store, journal=True) == before
    fb.checkin(tmp_path / "p.npy", force=True)
    assert np.array_equal(read_levels(store)[0][3:15, 5:30, 9:40], np.load(tmp_path / "p.npy"))


def test_the_lock_says_who_and_since_when(tmp_path):
    _, store = _store(tmp_path)
    _edit(tmp_path)
    holder = Journal(LocalKeys(store))
    from fijibridge.patch.checkin import CheckinOptions, plan_checkin, run_checkin

    with holder.locked():
        before = tree(store)
        plan = plan_checkin(tmp_path / "p.npy", options=CheckinOptions(wait=0.2))
        with pytest.raises(SettingsError, match=r"is being changed by .* since \d+ s"):
            run_checkin(plan)
        assert tree(store) == before
    fb.checkin(tmp_path / "p.npy")


WORKER = textwrap.dedent(
    """
    import sys, numpy as np, fijibridge as fb
    from fijibridge.errors import SettingsError
    store, folder, me, seed, runs = sys.argv[1:]
    rng = np.random.default_rng(int(seed))
    done = 0
    for i in range(int(runs)):
        z, y, x = (int(rng.integers(0, n - 8)) for n in (20, 40, 40))
        # each has its own columns of every overlapping chunk
        x = x // 2 * 2
        region = {"z": (z, z + 8), "y": (y, y + 8), "x": (x, x + 8)}
        name = f"{folder}/{me}-{i}.npy"
        while True:
            try:
                fb.checkout(store, region, name, overwrite=True)
                a = np.load(name)
                a[:, :, int(me) :: 2] += 1
                np.save(name, a)
                fb.checkin(name)
            except SettingsError as error:
                assert "was changed at" in error.message or "while it was" in error.message, error
                continue
            break
    """
)


def test_two_at_a_time_lose_nothing(tmp_path):
    rng = np.random.default_rng(0)
    a = rng.integers(1, 4000, (20, 40, 40)).astype(np.uint16)
    levels = pyramid(a, "zyx", "zyx", "even", 3)
    store = write_store(tmp_path / "s.ome.zarr", levels, "zyx", chunks=(8, 16, 16))
    runs = pytest.count(10, 500)
    crew = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, str(store), str(tmp_path), me, seed, str(runs)],
            stderr=subprocess.PIPE,
            text=True,
        )
        for me, seed in (("0", "11"), ("1", "12"))
    ]
    for one in crew:
        _, told = one.communicate(timeout=3000)
        assert one.returncode == 0, told
    for me, seed in ((0, 11), (1, 12)):
        draw = np.random.default_rng(seed)
        for _ in range(runs):
            z, y, x = (int(draw.integers(0, n - 8)) for n in (20, 40, 40))
            x = x // 2 * 2
            a[z : z + 8, y : y + 8, x + me : x + 8 : 2] += 1
    found = read_levels(store)
    for mine, its in zip(found, pyramid(a, "zyx", "zyx", "even", 3), strict=True):
        assert np.array_equal(mine, its)


def test_one_waits_for_the_other(tmp_path):
    _, store = _store(tmp_path)
    _edit(tmp_path)
    holder = Journal(LocalKeys(store))
    seen = []

    def hold():
        with holder.locked():
            seen.append("held")
            time.sleep(1.0)
        seen.append("free")

    thread = threading.Thread(target=hold)
    thread.start()
    while not seen:
        time.sleep(0.01)
    fb.checkin(tmp_path / "p.npy")
    assert seen == ["held", "free"]
    thread.join()
    assert manifest(store)["about"]["region"] == "z=3:15,y=5:30,x=9:40"


def test_a_patch_that_is_edited_further_goes_in_again(tmp_path):
    _, store = _store(tmp_path)
    _edit(tmp_path)
    fb.checkin(tmp_path / "p.npy")
    np.save(tmp_path / "p.npy", np.load(tmp_path / "p.npy") + np.uint16(5))
    done = fb.checkin(tmp_path / "p.npy")
    assert any("checked in before" in note for note in done.notes)
    new = np.load(tmp_path / "p.npy")
    assert np.array_equal(read_levels(store)[0][3:15, 5:30, 9:40], new)
    fb.checkout(store, "z=3:5", tmp_path / "q.npy")
    np.save(tmp_path / "q.npy", np.load(tmp_path / "q.npy") + np.uint16(1))
    fb.checkin(tmp_path / "q.npy")  # somebody else's change is not replaced
    with pytest.raises(SettingsError, match="was changed at"):
        fb.checkin(tmp_path / "p.npy")
