"""atan and atan2 as Java computes them, bit for bit.

Java's Math.atan and Math.atan2 follow fdlibm: the argument is reduced to |t| < 7/16 around 0, 1/2,
1, 3/2 or infinity, then an odd polynomial of degree 21 is evaluated; C libraries use other
reductions and differ in the last bit, which shows in printed tables.
"""

from __future__ import annotations

import math

from numba import njit

_HI_HALF, _LO_HALF = 4.63647609000806093515e-01, 2.26987774529616870924e-17
_HI_ONE, _LO_ONE = 7.85398163397448278999e-01, 3.06161699786838301793e-17
_HI_THREE_HALVES, _LO_THREE_HALVES = 9.82793723247329054082e-01, 1.39033110312309984516e-17
_HI_INFINITY, _LO_INFINITY = 1.57079632679489655800e00, 6.12323399573676603587e-17
#: Quotients from this to its inverse need no look at exponents.
_USUAL = 2.0**-50
_PI, _PI_LOW = 3.1415926535897931160e00, 1.2246467991473531772e-16


@njit(cache=True, nogil=True)
def java_atan(value):
    """Return Math.atan of a finite number."""
    x = abs(value)
    if x >= 73786976294838206464.0:  # 2**66
        return math.copysign(_HI_INFINITY + _LO_INFINITY, value)
    if x < 2.0**-29:
        return value
    # selections, not branches: which one it is cannot be foreseen
    above = x
    below = 1.0
    high = 0.0
    low = 0.0
    if x >= 0.4375:
        above, below, high, low = 2.0 * x - 1.0, 2.0 + x, _HI_HALF, _LO_HALF
    if x >= 0.6875:
        above, below, high, low = x - 1.0, x + 1.0, _HI_ONE, _LO_ONE
    if x >= 1.1875:
        above, below, high, low = x - 1.5, 1.0 + 1.5 * x, _HI_THREE_HALVES, _LO_THREE_HALVES
    if x >= 2.4375:
        above, below, high, low = -1.0, x, _HI_INFINITY, _LO_INFINITY
    x = above / below
    z = x * x
    w = z * z
    even = z * (
        3.33333333333329318027e-01
        + w
        * (
            1.42857142725034663711e-01
            + w
            * (
                9.09088713343650656196e-02
                + w
                * (
                    6.66107313738753120669e-02
                    + w * (4.97687799461593236017e-02 + w * 1.62858201153657823623e-02)
                )
            )
        )
    )
    odd = w * (
        -1.99999999998764832476e-01
        + w
        * (
            -1.11111104054623557880e-01
            + w
            * (
                -7.69187620504482999495e-02
                + w * (-5.83357013379057348645e-02 + w * -3.65315727442169155270e-02)
            )
        )
    )
    z = high - ((x * (even + odd) - low) - x)
    return math.copysign(z, value)


@njit(cache=True, nogil=True)
def java_atan2(y, x):
    """Return Math.atan2 of two finite numbers."""
    if y == 0.0:
        if math.copysign(1.0, x) > 0.0:
            return y
        return math.copysign(_PI, y)
    if x == 0.0:
        return math.copysign(_HI_INFINITY, y)
    z = abs(y / x)
    if _USUAL < z < 1.0 / _USUAL:
        z = java_atan(z)
    else:
        _, ey = math.frexp(y)
        _, ex = math.frexp(x)
        if ey - ex > 60:
            z = _HI_INFINITY + 0.5 * _PI_LOW
        elif x < 0.0 and ey - ex < -60:
            z = 0.0
        else:
            z = java_atan(z)
    if x > 0.0:
        return -z if y < 0.0 else z
    return (z - _PI_LOW) - _PI if y < 0.0 else _PI - (z - _PI_LOW)
