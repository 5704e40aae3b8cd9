"""The real ImageJ on an image in memory, with any options: what the fuzz tests compare with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fijibridge.bridge.convert import to_imageplus
from fijibridge.bridge.convert_objects import roi_to_java
from fijibridge.model.rois import OUTLINE_KINDS

KINDS = {0: "rectangle", 2: "polygon", 3: "freehand", 4: "traced", 9: "composite"}


@dataclass(frozen=True)
class Told:
    """What ImageJ says: columns, printed rows, ROIs as (kind, loops), labels, summary columns."""

    headings: list[str]
    columns: dict[str, np.ndarray]
    rows: list[str]
    rois: list[tuple[str, list[np.ndarray]]]
    positions: list[tuple[int, int, int, int]]
    labels: np.ndarray | None
    summary: dict[str, list]
    error: str | None


def _loops(roi) -> tuple[str, list[np.ndarray]]:
    kind = KINDS[int(roi.getType())]
    box = roi.getBounds()
    if kind == "composite":
        flat = np.array(roi.getShapeAsArray(), np.float64)
        loops, here, k = [], [], 0
        while k < len(flat):
            if flat[k] == 4:
                loops.append(np.array(here, np.int32))
                here = []
                k += 1
            else:
                here.append((flat[k + 1], flat[k + 2]))
                k += 3
        return kind, loops
    if kind == "rectangle":
        x, y, w, h = box.x, box.y, box.width, box.height
        return kind, [np.array([(x, y), (x + w, y + h)], np.int32)]
    polygon = roi.getFloatPolygon()
    n = int(polygon.npoints)
    x = np.array(polygon.xpoints, np.float64)[:n]
    y = np.array(polygon.ypoints, np.float64)[:n]
    return kind, [np.stack([x, y], axis=1).astype(np.int32)]


def _column(table, heading):
    index = int(table.getColumnIndex(heading))
    return np.array([float(table.getValueAsDouble(index, r)) for r in range(table.size())])


def tell(imagej, image, settings, *, redirect=None) -> Told:
    """Run Analyze Particles in ImageJ; `image` and `settings` are fijibridge's."""
    ij = imagej.IJ
    analyzer = imagej.java("ij.plugin.filter.Analyzer")
    particles = imagej.java("ij.plugin.filter.ParticleAnalyzer")
    tables = imagej.java("ij.measure.ResultsTable")
    imagej.java("ij.Prefs").blackBackground = not settings.white_background
    ij.redirectErrorMessages(True)
    plus = to_imageplus(image)
    plus.setTitle(image.name)
    analyzer.setRedirectImage(None)
    words = list(settings.measurements)
    ij.run("Set Measurements...", " ".join(words) + f" redirect=None decimal={settings.decimal}")
    if redirect is not None:
        other = to_imageplus(redirect)
        other.setTitle(redirect.name)
        analyzer.setRedirectImage(other)
    k = settings.slice or 1
    plus.setSlice(k)
    if settings.threshold is not None:
        low, high = settings.threshold
        if image.dtype == np.int16:
            low, high = low + 32768, high + 32768
        plus.getProcessor().setThreshold(float(low), float(high), 2)
    if settings.select is not None:
        plus.setRoi(roi_to_java(settings.select))
    options = [
        f"size={settings.size[0]}-{'Infinity' if np.isinf(settings.size[1]) else settings.size[1]}",
        f"circularity={settings.circularity[0]}-{settings.circularity[1]}",
    ]
    if settings.pixel_units:
        options.append("pixel")
    words = ("exclude", "include", "composite", "record", "four", "stack")
    options.extend(word for word in words if getattr(settings, word))
    summary = tables()
    if "summary" in settings.outputs:
        options.append("summarize")
        particles.setSummaryTable(summary)
    line = " ".join(options)
    manager = imagej.java("ij.WindowManager")
    tables.getResultsTable().reset()
    selection = plus.getRoi()
    labels = None
    try:
        manager.setTempCurrentImage(plus)
        with imagej.quiet():
            ij.run(plus, "Analyze Particles...", f"{line} show=[Count Masks] display clear")
            error = ij.getErrorMessage()
            if error is None:
                mask = manager.getCurrentImage()
                if mask is None or not str(mask.getTitle()).startswith("Count Masks"):
                    mask = manager.getImage(f"Count Masks of {image.name}")
                planes = [
                    np.array(mask.getStack().getPixels(i + 1), np.int16).view(np.uint16)
                    for i in range(mask.getStackSize())
                ]
                labels = np.stack(planes).reshape(-1, int(mask.getHeight()), int(mask.getWidth()))
                mask.close()
                manager.setTempCurrentImage(plus)
                if selection is not None:
                    plus.setRoi(selection)
                particles.setSummaryTable(tables())
                ij.run(plus, "Analyze Particles...", f"{line} show=Overlay display clear")
    finally:
        manager.setTempCurrentImage(None)
        analyzer.setRedirectImage(None)
    table = tables.getResultsTable()
    headings = [str(h) for h in table.getHeadings()] if table.size() else []
    columns = {h: _column(table, h) for h in headings if h != "Label"}
    if "Label" in headings:
        columns["Label"] = np.array([str(table.getLabel(r)) for r in range(table.size())], object)
    rows = [str(table.getRowAsString(r)) for r in range(table.size())]
    overlay = plus.getOverlay()
    found = [overlay.get(i) for i in range(overlay.size())] if overlay is not None else []
    rois = [_loops(r) for r in found]
    positions = [
        (int(r.getCPosition()), int(r.getZPosition()), int(r.getTPosition()), int(r.getPosition()))
        for r in found
    ]
    said = {}
    if summary.size():
        for h in summary.getHeadings():
            name = str(h)
            if name == "Slice":
                said[name] = [str(summary.getStringValue(name, r)) for r in range(summary.size())]
            else:
                said[name] = list(_column(summary, name))
    return Told(headings, columns, rows, rois, positions, labels, said, error and str(error))


