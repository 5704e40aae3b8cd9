"""Copy a region of a store into a file that remembers where it came from."""

from __future__ import annotations

import math
import os
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from fijibridge.errors import SettingsError, UnsupportedError, nearest
from fijibridge.formats import (
    Location,
    WriteOptions,
    check_target,
    format_for_writing,
    staged,
)
from fijibridge.formats.remote import is_url
from fijibridge.model import Region
from fijibridge.patch.boxes import within
from fijibridge.patch.detect import Detected, detect_rule
from fijibridge.patch.fingerprint import Fingerprint, slabs
from fijibridge.patch.journal import Journal
from fijibridge.patch.provenance import Provenance, new_id, sidecar_of, stamped
from fijibridge.patch.region import parse_region, region_text
from fijibridge.patch.store import keys_of, named_node, open_store, state_of, steady

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fijibridge.formats import Format
    from fijibridge.formats._zarr.pyramid import Pyramid, StoredLevel
    from fijibridge.model import ImageSpec

__all__ = [
    "CheckoutPlan",
    "file_values",
    "plan_checkout",
    "run_checkout",
]

#: A region up to this many bytes is held while it is checked out.
_HELD = 256 << 20


@dataclass(frozen=True, slots=True)
class CheckoutPlan:
    """What a check-out will do.

    Parameters
    ----------
    pyramid, level
        The image and the number of its level.
    region
        In samples of that level.
    out, format, options
        The file, its format and how it is written.
    spec
        What the file will be.
    detected
        How coarser levels follow from this one.
    """

    pyramid: Pyramid
    level: int
    region: Region
    out: Location
    format: Format
    options: WriteOptions
    spec: ImageSpec
    detected: Detected

    @property
    def stored(self) -> StoredLevel:
        """The level that is read."""
        return self.pyramid.levels[self.level]

    @property
    def text(self) -> str:
        """One line for people."""
        level = self.stored
        units = sum(1 for _ in level.units(self.region))
        return (
            f"{self.pyramid.name} {region_text(level.axes, self.region)}"
            + (f" of level {level.name}" if level.name else "")
            + f": {'x'.join(map(str, self.spec.shape))} {self.spec.dtype} "
            f"({self.spec.nbytes / 1e6:.1f} MB) from {units} chunks"
        )


def level_number(pyramid: Pyramid, asked: int | str | None) -> int:
    """Return the number of a level that is asked for by number or name; None = the finest."""
    if asked is None:
        return 0
    names = [level.name for level in pyramid.levels]
    if str(asked) in names:
        return names.index(str(asked))
    number = int(asked) if str(asked).lstrip("-").isdigit() else -1
    if not 0 <= number < len(names):
        raise SettingsError(
            f"{pyramid.name} has no level {asked!r}.{nearest(str(asked), names)}",
            f"Levels: {', '.join(names)} (or 0 to {len(names) - 1}).",
        )
    return number


def plan_checkout(
    store: str | os.PathLike[str],
    region: str | Region | Mapping[str, Sequence[float | None]] | Sequence[slice],
    out: str | os.PathLike[str],
    *,
    level: int | str | None = None,
    to: str | None = None,
    overwrite: bool = False,
) -> CheckoutPlan:
    """Decide everything about a check-out; reads metadata and a few probes, writes nothing.

    Parameters
    ----------
    store
        Zarr array or OME-Zarr image; the path may go on inside it (``a.zarr/labels/nuclei``,
        ``a.zarr/s1``).
    region
        See `parse_region`.
    out
        The file; its suffix is the format.
    level
        Number or name; None = the one that the path names, else the finest.
    to
        Name of the format where the suffix fits several.
    overwrite
        An existing file may be replaced.

    Raises
    ------
    FijiBridgeError
        When anything would go wrong later.
    """
    check_is_file(out)
    pyramid = open_store(store)
    try:
        if level is None:
            named = named_node(store)
            level = next(
                (i for i, one in enumerate(pyramid.levels) if one.node and one.node == named), 0
            )
        index = level_number(pyramid, level)
        stored = pyramid.levels[index]
        box = parse_region(region, stored.axes)
        where = Location.parse(out)
        fmt = format_for_writing(where, "image", to)
        options = WriteOptions(overwrite=overwrite)
        spec = _file_spec(pyramid.spec, stored, box)
        if fmt.check_image is not None:
            spec = _held(fmt, spec, options)
        _check_exact(fmt)
        if not (fmt.container and where.inner):
            check_target(where.path, overwrite=overwrite)
        check_target(sidecar_of(where.path), overwrite=overwrite)
        detected = steady(pyramid, lambda: detect_rule(pyramid, first=index, near=box))
    except BaseException:
        pyramid.close()
        raise
    return CheckoutPlan(pyramid, index, box, where, fmt, options, spec, detected)


