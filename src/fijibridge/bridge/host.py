"""A running ImageJ or Fiji as the `Host` of a verb: what is open, and where results are shown."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from fijibridge.bridge._java import jimport
from fijibridge.bridge.convert import ImagePlusSource, from_imageplus, to_imageplus
from fijibridge.bridge.convert_objects import (
    roi_from_java,
    roi_to_java,
    style_table,
    table_from_java,
    table_to_java,
)
from fijibridge.model import LabelImage, RoiSet
from fijibridge.model.table import LABEL

if TYPE_CHECKING:
    from fijibridge.model import Image, ResultsTable, Roi

__all__ = ["ImageJHost", "is_headless"]

_NO_THRESHOLD = -808080.0  # ij.process.ImageProcessor.NO_THRESHOLD
_RESULTS = "Results"


def is_headless() -> bool:
    """Return whether Java has no display."""
    return bool(jimport("java.awt.GraphicsEnvironment").isHeadless())


@dataclass(frozen=True, slots=True)
class ImageJHost:
    """The ImageJ of this JVM; the same on both hosts.

    Without a display there is no ROI Manager: ROIs are then shown as the overlay of the active
    image, and the Results table is filled without a window.
    """

    def _plus(self) -> Any:
        return jimport("ij.WindowManager").getCurrentImage()

    def active_image(self) -> Image | None:
        plus = self._plus()
        return None if plus is None else from_imageplus(plus)

    def active_source(self) -> ImagePlusSource | None:
        plus = self._plus()
        return None if plus is None else ImagePlusSource(plus)

    def active_folder(self) -> str | None:
        plus = self._plus()
        info = None if plus is None else plus.getOriginalFileInfo()
        folder = None if info is None else info.directory
        return str(folder) if folder else None

    def selection(self) -> Roi | None:
        plus = self._plus()
        roi = None if plus is None else plus.getRoi()
        return None if roi is None else roi_from_java(roi)

    def threshold(self) -> tuple[float, float] | None:
        plus = self._plus()
        if plus is None or int(plus.getBitDepth()) == 24:
            return None
        processor = plus.getProcessor()
        low = float(processor.getMinThreshold())
        return None if low == _NO_THRESHOLD else (low, float(processor.getMaxThreshold()))

    def rois(self) -> RoiSet | None:
        found = self._managed() or self._overlaid()
        if found:
            return RoiSet([roi_from_java(roi) for roi in found])
        selection = self.selection()
        return None if selection is None else RoiSet([selection])

    def _managed(self) -> list[Any]:
        if is_headless():
            return []
        manager = jimport("ij.plugin.frame.RoiManager").getInstance2()
        return [] if manager is None else list(manager.getRoisAsArray())

    def _overlaid(self) -> list[Any]:
        plus = self._plus()
        overlay = None if plus is None else plus.getOverlay()
        return [] if overlay is None else [overlay.get(i) for i in range(int(overlay.size()))]

    def results(self) -> ResultsTable | None:
        table = jimport("ij.measure.ResultsTable").getResultsTable()
        return None if table is None or table.size() == 0 else table_from_java(table)

    def clear_results(self) -> None:
        table = jimport("ij.measure.ResultsTable").getResultsTable()
        if table is not None and table.size() > 0:
            table.reset()
            table.show(_RESULTS)

    def show_image(self, image: Image) -> None:
        if isinstance(image, LabelImage) and not image.spec.extra.luts:
            from fijibridge.formats._luts import glasbey_lut

            extra = replace(image.spec.extra, luts=(glasbey_lut(),), display_ranges=((0.0, 255.0),))
            image = LabelImage(image.data, replace(image.spec, extra=extra))
        plus = to_imageplus(image)
        windows = jimport("ij.WindowManager")
        if windows.getImage(plus.getTitle()) is not None:
            plus.setTitle(windows.getUniqueName(plus.getTitle()))
        plus.show()

    def show_table(self, table: ResultsTable) -> None:
        if table.name != _RESULTS:
            table_to_java(table).show(table.name or "Table")
            return
        analyzer = jimport("ij.plugin.filter.Analyzer")
        there = analyzer.getResultsTable()
        if there is None or there.size() == 0:
            there = table_to_java(table)
            analyzer.setResultsTable(there)
            style_table(there, table)  # ImageJ has just put the user's decimal places there
        else:
            _append(there, table)
        there.show(_RESULTS)

    def show_rois(self, rois: RoiSet) -> None:
        if is_headless():
            self._show_as_overlay(rois)
            return
        manager = jimport("ij.plugin.frame.RoiManager").getRoiManager()
        for roi in rois:
            manager.addRoi(roi_to_java(roi))

    def _show_as_overlay(self, rois: RoiSet) -> None:
        plus = self._plus()
        if plus is None:
            return
        overlay = plus.getOverlay() or jimport("ij.gui.Overlay")()
        for roi in rois:
            overlay.add(roi_to_java(roi))
        plus.setOverlay(overlay)


def _append(there: Any, table: ResultsTable) -> None:
    """Add the rows of a table to one of ImageJ's; cells it has no column for begin one."""
    first = int(there.size())
    for _ in range(len(table)):
        there.incrementCounter()
    for heading, values in table.columns.items():
        for i, value in enumerate(values, first):
            if heading == LABEL:
                there.setLabel(str(value), i)
            elif isinstance(value, (float, np.floating, int, np.integer)):
                there.setValue(heading, i, float(value))
            else:
                there.setValue(heading, i, str(value))
