"""From a histogram to a grey level: ImageJ's methods; those of entropy are in `threshold_entropy`.

Every method takes counts as (n,) int64 and returns the level, ``-1`` when it finds none, `FAILS`
where ImageJ stops with an exception and `ENDLESS` where ImageJ never returns. Sums run in the order
in which ImageJ adds, so that equal means equal to the last bit; sums that ImageJ keeps in 32 bits
wrap around here too.

Source: ImageJ ij.process.AutoThresholder; the papers are named there.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from fijibridge.measure._kernels.threshold_java import log, round_half_up, whole, wrap

FAILS = -(1 << 40)
ENDLESS = -(1 << 41)
_EPS = 2.220446049250313e-16


@njit(cache=True, nogil=True)
def _two_modes(y):
    modes = 0
    for k in range(1, len(y) - 1):
        if y[k - 1] < y[k] and y[k + 1] < y[k]:
            modes += 1
            if modes > 2:
                return False
    return modes == 2


@njit(cache=True, nogil=True, error_model="numpy")
def ij_isodata(counts):
    """Walk up until the level passes the mean of the two class means; end bins do not count."""
    top = len(counts) - 1
    low = 0
    while low < top and (low == 0 or counts[low] == 0):
        low += 1
    high = top
    while high > 0 and (high == top or counts[high] == 0):
        high -= 1
    if low >= high:
        return len(counts) // 2
    all_mass = 0.0
    all_count = 0.0
    for i in range(low, high + 1):
        all_mass += float(i * counts[i])
        all_count += counts[i]
    mass = 0.0
    count = 0.0
    at = low
    while True:
        mass += float(at * counts[at])
        count += counts[at]
        level = (mass / count + (all_mass - mass) / (all_count - count)) / 2.0
        at += 1
        if not (at + 1 <= level and at < high - 1):
            return round_half_up(level)


@njit(cache=True, nogil=True)
def default(counts):
    """IJ_IsoData after the highest bin is cut to 1.5 of the second highest."""
    mode = 0
    first = 0
    for i in range(len(counts)):
        if counts[i] > first:
            first = counts[i]
            mode = i
    second = 0
    for i in range(len(counts)):
        if counts[i] > second and i != mode:
            second = counts[i]
    if first > wrap(second * 2) and second != 0:
        counts = counts.copy()
        counts[mode] = whole(second * 1.5)
    return ij_isodata(counts)


@njit(cache=True, nogil=True)
def intermodes(counts):
    """Smooth until two modes are left; their mean."""
    y = counts.astype(np.float64)
    n = len(y)
    rounds = 0
    while not _two_modes(y):
        current = 0.0
        following = y[0]
        for i in range(n - 1):
            previous = current
            current = following
            following = y[i + 1]
            y[i] = (previous + current + following) / 3
        y[n - 1] = (current + following) / 3
        rounds += 1
        if rounds > 10000:
            return -1
    total = 0
    for i in range(1, n - 1):
        if y[i - 1] < y[i] and y[i + 1] < y[i]:
            total += i
    return total // 2


@njit(cache=True, nogil=True)
def isodata(counts):
    """Ridler and Calvard with whole means."""
    n = len(counts)
    level = 0
    for i in range(1, n):
        if counts[i] > 0:
            level = i + 1
            break
    number = 0
    mass = 0
    for i in range(n):
        number += counts[i]
        mass += counts[i] * i
    back = 0
    back_mass = 0
    for i in range(min(level, n)):
        back += counts[i]
        back_mass += counts[i] * i
    while True:
        here = counts[level] if level < n else 0
        front = wrap(number - back - here)
        back32 = wrap(back)
        if back32 > 0 and front > 0:
            low = whole(wrap(back_mass) / float(back32))
            high = whole(wrap(mass - back_mass - here * level) / float(front))
            if level == round_half_up(wrap(low + high) / 2.0):
                return level
        back += here
        back_mass += here * level
        level += 1
        if level > n - 2:
            return -1


@njit(cache=True, nogil=True, error_model="numpy")
def li(counts):
    """Minimum cross entropy, iterated."""
    n = len(counts)
    number = np.zeros(n + 1, np.int64)
    mass = np.zeros(n + 1, np.int64)
    mean = 0.0
    for i in range(n):
        number[i + 1] = number[i] + counts[i]
        mass[i + 1] = mass[i] + i * counts[i]
        mean += wrap(i * counts[i])
    new = mean / float(wrap(number[n]))
    for _ in range(4 * n + 1000):
        old = new
        level = whole(old + 0.5)
        if level >= n or level < -1:
            return FAILS
        cut = level + 1
        back = wrap(number[cut])
        front = wrap(number[n] - number[cut])
        mean_back = 0.0 if back == 0 else wrap(mass[cut]) / float(back)
        mean_front = 0.0 if front == 0 else wrap(mass[n] - mass[cut]) / float(front)
        step = (mean_back - mean_front) / (log(mean_back) - log(mean_front))
        new = float(whole(step - 0.5) if step < -_EPS else whole(step + 0.5))
        if not abs(new - old) > 0.5:
            return level
    return ENDLESS


@njit(cache=True, nogil=True)
def mean(counts):
    """Take the mean grey level, rounded down."""
    total = 0
    mass = 0
    for i in range(len(counts)):
        total += counts[i]
        mass += i * counts[i]
    return FAILS if total == 0 else mass // total


@njit(cache=True, nogil=True, error_model="numpy")
def min_error(counts):
    """Kittler and Illingworth, iterated from the mean."""
    n = len(counts)
    number = np.zeros(n + 1)
    mass = np.zeros(n + 1)
    square = np.zeros(n + 1)
    for i in range(n):
        number[i + 1] = number[i] + counts[i]
        mass[i + 1] = mass[i] + wrap(i * counts[i])
        square[i + 1] = square[i] + wrap(wrap(i * i) * counts[i])
    level = mean(counts)
    if level == FAILS:
        return FAILS
    previous = -2
    rounds = 0
    while level != previous:
        if level >= n:
            return FAILS
        cut = max(level + 1, 0)
        a, b, c = number[cut], mass[cut], square[cut]
        mu = b / a
        nu = (mass[n] - b) / (number[n] - a)
        p = a / number[n]
        q = (number[n] - a) / number[n]
        sigma2 = c / a - mu * mu
        tau2 = (square[n] - c) / (number[n] - a) - nu * nu
        w0 = 1.0 / sigma2 - 1.0 / tau2
        w1 = mu / sigma2 - nu / tau2
        w2 = (mu * mu) / sigma2 - (nu * nu) / tau2
        ratio = (sigma2 * (q * q)) / (tau2 * (p * p))
        w2 += math.log10(ratio) if ratio > 0.0 else log(ratio)
        root = (w1 * w1) - w0 * w2
        if root < 0:
            return level
        previous = level
        step = (w1 + (math.sqrt(root) if root >= 0 else np.nan)) / w0
        if step == step:
            level = whole(np.floor(step))
        rounds += 1
        if rounds > 2 * n + 1000:
            return ENDLESS
    return level


@njit(cache=True, nogil=True)
def minimum(counts):
    """Smooth until two modes are left; the valley between them."""
    n = len(counts)
    if n < 2:
        return 0
    y = counts.astype(np.float64)
    top = -1
    for i in range(n):
        if counts[i] > 0:
            top = i
    smooth = np.zeros(n)
    rounds = 0
    while not _two_modes(y):
        for i in range(1, n - 1):
            smooth[i] = (y[i - 1] + y[i] + y[i + 1]) / 3
        smooth[0] = (y[0] + y[1]) / 3
        smooth[n - 1] = (y[n - 2] + y[n - 1]) / 3
        y[:] = smooth
        rounds += 1
        if rounds > 10000:
            return -1
    for i in range(1, top):
        if y[i - 1] > y[i] and y[i + 1] >= y[i]:
            return i
    return -1


@njit(cache=True, nogil=True, error_model="numpy")
def moments(counts):
    """Tsai: the two-level image keeps the first three moments; the powers wrap in 32 bits."""
    n = len(counts)
    total = 0.0
    for i in range(n):
        total += counts[i]
    m1 = m2 = m3 = 0.0
    for i in range(n):
        share = counts[i] / total
        square = wrap(i * i)
        m1 += i * share
        m2 += square * share
        m3 += wrap(square * i) * share
    cd = m2 - m1 * m1
    c0 = (-m2 * m2 + m1 * m3) / cd
    c1 = (-m3 + m2 * m1) / cd
    inner = c1 * c1 - 4.0 * c0
    root = math.sqrt(inner) if inner >= 0 else np.nan
    z0 = 0.5 * (-c1 - root)
    z1 = 0.5 * (-c1 + root)
    p0 = (z1 - m1) / (z1 - z0)
    running = 0.0
    for i in range(n):
        running += counts[i] / total
        if running > p0:
            return i
    return -1


@njit(cache=True, nogil=True, error_model="numpy")
def otsu(counts):
    """Most variance between the classes."""
    n = len(counts)
    total = 0
    for i in range(n):
        total += counts[i]
    term = 1.0 / float(wrap(total))
    all_mean = 0.0
    for i in range(1, n):
        all_mean = all_mean + i * (term * counts[i])
    share = 0.0
    part = 0.0
    best = -2147483648
    most = 0.0
    for i in range(n):
        share = share + term * counts[i]
        if i:
            part = part + i * (term * counts[i])
        between = all_mean * share - part
        between *= between / (share * (1.0 - share))
        if most < between:
            most = between
            best = i
    return best


@njit(cache=True, nogil=True, error_model="numpy")
def percentile(counts):
    """Take the level below which half of the pixels lie."""
    total = 0.0
    for i in range(len(counts)):
        total += counts[i]
    best = -1
    least = 1.0
    running = 0.0
    for i in range(len(counts)):
        running += counts[i]
        away = abs(running / total - 0.5)
        if away < least:
            least = away
            best = i
    return best


@njit(cache=True, nogil=True, error_model="numpy")
def triangle(counts):
    """Farthest from the line between the peak and the longer end."""
    n = len(counts)
    low = 0
    for i in range(n):
        if counts[i] > 0:
            low = max(i - 1, 0)
            break
    high = 0
    for i in range(n - 1, 0, -1):
        if counts[i] > 0:
            high = i
            break
    if high < n - 1:
        high += 1
    peak = 0
    most = 0
    for i in range(n):
        if counts[i] > most:
            most = counts[i]
            peak = i
    mirrored = peak - low < high - peak
    if mirrored:
        counts = counts[::-1].copy()
        low = n - 1 - high
        peak = n - 1 - peak
    if low == peak:
        return low
    nx = float(counts[peak])
    ny = float(low - peak)
    d = math.sqrt(nx * nx + ny * ny)
    nx /= d
    ny /= d
    d = nx * low + ny * counts[low]
    split = low
    farthest = 0.0
    for i in range(low + 1, peak + 1):
        distance = nx * i + ny * counts[i] - d
        if distance > farthest:
            split = i
            farthest = distance
    split -= 1
    return n - 1 - split if mirrored else split
