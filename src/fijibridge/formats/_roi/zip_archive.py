"""Zip archives of many small entries, whole directories at a time.

Sources: PKWARE's APPNOTE 6.3 (records and their fields); ImageJ 1.54p writes deflated entries with
data descriptors and reads stored ones.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from fijibridge.errors import FormatError
from fijibridge.formats._roi.shares import in_shares

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["MANY", "Archive", "check_sums", "inflate", "read_archive"]

_END, _END64, _LOCATOR = b"PK\5\6", b"PK\6\6", b"PK\6\7"
_CENTRAL = np.dtype(
    [
        ("sig", "<u4"), ("made", "<u2"), ("need", "<u2"), ("flags", "<u2"), ("method", "<u2"),
        ("time", "<u2"), ("date", "<u2"), ("crc", "<u4"), ("csize", "<u4"), ("usize", "<u4"),
        ("name", "<u2"), ("extra", "<u2"), ("comment", "<u2"), ("disk", "<u2"),
        ("internal", "<u2"), ("external", "<u4"), ("offset", "<u4"),
    ]
)  # fmt: skip
_LOCAL = np.dtype(
    [
        ("sig", "<u4"), ("need", "<u2"), ("flags", "<u2"), ("method", "<u2"), ("time", "<u2"),
        ("date", "<u2"), ("crc", "<u4"), ("csize", "<u4"), ("usize", "<u4"), ("name", "<u2"),
        ("extra", "<u2"),
    ]
)  # fmt: skip
_CENTRAL_SIG, _LOCAL_SIG = 0x02014B50, 0x04034B50
_NONE32 = 0xFFFFFFFF
#: Deflate never makes more than this of one byte.
_LARGEST_RATIO = 1032
#: What an archive may inflate to: this, or 64 times its size.
LARGEST_TOTAL = 1 << 29
#: From here on, compiled loops are worth their loading.
MANY = 256
#: Entries whose inflated size is surely small are inflated in one call.
_ONE_CALL = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Archive:
    """The entries of an archive.

    Parameters
    ----------
    data
        (bytes,) uint8, the whole file.
    names
        (n,) entry names.
    at
        (n,) where each entry's bytes begin in `data`.
    packed, unpacked
        (n,) sizes.
    crc
        (n,) check sums of the unpacked bytes.
    method
        (n,) 0 stored, 8 deflated.
    """

    data: np.ndarray
    names: Sequence[str]
    at: np.ndarray
    packed: np.ndarray
    unpacked: np.ndarray
    crc: np.ndarray
    method: np.ndarray


def _rows(data: np.ndarray, at: np.ndarray, dtype: np.dtype[np.void]) -> np.ndarray:
    """Return the structures of `dtype` that begin at `at` in `data`."""
    windows = np.lib.stride_tricks.sliding_window_view(data, dtype.itemsize)
    return np.ascontiguousarray(windows[at]).view(dtype)[:, 0]


def _directory_place(data: np.ndarray) -> tuple[int, int, int, int]:
    """Return (start, size, entry count, shift of all offsets) of the central directory."""
    tail_at = max(len(data) - 65557 - 76, 0)
    tail = data[tail_at:].tobytes()
    found = tail.rfind(_END)
    if found < 0 or found + 22 > len(tail):
        raise FormatError(
            "It has no zip directory at its end: it is truncated, or no zip file.",
            "Save or copy it again.",
        )
    disk, _, here, count, size, offset = struct.unpack_from("<HHHHII", tail, found + 4)
    end = tail_at + found
    if (_NONE32 in (size, offset) or count == 0xFFFF) and tail[
        max(found - 20, 0) : found
    ].startswith(_LOCATOR):
        (where,) = struct.unpack_from("<Q", tail, found - 12)
        if not 0 <= where <= end - 76 or data[where : where + 4].tobytes() != _END64:
            raise FormatError("Its zip64 directory is not where it is said to be.")
        head = data[where : where + 56].tobytes()
        here, count, size, offset = struct.unpack_from("<QQQQ", head, 24)
        end = where
    if disk not in (0, 0xFFFF) or here != count:
        raise FormatError("It is one part of a zip file in several parts.", "Join the parts.")
    if size > end or 46 * count > size or offset > end - size:
        raise FormatError(
            f"Its zip directory is broken: {count} entries in {size} bytes do not fit the file."
        )
    return end - size, size, count, end - size - offset


def _entry_starts(directory: np.ndarray, count: int) -> np.ndarray:
    """Return where each entry of the central directory begins in it."""
    found = np.flatnonzero(directory[: len(directory) - 45] == 0x50)
    for i, byte in enumerate((0x4B, 1, 2), start=1):
        found = found[directory[found + i] == byte]
    if len(found) == count and found[0] == 0:
        ends = found + _entry_sizes(_rows(directory, found, _CENTRAL))
        if np.array_equal(ends[:-1], found[1:]) and ends[-1] <= len(directory):
            return found
    # names or comments that look like the beginning of an entry: step by step
    raw = directory.tobytes()
    starts, at = np.empty(count, np.int64), 0
    for i in range(count):
        if raw[at : at + 4] != b"PK\1\2" or at + 46 > len(raw):
            raise FormatError(f"Its zip directory is broken at entry {i + 1} of {count}.")
        starts[i] = at
        at += 46 + sum(struct.unpack_from("<HHH", raw, at + 28))
    if at > len(raw):
        raise FormatError(f"Its zip directory is broken at entry {count} of {count}.")
    return starts


def _entry_sizes(rows: np.ndarray) -> np.ndarray:
    return (  # type: ignore[no-any-return]  # a structured array's fields are Any
        46 + rows["name"].astype(np.int64) + rows["extra"] + rows["comment"]
    )


def _names(directory: np.ndarray, starts: np.ndarray, rows: np.ndarray) -> list[str]:
    sizes = rows["name"].astype(np.int64)
    ends = np.cumsum(sizes + 1)
    # each name with the byte behind it, which becomes a separator
    index = np.repeat(starts + 46 - (ends - sizes - 1), sizes + 1) + np.arange(int(ends[-1]))
    index[-1] = 0
    letters = directory[index]
    letters[ends - 1] = 0
    if np.count_nonzero(letters == 0) != len(rows):
        raise FormatError("A zip entry has a NUL character in its name.")
    raw = letters.tobytes()
    if raw.isascii():
        return raw.decode("ascii").split("\0")[:-1]
    parts = raw.split(b"\0")[:-1]
    return [
        part.decode("utf-8" if utf8 else "cp437", "replace")
        for part, utf8 in zip(parts, (rows["flags"] & 0x800).tolist(), strict=True)
    ]


def _check_names(names: list[str]) -> None:
    """Refuse names that point outside of a folder."""
    joined = "\0" + "\0".join(names)
    if not (".." in joined or "\0/" in joined or "\\" in joined or ":" in joined):
        return
    for name in names:
        slashes = name.replace("\\", "/")
        drive = len(name) > 1 and name[1] == ":" and name[0].isalpha()
        if slashes.startswith("/") or drive or ".." in slashes.split("/"):
            raise FormatError(
                f"The zip entry {name!r} points outside of the archive.",
                "Such archives are made to harm; pack the ROIs again under plain names.",
            )


def _zip64_fields(directory: np.ndarray, starts: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return (unpacked, packed, offset) per entry, (n, 3) int64."""
    fields = np.stack([rows["usize"], rows["csize"], rows["offset"]], axis=1).astype(np.int64)
    for i in np.flatnonzero((fields == _NONE32).any(axis=1)).tolist():
        at = int(starts[i]) + 46 + int(rows["name"][i])
        extra = directory[at : at + int(rows["extra"][i])].tobytes()
        while len(extra) >= 4:
            code, size = struct.unpack_from("<HH", extra)
            if code == 1:
                values = struct.unpack_from(
                    f"<{size // 8}Q", extra[4 : 4 + size].ljust(size, b"\0")
                )
                large = np.flatnonzero(fields[i] == _NONE32).tolist()
                for column, value in zip(large, values, strict=False):
                    fields[i, column] = min(value, 2**62)
                break
            extra = extra[4 + size :]
    return fields


