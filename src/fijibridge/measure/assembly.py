"""Results of planes put together: table, labels, ROIs, summary."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from fijibridge.measure.naming import ParticleNames
from fijibridge.measure.particle_settings import COLUMN_ORDER
from fijibridge.measure.summary import SUMMARY_MEANS, summary_row, summary_table
from fijibridge.model.axes import Axes
from fijibridge.model.image import Extra, ImageSpec
from fijibridge.model.labels import LabelImage
from fijibridge.model.rois import Outlines, RoiSet
from fijibridge.model.table import LABEL, ResultsTable, TableStyle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from fijibridge.measure.particle_settings import ParticleSettings
    from fijibridge.measure.planes import Planes
    from fijibridge.measure.planework import PlaneResult
    from fijibridge.measure.tracing import Loops, Particles

__all__ = ["Assembly"]

#: ImageJ fixes the decimals of these in the first row.
_FIXED = ("Circ.", "AR", "Round", "Solidity")
#: Heading -> power of the unit of length.
_POWERS = {
    **dict.fromkeys(("Area", "IntDen"), 2),
    **dict.fromkeys(
        ("X", "Y", "XM", "YM", "Perim.", "BX", "BY", "Width", "Height", "Major", "Minor", "Feret",
         "MinFeret"), 1,
    ),
}  # fmt: skip
_SMALL = 65535


@dataclass(slots=True)
class Assembly:
    """Collects plane after plane.

    Parameters
    ----------
    planes
        The image.
    values
        Where intensities come from; its name is the one in the table.
    settings
        What is wanted.
    wanted
        Planes to analyze, 0-based.
    headings
        Columns to measure in each plane.
    from_labels
        The image is a label image; labels keep their values.
    """

    planes: Planes
    values: Planes
    settings: ParticleSettings
    wanted: Sequence[int]
    headings: tuple[str, ...]
    from_labels: bool
    warnings: list[str] = field(default_factory=list)
    _columns: list[dict[str, np.ndarray]] = field(default_factory=list)
    _ids: list[np.ndarray] = field(default_factory=list)
    _outlines: list[Outlines] = field(default_factory=list)
    _summary: list[dict[str, object]] = field(default_factory=list)
    _mask: np.ndarray | None = None
    _rows: int = 0
    _unclipped: bool = False

    @classmethod
    def of(
        cls, planes: Planes, values: Planes, settings: ParticleSettings, *, from_labels: bool
    ) -> Assembly:
        """Prepare for an analysis."""
        wanted: Sequence[int] = range(len(planes))
        if not settings.stack:
            k = (settings.slice or 1) - 1
            wanted = range(k, k + 1)
        headings: tuple[str, ...] = ()
        if "table" in settings.outputs:
            headings = settings.headings
            if settings.record:
                headings += ("XStart", "YStart")
        elif "summary" in settings.outputs:
            headings = tuple(h for h in settings.headings if h == "Area" or h in SUMMARY_MEANS)
        return cls(planes, values, settings, wanted, headings, from_labels)

    @property
    def style(self) -> TableStyle:
        """How ImageJ prints the table."""
        words = self.settings.measurements
        decimal = self.settings.decimal
        return TableStyle(
            precision=decimal,
            scientific="scientific" in words,
            row_numbers=True,
            nan_empty="nan" in words,
        )

    def add(self, k: int, result: PlaneResult) -> None:
        """Take the result of plane k."""
        n = len(result.chosen)
        if not self._rows:
            self._unclipped = result.unclipped
        numbers = self._numbers(result.found, result.chosen)
        self._rows += n
        _, _, t = self.planes.place(k)
        ids = np.empty((n, 2), np.int64)
        ids[:, 0], ids[:, 1] = t, numbers
        self._ids.append(ids)
        if "table" in self.settings.outputs:
            self._columns.append(self._with_places(k, n, result.columns))
        if "rois" in self.settings.outputs:
            self._outlines.append(self._roi_part(k, result, ids))
        if "summary" in self.settings.outputs:
            label = self.planes.image.name
            if len(self.planes) > 1:
                # without a slice label ImageJ counts the slices it has analyzed
                label = self.planes.label(k) or str(len(self._summary) + 1)
            self._summary.append(
                summary_row(label, self._summarized(result), total_area=result.total_area)
            )

    def _numbers(self, found: Particles, chosen: np.ndarray) -> np.ndarray:
        """Return the labels of the next plane's particles."""
        numbers: np.ndarray = np.arange(self._rows + 1, self._rows + len(chosen) + 1)
        return found.values[chosen] if self.from_labels else numbers

    def _summarized(self, result: PlaneResult) -> dict[str, np.ndarray]:
        asked = self.settings.headings
        return {h: v for h, v in result.columns.items() if h in asked}

    def _with_places(
        self, k: int, n: int, measured: dict[str, np.ndarray]
    ) -> dict[str, np.ndarray]:
        """Add Label, Ch, Slice and Frame where ImageJ has them."""
        out: dict[str, np.ndarray] = {}
        if "display" in self.settings.measurements:
            out[LABEL] = np.full(n, self._row_label(k), object)
        for heading in COLUMN_ORDER:
            if heading == "FeretX":
                out.update({h: np.full(n, v) for h, v in self._place_columns(k).items()})
            if heading in measured:
                out[heading] = measured[heading]
        for heading in ("XStart", "YStart"):
            if heading in measured:
                out[heading] = measured[heading]
        return out

    def _row_label(self, k: int) -> str:
        """Return the title, the selection's name and the slice's label, as ImageJ joins them."""
        text = self.values.image.name
        select = self.settings.select
        if select is not None and k == self.wanted[0] and select.name and "." not in select.name:
            name = select.name
            text += ":" + (name if len(name) <= 30 else name[:27] + "...")
        if len(self.planes) > 1:
            text += (":" if text else "") + (self.planes.label(k) or str(k + 1))
        return text

    def _place_columns(self, k: int) -> dict[str, float]:
        """Return the columns that say where in the stack plane k is."""
        if "stack" not in self.settings.measurements:
            return {}
        if not (self.planes.is_hyperstack or self.planes.is_composite):
            return {"Slice": k + 1.0}
        frames, slices, channels = self.planes.data.shape[:3]
        c, z, t = self.planes.place(k)
        found = (("Ch", channels, c), ("Slice", slices, z), ("Frame", frames, t))
        return {heading: at + 1.0 for heading, count, at in found if count > 1}

    def _roi_part(self, k: int, result: PlaneResult, ids: np.ndarray) -> Outlines:
        found, chosen = result.found, result.chosen
        n = len(chosen)
        loops = found.loops
        if n == len(found):
            first, size, roi_start, kinds = (
                loops.loop_start, loops.loop_size, loops.roi_start, loops.kinds,
            )  # fmt: skip
        else:
            first, size, roi_start = _picked(loops, chosen)
            kinds = loops.kinds[chosen]
        box = (found.roi_box if len(found.roi_box) else found.box)[chosen]
        p = self.planes.position(k)
        names = ParticleNames(
            box[:, 1] + box[:, 3] // 2,
            slice_number=k + 1,
            slices=len(self.planes),
            height=self.planes.shape[0],
        )
        positions = np.empty((n, 4), np.int32)
        positions[:] = (p.c, p.z, p.t, p.slice)
        return Outlines(
            x=loops.x, y=loops.y, loop_start=first, loop_size=size, roi_start=roi_start,
            kinds=kinds, positions=positions, ids=ids, names=names,
        )  # fmt: skip

    def painter(
        self, k: int, found: Particles, chosen: np.ndarray
    ) -> Callable[[int, int], None] | None:
        """Return what paints particles chosen[l0:l1] of plane k, the next one to be added.

        None when no labels are wanted.
        """
        if "labels" not in self.settings.outputs:
            return None
        from fijibridge.measure._kernels.runs import paint

        numbers = self._numbers(found, chosen)
        limit = self.settings.label_limit
        if limit is not None:
            numbers = np.minimum(numbers, limit)
        height, width = self.planes.shape
        largest = int(numbers.max()) if len(numbers) else 0
        dtype = np.dtype(np.uint16 if largest <= _SMALL else np.uint32)
        if largest >= 1 << 32:
            dtype = np.dtype(np.uint64)
        if self._mask is None:
            self._mask = np.zeros((len(self.wanted), height * width), dtype)
        elif self._mask.dtype.itemsize < dtype.itemsize:
            self._mask = self._mask.astype(dtype)
        flat = self._mask[k - self.wanted[0]]
        values = numbers.astype(flat.dtype)
        if len(found.roi_box):  # ImageJ fills no ROI that is smaller than the particle's mask
            filled = (found.roi_box[chosen, 2:] == found.box[chosen, 2:]).all(axis=1)
            chosen, values = chosen[filled], values[filled]
        runs = found.start, chosen, values
        ends = found.x0, found.x1, found.y, flat, width
        if len(found.seeds):  # found literally they may overlap: later ones win
            paint(*runs, 0, len(chosen), *ends)
            return None
        return lambda l0, l1: paint(*runs, l0, l1, *ends)

    def labels(self) -> LabelImage | None:
        """Return the label image, or None."""
        if self._mask is None:
            return None
        spec = self.planes.image.spec
        axes = spec.axes
        yx = (axes["y"], axes["x"])
        channels = self.planes.data.shape[2]
        if not self.settings.stack or len(self.planes) == 1:
            made = Axes(yx)
        elif channels == 1:
            made = Axes(tuple(a for a in (axes.get("t"), axes.get("z")) if a.size > 1) + yx)
        else:  # a label image has no channels; ImageJ, too, gives a plain stack
            made = Axes((replace(axes.get("z"), size=len(self.planes)), *yx))
        data = self._mask.reshape(made.shape)
        name = f"Count Masks of {spec.name}"
        return LabelImage(
            data, ImageSpec(axes=made, dtype=data.dtype, role="labels", name=name, extra=Extra())
        )

    def table(self) -> ResultsTable:
        """Return the results table."""
        ids = np.concatenate(self._ids) if self._ids else np.empty((0, 2), np.int64)
        columns: dict[str, np.ndarray] = {}
        if self._columns:
            for heading in self._columns[0]:
                parts = [c[heading] for c in self._columns]
                columns[heading] = parts[0] if len(parts) == 1 else np.concatenate(parts)
        style = replace(self.style, decimals=self.fixed_decimals(columns))
        return ResultsTable(columns, ids, units=self.units(columns), style=style, name="Results")

    def units(self, headings: Iterable[str]) -> dict[str, str]:
        """Return the units of those columns that have one."""
        unit = self.values.image.axes["x"].unit
        units = {}
        for heading in headings:
            power = _POWERS.get(heading, 0)
            if power:
                units[heading] = unit if power == 1 else f"{unit}^{power}"
            elif heading in ("Angle", "FeretAngle"):
                units[heading] = "degree"
        return units

    def fixed_decimals(self, columns: dict[str, np.ndarray]) -> dict[str, int]:
        """Return the decimals ImageJ fixes in the first row.

        In scientific notation they are taken back by the next number that is not whole, up to row
        24, and by the next plane.
        """
        if not self.style.scientific:
            return {heading: self.style.precision for heading in _FIXED if heading in columns}
        fixed = {}
        filled = [len(ids) > 0 for ids in self._ids]
        next_plane = any(filled[:-1])
        for heading in _FIXED:
            if heading in columns:
                # a circularity above 1 is added to the first row once more
                first = 0 if heading == "Circ." and self._unclipped else 1
                later = columns[heading][first:24]
                whole = np.isnan(later) | (later == np.trunc(later)) & (np.abs(later) < 2.0**31)
                if whole.all() and not next_plane:
                    fixed[heading] = self.style.precision
        return fixed

    def rois(self) -> RoiSet:
        """Return the ROIs."""
        if not self._outlines:
            return RoiSet()
        if len(self._outlines) == 1:
            return RoiSet(outlines=self._outlines[0])
        return RoiSet(outlines=_joined(self._outlines))

    def summary(self) -> ResultsTable | None:
        """Return the Summary table, or None."""
        if not self._summary:
            return None
        title = "Summary" if len(self.planes) == 1 else f"Summary of {self.planes.image.name}"
        # a table of its own, which knows of the words of Set Measurements the decimal places only
        style = TableStyle(precision=max(3, self.settings.decimal), row_numbers=False)
        return summary_table(self._summary, title=title, style=style)


