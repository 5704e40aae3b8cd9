"""Colour tables for label images: neighbouring numbers get colours that are far apart."""

from __future__ import annotations

import functools

import numpy as np

__all__ = ["glasbey_lut"]

#: Lightness below which a colour is lost on black.
_DARKEST = 35.0


def _lab(rgb: np.ndarray) -> np.ndarray:
    """Turn (n, 3) sRGB in 0..1 into CIE L*a*b* (D65)."""
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    matrix = np.array(
        [
            [0.4124564, 0.3575761, 0.1804375],
            [0.2126729, 0.7151522, 0.0721750],
            [0.0193339, 0.1191920, 0.9503041],
        ]
    )
    xyz = linear @ matrix.T / np.array([0.95047, 1.0, 1.08883])
    f = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    return np.stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], 1)


@functools.cache
def glasbey_lut() -> np.ndarray:
    """Return 256 maximally distinct colours, black first, shape (256, 3), uint8, read-only.

    Each colour is the one of a grid of sRGB that lies farthest, in CIE L*a*b*, from all chosen
    before it; colours too dark to be seen on black are left out. The same on every computer.

    Examples
    --------
    >>> glasbey_lut().shape, glasbey_lut()[0].tolist()
    ((256, 3), [0, 0, 0])

    Source: Glasbey, van der Heijden, Toh, Gray: Colour displays for categorical images, 2007.
    """
    levels = np.linspace(0, 255, 16).round()
    grid = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), axis=-1).reshape(-1, 3)
    lab = _lab(grid / 255)
    visible = lab[:, 0] >= _DARKEST
    # rounded, so that the last bits of cbrt on another computer choose no other colour
    grid, lab = grid[visible], lab[visible].round(6)
    distance = ((lab - _lab(np.zeros((1, 3)))) ** 2).sum(axis=1)
    chosen = [np.zeros(3)]
    for _ in range(255):
        best = int(distance.argmax())
        chosen.append(grid[best])
        distance = np.minimum(distance, ((lab - lab[best]) ** 2).sum(axis=1).round(6))
    lut = np.array(chosen).astype(np.uint8)
    lut.flags.writeable = False
    return lut
