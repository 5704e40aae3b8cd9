"""ImageJ's calibration function of pixel values: raw to calibrated and back.

Source: ImageJ ij.measure.Calibration and ij.measure.CurveFitter.f.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fijibridge.errors import SettingsError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fijibridge.model.image import Valuation

__all__ = ["calibrated", "calibration_table", "raw_value"]

NONE, UNCALIBRATED_OD = 20, 21


def _polynomial(p: Sequence[float], x: np.ndarray) -> np.ndarray:
    y = np.full_like(x, p[-1])
    for c in reversed(p[:-1]):
        y = c + x * y
    return y


def _gamma_variate(p: Sequence[float], x: np.ndarray) -> np.ndarray:
    if min(p[1:4]) <= 0:
        return np.where(p[0] >= x, 0.0, np.nan)
    away = np.maximum(x - p[0], 0.0)
    return np.where(p[0] >= x, 0.0, p[1] * np.power(away, p[2]) * np.exp(-away / p[3]))


def _inverse_rodbard(p: Sequence[float], x: np.ndarray) -> np.ndarray:
    inside = np.power((x - p[0]) / (p[3] - x), 1.0 / p[1]) * p[2]
    return np.where((p[3] - x < 1e-323) | (x < p[0]), 0.0, inside)


def _gaussian(p: Sequence[float], x: np.ndarray) -> np.ndarray:
    return p[0] + (p[1] - p[0]) * np.exp(-(x - p[2]) * (x - p[2]) / (2.0 * p[3] * p[3]))


#: ImageJ's function number -> how many coefficients, and the curve.
_CURVES: dict[int, tuple[int, Callable[[Sequence[float], np.ndarray], np.ndarray]]] = {
    **{degree - 1: (degree + 1, _polynomial) for degree in (1, 2, 3, 4)},
    4: (2, lambda p, x: p[0] * np.exp(p[1] * x)),
    5: (2, lambda p, x: p[0] * np.power(x, p[1])),
    6: (2, lambda p, x: np.where(x == 0.0, -1000 * p[0], p[0] * np.log(p[1] * x))),
    7: (4, lambda p, x: p[3] + (p[0] - p[3]) / (1.0 + np.power(x / p[2], p[1]))),
    8: (4, _gamma_variate),
    9: (3, lambda p, x: np.where(x <= p[2], np.nan, p[0] + p[1] * np.log(x - p[2]))),
    10: (4, _inverse_rodbard),
    11: (3, lambda p, x: p[0] * np.exp(-p[1] * x) + p[2]),
    12: (4, _gaussian),
    13: (3, lambda p, x: p[0] * (1 - np.exp(-p[1] * x)) + p[2]),
}


def calibrated(valuation: Valuation | None) -> bool:
    """Return whether the pixel values have a calibration function."""
    return valuation is not None and valuation.function != NONE


def calibration_table(
    valuation: Valuation | None, bits: int, *, inverted_lut: bool = False
) -> np.ndarray | None:
    """Return the calibrated value of each raw value, or None when there is no calibration.

    Parameters
    ----------
    valuation
        The calibration function.
    bits
        8 or 16; images of other depths have no table in ImageJ, the result is None.
    inverted_lut
        Uncalibrated OD counts from white then.

    Returns
    -------
    (256,) or (65536,) float32.

    Raises
    ------
    SettingsError
        When the function lacks coefficients.
    UnsupportedError
        For ImageJ's custom tables (function 22), which files do not hold.
    """
    if valuation is None or valuation.function == NONE or bits not in (8, 16):
        return None
    raw = np.arange(1 << bits, dtype=np.float64)
    function, p = valuation.function, tuple(float(c) for c in valuation.coefficients)
    with np.errstate(all="ignore"):
        if function == UNCALIBRATED_OD:
            if bits == 16:
                return None
            if inverted_lut:
                raw = 255.0 - np.where(raw == 255.0, 254.5, raw)
            else:
                raw = np.where(raw == 0.0, 0.5, raw)
            return (0.434294481 * np.log(255.0 / raw)).astype(np.float32)
        if function not in _CURVES:
            raise UnsupportedError(
                f"The calibration function {function} is not one of ImageJ's 0 to 13, 20 and 21.",
                "Remove the calibration of the pixel values.",
            )
        needed, curve = _CURVES[function]
        if len(p) < needed:
            raise SettingsError(
                f"The calibration function {function} needs {needed} coefficients, it has {len(p)}."
            )
        return curve(p[:needed], raw).astype(np.float32)


def raw_value(
    valuation: Valuation | None, value: float, bits: int, *, inverted_lut: bool = False
) -> float:
    """Return the raw value whose calibrated value is nearest to `value`.

    A straight line is solved exactly, so the result may lie between two raw values.

    Source: ImageJ Calibration.getRawValue.
    """
    if valuation is None or valuation.function == NONE:
        return value
    p = valuation.coefficients
    if valuation.function == 0 and len(p) == 2 and p[1] != 0.0:
        return (value - p[0]) / p[1]
    table = calibration_table(valuation, bits, inverted_lut=inverted_lut)
    if table is None:
        return value
    if np.isinf(value):  # an open end: the raw value that comes nearest to it
        known = table[np.isfinite(table)]
        value = float(known.max() if value > 0 else known.min()) if known.size else 0.0
    with np.errstate(all="ignore"):
        away = np.abs(np.float32(value) - table)
    away[~(away < np.finfo(np.float32).max)] = np.inf
    return float(np.argmin(away))
