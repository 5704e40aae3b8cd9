"""Tracks from spots and edges, as TrackMate, MaMuT and geff hold them."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import numpy as np

from fijibridge.errors import SettingsError
from fijibridge.model import Tracks
from fijibridge.model._links import Faults, number_tracks, sorted_pairs
from fijibridge.model._trackbuild import lineages

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["tracks_of"]


def tracks_of(
    node: np.ndarray,
    t: np.ndarray,
    label: np.ndarray,
    edges: np.ndarray,
    known: Mapping[str, np.ndarray],
    *,
    frames: int = 0,
    name: str = "",
) -> tuple[Tracks, np.ndarray]:
    """Return tracks, and for each of their objects the node it is.

    Parameters
    ----------
    node, t, label
        (n,) number, frame and label of each node.
    edges
        (m, 2) numbers of two nodes; the earlier one is the parent, whatever comes first.
    known
        ``track``, ``lineage``, ``merger``, ``count`` (n,) where the file says so.
    frames, name
        As in `Tracks`.

    Raises
    ------
    SettingsError
        One error for all faults: edges to nodes that are not there, two parents, edges inside a
        frame.
    """
    faults = Faults()
    order = np.argsort(node, kind="stable")
    twice = np.flatnonzero(node[order][1:] == node[order][:-1])
    faults.add((f"spot {node[order[i]]} is there twice" for i in twice), len(twice))
    flat = edges.reshape(-1)
    at = np.minimum(np.searchsorted(node[order], flat), max(len(node) - 1, 0))
    rows = order[at] if len(node) else np.zeros(len(flat), np.int64)
    lost = node[rows] != flat if len(node) else np.ones(len(flat), bool)
    faults.add(
        (f"an edge names the spot {n}, which is not there" for n in flat[lost]), int(lost.sum())
    )
    faults.check("The tracks")
    pairs = rows.reshape(-1, 2)
    swap = t[pairs[:, 0]] > t[pairs[:, 1]]
    pairs[swap] = pairs[swap][:, ::-1]
    pairs = sorted_pairs(pairs)
    same = t[pairs[:, 0]] == t[pairs[:, 1]]
    faults.add(
        (
            f"an edge joins the spots {node[a]} and {node[b]}, both in frame {t[a]}"
            for a, b in pairs[same]
        ),
        int(same.sum()),
    )
    into = np.sort(pairs[:, 1])
    two = np.unique(into[1:][into[1:] == into[:-1]])
    faults.add(
        (
            f"spot {node[b]} has two parents: "
            + " and ".join(str(node[a]) for a in pairs[pairs[:, 1] == b, 0][:2])
            for b in two
        ),
        len(two),
    )
    faults.check("The tracks")
    parent = np.full(len(node), -1, np.int64)
    parent[pairs[:, 1]] = pairs[:, 0]
    return _built(t, label, parent, known, frames=frames, name=name)


def _built(
    t: np.ndarray,
    label: np.ndarray,
    parent: np.ndarray,
    known: Mapping[str, np.ndarray],
    *,
    frames: int,
    name: str,
) -> tuple[Tracks, np.ndarray]:
    n = len(t)
    order = np.lexsort((label, t))
    place = np.empty(n, np.int64)
    place[order] = np.arange(n)
    link = np.full(n, -1, np.int64)
    has = np.flatnonzero(parent >= 0)
    link[place[has]] = place[parent[has]]
    ids = np.stack([t, label], axis=1)[order]
    merger = known.get("merger", np.zeros(n, np.int64))[order]
    count = known.get("count", np.ones(n, np.int64))[order]

    def made(track: np.ndarray, lineage: np.ndarray) -> Tracks:
        return Tracks(
            ids=ids,
            track=track,
            lineage=lineage,
            link=link,
            merger=merger,
            count=count,
            frames=frames,
            name=name,
        )

    if "track" in known:
        track = known["track"][order]
        lineage = known["lineage"][order] if "lineage" in known else lineages(link, track > 0)
        # links that were edited since no longer fit the numbers, and then they are the truth
        with contextlib.suppress(SettingsError):
            return made(track, lineage), order
    tracked = np.zeros(n, bool)
    tracked[link >= 0] = True
    tracked[link[link >= 0]] = True
    if "tracked" in known:
        tracked |= known["tracked"][order].astype(bool)
    return made(*number_tracks(ids[:, 0], link, tracked)), order
