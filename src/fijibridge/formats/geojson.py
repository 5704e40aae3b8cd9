"""GeoJSON as QuPath writes and reads it: objects with classes, colours and measurements.

Coordinates are pixels of the full image, x to the right and y down, at pixel corners.

Source: RFC 7946; QuPath's objects (objectType, classification, isLocked, measurements, plane).
"""

from __future__ import annotations

import contextlib
import gc
import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from fijibridge.errors import FijiBridgeError, FormatError
from fijibridge.formats._format import Finding, Format, WriteOptions
from fijibridge.formats._geojson.rings import is_pixel_edges, outlines_from_rings
from fijibridge.formats._geojson.write import (
    FOUR,
    GROUP,
    KIND,
    MEASUREMENT,
    OBJECT,
    POSITION,
    REVERSED,
    SUB_PIXEL,
    features,
)
from fijibridge.formats._target import staged
from fijibridge.model import Position, Roi, RoiSet
from fijibridge.model.json_text import parse_json
from fijibridge.model.rois import AREA_KINDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from fijibridge.formats._location import Location

__all__ = ["FORMAT"]

_LARGEST_FILE = 1 << 31
_LINES = frozenset({"line", "polyline", "freeline", "angle"})


def _no_constant(word: str) -> Any:
    raise ValueError(f"{word} is no JSON number")


def _load(path: Path) -> list[Any]:
    """Return the features of a file."""
    try:
        size = path.stat().st_size
        if size > _LARGEST_FILE:
            raise FormatError(f"It has {size} bytes; at most 2 GB of GeoJSON are read.")
        text = path.read_bytes().decode("utf-8-sig")
        found = parse_json(text, parse_constant=_no_constant)
    except OSError as error:
        raise FormatError(f"It cannot be read: {error.strerror or error}.") from error
    except RecursionError as error:
        raise FormatError("It is no GeoJSON: its brackets are nested too deep.") from error
    except (ValueError, MemoryError) as error:
        raise FormatError(
            f"It is no GeoJSON: {error}.",
            "It is truncated or no GeoJSON; export it again, or copy it again from its source.",
        ) from error
    if isinstance(found, dict) and found.get("type") == "FeatureCollection":
        found = found.get("features")
    elif isinstance(found, dict) and found.get("type") == "Feature":
        found = [found]
    if not isinstance(found, list):
        raise FormatError(
            "It is no GeoJSON with objects: neither a FeatureCollection nor a list of features."
        )
    return found


def _points(coordinates: Any, what: str) -> np.ndarray:
    """Return (n, 2) vertices; int32 when all are whole."""
    try:
        array = np.array(coordinates, np.float64)
    except (ValueError, TypeError, OverflowError) as error:
        raise FormatError(f"the coordinates of its {what} are not numbers") from error
    if array.ndim != 2 or array.shape[1] < 2 or not array.size:
        raise FormatError(f"the coordinates of its {what} are not pairs of numbers")
    array = array[:, :2]
    largest = max(float(array.max()), -float(array.min()))
    if not largest < float("inf"):  # not numbers either
        raise FormatError(f"the coordinates of its {what} are not pairs of numbers")
    if largest < 2**31:
        whole = array.astype(np.int32)
        if (whole == array).all():
            return whole
    return np.ascontiguousarray(array)


def _ring(coordinates: Any) -> np.ndarray:
    points = _points(coordinates, "ring")
    if len(points) > 1 and (points[0] == points[-1]).all():
        points = points[:-1]
    if len(points) < 3:
        raise FormatError(f"a ring of it has {len(points)} vertices, it needs 3")
    return points


def _list(value: Any, what: str) -> list[Any]:
    if not isinstance(value, list) or not value:
        raise FormatError(f"its {what} is not a list")
    return value


def _shapes(geometry: dict[str, Any], hint: str, *, four: bool) -> list[dict[str, Any]]:
    """Return the fields of `Roi` that say where it is; several for lines in several parts."""
    kind, coordinates = geometry.get("type"), geometry.get("coordinates")
    if kind == "Polygon" or kind == "MultiPolygon":  # noqa: PLR1714  # kind may be unhashable
        polygons = _list([coordinates] if kind == "Polygon" else coordinates, "coordinates")
        rings = [[_ring(r) for r in _list(polygon, "polygon")] for polygon in polygons]
        if geometry.get("isEllipse") is True:
            hint = "oval"
        return [_area(outlines_from_rings(rings, four=four), hint)]
    if kind == "Point":
        return [{"kind": "point", "points": _points([coordinates], "point").astype(np.float64)}]
    if kind == "MultiPoint":
        points = _points(_list(coordinates, "points"), "points")
        return [{"kind": "point", "points": points.astype(np.float64)}]
    if kind == "LineString" or kind == "MultiLineString":  # noqa: PLR1714  # as above
        lines = [coordinates] if kind == "LineString" else _list(coordinates, "lines")
        return [_line(_points(_list(line, "line"), "line"), hint) for line in lines]
    raise FormatError(f"its geometry {kind!r} is not one that ROIs can be")


