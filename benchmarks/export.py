"""HDF5 to every large format beside raw copying and other libraries, in one run.

``python benchmarks/export.py [--mb 1000] [--quick] [--large]`` prints seconds, CPU seconds, peak
memory and ratios, and what 512 MiB of tzyxc take beside what ilastik was seen to take. Every job
runs in a process of its own, the jobs of a round one after the other, so that what the machine does
meanwhile hits all of them; of the rounds the smallest counts. The machine should be idle, the disk
have room for four times the image.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from _common import Timing, show

SIDE = 1024
CHUNK = (64, 128, 128)
LEVEL_CHUNK = 128
MEAN_LEVELS = 4
FIVE = (4, 128, 512, 512, 2)  # 512 MiB of uint16
#: format, suffix, seconds and MB that ilastik took for it on two busy cores
ILASTIK = (
    ("hdf5", ".h5", 4.4, 423),
    ("compressed hdf5", ".h5", 15.8, 424),
    ("multipage tiff", ".ome.tiff", 3.1, 806),
    ("single-scale OME-Zarr", ".ome.zarr", 3.5, 751),
    ("multi-scale OME-Zarr", ".ome.zarr", 19.3, 727),
    ("numpy", ".npy", 9.0, 932),
)


def planes(count: int, *, seed: int = 1) -> np.ndarray:
    """Return (count, SIDE, SIDE) uint16 of camera noise and blobs."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(300, 18, (count, SIDE, SIDE)).astype(np.float32)
    r = 12
    y, x = np.mgrid[-r:r, -r:r]
    blob = (2000 * np.exp(-(y**2 + x**2) / 60)).astype(np.float32)
    for _ in range(5 * count):
        z, cy, cx = rng.integers(0, count), *rng.integers(r, SIDE - r, 2)
        noise[z, cy - r : cy + r, cx - r : cx + r] += blob
    return np.clip(noise, 0, 65535).astype(np.uint16)


