"""Memory that a thread uses again: fresh pages can cost more than what is done in them."""

from __future__ import annotations

import threading
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["ThreadMemory"]


class ThreadMemory:
    """Arrays by name, one of each name a thread; the next call with a name takes it back."""

    def __init__(self) -> None:
        self._local = threading.local()

    def get(self, name: str, shape: Sequence[int], dtype: np.dtype[Any]) -> np.ndarray:
        """Return an array with anything in it."""
        size = prod(shape) * dtype.itemsize
        kept: np.ndarray | None = getattr(self._local, name, None)
        if kept is None or kept.size < size:
            kept = np.empty(size, np.uint8)
            setattr(self._local, name, kept)
        return kept[:size].view(dtype).reshape(shape)
