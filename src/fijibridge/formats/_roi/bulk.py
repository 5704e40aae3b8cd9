"""Thousands of ROI records at once: `Outlines` <-> bytes.

Only records that hold nothing but outlines are taken, those that would be written again exactly as
they were read; all others are `Roi` values with their record.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from fijibridge.errors import SettingsError
from fijibridge.formats._roi import layout as at
from fijibridge.formats._roi.packed_names import PackedNames
from fijibridge.formats._roi.shares import in_shares
from fijibridge.formats._roi.zip_archive import check_sums
from fijibridge.formats._roi.zip_write import local_headers
from fijibridge.model import Outlines
from fijibridge.model.rois import OUTLINE_KINDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fijibridge.formats._roi.zip_write import ArchiveWriter

__all__ = ["add_outlines", "encode_outlines", "outlines_from_records"]

#: Bytes that are put together in memory before they are written.
BATCH = 1 << 26
_TRACED, _COMPOSITE, _POLYGON, _RECTANGLE, _FREEHAND = range(len(OUTLINE_KINDS))
_TYPES = np.array([at.TYPE_OF[kind] for kind in OUTLINE_KINDS], np.uint8)


def _flat(parts: Sequence[bytes]) -> tuple[np.ndarray, np.ndarray]:
    """Return the parts one after the other, and where each begins (n + 1,)."""
    start = np.zeros(len(parts) + 1, np.int64)
    np.cumsum(np.fromiter(map(len, parts), np.int64, len(parts)), out=start[1:])
    return np.frombuffer(b"".join(parts) or b"\0", np.uint8), start


def _flat_texts(texts: Sequence[str], encoding: str) -> tuple[np.ndarray, np.ndarray]:
    joined = "".join(texts)
    if not joined.isascii():
        return _flat([text.encode(encoding, "surrogatepass") for text in texts])
    width = 2 if encoding.startswith("utf-16") else 1
    start = np.zeros(len(texts) + 1, np.int64)
    np.cumsum(np.fromiter(map(len, texts), np.int64, len(texts)), out=start[1:])
    return np.frombuffer(joined.encode(encoding) or b"\0", np.uint8), start * width


class _Plan:
    """Sizes and forms of the records of outlines."""

    def __init__(self, outlines: Outlines, names: Sequence[str] | None = None) -> None:
        from fijibridge.formats._roi.kernels import measure

        n = len(outlines)
        self.arrays = (
            np.ascontiguousarray(outlines.x),
            np.ascontiguousarray(outlines.y),
            np.ascontiguousarray(outlines.loop_start, np.int64),
            np.ascontiguousarray(outlines.loop_size, np.int64),
            np.ascontiguousarray(outlines.roi_start, np.int64),
        )
        self.boxes = np.empty((n, 4), np.int64)
        self.counts = np.empty((n, 2), np.int64)
        measure(*self.arrays, self.boxes, self.counts)
        kinds = np.asarray(outlines.kinds)
        left, top, right, bottom = self.boxes.T
        largest = np.maximum.reduce([left, top, right - left, bottom - top])
        large = (largest > at.LARGEST_BOUND) | (np.minimum(left, top) < at.SMALLEST_SHORT)
        vertices, loops = self.counts.T
        forms = np.where(large, 1, 0)
        forms[(kinds == _POLYGON) | (kinds == _FREEHAND)] = 1
        forms[vertices > at.LARGEST_COUNT] = 2
        forms[kinds == _COMPOSITE] = 2
        rectangle = kinds == _RECTANGLE
        forms[rectangle] = np.where(large, 4, 3)[rectangle]
        if ((forms == 2) & (vertices == 0)).any():
            name = outlines.names[int(np.argmax((forms == 2) & (vertices == 0)))]
            raise SettingsError(f"The composite ROI {name!r} has no paths.")
        self.forms = forms
        self.types = np.where(forms == 2, at.TYPE_OF["composite"], _TYPES[kinds]).astype(np.uint8)
        self.bodies = np.choose(
            forms, [4 * vertices, 12 * vertices, 4 * (3 * vertices + loops), 0, 0]
        ).astype(np.int64)
        self.positions = np.ascontiguousarray(outlines.positions, np.int64)
        names = outlines.names if names is None else names  # these may be made on the fly
        self.names, self.name_start = _flat_texts(tuple(names), "utf-16-be")
        self.sizes = at.HEADER_SIZE + self.bodies + at.HEADER2_SIZE + np.diff(self.name_start)

    def assemble(
        self, first: int, last: int, gap: int, entries: np.ndarray, entry_start: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the records `first` to `last` and where each begins.

        Before each record are `gap` zero bytes and its entry name.
        """
        from fijibridge.formats._roi.kernels import assemble

        part = slice(first, last)
        ends = np.cumsum(self.sizes[part] + np.diff(entry_start[first : last + 1]) + gap)
        begins = ends - self.sizes[part]
        out = np.zeros(int(ends[-1]) if last > first else 0, np.uint8)
        x, y, loop_start, loop_size, roi_start = self.arrays

        def job(a: int, b: int) -> bool:
            part, ends = slice(first + a, first + b), slice(first + a, first + b + 1)
            assemble(out, begins[a:b], x, y, loop_start, loop_size, roi_start[ends],
                     self.boxes[part], self.counts[part], self.forms[part], self.types[part],
                     self.bodies[part], self.positions[part], self.names, self.name_start[ends],
                     entries, entry_start[ends])  # fmt: skip
            return True

        in_shares(job, self.sizes[part])
        return out, begins


