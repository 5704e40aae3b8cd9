"""Planes of pixels across the border, copied by Java in bulk through direct buffers."""

from __future__ import annotations

from typing import Any

import numpy as np

from fijibridge.bridge._java import jimport
from fijibridge.errors import UnsupportedError

__all__ = ["plane_from_java", "plane_to_java"]

_BUFFERS = {1: "", 2: "asShortBuffer", 4: "asIntBuffer", 8: "asLongBuffer"}


def _direct(array: np.ndarray) -> Any:
    """Return a direct java.nio buffer over the memory of a contiguous array, native byte order."""
    import jpype.nio

    buffer = jpype.nio.convertToDirectBuffer(array.view(np.uint8).reshape(-1).data)
    return buffer.order(jimport("java.nio.ByteOrder").nativeOrder())


def _typed(array: np.ndarray) -> Any:
    buffer = _direct(array)
    if array.dtype.kind == "f":
        return buffer.asFloatBuffer() if array.dtype.itemsize == 4 else buffer.asDoubleBuffer()
    method = _BUFFERS[array.dtype.itemsize]
    return getattr(buffer, method)() if method else buffer


def plane_from_java(pixels: Any, out: np.ndarray) -> None:
    """Copy a Java primitive array into a contiguous plane.

    JPype hands out its memory in one piece. A direct buffer's ``put`` is as fast at first, and ten
    times slower once Java has compiled it.
    """
    flat = out.reshape(-1)
    flat[:] = np.frombuffer(memoryview(pixels), dtype=flat.dtype)


def plane_to_java(plane: np.ndarray) -> Any:
    """Return a Java primitive array with the values of a plane."""
    import jpype

    plane = np.ascontiguousarray(plane)
    if plane.size == 0:
        raise UnsupportedError("ImageJ holds no empty images.")
    whole = {1: jpype.JByte, 2: jpype.JShort, 4: jpype.JInt, 8: jpype.JLong}
    floats = {4: jpype.JFloat, 8: jpype.JDouble}
    kind = (floats if plane.dtype.kind == "f" else whole)[plane.dtype.itemsize]
    array = jpype.JArray(kind)(plane.size)
    _typed(plane).get(array)
    return array