def _plain_archive(
    data: np.ndarray, start: int, size: int, count: int, shift: int
) -> Archive | None:
    """Return the entries of a large archive, or None when anything is special or wrong with it."""
    from fijibridge.formats._roi.packed_names import PackedNames
    from fijibridge.formats._roi.zip_kernels import scan

    fields = np.empty((5, count), np.int64)
    letters = np.empty(size - 45 * count, np.uint8)
    name_start = np.empty(count + 1, np.int64)
    if not scan(
        data, start, size, count, shift, _NONE32, _LARGEST_RATIO, fields, letters, name_start
    ):
        return None
    at, packed, unpacked, crc, method = fields
    return Archive(
        data=data,
        names=PackedNames(letters[: int(name_start[-1])], name_start),
        at=at,
        packed=packed,
        unpacked=unpacked,
        crc=crc,
        method=method,
    )


def read_archive(data: np.ndarray) -> Archive:
    """Return the entries of a zip file.

    Parameters
    ----------
    data
        (bytes,) uint8, the whole file.

    Raises
    ------
    FormatError
        When the directory is missing, broken, encrypted, inconsistent, has entries that overlap
        or claims sizes that no such file can hold. Nothing has been inflated then.
    """
    data = np.asarray(data).view()
    data.flags.writeable = False
    start, size, count, shift = _directory_place(data)
    if count >= MANY:
        plain = _plain_archive(data, start, size, count, shift)
        if plain is not None:
            return plain
    directory = data[start : start + size]
    if count == 0:
        none = np.empty(0, np.int64)
        return Archive(
            data=data, names=(), at=none, packed=none, unpacked=none, crc=none, method=none
        )
    starts = _entry_starts(directory, count)
    rows = _rows(directory, starts, _CENTRAL)
    end = int(starts[-1] + _entry_sizes(rows[-1:])[0])
    if directory[end : end + 4].tobytes() == b"PK\1\2":
        raise FormatError(f"Its zip directory is broken: it has more than its {count} entries.")
    names = _names(directory, starts, rows)
    _check_names(names)
    fields = _zip64_fields(directory, starts, rows)
    unpacked, packed, offset = fields[:, 0], fields[:, 1], fields[:, 2] + shift

    def check(bad: np.ndarray, what: str) -> None:
        if bad.any():
            raise FormatError(f"The zip entry {names[int(np.argmax(bad))]!r} {what}.")

    check(rows["flags"] & 0x2041 != 0, "is encrypted; ROI sets never are")
    check((offset < 0) | (offset > start - 30), "lies outside of the file: it is truncated")
    local = _rows(data, offset, _LOCAL)
    check(local["sig"] != _LOCAL_SIG, "is not where the directory says it is")
    at = offset + 30 + local["name"] + local["extra"]
    check((packed < 0) | (packed > start - at), "goes beyond the file's end: it is truncated")
    method = rows["method"].astype(np.int64)
    check((method == 0) & (packed != unpacked), "is stored with two different sizes")
    check(
        (method == 8) & (unpacked > _LARGEST_RATIO * packed + 64),
        "claims more bytes than it can inflate to",
    )
    ends = at + packed
    order = np.arange(count) if (offset[1:] >= offset[:-1]).all() else np.argsort(offset)
    overlap = np.zeros(count, bool)
    overlap[order[1:]] = ends[order[:-1]] > offset[order[1:]]
    check(overlap, "overlaps another one")
    return Archive(
        data=data,
        names=names,
        at=at,
        packed=packed,
        unpacked=unpacked,
        crc=rows["crc"].astype(np.int64),
        method=method,
    )


