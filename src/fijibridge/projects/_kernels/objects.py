"""Objects of a label image: connected parts, sums and moments of their grey values."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def _root(parent, i):
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@njit(cache=True, nogil=True)
def components(values, out):
    """Find the connected parts of equal values, 0 is background; return how many there are.

    values, out (uint32): (z, y, x). Neighbours share a face. Parts are numbered from 1 in the order
    of their first pixels, x fastest.
    """
    depth, height, width = values.shape
    parent = np.zeros(1024, np.int64)
    count = 1
    for z in range(depth):
        for y in range(height):
            for x in range(width):
                v = values[z, y, x]
                if v == 0:
                    out[z, y, x] = 0
                    continue
                best = np.int64(0)
                for side in range(3):
                    if side == 0 and x > 0 and values[z, y, x - 1] == v:
                        other = _root(parent, np.int64(out[z, y, x - 1]))
                    elif side == 1 and y > 0 and values[z, y - 1, x] == v:
                        other = _root(parent, np.int64(out[z, y - 1, x]))
                    elif side == 2 and z > 0 and values[z - 1, y, x] == v:
                        other = _root(parent, np.int64(out[z - 1, y, x]))
                    else:
                        continue
                    if best == 0:
                        best = other
                    elif other != best:
                        low, high = min(best, other), max(best, other)
                        parent[high] = low
                        best = low
                if best == 0:
                    if count == len(parent):
                        more = np.zeros(2 * count, np.int64)
                        more[:count] = parent
                        parent = more
                    parent[count] = count
                    best = np.int64(count)
                    count += 1
                out[z, y, x] = best
    number = np.zeros(count, np.uint32)
    last = 0
    for i in range(1, count):
        root = _root(parent, i)
        if root == i:
            last += 1
            number[i] = last
        else:
            number[i] = number[root]
    flat = out.reshape(-1)
    for i in range(flat.size):
        flat[i] = number[flat[i]]
    return last


@njit(cache=True, nogil=True)
def greys(ranks, grey, count):
    """Return sums, (count, c, 6), and covariances, (count, c, c), of objects 1..count.

    ranks: (z, y, x); grey: float32, (c, z, y, x). The six: sum, smallest, largest, and the sums of
    second, third and fourth powers about the mean; covariances are sums of products too.
    """
    channels = grey.shape[0]
    flat = ranks.reshape(-1)
    values = grey.reshape(channels, -1)
    size = np.zeros(count)
    out = np.zeros((count, channels, 6))
    products = np.zeros((count, channels, channels))
    for k in range(count):
        for c in range(channels):
            out[k, c, 1] = np.inf
            out[k, c, 2] = -np.inf
    for i in range(flat.size):
        k = np.int64(flat[i]) - 1
        if k < 0:
            continue
        size[k] += 1
        for c in range(channels):
            v = np.float64(values[c, i])
            row = out[k, c]
            row[0] += v
            row[1] = min(row[1], v)
            row[2] = max(row[2], v)
    for i in range(flat.size):
        k = np.int64(flat[i]) - 1
        if k < 0:
            continue
        for c in range(channels):
            d = np.float64(values[c, i]) - out[k, c, 0] / size[k]
            row = out[k, c]
            row[3] += d * d
            row[4] += d * d * d
            row[5] += d * d * d * d
            for b in range(c):
                e = np.float64(values[b, i]) - out[k, b, 0] / size[k]
                products[k, c, b] += d * e
    for k in range(count):
        for c in range(channels):
            products[k, c, c] = out[k, c, 3]
            for b in range(c):
                products[k, b, c] = products[k, c, b]
    return out, products


@njit(cache=True, nogil=True)
def histograms(ranks, grey, count, low, scale, bins):
    """Return (count, bins) how many grey values of each object lie in each bin."""
    out = np.zeros((count, bins))
    flat, values = ranks.reshape(-1), grey.reshape(-1)
    for i in range(flat.size):
        k = np.int64(flat[i]) - 1
        if k >= 0:
            at = scale * (np.float64(values[i]) - low)
            b = int(at)
            out[k, b - 1 if at == bins else b] += 1
    return out


@njit(cache=True, nogil=True)
def quantiles(histogram, low, scale, smallest, largest, wanted):
    """Return (count, wanted) quantiles, interpolated within the bins of a histogram."""
    count, bins = histogram.shape
    out = np.zeros((count, len(wanted)))
    points, sums = np.zeros(2 * bins + 2), np.zeros(2 * bins + 2)
    for k in range(count):
        last = 0
        points[0], sums[0] = scale * (smallest[k] - low), 0.0
        total = 0.0
        for b in range(bins):
            if histogram[k, b] > 0:
                if points[last] <= b:
                    last += 1
                    points[last], sums[last] = b, total
                total += histogram[k, b]
                last += 1
                points[last], sums[last] = b + 1, total
        points[last], sums[last] = scale * (largest[k] - low), total
        at = 0
        for q in range(len(wanted)):
            if wanted[q] == 0.0 or wanted[q] == 1.0:
                out[k, q] = smallest[k] if wanted[q] == 0.0 else largest[k]
                continue
            here = total * wanted[q]
            while at < last and not (sums[at] < here <= sums[at + 1]):
                at += 1
            if at >= last:
                out[k, q] = largest[k]
                continue
            step = (here - sums[at]) / (sums[at + 1] - sums[at]) * (points[at + 1] - points[at])
            out[k, q] = low + (step + points[at]) * (1.0 / scale)
    return out
