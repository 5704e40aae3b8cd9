"""geff, the graph exchange file format: a Zarr group with nodes, edges and their properties."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fijibridge.errors import FormatError
from fijibridge.formats._format import Format
from fijibridge.formats._tracks.features import CENTER, columns_of
from fijibridge.formats._tracks.files import base_of, of_file, plain_path, staged_all
from fijibridge.formats._tracks.graph import tracks_of
from fijibridge.formats._tracks.lost import lost
from fijibridge.model import ResultsTable, Tracks
from fijibridge.model._links import sorted_pairs
from fijibridge.model._trackbuild import whole_column
from fijibridge.model.json_text import parse_json

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from fijibridge.formats._format import TrackOptions
    from fijibridge.formats._location import Location

__all__ = ["FORMAT", "read_tracks", "write_tracks"]

_VERSION = "1.2"
_SUFFIX = ".geff"
#: Property -> field of `Tracks`.
_OURS = {"track_id": "track", "lineage_id": "lineage", "merger_id": "merger", "count": "count"}
#: Properties that other programs keep the label in.
_LABELS = ("label", "seg_id", "segmentation_id", "label_id", "labelimage_oid")
_MAX_BYTES = 1 << 33


def _paths(path: Path) -> Mapping[str, Path]:
    if path.name.lower().endswith(".zarr"):
        return {"graph": path}
    return {"graph": plain_path(base_of(path, _SUFFIX), _SUFFIX)}


def _lost(tracks: Tracks) -> tuple[str, ...]:
    text = [h for h, v in tracks.features.columns.items() if v.dtype.kind not in "biuf"]
    word = "column" if len(text) == 1 else "columns"
    notes = (f"{len(text)} {word} of text left out",) if text else ()
    return (*notes, *lost(tracks, "track lineage untracked merger count features gaps labels"))


def write_tracks(where: Location, tracks: Tracks, options: TrackOptions) -> None:
    """Write a directed graph, Zarr version 2.

    Parameters
    ----------
    where
        ``NAME.geff``, a ``.zarr``, or the base name.
    tracks
        Nodes count from 0 in the order of objects; properties are t, z, y, x (pixels, where centres
        are known), label, track_id, lineage_id, merger_id, count and the measurements.
    options
        ``labels`` tell pixel sizes and units of the axes; ``overwrite``.

    Source
    ------
    The geff specification 1.2.
    """
    import zarr

    (target,) = _paths(where.path).values()
    columns = _columns(tracks)
    edges = np.stack([tracks.link, np.arange(len(tracks))], axis=1)[tracks.link >= 0]
    with staged_all({"graph": target}, overwrite=options.overwrite) as parts:
        root = zarr.open_group(str(parts["graph"]), mode="w", zarr_format=2)
        _put(root, "nodes/ids", np.arange(len(tracks), dtype=np.uint64))
        for key, values in columns.items():
            _put(root, f"nodes/props/{key}/values", values)
        _put(root, "edges/ids", edges.astype(np.uint64))
        root.require_group("edges/props")
        root.attrs["geff"] = _metadata(tracks, columns, options)


def _put(root: Any, path: str, values: np.ndarray) -> None:
    shape = tuple(max(1, n) for n in values.shape)
    made = root.create_array(
        path, shape=values.shape, dtype=values.dtype, chunks=(min(shape[0], 1 << 18), *shape[1:])
    )
    if values.size:
        made[...] = values


def _columns(tracks: Tracks) -> dict[str, np.ndarray]:
    columns: dict[str, np.ndarray] = {"t": np.array(tracks.t)}
    places = columns_of(tracks, CENTER)
    for key, values in zip("xyz", places, strict=False):
        columns[key] = np.nan_to_num(np.asarray(values, np.float64))
    columns["label"] = np.array(tracks.label)
    for key, name in _OURS.items():
        columns[key] = np.array(getattr(tracks, name))
    centers = {f"{CENTER}_{i}" for i in range(3)}
    for heading, values in tracks.features.columns.items():
        if values.dtype.kind not in "biuf" or heading in centers:
            continue
        key = heading.replace("/", "_").strip(". ") or "feature"
        while key in columns:
            key += "_"
        columns[key] = values
    return columns


def _metadata(
    tracks: Tracks, columns: Mapping[str, np.ndarray], options: TrackOptions
) -> dict[str, Any]:
    axes = []
    for key in "tzyx":
        if key not in columns:
            continue
        axis: dict[str, Any] = {"name": key, "type": "time" if key == "t" else "space"}
        axis["unit"] = "frame" if key == "t" else "pixel"
        if options.labels is not None:
            about = options.labels.spec.axes.get(key)
            if about.unit != "pixel":
                axis |= {"scale": about.scale, "scaled_unit": about.unit}
        values = columns[key]
        axis["min"] = float(values.min()) if len(values) else 0.0
        axis["max"] = float(values.max()) if len(values) else 0.0
        axes.append(axis)
    return {
        "geff_version": _VERSION,
        "directed": True,
        "axes": axes,
        "node_props_metadata": {
            key: {"identifier": key, "dtype": values.dtype.name, "varlength": False}
            for key, values in columns.items()
        },
        "edge_props_metadata": {},
        "track_node_props": _named_tracks(tracks),
        "extra": {"fijibridge": {"frames": tracks.frames}},
    }


def _named_tracks(tracks: Tracks) -> dict[str, str] | None:
    """Return which properties are tracklets and lineages in geff's sense, which is narrower."""
    if not tracks.tracked.all() or not len(tracks):
        return None
    named = {}
    has = np.flatnonzero(tracks.link >= 0)
    before = tracks.link[has]
    new = tracks.track[before] != tracks.track[has]
    if np.array_equal(new, tracks.children[before] > 1):
        named["tracklet"] = "track_id"
    roots = int((tracks.link < 0).sum())
    if roots == len(np.unique(tracks.lineage)):
        named["lineage"] = "lineage_id"
    return named or None


