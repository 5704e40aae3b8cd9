"""Pixel-edge outlines <-> polygons that GeoJSON's readers accept.

ImageJ's outlines go around objects whose pixels may touch at corners only, so they may touch
themselves and their holes. Polygons may not: they are cut at such corners into simple rings, and
put together again when read. Everything else goes through as it is.

Source: RFC 7946 section 3.1.6 (outer rings counter-clockwise, holes clockwise, by the numbers).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "Look",
    "is_four_connected",
    "is_pixel_edges",
    "look_at",
    "outlines_from_rings",
    "polygons_from_paths",
    "signed_area",
]


def signed_area(ring: np.ndarray) -> float:
    """Return the shoelace area of an open ring, (n, 2); positive is RFC 7946's outer direction."""
    # relative to the first vertex, whose products are zero then
    x, y = np.asarray(ring - ring[:1], np.float64).T
    return 0.5 * float(x[:-1] @ y[1:] - y[:-1] @ x[1:])


def is_pixel_edges(rings: Sequence[np.ndarray]) -> bool:
    """Whether all vertices are whole and all edges run along x or y, turning at every vertex."""
    for ring in rings:
        if ring.dtype.kind == "f" or len(ring) < 4:
            return False
        along_y = ring[1:, 0] == ring[:-1, 0]
        # as edges turn at every vertex, they run along y and x by turns
        if (along_y[1:] == along_y[:-1]).any() or len(ring) % 2:
            return False
        if not (along_y ^ (ring[1:, 1] == ring[:-1, 1])).all():
            return False
        closing = (ring[0] == ring[-1]).tolist()
        if closing[0] == closing[1] or closing[0] == bool(along_y[0]):
            return False
    return True


def _directed(ring: np.ndarray, *, outer: bool) -> np.ndarray:
    """Return the ring in the direction of its role; it keeps its first vertex."""
    if (signed_area(ring) >= 0) == outer:
        return ring
    return np.concatenate([ring[:1], ring[:0:-1]])


def _inner_point(ring: np.ndarray) -> np.ndarray:
    """Return a point inside of a ring, next to its topmost vertex."""
    points = np.asarray(ring, np.float64)
    k = int(np.lexsort((points[:, 0], points[:, 1]))[0])
    before, here, after = points[k - 1], points[k], points[(k + 1) % len(points)]
    return here + 1e-3 * (before - here) + 1e-3 * (after - here)  # type: ignore[no-any-return]


def _contains(ring: np.ndarray, point: np.ndarray) -> bool:
    x, y = np.asarray(ring, np.float64).T
    x2, y2 = np.roll(x, -1), np.roll(y, -1)
    crosses = (y <= point[1]) != (y2 <= point[1])
    x, y, x2, y2 = x[crosses], y[crosses], x2[crosses], y2[crosses]
    at = x + (point[1] - y) / (y2 - y) * (x2 - x)
    return bool(np.count_nonzero(at > point[0]) % 2)


def _depths(rings: Sequence[np.ndarray]) -> list[int]:
    """Return in how many of the others each ring lies."""
    points = [_inner_point(ring) for ring in rings]
    low = np.array([ring.min(axis=0) for ring in rings], np.float64)
    high = np.array([ring.max(axis=0) for ring in rings], np.float64)
    depths = []
    for i, point in enumerate(points):
        near = np.flatnonzero(((low <= point) & (point <= high)).all(axis=1))
        depths.append(sum(_contains(rings[k], point) for k in near.tolist() if k != i))
    return depths


def _relinked(rings: Sequence[np.ndarray], *, cut: bool) -> list[np.ndarray] | None:
    """Pass again through corners where outlines touch; None where more than two passes meet.

    The rings are directed. `cut`: pixels that touch at a corner are apart, else together.
    """
    points = np.concatenate(rings).astype(np.int64)
    n = len(points)
    following = np.arange(1, n + 1)
    previous = np.arange(-1, n - 1)
    start = 0
    for ring in rings:
        following[start + len(ring) - 1], previous[start] = start, start + len(ring) - 1
        start += len(ring)
    order = np.lexsort((points[:, 1], points[:, 0]))
    same = (points[order[1:]] == points[order[:-1]]).all(axis=1)
    if (same[1:] & same[:-1]).any():
        return None
    for k in np.flatnonzero(same).tolist():
        i, j = int(order[k]), int(order[k + 1])
        dx, dy = np.sign(points[i] - points[previous[i]]).tolist()
        ox, oy = np.sign(points[following[i]] - points[i]).tolist()
        right = (ox, oy) == (-dy, dx)
        if right != cut:
            following[i], following[j] = following[j], following[i]
            previous[following[i]], previous[following[j]] = i, j
    links = following.tolist()
    seen = bytearray(n)
    out = []
    for first in range(n):
        if seen[first]:
            continue
        walk = []
        at = first
        while not seen[at]:
            seen[at] = 1
            walk.append(at)
            at = links[at]
        out.append(points[walk].astype(np.int32))
    return out


