"""The worker: JSON lines in and out, several at once; it ends alone and says what went wrong."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fijibridge as fb
from fijibridge.bridge.worker import answer, decoded, encoded
from fijibridge.model import Image

COMMAND = [sys.executable, "-P", "-X", "utf8", "-m", "fijibridge.bridge.worker"]
AWKWARD = "a [b] 'c' \"d\" \u00fc\u00df & $x\n;y.tif"


class Client:
    def __init__(self, *words):
        self.process = subprocess.Popen(
            [*COMMAND, *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
        )

    def send(self, task, **inputs):
        body = {"task": task, "requestType": "EXECUTE", "script": "fijibridge", "inputs": inputs}
        self.process.stdin.write(json.dumps(body).encode() + b"\n")

    def read(self):
        return json.loads(self.process.stdout.readline())

    def ask(self, task="1", **inputs):
        self.send(task, **inputs)
        assert self.read() == {"task": task, "responseType": "LAUNCH"}
        found = self.read()
        assert (found["task"], found["responseType"]) == (task, "COMPLETION")
        return found["outputs"]


@pytest.fixture
def client():
    started = Client()
    yield started
    started.process.stdin.close()
    assert started.process.wait(30) == 0
    started.process.stdout.close()


@pytest.fixture
def image(tmp_path):
    pixels = np.zeros((40, 50), np.uint8)
    pixels[5:15, 5:15] = pixels[20:30, 30:40] = 255
    path = tmp_path / AWKWARD
    fb.write_image(Image.from_array(pixels, "yx"), path)
    return path


@given(st.text())
def test_encoding_is_plain_and_reversible(text):
    text = text.encode("utf-16", "ignore").decode("utf-16")
    assert encoded(text).replace("_", "").isascii()
    assert decoded(encoded(text)) == text


def test_calls_and_errors(client, image):
    assert client.ask(verb="info", settings={"file": str(image)})["ok"]
    wrong = client.ask(verb="infos", keys="")
    assert not wrong["ok"]
    assert "Did you mean 'info'?" in wrong["error"]
    assert "size" in client.ask(verb="particles", keys="size=large input=x")["error"]


def test_a_line_that_is_none_is_answered(client):
    for line in (b"nonsense\n", b"{}\n", b"[1]\n", b'{"task": 1, "requestType": "FLY"}\n'):
        client.process.stdin.write(line)
        assert client.read()["responseType"] == "FAILURE"
    assert client.ask(verb="doctor", settings={"start": False})["ok"]


def test_what_it_needs_is_asked_for_then_shown(client, image):
    assert client.ask(verb="particles", keys="") == {"ok": False, "need": "image"}
    nothing = client.ask(verb="particles", keys="", image=None)
    assert "No image is open" in nothing["error"]
    done = client.ask(verb="particles", keys="", image=str(image), title="My image.tif")
    assert done["ok"]
    kinds = {item["kind"]: item["path"] for item in done["shown"]}
    assert set(kinds) == {"table", "rois", "image"}
    assert len(fb.read_table(kinds["table"])) == len(fb.read_rois(kinds["rois"])) == 2


def test_several_calls_at_once(client, image):
    for i in range(12):
        client.send(str(i), verb="particles", settings={"input": str(image), "dry_run": True})
    found = [client.read() for _ in range(24)]
    finished = [m for m in found if m["responseType"] == "COMPLETION"]
    assert {m["task"] for m in finished} == {str(i) for i in range(12)}
    assert all(m["outputs"]["ok"] for m in finished)


def test_it_ends_when_nobody_calls(image):
    worker = Client("--idle", "0.5")
    assert worker.ask(verb="info", settings={"file": str(image)})["ok"]
    start = time.monotonic()
    assert worker.process.wait(20) == 0
    assert time.monotonic() - start < 10
    worker.process.stdin.close()
    worker.process.stdout.close()


def test_what_was_shown_is_gone_when_it_ends(image, tmp_path):
    worker = Client()
    done = worker.ask(verb="particles", keys="", image=str(image))
    path = done["shown"][0]["path"]
    worker.process.stdin.close()
    worker.process.wait(30)
    worker.process.stdout.close()
    with pytest.raises(OSError, match="No such file"):
        open(path)  # noqa: PTH123, SIM115


def test_once_answers_in_lines(image):
    words = [encoded("particles"), "." + encoded(f"input='{image}' dry_run"), "."]
    words[1] = "." + encoded("dry_run")
    given = encoded("image=" + str(image))
    done = subprocess.run(
        [*COMMAND, "--once", words[0], words[1], "." + given],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    lines = done.stdout.splitlines()
    assert lines[0] == "fijibridge ok"
    assert "dry" not in decoded(lines[1])
    done = subprocess.run(
        [*COMMAND, "--once", words[0], ".", "."], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[0] == "fijibridge need image"


def test_warnings_become_notes_of_their_call(image):
    import warnings

    from fijibridge.bridge import worker

    worker._warned.notes = []
    worker._note("take care", UserWarning, "file", 1)
    worker._note("not for people", DeprecationWarning, "file", 1)
    assert worker._warned.notes == ["take care"]
    assert warnings.showwarning is not worker._note  # only the worker's process takes it over


def test_settings_that_are_no_object():
    assert "one JSON object" in answer({"verb": "info", "settings": 3})["error"]
    assert "needs a 'verb'" in answer({})["error"]


def test_an_appose_service_can_drive_it(image):
    """Appose's own client is the witness of the protocol."""
    appose = pytest.importorskip("appose")
    from appose.service import Service

    service = Service(".", None, *COMMAND)
    try:
        task = service.task("fijibridge", {"verb": "info", "settings": {"file": str(image)}})
        task.start()
        task.wait_for()
        assert task.status.name == "COMPLETE", appose
        assert task.outputs["ok"]
    finally:
        service.close()
        service.wait_for()
        for thread in (service._stdout_thread, service._stderr_thread, service._monitor_thread):
            thread.join(10)
        for stream in (service._process.stdout, service._process.stderr):
            stream.close()  # Appose leaves them to the garbage collector
