"""Small planes in one call or few: over many small images the calls count, not the pixels."""

from __future__ import annotations

import functools
import types
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, final

import numpy as np

from fijibridge.errors import FijiBridgeError
from fijibridge.measure._threads import each, shares, thread_count
from fijibridge.measure.assembly import Assembly
from fijibridge.measure.features import Greys, column_places, share_band
from fijibridge.measure.naming import ParticleNames
from fijibridge.measure.particle_result import ParticleResult
from fijibridge.measure.planes import Calibration, Planes
from fijibridge.measure.planework import Band, check_band
from fijibridge.measure.tracing import band_limits
from fijibridge.model.axes import Axes
from fijibridge.model.image import Extra, Image, ImageSpec
from fijibridge.model.labels import LabelImage
from fijibridge.model.rois import Outlines, RoiSet
from fijibridge.model.table import LABEL, ResultsTable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fijibridge.measure.particle_settings import ParticleSettings
    from fijibridge.model.table import TableStyle

__all__ = ["analyze_at_once"]

#: Planes of more pixels than this gain from threads at every step.
SMALL_PIXELS = 1 << 20
#: Up to here waking a thread takes longer than it saves.
_ONE_CALL = 1 << 17
_TYPES = (np.dtype(np.uint8), np.dtype(np.uint16))
_NO_EXTRA = Extra()


@dataclass(frozen=True, slots=True, eq=False)
class _Plan:
    """Everything about a run that does not depend on the pixels."""

    kernels: types.ModuleType
    analyze: Callable[..., tuple[np.ndarray, int, int]]
    places: Callable[..., tuple[int, int, int, int]]
    shape: tuple[int, int]
    pixels: int
    threshold: tuple[float, float] | None
    arguments: tuple[np.ndarray, ...]
    height: int
    rows: Mapping[str, int]
    units: Mapping[str, str]
    style: TableStyle
    spec: Callable[[str], ImageSpec]
    paints: bool
    traces: bool
    display: bool


class _Columns(Mapping[str, np.ndarray]):
    """Heading -> row of an array: a view is made when it is asked for."""

    __slots__ = ("_rows", "_values")

    def __init__(self, rows: Mapping[str, int], values: np.ndarray) -> None:
        self._rows = rows
        self._values = values

    def __getitem__(self, heading: str) -> np.ndarray:
        row: np.ndarray = self._values[self._rows[heading]]
        return row

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def __repr__(self) -> str:
        return repr(dict(self))


@functools.lru_cache(maxsize=2)
def _first_ones(n: int) -> tuple[np.ndarray, ...]:
    """Return roi_start, kinds, positions and ids of n traced particles of one plane."""
    ids = np.zeros((n, 2), np.int64)
    ids[:, 1] = np.arange(1, n + 1)
    all_alike = np.arange(n + 1), np.zeros(n, np.uint8), np.zeros((n, 4), np.int32), ids
    for array in all_alike:
        array.setflags(write=False)
    return all_alike


@functools.lru_cache(maxsize=1024)
def _alike(n: int) -> tuple[np.ndarray, ...]:
    """Return what any n particles have in common; many results share the memory."""
    roi_start, *others = _first_ones(max(1024, 1 << n.bit_length()))
    return roi_start[: n + 1], *(array[:n] for array in others)


def _columns(plan: _Plan, block: np.ndarray, count: int) -> np.ndarray:
    return np.ndarray((plan.height, count), np.float64, block)


def _mask(plan: _Plan, block: np.ndarray, count: int) -> np.ndarray:
    return np.ndarray(plan.shape, np.uint16, block, 8 * plan.height * count)


