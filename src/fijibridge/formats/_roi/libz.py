"""The zlib that Python itself uses, for compiled loops: without a call from Python per entry.

Source: zlib 1.2.13's manual (the stream structure and its calls).
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import sys
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Calls", "inflater", "zlib_calls"]

#: Words of 8 bytes of a z_stream where pointers and longs have 64 bits: 0 next_in, 1 avail_in,
#: 2 total_in, 3 next_out, 4 avail_out, 5 total_out, 6 msg, 7 state, 8 to 10 allocation,
#: 11 data_type, 12 adler, 13 reserved.
_WORDS = 14
_RAW = -15
_FINISH, _END = 4, 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Calls:
    """Functions of a zlib that was tried out.

    Parameters
    ----------
    library
        The loaded library, kept so that the functions stay.
    version
        What it calls itself.
    inflate, reset
        As compiled loops take them.
    """

    library: Any
    version: bytes
    inflate: Any
    reset: Any


@contextlib.contextmanager
def inflater(calls: Calls) -> Iterator[np.ndarray]:
    """Lend a stream for raw deflated data, (14,) int64; it must not be moved or copied."""
    stream = np.zeros(_WORDS, np.int64)
    where = ctypes.c_void_p(stream.ctypes.data)
    if calls.library.inflateInit2_(where, _RAW, calls.version, 8 * _WORDS) != 0:
        raise MemoryError("zlib cannot begin to inflate.")
    try:
        yield stream
    finally:
        calls.library.inflateEnd(where)


def _tried(library: Any) -> Calls | None:
    """Return the functions of `library` when they inflate as they should."""
    library.zlibVersion.restype = ctypes.c_char_p
    pointer = ctypes.c_void_p
    calls = Calls(
        library=library,
        version=library.zlibVersion(),
        inflate=ctypes.CFUNCTYPE(ctypes.c_int, pointer, ctypes.c_int)(("inflate", library)),
        reset=ctypes.CFUNCTYPE(ctypes.c_int, pointer)(("inflateReset", library)),
    )
    plain = np.arange(1000, dtype=np.uint16).view(np.uint8)
    packer = zlib.compressobj(6, zlib.DEFLATED, _RAW)
    packed = np.frombuffer(packer.compress(plain.tobytes()) + packer.flush(), np.uint8)
    out = np.zeros(len(plain) + 1, np.uint8)
    with inflater(calls) as stream:
        for _ in range(2):  # the second time shows whether the reset works
            out[:] = 0
            stream[0], stream[1] = packed.ctypes.data, len(packed)
            stream[3], stream[4] = out.ctypes.data, len(plain)
            state = calls.inflate(stream.ctypes.data, _FINISH)
            rest = (int(stream[1]), int(stream[4]), int(out[-1]))
            if state != _END or rest != (0, 0, 0) or not np.array_equal(out[:-1], plain):
                return None
            if calls.reset(stream.ctypes.data) != 0:
                return None
    return calls


@functools.cache
def zlib_calls() -> Calls | None:
    """Return the functions of the system's zlib, or None where it cannot be had that way.

    None on Windows and wherever Python brings its zlib hidden inside.
    """
    wide = ctypes.sizeof(ctypes.c_void_p) == ctypes.sizeof(ctypes.c_long) == 8
    if not wide or sys.byteorder != "little" or sys.platform == "win32":
        return None
    # Python's own module is linked to the library: its functions are found through it
    for place in (getattr(zlib, "__file__", None), "libz.so.1", "libz.1.dylib"):
        if place is None:
            continue
        with contextlib.suppress(OSError, AttributeError, MemoryError):
            calls = _tried(ctypes.CDLL(place))
            if calls is not None:
                return calls
    return None
