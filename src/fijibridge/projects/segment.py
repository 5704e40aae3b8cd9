"""How ilastik finds objects: thresholds in probabilities, connected parts, consecutive labels.

Source: ilastik opThresholdTwoLevels.py, thresholdingTools.py, opLabelVolume.py,
opRelabelConsecutive.py, opFilterLabels.py; vigra separableconvolution.hxx.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fijibridge.errors import SettingsError

if TYPE_CHECKING:
    from fijibridge.model.project import Thresholds

__all__ = ["connected", "consecutive", "thresholded"]


def connected(values: np.ndarray) -> tuple[np.ndarray, int]:
    """Return the connected parts of equal values as numbers from 1 (uint32), and how many.

    Parameters
    ----------
    values
        (z, y, x); 0 is background. Neighbours share a face; parts are numbered in the order of
        their first pixels, x fastest.
    """
    from fijibridge.projects._kernels.objects import components

    out = np.empty(values.shape, np.uint32)
    plain = values.view(np.uint8) if values.dtype == bool else values
    count = components(np.ascontiguousarray(plain), out)
    return out, int(count)


def consecutive(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return labels as numbers from 1, in the order of their first pixels.

    Parameters
    ----------
    labels
        Whole numbers, (z, y, x); 0 is background.

    Returns
    -------
    tuple
        (uint32 (z, y, x), int64 the label that each number was).
    """
    if labels.dtype.kind not in "biu":
        raise SettingsError(
            f"A label image holds whole numbers, not {labels.dtype}.", "Convert it first."
        )
    values, first, at = np.unique(labels.ravel(), return_index=True, return_inverse=True)
    if values.size and int(values[0]) < 0:
        raise SettingsError(f"Labels are 0 or more; the label image holds {values[0]}.")
    objects = np.flatnonzero(values != 0)
    order = objects[np.argsort(first[objects], kind="stable")]
    number = np.zeros(len(values), np.uint32)
    number[order] = np.arange(1, len(order) + 1)
    return number[at].reshape(labels.shape), values[order].astype(np.int64)


def thresholded(
    probabilities: np.ndarray, how: Thresholds, drange: tuple[float, float] | None = None
) -> tuple[np.ndarray, int]:
    """Find objects in probabilities.

    Parameters
    ----------
    probabilities
        (c, z, y, x), one frame.
    how
        The project's thresholds.
    drange
        Which values mean 0 and 1; None = as they are.

    Returns
    -------
    tuple
        (uint32 (z, y, x) objects numbered from 1, how many).

    Raises
    ------
    SettingsError
        When there is no such channel.
    """
    channels = len(probabilities)
    for number in {how.channel, how.core_channel} if how.hysteresis else {how.channel}:
        if not 0 <= number < channels:
            raise SettingsError(
                f"The project finds objects in channel {number} of the probabilities, which have "
                f"{channels}.",
                "Give probabilities with the channels of those it was made with.",
            )
    low = _smooth(probabilities[how.channel], how, drange)
    if not how.hysteresis:
        return connected(_sized(connected(low >= np.float32(how.low))[0], how))
    core = low
    if how.core_channel != how.channel:
        core = _smooth(probabilities[how.core_channel], how, drange)
        low = low + core
    seeds = _sized(connected(core >= np.float32(how.high))[0], how) > 0
    found, count = connected(low >= np.float32(how.low))
    keep = np.zeros(count + 1, bool)
    keep[found[seeds]] = True
    keep[0] = False
    return connected(_sized(np.where(keep[found], found, np.uint32(0)), how))


def _sized(labels: np.ndarray, how: Thresholds) -> np.ndarray:
    """Return labels without the objects that are too small or too large."""
    sizes = np.bincount(labels.ravel())
    bad = (sizes < how.smallest) | (sizes > how.largest)
    return np.where(bad[labels], np.uint32(0), labels)


def _smooth(channel: np.ndarray, how: Thresholds, drange: tuple[float, float] | None) -> np.ndarray:
    """Return a channel as float32 from 0 to 1, smoothed as vigra does it."""
    from scipy.ndimage import correlate1d

    from fijibridge.projects.filters import gaussian_kernel

    out = channel.astype(np.float32)
    if drange is not None and drange != (0.0, 1.0) and drange[0] != drange[1]:
        out -= np.float32(drange[0])
        out /= np.float32(drange[1] - drange[0])
    sides = [(axis, s) for axis, s in enumerate(how.sigma) if out.shape[axis] > 1]
    if any(s < 0.1 for _, s in sides):
        return out
    for axis, sigma in reversed(sides):  # x first
        half = gaussian_kernel(0, sigma, 2.0, "vigra").weights
        whole = np.concatenate([half[:0:-1], half]).astype(np.float64)
        out = correlate1d(out, whole, axis=axis, output=np.float32, mode="mirror")
    return out