def _simple(ring: np.ndarray) -> list[np.ndarray]:
    """Cut a ring at the vertices it visits twice; the piece with its first vertex comes first."""
    stack: list[tuple[int, int]] = []
    place: dict[tuple[int, int], int] = {}
    pieces: list[np.ndarray] = []
    for x, y in ring.tolist():
        vertex = (x, y)
        if vertex in place:
            k = place[vertex]
            pieces.append(np.array(stack[k:], np.int32))
            for gone in stack[k + 1 :]:
                del place[gone]
            del stack[k + 1 :]
        else:
            place[vertex] = len(stack)
            stack.append(vertex)
    return [np.array(stack, np.int32), *pieces]


def _touch(rings: Sequence[np.ndarray]) -> bool:
    """Whether any vertex is visited twice."""
    visited: set[tuple[int, ...]] = set()
    total = 0
    for ring in rings:
        visited.update(map(tuple, ring.tolist()))
        total += len(ring)
    return len(visited) < total


class Look(NamedTuple):
    """What a look at closed paths tells.

    ``rings`` are the paths without repeated last vertices; ``touching`` is said of pixel edges
    only: a vertex is visited twice; ``area`` is the signed one of the first ring.
    """

    rings: list[np.ndarray]
    pixel_edges: bool
    touching: bool
    area: float


def look_at(paths: Sequence[np.ndarray]) -> Look:
    """Return what has to be known about closed paths before they become polygons."""
    rings = [np.asarray(path) for path in paths if len(path)]
    rings = [r[:-1] if len(r) > 1 and (r[0] == r[-1]).all() else r for r in rings]
    pixel_edges = bool(rings) and is_pixel_edges(rings)
    touching = pixel_edges and _touch(rings)
    return Look(rings, pixel_edges, touching, signed_area(rings[0]) if rings else 0.0)


def polygons_from_paths(
    paths: Sequence[np.ndarray], look: Look | None = None
) -> list[list[np.ndarray]]:
    """Return polygons, each an outer ring and its holes, all open, directed as RFC 7946 says.

    Parameters
    ----------
    paths
        Closed paths, each (n, 2) as (x, y), filled by the even-odd rule.
    look
        What `look_at` says of them, if it is known already.
    """
    look = look_at(paths) if look is None else look
    rings = look.rings
    if len(rings) == 1 and not look.touching:
        ring = rings[0]
        return [[ring if look.area >= 0 else np.concatenate([ring[:1], ring[:0:-1]])]]
    depths = _depths(rings)
    rings = [_directed(r, outer=d % 2 == 0) for r, d in zip(rings, depths, strict=True)]
    if look.touching:
        cut = _relinked(rings, cut=True)
        if cut is not None:
            rings = [piece for ring in cut for piece in _simple(ring)]
    areas = [signed_area(ring) for ring in rings]
    outer = [k for k, area in enumerate(areas) if area > 0]
    polygons = {k: [rings[k]] for k in outer}
    for k, ring in enumerate(rings):
        if k in polygons:
            continue
        point = _inner_point(ring)
        around = [p for p in outer if _contains(rings[p], point)]
        if around:
            polygons[min(around, key=areas.__getitem__)].append(ring)
        else:  # degenerate: no area to be a hole of
            polygons[k] = [ring]
    return [polygons[k] for k in sorted(polygons)]


def is_four_connected(look: Look) -> bool:
    """Whether a path that touches itself does so where its pixels are apart."""
    if len(look.rings) != 1 or not look.touching:
        return False
    cut = _relinked([_directed(look.rings[0], outer=True)], cut=True)
    return cut is not None and len(cut) == 1


def outlines_from_rings(
    polygons: Sequence[Sequence[np.ndarray]], *, four: bool = False
) -> list[np.ndarray]:
    """Return the closed paths of polygons; pixel-edge ones that touch are joined as in ImageJ.

    `four`: as ImageJ traces 4-connected particles, else 8-connected ones.
    """
    rings = [ring for polygon in polygons for ring in polygon]
    if is_pixel_edges(rings) and _touch(rings):
        directed = [
            _directed(ring, outer=k == 0) for polygon in polygons for k, ring in enumerate(polygon)
        ]
        joined = _relinked(directed, cut=four)
        if joined is not None:
            return joined
    return rings
