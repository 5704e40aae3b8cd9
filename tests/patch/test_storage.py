"""Patches out of and into object storage: an S3 that the tests start, and memory."""

from __future__ import annotations

import gc
import json
import logging
import os
import shutil
import subprocess
import sys
import textwrap
import threading
import time
import uuid
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest

import fijibridge as fb
from fijibridge.cli import main
from fijibridge.errors import FormatError, SettingsError, UnsupportedError
from fijibridge.patch.journal import HOME, Journal
from fijibridge.patch.lock import digest, who_am_i
from fijibridge.patch.store import journal_of
from patch.stores import pyramid, read_levels, write_store

server = pytest.importorskip("moto.server")
s3fs = pytest.importorskip("s3fs")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
PROBE = Path(__file__).with_name("crash_probe.py")
REGION = "z=1:7,y=2:14,x=3:15"


@pytest.fixture(scope="module")
def storage():
    """Return a file system with a bucket; the environment says where it is."""
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    running = server.ThreadedMotoServer(port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        patch.setenv("AWS_ACCESS_KEY_ID", "testing")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        s3fs.S3FileSystem.clear_instance_cache()
        fs = s3fs.S3FileSystem()
        if not fs.exists("lab"):  # servers of one process share their buckets
            fs.mkdir("lab")
        yield fs
    del fs
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # connections that Python closes
        s3fs.S3FileSystem.clear_instance_cache()
        gc.collect()
    running.stop()


def _store(folder, shape=(8, 16, 18), version="0.4", n=2):
    a = np.random.default_rng(7).integers(1, 4000, shape).astype(np.uint16)
    levels = pyramid(a, "zyx", "zyx", "even", n)
    return a, write_store(folder / "s.ome.zarr", levels, "zyx", chunks=(4, 8, 8), version=version)


def _put(fs, store, url):
    fs.put(str(store), url.partition("://")[2], recursive=True)
    return url


def _levels(fs, url, folder):
    fs.invalidate_cache()
    shutil.rmtree(folder / "back", ignore_errors=True)
    fs.get(url.partition("://")[2], str(folder / "back"), recursive=True)
    return read_levels(folder / "back")


def _names(fs, url):
    fs.invalidate_cache()
    root = url.partition("://")[2]
    return {name[len(root) + 1 :]: fs.cat_file(name) for name in fs.find(root)}


@pytest.fixture
def url(storage):
    return f"s3://lab/{uuid.uuid4().hex[:8]}/a.ome.zarr"


@pytest.fixture(params=["s3", "memory", "file"])
def place(request, tmp_path):
    """Return (file system, url)."""
    import fsspec

    name = f"{uuid.uuid4().hex[:8]}/my a.ome.zarr"
    if request.param == "s3":
        return request.getfixturevalue("storage"), f"s3://lab/{name}"
    if request.param == "memory":
        return fsspec.filesystem("memory"), f"memory://{name}"
    return fsspec.filesystem("file"), f"file://{tmp_path}/{name}"


def _edited(folder, url, region=REGION, name="p.npy"):
    """Check a region out, give it other pixels with a whole unit of zeros, return them."""
    fb.checkout(url, region, folder / name)
    new = np.random.default_rng(1).integers(1, 4000, np.load(folder / name).shape)
    new[:3, :6, :5] = 0
    np.save(folder / name, new.astype(np.uint16))
    return new


def _is(found, a):
    """Whether levels are those of an array."""
    wanted = pyramid(a, "zyx", "zyx", "even", len(found))
    return all(np.array_equal(x, y) for x, y in zip(found, wanted, strict=True))


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_out_in_and_undone(place, tmp_path, version):
    fs, url = place
    a, store = _store(tmp_path, version=version)
    _put(fs, store, url)
    before = _names(fs, url)
    typed = url.replace(" ", "%20") if url.startswith("file") else url
    fb.checkout(typed, REGION, tmp_path / "t.tif")
    assert np.array_equal(fb.read_image(tmp_path / "t.tif").data, a[1:7, 2:14, 3:15])
    origin = json.loads((tmp_path / "t_patch.json").read_text())
    assert origin["store"] == url.removeprefix("file://")
    a[1:7, 2:14, 3:15] = _edited(tmp_path, typed)
    done = fb.checkin(tmp_path / "p.npy")
    assert _is(_levels(fs, url, tmp_path), a)
    status = fb.run_verb("patch", action="status", store=typed).to_json()
    assert [e["entry"] for e in status["entries"]] == [done.entry]
    assert status["owner"] is None
    with pytest.raises(SettingsError, match="was changed at"):
        fb.checkin(tmp_path / "t.tif")
    fb.run_verb("patch", action="undo", store=typed)
    assert _names(fs, url) == before


def test_words_of_the_command_line(storage, url, tmp_path, capsys):
    a, store = _store(tmp_path)
    _put(storage, store, url)
    patch = str(tmp_path / "p.npy")
    assert main(["patch", "checkout", f"{url}/1", "z=0:2", patch, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["store"], told["level"], told["shape"]) == (url, "1", [2, 8, 9])
    assert main(["patch", "checkout", url, REGION, patch, "--overwrite"]) == 0
    np.save(tmp_path / "p.npy", np.load(tmp_path / "p.npy") + np.uint16(1))
    assert main(["patch", "checkin", patch, "--dry-run"]) == 0
    assert f"{HOME}/lock" not in _names(storage, url)
    assert main(["patch", "checkin", patch]) == 0
    a[1:7, 2:14, 3:15] += 1
    assert _is(_levels(storage, url, tmp_path), a)
    assert main(["patch", "status", url]) == 0
    assert "1 check-in can be taken back" in capsys.readouterr().out
    assert main(["patch", "prune", url]) == 0
    assert not any(name.startswith(HOME) for name in _names(storage, url))


def test_new_labels_and_stores_of_any_name(storage, tmp_path):
    a, store = _store(tmp_path)
    url = _put(storage, store, f"s3://lab/{uuid.uuid4().hex[:8]}/plain")
    _edited(tmp_path, f"{url}/0")  # found by going up while there are groups
    mask = (a > 2000).astype(np.uint16)[1:7, 2:14, 3:15]
    np.save(tmp_path / "p.npy", mask)
    fb.checkin(tmp_path / "p.npy", as_labels="big")
    fb.checkin(tmp_path / "p.npy", as_labels="bigger")
    fb.checkout(f"{url}/labels/big", REGION, tmp_path / "q.npy")
    assert np.array_equal(np.load(tmp_path / "q.npy"), mask)
    names = json.loads(_names(storage, url)["labels/.zattrs"])["labels"]
    assert names == ["big", "bigger"]
    with pytest.raises(SettingsError, match="There is a label image 'big'"):
        fb.checkin(tmp_path / "p.npy", as_labels="big")


def test_zips_and_web_servers_are_read_only(storage, url, tmp_path):
    from functools import partial
    from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
    from threading import Thread

    a, store = _store(tmp_path)
    with zipfile.ZipFile(tmp_path / "z.zip", "w") as file:
        for path in store.rglob("*"):
            file.write(path, path.relative_to(store))
    zipped = f"{url}.zip"
    storage.put(str(tmp_path / "z.zip"), zipped.partition("://")[2])

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    web = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path)))
    Thread(target=web.serve_forever, daemon=True).start()
    try:
        for one in (zipped, f"http://127.0.0.1:{web.server_port}/s.ome.zarr"):
            fb.checkout(one, REGION, tmp_path / "p.npy", overwrite=True)
            assert np.array_equal(np.load(tmp_path / "p.npy"), a[1:7, 2:14, 3:15])
            with pytest.raises(UnsupportedError, match="only read"):
                fb.checkin(tmp_path / "p.npy")
            with pytest.raises(UnsupportedError, match="only read"):
                fb.run_verb("patch", action="status", store=one)
    finally:
        web.shutdown()
        web.server_close()


