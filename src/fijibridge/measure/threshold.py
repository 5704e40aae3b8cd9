"""Thresholds as ImageJ sets them: numbers, and its seventeen automatic methods.

Source: ImageJ ij.process.ImageProcessor.setAutoThreshold, ij.IJ.setAutoThreshold (whole stacks),
ij.IJ.setThreshold (calibrated numbers) and ij.process.AutoThresholder.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fijibridge.errors import SettingsError, UnsupportedError, nearest
from fijibridge.measure.histograms import (
    SIGNED_OFFSET,
    Window,
    bins_of,
    counts16,
    plane_of,
    squeeze,
    stack_counts,
    whole_counts,
    window_of,
)
from fijibridge.measure.valuation import calibrated, raw_value

if TYPE_CHECKING:
    from collections.abc import Callable

    from fijibridge.model.image import Image
    from fijibridge.model.rois import Roi

__all__ = ["METHODS", "WORDS", "parse_threshold", "resolve_threshold"]

#: ImageJ's methods, by its names -> name of the kernel.
METHODS = {
    "Default": "default",
    "Huang": "huang",
    "Intermodes": "intermodes",
    "IsoData": "isodata",
    "IJ_IsoData": "ij_isodata",
    "Li": "li",
    "MaxEntropy": "max_entropy",
    "Mean": "mean",
    "MinError": "min_error",
    "Minimum": "minimum",
    "Moments": "moments",
    "Otsu": "otsu",
    "Percentile": "percentile",
    "RenyiEntropy": "renyi_entropy",
    "Shanbhag": "shanbhag",
    "Triangle": "triangle",
    "Yen": "yen",
}
_ENTROPY = frozenset({"Huang", "MaxEntropy", "RenyiEntropy", "Shanbhag", "Yen"})
#: Words that may follow a method; the last four only choose ImageJ's colours on the screen.
WORDS = ("dark", "16-bit", "no-reset", "stack", "red", "b&w", "over/under", "no-lut")

_NUMBER = r"[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|inf(?:inity)?)"
_RANGE = re.compile(rf"({_NUMBER})(?:\s*[,;:]\s*|\s*-\s*|\s+)({_NUMBER})", re.IGNORECASE)
_LOOKS_NUMERIC = re.compile(r"[\s+\-.,;:]*(?:\d|inf|nan)", re.IGNORECASE)


def parse_threshold(text: str) -> tuple[float, float] | str:
    """Read what a user types for a threshold.

    Parameters
    ----------
    text
        ``"LOW,HIGH"`` (also ``"LOW-HIGH"``; both ends belong to the objects; ``Infinity`` is
        allowed), or one of ImageJ's methods followed by its words, such as
        ``"Otsu dark 16-bit"``.

    Returns
    -------
    The two numbers, or the method and its words with single spaces between them.

    Raises
    ------
    SettingsError
        When it is neither; the nearest method or word is named.

    Examples
    --------
    >>> parse_threshold("25-255"), parse_threshold("-0.5, 1e30")
    ((25.0, 255.0), (-0.5, 1e+30))
    >>> parse_threshold("Otsu  dark 16-bit")
    'Otsu dark 16-bit'
    """
    words = text.split()
    if not words:
        raise SettingsError(
            "The threshold is empty.", 'Type two numbers ("25,255") or a method ("Otsu dark").'
        )
    found = _RANGE.fullmatch(text.strip())
    if found:
        return float(found[1]), float(found[2])
    if _LOOKS_NUMERIC.match(text):
        raise SettingsError(
            f"The threshold {text!r} is not two numbers.",
            'Type the lowest and the highest value of the objects, such as "25,255".',
        )
    if words[0] not in METHODS:
        raise SettingsError(
            f"The threshold method {words[0]!r} is unknown. Allowed are {', '.join(METHODS)}, "
            f'or two numbers such as "25,255".{nearest(words[0], METHODS)}'
        )
    for word in words[1:]:
        if word not in (*WORDS, "16"):
            raise SettingsError(
                f"The word {word!r} in the threshold {text!r} is unknown. "
                f"Allowed after a method are {', '.join(WORDS)}.{nearest(word, WORDS)}"
            )
    return " ".join(words)


@dataclass(frozen=True, slots=True)
class _Words:
    """A method string, taken apart as ImageJ does."""

    method: str
    dark: bool
    sixteen: bool
    reset: bool
    stack: bool

    @classmethod
    def of(cls, text: str) -> _Words:
        return cls(
            method=text.split(maxsplit=1)[0],
            dark="dark" in text,
            sixteen="16" in text,
            reset="no-reset" not in text or "over" in text,
            stack="stack" in text,
        )


def resolve_threshold(
    image: Image,
    text: str,
    *,
    slice: int | None = None,  # noqa: A002  # ImageJ's word
    stack: bool = False,
    select: Roi | None = None,
) -> tuple[float, float]:
    """Return the threshold that ImageJ would set.

    Parameters
    ----------
    image
        Axes among t z y x c. 8- and 16-bit unsigned and float32 are taken as they are; int16 as
        ImageJ's signed 16-bit; everything else as float32. NaN counts as the lowest bin, as in
        ImageJ, and is in no histogram of a whole stack.
    text
        Two numbers or a method, see `parse_threshold`. Numbers of an image with a calibration
        function are calibrated values.
    slice
        The plane whose histogram is used, 1-based in ImageJ's order (c fastest, then z, then t);
        None is the first.
    stack
        Use the histogram of all planes, as the word ``stack`` does.
    select
        Only the pixels of this selection are in the histogram; the range of 16-bit and float
        images is still that of the whole plane.

    Returns
    -------
    low, high
        Raw pixel values; a pixel belongs to an object when ``low <= value <= high``.

    Raises
    ------
    SettingsError
        When the text, the slice or the image is wrong, and where ImageJ finds no threshold, stops
        with an exception or never returns.
    UnsupportedError
        For RGB images.

    Examples
    --------
    >>> from fijibridge.model import Image
    >>> image = Image.from_array(np.array([[0, 1, 2, 100], [101, 1, 99, 0]], np.uint8), "yx")
    >>> resolve_threshold(image, "Otsu dark")
    (3.0, 255.0)
    """
    parsed = parse_threshold(text)
    if image.spec.extra.rgb:
        raise UnsupportedError(
            f"{image.name or 'The image'} is RGB; ImageJ sets no threshold on RGB images.",
            "Take one channel, or convert it to grey.",
        )
    if not isinstance(parsed, str):
        return _as_set(image, *_raw_numbers(image, *parsed))
    words = _Words.of(parsed)
    if image.data.size == 0:
        raise SettingsError(
            f"The image has no pixels (shape {image.shape}), so {words.method!r} finds nothing."
        )
    window = window_of(image, select)
    if stack or words.stack:
        low, high = _of_stack(image, words, window)
    else:
        low, high = _of_plane(image, words, window, 1 if slice is None else slice)
    if math.isnan(low) or math.isnan(high):
        raise SettingsError(
            f"{words.method!r} gives no threshold for {image.name or 'the image'!r}: it holds "
            "infinite values. ImageJ finds nothing in it then.",
            "Give two numbers.",
        )
    offset = SIGNED_OFFSET if image.dtype == np.int16 else 0
    return _as_set(image, low - offset, high - offset)


def _as_set(image: Image, low: float, high: float) -> tuple[float, float]:
    """Return what ImageJ keeps: within the type's range, whole numbers for 16-bit images.

    Source: ImageJ ByteProcessor.setThreshold and ShortProcessor.setThreshold.
    """
    kind = image.dtype.newbyteorder("=")
    if kind not in (np.uint8, np.uint16, np.int16):
        return float(low), float(high)
    limits = np.iinfo(kind)
    low, high = max(low, float(limits.min)), min(high, float(limits.max))
    if kind == np.uint8:
        return low, high
    return tuple(math.floor(v + 0.5) + 0.0 if math.isfinite(v) else v for v in (low, high))  # type: ignore[return-value]  # two of two


def _raw_numbers(image: Image, low: float, high: float) -> tuple[float, float]:
    valuation = image.spec.extra.valuation
    if not calibrated(valuation):
        if low > high:
            raise SettingsError(
                f"The threshold {low:g},{high:g} has its lower end above its upper end.",
                f'Type "{high:g},{low:g}".',
            )
        return low, high
    bits, inverted = 8 * image.dtype.itemsize, _inverted(image, 0)
    a = raw_value(valuation, low, bits, inverted_lut=inverted)
    b = raw_value(valuation, high, bits, inverted_lut=inverted)
    # a falling calibration turns the ends round: as in ImageJ, type "high,low" for it
    return a, b


def _inverted(image: Image, channel: int) -> bool:
    """Return whether 0 is shown white: no step of the LUT goes up."""
    return image.spec.extra.shows_inverted(channel)


def _level(method: str, counts: np.ndarray, *, one_less: bool) -> int:
    """Return the grey level of a histogram, as a bin number.

    A histogram with one or two used bins has its own rule; of a 16-bit one only the used range is
    looked at.

    Source: ImageJ AutoThresholder.getThreshold.
    """
    from fijibridge.measure._kernels import threshold, threshold_entropy

    used = np.flatnonzero(counts)
    if len(used) in (1, 2):
        level = int(used[-1]) - int(one_less)
        if level >= 0:
            return level
    start = 0
    if len(counts) > 256 and len(used):
        start = int(used[0])
        counts = counts[start : int(used[-1]) + 1].copy()
    kernel: Callable[[np.ndarray], int] = getattr(
        threshold_entropy if method in _ENTROPY else threshold, METHODS[method]
    )
    level = int(kernel(counts))
    if level in (threshold.FAILS, threshold.ENDLESS):
        how = "stops with an exception" if level == threshold.FAILS else "never returns"
        raise SettingsError(
            f"The method {method!r} finds no threshold for this histogram: ImageJ {how} on it.",
            'Take another method, such as "Default" or "Otsu".',
        )
    return (0 if level == -1 else level) + start


def _ends(words: _Words, level: int, top: float, *, inverted: bool) -> tuple[float, float]:
    if words.dark == inverted:
        return 0.0, float(level)
    return float(level + (0 if words.sixteen else 1)), top


def _of_plane(image: Image, words: _Words, window: Window, number: int) -> tuple[float, float]:
    plane, channel = plane_of(image, number)
    counts = np.zeros(256, np.int64)
    low, high = 0.0, 255.0
    if plane.dtype == np.uint8:
        counts = whole_counts(plane, window)[:256]
    elif plane.dtype == np.uint16 and words.sixteen:
        counts = counts16(plane, window)
    else:
        low, high = _display_range(image, plane, channel, reset=words.reset)
        if math.isnan(low):
            raise SettingsError("All pixels are NaN, so there is no threshold.")
        if plane.dtype == np.uint16:
            squeeze(whole_counts(plane, window), int(low), int(high), counts)
        else:
            from fijibridge.measure._kernels.threshold_counts import count_scaled

            count_scaled(plane, window.box, window.mask, low, high, counts)
    level = _level(words.method, counts, one_less=not words.sixteen)
    inverted = _inverted(image, channel)
    full = words.sixteen and plane.dtype == np.uint16
    ends = _ends(words, level, 65535.0 if len(counts) > 256 else 255.0, inverted=inverted)
    if full:
        return ends
    ends = min(ends[0], 255.0), ends[1]
    return ends if plane.dtype == np.uint8 else _scaled(ends, low, high, plane.dtype)


def _scaled(
    ends: tuple[float, float], low: float, high: float, dtype: np.dtype[np.generic]
) -> tuple[float, float]:
    """Bring 0..255 to the display range; its ends open up to the ends of the type.

    Source: ImageJ ImageProcessor.scaleAndSetThreshold.
    """
    lower, upper = ends
    if not high > low:
        return low, low
    if lower == 0.0:
        lower = min(low, -1e30) if dtype == np.float32 else 0.0
    else:
        lower = low + (lower / 255.0) * (high - low)
    if upper == 255.0:
        upper = max(high, 1e30) if dtype == np.float32 else 65535.0
    else:
        upper = low + (upper / 255.0) * (high - low)
    return lower, upper


def _display_range(
    image: Image, plane: np.ndarray, channel: int, *, reset: bool
) -> tuple[float, float]:
    ranges = image.spec.extra.display_ranges
    if not reset and ranges:
        low, high = ranges[min(channel, len(ranges) - 1)]
        if (low, high) != (0.0, 0.0):
            if image.dtype == np.int16:
                low, high = low + SIGNED_OFFSET, high + SIGNED_OFFSET
            if plane.dtype == np.uint16:
                return float(math.floor(low + 0.5)), float(math.floor(high + 0.5))
            return float(np.float32(low)), float(np.float32(high))
    # all NaN: NaN, without a warning
    return float(np.fmin.reduce(plane, axis=None)), float(np.fmax.reduce(plane, axis=None))


def _of_stack(image: Image, words: _Words, window: Window) -> tuple[float, float]:
    if calibrated(image.spec.extra.valuation) and image.dtype.itemsize > 1:
        raise UnsupportedError(
            "ImageJ mixes raw and calibrated values in the histogram of a calibrated stack, so "
            "the word 'stack' is not offered for it.",
            "Leave 'stack' out, or give two numbers.",
        )
    counts, low, high = stack_counts(image, window)
    full = words.sixteen and len(counts) == 65536 and image.dtype.itemsize == 2
    bins = counts if full or len(counts) == 256 else bins_of(counts, int(low), int(high))
    bins = np.minimum(bins, 2**31 - 1)
    level = _level(words.method, bins, one_less=True)
    top = 65535.0 if len(bins) > 256 else 255.0
    lower, upper = _ends(words, level, top, inverted=_inverted(image, 0))
    if full:
        return lower, upper
    lower = min(lower, 255.0)
    if not high > low:
        return low, low
    return low + (lower / 255.0) * (high - low), low + (upper / 255.0) * (high - low)
