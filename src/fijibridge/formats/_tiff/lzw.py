"""A look at LZW codes before they are decoded: the decoder trusts them, and damage may end it all.

Source: TIFF 6.0, section 13, and libtiff's older codes, which begin with the lowest bit.
"""

# numba's decorator has no types
# mypy: disallow-untyped-decorators=False, warn-return-any=False
# ruff: noqa: C901  # straight functions are what numba compiles
from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit  # noqa: TID253  # this module is imported where it is used

from fijibridge.errors import FormatError

__all__ = ["check_lzw", "is_sound"]

_CLEAR, _END, _FIRST, _MOST = 256, 257, 258, 4096


@njit(cache=True, nogil=True)
def is_sound(data: np.ndarray, size: int) -> bool:
    """Whether every code that makes one of the first `size` bytes is known by then.

    Parameters
    ----------
    data
        (n,) bytes of one strip or tile.
    size
        Bytes that it holds.
    """
    n = len(data)
    old = n > 1 and data[0] == 0 and data[1] & 1 == 1
    lengths = np.ones(_MOST, np.int64)
    bits, made, place, following = 9, 0, 0, _FIRST
    before = 0  # bytes of the code before; 0 = the table is new
    while made < size and place + bits <= 8 * n:
        at = place >> 3
        window = 0  # the three bytes in which a code lies
        for k in range(3):
            byte = int(data[at + k]) if at + k < n else 0
            window |= byte << (8 * k if old else 16 - 8 * k)
        shift = place & 7 if old else 24 - (place & 7) - bits
        code = (window >> shift) & ((1 << bits) - 1)
        place += bits
        if code == _END:
            return True
        if code == _CLEAR:
            bits, following, before = 9, _FIRST, 0
            continue
        if before == 0:
            if code > 255:
                return False
        else:
            if code > following or code >= _MOST:
                return False
            if following < _MOST:
                lengths[following] = before + 1
                following += 1
            elif code >= following:
                return False
            if following + (0 if old else 1) >= 1 << bits and bits < 12:
                bits += 1
        before = 1 if code < 256 else lengths[code]
        made += before
    return True


def check_lzw(raw: bytes, page: Any, size: int) -> None:
    """Refuse the bytes of a strip or tile of `size` bytes that the decoder may not survive.

    Raises
    ------
    FormatError
        When a code is not in the table.
    """
    if page.fillorder == 2:
        import imagecodecs

        raw = bytes(imagecodecs.bitorder_decode(raw))
    if not is_sound(np.frombuffer(raw, np.uint8), size):
        path = str(page.parent.filehandle.path)
        raise FormatError(
            f"{path!r} is damaged: a code of its LZW compression stands for nothing.",
            "Copy it again from its source.",
        )
