"""Rows of a results table for ROIs: areas, lines, angles and points of one plane.

Source: ImageJ ij.plugin.filter.Analyzer (saveResults, measureLength, measureAngle, measurePoint).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from fijibridge.errors import UnsupportedError
from fijibridge.measure.features import Greys, measure_particles, pixel_counts
from fijibridge.measure.masks import roi_mask
from fijibridge.measure.planes import Calibration, Planes
from fijibridge.measure.roi_shapes import (
    convex_area,
    feret_values,
    line_box,
    middle_length,
    outline_points,
    roi_length,
)
from fijibridge.measure.tracing import Loops, Particles

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fijibridge.measure.objects import MeasureWords
    from fijibridge.model.rois import Roi

__all__ = ["area_rows", "other_rows"]

Box = tuple[int, int, int, int]
_GREY = (
    "Mean", "StdDev", "Mode", "Min", "Max", "XM", "YM", "IntDen", "Median", "Skew", "Kurt",
    "%Area", "RawIntDen",
)  # fmt: skip
_PROFILE = ("Area", "Mean", "StdDev", "Mode", "Min", "Max", "Median", "IntDen", "RawIntDen")
_FERET = ("Feret", "FeretX", "FeretY", "FeretAngle", "MinFeret")
#: What makes ImageJ look at the pixels under a line.
_LOOKS = ("area", "mean", "standard", "modal", "min", "centroid", "median")
#: ImageJ's constants, not exact on purpose.
_SQRT_PI = 1.772453851


def area_rows(
    rois: Sequence[Roi], planes: Planes, k: int, words: MeasureWords
) -> list[dict[str, object]]:
    """Return one row per area ROI, measured in plane k (0-based)."""
    if not rois:
        return []
    height, width = planes.shape
    masks = [roi_mask(roi, within=(0, 0, width, height)) for roi in rois]
    found = _as_particles(masks)
    calibration = Calibration.of(planes.image.spec)
    greys = Greys(planes.loose_plane(k), planes.table(), planes.curve())
    counts = pixel_counts(found, greys)
    chosen = np.flatnonzero(found.area > 0)
    asked = tuple(h for h in (*_GREY, "Area", "X", "Y") if h in words.headings)
    # IntDen and RawIntDen are measured together, X and Y too
    measured = measure_particles(
        found, chosen, counts, greys, asked,
        calibration=calibration, outline_calibration=calibration, invert_y="invert" in words,
    ) if len(chosen) else {}  # fmt: skip
    rows: list[dict[str, object]] = [dict.fromkeys(asked, math.nan) for _ in rois]
    for heading, values in measured.items():
        for at, value in zip(chosen.tolist(), values.tolist(), strict=True):
            rows[at][heading] = value
    for i, roi in enumerate(rois):
        if "Area" in asked and not found.area[i]:
            rows[i]["Area"] = 0.0
        _add_shape(rows[i], roi, masks[i], int(counts[i]), planes, calibration, words)
    return rows


def _as_particles(masks: Sequence[tuple[np.ndarray, int, int]]) -> Particles:
    """Return the pixels of masks as runs; ROIs have no traced loops here."""
    n = len(masks)
    start = np.zeros(n + 1, np.int64)
    firsts, lasts, lines = [], [], []
    area = np.zeros(n, np.int64)
    box = np.zeros((n, 4), np.int32)
    for i, (mask, x, y) in enumerate(masks):
        h, w = mask.shape
        padded = np.zeros((h, w + 2), np.int8)
        padded[:, 1:-1] = mask
        step = np.diff(padded, axis=1)
        row, first = np.nonzero(step == 1)
        last = np.nonzero(step == -1)[1]
        firsts.append(first + x)
        lasts.append(last + x)
        lines.append(row + y)
        start[i + 1] = start[i] + len(row)
        area[i] = int(mask.sum())
        box[i] = (x, y, w, h)
    nothing = np.zeros(0, np.int32)
    loops = Loops(nothing, nothing, np.zeros(0, np.int64), nothing, np.zeros(n + 1, np.int64),
                  np.zeros(n, np.uint8))  # fmt: skip
    x0, x1, line = (np.concatenate(v).astype(np.int32) for v in (firsts, lasts, lines))
    none = np.zeros(0, np.int64)
    return Particles(
        start, x0, x1, line, box, area, loops, none.astype(np.bool_), none.reshape(0, 2), none
    )


def _add_shape(
    row: dict[str, object],
    roi: Roi,
    mask: tuple[np.ndarray, int, int],
    count: int,
    planes: Planes,
    c: Calibration,
    words: MeasureWords,
) -> None:
    pixels, x, y = mask
    h, w = pixels.shape
    asked = words.headings
    place = _Places(c, planes.shape[0], flipped="invert" in words)
    area = count * c.width * c.height
    if "BX" in asked:
        row["BX"], row["BY"] = place.x(x), place.y(y)
        row["Width"], row["Height"] = w * c.width, h * c.height
    shape = "Circ." in asked
    if shape or "Major" in asked:
        major, minor, angle, cx, cy = _ellipse(roi, pixels)
        scale = c.width if abs(c.width - c.height) / c.width < 0.01 else 0.0
        major, minor = major * scale, minor * scale
        if "Major" in asked:
            row["Major"], row["Minor"], row["Angle"] = major, minor, angle
        if "X" in asked:
            row["X"], row["Y"] = place.x(x + cx), place.y(y + cy)
    if shape or "Perim." in asked:
        length = roi_length(roi, c.width, c.height)
        if "Perim." in asked:
            row["Perim."] = length
    if not (shape or "Feret" in asked):
        _add_rotated(row, roi, c)
        return
    points = outline_points(roi)
    if shape:
        with np.errstate(all="ignore"):
            circ = 0.0 if length == 0.0 else 4.0 * math.pi * (area / (length * length))
            row["Circ."] = min(circ, 1.0)
            row["AR"] = float(np.float64(major) / minor)
            row["Round"] = float(np.float64(4.0 * area) / (math.pi * major * major))
            row["Solidity"] = float(np.float64(count) / convex_area(points))
    if "Feret" in asked:
        row.update(zip(_FERET, feret_values(roi, points, c.width, c.height), strict=True))
    _add_rotated(row, roi, c)


def _add_rotated(row: dict[str, object], roi: Roi, c: Calibration) -> None:
    if roi.subtype == "rotated rectangle" and len(roi.parameters) == 5:
        size = c.width if c.width == c.height else 1.0
        row["RRLength"] = middle_length(roi) * size
        row["RRWidth"] = float(roi.parameters[4]) * size


def _ellipse(roi: Roi, pixels: np.ndarray) -> tuple[float, float, float, float, float]:
    """Return (major, minor, angle, x, y) of the best-fitting ellipse, in pixels of the mask."""
    from fijibridge.measure._kernels.shapes import ellipse

    h, w = pixels.shape
    if not pixels.any():
        return math.nan, math.nan, math.nan, math.nan, math.nan
    if roi.kind == "rectangle" and not roi.arc_size:
        # ImageJ has no mask then, and takes the sides
        major, minor = w * 2 / _SQRT_PI, h * 2 / _SQRT_PI
        angle = 90.0 if major < minor else 0.0
        return max(major, minor), min(major, minor), angle, w / 2.0, h / 2.0
    x = np.arange(w, dtype=np.int64)
    y = np.arange(h, dtype=np.int64)
    by_x, by_y = pixels.sum(axis=0), pixels.sum(axis=1)
    n, sx, sy = int(by_x.sum()), int(by_x @ x), int(by_y @ y)
    across = int((pixels @ x) @ y)
    major, minor, angle = ellipse(n, sx, sy, int(by_x @ (x * x)), int(by_y @ (y * y)), across)
    return float(major), float(minor), float(angle), sx / n + 0.5, sy / n + 0.5


class _Places:
    """Pixel coordinates as ImageJ calibrates them."""

    __slots__ = ("_c", "_flipped", "_height")

    def __init__(self, c: Calibration, height: int, *, flipped: bool) -> None:
        self._c, self._height, self._flipped = c, height, flipped

    def x(self, x: float) -> float:
        return (x - self._c.x_origin) * self._c.width

    def y(self, y: float) -> float:
        c = self._c
        if not self._flipped:
            return (y - c.y_origin) * c.height
        if c.y_origin != 0.0:
            return (c.y_origin - y) * c.height
        return (self._height - y - 1) * c.height


def other_rows(roi: Roi, planes: Planes, k: int, words: MeasureWords) -> list[dict[str, object]]:
    """Return the rows of a line, an angle or points, measured in plane k (0-based)."""
    c = Calibration.of(planes.image.spec)
    place = _Places(c, planes.shape[0], flipped="invert" in words)
    if roi.kind == "point":
        return [
            _point_row(float(x), float(y), planes, k, words, place) for x, y in outline_points(roi)
        ]
    if roi.kind == "angle":
        row: dict[str, object] = dict.fromkeys(words.headings, 0.0)
        row.update(_line_shape(roi, roi.points, 0.0, c, words, place))
        row["Angle"] = _angle(roi.points)
        return [row]
    if roi.stroke_width > 1:
        raise UnsupportedError(
            f"ROI {roi.name!r} is a line {roi.stroke_width:g} pixels wide; only lines of one pixel "
            "are measured.",
            "Make it an area (ImageJ: Edit > Selection > Line to Area), or set its width to 1.",
        )
    return [_line_row(roi, planes, k, words, c, place)]


def _line_row(
    roi: Roi, planes: Planes, k: int, words: MeasureWords, c: Calibration, place: _Places
) -> dict[str, object]:
    points = roi.points if roi.kind == "line" else outline_points(roi)
    length = roi_length(roi, c.width, c.height)
    row: dict[str, object] = {}
    if any(word in words for word in _LOOKS):
        row = dict.fromkeys(words.headings, 0.0)
        values = _profile(roi, points, planes, k)
        row.update(_profile_row(values, c, words))
        if "X" in row and roi.kind == "line":
            ends = np.asarray(roi.points, np.float32)
            half = (ends[1] - ends[0]).astype(np.float64) / 2.0
            row["X"], row["Y"] = (
                place.x(float(ends[0, 0] + half[0])),
                place.y(float(ends[0, 1] + half[1])),
            )
        area = len(values) * c.width * c.height
        row.update(_line_shape(roi, points, area, c, words, place, length=length))
    row["Length"] = length
    if roi.kind == "line" and len(roi.points) == 2:
        (x1, y1), (x2, y2) = roi.points.astype(np.float64)
        dx, dy = (x2 - x1) * c.width, (y1 - y2) * c.height
        row["Angle"] = (180.0 / math.pi) * math.atan2(dy, dx)
    return row


def _profile(roi: Roi, points: np.ndarray, planes: Planes, k: int) -> np.ndarray:
    from fijibridge.measure._kernels.float_outlines import irregular_profile, straight_profile

    plane, table = planes.loose_plane(k), planes.table()
    if table is not None:
        plane = table[plane]
    if roi.kind == "line":
        (x1, y1), (x2, y2) = (tuple(map(float, p)) for p in roi.points)
        values = straight_profile(plane, x1, y1, x2, y2)
    else:
        p = np.ascontiguousarray(points, np.float32)
        values = irregular_profile(plane, p[:, 0].copy(), p[:, 1].copy())
    return np.asarray(values, np.float32)


def _profile_row(values: np.ndarray, c: Calibration, words: MeasureWords) -> dict[str, object]:
    asked = tuple(h for h in _PROFILE if h in words.headings)
    found = _as_particles([(np.ones((1, len(values)), np.bool_), 0, 0)])
    greys = Greys(values[None, :])
    measured = measure_particles(
        found, np.array([0]), pixel_counts(found, greys), greys, asked,
        calibration=c, outline_calibration=c,
    )  # fmt: skip
    return {heading: float(v[0]) for heading, v in measured.items()}


def _line_shape(
    roi: Roi,
    points: np.ndarray,
    area: float,
    c: Calibration,
    words: MeasureWords,
    place: _Places,
    *,
    length: float | None = None,
) -> dict[str, object]:
    """Return the columns that lines have from their vertices."""
    out: dict[str, object] = {}
    asked = words.headings
    if length is None:
        length = roi_length(roi, c.width, c.height)
    if "Perim." in asked:
        out["Perim."] = length
    if "Circ." in asked:
        circ = 0.0 if length == 0.0 else 4.0 * math.pi * (area / (length * length))
        out.update({"Circ.": min(circ, 1.0), "AR": 0.0, "Round": 0.0, "Solidity": math.nan})
    if "BX" in asked:
        x, y, wide, high = line_box(points)
        out["BX"], out["BY"] = place.x(x), place.y(y)
        out["Width"], out["Height"] = wide * c.width, high * c.height
    if "Feret" in asked:
        out.update(zip(_FERET, feret_values(roi, points, c.width, c.height), strict=True))
    return out


def _angle(points: np.ndarray) -> float:
    """Return the angle at the middle of three points, degrees; square pixels, as in ImageJ."""
    p = np.asarray(points, np.float64)
    if len(p) < 3:
        return 0.0

    def direction(a: np.ndarray, b: np.ndarray) -> float:
        return (180.0 / math.pi) * math.atan2(a[1] - b[1], b[0] - a[0])

    turn = abs(180.0 - abs(direction(p[0], p[1]) - direction(p[1], p[2])))
    return 360.0 - turn if turn > 180.0 else turn


def _point_row(
    x: float, y: float, planes: Planes, k: int, words: MeasureWords, place: _Places
) -> dict[str, object]:
    height, width = planes.shape
    column, line = math.floor(x + 0.5), math.floor(y + 0.5)
    row: dict[str, object] = dict.fromkeys(words.headings, math.nan)
    if 0 <= column < width and 0 <= line < height:
        from fijibridge.model.rois import Roi

        pixel = Roi(kind="rectangle", bounds=(float(column), float(line), 1.0, 1.0))
        row = area_rows([pixel], planes, k, words)[0]
    for heading in ("Perim.", "Circ."):
        if heading in row:
            row[heading] = 0.0
    if "Circ." in row:
        row.update({"AR": 0.0, "Round": 0.0, "Solidity": math.nan})
    if "Area" in words.headings:
        row["Area"] = 0.0
    if "XM" in words.headings:
        row["XM"], row["YM"] = x, y
    if "Feret" in words.headings:
        row.update(zip(_FERET, (0.0, x, y, 0.0, 0.0), strict=True))
    row["X"], row["Y"] = place.x(x), place.y(y)
    return row
