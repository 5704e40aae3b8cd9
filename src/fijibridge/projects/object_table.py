"""The object table, with ilastik's column names in a fixed order, and the image patches of it.

Decisions where ilastik is silent: ilastik's order of the features changes from run to run; here it
is that of the forest (names sorted), then bounding box, centre and size as far as the forest does
not look at them. All features of the forest are in the table: which ones the user ticked for it is
a pickle in the project.

Source: ilastik opObjectClassification.py (TableExporter), exportFile.py; spec/ilastik-export.md 8.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fijibridge.model import ResultsTable, TableStyle
from fijibridge.projects.object_features import DISPLAY, NEIGHBOURHOOD
from fijibridge.projects.objects import read_czyx

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fijibridge.projects.objects import Frame, Objects

__all__ = ["Patch", "patches_of", "table_of"]

#: Features that every table has, at its end.
_ALWAYS = ("Coord<Minimum>", "Coord<Maximum>", "RegionCenter", "Count")
Patch = tuple[str, str, str, np.ndarray]


def _heading(name: str) -> str:
    base = name.removesuffix(NEIGHBOURHOOD)
    return DISPLAY.get(base, base) + name[len(base) :]


def table_of(
    objects: Objects,
    lane: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> ResultsTable:
    """Return the table of all objects of a movie.

    Parameters
    ----------
    objects
        The objects.
    lane
        Which image of the project it is: its objects have the labels that the user gave.
    progress
        Called with (frames done, all).

    Returns
    -------
    ResultsTable
        One row an object; ids are (frame, number of the object in it, from 1).
    """
    stage, frames = objects.stage, objects.raw.spec.axes.size("t")
    objects.classifier()
    parts: list[dict[str, np.ndarray]] = []
    ids = []
    for t in range(frames):
        frame = objects.frame(t)
        count = len(frame.originals)
        ids.append(np.stack([np.full(count, t), np.arange(1, count + 1)], axis=1))
        given = stage.given.get(lane, {}).get(t, ()) if lane is not None else ()
        parts.append(_columns(objects, frame, given))
        if progress is not None:
            progress(t + 1, frames)
    both = np.concatenate(ids).astype(np.int64)
    columns: dict[str, np.ndarray] = {
        "object_id": np.arange(len(both)),
        "timestep": both[:, 0],
        "labelimage_oid": both[:, 1],
    }
    columns |= {h: np.concatenate([p[h] for p in parts]) for h in parts[0]}
    return ResultsTable(columns, both, style=TableStyle(exact=True))


def _columns(objects: Objects, frame: Frame, given: tuple[int, ...]) -> dict[str, np.ndarray]:
    stage, count = objects.stage, len(frame.originals)
    names = np.array(["0", *stage.names], object)
    user = np.zeros(count, np.int64)
    known = np.array(given[1 : count + 1], np.int64)
    user[: len(known)] = np.where((known > 0) & (known < len(names)), known, 0)
    columns = {"User Label": names[user], "Predicted Class": names[frame.predictions()]}
    for i, name in enumerate(stage.names):
        columns[f"Probability of {name}"] = frame.probabilities[:, i]

    def put(name: str, values: np.ndarray) -> None:
        heading = _heading(name)
        for i in range(values.shape[1]):
            key = f"{heading}_{i}" if values.shape[1] > 1 else heading
            columns.setdefault(key, values[:, i])

    with np.errstate(over="ignore"):
        for name in objects.names:
            if name in frame.features:
                put(name, frame.features[name].astype(np.float32))
    for name in _ALWAYS:
        put(name, frame.places[name])
    if stage.origin == "labels":
        columns["original_oid"] = frame.originals
    return columns


def patches_of(objects: Objects, margin: int = 0) -> Iterator[Patch]:
    """Yield a cut-out of each object and of its grey values.

    Parameters
    ----------
    objects
        The objects.
    margin
        Pixels around the bounding box, as far as the image reaches.

    Yields
    ------
    tuple
        (path in the file, ``labeling`` or ``image``, letters of its axes, array): axes among
        x, y, z, c with more than one sample; 0 and 1, or the grey values in their own type.
    """
    sizes = [objects.raw.spec.axes.size(k) for k in "zyx"]
    n = 3 if sizes[0] > 1 else 2
    row = 0
    for t in range(objects.raw.spec.axes.size("t")):
        frame = objects.frame(t)
        for k in range(len(frame.originals)):
            low = frame.places["Coord<Minimum>"][k].astype(int)
            high = frame.places["Coord<Maximum>"][k].astype(int)
            box = [(0, 1)] if n == 2 else []
            box += [
                (max(int(low[i]) - margin, 0), min(int(high[i]) + margin, sizes[2 - i]))
                for i in reversed(range(n))
            ]
            where = tuple(slice(a, b) for a, b in box)
            mine = (frame.labels[where] == k + 1).astype(np.uint8)[None]
            grey = read_czyx(objects.raw, t, [a for a, _ in box], [b for _, b in box])
            for kind, data in (("labeling", mine), ("image", grey)):
                name = "labeling" if kind == "labeling" else "raw"
                turned = data.transpose(3, 2, 1, 0)
                keys = "".join(c for c, m in zip("xyzc", turned.shape, strict=True) if m > 1)
                yield f"images/{row}/{name}", kind, keys, turned.squeeze()
            row += 1