def check_is_file(path: str | os.PathLike[str]) -> None:
    """Raise when a patch is to be in object storage."""
    if is_url(os.fspath(path)):
        raise UnsupportedError(
            f"A patch is a file on this computer, not {os.fspath(path)!r}.",
            "Name a file such as patch.tif; the store may be anywhere.",
        )


def _check_exact(fmt: Format) -> None:
    if fmt.lossy:
        raise UnsupportedError(
            f"{fmt.title} changes pixel values; what came back would differ where nothing was "
            "edited.",
            "Use .tif, .ome.tif, .nii.gz, .npy or .h5.",
        )


def _file_spec(spec: ImageSpec, stored: StoredLevel, region: Region) -> ImageSpec:
    """Return what the file holds: the region's axes, and of channel lists its channels."""
    axes = stored.axes.crop(region)
    extra = spec.extra
    if "c" in stored.axes:
        place = stored.axes.index("c")
        span = slice(region.start[place], region.stop[place])
        n = stored.axes.size("c")
        cut: dict[str, Any] = {
            name: getattr(extra, name)[span]
            for name in ("channel_names", "display_ranges", "luts")
            if len(getattr(extra, name)) == n
        }
        extra = replace(extra, **cut)
    dtype = np.dtype(np.uint8) if stored.dtype.kind == "b" else stored.dtype
    return replace(spec, axes=axes, dtype=dtype, scales=(), extra=extra)


def _held(fmt: Format, spec: ImageSpec, options: WriteOptions) -> ImageSpec:
    """Return the spec with a pixel type that the format holds; labels may go to a wider one."""
    assert fmt.check_image is not None  # noqa: S101  # asked by the caller
    try:
        fmt.check_image(spec, options)
    except UnsupportedError:
        if spec.role != "labels" or spec.dtype.kind not in "iu":
            raise
        for name in ("uint16", "float32"):
            other = replace(spec, dtype=np.dtype(name))
            if name in fmt.dtypes and spec.dtype.itemsize >= other.dtype.itemsize:
                try:
                    fmt.check_image(other, options)
                except UnsupportedError:
                    continue
                return other
        raise
    return spec


def file_values(block: np.ndarray, spec: ImageSpec) -> np.ndarray:
    """Return pixels of the store as the file holds them.

    Raises
    ------
    UnsupportedError
        When labels do not fit the file's type.
    """
    if block.dtype.kind == "b":
        return block.astype(np.uint8) * np.uint8(1 if spec.role == "labels" else 255)
    if block.dtype == spec.dtype:
        return block
    made = block.astype(spec.dtype)
    if not np.array_equal(made.astype(block.dtype), block):
        raise UnsupportedError(
            f"The labels go up to {int(block.max())}; the format holds them as {spec.dtype}, "
            f"which ends at {65535 if spec.dtype == np.uint16 else 1 << 24}.",
            "Check them out as .ome.tif, .nii.gz, .npy or .h5.",
        )
    return made


