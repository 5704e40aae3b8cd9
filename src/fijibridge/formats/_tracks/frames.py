"""Movies frame by frame, so that memory does not grow with their length."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fijibridge.errors import SettingsError, UnsupportedError
from fijibridge.model import Region

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fijibridge.formats._format import TrackOptions
    from fijibridge.model import ImageSource, Tracks

__all__ = ["Frames", "label_frames", "mapped", "rows_by_frame"]

_TABLE = 1 << 22


class Frames:
    """The frames of a movie.

    Parameters
    ----------
    source
        Any image; axes that it has not are of size 1.
    what
        What it is, for errors.
    """

    def __init__(self, source: ImageSource, what: str = "the label image") -> None:
        self.source = source
        self.axes = source.spec.axes
        if what == "the label image" and self.axes.size("c") > 1:
            raise SettingsError(
                f"The label image has {self.axes.size('c')} channels; it has one.",
                "Take one channel first.",
            )

    def __len__(self) -> int:
        return self.axes.size("t")

    @property
    def is_3d(self) -> bool:
        """Whether there is more than one slice."""
        return self.axes.size("z") > 1

    def read(self, t: int, keys: str = "zyx") -> np.ndarray:
        """Return frame `t` with the axes `keys`; an axis that is not named has size 1."""
        start = [t if a.key == "t" else 0 for a in self.axes]
        stop = [t + 1 if a.key == "t" else a.size for a in self.axes]
        block = self.source.read(Region(tuple(start), tuple(stop)))
        have = self.axes.keys
        order = [have.index(k) for k in keys if k in have]
        rest = [i for i in range(len(have)) if i not in order]
        block = block.transpose(order + rest)
        shape = [self.axes.size(k) for k in keys]
        return block.reshape(shape)


def label_frames(tracks: Tracks, options: TrackOptions, what: str, *, flat: bool = False) -> Frames:
    """Return the label images that tracks are written from.

    Raises
    ------
    SettingsError
        When there are none, or fewer frames than the tracks have.
    UnsupportedError
        When they are volumes and `flat` is asked for.
    """
    if options.labels is None:
        raise SettingsError(
            f"{what} is written from label images, and there are none.",
            "Name them: fijibridge tracks LABELS --links FILE, or labels=… in Python.",
        )
    frames = Frames(options.labels)
    used = int(tracks.t.max()) + 1 if len(tracks) else 0
    if used > len(frames):
        raise SettingsError(
            f"The tracks reach frame {used - 1}; the label image has {len(frames)} frames."
        )
    if flat and frames.is_3d:
        raise UnsupportedError(
            f"{what} holds outlines in the plane; the label image has {frames.axes.size('z')} "
            "slices.",
            "Use CellTrackingChallenge, Fiji-MaMuT, TrackMate or geff for volumes.",
        )
    return frames


def mapped(
    frame: np.ndarray, labels: np.ndarray, values: np.ndarray, dtype: np.dtype
) -> np.ndarray:
    """Return the frame with each of `labels` (ascending) replaced by its value, all else 0."""
    if not len(labels) or not frame.size:
        return np.zeros(frame.shape, dtype)
    top = int(frame.max())
    if top < _TABLE:
        table = np.zeros(top + 1, dtype)
        fits = labels <= top
        table[labels[fits]] = values[fits]
        found: np.ndarray = table[frame]
        return found
    at = np.minimum(np.searchsorted(labels, frame), len(labels) - 1)
    return np.where(labels[at] == frame, values[at], 0).astype(dtype)


def rows_by_frame(tracks: Tracks, frames: int) -> Iterator[tuple[int, slice]]:
    """Yield (t, rows of the tracks) for each of `frames` frames."""
    bounds = np.searchsorted(tracks.t, np.arange(frames + 1)).tolist()
    for t in range(frames):
        yield t, slice(bounds[t], bounds[t + 1])
