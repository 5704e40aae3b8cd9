"""A vigra random forest made ready for many pixels at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from fijibridge.model.project import Forest, Trees

__all__ = ["Predictor"]

_SMALL, _MIDDLE = 32, 64


@dataclass(slots=True)
class _Lists:
    """What the trees become, one after the other."""

    kind: list[int]
    start: list[int]
    feature: list[int]
    threshold: list[float]
    mask: list[int]
    left: list[int]
    right: list[int]
    leaves: list[int]
    order: list[int]


class Predictor:
    """A forest that predicts; made once, used from any thread.

    Parameters
    ----------
    forest
        The trees.
    classes
        Channels of the result; label n of the forest is channel n - 1, the others are 0.
    """

    def __init__(self, forest: Forest, classes: int) -> None:
        self.columns, self.classes = forest.columns, classes
        self._channels = [label - 1 for label in forest.known_labels]
        lists = _Lists([], [], [], [], [], [], [], [], [])
        number, counts, votes = [], [], []
        for i, trees in enumerate(forest.forests):
            counts.append(len(trees.roots))
            for root in trees.roots.tolist():
                rows = len(lists.order)
                _add_tree(lists, trees, root)
                votes.append(trees.votes[lists.order[rows:]])
                number.append(i)
        lists.start.append(len(lists.feature))
        both = np.concatenate(votes)
        totals = both.sum(axis=1)
        self._arrays = (
            np.array(lists.kind, np.int32),
            np.array(lists.start, np.int32),
            np.array(lists.feature, np.int32),
            _rounded_up(np.array(lists.threshold, np.float64)),
            np.array(lists.mask, np.uint64),
            np.array(lists.left, np.int32),
            np.array(lists.right, np.int32),
            np.array(lists.leaves, np.int64),
            np.ascontiguousarray(both.T, np.float32),
            # vigra divides by the sum of all votes, which mostly is the number of trees
            np.empty(0) if np.all(np.abs(totals - 1) < 1e-9) else totals,
            np.array(number, np.int32),
            np.array(counts, np.float32),
        )

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Return probabilities.

        Parameters
        ----------
        features
            float32, (columns, pixels).

        Returns
        -------
        numpy.ndarray
            float32, (classes, pixels); zeros where a feature is NaN.
        """
        from fijibridge.projects._kernels.forest import predict

        pixels = features.shape[1]
        known = np.empty((len(self._channels), pixels), np.float32)
        predict(np.ascontiguousarray(features, np.float32), *self._arrays, known)
        if self._channels == list(range(self.classes)):
            return known
        out = np.zeros((self.classes, pixels), np.float32)
        out[self._channels] = known
        return out


def _rounded_up(threshold: np.ndarray) -> np.ndarray:
    """Return float32 numbers that divide the float32 numbers as the float64 ones do."""
    with np.errstate(over="ignore"):
        found = threshold.astype(np.float32)
    low = found.astype(np.float64) < threshold
    found[low] = np.nextafter(found[low], np.float32(np.inf))
    return found


def _leaves_of(trees: Trees, root: int) -> tuple[list[int], dict[int, tuple[int, int, int]]]:
    """Return (rows of the leaves from left to right, node -> first, middle and last leaf)."""
    rows: list[int] = []
    spans: dict[int, tuple[int, int, int]] = {}
    middles: dict[int, tuple[int, int]] = {}
    stack = [(root, 0)]
    while stack:
        node, step = stack.pop()
        if trees.feature[node] < 0:
            rows.append(int(trees.left[node]))
        elif step == 0:
            middles[node] = (len(rows), 0)
            stack += [(node, 1), (int(trees.left[node]), 0)]
        elif step == 1:
            middles[node] = (middles[node][0], len(rows))
            stack += [(node, 2), (int(trees.right[node]), 0)]
        else:
            spans[node] = (*middles[node], len(rows))
    return rows, spans


def _add_tree(lists: _Lists, trees: Trees, root: int) -> None:
    rows, spans = _leaves_of(trees, root)
    lists.leaves.append(len(lists.order))
    lists.start.append(len(lists.feature))
    lists.order += rows
    if len(rows) > _MIDDLE:
        lists.kind.append(2)
        _add_walked(lists, trees, root)
        return
    lists.kind.append(0 if len(rows) <= _SMALL else 1)
    whole = (1 << 64) - 1
    for node, (first, middle, _) in spans.items():
        lists.feature.append(int(trees.feature[node]))
        lists.threshold.append(float(trees.threshold[node]))
        lists.mask.append(whole & ~(((1 << middle) - 1) ^ ((1 << first) - 1)))
        lists.left.append(0)
        lists.right.append(0)


def _add_walked(lists: _Lists, trees: Trees, root: int) -> None:
    """Add the nodes of a large tree, parents first, children side by side."""
    place = {root: len(lists.feature)}
    order, leaf = [root], 0
    for node in order:
        if trees.feature[node] < 0:
            continue
        for child in (int(trees.left[node]), int(trees.right[node])):
            place[child] = len(lists.feature) + len(order)
            order.append(child)
    # leaves are numbered from left to right, as the votes are
    numbers: dict[int, int] = {}
    stack = [root]
    while stack:
        node = stack.pop()
        if trees.feature[node] < 0:
            numbers[node] = leaf
            leaf += 1
        else:
            stack += [int(trees.right[node]), int(trees.left[node])]
    for node in order:
        inner = trees.feature[node] >= 0
        lists.feature.append(int(trees.feature[node]))
        lists.threshold.append(float(trees.threshold[node]))
        lists.mask.append(0)
        lists.left.append(place[int(trees.left[node])] if inner else numbers[node])
        lists.right.append(place[int(trees.right[node])] if inner else numbers[node])