# ---- who works on it


def _lock(storage, url, **changes):
    """Leave a lock behind."""
    told = json.dumps({**who_am_i(), **changes}).encode()
    storage.pipe_file(f"{url.partition('://')[2]}/{HOME}/lock", told)
    return told


@pytest.fixture
def gone():
    """Return the number of a process that has ended."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    return ended.pid


@pytest.fixture
def stored(storage, url, tmp_path):
    """Return the pixels of a store at `url`, and a patch p.npy of it."""
    a, store = _store(tmp_path)
    _put(storage, store, url)
    a[1:7, 2:14, 3:15] = _edited(tmp_path, url)
    return a


def test_the_lock_of_a_dead_process_is_taken_away(storage, url, tmp_path, stored, gone):
    told = _lock(storage, url, process=gone)
    # and of who died while taking it away
    mine = f"{url.partition('://')[2]}/{HOME}/lock-{digest(told)[:16]}"
    storage.pipe_file(mine, json.dumps({**who_am_i(), "process": gone}).encode())
    fb.checkin(tmp_path / "p.npy")
    assert _is(_levels(storage, url, tmp_path), stored)
    assert not any("lock" in name for name in _names(storage, url))


def test_a_store_that_comes_from_a_disk_is_not_locked(storage, url, tmp_path):
    a, store = _store(tmp_path)
    _edited(tmp_path, store)
    fb.checkin(tmp_path / "p.npy")  # its journal is kept, and with it the file that is locked
    assert (store / HOME / "lock").is_file()
    _put(storage, store, url)
    assert fb.run_verb("patch", action="status", store=url).to_json()["owner"] is None
    fb.run_verb("patch", action="undo", store=url)
    assert _is(_levels(storage, url, tmp_path), a)


@pytest.mark.parametrize("other", [{"place": "elsewhere 1 2"}, {"process": os.getpid()}])
def test_the_lock_of_the_living_is_respected(storage, url, tmp_path, stored, other):
    from fijibridge.patch.checkin import CheckinOptions, plan_checkin, run_checkin

    _lock(storage, url, owner="ann@lab", since=time.time() - 90, **other)
    before = _names(storage, url)
    with pytest.raises(SettingsError, match=r"being changed by ann@lab .* since 9\d s") as caught:
        run_checkin(plan_checkin(tmp_path / "p.npy", options=CheckinOptions(wait=0.2)))
    assert f"fijibridge patch recover {url} --force" in caught.value.hint
    assert _names(storage, url) == before
    found = fb.run_verb("patch", action="status", store=url).to_json()
    assert found["owner"]["owner"] == "ann@lab"
    with pytest.raises(SettingsError, match="being changed by"):
        fb.run_verb("patch", action="recover", store=url)
    fb.run_verb("patch", action="recover", store=url, force=True)
    fb.checkin(tmp_path / "p.npy")
    assert _is(_levels(storage, url, tmp_path), stored)


def test_who_lost_the_lock_commits_nothing(storage, url, tmp_path, stored):
    from fijibridge.patch.checkin import plan_checkin, run_checkin

    before = _names(storage, url)
    taken = []

    first = threading.Lock()

    def tick():  # units are written by threads
        with first:
            if not taken:
                taken.append(_lock(storage, url, owner="eve@lab"))

    with pytest.raises(SettingsError, match="was taken away by somebody else"):
        run_checkin(plan_checkin(tmp_path / "p.npy"), tick)
    found = _names(storage, url)
    assert found.pop(f"{HOME}/lock") == taken[0]  # it is not ours to remove
    assert found == before


def test_one_of_many_creators_wins(storage, url):
    from concurrent.futures import ThreadPoolExecutor

    from fijibridge.patch.keys import ObjectKeys

    keys = ObjectKeys(storage, url.partition("://")[2], url)
    with ThreadPoolExecutor(8) as pool:
        for i in range(5):
            texts = [f"{n}".encode() for n in range(8)]
            won = list(pool.map(lambda text, i=i: keys.create(f"k{i}", text), texts))
            assert sum(won) == 1
            assert keys.get(f"k{i}") == texts[won.index(True)]


# ---- all or none


@pytest.mark.parametrize("mode", ["checkin", *pytest.count([], ["labels", "undo", "recover"])])
def test_killed_at_any_step(storage, url, tmp_path, mode):
    a, store = _store(tmp_path, shape=(4, 8, 9))
    fb.checkout(store, "z=1:4,x=2:9", tmp_path / "p.npy")
    old = np.load(tmp_path / "p.npy")
    np.save(tmp_path / "p.npy", old.astype(np.uint32) if mode == "labels" else old + np.uint16(1))
    if mode == "undo":
        fb.checkin(tmp_path / "p.npy")
    every = str(pytest.count(4, 1))
    run = subprocess.run(
        [
            *(sys.executable, "-W", "ignore", str(PROBE), str(tmp_path), store.name),
            *(str(tmp_path / "p.npy"), mode, every, url),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=3000,
    )
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout)
    assert found["broken"] == []
    assert found["litter"] == []
    assert found["before"] + found["after"] == found["tried"] > 1
    assert found["before"] > 0
    assert found["after"] > 0
    assert a.any()


def test_readers_are_told(storage, url, tmp_path, stored):
    from fijibridge.patch.checkin import plan_checkin, run_checkin

    class Stop(BaseException):
        pass

    def tick():
        storage.invalidate_cache()
        if any("/old/" in name for name in storage.find(f"{url.partition('://')[2]}/{HOME}")):
            raise Stop

    with pytest.raises(Stop):
        run_checkin(plan_checkin(tmp_path / "p.npy"), tick)
    with pytest.raises(FormatError, match="under way or was interrupted"):
        fb.checkout(url, "z=0:3", tmp_path / "q.npy")
    with pytest.raises(FormatError, match=f"patch recover {url}"):
        fb.export(url, output_filename_format=f"{tmp_path}/e.npy")
    told = fb.run_verb("patch", action="recover", store=url).to_json()
    assert "rolled forward" in told["recovered"][0]
    assert _is(_levels(storage, url, tmp_path), stored)


def test_storage_that_takes_nothing(storage, url, tmp_path, stored, monkeypatch):
    from fijibridge.patch.keys import ObjectKeys

    before = _names(storage, url)
    real = ObjectKeys.put

    def refused(self, key, data):
        if key.endswith("0%2F1%2F1%2F0"):
            raise PermissionError("Access Denied")
        real(self, key, data)

    with monkeypatch.context() as patch:
        patch.setattr(ObjectKeys, "put", refused)
        with pytest.raises(SettingsError, match="could not be written: Access Denied"):
            fb.checkin(tmp_path / "p.npy")
    assert _names(storage, url) == before
    moved = []

    def stopped(self, key, other):
        moved.append(key)
        if len(moved) > 3:
            raise TimeoutError("no answer")
        self._copy(key, other)

    with monkeypatch.context() as patch:
        patch.setattr(ObjectKeys, "replace", stopped)
        with pytest.raises(SettingsError, match="to the end: no answer") as caught:
            fb.checkin(tmp_path / "p.npy")
        assert f"fijibridge patch recover {url}" in caught.value.hint
    fb.run_verb("patch", action="recover", store=url)
    assert _is(_levels(storage, url, tmp_path), stored)


WORKER = textwrap.dedent(
    """
    import sys, numpy as np, fijibridge as fb
    from fijibridge.errors import SettingsError
    url, folder, me, runs = sys.argv[1:]
    for i in range(int(runs)):
        name = f"{folder}/{me}-{i}.npy"
        while True:
            try:
                fb.checkout(url, "z=1:7,y=2:14,x=2:16", name, overwrite=True)
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


