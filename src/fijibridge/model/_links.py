"""The arithmetic behind `Tracks`: looking objects up, finding faults, numbering tracks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from fijibridge.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["FIRST", "Faults", "Keys", "number_tracks", "roots", "sorted_pairs"]

#: Tracks and lineages are numbered from 2, as ilastik does: 0 is background, 1 "not tracked".
FIRST = 2
_SHOWN = 10


@dataclass(slots=True)
class Faults:
    """Everything that is wrong with some tracks; told in one error, the first ten by name."""

    texts: list[str] = field(default_factory=list)
    count: int = 0

    def add(self, texts: Iterable[str], count: int) -> None:
        """Note `count` faults; no more of `texts` is read than is told."""
        self.count += count
        for text in texts:
            if len(self.texts) >= _SHOWN:
                break
            self.texts.append(text)

    def check(self, what: str = "The tracks") -> None:
        """Raise SettingsError when there is a fault."""
        if not self.count:
            return
        more = self.count - len(self.texts)
        listed = "; ".join(f"({i}) {text}" for i, text in enumerate(self.texts, 1))
        tail = f"; and {more} more" if more else ""
        word = "fault" if self.count == 1 else "faults"
        raise SettingsError(
            f"{what} cannot be used, {self.count} {word}: {listed}{tail}.",
            "Every object has at most one parent, in an earlier frame; frames count from 0.",
        )


def sorted_pairs(ids: np.ndarray) -> np.ndarray:
    """Return the pairs (t, label) of `ids` (n, 2) sorted, each once.

    Examples
    --------
    >>> sorted_pairs(np.array([[1, 2], [0, 3], [1, 2]])).tolist()
    [[0, 3], [1, 2]]
    """
    if _ascends(ids).all():
        return ids
    ids = ids[np.lexsort((ids[:, 1], ids[:, 0]))]
    return ids[np.append(True, _ascends(ids))] if len(ids) else ids


def _ascends(ids: np.ndarray) -> np.ndarray:
    """Return (n - 1,) whether each pair is greater than the one before."""
    first, second = ids[:, 0], ids[:, 1]
    found: np.ndarray = (first[1:] > first[:-1]) | (
        (first[1:] == first[:-1]) & (second[1:] > second[:-1])
    )
    return found


class Keys:
    """Finds rows of (t, label) pairs.

    Parameters
    ----------
    ids
        (n, 2) int64, sorted by t, then label, each pair once.
    """

    def __init__(self, ids: np.ndarray) -> None:
        self._labels = np.unique(ids[:, 1])
        self._keys = self._code(ids)

    def _code(self, ids: np.ndarray) -> np.ndarray:
        size = len(self._labels)
        if not size:
            return np.full(len(ids), -1, np.int64)
        rank = np.minimum(np.searchsorted(self._labels, ids[:, 1]), size - 1)
        known = (self._labels[rank] == ids[:, 1]) & (ids[:, 0] >= 0) & (ids[:, 0] < 2**31)
        coded: np.ndarray = np.where(known, ids[:, 0] * size + rank, -1)
        return coded

    def rows(self, ids: np.ndarray) -> np.ndarray:
        """Return the row of each pair of `ids` (m, 2), -1 where it is none of them."""
        keys = self._code(ids)
        if not len(self._keys):
            return np.full(len(ids), -1, np.int64)
        at = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
        found: np.ndarray = np.where((self._keys[at] == keys) & (keys >= 0), at, -1)
        return found


def roots(parent: np.ndarray) -> np.ndarray:
    """Return the first row of the chain of each row; `parent` (n,) has smaller rows, or -1."""
    found = np.where(parent >= 0, parent, np.arange(len(parent)))
    while True:
        further = found[found]
        if np.array_equal(further, found):
            return found
        found = further


def number_tracks(
    t: np.ndarray, link: np.ndarray, tracked: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return (track, lineage), each (n,), numbered as ilastik numbers them.

    Parameters
    ----------
    t, link, tracked
        Per object, sorted by t and label: frame, row of its parent or -1, and whether it belongs to
        a track.

    Notes
    -----
    A track goes on where an object has one child and that is in the next frame; several children,
    or a gap, begin new tracks. Beginnings without parents are numbered first, in order of objects,
    then the children of the last beginning, depth first.

    Source
    ------
    hytra.core.hypothesesgraph.computeLineage (behaviour only).
    """
    n = len(t)
    has = link >= 0
    children = np.bincount(link[has], minlength=n)
    goes_on = has.copy()
    goes_on[has] = (children[link[has]] == 1) & (t[has] - t[link[has]] == 1)
    head = roots(np.where(goes_on, link, -1))
    track, lineage = np.zeros((2, n), np.int64)
    starts = np.flatnonzero(tracked & ~has)
    begins = np.flatnonzero(has & ~goes_on)
    # children of a track: the heads whose link lies in it, ascending
    owner = head[link[begins]]
    order = np.argsort(owner, kind="stable")
    begins, owner = begins[order], owner[order]
    first = np.searchsorted(owner, np.arange(n + 1)) if len(begins) else None
    track[starts] = lineage[starts] = np.arange(len(starts)) + FIRST
    if first is not None:
        bounds, young = first.tolist(), begins.tolist()
        stack = starts[np.isin(starts, owner)].tolist()
        number = len(starts) + FIRST
        while stack:
            at = stack.pop()
            line = lineage[at]
            for child in young[bounds[at] : bounds[at + 1]]:
                track[child], lineage[child] = number, line
                number += 1
                stack.append(child)
    track[:], lineage[:] = track[head], lineage[head]
    track[~tracked] = lineage[~tracked] = 0
    return track, lineage
