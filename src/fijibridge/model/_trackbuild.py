"""How `Tracks` are built from what tables and files say: links, or numbers of tracks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fijibridge.errors import SettingsError
from fijibridge.model._links import FIRST, Faults, Keys, number_tracks, roots, sorted_pairs
from fijibridge.model.tracks import Tracks, _whole

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["from_links", "from_track_ids", "lineages", "whole_column"]

_MAX_FRAME = 2**31 - 1


class _Rows:
    """The objects that are named, found among all objects.

    After this, `at` (m,) is the row of each named object among `ids` (n, 2).
    """

    def __init__(
        self,
        frame: ArrayLike,
        label: ArrayLike,
        faults: Faults,
        *,
        objects: ArrayLike | None,
        frames: int,
        extra: np.ndarray,
    ) -> None:
        self.t = whole_column(frame, "frame", empty=-1)
        self.label = whole_column(label, "label")
        if self.t.shape != self.label.shape:
            raise SettingsError(f"There are {len(self.t)} frames and {len(self.label)} labels.")
        named = np.stack([self.t, self.label], axis=1)
        wrong = (self.t < 0) | (self.t > _MAX_FRAME) | (self.label <= 0)
        faults.add(
            (f"object t={a}, label {b} has no frame >= 0 and label >= 1" for a, b in named[wrong]),
            int(wrong.sum()),
        )
        both = np.concatenate([named[~wrong], extra])
        if objects is None:
            self.ids = sorted_pairs(both)
        else:
            self.ids = sorted_pairs(np.asarray(objects, np.int64).reshape(-1, 2))
            self._missing(sorted_pairs(both), faults, frames)
        self.frames = frames
        self.at = Keys(self.ids).rows(named)

    def _missing(self, both: np.ndarray, faults: Faults, frames: int) -> None:
        lost = both[Keys(self.ids).rows(both) < 0]
        known = max(frames, int(self.ids[:, 0].max()) + 1 if len(self.ids) else 0)
        beyond = lost[:, 0] >= known
        faults.add(
            (
                f"frame {t} is missing: there are {known} frames, 0 to {known - 1}"
                for t in np.unique(lost[beyond, 0]).tolist()
            ),
            len(np.unique(lost[beyond, 0])),
        )
        inside = lost[~beyond]
        faults.add(
            (f"label {label} is not in frame {t}" for t, label in inside.tolist()), len(inside)
        )

    def listed_once(self, faults: Faults, says: np.ndarray, word: str) -> None:
        """Note the objects that are named twice; `says` is what the two rows say."""
        rows = np.flatnonzero(self.at >= 0)
        order = rows[np.argsort(self.at[rows], kind="stable")]
        again = np.flatnonzero(self.at[order[1:]] == self.at[order[:-1]])

        def texts() -> Any:
            for k in again:
                a, b = order[k], order[k + 1]
                what = f"object t={self.t[a]}, label {self.label[a]}"
                if says[a] == says[b]:
                    yield f"{what} is listed twice"
                else:
                    yield f"{what} has two {word}: {says[a]} and {says[b]}"

        faults.add(texts(), len(again))

    def spread(self, values: ArrayLike | None, fill: int, key: str) -> np.ndarray:
        """Return (n,) values of all objects, `fill` for those that are not named."""
        out = np.full(len(self.ids), fill, np.int64)
        if values is not None:
            column = whole_column(values, key)
            if column.shape != self.t.shape:
                raise SettingsError(f"{key} has {len(column)} values for {len(self.t)} objects.")
            there = self.at >= 0
            out[self.at[there]] = column[there]
        return out


def whole_column(values: ArrayLike, key: str, *, empty: int = 0) -> np.ndarray:
    """Return (m,) whole numbers, `empty` for NaN: an empty cell.

    Raises
    ------
    SettingsError
        For fractions, text, and numbers beyond 64 bits.
    """
    array = np.asarray(values)
    if array.dtype.kind == "f":
        array = np.where(np.isnan(array), empty, array)
    return _whole(array, key).reshape(-1)


def from_links(
    frame: ArrayLike,
    label: ArrayLike,
    parent: ArrayLike,
    parent_frame: ArrayLike | None = None,
    *,
    objects: ArrayLike | None = None,
    frames: int = 0,
    merger: ArrayLike | None = None,
    count: ArrayLike | None = None,
    name: str = "",
) -> Tracks:
    """Build tracks from links; see `Tracks.from_links`."""
    faults = Faults()
    t, whose = whole_column(frame, "frame", empty=-1), whole_column(parent, "parent")
    when = t - 1 if parent_frame is None else whole_column(parent_frame, "parent_frame")
    if not t.shape == whose.shape == when.shape:
        raise SettingsError("frame, parent and parent_frame have different lengths.")
    has = whose > 0
    when = np.where(has, when, 0)
    late = has & (when >= t)
    faults.add(
        (
            f"object t={t[i]}, label {np.asarray(label).reshape(-1)[i]} has the parent "
            f"t={when[i]}, label {whose[i]}, which is not in an earlier frame (a cycle)"
            for i in np.flatnonzero(late)
        ),
        int(late.sum()),
    )
    early = has & (when < 0)
    faults.add(
        (f"frame {when[i]} is missing: a parent lies in it" for i in np.flatnonzero(early)),
        int(early.sum()),
    )
    use = has & ~late & ~early
    named = np.stack([when[use], whose[use]], axis=1)
    rows = _Rows(frame, label, faults, objects=objects, frames=frames, extra=named)
    rows.listed_once(faults, whose, "parents")
    faults.check("The links")
    keys = Keys(rows.ids)
    link = np.full(len(rows.ids), -1, np.int64)
    link[rows.at[use]] = keys.rows(named)
    tracked = np.zeros(len(rows.ids), bool)
    tracked[rows.at] = True
    tracked[link[link >= 0]] = True
    track, lineage = number_tracks(rows.ids[:, 0], link, tracked)
    return Tracks(
        ids=rows.ids,
        track=track,
        lineage=lineage,
        link=link,
        merger=rows.spread(merger, 0, "merger"),
        count=rows.spread(count, 1, "count"),
        frames=frames,
        name=name,
    )


def from_track_ids(
    frame: ArrayLike,
    label: ArrayLike,
    track: ArrayLike,
    parent: ArrayLike | None = None,
    *,
    lineage: ArrayLike | None = None,
    objects: ArrayLike | None = None,
    frames: int = 0,
    merger: ArrayLike | None = None,
    count: ArrayLike | None = None,
    name: str = "",
) -> Tracks:
    """Build tracks from numbers of tracks; see `Tracks.from_track_ids`."""
    faults = Faults()
    numbers = whole_column(track, "track")
    none = np.empty((0, 2), np.int64)
    rows = _Rows(frame, label, faults, objects=objects, frames=frames, extra=none)
    rows.listed_once(faults, numbers, "tracks")
    faults.check("The tracks")
    of = np.maximum(rows.spread(numbers, 0, "track"), 0)
    came = np.maximum(rows.spread(parent, 0, "parent"), 0)
    link = _track_links(rows.ids, of, came, faults)
    faults.check("The tracks")
    if lineage is None:
        line = lineages(link, of > 0)
    else:
        line = np.where(of > 0, np.maximum(rows.spread(lineage, 0, "lineage"), 0), 0)
    return Tracks(
        ids=rows.ids,
        track=of,
        lineage=line,
        link=link,
        merger=rows.spread(merger, 0, "merger"),
        count=rows.spread(count, 1, "count"),
        frames=frames,
        name=name,
    )


def lineages(link: np.ndarray, tracked: np.ndarray) -> np.ndarray:
    """Return (n,) lineages, numbered from 2 in order of their first objects."""
    found = np.zeros(len(link), np.int64)
    starts = np.flatnonzero(tracked & (link < 0))
    found[starts] = np.arange(len(starts)) + FIRST
    line: np.ndarray = found[roots(link)]
    line[~tracked] = 0
    return line


def _track_links(
    ids: np.ndarray, track: np.ndarray, parent: np.ndarray, faults: Faults
) -> np.ndarray:
    """Return (n,) links: to the object before in the track, or the last of the parent's before."""
    t = ids[:, 0]
    link = np.full(len(ids), -1, np.int64)
    rows = np.flatnonzero(track > 0)
    rows = rows[np.argsort(track[rows], kind="stable")]
    same = track[rows[1:]] == track[rows[:-1]]
    clash = rows[1:][same & (t[rows[1:]] == t[rows[:-1]])]
    faults.add(
        (
            f"track {track[i]} has two objects in frame {t[i]}, one of them label {ids[i, 1]}"
            for i in clash
        ),
        len(clash),
    )
    link[rows[1:][same]] = rows[:-1][same]
    number, at = np.unique(track[rows], return_index=True)
    for k, first in zip(*_parents(rows, track, parent, number, faults), strict=True):
        mine, theirs = int(track[rows[first]]), int(k)
        begin = int(t[rows[first]])
        p = int(np.searchsorted(number, theirs))
        if p == len(number) or number[p] != theirs:
            faults.add([f"track {mine} has the parent {theirs}, which is no track"], 1)
            continue
        stop = int(at[p + 1]) if p + 1 < len(at) else len(rows)
        members = rows[int(at[p]) : stop]
        before = int(np.searchsorted(t[members], begin))
        if before == 0 or mine == theirs:
            faults.add(
                [
                    (
                        f"track {mine} begins in frame {begin}, but its parent {theirs} in frame "
                        f"{t[members[0]]}, which is not earlier (a cycle)"
                    )
                ],
                1,
            )
            continue
        link[rows[first]] = members[before - 1]
    return link


def _parents(
    rows: np.ndarray, track: np.ndarray, parent: np.ndarray, number: np.ndarray, faults: Faults
) -> tuple[np.ndarray, np.ndarray]:
    """Return the parents of tracks and where in `rows` those tracks begin."""
    says = parent[rows] > 0
    pairs = sorted_pairs(np.stack([track[rows][says], parent[rows][says]], axis=1))
    two = np.flatnonzero(pairs[1:, 0] == pairs[:-1, 0])
    faults.add(
        (f"track {pairs[i, 0]} has two parents: {pairs[i, 1]} and {pairs[i + 1, 1]}" for i in two),
        len(two),
    )
    once = np.append(True, pairs[1:, 0] != pairs[:-1, 0])[: len(pairs)]
    pairs = pairs[once]
    begins = np.unique(track[rows], return_index=True)[1]
    return pairs[:, 1], begins[np.searchsorted(number, pairs[:, 0])]
