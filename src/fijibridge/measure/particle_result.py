"""What Analyze Particles gives."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from fijibridge.model.labels import LabelImage
    from fijibridge.model.rois import RoiSet
    from fijibridge.model.table import ResultsTable

__all__ = ["ParticleResult"]


class _Parts(Protocol):
    """Where the values of a result come from."""

    @property
    def labels(self) -> LabelImage | None: ...
    @property
    def table(self) -> ResultsTable: ...
    @property
    def rois(self) -> RoiSet: ...
    @property
    def summary(self) -> ResultsTable | None: ...
    @property
    def threshold(self) -> tuple[float, float] | None: ...
    @property
    def warnings(self) -> tuple[str, ...]: ...


class _Later:
    """Fills a field when it is first read: a loop over many images reads few of them."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, result: object, owner: type) -> Any:
        if result is None:
            return self
        values = result.__dict__
        value = values[self._name] = getattr(values["_found"], self._name)
        return value


@dataclass(frozen=True, kw_only=True, repr=False)
class ParticleResult:
    """What Analyze Particles gives.

    Parameters
    ----------
    labels
        Label image of what is in the table; a label is the number of its row (of a label image: the
        label itself). None when it was not asked for.
    table
        One row per particle, ImageJ's headings; ``object_ids`` are (t, label).
    rois
        One ROI per row; empty when not asked for.
    summary
        ImageJ's Summary table, or None.
    threshold
        Raw values in force, or None for a binary or label image.
    warnings
        What a user should know.
    """

    labels: LabelImage | None
    table: ResultsTable
    rois: RoiSet
    summary: ResultsTable | None
    threshold: tuple[float, float] | None
    warnings: tuple[str, ...]

    @classmethod
    def later(cls, found: _Parts) -> ParticleResult:
        """Build a result whose values are taken from `found` when they are first looked at."""
        result = object.__new__(cls)
        result.__dict__["_found"] = found
        return result

    def __getstate__(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def __repr__(self) -> str:
        band = "" if self.threshold is None else "threshold {:g} to {:g}".format(*self.threshold)
        parts = [f"{len(self.table)} particles", band]
        parts += [repr(part) for part in (self.labels, self.rois) if part is not None]
        return f"ParticleResult({', '.join(part for part in parts if part)})"

    def _repr_html_(self) -> str:
        """Show the objects, as labels or as outlines, and the first rows of the table."""
        objects = self.rois if self.labels is None else self.labels
        return f"<div>{objects._repr_html_()}{self.table._repr_html_()}</div>"


for _field in fields(ParticleResult):  # values that are given come before these
    setattr(ParticleResult, _field.name, _Later(_field.name))
