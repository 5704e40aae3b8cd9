"""ROIs and ROI sets. Points are (x, y) at pixel corners: pixel (0, 0) covers 0..1 in x and y."""

from __future__ import annotations

import types
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, get_args, overload

import numpy as np

from fijibridge.errors import SettingsError, nearest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

__all__ = ["AREA_KINDS", "Outlines", "Position", "Roi", "RoiKind", "RoiSet"]

RoiKind = Literal[
    "rectangle",
    "oval",
    "polygon",
    "freehand",
    "traced",
    "composite",
    "line",
    "polyline",
    "freeline",
    "angle",
    "point",
    "none",
]
KINDS = frozenset(get_args(RoiKind))
#: Kinds that enclose pixels.
AREA_KINDS = frozenset({"rectangle", "oval", "polygon", "freehand", "traced", "composite"})
#: Code of a kind in `Outlines.kinds`.
OUTLINE_KINDS: tuple[RoiKind, ...] = ("traced", "composite", "polygon", "rectangle", "freehand")


def _no_properties() -> Mapping[str, str]:
    return types.MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Position:
    """Where in a stack an ROI lies: 1-based, 0 = on all.

    ``c z t`` are used in hyperstacks, ``slice`` (the running number) in plain stacks; ImageJ keeps
    them apart in its files.
    """

    c: int = 0
    z: int = 0
    t: int = 0
    slice: int = 0

    def __post_init__(self) -> None:
        if min(self.c, self.z, self.t, self.slice) < 0:
            raise SettingsError(f"{self} is not a position: 1 is the first, 0 means all.")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Roi:
    """One ROI.

    Parameters
    ----------
    kind
        What it is; ``traced`` is a polygon along pixel edges, ``composite`` has several paths.
    bounds
        (x, y, width, height) of rectangles and ovals; empty for kinds made of points.
    points
        (n, 2) vertices as (x, y), absolute; integers at pixel corners, floats when sub-pixel.
        Empty for rectangles, ovals and composites.
    paths
        The closed paths of a composite, each (n, 2); filled by the even-odd rule.
    name
        Its name, without ``.roi``.
    position
        Where in the stack.
    group
        ImageJ's group, 0 = none.
    stroke_color, fill_color
        (a, r, g, b) or None.
    stroke_width
        0 = ImageJ's hairline.
    properties
        ImageJ's ROI properties; QuPath keeps measurements there.
    subtype
        ImageJ's subtype: ``text``, ``arrow``, ``ellipse``, ``image``, ``rotated rectangle`` or "".
    arc_size
        Rounding of a rectangle's corners.
    text
        What a ``text`` ROI says.
    parameters
        The five numbers behind an ``ellipse`` (x1, y1, x2, y2 of the major axis, aspect ratio) or a
        ``rotated rectangle`` (x1, y1, x2, y2 of the middle line, width).
    counters
        (n,) one number per point of a ``point`` ROI: the counter in the low byte, above it the
        slice; empty = none.
    spline
        The points are the nodes of a spline.
    entry
        Name of the file or zip entry it was read from; while `name` equals it, the name inside the
        record is left as it is.
    record
        The bytes the ROI was read from; what is not modelled here is kept from them on writing.
    """

    kind: RoiKind
    bounds: tuple[float, float, float, float] | tuple[()] = ()
    points: np.ndarray = field(default_factory=lambda: np.empty((0, 2), np.int32))
    paths: tuple[np.ndarray, ...] = ()
    name: str = ""
    position: Position = field(default_factory=Position)
    group: int = 0
    stroke_color: tuple[int, int, int, int] | None = None
    fill_color: tuple[int, int, int, int] | None = None
    stroke_width: float = 0.0
    properties: Mapping[str, str] = field(default_factory=_no_properties)
    subtype: str = ""
    arc_size: int = 0
    text: str = ""
    parameters: tuple[float, ...] = ()
    counters: np.ndarray = field(default_factory=lambda: np.empty(0, np.int32))
    spline: bool = False
    entry: str = ""
    record: bytes = b""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise SettingsError(
                f"ROI kind {self.kind!r} is unknown; allowed are {', '.join(sorted(KINDS))}."
                + nearest(self.kind, KINDS)
            )
        if self.kind in ("rectangle", "oval") and len(self.bounds) != 4:
            raise SettingsError(f"A {self.kind} needs bounds (x, y, width, height).")
        for name, arrays in (("points", (self.points,)), ("paths", self.paths)):
            frozen = []
            for points in arrays:
                array = np.asarray(points)
                if array.ndim != 2 or array.shape[1] != 2:
                    raise SettingsError(
                        f"{name} of an ROI have the shape {array.shape}; it must be (n, 2): x, y."
                    )
                array = array.view()
                array.flags.writeable = False
                frozen.append(array)
            object.__setattr__(self, name, frozen[0] if name == "points" else tuple(frozen))
        counters = np.asarray(self.counters).view()
        counters.flags.writeable = False
        object.__setattr__(self, "counters", counters)
        object.__setattr__(self, "properties", types.MappingProxyType(dict(self.properties)))

    @property
    def box(self) -> tuple[float, float, float, float]:
        """(x, y, width, height) around everything."""
        if len(self.bounds) == 4:
            return self.bounds
        arrays = [a for a in (self.points, *self.paths) if len(a)]
        if not arrays:
            return (0.0, 0.0, 0.0, 0.0)
        low = np.min([a.min(axis=0) for a in arrays], axis=0)
        high = np.max([a.max(axis=0) for a in arrays], axis=0)
        return (float(low[0]), float(low[1]), float(high[0] - low[0]), float(high[1] - low[1]))

    def renamed(self, name: str) -> Roi:
        """Return the ROI under another name."""
        return replace(self, name=name)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Outlines:
    """Many pixel-edge outlines in a few flat arrays: what tracing makes and files are written from.

    ROI ``i`` owns the loops ``roi_start[i] .. roi_start[i + 1]``; loop ``k`` owns the vertices
    ``loop_start[k] .. loop_start[k] + loop_size[k]`` of `x` and `y` (there may be gaps between
    loops). One loop is a traced, polygon or rectangle ROI, several are a composite.

    Parameters
    ----------
    x, y
        Vertices, absolute, int16 or int32.
    loop_start, loop_size
        Per loop.
    roi_start
        (n + 1,) first loop of each ROI.
    kinds
        (n,) uint8, index into `OUTLINE_KINDS`. ``polygon`` and ``freehand`` are what ImageJ makes
        of a simplified shape: their vertices are sub-pixel (floats) in files and in `roi`.
    positions
        (n, 4) int32: c, z, t, slice as in `Position`.
    ids
        (n, 2) int64: t (0-based), label.
    names
        (n,) names.
    """

    x: np.ndarray
    y: np.ndarray
    loop_start: np.ndarray
    loop_size: np.ndarray
    roi_start: np.ndarray
    kinds: np.ndarray
    positions: np.ndarray
    ids: np.ndarray
    names: Sequence[str]

    def __len__(self) -> int:
        return len(self.roi_start) - 1

    def loops(self, i: int) -> tuple[np.ndarray, ...]:
        """Return the loops of ROI `i`, each (n, 2) int32 as (x, y)."""
        out = []
        for k in range(int(self.roi_start[i]), int(self.roi_start[i + 1])):
            a = int(self.loop_start[k])
            b = a + int(self.loop_size[k])
            out.append(np.stack([self.x[a:b], self.y[a:b]], axis=1).astype(np.int32))
        return tuple(out)

    def roi(self, i: int) -> Roi:
        """Return ROI `i` as a value of its own."""
        kind = OUTLINE_KINDS[int(self.kinds[i])]
        loops = self.loops(i)
        position = Position(*(int(n) for n in self.positions[i]))
        if kind == "composite":
            return Roi(kind=kind, paths=loops, name=self.names[i], position=position)
        if kind == "rectangle":
            low, high = loops[0].min(axis=0), loops[0].max(axis=0)
            bounds = (
                float(low[0]),
                float(low[1]),
                float(high[0] - low[0]),
                float(high[1] - low[1]),
            )
            return Roi(kind=kind, bounds=bounds, name=self.names[i], position=position)
        points = loops[0] if kind == "traced" else loops[0].astype(np.float64)
        return Roi(kind=kind, points=points, name=self.names[i], position=position)


