"""`Roi` values -> QuPath's GeoJSON features, as text.

Source: QuPath's export (objectType, classification, isLocked, measurements, geometry.plane with
0-based z and t and c = -1 for all channels, isEllipse); RFC 7946 for the geometry.
"""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from typing import TYPE_CHECKING, Any

import numpy as np

from fijibridge.formats._geojson.rings import (
    Look,
    is_four_connected,
    look_at,
    polygons_from_paths,
)
from fijibridge.model.rois import AREA_KINDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from fijibridge.model import Position, Roi

__all__ = [
    "FOUR",
    "GROUP",
    "KIND",
    "MEASUREMENT",
    "OBJECT",
    "POSITION",
    "REVERSED",
    "SUB_PIXEL",
    "features",
]

#: Prefix of what QuPath keeps in the properties of ImageJ's ROIs.
OBJECT = "qupath.object."
MEASUREMENT = "qupath.object.measurements."
#: What the geometry alone does not say goes into QuPath's metadata under these keys.
KIND, POSITION = "fijibridge.kind", "fijibridge.position"
#: Its first path runs counter-clockwise on the screen.
REVERSED = "fijibridge.reversed"
#: It was traced around 4-connected pixels.
FOUR = "fijibridge.four"
#: ImageJ's groups are QuPath's classes.
GROUP = re.compile(r"Group (\d{1,5})")
_IDS = uuid.UUID("6f2c1f6e-3f4b-5d0a-9c55-5d1f0c8a7e31")
_OWN = frozenset(OBJECT + word for word in ("type", "classification", "id", "locked", "color"))
SUB_PIXEL_KINDS = frozenset({"polygon", "freehand", "traced", "polyline", "freeline", "angle"})
SUB_PIXEL = " sub-pixel"
_AREAS = AREA_KINDS | {"none"}
_DIRECTED = frozenset({"polygon", "freehand", "traced", "composite"})
_OVAL_VERTICES = 72


def _oval(bounds: Sequence[float]) -> np.ndarray:
    """Vertices of an oval; the four outermost points are among them."""
    x, y, width, height = bounds
    t = np.arange(_OVAL_VERTICES) * (2 * np.pi / _OVAL_VERTICES)
    unit = np.round(np.stack([np.cos(t), np.sin(t)], axis=1), 12)
    corner, size = np.array([x, y]), np.array([width, height])
    return corner + (unit + 1) / 2 * size  # type: ignore[no-any-return]


def _rectangle(bounds: Sequence[float]) -> np.ndarray:
    x, y, width, height = bounds
    ring = np.array([[x, y], [x + width, y], [x + width, y + height], [x, y + height]])
    whole = ring.astype(np.int64)
    return whole if (whole == ring).all() else ring


def _text(array: np.ndarray) -> str:
    """Return an array as JSON; whole floats as integers, which QuPath reads the same."""
    if array.dtype.kind == "f" and array.size and np.array_equal(np.rint(array), array):
        array = array.astype(np.int64) if (np.abs(array) < 2**53).all() else array
    return repr(array.tolist())


def _ring_text(ring: np.ndarray) -> str:
    if ring.dtype.kind == "f":
        return _text(np.concatenate([ring, ring[:1]]))
    points = ring.tolist()
    points.append(points[0])
    return repr(points)


def _area_geometry(look: Look) -> str:
    polygons = polygons_from_paths((), look)
    parts = ["[" + ",".join(map(_ring_text, polygon)) + "]" for polygon in polygons]
    if len(parts) == 1:
        return f'"type":"Polygon","coordinates":{parts[0]}'
    return f'"type":"MultiPolygon","coordinates":[{",".join(parts)}]'


def _paths(roi: Roi) -> Sequence[np.ndarray]:
    if roi.kind == "oval":
        return [_oval(roi.bounds)]
    if roi.kind in ("rectangle", "none"):
        return [_rectangle(roi.bounds)]
    if roi.kind == "composite":
        return [path for path in roi.paths if len(path)]
    return [roi.points]


_NOTHING = Look([], pixel_edges=False, touching=False, area=0.0)


def _look(roi: Roi) -> Look:
    """Look at the paths around an area; nothing for other kinds."""
    if roi.kind not in _AREAS or (roi.kind == "none" and len(roi.bounds) != 4):
        return _NOTHING
    return look_at(_paths(roi))


def _geometry(roi: Roi, look: Look) -> tuple[str, str]:
    """Return the geometry's text, and the kind it will be read as; "" when it is nowhere."""
    kind = roi.kind
    if look.rings:
        text = _area_geometry(look)
        if kind == "oval":
            return text + ',"isEllipse":true', kind
        simple = "traced" if look.pixel_edges else "polygon"
        return text, simple if len(look.rings) == 1 else "composite"
    if kind in _AREAS or not len(roi.points):
        return "", kind
    if kind == "point" and len(roi.points) == 1:
        return f'"type":"Point","coordinates":{_text(roi.points[0])}', "point"
    if kind == "point":
        return f'"type":"MultiPoint","coordinates":{_text(roi.points)}', "point"
    text = f'"type":"LineString","coordinates":{_text(roi.points)}'
    return text, "line" if len(roi.points) == 2 else "polyline"


