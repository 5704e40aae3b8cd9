"""The bytes of an ImageJ TIFF around its pixels: directories, description, metadata tags."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from fijibridge.formats._tiff import ifd
from fijibridge.model.units import PIXEL, canonical_unit, imagej_unit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fijibridge.model import ImageSpec

__all__ = ["Header", "description", "java_double", "metadata", "needs_big_endian"]

_MAX_INT = 2**31 - 1
_FORMATS = {"u": 1, "i": 2, "f": 3}


def java_double(value: float) -> str:
    """Return a number as Java's Double.toString does.

    Examples
    --------
    >>> [java_double(x) for x in (1, 0.1625, 1e7, 2.5e-5, 65535.0, -0.0)]
    ['1.0', '0.1625', '1.0E7', '2.5E-5', '65535.0', '-0.0']
    """
    value = float(value)
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    if value == 0 or 1e-3 <= abs(value) < 1e7:
        text = f"{value:.17g}" if "e" in repr(value) else repr(value)
        return text if "." in text else f"{text}.0"
    # the shortest digits that give the number back
    digits = next(t for n in range(18) if float(t := f"{value:.{n}e}") == value)
    mantissa, exponent = digits.split("e")
    return f"{mantissa if '.' in mantissa else mantissa + '.0'}E{int(exponent)}"


def _escaped(text: str) -> str:
    """Escape a value as ImageJ does for java.util.Properties."""
    units = text.encode("utf-16-be", "surrogatepass")
    codes = struct.unpack(f">{len(units) // 2}H", units)
    return "".join(chr(c) if 0x20 <= c < 0x7F and c != 0x5C else f"\\u{c:04X}" for c in codes)


def _short(value: float) -> str:
    return str(int(value)) if value == int(value) and abs(value) < _MAX_INT else java_double(value)


def imagej_name(unit: str) -> str:
    """Return a unit as ImageJ's calibration holds it."""
    return imagej_unit(canonical_unit(unit))


def is_scaled(spec: ImageSpec) -> bool:
    """Whether ImageJ would call the image calibrated."""
    return any(spec.axes.get(k).scale != 1.0 or spec.axes.get(k).unit != PIXEL for k in "xyz")


def description(
    spec: ImageSpec,
    *,
    rgb: bool,
    display: tuple[float, float] | None,
    version: str = "1.54p",
) -> bytes:
    """Return what ImageJ writes into the description tag, with its final NUL.

    Parameters
    ----------
    spec
        The image.
    rgb
        Its channels are the colours of RGB pixels.
    display
        Displayed minimum and maximum; None leaves them out.
    version
        What to put behind ``ImageJ=``.

    Notes
    -----
    Source: ij.io.FileSaver.getDescriptionString.
    """
    channels = 1 if rgb else spec.axes.size("c")
    slices, frames = spec.axes.size("z"), spec.axes.size("t")
    images = channels * slices * frames
    lines = [f"ImageJ={version}"]
    sizes = {"images": images, "channels": channels, "slices": slices, "frames": frames}
    lines += [f"{key}={n}" for key, n in sizes.items() if n > 1]
    if channels > 1 or frames > 1:
        lines.append("hyperstack=true")
    if channels > 1:
        lines.append(f"mode={spec.extra.mode or ('composite' if channels <= 7 else 'grayscale')}")
    lines += _calibration_lines(spec, images)
    if display is not None:
        lines += [f"min={java_double(display[0])}", f"max={java_double(display[1])}"]
    for key in "xyz":
        axis = spec.axes.get(key)
        if axis.origin:
            # 15 digits undo the rounding of origin = -pixel * scale
            lines.append(f"{key}origin={java_double(float(f'{-axis.origin / axis.scale:.15g}'))}")
    comment = str(spec.extra.other.get("calibration_info", ""))
    if comment and len(comment) <= 64 and "=" not in comment and "\n" not in comment:
        lines.append(f"info={_escaped(comment)}")
    if spec.extra.other.get("inverty"):
        lines.append("inverty=true")
    if spec.extra.other.get("8bitcolor") and spec.dtype == np.uint8 and not rgb:
        lines.append("8bitcolor=true")
    return ("\n".join(lines) + "\n\0").encode("ascii")


