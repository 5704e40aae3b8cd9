"""Names of ROIs, as ImageJ's ROI Manager gives them to particles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import overload

import numpy as np

__all__ = ["ParticleNames", "particle_names"]

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


class ParticleNames(Sequence[str]):
    """The names of particles 1, 2, 3 … of a plane, written when they are first looked at.

    Parameters
    ----------
    middles
        y + height // 2 of each bounding box.
    height, slice_number, slices
        See `particle_names`.

    Examples
    --------
    >>> names = ParticleNames(np.array([12, 40]), height=100)
    >>> names[1], list(names)
    ('0002-0040', ['0001-0012', '0002-0040'])
    """

    __slots__ = ("_middles", "_names", "_where")

    def __init__(
        self, middles: np.ndarray, *, height: int, slice_number: int = 1, slices: int = 1
    ) -> None:
        self._middles = middles
        self._where = (height, slice_number, slices)
        self._names: Sequence[str] | None = None

    def _all(self) -> Sequence[str]:
        if self._names is None:
            height, slice_number, slices = self._where
            numbers = np.arange(1, len(self._middles) + 1)
            self._names = particle_names(
                numbers, self._middles, slice_number=slice_number, slices=slices, height=height
            )
        return self._names

    def __len__(self) -> int:
        return len(self._middles)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[str]: ...
    def __getitem__(self, index: int | slice) -> str | Sequence[str]:
        return self._all()[index]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence) or isinstance(other, str):
            return NotImplemented
        return list(self._all()) == list(other)

    __hash__ = None  # type: ignore[assignment]  # compares by value, like a list

    def __repr__(self) -> str:
        return repr(list(self._all()))
