"""The same analysis in the real ImageJ, as the witness of ours: table bytes, ROI records, labels.

ImageJ opens the image file itself, so nothing of fijibridge's reading stands between.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fijibridge.bridge.embedded import start_embedded
from fijibridge.errors import BridgeError

if TYPE_CHECKING:
    import os

__all__ = ["Witness", "imagej_particles"]


@dataclass(frozen=True, slots=True, eq=False)
class Witness:
    """What ImageJ made of an image.

    Parameters
    ----------
    table
        The bytes of the saved Results table, b"" when there are no rows.
    rois
        (name, record) per ROI, as the ROI Manager would name and save them.
    labels
        The count mask, (y, x) or (n, y, x) uint16.
    version
        ImageJ's version.
    """

    table: bytes
    rois: tuple[tuple[str, bytes], ...]
    labels: np.ndarray
    version: str


def imagej_particles(
    path: str | os.PathLike[str],
    *,
    threshold: str,
    options: str,
    measurements: str,
    suffix: str = ".tsv",
) -> Witness:
    """Run Analyze Particles in the real ImageJ, headless.

    Parameters
    ----------
    path
        An image that ImageJ opens.
    threshold
        The argument of ``setAutoThreshold``, or "" for a binary image.
    options
        A recorded Analyze Particles line without ``show=`` and ``add``.
    measurements
        A recorded Set Measurements line.
    suffix
        ``.tsv`` or ``.csv``.

    Raises
    ------
    BridgeError
        When ImageJ cannot open the image or stops with an error.
    """
    host = start_embedded()
    ij = host.IJ
    ij.redirectErrorMessages(True)
    plus = ij.openImage(str(Path(path).absolute()))
    if plus is None:
        raise BridgeError(f"ImageJ could not open {str(path)!r}: {ij.getErrorMessage()}.")
    host.java("ij.Prefs").blackBackground = True
    host.java("ij.plugin.filter.Analyzer").setRedirectImage(None)
    ij.run("Set Measurements...", measurements)
    if threshold:
        ij.setAutoThreshold(plus, threshold)
    manager = host.java("ij.WindowManager")
    line = "Analyze Particles..."
    try:
        manager.setTempCurrentImage(plus)
        with host.quiet():
            ij.run(plus, line, f"{options} show=Overlay display clear")
            rois = _records(host, plus)
            ij.run(plus, line, f"{options} show=[Count Masks] display clear")
        mask = manager.getCurrentImage()
        if mask is None or not str(mask.getTitle()).startswith("Count Masks"):
            mask = manager.getImage(f"Count Masks of {plus.getTitle()}")
        labels = _stack(mask)
        table = _saved(host, suffix)
    finally:
        manager.setTempCurrentImage(None)
    message = ij.getErrorMessage()
    if message is not None:
        raise BridgeError(f"ImageJ stopped: {message}.")
    return Witness(table=table, rois=rois, labels=labels, version=host.version)


def _records(host: Any, plus: Any) -> tuple[tuple[str, bytes], ...]:
    encoder = host.java("ij.io.RoiEncoder")
    overlay = plus.getOverlay()
    found = []
    counts: dict[int, int] = {}
    for i in range(0 if overlay is None else overlay.size()):
        roi = overlay.get(i)
        roi.setStrokeColor(None)
        where = _where(roi, plus)
        counts[where] = counts.get(where, 0) + 1
        name = _name(roi, counts[where], where, plus)
        roi.setName(name)
        found.append((name, bytes(encoder.saveAsByteArray(roi))))
    plus.setOverlay(None)
    return tuple(found)


def _where(roi: Any, plus: Any) -> int:
    """Return the running number of the slice a ROI is on."""
    if not plus.isHyperStack():
        return int(roi.getPosition())
    at = (roi.getCPosition(), roi.getZPosition(), roi.getTPosition())
    return int(plus.getStackIndex(*(max(1, int(n)) for n in at)))


def _name(roi: Any, count: int, where: int, plus: Any) -> str:
    """Return the ROI Manager's name: number, then y of the middle, before them the slice."""
    box = roi.getBounds()
    middle = max(0, box.y + box.height // 2)
    digits = max(4, len(str(middle)), len(str(count)))
    if digits == 4 and (plus.getStackSize() >= 10000 or plus.getHeight() >= 10000):
        digits = 5
    parts = [count, middle]
    if plus.getStackSize() > 1:
        parts.insert(0, where)
    return "-".join(f"{n:0{digits}d}" for n in parts)


def _stack(mask: Any) -> np.ndarray:
    planes = [
        np.array(mask.getStack().getPixels(i + 1), dtype=np.int16).view(np.uint16)
        for i in range(mask.getStackSize())
    ]
    shape = (int(mask.getHeight()), int(mask.getWidth()))
    stack = np.stack([plane.reshape(shape) for plane in planes])
    mask.close()
    return stack[0] if len(stack) == 1 else stack


def _saved(host: Any, suffix: str) -> bytes:
    table = host.java("ij.measure.ResultsTable").getResultsTable()
    if table is None or table.size() == 0:
        return b""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / f"Results{suffix}"
        table.save(str(target))
        return target.read_bytes()