def run_checkout(plan: CheckoutPlan) -> Provenance:
    """Write the file and the small one beside it; both appear whole or not at all.

    Returns
    -------
    Provenance
        What the file says about its origin.
    """
    level, pyramid = plan.stored, plan.pyramid
    try:
        before = state_of(pyramid)
        pixels = _Pixels(plan)
        found = Fingerprint(level)
        for slab in slabs(level, plan.region):
            found.see(slab, pixels.read(slab))
        origin = Provenance(
            id=new_id(found.sha256.encode() + os.urandom(8)),
            store=_absolute(pyramid),
            node=pyramid.node,
            level=level.name,
            axes=level.axes.keys,
            start=plan.region.start,
            stop=plan.region.stop,
            shape=level.shape,
            dtype=str(level.dtype),
            file_dtype=str(plan.spec.dtype),
            role=pyramid.spec.role,
            sha256=found.sha256,
            rule="" if plan.detected.how == "default" else plan.detected.rule.name,
            time=time.time(),
            units=found.units,
        )
        _write(plan, origin, pixels, before)
    finally:
        pyramid.close()
    return origin


def _absolute(pyramid: Pyramid) -> str:
    where = pyramid.store.where
    return where if "://" in where else os.path.realpath(where)


class _Pixels:
    """Reads a region twice; the second time from memory, when it is small.

    The file says the sum of its pixels, and says it before them.
    """

    def __init__(self, plan: CheckoutPlan) -> None:
        self._plan = plan
        region, level = plan.region, plan.stored
        size = math.prod(region.shape) * level.dtype.itemsize
        self._held = np.empty(region.shape, level.dtype) if size <= _HELD else None
        self._seen = False

    def read(self, slab: Region) -> np.ndarray:
        level = self._plan.stored
        if self._held is None:
            return level.read(slab)
        part = within(self._plan.region, slab)
        if not self._seen:
            self._held[part] = level.read(slab)
            self._seen = slab.stop == self._plan.region.stop
        return self._held[part]


def _write(
    plan: CheckoutPlan,
    origin: Provenance,
    pixels: _Pixels,
    before: tuple[tuple[str, bool], ...],
) -> None:
    spec = stamped(plan.spec, origin)
    assert plan.format.create_image is not None  # noqa: S101  # chosen for writing images
    check = Fingerprint(plan.stored)
    sink = plan.format.create_image(plan.out, spec, plan.options)
    try:
        for slab in slabs(plan.stored, plan.region):
            block = pixels.read(slab)
            check.see(slab, block)
            place = within(plan.region, slab)
            here = Region(tuple(p.start for p in place), tuple(p.stop for p in place))
            sink.write(here, file_values(block, spec))
        _check_same(plan, same=check.sha256 == origin.sha256 and not _written_since(plan, before))
        with staged(sidecar_of(plan.out.path), overwrite=plan.options.overwrite) as beside:
            beside.write_text(origin.to_json() + "\n", "utf-8")
            sink.commit()
    except BaseException:
        sink.abort()
        raise


def _written_since(plan: CheckoutPlan, before: tuple[tuple[str, bool], ...]) -> bool:
    """Return whether somebody wrote into the region since the journal was looked at.

    What is checked in elsewhere in the store is no hindrance.
    """
    if state_of(plan.pyramid) == before:
        return False
    entries = Journal(keys_of(plan.pyramid)).entries()
    if not {name for name, _ in before} <= {entry.name for entry in entries}:
        return True  # one was taken back, and does not say what it was
    level = plan.stored
    mine = {level.key(unit) for unit in level.units(plan.region)}
    return any(
        (entry.name, entry.applied) not in before and any(o.key in mine for o in entry.operations)
        for entry in entries
    )


def _check_same(plan: CheckoutPlan, *, same: bool) -> None:
    if not same:
        raise SettingsError(
            f"{plan.pyramid.name} was changed while it was checked out.", "Do it again."
        )