def _calibration_lines(spec: ImageSpec, images: int) -> list[str]:
    x, y, z, t = (spec.axes.get(key) for key in "xyzt")
    unit = imagej_name(x.unit)
    lines = [f"unit={_escaped(unit)}"] if is_scaled(spec) else []
    lines += _value_lines(spec)
    if t.unit != PIXEL:
        lines.append(f"finterval={_short(t.scale)}")
        if imagej_name(t.unit) != "sec":
            lines.append(f"tunit={_escaped(imagej_name(t.unit))}")
    if imagej_name(y.unit) != unit:
        lines.append(f"yunit={_escaped(imagej_name(y.unit))}")
    if "z" in spec.axes and imagej_name(z.unit) != unit:
        lines.append(f"zunit={_escaped(imagej_name(z.unit))}")
    if images > 1:
        if z.scale != 1.0:
            lines.append(f"spacing={java_double(z.scale)}")
        if spec.extra.other.get("fps"):
            lines.append(f"fps={_short(float(spec.extra.other['fps']))}")
        lines.append(f"loop={'true' if spec.extra.other.get('loop') else 'false'}")
    return lines


def _value_lines(spec: ImageSpec) -> list[str]:
    """Return the calibration function of the pixel values."""
    value = spec.extra.valuation
    if value is None or spec.dtype == np.int16:
        return []
    lines = [f"vunit={_escaped(value.unit)}"]
    if spec.dtype.kind == "f":
        return lines
    numbers = [f"c{i}={java_double(c)}" for i, c in enumerate(value.coefficients)]
    clip = ["zeroclip=true"] if spec.extra.other.get("zeroclip") else []
    return [f"cf={value.function}", *numbers, *lines, *clip]


def rational(scale: float) -> tuple[int, int]:
    """Return the resolution 1/scale as two 32-bit integers from which the scale comes back.

    Examples
    --------
    >>> rational(0.1625)
    (80, 13)
    """
    exact = Fraction(repr(scale))
    if max(exact.numerator, exact.denominator) > _MAX_INT:
        # limit the larger part
        if exact >= 1:
            exact = 1 / (1 / exact).limit_denominator(_MAX_INT) if exact < _MAX_INT else exact
        else:
            exact = exact.limit_denominator(_MAX_INT)
    den, num = exact.numerator, exact.denominator
    if max(den, num) > _MAX_INT or not den:  # beyond what the tag can say
        den, num = (_MAX_INT, 1) if scale > 1 else (1, _MAX_INT)
    return num, den


def needs_big_endian(texts: Sequence[str]) -> bool:
    """Whether ImageJ would misread a text in a little-endian file.

    ImageJ 1.54p loses the high byte of characters whose low byte is below 128 there (Ł, Ω̄ …).
    Source: ij.io.TiffDecoder.getInfoProperty.
    """
    return any(ord(c) > 255 and (ord(c) > 0xFFFF or ord(c) & 0xFF < 128) for t in texts for c in t)


