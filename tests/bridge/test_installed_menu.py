"""A plain ImageJ folder after ``fiji install``: menu, dialog, recorder, in its real windows."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import fijibridge as fb
from fijibridge.bridge.install import install
from fijibridge.bridge.shims import commands
from fijibridge.ops._kinds import FLAG
from fijibridge.ops._sample import sample_image
from fijibridge.ops._settings import declared
from fijibridge.ops.particles import ParticlesSettings

PROBE = Path(__file__).with_name("installed_probe.py")
JYTHON_PROBE = Path(__file__).with_name("jython_probe.py")


@pytest.fixture(scope="module")
def screen(xvfb):
    """Return the name of an X display that lives as long as this module's tests."""
    server = subprocess.Popen(
        [xvfb, "-displayfd", "1", "-screen", "0", "1366x1024x24", "-nolisten", "tcp"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert server.stdout is not None
        yield f":{server.stdout.readline().strip()}"
    finally:
        server.terminate()
        server.wait(10)
        server.stdout.close()


def string_fields() -> dict[str, int]:
    """Return setting -> place among the dialog's text fields."""
    items = [i for i in declared(ParticlesSettings) if i.kind is not FLAG and not i.choices]
    return {item.name: n for n, item in enumerate(items)}


@pytest.mark.imagej
@pytest.mark.display
def test_a_command_from_the_menu_of_an_installed_imagej(imagej, screen, tmp_path):
    folder = tmp_path / "ImageJ"
    (folder / "plugins").mkdir(parents=True)
    install(folder)
    image = tmp_path / "nuclei image.tif"
    fb.write_image(sample_image(), image)
    (tmp_path / "fields.json").write_text(json.dumps(string_fields()))
    done = subprocess.run(
        [sys.executable, str(PROBE), str(folder), str(image), str(tmp_path)],
        env={**os.environ, "DISPLAY": screen},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    facts = json.loads(done.stdout.strip().splitlines()[-1])
    assert sorted(facts["menu"]) == sorted(verb.menu for verb in commands())
    assert facts["dialog fits"]
    assert facts["dialog status"] == "ok", facts
    assert facts["again status"] == "ok"
    first, again = (tmp_path / "a b"), (tmp_path / "again")
    names = sorted(p.name for p in first.iterdir() if not p.name.endswith(".json"))
    assert names == [
        "nuclei image_Results.tsv",
        "nuclei image_RoiSet.zip",
        "nuclei image_labels.tif",
    ]
    for name in names:
        assert (first / name).read_bytes() == (again / name).read_bytes()
    assert sum("FijiBridge Particles..." in line for line in facts["recorded"]) == 1
    # the open image: its window keeps its name, and the results have windows
    assert facts["active status"] == "ok"
    assert facts["active title"] == "nuclei image.tif"
    whole = fb.analyze_particles(image, threshold="Otsu dark")
    assert facts["rows"] == facts["rois"] == len(whole.table)
    assert any(title != "nuclei image.tif" for title in facts["windows"])
    assert facts["last recorded"].startswith(
        'run("FijiBridge Particles...", "threshold=[Otsu dark]'
    )
    shot = np.asarray(fb.read_image(tmp_path / "dialog.png").reorder("yxc").data)
    assert len(np.unique(shot.reshape(-1, shot.shape[-1]), axis=0)) > 50


@pytest.mark.imagej
@pytest.mark.display
def test_the_dialog_of_fijis_commands(imagej, screen, tmp_path):
    folder = tmp_path / "Fiji.app"
    for name in ("jars", "plugins"):
        (folder / name).mkdir(parents=True)
    install(folder)
    image = tmp_path / "nuclei image.tif"
    fb.write_image(sample_image(), image)
    (tmp_path / "fields.json").write_text(json.dumps(string_fields()))
    done = subprocess.run(
        [sys.executable, str(JYTHON_PROBE), str(folder), str(image), str(tmp_path)],
        env={**os.environ, "DISPLAY": screen},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    facts = json.loads(done.stdout.strip().splitlines()[-1])
    assert set(facts["sizes"]) == {v.menu for v in commands() if v.menu.endswith("...")}
    for label, (width, height) in facts["sizes"].items():
        assert width <= 1200, label
        assert height <= 900, label
    assert "FijiBridge" not in facts["recorded after cancel"]
    assert facts["status"] == "ok", facts["message"]
    line = 'run("FijiBridge Particles...", "threshold=[Otsu dark] size=20-Infinity");'
    assert [text for text in facts["recorded"] if "FijiBridge" in text] == [line]
    wanted = fb.analyze_particles(image, threshold="Otsu dark", size=(20, float("inf")))
    assert facts["rows"] == len(wanted.table)
