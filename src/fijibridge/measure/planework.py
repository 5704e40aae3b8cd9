"""One plane of Analyze Particles: threshold, selection, filters, measurements.

Source: ij.plugin.filter.ParticleAnalyzer.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fijibridge.errors import SettingsError
from fijibridge.measure.features import (
    Greys,
    measure_particles,
    pixel_counts,
    roi_perimeters,
)
from fijibridge.measure.tracing import (
    Particles,
    band_limits,
    find_literally,
    find_particles,
    scan_rows,
    strip_count,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from fijibridge.measure.particle_settings import ParticleSettings
    from fijibridge.measure.planes import Calibration, Planes

__all__ = [
    "Band",
    "PlaneResult",
    "Selection",
    "analyze_plane",
    "binary_band",
    "check_band",
    "find_plane",
    "rounds_differently",
]

_LARGEST_FLOAT = float(np.finfo(np.float32).max)
#: ImageJ keeps signed 16-bit pixels as unsigned ones, this much larger.
SIGNED_OFFSET = 32768.0
_WHOLE = (0.0, 255.0)
#: Strips of about this many pixels are marked at a time.
_STRIP_PIXELS = 1 << 20


@dataclass(frozen=True, slots=True)
class Band:
    """A threshold in raw values, and the value that erases a particle.

    ``user`` tells a threshold from the assumed one of a binary image.
    """

    low: float
    high: float
    fill: float
    user: bool

    @property
    def levels(self) -> tuple[float, float]:
        """Both ends, inclusive."""
        return self.low, self.high


@dataclass(frozen=True, slots=True, eq=False)
class Selection:
    """The part of a plane to look at: a frame (x, y, width, height) and a mask in it, or None."""

    frame: tuple[int, int, int, int]
    mask: np.ndarray | None
    given: bool

    @classmethod
    def of(cls, settings: ParticleSettings, shape: tuple[int, int]) -> Selection:
        """Return the selection of the settings, cut to a plane (height, width).

        Raises
        ------
        SettingsError
            When it lies outside of the image.
        """
        height, width = shape
        roi = settings.select
        if roi is None:
            return cls((0, 0, width, height), None, given=False)
        from fijibridge.measure.masks import roi_mask

        mask, x, y = roi_mask(roi, within=(0, 0, width, height))
        if mask.size == 0:
            raise SettingsError(
                f"The selection {roi.box} lies outside of the image of {width} x {height} pixels.",
                "Select a part of the image: x, y, width, height in pixels.",
            )
        frame = (x, y, mask.shape[1], mask.shape[0])
        # ImageJ always has a mask of rounded corners
        plain = roi.kind == "rectangle" and not roi.arc_size and bool(mask.all())
        return cls(frame, None if plain else mask, given=True)

    def covers(self, shape: tuple[int, int]) -> bool:
        """Return whether nothing of a plane is left out."""
        return self.mask is None and self.frame == (0, 0, shape[1], shape[0])

    def inside(self, plane: np.ndarray) -> np.ndarray:
        """Return the pixels inside, one-dimensional unless the selection is a rectangle."""
        x, y, w, h = self.frame
        part = plane[y : y + h, x : x + w]
        return part if self.mask is None else part[self.mask]


@dataclass(frozen=True, slots=True, eq=False)
class PlaneResult:
    """What one plane gives: all particles, which ones are in the results, their columns.

    ``unclipped``: the circularity of the first one in the results was computed anew.
    """

    found: Particles
    chosen: np.ndarray
    columns: dict[str, np.ndarray]
    total_area: float
    unclipped: bool = False


def check_band(planes: Planes, settings: ParticleSettings) -> Band | None:
    """Return the threshold in raw values as ImageJ would set it; None for a binary image.

    Raises
    ------
    SettingsError
        For a threshold with which ImageJ itself never ends.
    """
    if settings.threshold is None:
        return None
    bits = 8 * planes.stored.itemsize
    low, high = settings.threshold
    if planes.image.dtype == np.int16:
        low, high = low + SIGNED_OFFSET, high + SIGNED_OFFSET
    if bits == 32:
        with np.errstate(over="ignore"):
            endless = float(np.float32(low)) <= -_LARGEST_FLOAT
        if endless:
            raise SettingsError(
                f"The lower threshold {low:g} takes in the value with which ImageJ erases "
                f"particles of float images ({-_LARGEST_FLOAT:g}); it would find one forever.",
                "Give a lower threshold above it, such as the smallest pixel value.",
            )
        return Band(low, high, -_LARGEST_FLOAT, user=True)
    top = 2.0**bits - 1
    low, high = (0.0 if low < 0 else low), (min(high, top))
    if bits == 16 and low <= high:  # ImageJ keeps whole numbers
        low, high = math.floor(low + 0.5), math.floor(high + 0.5)
    if bits == 16 and low == 0 and high == top:
        holes = settings.include or settings.four
        raise SettingsError(
            "The threshold 0 to 65535 takes in every 16-bit value, also the one with which ImageJ "
            "erases particles; ImageJ itself "
            + ("finds the whole image anew at every pixel." if holes else "never ends with it."),
            "Give a threshold that leaves something out.",
        )
    fill = 0.0
    if low <= 0 and high < top:
        fill = top
    return Band(low, high, fill, user=True)


def binary_band(plane: np.ndarray, *, white_background: bool, inverted_lut: bool) -> Band:
    """Return the threshold that ImageJ assumes for a binary image.

    Raises
    ------
    SettingsError
        When the image is not binary.
    """
    if plane.dtype != np.uint8:
        raise SettingsError(
            f"The image is {plane.dtype}, not binary, and there is no threshold.",
            "Give one: --threshold LOW,HIGH, or a method such as --threshold 'Otsu dark'; "
            "for a label image say --role labels.",
        )
    from fijibridge.measure._kernels.runs import only_ends

    if not only_ends(np.ascontiguousarray(plane).reshape(-1)):
        raise SettingsError(
            "The image is not binary (0 and 255 only), and there is no threshold.",
            "Give one: --threshold LOW,HIGH, or a method such as --threshold 'Otsu dark'; "
            "for a label image say --role labels.",
        )
    if white_background and not inverted_lut:
        return Band(0.0, 0.0, 192.0, user=False)
    return Band(255.0, 255.0, 64.0, user=False)


def _erased(plane: np.ndarray, selection: Selection, band: Band, exclude: bool) -> np.ndarray:
    """Return a copy with everything outside of the selection erased, as ImageJ does first."""
    x, y, w, h = selection.frame
    out = np.full_like(plane, plane.dtype.type(band.fill))
    part = plane[y : y + h, x : x + w].copy()
    if exclude and plane.dtype.kind == "u":
        looked = part if selection.mask is None else part[selection.mask]
        if looked.size and looked.min() <= band.fill <= looked.max():
            other = band.low - 1.0
            if other < 0 or other == band.fill:
                other = band.high + 1.0
                if other > np.iinfo(plane.dtype).max or other == band.fill:
                    raise SettingsError(
                        f"The threshold {band.low:g} to {band.high:g} leaves ImageJ no value to "
                        "tell edge particles of a selection by.",
                        "Leave 'exclude' or the selection out.",
                    )
            part[part == band.fill] = min(int(other), np.iinfo(plane.dtype).max)
    if selection.mask is not None:
        part[~selection.mask] = plane.dtype.type(band.fill)
    out[y : y + h, x : x + w] = part
    return out


def rounds_differently(plane: np.ndarray, band: Band) -> bool:
    """Return whether pixels equal the threshold in single but not in double precision."""
    if plane.dtype.kind != "f":
        return False
    for level in band.levels:
        with np.errstate(over="ignore"):
            near = np.float32(level)
        low_side = level == band.low
        crossed = float(near) < level if low_side else float(near) > level
        if crossed and bool((plane == near).any()):
            return True
    return False


def find_plane(
    plane: np.ndarray,
    band: Band,
    settings: ParticleSettings,
    selection: Selection,
    threads: int | None,
) -> tuple[Particles, np.ndarray]:
    """Find the particles of a plane; also return the plane as ImageJ would then measure it."""
    height, width = plane.shape
    cut = not selection.covers(plane.shape)
    if cut:
        plane = _erased(plane, selection, band, settings.exclude and selection.given)
    whole = plane.dtype == np.uint8 and band.levels == _WHOLE
    if whole and cut and selection.frame[:2] != (0, 0) and not (settings.include or settings.four):
        raise SettingsError(
            "The threshold 0 to 255 inside a selection takes in every value, also the one with "
            "which ImageJ erases particles; ImageJ itself never ends with it.",
            "Give a threshold that leaves something out, or say 'include'.",
        )
    if (settings.exclude and selection.given) or (whole and cut) or rounds_differently(plane, band):
        mask = selection.mask
        if mask is None:
            mask = np.ones((selection.frame[3], selection.frame[2]), np.bool_)
        return find_literally(
            plane,
            band.levels,
            fill=band.fill,
            frame=selection.frame,
            include=settings.include,
            four=settings.four,
            exclude=settings.exclude,
            selection=(mask, *selection.frame[:2]) if selection.given else None,
            only_first=whole,
            composite=settings.composite,
        ), plane
    limits = band_limits(plane.dtype, *band.levels)
    parts = strip_count(height, width, threads)
    step = max(1, min(-(-height // parts), _STRIP_PIXELS // max(width, 1)))
    if limits is None:
        limits = (plane.dtype.type(1), plane.dtype.type(0))
    scan = scan_rows(height, width, lambda a, b: plane[a:b], limits, step=step, threads=parts)
    return find_particles(
        scan,
        four=settings.four,
        include=settings.include,
        composite=settings.composite,
        threads=threads,
    ), plane


def choose(
    found: Particles,
    counts: np.ndarray,
    settings: ParticleSettings,
    calibration: Calibration,
    frame: tuple[int, int, int, int],
    threads: int | None,
) -> np.ndarray:
    """Return the numbers of the particles that pass all filters, ascending."""
    unit = 1.0 if settings.pixel_units else calibration.width * calibration.height
    low, high = (v / unit for v in settings.size)
    good = np.ones(len(found), np.bool_)
    if low > 0 or high < math.inf:
        good &= (counts >= low) & (counts <= high)
    if settings.exclude:
        if len(found.keep):
            good &= found.keep
        else:
            x, y, w, h = frame
            box = found.box
            good &= (box[:, 0] != x) & (box[:, 1] != y)
            good &= (box[:, 0] + box[:, 2] != x + w) & (box[:, 1] + box[:, 3] != y + h)
    least, most = settings.circularity
    if least > 0.0 or most != 1.0:
        length = roi_perimeters(found, threads)
        with np.errstate(all="ignore"):
            circularity = np.where(length == 0.0, 0.0, 4.0 * math.pi * (counts / (length * length)))
        if most <= 1.0:
            circularity = np.minimum(circularity, 1.0)
        good &= (circularity >= least) & (circularity <= most)
    return np.flatnonzero(good)


def analyze_plane(
    found: Particles,
    greys: Greys,
    settings: ParticleSettings,
    headings: tuple[str, ...],
    *,
    frame: tuple[int, int, int, int],
    calibration: Calibration,
    outline_calibration: Calibration,
    total_area: float,
    painter: Callable[[Particles, np.ndarray], Callable[[int, int], None] | None],
    threads: int | None,
) -> PlaneResult:
    """Filter and measure what was found in a plane; painter: see `Assembly.painter`."""
    counts = pixel_counts(found, greys)
    chosen = choose(found, counts, settings, outline_calibration, frame, threads)
    columns = measure_particles(
        found,
        chosen,
        counts,
        greys,
        headings,
        calibration=calibration,
        outline_calibration=outline_calibration,
        invert_y="invert" in settings.measurements,
        along=painter(found, chosen),
        threads=threads,
    )
    unclipped = False
    if settings.circularity[1] > 1.0 and "Circ." in columns:
        unclipped = bool((columns["Circ."][:1] == 1.0).any())
        _unclip(found, chosen, counts, columns["Circ."], outline_calibration)
    return PlaneResult(found, chosen, columns, total_area, unclipped)


def _unclip(
    found: Particles,
    chosen: np.ndarray,
    counts: np.ndarray,
    circ: np.ndarray,
    calibration: Calibration,
) -> None:
    """Compute circularities above 1 as ImageJ does: calibrated perimeter, area in pixels."""
    from fijibridge.measure._kernels.shapes import perimeters

    length = np.empty(len(found))
    loops = found.loops
    perimeters(
        loops.roi_start, loops.kinds, loops.loop_start, loops.loop_size, loops.x, loops.y,
        0, len(found), calibration.width, calibration.height, length,
    )  # fmt: skip
    clipped = circ == 1.0
    p = length[chosen][clipped]
    circ[clipped] = 4.0 * math.pi * (counts[chosen][clipped] / (p * p))
