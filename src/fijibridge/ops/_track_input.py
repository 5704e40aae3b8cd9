"""What tracks are made of: label images frame by frame, tables of links, tracking files."""

from __future__ import annotations

import dataclasses
import os
from typing import TYPE_CHECKING, Any

import numpy as np

from fijibridge.errors import FijiBridgeError, FormatError, SettingsError
from fijibridge.ops._inputs import glob_paths, is_glob, to_image

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fijibridge.model import ImageSource, Region, ResultsTable, Tracks

__all__ = ["links_from_table", "open_movie", "read_links", "track_format"]

#: Meaning -> headings, in lower case without blanks and underscores.
_WORDS = {
    "frame": ("frame", "t", "time", "timestep", "timepoint"),
    "label": ("label", "labelimageid", "labelimageoid", "labelid", "object", "objectid", "id"),
    "parent_label": ("parentlabel", "parentlabelid", "parentobject", "parentid"),
    "parent_frame": ("parentframe", "parentt", "parenttime", "parenttimestep"),
    "parent_track": ("parenttrack", "parenttrackid"),
    "parent": ("parent",),
    "track": ("track", "trackid", "tracklet", "trackletid"),
    "lineage": ("lineage", "lineageid"),
    "merger": ("merger", "mergerlabelid", "mergerid"),
    "count": ("count", "objects", "objectcount"),
}


class _Whole:
    """An image in memory, read as a source."""

    def __init__(self, image: Any) -> None:
        self.spec, self._data = image.spec, image.data

    def read(self, region: Region) -> np.ndarray:
        found: np.ndarray = self._data[region.slices]
        return found

    def close(self) -> None:
        """Nothing is open."""


class _Series:
    """One file a frame, opened when it is read."""

    def __init__(self, paths: list[str], axes: str | None) -> None:
        from fijibridge.formats import open_image
        from fijibridge.model import Axes, Axis

        self._paths, self._axes = paths, axes
        first = open_image(paths[0], axes=axes)
        self._inner = first.spec
        first.close()
        if self._inner.axes.size("t") > 1:
            raise FormatError(
                f"{paths[0]!r} has {self._inner.axes.size('t')} frames; a series has one a file.",
                "Name one file.",
            )
        rest = tuple(a for a in self._inner.axes if a.key != "t")
        time = Axis("t", len(paths))
        self.spec = dataclasses.replace(self._inner, axes=Axes((time, *rest)), scales=())

    def read(self, region: Region) -> np.ndarray:
        from fijibridge.formats import open_image
        from fijibridge.model import Region as Box

        time, *space = region.slices
        keys = self._inner.axes.keys
        out = np.empty(region.shape, self.spec.dtype)
        for i, path in enumerate(self._paths[time]):
            source = open_image(path, axes=self._axes)
            try:
                if source.spec.shape != self._inner.shape or source.spec.axes.keys != keys:
                    raise FormatError(
                        f"{path!r} has the size {source.spec.shape}, {self._paths[0]!r} "
                        f"{self._inner.shape}; all frames have one size."
                    )
                place = keys.find("t")
                start = [s.start for s in space]
                stop = [s.stop for s in space]
                if place >= 0:
                    start.insert(place, 0)
                    stop.insert(place, 1)
                block = source.read(Box(tuple(start), tuple(stop)))
            finally:
                source.close()
            out[i] = block if place < 0 else block.take(0, axis=place)
        return out

    def close(self) -> None:
        """Nothing is open."""


def track_format(path: str) -> Any:
    """Return the tracking format of a file or folder, or None."""
    from fijibridge.formats import Location, format_for_reading

    if is_glob(path):
        return None
    try:
        return format_for_reading(Location.parse(path), "tracks")
    except FijiBridgeError:
        return None


def open_movie(value: Any, *, axes: str | None = None) -> ImageSource:
    """Open a movie frame by frame.

    Parameters
    ----------
    value
        A path, a pattern (one file a frame, in order of their numbers), a folder that holds tracks
        and their labels, an image, an array or a source.
    axes
        Letters of the axes.
    """
    from fijibridge.formats import Location, open_image
    from fijibridge.model import ImageSource

    if not isinstance(value, (str, os.PathLike)):
        if isinstance(value, ImageSource):
            return value
        return _Whole(to_image(value, axes=axes))
    path = os.fspath(value)
    if is_glob(path):
        return _Series(glob_paths(path), axes)
    fmt = track_format(path)
    if fmt is not None and fmt.track_labels is not None:
        labels: ImageSource = fmt.track_labels(Location.parse(path))
        return labels
    return open_image(path, axes=axes)


def read_links(path: str, *, objects: np.ndarray | None = None, frames: int = 0) -> Tracks:
    """Read tracks from a tracking file, or from a table of links.

    Parameters
    ----------
    path
        Any format with tracks, or a table with the columns frame, label and parent (label of the
        object in the frame before, or in parent_frame), or frame, label and track (and parent or
        parent_track, a track's number).
    objects
        (n, 2) all (t, label) of the label images; None = there are none.
    frames
        Frames of the label images.

    Raises
    ------
    FormatError
        One error for all faults, the first ten by name.
    """
    fmt = track_format(path)
    if fmt is not None:
        from fijibridge.formats import Location

        tracks: Tracks = fmt.read_tracks(Location.parse(path))
        return tracks if objects is None else with_objects(tracks, objects, frames, path)
    from fijibridge.formats import read_table

    table = read_table(path)
    try:
        return links_from_table(table, objects=objects, frames=frames)
    except SettingsError as error:
        raise FormatError(f"{path!r}: {error.message}", error.hint) from None


