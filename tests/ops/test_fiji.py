"""``fiji run|commands`` and ``view``: exit codes, logs, parameters, windows."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time

import pytest

import fijibridge as fb
from fijibridge.bridge.scripts import parameters, run_script
from fijibridge.errors import BridgeError, FormatError, SettingsError, UnsupportedError
from fijibridge.ops import OPERATIONS, operation, run_verb
from fijibridge.ops._sample import sample_image

CLI = [sys.executable, "-m", "fijibridge"]


def cli(*words, **more):
    return subprocess.run(
        [*CLI, *map(str, words)], capture_output=True, text=True, check=False, timeout=120, **more
    )


@pytest.fixture
def script(tmp_path):
    def write(name, text):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_commands_are_listed():
    report = run_verb("fiji", action="commands")
    labels = {row["label"] for row in report.to_json()["commands"]}
    assert labels == {operation(v).menu for v in OPERATIONS if operation(v).menu}
    assert "FijiBridge Particles..." in report.lines[0]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"action": "instal"}, "Did you mean 'install'"),
        ({"action": "run"}, "needs a SCRIPT"),
        ({"action": "install"}, "needs a DIR"),
        ({"action": "commands", "target": "x"}, "takes no DIR"),
        ({"action": "install", "target": "x", "values": ["a=1"]}, "takes no 'a=1'"),
        ({"action": "run", "target": "x.ijm", "values": ["a"]}, "allowed are words such as"),
    ],
)
def test_wrong_words(values, said):
    with pytest.raises(SettingsError, match=said):
        run_verb("fiji", **values)


def test_scripts_that_cannot_run(tmp_path):
    with pytest.raises(FormatError, match="no script"):
        run_script(tmp_path / "none.ijm")
    (tmp_path / "a.rb").write_text("")
    with pytest.raises(UnsupportedError, match="scripts end in"):
        run_script(tmp_path / "a.rb")


def test_parameters_of_every_way_to_write_them():
    text = '#@ File (style="directory", label="a (b)") dir\n// @Integer(value=3) n\n# @ String s\n'
    found = parameters(text + "#@output String out\n#@script(label=x)\n")
    assert found == {"dir": ("File", None), "n": ("Integer", "3"), "s": ("String", None)}


SCRIPTS = [
    ("a.ijm", "#@ String who\n#@ int n\nprint(who + n);", ["who=ü [x]", "n=3"], 0, "ü [x]3"),
    ("a.ijm", "print(getArgument());", ["a=b c"], 0, "a=[b c]"),
    ("a.ijm", "print(1); exit();", [], 0, "1"),
    ("a.ijm", 'exit("no cells");', [], 5, "no cells"),
    ("a.ijm", 'open("/nowhere.tif");', [], 5, "nowhere"),
    ("a.ijm", "x = ;", [], 5, "macro failed"),
    ("a.ijm", "#@ String who\n", [], 5, "has no value"),
    ("a.ijm", "#@ String who\n", ["whom=3"], 5, "has no parameter"),
    ("a.py", "#@ Integer n\nfrom ij import IJ\nIJ.log('n %d' % n)", ["n=4"], 0, "n 4"),
    ("a.py", "import sys\nsys.exit(7)", [], 7, "7"),
    ("a.py", "raise ValueError('seven')", [], 5, "seven"),
    ("a.groovy", "println 1", [], 4, "needs a Fiji"),
]


@pytest.mark.imagej
@pytest.mark.parametrize(("name", "text", "words", "code", "said"), SCRIPTS)
def test_what_a_script_does(imagej, script, name, text, words, code, said, monkeypatch, capfd):
    """Each in the process of the tests: a Java for every script would take minutes."""
    from fijibridge.bridge import scripts

    monkeypatch.delenv("FIJI_DIR", raising=False)
    monkeypatch.setattr(sys, "argv", ["scripts"])
    outcome = script("outcome.json", "")
    spec = {
        "path": str(script(name, text)),
        "values": dict(word.split("=", 1) for word in words),
        "headless": True,
        "fiji": None,
        "outcome": str(outcome),
    }
    monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps(spec)))
    assert scripts.main() == code
    imagej.java("java.lang.System").out.flush()
    found = json.loads(outcome.read_text(encoding="utf-8"))
    assert found["code"] == code
    assert said in capfd.readouterr().out + found["message"]


@pytest.mark.imagej
@pytest.mark.parametrize(
    ("name", "text", "code", "said"),
    [
        ("a.ijm", 'print("b [c]"); exit("no cells");', 5, "its log says why"),
        ("a.py", "from java.lang import System\nSystem.exit(3)", 3, "exit code 3"),
    ],
)
def test_the_shell_sees_exit_code_and_log(imagej, script, name, text, code, said, monkeypatch):
    monkeypatch.delenv("FIJI_DIR", raising=False)
    done = cli("fiji", "run", script(name, text), "--headless")
    assert done.returncode == code
    assert said in done.stderr
    assert done.stdout == ("b [c]\nno cells\n" if code == 5 else "")


@pytest.mark.imagej
def test_a_script_uses_the_commands(imagej, script, tmp_path, monkeypatch):
    monkeypatch.delenv("FIJI_DIR", raising=False)
    image = tmp_path / "nuclei.tif"
    fb.write_image(sample_image(), image)
    text = (
        f'run("FijiBridge Particles...", "input=[{image}] threshold=[Otsu dark] '
        f'table=[{tmp_path}/t.tsv]"); print(call("java.lang.System.getProperty", '
        '"fijibridge.status"));'
    )
    report = run_verb("fiji", action="run", target=str(script("a.ijm", text)), headless=True)
    body = report.to_json()
    assert body["ok"]
    assert body["exit_code"] == 0
    assert "ok" in body["log"]
    assert len(fb.read_table(tmp_path / "t.tsv")) > 100


def test_view_needs_a_display(tmp_path, monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    fb.write_image(sample_image(), tmp_path / "a.tif")
    with pytest.raises(BridgeError, match="no display"):
        run_verb("view", files=[str(tmp_path / "a.tif")])
    with pytest.raises(SettingsError, match="needs a FILE"):
        run_verb("view")


@pytest.mark.imagej
@pytest.mark.display
def test_view_opens_everything_together(imagej, xvfb, tmp_path):
    image = tmp_path / "nuclei.tif"
    fb.write_image(sample_image(), image)
    result = fb.analyze_particles(image, threshold="Otsu dark")
    fb.write_rois(result.rois, tmp_path / "rois.zip")
    fb.write_table(result.table, tmp_path / "table.csv")
    fb.write_labels(result.labels, tmp_path / "labels.tif")
    server = subprocess.Popen(
        [xvfb, "-displayfd", "1", "-screen", "0", "1200x900x24", "-nolisten", "tcp"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    environment = {**os.environ, "DISPLAY": f":{server.stdout.readline().strip()}"}
    environment.pop("FIJI_DIR", None)
    try:
        done = cli(
            "view", image, tmp_path / "rois.zip", tmp_path / "table.csv", tmp_path / "labels.tif",
            "--json", env=environment,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        body = json.loads(done.stdout)
        os.kill(body["process"], signal.SIGTERM)
        assert body["images"] == ["nuclei.tif", "labels.tif"]
        assert body["tables"] == ["Results"]
        assert body["rois"] == len(result.rois)
        broken = tmp_path / "broken.tif"
        broken.write_bytes(b"II*\0 nothing")
        done = cli("view", broken, env=environment)
        assert done.returncode == 3, done.stderr
    finally:
        time.sleep(0.5)
        server.terminate()
        server.wait(10)
        server.stdout.close()
