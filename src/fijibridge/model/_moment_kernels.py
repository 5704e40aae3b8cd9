"""Sizes, boxes, centres, scatter and grey values of numbered objects, and their main axes.

Compiled; imported only when objects are measured.
"""

# ruff: noqa: ANN001, ANN202, C901, PLR0912  # straight functions are what numba compiles
# mypy: disable-error-code="no-untyped-def, untyped-decorator, no-untyped-call"

from __future__ import annotations

import numpy as np
from numba import njit  # noqa: TID253  # this module is imported inside functions only


@njit(cache=True, nogil=True)
def shapes(ranks, count):
    """Return (count, 16) of objects 1..count of a volume (z, y, x).

    0 pixels; 1-3 means of x, y, z; 4-6 smallest, 7-9 largest x, y, z; 10-15 scatter xx, xy, xz, yy,
    yz, zz: sums of products about the mean, brought up pixel by pixel as vigra does it. Round
    objects have equal radii, and then only the last bits decide which way their axes point.
    """
    out = np.zeros((count, 16))
    for z in range(ranks.shape[0]):
        for y in range(ranks.shape[1]):
            for x in range(ranks.shape[2]):
                k = ranks[z, y, x] - 1
                if k < 0:
                    continue
                row = out[k]
                if row[0] == 0:
                    row[4], row[5], row[6] = x, y, z
                row[0] += 1
                row[1] += x
                row[2] += y
                row[3] += z
                row[4] = min(row[4], x)
                row[5] = min(row[5], y)
                row[6] = min(row[6], z)
                row[7] = max(row[7], x)
                row[8] = max(row[8], y)
                row[9] = max(row[9], z)
                n = row[0]
                if n > 1:
                    a, b, c = row[1] / n - x, row[2] / n - y, row[3] / n - z
                    w = n / (n - 1)
                    row[10] += w * a * a
                    row[11] += w * b * a
                    row[12] += w * c * a
                    row[13] += w * b * b
                    row[14] += w * c * b
                    row[15] += w * c * c
    for k in range(count):
        if out[k, 0] > 0:
            for i in range(1, 4):
                out[k, i] /= out[k, 0]
    return out


@njit(cache=True, nogil=True)
def greys(ranks, grey, count):
    """Return (count, 2) mean and variance (of the population) of the grey values of objects."""
    out = np.zeros((count, 2))
    size = np.zeros(count)
    flat, value = ranks.reshape(-1), grey.reshape(-1)
    for i in range(len(flat)):
        k = flat[i] - 1
        if k >= 0:
            size[k] += 1
            out[k, 0] += value[i]
            n = size[k]
            if n > 1:
                d = out[k, 0] / n - value[i]
                out[k, 1] += n / (n - 1) * (d * d)
    for k in range(count):
        if size[k] > 0:
            out[k, 0] /= size[k]
            out[k, 1] /= size[k]
    return out


@njit(cache=True, nogil=True)
def _tridiagonal(v, d, e):
    """Householder's reduction of the symmetric matrix `v` (EISPACK tred2)."""
    n = len(d)
    for j in range(n):
        d[j] = v[n - 1, j]
    for i in range(n - 1, 0, -1):
        scale = 0.0
        h = 0.0
        for k in range(i):
            scale += abs(d[k])
        if scale == 0.0:
            e[i] = d[i - 1]
            for j in range(i):
                d[j] = v[i - 1, j]
                v[i, j] = 0.0
                v[j, i] = 0.0
        else:
            for k in range(i):
                d[k] /= scale
                h += d[k] * d[k]
            f = d[i - 1]
            g = -np.sqrt(h) if f > 0 else np.sqrt(h)
            e[i] = scale * g
            h -= f * g
            d[i - 1] = f - g
            for j in range(i):
                e[j] = 0.0
            for j in range(i):
                f = d[j]
                v[j, i] = f
                g = e[j] + v[j, j] * f
                for k in range(j + 1, i):
                    g += v[k, j] * d[k]
                    e[k] += v[k, j] * f
                e[j] = g
            f = 0.0
            for j in range(i):
                e[j] /= h
                f += e[j] * d[j]
            hh = f / (h + h)
            for j in range(i):
                e[j] -= hh * d[j]
            for j in range(i):
                f = d[j]
                g = e[j]
                for k in range(j, i):
                    v[k, j] -= f * e[k] + g * d[k]
                d[j] = v[i - 1, j]
                v[i, j] = 0.0
        d[i] = h
    for i in range(n - 1):
        v[n - 1, i] = v[i, i]
        v[i, i] = 1.0
        h = d[i + 1]
        if h != 0.0:
            for k in range(i + 1):
                d[k] = v[k, i + 1] / h
            for j in range(i + 1):
                g = 0.0
                for k in range(i + 1):
                    g += v[k, i + 1] * v[k, j]
                for k in range(i + 1):
                    v[k, j] -= g * d[k]
        for k in range(i + 1):
            v[k, i + 1] = 0.0
    for j in range(n):
        d[j] = v[n - 1, j]
        v[n - 1, j] = 0.0
    v[n - 1, n - 1] = 1.0
    e[0] = 0.0


