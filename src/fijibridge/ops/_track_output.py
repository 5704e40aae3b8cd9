"""What tracks are turned into beside tracking files: images by lineage, ROI sets by track."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from fijibridge.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable

    from fijibridge.formats import WriteOptions
    from fijibridge.model import ImageSource, Roi, RoiSet, Tracks

__all__ = ["IMAGES", "frame_outlines", "lineage_color", "track_rois", "write_track_image"]

#: ilastik's images of tracks.
IMAGES = ("Tracking-Result", "Merger-Result", "Object-Identities")
#: Pixel value of objects of no track.
UNTRACKED = 1
_GROUPS = 255


def lineage_color(lineage: int) -> tuple[int, int, int]:
    """Return the colour of a lineage: that of its pixels under the table of label images."""
    from fijibridge.formats._luts import glasbey_lut

    if lineage < UNTRACKED:
        return (255, 255, 255)
    r, g, b = glasbey_lut()[1 + (lineage - 1) % 255].tolist()
    return (r, g, b)


def image_values(tracks: Tracks, which: str) -> np.ndarray:
    """Return (n,) the pixel value of each object in one of ilastik's images.

    Source
    ------
    ilastik opConservationTracking, _labelLineageIds (behaviour only): lineages, 1 for objects of no
    track; the mergers' image has those cut out of a cluster, or clusters that were not cut.
    """
    line = np.where(tracks.lineage > 0, tracks.lineage, UNTRACKED)
    if which == "Object-Identities":
        return tracks.label
    if which == "Merger-Result":
        cut = tracks.merger > 0
        several = cut if cut.any() else tracks.count > 1
        found: np.ndarray = np.where(several, line, 0)
        return found
    return line


def write_track_image(
    which: str, path: str, tracks: Tracks, labels: ImageSource, options: WriteOptions
) -> None:
    """Write one of ilastik's images of tracks, frame by frame, with the axes of the labels.

    Parameters
    ----------
    which
        One of `IMAGES`.
    path
        The target; its suffix is the format.
    tracks, labels
        The tracks and the label images they are of.
    options
        As for every image.
    """
    from fijibridge.formats import Location, format_for_writing
    from fijibridge.formats._tracks.frames import mapped, rows_by_frame
    from fijibridge.model import Axes, Region

    axes = Axes(tuple(a for a in labels.spec.axes if a.key != "c"))
    values = image_values(tracks, which)
    top = int(values.max()) if len(values) else 0
    dtype = labels.spec.dtype if labels.spec.dtype.kind in "iu" else np.dtype(np.uint32)
    if top > np.iinfo(dtype).max:
        dtype = np.dtype(np.uint32 if top < 2**32 else np.uint64)
    where = Location.parse(path)
    fmt = format_for_writing(where, "image")
    extra = dataclasses.replace(labels.spec.extra, luts=(), display_ranges=(), overlay=None)
    if which != "Object-Identities":
        numbers = np.unique(values[values > 0]).tolist()
        colors = {v: (*lineage_color(v), 255) for v in numbers}
        extra = dataclasses.replace(extra, label_colors=colors)
    spec = dataclasses.replace(
        labels.spec, axes=axes, dtype=dtype, role="labels", scales=(), extra=extra
    )
    if fmt.lossy:
        raise SettingsError(f"{fmt.title} changes pixel values, so labels would be lost.")
    if fmt.check_label_max is not None:
        fmt.check_label_max(top)
    if fmt.check_image is not None:
        fmt.check_image(spec, options)
    assert fmt.create_image is not None  # noqa: S101  # format_for_writing chose it
    sink = fmt.create_image(where, spec, options)
    place = axes.keys.find("t")
    try:
        for t, rows in rows_by_frame(tracks, axes.size("t")):
            start = [t if i == place else 0 for i in range(len(axes))]
            stop = [t + 1 if i == place else n for i, n in enumerate(axes.shape)]
            region = Region(tuple(start), tuple(stop))
            block = labels.read(_with_channel(region, labels))
            if "c" in labels.spec.axes:
                block = block.take(0, axis=labels.spec.axes.index("c"))
            if which == "Object-Identities":
                sink.write(region, block.astype(dtype))
            else:
                sink.write(region, mapped(block, tracks.label[rows], values[rows], dtype))
        sink.commit()
    except BaseException:
        sink.abort()
        raise


def _with_channel(region: Any, labels: ImageSource) -> Any:
    from fijibridge.model import Region

    if "c" not in labels.spec.axes:
        return region
    at = labels.spec.axes.index("c")
    start, stop = list(region.start), list(region.stop)
    start.insert(at, 0)
    stop.insert(at, 1)
    return Region(tuple(start), tuple(stop))


def track_rois(tracks: Tracks, labels: ImageSource) -> RoiSet:
    """Return the outlines of all tracked objects, so that a track can be followed.

    Parameters
    ----------
    tracks, labels
        The tracks and the label images they are of.

    Returns
    -------
    RoiSet
        In order of lineage, track, frame, slice. Names ``0002-0005-t0007`` are lineage, track and
        frame from 1 (in volumes with ``-z0003``). The group is the lineage's (ImageJ has 255, so
        they repeat), the colour too. Positions are those of `labels_to_rois`: running slices in a
        movie of planes, z and t in one of volumes. The properties hold label, track, lineage and
        parent track.
    """
    from fijibridge.formats._tracks.frames import Frames, rows_by_frame
    from fijibridge.measure.regions import labels_to_rois
    from fijibridge.model import Axes, LabelImage, RoiSet

    frames = Frames(labels)
    found: list[tuple[tuple[int, int, int, int], Roi]] = []
    parents = dict(zip(tracks.list.track.tolist(), tracks.list.parent.tolist(), strict=True))
    deep = frames.is_3d
    for t, rows in rows_by_frame(tracks, len(frames)):
        at = {int(v): rows.start + i for i, v in enumerate(tracks.label[rows])}
        block = frames.read(t)
        image = LabelImage.from_array(block, Axes.of("zyx", block.shape))
        for i, roi in enumerate(traced := labels_to_rois(image)):
            assert traced.outlines is not None  # noqa: S101  # corners are outlines
            label = int(traced.outlines.ids[i, 1])
            row = at.get(label)
            if row is None or not tracks.track[row]:
                continue
            z = max(roi.position.slice, 1)
            line, track = int(tracks.lineage[row]), int(tracks.track[row])
            found.append(
                (
                    (line, track, t, z),
                    dataclasses.replace(
                        roi,
                        name=f"{line:04d}-{track:04d}-t{t + 1:04d}"
                        + (f"-z{z:04d}" if deep else ""),
                        position=_position(t, z, len(frames), deep=deep),
                        group=1 + (line - 1) % _GROUPS,
                        stroke_color=(255, *lineage_color(line)),
                        properties={
                            "label": str(label),
                            "track": str(track),
                            "lineage": str(line),
                            "parent": str(parents[track]),
                        },
                    ),
                )
            )
    found.sort(key=lambda pair: pair[0])
    return RoiSet([roi for _, roi in found])


def frame_outlines(labels: ImageSource | None) -> Callable[[int], dict[int, np.ndarray]] | None:
    """Return what traces the objects of a frame in the plane; None without label images.

    It gives label -> (m, 2) x, y at the corners of pixels: of several parts the largest, without
    its holes.
    """
    from fijibridge.formats._tracks.frames import Frames
    from fijibridge.measure.regions import labels_to_rois
    from fijibridge.model import Axes, LabelImage

    if labels is None:
        return None
    frames = Frames(labels)
    if frames.is_3d:
        return None

    def traced(t: int) -> dict[int, np.ndarray]:
        block = frames.read(t)[0]
        found = labels_to_rois(LabelImage.from_array(block, Axes.of("yx", block.shape))).outlines
        assert found is not None  # noqa: S101  # corners are outlines
        return {
            label: max(found.loops(i), key=_loop_area)
            for i, label in enumerate(found.ids[:, 1].tolist())
        }

    return traced


def _loop_area(points: np.ndarray) -> float:
    x, y = points.T.astype(np.int64)
    return abs(float((x * np.roll(y, -1) - y * np.roll(x, -1)).sum()))


def _position(t: int, z: int, frames: int, *, deep: bool) -> Any:
    from fijibridge.model import Position

    if deep and frames > 1:
        return Position(z=z, t=t + 1)
    if deep:
        return Position(slice=z)
    return Position(slice=t + 1 if frames > 1 else 0)
