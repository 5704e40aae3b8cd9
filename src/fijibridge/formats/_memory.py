"""Memory that a thread uses again (fresh pages can cost more than what is done in them), bounds."""

from __future__ import annotations

import threading
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Allowance", "ThreadMemory"]


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


class Allowance:
    """Bytes that may wait in memory, shared by all who hold it; what is beyond goes to a file."""

    def __init__(self, nbytes: int) -> None:
        self._left = nbytes
        self._lock = threading.Lock()

    def take(self, nbytes: int) -> bool:
        """Take some; False when not so many are left."""
        with self._lock:
            if self._left < nbytes:
                return False
            self._left -= nbytes
            return True

    def give(self, nbytes: int) -> None:
        """Give some back."""
        with self._lock:
            self._left += nbytes
