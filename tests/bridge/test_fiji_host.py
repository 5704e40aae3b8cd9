"""A real Fiji, started by Python and with shims in it; runs where FIJI_DIR names a Fiji folder."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import fijibridge as fb
from bridge import verb_lines
from fijibridge.bridge import commands
from fijibridge.ops import from_keys

pytestmark = pytest.mark.fiji
PROBE = Path(__file__).with_name("fiji_probe.py")


@pytest.fixture(scope="module")
def fiji_dir():
    named = os.environ.get("FIJI_DIR")
    if not named:
        pytest.skip("needs a Fiji: set FIJI_DIR to its folder (Fiji.app or Fiji)")
    folder = Path(named)
    assert (folder / "jars").is_dir(), f"FIJI_DIR={named} has no jars/"
    return folder


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """Return a folder with an image and its labels, and what Python makes of them."""
    folder = tmp_path_factory.mktemp("a b äö")
    verb_lines.write_inputs(folder)
    for verb, line in verb_lines.lines(folder, folder / "python"):
        from_keys(verb, line)
    return folder


def run_probe(mode, fiji_dir, inputs, out, **env):
    done = subprocess.run(
        [sys.executable, str(PROBE), mode, str(fiji_dir), str(inputs), str(out)],
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-3000:]
    return json.loads(done.stdout.strip().splitlines()[-1])


def check_common(facts, inputs, out):
    assert facts["host"] == "fiji"
    assert facts["commands"] == list(commands.commands())
    for door, said in facts["status"].items():
        assert said == ["ok"] * len(said), door
        verb_lines.same_files(inputs / "python", out / door)
    assert facts["errors"][0] == "error"
    assert "Did you mean 'size'" in facts["errors"][1]
    values = facts["values"]
    assert values.pop("rgb")
    assert values.pop("labels")
    assert values.pop("legacy")
    for dtype, kinds in values.items():
        assert kinds == [True, True], dtype


def test_headless(fiji_dir, inputs, tmp_path):
    facts = run_probe("headless", fiji_dir, inputs, tmp_path)
    check_common(facts, inputs, tmp_path)
    assert facts["open_image"] == "ok1"


@pytest.mark.display
def test_interactive(fiji_dir, inputs, tmp_path, display):
    facts = run_probe("interactive", fiji_dir, inputs, tmp_path, DISPLAY=display)
    check_common(facts, inputs, tmp_path)
    assert facts["menus"] == 1
    assert set(facts["commands"]) <= set(facts["menu"])
    rows = len(fb.read_table(inputs / "python" / "i_Results.tsv"))
    # one ROI was in the manager before: it is kept
    assert facts["window"] == f"ok,{rows},{rows + 1}"


@pytest.fixture(scope="module")
def copied(fiji_dir, tmp_path_factory):
    """Return a Fiji with folders of its own where shims go, and links for the rest."""
    home = tmp_path_factory.mktemp("fiji") / "Fiji.app"
    home.mkdir()
    for entry in fiji_dir.iterdir():
        if entry.name in ("scripts", "plugins", "macros"):
            shutil.copytree(entry, home / entry.name, symlinks=True)
        else:
            (home / entry.name).symlink_to(entry, target_is_directory=entry.is_dir())
    return home


def contents(folder):
    return {
        str(p.relative_to(folder)): p.read_bytes()
        for name in ("scripts", "macros", "plugins")
        for p in sorted((folder / name).rglob("*"))
        if p.is_file() and p.stat().st_size < 1 << 20
    }


def test_install_and_uninstall_leave_a_fiji_as_it_was(copied):
    before = contents(copied)
    from fijibridge.bridge.install import install, uninstall

    install(copied)
    there = contents(copied)
    assert set(before) < set(there)
    install(copied)
    assert contents(copied) == there
    uninstall(copied)
    assert contents(copied) == before


def launch(fiji, script, *arguments):
    """Run a script as Fiji's own launcher does; no Python is in its JVM."""
    from fijibridge.bridge._java import find_java

    java = find_java()
    opens = ["--add-opens=java.base/java.lang=ALL-UNNAMED"] if java.major >= 9 else []
    return subprocess.run(
        [str(java.home / "bin" / "java"), *opens, "-Djava.awt.headless=true",
         f"-Dimagej.dir={fiji}", f"-Dplugins.dir={fiji}",
         "-cp", os.pathsep.join([f"{fiji}/jars/*", f"{fiji}/plugins/*"]),
         "net.imagej.Main", "--headless", "--run", str(script), *arguments],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("door", ["macro", "jython"])
def test_shims_in_a_fiji_without_python(copied, inputs, tmp_path, door):
    from fijibridge.bridge.install import install, uninstall

    install(copied)
    labels = {found.name: label for label, found in commands.commands().items()}
    out = tmp_path / door
    answer = tmp_path / "status.txt"
    lines = {labels[verb]: line for verb, line in verb_lines.lines(inputs, out)}
    status = "java.lang.System.getProperty"
    if door == "macro":
        script = tmp_path / "all.ijm"
        text = 's = "";\n'
        for label, keys in lines.items():
            text += f'run("{label}", "{keys}");\n'
            text += f's = s + call("{status}", "fijibridge.status") + " ";\n'
        text += f'File.saveString(s, "{answer}");\n'
    else:
        script = tmp_path / "all_of_it.py"
        text = "from ij import IJ\nfrom java.lang import System\nsaid = []\n"
        for label, keys in lines.items():
            text += f'IJ.run("{label}", u{json.dumps(keys)})\n'
            text += 'said.append(System.getProperty("fijibridge.status"))\n'
        text += f'open({str(answer)!r}, "w").write(" ".join(map(str, said)) + " ")\n'
    script.write_text(text, encoding="utf-8")
    try:
        done = launch(copied, script)
        assert answer.exists(), done.stdout[-2000:] + done.stderr[-2000:]
        assert answer.read_text().split() == ["ok"] * len(lines), done.stdout[-2000:]
        verb_lines.same_files(inputs / "python", out)
    finally:
        uninstall(copied)


@pytest.mark.display
def test_a_macro_of_a_fiji_with_windows_is_not_asked(copied, inputs, tmp_path, display):
    from fijibridge.bridge.install import install, uninstall

    install(copied)
    try:
        assert run_probe("shims", copied, inputs, tmp_path, DISPLAY=display)["shim"] == "ok"
    finally:
        uninstall(copied)
