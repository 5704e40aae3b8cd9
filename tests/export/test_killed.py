"""What is left when a batch is killed, and when the disk is full."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest

import fijibridge as fb
from fijibridge.cli import main

FORMATS = ("multi-scale OME-Zarr", "compressed hdf5", "multipage tiff", "png sequence", "n5")
#: Every container format, and pictures.
FULL_DISK = (
    *("hdf5", "compressed hdf5", "numpy", "multipage tiff", "imagej tiff"),
    *("multi-scale OME-Zarr", "single-scale OME-Zarr", "n5", "compressed n5", "png sequence"),
)


def content(folder):
    """Return path -> (hash, time) of every file that can be seen."""
    return {
        str(p.relative_to(folder)): (
            hashlib.sha256(p.read_bytes()).hexdigest(),
            p.stat().st_mtime_ns,
        )
        for p in sorted(folder.rglob("*"))
        if p.is_file() and not any(part.startswith(".") for part in p.relative_to(folder).parts[:1])
    }


def hidden(folder):
    return [p.name for p in folder.iterdir() if p.name.startswith(".")]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("inputs")
    rng = np.random.default_rng(9)
    for i in range(4):
        data = rng.integers(0, 4000, (12, 160, 170), np.uint16)
        fb.write_image(fb.Image.from_array(data, "zyx"), folder / f"v{i}.h5")
    return sorted(folder.iterdir())


def words(inputs, out, name):
    index = "_{slice_index}" if "sequence" in name else ""
    target = f"{out}/{{nickname}}{index}"
    return [
        *("export", *map(str, inputs), "--output_format", name),
        *("--output_filename_format", target, "--jobs", "2"),
    ]


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL is for POSIX")
@pytest.mark.parametrize("name", FORMATS)
def test_a_killed_batch_is_gone_on_with(inputs, tmp_path, name):
    whole, out = tmp_path / "whole", tmp_path / "out"
    assert main([*words(inputs, whole, name), "--quiet"]) == 0
    wanted = {
        path: digest for path, (digest, _) in content(whole).items() if "_settings" not in path
    }
    chance = random.Random(name)
    for _ in range(pytest.count(1, 10)):
        out.mkdir(exist_ok=True)
        running = subprocess.Popen(
            [sys.executable, "-m", "fijibridge", *words(inputs, out, name), "--skip-existing"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        # from the first file on, at a moment nobody knows
        while running.poll() is None and not any(out.iterdir()):
            time.sleep(0.002)
        time.sleep(chance.random() * 0.4)
        running.send_signal(signal.SIGKILL)
        running.wait()
        left = content(out)
        for path, (digest, _) in left.items():
            if "_settings" not in path:
                assert digest == wanted[path], path
        stores = {path.split("/")[0] for path in left if ".zarr/" in path or ".n5/" in path}
        for store in stores:
            mine = {path for path in left if path.startswith(f"{store}/")}
            assert mine == {path for path in wanted if path.startswith(f"{store}/")}
        assert main([*words(inputs, out, name), "--skip-existing", "--quiet"]) == 0
        after = content(out)
        assert {path: after[path] for path in left} == left
        assert {p: d for p, (d, _) in after.items() if "_settings" not in p} == wanted
        assert hidden(out) == []
        for path in sorted(out.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()


#: All cases in one process: limit, words -> (exit code, what is said, what is left).
FULL = """
    import contextlib, io, json, os, resource, signal, sys
    from fijibridge.cli import main

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    found = {}
    for name, (limit, out, words) in json.load(sys.stdin).items():
        said = io.StringIO()
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
        with contextlib.redirect_stderr(said):
            code = main([*words, "--quiet"])
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        found[name] = code, said.getvalue(), os.listdir(out)
    print(json.dumps(found))
"""


def test_a_full_disk_is_one_clear_error(inputs, tmp_path):
    pytest.importorskip("resource")
    asked = {}
    for name in FULL_DISK:
        out = tmp_path / name
        out.mkdir()
        limit = 20_000 if "sequence" in name else 60_000
        asked[name] = limit, str(out), words(inputs[:1], out, name)
    done = subprocess.run(
        [sys.executable, "-B", "-c", textwrap.dedent(FULL)],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    found = json.loads(done.stdout)
    assert list(found) == list(FULL_DISK)
    for name, (code, said, left) in found.items():
        assert code == 2, (name, said)
        assert said.startswith("fijibridge: The target"), name
        assert "Traceback" not in said, name
        assert left == [], name


def test_ctrl_c_leaves_nothing(inputs, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    running = subprocess.Popen(
        [sys.executable, "-m", "fijibridge", *words(inputs, out, "multi-scale OME-Zarr")],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    while running.poll() is None and not any(out.iterdir()):
        time.sleep(0.002)
    running.send_signal(signal.SIGINT)
    said = running.communicate()[1]
    assert running.returncode in (0, 130), said
    assert hidden(out) == []


def test_what_was_changed_since_is_not_trusted(inputs, tmp_path, capsys):
    asked = [*words(inputs[:2], tmp_path, "numpy"), "--skip-existing"]
    assert main(asked) == 0
    first = tmp_path / "v0.npy"
    first.write_bytes(first.read_bytes()[:-100])
    assert main(asked) == 2
    said = capsys.readouterr()
    assert "v1.h5: complete, skipped" in said.out
    assert "cannot be skipped: they have changed since they were made" in said.err


def test_left_overs_of_dead_runs_go_and_those_of_live_ones_stay(inputs, tmp_path):
    code = (
        "import sys; from pathlib import Path; from fijibridge.formats import hidden_name\n"
        "folder = Path(sys.argv[1])\n"
        "(folder / hidden_name('x.h5')).write_bytes(b'half')\n"
        "(folder / hidden_name('y.zarr', 'old')).mkdir()\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
    live = tmp_path / fb.formats.hidden_name("z.h5")
    live.write_bytes(b"being written")
    other = tmp_path / ".0123456789ab.part.mine"
    other.write_bytes(b"somebody's")
    assert main([*words(inputs[:1], tmp_path, "numpy"), "--quiet"]) == 0
    # what was moved aside for a target that never came is moved back
    assert sorted(hidden(tmp_path)) == sorted([live.name, other.name])
    assert (tmp_path / "y.zarr").is_dir()