def check_sums(data: np.ndarray, begins: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Return the CRC-32 of each ``data[begin : begin + size]``, (n,) int64."""
    if len(begins) >= MANY:
        from fijibridge.formats._roi.zip_kernels import crc32, crc32_table

        out = np.empty(len(begins), np.int64)
        data = data.view()
        data.flags.writeable = False  # one compiled version serves reading and writing
        begins, sizes = (np.ascontiguousarray(v, np.int64) for v in (begins, sizes))
        in_shares(partial(crc32, data, begins, sizes, crc32_table(), out), sizes)
        return out
    view = data.data
    table = zip(begins.tolist(), (begins + sizes).tolist(), strict=True)
    return np.array([zlib.crc32(view[a:b]) for a, b in table], np.int64)


def inflate(archive: Archive, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the unpacked bytes of the `chosen` entries, and where each begins in them.

    The check sums have been compared. Stored entries are not copied: the file's bytes are returned.

    Raises
    ------
    FormatError
        When an entry is broken, packed by another method, or all of them are absurdly large.
    """
    names = archive.names
    sizes = archive.unpacked[chosen]
    total = int(sizes.astype(np.float64).sum())
    if total > max(LARGEST_TOTAL, 64 * len(archive.data)):
        raise FormatError(
            f"Its entries claim {total} bytes, but the file has only {len(archive.data)}.",
            "No ROI set packs that well: the file was made to fill the memory.",
        )
    method = archive.method[chosen]
    strange = (method != 0) & (method != 8)
    if strange.any():
        k = int(np.argmax(strange))
        raise FormatError(
            f"The zip entry {names[int(chosen[k])]!r} is packed by the method {int(method[k])}; "
            "ROI sets are stored (0) or deflated (8)."
        )
    if (method == 0).all():
        buffer, at = archive.data, archive.at[chosen]
    else:
        at = np.cumsum(sizes) - sizes
        fast = _unpacked(archive, chosen, at, total) if len(chosen) >= MANY else None
        if fast is not None:
            return fast, at
        # what is broken, and how, is found out one by one
        buffer = np.frombuffer(b"".join(_inflated(archive, chosen)), np.uint8)
    bad = check_sums(buffer, at, sizes) != archive.crc[chosen]
    if bad.any():
        name = names[int(chosen[int(np.argmax(bad))])]
        raise FormatError(f"The zip entry {name!r} is damaged: its check sum is wrong.")
    return buffer, at


def _unpacked(
    archive: Archive, chosen: np.ndarray, begins: np.ndarray, total: int
) -> np.ndarray | None:
    """Return the bytes of all `chosen` entries, or None when one is broken or zlib is out of reach.

    The check sums have been compared.
    """
    from fijibridge.formats._roi.libz import inflater, zlib_calls
    from fijibridge.formats._roi.zip_kernels import crc32_table, unpack

    calls = zlib_calls()
    if calls is None:
        return None
    columns = (archive.at, archive.packed, archive.method, archive.unpacked, archive.crc)
    at, packed, method, sizes, crc = (np.ascontiguousarray(c[chosen], np.int64) for c in columns)
    out = np.empty(total, np.uint8)

    def job(first: int, last: int) -> bool:
        with inflater(calls) as stream:
            return bool(
                unpack(archive.data, at, packed, method, out, begins, sizes, crc, crc32_table(),
                       stream, calls.inflate, calls.reset, first, last)
            )  # fmt: skip

    # inflating is some ten times the work of other passes
    if not in_shares(job, 8 * sizes + 8):
        return None
    out.flags.writeable = False
    return out


def _inflated(archive: Archive, chosen: np.ndarray) -> list[bytes]:
    from isal import isal_zlib

    view = archive.data.data
    begins, packed = archive.at[chosen], archive.packed[chosen]
    sizes, method = archive.unpacked[chosen], archive.method[chosen]
    ends = (begins + packed).tolist()
    table = zip(begins.tolist(), ends, np.maximum(sizes, 1).tolist(), strict=True)
    if (method == 8).all() and packed.max() <= _ONE_CALL:
        decompress = isal_zlib.decompress
        broken: Any = (zlib.error, isal_zlib.error, EOFError, ValueError, MemoryError)
        try:
            pieces: list[bytes] = [decompress(view[a:b], -15, size) for a, b, size in table]
        except broken:
            pieces = []  # below, it is found out which entry it was
        if np.array_equal(np.fromiter(map(len, pieces), np.int64, len(pieces)), sizes):
            return pieces
    return [_inflated_one(view[int(archive.at[k]) :], archive, int(k)) for k in chosen.tolist()]


def _inflated_one(view: memoryview, archive: Archive, k: int) -> bytes:
    size = int(archive.unpacked[k])
    packed = view[: int(archive.packed[k])]
    if archive.method[k] == 0:
        return bytes(packed)
    stream = zlib.decompressobj(-15)
    try:
        # one byte more than announced tells a stream that goes on
        out = stream.decompress(packed, size + 1)
    except (zlib.error, MemoryError) as error:
        raise FormatError(f"The zip entry {archive.names[k]!r} is damaged: {error}.") from error
    if len(out) != size:
        raise FormatError(
            f"The zip entry {archive.names[k]!r} is damaged: it has not the {size} bytes announced."
        )
    return out
