"""ImageJ's Summary table of Analyze Particles. Its numbers pass through 32-bit floats.

Source: ij.plugin.filter.ParticleAnalyzer.updateSliceSummary.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fijibridge.model.table import ResultsTable, TableStyle

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["SUMMARY_MEANS", "summary_row", "summary_table"]

#: Columns whose mean is shown, in order, where they were measured.
SUMMARY_MEANS = (
    "Mean", "Mode", "Perim.", "Major", "Minor", "Angle", "Circ.", "Solidity", "Feret", "FeretX",
    "FeretY", "FeretAngle", "MinFeret", "IntDen", "Median", "Skew", "Kurt",
)  # fmt: skip


def _total(values: np.ndarray) -> float:
    """Add one by one, as Java does; numpy's own sum pairs numbers."""
    return float(np.cumsum(values, dtype=np.float64)[-1]) if len(values) else 0.0


def summary_row(
    label: str, columns: Mapping[str, np.ndarray], *, total_area: float
) -> dict[str, object]:
    """Return the summary of one plane.

    Parameters
    ----------
    label
        Title or slice label.
    columns
        Measured columns of this plane's particles; ``Area`` is among them.
    total_area
        Area of the plane, or of the selection, in units squared.
    """
    with np.errstate(all="ignore"):
        area = columns["Area"].astype(np.float32)
        count = len(area)
        total = _total(area)
        row: dict[str, object] = {
            "Slice": label,
            "Count": float(count),
            "Total Area": total,
            "Average Size": total / count if count else np.nan,
            "%Area": float(np.float64(total * 100.0) / np.float64(total_area)),
        }
        for heading in SUMMARY_MEANS:
            if heading in columns:
                values = columns[heading].astype(np.float32)
                values = values[np.isfinite(values)]
                row[heading] = _total(values) / len(values) if len(values) else np.nan
    return row


def summary_table(rows: list[dict[str, object]], *, title: str, style: TableStyle) -> ResultsTable:
    """Return the table of some rows, all with the same headings."""
    columns: dict[str, np.ndarray] = {}
    for heading in rows[0]:
        values = [row[heading] for row in rows]
        columns[heading] = np.array(values, object if heading == "Slice" else np.float64)
    return ResultsTable(columns, style=style, name=title)
