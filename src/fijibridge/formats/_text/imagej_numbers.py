"""How ImageJ prints a number in a table: one cell at a time, exactly.

The fast path for whole tables is in `kernels`; both give the same bytes.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from fijibridge.model import TableStyle

__all__ = ["AUTO", "cell_text", "column_places", "d2s", "table_precision"]

#: Decimal places of a column whose whole numbers are printed without decimals.
AUTO = -128
#: ImageJ prints what a division by zero leaves in a float image in this way.
_FLOAT_MAX = float(np.finfo(np.float32).max)
_LARGEST_PLAIN = 999999999999.0
#: From here on nine decimals ask for more digits than a double has; Java then adds zeros.
_ALL_DIGITS = 2.0**52 / 1e9
_LONG = 2.0**63
_SMALLEST_NORMAL = float(np.finfo(np.float64).tiny)
_INT_MIN, _INT_MAX = -(2**31), 2**31 - 1
#: Rows in which a value with decimals gives the whole column decimals.
_DECIDING_ROWS = 24


def d2s(value: float, places: int) -> str:
    """Return a number as ImageJ's results tables print it.

    Parameters
    ----------
    value
        Any double.
    places
        Decimal places, 0 to 9; -1 to -9 is scientific notation with 1 to 9 decimals.

    Examples
    --------
    >>> [d2s(x, 3) for x in (2.0, 0.0005, 1e12, -1e-9)]
    ['2.000', '5.000E-4', '1.000E12', '-1.000E-9']
    >>> d2s(2.5, 0), d2s(0.8312, 0), d2s(255.0, -6)
    ('3', '8.312E-1', '2.550000E2')

    Source: ij/measure/ResultsTable.java d2s.
    """
    if not math.isfinite(value):
        return {math.inf: "Infinity", -math.inf: "-Infinity"}.get(value, "NaN")
    if value == _FLOAT_MAX:
        return "3.4e38"
    size = abs(value)
    if places < 0 or (size != 0 and size < 1.0 / 10.0**places) or size > _LARGEST_PLAIN:
        return _scientific(value, min(-places, 9) if places < 0 else 3)
    places = min(places, 9)
    if places == 0 and size % 1 == 0.5:
        # only without decimals ImageJ rounds halves away from zero
        return f"{math.copysign(math.floor(size) + 1, value):.0f}"
    digits = repr(value)
    if size > _ALL_DIGITS and len(digits) - digits.index(".") - 1 <= places:
        return digits + "0" * (places - len(digits) + digits.index(".") + 1)
    return f"{value:.{places}f}"


def _scientific(value: float, places: int) -> str:
    if 0 < abs(value) < _SMALLEST_NORMAL:
        # Java prints no more digits than tell a number from its neighbours, then zeros
        digits = repr(value).replace("5e-324", "4.9e-324")
        mantissa, exponent = digits.split("e")
        whole, _, decimals = mantissa.partition(".")
        if len(decimals) <= places:
            return f"{whole}.{decimals:0<{places}}E{int(exponent)}"
    mantissa, exponent = f"{value:.{places}e}".split("e")
    if value == math.trunc(value) and abs(value) < _LONG:
        digits = str(int(abs(value)))
        if digits[places + 1 :].rstrip("0") == "5":
            # of a whole number Java does not know that half of the last digit is exact: it goes up
            up = str(int(digits[: places + 1]) + 1)
            exponent = str(len(digits) - 1 + len(up) - (places + 1))
            sign = "-" if value < 0 else ""
            mantissa = f"{sign}{up[0]}.{up[1 : places + 1]}"
    return f"{mantissa}E{int(exponent)}"


def is_java_int(value: float) -> bool:
    """Whether Java's ``(int)value == value``: whole, and no larger than 32 bits."""
    return _INT_MIN <= value <= _INT_MAX and value == math.trunc(value)


def cell_text(value: float, places: int, precision: int) -> str:
    """Return one cell of a column with `places`, which may be `AUTO`."""
    if places == AUTO:
        places = 0 if precision >= 0 and is_java_int(value) else precision
    return d2s(value, places)


def table_precision(style: TableStyle) -> int:
    """Return the precision as ImageJ keeps it: negative for scientific notation."""
    precision = min(style.precision, 9)
    return -precision if style.scientific else precision


def column_places(values: np.ndarray, heading: str, style: TableStyle) -> int:
    """Return the decimal places of a column, or `AUTO`.

    A column gets its decimals when one of its first 24 rows holds a number that is not whole, or
    is beyond 32 bits, or infinite. Later ones are printed with decimals one by one.

    Source: ij/measure/ResultsTable.java addValue.
    """
    given = style.decimals.get(heading)
    if given is not None:
        return AUTO if given == -1 else given
    first = np.asarray(values[:_DECIDING_ROWS], np.float64)
    with np.errstate(invalid="ignore"):
        whole = (first == np.trunc(first)) & (first >= _INT_MIN) & (first <= _INT_MAX)
    return table_precision(style) if bool(np.any(~whole & ~np.isnan(first))) else AUTO
