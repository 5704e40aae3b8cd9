"""Writing zip archives of many small entries: whole batches of them at a time.

Entries are stored, or deflated by a library; dates are always the same, so equal sets give equal
files. More than 65535 entries or 4 GB are zip64.

Source: PKWARE's APPNOTE 6.3.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from fijibridge.formats._roi.zip_archive import _CENTRAL, _CENTRAL_SIG, _LOCAL, _LOCAL_SIG, MANY

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["ArchiveWriter", "local_headers"]

#: Names are UTF-8.
_FLAGS = 0x800
#: 1980-01-01 00:00, the first day zip knows.
_DATE = 0x21
#: From here on, numbers need zip64.
LIMIT_32, LIMIT_16 = 0xFFFFFFFF, 0xFFFF


def local_headers(
    names: np.ndarray, crc: np.ndarray, packed: np.ndarray, unpacked: np.ndarray, method: int
) -> np.ndarray:
    """Return (n, 30) uint8 local headers; `names` are the sizes of the names."""
    rows = np.zeros(len(names), _LOCAL)
    rows["sig"], rows["need"], rows["flags"], rows["date"] = _LOCAL_SIG, 20, _FLAGS, _DATE
    rows["method"], rows["crc"], rows["name"] = method, crc, names
    rows["csize"], rows["usize"] = packed, unpacked
    return rows.view(np.uint8).reshape(len(rows), _LOCAL.itemsize)


class ArchiveWriter:
    """Writes entries to an open file, then the directory.

    Parameters
    ----------
    file
        Open for writing, at its start.
    deflate
        Deflate the entries of `add`.
    """

    def __init__(self, file: BinaryIO, *, deflate: bool = False) -> None:
        self.file = file
        self.method = 8 if deflate else 0
        self.position = 0
        self._fields: list[np.ndarray] = []
        self._names: list[bytes] = []

    def add(self, names: Sequence[bytes], records: Sequence[bytes]) -> None:
        """Write entries, deflating them if so asked."""
        from isal import isal_zlib

        if not names:
            return
        crc = np.fromiter(map(isal_zlib.crc32, records), np.int64, len(records))
        unpacked = np.fromiter(map(len, records), np.int64, len(records))
        packed_records: Sequence[bytes] = records
        if self.method == 8:
            packed_records = [isal_zlib.compress(record, 2, -15) for record in records]
        packed = np.fromiter(map(len, packed_records), np.int64, len(records))
        name_sizes = np.fromiter(map(len, names), np.int64, len(names))
        raw = local_headers(name_sizes, crc, packed, unpacked, self.method).tobytes()
        parts: list[bytes] = []
        for i, (name, record) in enumerate(zip(names, packed_records, strict=True)):
            parts += [raw[30 * i : 30 * i + 30], name, record]
        self.file.write(b"".join(parts))
        self.note(
            names=b"".join(names), sizes=name_sizes, crc=crc, packed=packed, unpacked=unpacked
        )

    def note(
        self,
        *,
        names: bytes,
        sizes: np.ndarray,
        crc: np.ndarray,
        packed: np.ndarray,
        unpacked: np.ndarray,
    ) -> None:
        """Take entries that were just written, local headers and all, into the directory.

        names: all names, one after the other; sizes: theirs in bytes.
        """
        whole = 30 + sizes + packed
        ends = self.position + np.cumsum(whole)
        self._fields.append(np.stack([sizes, crc, packed, unpacked, ends - whole]))
        self._names.append(names)
        self.position = int(ends[-1])

    def finish(self) -> None:
        """Write the directory."""
        fields = (
            np.concatenate(self._fields, axis=1) if self._fields else np.empty((5, 0), np.int64)
        )
        sizes, crc, packed, unpacked, offset = fields
        n = len(sizes)
        large = offset >= LIMIT_32
        rows = np.zeros(n, _CENTRAL)
        rows["sig"], rows["flags"], rows["date"] = _CENTRAL_SIG, _FLAGS, _DATE
        rows["made"], rows["method"] = 20, self.method
        rows["need"] = np.where(large, 45, 20)
        rows["crc"], rows["csize"], rows["usize"], rows["name"] = crc, packed, unpacked, sizes
        rows["offset"] = np.where(large, LIMIT_32, offset)
        rows["extra"] = np.where(large, 12, 0)
        directory = self._directory(rows, sizes, offset, large)
        self.file.write(directory)
        self.file.write(_end(n, len(directory), self.position))

    def _directory(
        self, rows: np.ndarray, sizes: np.ndarray, offset: np.ndarray, large: np.ndarray
    ) -> bytes:
        names = b"".join(self._names)
        ends = np.cumsum(sizes)
        plain = int(np.argmax(large)) if large.any() else len(rows)
        head = rows.view(np.uint8).reshape(len(rows), _CENTRAL.itemsize)
        parts: list[bytes] = []
        if plain >= MANY:
            from fijibridge.formats._roi.zip_kernels import weave

            start = np.concatenate([[0], ends[:plain]])
            out = np.empty(46 * plain + int(start[-1]), np.uint8)
            weave(out, head[:plain], np.frombuffer(names, np.uint8), start)
            parts.append(out.tobytes())
        begins = (ends - sizes).tolist()
        for i in range(plain if plain >= MANY else 0, len(rows)):
            parts += [head[i].tobytes(), names[begins[i] : int(ends[i])]]
            if large[i]:
                parts.append(struct.pack("<HHQ", 1, 8, int(offset[i])))
        return b"".join(parts)


def _end(count: int, size: int, offset: int) -> bytes:
    """Return the records at the end of the directory."""
    out = b""
    if count >= LIMIT_16 or size >= LIMIT_32 or offset >= LIMIT_32:
        out = struct.pack(
            "<4sQHHIIQQQQ", b"PK\6\6", 44, 45, 45, 0, 0, count, count, size, offset
        ) + struct.pack("<4sIQI", b"PK\6\7", 0, offset + size, 1)
    counts = min(count, LIMIT_16)
    return out + struct.pack(
        "<4sHHHHIIH", b"PK\5\6", 0, 0, counts, counts, min(size, LIMIT_32), min(offset, LIMIT_32), 0
    )
