"""Writing pixels by position: blocks of any shape, in any order, into a file beside the target."""

from __future__ import annotations

import contextlib
import errno
import math
import os
import threading
from typing import TYPE_CHECKING, Any

import numpy as np

from fijibridge.errors import SettingsError, UnsupportedError

if TYPE_CHECKING:
    from pathlib import Path

    from fijibridge.model import ImageSpec, Region

__all__ = ["BlockWriter", "file_order", "reserve"]

_NO_RESERVING = (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS)
_STEP = 2**22


def file_order(spec: ImageSpec, *, rgb: bool) -> str:
    """Return the axes in the order in which ImageJ and OME keep planes: t, z, c, y, x.

    Colours (``rgb``) lie together, last.

    Raises
    ------
    UnsupportedError
        When the image has no y or x, or no pixels.
    """
    keys = spec.axes.keys
    if "y" not in keys or "x" not in keys:
        raise UnsupportedError(
            f"A TIFF holds planes; the image has the axes {keys!r}, without y or x.",
            "Use .npy or .h5, or name the axes with --axes.",
        )
    if 0 in spec.shape:
        raise UnsupportedError(
            f"The image is empty: its shape is {spec.shape}; a TIFF holds at least one pixel.",
            "Use .npy or .h5, or check what made it.",
        )
    return "".join(key for key in ("tzyxc" if rgb else "tzcyx") if key in keys)


def reserve(file: Any, size: int) -> None:
    """Make a file `size` bytes long; a full disk is an OSError now rather than later."""
    if hasattr(os, "posix_fallocate"):
        try:
            os.posix_fallocate(file.fileno(), 0, size)
        except OSError as error:
            if error.errno not in _NO_RESERVING:
                raise
        else:
            return
    file.truncate(size)


class BlockWriter:
    """Pixels of a file, written by position from any thread.

    Parameters
    ----------
    path
        The file; it exists already.
    offset
        Where the pixels begin.
    spec
        The image, in the order of the blocks.
    order
        Letters of the same axes in the order of the file.
    dtype
        As stored, with its byte order.
    """

    def __init__(
        self, path: Path, offset: int, spec: ImageSpec, order: str, dtype: np.dtype[Any]
    ) -> None:
        self.offset = offset
        self.dtype = dtype
        self.shape = tuple(spec.axes.size(key) for key in order)
        self.file = path.open("r+b", buffering=0)
        self._what = spec.shape
        self._perm = [spec.axes.index(key) for key in order]
        self._strides = [
            math.prod(self.shape[i + 1 :]) * dtype.itemsize for i in range(len(self.shape))
        ]
        self._lock = threading.Lock()
        try:
            reserve(self.file, offset + self.nbytes)
        except BaseException:
            self.close()
            raise

    @property
    def nbytes(self) -> int:
        """Bytes of all pixels."""
        return math.prod(self.shape) * self.dtype.itemsize

    def check(self, region: Region, block: np.ndarray) -> None:
        """Raise SettingsError when a block does not fit where it shall go."""
        fits = len(region.stop) == len(self._what) and all(
            b <= n for b, n in zip(region.stop, self._what, strict=True)
        )
        if not fits or block.shape != region.shape:
            raise SettingsError(
                f"A block of the shape {block.shape} does not fit the region {region.start} to "
                f"{region.stop} of an image of the shape {self._what}."
            )

    def write(self, region: Region, block: np.ndarray) -> None:
        """Write a block, given in the order of the spec's axes."""
        if block.size == 0:
            return
        data = block.transpose(self._perm)
        start = [region.start[i] for i in self._perm]
        # trailing axes that are covered whole make one run of bytes together with the one before
        run = len(self.shape) - 1
        while run > 0 and data.shape[run] == self.shape[run]:
            run -= 1
        base = self.offset + sum(a * s for a, s in zip(start, self._strides, strict=True))
        for index in np.ndindex(data.shape[:run]):
            place = base + sum(i * s for i, s in zip(index, self._strides[:run], strict=True))
            self._put(place, np.ascontiguousarray(data[index], self.dtype))

    def _put(self, place: int, data: np.ndarray) -> None:
        view = memoryview(data.reshape(-1).view(np.uint8).data)
        if hasattr(os, "pwrite"):  # threads need not wait for each other
            while view:
                done = os.pwrite(self.file.fileno(), view, place)
                view, place = view[done:], place + done
            return
        with self._lock:
            self.file.seek(place)
            while view:
                view = view[self.file.write(view) :]

    def put_bytes(self, place: int, data: bytes) -> None:
        """Write bytes somewhere in the file."""
        self._put(place, np.frombuffer(data, np.uint8))

    def convert(self, dtype: np.dtype[Any]) -> None:
        """Change the type of all pixels, in place; the new one is not larger."""
        total = math.prod(self.shape)
        for first in range(0, total, _STEP):
            n = min(_STEP, total - first)
            self.file.seek(self.offset + first * self.dtype.itemsize)
            raw = bytearray()
            while len(raw) < n * self.dtype.itemsize:
                raw += self.file.read(n * self.dtype.itemsize - len(raw))
            data = np.frombuffer(raw, self.dtype).astype(dtype)
            self._put(self.offset + first * dtype.itemsize, data)
        self.dtype = dtype
        self.file.truncate(self.offset + self.nbytes)

    def close(self) -> None:
        """Let go of the file."""
        with contextlib.suppress(OSError):
            self.file.close()
