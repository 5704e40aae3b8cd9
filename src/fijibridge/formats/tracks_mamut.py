"""ilastik's tracking plug-in Fiji-MaMuT: ``NAME_mamut.xml``, which MaMuT opens."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from xml.sax.saxutils import quoteattr

import numpy as np

from fijibridge.errors import SettingsError
from fijibridge.formats._format import Format
from fijibridge.formats._tracks.features import RADII, internal_name, needed, positions
from fijibridge.formats._tracks.files import base_of, plain_path, staged_all
from fijibridge.formats._tracks.lost import lost
from fijibridge.formats._tracks.xml import (
    OWN,
    Declared,
    declarations,
    number,
    spot_lines,
    track_lines,
    xml_name,
)
from fijibridge.formats.tracks_trackmate import read_xml

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fijibridge.formats._format import TrackOptions
    from fijibridge.formats._location import Location
    from fijibridge.model import Tracks

__all__ = ["FORMAT", "write_tracks"]

_WHAT = "Fiji-MaMuT"
_SUFFIX = "_mamut.xml"
_EDGE = (
    Declared("SPOT_SOURCE_ID", "Source spot ID", "Source ID", whole=True),
    Declared("SPOT_TARGET_ID", "Target spot ID", "Target ID", whole=True),
    Declared("LINK_COST", "Link cost", "Cost", "COST"),
    Declared("VELOCITY", "Velocity", "V", "VELOCITY"),
    Declared("DISPLACEMENT", "Displacement", "D", "LENGTH"),
)
_EDGE_ATTRIBUTES = 'LINK_COST="0.0" VELOCITY="0.0" DISPLACEMENT="0.0"'
_TRACK = (
    Declared("TRACK_INDEX", "Track index", "Index", whole=True),
    Declared("TRACK_ID", "Track ID", "ID", whole=True),
    Declared("Track_color", "Track_color", "trackcol"),
)


def _paths(path: Path) -> Mapping[str, Path]:
    return {"xml": plain_path(base_of(path, _SUFFIX, ".xml"), _SUFFIX)}


def _lost(tracks: Tracks) -> tuple[str, ...]:
    return lost(tracks, "track gaps features labels")


def mamut_key(heading: str) -> str:
    """Return a column's key as ilastik names it in MaMuT's files.

    Examples
    --------
    >>> mamut_key("Bounding Box Minimum_0"), mamut_key("Size in pixels")
    ('Coord_Minimum_0', 'Count_0')
    """
    key = internal_name(heading).replace("<", "_").replace(">", "").replace(" ", "")
    return xml_name(key)


def track_colors(tracks: np.ndarray) -> np.ndarray:
    """Return a number 0..1 a track, far apart for neighbouring tracks, the same every time."""
    found: np.ndarray = (tracks * 0.6180339887498949) % 1.0
    return found


def write_tracks(where: Location, tracks: Tracks, options: TrackOptions) -> None:
    """Write the tracked objects as spots, and the links as edges of the earlier object's track.

    Parameters
    ----------
    where
        ``NAME_mamut.xml``, or the base name.
    tracks
        With centres and radii (pixels); objects of no track are left out.
    options
        ``big_data_viewer``, the XML of the images; ``overwrite``.

    Raises
    ------
    SettingsError
        Without the BigDataViewer XML, or without measurements.

    Source
    ------
    ilastik plugins_default/tracking_mamut_export.py (behaviour only). Colours of tracks are random
    there; here they follow from the number.
    """
    if not options.big_data_viewer:
        raise SettingsError(
            "Fiji-MaMuT needs the BigDataViewer XML of the images.",
            "Name it: --big_data_viewer_xml_file FILE.xml (Fiji exports it under BigDataViewer).",
        )
    rows = np.flatnonzero(tracks.tracked)
    columns, declared = _columns(tracks)
    columns = {k: v[rows] for k, v in columns.items()}
    with (
        staged_all(_paths(where.path), overwrite=options.overwrite) as parts,
        parts["xml"].open("w", encoding="utf-8", newline="\n") as file,
    ):
        file.write('<?xml version="1.0" encoding="UTF-8"?>\n<TrackMate version="2.7.0">\n')
        file.write('  <Model spatialunits="pixels" timeunits="frames">\n')
        file.write("    <FeatureDeclarations>\n")
        file.writelines(declarations("SpotFeatures", (*OWN, *declared)))
        file.writelines(declarations("EdgeFeatures", _EDGE))
        file.writelines(declarations("TrackFeatures", _TRACK))
        file.write("    </FeatureDeclarations>\n")
        bounds = np.searchsorted(tracks.t[rows], np.arange(tracks.frames + 1)).tolist()
        frames = [(t, slice(bounds[t], bounds[t + 1])) for t in range(tracks.frames)]
        names = [f"track-{n}" for n in tracks.track[rows].tolist()]
        file.writelines(spot_lines(frames, names, columns))
        group = tracks.track[tracks.link]
        file.writelines(track_lines(tracks, group, _about, _EDGE_ATTRIBUTES))
        file.write("  </Model>\n  <Settings>\n")
        file.write(_image(options.big_data_viewer))
        file.write(
            '    <InitialSpotFilter feature="QUALITY" value="0.0" isabove="true" />\n'
            "    <SpotFilterCollection />\n    <TrackFilterCollection />\n  </Settings>\n"
            '  <GUIState state="ConfigureViews" />\n</TrackMate>\n'
        )


def _columns(tracks: Tracks) -> tuple[dict[str, np.ndarray], list[Declared]]:
    n = len(tracks)
    places = positions(tracks, _WHAT)
    columns: dict[str, np.ndarray] = {
        "ID": np.arange(n),
        "VISIBILITY": np.ones(n, np.int64),
        "POSITION_T": tracks.t.astype(np.float64),
        "POSITION_Z": places[:, 2],
        "POSITION_Y": places[:, 1],
        "RADIUS": 2 * np.nan_to_num(needed(tracks, RADII, _WHAT)[0]),
        "FRAME": tracks.t,
        "POSITION_X": places[:, 0],
        "QUALITY": np.full(n, 3.0),
    }
    declared = []
    for heading, values in tracks.features.columns.items():
        key = mamut_key(heading)
        if values.dtype.kind not in "biuf" or "Histogram" in heading or key in columns:
            continue
        columns[key] = values.astype(np.float64)
        declared.append(Declared(key, heading, key))
    columns["Track_color"] = track_colors(tracks.track)
    columns["LabelimageId"] = tracks.label
    declared.append(Declared("LabelimageId", "LabelimageId", "labelid"))
    declared.append(Declared("Track_color", "Track_color", "trackcol"))
    return columns, declared


def _about(_: int, track: int) -> str:
    color = number(float(track_colors(np.array(track))))
    return f'TRACK_INDEX="{track}" Track_color="{color}"'


def _image(xml: str) -> str:
    path = Path(xml)
    return (
        f"    <ImageData filename={quoteattr(path.name)} folder={quoteattr(str(path.parent))} "
        'width="0" height="0" nslices="0" nframes="0" pixelwidth="1.0" pixelheight="1.0" '
        'voxeldepth="1.0" timeinterval="1.0" />\n'
    )


def _sniff(path: Path, head: bytes) -> bool:
    return b"<TrackMate" in head and path.name.lower().endswith(_SUFFIX)


FORMAT = Format(
    name="fiji-mamut",
    suffixes=(_SUFFIX,),
    title="a MaMuT file",
    sniff=_sniff,
    read_tracks=read_xml,
    write_tracks=write_tracks,
    track_paths=_paths,
    lost_tracks=_lost,
    track_needs=frozenset({"features"}),
)
