"""ROIs to labels: every ROI filled by ImageJ's own rule, overlaps by the user's."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, get_args, overload

import numpy as np

from fijibridge.errors import SettingsError, nearest
from fijibridge.measure._canvas import Canvas, position_table
from fijibridge.model.axes import Axes, Axis
from fijibridge.model.image import Extra, Image, ImageSpec
from fijibridge.model.labels import LabelImage
from fijibridge.model.rois import AREA_KINDS, RoiSet

if TYPE_CHECKING:
    from fijibridge.measure._canvas import Mode

__all__ = [
    "Overlap",
    "Painted",
    "paint_rois",
    "rois_to_labels",
]

Overlap = Literal["last", "first", "smallest", "error", "channels"]
Ids = Literal["names", "order"]

#: A name that is a number, also with the ending ImageJ gives to a second one in a zip.
_NUMBER = re.compile(r"([0-9]{1,19})(-[0-9]+)?")
_MAX_LABEL = 2**63 - 1
_TYPES = (np.uint16, np.uint32, np.uint64)
#: Bytes a stack of one plane an ROI may take.
_MAX_CHANNELS = 1 << 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Painted:
    """Labels made from ROIs, and what could not be drawn as it is.

    Parameters
    ----------
    labels
        The label image; for ``overlap="channels"`` an `Image` with an axis ``c``, one per ROI.
    ids
        (n,) int64 label of each ROI, in the order of the set.
    pixels
        (n,) int64 pixels of each ROI inside of the image, before others cover it.
    clipped, outside
        Number of ROIs that reach beyond the image, and of those that lie wholly beyond it (or on
        a slice it does not have); the outside ones are not among the clipped.
    no_area
        Number of lines, points and other ROIs that enclose no pixels; they are left out.
    """

    labels: Image
    ids: np.ndarray
    pixels: np.ndarray
    clipped: int
    outside: int
    no_area: int


@overload
def rois_to_labels(
    rois: RoiSet,
    *,
    like: Image | ImageSpec | None = None,
    shape: tuple[int, ...] | None = None,
    overlap: Literal["last", "first", "smallest", "error"] = "last",
    ids: Ids = "names",
) -> LabelImage: ...
@overload
def rois_to_labels(
    rois: RoiSet,
    *,
    like: Image | ImageSpec | None = None,
    shape: tuple[int, ...] | None = None,
    overlap: Overlap,
    ids: Ids = "names",
) -> Image: ...
def rois_to_labels(
    rois: RoiSet,
    *,
    like: Image | ImageSpec | None = None,
    shape: tuple[int, ...] | None = None,
    overlap: Overlap = "last",
    ids: Ids = "names",
) -> Image:
    """Fill ROIs into a label image, each pixel by ImageJ's own filling rule.

    Parameters
    ----------
    rois
        Area ROIs of every kind; those without an area are left out with a warning. Positions
        choose the planes: ``slice`` is the running number of a stack, ``z`` and ``t`` are those of
        a hyperstack, 0 means all; a channel is not looked at. An image of one plane takes them all.
    like
        The result has its axes (without c), sizes, scales and units.
    shape
        Instead: (y, x), (z, y, x) or (t, z, y, x) in pixels.
    overlap
        Who gets a pixel of several ROIs: the ``last`` of the list (as ImageJ's Fill), the
        ``first``, the ``smallest`` by pixels (of equals the last); ``error`` refuses; ``channels``
        keeps all: an `Image` with an axis c of one plane (or stack) per ROI, holding its label.
    ids
        ``names``: the ROIs' labels are their names when these are whole numbers > 0, one
        of a kind on each plane (``0007``, and ``0007-1`` where ImageJ made ``0007`` unique in a
        zip); otherwise, and for ``order``, 1 to n in the order of the set.

    Returns
    -------
    LabelImage
        uint16 while the largest label is at most 65,535, else uint32, else uint64.

    Raises
    ------
    SettingsError
        When neither or both of `like` and `shape` are given, for unknown words, for overlapping
        ROIs with ``error``, for channels that take more than 4 GB, and for coordinates that are
        not finite.

    Warns
    -----
    UserWarning
        When ROIs are cut at the image's border, lie outside of it or enclose no pixels.

    Source
    ------
    ImageJ 1.54p ImageProcessor.fill(Roi), Roi.getMask.

    Examples
    --------
    >>> from fijibridge.model import Roi
    >>> square = Roi(kind="rectangle", bounds=(1, 0, 2, 2), name="0005")
    >>> rois_to_labels(RoiSet([square]), shape=(2, 4)).data.tolist()
    [[0, 5, 5, 0], [0, 5, 5, 0]]
    """
    painted = paint_rois(rois, like=like, shape=shape, overlap=overlap, ids=ids)
    said = []
    if painted.clipped:
        said.append(f"{painted.clipped} reach beyond the image and were cut at its border")
    if painted.outside:
        said.append(f"{painted.outside} lie outside of it")
    if painted.no_area:
        said.append(f"{painted.no_area} enclose no pixels (lines, points) and were left out")
    if said:
        warnings.warn(f"Of {len(rois)} ROIs, {'; '.join(said)}.", stacklevel=2)
    return painted.labels


def paint_rois(
    rois: RoiSet,
    *,
    like: Image | ImageSpec | None = None,
    shape: tuple[int, ...] | None = None,
    overlap: Overlap = "last",
    ids: Ids = "names",
) -> Painted:
    """Do what `rois_to_labels` does, and report instead of warning."""
    for name, word, allowed in (
        ("overlap", overlap, get_args(Overlap)),
        ("ids", ids, get_args(Ids)),
    ):
        if word not in allowed:
            raise SettingsError(
                f"{name} {word!r} is unknown; allowed are {', '.join(allowed)}."
                + nearest(str(word), allowed)
            )
    target = _target(rois, like, shape)
    labels = label_numbers(rois) if ids == "names" else None
    if labels is None:
        labels = np.arange(1, len(rois) + 1)
    largest = int(labels.max()) if len(labels) else 0
    values = labels.astype(smallest_type(largest))
    canvas = Canvas(rois, target.shape, target.channels)
    if overlap == "channels":
        image = _channels(canvas, values, target)
    else:
        image = _one_image(canvas, values, target, overlap)
    return Painted(
        labels=image,
        ids=labels.astype(np.int64),
        pixels=canvas.pixels,
        clipped=int(canvas.clipped.sum()),
        outside=int(canvas.outside.sum()),
        no_area=int(canvas.no_area.sum()),
    )


@dataclass(frozen=True, slots=True)
class _Target:
    """The image to fill: axes without c, and the number of channels of the stack it stands for."""

    axes: Axes
    name: str
    channels: int

    @property
    def shape(self) -> tuple[int, int, int, int]:
        t, z, y, x = (self.axes.size(key) for key in "tzyx")
        return t, z, y, x


def _target(rois: RoiSet, like: Image | ImageSpec | None, shape: tuple[int, ...] | None) -> _Target:
    if (like is None) == (shape is None):
        width, height = _smallest(rois)
        raise SettingsError(
            "The size of the label image must be given once, "
            + ("as like or as shape." if like is None else "as like or as shape, not both."),
            f"The smallest image that holds all ROIs has the shape ({height}, {width}).",
        )
    if like is not None:
        spec = like if isinstance(like, ImageSpec) else like.spec
        axes = Axes(tuple(axis for axis in spec.axes if axis.key != "c"))
        if "y" not in axes or "x" not in axes:
            raise SettingsError(f"like has the axes {spec.axes.keys!r}; y and x are needed.")
        return _Target(axes, spec.name, 1 if spec.extra.rgb else spec.axes.size("c"))
    sizes = tuple(int(n) for n in shape or ())
    if not 2 <= len(sizes) <= 4 or min(sizes) < 0:
        raise SettingsError(
            f"shape {shape} is not (y, x), (z, y, x) or (t, z, y, x).", "Give sizes in pixels."
        )
    return _Target(Axes.of("tzyx"[-len(sizes) :], sizes), "", 1)


def _smallest(rois: RoiSet) -> tuple[int, int]:
    boxes = [roi.box for roi in rois if roi.kind in AREA_KINDS]
    ends = np.array([(x + w, y + h) for x, y, w, h in boxes] or [(1.0, 1.0)])
    ends = np.clip(np.ceil(np.nan_to_num(ends)), 1, 2**31)
    return int(ends[:, 0].max()), int(ends[:, 1].max())


def label_numbers(rois: RoiSet) -> np.ndarray | None:
    """Return the label of each ROI from its name or what it was traced from, (n,) int64.

    None when neither names nor traced labels are whole numbers > 0, one of a kind on each plane.
    """
    positions, names = position_table(rois), rois.names
    plain = set(names)
    found = np.zeros(len(names), np.int64)
    for i, name in enumerate(names):
        match = _NUMBER.fullmatch(name)
        if match is None or (match[2] is not None and match[1] not in plain):
            break
        number = int(match[1])
        if number > _MAX_LABEL:
            break
        found[i] = number
    if _one_of_a_kind(found, positions):
        return found
    if rois.outlines is not None:
        traced = np.asarray(rois.outlines.ids)[:, 1].astype(np.int64)
        if _one_of_a_kind(traced, positions):
            return traced
    return None


def _one_of_a_kind(labels: np.ndarray, positions: np.ndarray) -> bool:
    if (labels < 1).any():
        return False
    if len(labels) < 2:
        return True
    keys = np.vstack([positions.T, labels])
    if (np.diff(labels) > 0).all():
        return True
    ordered = keys[:, np.lexsort(keys)]
    return bool((ordered[:, 1:] != ordered[:, :-1]).any(axis=0).all())


def _one_image(canvas: Canvas, values: np.ndarray, target: _Target, overlap: Overlap) -> LabelImage:
    stack = np.zeros(target.shape, values.dtype)
    order = np.arange(len(values))
    if overlap == "smallest":
        canvas.fill(stack, values, order, "count")
        order = np.argsort(-canvas.pixels, kind="stable")
    mode: Mode = "first" if overlap in ("first", "error") else "last"
    canvas.fill(stack, values, order, mode)
    if overlap == "error" and canvas.hits.any():
        i = int(np.flatnonzero(canvas.hits)[0])
        raise SettingsError(
            f"ROI {canvas.rois.names[i]!r} shares {int(canvas.hits[i])} pixels with ROIs before "
            f"it in the list; {int(np.count_nonzero(canvas.hits))} ROIs do.",
            "Choose who gets them: overlap='last', 'first', 'smallest' or 'channels'.",
        )
    axes = target.axes.reorder("tzyx")
    spec = ImageSpec(axes=axes, dtype=stack.dtype, role="labels", name=target.name)
    labels = LabelImage(stack, spec).reorder(target.axes.keys)
    return LabelImage(labels.data, replace(labels.spec, axes=target.axes))


def _channels(canvas: Canvas, values: np.ndarray, target: _Target) -> Image:
    size = int(np.prod(target.shape, dtype=object)) * values.itemsize * len(values)
    if size > _MAX_CHANNELS:
        raise SettingsError(
            f"One plane for each of {len(values)} ROIs takes {size / 1e9:.1f} GB; "
            f"at most {_MAX_CHANNELS / 1e9:.1f} GB are made.",
            "Use overlap='smallest', or fewer ROIs.",
        )
    stack = np.zeros((len(values), *target.shape), values.dtype)
    for i in range(len(values)):
        canvas.fill(stack[i], values, np.array([i]), "last")
    names = canvas.rois.names
    axes = Axes((Axis("c", len(values)), *target.axes.reorder("tzyx")))
    spec = ImageSpec(
        axes=axes,
        dtype=stack.dtype,
        role="labels",
        name=target.name,
        extra=Extra(channel_names=names),
    )
    return Image(stack, spec).reorder("c" + target.axes.keys)


def smallest_type(largest: int) -> np.dtype[Any]:
    """Return uint16 while it holds the largest label, then uint32, then uint64."""
    return np.dtype(next(t for t in _TYPES if largest <= np.iinfo(t).max))
