"""A persistent core for a Fiji without Python in its JVM: JSON lines over stdin and stdout.

``python -m fijibridge.bridge.worker`` answers requests until its stdin ends or nobody has called
for a while. No port is opened; nothing passes through a shell. The lines are those of Appose's
worker protocol, so an Appose service can drive it as well:

- to the worker ``{"task": ID, "requestType": "EXECUTE", "script": "fijibridge", "inputs": {…}}``
- from it ``{"task": ID, "responseType": "LAUNCH"}`` when the work begins, then ``COMPLETION`` with
  ``outputs``, or ``FAILURE`` with ``error`` for a request that is none.

``inputs`` hold ``verb`` and ``keys`` (a line of macro options) or ``settings`` (a mapping), and
what `FileHost` takes; ``outputs`` hold ``ok``, ``message``, ``error``, ``report``, ``shown``, or
``need``: what of the host is to be handed over with the same request.

``--once VERB KEYS GIVEN`` does one request and answers in lines that an ImageJ macro can read;
``--request HEX`` does one whose inputs are JSON, and answers in JSON, where no process may stay.

What a worker that was killed has left in the folder for temporary files, the next one removes.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import queue
import re
import shutil
import signal
import sys
import tempfile
import threading
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fijibridge.bridge._filehost import FileHost, Needed
from fijibridge.errors import FijiBridgeError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

__all__ = ["answer", "decoded", "encoded", "main"]

_IDLE = 600.0  # seconds without a call until the worker ends
_THREADS = 4  # calls at once
_LARGEST = 64 << 20  # bytes of a request
_HOST = ("image", "selection", "rois", "results", "threshold", "title", "directory")
_ONCE = ("image", "selection", "threshold", "title", "directory", "rois", "results")
_ERROR = {"error": "message", "hint": "hint"}
_warned = threading.local()


def encoded(text: str) -> str:
    """Return a text of letters, digits and ``_`` only, which no quoting and no encoding bends.

    Examples
    --------
    >>> encoded("a b\u00fc_1")
    'a_0020b_00fc_005f1'
    """
    units = text.encode("utf-16-be", "surrogatepass")
    codes = (int.from_bytes(units[i : i + 2], "big") for i in range(0, len(units), 2))
    return "".join(chr(c) if c < 128 and chr(c).isalnum() else f"_{c:04x}" for c in codes)


def decoded(text: str) -> str:
    """Return the text that `encoded` was given.

    Examples
    --------
    >>> decoded("a_0020b_00fc_005f1")
    'a b\u00fc_1'
    """
    found = re.sub(r"_([0-9a-f]{4})", lambda match: chr(int(match[1], 16)), text)
    return found.encode("utf-16-be", "surrogatepass").decode("utf-16-be", "replace")


def answer(inputs: Mapping[str, Any], *, folder: str | None = None) -> dict[str, Any]:
    """Do one request; never raises.

    Parameters
    ----------
    inputs
        See the module.
    folder
        Where the files that are shown go; None = the folder for temporary files.

    Returns
    -------
    dict
        ``ok``, ``message`` (what people read), ``error`` and ``hint`` ("" when ok), ``report``,
        ``shown`` (files that the host opens and then deletes, with the folder ``folder``); or
        ``need``.
    """
    from fijibridge.ops._operation import error_json

    verb = str(inputs.get("verb") or "")
    host = FileHost({key: inputs[key] for key in _HOST if key in inputs}, folder)
    try:
        report, notes = _run(inputs, host)
    except Needed as needed:
        host.remove()
        return {"ok": False, "need": needed.what}
    except FijiBridgeError as error:
        host.remove()
        return _failed(error_json(error), verb)
    except MemoryError:
        host.remove()
        return _failed({"message": "There is not enough memory for this.", "hint": ""}, verb)
    except Exception as error:  # noqa: BLE001  # the other side speaks JSON only
        import traceback

        host.remove()
        found = error_json(error)
        found["message"] = f"This is a bug in fijibridge, please report it: {found['message']}"
        return _failed(found | {"hint": traceback.format_exc(limit=-3)}, verb)
    from fijibridge.bridge._words import in_macro_words

    body = report.to_json()
    body["notes"] = [*body.get("notes", ()), *notes]
    lines = [*report.lines, *(f"wrote {path}" for path in report.outputs), *body["notes"]]
    out = {
        "ok": body["ok"],
        "message": in_macro_words("\n".join(lines), verb),
        "error": "",
        "hint": "",
        "report": body,
        "shown": host.shown,
        "folder": "" if host.folder is None else str(host.folder),
    }
    if not body["ok"]:
        out |= {key: in_macro_words(body["error"][text], verb) for key, text in _ERROR.items()}
    return out


def _failed(error: Mapping[str, str], verb: str) -> dict[str, Any]:
    from fijibridge.bridge._words import in_macro_words

    found = {key: in_macro_words(error[text], verb) for key, text in _ERROR.items()}
    return {
        "ok": False,
        "message": f"{found['error']} {found['hint']}".strip(),
        **found,
        "type": error.get("type", ""),
        "shown": [],
        "folder": "",
    }


def _run(inputs: Mapping[str, Any], host: FileHost) -> tuple[Any, list[str]]:
    from fijibridge.ops._hosted import run_hosted
    from fijibridge.ops._settings import parse_keys

    verb, values = inputs.get("verb"), inputs.get("settings")
    if not isinstance(verb, str):
        raise SettingsError("A request needs a 'verb'.", 'Such as "particles".')
    if values is None:
        values = parse_keys(str(inputs.get("keys") or ""))
    if not isinstance(values, dict):
        raise SettingsError("The 'settings' of a request are one JSON object.")
    _warned.notes = []
    report = run_hosted(verb, values, host)
    return report, list(dict.fromkeys(_warned.notes))


def _note(message: Warning | str, category: type[Warning], *_where: Any, **_more: Any) -> None:
    """Make a warning a note of the call whose thread it came from."""
    if category is UserWarning and hasattr(_warned, "notes"):
        _warned.notes.append(str(message))


class _Worker:
    """One process, several calls at once."""

    def __init__(self, write: Callable[[bytes], object], *, idle: float) -> None:
        self._write = write
        self._idle = idle
        self._lock = threading.Lock()
        self._tasks: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._busy = 0
        self._last = time.monotonic()
        self._folders: set[str] = set()
        self.ended = threading.Event()
        atexit.register(self._clean)

    def say(self, task: str, kind: str, **more: Any) -> None:
        line = json.dumps({"task": task, "responseType": kind, **more}, allow_nan=False)
        with self._lock:
            self._write(line.encode() + b"\n")

    def read(self, lines: Iterator[bytes]) -> None:
        for line in lines:
            if line.strip():
                self._receive(line)
        self.ended.set()

    def _receive(self, line: bytes) -> None:
        try:
            body = json.loads(line)
            task = str(body["task"])
            kind = body["requestType"]
            inputs = body.get("inputs") or {}
            if kind not in {"EXECUTE", "CANCEL"} or not isinstance(inputs, dict):
                raise ValueError(kind)  # noqa: TRY301  # one answer for all that is no request
        except (ValueError, KeyError, TypeError, RecursionError):
            self.say("", "FAILURE", error="This line is no request of the worker's.")
            return
        if kind == "EXECUTE":  # a task that is being done cannot be stopped half way
            with self._lock:
                self._busy += 1
            self._tasks.put({"task": task, "inputs": inputs})

    def work(self) -> None:
        while True:
            job = self._tasks.get()
            if job is None:
                return
            try:
                self.say(job["task"], "LAUNCH")
                outputs = answer(job["inputs"])
                if outputs.get("folder"):
                    self._folders.add(outputs["folder"])
                self.say(job["task"], "COMPLETION", outputs=outputs)
            except OSError:  # nobody listens any more
                self.ended.set()
            finally:
                with self._lock:
                    self._busy -= 1
                    self._last = time.monotonic()

    def serve(self, lines: Iterator[bytes]) -> None:
        """Answer until the lines end and all is done, or nobody calls for a while."""
        threading.Thread(target=self.read, args=(lines,), daemon=True).start()
        workers = [threading.Thread(target=self.work, daemon=True) for _ in range(_THREADS)]
        for worker in workers:
            worker.start()
        while not self.ended.wait(min(1.0, self._idle / 4)):
            with self._lock:
                if not self._busy and time.monotonic() - self._last > self._idle:
                    return
        for _ in workers:
            self._tasks.put(None)
        for worker in workers:
            worker.join()

    def _clean(self) -> None:
        for folder in self._folders:
            shutil.rmtree(folder, ignore_errors=True)


def _lines(handle: int) -> Iterator[bytes]:
    """Yield the lines of a file handle; ``sys.stdin`` would hold a lock when the process ends."""
    rest = b""
    while part := os.read(handle, 1 << 16):
        *whole, rest = (rest + part).split(b"\n")
        yield from whole
        if len(rest) > _LARGEST:
            return
    if rest:
        yield rest


def _own_folder() -> str:
    """Give this process a folder of its own for temporary files; returns the common one.

    A killed process leaves its folder to the next one, which sees by the name whose it was.
    """
    from fijibridge.formats._target import hidden_name, remove_leftovers

    common = tempfile.gettempdir()
    remove_leftovers(Path(common))
    mine = Path(common) / hidden_name("worker")
    mine.mkdir(mode=0o700)
    atexit.register(shutil.rmtree, mine, ignore_errors=True)
    tempfile.tempdir = str(mine)
    return common


def _quiet_stdout() -> int:
    """Lead what prints to stderr, and warnings into the answers; returns the real stdout."""
    out = os.dup(1)
    os.dup2(2, 1)  # whatever prints must not get between the lines
    warnings.simplefilter("always", UserWarning)
    warnings.showwarning = _note
    return out


def _serve(idle: float) -> int:
    out = _quiet_stdout()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # so that what is temporary goes
    _own_folder()

    def write(line: bytes) -> None:
        view = memoryview(line)
        while view:
            view = view[os.write(out, view) :]

    _Worker(write, idle=idle).serve(_lines(0))
    return 0


def _once(words: Sequence[str]) -> int:
    """Answer one request in lines of encoded words, for ``exec`` of an ImageJ macro.

    Words: VERB, KEYS, and NAME=VALUE of what the host hands over, ``NAME=`` for "there is none";
    a dot stands before KEYS and before each NAME.
    """
    verb, keys, given = (word.removeprefix(".") for word in words)
    inputs: dict[str, Any] = {"verb": decoded(verb), "keys": decoded(keys)}
    for word in given.split("."):
        name, _, value = decoded(word).partition("=")
        if name in _ONCE:
            inputs[name] = value or None
    out = _quiet_stdout()
    found = answer(inputs, folder=_own_folder())  # what is shown outlives this process
    state = "ok" if found["ok"] else f"need {found['need']}" if "need" in found else "error"
    lines = [f"fijibridge {state}", encoded(found.get("message", ""))]
    lines.append(encoded(found.get("folder", "")))
    lines += [
        " ".join((item["kind"], encoded(item["path"]), encoded(item["title"])))
        for item in found.get("shown", ())
    ]
    with os.fdopen(out, "wb") as stream:
        stream.write("\n".join(lines).encode() + b"\n")
    return 0


def _request(word: str) -> int:
    """Answer one request: its inputs as JSON in hexadecimal digits, which nothing quotes."""
    out = _quiet_stdout()
    found = answer(json.loads(bytes.fromhex(word)), folder=_own_folder())
    with os.fdopen(out, "wb") as stream:
        stream.write(json.dumps(found, allow_nan=False).encode() + b"\n")
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the worker: ``[--idle SECONDS]``, ``--once VERB KEYS GIVEN`` or ``--request HEX``.

    Returns
    -------
    int
        The exit code, 0.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    if words[:1] == ["--once"]:
        return _once(words[1:])
    if words[:1] == ["--request"]:
        return _request(words[1])
    idle = float(words[1]) if words[:1] == ["--idle"] else _IDLE
    with contextlib.suppress(KeyboardInterrupt):
        return _serve(idle)
    return 0


if __name__ == "__main__":
    sys.exit(main())