def _line(points: np.ndarray, hint: str) -> dict[str, Any]:
    if len(points) == 2 and hint not in _LINES:
        hint = "line"
    if hint == "line" and len(points) == 2:
        return {"kind": "line", "points": points.astype(np.float64)}
    return {"kind": hint if hint in _LINES - {"line"} else "polyline", "points": points}


def _area(paths: list[np.ndarray], hint: str) -> dict[str, Any]:
    if hint in ("rectangle", "oval", "none") and len(paths) == 1:
        low, high = paths[0].min(axis=0), paths[0].max(axis=0)
        return {"kind": hint, "bounds": tuple(float(v) for v in (*low, *(high - low)))}
    kind = hint if hint in ("polygon", "freehand", "traced", "composite") else ""
    if len(paths) > 1 or kind == "composite":
        if len({path.dtype for path in paths}) > 1:
            paths = [path.astype(np.float64) for path in paths]
        return {"kind": "composite", "paths": tuple(paths)}
    kind = kind or ("traced" if is_pixel_edges(paths) else "polygon")
    return {"kind": kind, "points": paths[0]}


def _integer(value: Any) -> int:
    return value if isinstance(value, int) and 0 <= value < 2**31 - 1 else -1


def _position(geometry: dict[str, Any], metadata: dict[str, str]) -> Position:
    exact = metadata.pop(POSITION, "").split(",")
    if len(exact) == 4 and all(v.isascii() and v.isdigit() and len(v) < 11 for v in exact):
        c, z, t, flat = (min(int(v), 2**31 - 1) for v in exact)
        return Position(c=c, z=z, t=t, slice=flat)
    plane = geometry.get("plane")
    if not isinstance(plane, dict):
        return Position()
    c, z, t = (_integer(plane.get(key, -1)) + 1 for key in "czt")
    return Position(c=c, z=z, t=t)


def _rgb(value: Any) -> tuple[int, int, int] | None:
    if isinstance(value, int) and not isinstance(value, bool):  # older QuPath: packed
        return (value >> 16 & 255, value >> 8 & 255, value & 255)
    if (
        isinstance(value, list)
        and len(value) in (3, 4)
        and all(isinstance(v, int) and 0 <= v <= 255 for v in value)
    ):
        return (value[0], value[1], value[2])
    return None


def _strings(value: Any) -> dict[str, str]:
    if not isinstance(value, dict):
        return {}
    return {
        str(key): item if isinstance(item, str) else json.dumps(item) for key, item in value.items()
    }


def _measurements(value: Any) -> dict[str, str]:
    if isinstance(value, list):  # older QuPath: name and value in pairs
        value = {
            item["name"]: item.get("value")
            for item in value
            if isinstance(item, dict) and isinstance(item.get("name"), str)
        }
    return {MEASUREMENT + key: item for key, item in _strings(value).items()}


