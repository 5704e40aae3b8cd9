"""By which rule do the levels of a pyramid follow from one another? Asked of the data."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fijibridge.model import Region
from fijibridge.model.rules import Rule, rule_for, rules_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from fijibridge.formats._zarr.pyramid import Pyramid, StoredLevel
    from fijibridge.model.rules import Rule as _Rule
    from fijibridge.model.scaling import Scaling

__all__ = ["Detected", "detect_rule"]

_EDGE = 24  # samples of the coarser level along each side of a probe
_SIDE = 2  # along axes that are not made smaller: channels, time, often z
_PROBES = 9
_ENOUGH = 8  # probes that are not even
_TOLD = 4  # places where a small level says that something is to be seen
_SMALL = 1 << 24  # samples of a level that is read as a whole
_NEAR = 1e-5  # of a float level's range: others add up in another order
_OWN = {"gaussian": Rule("linear"), "mean": Rule("mean"), "nearest": Rule("nearest")}


@dataclass(frozen=True, slots=True)
class Detected:
    """What was found.

    Parameters
    ----------
    rule
        The rule.
    how
        ``metadata``, ``data``, or ``default`` where nothing fitted.
    text
        One line for people.
    """

    rule: Rule
    how: str
    text: str


def detect_rule(
    pyramid: Pyramid,
    *,
    first: int = 0,
    family: Scaling | None = None,
    near: Region | None = None,
) -> Detected:
    """Return how the levels of a pyramid were made.

    Parameters
    ----------
    pyramid
        The pyramid.
    first
        Number of the finest level that matters.
    family
        The user says that it is linear, mean or nearest; the data say which kind of it.
    near
        Region of level `first` around which is looked first.
    """
    levels, role = pyramid.levels[first:], pyramid.spec.role
    standard = rule_for(role, family)
    if len(levels) < 2:
        return Detected(standard, "default", "one level only")
    if pyramid.own and family is None and pyramid.method in _OWN:
        rule = _OWN[pyramid.method]
        return Detected(rule, "metadata", f"{rule.text}; the metadata say so")
    return _asked_of_data(pyramid, levels, standard, near, family)


def _asked_of_data(
    pyramid: Pyramid,
    levels: Sequence[StoredLevel],
    standard: Rule,
    near: Region | None,
    family: Scaling | None,
) -> Detected:
    shapes = [level.shape for level in pyramid.levels]
    candidates = [rule.fitted(shapes) for rule in rules_of(pyramid.spec.role, family)]
    told = pyramid.method.lower()
    candidates.sort(key=lambda r: (r != standard, r.family not in told))
    hits = misses = 0
    wrong = ""
    for finer, coarser in itertools.pairwise(levels):
        telling = 0
        for region in probes(pyramid, finer, coarser, near if finer is levels[0] else None):
            if telling == _ENOUGH:
                break
            whole = _span(candidates, finer, coarser, region)
            block = finer.read(whole)
            if not _tells(block):
                continue
            telling += 1
            found = coarser.read(region)
            fitting = [
                r for r in candidates if _fits(r, finer, coarser, region, whole, block, found)
            ]
            if fitting:
                hits += 1
                candidates = fitting
            else:  # a place that was changed at one level only, or a rule of others
                misses += 1
                wrong = wrong or coarser.name
        if len(candidates) == 1:
            break
    if misses > hits:
        return Detected(
            standard,
            "default",
            f"{standard.text}; no known rule fits level {wrong!r}, so parts made now will differ "
            "from the rest of it",
        )
    rule = candidates[0]
    if not hits:
        return Detected(rule, "default", f"{rule.text}; the image is even, so it does not say")
    where = f" ({hits} of {hits + misses} places)" if misses else ""
    return Detected(rule, "data", f"{rule.text}; found in the data{where}")


def _tells(block: np.ndarray) -> bool:
    return block.size > 0 and bool((block != block.flat[0]).any())


def _span(
    rules: Sequence[_Rule], finer: StoredLevel, coarser: StoredLevel, region: Region
) -> Region:
    boxes = [rule.support(finer.shape, coarser.shape, region) for rule in rules]
    return Region(
        tuple(min(b.start[i] for b in boxes) for i in range(len(region.start))),
        tuple(max(b.stop[i] for b in boxes) for i in range(len(region.start))),
    )


def _fits(
    rule: _Rule,
    finer: StoredLevel,
    coarser: StoredLevel,
    region: Region,
    whole: Region,
    block: np.ndarray,
    found: np.ndarray,
) -> bool:
    box = rule.support(finer.shape, coarser.shape, region)
    part = tuple(
        slice(a - o, b - o) for a, b, o in zip(box.start, box.stop, whole.start, strict=True)
    )
    made = rule.reduce(block[part], finer.shape, coarser.shape, region)
    return equal(made, found)


def equal(made: np.ndarray, found: np.ndarray) -> bool:
    if made.dtype.kind != "f":
        return bool(np.array_equal(made, found))
    finite = np.isfinite(found)
    largest = float(np.abs(found[finite]).max(initial=0.0))
    return bool(np.allclose(made, found, rtol=0, atol=_NEAR * largest, equal_nan=True))


def probes(
    pyramid: Pyramid, finer: StoredLevel, coarser: StoredLevel, near: Region | None
) -> Iterator[Region]:
    """Yield boxes of a level: around a region, where something is, then spread.

    They are the same ones every time.
    """
    shape, fine = coarser.shape, finer.shape
    edge = [min(_SIDE if n == m else _EDGE, n) for n, m in zip(shape, fine, strict=True)]
    if math.prod(shape) <= _EDGE**3:  # as much as one box of others
        yield from _parts(shape, fine)
        return
    if near is not None:
        centre = [
            (a + b) / 2 * n / m
            for a, b, n, m in zip(near.start, near.stop, shape, fine, strict=True)
        ]
        yield _box(centre, edge, shape)
    for part in _places(pyramid):
        yield _box([p * n for p, n in zip(part, shape, strict=True)], edge, shape)
    yield _box([n / 2 for n in shape], edge, shape)
    rng = np.random.default_rng(0)
    for _ in range(_PROBES):
        yield _box([rng.random() * n for n in shape], edge, shape)


def _parts(shape: Sequence[int], fine: Sequence[int]) -> Iterator[Region]:
    """Yield the parts of a small level: halves along each axis that is made smaller."""
    cuts = [
        [(0, n)] if n == m or n < 2 else [(0, n // 2), (n // 2, n)]
        for n, m in zip(shape, fine, strict=True)
    ]
    for ends in itertools.product(*cuts):
        yield Region(tuple(a for a, _ in ends), tuple(b for _, b in ends))


def _places(pyramid: Pyramid) -> list[tuple[float, ...]]:
    """Return where something is to be seen, as parts of each axis: the coarsest level says it."""
    level = pyramid.levels[-1]
    if math.prod(level.shape) > _SMALL:
        return []
    pixels = level.read(Region.whole(level.shape))
    varies = np.zeros(pixels.shape, bool)
    for axis in range(pixels.ndim):
        differs = np.diff(pixels, axis=axis) != 0
        here = tuple(slice(0, n) for n in differs.shape)
        varies[here] |= differs
    found = np.flatnonzero(varies)
    chosen = (
        found[np.linspace(0, found.size - 1, _TOLD + 2).astype(int)[1:-1]] if found.size else []
    )
    return [
        tuple(
            (i + 0.5) / n
            for i, n in zip(np.unravel_index(one, level.shape), level.shape, strict=True)
        )
        for one in dict.fromkeys(int(c) for c in chosen)
    ]


def _box(centre: Sequence[float], edge: Sequence[int], shape: Sequence[int]) -> Region:
    start = [
        max(0, min(int(c - e / 2), n - e)) for c, e, n in zip(centre, edge, shape, strict=True)
    ]
    return Region(tuple(start), tuple(a + e for a, e in zip(start, edge, strict=True)))
