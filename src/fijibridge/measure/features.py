"""Measured columns of particles: ImageJ's Set Measurements."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fijibridge.measure._threads import each, shares, thread_count
from fijibridge.measure.particle_settings import COLUMN_ORDER
from fijibridge.measure.tracing import split

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fijibridge.measure.planes import Calibration
    from fijibridge.measure.tracing import Particles

__all__ = [
    "Greys",
    "column_places",
    "measure_particles",
    "pixel_counts",
    "roi_perimeters",
    "share_band",
]

#: Headings in the order of the kernels' column numbers.
SHAPE_HEADINGS = (
    "Area", "X", "Y", "Perim.", "BX", "BY", "Width", "Height", "Major", "Minor", "Angle", "Circ.",
    "Feret", "FeretX", "FeretY", "FeretAngle", "MinFeret", "AR", "Round", "Solidity",
    "XStart", "YStart",
)  # fmt: skip
GREY_HEADINGS = (
    "Mean", "StdDev", "Mode", "Min", "Max", "XM", "YM", "IntDen", "Median", "Skew", "Kurt",
    "%Area", "RawIntDen",
)  # fmt: skip
#: The first row of `out` takes what ImageJ computes along but nobody asked for.
_TOGETHER = ("Circ.", "AR", "Round", "Solidity")


@dataclass(frozen=True, slots=True, eq=False)
class Greys:
    """Where the pixel values come from.

    Parameters
    ----------
    plane
        (y, x) uint8, uint16 or float32: an array, or what reads rows when it is sliced.
    table
        Calibrated value of each raw value, float32, or None.
    curve
        The same in float64 (ImageJ's medians do not pass through float).
    band
        Threshold in force in that plane for %Area, or None = what is not 0.
    constant
        The one 8-bit value that all particle pixels have, when that is known.
    step
        Rows to read at a time; 0 = all.
    """

    plane: np.ndarray
    table: np.ndarray | None = None
    curve: np.ndarray | None = None
    band: tuple[float, float] | None = None
    constant: int | None = None
    step: int = 0

    @property
    def may_skip_pixels(self) -> bool:
        """Whether pixels may exist that ImageJ does not count: NaN, infinite."""
        if self.plane.dtype.kind == "f":
            return bool(self.step) or not bool(np.isfinite(self.plane).all())
        if self.table is None or self.plane.dtype.itemsize > 1:
            return False  # ImageJ looks for NaN only in tables of 8-bit values
        return bool(np.isnan(self.table).any())

    def windows(self, box: np.ndarray) -> Iterator[tuple[int, int, int, np.ndarray]]:
        """Cut particles into ranges whose pixels are read together.

        Parameters
        ----------
        box
            (n, 4) boxes of the particles, their first rows ascending.

        Yields
        ------
        l0, l1, top, rows
            Particles l0 .. l1, the first of the rows, and the rows.
        """
        height = int(self.plane.shape[0])
        n = len(box)
        if not self.step:
            yield 0, n, 0, self.plane
            return
        top, rows = 0, self.plane[:0]
        first, last = box[:, 1], box[:, 1] + box[:, 3]
        k = 0
        while k < n:
            limit = max(int(first[k]) + self.step, int(last[k]))
            e = k + 1
            while e < n and last[e] <= limit:
                e += 1
            if first[k] < top or last[k:e].max() > top + len(rows):
                top = int(first[k])
                rows = self.plane[top : min(limit, height)]
            yield k, e, top, rows
            k = e


@functools.lru_cache(maxsize=64)
def column_places(headings: tuple[str, ...]) -> tuple[dict[str, int], np.ndarray, np.ndarray]:
    """Return heading -> row of what the kernels fill, in ImageJ's order, and their `col`s.

    What ImageJ computes along but nobody asked for comes last.
    """
    wanted = [h for h in (*COLUMN_ORDER, "XStart", "YStart") if h in headings]
    extra = [h for h in _TOGETHER if any(s in headings for s in _TOGETHER) and h not in wanted]
    place = {h: k for k, h in enumerate([*wanted, *extra])}
    shape_columns = np.array([place.get(h, -1) for h in SHAPE_HEADINGS])
    grey_columns = np.array([place.get(h, -1) for h in GREY_HEADINGS])
    return place, shape_columns, grey_columns


def roi_perimeters(found: Particles, threads: int | None) -> np.ndarray:
    """Return the uncalibrated perimeter of every particle, as the circularity filter sees it."""
    from fijibridge.measure._kernels.shapes import perimeters

    out = np.empty(len(found))
    loops = found.loops
    parts = thread_count(threads, len(found.x0), 8192)
    cut = split(found.start, parts)
    each(
        lambda t: perimeters(
            loops.roi_start, loops.kinds, loops.loop_start, loops.loop_size, loops.x, loops.y,
            cut[t], cut[t + 1], 1.0, 1.0, out,
        ),
        parts,
    )  # fmt: skip
    return out


def pixel_counts(found: Particles, greys: Greys) -> np.ndarray:
    """Return how many pixels of each particle ImageJ counts."""
    if not greys.may_skip_pixels:
        return found.area
    from fijibridge.measure._kernels.floats import count_finite

    count = np.empty(len(found), np.int64)
    for l0, l1, top, rows in greys.windows(found.box):
        values = rows
        if greys.table is not None:
            values = np.where(np.isnan(greys.table), np.float32(np.nan), np.float32(0))[rows]
        count_finite(values, top, found.start, found.x0, found.x1, found.y, l0, l1, count)
    return count


def measure_particles(
    found: Particles,
    chosen: np.ndarray,
    counts: np.ndarray,
    greys: Greys,
    headings: tuple[str, ...],
    *,
    calibration: Calibration,
    outline_calibration: Calibration,
    invert_y: bool = False,
    along: Callable[[int, int], object] | None = None,
    threads: int | None = None,
) -> dict[str, np.ndarray]:
    """Measure particles.

    Parameters
    ----------
    found
        All particles of a plane.
    chosen
        (n,) numbers of those to measure, ascending.
    counts
        From `pixel_counts`, for all particles.
    greys
        Where pixel values come from.
    headings
        Columns wanted; XStart and YStart are among the possible ones.
    calibration
        Of the image the values come from: areas, positions, ellipses.
    outline_calibration
        Of the image the outlines come from: perimeters and Feret diameters.
    invert_y
        y counts from the bottom.
    along
        Something else to do with particles chosen[l0:l1], by the same threads: (l0, l1).
    threads
        How many; the result does not depend on it.

    Returns
    -------
    Heading -> (n,) float64, in the order of `headings`.
    """
    place, shape_columns, grey_columns = column_places(headings)
    out = np.empty((max(len(place), 1), len(chosen)))
    if len(chosen) == 0:
        return {h: out[place[h]] for h in headings}
    flip = int(greys.plane.shape[0]) + 1 if invert_y else 0
    number = counts[chosen].astype(np.float64)
    weights = np.diff(found.start)[chosen]
    ends = np.concatenate([[0], np.cumsum(weights)])
    threads = thread_count(threads, int(ends[-1]), 4096)
    parts = shares(threads)
    cut = split(ends, parts)
    centroids = np.empty((0, 2))
    if (
        greys.plane.dtype.kind == "f"
        and place.keys() & {"X"}
        and not np.array_equal(counts, found.area)
    ):
        centroids = np.empty((len(chosen), 2))
    measure_greys = None
    if (grey_columns >= 0).any() or len(centroids):
        measure_greys = _grey_jobs(
            found, chosen, greys, grey_columns, out, calibration, flip, centroids, cut, threads
        )
    measure_outlines = None
    if (shape_columns >= 0).any():
        from fijibridge.measure._kernels.shapes import measure_shapes

        c, o, loops = calibration, outline_calibration, found.loops

        def measure_outlines(t: int) -> None:
            measure_shapes(
                found.start, found.x0, found.x1, found.y, found.box,
                loops.roi_start, loops.kinds, loops.loop_start, loops.loop_size, loops.x, loops.y,
                found.seeds, chosen, cut[t], cut[t + 1], number, centroids, shape_columns, out,
                c.width, c.height, o.width, o.height, c.x_origin, c.y_origin, flip,
            )  # fmt: skip

    def everything(t: int) -> None:  # one start of the threads for all that is done
        if measure_greys is not None:
            measure_greys(t)
        if measure_outlines is not None:
            measure_outlines(t)
        if along is not None:
            along(int(cut[t]), int(cut[t + 1]))

    each(everything, parts, threads)
    return {h: out[place[h]] for h in headings}


def _grey_jobs(
    found: Particles,
    chosen: np.ndarray,
    greys: Greys,
    col: np.ndarray,
    out: np.ndarray,
    calibration: Calibration,
    flip: int,
    centroids: np.ndarray,
    cut: np.ndarray,
    threads: int,
) -> Callable[[int], None] | None:
    """Return the job of one thread that fills the grey columns.

    A plane that is read piece by piece is measured here, as its pieces come one after the other;
    then there is no job left.
    """
    from fijibridge.measure._kernels.greys import measure_constant

    c = calibration
    runs = (found.start, found.x0, found.x1, found.y, chosen)
    end = (col, out, c.width, c.height, c.x_origin, c.y_origin, flip)
    if greys.constant is not None:
        share = 100.0 if greys.band is not None or greys.constant != 0 else 0.0
        value = greys.constant
        return lambda t: measure_constant(*runs, cut[t], cut[t + 1], value, share, *end)
    kernel, before, between = _grey_kernel(greys, centroids, len(chosen))
    if not greys.step:
        plane = greys.plane
        return lambda t: kernel(plane, 0, *runs, cut[t], cut[t + 1], *before, *between, *end)
    for l0, l1, top, rows in greys.windows(found.box[chosen]):
        places = np.clip(cut, l0, l1)

        def job(
            t: int, rows: np.ndarray = rows, top: int = top, places: np.ndarray = places
        ) -> None:
            kernel(rows, top, *runs, places[t], places[t + 1], *before, *between, *end)

        each(job, len(cut) - 1, threads)
    return None


def share_band(greys: Greys) -> tuple[int, int]:
    """Return the smallest and largest integer that count for %Area."""
    if greys.band is None:
        return 1, int(np.iinfo(greys.plane.dtype).max)
    # ImageJ rounds the threshold for %Area: floor(x + 0.5)
    first, last = (int(np.floor(np.clip(v, -1, 1e6) + 0.5)) for v in greys.band)
    return first, last


def _grey_kernel(
    greys: Greys, centroids: np.ndarray, n: int
) -> tuple[Callable[..., None], tuple[object, ...], tuple[object, ...]]:
    """Return the kernel for the pixel type and its own arguments."""
    if greys.plane.dtype.kind == "f":
        from fijibridge.measure._kernels.floats import measure_floats

        low, high = np.float32(0), np.float32(0)
        if greys.band is not None:
            with np.errstate(over="ignore"):
                low, high = np.float32(greys.band[0]), np.float32(greys.band[1])
        return measure_floats, (low, high), (greys.band is None, centroids)
    first, last = share_band(greys)
    if greys.table is None:
        from fijibridge.measure._kernels.greys import measure_integers

        return measure_integers, (first, last), ()
    from fijibridge.measure._kernels.calibrated import measure_calibrated

    table = greys.table
    curve = table.astype(np.float64) if greys.curve is None else greys.curve
    return measure_calibrated, (table, curve), (first, last, np.empty(n, np.int64))
