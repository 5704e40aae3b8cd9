"""Radiance pictures (``.hdr``): colours as three bytes and a common exponent (RGBE).

A pixel keeps about two digits, so the format counts as lossy and holds no labels; negative and
infinite values are refused rather than cut. There are always three colours in the file: a grey
picture is written three times, and a line in the header says that it was one. Values are as
stored: EXPOSURE and GAMMA lines of others are not applied.

Source: Ward, Real Pixels (Graphics Gems II), and Radiance's filefmts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fijibridge.errors import FormatError, UnsupportedError
from fijibridge.formats._raster.own import (
    check_ratio,
    file_bytes,
    own_format,
    picture_spec,
    truncated,
)
from fijibridge.formats._raster.write import Kind

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fijibridge.model import ImageSpec

__all__ = ["FORMAT"]

_MAGICS = (b"#?RADIANCE", b"#?RGBE")
_GREY = b"FIJIBRIDGE_CHANNELS=1"
_SIZE = re.compile(rb"([-+])([XY]) +([0-9]{1,9}) +([-+])([XY]) +([0-9]{1,9}) *\r?$")
_LARGEST_HEADER = 65536
_BIAS, _BITS = 128, 8
_SHORTEST, _LONGEST = 8, 32767  # lines of other lengths are never packed
_LITERAL = 128
#: A packed pixel has at least 4 * 2 / 127 bytes, an unpacked one at most 12.
_LARGEST_RATIO = 250
_OLD_REPEAT = b"\1\1\1"


# ---------------------------------------------------------------------------------------- writing


def _encode(data: np.ndarray) -> bytes:
    grey = data.ndim == 2
    colours = np.repeat(data[..., None], 3, axis=2) if grey else data
    height, width = data.shape[:2]
    head = _MAGICS[0] + b"\nSOFTWARE=fijibridge\n" + (_GREY + b"\n" if grey else b"")
    head += f"FORMAT=32-bit_rle_rgbe\n\n-Y {height} +X {width}\n".encode()
    pixels = _to_rgbe(colours)
    if not _SHORTEST <= width <= _LONGEST:
        return head + pixels.tobytes()
    return head + _lines(pixels)


def _to_rgbe(colours: np.ndarray) -> np.ndarray:
    """Turn (y, x, 3) floats into (y, x, 4) bytes, rounded to the nearest."""
    top = colours.max(axis=2).astype(np.float64)
    if not (np.isfinite(colours).all() and float(colours.min()) >= 0):
        raise UnsupportedError(
            "A Radiance picture holds finite values of 0 or more; the image has others.",
            "Use .tif or .h5, or renormalise it first.",
        )
    if float(top.max()) >= 2.0**127:
        raise UnsupportedError(
            f"A Radiance picture holds values below 1.7e38; the image has {float(top.max()):g}."
        )
    _, power = np.frexp(top)
    # what rounds up to 256 needs the next power
    power = power + (np.rint(np.ldexp(top, _BITS - power)) >= 256)
    seen = (top > 0) & (power > -_BIAS)
    power = np.where(seen, power, 0)
    out = np.zeros((*top.shape, 4), np.uint8)
    scaled = np.rint(np.ldexp(colours.astype(np.float64), (_BITS - power)[..., None]))
    out[..., :3] = np.where(seen[..., None], scaled, 0)
    out[..., 3] = np.where(seen, power + _BIAS, 0)
    return out


def _lines(pixels: np.ndarray) -> bytes:
    """Lay out lines in the newer packing: one colour after the other, nothing repeated."""
    height, width, _ = pixels.shape
    planes = pixels.transpose(0, 2, 1)
    whole = width // _LITERAL
    parts = []
    if whole:
        runs = planes[..., : whole * _LITERAL].reshape(height, 4, whole, _LITERAL)
        counts = np.full((height, 4, whole, 1), _LITERAL, np.uint8)
        parts.append(np.concatenate([counts, runs], axis=3).reshape(height, 4, -1))
    rest = width - whole * _LITERAL
    if rest:
        parts += [np.full((height, 4, 1), rest, np.uint8), planes[..., whole * _LITERAL :]]
    body = np.concatenate(parts, axis=2).reshape(height, -1)
    begin = np.tile(np.array([2, 2, width >> 8, width & 255], np.uint8), (height, 1))
    return np.concatenate([begin, body], axis=1).tobytes()


# ---------------------------------------------------------------------------------------- reading


@dataclass(frozen=True, slots=True)
class _Header:
    """Lines and pixels a line as stored, how to lay them out, and where they begin."""

    lines: int
    length: int
    swapped: bool  # lines are columns
    flip_lines: bool
    flip_pixels: bool
    grey: bool
    begin: int


def _header(path: Path) -> _Header:
    head = file_bytes(path, _LARGEST_HEADER)
    if not head.startswith(_MAGICS):
        raise FormatError(f"{str(path)!r} is no Radiance picture.")
    at, grey = 0, False
    while True:
        end = head.find(b"\n", at)
        if end < 0:
            raise truncated(path, "its header ends early")
        line, at = head[at:end].strip(), end + 1
        if not line:
            break
        grey = grey or line == _GREY
        if line.startswith(b"FORMAT=") and line != b"FORMAT=32-bit_rle_rgbe":
            raise FormatError(
                f"{str(path)!r} holds pixels of the kind {line[7:40].decode('latin-1')!r}; only "
                "32-bit_rle_rgbe is read.",
                "Convert it with ra_xyze -r, or save it as TIFF.",
            )
    end = head.find(b"\n", at)
    match = _SIZE.match(head[at:end]) if end >= 0 else None
    if match is None or match[2] == match[5] or not (int(match[3]) and int(match[6])):
        raise FormatError(f"{str(path)!r} is broken: it does not say how large it is.")
    return _Header(
        lines=int(match[3]),
        length=int(match[6]),
        swapped=match[2] == b"X",
        # rows go down (-Y) and columns to the right (+X)
        flip_lines=match[1] == (b"-" if match[2] == b"X" else b"+"),
        flip_pixels=match[4] == (b"-" if match[5] == b"X" else b"+"),
        grey=grey,
        begin=end + 1,
    )


def _read(path: Path) -> tuple[ImageSpec, Callable[[], np.ndarray]]:
    header = _header(path)
    lines, length = header.lines, header.length
    size = path.stat().st_size
    if lines * 4 > size - header.begin:  # a line has four bytes at least
        raise truncated(path, f"{lines} lines do not fit into {size} bytes")
    check_ratio(path, lines * length * 12, _LARGEST_RATIO)
    plane = (length, lines) if header.swapped else (lines, length)
    shape = plane if header.grey else (*plane, 3)
    spec = picture_spec(path, shape, np.dtype(np.float32))

    def load() -> np.ndarray:
        pixels = _decode(path, file_bytes(path)[header.begin :], lines, length)
        power = pixels[..., 3].astype(np.int32) - (_BIAS + _BITS)
        power[pixels[..., 3] == 0] = -_BIAS - 2 * _BITS - 127  # exponent 0 is black
        kept = pixels[..., :1] if header.grey else pixels[..., :3]
        with np.errstate(under="ignore"):
            values = np.ldexp(kept.astype(np.float32), power[..., None])
        values = values[:: -1 if header.flip_lines else 1, :: -1 if header.flip_pixels else 1]
        values = values.swapaxes(0, 1) if header.swapped else values
        return values[..., 0] if header.grey else values

    return spec, load


def _decode(path: Path, raw: bytes, lines: int, length: int) -> np.ndarray:
    """Return (lines, length, 4) bytes."""
    out = np.zeros((lines, length, 4), np.uint8)
    data = np.frombuffer(raw, np.uint8)
    packable = _SHORTEST <= length <= _LONGEST
    at = 0
    try:
        for line in out:
            if packable and raw[at : at + 2] == b"\2\2" and raw[at + 2] < 128:
                if int.from_bytes(raw[at + 2 : at + 4]) != length:
                    raise FormatError(f"{str(path)!r} is broken: its lines differ in length.")
                at = _packed_line(raw, data, at + 4, line)
            else:
                at = _plain_line(raw, data, at, line)
    except (IndexError, ValueError) as error:
        if isinstance(error, FormatError):
            raise
        raise truncated(path, "it ends within its pixels, or a run leaves its line") from error
    return out


def _packed_line(raw: bytes, data: np.ndarray, at: int, line: np.ndarray) -> int:
    """Fill a line of the newer packing; return where the next begins."""
    length = len(line)
    for colour in range(4):
        row = line[:, colour]
        x = 0
        while x < length:
            n = raw[at]
            if n > _LITERAL:
                n -= _LITERAL
                row[x : x + n] = raw[at + 1]
                at += 2
            else:
                part = data[at + 1 : at + 1 + n]
                _check_run(len(part) == n > 0)
                _check_run(x + n <= length)
                row[x : x + n] = part
                at += 1 + n
            x += n
        _check_run(x == length)
    return at


def _plain_line(raw: bytes, data: np.ndarray, at: int, line: np.ndarray) -> int:
    """Fill a line of pixels, which the oldest packing repeats by pixels of 1, 1, 1 and a count."""
    length = len(line)
    pixels = data[at : at + 4 * length]
    if len(pixels) == 4 * length:
        pixels = pixels.reshape(length, 4)
        if not (pixels[:, :3] == 1).all(axis=1).any():
            line[...] = pixels
            return at + 4 * length
    x = shift = 0
    while x < length:
        pixel = raw[at : at + 4]
        _check_run(len(pixel) == 4)
        at += 4
        if pixel[:3] == _OLD_REPEAT:
            n = pixel[3] << shift
            _check_run(x > 0 and x + n <= length)
            line[x : x + n] = line[x - 1]
            x += n
            shift += 8
            _check_run(shift <= 32)
        else:
            line[x] = np.frombuffer(pixel, np.uint8)
            x += 1
            shift = 0
    return at


def _check_run(right: bool) -> None:
    if not right:
        raise IndexError


FORMAT = own_format(
    Kind(
        name="hdr",
        suffixes=(".hdr",),
        title="Radiance HDR",
        magic=_MAGICS,
        dtypes=frozenset({"float32"}),
        channels=frozenset({1, 3}),
        encode=_encode,
        lossy=True,
        longest=10**9 - 1,
    ),
    _read,
)
