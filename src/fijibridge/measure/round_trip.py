"""How many objects came back identical after labels became ROIs, or ROIs became labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from fijibridge.errors import SettingsError
from fijibridge.measure._canvas import Canvas
from fijibridge.measure.painting import label_numbers, smallest_type

if TYPE_CHECKING:
    from fijibridge.model.labels import LabelImage
    from fijibridge.model.rois import RoiSet

__all__ = ["RoundTrip", "round_trip_report"]

#: Labels up to this value are looked up in a table.
_TABLE = 1 << 22


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundTrip:
    """How many objects came back identical, pixel by pixel.

    Parameters
    ----------
    total
        Objects compared.
    identical
        Those with the same pixels on both sides.
    lost
        Those with no pixel left.
    changed
        Those with other pixels than before.

    Examples
    --------
    >>> print(RoundTrip(total=9, identical=7, lost=1, changed=1))
    7 of 9 identical (1 changed, 1 lost)
    """

    total: int
    identical: int
    lost: int
    changed: int

    def __str__(self) -> str:
        if self.identical == self.total:
            return f"{self.total} of {self.total} identical"
        return (
            f"{self.identical} of {self.total} identical ({self.changed} changed, {self.lost} lost)"
        )


def round_trip_report(
    labels: LabelImage, rois: RoiSet, *, of: Literal["labels", "rois"] = "labels"
) -> RoundTrip:
    """Return how many objects are the same, pixel by pixel, in labels and ROIs.

    Parameters
    ----------
    labels, rois
        One made from the other; an ROI belongs to the label its name (or what it was traced from)
        says, see `rois_to_labels`. Where no name does, ROIs made from labels are taken in the
        order in which `labels_to_rois` makes them, labels made from ROIs as 1 to n.
    of
        ``labels``: the labels of each frame are counted, and their pixels compared with those of
        the filled ROIs. ``rois``: the ROIs are counted; identical is one whose pixels, all of
        them inside of the image, are exactly those of its label on its planes.

    Examples
    --------
    >>> from fijibridge.measure.regions import labels_to_rois
    >>> from fijibridge.model import LabelImage
    >>> labels = LabelImage.from_array([[0, 3, 0], [3, 3, 7]], "yx")
    >>> print(round_trip_report(labels, labels_to_rois(labels)))
    2 of 2 identical
    """
    if of not in ("labels", "rois"):
        raise SettingsError(f"of {of!r} is unknown; allowed are labels and rois.")
    stack = labels.reorder("tzyx").data
    numbers = label_numbers(rois)
    if numbers is None and of == "labels":
        numbers = _in_order(stack, len(rois))
    if numbers is None:
        numbers = np.arange(1, len(rois) + 1)
    canvas = Canvas(rois, stack.shape, 1)
    if of == "rois":
        return _compare_rois(canvas, stack, numbers)
    largest = max(int(stack.max(initial=0)), int(numbers.max(initial=0)))
    painted = np.zeros(stack.shape, smallest_type(largest))
    canvas.fill(painted, numbers.astype(painted.dtype), np.arange(len(numbers)), "last")
    total = changed = lost = 0
    for before, after in zip(stack, painted, strict=True):
        ids = _present(before)
        total += len(ids)
        differ = before != after
        if differ.any():
            touched = np.concatenate([before[differ].astype(np.uint64), after[differ]])
            hurt = ids[np.isin(ids, touched)]
            left = np.isin(hurt, _present(after))
            changed += int(left.sum())
            lost += int((~left).sum())
    return RoundTrip(total=total, identical=total - lost - changed, lost=lost, changed=changed)


def _compare_rois(canvas: Canvas, stack: np.ndarray, numbers: np.ndarray) -> RoundTrip:
    largest = max(int(stack.max(initial=0)), int(numbers.max(initial=0)))
    native = stack.astype(smallest_type(largest))
    values = numbers.astype(native.dtype)
    canvas.fill(native, values, np.arange(len(values)), "compare")
    there = canvas.label_pixels(native, values)
    whole = ~(canvas.clipped | canvas.outside | canvas.no_area)
    same = whole & (canvas.hits == canvas.pixels) & (canvas.hits == there)
    lost = ~same & (there == 0)
    return RoundTrip(
        total=len(values),
        identical=int(same.sum()),
        lost=int(lost.sum()),
        changed=int((~same & ~lost).sum()),
    )


def _in_order(stack: np.ndarray, count: int) -> np.ndarray | None:
    """Return the labels plane by plane, if they are as many as the ROIs."""
    planes = stack.reshape(-1, *stack.shape[2:])
    found = [_present(plane) for plane in planes]
    if sum(map(len, found)) != count:
        return None
    return np.concatenate(found).astype(np.int64) if found else np.empty(0, np.int64)


def _present(labels: np.ndarray) -> np.ndarray:
    """Return the labels but 0, ascending, uint64."""
    if not labels.size:
        return np.empty(0, np.uint64)
    if int(labels.max()) <= max(labels.size, _TABLE):
        seen = np.zeros(int(labels.max()) + 1, np.bool_)
        seen[labels.reshape(-1)] = True
        found = np.flatnonzero(seen)
    else:
        found = np.unique(labels)
    ids: np.ndarray = found[found != 0].astype(np.uint64)
    return ids
