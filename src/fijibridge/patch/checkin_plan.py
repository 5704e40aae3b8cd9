"""Decide where an edited patch goes, whether it fits, and what it changes at every level."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from fijibridge.errors import FormatError, SettingsError, UnsupportedError
from fijibridge.formats import open_image
from fijibridge.formats._location import Location
from fijibridge.formats._zarr.new_labels import new_labels
from fijibridge.model import Region
from fijibridge.model.rules import rule_for, rule_named
from fijibridge.model.scaling import scaling_for
from fijibridge.patch.boxes import LevelWork, level_works
from fijibridge.patch.checkout import check_is_file, level_number
from fijibridge.patch.detect import Detected, detect_rule
from fijibridge.patch.fits import check_dtype, check_fits
from fijibridge.patch.provenance import Provenance, Witness, find_provenance, sidecar_of
from fijibridge.patch.region import parse_region, region_text
from fijibridge.patch.store import named_node, open_store, plain_path, steady

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fijibridge.formats._zarr.pyramid import Pyramid, StoredLevel
    from fijibridge.model import ImageSource
    from fijibridge.model.scaling import Scaling

_Region: TypeAlias = "str | Region | Mapping[str, Sequence[float | None]] | Sequence[slice]"

__all__ = ["CheckinOptions", "CheckinPlan", "plan_checkin"]

_TYPE_PLACE = "Name the place: fijibridge patch checkin FILE --store STORE --region z=…,y=…,x=…"
#: Seconds to wait for another check-in into the same store.
WAIT = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckinOptions:
    """How a patch is put back.

    Parameters
    ----------
    force
        Put it back although the store has changed since, or though finer levels will not fit.
    convert_dtype
        Convert a changed pixel type: rounded, limited to the store's range.
    filter
        ``linear``, ``mean`` or ``nearest``; None = as the pyramid was made.
    axes
        Letters of the file's axes where it does not say them.
    wait
        Seconds to wait while somebody else changes the store.
    """

    force: bool = False
    convert_dtype: bool = False
    filter: Scaling | None = None
    axes: str | None = None
    wait: float = WAIT


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckinPlan:
    """What a check-in will do.

    Parameters
    ----------
    path
        The file.
    source
        Its pixels.
    pyramid, level
        The image and the number of its level.
    region
        In samples of that level.
    origin
        Where it came from; None = nothing says so.
    detected
        How coarser levels follow.
    works
        What is done at each level.
    options
        As asked.
    notes
        What a user should know.
    label_name
        Name of the new label image that the patch becomes, "" for none.
    """

    path: str
    source: ImageSource
    pyramid: Pyramid
    level: int
    region: Region
    origin: Provenance | None
    detected: Detected
    works: tuple[LevelWork, ...]
    options: CheckinOptions
    notes: tuple[str, ...]
    label_name: str = ""

    @property
    def stored(self) -> StoredLevel:
        """The level that is changed first."""
        return self.works[0].level

    def facts(self) -> dict[str, Any]:
        """Return the plan as JSON values."""
        check = self.origin is not None and not self.options.force
        return {
            "store": self.pyramid.store.where,
            "image": self.pyramid.node,
            "region": region_text(self.stored.axes, self.region),
            "filter": self.detected.rule.name,
            "filter_found": self.detected.text,
            "levels": [
                {
                    "level": work.level.name,
                    "touched": region_text(work.level.axes, work.touched),
                    "chunks_written": len(work.written),
                    "chunks_read": len(work.written) if check and i == 0 else len(work.read),
                }
                for i, work in enumerate(self.works)
            ],
        }

    @property
    def text(self) -> str:
        """What people read."""
        parts = [
            f"{f'level {w.level.name}' if w.level.name else 'array'}: {_chunks(len(w.written))}"
            for w in self.works
        ]
        return (
            f"{self.path} -> {self.pyramid.name} "
            f"{region_text(self.stored.axes, self.region)}; {', '.join(parts)}; "
            f"coarser levels: {self.detected.text}"
        )


def _chunks(number: int) -> str:
    return "1 chunk" if number == 1 else f"{number} chunks"


def plan_checkin(
    file: str | os.PathLike[str],
    *,
    store: str | os.PathLike[str] | None = None,
    region: _Region | None = None,
    level: int | str | None = None,
    as_labels: str | None = None,
    options: CheckinOptions | None = None,
) -> CheckinPlan:
    """Decide everything about a check-in; nothing is changed.

    Parameters
    ----------
    file
        The edited patch.
    store
        Where to; None = where it came from.
    region
        Which place; None = the one it came from.
    level
        Number or name; None = the one it came from, else the finest.
    as_labels
        Make the patch the new label image ``labels/NAME`` beside the image it came from; what lies
        outside of it is background.
    options
        See `CheckinOptions`.

    Raises
    ------
    FijiBridgeError
        When anything does not fit; the store is as it was.
    """
    options = options or CheckinOptions()
    path = os.fspath(file)
    check_is_file(path)
    source = _opened(path, options.axes)
    try:
        if as_labels is not None:
            return _plan_labels(path, source, store, region, as_labels, options)
        return _plan(path, source, store, region, level, options)
    except BaseException:
        source.close()
        raise


def _opened(path: str, axes: str | None) -> ImageSource:
    """Open a patch; what a NumPy file does not say about its axes, the file beside it does."""
    if axes is not None:
        return open_image(path, axes=axes)
    source = open_image(path)
    try:
        if Location.parse(path).suffix != ".npy":
            return source
        found = find_provenance(Location.parse(path).path, source.spec.extra)
    except FormatError:
        return source  # told later, when its place is looked for
    keys = source.spec.axes.keys if found is None else found.origin.axes
    if len(keys) != len(source.spec.axes) or keys == source.spec.axes.keys:
        return source
    source.close()
    return open_image(path, axes=keys)


def _plan(
    path: str,
    source: ImageSource,
    store: str | os.PathLike[str] | None,
    region: _Region | None,
    level: int | str | None,
    options: CheckinOptions,
) -> CheckinPlan:
    notes: list[str] = []
    place_is_told = store is not None and region is not None
    found = _witness(path, source, told=place_is_told)
    origin = None if found is None else found.origin
    pyramid = _pyramid(path, store, origin)
    try:
        index = _level(pyramid, level, origin)
        stored = pyramid.levels[index]
        if origin is not None and (stored.shape, stored.axes.keys) != (origin.shape, origin.axes):
            notes.append(_not_its_store(path, pyramid, stored, origin, told=place_is_told))
            origin = None
        box = _box(region, stored, origin)
        if origin is not None and (box != origin.region or origin.level != stored.name):
            notes.append("The place was told; what was there at check-out is not compared.")
            origin = None
        check_fits(path, source, stored, box, told=region is not None)
        check_dtype(path, source, stored, origin, convert=options.convert_dtype)
        if not options.force:
            _check_finest(path, pyramid, index)
        detected = _rule(pyramid, index, box, origin, options)
        works = level_works(pyramid.levels[index:], detected.rule, box)
        if origin is not None and found is not None and "properties" in found.how:
            notes.append(
                "A flip or shift made in Fiji cannot be seen from here; look at the result."
            )
    except BaseException:
        pyramid.close()
        raise
    return CheckinPlan(
        path=path,
        source=source,
        pyramid=pyramid,
        level=index,
        region=box,
        origin=origin,
        detected=detected,
        works=tuple(works),
        options=options,
        notes=tuple(notes),
    )


def _witness(path: str, source: ImageSource, *, told: bool) -> Witness | None:
    """Return where the file came from; None where the place is told and nothing else says it."""
    try:
        found = find_provenance(Location.parse(path).path, source.spec.extra)
    except FormatError:
        if not told:
            raise
        return None
    if found is None and not told:
        raise SettingsError(
            f"Nothing in or beside {path!r} says where it came from: no property, no Info, no "
            f"slice label and no {sidecar_of(Location.parse(path).path).name}.",
            "Put the NAME_patch.json of its check-out beside it under that name. Or n"
            + _TYPE_PLACE[1:],
        )
    return found


def _plan_labels(
    path: str,
    source: ImageSource,
    store: str | os.PathLike[str] | None,
    region: _Region | None,
    name: str,
    options: CheckinOptions,
) -> CheckinPlan:
    """Plan a new label image beside an image."""
    found = _witness(path, source, told=store is not None)
    origin = None if found is None else found.origin
    dtype = source.spec.dtype
    if dtype.kind not in "iu":
        raise UnsupportedError(
            f"{path!r} has pixels of {dtype}; labels are integers.",
            "Save it as a 16-bit image, or convert it: fijibridge convert FILE labels.tif "
            "--role labels",
        )
    pyramid = _pyramid(path, store, origin)
    try:
        if origin is not None and origin.level not in ("", pyramid.levels[0].name):
            _check_finest(path, pyramid, _level(pyramid, None, origin))
        levels, _ = new_labels(pyramid, name, dtype)
        axes = levels[0].axes
        if region is not None:
            box = parse_region(region, axes)
        elif origin is not None:
            ends = zip(origin.axes, origin.start, origin.stop, strict=True)
            box = parse_region({k: (a, b) for k, a, b in ends if k in axes}, axes)
        else:
            box = Region.whole(axes.shape)
        check_fits(path, source, levels[0], box, told=region is not None)
        rule = rule_for("labels")
        works = level_works(levels, rule, box)
    except BaseException:
        pyramid.close()
        raise
    return CheckinPlan(
        path=path,
        source=source,
        pyramid=pyramid,
        level=0,
        region=box,
        origin=None,
        detected=Detected(rule, "default", rule.text),
        works=tuple(works),
        options=options,
        notes=(f"New label image {levels[0].node.rpartition('/')[0]}.",),
        label_name=name,
    )


def _check_finest(path: str, pyramid: Pyramid, index: int) -> None:
    if index:
        finer = ", ".join(one.name for one in pyramid.levels[:index])
        raise SettingsError(
            f"{path!r} came from level {pyramid.levels[index].name!r}; putting it back would "
            f"leave the finer levels ({finer}) as they are.",
            "Say force (--force) to change this level and the coarser ones only, or check out "
            "level 0.",
        )


def _pyramid(
    path: str,
    store: str | os.PathLike[str] | None,
    origin: Provenance | None,
) -> Pyramid:
    if store is not None:
        text = plain_path(store)
        if origin is not None and origin.node and not named_node(text):
            text = f"{text.rstrip('/')}/{origin.node}"
        return open_store(text, writable=True)
    assert origin is not None  # noqa: S101  # one of both is there
    if "://" not in origin.store and not Path(origin.store).exists():
        raise SettingsError(
            f"{path!r} came from {origin.store!r}, which is not there any more.",
            "Name the store's new place: --store STORE",
        )
    return open_store(f"{origin.store}/{origin.node}".rstrip("/"), writable=True)


def _level(pyramid: Pyramid, level: int | str | None, origin: Provenance | None) -> int:
    if level is None and origin is not None:
        names = [one.name for one in pyramid.levels]
        if origin.level in names:
            return names.index(origin.level)
        raise SettingsError(
            f"The patch came from level {origin.level!r}; {pyramid.name} has "
            f"{', '.join(names) or 'one array'}.",
            "Name the level: --level NAME",
        )
    return level_number(pyramid, level)


def _not_its_store(
    path: str,
    pyramid: Pyramid,
    stored: StoredLevel,
    origin: Provenance,
    *,
    told: bool,
) -> str:
    """Raise when a patch came from an image of another shape, unless the place is told."""
    text = (
        f"{path!r} came from an image of {origin.axes} {'x'.join(map(str, origin.shape))}; "
        f"{pyramid.name} is {stored.axes.keys} {'x'.join(map(str, stored.shape))}"
    )
    if not told:
        raise SettingsError(f"{text}: it is another image, or was changed.", _TYPE_PLACE)
    return f"{text}; the place was told, so it goes there."


def _box(
    region: _Region | None,
    stored: StoredLevel,
    origin: Provenance | None,
) -> Region:
    if region is not None:
        return parse_region(region, stored.axes)
    if origin is None:
        raise SettingsError("Nothing says which region the patch is.", _TYPE_PLACE)
    return parse_region(origin.region, stored.axes)


def _rule(
    pyramid: Pyramid,
    index: int,
    box: Region,
    origin: Provenance | None,
    options: CheckinOptions,
) -> Detected:
    scaling_for(pyramid.spec.role, options.filter)
    known = rule_named(origin.rule) if origin is not None and origin.rule else None
    if known is not None and options.filter in (None, known.family):
        known = known.fitted([one.shape for one in pyramid.levels])
        return Detected(known, "check-out", f"{known.text}; found at check-out")
    return steady(
        pyramid, lambda: detect_rule(pyramid, first=index, family=options.filter, near=box)
    )
