"""Analyze Particles beside ImageJ 1.54p, scikit-image and OpenCV, on the same images in one run.

``python benchmarks/particles.py [--quick]`` prints seconds and ratios. All measurements of Set
Measurements, the outlines and the label mask are made; ImageJ is warm. The machine should be idle.
"""

from __future__ import annotations

import argparse
import functools
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from _common import blobs, noise, peak_mb, show, timed

from fijibridge.measure.particle_settings import ParticleSettings
from fijibridge.measure.particles import analyze_particles
from fijibridge.model import Image

if TYPE_CHECKING:
    from _imagej import ImageJ

    from fijibridge.measure.particles import ParticleResult

SIZES = ((1024, 1300), (4096, 24000), (8192, 111000))
LOW = 110.0  # threshold of the grey images
SKIMAGE = (
    "area", "intensity_mean", "intensity_std", "intensity_min", "intensity_max", "centroid",
    "centroid_weighted", "bbox", "perimeter", "axis_major_length", "axis_minor_length",
    "orientation", "feret_diameter_max", "solidity",
)  # fmt: skip


def ours(
    image: Image, threshold: tuple[float, float] | None, threads: int | None = None
) -> ParticleResult:
    """Measure everything, trace everything, make the label mask."""
    settings = ParticleSettings(threshold=threshold, measurements=("all",))
    return _looked_at(analyze_particles(image, settings, threads=threads))


def _looked_at(result: ParticleResult) -> ParticleResult:
    """Ask for everything: what is made only when it is asked for counts too."""
    _ = result.table, result.rois, result.labels
    return result


def with_skimage(image: np.ndarray, low: float) -> object:
    from skimage.measure import label, regionprops_table

    labels = label(image >= low, connectivity=2)
    return regionprops_table(labels, image, properties=SKIMAGE)


def with_opencv(image: np.ndarray, low: float) -> object:
    import cv2

    mask = (image >= low).astype(np.uint8)
    _, labels, stats, centers = cv2.connectedComponentsWithStats(mask, connectivity=8)
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    rows = []
    for contour in contours:
        hull = cv2.convexHull(contour)
        moments = cv2.moments(contour)
        x, y, w, h = cv2.boundingRect(contour)
        inside = np.zeros((h, w), np.uint8)
        cv2.drawContours(inside, [contour], -1, 1, -1, offset=(-x, -y))
        mean, deviation = cv2.meanStdDev(image[y : y + h, x : x + w], mask=inside)
        low_high = cv2.minMaxLoc(image[y : y + h, x : x + w], mask=inside)
        ellipse = cv2.fitEllipse(contour) if len(contour) >= 5 else None
        rows.append(
            (cv2.contourArea(contour), cv2.arcLength(contour, True), cv2.contourArea(hull),
             cv2.minAreaRect(contour), ellipse, moments["m00"], mean, deviation, low_high)
        )  # fmt: skip
    return labels, stats, centers, rows


def compare(imagej: ImageJ, kind: str, pixels: np.ndarray, low: float | None, repeat: int) -> None:
    """Print the block of one image."""
    image = Image.from_array(pixels, "yx", name="image")
    threshold = None if low is None else (low, 255.0)
    mine = timed("fijibridge", lambda: ours(image, threshold), repeat=repeat + 2, warm=2)
    plus = imagej.plus(pixels, low)
    peers = [timed("ImageJ 1.54p", lambda: imagej.analyze(plus), repeat=repeat, warm=3)]
    rows = imagej.analyze(plus)
    assert rows == len(ours(image, threshold).table)
    side = len(pixels)
    if side <= 4096:
        cut = 1 if low is None else low
        for name, peer in (("scikit-image", with_skimage), ("OpenCV", with_opencv)):
            job = functools.partial(peer, pixels, cut)
            peers.append(timed(f"{name} (comparable columns)", job, repeat=1, warm=0))
    show(f"{kind} {side}², {rows} objects: all measurements, ROIs, label mask", mine, peers)


def small_images(imagej: ImageJ, side: int) -> None:
    """A thousand small images, one call each; neither side keeps the results."""
    rng = np.random.default_rng(5)
    binary, grey = blobs(1024, 1300)
    corners = rng.integers(0, 1024 - side, (1000, 2))
    for kind, pixels, low in (("binary", binary, None), ("grey", grey, LOW)):
        tiles = [np.ascontiguousarray(pixels[y : y + side, x : x + side]) for y, x in corners]
        images = [Image.from_array(t, "yx", name="image") for t in tiles]
        pluses = imagej.array([imagej.plus(t, low) for t in tiles])
        threshold = None if low is None else (low, 255.0)
        settings = ParticleSettings(threshold=threshold, measurements=("all",))
        mine = timed("fijibridge", functools.partial(each, images, settings), repeat=5, warm=2)
        theirs = timed(
            "ImageJ 1.54p", functools.partial(imagej.analyze_all, pluses), repeat=5, warm=2
        )
        show(f"1000 {kind} images of {side} x {side}, one call each", mine, [theirs])


def each(images: list[Image], settings: ParticleSettings) -> None:
    """Measure everything in one image after the other."""
    for image in images:
        _looked_at(analyze_particles(image, settings))


def memory(kind: str, side: int) -> None:
    """Child process: print the peak memory beside input and imports, in bytes a pixel."""
    if kind == "noise":
        pixels, threshold = noise(side, 0.5), None
    else:
        binary, grey = blobs(side, side * side // 604)
        pixels, threshold = (binary, None) if kind == "binary" else (grey, (LOW, 255.0))
    small = Image.from_array(np.ascontiguousarray(pixels[:512, :512]), "yx")
    ours(small, threshold)  # compiles and imports everything
    image = Image.from_array(pixels, "yx")
    # the peak until here is what making the image took; count from what is resident now
    Path("/proc/self/clear_refs").write_text("5")
    before = _resident("VmRSS")
    ours(image, threshold)
    print((_resident("VmHWM") - before) / side**2)


def _resident(key: str) -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(key):
            return float(line.split()[1]) * 1024
    return peak_mb() * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="only the smaller images")
    parser.add_argument("--memory", nargs=2, metavar=("KIND", "SIDE"), help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.memory:
        memory(chosen.memory[0], int(chosen.memory[1]))
        return
    from _imagej import ImageJ

    print(f"{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}")
    print("Ratios: how many times longer the peer takes. Goals beside ImageJ: binary 15x wall and")
    print("8x CPU, grey 10x and 5x, small images 10x; scikit-image 20x.")
    imagej = ImageJ()
    for side, objects in SIZES[: 2 if chosen.quick else None]:
        binary, grey = blobs(side, objects)
        for kind, pixels, low in (("binary", binary, None), ("grey", grey, LOW)):
            compare(imagej, kind, pixels, low, 2 if side > 4096 else 5)
    for side in (96, 256):
        small_images(imagej, side)
    binary, _ = blobs(2048, 5000)
    image = Image.from_array(binary, "yx")
    one, two = (timed(f"{n} threads", lambda n=n: ours(image, None, n)) for n in (1, 2))
    show("threads, binary 2048 x 2048", two, [one])
    print("\nPeak memory beside input and imports, bytes a pixel (goals: 6, noise 12)")
    for kind, side in (("binary", 4096), ("grey", 4096), ("binary", 8192), ("noise", 4096)):
        command = [sys.executable, __file__, "--memory", kind, str(side)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        print(f"  {kind:8} {side}²  {float(done.stdout):6.2f}")


if __name__ == "__main__":
    main()
