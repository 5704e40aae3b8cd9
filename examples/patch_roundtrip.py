#!/usr/bin/env python3
"""A sub-volume out of a Zarr, into ImageJ, and back: ``python patch_roundtrip.py [DIR [SIDE]]``.

A volume of SIDE voxels along y and x (700: 200 MB) is made with its resolution levels. A part of it
is checked out as a TIFF, the real ImageJ 1.54p edits that in a macro, without a window, and saves
it; it is checked in, with no number typed. The picture shows the place at three levels, before and
after.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np

import fijibridge as fb

MACRO = """
open("{file}");
run("Median...", "radius=2 stack");
makeOval(getWidth() / 4, getHeight() / 4, getWidth() / 2, getHeight() / 2);
run("Add...", "value=1500 stack");
run("Select None");
saveAs("Tiff", "{file}");
close("*");
"""


def volume(side: int) -> fb.Image:
    """Return noise with blobs: side x side voxels; of 700 there are 204 planes."""
    rng = np.random.default_rng(7)
    shape = (max(16, side * 204 // 700), side, side)
    data = rng.integers(0, 400, shape, np.uint16)
    radius = max(3, side // 40)
    near = np.mgrid[-radius : radius + 1, -radius : radius + 1, -radius : radius + 1]
    blob = (3000 * np.exp(-4 * (near**2).sum(0) / radius**2)).astype(np.uint16)
    for z, y, x in rng.integers(0, [max(1, n - 2 * radius - 1) for n in shape], (300, 3)):
        part = data[z : z + 2 * radius + 1, y : y + 2 * radius + 1, x : x + 2 * radius + 1]
        np.maximum(part, blob[tuple(slice(0, n) for n in part.shape)], out=part)
    axes = fb.Axes.of("zyx", shape, scale={"z": 1.0, "y": 0.5, "x": 0.5}, unit="um")
    return fb.Image.from_array(data, axes, name="blobs")


def shown(store: Path, levels: list[str], plane: float) -> list[np.ndarray]:
    """Return one plane of each level as grey values 0 to 255, enlarged to the size of the first."""
    pictures: list[np.ndarray] = []
    for level in levels:
        source = fb.open_image(store / level)
        z, y, x = source.spec.shape
        at = min(z - 1, int(plane * z))
        grey = source.read(fb.Region((at, 0, 0), (at + 1, y, x)))[0]
        source.close()
        size = pictures[0].shape if pictures else (min(y, 350), min(x, 350))
        rows, columns = (np.arange(n) * m // n for n, m in zip(size, (y, x), strict=True))
        pictures.append(np.clip(grey[np.ix_(rows, columns)] / 12, 0, 255).astype(np.uint8))
    return pictures


def montage(before: list[np.ndarray], after: list[np.ndarray]) -> np.ndarray:
    """Return a picture: before above, after below, the levels side by side."""
    gap = 6
    h, w = before[0].shape
    page = np.full((2 * h + 3 * gap, len(before) * (w + gap) + gap), 255, np.uint8)
    for row, pictures in enumerate((before, after)):
        for column, picture in enumerate(pictures):
            y, x = gap + row * (h + gap), gap + column * (w + gap)
            page[y : y + h, x : x + w] = picture
    return page


def main(folder: Path, side: int = 700) -> None:
    """Make the volume, take a part out, edit it in ImageJ, put it back, show it."""
    store, patch = folder / "blobs.ome.zarr", folder / "patch.tif"
    for old in (store, patch, folder / "patch_patch.json"):
        shutil.rmtree(old) if old.is_dir() else old.unlink(missing_ok=True)
    image = volume(side)
    fb.write_image(image, store, downscale="mean", chunks=(64, 128, 128))
    source = fb.open_image(store)
    levels = [level.name for level in source.spec.scales][:3]
    source.close()
    print(f"{store.name}: {image.data.nbytes / 1e6:.0f} MB, levels {', '.join(levels)}, ...")

    z, n = image.axes.size("z"), side
    region = f"z={z // 4 + 1}:{3 * z // 4},y={n // 3}:{2 * n // 3 + 1},x={n // 4 + 1}:{3 * n // 4}"
    before = shown(store, levels, 0.5)
    origin = fb.checkout(store, region, patch)
    print(f"checked out {region}: {patch.name}, patch {origin.id}")

    imagej = fb.start_fiji().imagej
    imagej.run_macro(
        f"setBatchMode(true);{MACRO.format(file=patch.as_posix())}setBatchMode(false);"
    )
    print("edited in ImageJ")

    done = fb.checkin(patch)
    for level in done.facts["levels"]:
        print(f"  level {level['level']}: {level['chunks_written']} chunks written")
    fb.write_image(
        fb.Image.from_array(montage(before, shown(store, levels, 0.5)), "yx"),
        folder / "before_after.png",
        overwrite=True,
    )
    print(f"before above, after below: {folder / 'before_after.png'}")
    wrong = fb.run_verb("validate", input=str(store)).to_json()["findings"]
    print(f"every level follows from the finer one: {not wrong}")


if __name__ == "__main__":
    main(
        Path(sys.argv[1]) if sys.argv[1:] else Path(tempfile.mkdtemp()),
        int(sys.argv[2]) if sys.argv[2:] else 700,
    )
