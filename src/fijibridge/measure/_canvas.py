"""Fill a set of ROIs into a stack: integer outlines by compiled loops, others by their masks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from fijibridge.measure._threads import each, thread_count
from fijibridge.measure.masks import roi_box, roi_mask
from fijibridge.model.rois import AREA_KINDS

if TYPE_CHECKING:
    from fijibridge.model.rois import Outlines, Roi, RoiSet

__all__ = ["Canvas", "FlatLoops", "Mode", "flat_loops", "position_table"]

#: last, first: who gets a pixel; count: draw nothing; compare: count pixels that hold the value.
Mode = Literal["last", "first", "count", "compare"]

_RECTANGLE = 3
#: float32 holds whole numbers up to here.
_EXACT = float(1 << 24)
#: A plane is cut into bands for threads when a band has at least so many rows, and so many ROIs.
_BAND_ROWS, _BAND_ROIS = 256, 2000


@dataclass(slots=True, kw_only=True)
class FlatLoops:
    """Loops of all ROIs in flat arrays; `special` ROIs have no loops and are filled by masks."""

    x: np.ndarray
    y: np.ndarray
    loop_start: np.ndarray
    loop_size: np.ndarray
    roi_start: np.ndarray
    box: np.ndarray
    special: np.ndarray


class Canvas:
    """ROIs ready to be filled into stacks of one shape.

    Parameters
    ----------
    rois
        The ROIs.
    shape
        (t, z, y, x).
    channels
        Of the image the positions belong to: in a plain stack, the running number counts them.

    Attributes
    ----------
    pixels, hits
        (n,) int64, added up by `fill`: pixels of each ROI inside, and those that were taken before
        (or, for ``compare``, that hold the ROI's value).
    clipped, outside, no_area
        (n,) bool.
    """

    def __init__(self, rois: RoiSet, shape: tuple[int, ...], channels: int) -> None:
        self.rois = rois
        self._shape = shape
        n = len(rois)
        self.pixels, self.hits = np.zeros(n, np.int64), np.zeros(n, np.int64)
        self.no_area = np.zeros(n, np.bool_)
        if rois.outlines is None:
            self.no_area[:] = [roi.kind not in AREA_KINDS for roi in rois]
        self._flat = flat_loops(rois)
        positions = position_table(rois)
        self._frame, self._section = self._planes(positions, channels)
        self.outside, self.clipped = self._beyond()

    def _planes(self, positions: np.ndarray, channels: int) -> tuple[np.ndarray, np.ndarray]:
        """Return frame and section of each ROI: from 0, -1 = all; too large = not there."""
        frames, sections = self._shape[:2]
        if frames * sections == 1:
            everywhere = np.full(len(positions), -1)
            return everywhere, everywhere
        z, t, running = positions[:, 1], positions[:, 2], positions[:, 3]
        plain = (running > 0) & (z == 0) & (t == 0)
        plane = (running - 1) // max(channels, 1)
        return (
            np.where(plain, plane // max(sections, 1), t - 1),
            np.where(plain, plane % max(sections, 1), z - 1),
        )

    def _beyond(self) -> tuple[np.ndarray, np.ndarray]:
        frames, sections, height, width = self._shape
        x0, y0, x1, y1 = self._flat.box.T
        there = (x1 >= x0) & ~self.no_area
        outside = (x1 <= 0) | (y1 <= 0) | (x0 >= width) | (y0 >= height)
        outside |= (self._frame >= frames) | (self._section >= sections)
        outside &= there
        clipped = (x0 < 0) | (y0 < 0) | (x1 > width) | (y1 > height)
        return outside, clipped & there & ~outside

    def fill(self, stack: np.ndarray, values: np.ndarray, order: np.ndarray, mode: Mode) -> None:
        """Fill the ROIs named by `order`, in that order, into `stack` (t, z, y, x)."""
        self.pixels[order] = 0
        self.hits[order] = 0
        order = order[~(self.outside | self.no_area)[order]]
        frames, sections = self._shape[:2]
        frame, section = self._frame[order], self._section[order]
        single = (frame >= 0) & (section >= 0) if frames * sections > 1 else frame >= 0
        place = np.flatnonzero(single)
        keys = frame[place] * sections + section[place]
        by_plane = place[np.argsort(keys, kind="stable")]
        bounds = np.searchsorted(np.sort(keys), np.arange(frames * sections + 1))
        spread = np.flatnonzero(~single)
        for p in range(frames * sections):
            t, z = divmod(p, sections)
            here = (frame[spread] < 0) | (frame[spread] == t)
            here &= (section[spread] < 0) | (section[spread] == z)
            chosen = np.concatenate([by_plane[bounds[p] : bounds[p + 1]], spread[here]])
            if len(chosen):
                chosen.sort()
                self._fill_plane(stack[t, z], values, order[chosen], mode)

    def _fill_plane(
        self, plane: np.ndarray, values: np.ndarray, order: np.ndarray, mode: Mode
    ) -> None:
        height = plane.shape[0]
        bands = max(1, min(thread_count(None, len(order), _BAND_ROIS), height // _BAND_ROWS))
        if bands == 1:
            self._fill_band(plane, values, order, mode, 0, height, self.pixels, self.hits)
            return
        cut = [height * k // bands for k in range(bands + 1)]
        pixels = np.zeros((bands, len(self.pixels)), np.int64)
        hits = np.zeros_like(pixels)

        def band(k: int) -> None:
            self._fill_band(plane, values, order, mode, cut[k], cut[k + 1], pixels[k], hits[k])

        each(band, bands)
        self.pixels += pixels.sum(axis=0)
        self.hits += hits.sum(axis=0)

    def _fill_band(
        self,
        plane: np.ndarray,
        values: np.ndarray,
        order: np.ndarray,
        mode: Mode,
        y0: int,
        y1: int,
        pixels: np.ndarray,
        hits: np.ndarray,
    ) -> None:
        from fijibridge.measure._kernels import regions_fill as kernels

        flat = self._flat
        code = {
            "last": kernels.LAST,
            "first": kernels.FIRST,
            "count": kernels.COUNT,
            "compare": kernels.COMPARE,
        }[mode]
        stops = [*np.flatnonzero(flat.special[order]).tolist(), len(order)]
        done = 0
        for stop in stops:
            while done < stop:
                done += kernels.fill(
                    flat.x, flat.y, flat.loop_start, flat.loop_size, flat.roi_start, flat.box,
                    order[done:stop], values, plane, y0, y1, code, pixels, hits,
                )  # fmt: skip
                if done < stop:  # an outline with an absurd number of crossings
                    self._fill_mask(plane, values, int(order[done]), mode, y0, y1, pixels, hits)
                    done += 1
            if stop < len(order):
                self._fill_mask(plane, values, int(order[stop]), mode, y0, y1, pixels, hits)
                done = stop + 1

    def _fill_mask(
        self,
        plane: np.ndarray,
        values: np.ndarray,
        i: int,
        mode: Mode,
        y0: int,
        y1: int,
        pixels: np.ndarray,
        hits: np.ndarray,
    ) -> None:
        mask, x, y = roi_mask(self.rois[i], within=(0, y0, plane.shape[1], y1 - y0))
        part = plane[y : y + mask.shape[0], x : x + mask.shape[1]]
        taken = part == values[i] if mode == "compare" else part != 0
        pixels[i] += np.count_nonzero(mask)
        hits[i] += np.count_nonzero(mask & taken)
        if mode == "last":
            part[mask] = values[i]
        elif mode == "first":
            part[mask & ~taken] = values[i]

    def label_pixels(self, stack: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Return how many pixels hold the value of each ROI, on the ROI's own planes."""
        frames, sections = self._shape[:2]
        found = np.zeros(len(values), np.int64)
        for p in range(frames * sections):
            t, z = divmod(p, sections)
            here = (self._frame < 0) | (self._frame == t)
            here &= (self._section < 0) | (self._section == z)
            ids, counts = np.unique(stack[t, z], return_counts=True)
            place = np.searchsorted(ids, values).clip(max=max(len(ids) - 1, 0))
            if len(ids):
                found += np.where(here & (ids[place] == values), counts[place], 0)
        return found


def position_table(rois: RoiSet) -> np.ndarray:
    """Return the positions of a set of ROIs, (n, 4) int64: c, z, t, slice."""
    if rois.outlines is not None:
        return np.asarray(rois.outlines.positions, np.int64).reshape(-1, 4)
    rows = [(p.c, p.z, p.t, p.slice) for p in (roi.position for roi in rois)]
    return np.array(rows, np.int64).reshape(-1, 4)


def flat_loops(rois: RoiSet) -> FlatLoops:
    """Return the loops and boxes of a set of ROIs."""
    return _from_rois(list(rois)) if rois.outlines is None else _from_outlines(rois.outlines)


def _from_outlines(outlines: Outlines) -> FlatLoops:
    from fijibridge.measure._kernels.regions_fill import boxes

    x, y = (np.ascontiguousarray(a, np.int32) for a in (outlines.x, outlines.y))
    start, size, first = (
        np.ascontiguousarray(a, np.int64)
        for a in (outlines.loop_start, outlines.loop_size, outlines.roi_start)
    )
    box = np.empty((len(outlines), 4), np.int64)
    boxes(x, y, start, size, first, box)
    thin = (box[:, 0] == box[:, 2]) | (box[:, 1] == box[:, 3])
    special = (np.asarray(outlines.kinds) == _RECTANGLE) & thin
    return FlatLoops(
        x=x, y=y, loop_start=start, loop_size=size, roi_start=first, box=box, special=special
    )


def _from_rois(rois: list[Roi]) -> FlatLoops:
    loops: list[np.ndarray] = []
    first = np.zeros(len(rois) + 1, np.int64)
    box = np.empty((len(rois), 4), np.int64)
    special = np.zeros(len(rois), np.bool_)
    for i, roi in enumerate(rois):
        own = _loops(roi)
        special[i] = own is None and roi.kind in AREA_KINDS
        loops += own or ()
        first[i + 1] = len(loops)
        box[i] = _box(roi, own)
    sizes = np.array([len(loop) for loop in loops], np.int64)
    xy = np.concatenate(loops) if loops else np.empty((0, 2), np.int32)
    return FlatLoops(
        x=np.ascontiguousarray(xy[:, 0]),
        y=np.ascontiguousarray(xy[:, 1]),
        loop_start=np.cumsum(sizes) - sizes,
        loop_size=sizes,
        roi_start=first,
        box=box,
        special=special,
    )


def _loops(roi: Roi) -> tuple[np.ndarray, ...] | None:
    """Return the closed int32 loops that enclose the ROI's pixels; None when a mask is needed."""
    if roi.kind == "rectangle" and roi.arc_size <= 0:
        x, y, w, h = roi_box(roi)
        corners = np.array([(x, y), (x + w, y), (x + w, y + h), (x, y + h)])
        return (corners.astype(np.int32),) if np.abs(corners).max() < _EXACT else None
    if roi.kind not in AREA_KINDS or roi.kind in ("oval", "rectangle"):
        return None
    if roi.spline or roi.subtype in ("ellipse", "rotated rectangle"):
        return None
    arrays = roi.paths if roi.kind == "composite" else (roi.points,)
    out = []
    for array in arrays:
        if array.dtype.kind == "f" and not (np.abs(array) < _EXACT).all():
            return None
        whole = array.astype(np.int32)
        if not np.array_equal(whole, array):
            return None
        out.append(whole)
    return tuple(out)


def _box(roi: Roi, loops: tuple[np.ndarray, ...] | None) -> tuple[int, int, int, int]:
    """Return x0, y0, x1, y1 around the ROI's pixels; x1 < x0 for nothing."""
    arrays = [loop for loop in loops or () if len(loop)]
    if arrays:
        low = np.min([a.min(axis=0) for a in arrays], axis=0)
        high = np.max([a.max(axis=0) for a in arrays], axis=0)
        return int(low[0]), int(low[1]), int(high[0]), int(high[1])
    if loops is not None or roi.kind not in AREA_KINDS:
        return 0, 0, -1, -1
    x, y, w, h = roi_box(roi)
    return x, y, x + w, y + h