def _metadata_of(path: Path) -> dict[str, Any] | None:
    """Return the ``geff`` attribute of a Zarr group, or None."""
    for name, inner in ((".zattrs", False), ("zarr.json", True)):
        file = path / name
        try:
            if not file.is_file() or file.stat().st_size > 1 << 26:
                continue
            body = parse_json(file.read_bytes())
        except (OSError, ValueError, RecursionError):
            continue
        if inner and isinstance(body, dict):
            body = body.get("attributes")
        if isinstance(body, dict) and isinstance(body.get("geff"), dict):
            found: dict[str, Any] = body["geff"]
            return found
    return None


def _root(where: Location) -> Path:
    return where.path / where.inner if where.inner else where.path


def read_tracks(where: Location) -> Tracks:
    """Read a geff of any program.

    Returns
    -------
    Tracks
        Labels are the property label (or seg_id, …) where all nodes have one, else node ids + 1.
        Times that are no whole numbers are counted from the earliest. Single numbers per node
        become measurements; positions are those of the axes x, y, z.

    Raises
    ------
    FormatError
        One error for all faults, the first ten by name.
    """
    import zarr

    path = _root(where)
    with of_file(path, "geff"):
        about = _metadata_of(path)
        if about is None:
            raise FormatError(f"{str(path)!r} is no geff: no such attribute in it.")
        try:
            root: Any = zarr.open_group(str(path), mode="r")
            node = _array(root, "nodes/ids").astype(np.int64).reshape(-1)
            edges = _array(root, "edges/ids").astype(np.int64).reshape(-1, 2)
            props = _props(root, about, len(node))
        except FormatError:
            raise
        except Exception as error:  # zarr raises a dozen kinds on damaged stores
            raise FormatError(f"{str(path)!r} is no readable geff: {error}.") from error
        return _tracks(node, edges, props, about)


def _array(root: Any, name: str) -> np.ndarray:
    found = root[name]
    shape = getattr(found, "shape", None)
    if shape is None:
        raise FormatError(f"{name!r} is no array.")
    if int(np.prod(shape, dtype=object)) * found.dtype.itemsize > _MAX_BYTES:
        raise FormatError(f"{name!r} says that it has the shape {shape}.")
    return np.asarray(found[...])