@final
class _Found:
    """What a run has found, in one block; values are made of it when they are asked for."""

    __slots__ = ("block", "count", "name", "plan", "vertices")
    summary: ClassVar[ResultsTable | None] = None
    warnings: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self, plan: _Plan, name: str, block: np.ndarray, count: int, vertices: int
    ) -> None:
        block.setflags(write=False)
        self.plan = plan
        self.name = name
        self.block = block
        self.count = count
        self.vertices = vertices

    @property
    def threshold(self) -> tuple[float, float] | None:
        return self.plan.threshold

    @property
    def labels(self) -> LabelImage | None:
        plan = self.plan
        if not plan.paints:
            return None
        return LabelImage.trusted(_mask(plan, self.block, self.count), plan.spec(self.name))

    @property
    def table(self) -> ResultsTable:
        plan, n = self.plan, self.count
        columns: Mapping[str, np.ndarray] = _Columns(plan.rows, _columns(plan, self.block, n))
        if plan.display:
            row_labels = np.full(n, self.name, object)
            row_labels.setflags(write=False)
            columns = {LABEL: row_labels, **columns}
        return ResultsTable.trusted(
            columns, _alike(n)[3], units=plan.units, style=plan.style, name="Results"
        )

    @property
    def rois(self) -> RoiSet:
        plan, block, n = self.plan, self.block, self.count
        if not plan.traces:
            return RoiSet()
        _, start, sizes, outline = plan.places(plan.height, n, plan.pixels)
        points = np.ndarray(2 * self.vertices, np.int16, block, 8 * outline)
        middle = start + n
        roi_start, kinds, positions, ids = _alike(n)
        outlines = Outlines(
            x=points[: self.vertices], y=points[self.vertices :],
            loop_start=block[start:middle],
            loop_size=np.ndarray(n, np.int32, block, 8 * sizes),
            roi_start=roi_start, kinds=kinds, positions=positions, ids=ids,
            names=ParticleNames(block[middle:sizes], height=plan.shape[0]),
        )  # fmt: skip
        return RoiSet(outlines=outlines)


def analyze_at_once(
    image: Image, settings: ParticleSettings, threads: int | None = None
) -> ParticleResult | None:
    """Analyze an image of one small plane; None where only the general way will do.

    The result equals what the general way gives.
    """
    spec = image.spec
    extra = spec.extra
    if extra.rgb or extra.valuation is not None or extra.luts:  # a LUT may be an inverted one
        return None
    if settings.threshold is None and spec.role == "labels":
        return None
    global _last  # noqa: PLW0603  # one tuple, replaced as a whole: safe between threads
    plan, words, dtype, inverted, axes = _last
    # in a loop all of these are mostly the same
    if not (
        words is settings
        and dtype is spec.dtype
        and inverted == extra.inverted_lut
        and (axes is spec.axes or axes == spec.axes)
    ):
        plan = _plan(settings, spec.dtype, extra.inverted_lut, spec.axes)
        _last = (plan, settings, spec.dtype, extra.inverted_lut, spec.axes)
    if plan is None:
        return None
    plane = image.data
    if plane.ndim != 2:
        plane = plane.reshape(plan.shape)
    flags = plane.flags
    if flags.writeable or not flags.c_contiguous:
        plane = np.ascontiguousarray(plane).view()
        plane.flags.writeable = False  # the kernel is compiled for these
    if plane.size <= _ONE_CALL:
        block, count, vertices = plan.analyze(plane, *plan.arguments)
        if count < 0:
            return None
        return ParticleResult.later(_Found(plan, spec.name, block, count, vertices))
    found = _in_steps(plan, plane, spec.name, threads)
    return None if found is None else ParticleResult.later(found)


_last: tuple[_Plan | None, object, object, object, object] = (None, None, None, None, None)


def _in_steps(plan: _Plan, plane: np.ndarray, name: str, threads: int | None) -> _Found | None:
    """Do what `analyze_small` does, measuring with several threads."""
    kernels = plan.kernels
    levels, tell, weigh, *columns = plan.arguments
    done, *found = kernels.find_small(plane, levels, tell, weigh)
    if not done:
        return None
    _, x0, *_, first, size, vx, vy, box, _, chosen = found
    block, vertices = kernels.pack_small(first, size, vx, vy, box, chosen, plan.height, plan.pixels)
    threads = thread_count(threads, max(len(x0), 1), _MIN_RUNS)
    turns = np.zeros(1, np.int64)
    # one call a thread: to come back for each part, they would wait for one another
    each(
        lambda _: kernels.measure_small(
            turns, shares(threads), plane, tell, weigh, *columns, *found, block
        ),
        threads,
    )
    return _Found(plan, name, block, len(chosen), vertices)


