"""What every benchmark shares: images, clocks, one table of ratios at the end."""

from __future__ import annotations

import gc
import resource
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable


_SHORT = 0.5
_MOST = 200


@dataclass(frozen=True)
class Timing:
    """Best wall and CPU seconds of a job."""

    name: str
    wall: float
    cpu: float


def timed(name: str, job: Callable[[], object], *, repeat: int = 3, warm: int = 1) -> Timing:
    """Run `job` some times in a row; the smallest wall and CPU seconds count.

    As timeit does: garbage is collected before, not between, and short jobs run more often (for
    half a second), peers' and ours alike.
    """
    for _ in range(warm):
        job()
    time.sleep(0.5)  # a peer's own threads, such as Java's compiler, come to rest
    gc.collect()
    gc.disable()
    walls, cpus = [], []
    try:
        while len(walls) < repeat or (sum(walls) < _SHORT and len(walls) < _MOST):
            wall, cpu = time.perf_counter(), time.process_time()
            job()
            walls.append(time.perf_counter() - wall)
            cpus.append(time.process_time() - cpu)
    finally:
        gc.enable()
    return Timing(name, min(walls), min(cpus))


def show(title: str, ours: Timing, peers: list[Timing]) -> None:
    """Print one block: seconds, and how many times slower each peer is."""
    print(f"\n{title}")
    print(f"  {'':34} {'wall s':>9} {'CPU s':>9} {'wall x':>8} {'CPU x':>8}")
    for t in [ours, *peers]:
        ratios = "" if t is ours else f" {t.wall / ours.wall:8.1f} {t.cpu / ours.cpu:8.1f}"
        print(f"  {t.name:34} {t.wall:9.4f} {t.cpu:9.4f}{ratios}", flush=True)


def peak_mb() -> float:
    """Return the peak memory of this process in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def blobs(side: int, objects: int, *, seed: int = 7) -> tuple[np.ndarray, np.ndarray]:
    """Return (binary 0/255, grey uint8) images of about `objects` blobs, (side, side) each.

    Ellipses of random size and angle on a jittered grid; some touch and merge.
    """
    rng = np.random.default_rng(seed)
    per_row = int(np.sqrt(objects * 1.06))
    pitch = side / per_row
    binary = np.zeros((side, side), np.uint8)
    cy, cx = (np.mgrid[0:per_row, 0:per_row].reshape(2, -1) + 0.5) * pitch
    n = len(cx)
    cy, cx = cy + rng.uniform(-0.2, 0.2, n) * pitch, cx + rng.uniform(-0.2, 0.2, n) * pitch
    ra, rb = rng.uniform(0.16, 0.40, (2, n)) * pitch
    angle = rng.uniform(0, np.pi, n)
    r = int(np.ceil(0.45 * pitch))
    yy, xx = np.mgrid[-r : r + 1, -r : r + 1]
    for i in range(n):
        y0, x0 = int(cy[i]) - r, int(cx[i]) - r
        if y0 < 0 or x0 < 0 or y0 + 2 * r + 1 > side or x0 + 2 * r + 1 > side:
            continue
        c, s = np.cos(angle[i]), np.sin(angle[i])
        inside = ((xx * c + yy * s) / ra[i]) ** 2 + ((yy * c - xx * s) / rb[i]) ** 2 <= 1
        binary[y0 : y0 + 2 * r + 1, x0 : x0 + 2 * r + 1][inside] = 255
    noise = rng.integers(0, 40, (side, side), dtype=np.uint8)
    grey = np.where(binary > 0, np.uint8(120) + noise, noise).astype(np.uint8)
    grey += (np.add.outer(np.arange(side), np.arange(side)) % 60).astype(np.uint8)
    return binary, grey


def noise(side: int, density: float, *, seed: int = 3) -> np.ndarray:
    """Return a (side, side) binary 0/255 image of independent pixels."""
    rng = np.random.default_rng(seed)
    return (rng.random((side, side), np.float32) < density).astype(np.uint8) * np.uint8(255)
