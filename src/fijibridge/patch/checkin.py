"""Put an edited patch back where it came from: at every level, all or none."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fijibridge.errors import SettingsError, UnsupportedError
from fijibridge.formats._zarr.new_labels import new_labels
from fijibridge.model import Region
from fijibridge.patch.boxes import within
from fijibridge.patch.checkin_plan import CheckinOptions, CheckinPlan, plan_checkin
from fijibridge.patch.fingerprint import Fingerprint, slabs
from fijibridge.patch.journal import Journal
from fijibridge.patch.rebuild import rebuild
from fijibridge.patch.region import region_text
from fijibridge.patch.store import keys_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from fijibridge.formats._zarr.pyramid import StoredLevel
    from fijibridge.model import Axes
    from fijibridge.patch.provenance import Provenance

__all__ = ["CheckinOptions", "CheckinPlan", "CheckinResult", "plan_checkin", "run_checkin"]


@dataclass(frozen=True, slots=True)
class CheckinResult:
    """What a check-in did.

    Parameters
    ----------
    entry
        Name in the journal.
    facts
        As of the plan.
    notes
        What a user should know.
    """

    entry: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def _converted(block: np.ndarray, dtype: np.dtype[Any], *, convert: bool) -> np.ndarray:
    """Return pixels of the file as the store holds them."""
    if block.dtype == dtype:
        return block
    made: np.ndarray
    if dtype.kind == "b":
        made = block != 0
        return made
    if dtype.kind == "f":
        return _converted_float(block, dtype, convert=convert)
    info = np.iinfo(dtype)
    if block.dtype.kind == "f":
        values = np.nan_to_num(np.rint(block.astype(np.float64)), nan=0.0)
        top = np.nextafter(float(info.max), 0) if dtype.itemsize == 8 else info.max
        made = np.clip(values, info.min, top).astype(dtype)
    else:
        made = np.clip(block, max(info.min, int(np.iinfo(block.dtype).min)), None)
        made = np.minimum(made, min(info.max, int(np.iinfo(block.dtype).max))).astype(dtype)
    if not convert and not np.array_equal(made.astype(block.dtype), block):
        raise UnsupportedError(
            f"The patch holds values that {dtype} cannot: fractions, or beyond "
            f"{info.min} to {info.max}.",
            "Say convert_dtype (--convert-dtype) to round and limit them.",
        )
    return made


def _converted_float(block: np.ndarray, dtype: np.dtype[Any], *, convert: bool) -> np.ndarray:
    top = np.finfo(dtype).max
    beyond = (np.abs(block) > top) & np.isfinite(block)
    if not beyond.any():
        return block.astype(dtype)
    if not convert:
        raise UnsupportedError(
            f"The patch holds values that {dtype} cannot: beyond {-top} to {top}.",
            "Say convert_dtype (--convert-dtype) to limit them.",
        )
    return np.where(beyond, np.copysign(top, block), block).astype(dtype)


def _reader(plan: CheckinPlan) -> Callable[[Region], np.ndarray]:
    """Return a function that reads the patch by the store's regions and axes."""
    axes: Axes = plan.source.spec.axes
    stored, convert = plan.stored, plan.options.convert_dtype

    def read(region: Region) -> np.ndarray:
        place = within(plan.region, region)
        at = dict(zip(stored.axes.keys, place, strict=True))
        own = [at.get(key, slice(0, 1)) for key in axes.keys]
        block = plan.source.read(Region(tuple(s.start for s in own), tuple(s.stop for s in own)))
        kept = [key for key in axes.keys if key in at]
        block = block.reshape([n for n, k in zip(block.shape, axes.keys, strict=True) if k in at])
        block = block.transpose([kept.index(k) for k in stored.axes.keys if k in kept])
        return _converted(block.reshape(region.shape), stored.dtype, convert=convert)

    return read


