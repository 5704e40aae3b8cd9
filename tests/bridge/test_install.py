"""Into a Fiji or ImageJ and out again: twice is once, nothing else is touched."""

from __future__ import annotations

import json
import sys

import pytest

from fijibridge.bridge.install import find_place, install, uninstall
from fijibridge.bridge.shims import commands
from fijibridge.bridge.worker import decoded
from fijibridge.errors import BridgeError, SettingsError
from fijibridge.ops import run_verb


def tree(folder):
    return {
        str(p.relative_to(folder)): p.read_bytes() if p.is_file() else None
        for p in folder.rglob("*")
    }


@pytest.fixture(params=["Fiji.app", "Fiji", "ImageJ"])
def app(request, tmp_path):
    root = tmp_path / request.param
    (root / "plugins" / "other").mkdir(parents=True)
    (root / "plugins" / "other" / "Other_Plugin.jar").write_bytes(b"jar")
    if request.param != "ImageJ":
        (root / "jars").mkdir()
        (root / "macros").mkdir()
        (root / "macros" / "StartupMacros.ijm").write_bytes(b"// mine")
        (root / "scripts").mkdir()
    return root


def test_there_and_back_leaves_nothing(app):
    before = tree(app)
    done = install(app)
    assert done.written
    once = tree(app)
    assert set(before.items()) <= set(once.items())
    again = install(app)
    assert (again.written, again.removed, again.kept) == ((), (), ())
    assert tree(app) == once
    uninstall(app)
    assert tree(app) == before


def test_a_path_with_dots_is_the_same_folder(app):
    before = tree(app)
    dotted = app.parent / "x" / ".." / app.name
    install(dotted)
    assert install(dotted).written == ()
    uninstall(dotted)
    assert tree(app) == before


def test_one_kind_of_command_per_host(app):
    install(app)
    kind = find_place(app).kind
    folder = app / ("scripts/Plugins/FijiBridge" if kind == "fiji" else "plugins/FijiBridge")
    suffix = ".py" if kind == "fiji" else ".ijm"
    assert {p.name for p in folder.iterdir()} == {
        verb.menu.replace(" ", "_") + suffix for verb in commands()
    }
    lines = (app / "macros/FijiBridge/python.txt").read_text().splitlines()
    assert lines[0] == decoded(lines[1]) == sys.executable


def test_the_folder_around_or_inside_is_understood(tmp_path):
    root = tmp_path / "Fiji.app"
    (root / "plugins").mkdir(parents=True)
    (root / "jars").mkdir()
    for named in (tmp_path, root, root / "plugins"):
        assert find_place(named).root == root
        assert find_place(named).kind == "fiji"


def test_what_is_no_fiji_is_refused(tmp_path):
    with pytest.raises(SettingsError, match=r"has no plugins/"):
        install(tmp_path)
    with pytest.raises(SettingsError, match="is no folder"):
        install(tmp_path / "nowhere")
    (tmp_path / "plugins").mkdir()
    with pytest.raises(SettingsError, match="is not installed"):
        uninstall(tmp_path)


def test_somebody_elses_file_is_not_replaced(app):
    kind = find_place(app).kind
    folder = app / ("scripts/Plugins/FijiBridge" if kind == "fiji" else "plugins/FijiBridge")
    folder.mkdir(parents=True)
    name = "FijiBridge_Particles....py" if kind == "fiji" else "FijiBridge_Particles....ijm"
    (folder / name).write_text("mine")
    before = tree(app)
    with pytest.raises(SettingsError, match="there already"):
        install(app)
    assert tree(app) == before
    install(app, overwrite=True)
    assert (folder / name).read_text() != "mine"


def test_a_changed_file_stays(app):
    install(app)
    changed = app / "macros/FijiBridge/python.txt"
    changed.write_text("another python\n")
    done = uninstall(app)
    assert done.kept == ("macros/FijiBridge/python.txt",)
    assert changed.read_text() == "another python\n"


def test_a_manifest_cannot_delete_what_is_not_ours(app):
    install(app)
    manifest = app / "macros/FijiBridge/manifest.json"
    body = json.loads(manifest.read_text())
    body["files"]["plugins/other/Other_Plugin.jar"] = "0"
    manifest.write_text(json.dumps(body))
    with pytest.raises(BridgeError, match="is no manifest"):
        uninstall(app)
    assert (app / "plugins/other/Other_Plugin.jar").exists()


def test_a_verb_that_went_away_is_taken_out(app):
    install(app)
    kind = find_place(app).kind
    base = "scripts/Plugins/FijiBridge" if kind == "fiji" else "plugins/FijiBridge"
    manifest = app / "macros/FijiBridge/manifest.json"
    body = json.loads(manifest.read_text())
    import hashlib

    old = app / base / "FijiBridge_Old.py"
    old.write_bytes(b"old")
    body["files"][f"{base}/FijiBridge_Old.py"] = hashlib.sha256(b"old").hexdigest()
    manifest.write_text(json.dumps(body))
    assert install(app).removed == (f"{base}/FijiBridge_Old.py",)
    assert not old.exists()


def test_the_verb_says_what_it_did(app):
    before = tree(app)
    planned = run_verb("fiji", action="install", target=str(app), dry_run=True)
    assert tree(app) == before
    names = planned.to_json()["written"]
    report = run_verb("fiji", action="install", target=str(app))
    assert "Plugins > FijiBridge" in report.lines[0]
    written = report.to_json()["written"]
    assert written == names
    planned = run_verb("fiji", action="uninstall", target=str(app), dry_run=True)
    assert planned.dry_run
    assert set(planned.to_json()["removed"]) == {*written, "macros/FijiBridge/manifest.json"}
    assert written[0] in planned.lines[0]
    assert (app / "macros/FijiBridge/manifest.json").exists()
    report = run_verb("fiji", action="uninstall", target=str(app))
    assert "no longer" in report.lines[0]


def test_a_python_that_a_macro_cannot_name(app):
    with pytest.raises(SettingsError, match="Python"):
        install(app, python="/a\nb")