def _picked(loops: Loops, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (loop_start, loop_size, roi_start) of some ROIs."""
    counts = np.diff(loops.roi_start)[chosen]
    roi_start = np.zeros(len(chosen) + 1, np.int64)
    np.cumsum(counts, out=roi_start[1:])
    pick = np.arange(roi_start[-1]) + np.repeat(loops.roi_start[chosen] - roi_start[:-1], counts)
    return loops.loop_start[pick], loops.loop_size[pick], roi_start


def _joined(parts: list[Outlines]) -> Outlines:
    """Put the outlines of several planes behind each other."""
    vertices = np.cumsum([0] + [len(p.x) for p in parts])
    loops = np.cumsum([0] + [len(p.loop_start) for p in parts])
    names: list[str] = []
    for p in parts:
        names.extend(p.names)
    return Outlines(
        x=np.concatenate([p.x for p in parts]),
        y=np.concatenate([p.y for p in parts]),
        loop_start=np.concatenate(
            [p.loop_start + v for p, v in zip(parts, vertices, strict=False)]
        ),
        loop_size=np.concatenate([p.loop_size for p in parts]),
        roi_start=np.concatenate(
            [p.roi_start[:-1] + k for p, k in zip(parts, loops, strict=False)] + [loops[-1:]]
        ),
        kinds=np.concatenate([p.kinds for p in parts]),
        positions=np.concatenate([p.positions for p in parts]),
        ids=np.concatenate([p.ids for p in parts]),
        names=names,
    )