def _props(root: Any, about: Mapping[str, Any], count: int) -> dict[str, np.ndarray]:
    """Return the properties with one number a node; missing ones are NaN."""
    found: dict[str, np.ndarray] = {}
    for key, said in about.get("node_props_metadata", {}).items():
        if said.get("varlength") or f"nodes/props/{key}/values" not in root:
            continue
        values = _array(root, f"nodes/props/{key}/values")
        if values.shape != (count,) or values.dtype.kind not in "biuf":
            continue
        if f"nodes/props/{key}/missing" in root:
            missing = _array(root, f"nodes/props/{key}/missing").astype(bool)
            if missing.any():
                values = np.where(missing, np.nan, values.astype(np.float64))
        found[key] = values
    return found


def _tracks(
    node: np.ndarray, edges: np.ndarray, props: dict[str, np.ndarray], about: Mapping[str, Any]
) -> Tracks:
    axes = [a for a in about.get("axes") or () if isinstance(a, dict)]
    time = next((a["name"] for a in axes if a.get("type") == "time"), "t")
    if time not in props:
        raise FormatError(f"The nodes have no property {time!r} that says when they are.")
    t = _frames(props.pop(time))
    label = _label(props, about, t, node)
    ours = about.get("extra", {}).get("fijibridge", {})
    known = {}
    for key, name in _OURS.items():
        if key in props and np.isfinite(props[key].astype(np.float64)).all():
            known[name] = whole_column(props.pop(key), key)
    if not ours:  # another program's numbers need not mean the same
        known = {}
    frames = int(ours.get("frames", 0)) if isinstance(ours.get("frames", 0), int) else 0
    tracks, _ = tracks_of(node, t, label, edges, known, frames=min(max(frames, 0), 2**31))
    features = _features(props, [a["name"] for a in axes if a.get("name") != time])
    if not features:
        return tracks
    return tracks.with_features(ResultsTable(features, np.stack([t, label], axis=1)))


def _frames(values: np.ndarray) -> np.ndarray:
    numbers = values.astype(np.float64)
    if not np.isfinite(numbers).all():
        raise FormatError("Some nodes have no time.")
    if (numbers == np.floor(numbers)).all() and (not len(numbers) or numbers.min() >= 0):
        return whole_column(values, "time")
    found: np.ndarray = np.unique(numbers, return_inverse=True)[1].reshape(-1)
    return found


def _label(
    props: dict[str, np.ndarray], about: Mapping[str, Any], t: np.ndarray, node: np.ndarray
) -> np.ndarray:
    related = [
        o.get("node_prop") or o.get("label_prop")
        for o in about.get("related_objects") or ()
        if isinstance(o, dict) and o.get("type") == "labels"
    ]
    for key in (*related, *_LABELS):
        if not isinstance(key, str) or key not in props:
            continue
        values = props[key]
        numbers = values.astype(np.float64)
        if not np.isfinite(numbers).all() or (numbers < 1).any():
            continue
        pairs = np.stack([t, whole_column(values, key)], axis=1)
        if len(sorted_pairs(pairs)) == len(pairs):
            return whole_column(props.pop(key), key)
    return node + 1


def _features(props: Mapping[str, np.ndarray], axes: list[str]) -> dict[str, np.ndarray]:
    places = [k for k in ("x", "y", "z") if k in props and (k in axes or not axes)]
    features = {f"{CENTER}_{i}": props[k] for i, k in enumerate(places)}
    return features | {k: v for k, v in props.items() if k not in places}


def _sniff(path: Path, head: bytes) -> bool:
    return not head and path.is_dir() and _metadata_of(path) is not None


FORMAT = Format(
    name="geff",
    suffixes=(_SUFFIX,),
    title="a geff graph",
    sniff=_sniff,
    read_tracks=read_tracks,
    write_tracks=write_tracks,
    track_paths=_paths,
    lost_tracks=_lost,
    folder=True,
)