@njit(cache=True, nogil=True)
def _ql(v, d, e):
    """Eigenvalues of a tridiagonal matrix by implicit QL (EISPACK tql2)."""
    n = len(d)
    for i in range(1, n):
        e[i - 1] = e[i]
    e[n - 1] = 0.0
    f = 0.0
    largest = 0.0
    eps = 2.0**-52
    for low in range(n):
        largest = max(largest, abs(d[low]) + abs(e[low]))
        m = low
        while m < n - 1 and abs(e[m]) > eps * largest:
            m += 1
        if m > low:
            for _ in range(60):
                g = d[low]
                p = (d[low + 1] - g) / (2.0 * e[low])
                r = np.hypot(p, 1.0)
                if p < 0:
                    r = -r
                d[low] = e[low] / (p + r)
                d[low + 1] = e[low] * (p + r)
                dl1 = d[low + 1]
                h = g - d[low]
                for i in range(low + 2, n):
                    d[i] -= h
                f += h
                p = d[m]
                c = c2 = c3 = 1.0
                el1 = e[low + 1]
                s = s2 = 0.0
                for i in range(m - 1, low - 1, -1):
                    c3 = c2
                    c2 = c
                    s2 = s
                    g = c * e[i]
                    h = c * p
                    r = np.hypot(p, e[i])
                    e[i + 1] = s * r
                    s = e[i] / r
                    c = p / r
                    p = c * d[i] - s * g
                    d[i + 1] = h + s * (c * g + s * d[i])
                    for k in range(n):
                        h = v[k, i + 1]
                        v[k, i + 1] = s * v[k, i] + c * h
                        v[k, i] = c * v[k, i] - s * h
                p = -s * s2 * c3 * el1 * e[low] / dl1
                e[low] = s * p
                d[low] = c * p
                if abs(e[low]) <= eps * largest:
                    break
        d[low] += f
        e[low] = 0.0


@njit(cache=True, nogil=True)
def main_axes(scatter, size, radii, axes):
    """Fill (n, d) radii, roots of the variances along the axes, largest first, and (n, d * d) axes.

    scatter: (n, d, d), x before y before z. Signs of the axes are those of the reduction.
    """
    count, n = radii.shape
    d, e = np.empty(n), np.empty(n)
    for k in range(count):
        v = scatter[k].copy()
        e[:] = 0.0
        _tridiagonal(v, d, e)
        _ql(v, d, e)
        for i in range(n - 1):
            best = i
            for j in range(i + 1, n):
                if abs(d[j]) > abs(d[best]):
                    best = j
            if best != i:
                d[i], d[best] = d[best], d[i]
                for j in range(n):
                    v[j, i], v[j, best] = v[j, best], v[j, i]
        for i in range(n):
            radii[k, i] = np.sqrt(max(d[i], 0.0) / size[k])
            for j in range(n):
                axes[k, i * n + j] = v[i, j]
