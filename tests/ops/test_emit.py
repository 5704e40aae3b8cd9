"""--emit: the same run as a script; scripts of shell and Python are run and give equal outputs."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from fijibridge.cli import main
from fijibridge.errors import SettingsError
from fijibridge.ops import from_keys, run_verb
from fijibridge.ops._settings import parse_keys

RUN = {"threshold": "Otsu dark", "size": "2-Infinity", "exclude": True, "decimal": 4}


def emitted(language, **values):
    return run_verb("particles", emit=language, **values).script


def outputs(folder):
    return {p.name: p.read_bytes() for p in folder.iterdir() if not p.name.endswith(".json")}


def made(picture, folder):
    """Return the outputs of the run itself."""
    run_verb("particles", input=picture, outdir=folder, **RUN)
    found = outputs(folder)
    for path in folder.iterdir():
        path.unlink()
    return found


def test_shell(picture, tmp_path):
    out = tmp_path / "o u't"
    wanted = made(picture, out)
    words = shlex.split(emitted("shell", input=picture, outdir=out, **RUN))
    assert words[:2] == ["fijibridge", "particles"]
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    subprocess.run(
        [sys.executable, "-m", *words],
        check=True,
        cwd=tmp_path,
        env=environment,
        capture_output=True,
    )
    assert outputs(out) == wanted


def test_python(picture, tmp_path):
    out = tmp_path / "o u't"
    wanted = made(picture, out)
    script = emitted("python", input=picture, outdir=out, **RUN)
    (tmp_path / "script.py").write_text(script)
    subprocess.run([sys.executable, "script.py"], check=True, cwd=tmp_path, capture_output=True)
    assert outputs(out) == wanted


def test_macro_and_jython_hold_the_keys(picture, tmp_path):
    out = tmp_path / "o u't"
    wanted = made(picture, out)
    macro = emitted("macro", input=picture, outdir=out, **RUN)
    assert macro.startswith('run("FijiBridge Particles...", "input=[')
    assert macro.endswith('");')
    keys = macro.split('", "', 1)[1][: -len('");')]
    assert keys in emitted("jython", input=picture, outdir=out, **RUN)
    assert parse_keys(keys)["exclude"] == "true"
    from_keys("particles", keys)
    assert outputs(out) == wanted


def test_nothing_is_run_or_looked_at(tmp_path):
    script = emitted("shell", input=tmp_path / "gone.tif", threshold=(-5, 3))
    assert script == f"fijibridge particles {tmp_path / 'gone.tif'} --threshold=-5,3"
    assert list(tmp_path.iterdir()) == []


def test_common_options_are_kept(tmp_path):
    script = emitted("shell", input=tmp_path / "a.tif", overwrite=True, no_settings=True)
    assert script.endswith("--overwrite --no-settings")
    assert "overwrite=true" in emitted("macro", input=tmp_path / "a.tif", overwrite=True)
    assert "overwrite=True" in emitted("python", input=tmp_path / "a.tif", overwrite=True)


def test_verbs_without_a_menu_entry(tmp_path):
    path = tmp_path / 'a "b".tif'
    macro = run_verb("info", input=path, emit="macro").script
    quoted = str(path).replace('"', '\\"')
    assert macro == f'print(exec("fijibridge", "info", "{quoted}"));'
    assert "subprocess" in run_verb("info", input=path, emit="jython").script


def test_names_that_macro_keys_cannot_hold(tmp_path):
    assert "input='" in emitted("macro", input=tmp_path / "a].tif")
    with pytest.raises(SettingsError, match="brackets and ' together"):
        emitted("macro", input=tmp_path / "a]'.tif")
    with pytest.raises(SettingsError, match="';' cannot be one of several"):
        emitted("macro", input=[tmp_path / "a;b.tif", tmp_path / "c.tif"])


def test_backslashes_of_windows_are_escaped(monkeypatch):
    from fijibridge.ops import _emit

    monkeypatch.setattr(_emit, "absolute_path", lambda path: path)
    path = "C:\\data\\a b.tif"
    assert emitted("macro", input=path) == (
        'run("FijiBridge Particles...", "input=[C:\\\\data\\\\a b.tif]");'
    )
    assert "input=['C:\\\\data\\\\a b.tif']" in emitted("python", input=path)
    assert shlex.split(emitted("shell", input=path))[2] == path


def test_the_flag_prints_the_script_alone(picture, capsys):
    assert main(["particles", str(picture), "--threshold", "25,255", "--emit", "python"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("import fijibridge as fb\n")
    assert not list(picture.parent.glob("*_Results.tsv"))


def test_a_record_is_told_as_what_it_repeats(picture, tmp_path):
    out = tmp_path / "out"
    run_verb("particles", input=picture, outdir=out, **RUN)
    script = run_verb("run", file=out / "a b_settings.json", emit="shell").script
    words = shlex.split(script)
    assert words[:3] == ["fijibridge", "particles", str(picture)]
    assert words[words.index("--threshold") + 1] == "Otsu dark"
