"""The shelf: every file format, and reading and writing whole values through them.

A new format is one module ending in ``FORMAT = Format(...)`` and one line in `MODULES`; a module
with several flavours of one file ends in ``FORMATS = (...)``.
"""

from __future__ import annotations

import functools
import importlib
from typing import TYPE_CHECKING, Literal

from fijibridge.errors import FormatError, SettingsError, UnsupportedError, nearest
from fijibridge.formats._format import (
    Finding,
    Format,
    ReadOptions,
    TrackOptions,
    WriteOptions,
)
from fijibridge.formats._location import Location
from fijibridge.formats._target import (
    Staged,
    check_target,
    hidden_name,
    missing_folders,
    remove_folders,
    remove_leftovers,
    staged,
)
from fijibridge.formats._values import as_image, as_rois, as_table, named_options
from fijibridge.model import Image, LabelImage, Region

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence
    from pathlib import Path

    import pandas as pd
    from numpy.typing import ArrayLike

    from fijibridge.model import ImageSource, ResultsTable, Roi, RoiSet, Tracks

__all__ = [
    "MODULES",
    "Finding",
    "Format",
    "Kind",
    "Location",
    "ReadOptions",
    "Staged",
    "TrackOptions",
    "WriteOptions",
    "all_formats",
    "check_target",
    "format_for_reading",
    "format_for_writing",
    "hidden_name",
    "missing_folders",
    "open_image",
    "read_image",
    "read_labels",
    "read_rois",
    "read_table",
    "read_tracks",
    "remove_folders",
    "remove_leftovers",
    "staged",
    "write_image",
    "write_labels",
    "write_rois",
    "write_table",
    "write_tracks",
]

Kind = Literal["image", "table", "rois", "tracks"]

#: One line a format; where two know a suffix, the first that recognises the file reads it and the
#: first that can hold the value writes it.
MODULES: tuple[str, ...] = (
    "roi",
    "roizip",
    "tiff",
    "ometiff",
    "npy",
    "raster",
    "hdr",
    "sunraster",
    "viff",
    "hdf5",
    "omezarr",
    "n5",
    "nifti",
    "dicom",
    "dvid",
    "precomputed",
    "csv",
    "parquet",
    "xlsx",
    "ilastik_tables",
    "geojson",
    "tracks_csv",
    "tracks_ctc",
    "tracks_contours",
    "tracks_mwt",
    "tracks_json",
    "tracks_events",
    "tracks_mamut",
    "tracks_trackmate",
    "tracks_spots",
    "tracks_geff",
    "tracks_napari",
)

_READ = {"image": "open_image", "table": "read_table", "rois": "read_rois", "tracks": "read_tracks"}
_WRITE = {
    "image": "create_image",
    "table": "write_table",
    "rois": "write_rois",
    "tracks": "write_tracks",
}
_WORD = {"image": "images", "table": "tables", "rois": "ROI sets", "tracks": "tracks"}


@functools.cache
def all_formats() -> tuple[Format, ...]:
    """Return every format, in the order of the shelf."""
    modules = [importlib.import_module(f"{__name__}.{m}") for m in MODULES]
    return tuple(f for m in modules for f in getattr(m, "FORMATS", None) or (m.FORMAT,))


def _head(path: Path) -> bytes:
    try:
        if path.is_dir():
            return b""
        with path.open("rb") as file:
            return file.read(4096)
    except FileNotFoundError:
        raise FormatError(
            f"There is no file {str(path)!r}.", "Check the path, or quote it when it holds spaces."
        ) from None
    except OSError as error:
        raise FormatError(f"{str(path)!r} cannot be read: {error.strerror or error}.") from error


def format_for_reading(where: Location, kind: Kind) -> Format:
    """Return the format that reads `kind` from a file.

    Raises
    ------
    FormatError
        When there is no such file, or no format knows it.
    UnsupportedError
        When the format is known but holds no such thing.
    """
    head = _head(where.path)
    known: list[Format] = []
    for fmt in all_formats():
        by_name = where.suffix in fmt.suffixes or where.path.suffix.lower() in fmt.suffixes
        hit = fmt.sniff(where.path, head) if fmt.sniff is not None else by_name
        if hit:
            known.append(fmt)
            if getattr(fmt, _READ[kind]) is not None:
                return fmt
    if known:
        raise UnsupportedError(
            f"{str(where)!r} is {known[0].title}, which holds no {_WORD[kind]}.",
            f"Files with {_WORD[kind]}: {', '.join(_suffixes(_READ[kind]))}.",
        )
    if not head and where.path.is_file():
        raise FormatError(
            f"{str(where)!r} is empty: it has 0 bytes.", "Copy the file again from its source."
        )
    if head and any(where.suffix in f.suffixes for f in all_formats()):
        raise FormatError(
            f"{str(where)!r} has the suffix {where.suffix}, but is in no format that is known "
            f"here: it begins with {head[:8]!r}.",
            "Check whether the suffix is right, or copy the file again from its source.",
        )
    a_folder = "is a folder, and " if where.path.is_dir() else "is "
    raise FormatError(
        f"{str(where)!r} {a_folder}in no format that is known here.",
        f"Files with {_WORD[kind]}: {', '.join(_suffixes(_READ[kind]))}.",
    )


