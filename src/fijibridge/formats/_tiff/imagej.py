"""What ImageJ writes into a TIFF beside the pixels: the description, the tags 50838 and 50839."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from fijibridge.errors import FormatError
from fijibridge.formats._tiff import ifd
from fijibridge.model import Extra, RoiSet, Valuation
from fijibridge.model.units import PIXEL

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fijibridge.formats._tiff.ifd import Directory

__all__ = ["ROLE_PROPERTY", "Calibration", "parse_properties", "read_calibration", "read_extra"]

#: The image property that says that pixels are labels; ImageJ keeps it when it saves the image.
ROLE_PROPERTY = "fijibridge.role"
_MAGIC = b"IJIJ"
_ESCAPES = {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}
_MODES: dict[str, Literal["grayscale", "color", "composite"]] = {
    "grayscale": "grayscale",
    "gray": "grayscale",
    "color": "color",
    "composite": "composite",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """Sizes of a voxel and their units by axis letter, and the origin in pixels."""

    scale: Mapping[str, float]
    unit: Mapping[str, str]
    origin: Mapping[str, float]

    def origins(self) -> dict[str, float]:
        """Coordinates of the first sample: ImageJ's origin is the pixel that lies at zero."""
        return {k: -v * self.scale.get(k, 1.0) for k, v in self.origin.items() if v}


def parse_properties(text: str) -> dict[str, str]:
    r"""Parse ``key=value`` lines as java.util.Properties does.

    Examples
    --------
    >>> parse_properties("ImageJ=1.54p\nunit=\\u00B5m\nmin = 1.0\n")
    {'ImageJ': '1.54p', 'unit': 'µm', 'min': '1.0'}
    """
    found: dict[str, str] = {}
    for line in re.split(r"\r\n|\r|\n", text):
        stripped = line.lstrip(" \t\f")
        if not stripped or stripped[0] in "#!":
            continue
        match = re.match(r"((?:\\.|[^\\=: \t\f])*)[ \t\f]*[=:]?[ \t\f]*(.*)", stripped, re.DOTALL)
        if match:
            found[_unescape(match.group(1))] = _unescape(match.group(2))
    return found


def _unescape(text: str) -> str:
    def one(match: re.Match[str]) -> str:
        body = match.group(1)
        if len(body) == 5:
            return chr(int(body[1:], 16))
        return _ESCAPES.get(body, body)

    plain = re.sub(r"\\(u[0-9A-Fa-f]{4}|.)", one, text)
    # two escaped surrogates are one character
    return plain.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def number(props: Mapping[str, str], key: str) -> float:
    """Return a finite number of the description, 0.0 when there is none (as ImageJ does)."""
    try:
        value = float(props.get(key, ""))
    except ValueError:
        return 0.0
    return value if np.isfinite(value) else 0.0


def _resolution(directory: Directory, code: int) -> float:
    pair = directory.numbers(code)
    if pair.ndim != 2 or not len(pair) or not pair[0, 1]:
        return 1.0
    value = float(pair[0, 0]) / float(pair[0, 1])
    return 1.0 / value if value > 0 else 1.0


def read_calibration(directory: Directory, props: Mapping[str, str]) -> Calibration:
    """Return the pixel size, units and origin that ImageJ 1.54p would give an image.

    Parameters
    ----------
    directory
        The first one of the file.
    props
        Its description, parsed; empty when it is not ImageJ's.

    Notes
    -----
    Source: ij.io.TiffDecoder.OpenIFD, ij.io.FileOpener.setCalibration, decodeDescriptionString.
    """
    x, y = _resolution(directory, ifd.X_RESOLUTION), _resolution(directory, ifd.Y_RESOLUTION)
    unit: str | None = None
    match directory.number(ifd.RESOLUTION_UNIT, 0):
        case 1:
            unit = ""
        case 2 if x == 1.0 / 72.0:
            x = y = 1.0
        case 2:
            unit = "inch"
        case 3:
            unit = "cm"
    if props:
        if unit == "cm" and props.get("unit") == "um":
            x, y = x * 10000.0, y * 10000.0
        unit = props.get("unit", "")
    z = abs(number(props, "spacing")) or 1.0
    if unit is None:
        x = y = 1.0
    elif unit == "cm" and x <= (0.0001 if props else 0.001):
        x, y, unit = x * 10000.0, y * 10000.0, "um"
        z = z * 10000.0 if z != 1.0 else z
    unit = (unit or "").strip() or PIXEL
    scale, units = {"x": x, "y": y, "z": z}, {"x": unit, "y": props.get("yunit", unit)}
    units["z"] = props.get("zunit", unit) if props else PIXEL
    interval = number(props, "finterval")
    if interval > 0 or "tunit" in props:
        scale["t"], units["t"] = interval if interval > 0 else 1.0, props.get("tunit", "sec")
    origin = {axis: number(props, f"{axis}origin") for axis in "xyz"}
    return Calibration(scale=scale, unit=units, origin=origin)


def _utf16(raw: bytes, order: str) -> str:
    return raw.decode("utf-16-le" if order == "<" else "utf-16-be", "replace")


