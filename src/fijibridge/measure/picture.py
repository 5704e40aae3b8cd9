"""A picture of an image with its ROIs: what ``--overlay`` writes and notebooks show."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fijibridge.errors import SettingsError
from fijibridge.measure._canvas import flat_loops, position_table
from fijibridge.measure.roi_paths import has_whole_outline, roi_paths

if TYPE_CHECKING:
    from fijibridge.model.image import Image
    from fijibridge.model.rois import RoiSet

__all__ = ["overlay_picture", "palette"]

#: A small image is enlarged until its longer side has about so many pixels, at most so often.
_COMFORTABLE, _LARGEST_ZOOM = 1600, 12
#: How much of an ROI's colour lies over its pixels.
_TINT = 0.24
#: White of the image in the picture, so that outlines stay brighter than bright objects.
_WHITE = 205.0
#: Share of pixels that may be darker than black and brighter than white.
_DARK, _BRIGHT = 0.001, 0.998
_SAMPLE = 1 << 20
#: Colours of channels without a LUT of their own, as ImageJ's.
_CHANNELS = (
    (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 255, 255), (255, 0, 255),
    (255, 255, 0),
)  # fmt: skip
_GOLDEN = 0.618033988749895


@dataclass(frozen=True, slots=True)
class _Loops:
    """Closed loops in pixels of the picture, for some ROIs; flat arrays as in `Outlines`."""

    x: np.ndarray
    y: np.ndarray
    loop_start: np.ndarray
    loop_size: np.ndarray
    roi_start: np.ndarray


def palette(n: int) -> np.ndarray:
    """Return n bright colours (n, 3) uint8, those of neighbours far apart.

    Examples
    --------
    >>> palette(2).tolist()
    [[255, 199, 64], [143, 64, 255]]
    """
    hue = (0.118 + np.arange(n) * _GOLDEN) % 1.0
    value = np.where(np.arange(n) % 3 == 2, 0.92, 1.0)
    saturation = np.where(np.arange(n) % 5 == 4, 0.55, 0.75)
    # the usual hexagon: each channel is the hue shifted by a third, folded and clipped
    fold = np.abs((hue[:, None] + np.array([1.0, 2 / 3, 1 / 3])) % 1.0 * 6.0 - 3.0)
    rgb = value[:, None] * (1.0 - saturation[:, None] * (1.0 - np.clip(fold - 1.0, 0.0, 1.0)))
    colors: np.ndarray = np.round(rgb * 255).astype(np.uint8)
    return colors


def overlay_picture(
    image: Image,
    rois: RoiSet,
    *,
    max_side: int = 2048,
    scale: float | None = None,
    plane: int | None = None,
) -> np.ndarray:
    """Draw ROIs over an image, each outline in a colour of its own, at the inner side of its edge.

    Parameters
    ----------
    image
        Any axes; grey values are shown in the display range, or, where there is none, from their
        darkest to their brightest 0.1 %. Channels are shown together, in the colours of their LUTs.
    rois
        What to draw: all kinds; an ROI's own stroke colour is used if it has one.
    max_side
        Longest side of the picture in pixels.
    scale
        Picture pixels per image pixel; below 1 it is rounded to 1/2, 1/3, …, above to a whole
        number. None: small images are enlarged, large ones made to fit.
    plane
        Which plane of a stack (t, z; running number from 0). None: the one with the most ROIs.

    Returns
    -------
    picture
        (h, w, 3) uint8.

    Raises
    ------
    SettingsError
        When the image has no y or x axis or no pixels, or for a scale, side or plane out of range.
    """
    if "y" not in image.axes or "x" not in image.axes or 0 in image.shape:
        raise SettingsError(
            f"The image has the axes {image.axes.keys!r} and the shape {image.shape}; "
            "a picture needs y and x, and pixels."
        )
    stack = image.reorder("tzyxc").data
    stack = stack.reshape(-1, *stack.shape[2:])
    zoom, bin_size = _magnification(stack.shape[1:3], max_side, scale)
    number = _fullest(image, rois, len(stack)) if plane is None else plane
    if not 0 <= number < len(stack):
        raise SettingsError(f"plane is {number}; the image has the planes 0 to {len(stack) - 1}.")
    picture = _shown(image, stack[number], zoom, bin_size)
    chosen = np.flatnonzero(_on_plane(image, rois, number, len(stack)))
    if len(chosen):
        loops = _scaled(rois, chosen, zoom / bin_size)
        _color(picture, loops, _colors(rois)[chosen], zoom)
    return picture


def _magnification(shape: tuple[int, ...], max_side: int, scale: float | None) -> tuple[int, int]:
    """Return (enlarge by, bin by); one of them is 1."""
    longest = max(shape)
    if max_side < 1:
        raise SettingsError(f"max_side is {max_side}; it must be 1 or more.")
    if scale is None:
        if longest > max_side:
            return 1, math.ceil(longest / max_side)
        wanted = round(min(_COMFORTABLE, max_side) / longest)
        return max(1, min(wanted, _LARGEST_ZOOM, max_side // longest)), 1
    if not (math.isfinite(scale) and scale > 0) or scale * longest > 1 << 15:
        raise SettingsError(
            f"scale is {scale}; it must be above 0, and the picture no larger than 32768 pixels."
        )
    return (round(scale), 1) if scale >= 1 else (1, min(round(1 / scale), longest))


def _frames(image: Image, rois: RoiSet) -> tuple[np.ndarray, np.ndarray]:
    """Return frame and section of each ROI, from 0; -1 = all."""
    c, z, t, running = position_table(rois).T
    plain = (running > 0) & (z == 0) & (t == 0) & (c == 0)
    place = (running - 1) // image.axes.size("c")
    sections = image.axes.size("z")
    return np.where(plain, place // sections, t - 1), np.where(plain, place % sections, z - 1)


def _on_plane(image: Image, rois: RoiSet, number: int, planes: int) -> np.ndarray:
    if planes == 1:
        return np.ones(len(rois), np.bool_)
    frame, section = _frames(image, rois)
    t, z = divmod(number, image.axes.size("z"))
    here: np.ndarray = ((frame < 0) | (frame == t)) & ((section < 0) | (section == z))
    return here


def _fullest(image: Image, rois: RoiSet, planes: int) -> int:
    """Return the plane that most ROIs are on."""
    if planes == 1 or not len(rois):
        return 0
    frame, section = _frames(image, rois)
    number = np.maximum(frame, 0) * image.axes.size("z") + np.maximum(section, 0)
    return int(np.bincount(number[number < planes], minlength=planes).argmax())


def _shown(image: Image, plane: np.ndarray, zoom: int, bin_size: int) -> np.ndarray:
    """Return the plane (y, x, c) as a picture (h, w, 3)."""
    if image.spec.role == "labels":
        grey = np.where(plane[..., :1] != 0, np.uint8(110), np.uint8(18))
        return _resized(np.repeat(grey, 3, axis=2), zoom, bin_size)
    if image.spec.extra.rgb and plane.shape[2] >= 3:
        return _resized(plane[..., :3].astype(np.uint8), zoom, bin_size)
    ranges, luts = image.spec.extra.display_ranges, image.spec.extra.luts
    count = plane.shape[2]
    total: np.ndarray | None = None
    for c in range(min(count, len(_CHANNELS))):
        values = np.ascontiguousarray(plane[..., c])
        low, high = ranges[c] if c < len(ranges) else _range(values)
        small = _resized(values[..., None], 1, bin_size)[..., 0].astype(np.float32)
        level = np.clip((small - low) * (_WHITE / max(high - low, 1e-30)), 0, _WHITE)
        index = np.nan_to_num(level).astype(np.uint8)
        if image.spec.extra.inverted_lut:
            index = np.uint8(_WHITE) - index
        if c < len(luts):
            layer = np.asarray(luts[c], np.uint16)[index]
        else:
            color = np.array(_CHANNELS[c] if count > 1 else (255, 255, 255), np.uint16)
            layer = index[..., None].astype(np.uint16) * (color // 255)
        total = layer if total is None else total + layer
    if total is None:
        raise SettingsError("The image has no channels; there is nothing to show.")
    return _resized(np.minimum(total, 255).astype(np.uint8), zoom, 1)


def _range(values: np.ndarray) -> tuple[float, float]:
    """Return what is shown black and white."""
    flat = values.reshape(-1)
    sample = flat[:: max(1, flat.size // _SAMPLE)].astype(np.float64)
    sample = sample[np.isfinite(sample)]
    if not sample.size:
        return 0.0, 1.0
    low, high = (float(v) for v in np.quantile(sample, (_DARK, _BRIGHT)))
    if high <= low:
        low, high = float(sample.min()), float(sample.max())
    if high <= low:  # one value: black if it is 0
        return min(low, 0.0), max(high, low + 1.0)
    return low, high


def _resized(plane: np.ndarray, zoom: int, bin_size: int) -> np.ndarray:
    """Enlarge by repeating, or shrink by averaging; (y, x, c)."""
    if zoom > 1:
        return plane.repeat(zoom, axis=0).repeat(zoom, axis=1)
    if bin_size == 1:
        return np.array(plane)
    height, width = (max(1, n // bin_size) for n in plane.shape[:2])
    cut = plane[: height * bin_size, : width * bin_size]
    total = np.zeros((height, width, plane.shape[2]), np.float32)
    for dy in range(min(bin_size, plane.shape[0])):
        for dx in range(min(bin_size, plane.shape[1])):
            total += cut[dy::bin_size, dx::bin_size]
    total /= bin_size * bin_size
    return total.astype(np.uint8) if plane.dtype == np.uint8 else total


def _colors(rois: RoiSet) -> np.ndarray:
    """Return the colour of each ROI, (n, 3) uint8."""
    colors = palette(len(rois))
    if rois.outlines is None:
        for i, roi in enumerate(rois):
            if roi.stroke_color is not None:
                colors[i] = roi.stroke_color[1:]
    return colors


def _scaled(rois: RoiSet, chosen: np.ndarray, factor: float) -> _Loops:
    """Return the loops of the chosen ROIs in pixels of the picture."""
    flat = flat_loops(rois)
    if rois.outlines is None and not all(has_whole_outline(rois[int(i)]) for i in chosen):
        paths = [roi_paths(rois[int(i)]) for i in chosen]
        parts = [path for own in paths for path in own]
        counts = np.array([len(own) for own in paths])
        sizes = np.array([len(path) for path in parts], np.int64)
        xy = np.concatenate(parts) if parts else np.empty((0, 2))
        x, y, start = xy[:, 0], xy[:, 1], np.cumsum(sizes) - sizes
    else:
        counts = np.diff(flat.roi_start)[chosen]
        first = np.repeat(flat.roi_start[chosen] - (np.cumsum(counts) - counts), counts)
        pick = first + np.arange(len(first))
        x, y, start, sizes = flat.x, flat.y, flat.loop_start[pick], flat.loop_size[pick]
    xs, ys = (np.floor(v * factor + 0.5).clip(-(2**30), 2**30).astype(np.int32) for v in (x, y))
    roi_start = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return _Loops(xs, ys, start.astype(np.int64), sizes, roi_start)


def _color(picture: np.ndarray, loops: _Loops, colors: np.ndarray, zoom: int) -> None:
    """Tint the ROIs and draw their outlines."""
    from fijibridge.measure._kernels.drawing import outlines
    from fijibridge.measure._kernels.regions_fill import LAST, boxes, fill

    height, width = picture.shape[:2]
    n = len(colors)
    values = np.arange(1, n + 1, dtype=np.uint32)
    box = np.empty((n, 4), np.int64)
    boxes(loops.x, loops.y, loops.loop_start, loops.loop_size, loops.roi_start, box)
    inside = np.zeros((height, width), np.uint32)
    counts = np.zeros((2, n), np.int64)
    fill(
        loops.x, loops.y, loops.loop_start, loops.loop_size, loops.roi_start, box, np.arange(n),
        values, inside, 0, height, LAST, counts[0], counts[1],
    )  # fmt: skip
    tinted = inside > 0
    weight = round(_TINT * 256)
    mixed = picture[tinted].astype(np.uint16) * np.uint16(256 - weight)
    mixed += colors[inside[tinted] - 1].astype(np.uint16) * np.uint16(weight)
    picture[tinted] = (mixed >> 8).astype(np.uint8)
    inside[:] = 0
    thick = max(1, round(zoom * 0.55))
    outlines(
        inside, values, loops.x, loops.y, loops.loop_start, loops.loop_size, loops.roi_start, thick
    )
    drawn = inside > 0
    picture[drawn] = colors[inside[drawn] - 1]
