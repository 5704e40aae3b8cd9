"""``tracks LABELS --links FILE --export_plugin NAME``: label images and links into any layout.

LABELS may be a tracking file or folder itself, so any tracking format becomes any other.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fijibridge.errors import SettingsError
from fijibridge.ops._inputs import check_sources, folder_of, nickname
from fijibridge.ops._kinds import PATH, TEXT
from fijibridge.ops._operation import Job, JobReport, Operation, Plan
from fijibridge.ops._record import SUFFIX
from fijibridge.ops._settings import setting, settings
from fijibridge.ops._targets import named
from fijibridge.ops._track_api import SPELLED, find_plugin, measured_tracks
from fijibridge.ops._track_input import open_movie, track_format
from fijibridge.ops._track_output import IMAGES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fijibridge.formats import Format
    from fijibridge.model import ImageSource, Tracks
    from fijibridge.ops._operation import Context

__all__ = ["OPERATION", "TracksSettings"]

_PLUGIN = "Plugin"
_NAME = "{dataset_dir}/{nickname}_{result_type}"
_IN = "what is read"
_OUT = "what is written"


@settings
class TracksSettings:
    """Settings of ``tracks``."""

    labels: str = setting(
        kind=PATH,
        metavar="LABELS",
        positional=True,
        aliases=("input",),
        group=_IN,
        help="label images (a file, or a quoted pattern with one file a frame), or a tracking file "
        "or folder",
    )
    links: str | None = setting(
        None,
        kind=PATH,
        metavar="FILE",
        group=_IN,
        help="table with frame (from 0), label, and parent (label in the frame before, or in "
        "parent_frame) or track; or any tracking file",
    )
    raw_data: str | None = setting(
        None, kind=PATH, metavar="FILE", group=_IN, help="the images that were segmented"
    )
    features: str | None = setting(
        None,
        kind=PATH,
        metavar="FILE",
        group=_IN,
        help="table of measurements, joined by frame and label (ilastik's, ImageJ's, …)",
    )
    axes: str | None = setting(
        None,
        kind=TEXT,
        metavar="LETTERS",
        group=_IN,
        aliases=("input_axes",),
        help="axes of the labels, such as tyx; with raw data two, parted by a comma",
    )
    export_plugin: str | None = setting(
        None,
        kind=TEXT,
        metavar="NAME",
        group=_OUT,
        help=f"layout: {', '.join(SPELLED)}, geff, napari",
    )
    export_source: str | None = setting(
        None,
        kind=TEXT,
        metavar="NAME",
        choices=(_PLUGIN, *IMAGES),
        group=_OUT,
        help=f"Plugin (the default), or an image: {', '.join(IMAGES)}",
    )
    output: str | None = setting(
        None,
        kind=PATH,
        metavar="FILE",
        group=_OUT,
        help="target or base name; {name} is the input's. Default: as --output_filename_format",
    )
    output_filename_format: str = setting(
        _NAME,
        kind=TEXT,
        metavar="PATTERN",
        group=_OUT,
        help="base name; {dataset_dir} {nickname} {result_type}",
    )
    rois: str | None = setting(
        None,
        kind=PATH,
        metavar="FILE",
        group=_OUT,
        help="outlines named and grouped by lineage and track, for the ROI Manager",
    )
    table: str | None = setting(
        None,
        kind=PATH,
        metavar="FILE",
        group=_OUT,
        help="one row an object: frame, label, track, lineage, parent, measurements",
    )
    big_data_viewer_xml_file: str | None = setting(
        None, kind=PATH, metavar="FILE", group=_OUT, help="images that MaMuT opens (Fiji-MaMuT)"
    )
    compat: str | None = setting(
        None,
        kind=TEXT,
        choices=("ilastik",),
        metavar="ilastik",
        group=_OUT,
        help="frames without tracked objects keep their labels (CellTrackingChallenge)",
    )

    def check(self) -> None:
        """Refuse what does not go together."""
        if self.export_plugin is not None and self.export_source in IMAGES:
            raise SettingsError(
                f"export_source {self.export_source!r} is an image; export_plugin "
                f"{self.export_plugin!r} writes tracks.",
                "Say one of them.",
            )
        if self.export_source == _PLUGIN and self.export_plugin is None:
            raise SettingsError(
                "export_source Plugin needs the name of the plug-in.",
                f"Add --export_plugin NAME: {', '.join(SPELLED)}.",
            )
        if not (self.export_plugin or self.export_source or self.rois or self.table):
            raise SettingsError(
                "tracks writes nothing: no output is named.",
                f"Add --export_plugin NAME ({', '.join(SPELLED)}, geff, napari), --rois or "
                "--table.",
            )


def _base(value: TracksSettings, result_type: str) -> str:
    from fijibridge.export.naming import InputName, expand

    if value.output is not None:
        return named(value.output, value.labels)
    name = InputName(dataset_dir=str(folder_of(value.labels)), nickname=nickname(value.labels))
    return expand(value.output_filename_format, name, result_type, {}, exact=False)


def _targets(value: TracksSettings) -> dict[str, str]:
    """Return what -> path of everything that is written."""
    from fijibridge.formats import Location, format_for_writing

    found: dict[str, str] = {}
    if value.export_plugin is not None:
        spelled, fmt = find_plugin(value.export_plugin)
        assert fmt.track_paths is not None  # noqa: S101  # all that write tracks have it
        paths = fmt.track_paths(Path(_base(value, spelled)))
        found |= {what: str(path) for what, path in paths.items()}
    elif value.export_source is not None:
        target = _base(value, value.export_source)
        if value.output is None:
            target += ".tif"
        format_for_writing(Location.parse(target), "image")
        found["image"] = target
    for what, kind in (("rois", "rois"), ("table", "table")):
        path = getattr(value, what)
        if path is not None:
            path = named(path, value.labels)
            format_for_writing(Location.parse(path), kind)  # type: ignore[arg-type]  # two of them
            found[f"{what} " if what in found else what] = path
    return found


def _run(value: TracksSettings, context: Context) -> Plan:
    targets = _targets(value)
    given = (value.labels, value.links, value.raw_data, value.features)
    sources = [path for path in given if path is not None]
    check_sources(sources)
    if value.links is None and track_format(value.labels) is None:
        raise SettingsError(
            f"{value.labels!r} holds no tracks, and no links are named.",
            "Add --links FILE: a table with frame, label and parent, or any tracking file.",
        )
    planned: dict[str, Any] = {}
    if context.options.dry_run:
        _, _, tracks = _load(value)
        planned = {"tracks": len(tracks.list), "objects": len(tracks)}
        lost = _lost(value, tracks)
        if lost:
            planned["lost"] = list(lost)
    first = next(iter(targets.values()))
    job = Job(
        title=value.labels,
        run=partial(_job, value, context),
        sources=tuple(sources),
        targets=targets,
        record=str(folder_of(first) / f"{nickname(value.labels)}{SUFFIX}"),
        planned=planned,
    )
    return Plan(jobs=(job,))


def _lost(value: TracksSettings, tracks: Tracks) -> tuple[str, ...]:
    if value.export_plugin is None:
        return ()
    spelled, fmt = find_plugin(value.export_plugin)
    if fmt.lost_tracks is None:
        return ()
    return tuple(f"{spelled} cannot hold: {line}" for line in fmt.lost_tracks(tracks))


def _load(value: TracksSettings) -> tuple[ImageSource | None, ImageSource | None, Tracks]:
    """Return labels, raw images and tracks, measured where an output asks for it."""
    axes, _, raw_axes = (value.axes or "").partition(",")
    own = track_format(value.labels)
    labels: ImageSource | None = None
    if own is None or own.track_labels is not None:
        labels = open_movie(value.labels, axes=axes.strip() or None)
    raw = None
    if value.raw_data is not None:
        raw = open_movie(value.raw_data, axes=(raw_axes or axes).strip() or None)
    fmt = None if value.export_plugin is None else find_plugin(value.export_plugin)[1]
    wants = fmt is not None and ("features" in fmt.track_needs or fmt.name == "csv-table")
    table = value.features
    tracks = measured_tracks(
        value.links or value.labels,
        labels,
        raw,
        measure=wants or value.table is not None,
    )
    if table is not None:
        from fijibridge.formats import read_table

        tracks = tracks.with_features(read_table(table))
    return labels, raw, tracks


def _job(value: TracksSettings, context: Context, _earlier: Mapping[str, JobReport]) -> JobReport:
    from fijibridge.formats import WriteOptions, write_rois, write_table
    from fijibridge.ops._track_output import track_rois as outlines
    from fijibridge.ops._track_output import write_track_image

    overwrite = context.options.overwrite
    labels, raw, tracks = _load(value)
    targets = _targets(value)
    notes = _lost(value, tracks)
    bare = len(tracks) - int(tracks.tracked.sum())
    if bare:
        word = "object is" if bare == 1 else "objects are"
        notes = (f"{bare} {word} of no track", *notes)
    try:
        if value.export_plugin is not None:
            _, fmt = find_plugin(value.export_plugin)
            _write(fmt, next(iter(targets.values())), tracks, labels, raw, value, overwrite)
        elif value.export_source is not None:
            write_track_image(
                value.export_source,
                targets["image"],
                tracks,
                _needed(labels, value.export_source),
                WriteOptions(overwrite=overwrite),
            )
        if value.rois is not None:
            found = outlines(tracks, _needed(labels, "--rois"))
            write_rois(found, named(value.rois, value.labels), overwrite=overwrite)
        if value.table is not None:
            write_table(tracks.to_table(), named(value.table, value.labels), overwrite=overwrite)
    finally:
        for source in (labels, raw):
            if source is not None:
                source.close()
    listed = tracks.list
    lines = len(set(listed.lineage.tolist()))
    data = {
        "objects": len(tracks),
        "tracks": len(listed),
        "lineages": lines,
        "divisions": int((tracks.children > 1).sum()),
        "frames": tracks.frames,
    }
    line = (
        f"{value.labels}: {len(tracks)} objects, {len(listed)} tracks in {lines} lineages, "
        f"{data['divisions']} divisions"
    )
    return JobReport(line=line, data=data, notes=notes, value=tracks)


def _needed(labels: ImageSource | None, what: str) -> ImageSource:
    if labels is None:
        raise SettingsError(
            f"{what} is made from label images, and there are none.",
            "Name them: fijibridge tracks LABELS --links FILE.",
        )
    return labels


def _write(
    fmt: Format,
    target: str,
    tracks: Tracks,
    labels: ImageSource | None,
    raw: ImageSource | None,
    value: TracksSettings,
    overwrite: bool,
) -> None:
    from fijibridge.formats import Location, TrackOptions
    from fijibridge.ops._track_output import frame_outlines

    assert fmt.write_tracks is not None  # noqa: S101  # find_plugin chose it
    options = TrackOptions(
        overwrite=overwrite,
        labels=labels,
        raw=raw,
        big_data_viewer=value.big_data_viewer_xml_file or "",
        compat=value.compat is not None,
        outlines=frame_outlines(labels),
    )
    fmt.write_tracks(Location(Path(target)), tracks, options)


OPERATION = Operation(
    name="tracks",
    menu="",
    summary="label images and links into every tracking format, and back",
    settings=TracksSettings,
    run=_run,
    targets=("output", "rois", "table"),
    examples=(
        "fijibridge tracks labels.tif --links links.csv --export_plugin CellTrackingChallenge",
        "fijibridge tracks 01_RES --export_plugin TrackMate --output 01.xml",
        "fijibridge tracks labels.tif --links links.csv --rois tracks.zip --table tracks.tsv",
    ),
)
