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
from fijibridge.bridge.install import install
from fijibridge.bridge.shims import commands, generate
from fijibridge.model import Axes, Image

HERE = Path(__file__).parent
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
    (out / "keys.json").write_text(json.dumps(keys_of_all(str(image))))
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
            *(str(folder), str(base / "shims"), str(image), str(out), str(calls)),
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


def keys_of_all(image: str) -> list[tuple[str, str]]:
    """Return (command, options) that really do every verb of the menu; OUT is a folder."""
    known = {
        "particles": f"input=[{image}] size=[1-Infinity] outdir=[OUT]",
        "convert": f"input=[{image}] output=[OUT/copy.npy]",
        "measure": f"objects=[OUT/mask_RoiSet.zip] image=[{image}] table=[OUT/again.tsv]",
        "export": f"input=[{image}] output_filename_format=[OUT/exported.h5]",
        "doctor": "start=false",
    }
    order = ["particles", "convert", "measure", "export"]
    rest = [verb.name for verb in commands() if verb.name not in order]
    menus = {verb.name: verb.menu for verb in commands()}
    # of a verb that came later an empty request is answered, too
    return [(menus[name], known.get(name, "dry_run=true")) for name in [*order, *rest]]


pytestmark = pytest.mark.imagej


@pytest.mark.parametrize("door", ["macro", "jython"])
def test_every_verb_runs(facts, door):
    known = {"FijiBridge Particles...", "FijiBridge Convert...", "FijiBridge Measure...",
             "FijiBridge Export...", "FijiBridge Doctor"}  # fmt: skip
    for label, status, message in facts[door]:
        assert status == ("ok" if label in known else status), (label, message)
        assert status in {"ok", "error"}
        assert message.strip()
    out = facts["out"] / door
    want = fb.analyze_particles(facts["out"] / "mask.tif", size=(1, float("inf")))
    assert len(fb.read_table(out / "mask_Results.tsv")) == len(want.table) == 3
    assert np.array_equal(fb.read_labels(out / "mask_labels.tif").data, want.labels.data)
    assert np.load(out / "copy.npy").shape == (60, 80)
    assert (out / "again.tsv").is_file()
    assert (out / "exported.h5").is_file()


def test_both_doors_write_the_same(facts):
    for name in ("mask_Results.tsv", "mask_RoiSet.zip", "mask_labels.tif", "again.tsv"):
        assert (facts["out"] / "macro" / name).read_bytes() == (
            facts["out"] / "jython" / name
        ).read_bytes()


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


def test_a_macro_can_test_the_answer(facts):
    assert facts["macro answer"].startswith("error\nsize is 'x'")


def test_without_python_there_is_one_message_with_what_to_type(facts):
    ok, message = facts["lost"]
    assert not ok
    for text in (message, facts["lost macro"]):
        assert "python -m fijibridge fiji install" in text
    assert sys.executable not in message
