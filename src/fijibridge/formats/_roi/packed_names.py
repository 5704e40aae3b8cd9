"""Names by the thousand, kept as bytes until one is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, overload

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["PackedNames"]


class PackedNames(Sequence[str]):
    """ASCII names, one after the other in one array.

    Parameters
    ----------
    letters
        (bytes,) uint8, each name with a NUL character behind it.
    start
        (n + 1,) int64, where each name begins; the last is the size of `letters`.
    """

    __slots__ = ("letters", "start")

    def __init__(self, letters: np.ndarray, start: np.ndarray) -> None:
        self.letters, self.start = letters, start

    @classmethod
    def of(cls, names: Sequence[str]) -> PackedNames | None:
        """Return the same names packed, or None when a letter is NUL or none of ASCII."""
        if isinstance(names, cls):
            return names
        raw = "".join(f"{name}\0" for name in names)
        if not raw.isascii() or raw.count("\0") != len(names):
            return None
        start = np.zeros(len(names) + 1, np.int64)
        np.cumsum(np.fromiter(map(len, names), np.int64, len(names)) + 1, out=start[1:])
        return cls(np.frombuffer(raw.encode("ascii"), np.uint8), start)

    def without(self, suffix: str, forbidden: str) -> PackedNames | None:
        """Return the names without `suffix`, or None.

        None when one has not the suffix or begins with `forbidden`.
        """
        from fijibridge.formats._roi.zip_kernels import strip

        letters = np.empty(len(self.letters), np.uint8)
        start = np.empty(len(self.start), np.int64)
        end, front = (np.frombuffer(text.encode(), np.uint8) for text in (suffix, forbidden))
        if not strip(self.letters, self.start, end, front, letters, start):
            return None
        return PackedNames(letters[: int(start[-1])], start)

    def __len__(self) -> int:
        return len(self.start) - 1

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        i = range(len(self))[index]
        return self.letters[self.start[i] : self.start[i + 1] - 1].tobytes().decode("ascii")

    def __iter__(self) -> Iterator[str]:
        return iter(self.letters.tobytes().decode("ascii").split("\0")[:-1])
