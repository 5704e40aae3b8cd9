"""What is wrong is told before anything changes; the store stays as it was, byte for byte."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import zipfile

import numpy as np
import pytest

import fijibridge as fb
from fijibridge.errors import FijiBridgeError, FormatError, SettingsError, UnsupportedError
from patch.stores import pyramid, read_levels, tree, write_store


@pytest.fixture
def place(tmp_path):
    rng = np.random.default_rng(1)
    a = rng.integers(1, 4000, (16, 40, 50)).astype(np.uint16)
    levels = pyramid(a, "zyx", "zyx", "even", 3)
    store = write_store(
        tmp_path / "s.ome.zarr", levels, "zyx", chunks=(8, 16, 16), scale=[2.0, 0.5, 0.5]
    )
    return tmp_path, store, a


@pytest.mark.parametrize(
    ("region", "message"),
    [
        ("z=10:20", "z=10:20 lies outside the image: z has 16 samples, 0:16"),
        ("z=5:5", "z=5:5 is empty"),
        ("z=9:3", "z=9:3 is empty"),
        ("z=-2:3", "z=-2:3 lies outside"),
        ("t=0:1", "no axis 't'; its axes are z, y, x"),
        ("z=5", "is not AXIS=START:STOP"),
        ("z=1:2,z=3:4", "names 'z' twice"),
        ("z=1um:4", "is in 'um'; z of the image is in pixel"),
        ("z=1.5:4", "no sample"),
        ("z=one:4", "no sample"),
        ("", "empty"),
    ],
)
def test_regions(place, region, message):
    folder, store, _ = place
    before = tree(folder, journal=True)
    with pytest.raises(SettingsError, match=message) as caught:
        fb.checkout(store, region, folder / "p.tif")
    assert "z=5:15" in caught.value.hint
    assert tree(folder, journal=True) == before


def test_lengths_are_lengths(place):
    folder, store, a = place
    import zarr

    group = zarr.open_group(store, mode="r+")
    listed = group.attrs["multiscales"]
    for axis in listed[0]["axes"]:
        axis["unit"] = "micrometer"
    group.attrs["multiscales"] = listed
    fb.checkout(store, "z=4um:12000nm,y=5um:15um,x=3:9", folder / "p.npy")
    assert np.array_equal(np.load(folder / "p.npy"), a[2:6, 10:30, 3:9])


def test_levels_and_files(place):
    folder, store, _ = place
    with pytest.raises(SettingsError, match="has no level 7") as caught:
        fb.checkout(store, "z=0:2", folder / "p.tif", level=7)
    assert "Levels: 0, 1, 2" in caught.value.hint
    with pytest.raises(FormatError, match="There is no file"):
        fb.checkout(folder / "no.ome.zarr", "z=0:2", folder / "p.tif")
    np.save(folder / "a.npy", np.zeros((4, 4)))
    with pytest.raises(UnsupportedError, match="patches are taken out of Zarr stores"):
        fb.checkout(folder / "a.npy", "y=0:2", folder / "p.tif")
    with pytest.raises(UnsupportedError, match=r"JPEG cannot hold|changes pixel values"):
        fb.checkout(store, "z=0:1", folder / "p.jpg")
    with pytest.raises(SettingsError, match="no suffix"):
        fb.checkout(store, "z=0:1", folder / "patch")
    fb.checkout(store, "z=0:2", folder / "p.tif")
    with pytest.raises(SettingsError, match="exists"):
        fb.checkout(store, "z=0:2", folder / "p.tif")
    assert sorted(p.name for p in folder.iterdir()) == [
        *("a.npy", "p.tif", "p_patch.json", "s.ome.zarr")
    ]


def _changed(path, change):
    value = np.load(path)
    np.save(path, change(value))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda f: _changed(f / "p.npy", lambda a: a[:-1]), "z has 3 samples, its place 4"),
        (lambda f: _changed(f / "p.npy", lambda a: a.astype(np.float32)), "pixels of float32"),
        (lambda f: (f / "p_patch.json").unlink(), "Nothing in or beside"),
        (lambda f: (f / "p_patch.json").write_text("{"), "cannot be read"),
        (lambda f: (f / "p_patch.json").write_text('{"version": 9}'), "newer version"),
        (lambda f: (f / "p.npy").write_bytes(b"\x93NUMPY"), "p.npy"),
        (lambda f: (f / "s.ome.zarr").rename(f / "moved.ome.zarr"), "is not there any more"),
    ],
)
def test_spoilt_patches(place, spoil, message):
    folder, store, _ = place
    fb.checkout(store, "z=2:6,y=3:20,x=5:30", folder / "p.npy")
    before = tree(store, journal=True)
    spoil(folder)
    with pytest.raises(FijiBridgeError, match=message) as caught:
        fb.checkin(folder / "p.npy")
    assert caught.value.hint
    if store.exists():
        assert tree(store, journal=True) == before


def test_a_store_that_moved_is_named(place):
    folder, store, a = place
    fb.checkout(store, "z=2:6", folder / "p.npy")
    np.save(folder / "p.npy", np.load(folder / "p.npy") + 1)
    moved = folder / "other" / "moved.ome.zarr"
    moved.parent.mkdir()
    store.rename(moved)
    fb.checkin(folder / "p.npy", store=moved)
    assert np.array_equal(read_levels(moved)[0][2:6], a[2:6] + 1)


def test_provenance_of_another_store(place):
    folder, store, _ = place
    rng = np.random.default_rng(5)
    other = write_store(
        folder / "o.ome.zarr",
        pyramid(rng.integers(0, 9, (16, 40, 50)).astype(np.uint16), "zyx", "zyx", "even", 3),
        "zyx",
        chunks=(8, 16, 16),
    )
    small = write_store(
        folder / "small.ome.zarr", [np.zeros((8, 20, 25), np.uint16)], "zyx", chunks=(8, 16, 16)
    )
    fb.checkout(store, "z=2:6", folder / "p.npy")
    before = tree(folder, journal=True)
    with pytest.raises(SettingsError, match="was changed at"):
        fb.checkin(folder / "p.npy", store=other)
    with pytest.raises(SettingsError, match="it is another image"):
        fb.checkin(folder / "p.npy", store=small)
    assert tree(folder, journal=True) == before


def test_other_filters_and_levels(place):
    folder, store, _ = place
    fb.checkout(store, "z=1:3", folder / "p.npy", level=1)
    before = tree(store, journal=True)
    with pytest.raises(SettingsError, match=r"leave the finer levels \(0\)"):
        fb.checkin(folder / "p.npy")
    with pytest.raises(SettingsError, match="'cubic'"):
        fb.checkin(folder / "p.npy", filter="cubic", force=True)
    assert tree(store, journal=True) == before
    fb.checkin(folder / "p.npy", force=True)


def test_labels_take_no_averages(tmp_path):
    levels = pyramid(np.arange(64, dtype=np.uint16).reshape(8, 8), "yx", "yx", "first", 2)
    store = write_store(tmp_path / "s.ome.zarr", levels, "yx", chunks=(4, 4), labels=True)
    fb.checkout(store, "y=0:4", tmp_path / "p.npy")
    with pytest.raises(SettingsError, match="would make labels that are no objects"):
        fb.checkin(tmp_path / "p.npy", filter="mean")


def test_zipped_stores_are_read_only(place):
    folder, store, a = place
    with zipfile.ZipFile(folder / "s.zarr.zip", "w") as out:
        for path in store.rglob("*"):
            if path.is_file():
                out.write(path, path.relative_to(store).as_posix())
    fb.checkout(folder / "s.zarr.zip", "z=2:6", folder / "p.npy")
    assert np.array_equal(np.load(folder / "p.npy"), a[2:6])
    with pytest.raises(UnsupportedError, match="only read"):
        fb.checkin(folder / "p.npy")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_store_that_may_not_be_written(place):
    folder, store, _ = place
    fb.checkout(store, "z=2:6", folder / "p.npy")
    store.chmod(0o555)
    try:
        with pytest.raises(SettingsError, match="could not be written"):
            fb.checkin(folder / "p.npy")
    finally:
        store.chmod(0o755)


FULL = """
import resource, sys
import fijibridge as fb
from fijibridge.errors import FijiBridgeError
fb.read_image(sys.argv[1])  # everything is loaded before room is scarce
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
import signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
try:
    fb.checkin(sys.argv[1])
