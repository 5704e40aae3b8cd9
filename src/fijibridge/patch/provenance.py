"""Where a patch came from: said in the file, in its slice labels, and in a small file beside it.

``NAME_patch.json`` says everything. What travels inside the file is the same without the list of
units, under the property ``fijibridge patch`` and in a line of ImageJ's Info; slice labels carry
the id alone, which survives where the others do not (ImageJ's Image Calculator, `new ImagePlus`).
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from fijibridge.errors import FormatError
from fijibridge.model import Extra, Region
from fijibridge.model.json_text import parse_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fijibridge.model import ImageSpec

__all__ = [
    "PROPERTY",
    "Provenance",
    "Witness",
    "find_provenance",
    "sidecar_of",
    "stamped",
]

PROPERTY = "fijibridge patch"
_LINE = re.compile(re.escape(PROPERTY) + r"\s*[:=]\s*(\{.*\})\s*$", re.MULTILINE)
_LABEL = re.compile(r"\[patch ([0-9a-f]{12})\]")
_VERSION = 1
_LARGEST = 64 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Where a patch came from.

    Parameters
    ----------
    id
        Short name of this check-out, 12 hexadecimal digits.
    store
        Path or URL of the store.
    node
        The image in it, "" for the store's own.
    level
        Name of the level.
    axes
        Letters of the level's axes, C order.
    start, stop
        The region, in samples of the level.
    shape
        Shape of the level.
    dtype
        Type of the pixels in the store.
    file_dtype
        Type of the pixels in the file.
    role
        ``labels`` or ``intensity``.
    sha256
        Of the region's pixels, C order, little-endian.
    rule
        Name of the rule by which coarser levels follow, "" when nobody looked.
    time
        Seconds since 1970 of the check-out.
    units
        First digits of the SHA-256 of each unit's part of the region, to say what changed.
    """

    id: str
    store: str
    node: str
    level: str
    axes: str
    start: tuple[int, ...]
    stop: tuple[int, ...]
    shape: tuple[int, ...]
    dtype: str
    file_dtype: str
    role: str
    sha256: str
    rule: str = ""
    time: float = 0.0
    units: Mapping[str, str] = field(default_factory=dict)

    @property
    def region(self) -> Region:
        """The region, in samples of the level."""
        return Region(self.start, self.stop)

    def to_json(self, *, units: bool = True) -> str:
        """Return it as JSON on one line."""
        body = {"version": _VERSION, **asdict(self)}
        if not units:
            del body["units"]
        return json.dumps(body, ensure_ascii=True)


def _parsed(text: str, where: str) -> Provenance:
    try:
        body = parse_json(text)
        if body.pop("version") != _VERSION:
            raise ValueError("it is of a newer version")  # noqa: TRY301  # told below with the others
        for key in ("start", "stop", "shape"):
            body[key] = tuple(int(n) for n in body[key])
        found = Provenance(**body)
        for key in ("id", "store", "node", "level", "axes", "dtype", "file_dtype", "sha256"):
            if not isinstance(getattr(found, key), str):
                raise TypeError(f"{key} is no text")  # noqa: TRY301  # as above
        if not len(found.start) == len(found.stop) == len(found.shape) == len(found.axes):
            raise ValueError("its region does not fit its axes")  # noqa: TRY301  # as above
        if any(not 0 <= a < b for a, b in zip(found.start, found.stop, strict=True)):
            raise ValueError("its region is empty")  # noqa: TRY301  # as above
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise FormatError(
            f"What {where} says about its origin cannot be read: {error}.",
            "Name the place: fijibridge patch checkin FILE --store STORE --region z=…,y=…,x=…",
        ) from error
    return found


def new_id(seed: bytes) -> str:
    """Return a short id."""
    return hashlib.sha256(seed).hexdigest()[:12]


def sidecar_of(path: str | Path) -> Path:
    """Return where the small file beside a patch is: ``a.nii.gz`` -> ``a_patch.json``.

    Examples
    --------
    >>> sidecar_of("d/a.ome.tif").name
    'a_patch.json'
    """
    path = Path(path)
    name = path.name
    for ending in (".ome.tiff", ".ome.tif", ".nii.gz"):
        if name.lower().endswith(ending):
            return path.with_name(f"{name[: -len(ending)]}_patch.json")
    return path.with_name(f"{path.stem}_patch.json")


def stamped(spec: ImageSpec, origin: Provenance) -> ImageSpec:
    """Return a spec that says where its pixels came from, in every way that a file may keep."""
    extra = spec.extra
    text = origin.to_json(units=False)
    planes = 1
    for key in "czt":
        planes *= spec.axes.size(key)
    labels = [f"[patch {origin.id}]"] * planes
    info = f"{extra.info.rstrip()}\n{PROPERTY}: {text}\n".lstrip()
    return replace(
        spec,
        extra=replace(
            extra,
            info=info,
            properties={**extra.properties, PROPERTY: text},
            slice_labels=tuple(labels),
        ),
    )


@dataclass(frozen=True, slots=True)
class Witness:
    """What was found out about where a file came from.

    Parameters
    ----------
    origin
        Where it came from.
    how
        Which trace said so.
    """

    origin: Provenance
    how: str


def find_provenance(path: str | Path, extra: Extra) -> Witness | None:
    """Return where a file came from, None when nothing says so.

    Parameters
    ----------
    path
        The file.
    extra
        What came with its pixels.

    Raises
    ------
    FormatError
        When a trace is there but damaged.
    """
    path = Path(path)
    said = extra.properties.get(PROPERTY)
    how = "its properties"
    if said is None:
        match = _LINE.search(extra.info)
        said, how = (match[1], "its Info") if match else (None, "")
    beside = sidecar_of(path)
    if said is not None:
        origin = _parsed(said, repr(str(path)))
        full = _sidecar(beside)
        if full is not None and full.id == origin.id:
            origin = full
        return Witness(origin, how)
    ids = {m[1] for label in extra.slice_labels if (m := _LABEL.search(label))}
    if len(ids) > 1:
        raise FormatError(
            f"The slices of {str(path)!r} came from {len(ids)} patches: {', '.join(sorted(ids))}.",
            "Check them in one by one, or name the place: --store STORE --region z=…,y=…,x=…",
        )
    if ids:
        wanted = ids.pop()
        for file in (beside, *sorted(path.parent.glob("*_patch.json"))):
            found = _sidecar(file)
            if found is not None and found.id == wanted:
                return Witness(found, f"its slice labels and {file.name}")
        raise FormatError(
            f"{str(path)!r} is patch {wanted}, but no NAME_patch.json in its folder tells where "
            "that came from.",
            "Put the file beside it back, or name the place: --store STORE --region z=…,y=…,x=…",
        )
    found = _sidecar(beside)
    return None if found is None else Witness(found, beside.name)


def _sidecar(path: Path) -> Provenance | None:
    try:
        if not path.is_file() or path.stat().st_size > _LARGEST:
            return None
        return _parsed(path.read_text("utf-8"), repr(str(path)))
    except (OSError, UnicodeDecodeError):
        return None
