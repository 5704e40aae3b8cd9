"""TIFF directories, read with suspicion: every offset and count is checked against the file."""

from __future__ import annotations

import contextlib
import os
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fijibridge.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["Directory", "PositionalFile", "TiffHeader", "directories", "is_tiff", "read_header"]

WIDTH, LENGTH, BITS, COMPRESSION, PHOTOMETRIC = 256, 257, 258, 259, 262
DESCRIPTION, STRIP_OFFSETS, SAMPLES, ROWS_PER_STRIP, STRIP_COUNTS = 270, 273, 277, 278, 279
X_RESOLUTION, Y_RESOLUTION, PLANAR, RESOLUTION_UNIT, COLOR_MAP = 282, 283, 284, 296, 320
TILE_WIDTH, SAMPLE_FORMAT = 322, 339
IJ_COUNTS, IJ_DATA = 50838, 50839

#: TIFF field type -> numpy type of one number; rationals are two.
_TYPES = {
    1: "u1",
    2: "u1",
    3: "u2",
    4: "u4",
    5: "u4",
    6: "i1",
    7: "u1",
    8: "i2",
    9: "i4",
    10: "i4",
    11: "f4",
    12: "f8",
    13: "u4",
    16: "u8",
    17: "i8",
    18: "u8",
}
_RATIONALS = (5, 10)


class PositionalFile:
    """A file read by position, from any thread; reading beyond its end is a FormatError."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._file = path.open("rb", buffering=0)
        except FileNotFoundError:
            raise FormatError(f"There is no file {str(path)!r}.", "Check the path.") from None
        except OSError as error:
            raise FormatError(
                f"{str(path)!r} cannot be read: {error.strerror or error}."
            ) from error
        self.size = os.fstat(self._file.fileno()).st_size
        self._lock = threading.Lock()

    def read(self, offset: int, count: int) -> bytes:
        """Return exactly `count` bytes."""
        if offset < 0 or count < 0 or offset + count > self.size:
            raise FormatError(
                f"{str(self.path)!r} is truncated or broken: it has {self.size} bytes, its "
                f"directory points at {offset} to {offset + count}.",
                "Copy the file again from its source.",
            )
        parts = []
        with self._lock:
            self._file.seek(offset)
            while count:
                part = self._file.read(count)
                if not part:
                    raise FormatError(f"{str(self.path)!r} became shorter while it was read.")
                parts.append(part)
                count -= len(part)
        return b"".join(parts)

    def close(self) -> None:
        """Let go of the file."""
        with contextlib.suppress(OSError):
            self._file.close()


@dataclass(frozen=True, slots=True)
class TiffHeader:
    """Byte order (``<`` or ``>``), 64-bit offsets or not, place of the first directory."""

    order: str
    big: bool
    first: int


@dataclass(frozen=True, slots=True)
class _Entry:
    kind: int
    count: int
    offset: int


@dataclass(frozen=True, slots=True)
class Directory:
    """One directory: where its values are, and where the next directory is (0 = none)."""

    file: PositionalFile
    order: str
    entries: dict[int, _Entry]
    next: int

    def __contains__(self, code: int) -> bool:
        return code in self.entries

    def raw(self, code: int) -> bytes:
        """Return the bytes of a tag's values; empty when there is no such tag."""
        entry = self.entries.get(code)
        if entry is None or entry.kind not in _TYPES:
            return b""
        size = np.dtype(_TYPES[entry.kind]).itemsize * (2 if entry.kind in _RATIONALS else 1)
        return self.file.read(entry.offset, size * entry.count)

    def numbers(self, code: int) -> np.ndarray:
        """Return a tag's values; rationals as pairs, shape (n, 2)."""
        entry = self.entries.get(code)
        if entry is None or entry.kind not in _TYPES:
            return np.empty(0, np.int64)
        values = np.frombuffer(self.raw(code), self.order + _TYPES[entry.kind])
        return values.reshape(-1, 2) if entry.kind in _RATIONALS else values

    def number(self, code: int, default: int) -> int:
        """Return the first value of a tag of integers, `default` when there is none."""
        entry = self.entries.get(code)
        if entry is None or entry.kind not in _TYPES or entry.count == 0:
            return default
        value = self.numbers(code).flat[0]
        return int(value) if np.isfinite(value) else default

    def text(self, code: int) -> str:
        """Return a tag's text, UTF-8 or else Latin-1, up to the first NUL."""
        raw = self.raw(code).split(b"\0", 1)[0]
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError:
            return raw.decode("latin-1")


def is_tiff(head: bytes) -> bool:
    """Whether a file that begins with these bytes is a TIFF or BigTIFF."""
    return head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def read_header(file: PositionalFile) -> TiffHeader:
    """Read the first bytes.

    Raises
    ------
    FormatError
        When the file is no TIFF.
    """
    head = file.read(0, min(16, file.size))
    if not head or (is_tiff(head) and len(head) < 8):
        raise FormatError(
            f"{str(file.path)!r} is {'truncated' if head else 'empty'}: it has {len(head)} bytes.",
            "Copy the file again from its source.",
        )
    if not is_tiff(head):
        raise FormatError(
            f"{str(file.path)!r} is no TIFF file: it begins with {head[:4].hex(' ')}.",
            "Check whether the suffix is right, or copy the file again.",
        )
    order = "<" if head[:2] == b"II" else ">"
    name = "little" if order == "<" else "big"
    big = head[2:4] in (b"+\0", b"\0+")
    first = int.from_bytes(head[8:16] if big else head[4:8], name)  # type: ignore[arg-type]  # a literal
    return TiffHeader(order, big, first)


def _read_directory(file: PositionalFile, header: TiffHeader, offset: int) -> Directory:
    name: Any = "little" if header.order == "<" else "big"
    wide, entry_size, head_size = (8, 20, 8) if header.big else (4, 12, 2)
    count = int.from_bytes(file.read(offset, head_size), name)
    raw = file.read(offset + head_size, count * entry_size)
    following = file.read(offset + head_size + count * entry_size, wide)
    entries: dict[int, _Entry] = {}
    for i in range(count):
        at = i * entry_size
        code = int.from_bytes(raw[at : at + 2], name)
        kind = int.from_bytes(raw[at + 2 : at + 4], name)
        number = int.from_bytes(raw[at + 4 : at + 4 + wide], name)
        if code in entries or kind not in _TYPES:
            continue
        size = number * np.dtype(_TYPES[kind]).itemsize * (2 if kind in _RATIONALS else 1)
        place = at + 4 + wide
        where = (
            offset + head_size + place
            if size <= wide
            else int.from_bytes(raw[place : place + wide], name)
        )
        entries[code] = _Entry(kind, number, where)
    return Directory(file, header.order, entries, int.from_bytes(following, name))


def directories(file: PositionalFile, header: TiffHeader) -> Iterator[Directory]:
    """Yield the directories one by one.

    Raises
    ------
    FormatError
        When one lies outside of the file or the chain is a circle.
    """
    seen: set[int] = set()
    offset = header.first
    while offset:
        if offset in seen:
            raise FormatError(
                f"{str(file.path)!r} is broken: its directories point back at each other.",
                "Copy the file again from its source.",
            )
        seen.add(offset)
        directory = _read_directory(file, header, offset)
        yield directory
        offset = directory.next
    if not seen:
        raise FormatError(f"{str(file.path)!r} is an empty TIFF: it holds no image.")
