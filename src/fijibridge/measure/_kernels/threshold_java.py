"""Java's arithmetic where it differs: 32-bit sums, casts, rounding, logarithms."""

from __future__ import annotations

import math

import numpy as np
from numba import njit


@njit(cache=True, nogil=True, inline="always")
def wrap(n):
    """Keep the lower 32 bits, as Java's int does."""
    return ((n + 2147483648) & 0xFFFFFFFF) - 2147483648


@njit(cache=True, nogil=True)
def whole(x):
    """Cast to Java's int: towards zero, saturated, NaN is 0."""
    if x != x:
        return 0
    if x >= 2147483647.0:
        return 2147483647
    if x <= -2147483648.0:
        return -2147483648
    return int(x)


@njit(cache=True, nogil=True)
def round_half_up(x):
    """Round half up; NaN is 0."""
    if x != x:
        return 0
    low = math.floor(x)
    return whole(low + 1.0 if x - low >= 0.5 else low)


@njit(cache=True, nogil=True)
def log(x):
    """Natural logarithm with Java's answers at 0 and below."""
    if x > 0.0:
        return math.log(x)
    return -np.inf if x == 0.0 else np.nan
