"""PBM, PGM and PPM, text and binary, read exactly: no value is rescaled to the full range."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fijibridge.errors import FormatError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["PnmHeader", "pnm_header", "pnm_pixels"]

_TOKEN = re.compile(rb"(?:\s|#[^\r\n]*[\r\n])*([0-9]+)")
_LARGEST_HEADER = 65536


@dataclass(frozen=True, slots=True)
class PnmHeader:
    """The magic number 1 to 6, the shape (height, width, samples), the type, where pixels begin."""

    magic: int
    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    begin: int

    @property
    def bits(self) -> bool:
        """Whether pixels are single bits, 1 being black."""
        return self.magic in (1, 4)


def pnm_header(path: Path) -> PnmHeader:
    """Read the header.

    Raises
    ------
    FormatError
        When the file is broken or shorter than its header says.
    """
    with path.open("rb") as file:
        head = file.read(_LARGEST_HEADER)
    size = path.stat().st_size
    magic = head[1] - ord("0") if len(head) > 1 and head[:1] == b"P" else 0
    if not 1 <= magic <= 6:
        raise FormatError(f"{str(path)!r} is no PBM, PGM or PPM file.")
    numbers, at = [], 2
    for _ in range(2 if magic in (1, 4) else 3):
        match = _TOKEN.match(head, at)
        if match is None or len(match.group(1)) > 9:
            raise FormatError(f"{str(path)!r} is broken: its header ends early.")
        numbers.append(int(match.group(1)))
        at = match.end()
    width, height, top = (*numbers, 1)[:3]
    if not (width and height and 0 < top < 65536):
        raise FormatError(f"{str(path)!r} says it has {width} x {height} pixels up to {top}.")
    samples = 3 if magic in (3, 6) else 1
    header = PnmHeader(
        magic, (height, width, samples), np.dtype(np.uint8 if top < 256 else np.uint16), at + 1
    )
    # a number of the text kinds takes two bytes, but bits may stand without spaces
    least = height * width * samples * (1 if magic == 1 else 2) - 1
    if magic == 4:
        least = height * ((width + 7) // 8)
    elif magic in (5, 6):
        least = math.prod(header.shape) * header.dtype.itemsize
    if size - header.begin < least:
        raise FormatError(
            f"{str(path)!r} is truncated: {width} x {height} pixels need {least} bytes, it has "
            f"{max(0, size - header.begin)}.",
            "Copy the file again from its source.",
        )
    return header


def pnm_pixels(path: Path, header: PnmHeader) -> np.ndarray:
    """Return the pixels, (height, width, samples); bits are 255 where they are white."""
    raw = path.read_bytes()[header.begin :]
    height, width, samples = header.shape
    count = math.prod(header.shape)
    if header.magic == 4:
        row = (width + 7) // 8
        bits = np.frombuffer(raw, np.uint8, height * row).reshape(height, row)
        ink = np.unpackbits(bits, axis=1)[:, :width].reshape(header.shape)
        return ((1 - ink) * 255).astype(np.uint8)
    if header.magic in (5, 6):
        stored = header.dtype.newbyteorder(">")
        return np.frombuffer(raw, stored, count).reshape(header.shape).astype(header.dtype)
    text = re.sub(rb"#[^\r\n]*", b" ", raw)
    words = re.findall(rb"[01]", text) if header.magic == 1 else text.split()
    try:
        values = np.array([int(word) for word in words[:count]], np.int64)
    except ValueError:
        raise FormatError(f"{str(path)!r} is broken: there are words among its numbers.") from None
    if values.size < count or values.min() < 0 or values.max() > 65535:
        raise FormatError(f"{str(path)!r} is broken: it holds {values.size} of {count} values.")
    if header.magic == 1:
        values = (1 - values) * 255
    return values.astype(header.dtype).reshape(height, width, samples)
