"""Names of ROIs, as ImageJ's ROI Manager gives them to particles."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["particle_names"]

_MINUS = np.uint32(ord("-"))
_ZERO = np.uint32(ord("0"))


def _digits(values: np.ndarray, count: int) -> np.ndarray:
    """Return the last `count` decimal digits as code points, shape (n, count)."""
    powers = 10 ** np.arange(count - 1, -1, -1, dtype=np.int64)
    return (values[:, None] // powers % 10).astype(np.uint32) + _ZERO


def particle_names(
    numbers: np.ndarray, middles: np.ndarray, *, slice_number: int, slices: int, height: int
) -> Sequence[str]:
    """Return ``NNNN-YYYY`` per particle, ``SSSS-NNNN-YYYY`` in stacks.

    Parameters
    ----------
    numbers
        Number of each particle in its plane, from 1.
    middles
        y + height // 2 of each bounding box.
    slice_number
        Running number of the plane, from 1.
    slices
        Planes of the image.
    height
        Rows of the image.

    Examples
    --------
    >>> list(particle_names(np.array([1]), np.array([12]), slice_number=1, slices=1, height=100))
    ['0001-0012']

    Source: ij.plugin.frame.RoiManager.getLabel.
    """
    if len(numbers) == 0:
        return ()
    numbers = np.asarray(numbers, np.int64)
    middles = np.asarray(middles, np.int64)
    needed = np.full(len(numbers), 4)
    for power in range(4, 19):
        needed[np.maximum(numbers, middles) >= 10**power] = power + 1
    if slices >= 10000 or height >= 10000:
        needed = np.maximum(needed, 5)
    kinds = np.unique(needed)
    longest = int(kinds[-1])
    parts = 3 if slices > 1 else 2
    code = np.zeros((len(numbers), parts * longest + parts - 1), np.uint32)
    for count in kinds:
        rows = needed == count
        columns = [_digits(numbers[rows], count), _digits(middles[rows], count)]
        if slices > 1:
            columns.insert(0, _digits(np.full(int(rows.sum()), slice_number), count))
        dash = np.full((len(columns[0]), 1), _MINUS)
        pieces = [columns[0]]
        for column in columns[1:]:
            pieces += [dash, column]
        text = np.concatenate(pieces, axis=1)
        code[rows, : text.shape[1]] = text
    names: list[str] = code.view(f"U{code.shape[1]}").ravel().tolist()
    return names
