"""What Analyze Particles shows (``show=``), drawn as ImageJ draws it.

Masks, Count Masks and Bare Outlines are ImageJ's pixel by pixel. Numbers (Outlines) are set in a
small font of our own, in the same place; ellipses are drawn by ImageJ's own rule.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

import numpy as np

from fijibridge.errors import SettingsError, nearest
from fijibridge.measure._canvas import flat_loops, position_table
from fijibridge.measure.picture import overlay_picture, palette
from fijibridge.model.image import Extra, Image, ImageSpec
from fijibridge.model.rois import RoiSet

if TYPE_CHECKING:
    from fijibridge.model.labels import LabelImage

__all__ = ["SHOW", "Drawn", "draw", "overlay_picture"]

#: ImageJ's words, in the order of its dialog.
SHOW = (
    "Nothing",
    "Overlay",
    "Overlay Masks",
    "Outlines",
    "Bare Outlines",
    "Ellipses",
    "Masks",
    "Count Masks",
)
#: The word of older recorded macros.
_OLD = {"overlay outlines": "Overlay"}
_CYAN = (255, 0, 255, 255)
_COUNT_LIMIT = 65535
_FONT_SIZE = 9
#: Entry of the drawing's LUT in which numbers are red.
_NUMBER = 1

#: Digits, 4 x 6 pixels with a free column: one number per row, the highest bit at the left.
_DIGITS = (
    (6, 9, 9, 9, 9, 6), (2, 6, 2, 2, 2, 7), (6, 9, 1, 2, 4, 15), (14, 1, 6, 1, 1, 14),
    (2, 6, 10, 15, 2, 2), (15, 8, 14, 1, 1, 14), (6, 8, 14, 9, 9, 6), (15, 1, 2, 2, 4, 4),
    (6, 9, 6, 9, 9, 6), (6, 9, 9, 7, 1, 6),
)  # fmt: skip
_GLYPH_WIDTH, _GLYPH_HEIGHT = 5, 6


class Drawn(Protocol):
    """What is drawn: the result of Analyze Particles."""

    @property
    def labels(self) -> LabelImage | None:
        """Label image; a label is the number of its row."""
        ...

    @property
    def rois(self) -> RoiSet:
        """One ROI per row, in order."""
        ...


def draw(image: Image, result: Drawn, *, show: str, in_situ: bool = False) -> Image:
    """Return the image that Analyze Particles shows.

    Parameters
    ----------
    image
        What was analyzed; gives title, calibration and, for overlays, the pixels.
    result
        Labels and ROIs, one per row.
    show
        One of `SHOW`, also ``Overlay Outlines``, in any case.
    in_situ
        The drawing replaces the image: numbers are black then, without a LUT of their own.

    Returns
    -------
    Image
        Axes of the labels, uint8: Masks 255 on 0 with an inverted LUT; Outlines, Bare Outlines,
        Ellipses 0 on 255. Count Masks: uint16, at most 65,535, display range 0 to 255. Overlay and
        Overlay Masks: the image itself with ROIs over it (cyan; masks filled, each in its colour).

    Raises
    ------
    SettingsError
        For an unknown word or Nothing, and when the labels or ROIs needed were not asked for.

    Source
    ------
    ImageJ 1.54p ParticleAnalyzer.drawParticle, EllipseFitter.drawEllipse
    """
    words = {word.lower(): word for word in SHOW} | _OLD
    kind = words.get(show.strip().lower())
    if kind is None:
        raise SettingsError(
            f"show {show!r} is unknown; allowed are {', '.join(SHOW)}." + nearest(show, SHOW)
        )
    if kind == "Nothing":
        raise SettingsError("show is Nothing: there is nothing to draw.", "Choose Masks.")
    if kind in ("Overlay", "Overlay Masks"):
        return _with_overlay(image, result.rois, filled=kind == "Overlay Masks")
    labels = result.labels
    if labels is None:
        raise SettingsError(f"show {kind!r} needs the labels.", "Ask for the labels too.")
    if kind == "Count Masks":
        data = np.minimum(labels.data, _COUNT_LIMIT).astype(np.uint16)
        extra = Extra(display_ranges=((0.0, 255.0),))
        return _image(data, labels, f"Count Masks of {image.name}", extra)
    if kind == "Masks":
        data = (labels.data != 0).astype(np.uint8) * np.uint8(255)
        return _image(data, labels, f"Mask of {image.name}", Extra(inverted_lut=True))
    data = np.full(labels.shape, 255, np.uint8)
    height, width = data.shape[-2:]
    planes = data.reshape(-1, height, width)
    if kind == "Ellipses":
        _ellipses(planes, labels.data.reshape(planes.shape))
    else:
        number = None if kind == "Bare Outlines" else 0 if in_situ else _NUMBER
        _outlines(planes, image, result.rois, number)
    extra = Extra(luts=(_red_numbers(),)) if kind == "Outlines" and not in_situ else Extra()
    return _image(data, labels, f"Drawing of {image.name}", extra)


def _image(data: np.ndarray, labels: LabelImage, name: str, extra: Extra) -> Image:
    spec = ImageSpec(axes=labels.axes, dtype=data.dtype, name=name, extra=extra)
    return Image(data, spec)


def _with_overlay(image: Image, rois: RoiSet, *, filled: bool) -> Image:
    colors = palette(len(rois)).tolist() if filled else []
    drawn = [
        replace(
            roi,
            name=str(i + 1),
            stroke_color=_CYAN,
            fill_color=(255, *colors[i]) if filled else None,
        )
        for i, roi in enumerate(rois)
    ]
    extra = replace(image.spec.extra, overlay=RoiSet(drawn))
    return replace(image, spec=replace(image.spec, extra=extra))


def _plane_numbers(image: Image, rois: RoiSet, planes: int) -> np.ndarray:
    """Return the plane of the drawing each ROI belongs to; -1 = all, as for a single plane."""
    place = position_table(rois)
    if planes == 1:
        return np.zeros(len(place), np.int64)
    c, z, t, running = np.maximum(place - 1, 0).T
    sections, channels = image.axes.size("z"), image.axes.size("c")
    hyper = (place[:, :3] > 0).any(axis=1)
    number = np.where(hyper, (t * sections + z) * channels + c, running)
    capped: np.ndarray = np.minimum(number, planes - 1)
    return capped


def _outlines(planes: np.ndarray, image: Image, rois: RoiSet, number: int | None) -> None:
    from fijibridge.measure._kernels.drawing import loops

    flat = flat_loops(rois)
    where = _plane_numbers(image, rois, len(planes))
    for i in range(len(rois)):
        plane = planes[where[i]]
        loops(
            plane, np.uint8(0), flat.x, flat.y, flat.loop_start, flat.loop_size,
            flat.roi_start[i], flat.roi_start[i + 1],
        )  # fmt: skip
        if number is not None:
            x0, y0, x1, y1 = (int(v) for v in flat.box[i])
            _write(plane, str(i + 1), x0 + (x1 - x0) // 2, y0 + (y1 - y0) // 2, number)


def _write(plane: np.ndarray, text: str, x: int, y: int, value: int) -> None:
    """Set digits centred at x, their foot where ImageJ has it: half the font size below y."""
    left = x - _GLYPH_WIDTH * len(text) // 2
    top = y + _FONT_SIZE // 2 - _GLYPH_HEIGHT
    height, width = plane.shape
    for digit in text:
        for row, bits in enumerate(_DIGITS[int(digit)]):
            for column in range(4):
                px, py = left + column, top + row
                if bits >> (3 - column) & 1 and 0 <= px < width and 0 <= py < height:
                    plane[py, px] = value
        left += _GLYPH_WIDTH


def _ellipses(planes: np.ndarray, labels: np.ndarray) -> None:
    from fijibridge.measure._kernels.drawing import ellipse
    from fijibridge.measure._kernels.shapes import ellipse as fitted

    root_pi = 1.772453851  # ImageJ's
    for plane, own in zip(planes, labels, strict=True):
        yy, xx = np.nonzero(own)
        ids, inverse = np.unique(own[yy, xx], return_inverse=True)
        if not len(ids):
            continue
        order = np.argsort(inverse, kind="stable")
        cut = np.cumsum(np.bincount(inverse))[:-1]
        for x, y in zip(np.split(xx[order], cut), np.split(yy[order], cut), strict=True):
            left, top = int(x.min()), int(y.min())
            w, h = int(x.max()) + 1 - left, int(y.max()) + 1 - top
            u, v = x - left, y - top
            if w == 1 or h == 1:
                axes, xc, yc = (2 * w / root_pi, 2 * h / root_pi), left + w / 2, top + h / 2
                major, minor = max(axes), min(axes)
                theta = np.pi / 2 if axes[0] < axes[1] else 0.0
            else:
                sums = (u.sum(), v.sum(), (u * u).sum(), (v * v).sum(), (u * v).sum())
                major, minor, angle = fitted(len(u), *(int(s) for s in sums))
                theta = angle * np.pi / 180.0
                xc, yc = left + u.sum() / len(u) + 0.5, top + v.sum() / len(v) + 0.5
            ellipse(plane, np.uint8(0), major, minor, theta, xc, yc)


def _red_numbers() -> np.ndarray:
    """Return the grey LUT whose second entry is red, (256, 3)."""
    lut = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)
    lut[_NUMBER] = (255, 0, 0)
    return lut
