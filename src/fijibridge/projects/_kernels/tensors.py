"""Arithmetic on derivatives, pixel by pixel: magnitudes, traces, eigenvalues.

All is float32 in a fixed order, without fused steps, as in fastfilters' vector code (2-D and 3-D
eigenvalues, its polynomials for atan2, sine and cosine); the ``wide`` ones follow vigra, which
computes in float64.

Source: fastfilters linalg_avx.c, linalg_avx2.c, avx_mathfun.h (Cephes and SLEEF polynomials); vigra
mathutil.hxx, symmetric2x2Eigenvalues and symmetric3x3Eigenvalues.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

_F = np.float32
_ZERO, _HALF, _ONE, _TWO = _F(0), _F(0.5), _F(1), _F(2)
_THIRD = _F(1 / 3)
_ROOT3 = np.sqrt(_F(3))
_PI, _HALF_PI = _F(math.pi), _F(math.pi / 2)
_ATAN = tuple(
    _F(v)
    for v in (
        0.00282363896258175373077393,
        -0.0159569028764963150024414,
        0.0425049886107444763183594,
        -0.0748900920152664184570312,
        0.106347933411598205566406,
        -0.142027363181114196777344,
        0.199926957488059997558594,
        -0.333331018686294555664062,
    )
)
_A0, _A1, _A2, _A3, _A4, _A5, _A6, _A7 = _ATAN
_FOUR_BY_PI = _F(1.27323954473516)
_P1, _P2, _P3 = _F(-0.78515625), _F(-2.4187564849853515625e-4), _F(-3.77489497744594108e-8)
_S0, _S1, _S2 = _F(-1.9515295891e-4), _F(8.3321608736e-3), _F(-1.6666654611e-1)
_C0, _C1, _C2 = _F(2.443315711809948e-5), _F(-1.388731625493765e-3), _F(4.166664568298827e-2)


@njit(cache=True, nogil=True, boundscheck=False)
def product(a, b, out):
    """Out = a b, flat arrays."""
    for i in range(out.size):
        out[i] = a[i] * b[i]


@njit(cache=True, nogil=True, boundscheck=False)
def difference(a, b, out):
    """Out = a - b, flat arrays."""
    for i in range(out.size):
        out[i] = a[i] - b[i]


@njit(cache=True, nogil=True, boundscheck=False)
def sum2(a, b, out):
    """Out = a + b, flat arrays."""
    for i in range(out.size):
        out[i] = a[i] + b[i]


@njit(cache=True, nogil=True, boundscheck=False)
def sum3(a, b, c, out):
    """Out = (a + b) + c, flat arrays."""
    for i in range(out.size):
        out[i] = (a[i] + b[i]) + c[i]


@njit(cache=True, nogil=True, boundscheck=False)
def length2(a, b, out):
    """Out = length of (a, b), flat arrays."""
    for i in range(out.size):
        out[i] = math.sqrt(a[i] * a[i] + b[i] * b[i])


@njit(cache=True, nogil=True, boundscheck=False)
def length3(a, b, c, out):
    """Out = length of (a, b, c), flat arrays."""
    for i in range(out.size):
        out[i] = math.sqrt((a[i] * a[i] + b[i] * b[i]) + c[i] * c[i])


@njit(cache=True, nogil=True, boundscheck=False)
def eigen2(xx, xy, yy, large, small):
    """Eigenvalues of symmetric 2 x 2 matrices, flat arrays."""
    for i in range(xx.size):
        mean = (xx[i] + yy[i]) * _HALF
        half = (xx[i] - yy[i]) * _HALF
        root = math.sqrt(half * half + xy[i] * xy[i])
        large[i] = mean + root
        small[i] = mean - root


@njit(cache=True, nogil=True, boundscheck=False)
def eigen2_wide(xx, xy, yy, large, small):
    """Eigenvalues of symmetric 2 x 2 matrices as vigra has them, flat arrays."""
    for i in range(xx.size):
        total = np.float64(xx[i] + yy[i])
        root = math.hypot(np.float64(xx[i] - yy[i]), 2.0 * np.float64(xy[i]))
        large[i] = 0.5 * (total + root)
        small[i] = 0.5 * (total - root)


@njit(cache=True, nogil=True, boundscheck=False, inline="always")
def _atan2(y, x):
    """Angle of (x, y), y >= 0 or -0, with the polynomial's quirks: x = 0 gives 0 for y > 0."""
    negative = math.copysign(_ONE, x) < _ZERO
    x = abs(x)
    y = abs(y)
    turn = -_TWO if negative else _ZERO
    swap = y > x
    base = y if swap else x
    rise = -x if swap else y
    turn = turn + (_ONE if swap else _ZERO)
    s = rise / (base if base != _ZERO else _ONE)
    t = s * s
    u = t * _A0 + _A1
    u = t * u + _A2
    u = t * u + _A3
    u = t * u + _A4
    u = t * u + _A5
    u = t * u + _A6
    u = t * u + _A7
    angle = (t * s) * u + s
    angle = turn * _HALF_PI + angle
    angle = -angle if negative else angle
    flat = _PI if negative else _ZERO
    return flat if rise == _ZERO else angle


