"""Tracks: which object of a label image comes from which one of an earlier frame."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from fijibridge.errors import SettingsError
from fijibridge.model._links import Faults, Keys
from fijibridge.model.table import ResultsTable, TableStyle

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd
    from numpy.typing import ArrayLike

__all__ = ["NOT_TRACKED", "TrackList", "Tracks"]

#: Track and lineage of an object that belongs to no track.
NOT_TRACKED = 0


def _no_features() -> ResultsTable:
    return ResultsTable({})


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackList:
    """The tracks one by one, ascending by number; each array is (m,).

    Parameters
    ----------
    track
        Number of the track.
    begin, end
        Its first and last frame.
    parent
        Track that its first object comes from, 0 = none.
    lineage
        Lineage that it belongs to.
    first, last
        Rows of its first and last object.
    """

    track: np.ndarray
    begin: np.ndarray
    end: np.ndarray
    parent: np.ndarray
    lineage: np.ndarray
    first: np.ndarray
    last: np.ndarray

    def __len__(self) -> int:
        return len(self.track)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tracks:
    """Objects of a movie and how they follow from one another.

    Parameters
    ----------
    ids
        (n, 2) integers: frame t (from 0) and label, sorted, each pair once.
    track
        (n,) track of each object, 0 = not tracked. One object a frame; gaps are allowed.
    lineage
        (n,) number that all descendants of one object share, 0 = not tracked.
    link
        (n,) row of the object it comes from, -1 = none.
    merger
        (n,) label of the cluster the object was cut out of, 0 = none (ilastik's mergerLabelId).
    count
        (n,) how many objects it really is; 2 and more are clusters that were not cut.
    features
        Columns of measurements, one row an object, or no columns.
    frames
        Number of frames of the movie.
    name
        Title.

    Raises
    ------
    SettingsError
        One error for all faults, the first ten by name.

    Examples
    --------
    >>> tracks = Tracks.from_links([0, 1, 1], [1, 1, 2], [0, 1, 1])
    >>> tracks.track.tolist(), tracks.lineage.tolist(), tracks.parent.tolist()
    ([2, 3, 4], [2, 2, 2], [0, 2, 2])
    """

    ids: np.ndarray
    track: np.ndarray
    lineage: np.ndarray
    link: np.ndarray
    merger: np.ndarray
    count: np.ndarray
    features: ResultsTable = field(default_factory=_no_features)
    frames: int = 0
    name: str = ""

    def __post_init__(self) -> None:
        ids = _whole(self.ids, "ids").reshape(-1, 2)
        object.__setattr__(self, "ids", _frozen(ids))
        n = len(ids)
        for key in ("track", "lineage", "link", "merger", "count"):
            values = _whole(getattr(self, key), key)
            if values.shape != (n,):
                raise SettingsError(
                    f"{key} has the shape {values.shape}; there are {n} objects, so it is ({n},)."
                )
            object.__setattr__(self, key, _frozen(values))
        if self.features.columns and len(self.features) != n:
            raise SettingsError(f"There are {len(self.features)} rows of features for {n} objects.")
        last = int(ids[:, 0].max()) + 1 if n else 0
        object.__setattr__(self, "frames", max(int(self.frames), last))
        faults = Faults()
        _find_faults(self, faults)
        faults.check()

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def t(self) -> np.ndarray:
        """(n,) frame of each object."""
        return self.ids[:, 0]

    @property
    def label(self) -> np.ndarray:
        """(n,) label of each object in its frame."""
        return self.ids[:, 1]

    @property
    def parent(self) -> np.ndarray:
        """(n,) for the first object of a track the track it comes from, else 0."""
        found = np.zeros(len(self), np.int64)
        begins = np.flatnonzero(self.link >= 0)
        begins = begins[self.track[self.link[begins]] != self.track[begins]]
        found[begins] = self.track[self.link[begins]]
        return found

    @property
    def tracked(self) -> np.ndarray:
        """(n,) whether each object belongs to a track."""
        found: np.ndarray = self.track != NOT_TRACKED
        return found

    @property
    def list(self) -> TrackList:
        """The tracks one by one."""
        rows = np.flatnonzero(self.tracked)
        order = rows[np.argsort(self.track[rows], kind="stable")]  # rows are sorted by t
        numbers, at = np.unique(self.track[order], return_index=True)
        first = order[at]
        last = order[np.append(at[1:], len(order)) - 1] if len(order) else order
        return TrackList(
            track=numbers,
            begin=self.t[first],
            end=self.t[last],
            parent=self.parent[first],
            lineage=self.lineage[first],
            first=first,
            last=last,
        )

    @property
    def gaps(self) -> np.ndarray:
        """Rows whose link leaps over at least one frame."""
        rows = np.flatnonzero(self.link >= 0)
        found: np.ndarray = rows[self.t[rows] - self.t[self.link[rows]] > 1]
        return found

    @property
    def children(self) -> np.ndarray:
        """(n,) how many objects come from each object; 2 and more are divisions."""
        return np.bincount(self.link[self.link >= 0], minlength=len(self))

    def by_frame(self) -> Iterator[tuple[int, slice]]:
        """Yield (t, rows) for every frame of the movie, empty ones too."""
        bounds = np.searchsorted(self.t, np.arange(self.frames + 1)).tolist()
        for t in range(self.frames):
            yield t, slice(bounds[t], bounds[t + 1])

    def find(self, ids: ArrayLike) -> np.ndarray:
        """Return the row of each pair (t, label) of `ids` (m, 2), -1 where there is none."""
        return Keys(self.ids).rows(np.asarray(ids, np.int64).reshape(-1, 2))

    def with_features(self, table: ResultsTable) -> Tracks:
        """Return the tracks with measurements added, by the object ids of `table`.

        Parameters
        ----------
        table
            Any table with object ids; objects that it does not hold get NaN (text: ""). A column
            that is there already is replaced.

        Raises
        ------
        SettingsError
            When the table has no object ids, or an object twice.
        """
        mine = ResultsTable({}, self.ids).joined(table)
        columns = {**self.features.columns, **mine.columns}
        units = {**self.features.units, **table.units}
        return replace(self, features=ResultsTable(columns, self.ids, units=units))

    def to_table(self) -> ResultsTable:
        """Return one row an object: frame, label, track, lineage, parent, merger, then features."""
        columns: dict[str, np.ndarray] = {
            "frame": self.t,
            "label": self.label,
            "track": self.track,
            "lineage": self.lineage,
            "parent": self.parent,
            "merger": self.merger,
            "count": self.count,
        }
        columns |= {k: v for k, v in self.features.columns.items() if k not in columns}
        return ResultsTable(
            columns,
            self.ids,
            units=self.features.units,
            style=TableStyle(exact=True),
            name=self.name,
        )

    def to_pandas(self) -> pd.DataFrame:
        """Return `to_table` as a DataFrame with the index (t, label)."""
        return self.to_table().to_pandas()

    def _repr_html_(self) -> str:
        from fijibridge.model._html import table_html

        return table_html(self.to_table())

    @classmethod
    def from_links(
        cls,
        frame: ArrayLike,
        label: ArrayLike,
        parent: ArrayLike,
        parent_frame: ArrayLike | None = None,
        **more: Any,
    ) -> Tracks:
        """Build tracks from objects and the label of the object each comes from.

        Parameters
        ----------
        frame, label
            (m,) the objects; parents need not be listed.
        parent
            (m,) label of the parent, 0 = none.
        parent_frame
            (m,) frame of the parent; None = the frame before.
        **more
            ``objects``, (k, 2): all (t, label) there are, of which those that nobody names are not
            tracked; ``frames``, ``merger`` and ``count`` (m,), ``name``.

        Returns
        -------
        Tracks
            Numbered as ilastik numbers: from 2, see `fijibridge.model._links.number_tracks`.

        Raises
        ------
        SettingsError
            One error for all faults: two parents, parents that are not earlier (so no cycles),
            labels that are not in their frame, frames that are missing.
        """
        from fijibridge.model._trackbuild import from_links

        return from_links(frame, label, parent, parent_frame, **more)

    @classmethod
    def from_track_ids(
        cls,
        frame: ArrayLike,
        label: ArrayLike,
        track: ArrayLike,
        parent: ArrayLike | None = None,
        **more: Any,
    ) -> Tracks:
        """Build tracks from objects and the number of the track each belongs to.

        Parameters
        ----------
        frame, label, track
            (m,) the objects; track 0 and less = not tracked.
        parent
            (m,) number of the track that the object's track comes from, 0 = none or as in another
            row of the track.
        **more
            ``lineage`` (m,), None = numbered from 2; the rest as in `from_links`.

        Raises
        ------
        SettingsError
            One error for all faults, as in `from_links`.
        """
        from fijibridge.model._trackbuild import from_track_ids

        return from_track_ids(frame, label, track, parent, **more)


def _whole(values: Any, key: str) -> np.ndarray:
    array = np.asarray(values)
    if array.dtype.kind not in "iub" and array.size:
        with np.errstate(invalid="ignore"):
            try:
                fits = np.isfinite(array.astype(float)) & (array == np.floor(array.astype(float)))
            except (TypeError, ValueError):
                fits = np.zeros(1, bool)
        if not np.all(fits):
            raise SettingsError(f"{key} holds values that are no whole numbers.")
    if array.dtype.kind == "f" and array.size and float(np.abs(array).max()) >= 2.0**63:
        raise SettingsError(f"{key} holds {np.abs(array).max():g}; numbers go up to {2**63 - 1}.")
    if array.dtype.kind == "u" and array.size and int(array.max()) > 2**63 - 1:
        raise SettingsError(f"{key} holds {int(array.max())}; numbers go up to {2**63 - 1}.")
    whole: np.ndarray = array.astype(np.int64)
    return whole


def _frozen(array: np.ndarray) -> np.ndarray:
    view = array.view()
    view.flags.writeable = False
    return view


def _names(rows: np.ndarray, ids: np.ndarray) -> Iterator[tuple[int, int, int]]:
    for row in rows:
        yield int(row), int(ids[row, 0]), int(ids[row, 1])


def _find_faults(tracks: Tracks, faults: Faults) -> None:
    """Note everything that is wrong with a value."""
    ids, track, link = tracks.ids, tracks.track, tracks.link
    t, n = ids[:, 0], len(ids)

    def note(rows: np.ndarray, text: str) -> None:
        faults.add((f"object t={t}, label {o} {text}" for _, t, o in _names(rows, ids)), len(rows))

    note(np.flatnonzero((t < 0) | (ids[:, 1] <= 0)), "has no frame >= 0 and label >= 1")
    step = np.diff(ids, axis=0)
    unsorted = (step[:, 0] < 0) | ((step[:, 0] == 0) & (step[:, 1] <= 0))
    note(np.flatnonzero(unsorted) + 1, "is listed twice, or the objects are not sorted")
    note(np.flatnonzero((link < -1) | (link >= n)), "links to a row that is not there")
    note(np.flatnonzero((track < 0) | (tracks.lineage < 0)), "has a negative track or lineage")
    if faults.count:
        return
    has = np.flatnonzero(link >= 0)
    before = link[has]
    note(has[t[before] >= t[has]], "has a parent that is not in an earlier frame (a cycle)")
    note(has[track[before] == NOT_TRACKED], "has a parent that is not tracked")
    off = (track == NOT_TRACKED) & ((link >= 0) | (tracks.lineage != 0))
    note(np.flatnonzero(off), "has a parent or a lineage, but no track")
    note(np.flatnonzero((track != NOT_TRACKED) & (tracks.lineage == 0)), "has no lineage")
    note(has[tracks.lineage[before] != tracks.lineage[has]], "has another lineage than its parent")
    rows = np.flatnonzero(track != NOT_TRACKED)
    rows = rows[np.argsort(track[rows], kind="stable")]
    same = track[rows[1:]] == track[rows[:-1]]
    one, two = rows[:-1][same], rows[1:][same]
    note(two[t[one] == t[two]], "shares its track with another object of the frame")
    split = (t[one] != t[two]) & (link[two] != one)
    note(two[split], "does not link to the object before it in its track")
    first = np.append(True, ~same)[: len(rows)]
    begins = rows[first]
    begins = begins[link[begins] >= 0]
    note(begins[track[link[begins]] == track[begins]], "begins its track, yet links into it")