def run_checkin(plan: CheckinPlan, tick: Callable[[], None] = lambda: None) -> CheckinResult:
    """Put a patch back. When it returns, every level is right; when it raises, nothing changed.

    Raises
    ------
    SettingsError
        When the place was changed since check-out, somebody else changes the store, or it cannot
        be written.
    """
    try:
        journal = Journal(keys_of(plan.pyramid), tick)
        with journal.locked(plan.options.wait):
            notes = [*plan.notes, *(f"Recovered first: {text}." for text in journal.recover())]
            entry = _staged_and_moved(plan, journal, notes)
    finally:
        plan.pyramid.close()
        plan.source.close()
    return CheckinResult(entry, plan.facts(), tuple(notes))


def _staged_and_moved(plan: CheckinPlan, journal: Journal, notes: list[str]) -> str:
    origin = plan.origin
    before = Fingerprint(plan.stored) if origin is not None and not plan.options.force else None
    seen = _Follower(plan, before) if before is not None else None
    staged = journal.begin(
        {
            "file": plan.path,
            "patch": origin.id if origin is not None else "",
            "image": plan.pyramid.node,
            "level": plan.stored.name,
            "region": region_text(plan.stored.axes, plan.region),
            "filter": plan.detected.rule.name,
        }
    )

    def emit(level: StoredLevel, unit: Region, block: np.ndarray) -> None:
        staged.stage(level.key(unit), level.pack(unit, block))

    try:
        rebuild(plan.works, plan.detected.rule, _reader(plan), emit, seen)
        if before is not None and origin is not None and before.sha256 != origin.sha256:
            if not _is_its_own(plan, origin, journal):
                raise _stale(plan, origin, before, journal)  # noqa: TRY301  # the staged units must go
            notes.append("It replaces what this patch was when it was checked in before.")
        for key, data in _documents(plan).items():
            staged.stage(key, data)
        entry = staged.commit()
    except BaseException:
        staged.abort()
        raise
    journal.apply(entry)
    return entry.name


def _documents(plan: CheckinPlan) -> Mapping[str, bytes]:
    """Return the metadata of a new label image, beside those that are there by now."""
    if not plan.label_name:
        return {}
    plan.pyramid.store.forget()
    return new_labels(plan.pyramid, plan.label_name, plan.stored.dtype)[1]


class _Follower:
    """Gives what `rebuild` sees, slab by slab, to a fingerprint, with its place."""

    def __init__(self, plan: CheckinPlan, found: Fingerprint) -> None:
        self._slabs = slabs(plan.stored, plan.region, joined=False)
        self._found = found

    def __call__(self, block: np.ndarray) -> None:
        region = next(self._slabs)
        assert region.shape == block.shape  # noqa: S101  # both go by the same slabs
        self._found.see(region, block)


def _is_its_own(plan: CheckinPlan, origin: Provenance, journal: Journal) -> bool:
    """Whether the place is as the last check-in of the same patch left it: edited further since."""
    mine = [entry for entry in journal.entries() if entry.about.get("patch") == origin.id]
    if not mine:
        return False
    changed = set(journal.changed_since(mine[-1]))
    return changed.isdisjoint(plan.stored.key(unit) for unit in plan.stored.units(plan.region))


def _stale(
    plan: CheckinPlan, origin: Provenance, now: Fingerprint, journal: Journal
) -> SettingsError:
    """Return what people read when the place has changed since check-out."""
    level = plan.stored
    changed = [
        unit
        for unit in level.units(plan.region)
        if origin.units and origin.units.get(level.key(unit)) != now.units[level.key(unit)]
    ]
    what = ""
    if changed:
        shown = "; ".join(region_text(level.axes, unit) for unit in changed[:3])
        what = f" {len(changed)} of {len(now.units)} chunks differ: {shown}"
        what += "; …." if len(changed) > 3 else "."
    since = [e for e in journal.entries() if e.time > origin.time]
    who = "".join(
        f" {Path(str(e.about.get('file', ''))).name} was checked in by {e.owner} "
        f"({e.about.get('region', '')})."
        for e in since[-3:]
    )
    return SettingsError(
        f"{plan.pyramid.name} was changed at {region_text(level.axes, plan.region)} since "
        f"{plan.path!r} was checked out.{what}{who}",
        "Check out again and repeat the edit, or say force (--force) to replace what is there.",
    )