def _common(geometry: dict[str, Any], feature: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """Return the fields of `Roi` that are not its shape, and the hint at its kind."""
    said = feature.get("properties")
    said = said if isinstance(said, dict) else {}
    metadata = _strings(said.get("metadata"))
    hint = metadata.pop(KIND, "")
    own = feature.get("id")
    fields: dict[str, Any] = {"position": _position(geometry, metadata)}
    group = metadata.pop("fijibridge.group", "")
    alpha = metadata.pop("fijibridge.alpha", "255")
    properties = metadata
    name = said.get("name")
    fields["name"] = name if isinstance(name, str) else ""
    label = said.get("classification")
    label = label if isinstance(label, dict) else {"name": label}
    parts = label.get("name", label.get("names"))
    text = ": ".join(map(str, parts)) if isinstance(parts, list) else parts
    if isinstance(text, str) and text:
        found = GROUP.fullmatch(text)
        if found is not None and int(found[1]) <= 65535:
            group = found[1]
        else:
            properties[OBJECT + "classification"] = text
        color = _rgb(label.get("color", label.get("colorRGB")))
        if color is not None:
            properties[OBJECT + "color"] = ",".join(map(str, color))
    if group.isascii() and group.isdigit() and int(group[:6]) <= 65535:
        fields["group"] = int(group)
    color = _rgb(said.get("color", said.get("colorRGB")))
    if color is not None:
        known = alpha.isascii() and alpha.isdigit() and len(alpha) < 4 and int(alpha) <= 255
        fields["stroke_color"] = (int(alpha) if known else 255, *color)
    if said.get("isLocked") is True:
        properties[OBJECT + "locked"] = "true"
    measured = _measurements(said.get("measurements"))
    properties |= measured
    kind = said.get("objectType", said.get("object_type"))
    if isinstance(kind, str) and kind != ("detection" if measured else "annotation"):
        properties[OBJECT + "type"] = kind
    if isinstance(own, str) and own and own[14:15] != "5":  # ours are made from the content
        properties[OBJECT + "id"] = own
    fields["properties"] = properties
    return fields, hint


def _rois(feature: Any) -> list[Roi]:
    if not isinstance(feature, dict):
        raise FormatError("it is not an object")
    geometry = feature.get("geometry")
    if geometry is None:  # allowed: an object that is nowhere
        return []
    if not isinstance(geometry, dict):
        raise FormatError("its geometry is not an object")
    fields, hint = _common(geometry, feature)
    backwards = fields["properties"].pop(REVERSED, "") == "true"
    four = fields["properties"].pop(FOUR, "") == "true"
    shapes = _shapes(geometry, hint.removesuffix(SUB_PIXEL), four=four)
    if backwards:
        shapes = [_turned(shape) for shape in shapes]
    if hint.endswith(SUB_PIXEL):
        for shape in shapes:
            if "points" in shape:
                shape["points"] = shape["points"].astype(np.float64)
    return [Roi(**shape, **fields) for shape in shapes]


def _turned(shape: dict[str, Any]) -> dict[str, Any]:
    """Let outlines run the other way; they keep their first vertices."""
    if shape["kind"] == "composite":
        turned = [np.concatenate([path[:1], path[:0:-1]]) for path in shape["paths"]]
        return {**shape, "paths": tuple(turned)}
    if shape["kind"] in AREA_KINDS and "points" in shape:
        points = shape["points"]
        return {**shape, "points": np.concatenate([points[:1], points[:0:-1]])}
    return shape


@contextlib.contextmanager
def _no_collection() -> Iterator[None]:
    """Pause the search for cycles: among millions of small lists it doubles the time."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def _each(path: Path, failed: Callable[[str], None]) -> list[Roi]:
    rois: list[Roi] = []
    with _no_collection():
        for i, feature in enumerate(_load(path)):
            try:
                rois += _rois(feature)
            except FijiBridgeError as error:
                failed(f"Object {i + 1} is broken: {error.message.rstrip('.')}.")
    return rois


def _read_rois(where: Location) -> RoiSet:
    def failed(text: str) -> None:
        raise FormatError(text)

    try:
        return RoiSet(_each(where.path, failed))
    except FormatError as error:
        raise FormatError(f"{str(where)!r}: {error.message}", error.hint) from error


def _write_rois(where: Location, rois: RoiSet, options: WriteOptions) -> None:
    parts = list(features(rois))
    text = '{"type":"FeatureCollection","features":[\n' + ",\n".join(parts) + "\n]}\n"
    with staged(where.path, overwrite=options.overwrite) as path:
        path.write_bytes(text.encode("utf-8", "replace"))


def _describe(where: Location) -> dict[str, Any]:
    rois = _read_rois(where)
    found: dict[str, Any] = {"rois": len(rois), "kinds": dict(Counter(r.kind for r in rois))}
    labels = Counter(roi.properties.get(OBJECT + "classification", "") for roi in rois)
    labels.pop("", None)
    if labels:
        found["classes"] = dict(labels)
    return found


def _validate(where: Location) -> list[Finding]:
    broken: list[str] = []
    try:
        rois = _each(where.path, broken.append)
    except FormatError as error:
        return [Finding("error", str(error))]
    found = [Finding("error", text) for text in broken]
    names = Counter(roi.name for roi in rois if roi.name)
    found += [
        Finding("note", f"{times} objects have the name {name!r}.")
        for name, times in names.items()
        if times > 1
    ]
    if not rois and not broken:
        found.append(Finding("warning", "It holds no objects."))
    return found


def _sniff(path: Path, head: bytes) -> bool:
    suffix = path.suffix.lower()
    if suffix == ".geojson":
        return True
    return suffix == ".json" and any(
        word in head for word in (b'"FeatureCollection"', b'"Feature"', b'"geometry"')
    )


FORMAT = Format(
    name="geojson",
    suffixes=(".geojson", ".json"),
    title="GeoJSON, as in QuPath",
    sniff=_sniff,
    read_rois=_read_rois,
    write_rois=_write_rois,
    describe=_describe,
    validate=_validate,
)
