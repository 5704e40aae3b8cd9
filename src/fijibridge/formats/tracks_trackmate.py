"""TrackMate: its XML, written and read."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from fijibridge.errors import FormatError
from fijibridge.formats._format import Format
from fijibridge.formats._tracks.features import CENTER, RADII, positions, radii
from fijibridge.formats._tracks.files import base_of, of_file, plain_path, staged_all
from fijibridge.formats._tracks.graph import tracks_of
from fijibridge.formats._tracks.lost import lost
from fijibridge.formats._tracks.xml import (
    OWN,
    Declared,
    Spots,
    declarations,
    number,
    read_spots,
    spot_lines,
    track_lines,
    xml_name,
)
from fijibridge.model import ResultsTable, Tracks
from fijibridge.model._links import sorted_pairs
from fijibridge.model._trackbuild import whole_column

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from typing import Any

    from fijibridge.formats._format import TrackOptions
    from fijibridge.formats._location import Location

__all__ = ["FORMAT", "read_xml", "write_xml"]

_VERSION = "7.14.0"
#: What is known about objects beyond TrackMate's model.
_IDS = (
    Declared("LABEL_ID", "Label", "Label", whole=True),
    Declared("TRACKLET_ID", "Track between divisions", "Tracklet", whole=True),
    Declared("LINEAGE_ID", "Lineage", "Lineage", whole=True),
    Declared("MERGER_ID", "Cluster it was cut out of", "Merger", whole=True),
    Declared("OBJECT_COUNT", "Objects in it", "Objects", whole=True),
)
_EDGE = (
    Declared("SPOT_SOURCE_ID", "Source spot ID", "Source ID", whole=True),
    Declared("SPOT_TARGET_ID", "Target spot ID", "Target ID", whole=True),
    Declared("LINK_COST", "Edge cost", "Cost", "COST"),
)
_TRACK = (
    Declared("TRACK_INDEX", "Track index", "Index", whole=True),
    Declared("TRACK_ID", "Track ID", "ID", whole=True),
)
#: TrackMate asks for a detector and a tracker; those for work by hand change nothing.
_SETTINGS = """    <DetectorSettings DETECTOR_NAME="MANUAL_DETECTOR" RADIUS="5.0" />
    <TrackerSettings TRACKER_NAME="MANUAL_TRACKER" />
    <InitialSpotFilter feature="QUALITY" value="0.0" isabove="true" />
    <SpotFilterCollection />
    <TrackFilterCollection />
    <AnalyzerCollection>
      <SpotAnalyzers />
      <EdgeAnalyzers />
      <TrackAnalyzers />
    </AnalyzerCollection>
