"""Lines into a plane: ImageJ's own line drawing, and outlines at the inner side of pixel edges."""

from __future__ import annotations

import math

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def line(plane, value, x1, y1, x2, y2):
    """Draw from (x1, y1) to (x2, y2), both ends included, clipped as ImageJ does.

    Source: ij.process.ImageProcessor.lineTo, line width 1.
    """
    height, width = plane.shape
    dx = x2 - x1
    dy = y2 - y1
    n = max(abs(dx), abs(dy))
    step_x = dx / n if dx != 0 else 0.0
    step_y = dy / n if dy != 0 else 0.0
    first = 0
    last = n
    if dx > 0:
        first = max(first, int((-1 - x1) / step_x))
        last = min(last, int((width - x1) / step_x))
    elif dx < 0:
        first = max(first, int((width - x1) / step_x))
        last = min(last, int((-1 - x1) / step_x))
    elif x1 < -1 or x1 > width:
        return
    if dy > 0:
        first = max(first, int((-1 - y1) / step_y))
        last = min(last, int((height - y1) / step_y))
    elif dy < 0:
        first = max(first, int((height - y1) / step_y))
        last = min(last, int((-1 - y1) / step_y))
    elif y1 < -1 or y1 > height:
        return
    x = x1 + first * step_x
    y = y1 + first * step_y
    for _ in range(first, last + 1):
        px = math.floor(x + 0.5)
        py = math.floor(y + 0.5)
        if 0 <= px < width and 0 <= py < height:
            plane[py, px] = value
        x += step_x
        y += step_y


@njit(cache=True, nogil=True)
def loops(plane, value, vx, vy, loop_start, loop_size, k0, k1):
    """Draw the closed loops k0..k1 with one value."""
    for k in range(k0, k1):
        a = loop_start[k]
        b = a + loop_size[k]
        for v in range(a, b):
            w = v + 1 if v + 1 < b else a
            line(plane, value, np.int64(vx[v]), np.int64(vy[v]), np.int64(vx[w]), np.int64(vy[w]))


@njit(cache=True, nogil=True)
def outlines(plane, values, vx, vy, loop_start, loop_size, roi_start, thick):
    """Draw ROIs one after another with their values, `thick` pixels wide.

    Edges along pixels are drawn at the inner side, as far as the direction of the ROI's largest
    loop tells it; sloped ones are centred.
    """
    for i in range(len(roi_start) - 1):
        area = 0.0
        for k in range(roi_start[i], roi_start[i + 1]):
            a = loop_start[k]
            own = 0.0
            for v in range(a, a + loop_size[k]):
                w = v + 1 if v + 1 < a + loop_size[k] else a
                own += np.float64(vx[v]) * vy[w] - np.float64(vx[w]) * vy[v]
            if abs(own) > abs(area):
                area = own
        side = 1 if area >= 0 else -1  # clockwise on the screen: inside at the right hand
        for k in range(roi_start[i], roi_start[i + 1]):
            a = loop_start[k]
            n = loop_size[k]
            for j in range(n):
                x1 = np.int64(vx[a + j])
                y1 = np.int64(vy[a + j])
                x2 = np.int64(vx[a + (j + 1) % n])
                y2 = np.int64(vy[a + (j + 1) % n])
                dx = x2 - x1
                dy = y2 - y1
                if dx != 0 and dy != 0:
                    _brush(plane, values[i], x1, y1, x2, y2, thick)
                    continue
                x0 = np.int64(vx[a + (j - 1) % n])
                y0 = np.int64(vy[a + (j - 1) % n])
                # where the outline turns away from the inside, the corner is filled too
                more = thick if side * ((x1 - x0) * dy - (y1 - y0) * dx) < 0 else 0
                _strip(plane, values[i], x1, y1, x2, y2, side, thick, more)


@njit(cache=True, nogil=True)
def _strip(plane, value, x1, y1, x2, y2, side, thick, more):
    """Fill the strip at the right hand (side 1) of an edge along an axis."""
    height, width = plane.shape
    if y1 == y2:
        ahead = 1 if x2 > x1 else -1
        x1 -= ahead * more
        inside = ahead * side > 0  # below the edge
        left, right = min(x1, x2), max(x1, x2)
        top, bottom = (y1, y1 + thick) if inside else (y1 - thick, y1)
    else:
        ahead = 1 if y2 > y1 else -1
        y1 -= ahead * more
        inside = ahead * side < 0  # right of the edge
        top, bottom = min(y1, y2), max(y1, y2)
        left, right = (x1, x1 + thick) if inside else (x1 - thick, x1)
    for y in range(max(top, 0), min(bottom, height)):
        for x in range(max(left, 0), min(right, width)):
            plane[y, x] = value


@njit(cache=True, nogil=True)
def _brush(plane, value, x1, y1, x2, y2, thick):
    """Draw a sloped line with a square brush."""
    low = -(thick // 2)
    for ox in range(low, low + thick):
        for oy in range(low, low + thick):
            line(plane, value, x1 + ox, y1 + oy, x2 + ox, y2 + oy)


@njit(cache=True, nogil=True)
def ellipse(plane, value, major, minor, theta, x_centre, y_centre):
    """Draw an ellipse; major, minor: axes in pixels, theta: radians.

    Source: ij.process.EllipseFitter.drawEllipse.
    """
    if major <= 0.0 or minor <= 0.0:
        return
    height = plane.shape[0]
    xc = math.floor(x_centre + 0.5)
    yc = math.floor(y_centre + 0.5)
    sine = math.sin(theta)
    cosine = math.cos(theta)
    a = 1.0 / (major / 2) ** 2
    b = 1.0 / (minor / 2) ** 2
    g11 = a * cosine**2 + b * sine**2
    g12 = (a - b) * sine * cosine
    g22 = a * sine**2 + b * cosine**2
    k1 = -g12 / g11
    k2 = (g12**2 - g11 * g22) / g11**2
    k3 = 1.0 / g11
    reach = height + 1.0
    if k2 != 0.0:
        reach = math.floor(math.sqrt(abs(k3 / k2)))
    top = max(1, int(min(reach, height)))
    low = np.zeros(top + 1, np.int64)
    high = np.zeros(top + 1, np.int64)
    for y in range(top + 1):
        under = k2 * y * y + k3
        if under < 0.0:  # ImageJ rounds NaN to 0
            continue
        half = math.sqrt(under)
        low[y] = math.floor(k1 * y - half + 0.5)
        high[y] = math.floor(k1 * y + half + 0.5)
    px = xc + low[top - 1]
    py = yc - top
    for y in range(-top, top):
        x = high[-y] if y < 0 else -low[y]
        line(plane, value, px, py, xc + x, yc + y)
        px = xc + x
        py = yc + y
    for y in range(top, -top, -1):
        x = low[-y] if y < 0 else -high[y]
        line(plane, value, px, py, xc + x, yc + y)
        px = xc + x
        py = yc + y