def metadata(parts: Sequence[tuple[bytes, Sequence[bytes]]], order: str) -> tuple[bytes, bytes]:
    """Return the values of the tags 50838 and 50839 for (type, records); ("", "") for none."""
    parts = [(kind, records) for kind, records in parts if records]
    if not parts:
        return b"", b""
    head = struct.pack(order + "I", int.from_bytes(b"IJIJ", "big"))
    for kind, records in parts:
        head += struct.pack(order + "II", int.from_bytes(kind, "big"), len(records))
    sizes = [len(head), *(len(r) for _, records in parts for r in records)]
    body = b"".join(r for _, records in parts for r in records)
    return struct.pack(f"{order}{len(sizes)}I", *sizes), head + body


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """All that the directories of an ImageJ TIFF say; `first` and `rest` are their bytes."""

    order: str
    width: int
    height: int
    planes: int
    dtype: np.dtype[Any]
    rgb: bool
    inverted: bool
    description: bytes
    resolution: tuple[tuple[int, int], tuple[int, int], int] | None = None
    lut: np.ndarray | None = None
    counts: bytes = b""
    data: bytes = b""

    @property
    def plane_bytes(self) -> int:
        """Bytes of one plane."""
        return self.width * self.height * self.dtype.itemsize * (3 if self.rgb else 1)

    def _tags(self, offset: int, *, first: bool) -> list[tuple[int, int, int, bytes]]:
        def short(*values: int) -> bytes:
            return struct.pack(f"{self.order}{len(values)}H", *values)

        def long(value: int) -> bytes:
            return struct.pack(self.order + "I", value)

        bits, samples = 8 * self.dtype.itemsize, 3 if self.rgb else 1
        palette = self.lut is not None and self.dtype.itemsize == 1
        photometric = 2 if self.rgb else 3 if palette else 0 if self.inverted else 1
        tags = [
            (254, 4, 1, long(0)),
            (ifd.WIDTH, 4, 1, long(self.width)),
            (ifd.LENGTH, 4, 1, long(self.height)),
            (ifd.BITS, 3, samples, short(*[bits] * samples)),
            (ifd.COMPRESSION, 3, 1, short(1)),
            (ifd.PHOTOMETRIC, 3, 1, short(photometric)),
            (ifd.STRIP_OFFSETS, 4, 1, long(offset)),
            (ifd.SAMPLES, 3, 1, short(samples)),
            (ifd.ROWS_PER_STRIP, 4, 1, long(self.height)),
            (ifd.STRIP_COUNTS, 4, 1, long(self.plane_bytes)),
        ]
        if self.dtype.kind != "u":
            tags.append((ifd.SAMPLE_FORMAT, 3, 1, short(_FORMATS[self.dtype.kind])))
        if self.lut is not None:
            # 257 stretches 0..255 to 0..65535
            table = (self.lut.T.astype(np.uint16) * 257).astype(self.order + "u2").tobytes()
            tags.append((ifd.COLOR_MAP, 3, 768, table))
        if self.resolution is not None:
            for code, (num, den) in zip((282, 283), self.resolution[:2], strict=True):
                tags.append((code, 5, 1, struct.pack(self.order + "II", num, den)))
            tags.append((ifd.RESOLUTION_UNIT, 3, 1, short(self.resolution[2])))
        if first:
            tags.append((ifd.DESCRIPTION, 2, len(self.description), self.description))
            if self.data:
                tags.append((ifd.IJ_COUNTS, 4, len(self.counts) // 4, self.counts))
                tags.append((ifd.IJ_DATA, 1, len(self.data), self.data))
        return sorted(tags)

    def _directory(self, at: int, offset: int, following: int, *, first: bool) -> bytes:
        tags = self._tags(offset, first=first)
        end = at + 2 + 12 * len(tags) + 4
        out, extra = [struct.pack(self.order + "H", len(tags))], bytearray()
        for code, kind, count, raw in tags:
            if len(raw) <= 4:
                value = raw.ljust(4, b"\0")
            else:
                extra += b"\0" * (len(extra) % 2)
                value = struct.pack(self.order + "I", end + len(extra))
                extra += raw
            out.append(struct.pack(self.order + "HHI", code, kind, count) + value)
        out.append(struct.pack(self.order + "I", following))
        return b"".join(out) + bytes(extra)

    def first(self, offset: int) -> bytes:
        """Return the bytes from the start of the file up to the metadata.

        Parameters
        ----------
        offset
            Where the pixels begin.
        """
        after = self._even_end(offset)
        magic = b"II*\0" if self.order == "<" else b"MM\0*"
        following = after if self.planes > 1 and self.has_room(offset) else 0
        return (
            magic
            + struct.pack(self.order + "I", 8)
            + self._directory(8, offset, following, first=True)
        )

    def _even_end(self, offset: int) -> int:
        end = offset + self.planes * self.plane_bytes
        return end + end % 2

    def has_room(self, offset: int) -> bool:
        """Whether 32-bit offsets reach a directory for every plane.

        Beyond, ImageJ writes the first directory only; ImageJ, Fiji and tifffile read it so.
        """
        size = len(self._directory(0, 0, 0, first=False))
        return offset + self.planes * (self.plane_bytes + size) < 2**32 - 2

    def rest(self, offset: int) -> bytes:
        """Return the directories of the other planes, which follow the pixels."""
        if self.planes < 2 or not self.has_room(offset):
            return b""
        at = self._even_end(offset)
        out: list[bytes] = [b"\0" * (at - offset - self.planes * self.plane_bytes)]
        size = len(self._directory(0, 0, 0, first=False))
        for i in range(1, self.planes):
            following = at + size if i < self.planes - 1 else 0
            out.append(self._directory(at, offset + i * self.plane_bytes, following, first=False))
            at += size
        return b"".join(out)