def with_objects(tracks: Tracks, objects: np.ndarray, frames: int, path: str) -> Tracks:
    """Return tracks of a file over label images: objects that the file does not name are added.

    Raises
    ------
    FormatError
        When it names objects that are not there.
    """
    from fijibridge.model import Tracks as Whole
    from fijibridge.model._links import Faults, Keys

    place = Keys(objects).rows(tracks.ids)
    lost = tracks.ids[place < 0]
    if len(lost):
        faults = Faults()
        beyond = np.unique(lost[lost[:, 0] >= frames, 0])
        faults.add((f"frame {t} is missing: there are {frames}" for t in beyond), len(beyond))
        inside = lost[lost[:, 0] < frames]
        faults.add((f"label {v} is not in frame {t}" for t, v in inside.tolist()), len(inside))
        try:
            faults.check("The tracks")
        except SettingsError as error:
            raise FormatError(f"{path!r} over the label image: {error.message}") from None
    n = len(objects)

    def spread(values: np.ndarray, fill: int) -> np.ndarray:
        out = np.full(n, fill, np.int64)
        out[place] = values
        return out

    made = Whole(
        ids=objects,
        track=spread(tracks.track, 0),
        lineage=spread(tracks.lineage, 0),
        link=spread(np.where(tracks.link >= 0, place[tracks.link], -1), -1),
        merger=spread(tracks.merger, 0),
        count=spread(tracks.count, 1),
        frames=max(frames, tracks.frames),
        name=tracks.name,
    )
    if not tracks.features.columns:
        return made
    return made.with_features(dataclasses.replace(tracks.features, object_ids=tracks.ids))


def _columns(table: ResultsTable) -> Mapping[str, np.ndarray]:
    words = {h: h.lower().replace(" ", "").replace("_", "").replace("-", "") for h in table.columns}
    found: dict[str, np.ndarray] = {}
    for meaning, names in _WORDS.items():
        for name in names:
            heading = next((h for h, w in words.items() if w == name), None)
            if heading is not None:
                found[meaning] = _numbers(table[heading], heading)
                break
    return found


def _numbers(values: np.ndarray, heading: str) -> np.ndarray:
    if values.dtype.kind in "biuf":
        return values
    out = np.zeros(len(values))
    for i, cell in enumerate(values):
        text = "" if cell is None else str(cell).strip()
        if text.lower() in ("", "none", "nan", "na", "-"):
            continue
        try:
            out[i] = float(text)
        except ValueError:
            raise SettingsError(
                f"Row {i + 1} of the column {heading!r} is {text[:40]!r}; it is a whole number."
            ) from None
    return out


def links_from_table(
    table: ResultsTable, *, objects: np.ndarray | None = None, frames: int = 0
) -> Tracks:
    """Return tracks of a table of links; see `read_links`.

    Raises
    ------
    SettingsError
        When columns are missing; one error for all faults, the first ten by name.
    """
    from fijibridge.model import Tracks as Whole

    found = _columns(table)
    for word in ("frame", "label"):
        if word not in found:
            raise SettingsError(
                f"The table of links has no column {word!r}; its columns are "
                f"{', '.join(table.headings)}.",
                "It has frame (from 0) and label, and parent (a label of the frame before) or "
                "track.",
            )
    more: dict[str, Any] = {
        "objects": objects,
        "frames": frames,
        "merger": found.get("merger"),
        "count": found.get("count"),
    }
    said = found.get("parent_label", found.get("parent"))
    by_label = "parent_label" in found or (said is not None and _names_labels(found))
    if "track" in found and not by_label:
        return Whole.from_track_ids(
            found["frame"],
            found["label"],
            found["track"],
            found.get("parent_track", found.get("parent")),
            lineage=found.get("lineage"),
            **more,
        )
    if said is None:
        raise SettingsError(
            "The table of links has neither parent nor track; its columns are "
            f"{', '.join(table.headings)}.",
            "parent is a label of the frame before, track the number of the object's track.",
        )
    tracks = Whole.from_links(
        found["frame"], found["label"], said, found.get("parent_frame"), **more
    )
    return _numbered(tracks, found) if "track" in found else tracks


def _names_labels(found: Mapping[str, np.ndarray]) -> bool:
    """Whether the column ``parent`` names labels: where a track goes on, the object before.

    Without a column of tracks it does; numbers of tracks stand at the beginnings of tracks only, or
    are the same in all rows of a track.
    """
    if "track" not in found or "parent_track" in found:
        return "track" not in found
    columns = [np.nan_to_num(np.asarray(found[k], np.float64)) for k in ("track", "frame")]
    order = np.lexsort(columns[::-1])
    track, frame = (c[order] for c in columns)
    label, parent = (
        np.nan_to_num(np.asarray(found[k], np.float64))[order] for k in ("label", "parent")
    )
    goes_on = (track[1:] == track[:-1]) & (frame[1:] == frame[:-1] + 1) & (track[1:] > 0)
    said = goes_on & (parent[1:] > 0)
    return bool(said.any() and (parent[1:][said] == label[:-1][said]).all())


def _numbered(tracks: Tracks, found: Mapping[str, np.ndarray]) -> Tracks:
    """Return tracks of links with the numbers that the table gives them."""
    from fijibridge.model._trackbuild import lineages, whole_column

    ids = np.stack([whole_column(found[k], k) for k in ("frame", "label")], axis=1)
    rows = tracks.find(ids)

    def spread(key: str) -> np.ndarray:
        out = np.zeros(len(tracks), np.int64)
        out[rows] = np.maximum(whole_column(found[key], key), 0)
        return out

    track = spread("track")
    lineage = spread("lineage") if "lineage" in found else lineages(tracks.link, track > 0)
    return dataclasses.replace(tracks, track=track, lineage=np.where(track > 0, lineage, 0))
