"""A trained project beside vigra's filters and forest, on the same features and as many trees.

Run: ``python benchmarks/project.py [small]``. vigra is asked in the system's Python
(``/usr/bin/python3`` with python3-vigra); without it only our own figures are printed. CPU is that
of the whole process, all threads; the ratio is vigra's CPU over ours. Memory and start-up are those
of the command line on a file, in a process of its own.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

import h5py  # noqa: E402, TID253

import fijibridge as fb  # noqa: E402
from projects.make_ilp import IDS, TYPE, columns_of, matrix, simple  # noqa: E402

ORACLE = ROOT / "tests" / "projects" / "oracle_vigra.py"
PYTHON = "/usr/bin/python3"
TREES = 100
CASES = {
    "2D 1024 x 1344": (1024, 1344),
    "2D 4096 x 4096": (4096, 4096),
    "3D 128 x 256 x 256": (128, 256, 256),
}
#: 29 features in 2D: all filters at three scales, and some more.
CHOSEN = [
    *((name, scale) for scale in (1.0, 1.6, 10.0) for name in IDS),
    ("GaussianSmoothing", 0.3),
    ("GaussianSmoothing", 5.0),
    ("LaplacianOfGaussian", 5.0),
    ("GaussianGradientMagnitude", 5.0),
    ("DifferenceOfGaussians", 5.0),
]


def chosen_for(dimensions: int) -> list[tuple[str, float]]:
    """The features; in 3D 3.5 stands for 10, which asks for 36 planes."""
    return [(name, 3.5 if dimensions == 3 and s == 10.0 else s) for name, s in CHOSEN]


def picture(shape) -> np.ndarray:
    """Blurred noise, uint8."""
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(1)
    raw = gaussian_filter(rng.random(shape, np.float32), 3)
    raw = (raw - raw.min()) / (raw.max() - raw.min())
    return (raw * 200 + rng.integers(0, 50, shape)).astype(np.uint8)


def ask(folder: Path, **task):
    np.savez(folder / "task.npz", **task)
    subprocess.run([PYTHON, ORACLE, folder / "task.npz", folder / "out.npz"], check=True)
    return np.load(folder / "out.npz")


def train(folder: Path, features: np.ndarray, dimensions: int) -> Path:
    """Write a project whose forest vigra trains on 300 pixels of these features."""
    rng = np.random.default_rng(2)
    columns = len(features)
    pixels = rng.choice(features[0].size, 300, replace=False)
    x = features.reshape(columns, -1)[:, pixels].T
    y = 1 + (x[:, 1] + rng.normal(size=300) * x[:, 1].std() / 4 > np.median(x[:, 1])).astype(
        np.uint32
    )
    ask(folder, task="forest", x=x, y=y, rows=x[:2], trees=TREES, seed=1, path=str(folder / "f.h5"))
    table = matrix(*chosen_for(dimensions))
    axes = "yxc" if dimensions == 2 else "zyxc"
    path = simple(table=table, dimensions=dimensions, axes=axes, shape=(1,) * len(axes)).write(
        folder / "p.ilp"
    )
    with h5py.File(path, "r+") as project, h5py.File(folder / "f.h5") as trained:
        group = project["PixelClassification/ClassifierForests"]
        del group["Forest0000"], group["Forest0001"]
        trained.copy("Forest0000", group)
        group["pickled_type"][()] = TYPE
    return path


def ours(path: Path, image) -> tuple[float, float]:
    """Return (CPU seconds, wall seconds) of the probabilities of an image."""
    project = fb.IlastikProject(path)
    cpu, wall = time.process_time(), time.perf_counter()
    project.predict(image)
    return time.process_time() - cpu, time.perf_counter() - wall


#: Runs a command from a small process, whose own memory does not count.
WAIT = """
import os, subprocess, sys
_, code, used = os.wait4(subprocess.Popen(sys.argv[1:]).pid, 0)
print(code, used.ru_maxrss / 1024, used.ru_utime + used.ru_stime)
"""


def alone(folder: Path, path: Path, keys: str, *words: str) -> tuple[float, float]:
    """Return (peak in MB, CPU seconds) of the command line on the image."""
    line = [sys.executable, "-m", "fijibridge", "ilastik", "--project", path, folder / "i.h5/data"]
    line += ["--input_axes", keys, "--output_format=hdf5", "--quiet", "--no-settings", *words]
    line += ["--overwrite", "--output_filename_format", folder / "o.h5"]
    asked = [sys.executable, "-c", WAIT, *map(str, line)]
    said = subprocess.run(asked, check=True, capture_output=True, text=True).stdout.split()
    if said[0] != "0":
        raise SystemExit(f"{path} failed on the command line.")
    return float(said[1]), float(said[2])


def main() -> None:
    small = "small" in sys.argv[1:]
    only = [word for word in sys.argv[1:] if word in ("2D", "3D")]
    for title, full in CASES.items():
        if only and title[:2] not in only:
            continue
        shape = tuple(n // 2 for n in full) if small else full
        dimensions = len(shape)
        keys = "yx" if dimensions == 2 else "zyx"
        data = picture(shape)
        image = fb.Image.from_array(data, keys)
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            part = data[:256, :256] if dimensions == 2 else data[:64, :64, :64]
            first = simple(
                table=matrix(*chosen_for(dimensions)),
                dimensions=dimensions,
                axes=keys + "c",
                shape=(1,) * (dimensions + 1),
            )
            untrained = first.write(folder / "q.ilp")
            features = (
                fb.IlastikProject(untrained)
                .predict(fb.Image.from_array(part, keys), "Features")
                .data
            )
            path = train(folder, np.moveaxis(features, -1, 0), dimensions)
            ours(path, fb.Image.from_array(part, keys))  # compile, or read the cache
            cpu, wall = ours(path, image)
            fb.write_image(image, folder / "i.h5/data")
            peak, _ = alone(folder, path, keys)
            corner = ",".join(f"{k}=:32" for k in keys)
            _, start = alone(folder, path, keys, "--cutout_subregion", corner)
            count = data.size
            print(
                f"{title}: {columns_of(matrix(*chosen_for(dimensions)), 1, dimensions)} features, "
                f"{TREES} trees"
            )
            print(
                f"  fijibridge  {cpu:8.2f} s CPU {wall:8.2f} s wall "
                f"{cpu / count * 1e9:7.0f} ns a pixel, peak {peak:.0f} MB, "
                f"first block {start:.1f} s CPU"
            )
            # vigra needs the whole in memory: its figures are of a part, scaled by pixels
            tile = data[:1024, :1024] if dimensions == 2 else data[:64, :128, :128]
            volume = tile[None] if dimensions == 2 else tile
            chosen = [
                (n, s)
                for n in IDS
                for m, s in sorted(chosen_for(dimensions), key=lambda c: c[1])
                if m == n
            ]
            found = ask(
                folder,
                task="features",
                raw=volume[None].astype(np.float32),
                names=[n for n, _ in chosen],
                scales=[s for _, s in chosen],
                flat=[dimensions == 2] * len(chosen),
                swapped=True,
            )
            filters = float(found["seconds"]) * count / tile.size
            rows = found["features"].reshape(len(found["features"]), -1).T[:200_000]
            rng = np.random.default_rng(2)
            x = rows[rng.choice(len(rows), 300, replace=False)]
            y = 1 + (x[:, 1] > np.median(x[:, 1])).astype(np.uint32)
            forest = ask(folder, task="forest", x=x, y=y, rows=rows, trees=TREES, seed=1)
            predicted = float(forest["seconds"]) * count / len(rows)
            both = filters + predicted
            print(
                f"  vigra       {both:8.2f} s CPU ({filters:.2f} filters, {predicted:.2f} forest)"
            )
            print(f"  ratio       {both / cpu:8.1f}")


if __name__ == "__main__":
    main()
