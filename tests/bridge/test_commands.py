"""The verbs as commands of the real ImageJ: from macros and Jython, the same bytes as in Python."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fijibridge as fb
from bridge import verb_lines
from fijibridge.bridge import commands
from fijibridge.model import Axes, Image, LabelImage
from fijibridge.ops import OPERATIONS, from_keys, operation

PROBE = Path(__file__).with_name("menu_probe.py")
STATUS = 'call("ij.plugin.FijiBridge.status")'
MESSAGE = 'call("ij.plugin.FijiBridge.message")'


def quoted(text):
    escaped = str(text).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def jython(imagej, code):
    """Run Jython 2.7 in ImageJ's JVM and return its variable `answer`."""
    interpreter = imagej.java("org.python.util.PythonInterpreter")()
    try:
        interpreter.exec_(code)
        answer = interpreter.get("answer")
        return None if answer is None else str(answer)
    finally:
        interpreter.close()


def cells(seed=0, shape=(120, 160)):
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: shape[0], : shape[1]]
    data = rng.integers(0, 40, shape)
    for cy, cx, r in rng.integers((5, 5, 3), (shape[0] - 5, shape[1] - 5, 12), (14, 3)):
        data[(y - cy) ** 2 + (x - cx) ** 2 < r * r] = 180 + r
    axes = Axes.of("yx", shape, scale={"x": 0.5, "y": 0.5}, unit="um")
    return Image.from_array(data.astype(np.uint8), axes, name="cells")


def test_every_labelled_verb_is_a_command():
    labels = {operation(name).menu for name in OPERATIONS} - {""}
    assert set(commands.commands()) == labels
    assert {"FijiBridge Particles...", "FijiBridge Convert...", "FijiBridge Measure..."} <= labels
    for label, found in commands.commands().items():
        assert label.startswith("FijiBridge ")
        assert label.endswith("...") or not found.targets


def test_opens_and_targets_are_settings():
    from fijibridge.ops._settings import declared

    for name in OPERATIONS:
        found = operation(name)
        own = {item.name for item in declared(found.settings)}
        assert {*found.opens, *found.targets, *found.shows} <= own
        assert set(found.shows) <= set(found.targets)


KEYS = "threshold=[Otsu dark] size=[5-Infinity] measurements=[area mean perimeter shape] exclude"


@pytest.mark.imagej
@pytest.mark.parametrize("folder", ["plain", "a b [c] äöü & d;\n"])
def test_particles_from_macro_and_jython_write_the_bytes_of_python(commanded, tmp_path, folder):
    home = tmp_path / folder
    home.mkdir()
    fb.write_image(cells(), home / "cells.tif")
    fb.run_verb("particles", input=home / "cells.tif", outdir=home / "python",
                threshold="Otsu dark", size="5-Infinity", exclude=True,
                measurements="area mean perimeter shape")  # fmt: skip
    line = f"input=[{home / 'cells.tif'}] outdir=[{{}}] {KEYS}"
    macro = f'run("FijiBridge Particles...", {quoted(line.format(home / "macro"))});'
    assert commanded.run_macro(macro + f"return {STATUS};") == "ok"
    code = (
        "from ij import IJ\nfrom ij.plugin import FijiBridge\n"
        f'IJ.run("FijiBridge Particles...", u{quoted(line.format(home / "jython"))})\n'
        "answer = FijiBridge.status()\n"
    )
    assert jython(commanded, code) == "ok"
    names = verb_lines.same_files(home / "python", home / "macro")
    assert names == ["cells_Results.tsv", "cells_RoiSet.zip", "cells_labels.tif"]
    verb_lines.same_files(home / "python", home / "jython")


@pytest.mark.imagej
def test_every_verb_does_what_it_does_in_python(commanded, tmp_path):
    inputs = verb_lines.write_inputs(tmp_path)
    labels = {found.name: label for label, found in commands.commands().items()}
    assert set(labels) == set(verb_lines.LINES)
    for verb, line in verb_lines.lines(inputs, tmp_path / "python"):
        from_keys(verb, line)
    for verb, line in verb_lines.lines(inputs, tmp_path / "macro"):
        text = f"run({quoted(labels[verb])}, {quoted(line)}); return {MESSAGE} + {STATUS};"
        assert commanded.run_macro(text).endswith("ok")
    for verb, line in verb_lines.lines(inputs, tmp_path / "jython"):
        code = f"from ij import IJ\nIJ.run({quoted(labels[verb])}, u{quoted(line)})\n"
        code += "from ij.plugin import FijiBridge\nanswer = FijiBridge.status()\n"
        assert jython(commanded, code) == "ok"
    for door in ("macro", "jython"):
        names = verb_lines.same_files(tmp_path / "python", tmp_path / door)
        assert len(names) >= 9


@pytest.mark.imagej
@given(seed=st.integers(0, 10**6), low=st.integers(50, 150), flags=st.sets(st.sampled_from(
    ["exclude", "include", "composite", "record", "pixel_units"])))  # fmt: skip
