"""What MaMuT's and TrackMate's XML have in common: spots by frame, edges by track."""

from __future__ import annotations

import math
import re
from array import array
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from xml.sax.saxutils import quoteattr

import numpy as np

from fijibridge.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from fijibridge.model import Tracks

__all__ = [
    "OWN",
    "Declared",
    "Spots",
    "attributes",
    "declarations",
    "number",
    "read_spots",
    "spot_lines",
    "track_lines",
]

_MAX_BYTES = 1 << 34


@dataclass(frozen=True, slots=True)
class Declared:
    """A feature as both programs declare it."""

    key: str
    name: str
    short: str
    dimension: str = "NONE"
    whole: bool = False


#: What TrackMate itself measures and its window asks for.
OWN = (
    Declared("QUALITY", "Quality", "Quality", "QUALITY"),
    Declared("POSITION_X", "X", "X", "POSITION"),
    Declared("POSITION_Y", "Y", "Y", "POSITION"),
    Declared("POSITION_Z", "Z", "Z", "POSITION"),
    Declared("POSITION_T", "T", "T", "TIME"),
    Declared("FRAME", "Frame", "Frame", "NONE", whole=True),
    Declared("RADIUS", "Radius", "R", "LENGTH"),
    Declared("VISIBILITY", "Visibility", "Visibility", "NONE", whole=True),
)


def number(value: float) -> str:
    """Return a number as Java reads it; what is not finite is 0, as MaMuT's builder has it."""
    return repr(float(value)) if math.isfinite(value) else "0.0"


def declarations(kind: str, items: Iterable[Declared]) -> Iterator[str]:
    """Yield the lines of one list of features (``SpotFeatures``, …)."""
    yield f"      <{kind}>\n"
    for item in items:
        yield (
            f"        <Feature feature={quoteattr(item.key)} name={quoteattr(item.name)} "
            f"shortname={quoteattr(item.short)} dimension={quoteattr(item.dimension)} "
            f'isint="{str(item.whole).lower()}" />\n'
        )
    yield f"      </{kind}>\n"


def attributes(columns: Mapping[str, np.ndarray]) -> list[str]:
    """Return the attributes of every row as text: ``A="1" B="0.5"``."""
    texts = []
    for key, values in columns.items():
        if values.dtype.kind in "iub":
            cells = [str(v) for v in values.tolist()]
        else:
            cells = [number(v) for v in values.tolist()]
        texts.append([f'{key}="{cell}"' for cell in cells])
    return [" ".join(row) for row in zip(*texts, strict=True)] if texts else []


def spot_lines(
    frames: Iterable[tuple[int, slice]],
    names: Sequence[str],
    columns: Mapping[str, np.ndarray],
    ends: Callable[[int, slice], Sequence[str]] | None = None,
) -> Iterator[str]:
    """Yield the lines of ``AllSpots``, frame by frame; columns have one row a spot.

    `ends` gives for (frame, rows) what follows the attributes of each spot, instead of `` />``.
    """
    count = len(names)
    yield f'    <AllSpots nspots="{count}">\n'
    for t, rows in frames:
        part = {k: v[rows] for k, v in columns.items()}
        lines = attributes(part)
        if not lines:
            continue
        yield f'      <SpotsInFrame frame="{t}">\n'
        tails = [" />"] * len(lines) if ends is None else ends(t, rows)
        yield "".join(
            [
                f"        <Spot name={quoteattr(n)} {line}{tail}\n"
                for n, line, tail in zip(names[rows], lines, tails, strict=True)
            ]
        )
        yield "      </SpotsInFrame>\n"
    yield "    </AllSpots>\n"


def track_lines(
    tracks: Tracks, group: np.ndarray, about: Callable[[int, int], str], edge: str
) -> Iterator[str]:
    """Yield ``AllTracks`` and ``FilteredTracks``; MaMuT refuses tracks without edges: left out.

    Parameters
    ----------
    tracks
        Their links are the edges.
    group
        (n,) number of the program's track that the edge to an object belongs to.
    about
        Given the place of a track and its number, more attributes of it.
    edge
        More attributes of every edge.
    """
    target = np.flatnonzero(tracks.link >= 0)
    target = target[np.argsort(group[target], kind="stable")]
    source = tracks.link[target]
    numbers, first = np.unique(group[target], return_index=True)
    bounds = np.append(first, len(target)).tolist()
    yield "    <AllTracks>\n"
    for i, track in enumerate(numbers.tolist()):
        yield f'      <Track name="Track_{track}" TRACK_ID="{track}" {about(i, track)}>\n'
        rows = slice(bounds[i], bounds[i + 1])
        pairs = zip(source[rows].tolist(), target[rows].tolist(), strict=True)
        yield "".join(
            [
                f'        <Edge SPOT_SOURCE_ID="{a}" SPOT_TARGET_ID="{b}" {edge} />\n'
                for a, b in pairs
            ]
        )
        yield "      </Track>\n"
    yield "    </AllTracks>\n    <FilteredTracks>\n"
    yield "".join(f'      <TrackID TRACK_ID="{track}" />\n' for track in numbers.tolist())
    yield "    </FilteredTracks>\n"