class RoiSet(Sequence[Roi]):
    """An ordered set of ROIs.

    Holds either `Roi` values or `Outlines`; from outlines, a `Roi` is made when it is asked for, so
    a hundred thousand traced objects cost a few arrays.

    Examples
    --------
    >>> rois = RoiSet([Roi(kind="rectangle", bounds=(1, 2, 3, 4), name="a")])
    >>> len(rois), rois[0].name, rois.names
    (1, 'a', ('a',))
    """

    __slots__ = ("_outlines", "_rois")

    def __init__(self, rois: Iterable[Roi] = (), *, outlines: Outlines | None = None) -> None:
        self._rois = tuple(rois)
        self._outlines = outlines
        if outlines is not None and self._rois:
            raise SettingsError("A RoiSet is made from rois or from outlines, not from both.")

    @property
    def outlines(self) -> Outlines | None:
        """The flat arrays, when the set was made from them."""
        return self._outlines

    @property
    def names(self) -> tuple[str, ...]:
        """All names, in order."""
        if self._outlines is not None:
            return tuple(self._outlines.names)
        return tuple(roi.name for roi in self._rois)

    def __len__(self) -> int:
        return len(self._rois) if self._outlines is None else len(self._outlines)

    @overload
    def __getitem__(self, index: int) -> Roi: ...
    @overload
    def __getitem__(self, index: slice) -> RoiSet: ...
    def __getitem__(self, index: int | slice) -> Roi | RoiSet:
        if isinstance(index, slice):
            return RoiSet([self[i] for i in range(*index.indices(len(self)))])
        if self._outlines is None:
            return self._rois[index]
        n = len(self)
        if not -n <= index < n:
            raise IndexError(index)
        return self._outlines.roi(index % n)

    def __iter__(self) -> Iterator[Roi]:
        for i in range(len(self)):
            yield self[i]

    def __repr__(self) -> str:
        return f"RoiSet({len(self)} ROIs)"

    def _repr_html_(self) -> str:
        from fijibridge.model._html import rois_html

        return rois_html(self)
