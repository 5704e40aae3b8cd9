"""What a file format is to fijibridge: a record of functions and limits."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    import numpy as np

    from fijibridge.formats._location import Location
    from fijibridge.model import (
        ImageSink,
        ImageSource,
        ImageSpec,
        ResultsTable,
        RoiSet,
        Role,
        Tracks,
    )

__all__ = ["Finding", "Format", "ReadOptions", "TrackOptions", "WriteOptions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOptions:
    """What a user may say about a file that the file does not say itself.

    Parameters
    ----------
    axes
        Letters of the axes, C order; None = as the file says.
    role
        None = as the file says, else intensity.
    level
        Level of a multiscale file, by number (0 = largest) or name.
    """

    axes: str | None = None
    role: Role | None = None
    level: int | str = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteOptions:
    """How a file is written.

    Parameters
    ----------
    overwrite
        Replace an existing target.
    lut
        ``glasbey`` gives label images a colour table where the format can hold one.
    compression
        Codec name of the format; None = the format's default.
    version
        Version of the format (OME-Zarr ``0.4`` or ``0.5``); None = the default.
    chunks
        Chunk shape in the order of the axes; None = the format's choice.
    downscale
        Interpolation of pyramids; None = by role.
    levels
        How many levels a pyramid has at most; None = the format's choice.
    layout
        ``ilastik``: an OME-Zarr as ilastik's exporter writes it.
    """

    overwrite: bool = False
    lut: Literal["glasbey", "none"] = "glasbey"
    compression: str | None = None
    version: str | None = None
    chunks: tuple[int, ...] | None = None
    downscale: Literal["linear", "mean", "nearest"] | None = None
    levels: int | None = None
    layout: Literal["", "ilastik"] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackOptions:
    """How tracks are written.

    Parameters
    ----------
    overwrite
        Replace existing targets.
    labels
        The label images that the tracks are of; None = there are none.
    raw
        The images that were segmented; None = there are none.
    big_data_viewer
        Path of the BigDataViewer XML that MaMuT opens.
    compat
        Keep what current ilastik does where that makes files other programs refuse.
    outlines
        Frame -> label -> outline (m, 2) x, y at the corners of pixels, of objects in the plane;
        None = nobody traces them.
    """

    overwrite: bool = False
    labels: ImageSource | None = None
    raw: ImageSource | None = None
    big_data_viewer: str = ""
    compat: bool = False
    outlines: Callable[[int], Mapping[int, np.ndarray]] | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that `validate` found: how bad, what, and what to do."""

    severity: Literal["error", "warning", "note"]
    message: str


class OpenImage(Protocol):
    """Open an image lazily."""

    def __call__(self, where: Location, options: ReadOptions, /) -> ImageSource: ...


class CreateImage(Protocol):
    """Start writing an image."""

    def __call__(self, where: Location, spec: ImageSpec, options: WriteOptions, /) -> ImageSink: ...


class ReadTable(Protocol):
    """Read a whole table."""

    def __call__(self, where: Location, /) -> ResultsTable: ...


class WriteTable(Protocol):
    """Write a whole table; appears whole or not at all."""

    def __call__(self, where: Location, table: ResultsTable, options: WriteOptions, /) -> None: ...


class ReadRois(Protocol):
    """Read a whole ROI set."""

    def __call__(self, where: Location, /) -> RoiSet: ...


class WriteRois(Protocol):
    """Write a whole ROI set; appears whole or not at all."""

    def __call__(self, where: Location, rois: RoiSet, options: WriteOptions, /) -> None: ...


class ReadTracks(Protocol):
    """Read whole tracks."""

    def __call__(self, where: Location, /) -> Tracks: ...


class WriteTracks(Protocol):
    """Write whole tracks; all files appear, or none."""

    def __call__(self, where: Location, tracks: Tracks, options: TrackOptions, /) -> None: ...


class TrackPaths(Protocol):
    """The files that tracks are written to, from what is typed: what -> path."""

    def __call__(self, path: Path, /) -> Mapping[str, Path]: ...


class LostTracks(Protocol):
    """What the format cannot hold of some tracks, one line each; nothing is written."""

    def __call__(self, tracks: Tracks, /) -> tuple[str, ...]: ...


class TrackLabels(Protocol):
    """Open the label images that are among the files of tracks."""

    def __call__(self, where: Location, /) -> ImageSource: ...


class CheckImage(Protocol):
    """Raise UnsupportedError when the format cannot hold an image."""

    def __call__(self, spec: ImageSpec, options: WriteOptions, /) -> None: ...


class CheckLabelMax(Protocol):
    """Raise UnsupportedError when the format cannot hold labels up to `largest`."""

    def __call__(self, largest: int, /) -> None: ...


class Describe(Protocol):
    """What the file holds, as plain JSON values, for `info`."""

    def __call__(self, where: Location, /) -> dict[str, Any]: ...


class Validate(Protocol):
    """Everything that is wrong with a file, for `validate`."""

    def __call__(self, where: Location, /) -> list[Finding]: ...


class Sniff(Protocol):
    """Whether a file is of this format, from its path and its first bytes (empty for folders)."""

    def __call__(self, path: Path, head: bytes, /) -> bool: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """A file format. A function that is None is a thing the format cannot do.

    Parameters
    ----------
    name
        The field's name, lower case: ``imagej tiff``, ``ome-zarr``, ``roi zip``.
    suffixes
        File name endings, lower case with the dot; the first one is the usual one.
    title
        One line for people.
    dtypes
        dtypes of pixels it can hold (numpy names); empty = it holds no images.
    lossy
        Pixels change: no label images.
    container
        The path goes on inside the file (``a.h5/raw``).
    folder
        The "file" is a directory.
    extra
        The pip extra that it needs, "" for the core.
    track_needs
        What its tracks are written from: ``labels``, ``raw``, ``features``.
    """

    name: str
    suffixes: tuple[str, ...]
    title: str
    sniff: Sniff | None = None
    open_image: OpenImage | None = None
    create_image: CreateImage | None = None
    check_image: CheckImage | None = None
    check_label_max: CheckLabelMax | None = None
    read_table: ReadTable | None = None
    write_table: WriteTable | None = None
    read_rois: ReadRois | None = None
    write_rois: WriteRois | None = None
    read_tracks: ReadTracks | None = None
    write_tracks: WriteTracks | None = None
    track_paths: TrackPaths | None = None
    lost_tracks: LostTracks | None = None
    track_labels: TrackLabels | None = None
    describe: Describe | None = None
    validate: Validate | None = None
    dtypes: frozenset[str] = field(default_factory=frozenset)
    lossy: bool = False
    container: bool = False
    folder: bool = False
    extra: str = ""
    track_needs: frozenset[str] = field(default_factory=frozenset)
