"""An `ImageSource` over an array that a file library reads piece by piece (h5py, zarr)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fijibridge.errors import FijiBridgeError, FormatError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable

    from fijibridge.model import ImageSpec, Region

__all__ = ["GIB", "LazySource", "check_no_level", "check_region", "first_line", "pixel_dtype"]

GIB = 2**30


def pixel_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the dtype in which pixels are handed out: native byte order, bool as uint8."""
    return np.dtype(np.uint8) if dtype.kind == "b" else dtype.newbyteorder("=")


def check_region(region: Region, shape: tuple[int, ...], what: str) -> None:
    """Raise SettingsError when a region does not lie inside an array."""
    if len(region.stop) != len(shape) or any(
        b > n for b, n in zip(region.stop, shape, strict=True)
    ):
        raise SettingsError(
            f"The region {region.start} to {region.stop} does not lie in {what}, "
            f"whose shape is {shape}."
        )


def check_no_level(level: int | str, what: str) -> None:
    """Raise SettingsError when a level is asked of an image that has only one."""
    if level not in (0, -1, "0", "-1"):
        raise SettingsError(
            f"{what} has one level only; level {level!r} was asked for.",
            "Leave the level out, or open the image that the levels belong to.",
        )


def _nothing() -> None:
    """There is nothing to close."""


def _no_guard(nbytes: int) -> None:
    """Sizes were checked when the file was opened."""
    del nbytes


class LazySource:
    """Pixels of a stored array.

    Parameters
    ----------
    spec
        What the image is; its dtype is what `read` returns.
    array
        Stored array: takes a tuple of slices.
    what
        Name for messages.
    close
        Lets go of the file.
    guard
        Raises FormatError when a read of so many bytes cannot be what the file holds.
    """

    def __init__(
        self,
        spec: ImageSpec,
        array: Any,
        what: str,
        *,
        close: Callable[[], None] = _nothing,
        guard: Callable[[int], None] = _no_guard,
    ) -> None:
        self._spec = spec
        self._array = array
        self._what = what
        self._close = close
        self._guard = guard

    @property
    def spec(self) -> ImageSpec:
        return self._spec

    def __repr__(self) -> str:
        sizes = "x".join(map(str, self._spec.shape))
        keys = self._spec.axes.keys
        return f"{type(self).__name__}({self._what}, {keys} {sizes} {self._spec.dtype})"

    @property
    def chunks(self) -> tuple[int, ...]:
        """Shape of the blocks in which the file holds the pixels."""
        found = getattr(self._array, "chunks", None)
        return tuple(found) if found else self._spec.shape

    @property
    def costly(self) -> bool:
        """Whether a part of a chunk costs as much as the whole chunk."""
        found = getattr(self._array, "costly", None)
        return bool(getattr(self._array, "chunks", None)) if found is None else bool(found)

    @property
    def packing(self) -> Any:
        """How chunks are stored, to be compared with a sink's; None when that is not known."""
        found = getattr(self._array, "packing", None)
        return None if self._spec.dtype.str != getattr(found, "dtype", None) else found

    def packed(self, low: tuple[int, ...]) -> bytes | None:
        """Return a chunk as it is stored (see `packing`); None when it has to be read.

        Parameters
        ----------
        low
            Where it begins.
        """
        found: bytes | None = self._array.packed(low)
        return found

    def read(self, region: Region, out: np.ndarray | None = None) -> np.ndarray:
        """Return the pixels of a region.

        Parameters
        ----------
        region
            Box of the image.
        out
            Memory of the region's shape and the image's dtype that may be used: fresh memory
            can cost more than reading.
        """
        spec = self._spec
        check_region(region, spec.shape, self._what)
        if 0 in region.shape:
            return np.zeros(region.shape, spec.dtype)
        self._guard(int(np.prod(region.shape, dtype=object)) * spec.dtype.itemsize)
        try:
            data = self._values(region, out)
            if data.dtype.kind == "b":
                data = data.astype(np.uint8) * np.uint8(1 if spec.role == "labels" else 255)
            data = data.astype(spec.dtype, copy=False)
        except FijiBridgeError:
            raise
        except Exception as error:
            # the libraries raise what they please on broken bytes
            raise FormatError(
                f"The pixels of {self._what} cannot be read: {first_line(error)}.",
                "The file is damaged or incomplete; make it anew or copy it again.",
            ) from error
        if data.shape != region.shape:
            raise FormatError(
                f"{self._what} gave pixels of the shape {data.shape} for {region.shape}."
            )
        return data

    def _values(self, region: Region, out: np.ndarray | None) -> np.ndarray:
        read_into = getattr(self._array, "read_into", None)
        if out is None or read_into is None or out.dtype != self._array.dtype:
            return np.asarray(self._array[region.slices])
        read_into(region.start, region.stop, out)
        return out

    def close(self) -> None:
        self._close()


def first_line(error: BaseException) -> str:
    """Return what an error of a library says, short and on one line."""
    text = " ".join(str(error).split())
    return (text[:200] or type(error).__name__).rstrip(".")
