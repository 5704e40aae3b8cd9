"""The gaussian of ilastik's pyramids, bit for bit as its numpy computes it.

ilastik pins numpy < 1.27; its x86-64 builds take ``exp`` of float64 arrays from Intel's short
vector library where the processor has AVX-512. That exp is off by one last bit in a quarter of all
cases (e^-2 and e^-8 among them), so the middle weight at a factor of 2 is one bit above what an
exact exp gives. Levels are cut to whole numbers, so one bit decides what a constant area becomes.
Found by comparing the weights of numpy 1.24.4 with that library's description of its algorithm.

Source: __svml_exp8 (low accuracy): x = n ln2 / 16 + r, n cut down, 2^(n/16) from a table, e^r by
a polynomial of degree 6, everything with fused multiplications.
"""

from __future__ import annotations

import functools
import math
from fractions import Fraction

import numpy as np

__all__ = ["gauss_weights"]

_LOG2_E = float.fromhex("0x1.71547652b82fep+0")
_LN2_HIGH = float.fromhex("0x1.62e42fefa39efp-1")
_LN2_LOW = float.fromhex("0x1.abc9e3b39803fp-56")
_C2 = float.fromhex("0x1.0000000002622p-1")
_C3 = float.fromhex("0x1.5555554b508a2p-3")
_C4 = float.fromhex("0x1.555564bb4f5f0p-5")
_C5 = float.fromhex("0x1.1106603d97c00p-7")
_C6 = float.fromhex("0x1.72eb5ef0d213dp-10")


def _fused(a: float, b: float, c: float) -> float:
    """Return a * b + c, rounded once."""
    return float(Fraction(a) * Fraction(b) + Fraction(c))


def _root(j: int) -> float:
    """Return 2^(j/16), rounded to the nearest."""
    from decimal import Decimal, localcontext

    with localcontext(prec=40):
        return float(Decimal(2) ** (Decimal(j) / 16))


def _exp(x: float) -> float:
    n = math.floor(Fraction(x) * Fraction(_LOG2_E) * 16)
    r = _fused(-n / 16, _LN2_HIGH, x)
    r = _fused(-n / 16, _LN2_LOW, r)
    square = r * r
    low = _fused(_C2, square, r)
    middle = _fused(_C4, r, _C3)
    high = _fused(_C6, r, _C5)
    rest = _fused(square * r, _fused(square, high, middle), low)
    root = _root(n % 16)
    return math.ldexp(_fused(root, rest, root), n // 16)


@functools.lru_cache(maxsize=64)
def gauss_weights(sigma: float) -> np.ndarray:
    """Return the weights of a gaussian, cut off at 4 sigma, read-only.

    Parameters
    ----------
    sigma
        In samples, above 0.

    Source: scipy.ndimage.gaussian_filter1d under numpy 1.24.

    Examples
    --------
    >>> gauss_weights(0.5)[2].hex()
    '0x1.92b965ef5aaefp-1'
    """
    reach = int(4 * sigma + 0.5)
    powers = -0.5 / (sigma * sigma) * np.arange(-reach, reach + 1) ** 2
    weights = np.array([_exp(float(power)) for power in powers])
    weights /= weights.sum()
    weights.flags.writeable = False
    return weights