def _plane(position: Position) -> tuple[str, bool]:
    """Return the plane's text, and whether it says all of the position."""
    z = position.z or position.slice
    if not (position.c or z or position.t):
        return "", True
    plane = f',"plane":{{"c":{position.c - 1},"z":{max(z, 1) - 1},"t":{max(position.t, 1) - 1}}}'
    return plane, position.slice == 0 and position.z > 0 and position.t > 0


def _number(text: str) -> float | int | None:
    try:
        return int(text)
    except ValueError:
        pass
    try:
        value = float(text)
    except ValueError:
        return None
    return value if np.isfinite(value) else None


def _kind_said(roi: Roi, natural: str) -> str:
    """Return what has to be said about the kind, "" when the geometry says it."""
    points = roi.points
    if points.dtype.kind == "f" and roi.kind in SUB_PIXEL_KINDS:
        # whole numbers would be read as pixel corners
        return roi.kind + SUB_PIXEL if (np.rint(points) == points).all() else roi.kind
    return roi.kind if natural != roi.kind else ""


def _split(properties: Mapping[str, str]) -> tuple[dict[str, float | int], dict[str, str]]:
    """Return the measurements and the metadata."""
    measurements: dict[str, float | int] = {}
    metadata: dict[str, str] = {}
    for key, value in properties.items():
        number = _number(value) if key.startswith(MEASUREMENT) else None
        if number is not None:
            measurements[key[len(MEASUREMENT) :]] = number
        elif key not in _OWN:
            metadata[key] = value
    return measurements, metadata


def _direction(look: Look) -> dict[str, str]:
    """Return what a polygon does not keep of an outline."""
    found = {REVERSED: "true"} if look.area < 0 else {}
    return found | {FOUR: "true"} if is_four_connected(look) else found


def _unsaid(roi: Roi, look: Look, natural: str, *, plane_is_all: bool) -> dict[str, str]:
    """Return what neither the geometry nor the plane says."""
    found = _direction(look) if roi.kind in _DIRECTED else {}
    kind = _kind_said(roi, natural)
    if kind:
        found[KIND] = kind
    if not plane_is_all:
        position = roi.position
        found[POSITION] = f"{position.c},{position.z},{position.t},{position.slice}"
    return found


def _classification(roi: Roi) -> dict[str, Any]:
    """Return QuPath's class of an ROI; ImageJ's groups are classes, too."""
    known = roi.properties
    name = known.get(OBJECT + "classification") or (f"Group {roi.group}" if roi.group else "")
    color = known.get(OBJECT + "color", "")
    if name and re.fullmatch(r"\d{1,3},\d{1,3},\d{1,3}", color):
        return {"name": name, "color": [int(v) for v in color.split(",")]}
    return {"name": name} if name else {}


def _properties(roi: Roi, look: Look, natural: str, *, plane_is_all: bool) -> dict[str, Any]:
    known = roi.properties
    measurements, metadata = _split(known) if known else ({}, {})
    usual = "detection" if measurements else "annotation"
    found: dict[str, Any] = {"objectType": known.get(OBJECT + "type", usual)}
    if roi.name:
        found["name"] = roi.name
    label = _classification(roi)
    if label:
        found["classification"] = label
        if roi.group and GROUP.fullmatch(label["name"]) is None:
            metadata["fijibridge.group"] = str(roi.group)
    if roi.stroke_color is not None:
        found["color"] = list(roi.stroke_color[1:])
        if roi.stroke_color[0] != 255:
            metadata["fijibridge.alpha"] = str(roi.stroke_color[0])
    found["isLocked"] = known.get(OBJECT + "locked") == "true"
    if measurements:
        found["measurements"] = measurements
    metadata |= _unsaid(roi, look, natural, plane_is_all=plane_is_all)
    if metadata:
        found["metadata"] = metadata
    return found


def _identity(text: str) -> str:
    """Return the UUID (version 5) that belongs to a text."""
    digest = hashlib.sha1(_IDS.bytes + text.encode("utf-8", "replace"), usedforsecurity=False)
    h = digest.hexdigest()
    variant = "89ab"[int(h[16], 16) & 3]
    return f"{h[:8]}-{h[8:12]}-5{h[13:16]}-{variant}{h[17:20]}-{h[20:32]}"


def features(rois: Iterable[Roi]) -> Iterable[str]:
    """Yield each ROI as the text of a feature."""
    for i, roi in enumerate(rois):
        look = _look(roi)
        geometry, natural = _geometry(roi, look)
        plane, plane_is_all = _plane(roi.position)
        said = _properties(roi, look, natural, plane_is_all=plane_is_all)
        text = json.dumps(said, ensure_ascii=False)
        own = roi.properties.get(OBJECT + "id", "")
        made = own or _identity(f"{i} {geometry}{plane} {roi.name}")
        shape = f"{{{geometry}{plane}}}" if geometry else "null"
        yield (
            f'{{"type":"Feature","id":{json.dumps(made)},"geometry":{shape},"properties":{text}}}'
        )