def format_for_writing(where: Location, kind: Kind, to: str | None = None) -> Format:
    """Return the format that a target's suffix, or `to`, names.

    Raises
    ------
    SettingsError
        When no format of that name or suffix writes `kind`, or name and suffix disagree.
    """
    function = _WRITE[kind]
    able = [fmt for fmt in all_formats() if getattr(fmt, function) is not None]
    fitting = [
        fmt
        for fmt in able
        if where.suffix in fmt.suffixes or where.path.suffix.lower() in fmt.suffixes
    ]
    # ".ome.tif" is more than ".tif"
    fitting.sort(key=lambda fmt: where.suffix not in fmt.suffixes)
    if to is None:
        if fitting:
            return fitting[0]
        others = [f for f in all_formats() if where.suffix in f.suffixes]
        if others:
            raise UnsupportedError(
                f"The target {str(where)!r} is {others[0].title}, which holds no {_WORD[kind]}.",
                f"Suffixes for {_WORD[kind]}: {', '.join(_suffixes(function))}.",
            )
        raise SettingsError(
            f"The target {str(where)!r} has no suffix that names a format.",
            f"Suffixes for {_WORD[kind]}: {', '.join(_suffixes(function))}.",
        )
    named = [fmt for fmt in able if fmt.name == to.lower()]
    if not named:
        names = [fmt.name for fmt in able]
        raise SettingsError(
            f"There is no format {to!r} for {_WORD[kind]}.{nearest(to, names)}",
            f"Formats: {', '.join(names)}.",
        )
    if fitting and named[0] not in fitting:
        raise SettingsError(
            f"The format {to!r} does not fit the suffix of {str(where)!r}.",
            f"Use {named[0].suffixes[0]}." if named[0].suffixes else "Name a place on its server.",
        )
    return named[0]


def _suffixes(function: str) -> list[str]:
    found: dict[str, None] = {}
    for fmt in all_formats():
        if getattr(fmt, function) is not None:
            found.update(dict.fromkeys(fmt.suffixes))
    return list(found)


def open_image(path: str | os.PathLike[str] | Location, **options: object) -> ImageSource:
    """Open an image lazily.

    Parameters
    ----------
    path
        File or store; may go on inside it (``a.h5/raw``).
    **options
        Fields of `ReadOptions`: ``axes``, ``role``, ``level``.

    Raises
    ------
    FormatError
        When the file is missing or broken.
    """
    where = Location.parse(path)
    fmt = format_for_reading(where, "image")
    assert fmt.open_image is not None  # noqa: S101  # format_for_reading chose it for that
    return fmt.open_image(where, named_options(ReadOptions, options))


def read_image(path: str | os.PathLike[str] | Location, **options: object) -> Image:
    """Read a whole image into memory; parameters as in `open_image`."""
    source = open_image(path, **options)
    try:
        return Image(source.read(Region.whole(source.spec.shape)), source.spec)
    finally:
        source.close()


def read_labels(path: str | os.PathLike[str] | Location, **options: object) -> LabelImage:
    """Read a whole label image; a channel axis of size 1 is dropped.

    Raises
    ------
    SettingsError
        When the image holds no labels: negative or fractional values, several channels.
    """
    image = read_image(path, **{**options, "role": "labels"})
    if image.axes.size("c") == 1 and "c" in image.axes:
        image = image.reorder(image.axes.keys.replace("c", ""))
    try:
        return LabelImage.from_array(
            image.data, image.axes, name=image.name, extra=image.spec.extra
        )
    except SettingsError as error:
        text = error.message.replace("the array", repr(str(Location.parse(path))))
        raise SettingsError(text, error.hint) from None


def read_table(path: str | os.PathLike[str] | Location) -> ResultsTable:
    """Read a whole table."""
    where = Location.parse(path)
    fmt = format_for_reading(where, "table")
    assert fmt.read_table is not None  # noqa: S101  # format_for_reading chose it for that
    return fmt.read_table(where)


def read_rois(path: str | os.PathLike[str] | Location) -> RoiSet:
    """Read a whole ROI set."""
    where = Location.parse(path)
    fmt = format_for_reading(where, "rois")
    assert fmt.read_rois is not None  # noqa: S101  # format_for_reading chose it for that
    return fmt.read_rois(where)


