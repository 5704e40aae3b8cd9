"""The generated commands: in step with the verbs, ASCII, one per host."""

from __future__ import annotations

from pathlib import Path

import pytest

from fijibridge.bridge.shims import commands, generate, main, shims
from fijibridge.ops._settings import declared

MACROS = Path(__file__).resolve().parents[2] / "macros"


def test_macros_are_what_the_verbs_say():
    """When it fails, type: python -m fijibridge.bridge.shims macros."""
    wanted = {shim.name: shim.text for shim in shims()}
    found = {path.name: path.read_text(encoding="ascii") for path in MACROS.iterdir()}
    assert found == wanted


def test_every_verb_of_the_menu_has_one_command_per_host():
    names = {shim.name for shim in shims() if not shim.shared}
    assert names == {
        f"{verb.menu.replace(' ', '_')}.{kind}" for verb in commands() for kind in ("py", "ijm")
    }
    labels = [verb.menu for verb in commands()]
    assert len(set(labels)) == len(labels)
    assert all("_" in name for name in names)  # ImageJ's sign of a command


@pytest.mark.parametrize("kind", ["py", "ijm"])
def test_every_setting_has_its_key(kind):
    texts = {shim.name: shim.text for shim in shims()}
    for verb in commands():
        text = texts[f"{verb.menu.replace(' ', '_')}.{kind}"]
        if not verb.menu.endswith("..."):  # as everywhere in ImageJ: no dialog
            assert "Dialog" not in text
            continue
        for item in declared(verb.settings):
            assert f'"{item.name}"' in text or f'"{item.name} ";' in text or item.name in text
            if kind == "py":
                assert f'("{item.name}", ' in text


def test_generating_removes_what_went_away(tmp_path):
    (tmp_path / "FijiBridge_Gone....py").write_text("old")
    first = generate(tmp_path)
    assert not (tmp_path / "FijiBridge_Gone....py").exists()
    assert len(first) == len(shims()) + 1
    assert generate(tmp_path) == []


def test_one_command_writes_them(tmp_path, capsys):
    assert main([str(tmp_path / "macros")]) == 0
    assert "fijibridge_call.py" in capsys.readouterr().out


def test_only_the_shared_code_has_logic():
    for shim in shims():
        if not shim.shared:
            assert "exec(" not in shim.text
            assert "ProcessBuilder" not in shim.text
