"""How a text table prints its numbers, so that it can be written again byte for byte."""

from __future__ import annotations

import re
from collections import Counter
from operator import itemgetter
from typing import TYPE_CHECKING

from fijibridge.formats._text.imagej_numbers import cell_text, column_places, table_precision
from fijibridge.model import TableStyle

if TYPE_CHECKING:
    import numpy as np

__all__ = ["find_style"]

_SCIENTIFIC = re.compile(r"-?\d\.(\d{1,9})E-?\d+")
_LOOK = 200
_POINTED = 100


def find_style(
    cells: dict[str, list[str]], columns: dict[str, np.ndarray], *, row_numbers: bool
) -> TableStyle:
    """Return the style with which ImageJ would print a table as it stands in the file.

    Tables of other programs get `exact`: writing them again keeps every digit.

    Parameters
    ----------
    cells
        Heading -> cells of the file.
    columns
        Heading -> values.
    row_numbers
        Whether the file has them.
    """
    exact = TableStyle(row_numbers=row_numbers, exact=True)
    numeric = [h for h, v in columns.items() if v.dtype != object and len(v)]
    all_places = {h: _decimals(cells[h]) for h in numeric if columns[h].dtype.kind != "i"}
    if None in all_places.values():
        return exact
    found = {h: p % _POINTED for h, p in all_places.items() if p and p > 0 and p % _POINTED}
    pointed = {h for h, p in all_places.items() if p and p >= _POINTED}
    scientific = Counter(-p for p in all_places.values() if p and p < 0)
    plain = Counter(found.values()).most_common(1)[0][0] if found else 3
    styles = [TableStyle(precision=plain, row_numbers=row_numbers)]
    if not found:
        styles.append(TableStyle(precision=0, row_numbers=row_numbers))
    if scientific:
        places = scientific.most_common(1)[0][0]
        styles.append(TableStyle(precision=places, scientific=True, row_numbers=row_numbers))
    for style in styles:
        complete = _with_decimals(style, cells, columns, found, pointed)
        if all(_prints_so(cells[h], columns[h], h, complete) for h in numeric):
            return complete
    return exact


def _prints_so(texts: list[str], values: np.ndarray, heading: str, style: TableStyle) -> bool:
    """Whether ImageJ would print the first and last cells of a column as they stand."""
    places, precision = column_places(values, heading, style), table_precision(style)
    rows = {*range(min(_LOOK, len(texts))), *range(max(0, len(texts) - _LOOK), len(texts))}
    return all(cell_text(float(values[r]), places, precision) == texts[r] for r in rows)


def _with_decimals(
    style: TableStyle,
    cells: dict[str, list[str]],
    columns: dict[str, np.ndarray],
    found: dict[str, int],
    pointed: set[str],
) -> TableStyle:
    """Add the columns whose decimals ImageJ's own rule would not give."""
    decimals: dict[str, int] = {}
    for heading, places in found.items():
        by_rule = column_places(columns[heading], heading, style)
        all_have = heading in pointed or all(
            "." in c or c in ("NaN", "Infinity", "-Infinity") for c in cells[heading]
        )
        if all_have and by_rule != places:
            decimals[heading] = places
        elif not all_have and by_rule == places:
            decimals[heading] = -1
    if not decimals:
        return style
    return TableStyle(
        precision=style.precision,
        scientific=style.scientific,
        row_numbers=style.row_numbers,
        decimals=decimals,
    )


def _decimals(cells: list[str]) -> int | None:
    """Return the decimals that all cells have; 0 none has any, negative scientific, None mixed.

    `_POINTED` is added when no cell is without (a NaN is).
    """
    first = next((c for c in cells if "." in c and "E" not in c), None)
    if first is None:
        match = next((m for c in cells if (m := _SCIENTIFIC.fullmatch(c))), None)
        return -len(match[1]) if match else 0
    places = len(first) - 1 - first.rindex(".")
    try:
        if set(map(itemgetter(-places - 1), cells)) == {"."}:
            return places + _POINTED if places <= 9 else None
    except IndexError:
        pass
    for cell in cells:
        if "." in cell and "E" not in cell and len(cell) - 1 - cell.rindex(".") != places:
            return None
        if "e" in cell:
            return None
    return places if 0 < places <= 9 else None
