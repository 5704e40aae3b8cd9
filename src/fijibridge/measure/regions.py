"""Labels to ROIs, pixel by pixel: every label's exact outline, holes and parts included.

The way back is in `painting`, the comparison in `round_trip`; all of it is offered here.
"""

from __future__ import annotations

import re
import string
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, overload

import numpy as np

from fijibridge.errors import SettingsError, nearest
from fijibridge.measure._threads import each, thread_count
from fijibridge.measure.painting import Overlap, Painted, paint_rois, rois_to_labels
from fijibridge.measure.round_trip import RoundTrip, round_trip_report
from fijibridge.model.rois import Outlines, Position, Roi, RoiSet

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fijibridge.model.labels import LabelImage

__all__ = [
    "NAME_FIELDS",
    "LabelNames",
    "Overlap",
    "Painted",
    "RoundTrip",
    "check_names",
    "labels_to_rois",
    "paint_rois",
    "rois_to_labels",
    "round_trip_report",
]

#: What a pattern of names may use; t and z count from 1, as ImageJ's positions do.
NAME_FIELDS = ("label", "index", "t", "z")
_TRACED, _COMPOSITE = 0, 1
_MAX_LABEL = 2**63 - 1
_LONGEST_NAME = 200
#: A plane is cut into strips for threads when it has at least this many rows and pixels a strip.
_STRIP_ROWS, _STRIP_PIXELS = 64, 1 << 18
#: Labels up to this value are counted in a table; larger ones, or few in many, are ranked first.
_TABLE = 1 << 22


class LabelNames(Sequence[str]):
    """Names of traced labels, made from a pattern when they are asked for.

    Parameters
    ----------
    pattern
        A format string with the fields `NAME_FIELDS`.
    labels, t, z
        (n,) label, and frame and section counted from 1, of each ROI.
    """

    __slots__ = ("_labels", "_pattern", "_t", "_z")

    def __init__(self, pattern: str, labels: np.ndarray, t: np.ndarray, z: np.ndarray) -> None:
        self._pattern = pattern
        self._labels, self._t, self._z = labels, t, z

    def __len__(self) -> int:
        return len(self._labels)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        i = range(len(self))[index]
        return self._pattern.format(
            label=int(self._labels[i]), index=i + 1, t=int(self._t[i]), z=int(self._z[i])
        )

    def __iter__(self) -> Iterator[str]:
        fill = self._pattern.format
        columns = zip(self._labels.tolist(), self._t.tolist(), self._z.tolist(), strict=True)
        for i, (label, t, z) in enumerate(columns, 1):
            yield fill(label=label, index=i, t=t, z=z)


def check_names(pattern: str) -> None:
    """Raise SettingsError when `pattern` cannot name ROIs.

    Examples
    --------
    >>> check_names("cell {label:05d} at z {z}")
    >>> check_names("{lable}")
    Traceback (most recent call last):
    ...
    fijibridge.errors.SettingsError: names '{lable}' uses the field 'lable'; allowed are label, \
index, t and z. Did you mean 'label'?
    """
    hint = 'Write it like "{label:04d}" or "cell {index}".'
    try:
        parts = list(string.Formatter().parse(pattern))
    except ValueError as error:
        raise SettingsError(f"names {pattern!r} is no pattern: {error}.", hint) from None
    for _, field, form, _ in parts:
        if field is None:
            continue
        if field not in NAME_FIELDS:
            raise SettingsError(
                f"names {pattern!r} uses the field {field!r}; allowed are label, index, t and z."
                + nearest(field, NAME_FIELDS)
            )
        if re.search(r"\d{4}|[{}]", form or ""):
            raise SettingsError(f"names {pattern!r} asks for a width of {form!r}.", hint)
    try:
        longest = pattern.format(label=_MAX_LABEL, index=10**9, t=10**6, z=10**6)
    except (ValueError, KeyError, IndexError) as error:
        raise SettingsError(f"names {pattern!r} cannot be filled in: {error}.", hint) from None
    if not longest or len(longest) > _LONGEST_NAME:
        raise SettingsError(
            f"names {pattern!r} gives names of {len(longest)} letters; allowed are 1 to "
            f"{_LONGEST_NAME}.",
            hint,
        )