"""


def _paths(path: Path) -> Mapping[str, Path]:
    return {"xml": plain_path(base_of(path, ".xml"), ".xml")}


def _lost(tracks: Tracks) -> tuple[str, ...]:
    text = [h for h, v in tracks.features.columns.items() if v.dtype.kind not in "biuf"]
    tail = "of text left out: TrackMate's features are numbers"
    word = "column" if len(text) == 1 else "columns"
    notes = (f"{len(text)} {word} {tail}",) if text else ()
    return (*notes, *lost(tracks, "track lineage untracked merger count features gaps labels"))


def write_xml(where: Location, tracks: Tracks, options: TrackOptions) -> None:
    """Write a TrackMate file that Fiji opens with Plugins > Tracking > Load a TrackMate file.

    Parameters
    ----------
    where
        ``NAME.xml``, or the base name.
    tracks
        With centres (pixels x, y, z). TrackMate's tracks are lineages: everything that comes from
        one object; the tracks between divisions are the spot feature TRACKLET_ID. Spot ids count
        from 0 in the order of objects.
    options
        ``labels`` or ``raw`` tell pixel sizes, units and the file name of the image; ``outlines``
        become the outlines of the spots; ``overwrite``.

    Source
    ------
    fiji.plugin.trackmate.io.TmXmlReader (facts about what it asks for).
    """
    source = options.raw or options.labels
    columns, declared = _columns(tracks, source)
    with (
        staged_all(_paths(where.path), overwrite=options.overwrite) as parts,
        parts["xml"].open("w", encoding="utf-8", newline="\n") as file,
    ):
        file.write('<?xml version="1.0" encoding="UTF-8"?>\n')
        file.write(f'<TrackMate version="{_VERSION}">\n  <Log />\n')
        space, time = _units(source)
        file.write(f'  <Model spatialunits="{space}" timeunits="{time}">\n')
        file.write("    <FeatureDeclarations>\n")
        file.writelines(declarations("SpotFeatures", (*OWN, *_IDS, *declared)))
        file.writelines(declarations("EdgeFeatures", _EDGE))
        file.writelines(declarations("TrackFeatures", _TRACK))
        file.write("    </FeatureDeclarations>\n")
        names = [f"ID{i}" for i in range(len(tracks))]
        ends = partial(_outlines, tracks, columns, options.outlines, _scale(source))
        file.writelines(spot_lines(tracks.by_frame(), names, columns, ends))
        # TrackMate's tracks are lineages
        file.writelines(track_lines(tracks, tracks.lineage, _about, 'LINK_COST="0.0"'))
        file.write("  </Model>\n")
        file.write(f"  <Settings>\n{_image(tracks, source)}{_SETTINGS}  </Settings>\n")
        file.write('  <GUIState state="ConfigureViews" />\n  <DisplaySettings />\n</TrackMate>\n')


def _scale(source: Any) -> list[float]:
    """Return the sizes x, y, z, t of a pixel."""
    return [1.0 if source is None else source.spec.axes.get(k).scale for k in "xyzt"]


def _outlines(
    tracks: Tracks,
    columns: Mapping[str, np.ndarray],
    outlines: Callable[[int], Mapping[int, np.ndarray]] | None,
    scale: list[float],
    t: int,
    rows: slice,
) -> list[str]:
    """Return how the element of each spot goes on: with its outline around its centre, if any.

    Source
    ------
    fiji.plugin.trackmate.io.TmXmlReader: x and y in turn, in units, beginning at once;
    fiji.plugin.trackmate.detection.MaskUtils: whole numbers are centres of pixels.
    """
    count = rows.stop - rows.start
    found = {} if outlines is None else outlines(t)
    if not found:
        return [" />"] * count
    ends = []
    for row in range(rows.start, rows.stop):
        corners = found.get(int(tracks.label[row]))
        if corners is None or len(corners) < 3:
            ends.append(" />")
            continue
        centre = [columns["POSITION_X"][row], columns["POSITION_Y"][row]]
        places = (corners - 0.5) * scale[:2] - centre
        text = " ".join([f"{v:.4f}" for v in places.reshape(-1).tolist()])
        ends.append(f' ROI_N_POINTS="{len(corners)}">{text}</Spot>')
    return ends


def _columns(tracks: Tracks, source: Any) -> tuple[dict[str, np.ndarray], list[Declared]]:
    *scale, step = _scale(source)
    n = len(tracks)
    places = positions(tracks, "TrackMate")
    columns: dict[str, np.ndarray] = {
        "ID": np.arange(n),
        "QUALITY": np.ones(n),
        "POSITION_X": places[:, 0] * scale[0],
        "POSITION_Y": places[:, 1] * scale[1],
        "POSITION_Z": places[:, 2] * scale[2],
        "POSITION_T": tracks.t * step,
        "FRAME": tracks.t,
        "RADIUS": radii(tracks) * scale[0],
        "VISIBILITY": np.ones(n, np.int64),
        "LABEL_ID": tracks.label,
        "TRACKLET_ID": tracks.track,
        "LINEAGE_ID": tracks.lineage,
        "MERGER_ID": tracks.merger,
        "OBJECT_COUNT": tracks.count,
    }
    declared = []
    for heading, values in tracks.features.columns.items():
        if values.dtype.kind not in "biuf":
            continue
        key = xml_name(heading.upper().replace(" ", "_"))
        while key in columns or key in ("name", "ROI_N_POINTS"):
            key = f"{key}_"
        columns[key] = values
        whole = values.dtype.kind in "biu"
        declared.append(Declared(key, heading, heading, whole=whole))
    return columns, declared


def _units(source: Any) -> tuple[str, str]:
    if source is None:
        return "pixel", "frame"
    axes = source.spec.axes
    time = axes.get("t").unit
    return axes.get("x").unit, "frame" if time == "pixel" else time


def _about(i: int, _: int) -> str:
    return f'TRACK_INDEX="{i}"'


def _image(tracks: Tracks, source: Any) -> str:
    from xml.sax.saxutils import quoteattr

    sizes = dict.fromkeys("xyzt", 1)
    scales = dict.fromkeys("xyzt", 1.0)
    name = ""
    if source is not None:
        axes = source.spec.axes
        sizes = {k: axes.size(k) for k in "xyzt"}
        scales = {k: axes.get(k).scale for k in "xyzt"}
        name = source.spec.name
    sizes["t"] = max(sizes["t"], tracks.frames)
    pixel = [number(scales[k]) for k in "xyzt"]
    return (
        f'    <ImageData filename={quoteattr(name)} folder="" width="{sizes["x"]}" '
        f'height="{sizes["y"]}" nslices="{sizes["z"]}" nframes="{sizes["t"]}" '
        f'pixelwidth="{pixel[0]}" pixelheight="{pixel[1]}" voxeldepth="{pixel[2]}" '
        f'timeinterval="{pixel[3]}" />\n'
        f'    <BasicSettings xstart="0" xend="{sizes["x"] - 1}" ystart="0" '
        f'yend="{sizes["y"] - 1}" zstart="0" zend="{sizes["z"] - 1}" tstart="0" '
        f'tend="{sizes["t"] - 1}" />\n'
    )


def read_xml(where: Location) -> Tracks:
    """Read a TrackMate or MaMuT file.

    Returns
    -------
    Tracks
        Labels are the feature LABEL_ID (MaMuT of ilastik: LabelimageId) where all spots have one,
        else spot ids + 1. Centres are in pixels; other features keep their names.

    Raises
    ------
    FormatError
        One error for all faults, the first ten by name.
    """
    with of_file(where.path, "TrackMate file"):
        spots = read_spots(where.path)
        if not spots.root.startswith("TrackMate"):
            raise FormatError(
                f"{str(where.path)!r} is no TrackMate file: it begins {spots.root!r}."
            )
        return tracks_from(spots)


def tracks_from(spots: Spots) -> Tracks:
    """Return the tracks of spots that were read."""
    columns = dict(spots.columns)
    frames = int(_number(spots.image.get("nframes"), 0))
    label = _label(spots)
    known = _known(columns)
    named = [re.fullmatch(r"track-(\d{1,18})", name) for name in spots.names]
    if "track" not in known and named and all(named):  # ilastik's MaMuT files
        known["track"] = np.array([int(m[1]) for m in named if m], np.int64)
    tracks, order = tracks_of(
        spots.ids, spots.frames, label, spots.edges, known, frames=min(frames, 2**31)
    )
    features = _features(columns, spots)
    if not features:
        return tracks
    ids = np.stack([spots.frames, label], axis=1)
    del order
    return tracks.with_features(ResultsTable(features, ids))


def _label(spots: Spots) -> np.ndarray:
    for key in ("LABEL_ID", "LabelimageId"):
        values = spots.columns.get(key)
        if values is None or not np.isfinite(values).all() or (values < 1).any():
            continue
        whole = whole_column(values, key)
        pairs = np.stack([spots.frames, whole], axis=1)
        if len(sorted_pairs(pairs)) == len(pairs):
            return whole
    return spots.ids - min(0, int(spots.ids.min()) if len(spots.ids) else 0) + 1


def _known(columns: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    words = {
        "track": "TRACKLET_ID",
        "lineage": "LINEAGE_ID",
        "merger": "MERGER_ID",
        "count": "OBJECT_COUNT",
    }
    return {
        word: whole_column(columns[key], key)
        for word, key in words.items()
        if key in columns and np.isfinite(columns[key]).all()
    }


_READ_BACK = frozenset(
    ("FRAME", "VISIBILITY", "POSITION_T", "MANUAL_SPOT_COLOR", *(item.key for item in _IDS))
)


def _features(columns: Mapping[str, np.ndarray], spots: Spots) -> dict[str, np.ndarray]:
    """Return the measurements; positions in pixels under ilastik's name."""
    keys = [h for h in columns if h not in _READ_BACK and not h.startswith("POSITION_")]
    features = {_heading(h): columns[h] for h in keys}
    scale = [_number(spots.image.get(k), 1.0) for k in ("pixelwidth", "pixelheight", "voxeldepth")]
    deep = _number(spots.image.get("nslices"), 1) > 1 or bool(
        np.any(columns.get("POSITION_Z", np.zeros(1)) != 0)
    )
    for i, key in enumerate("XYZ"[: 3 if deep else 2]):
        heading = f"{CENTER}_{i}"
        if f"POSITION_{key}" in columns and heading not in features:
            features[heading] = columns[f"POSITION_{key}"] / (scale[i] or 1.0)
    return features


def _heading(key: str) -> str:
    """Return the heading that `_columns` made the key of, for ilastik's own features."""
    from fijibridge.formats._tracks.features import _INTERNAL, split_heading

    name, i = split_heading(key)
    for known in (*_INTERNAL, CENTER, RADII):
        if known.upper().replace(" ", "_") == name:
            return known if i < 0 else f"{known}_{i}"
    return key


def _number(text: str | None, other: float) -> float:
    try:
        found = float(text) if text is not None else other
    except ValueError:
        return other
    return found if np.isfinite(found) else other


def _sniff_xml(path: Path, head: bytes) -> bool:
    return b"<TrackMate" in head and not path.name.lower().endswith("_mamut.xml")


FORMAT = Format(
    name="trackmate",
    suffixes=(".xml",),
    title="a TrackMate file",
    sniff=_sniff_xml,
    read_tracks=read_xml,
    write_tracks=write_xml,
    track_paths=_paths,
    lost_tracks=_lost,
    track_needs=frozenset({"features"}),
)
