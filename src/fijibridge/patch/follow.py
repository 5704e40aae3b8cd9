"""Whether the levels of a store's images follow from one another."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from fijibridge.formats import Finding, Location
from fijibridge.formats._zarr.open import find_images
from fijibridge.formats._zarr.pyramid import open_pyramid
from fijibridge.formats._zarr.store import Store, locate
from fijibridge.model import Region
from fijibridge.patch.detect import Detected, detect_rule, equal, probes
from fijibridge.patch.region import region_text
from fijibridge.patch.store import steady

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fijibridge.formats._zarr.pyramid import Pyramid, StoredLevel
    from fijibridge.model.rules import Rule

__all__ = ["check_levels", "level_findings"]

#: Samples along each axis that are compared at a time when all are.
_TILE = 128


def _tiles(level: StoredLevel) -> Iterator[Region]:
    """Yield boxes that cover a level, none of them large."""
    steps = [min(unit, _TILE) for unit in level.unit]
    spans = zip(level.shape, steps, strict=True)
    for start in itertools.product(*(range(0, n, s) for n, s in spans)):
        stop = (min(a + s, n) for a, s, n in zip(start, steps, level.shape, strict=True))
        yield Region(start, tuple(stop))


def check_levels(pyramid: Pyramid, rule: Rule, *, full: bool = False) -> list[str]:
    """Return what is wrong: one line for each level that does not follow from the finer one.

    Parameters
    ----------
    pyramid
        The pyramid.
    rule
        How it was made.
    full
        Compare every sample instead of some boxes.
    """
    lines = []
    for finer, coarser in itertools.pairwise(pyramid.levels):
        wrong, seen, where = 0, 0, None
        for region in _tiles(coarser) if full else probes(pyramid, finer, coarser, None):
            box = rule.support(finer.shape, coarser.shape, region)
            made = rule.reduce(finer.read(box), finer.shape, coarser.shape, region)
            found = coarser.read(region)
            seen += found.size
            if not equal(made, found):
                wrong += int((made != found).sum())
                where = where or region
        if where is not None:
            lines.append(
                f"level {coarser.name!r} does not follow from {finer.name!r} ({rule.text}): "
                f"{wrong} of {seen} samples looked at differ, the first in "
                f"{region_text(coarser.axes, where)}"
            )
    return lines


def level_findings(where: Location, *, full: bool = False) -> list[Finding]:
    """Return the levels of a Zarr store's images that do not follow from the finer one.

    Parameters
    ----------
    where
        The store, or a place in it.
    full
        Compare every sample; else some boxes of each level, where something is to be seen first.

    Raises
    ------
    FormatError
        When pixels cannot be read.
    """
    root, node = locate(where)
    store = Store(root)
    try:
        names = [name for name in find_images(store, node) if store.kind(name) != "array"]
    finally:
        store.close()
    findings: list[Finding] = []
    for name in names:
        pyramid = open_pyramid(Location(root, name))
        try:
            findings += steady(pyramid, lambda one=pyramid: _of_image(one, full=full))  # type: ignore[misc]  # mypy sees no type in a default
        finally:
            pyramid.close()
    return findings


def _of_image(pyramid: Pyramid, *, full: bool) -> list[Finding]:
    if len(pyramid.levels) < 2:
        return []
    detected: Detected = detect_rule(pyramid)
    if detected.how == "default" and "no known rule" in detected.text:
        kind = "labels, which are only picked" if pyramid.spec.role == "labels" else "pixels"
        return [
            Finding(
                "warning",
                f"{pyramid.name}: the levels follow from one another by no rule known for {kind}; "
                "whether they fit cannot be said.",
            )
        ]
    return [
        Finding("error", f"{pyramid.name}: {line}.")
        for line in check_levels(pyramid, detected.rule, full=full)
    ]
