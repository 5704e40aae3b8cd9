"""Files of plain pixels behind a header that is known from the start: NumPy, NIfTI, DICOM."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import numpy as np

from fijibridge.errors import SettingsError
from fijibridge.formats._blocks import BlockWriter
from fijibridge.formats._target import target_errors

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fijibridge.formats._target import Staged
    from fijibridge.model import ImageSpec, Region

__all__ = ["BlockFileSink"]


class BlockFileSink:
    """Pixels written block by block; the target appears with `commit`.

    Parameters
    ----------
    staged
        The target.
    spec
        The image, in the order of the blocks.
    header
        Bytes before the pixels.
    order
        Letters of the axes in the order of the file.
    dtype
        As stored, with its byte order.
    behind
        Bytes after the pixels.
    pack
        For targets that are packed: makes ``staged.path`` of the whole file of pixels, which is
        called `plain` until then.
    plain
        Where pixels are gathered; None = where the target is staged.
    check_labels
        Raises UnsupportedError for labels up to a number that the format cannot hold.
    """

    def __init__(
        self,
        staged: Staged,
        spec: ImageSpec,
        *,
        header: bytes,
        order: str,
        dtype: np.dtype[Any],
        behind: bytes = b"",
        pack: Callable[[Path], None] | None = None,
        plain: Path | None = None,
        check_labels: Callable[[int], None] | None = None,
    ) -> None:
        self._staged = staged
        self._spec = spec
        self._pack = pack
        self._check_labels = check_labels
        self._file = plain or staged.path
        self._blocks: BlockWriter | None = None
        try:
            with target_errors(staged.target):
                self._file.write_bytes(header)
                self._blocks = BlockWriter(self._file, len(header), spec, order, dtype)
                if behind:
                    self._blocks.put_bytes(len(header) + self._blocks.nbytes, behind)
        except BaseException:
            self.abort()
            raise

    def write(self, region: Region, block: np.ndarray) -> None:
        assert self._blocks is not None  # noqa: S101  # made in __init__
        self._blocks.check(region, block)
        if not np.can_cast(block.dtype, self._spec.dtype, "same_kind"):
            raise SettingsError(
                f"The block holds {block.dtype} pixels, the image {self._spec.dtype} ones."
            )
        if self._check_labels is not None and self._spec.role == "labels" and block.size:
            if int(block.min()) < 0:
                raise SettingsError(f"Labels must be 0 or more; the block holds {block.min()}.")
            self._check_labels(int(block.max()))
        with target_errors(self._staged.target):
            self._blocks.write(region, block)

    def commit(self) -> None:
        try:
            with target_errors(self._staged.target):
                if self._blocks is not None:
                    self._blocks.close()
                if self._pack is not None:
                    self._pack(self._file)
                    self._file.unlink()
            self._staged.commit()
        except BaseException:
            self.abort()
            raise

    def abort(self) -> None:
        if self._blocks is not None:
            self._blocks.close()
        # before the folders that were made for it
        with contextlib.suppress(OSError):
            self._file.unlink(missing_ok=True)
        self._staged.abort()