def _metadata(directory: Directory) -> dict[bytes, list[bytes]]:
    """Split the tags 50838 (sizes) and 50839 (bytes) into their parts by type."""
    sizes = [int(n) for n in directory.numbers(ifd.IJ_COUNTS)]
    raw = directory.raw(ifd.IJ_DATA)
    found: dict[bytes, list[bytes]] = {}
    if not sizes or sizes[0] < 12 or sizes[0] > 804 or sizes[0] > len(raw):
        return found
    header, at = raw[: sizes[0]], sizes[0]
    # the types are 32-bit numbers, so their letters are turned round in a little-endian file
    turn = slice(None, None, -1) if directory.order == "<" else slice(None)
    if header[:4][turn] != _MAGIC:
        return found
    entry = 1
    for place in range(4, len(header) - 7, 8):
        kind = header[place : place + 4][turn]
        count = int.from_bytes(header[place + 4 : place + 8][turn], "big")
        for size in sizes[entry : entry + count]:
            if at + size > len(raw):
                raise FormatError(
                    f"{str(directory.file.path)!r} is truncated: its ImageJ metadata ends early.",
                    "Copy the file again from its source.",
                )
            found.setdefault(kind, []).append(raw[at : at + size])
            at += size
        entry += count
    return found


def _lut(raw: bytes) -> np.ndarray | None:
    if len(raw) != 768:
        return None
    return np.frombuffer(raw, np.uint8).reshape(3, 256).T.copy()


def _color_map(directory: Directory) -> np.ndarray | None:
    values = directory.numbers(ifd.COLOR_MAP)
    if values.shape != (768,) or values.dtype.kind != "u":
        return None
    lut = (values.astype(np.uint32) >> 8).astype(np.uint8).reshape(3, 256).T
    return lut.copy() if lut.any() else None


def _overlay(records: list[bytes]) -> RoiSet | None:
    if not records:
        return None
    from fijibridge.formats.roi import decode_roi

    return RoiSet([decode_roi(record) for record in records if record])


def _valuation(props: Mapping[str, str]) -> Valuation | None:
    if "vunit" not in props:
        return None
    coefficients: list[float] = []
    while f"c{len(coefficients)}" in props and len(coefficients) < 5:
        coefficients.append(number(props, f"c{len(coefficients)}"))
    function = int(number(props, "cf")) if "cf" in props else 20
    return Valuation(function=function, coefficients=tuple(coefficients), unit=props["vunit"])


def _other(props: Mapping[str, str], found: Mapping[bytes, list[bytes]]) -> dict[str, Any]:
    other: dict[str, Any] = {
        key: True for key in ("inverty", "loop", "zeroclip") if props.get(key) == "true"
    }
    if number(props, "fps"):
        other["fps"] = number(props, "fps")
    if props.get("info"):
        other["calibration_info"] = props["info"]
    if props.get("8bitcolor") == "true":
        other["8bitcolor"] = True
    if found.get(b"roi "):
        # the selection that was active; ImageJ selects it again on opening
        other["selection"] = found[b"roi "][0].hex()
    return other


def read_extra(directory: Directory, props: Mapping[str, str], channels: int) -> Extra:
    """Return all that travels along: display ranges, LUTs, Info, labels, overlay and so on.

    Parameters
    ----------
    directory
        The first one of the file.
    props
        Its description, parsed; empty when it is not ImageJ's.
    channels
        Number of channels of the image.

    Notes
    -----
    ``Extra.other`` holds what has no field of its own: ``inverty``, ``loop``, ``zeroclip`` and
    ``8bitcolor`` (True or absent), ``fps``, ``calibration_info`` (the calibration's comment) and
    ``selection`` (the record of the ROI that was active, as hexadecimal digits).
    """
    found = _metadata(directory)
    order = directory.order
    extra = Extra(
        info=_utf16(found[b"info"][0], order) if b"info" in found else "",
        slice_labels=tuple(_utf16(raw, order) for raw in found.get(b"labl", ())),
        overlay=_overlay(found.get(b"over", [])),
        valuation=_valuation(props),
        other=_other(props, found),
        mode=_MODES.get(props.get("mode", ""), ""),
    )
    if not any(extra.slice_labels):
        extra = replace(extra, slice_labels=())
    pairs = [_utf16(raw, order) for raw in found.get(b"prop", ())]
    if pairs:
        extra = replace(extra, properties=dict(zip(pairs[::2], pairs[1::2], strict=False)))
    return replace(
        extra,
        display_ranges=_ranges(found, props, order, channels),
        luts=_luts(directory, found, channels),
        channel_names=_channel_names(extra.slice_labels, channels),
    )


def _ranges(
    found: Mapping[bytes, list[bytes]], props: Mapping[str, str], order: str, channels: int
) -> tuple[tuple[float, float], ...]:
    raw = found.get(b"rang", [b""])[0]
    pairs = np.frombuffer(raw[: len(raw) // 16 * 16], order + "f8").reshape(-1, 2)
    if channels > 1 and len(pairs) >= channels:
        return tuple((float(a), float(b)) for a, b in pairs[:channels])
    low, high = number(props, "min"), number(props, "max")
    return ((low, high),) if (low, high) != (0.0, 0.0) else ()


def _luts(
    directory: Directory, found: Mapping[bytes, list[bytes]], channels: int
) -> tuple[np.ndarray, ...]:
    luts = [_lut(raw) for raw in found.get(b"luts", ())]
    if channels > 1 and len(luts) >= channels:
        return tuple(lut for lut in luts[:channels] if lut is not None)
    single = _color_map(directory)
    return () if single is None else (single,)


def _channel_names(labels: tuple[str, ...], channels: int) -> tuple[str, ...]:
    """Slice labels that repeat with the channels and differ between them are their names."""
    first = labels[:channels]
    repeats = channels > 1 and len(labels) % channels == 0
    if not repeats or len(set(first)) != channels or not all(first):
        return ()
    return first if labels == first * (len(labels) // channels) else ()