@functools.lru_cache(maxsize=256)
def _plan(
    settings: ParticleSettings, dtype: np.dtype[np.generic], inverted_lut: bool, axes: Axes
) -> _Plan | None:
    """Return what a run needs, or None where it takes the general way (or raises there)."""
    words = settings.measurements
    if (
        dtype not in _TYPES
        or not dtype.isnative
        or settings.select is not None
        or settings.connectivity != "2d"
        or settings.composite
        or settings.slice not in (None, 1)
        or settings.circularity[1] > 1.0
        or "summary" in settings.outputs
        or not {"stack", "scientific"}.isdisjoint(words)
        or not {"y", "x"} <= set(axes.keys)
        or axes.keys.index("y") > axes.keys.index("x")
    ):
        return None
    shape = (axes.size("y"), axes.size("x"))
    pixels = shape[0] * shape[1]
    if not 0 < pixels <= SMALL_PIXELS or max(shape) > _INT16 or np.prod(axes.shape) != pixels:
        return None
    blank = Image(np.zeros(axes.shape, dtype), ImageSpec(axes=axes, dtype=dtype))
    planes = Planes.of(blank)
    try:
        band = check_band(planes, settings)
    except FijiBridgeError:
        return None
    binary = band is None
    if band is None:
        if dtype != np.uint8:
            return None
        white = settings.white_background and not inverted_lut
        level = 0.0 if white else 255.0
        band = Band(level, level, 0.0, user=False)
    return _made(settings, planes, band, shape, binary=binary)


def _made(
    settings: ParticleSettings,
    planes: Planes,
    band: Band,
    shape: tuple[int, int],
    *,
    binary: bool,
) -> _Plan | None:
    from fijibridge.measure._kernels import small as kernels

    dtype = planes.stored
    limits = band_limits(dtype, *band.levels)
    if limits is None or (dtype == np.uint8 and band.levels == (0.0, 255.0)):
        return None
    out = Assembly.of(planes, planes, settings, from_labels=False)
    places, shape_columns, grey_columns = column_places(out.headings)
    wanted = tuple(h for h in places if h in out.headings)
    levels = band.levels if band.user else None
    greys = Greys(np.zeros((1, 1), dtype), band=levels)
    filled = settings.include or settings.four
    constant = -1
    if not filled and dtype == np.uint8 and band.low == band.high:
        constant = int(band.low)
    share = 100.0 if levels is not None or constant != 0 else 0.0
    calibration = Calibration.of(planes.image.spec)
    unit = 1.0 if settings.pixel_units else calibration.width * calibration.height
    limit = settings.label_limit
    tell = (
        binary, settings.four, filled, settings.exclude, constant, *share_band(greys),
        max(len(places), 1), shape[0] + 1 if "invert" in settings.measurements else 0,
        "labels" in settings.outputs, _LABELS if limit is None else min(limit, _LABELS),
        bool((grey_columns >= 0).any()),
    )  # fmt: skip
    weigh = (
        *(v / unit for v in settings.size), *settings.circularity, share, calibration.width,
        calibration.height, calibration.x_origin, calibration.y_origin,
    )  # fmt: skip
    axes = Axes((planes.image.axes["y"], planes.image.axes["x"]))
    display = "display" in settings.measurements and "table" in settings.outputs
    blank = {h: np.empty(0) for h in wanted}
    style = replace(out.style, decimals=out.fixed_decimals(blank))
    return _Plan(
        kernels,
        kernels.analyze_small,
        kernels.places.py_func,
        shape,
        shape[0] * shape[1] if "labels" in settings.outputs else 0,
        settings.threshold,
        (
            np.array(limits, dtype), np.array(tell, np.int64), np.array(weigh, np.float64),
            shape_columns, grey_columns,
        ),
        max(len(places), 1),
        {heading: k for k, heading in enumerate(wanted)},
        types.MappingProxyType(out.units(wanted)),
        style,
        functools.lru_cache(maxsize=16)(functools.partial(_mask_spec, axes)),
        "labels" in settings.outputs,
        "rois" in settings.outputs,
        display,
    )  # fmt: skip


def _mask_spec(axes: Axes, name: str) -> ImageSpec:
    """Return what the label mask of an image is."""
    return ImageSpec(
        axes=axes, dtype=np.dtype(np.uint16), role="labels", name=f"Count Masks of {name}",
        extra=_NO_EXTRA,
    )  # fmt: skip


_LABELS = 65535
_MIN_RUNS = 4096
_INT16 = 32766