@dataclass(slots=True)
class Spots:
    """What was read: spots, edges by track, and what the image was.

    Parameters
    ----------
    ids, frames, names
        One a spot.
    columns
        Attribute -> values, NaN where a spot has none.
    edges
        (m, 2) ids as (source, target).
    edge_tracks
        (m,) TRACK_ID of each edge.
    units
        Units of space and time.
    image
        Attributes of ImageData.
    root
        Name and version of the program.
    """

    ids: np.ndarray
    frames: np.ndarray
    names: list[str]
    columns: dict[str, np.ndarray]
    edges: np.ndarray
    edge_tracks: np.ndarray
    units: tuple[str, str] = ("pixel", "frame")
    image: dict[str, str] = field(default_factory=dict)
    root: str = ""


def read_spots(path: Path) -> Spots:
    """Read spots and edges; what is read is kept as numbers, nothing as elements.

    Raises
    ------
    FormatError
        When it is no XML, has a document type, or ids are no numbers.
    """
    from xml.parsers import expat

    if path.stat().st_size > _MAX_BYTES:
        raise FormatError(f"{str(path)!r} is too large.")
    found = _Reading()

    def refuse(*_: object) -> None:
        # entities can make a small file fill the memory
        raise FormatError(
            f"{str(path)!r} has a document type, which TrackMate's files have not.",
            "It may be harmful; take the <!DOCTYPE …> out if you know where it is from.",
        )

    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = refuse
    parser.StartElementHandler = found.begin
    try:
        with path.open("rb") as file:
            parser.ParseFile(file)
    except expat.ExpatError as error:
        raise FormatError(
            f"{str(path)!r} is no sound XML: {error}.", "Copy it again from its source."
        ) from error
    count = len(found.ids)
    return Spots(
        ids=np.array(found.ids, np.int64),
        frames=np.array(found.frames, np.int64),
        names=found.names,
        columns={k: _column(v, count) for k, v in found.columns.items()},
        edges=np.array(found.edges, np.int64).reshape(-1, 2),
        edge_tracks=np.array(found.tracks, np.int64),
        units=found.units,
        image=found.image,
        root=found.root,
    )


class _Reading:
    """What has been read so far; columns are as long as their last spot."""

    def __init__(self) -> None:
        self.ids = array("q")
        self.frames = array("q")
        self.names: list[str] = []
        self.columns: dict[str, array[float]] = {}
        self.edges = array("q")
        self.tracks = array("q")
        self.units = ("pixel", "frame")
        self.image: dict[str, str] = {}
        self.root = ""
        self._frame, self._track = 0, -1

    def begin(self, tag: str, about: dict[str, str]) -> None:
        """Take the beginning of an element."""
        if tag == "Spot":
            self._spot(about)
        elif tag == "Edge":
            self.edges.append(int(about["SPOT_SOURCE_ID"]))
            self.edges.append(int(about["SPOT_TARGET_ID"]))
            self.tracks.append(self._track)
        elif tag == "SpotsInFrame":
            self._frame = int(about.get("frame", "0"))
        elif tag == "Track":
            self._track = int(about.get("TRACK_ID", "-1"))
        elif tag == "Model":
            self.units = (about.get("spatialunits", "pixel"), about.get("timeunits", "frame"))
        elif tag == "ImageData":
            self.image = about
        elif not self.root:
            self.root = f"{tag} {about.get('version', '')}".strip()

    def _spot(self, about: dict[str, str]) -> None:
        row = len(self.ids)
        name = about.pop("name", "")
        if "ID" not in about:
            raise ValueError(f"the spot {name!r} has no ID")
        self.ids.append(int(about.pop("ID")))
        self.frames.append(self._frame)
        self.names.append(name)
        about.pop("ROI_N_POINTS", None)
        columns = self.columns
        for key, text in about.items():
            column = columns.get(key)
            if column is None:
                column = columns[key] = array("d")
            if len(column) < row:
                column.extend([math.nan] * (row - len(column)))
            try:
                column.append(float(text))
            except ValueError:
                column.append(math.nan)


def _column(values: array[float], count: int) -> np.ndarray:
    out = np.full(count, np.nan)
    out[: len(values)] = values
    return out


def xml_name(text: str) -> str:
    """Return a text as the name of an attribute."""
    name = re.sub(r"[^A-Za-z0-9_.\-]", "_", text)
    return name if re.match(r"[A-Za-z_]", name) else f"_{name}"