def encode_outlines(outlines: Outlines, start: int = 0, stop: int | None = None) -> list[bytes]:
    """Return the records of the outlines `start` to `stop`, equal to `encode_roi` of each.

    Parameters
    ----------
    outlines
        Vertices at pixel corners.
    start, stop
        Half-open range; None = to the end.

    Raises
    ------
    SettingsError
        When a composite has no vertices.
    """
    plan = _Plan(outlines)
    stop = len(outlines) if stop is None else stop
    none = np.zeros(len(outlines) + 1, np.int64)
    out, begins = plan.assemble(start, stop, 0, np.frombuffer(b"\0", np.uint8), none)
    raw = out.tobytes()
    ends = begins + plan.sizes[start:stop]
    return [raw[a:b] for a, b in zip(begins.tolist(), ends.tolist(), strict=True)]


def add_outlines(
    archive: ArchiveWriter, outlines: Outlines, names: Sequence[str], entries: Sequence[str]
) -> None:
    """Write outlines under their `names` as the stored entries `entries`, in batches."""
    from fijibridge.formats._roi.zip_kernels import place_rows

    plan = _Plan(outlines, names)
    flat, entry_start = _flat_texts(entries, "utf-8")
    name_sizes = np.diff(entry_start)
    ends = np.cumsum(plan.sizes + name_sizes + 30)
    first, n = 0, len(outlines)
    while first < n:
        done = int(ends[first - 1]) if first else 0
        last = max(int(np.searchsorted(ends, done + BATCH, "right")), first + 1)
        out, begins = plan.assemble(first, last, 30, flat, entry_start)
        part = slice(first, last)
        sizes = plan.sizes[part]
        crc = check_sums(out, begins, sizes)
        rows = local_headers(name_sizes[part], crc, sizes, sizes, 0)
        place_rows(out, begins - name_sizes[part] - 30, rows)
        archive.file.write(out.data)
        written = flat[entry_start[first] : entry_start[last]].tobytes()
        archive.note(names=written, sizes=name_sizes[part], crc=crc, packed=sizes, unpacked=sizes)
        first = last


def outlines_from_records(
    data: np.ndarray, begins: np.ndarray, sizes: np.ndarray, names: Sequence[str]
) -> Outlines | None:
    """Return the outlines in records, or None when any of them holds more than an outline.

    Parameters
    ----------
    data
        (bytes,) uint8.
    begins, sizes
        (n,) where each record is in `data`.
    names
        (n,) the names that the records must hold.
    """
    from fijibridge.formats._roi.read_kernels import count, take

    n = len(names)
    packed = PackedNames.of(names)
    if packed is None:
        return None
    begins, sizes = (np.ascontiguousarray(v, np.int64) for v in (begins, sizes))
    vertex_start = np.empty(n + 1, np.int64)
    roi_start = np.empty(n + 1, np.int64)
    largest = count(data, begins, sizes, vertex_start, roi_start)
    if largest < 0:
        return None
    x = np.empty(vertex_start[-1], np.int16 if largest < 2**15 else np.int32)
    y = np.empty_like(x)
    loop_start = np.empty(roi_start[-1], np.int64)
    loop_size = np.empty_like(loop_start)
    kinds = np.empty(n, np.uint8)
    positions = np.empty((n, 4), np.int32)
    job = partial(
        take, data, begins, sizes, packed.letters, packed.start, vertex_start, roi_start,
        x, y, loop_start, loop_size, kinds, positions,
    )  # fmt: skip
    if not in_shares(job, sizes):
        return None
    return Outlines(
        x=x,
        y=y,
        loop_start=loop_start,
        loop_size=loop_size,
        roi_start=roi_start,
        kinds=kinds,
        positions=positions,
        ids=np.stack([np.zeros(n, np.int64), np.arange(1, n + 1)], axis=1),
        names=packed,
    )
