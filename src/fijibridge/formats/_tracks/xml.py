"""What MaMuT's and TrackMate's XML have in common: spots by frame, edges by track."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from xml.sax.saxutils import quoteattr

import numpy as np

from fijibridge.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

__all__ = ["Declared", "Spots", "attributes", "declarations", "number", "read_spots", "spot_lines"]

_MAX_BYTES = 1 << 34


@dataclass(frozen=True, slots=True)
class Declared:
    """A feature as both programs declare it."""

    key: str
    name: str
    short: str
    dimension: str = "NONE"
    whole: bool = False


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
    frames: Iterable[tuple[int, slice]], names: Sequence[str], columns: Mapping[str, np.ndarray]
) -> Iterator[str]:
    """Yield the lines of ``AllSpots``, frame by frame; columns have one row a spot."""
    count = len(names)
    yield f'    <AllSpots nspots="{count}">\n'
    for t, rows in frames:
        part = {k: v[rows] for k, v in columns.items()}
        lines = attributes(part)
        if not lines:
            continue
        yield f'      <SpotsInFrame frame="{t}">\n'
        yield "".join(
            [
                f"        <Spot name={quoteattr(n)} {line} />\n"
                for n, line in zip(names[rows], lines, strict=True)
            ]
        )
        yield "      </SpotsInFrame>\n"
    yield "    </AllSpots>\n"


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


def _refuse_entities(path: Path) -> None:
    """Refuse a document type: entities can make a small file fill the memory."""
    with path.open("rb") as file:
        head = file.read(4096)
        file.seek(0, 2)
        if file.tell() > _MAX_BYTES:
            raise FormatError(f"{str(path)!r} is too large.")
    if b"<!DOCTYPE" in head or b"<!ENTITY" in head:
        raise FormatError(
            f"{str(path)!r} has a document type, which TrackMate's files have not.",
            "It may be harmful; take the <!DOCTYPE …> out if you know where it is from.",
        )


def read_spots(path: Path) -> Spots:
    """Read spots and edges; elements are let go of as soon as they are read.

    Raises
    ------
    FormatError
        When it is no XML, or ids are no numbers.
    """
    from xml.etree import ElementTree as ET

    _refuse_entities(path)
    found = _Reading()
    try:
        for event, item in ET.iterparse(path, ("start", "end")):  # noqa: S314  # no entities
            if event == "start":
                found.begin(str(item.tag), item.attrib)
            else:
                found.end(str(item.tag), item.attrib)
                item.clear()
    except ET.ParseError as error:
        raise FormatError(
            f"{str(path)!r} is no sound XML: {error}.", "Copy it again from its source."
        ) from error
    return Spots(
        ids=np.array(found.ids, np.int64),
        frames=np.array(found.frames, np.int64),
        names=found.names,
        columns={k: _column(v, len(found.ids)) for k, v in found.cells.items()},
        edges=np.array(found.edges, np.int64).reshape(-1, 2),
        edge_tracks=np.array(found.tracks, np.int64),
        units=found.units,
        image=found.image,
        root=found.root,
    )


class _Reading:
    """What has been read so far."""

    def __init__(self) -> None:
        self.ids: list[int] = []
        self.frames: list[int] = []
        self.names: list[str] = []
        self.cells: dict[str, dict[int, float]] = {}
        self.edges: list[tuple[int, int]] = []
        self.tracks: list[int] = []
        self.units = ("pixel", "frame")
        self.image: dict[str, str] = {}
        self.root = ""
        self._frame, self._track = 0, -1

    def begin(self, tag: str, about: Mapping[str, str]) -> None:
        """Take the beginning of an element."""
        if tag == "SpotsInFrame":
            self._frame = int(about.get("frame", "0"))
        elif tag == "Track":
            self._track = int(about.get("TRACK_ID", "-1"))
        elif tag == "Model":
            self.units = (about.get("spatialunits", "pixel"), about.get("timeunits", "frame"))
        elif not self.root:
            self.root = f"{tag} {about.get('version', '')}".strip()

    def end(self, tag: str, about: Mapping[str, str]) -> None:
        """Take a whole element."""
        if tag == "Spot":
            row = len(self.ids)
            if "ID" not in about:
                raise ValueError(f"the spot {about.get('name', '')!r} has no ID")
            for key, text in about.items():
                if key not in ("ID", "name", "ROI_N_POINTS"):
                    self.cells.setdefault(key, {})[row] = _float(text)
            self.ids.append(int(about["ID"]))
            self.frames.append(self._frame)
            self.names.append(about.get("name", ""))
        elif tag == "Edge":
            pair = (int(about["SPOT_SOURCE_ID"]), int(about["SPOT_TARGET_ID"]))
            self.edges.append(pair)
            self.tracks.append(self._track)
        elif tag == "ImageData":
            self.image = dict(about)


def _float(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _column(cells: Mapping[int, float], count: int) -> np.ndarray:
    out = np.full(count, np.nan)
    out[np.fromiter(cells.keys(), np.int64, len(cells))] = np.fromiter(
        cells.values(), np.float64, len(cells)
    )
    return out


def xml_name(text: str) -> str:
    """Return a text as the name of an attribute."""
    name = re.sub(r"[^A-Za-z0-9_.\-]", "_", text)
    return name if re.match(r"[A-Za-z_]", name) else f"_{name}"
