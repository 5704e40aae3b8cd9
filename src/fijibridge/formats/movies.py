"""Pictures one after the other: AVI and animated GIF.

An AVI holds plain 24-bit frames, which ImageJ and every player open and which change no pixel; its
size is known before, and what does not fit the format's 2 GB is refused. A GIF has 256 colours a
frame.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fijibridge.errors import SettingsError, UnsupportedError
from fijibridge.formats._target import staged

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["MOVIES", "check_movie", "write_movie"]

#: Suffixes of movies.
MOVIES = (".avi", ".gif")
_LARGEST = 2_000_000_000  # bytes of an AVI; its numbers are signed in many readers
_LARGEST_SIDE = 65535  # of a GIF


def check_movie(path: str, count: int, height: int, width: int) -> None:
    """Raise when a movie cannot be held by the format its name says.

    Raises
    ------
    SettingsError
        When the name ends in no format of movies.
    UnsupportedError
        When it is too large.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in MOVIES:
        raise SettingsError(f"The movie {path!r} must end in {' or '.join(MOVIES)}.")
    if suffix == ".gif" and max(height, width) > _LARGEST_SIDE:
        raise UnsupportedError(f"A GIF is at most {_LARGEST_SIDE} pixels wide and high.")
    size = count * height * _row(width)
    if suffix == ".avi" and size > _LARGEST:
        raise UnsupportedError(
            f"The movie would have {size / 1e9:.1f} GB; an AVI holds {_LARGEST / 1e9:.0f} GB.",
            "Choose a part with --region, a smaller --zoom, or a sequence of pictures.",
        )


def _row(width: int) -> int:
    return (3 * width + 3) // 4 * 4


def write_movie(
    path: str,
    frames: Iterable[np.ndarray],
    count: int,
    *,
    fps: float = 10.0,
    overwrite: bool = False,
) -> None:
    """Write a movie, frame by frame.

    Parameters
    ----------
    path
        Target, ``.avi`` or ``.gif``.
    frames
        (h, w, 3) uint8, all of one size.
    count
        How many.
    fps
        Frames a second.
    overwrite
        Replace an existing target.

    Raises
    ------
    SettingsError
        When it cannot be written.
    UnsupportedError
        When it is too large for the format.
    """
    every = iter(frames)
    first = next(every)
    check_movie(path, count, *first.shape[:2])
    with staged(Path(path), overwrite=overwrite) as part:
        if part.suffix.lower() == ".gif":
            _write_gif(part, first, every, fps)
        else:
            _write_avi(part, first, every, count, fps)


def _write_gif(part: Path, first: np.ndarray, rest: Iterator[np.ndarray], fps: float) -> None:
    from PIL import Image

    def indexed(frame: np.ndarray) -> Any:
        colours = np.unique(frame.reshape(-1, 3), axis=0)
        picture = Image.fromarray(frame)
        if len(colours) > 256:
            return picture.quantize(256, dither=Image.Dither.NONE)
        # few colours are kept exactly
        packed = frame.astype(np.uint32) @ np.array([65536, 256, 1], np.uint32)
        keys = colours.astype(np.uint32) @ np.array([65536, 256, 1], np.uint32)
        exact = Image.fromarray(np.searchsorted(keys, packed).astype(np.uint8), "P")
        exact.putpalette(colours.tobytes())
        return exact

    indexed(first).save(
        part,
        format="GIF",
        save_all=True,
        append_images=(indexed(frame) for frame in rest),
        duration=max(20, round(1000 / fps)),
        loop=0,
        disposal=1,
    )


def _chunk(tag: bytes, body: bytes) -> bytes:
    return tag + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)


def _write_avi(
    part: Path, first: np.ndarray, rest: Iterator[np.ndarray], count: int, fps: float
) -> None:
    """Write RIFF AVI: headers, frames as bottom-up BGR rows of whole 4 bytes, an index.

    Source: Microsoft, AVI RIFF File Reference.
    """
    height, width = first.shape[:2]
    size = height * _row(width)
    header = struct.pack(
        "<14I",
        *(round(1e6 / fps), round(size * fps), 0, 0x10, count, 0, 1, size, width, height),
        *(0, 0, 0, 0),
    )
    stream = struct.pack(
        "<4s4sIHHIIIIIIII4H",
        *(b"vids", b"DIB ", 0, 0, 0, 0, 1000, round(1000 * fps), 0, count, size, 0xFFFFFFFF, 0),
        *(0, 0, min(width, 0xFFFF), min(height, 0xFFFF)),
    )
    pixels = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, size, 0, 0, 0, 0)
    streams = b"strl" + _chunk(b"strh", stream) + _chunk(b"strf", pixels)
    headers = _chunk(b"LIST", b"hdrl" + _chunk(b"avih", header) + _chunk(b"LIST", streams))
    movie = 4 + count * (8 + size)
    index = b"".join(
        struct.pack("<4sIII", b"00db", 0x10, 4 + i * (8 + size), size) for i in range(count)
    )
    total = 4 + len(headers) + 8 + movie + 8 + len(index)
    rows = np.zeros((height, _row(width)), np.uint8)
    with part.open("wb") as file:
        file.write(b"RIFF" + struct.pack("<I", total) + b"AVI " + headers)
        file.write(b"LIST" + struct.pack("<I", movie) + b"movi")
        frame: np.ndarray | None = first
        for _ in range(count):
            assert frame is not None  # noqa: S101  # there are `count` of them
            rows[:, : 3 * width] = frame[::-1, :, ::-1].reshape(height, 3 * width)
            file.write(b"00db" + struct.pack("<I", size))
            file.write(rows.tobytes())
            frame = next(rest, None)
        file.write(_chunk(b"idx1", index))