def labels_to_rois(
    labels: LabelImage,
    *,
    names: str = "{label:04d}",
    vertices: Literal["corners", "centers"] = "corners",
    threads: int | None = None,
) -> RoiSet:
    """Return the outline of every label as an ROI, exact to the pixel.

    Parameters
    ----------
    labels
        Axes t, z, y, x in any order; any integer type. Every plane is traced on its own.
    names
        Pattern of the names, with the fields ``label``, ``index`` (of the ROI, from 1), ``t`` and
        ``z`` (from 1, as ImageJ's positions).
    vertices
        ``corners``: along the pixel edges, integers; filling the ROIs gives the labels back,
        pixel by pixel. ``centers``: through the centres of the border pixels (x + 0.5, y + 0.5),
        sub-pixel polygons as contour finders draw them; filled, they are half a pixel too small.
    threads
        At most so many; None = as many as there are cores. The result does not depend on it.

    Returns
    -------
    RoiSet
        In order of planes (t, then z), then of label. A label of one 8-connected part without
        holes is a ``traced`` ROI whose vertices are those of ImageJ's wand, every other one a
        ``composite`` with one path for each part and hole (even-odd), as ImageJ's Create Selection
        makes it of the same mask. Positions: none for one
        plane; ``slice`` (from 1) for a stack along t or z; ``z`` and ``t`` for both, on all
        channels (c = 0). ``outlines.ids`` are (t from 0, label).

    Raises
    ------
    SettingsError
        For a wrong pattern of names or word for vertices, and labels beyond 2**63 - 1.

    Source
    ------
    ImageJ 1.54p Wand (threshold mode) and ThresholdToSelection for the order of vertices.

    Examples
    --------
    >>> from fijibridge.model import LabelImage
    >>> rois = labels_to_rois(LabelImage.from_array([[0, 3, 0], [3, 3, 7]], "yx"))
    >>> rois.names, rois[1].points.tolist()
    (('0003', '0007'), [[3, 2], [2, 2], [2, 1], [3, 1]])
    """
    check_names(names)
    if vertices not in ("corners", "centers"):
        raise SettingsError(
            f"vertices {vertices!r} is unknown; allowed are corners and centers."
            + nearest(str(vertices), ("corners", "centers"))
        )
    outlines = _trace_stack(labels, names, threads)
    if vertices == "centers":
        return RoiSet([_through_centers(outlines, i) for i in range(len(outlines))])
    return RoiSet(outlines=outlines)


def _unsigned(plane: np.ndarray) -> np.ndarray:
    """Return the plane contiguous, unsigned, in the machine's byte order."""
    native = np.ascontiguousarray(plane, plane.dtype.newbyteorder("="))
    return native.view(f"u{native.dtype.itemsize}")