def make_sources(folder: Path, nz: int) -> None:
    """Write the image uncompressed and with gzip 4, and with the chunks that exports have."""
    import h5py

    from fijibridge.formats._hdf5.write import block_shape

    own = block_shape((nz, SIDE, SIDE), 512_000 // 2)
    slab = planes(64)
    for name, chunks, gzip in (
        ("plain", CHUNK, None),
        ("gzip", CHUNK, 4),
        ("plain-own", own, None),
        ("gzip-own", own, 1),
    ):
        with h5py.File(folder / f"{name}.h5", "w", rdcc_nbytes=1 << 28) as file:
            made = file.create_dataset(
                "exported_data",
                (nz, SIDE, SIDE),
                "u2",
                chunks=chunks,
                compression="gzip" if gzip else None,
                compression_opts=gzip,
            )
            made.attrs["axes"] = "zyx"
            for z in range(0, nz, 64):
                shift = (z // 64) * 37
                made[z : z + 64] = np.roll(slab, (shift, 3 * shift), (1, 2))[: nz - z]


def tiny(path: Path) -> None:
    """Write an image just large enough that everything is done to it."""
    import h5py

    with h5py.File(path, "w") as file:
        made = file.create_dataset(
            "exported_data",
            data=np.repeat(planes(1)[:, :300, :300], 40, axis=0),
            compression="gzip",
            chunks=(20, 99, 99),
        )
        made.attrs["axes"] = "zyx"


def five(path: Path) -> None:
    """Write 512 MiB of uint16 tzyxc, uncompressed."""
    import h5py

    slab = planes(64)
    with h5py.File(path, "w") as file:
        made = file.create_dataset("exported_data", FIVE, "u2", chunks=(1, 64, 64, 64, 1))
        made.attrs["axes"] = "tzyxc"
        for t in range(FIVE[0]):
            for c in range(FIVE[4]):
                part = slab[:, t * 64 : t * 64 + FIVE[2], c * 64 : c * 64 + FIVE[3]]
                made[t, ..., c] = np.tile(part, (FIVE[1] // 64, 1, 1))


def sparse(path: Path, nz: int) -> None:
    import h5py

    with h5py.File(path, "w") as file:
        made = file.create_dataset(
            "exported_data", (nz, SIDE, SIDE), "u2", chunks=CHUNK, compression="gzip"
        )
        made.attrs["axes"] = "zyx"


# jobs: each runs in a process of its own ------------------------------------------------------


def job_export(source: str, target: str, kind: str, downscale: str = "") -> None:
    from fijibridge.export.batch import plan_batch, run_item
    from fijibridge.export.settings import ExportSettings

    (item,) = plan_batch(
        [source],
        ExportSettings(
            output_format=kind, output_filename_format=target, downscale=downscale or None
        ),
    )
    run_item(item)


def job_bigtiff(source: str, target: str, *_: str) -> None:
    from fijibridge.export.execute import copy_blocks
    from fijibridge.export.steps import Tally
    from fijibridge.formats import Location, WriteOptions, open_image
    from fijibridge.formats.tiff import FORMATS

    (shelf,) = (fmt for fmt in FORMATS if fmt.name == "bigtiff")
    image = open_image(source)
    spec = image.spec
    sink = shelf.create_image(Location.parse(target), spec, WriteOptions())
    keys = spec.axes.keys
    copy_blocks(image, (), sink, spec.shape, keys, jobs=2, memory=1 << 28, tally=Tally())
    sink.commit()


def job_raw(source: str, target: str) -> None:
    """Read the file and write its bytes to a new one, 4 MB at a time."""
    buffer = memoryview(bytearray(4 << 20))
    with open(source, "rb", buffering=0) as a, open(target, "xb", buffering=0) as b:  # noqa: PTH123
        while n := a.readinto(buffer):
            b.write(buffer[:n])


def slabs(shape):
    """Yield boxes of (64, LEVEL_CHUNK, all), as (start, stop)."""
    for z in range(0, shape[0], 64):
        for y in range(0, shape[1], LEVEL_CHUNK):
            yield (
                (z, y, 0),
                (min(z + 64, shape[0]), min(y + LEVEL_CHUNK, shape[1]), shape[2]),
            )


def job_h5py_read(source: str, _target: str) -> None:
    import h5py

    with h5py.File(source) as file:
        data = file["exported_data"]
        out = np.empty((64, LEVEL_CHUNK, data.shape[2]), data.dtype)
        for low, high in slabs(data.shape):
            part = out[: high[0] - low[0], : high[1] - low[1]]
            if part.flags.c_contiguous:
                data.read_direct(part, np.s_[low[0] : high[0], low[1] : high[1]])


def job_our_read(source: str, _target: str) -> None:
    from fijibridge.formats import open_image
    from fijibridge.model import Region

    image = open_image(source)
    out = np.empty((64, LEVEL_CHUNK, image.spec.shape[2]), np.uint16)
    for low, high in slabs(image.spec.shape):
        part = out[: high[0] - low[0], : high[1] - low[1]]
        if part.flags.c_contiguous:
            image.read(Region(low, high), part)


def _lazy(source: str):
    import dask
    import dask.array as da
    import h5py

    dask.config.set(scheduler="threads", num_workers=2)
    data = h5py.File(source)["exported_data"]
    return da.from_array(data, chunks=(LEVEL_CHUNK,) * 3)


def job_ngff_zarr(source: str, target: str) -> None:
    import ngff_zarr as nz
    from numcodecs import Blosc

    image = nz.to_ngff_image(_lazy(source), dims=("z", "y", "x"))
    levels = nz.to_multiscales(
        image,
        scale_factors=[2**i for i in range(1, MEAN_LEVELS)],
        method=nz.Methods.DASK_BIN_SHRINK,
        chunks=LEVEL_CHUNK,
    )
    codec = Blosc(cname="lz4", clevel=5, shuffle=Blosc.SHUFFLE)
    nz.to_ngff_zarr(target, levels, version="0.4", compressor=codec)


def job_ome_zarr(source: str, target: str) -> None:
    import ome_zarr.format
    import ome_zarr.scale
    import ome_zarr.writer
    from numcodecs import Blosc

    ome_zarr.writer.write_image(
        _lazy(source),
        target,
        axes="zyx",
        method=ome_zarr.scale.Methods("local_mean"),
        scale_factors=[dict.fromkeys("zyx", 2**i) for i in range(1, MEAN_LEVELS)],
        fmt=ome_zarr.format.FormatV04(),
        storage_options={
            "chunks": (LEVEL_CHUNK,) * 3,
            "compressors": Blosc(cname="lz4", clevel=5, shuffle=Blosc.SHUFFLE),
        },
    )


def job_warm(_source: str, _target: str) -> None:
    """Have the compiled loops in their cache."""
    from fijibridge.model import Region
    from fijibridge.model.scaling import reduce_block

    block = np.zeros((64, 64, 64), np.uint16)
    for scaling in ("mean", "linear"):
        for view in (block, np.zeros((64, 64, 80), np.uint16)[..., :64]):
            reduce_block(view, view.shape, (32,) * 3, Region.whole((32,) * 3), scaling)


JOBS = {name.removeprefix("job_"): job for name, job in globals().items() if name[:4] == "job_"}


def peak_mb() -> float:
    """Return the peak memory of this process alone, without what it was forked from."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    return float("nan")


def child(job: str, source: str, target: str, *more: str) -> None:
    """Do a job on a tiny image, which imports and compiles everything, then on the real one."""
    tiny = Path(source).with_name("tiny.h5")
    if tiny.exists():
        suffix = "".join(Path(target).suffixes)
        JOBS[job](str(tiny), f"{Path(target).parent}/tiny{suffix}", *more)
    wall, cpu = time.perf_counter(), time.process_time()
    JOBS[job](source, target, *more)
    peak = peak_mb()
    found = {
        "wall": time.perf_counter() - wall,
        "cpu": time.process_time() - cpu,
        "peak": peak,
    }
    print(json.dumps(found))


class Runs:
    """Rounds of jobs on one image, and what was measured.

    Parameters
    ----------
    folder
        Where sources lie and targets go.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._found: dict[str, list[dict[str, float]]] = {}

    def run(self, name: str, job: str, source: str, *more: str, suffix: str = "") -> None:
        """Run one job and forget what it wrote."""
        target = self._folder / "target" / f"o{suffix}"
        target.parent.mkdir(exist_ok=True)
        argv = [job, str(self._folder / f"{source}.h5"), str(target), *more]
        done = subprocess.run(
            [sys.executable, "-W", "ignore", __file__, "--child", *argv],
            capture_output=True,
            text=True,
            check=False,
        )
        shutil.rmtree(target.parent)
        if done.returncode:
            last = done.stderr.strip().splitlines()[-1:]
            print(f"  {name}: failed: {last}", flush=True)
            return
        self._found.setdefault(name, []).append(json.loads(done.stdout.splitlines()[-1]))

    def forget(self, name: str) -> None:
        """Forget what was measured."""
        self._found.pop(name, None)

    def best(self, name: str) -> Timing:
        found = self._found.get(name)
        if not found:
            return Timing(name, float("nan"), float("nan"))
        return Timing(name, min(f["wall"] for f in found), min(f["cpu"] for f in found))

    def peak(self, name: str) -> float:
        return max((f["peak"] for f in self._found.get(name, [])), default=float("nan"))

    @property
    def names(self) -> list[str]:
        return list(self._found)


TARGETS = (
    ("ImageJ TIFF", "imagej tiff", ".tif"),
    ("BigTIFF", "", ".tif"),
    ("OME-TIFF", "multipage tiff", ".ome.tiff"),
    ("NPY", "numpy", ".npy"),
    ("HDF5", "hdf5", ".h5"),
    ("HDF5 gzip", "compressed hdf5", ".h5"),
    ("OME-Zarr", "single-scale OME-Zarr", ".ome.zarr"),
    ("multi-scale linear", "multi-scale OME-Zarr", ".ome.zarr"),
)


def one_round(runs: Runs, *, peers: bool) -> None:
    for source in ("plain", "gzip"):
        for title, kind, suffix in TARGETS:
            runs.run(f"{source}: raw read + write", "raw", source)  # beside each: the disk's moods
            job = "export" if kind else "bigtiff"
            runs.run(f"{source} -> {title}", job, source, kind, suffix=suffix)
        mean = ("multi-scale OME-Zarr", "mean")
        runs.run(f"{source} -> multi-scale mean", "export", source, *mean, suffix=".ome.zarr")
        runs.run(f"{source}: read by h5py", "h5py_read", source)
        runs.run(f"{source}: read by fijibridge", "our_read", source)
        if peers:
            runs.run(f"{source} -> ngff-zarr", "ngff_zarr", source, suffix=".ome.zarr")
            runs.run(f"{source} -> ome-zarr-py mean", "ome_zarr", source, suffix=".ome.zarr")
    runs.run("plain-own -> HDF5, chunks as stored", "export", "plain-own", "hdf5", suffix=".h5")
    runs.run(
        "gzip-own -> HDF5 gzip, chunks as stored",
        "export",
        "gzip-own",
        "compressed hdf5",
        suffix=".h5",
    )


def ratios(runs: Runs, mb: int) -> None:
    """Print what the goals speak of."""
    print(f"\nall jobs, {mb} MB of pixels")
    print(f"  {'':42} {'wall s':>8} {'CPU s':>8} {'peak MB':>8}")
    for name in runs.names:
        t = runs.best(name)
        print(f"  {name:42} {t.wall:8.2f} {t.cpu:8.2f} {runs.peak(name):8.0f}", flush=True)
    raw = runs.best("plain: raw read + write")
    for title in ("ImageJ TIFF", "BigTIFF", "OME-TIFF", "NPY", "HDF5"):
        ours = runs.best(f"plain -> {title}")
        print(
            f"plain -> {title} / raw (goal TIFF 1.3): "
            f"wall {ours.wall / raw.wall:.2f} CPU {ours.cpu / raw.cpu:.2f}"
        )
    h5py, ours = runs.best("gzip: read by h5py"), runs.best("gzip: read by fijibridge")
    print(f"gzip decoding, h5py / ours (goal 1.6): CPU {h5py.cpu / ours.cpu:.2f}")
    for source in ("plain", "gzip"):
        plain = runs.best(f"{source} -> OME-Zarr")
        for kind, goal in (("mean", 1.3), ("linear", 1.8)):
            ours = runs.best(f"{source} -> multi-scale {kind}")
            print(
                f"{source} -> multi-scale {kind} / single-scale (goal {goal}): "
                f"CPU {ours.cpu / plain.cpu:.2f} wall {ours.wall / plain.wall:.2f}"
            )
        mean = runs.best(f"{source} -> multi-scale mean")
        peers = [runs.best(f"{source} -> {p}") for p in ("ngff-zarr", "ome-zarr-py mean")]
        if any(p.cpu == p.cpu for p in peers):
            show(f"{source} -> pyramid of means (goals: CPU 3x and 4x)", mean, peers)


def beside_ilastik(folder: Path, rounds: int) -> None:
    """Print what 512 MiB of five axes take."""
    five(folder / "five.h5")
    runs = Runs(folder)
    for _ in range(rounds):
        runs.run("raw read + write", "raw", "five")
        for kind, suffix, _, _ in ILASTIK:
            runs.run(kind, "export", "five", kind, suffix=suffix)
    print("\n512 MiB uint16 tzyxc (goals: compressed hdf5 7.9 s, multi-scale 6.4 s)")
    print(f"  {'':24} {'wall s':>8} {'CPU s':>8} {'peak MB':>8}   ilastik")
    for kind, _, wall, peak in (("raw read + write", "", 0, 0), *ILASTIK):
        t = runs.best(kind)
        seen = f"   {wall} s, {peak} MB" if wall else ""
        print(f"  {kind:24} {t.wall:8.2f} {t.cpu:8.2f} {runs.peak(kind):8.0f}{seen}", flush=True)
    (folder / "five.h5").unlink()


def flat(folder: Path, sizes: tuple[int, ...]) -> None:
    """Print the peak memory of sparse images that grow."""
    print("\npeak MB of sparse images (goal: under 400, the same for all sizes)")
    for title, kind, suffix in TARGETS:
        peaks = []
        for nz in sizes:
            sparse(folder / "sparse.h5", nz)
            runs = Runs(folder)
            runs.run("x", "export" if kind else "bigtiff", "sparse", kind, suffix=suffix)
            peaks.append(f"{2 * nz} MB: {runs.peak('x'):.0f}")
        print(f"  {title:22} {', '.join(peaks)}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mb", type=int, default=1024, help="size of the image")
    parser.add_argument("--quick", action="store_true", help="128 MB, one round")
    parser.add_argument("--large", action="store_true", help="memory of sparse images up to 8 GB")
    parser.add_argument("--no-peers", action="store_true", help="fijibridge and raw copying only")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where to write; a temporary one")
    parser.add_argument("--child", nargs="+", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.child:
        child(*asked.child)
        return
    mb = 128 if asked.quick else asked.mb
    print(f"{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}", flush=True)
    with tempfile.TemporaryDirectory(dir=asked.folder) as name:
        folder = Path(name)
        make_sources(folder, max(64, mb // 2))
        tiny(folder / "tiny.h5")
        os.sync()  # the sources are not written at the first job's cost
        runs = Runs(folder)
        runs.run("warm", "warm", "plain")
        runs.forget("warm")
        for _ in range(1 if asked.quick else asked.rounds):
            one_round(runs, peers=not asked.no_peers)
        ratios(runs, mb)
        for source in ("plain", "gzip", "plain-own", "gzip-own"):
            (folder / f"{source}.h5").unlink()
        beside_ilastik(folder, 1 if asked.quick else asked.rounds)
        if asked.large:
            flat(folder, (512, 1024, 4096))


if __name__ == "__main__":
    main()
