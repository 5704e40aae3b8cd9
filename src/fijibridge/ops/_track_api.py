"""Tracks in Python: reading, measuring, writing, outlines; what the verb ``tracks`` is made of."""

from __future__ import annotations

import dataclasses
import os
from typing import TYPE_CHECKING, Any

from fijibridge.errors import SettingsError, UnsupportedError, nearest
from fijibridge.ops._inputs import check_sources
from fijibridge.ops._kinds import PATH
from fijibridge.ops._track_input import open_movie, read_links, with_objects

if TYPE_CHECKING:
    from fijibridge.formats import Format
    from fijibridge.model import ImageSource, Tracks

__all__ = [
    "SPELLED",
    "find_plugin",
    "measured_tracks",
    "plugins",
    "read_tracks",
    "track_rois",
    "write_tracks",
]

#: ilastik's spelling of its plug-ins; other formats are named as they are.
SPELLED = (
    "CSV-Table",
    "CellTrackingChallenge",
    "Contours",
    "Contours-With-Head",
    "Multi-Worm-Tracker",
    "JSON",
    "H5-Event-Sequence",
    "Fiji-MaMuT",
    "TrackMate",
)


def plugins() -> dict[str, Format]:
    """Return name -> format of everything that writes tracks, as ilastik spells the names."""
    from fijibridge.formats import all_formats

    spelled = {name.lower(): name for name in SPELLED}
    return {
        spelled.get(fmt.name, fmt.name): fmt
        for fmt in all_formats()
        if fmt.write_tracks is not None
    }


def find_plugin(name: str) -> tuple[str, Format]:
    """Return the spelling and format of a plug-in, whatever the case.

    Raises
    ------
    SettingsError
        When there is none; the nearest one is named.
    """
    known = plugins()
    for spelled, fmt in known.items():
        if spelled.lower() == name.strip().lower():
            return spelled, fmt
    raise SettingsError(
        f"There is no tracking format {name!r}.{nearest(name, known)}",
        f"export_plugin is one of: {', '.join(known)}.",
    )


def measured_tracks(
    links: str, labels: ImageSource | None, raw: ImageSource | None, *, measure: bool
) -> Tracks:
    if labels is None:
        return read_links(links)
    from fijibridge.measure.object_features import survey

    seen = survey(labels, raw, measure=measure)
    try:
        tracks = read_links(links, objects=seen.ids, frames=seen.frames)
    except Exception as error:
        axes = labels.spec.axes
        if axes.size("t") == 1 and axes.size("z") > 1 and "frame" in str(error):
            error.add_note(
                f"The label image has {axes.size('z')} slices and one frame; if they are frames, "
                "say --axes tyx."
            )
        raise
    if measure and seen.features.columns:
        own = tracks.features
        tracks = tracks.with_features(seen.features)
        if own.columns:  # what a file says goes before what is measured anew
            tracks = tracks.with_features(dataclasses.replace(own, object_ids=tracks.ids))
    return tracks


def read_tracks(path: Any, *, labels: Any = None, axes: str | None = None) -> Tracks:
    """Read tracks from any tracking format, or from a table of links.

    Parameters
    ----------
    path
        Cell Tracking Challenge folder, TrackMate XML or spot table, geff, MaMuT, ilastik's
        CSV-Table, JSON or H5-Event-Sequence; or a table with frame, label, and parent or track.
    labels
        The label images (path, pattern, image or array) that the objects are looked up in.
    axes
        Letters of the axes of `labels`.

    Raises
    ------
    FormatError
        One error for all faults, the first ten by name.
    """
    source = PATH.parse(os.fspath(path), "path")
    check_sources([source])
    if labels is None:
        return read_links(source)
    movie = open_movie(labels, axes=axes)
    return measured_tracks(source, movie, None, measure=False)


def write_tracks(
    tracks: Tracks,
    path: Any,
    *,
    to: str | None = None,
    labels: Any = None,
    raw: Any = None,
    axes: str | None = None,
    big_data_viewer: str = "",
    overwrite: bool = False,
    compat: bool = False,
) -> tuple[str, ...]:
    """Write tracks; what the layout asks for is measured from the label images.

    Parameters
    ----------
    tracks
        The tracks.
    path
        The target, or the base name to which the layout adds its suffix.
    to
        ``CSV-Table``, ``CellTrackingChallenge``, ``Contours``, ``Contours-With-Head``,
        ``Multi-Worm-Tracker``, ``JSON``, ``H5-Event-Sequence``, ``Fiji-MaMuT``, ``TrackMate``,
        ``geff``, ``napari``; None = by the suffix.
    labels, raw
        The label images and the images that were segmented: paths, images, arrays or sources.
    axes
        Letters of the axes of arrays, of the labels and, after a comma, of the raw images.
    big_data_viewer
        XML of the images that MaMuT opens.
    overwrite
        Replace existing targets.
    compat
        Keep what ilastik does where that makes files other programs refuse.

    Returns
    -------
    tuple of str
        What the layout could not hold, one line each.

    Raises
    ------
    SettingsError
        When the target exists, or label images are needed and not given.
    UnsupportedError
        When the layout cannot hold the tracks.
    """
    from fijibridge.formats import Location, TrackOptions, format_for_writing
    from fijibridge.ops._track_output import frame_outlines

    if to is None:
        fmt = format_for_writing(Location.parse(path), "tracks")
    else:
        _, fmt = find_plugin(to)
    if fmt.write_tracks is None:
        raise UnsupportedError(f"{fmt.title} is read, not written.")
    first, _, second = (axes or "").partition(",")
    movie = None if labels is None else open_movie(labels, axes=first or None)
    grey = None if raw is None else open_movie(raw, axes=(second or first) or None)
    wants = "features" in fmt.track_needs or fmt.name == "csv-table"
    if wants and movie is not None:
        from fijibridge.measure.object_features import survey

        seen = survey(movie, grey)
        had = tracks.features
        tracks = with_objects(tracks, seen.ids, seen.frames, str(path))
        tracks = tracks.with_features(seen.features)
        if had.columns:
            tracks = tracks.with_features(dataclasses.replace(had, object_ids=_ids_of(had, tracks)))
    lost = fmt.lost_tracks(tracks) if fmt.lost_tracks is not None else ()
    options = TrackOptions(
        overwrite=overwrite,
        labels=movie,
        raw=grey,
        big_data_viewer=os.fspath(big_data_viewer),
        compat=compat,
        outlines=frame_outlines(movie),
    )
    fmt.write_tracks(Location.parse(path), tracks, options)
    return lost


def _ids_of(table: Any, tracks: Tracks) -> Any:
    return tracks.ids if table.object_ids is None else table.object_ids


def track_rois(tracks: Tracks, labels: Any, *, axes: str | None = None) -> Any:
    """Return the outlines of all tracked objects, named and grouped by lineage and track.

    Parameters
    ----------
    tracks
        The tracks.
    labels
        The label images: path, pattern, image or array.
    axes
        Letters of the axes of an array.

    Returns
    -------
    RoiSet
        See `fijibridge.ops._track_output.track_rois`.
    """
    from fijibridge.ops._track_output import track_rois as outlines

    return outlines(tracks, open_movie(labels, axes=axes))
