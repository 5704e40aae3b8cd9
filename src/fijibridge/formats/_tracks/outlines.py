"""The outline of every object, frame by frame, as ilastik's plug-ins see it: axes x, y."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fijibridge.formats._tracks.frames import mapped, rows_by_frame

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fijibridge.formats._tracks.frames import Frames
    from fijibridge.model import Tracks

__all__ = ["outlines"]


def outlines(tracks: Tracks, frames: Frames) -> Iterator[tuple[int, int, np.ndarray]]:
    """Yield (t, row, contour) of every object that has a contour.

    The contour is (m, 2) whole numbers x, y, through the background pixels around the first part of
    the object; a part at the border of the image is open. An object that fills the image has none.

    Source
    ------
    skimage.measure.find_contours(mask, 0)[0] of the transposed frame (behaviour only).
    """
    from fijibridge.formats._tracks.kernels import boxes, first_contour

    for t, rows in rows_by_frame(tracks, len(frames)):
        labels = tracks.label[rows]
        if not len(labels):
            continue
        frame = np.ascontiguousarray(frames.read(t, "xy"))
        ranks = mapped(frame, labels, np.arange(1, len(labels) + 1), np.dtype(np.int32))
        for k, box in enumerate(boxes(ranks, len(labels))):
            if box[1]:
                contour = first_contour(ranks, k + 1, box)
                if len(contour):
                    yield t, rows.start + k, contour