# A traced plane: x, y, loop_start, loop_size, loops of each label, labels
_Plane = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def _trace_stack(labels: LabelImage, pattern: str, threads: int | None) -> Outlines:
    stack = labels.reorder("tzyx").data
    frames, sections = stack.shape[:2]
    count = frames * sections
    planes: list[_Plane | None] = [None] * count
    height = stack.shape[2]
    strips = thread_count(threads, height * stack.shape[3], _STRIP_PIXELS)
    strips = max(1, min(strips, height // _STRIP_ROWS))
    shares = thread_count(threads, count, 1) if strips == 1 else 1

    def share(k: int) -> None:
        for p in range(k, count, shares):
            plane = _unsigned(stack[p // sections, p % sections])
            planes[p] = _trace_plane(plane, strips)

    each(share, shares)
    return _assemble([plane for plane in planes if plane is not None], frames, sections, pattern)


def _assemble(planes: list[_Plane], frames: int, sections: int, pattern: str) -> Outlines:
    """Join the planes of a stack."""
    empty = np.empty(0, np.int64)

    def joined(k: int) -> np.ndarray:
        if len(planes) == 1:
            return planes[0][k]
        return np.concatenate([plane[k] for plane in planes]) if planes else empty

    x, y, loop_start, loop_size, loops, ids = (joined(k) for k in range(6))
    if len(planes) > 1:
        vertices = np.cumsum([0] + [len(plane[0]) for plane in planes[:-1]])
        loop_start = loop_start + np.repeat(vertices, [len(plane[2]) for plane in planes])
    number = np.repeat(np.arange(len(planes)), [len(plane[5]) for plane in planes])
    t, z = number // max(sections, 1), number % max(sections, 1)
    positions = np.zeros((len(ids), 4), np.int32)
    if frames > 1 and sections > 1:
        positions[:, 1], positions[:, 2] = z + 1, t + 1
    elif frames * sections > 1:
        positions[:, 3] = number + 1
    if len(ids) and int(ids.max()) > _MAX_LABEL:
        raise SettingsError(
            f"Label {int(ids.max())} is beyond 2**63 - 1.", "Number the labels anew, from 1."
        )
    labels = ids.astype(np.int64)
    return Outlines(
        x=x,
        y=y,
        loop_start=loop_start,
        loop_size=loop_size,
        roi_start=np.concatenate([[0], np.cumsum(loops)]).astype(np.int64),
        kinds=np.where(loops == 1, _TRACED, _COMPOSITE).astype(np.uint8),
        positions=positions,
        ids=np.stack([t, labels], axis=1).astype(np.int64),
        names=LabelNames(pattern, labels, t + 1, z + 1),
    )


def _trace_plane(plane: np.ndarray, strips: int) -> _Plane:
    """Trace one plane (y, x) of unsigned integers."""
    from fijibridge.measure._kernels import regions as kernels

    height, width = plane.shape
    number = np.int16 if max(height, width) < 2**15 else np.int32
    if plane.size == 0:
        none = np.empty(0, np.int64)
        return np.empty(0, number), np.empty(0, number), none, none, none, none.astype(np.uint64)
    flat = plane.reshape(-1)
    cut = [height * k // strips for k in range(strips + 1)]
    bits = np.empty((height, (width + 63) // 64), np.uint64)
    row = np.zeros(height + 1, np.int64)
    each(lambda k: kernels.find_changes(flat, width, cut[k], cut[k + 1], bits, row[1:]), strips)
    np.cumsum(row, out=row)
    bound = int(row[height])
    value = np.empty(bound + 1, plane.dtype)
    x0, x1 = np.empty((2, bound + 1), np.int32)
    used = np.empty(height, np.int64)
    each(
        lambda k: kernels.collect(flat, width, cut[k], cut[k + 1], bits, row, value, x0, x1, used),
        strips,
    )
    ranks, top, known = _ranked(plane, row, used, value)
    count = np.zeros((strips, top + 1), np.int64)
    each(lambda k: kernels.count_runs(cut[k], cut[k + 1], row, used, ranks, count[k]), strips)
    total = count.sum(axis=0)
    place = np.cumsum(total) - total + np.cumsum(count, axis=0) - count
    present = np.flatnonzero(total)
    start = np.append(place[0][present], total.sum()).astype(np.int64)
    runs, n = int(start[-1]), len(present)
    gx0, gx1, gy = np.empty((3, runs), np.int32)
    each(
        lambda k: kernels.group(
            cut[k], cut[k + 1], row, used, ranks, x0, x1, place[k], gx0, gx1, gy
        ),
        strips,
    )
    x, y = np.empty((2, 4 * runs), number)
    ends, loops = np.empty(runs, np.int64), np.empty(n, np.int64)
    share = np.searchsorted(start, [runs * k // strips for k in range(strips + 1)])
    share[0], share[-1] = 0, n
    each(
        lambda k: kernels.trace(share[k], share[k + 1], start, gx0, gx1, gy, x, y, ends, loops),
        strips,
    )
    starts, stops = [], []
    for k in range(strips):
        first, found = start[share[k]], int(loops[share[k] : share[k + 1]].sum())
        stop = ends[first : first + found]
        stops.append(stop)
        starts.append(np.append(4 * first, stop)[:-1] if found else stop)
    loop_start = np.concatenate(starts)
    ids = (present if known is None else known[present]).astype(np.uint64)
    return x, y, loop_start, np.concatenate(stops) - loop_start, loops, ids


def _ranked(
    plane: np.ndarray, row: np.ndarray, used: np.ndarray, value: np.ndarray
) -> tuple[np.ndarray, int, np.ndarray | None]:
    """Return a small number for each run's label, the largest one, and the labels behind them."""
    top = int(plane.max())
    if top <= max(_TABLE, 8 * len(value)):
        return value, top, None
    keep = np.arange(int(used.sum())) + np.repeat(row[:-1] - (np.cumsum(used) - used), used)
    known, ranks = np.unique(value[keep], return_inverse=True)
    small = np.zeros(len(value), np.int64)
    small[keep] = ranks
    return small, len(known) - 1, known


def _through_centers(outlines: Outlines, i: int) -> Roi:
    """Return ROI `i` with its path through the centres of its border pixels."""
    loops = outlines.loops(i)
    # ImageJ goes round parts and holes the other way than the wand
    paths = tuple(_centers(loop[::-1] if len(loops) > 1 else loop) for loop in loops)
    position = Position(*(int(n) for n in outlines.positions[i]))
    name = outlines.names[i]
    if len(paths) > 1:
        return Roi(kind="composite", paths=paths, name=name, position=position)
    return Roi(kind="polygon", points=paths[0], name=name, position=position)


def _centers(loop: np.ndarray) -> np.ndarray:
    """Centres of the pixels at the right hand of a walk along pixel edges, (n, 2) float32."""
    following = np.roll(loop, -1, axis=0)
    ahead = np.sign(following - loop)
    right = np.stack([-ahead[:, 1], ahead[:, 0]], axis=1)
    first, last = loop + 0.5 * (right + ahead), following + 0.5 * (right - ahead)
    points = np.stack([first, last], axis=1).reshape(-1, 2)
    new = (points != np.roll(points, 1, axis=0)).any(axis=1)
    return (points[new] if new.any() else points[:1]).astype(np.float32)