except FijiBridgeError as error:
    print(error.message)
    sys.exit(7)
"""


@pytest.mark.parametrize("room", [1, 100, 1500])
def test_a_full_disk(place, room):
    folder, store, _ = place
    fb.checkout(store, "z=2:6,y=3:30,x=5:40", folder / "p.npy")
    rng = np.random.default_rng(0)
    np.save(folder / "p.npy", rng.integers(0, 60000, (4, 27, 35)).astype(np.uint16))
    before = tree(store, journal=True)
    run = subprocess.run(
        [sys.executable, "-c", FULL, str(folder / "p.npy"), str(room)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 7, run.stderr
    assert "could not be written: File too large" in run.stdout
    assert tree(store, journal=True) == before
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY
    assert not (store / ".fijibridge").exists()


def test_a_damaged_chunk(place):
    folder, store, _ = place
    fb.checkout(store, "z=2:6,y=3:20,x=5:30", folder / "p.npy")
    unit = store / "0" / "0" / "0" / "0"
    unit.write_bytes(unit.read_bytes()[:20])
    before = tree(store, journal=True)
    with pytest.raises(FormatError, match="level '0' cannot be read"):
        fb.checkin(folder / "p.npy")
    assert tree(store, journal=True) == before


def test_a_damaged_journal(place):
    folder, store, _ = place
    fb.checkout(store, "z=2:6", folder / "p.npy")
    fb.checkin(folder / "p.npy")
    (manifest,) = store.glob(".fijibridge/txn/*/manifest.json")
    manifest.write_text("{")
    with pytest.raises(FormatError, match="journal entry"):
        fb.run_verb("patch", action="undo", store=str(store))


def test_through_the_shell_and_json(place):
    folder, store, a = place
    run = subprocess.run(
        [
            *(sys.executable, "-m", "fijibridge", "patch", "checkout", str(store)),
            *("z=2:6", str(folder / "p.h5"), "--json"),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(run.stdout)["region"] == "z=2:6,y=0:40,x=0:50"
    answer = json.loads(
        fb.run_verb.__globals__["call"](
            json.dumps(
                {
                    "verb": "patch checkin",
                    "settings": {"file": str(folder / "p.h5")},
                }
            )
        )
    )
    assert answer["ok"]
    assert answer["report"]["levels"][0]["chunks_written"] == 12
    assert np.array_equal(read_levels(store)[0], a)


def test_an_edit_that_fails_half_way_leaves_the_old_file(place, monkeypatch):
    folder, store, _ = place
    fb.checkout(store, "z=2:6", folder / "p.tif")
    before = tree(folder, journal=True)
    shutil.copytree(store, folder / "copy.ome.zarr")
    from fijibridge.formats._zarr import pyramid as stored

    def broken(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(stored.StoredLevel, "pack", broken)
    with pytest.raises(SettingsError, match="No space left"):
        fb.checkin(folder / "p.tif")
    shutil.rmtree(folder / "copy.ome.zarr")
    assert tree(folder, journal=True) == before


def test_axes_that_another_program_named_otherwise(place):
    tifffile = pytest.importorskip("tifffile")
    folder, store, a = place
    fb.checkout(store, "z=2:6", folder / "p.tif")
    tifffile.imwrite(folder / "p.tif", a[2:6] + np.uint16(1), imagej=True)  # 4 channels, it says
    before = tree(store)
    with pytest.raises(SettingsError, match="named its axes otherwise") as caught:
        fb.checkin(folder / "p.tif")
    assert "--axes zyx" in caught.value.hint
    assert tree(store) == before
    fb.checkin(folder / "p.tif", axes="zyx")
    assert np.array_equal(read_levels(store)[0][2:6], a[2:6] + 1)
