"""ImageJ ROI sets (``RoiSet.zip``): one record per entry, in the order of the list.

Source: ImageJ 1.54p RoiManager.openZip and saveMultiple.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from fijibridge.errors import FijiBridgeError, FormatError, SettingsError
from fijibridge.formats._format import Finding, Format, WriteOptions
from fijibridge.formats._roi.bulk import add_outlines, encode_outlines, outlines_from_records
from fijibridge.formats._roi.decode import decode_roi
from fijibridge.formats._roi.encode import encode_roi
from fijibridge.formats._roi.names import automatic_name, entry_names, name_from_entry
from fijibridge.formats._roi.packed_names import PackedNames
from fijibridge.formats._roi.zip_archive import MANY, inflate, read_archive
from fijibridge.formats._roi.zip_write import ArchiveWriter
from fijibridge.formats._target import staged
from fijibridge.formats.roi import describe_roi
from fijibridge.model import Roi, RoiSet

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from fijibridge.formats._location import Location

__all__ = ["FORMAT"]

#: Larger files are mapped, not read.
_MAPPED = 1 << 28
#: ROIs whose records are made before they are written.
_BATCH = 4096


def _bytes_of(path: Path) -> np.ndarray:
    try:
        size = path.stat().st_size
        if size == 0:
            raise FormatError("It is empty.", "Copy the file again from its source.")
        if size > _MAPPED:
            return np.memmap(path, np.uint8, "r")
        return np.fromfile(path, np.uint8)
    except OSError as error:
        reason = error.strerror or str(error)
        raise FormatError(f"It cannot be read: {reason}.") from error


def _roi_entries(names: Sequence[str]) -> tuple[np.ndarray, Sequence[str]]:
    """Return the indices of the entries that are ROIs, and their names without ``.roi``."""
    if isinstance(names, PackedNames):
        stems = names.without(".roi", "__MACOSX/")
        if stems is not None:
            return np.arange(len(names)), stems
        names = list(names)
    joined = "\0".join(names) + "\0"
    if "__MACOSX/" not in joined and joined.count(".roi\0") == len(names):
        return np.arange(len(names)), joined.replace(".roi\0", "\0").split("\0")[:-1]
    wanted = [
        i
        for i, name in enumerate(names)
        if name.endswith(".roi") and not name.startswith("__MACOSX/")
    ]
    return np.array(wanted, np.int64), [names[i][:-4] for i in wanted]


def _read(path: Path) -> RoiSet:
    archive = read_archive(_bytes_of(path))
    chosen, stems = _roi_entries(archive.names)
    if len(chosen) == 0:
        if not archive.names:
            return RoiSet()
        raise FormatError(
            f"It holds no ROIs: none of its {len(archive.names)} entries ends with .roi."
        )
    data, begins = inflate(archive, chosen)
    sizes = archive.unpacked[chosen]
    if len(stems) >= MANY:
        outlines = outlines_from_records(data, begins, sizes, stems)
        if outlines is not None:
            return RoiSet(outlines=outlines)
    rois = []
    seen: set[str] = set()
    view = data.data
    table = zip(stems, begins.tolist(), (begins + sizes).tolist(), strict=True)
    for stem, begin, end in table:
        rois.append(_decoded(bytes(view[begin:end]), stem, seen))
        seen.add(stem)
    return RoiSet(rois)


def _decoded(record: bytes, stem: str, seen: set[str]) -> Roi:
    try:
        roi = decode_roi(record, stem)
    except FormatError as error:
        raise FormatError(f"The zip entry {stem + '.roi'!r}: {error.message}") from error
    name = name_from_entry(stem, roi.name, seen)
    return roi if name == roi.name else roi.renamed(name)


def _named(where: Location, error: FormatError) -> FormatError:
    return FormatError(f"{str(where)!r}: {error.message}", error.hint)


def _read_rois(where: Location) -> RoiSet:
    try:
        return _read(where.path)
    except FormatError as error:
        raise _named(where, error) from error


def _wants_deflate(options: WriteOptions) -> bool:
    word = (options.compression or "stored").lower()
    if word not in ("stored", "none", "deflate"):
        raise SettingsError(
            f"compression {options.compression!r} is none that ROI zips have.",
            "Use 'stored' (fast) or 'deflate' (small).",
        )
    return word == "deflate"


def _write_rois(where: Location, rois: RoiSet, options: WriteOptions) -> None:
    deflate = _wants_deflate(options)
    outlines = rois.outlines
    names = inside = rois.names
    if "" in names:
        names = tuple(n or automatic_name(rois[i]) for i, n in enumerate(names))
    entries = entry_names(names)
    with staged(where.path, overwrite=options.overwrite) as path, path.open("wb") as file:
        archive = ArchiveWriter(file, deflate=deflate)
        if outlines is not None and len(outlines) >= MANY and not deflate:
            add_outlines(archive, outlines, inside, entries)
        else:
            for first in range(0, len(rois), _BATCH):
                last = min(first + _BATCH, len(rois))
                if outlines is not None and len(outlines) >= MANY:
                    records = encode_outlines(outlines, first, last)
                else:
                    records = [encode_roi(rois[i]) for i in range(first, last)]
                archive.add([entry.encode() for entry in entries[first:last]], records)
        archive.finish()


def _describe(where: Location) -> dict[str, Any]:
    rois = _read_rois(where)
    found: dict[str, Any] = {
        "rois": len(rois),
        "kinds": dict(Counter(roi.kind for roi in rois)),
        "bytes": where.path.stat().st_size,
    }
    if len(rois):
        found["first"] = describe_roi(rois[0])
    return found


def _validate(where: Location) -> list[Finding]:
    """Everything that is wrong with an ROI set, entry by entry."""
    try:
        archive = read_archive(_bytes_of(where.path))
        chosen, _ = _roi_entries(archive.names)
    except FormatError as error:
        return [Finding("error", str(error))]
    found = _repeated(archive.names, "The entry {!r} is there {} times.")
    others = len(archive.names) - len(chosen)
    if others:
        found.append(Finding("note", f"{others} entries are no ROIs and are ignored."))
    if not len(chosen):
        found.append(Finding("warning", "It holds no ROIs."))
    names = []
    for i in chosen.tolist():
        entry = archive.names[i]
        try:
            data, begins = inflate(archive, np.array([i]))
            begin = int(begins[0])
            record = data[begin : begin + int(archive.unpacked[i])].tobytes()
            name = decode_roi(record, entry[:-4]).name
        except FijiBridgeError as error:
            found.append(Finding("error", f"{entry!r}: {error.message}"))
            continue
        names.append(name)
        if name != entry[:-4]:
            text = f"{entry!r} holds the name {name!r}; ImageJ lists the entry's."
            found.append(Finding("note", text))
    return found + _repeated(names, "The ROI name {!r} is there {} times.")


def _repeated(names: Sequence[str], text: str) -> list[Finding]:
    counts = Counter(names)
    return [Finding("warning", text.format(*item)) for item in counts.items() if item[1] > 1]


def _sniff(path: Path, head: bytes) -> bool:
    if path.name.lower().endswith((".zarr.zip", ".n5.zip")):
        return False
    if path.suffix.lower() == ".zip":
        return head[:4] != b"Iout"
    return head[:2] == b"PK" and b".roi" in head


FORMAT = Format(
    name="roi zip",
    suffixes=(".zip",),
    title="an ImageJ ROI set",
    sniff=_sniff,
    read_rois=_read_rois,
    write_rois=_write_rois,
    describe=_describe,
    validate=_validate,
)
