"""Hulls, diameters and lengths of outlines with any coordinates, and profiles along lines.

Source: ImageJ ij.process.FloatPolygon.getConvexHull, ij.gui.Roi.getFeretValues, ij.gui.PolygonRoi,
ij.gui.ProfilePlot.getIrregularProfile, ij.process.ImageProcessor.getLine.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def gift_wrap(x, y):
    """Return the numbers of the hull's points, from the uppermost (then leftmost) one on."""
    n = len(x)
    out = np.empty(n, np.int64)
    count = 0
    p1 = 0
    for i in range(n):
        if y[i] < y[p1] or (y[i] == y[p1] and x[i] < x[p1]):
            p1 = i
    start = p1
    while count < n:
        x1 = x[p1]
        y1 = y[p1]
        p2 = p1
        for _ in range(n):
            p2 = p2 + 1 if p2 + 1 < n else 0
            if p2 == p1 or x[p2] != x1 or y[p2] != y1:
                break
        p3 = p2 + 1 if p2 + 1 < n else 0
        while p2 != p1:
            x2, y2, x3, y3 = x[p2], y[p2], x[p3], y[p3]
            turn = x1 * (y2 - y3) - y1 * (x2 - x3) + (y3 * x2 - y2 * x3)
            farther = False
            if turn == 0 and p3 != p2:
                farther = (x3 - x1) ** 2 + (y3 - y1) ** 2 > (x2 - x1) ** 2 + (y2 - y1) ** 2
            if turn > 0 or farther:
                p2 = p3
            p3 = p3 + 1 if p3 + 1 < n else 0
            if p3 == p1:
                break
        out[count] = p1
        count += 1
        if p2 == p1:
            break
        p1 = p2
        if p1 == start or (count > 1 and x[p1] == x[start] and y[p1] == y[start]):
            break
    return out[:count]


@njit(cache=True, nogil=True, error_model="numpy")
def feret(hx, hy, pw, ph):
    """Return (largest squared diameter, the numbers of its two points, least width) of a hull.

    hx, hy: float32. Diameters are differences of floats, widths of doubles, as in ImageJ.
    """
    n = len(hx)
    largest = 0.0
    p1 = 0
    p2 = 0
    for i in range(n):
        for j in range(i + 1, n):
            dx = np.float32(hx[i] - hx[j]) * pw
            dy = np.float32(hy[i] - hy[j]) * ph
            squared = dx * dx + dy * dy
            if squared > largest:
                largest = squared
                p1 = i
                p2 = j
    x = hx.astype(np.float64)
    y = hy.astype(np.float64)
    width = 1.7976931348623157e308
    k = n - 1
    for i in range(n):
        nx = (y[i] - y[k]) * ph
        ny = (x[k] - x[i]) * pw
        factor = 1 / math.sqrt(nx * nx + ny * ny)
        nx *= factor * pw
        ny *= factor * ph
        k = i
        most = 0.0
        for j in range(n):
            away = (x[j] - x[i]) * nx + (y[j] - y[i]) * ny
            if away > most:
                most = away
        width = min(width, most)
    return largest, p1, p2, width


@njit(cache=True, nogil=True)
def edge_length(x, y, closed, pw, ph):
    """Add up the edges; differences keep the type of the coordinates, as in ImageJ."""
    n = len(x)
    length = 0.0
    for i in range(n - 1):
        length += math.sqrt(((x[i + 1] - x[i]) * pw) ** 2 + ((y[i + 1] - y[i]) * ph) ** 2)
    if closed and n > 1:
        length += math.sqrt(((x[0] - x[n - 1]) * pw) ** 2 + ((y[0] - y[n - 1]) * ph) ** 2)
    return length


@njit(cache=True, nogil=True)
def ellipse_length(x, y, pw, ph):
    """Add up the edges of a closed outline, the pixel size squared first."""
    n = len(x)
    w2 = pw * pw
    h2 = ph * ph
    length = 0.0
    for i in range(n):
        j = i + 1 if i + 1 < n else 0
        dx = np.float64(x[j] - x[i])
        dy = np.float64(y[j] - y[i])
        length += math.sqrt(dx * dx * w2 + dy * dy * h2)
    return length