def read_tracks(path: str | os.PathLike[str] | Location) -> Tracks:
    """Read whole tracks: Cell Tracking Challenge, TrackMate, geff, ilastik's exports.

    Raises
    ------
    FormatError
        When the file is missing or broken; one error for all faults, the first ten by name.
    """
    where = Location.parse(path)
    fmt = format_for_reading(where, "tracks")
    assert fmt.read_tracks is not None  # noqa: S101  # format_for_reading chose it for that
    return fmt.read_tracks(where)


def write_image(
    image: Image | ArrayLike,
    path: str | os.PathLike[str] | Location,
    *,
    to: str | None = None,
    axes: str | None = None,
    **options: object,
) -> None:
    """Write a whole image; the format follows the suffix.

    Parameters
    ----------
    image
        What to write: an Image, or an array with `axes`.
    path
        The target; may go on inside a container (``a.h5/raw``).
    to
        Name of the format where the suffix fits several.
    axes
        Letters of the axes of an array, C order; an array of two dimensions is ``yx``.
    **options
        Fields of `WriteOptions`, such as ``overwrite=True``.

    Raises
    ------
    SettingsError
        When the target exists or cannot be written.
    UnsupportedError
        When the format cannot hold the image.
    """
    image = as_image(image, axes, "intensity")
    where = Location.parse(path)
    fmt = format_for_writing(where, "image", to)
    chosen = named_options(WriteOptions, options)
    if image.spec.role == "labels":
        check_holds_labels(fmt, image)
    if fmt.check_image is not None:
        fmt.check_image(image.spec, chosen)
    assert fmt.create_image is not None  # noqa: S101  # format_for_writing chose it for that
    sink = fmt.create_image(where, image.spec, chosen)
    try:
        sink.write(Region.whole(image.shape), image.data)
        sink.commit()
    except BaseException:
        sink.abort()
        raise


def check_holds_labels(fmt: Format, image: Image) -> None:
    """Raise UnsupportedError when a format would change labels."""
    if fmt.lossy:
        raise UnsupportedError(
            f"{fmt.title} changes pixel values, so labels would be lost.",
            "Use .tif, .png, .h5 or .ome.zarr for label images.",
        )
    if fmt.check_label_max is not None:
        fmt.check_label_max(int(image.data.max()) if image.data.size else 0)


def write_labels(
    labels: Image | ArrayLike,
    path: str | os.PathLike[str] | Location,
    *,
    to: str | None = None,
    axes: str | None = None,
    **options: object,
) -> None:
    """Write a whole label image; parameters as in `write_image`.

    Raises
    ------
    SettingsError
        When they are no labels: negative or fractional values, several channels.
    """
    write_image(as_image(labels, axes, "labels"), path, to=to, **options)  # type: ignore[arg-type]  # names are checked there


def write_table(
    table: ResultsTable | pd.DataFrame,
    path: str | os.PathLike[str] | Location,
    *,
    to: str | None = None,
    **options: object,
) -> None:
    """Write a whole table; parameters as in `write_image`."""
    where = Location.parse(path)
    fmt = format_for_writing(where, "table", to)
    assert fmt.write_table is not None  # noqa: S101  # format_for_writing chose it for that
    fmt.write_table(where, as_table(table), named_options(WriteOptions, options))


def write_rois(
    rois: RoiSet | Sequence[Roi],
    path: str | os.PathLike[str] | Location,
    *,
    to: str | None = None,
    **options: object,
) -> None:
    """Write a whole ROI set; parameters as in `write_image`."""
    where = Location.parse(path)
    fmt = format_for_writing(where, "rois", to)
    assert fmt.write_rois is not None  # noqa: S101  # format_for_writing chose it for that
    fmt.write_rois(where, as_rois(rois), named_options(WriteOptions, options))


def write_tracks(
    tracks: Tracks,
    path: str | os.PathLike[str] | Location,
    *,
    to: str | None = None,
    **options: object,
) -> None:
    """Write whole tracks; what the format cannot hold is left out (see `Format.lost_tracks`).

    Parameters
    ----------
    tracks
        The tracks, with the measurements that the format needs.
    path
        The target, or the base name to which the format adds its suffix.
    to
        Name of the format: those of ilastik's plug-ins (``CSV-Table``, ``CellTrackingChallenge``,
        …) and others; None = by the suffix.
    **options
        Fields of `TrackOptions`: ``labels``, ``raw``, ``overwrite``, …
    """
    where = Location.parse(path)
    fmt = format_for_writing(where, "tracks", to)
    assert fmt.write_tracks is not None  # noqa: S101  # format_for_writing chose it for that
    fmt.write_tracks(where, tracks, named_options(TrackOptions, options))