def test_the_active_image_gives_what_python_gives(commanded, tmp_path, seed, low, flags):
    from fijibridge.bridge.convert import to_imageplus
    from fijibridge.bridge.host import ImageJHost

    commanded.run_macro('close("*"); run("Clear Results");')
    image = cells(seed)
    wanted = fb.analyze_particles(image, threshold=(low, 255), **dict.fromkeys(flags, True))
    plus = to_imageplus(image)
    code = (
        f'setThreshold({low}, 255); run("FijiBridge Particles...", "decimal=3 {" ".join(flags)}");'
    )
    windows = commanded.java("ij.WindowManager")
    windows.setTempCurrentImage(plus)
    try:
        assert commanded.run_macro(code + f"return {STATUS};") == "ok"
        shown = ImageJHost().results()
        rois = [plus.getOverlay().get(i) for i in range(len(wanted.rois))]
        labels = ImageJHost().active_image()
    finally:
        windows.setTempCurrentImage(None)
    if len(wanted.table) == 0:
        assert shown is None
        return
    one, other = tmp_path / "a.tsv", tmp_path / "b.tsv"
    fb.write_table(shown, one, overwrite=True)
    fb.write_table(wanted.table, other, overwrite=True)
    assert one.read_bytes() == other.read_bytes()
    from fijibridge.bridge.convert_objects import roi_from_java
    from fijibridge.formats.roi import encode_roi

    assert [encode_roi(roi_from_java(r)) for r in rois] == [encode_roi(r) for r in wanted.rois]
    np.testing.assert_array_equal(labels.data, wanted.labels.data)


@pytest.mark.imagej
def test_imagej_saves_the_shown_table_as_python_does(commanded, tmp_path):
    fb.write_image(cells(7), tmp_path / "c.tif")
    words = "area mean perimeter shape feret's fit display"
    code = f"""
        open("{tmp_path}/c.tif");
        run("FijiBridge Particles...", "threshold=100,255 measurements=[{words}] decimal=4");
        saveAs("Results", "{tmp_path}/window.tsv");
        return {STATUS};
    """
    assert commanded.run_macro(code) == "ok"
    wanted = fb.analyze_particles(
        tmp_path / "c.tif", threshold=(100, 255), measurements=words, decimal=4
    )
    fb.write_table(wanted.table, tmp_path / "python.tsv")
    assert (tmp_path / "window.tsv").read_bytes() == (tmp_path / "python.tsv").read_bytes()


@pytest.mark.imagej
def test_results_are_added_and_never_cleared_unasked(commanded):
    code = """
        newImage("a", "8-bit black", 60, 60, 1); setColor(200); fillRect(5, 5, 10, 10);
        run("Set Measurements...", "area redirect=None decimal=3"); run("Measure");
        run("FijiBridge Particles...", "threshold=100,255 measurements=[area centroid]");
        n = nResults; x = getResult("X", 1);
        selectWindow("a");
        run("FijiBridge Particles...", "threshold=100,255 options=[size=0-Infinity clear]");
        return "" + n + " " + x + " " + nResults;
    """
    assert commanded.run_macro(code) == "2 10 1"


@pytest.mark.imagej
def test_the_open_image_for_every_verb(commanded, tmp_path):
    code = f"""
        newImage("a b.tif", "16-bit black", 80, 60, 1); setColor(3); fillRect(5, 5, 10, 10);
        setColor(9); fillRect(40, 20, 20, 15); run("Set Scale...", "distance=2 known=1 unit=um");
        answer = "";
        run("FijiBridge Convert...", "role=labels"); answer += {STATUS} + Overlay.size + " ";
        run("FijiBridge Measure...", "measurements=area"); answer += {STATUS} + nResults + " ";
        run("FijiBridge Convert...", "output=[{tmp_path}/r.zip]"); answer += {STATUS} + " ";
        run("FijiBridge Convert...", "output=[{tmp_path}/t.csv]"); answer += {STATUS} + " ";
        run("FijiBridge Convert...", "output=[{tmp_path}/i.h5/data]"); answer += {STATUS} + " ";
        run("FijiBridge Export...", "export_dtype=uint8 cutout_subregion=y=0:20");
        answer += {STATUS} + "" + bitDepth() + "" + getHeight + " ";
        return answer;
    """
    assert commanded.run_macro(code) == "ok2 ok2 ok ok ok ok820 "
    assert len(fb.read_rois(tmp_path / "r.zip")) == 2
    assert list(fb.read_table(tmp_path / "t.csv")["Area"]) == [25.0, 75.0]
    image = fb.read_image(tmp_path / "i.h5/data")
    assert image.dtype == np.uint16
    assert image.axes["x"].scale == 0.5
    assert image.axes["x"].unit == "micrometer"