@njit(cache=True, nogil=True)
def smoothed_length(x, y, closed, pw, ph):
    """Add up the edges of an outline smoothed over three points; needs three or more."""
    n = len(x)
    w2 = pw * pw
    h2 = ph * ph
    dx = (x[0] + x[1] + x[2]) / 3.0 - x[0]
    dy = (y[0] + y[1] + y[2]) / 3.0 - y[0]
    length = math.sqrt(dx * dx * w2 + dy * dy * h2)
    for i in range(1, n - 2):
        dx = (x[i + 2] - x[i - 1]) / 3.0
        dy = (y[i + 2] - y[i - 1]) / 3.0
        length += math.sqrt(dx * dx * w2 + dy * dy * h2)
    dx = x[n - 1] - (x[n - 3] + x[n - 2] + x[n - 1]) / 3.0
    dy = y[n - 1] - (y[n - 3] + y[n - 2] + y[n - 1]) / 3.0
    length += math.sqrt(dx * dx * w2 + dy * dy * h2)
    if closed:
        dx = np.float64(x[n - 1] - x[0])
        dy = np.float64(y[n - 1] - y[0])
        length += math.sqrt(dx * dx * w2 + dy * dy * h2)
    return length


@njit(cache=True, nogil=True)
def _value(plane, x, y):
    """Pixel value; outside the image 0."""
    if x < 0 or y < 0 or x >= plane.shape[1] or y >= plane.shape[0]:
        return 0.0
    return np.float64(plane[y, x])


@njit(cache=True, nogil=True)
def _edge_value(plane, x, y):
    """Pixel value; outside the image that of the nearest pixel."""
    x = min(max(x, 0), plane.shape[1] - 1)
    y = min(max(y, 0), plane.shape[0] - 1)
    return np.float64(plane[y, x])


@njit(cache=True, nogil=True)
def interpolated(plane, x, y):
    """Bilinear value; one pixel around the image it is continued, beyond it is 0."""
    h, w = plane.shape
    edge = x < 0.0 or x >= w - 1.0 or y < 0.0 or y >= h - 1.0
    if edge and (x < -1.0 or x >= w or y < -1.0 or y >= h):
        return 0.0
    bx = int(x)
    by = int(y)
    fx = max(x - bx, 0.0)
    fy = max(y - by, 0.0)
    if edge:
        a, b = _edge_value(plane, bx, by), _edge_value(plane, bx + 1, by)
        c, d = _edge_value(plane, bx, by + 1), _edge_value(plane, bx + 1, by + 1)
    else:
        a, b = _value(plane, bx, by), _value(plane, bx + 1, by)
        c, d = _value(plane, bx, by + 1), _value(plane, bx + 1, by + 1)
    upper = c + fx * (d - c)
    lower = a + fx * (b - a)
    return lower + fy * (upper - lower)


@njit(cache=True, nogil=True)
def straight_profile(plane, x1, y1, x2, y2):
    """Values along a straight line, about one a pixel, both ends included."""
    dx = x2 - x1
    dy = y2 - y1
    n = math.floor(math.sqrt(dx * dx + dy * dy) + 0.5)
    sx = dx / n if n > 0 else 0.0
    sy = dy / n if n > 0 else 0.0
    out = np.empty(n + 1)
    x = x1
    y = y1
    for i in range(n + 1):
        out[i] = interpolated(plane, x, y)
        x += sx
        y += sy
    return out


@njit(cache=True, nogil=True, error_model="numpy")
def irregular_profile(plane, px, py):
    """Values along a polyline: walk in steps of 0.01, take one wherever 1 pixel is behind."""
    n = len(px)
    step = 0.01
    out = np.empty(64)
    count = 0
    last_x = 0.0
    last_y = 0.0
    x2 = np.float64(px[0])
    y2 = np.float64(py[0])
    for i in range(1, n):
        x1 = x2
        y1 = y2
        x = x1
        y = y1
        x2 = np.float64(px[i])
        y2 = np.float64(py[i])
        dx = x2 - x1
        dy = y2 - y1
        distance = math.sqrt(dx * dx + dy * dy)
        sx = dx * step / distance
        sy = dy * step / distance
        left = int(distance / step)
        if n == 2:
            left += 1
        while True:
            dx = x - last_x
            dy = y - last_y
            if math.sqrt(dx * dx + dy * dy) >= 1.0 - step / 2.0:
                if count == len(out):
                    bigger = np.empty(2 * count)
                    bigger[:count] = out
                    out = bigger
                out[count] = interpolated(plane, x, y)
                count += 1
                last_x = x
                last_y = y
            x += sx
            y += sy
            left -= 1
            if not left > 0:
                break
    return out[:count]
