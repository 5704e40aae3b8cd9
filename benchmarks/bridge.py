#!/usr/bin/env python3
"""Calls and pixels across the border, beside the peers: ``python benchmarks/bridge.py``.

Latency of the worker and of the command line, and 20 x 1024 x 1024 uint16 both ways, beside a
memory copy and what pyimagej does with a stack that ImageJ opened (its per-slice loop, which needs
no Fiji; with one, ``ij.py.from_java`` took 4.85 s on the machine where it was measured).
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

SHAPE = (20, 1024, 1024)
PEER_SECONDS = 4.85  # ij.py.from_java of pyimagej 1.8.0 on such a stack


def timed(work: Callable[[], object], times: int) -> float:
    """Return the median of CPU seconds; the machine may be busy with other things."""
    found = []
    for _ in range(times):
        start = time.process_time()
        work()
        found.append(time.process_time() - start)
    return statistics.median(found)


def latency(image: Path) -> None:
    inputs = {"verb": "info", "settings": {"file": str(image)}}
    body = {"task": "1", "requestType": "EXECUTE", "script": "fijibridge", "inputs": inputs}
    line = json.dumps(body).encode() + b"\n"
    command = [sys.executable, "-P", "-X", "utf8", "-m", "fijibridge.bridge.worker"]
    start = time.perf_counter()
    with subprocess.Popen(command, stdin=-1, stdout=-1) as worker:

        def call() -> None:
            worker.stdin.write(line)
            worker.stdin.flush()
            worker.stdout.readline()
            worker.stdout.readline()

        call()
        first = time.perf_counter() - start
        walls = []
        for _ in range(200):
            start = time.perf_counter()
            call()
            walls.append(time.perf_counter() - start)
        worker.stdin.close()
    start = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "fijibridge", "info", str(image), "--json"],
        check=True,
        capture_output=True,
    )
    shell = time.perf_counter() - start
    later = statistics.median(walls)
    print(f"worker, first call with its start   {first * 1e3:9.1f} ms")
    print(f"worker, later calls                 {later * 1e3:9.2f} ms")
    print(f"command line                        {shell * 1e3:9.1f} ms  ({shell / later:.0f} x)")


def pixels() -> None:
    from fijibridge.bridge import convert
    from fijibridge.bridge.embedded import start_embedded
    from fijibridge.model import Image

    host = start_embedded()
    rng = np.random.default_rng(1)
    stack = rng.integers(0, 65535, SHAPE, dtype=np.uint16)
    image = Image.from_array(stack, "zyx", name="stack")
    plus = convert.to_imageplus(image)
    target = np.empty_like(stack)

    def peer() -> np.ndarray:
        planes = plus.getStack()
        found = [
            np.array(planes.getPixels(i + 1), dtype=np.int16).view(np.uint16).reshape(SHAPE[1:])
            for i in range(SHAPE[0])
        ]
        return np.stack(found)

    assert np.array_equal(convert.from_imageplus(plus).data, stack)
    copy = timed(lambda: np.copyto(target, stack), 9)
    there = timed(lambda: convert.to_imageplus(image), 5)
    back = timed(lambda: convert.from_imageplus(plus), 5)
    loop = timed(peer, 3)
    print(f"memory copy of {stack.nbytes >> 20} MB              {copy * 1e3:9.1f} ms")
    print(f"numpy -> ImagePlus                  {there * 1e3:9.1f} ms  ({there / copy:.1f} x copy)")
    print(
        f"ImagePlus -> numpy                  {back * 1e3:9.1f} ms  ({back / copy:.1f} x copy, "
        f"{PEER_SECONDS / back:.0f} x faster than ij.py.from_java's {PEER_SECONDS} s)"
    )
    print(f"a loop over getPixels, here         {loop * 1e3:9.1f} ms  ({loop / back:.1f} x ours)")
    print(f"ImageJ {host.version}; {convert.__name__}")


def main() -> None:
    from fijibridge.formats import write_image
    from fijibridge.ops._sample import sample_image

    with tempfile.TemporaryDirectory() as folder:
        image = Path(folder) / "nuclei.tif"
        write_image(sample_image(), image)
        latency(image)
    pixels()


if __name__ == "__main__":
    main()