@pytest.mark.imagej
def test_a_file_without_a_target_is_shown(commanded, tmp_path):
    labels = fb.analyze_particles(cells(5), threshold=(100, 255)).labels
    assert isinstance(labels, LabelImage)
    fb.write_rois(fb.labels_to_rois(labels), tmp_path / "r.zip")
    fb.write_image(cells(5), tmp_path / "i.tif")
    code = f"""
        run("FijiBridge Convert...", "input=[{tmp_path}/r.zip] shape=120,160");
        newImage("dummy", "8-bit", 160, 120, 1);
        run("FijiBridge Particles...", "input=[{tmp_path}/i.tif] threshold=100,255");
        return {STATUS} + nResults;
    """
    wanted = fb.analyze_particles(cells(5), threshold=(100, 255)).table
    assert commanded.run_macro(code) == f"ok{len(wanted)}"
    fb.write_image(cells(6), tmp_path / "j.tif")
    for line in (f"input_data=[{tmp_path}/i.tif]", f"input=[{tmp_path}/i.tif;{tmp_path}/j.tif]"):
        code = f'run("FijiBridge Export...", "{line}"); return {STATUS} + {MESSAGE};'
        assert commanded.run_macro(code).startswith("ok")
    code = f'run("FijiBridge Convert...", "each=[{tmp_path}/?.tif]"); return {STATUS} + {MESSAGE};'
    assert commanded.run_macro(code).startswith("ok")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["i.tif", "j.tif", "r.zip"]


@pytest.mark.imagej
@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("sise=20-Infinity", "Did you mean 'size'"),
        ("size=[20-", "not closed"),
        ("input=[/no/such file.tif]", "There is no file"),
        ("size=9-3", "lower end"),
        ("", "No image is open"),
    ],
)
def test_errors_reach_the_macro_which_goes_on(commanded, line, words):
    code = f'run("FijiBridge Particles...", "{line}"); return {STATUS} + "|" + {MESSAGE};'
    status, _, message = commanded.run_macro(code).partition("|")
    assert status == "error"
    assert words in message
    report = json.loads(str(commanded.java("ij.plugin.FijiBridge").report()))
    assert report["ok"] is False
    assert report["error"]["type"] in ("SettingsError", "FormatError")
    properties = commanded.java("java.lang.System")
    assert str(properties.getProperty("fijibridge.status")) == "error"


@pytest.mark.imagej
def test_a_json_request_from_a_macro(commanded):
    code = """return call("ij.plugin.FijiBridge.call", "{\\"verb\\": \\"particle\\"}");"""
    answer = json.loads(commanded.run_macro(code))
    assert answer["ok"] is False
    assert "Did you mean 'particles'" in answer["error"]["message"]


@pytest.mark.imagej
def test_commands_in_parallel_threads(commanded, tmp_path):
    images = [tmp_path / f"{i}.tif" for i in range(6)]
    for i, path in enumerate(images):
        fb.write_image(cells(i), path)
    ij = commanded.IJ

    def go(path):
        import jpype

        jpype.java.lang.Thread.attachAsDaemon()
        ij.run("FijiBridge Particles...", f"input=[{path}] threshold=100,255 table=[{path}.tsv]")

    threads = [threading.Thread(target=go, args=(path,)) for path in images]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for i, path in enumerate(images):
        wanted = fb.analyze_particles(cells(i), threshold=(100, 255)).table
        assert len(fb.read_table(f"{path}.tsv")) == len(wanted)


@pytest.mark.imagej
@pytest.mark.display
def test_the_menu_its_dialog_and_the_recorded_line(imagej, display, tmp_path):
    done = subprocess.run(
        [sys.executable, str(PROBE), str(tmp_path)],
        env={**os.environ, "DISPLAY": display},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    facts = json.loads(done.stdout.strip().splitlines()[-1])
    assert facts["menu"] == list(commands.commands())
    assert facts["dialog"] == "FijiBridge Particles"
    assert facts["fits"]
    from fijibridge.ops._settings import declared
    from fijibridge.ops.particles import ParticlesSettings

    shown = {name.lower().replace(" ", "_") for name in facts["fields"]}
    assert {item.name for item in declared(ParticlesSettings)} <= shown
    assert {"overwrite", "skip_existing", "no_settings"} <= shown
    assert facts["plan"] == "a b.tif: writes nothing, its results are shown"
    line = 'run("FijiBridge Particles...", "threshold=100,255 size=20-Infinity include=true");'
    assert facts["recorded"].splitlines()[-1] == line
    assert (facts["rows"], facts["rows_again"]) == (12, 24)
    assert (facts["rois"], facts["rois_again"]) == (12, 24)
    assert facts["same"]
    assert facts["recorded_after_cancel"] == facts["recorded_before_cancel"]
    width, height = facts["screen"]
    for label, (wide, high) in facts["sizes"].items():
        assert wide <= width, label
        assert high <= height, label
    assert set(facts["sizes"]) == {label for label in facts["menu"] if label.endswith("...")}
    assert facts["error_box"] == "FijiBridge Measure"
    screen = np.asarray(fb.read_image(tmp_path / "dialog.png").reorder("yxc").data)[..., :3]
    assert (screen == 255).all(axis=-1).sum() > 20_000  # white text fields
