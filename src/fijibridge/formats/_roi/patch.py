"""Changing names, positions, groups, colours and properties inside a record.

Everything else stays as it was read, byte by byte.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np

from fijibridge.formats._roi import layout as at
from fijibridge.formats._roi.decode import header2_start
from fijibridge.formats._roi.properties import join_properties

if TYPE_CHECKING:
    from fijibridge.model import Roi

__all__ = ["color_bits", "patched", "set_group", "tail"]


def color_bits(color: tuple[int, int, int, int] | None) -> int:
    """Return (a, r, g, b) as 32 bits; None is 0."""
    if color is None:
        return 0
    a, r, g, b = color
    return a << 24 | r << 16 | g << 8 | b


def set_group(head: bytearray, head2: bytearray, start: int, group: int) -> None:
    """Put the group into the second header, which begins at `start` of `head2`.

    Source: ImageJ 1.54p RoiEncoder (one byte); the repository head (16 bits, version 229).
    """
    (version,) = struct.unpack_from(">h", head, at.AT_VERSION)
    if group > 255 and version < at.VERSION_LARGE_GROUPS:
        version = at.VERSION_LARGE_GROUPS
        struct.pack_into(">h", head, at.AT_VERSION, version)
    large = group > 255
    head2[start + at.AT2_GROUP] = 0 if large else group
    if version >= at.VERSION_LARGE_GROUPS:
        struct.pack_into(">H", head2, start + at.AT2_LARGE_GROUP, group if large else 0)


def _texts(roi: Roi, name: str) -> tuple[bytes, bytes, bytes]:
    text = join_properties(roi.properties) if roi.properties else ""
    counters = np.asarray(roi.counters)
    if roi.kind != "point" or len(counters) < len(roi.points) or not len(counters):
        counters = counters[:0]
    return (
        name.encode("utf-16-be", "surrogatepass"),
        text.encode("utf-16-be", "surrogatepass"),
        counters[: len(roi.points)].astype(">i4").tobytes(),
    )


def tail(head2: bytearray, start: int, roi: Roi, *, fallback: str, at2: int = 0) -> bytes:
    """Return name, properties and counters as they follow the second header at `start`.

    Their offsets are put into `head2`, in which the second header begins at `at2`.
    """
    name, properties, counters = _texts(roi, fallback)
    end = start + at.HEADER2_SIZE
    places = [at.AT2_NAME, at.AT2_PROPERTIES]
    for place, data in zip(places, (name, properties), strict=True):
        struct.pack_into(">ii", head2, at2 + place, end if data else 0, len(data) // 2)
        end += len(data)
    struct.pack_into(">i", head2, at2 + at.AT2_COUNTERS, end if counters else 0)
    return name + properties + counters


def _raise_version(out: bytearray, least: int) -> None:
    """Give an old record a newer version without changing what its other bytes mean."""
    (version,) = struct.unpack_from(">h", out, at.AT_VERSION)
    if version >= least:
        return
    (options,) = struct.unpack_from(">H", out, at.AT_OPTIONS)
    kind = at.KINDS[out[at.AT_TYPE]]
    if version < 222 or (version < 223 and kind in ("rectangle", "oval")):
        options &= ~(at.SUB_PIXEL | at.DRAW_OFFSET)
    if version < 226 and kind == "point":
        out[at.AT_PARAMETER] = 0  # the point's type
    if version < at.VERSION <= least:
        options |= at.SCALE_STROKE  # what older records meant without saying it
    struct.pack_into(">H", out, at.AT_OPTIONS, options)
    struct.pack_into(">h", out, at.AT_VERSION, least)


def _contiguous_tail(record: bytes, start: int) -> bool:
    """Whether name, properties and counters follow the second header without gaps to the end."""
    offset, length = struct.unpack_from(">ii", record, start + at.AT2_NAME)
    properties, n_properties = struct.unpack_from(">ii", record, start + at.AT2_PROPERTIES)
    (counters,) = struct.unpack_from(">i", record, start + at.AT2_COUNTERS)
    end = start + at.HEADER2_SIZE
    for where, size in ((offset, 2 * length), (properties, 2 * n_properties)):
        if where > 0 and size > 0:
            if where != end:
                return False
            end += size
    if counters > 0:
        n = _vertices(record)
        if counters != end or record[at.AT_TYPE] != at.TYPE_OF["point"]:
            return False
        end += 4 * n
    return end == len(record)


def _vertices(record: bytes) -> int:
    (n,) = struct.unpack_from(">H", record, at.AT_COUNT)
    if n == 0:
        (n,) = struct.unpack_from(">i", record, at.AT_FLOATS)
    return max(int(n), 0)


def patched(record: bytes, old: Roi, roi: Roi) -> bytes:
    """Return `record` with what differs between `old`, its decoded self, and `roi`."""
    keep_name = roi.name == old.name or bool(roi.entry and roi.name == roi.entry)
    new_texts = (
        not keep_name
        or dict(old.properties) != dict(roi.properties)
        or not np.array_equal(old.counters, roi.counters)
    )
    new_czt = old.position != roi.position
    new_group = old.group != roi.group
    new_width = old.stroke_width != roi.stroke_width and roi.kind != "point"
    new_colors = (old.stroke_color, old.fill_color) != (roi.stroke_color, roi.fill_color)
    if not (new_texts or new_czt or new_group or new_width or new_colors):
        return record

    out = bytearray(record)
    if new_colors or new_width:
        _raise_version(out, 218)
    if new_colors:
        struct.pack_into(">I", out, at.AT_STROKE_COLOR, color_bits(roi.stroke_color))
        struct.pack_into(">I", out, at.AT_FILL_COLOR, color_bits(roi.fill_color))
    if not (new_texts or new_czt or new_group or new_width):
        return bytes(out)
    start = _whole_header2(out)
    where = roi.position
    if new_czt:
        struct.pack_into(">i", out, at.AT_POSITION, where.slice)
        struct.pack_into(">iii", out, start + at.AT2_CZT, where.c, where.z, where.t)
    if new_width:
        struct.pack_into(">H", out, at.AT_STROKE_WIDTH, int(min(roi.stroke_width, 32767)))
        struct.pack_into(">f", out, start + at.AT2_STROKE_WIDTH, roi.stroke_width)
    if new_group:
        _raise_version(out, at.VERSION)
        set_group(out, out, start, roi.group)
    if new_texts:
        if dict(old.properties) != dict(roi.properties):
            _raise_version(out, 224)
        _put_texts(out, start, roi, old.name if keep_name else roi.name)
    return bytes(out)


def _whole_header2(out: bytearray) -> int:
    """Return where the second header starts; one that is missing is put at the end."""
    start = header2_start(out)
    if start == 0:
        start = len(out)
        out += bytes(at.HEADER2_SIZE)
        struct.pack_into(">i", out, at.AT_HEADER2, start)
    return start


def _put_texts(out: bytearray, start: int, roi: Roi, name: str) -> None:
    if _contiguous_tail(bytes(out), start):
        rest = tail(out, start, roi, fallback=name, at2=start)
        out[start + at.HEADER2_SIZE :] = rest
        return
    # something unknown lies between: leave it there, and put the texts behind it
    rest = tail(out, len(out) - at.HEADER2_SIZE, roi, fallback=name, at2=start)
    out += rest
