"""What formats cannot hold, said before anything is written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from fijibridge.model import Tracks

__all__ = ["lost"]


def lost(tracks: Tracks, holds: str) -> tuple[str, ...]:
    """Return one line for everything that a format which `holds` these words cannot hold.

    Parameters
    ----------
    tracks
        What is written.
    holds
        Words of: track, lineage, untracked, merger, count, features, gaps (links over frames),
        labels.

    Examples
    --------
    >>> from fijibridge.model import Tracks
    >>> lost(Tracks.from_links([0, 2], [1, 1], [0, 1], [0, 0]), "track lineage untracked labels")
    ('1 link over a gap of frames: the later track begins without a parent',)
    """
    held = set(holds.split())
    found = []

    def note(word: str, count: int, text: str, plural: str = "") -> None:
        if word not in held and count:
            found.append(f"{count} {text if count == 1 or not plural else plural}")

    bare = len(tracks) - int(np.count_nonzero(tracks.tracked))
    note("untracked", bare, "object of no track is left out", "objects of no track are left out")
    gaps = len(tracks.gaps)
    tail = "over a gap of frames: the later track begins without a parent"
    note("gaps", gaps, f"link {tail}", f"links {tail}")
    merged = int(np.count_nonzero(tracks.merger))
    tail = "out of a cluster: which one is not said"
    note("merger", merged, f"object cut {tail}", f"objects cut {tail}")
    several = int(np.count_nonzero(tracks.count != 1))
    tail = "counted as more or less than one: the number is not said"
    note("count", several, f"object {tail}", f"objects {tail}")
    if "features" not in held and tracks.features.columns:
        found.append(f"{len(tracks.features.columns)} columns of measurements are left out")
    if "track" not in held and tracks.tracked.any():
        found.append("the numbers of the tracks; readers number them anew")
    if "lineage" not in held and tracks.tracked.any():
        found.append("the numbers of the lineages; readers number them anew")
    return tuple(found)
