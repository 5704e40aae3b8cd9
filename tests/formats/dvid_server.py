"""A small DVID server: keeps volumes in memory and refuses every request that DVID would."""

from __future__ import annotations

import json
import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np

UUID = "3f8ce1"
TYPES = {"uint8blk": np.dtype("u1"), "labelblk": np.dtype("<u8"), "keyvalue": None}


class Volume:
    """An instance: its settings, and the blocks that were put."""

    def __init__(self, about):
        self.about = about
        self.dtype = TYPES[about["typename"]]
        self.blocks = {}
        self.side = int(about.get("BlockSize", "32,32,32").split(",")[0])

    def put(self, start, size, raw):
        data = np.frombuffer(raw, self.dtype).reshape(size[::-1])
        n = self.side
        for index in np.ndindex(*(s // n for s in size[::-1])):
            box = tuple(slice(i * n, i * n + n) for i in index)
            at = tuple(a // n + i for a, i in zip(start, index[::-1], strict=True))
            self.blocks[at] = data[box].copy()

    def get(self, start, size):
        """Return voxels z, y, x; what was never put is 0."""
        out = np.zeros(size[::-1], self.dtype)
        n = self.side
        for at, block in self.blocks.items():
            low = [max(a * n, s) for a, s in zip(at, start, strict=True)]
            high = [min(a * n + n, s + k) for a, s, k in zip(at, start, size, strict=True)]
            if all(a < b for a, b in zip(low, high, strict=True)):
                to = tuple(slice(a - s, b - s) for a, b, s in zip(low, high, start, strict=True))
                of = tuple(
                    slice(a - i * n, b - i * n) for a, b, i in zip(low, high, at, strict=True)
                )
                out[to[::-1]] = block[of[::-1]]
        return out


class Server:
    """What happened: every request, and the instances there are."""

    def __init__(self):
        self.requests = []
        self.volumes = {}
        self.busy = 0
        self.fail_after = None
        self.url = ""


def _numbers(text):
    assert re.fullmatch(r"-?\d+_-?\d+_-?\d+", text), text
    return [int(v) for v in text.split("_")]


def _handler(server):
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *args):
            pass

        def answer(self, status, body=b""):
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def dispatch(self):
            path, _, query = self.path.partition("?")
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            server.requests.append((self.command, path, query, len(body)))
            if server.busy:
                server.busy -= 1
                return self.answer(503)
            parts = path.strip("/").split("/")
            if parts[:2] == ["api", "repo"]:
                return self.repo(parts[2:], body)
            assert parts[:2] == ["api", "node"], path
            return self.node(parts[2:], query, body)

        do_GET = do_POST = dispatch  # noqa: N815

        def repo(self, parts, body):
            if parts[0] != UUID:
                return self.answer(400, b"could not find UUID with partial match")
            if (self.command, parts[1:]) == ("GET", ["info"]):
                return self.answer(200, b"{}")
            assert (self.command, parts[1:]) == ("POST", ["instance"]), self.path
            about = json.loads(body)
            assert all(isinstance(v, str) for v in about.values()), about
            if about["dataname"] in server.volumes:
                return self.answer(400, b"data named exists")
            assert about["typename"] in TYPES
            server.volumes[about["dataname"]] = Volume(about)
            return self.answer(200, b'{"result": "Added"}')

        def node(self, parts, query, body):
            uuid, name, *rest = parts
            if uuid != UUID or name not in server.volumes:
                return self.answer(400, b"invalid data name")
            volume = server.volumes[name]
            if rest == ["info"]:
                found = {
                    "Base": {"TypeName": volume.about["typename"], "Name": name},
                    "Extended": {"BlockSize": [volume.side] * 3},
                }
                return self.answer(200, json.dumps(found).encode())
            assert rest[:2] == ["raw", "0_1_2"], self.path
            assert len(rest) == 4
            size, start = _numbers(rest[2]), _numbers(rest[3])
            if self.command == "GET":
                return self.answer(200, volume.get(start, size).tobytes())
            # DVID takes whole blocks only
            if any(v % volume.side for v in (*size, *start)) or min(size) < 1:
                return self.answer(400, b"not block-aligned")
            if len(body) != size[0] * size[1] * size[2] * volume.dtype.itemsize:
                return self.answer(400, b"wrong number of bytes")
            assert set(query.split("&")) <= {"throttle=true", "mutate=true"}, query
            if server.fail_after is not None:
                if server.fail_after == 0:
                    return self.answer(500, b"disk full")
                server.fail_after -= 1
            volume.put(start, size, body)
            return self.answer(200)

    return Handler


@contextmanager
def running():
    """Run a server; nothing of it is left afterwards."""
    server = Server()
    with ThreadingHTTPServer(("127.0.0.1", 0), _handler(server)) as http:
        http.daemon_threads = True
        server.url = f"http://127.0.0.1:{http.server_address[1]}/api/node/{UUID}/"
        thread = threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            http.shutdown()
            thread.join()
