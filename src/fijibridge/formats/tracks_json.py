"""ilastik's tracking plug-in JSON: ``NAME_graph.json`` and ``NAME_result.json``."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from fijibridge.errors import FormatError
from fijibridge.formats._format import Format
from fijibridge.formats._tracks.files import base_of, of_file, plain_path, staged_all
from fijibridge.formats._tracks.graph import tracks_of
from fijibridge.formats._tracks.lost import lost
from fijibridge.model.json_text import parse_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from fijibridge.formats._format import TrackOptions
    from fijibridge.formats._location import Location
    from fijibridge.model import Tracks

__all__ = ["FORMAT", "read_tracks", "write_tracks"]

_GRAPH, _RESULT = "_graph.json", "_result.json"
_MAX_BYTES = 1 << 32
#: Objects that are formatted at a time.
_ROWS = 10_000
#: What hytra's solvers ask for.
_SETTINGS = {
    "statesShareWeights": True,
    "allowPartialMergerAppearance": False,
    "requireSeparateChildrenOfDivision": True,
    "optimizerEpGap": 0.01,
    "optimizerVerbose": True,
    "optimizerNumThreads": 1,
}


def _paths(path: Path) -> Mapping[str, Path]:
    base = base_of(path, _GRAPH, _RESULT, ".json")
    return {"graph": plain_path(base, _GRAPH), "result": plain_path(base, _RESULT)}


def _lost(tracks: Tracks) -> tuple[str, ...]:
    return lost(tracks, "untracked count gaps labels")


def write_tracks(where: Location, tracks: Tracks, options: TrackOptions) -> None:
    """Write the graph of all objects and links, and which of them are used.

    Parameters
    ----------
    where
        ``NAME_graph.json``, ``NAME_result.json`` or the base name.
    tracks
        Detections are numbered from 0 in the order of objects; their value is the number of
        objects, 0 = not tracked. Costs are not known, so all features are 0.
    options
        ``overwrite``.

    Source
    ------
    ilastik plugins_default/tracking_json_export.py before June 2026, hytra's jsongraph (behaviour
    only).
    """
    states = max(2, int(tracks.count.max()) + 1 if len(tracks) else 2)
    target = np.flatnonzero(tracks.link >= 0)
    target = target[np.lexsort((target, tracks.link[target]))]
    source = tracks.link[target]
    numbers = np.arange(len(tracks))
    values = np.where(tracks.tracked, np.maximum(tracks.count, 1), 0)
    used = np.minimum(np.maximum(tracks.count[target], 1), tracks.count[source])
    gaps = tracks.t[target] - tracks.t[source]
    costs = {"features": [[0.0]] * states}
    graph = {
        "segmentationHypotheses": _rows(
            {"id": 0, **costs, "timestep": [1, 2]}, numbers, tracks.t, tracks.t
        ),
        "linkingHypotheses": _rows({"src": 0, "dest": 1, **costs}, source, target),
        "divisionHypotheses": json.dumps([]),
        "traxelToUniqueId": _known(tracks),
        "settings": _indented(_SETTINGS),
        "exclusions": json.dumps([]),
    }
    result = {
        "detectionResults": _rows({"id": 0, "value": 1}, numbers, values),
        "linkingResults": _rows(
            {"src": 0, "dest": 1, "value": 2, "gap": 3}, source, target, np.maximum(used, 1), gaps
        ),
        "divisionResults": _rows(
            {"id": 0, "value": "1"}, numbers, np.where(tracks.children > 1, "true", "false")
        ),
    }
    with staged_all(_paths(where.path), overwrite=options.overwrite) as parts:
        for what, body in (("graph", graph), ("result", result)):
            with parts[what].open("w", encoding="utf-8", newline="\n") as file:
                for i, (key, texts) in enumerate(body.items()):
                    file.write(f"{',' if i else '{'}\n    {json.dumps(key)}: ")
                    file.writelines(texts)
                file.write("\n}")


def _indented(value: Any) -> str:
    """Return a value as it stands inside of the outermost object."""
    text = json.dumps(value, indent=4, separators=(",", ": "))
    return text.replace("\n", "\n    ")


def _rows(pattern: dict[str, Any], *columns: np.ndarray) -> Iterator[str]:
    """Yield the text of a list of objects; whole numbers in `pattern` are numbers of columns."""
    if not len(columns[0]):
        yield "[]"
        return
    text = _indented([pattern])[1:-6].replace("%", "%%")
    line = re.sub(r'(?<= )"?(\d)"?(?=,?\n|$)', r"%(\1)s", text)
    order = [int(n) for n in re.findall(r"%\((\d)\)s", line)]
    line = re.sub(r"%\(\d\)s", "%s", line)
    for start in range(0, len(columns[0]), _ROWS):
        cells = [columns[i][start : start + _ROWS].tolist() for i in order]
        lines = [line % row for row in zip(*cells, strict=True)]
        yield ("," if start else "[") + ",".join(lines)
    yield "\n    ]"


def _known(tracks: Tracks) -> Iterator[str]:
    """Yield frame -> label -> number of the object."""
    last = False
    for t, rows in tracks.by_frame():
        labels = tracks.label[rows].tolist()
        if labels:
            head = f'{"," if last else "{"}\n        "{t}": {{'
            pairs = [f'\n            "{v}": {i}' for i, v in enumerate(labels, rows.start)]
            yield head + ",".join(pairs) + "\n        }"
            last = True
    yield "\n    }" if last else "{}"


def _load(path: Path) -> dict[str, Any]:
    if path.stat().st_size > _MAX_BYTES:
        raise FormatError(f"{str(path)!r} is too large.")
    try:
        body = parse_json(path.read_bytes())
    except RecursionError:
        raise FormatError(f"{str(path)!r} is nested too deeply.") from None
    if not isinstance(body, dict):
        raise FormatError(f"{str(path)!r} holds no JSON object.")
    return body


def read_tracks(where: Location) -> Tracks:
    """Read a graph and its result; either file may be named.

    Returns
    -------
    Tracks
        Numbered anew, as ilastik numbers. Detections of value 0 are not tracked, links of value 0
        are none; a detection of several frames (a tracklet) is a chain of objects.

    Raises
    ------
    FormatError
        One error for all faults, the first ten by name.
    """
    paths = _paths(where.path)
    with of_file(where.path, "tracking graph of ilastik"):
        graph, result = _load(paths["graph"]), _load(paths["result"])
        triples = np.array(
            [
                (int(uid), int(t), int(label))
                for t, objects in graph["traxelToUniqueId"].items()
                for label, uid in objects.items()
            ],
            np.int64,
        ).reshape(-1, 3)
        triples = triples[np.lexsort((triples[:, 1], triples[:, 0]))]
        uid, t, label = triples.T
        value = {int(d["id"]): int(d["value"]) for d in result["detectionResults"]}
        first: dict[int, int] = {}
        last: dict[int, int] = {}
        edges: list[tuple[int, int]] = []
        for row, one in enumerate(uid.tolist()):
            if one in last:
                edges.append((last[one], row))
            first.setdefault(one, row)
            last[one] = row
        edges += [
            (last[int(link["src"])], first[int(link["dest"])])
            for link in result.get("linkingResults") or ()
            if int(link["value"]) > 0
        ]
        count = np.array([value.get(one, 0) for one in uid.tolist()], np.int64)
        pairs = np.array(edges, np.int64).reshape(-1, 2)
        known = {"count": np.maximum(count, 1), "tracked": count > 0}
        rows = np.arange(len(uid))
        return tracks_of(rows, t, label, pairs, known)[0]


def _sniff(path: Path, head: bytes) -> bool:
    name = path.name.lower()
    if not name.endswith((_GRAPH, _RESULT)):
        return False
    return b"segmentationHypotheses" in head or b"detectionResults" in head


FORMAT = Format(
    name="json",
    suffixes=(_GRAPH, _RESULT),
    title="a tracking graph of ilastik",
    sniff=_sniff,
    read_tracks=read_tracks,
    write_tracks=write_tracks,
    track_paths=_paths,
    lost_tracks=_lost,
)
