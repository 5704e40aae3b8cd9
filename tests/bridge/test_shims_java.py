"""The commands in a plain Java without Python in it: from ImageJ macros and from Jython."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import fijibridge as fb
from bridge import verb_lines
from fijibridge.bridge.install import install
from fijibridge.bridge.shims import commands, generate
from fijibridge.model import Axes, Image
from fijibridge.ops import from_keys

HERE = Path(__file__).parent
#: A Python in which no worker can stay.
NO_WORKER = """#!/bin/sh
for word in "$@"; do [ "$word" = --request ] && exec "{python}" "$@"; done
exit 3
"""
AWKWARD = "a b (c) [d] \u00fc\u00df & $HOME ;'e"


@pytest.fixture(scope="module")
def facts(imagej, tmp_path_factory):
    """Run the driver once; every test looks at one thing it saw."""
    javac = shutil.which("javac")
    if javac is None:
        pytest.skip("javac is not here: a small class that lets ImageJ run Jython is compiled")
    base = tmp_path_factory.mktemp("java")
    out = base / AWKWARD
    out.mkdir()
    folder = base / "ImageJ"
    (folder / "plugins").mkdir(parents=True)
    install(folder)
    # the Jython commands look for their shared code and Python where `fiji install` puts them
    generate(base / "shims")
    shutil.copy(base / "shims" / "fijibridge_call.py", folder / "macros" / "FijiBridge")
    classpath = str(imagej.java("java.lang.System").getProperty("java.class.path"))
    subprocess.run(
        [javac, "-cp", classpath, "-d", str(base), str(HERE / "Jython.java")], check=True
    )
    pixels = np.zeros((60, 80), np.uint8)
    pixels[5:15, 5:15] = pixels[20:30, 30:44] = pixels[40:50, 60:79] = 255
    axes = Axes.of("yx", pixels.shape, scale={"x": 0.5, "y": 0.5}, unit="um")
    image = out / "mask.tif"
    fb.write_image(Image.from_array(pixels, axes, name="mask"), image)
    inputs = out / "in"
    inputs.mkdir()
    verb_lines.write_inputs(inputs)
    menus = {verb.name: verb.menu for verb in commands()}
    assert set(menus) == set(verb_lines.LINES)
    for verb, line in verb_lines.lines(inputs, out / "python"):
        from_keys(verb, line)
    doors = {door: verb_lines.lines(inputs, out / door) for door in ("macro", "jython")}
    keys = {door: [(menus[v], line) for v, line in doors[door]] for door in doors}
    (out / "keys.json").write_text(json.dumps(keys))
    no_worker = base / "no worker"
    no_worker.write_text(NO_WORKER.format(python=sys.executable))
    no_worker.chmod(0o755)
    scratch = base / "tmp"
    scratch.mkdir()
    calls = pytest.count(200, 1000)
    done = subprocess.run(
        [
            "java",
            "-Djava.awt.headless=true",
            "--add-opens=java.base/java.lang=ALL-UNNAMED",
            f"-Djava.io.tmpdir={scratch}",
            f"-Dplugins.dir={folder}",
            f"-Dpython.cachedir={base / 'cache'}",
            "-cp",
            os.pathsep.join([str(base), classpath]),
            "org.python.util.jython",
            str(HERE / "shim_driver.jy"),
            *map(str, (folder, base / "shims", image, out, calls, no_worker)),
        ],
        env={**os.environ, "TMPDIR": str(scratch), "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert (out / "facts.json").is_file(), (done.stdout + done.stderr)[-4000:]
    found = json.loads((out / "facts.json").read_text())
    found["out"] = out
    return found


pytestmark = pytest.mark.imagej


@pytest.mark.parametrize("door", ["macro", "jython"])
def test_every_verb_does_what_it_does_in_python(facts, door):
    for label, status, message in facts[door]:
        assert status == "ok", (label, message)
        assert message.strip()
    names = verb_lines.same_files(facts["out"] / "python", facts["out"] / door)
    assert len(names) >= 9


def test_it_is_fast(facts):
    slack = 4 if os.environ.get("CI") == "true" or (os.cpu_count() or 1) <= 2 else 1
    assert facts["first ok"]
    assert facts["first"] < 3 * slack
    assert facts["later"] < 0.05 * slack
    assert facts["run later"] < 0.05 * slack


def test_many_calls_leak_nothing(facts):
    before, after = facts["handles"]
    assert after <= before + 3
    before, after = facts["threads"]
    assert after <= before + 1
    assert facts["same process"]
    assert facts["left"] == []


def test_the_open_image_is_handed_over_and_results_are_shown(facts):
    assert facts["shown"] == [True, 3, 3]
    assert facts["title"] == "mask.tif"


def test_several_calls_at_once_share_one_process(facts):
    assert facts["together"]
    assert facts["one process"]


def test_a_killed_worker_is_an_error_and_the_next_call_works(facts):
    ok, message = facts["killed"]
    assert not ok
    assert "ended while it worked" in message
    assert facts["killed status"] == "error"
    assert facts["after"]
    assert facts["another process"]
    assert facts["folders after"] == [0]  # that of the new worker, with nothing in it


def test_where_no_worker_can_stay_every_call_starts_its_own_process(facts):
    assert facts["alone"] == [True, 3, True]
    wrong, message = facts["alone wrong"]
    assert not wrong
    assert "Did you mean 'size'" in message
    assert facts["worker ended"]


def test_a_macro_can_test_the_answer(facts):
    assert facts["macro answer"].startswith("error\nsize is 'x'")


def test_without_python_there_is_one_message_with_what_to_type(facts):
    ok, message = facts["lost"]
    assert not ok
    for text in (message, facts["lost macro"]):
        assert "python -m fijibridge fiji install" in text
    assert sys.executable not in message
