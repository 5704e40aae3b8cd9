#!/usr/bin/env python3
"""Checking a patch in, beside ngio: ``python benchmarks/patch.py [--side N] [--memory]``.

300 x 300 x 300 voxels at an unaligned offset go into a 1 GB store of 5 levels (uint16, chunks of
128, blosc lz4). Each job starts from a fresh copy of the store, and what it does to all levels is
compared with the others' before it counts. Ours also compares the place with its check-out, keeps
the old chunks for undo and syncs to disk; ngio does none of this. ``--memory``: the peak memory of
a process that checks out and in, in sparse stores of 1 to 20 GB.
"""

from __future__ import annotations

import argparse
import importlib.util
import shutil
import subprocess
import sys
import tempfile
import textwrap
import time
import warnings
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))

from _common import Timing, show

import fijibridge as fb

START = (101, 203, 307)
EDGE = 300
LEVELS = 5


def make_store(path: Path, side: int) -> None:
    """Write side/2 x side x side voxels of noise and blobs with 5 levels of means."""
    import zarr
    from numcodecs import Blosc

    rng = np.random.default_rng(7)
    shape = (side // 2, side, side)
    whole = rng.poisson(100, shape).astype(np.uint16)
    for _ in range(2000):
        z, y, x = (int(rng.integers(0, n - 16)) for n in shape)
        whole[z : z + 16, y : y + 16, x : x + 16] += np.uint16(rng.integers(100, 3000))
    group = zarr.create_group(path, zarr_format=2)
    datasets = []
    for i in range(LEVELS):
        array = group.create_array(
            str(i),
            shape=whole.shape,
            chunks=(128, 128, 128),
            dtype=whole.dtype,
            compressors=Blosc("lz4", 5, Blosc.SHUFFLE),
            chunk_key_encoding={"name": "v2", "separator": "/"},
        )
        array[...] = whole
        scale = {"type": "scale", "scale": [float(2**i)] * 3}
        datasets.append({"path": str(i), "coordinateTransformations": [scale]})
        z, y, x = (n // 2 for n in whole.shape)
        blocks = whole[: 2 * z, : 2 * y, : 2 * x].reshape(z, 2, y, 2, x, 2)
        whole = np.rint(blocks.mean((1, 3, 5), np.float64)).astype(np.uint16)
    axes = [{"name": k, "type": "space", "unit": "micrometer"} for k in "zyx"]
    image = {"version": "0.4", "name": "image", "axes": axes, "datasets": datasets}
    group.attrs["multiscales"] = [image]


def levels_of(path: Path) -> list[np.ndarray]:
    """Return all levels but the finest, and the finest around the patch."""
    import zarr

    group = zarr.open_group(path, mode="r")
    return [np.asarray(group[str(i)][...]) for i in range(1, LEVELS)]


class Ours:
    """A check-in with all that belongs to it."""

    name = "fijibridge patch checkin"

    def __init__(self, patch: Path) -> None:
        self._patch = patch

    def __call__(self, store: Path, _pixels: np.ndarray) -> None:
        fb.checkin(self._patch, store=store)


class Ngio:
    """Set the array, then build the levels again: those of the region, or all."""

    def __init__(self, *, region: bool) -> None:
        self.name = f"ngio set_array + consolidate({'regions' if region else ''})"
        self._region = region

    def __call__(self, store: Path, pixels: np.ndarray) -> None:
        import ngio

        image = ngio.open_ome_zarr_container(store).get_image(path="0")
        z, y, x = (slice(a, a + n) for a, n in zip(START, pixels.shape, strict=True))
        image.set_array(pixels, z=z, y=y, x=x)
        image.consolidate(regions=[(z, y, x)] if self._region else None)


def measure(job: Ours | Ngio, pristine: Path, pixels: np.ndarray, repeat: int) -> tuple:
    """Return (timing, levels afterwards)."""
    walls, cpus, found = [], [], []
    work = pristine.with_name("work.ome.zarr")
    for i in range(repeat + 1):  # the first one is to warm up
        shutil.rmtree(work, ignore_errors=True)
        shutil.copytree(pristine, work)
        wall, cpu = time.perf_counter(), time.process_time()
        job(work, pixels)
        if i:
            walls.append(time.perf_counter() - wall)
            cpus.append(time.process_time() - cpu)
    found = levels_of(work)
    shutil.rmtree(work)
    return Timing(job.name, min(walls), min(cpus)), found


def speed(folder: Path, side: int, repeat: int) -> None:
    """Compare the times of all who can do it."""
    pristine = folder / "pristine.ome.zarr"
    make_store(pristine, side)
    edge = min(EDGE, side // 2 - START[0])
    stop = [min(a + edge, n) for a, n in zip(START, (side // 2, side, side), strict=True)]
    region = ",".join(f"{k}={a}:{b}" for k, a, b in zip("zyx", START, stop, strict=True))
    patch = folder / "patch.npy"
    fb.checkout(pristine, region, patch)
    pixels = np.load(patch) + np.uint16(1000)
    np.save(patch, pixels)
    ours, mine = measure(Ours(patch), pristine, pixels, repeat)
    peers = []
    if importlib.util.find_spec("ngio") is None:
        print("ngio is not installed (pip install ngio): its times are left out")
    else:
        for region_only in (True, False):
            timing, its = measure(Ngio(region=region_only), pristine, pixels, repeat)
            largest = max(
                int(np.abs(a.astype(np.int64) - b).max()) for a, b in zip(mine, its, strict=True)
            )
            print(f"{timing.name}: levels differ from ours by {largest} at most")
            peers.append(timing)
    size = side**3 / 2 * 2 / 1e9
    show(f"check-in of {'x'.join(map(str, pixels.shape))} into {size:.2f} GB", ours, peers)


MEMORY = textwrap.dedent(
    """
    import sys, numpy as np, fijibridge as fb
    from pathlib import Path
    store, patch = sys.argv[1:]
    fb.checkout(store, "z=101:401,y=203:503,x=307:607", patch, overwrite=True)
    np.save(patch, np.load(patch) + np.uint16(1))
    fb.checkin(patch)
    text = Path("/proc/self/status").read_text()
    print([line.split()[1] for line in text.splitlines() if line.startswith("VmHWM")][0])
    """
)


def memory(folder: Path) -> None:
    """Measure the peak of a process, for stores of several sizes of which little is stored."""
    import zarr

    print(f"\n{'store':>12} {'peak MB':>9}")
    for planes in (512, 2048, 10240):
        store = folder / f"sparse{planes}.ome.zarr"
        group = zarr.create_group(store, zarr_format=2)
        datasets = []
        for i in range(LEVELS):
            shape = tuple(n >> i for n in (planes, 1024, 1024))
            group.create_array(
                str(i),
                shape=shape,
                chunks=(128, 128, 128),
                dtype=np.uint16,
                chunk_key_encoding={"name": "v2", "separator": "/"},
            )
            scale = {"type": "scale", "scale": [float(2**i)] * 3}
            datasets.append({"path": str(i), "coordinateTransformations": [scale]})
        axes = [{"name": k, "type": "space"} for k in "zyx"]
        group.attrs["multiscales"] = [{"version": "0.4", "axes": axes, "datasets": datasets}]
        run = subprocess.run(
            [sys.executable, "-c", MEMORY, str(store), str(folder / f"p{planes}.npy")],
            capture_output=True,
            text=True,
            check=True,
        )
        print(f"{planes * 2 / 1024:9.0f} GB {int(run.stdout) / 1024:9.0f}", flush=True)


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--side", type=int, default=1024, help="voxels along y and x; z has half")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--memory", action="store_true", help="the peak memory instead of times")
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory(prefix="fijibridge-") as folder:
        if asked.memory:
            memory(Path(folder))
        else:
            speed(Path(folder), asked.side, asked.repeat)


if __name__ == "__main__":
    main()
