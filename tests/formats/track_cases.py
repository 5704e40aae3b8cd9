"""Random movies of labelled blocks with tracks through them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st

from fijibridge.measure.object_features import survey
from fijibridge.model import LabelImage, Tracks


@dataclass
class Source:
    """A whole image read as a source."""

    image: LabelImage

    @property
    def spec(self):
        return self.image.spec

    def read(self, region):
        return self.image.data[region.slices]

    def close(self):
        """Nothing is open."""


def movie(objects, frames, *, deep=False):
    """Paint one block an object; returns a source of tzyx or tyx."""
    shape = (frames, 3, 8, 40) if deep else (frames, 8, 40)
    data = np.zeros(shape, np.uint16)
    for t, label in objects:
        slot = sum(1 for a, b in objects if a == t and b < label)
        box = (slice(1, 2 + label % 2), slice(2, 4 + label % 3), slice(4 * slot + 1, 4 * slot + 4))
        data[(t, *(box if deep else box[1:]))] = label
    return Source(LabelImage.from_array(data, "tzyx" if deep else "tyx"))


@st.composite
def tracked_movies(draw, *, gaps=True, features=False):
    """Draw (tracks, labels)."""
    frames = draw(st.integers(1, 5))
    labels = [sorted(draw(st.sets(st.integers(1, 30), max_size=5))) for _ in range(frames)]
    objects = [(t, label) for t in range(frames) for label in labels[t]]
    rows = []
    for t, label in objects:
        if draw(st.integers(0, 9)) == 0:
            continue  # not named
        back = [p for p in objects if p[0] < t and (gaps or p[0] == t - 1)]
        near = [p for p in back if p[0] == t - 1]
        pick = near if near and draw(st.booleans()) else back
        parent = draw(st.sampled_from(pick)) if pick and draw(st.integers(0, 4)) else (t - 1, 0)
        merger = draw(st.sampled_from([0, 0, 0, 3, 7]))
        count = draw(st.sampled_from([1, 1, 1, 2]))
        rows.append((t, label, parent[1], parent[0], merger, count))
    t, label, parent, when, merger, count = (
        np.array(c, np.int64) for c in (zip(*rows, strict=True) if rows else [[]] * 6)
    )
    source = movie(objects, frames, deep=draw(st.booleans()))
    seen = survey(source, measure=features)
    tracks = Tracks.from_links(
        t,
        label,
        parent,
        when,
        objects=seen.ids,
        frames=frames,
        merger=merger,
        count=count,
    )
    return (tracks.with_features(seen.features) if features else tracks), source


def same_links(a, b):
    """Whether two tracks say the same about who comes from whom."""
    return np.array_equal(a.ids, b.ids) and np.array_equal(a.link, b.link)


def partition(values, other):
    """Whether two columns group the objects in the same way, 0 alike."""
    pairs = set(zip(values.tolist(), other.tolist(), strict=True))
    return len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs}) and all(
        (a == 0) == (b == 0) for a, b in pairs
    )
