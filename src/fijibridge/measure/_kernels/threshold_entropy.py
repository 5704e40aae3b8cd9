"""From a histogram to a grey level: ImageJ's methods of entropy. See `threshold`.

Source: ImageJ ij.process.AutoThresholder.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from fijibridge.measure._kernels.threshold_java import log, whole, wrap

_TINY = 5e-324
_EPS = 2.220446049250313e-16


@njit(cache=True, nogil=True, error_model="numpy")
def _fuzziness(counts, used, start, stop, term, mean, entropy):
    for k in range(start, stop):
        mu = 1.0 / (1.0 + term * abs(used[k] - mean))
        if not (mu < 1e-06 or mu > 0.999999):
            entropy += counts[used[k]] * (-mu * math.log(mu) - (1.0 - mu) * math.log(1.0 - mu))
    return entropy


@njit(cache=True, nogil=True, error_model="numpy")
def huang(counts):
    """Minimise the fuzzy entropy. Empty bins add nothing, so only used ones are visited."""
    used = np.nonzero(counts)[0]
    if len(used) == 0:
        return -1
    first = used[0]
    last = used[-1]
    term = 1.0 / float(last - first)
    n = len(used)
    below = np.zeros(n)
    above = np.zeros(n)
    mass = 0
    number = 0
    for k in range(n):
        mass += used[k] * counts[used[k]]
        number += counts[used[k]]
        below[k] = wrap(mass) / float(wrap(number))
    mass = 0
    number = 0
    for k in range(n - 1, 0, -1):
        mass += used[k] * counts[used[k]]
        number += counts[used[k]]
        above[k - 1] = wrap(mass) / float(wrap(number))
    best = -1
    least = np.finfo(np.float64).max
    if first > 0:
        mass += first * counts[first]
        number += counts[first]
        mean = wrap(mass) / float(wrap(number))
        entropy = _fuzziness(counts, used, 0, n, term, mean, 0.0)
        if entropy < least:
            least = entropy
            best = 0
    for k in range(n):
        entropy = _fuzziness(counts, used, 0, k + 1, term, below[k], 0.0)
        entropy = _fuzziness(counts, used, k + 1, n, term, above[k], entropy)
        if entropy < least:
            least = entropy
            best = used[k]
    return best


@njit(cache=True, nogil=True, error_model="numpy")
def _cumulated(counts):
    """Shares of each bin, summed up from below, and what is left above; first and last bin."""
    n = len(counts)
    total = 0
    for i in range(n):
        total += counts[i]
    share = counts / float(wrap(total))
    below = np.zeros(n)
    above = np.zeros(n)
    running = 0.0
    for i in range(n):
        running = share[0] if i == 0 else running + share[i]
        below[i] = running
        above[i] = 1.0 - running
    first = 0
    for i in range(n):
        if not abs(below[i]) < _EPS:
            first = i
            break
    last = n - 1
    for i in range(n - 1, first - 1, -1):
        if not abs(above[i]) < _EPS:
            last = i
            break
    return share, below, above, first, last


@njit(cache=True, nogil=True, error_model="numpy")
def _kapur(counts, least):
    share, below, above, first, last = _cumulated(counts)
    used = np.nonzero(counts)[0]
    best = -1
    most = least
    for at in range(first, last + 1):
        back = 0.0
        front = 0.0
        for i in used:
            if i <= at:
                part = share[i] / below[at]
                back -= part * log(part)
            else:
                part = share[i] / above[at]
                front -= part * log(part)
        if most < back + front:
            most = back + front
            best = at
    return best


@njit(cache=True, nogil=True)
def max_entropy(counts):
    """Kapur, Sahoo and Wong: most entropy of both classes together."""
    return _kapur(counts, _TINY)


@njit(cache=True, nogil=True, error_model="numpy")
def _renyi_order(counts, squared):
    share, below, above, first, last = _cumulated(counts)
    term = -1.0 if squared else 2.0
    used = np.nonzero(counts)[0]
    every = np.arange(len(counts))
    best = 0
    most = 0.0
    for at in range(first, last + 1):
        back = 0.0
        front = 0.0
        # an empty bin adds nothing, unless it is divided by nothing
        for i in every if above[at] == 0.0 else used:
            whole = below[at] if i <= at else above[at]
            if squared:
                part = (share[i] * share[i]) / (whole * whole)
            else:
                part = share[i] / whole
                part = math.sqrt(part) if part >= 0 else np.nan
            if i <= at:
                back += part
            else:
                front += part
        both = back * front
        entropy = term * (log(both) if both > 0.0 else 0.0)
        if entropy > most:
            most = entropy
            best = at
    return best


@njit(cache=True, nogil=True)
def renyi_entropy(counts):
    """Weigh the levels of Renyi's entropy of the orders 0.5, 1 and 2."""
    _, below, above, _, _ = _cumulated(counts)
    middle = max(_kapur(counts, 0.0), 0)
    low, middle, high = np.sort(
        np.array([_renyi_order(counts, False), middle, _renyi_order(counts, True)])
    )
    if (abs(low - middle) <= 5) == (abs(middle - high) <= 5):
        beta = (1, 2, 1)
    elif abs(low - middle) <= 5:
        beta = (0, 1, 3)
    else:
        beta = (3, 1, 0)
    omega = below[high] - below[low]
    return whole(
        low * (below[low] + 0.25 * omega * beta[0])
        + 0.25 * middle * omega * beta[1]
        + high * (above[high] + 0.25 * omega * beta[2])
    )


@njit(cache=True, nogil=True, error_model="numpy")
def shanbhag(counts):
    """Least difference of the information of the classes."""
    share, below, above, first, last = _cumulated(counts)
    used = np.nonzero(counts)[0]
    every = np.arange(len(counts))
    best = -1
    least = np.finfo(np.float64).max
    for at in range(first, last + 1):
        back = 0.0
        front = 0.0
        term_back = 0.5 / below[at]
        term_front = 0.5 / above[at]
        for i in used if above[at] > _EPS else every:
            if i > at:
                front -= share[i] * log(1.0 - term_front * above[i])
            elif i > 0:
                back -= share[i] * log(1.0 - term_back * below[i - 1])
        away = abs(back * term_back - front * term_front)
        if away < least:
            least = away
            best = at
    return best


@njit(cache=True, nogil=True, error_model="numpy")
def yen(counts):
    """Most of Yen's correlation criterion."""
    n = len(counts)
    share, below, _, _, _ = _cumulated(counts)
    back = np.zeros(n)
    front = np.zeros(n)
    running = 0.0
    for i in range(n):
        running = running + share[i] * share[i]
        back[i] = running
    for i in range(n - 2, -1, -1):
        front[i] = front[i + 1] + share[i + 1] * share[i + 1]
    best = -1
    most = _TINY
    for i in range(n):
        both = back[i] * front[i]
        split = below[i] * (1.0 - below[i])
        criterion = -1.0 * (math.log(both) if both > 0.0 else 0.0)
        criterion = criterion + 2 * (math.log(split) if split > 0.0 else 0.0)
        if criterion > most:
            most = criterion
            best = i
    return best