def test_two_at_a_time_lose_nothing(storage, url, tmp_path):
    a, store = _store(tmp_path)
    _put(storage, store, url)
    runs = pytest.count(1, 50)
    crew = [
        subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", WORKER, url, str(tmp_path), me, str(runs)],
            stderr=subprocess.PIPE,
            text=True,
        )
        for me in ("0", "1")
    ]
    for one in crew:
        _, told = one.communicate(timeout=3000)
        assert one.returncode == 0, told
    a[1:7, 2:14, 2:16] += runs
    assert _is(_levels(storage, url, tmp_path), a)


# ---- what is wrong


def test_what_is_not_there_is_said(storage, url, tmp_path):
    with pytest.raises(FormatError, match="There is no Zarr store at 's3://lab"):
        fb.checkout(url, "z=0:1", tmp_path / "p.npy")
    with pytest.raises(FormatError, match=r"'s3://no-such-bucket/a\.zarr'"):
        fb.checkout("s3://no-such-bucket/a.zarr", "z=0:1", tmp_path / "p.npy")
    with pytest.raises(FormatError, match="There is no Zarr store"):
        fb.run_verb("patch", action="status", store=url)
    a, store = _store(tmp_path)
    _put(storage, store, url)
    with pytest.raises(FormatError, match=r"There is no image at .*labels/none"):
        fb.checkout(f"{url}/labels/none", "z=0:1", tmp_path / "p.npy")
    with pytest.raises(SettingsError, match="leads out of its store"):
        fb.checkout(f"{url}/../b.zarr", "z=0:1", tmp_path / "p.npy")
    with pytest.raises(UnsupportedError, match="A patch is a file on this computer"):
        fb.checkout(url, "z=0:1", "s3://lab/p.tif")
    with pytest.raises(UnsupportedError, match="on the computer 'there'"):
        fb.checkout("file://there/a.zarr", "z=0:1", tmp_path / "p.npy")
    assert a.any()
    assert not list(tmp_path.glob("p*"))


def test_a_journal_is_one_for_all_paths_into_a_store(storage, url, tmp_path):
    _, store = _store(tmp_path)
    _put(storage, store, url)
    names = {str(journal_of(f"{url}{inner}").keys) for inner in ("", "/", "/0", "/labels/x")}
    assert names == {url}
    assert isinstance(journal_of(url), Journal)