def same(a, b) -> np.ndarray:
    """Bit for bit equal, NaN included."""
    a, b = np.asarray(a), np.asarray(b)
    if a.dtype.kind in "OU" or b.dtype.kind in "OU":
        return a == b
    return (a == b) | (np.isnan(a) & np.isnan(b))


#: Columns that pass through sine and cosine: Java's differ from C's by one unit in the last place
#: in about one of a thousand arguments.
_TURNED = ("Major", "Minor", "AR", "Round")


def equal_column(heading, ours, theirs) -> np.ndarray:
    """Bit for bit equal; columns of ellipses to 1e-14."""
    found = same(ours, theirs)
    if heading in _TURNED and not found.all():
        return found | np.isclose(np.asarray(ours, float), np.asarray(theirs, float), 1e-14, 0)
    return found


def differences(told: Told, result) -> list[str]:
    """Say where a ParticleResult is not what ImageJ says; empty when it is."""
    out = []
    table = result.table
    n = len(told.rows)
    if len(table) != n:
        return [f"{len(table)} rows, ImageJ {n}"]
    if n == 0:
        return [] if not result.labels.data.any() else ["labels without rows"]
    headings = [h for h in told.headings if h.strip()]
    if list(table.headings) != headings:
        out.append(f"headings {table.headings}, ImageJ {headings}")
    for heading in headings:
        if heading not in table:
            continue
        good = equal_column(heading, table[heading], told.columns[heading])
        if not good.all():
            k = int(np.flatnonzero(~good)[0])
            out.append(
                f"{heading} row {k}: {table[heading][k]!r}, ImageJ {told.columns[heading][k]!r}"
            )
    labels = result.labels.data.reshape(-1, *result.labels.data.shape[-2:])
    if not np.array_equal(np.minimum(labels, 65535), told.labels):
        out.append("labels differ")
    for i, (kind, loops) in enumerate(told.rois):
        outlines = result.rois.outlines
        ours = OUTLINE_KINDS[int(outlines.kinds[i])]
        mine = list(outlines.loops(i))
        if kind == "rectangle":
            mine = [np.stack([mine[0].min(axis=0), mine[0].max(axis=0)])]
        if ours != kind:
            out.append(f"ROI {i} is {ours}, ImageJ {kind}")
        elif len(mine) != len(loops) or not all(map(np.array_equal, mine, loops)):
            out.append(f"ROI {i} has other vertices: {mine}, ImageJ {loops}")
    if result.summary is not None:
        ours = {h: list(v) for h, v in result.summary.columns.items()}
        if list(ours) != list(told.summary):
            out.append(f"summary headings {list(ours)}, ImageJ {list(told.summary)}")
        for h, values in told.summary.items():
            if h in ours and not equal_column(h, ours[h], values).all():
                out.append(f"summary {h}: {ours[h]}, ImageJ {values}")
    return out
