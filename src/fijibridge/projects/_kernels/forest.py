"""Random forests on many pixels at once.

A tree of up to 64 leaves is a set of bits: every comparison that fails clears the bits of the
leaves it rules out, and the lowest bit that is left is the leaf (the QuickScorer idea), so pixels
are compared side by side without a jump. Larger trees are walked.

Votes are added in the order of the trees, float32, as vigra and ilastik add them.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numba.cpython.unsafe.numbers import trailing_zeros

#: Pixels that are compared side by side.
_SIDE = 256
_ALL32 = np.uint32(0xFFFFFFFF)
_ALL64 = np.uint64(0xFFFFFFFFFFFFFFFF)


@njit(cache=True, nogil=True, boundscheck=False)
def _small(values, feature, threshold, mask, first, last, bits):
    """bits[i] = leaf of pixel i in a tree of up to 32 leaves."""
    for i in range(_SIDE):
        bits[i] = _ALL32
    q = first
    while q + 1 < last:
        a, b = values[feature[q]], values[feature[q + 1]]
        ta, tb = threshold[q], threshold[q + 1]
        ma, mb = np.uint32(mask[q]), np.uint32(mask[q + 1])
        for i in range(_SIDE):
            bits[i] = bits[i] & (_ALL32 if a[i] < ta else ma) & (_ALL32 if b[i] < tb else mb)
        q += 2
    if q < last:
        a, ta, ma = values[feature[q]], threshold[q], np.uint32(mask[q])
        for i in range(_SIDE):
            bits[i] = bits[i] & (_ALL32 if a[i] < ta else ma)
    for i in range(_SIDE):
        bits[i] = np.uint32(trailing_zeros(bits[i]))


@njit(cache=True, nogil=True, boundscheck=False)
def _middle(values, feature, threshold, mask, first, last, bits, leaf):
    """leaf[i] = leaf of pixel i in a tree of up to 64 leaves."""
    for i in range(_SIDE):
        bits[i] = _ALL64
    for q in range(first, last):
        a, ta, ma = values[feature[q]], threshold[q], mask[q]
        for i in range(_SIDE):
            bits[i] = bits[i] & (_ALL64 if a[i] < ta else ma)
    for i in range(_SIDE):
        leaf[i] = np.uint32(trailing_zeros(bits[i]))


@njit(cache=True, nogil=True, boundscheck=False)
def _large(values, feature, threshold, left, right, root, leaf):
    """leaf[i] = leaf of pixel i in any tree, walked."""
    for i in range(_SIDE):
        node = root
        column = feature[node]
        while column >= 0:
            node = left[node] if values[column, i] < threshold[node] else right[node]
            column = feature[node]
        leaf[i] = np.uint32(left[node])


@njit(cache=True, nogil=True, boundscheck=False)
def predict(
    features,
    kind,
    start,
    feature,
    threshold,
    mask,
    left,
    right,
    leaves,
    votes,
    totals,
    forest,
    counts,
    out,
):
    """Class probabilities of pixels.

    Parameters
    ----------
    features
        float32, (columns, pixels).
    kind
        Per tree: 0 up to 32 leaves, 1 up to 64, 2 walked.
    start
        Per tree and one more: first comparison (kinds 0 and 1) or root (kind 2).
    feature, threshold, mask, left, right
        Per comparison or node.
    leaves
        Per tree: its first row in `votes`.
    votes
        float32, (classes, leaves).
    totals
        float64 per leaf: what it adds to the sum of all votes; empty when that is one a tree.
    forest
        Number of the forest of each tree, ascending.
    counts
        float32: trees of each forest.
    out
        float32, (classes, pixels).
    """
    columns, pixels = features.shape
    classes = out.shape[0]
    trees = kind.size
    values = np.zeros((columns, _SIDE), np.float32)
    bits32 = np.zeros(_SIDE, np.uint32)
    bits64 = np.zeros(_SIDE, np.uint64)
    one = np.zeros((classes, _SIDE), np.float32)
    every = np.zeros((classes, _SIDE), np.float32)
    weight = np.zeros(_SIDE, np.float64)
    all_trees = np.float32(0)
    for count in counts:
        all_trees += count
    for begin in range(0, pixels, _SIDE):
        here = min(_SIDE, pixels - begin)
        for c in range(columns):
            for i in range(here):
                values[c, i] = features[c, begin + i]
        every[:] = 0
        one[:] = 0
        weight[:] = 0
        for t in range(trees):
            if kind[t] == 0:
                _small(values, feature, threshold, mask, start[t], start[t + 1], bits32)
            elif kind[t] == 1:
                _middle(values, feature, threshold, mask, start[t], start[t + 1], bits64, bits32)
            else:
                _large(values, feature, threshold, left, right, start[t], bits32)
            base = np.uint32(leaves[t])
            for k in range(classes):
                row, sums = votes[k], one[k]
                for i in range(_SIDE):
                    sums[i] += row[base + bits32[i]]
            if totals.size:
                for i in range(_SIDE):
                    weight[i] += totals[base + bits32[i]]
            if t + 1 == trees or forest[t + 1] != forest[t]:
                count = counts[forest[t]]
                for k in range(classes):
                    sums, sum_all = one[k], every[k]
                    for i in range(_SIDE):
                        total = np.float32(weight[i]) if totals.size else count
                        sum_all[i] += (sums[i] / total) * count
                        sums[i] = 0
                weight[:] = 0
        for k in range(classes):
            for i in range(here):
                out[k, begin + i] = every[k, i] / all_trees
        for c in range(columns):
            for i in range(here):
                if values[c, i] != values[c, i]:
                    for k in range(classes):
                        out[k, begin + i] = 0