@njit(cache=True, nogil=True, boundscheck=False)
def eigen3(zz, yz, xz, yy, xy, xx, first, second, third):
    """Eigenvalues of symmetric 3 x 3 matrices, largest first, flat arrays."""
    for i in range(zz.size):
        a00, a01, a02, a11, a12, a22 = zz[i], yz[i], xz[i], yy[i], xy[i], xx[i]
        top = max(abs(a00), abs(a01), abs(a02), abs(a11), abs(a12), abs(a22))
        top = _ONE if top == _ZERO else top
        a00 = a00 / top
        a01 = a01 / top
        a02 = a02 / top
        a11 = a11 / top
        a12 = a12 / top
        a22 = a22 / top
        c0 = (
            (((a00 * a11) * a22 + ((_TWO * a01) * a02) * a12) - (a00 * a12) * a12)
            - (a11 * a02) * a02
        ) - (a22 * a01) * a01
        c1 = ((((a00 * a11 - a01 * a01) + a00 * a22) - a02 * a02) + a11 * a22) - a12 * a12
        c2 = (a00 + a11) + a22
        mean = c2 * _THIRD
        p = (c1 - c2 * mean) * _THIRD
        p = min(p, _ZERO)
        h = _HALF * (c0 + mean * ((_TWO * mean) * mean - c1))
        q = h * h + (p * p) * p
        q = min(q, _ZERO)
        size = math.sqrt(-p)
        angle = _atan2(math.sqrt(-q), h) * _THIRD
        # Cephes: the angle is 0 to pi/3, so it is reduced by 0 or pi/2
        turn = np.int32(angle * _FOUR_BY_PI) + np.int32(1)
        far = turn >= np.int32(2)
        y = _TWO if far else _ZERO
        x = ((angle + y * _P1) + y * _P2) + y * _P3
        z = x * x
        cosine = (((((_C0 * z) + _C1) * z + _C2) * z) * z - z * _HALF) + _ONE
        sine = ((((_S0 * z) + _S1) * z + _S2) * z) * x + x
        cs = -sine if far else cosine
        sn = cosine if far else sine
        r0 = mean + (_TWO * size) * cs
        r1 = mean - size * (cs + _ROOT3 * sn)
        r2 = mean - size * (cs - _ROOT3 * sn)
        low = min(r0, r1)
        high = max(r0, r1)
        least = min(low, r2)
        rest = max(low, r2)
        third[i] = least * top
        second[i] = min(high, rest) * top
        first[i] = max(high, rest) * top


@njit(cache=True, nogil=True, boundscheck=False)
def eigen3_wide(xx, xy, xz, yy, yz, zz, first, second, third):
    """Eigenvalues of symmetric 3 x 3 matrices as vigra has them, flat arrays."""
    third_part, root3 = 1.0 / 3.0, math.sqrt(3.0)
    for i in range(xx.size):
        a00, a01, a02, a11, a12, a22 = xx[i], xy[i], xz[i], yy[i], yz[i], zz[i]
        # products of float32 numbers are float32 in C++ unless a double is among them
        c0 = np.float64((a00 * a11) * a22)
        c0 += ((2.0 * np.float64(a01)) * np.float64(a02)) * np.float64(a12)
        c0 -= np.float64((a00 * a12) * a12)
        c0 -= np.float64((a11 * a02) * a02)
        c0 -= np.float64((a22 * a01) * a01)
        c1 = np.float64(
            ((((a00 * a11 - a01 * a01) + a00 * a22) - a02 * a02) + a11 * a22) - a12 * a12
        )
        c2 = np.float64((a00 + a11) + a22)
        mean = c2 * third_part
        p = min((c1 - c2 * mean) * third_part, 0.0)
        h = 0.5 * (c0 + mean * (2.0 * mean * mean - c1))
        q = min(h * h + p * p * p, 0.0)
        size = math.sqrt(-p)
        angle = math.atan2(math.sqrt(-q), h) * third_part
        cs, sn = math.cos(angle), math.sin(angle)
        r0 = mean + 2.0 * size * cs
        r1 = mean - size * (cs + root3 * sn)
        r2 = mean - size * (cs - root3 * sn)
        low, high = min(r0, r1), max(r0, r1)
        least, rest = min(low, r2), max(low, r2)
        third[i] = least
        second[i] = min(high, rest)
        first[i] = max(high, rest)
