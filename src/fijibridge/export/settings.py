"""What a user asks of an export, in ilastik's words.

Decisions where ilastik is silent or wrong: lists and ranges are read as ilastik reads them, but a
setting that would have no effect (``pipeline_result_drange`` alone) is an error, except under
``compat="ilastik"``, where it is a warning. An axis order that names a letter twice is refused
here, not while the file is being written. Pixel types are ilastik's eight: what shows images takes
no 64-bit integers; a source that has them keeps them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from fijibridge.errors import SettingsError, nearest
from fijibridge.model.axes import KEYS
from fijibridge.model.json_text import parse_json

if TYPE_CHECKING:
    from fijibridge.model import Role
    from fijibridge.model.scaling import Scaling

__all__ = [
    "DTYPES",
    "Cutout",
    "ExportSettings",
    "parse_axis_order",
    "parse_cutout",
    "parse_dtype",
    "parse_pair",
]

DTYPES = ("uint8", "uint16", "uint32", "int8", "int16", "int32", "float32", "float64")
_NAMED = re.compile(r"\s*([a-z])\s*=\s*(-?\d*)\s*:\s*(-?\d*)\s*", re.IGNORECASE)
#: Blanks around "=", and between a number and its ":"; other blanks part the axes.
_LOOSE = re.compile(r"\s*=\s*|(?<=\d)\s*:\s+(?=-?\d)|(?<=\d)\s+:|:\s+(?=-?\d)")
_EXAMPLE = '"[(0,0,0),(10,None,None)]" or "z=0:10,y=:100"'

Pair = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cutout:
    """A part of the input, as typed: by position in the input's axis order, or by letter.

    Parameters
    ----------
    start, stop
        One value an axis; None = from the beginning, to the end.
    named
        letter -> (start, stop), in place of positions.
    """

    start: tuple[int | None, ...] = ()
    stop: tuple[int | None, ...] = ()
    named: Mapping[str, tuple[int | None, int | None]] = field(default_factory=dict)


def _listed(value: Any, name: str) -> Any:
    """Return a list from ilastik's text: Python's tuples and None, the rest JSON."""
    if not isinstance(value, str):
        return value
    text = value.replace("(", "[").replace(")", "]").replace("None", "null")
    try:
        found = parse_json(text)
    except (ValueError, RecursionError) as error:
        raise SettingsError(
            f"{name} is {value!r}; expected is a list, such as [0, 1]: {error}."
        ) from None
    if not isinstance(found, list):
        raise SettingsError(f"{name} is {value!r}; expected is a list, such as [0, 1].")
    return found


def _whole(value: Any, name: str) -> int | None:
    if value is None:
        return None
    if isinstance(value, (bool, str)) or not hasattr(value, "__index__"):
        raise SettingsError(f"{name} holds {value!r}; allowed are whole numbers and None.")
    return int(value)


def parse_cutout(value: Any, name: str = "cutout_subregion") -> Cutout:
    """Return a cut-out from ``[(starts),(stops)]``, ``z=0:10,y=:100``, two sequences or a mapping.

    Raises
    ------
    SettingsError
        When it is neither.

    Examples
    --------
    >>> parse_cutout("[(1,None),(None,5)]").stop
    (None, 5)
    >>> parse_cutout("z=0:10,y=:100").named
    {'z': (0, 10), 'y': (None, 100)}
    """
    if isinstance(value, Cutout):
        return value
    if isinstance(value, str) and "=" in value:
        return Cutout(named=_named(value, name))
    if isinstance(value, Mapping):
        return Cutout(named=_mapped(value, name))
    parts = _listed(value, name)
    try:
        parts = [list(part) for part in parts]
    except TypeError:
        raise SettingsError(
            f"{name} is {value!r}; it has two parts, the starts and the stops.",
            f"Such as {_EXAMPLE}.",
        ) from None
    if len(parts) != 2 or len(parts[0]) != len(parts[1]) or not parts[0]:
        raise SettingsError(
            f"{name} is {value!r}; it has two parts of one length, the starts and the stops.",
            f"Such as {_EXAMPLE}.",
        )
    start, stop = (tuple(_whole(v, name) for v in part) for part in parts)
    return Cutout(start=start, stop=stop)


def _mapped(value: Mapping[Any, Any], name: str) -> dict[str, tuple[int | None, int | None]]:
    """Return starts and stops of ``{"z": (0, 10)}``, or of slices."""
    found: dict[str, tuple[int | None, int | None]] = {}
    for key, part in value.items():
        whole = isinstance(part, slice) and part.step in (None, 1)
        pair = (part.start, part.stop) if isinstance(part, slice) and whole else part
        letter = str(key).lower()
        fits = len(letter) == 1 and letter in KEYS and letter not in found
        if not fits or not isinstance(pair, (list, tuple)) or len(pair) != 2:
            raise SettingsError(
                f"{name} has {key!r}: {part!r}; each letter of an axis has one start and one stop.",
                f"Such as {_EXAMPLE}.",
            )
        found[letter] = (_whole(pair[0], name), _whole(pair[1], name))
    return found


def _named(text: str, name: str) -> dict[str, tuple[int | None, int | None]]:
    found: dict[str, tuple[int | None, int | None]] = {}
    tight = _LOOSE.sub(lambda match: match[0].strip(), text.strip())
    for part in re.split(r"\s*,\s*|\s+", tight):
        match = _NAMED.fullmatch(part)
        if match is None or match[1].lower() not in KEYS:
            raise SettingsError(
                f"{name} is {text!r}; {part.strip()!r} is no axis with its start and stop.",
                f"Such as {_EXAMPLE}.",
            )
        key = match[1].lower()
        if key in found:
            raise SettingsError(f"{name} is {text!r}; it names the axis {key!r} twice.")
        found[key] = (int(match[2]) if match[2] else None, int(match[3]) if match[3] else None)
    return found


def parse_pair(value: Any, name: str) -> Pair:
    """Return a range ``(low, high)``; whole numbers stay whole numbers.

    Raises
    ------
    SettingsError
        When it is not two finite numbers.

    Examples
    --------
    >>> parse_pair("(0,255)", "export_drange"), parse_pair([0.0, 1.0], "export_drange")
    ((0, 255), (0.0, 1.0))
    """
    found = _listed(value, name)
    try:
        low, high = found
        good = all(
            not isinstance(v, (bool, str)) and math.isfinite(v) and abs(v) < 2.0**1000
            for v in (low, high)
        )
    except (TypeError, ValueError, OverflowError):
        good = False
    if not good:
        raise SettingsError(f"{name} is {value!r}; allowed are two numbers, such as (0.0,1.0).")
    low, high = (v.item() if isinstance(v, np.generic) else v for v in (low, high))
    return low, high


def parse_dtype(value: Any, name: str = "export_dtype") -> str:
    """Return the name of a pixel type.

    Raises
    ------
    SettingsError
        When pixels cannot have it.
    """
    try:
        found = np.dtype(value).name if not isinstance(value, str) else value.strip().lower()
    except TypeError:
        found = str(value)
    if found not in DTYPES:
        raise SettingsError(
            f"{name} is {value!r}; allowed are {', '.join(DTYPES)}.{nearest(found, DTYPES)}"
        )
    return found


def parse_axis_order(value: Any, name: str = "output_axis_order") -> str:
    """Return axis letters, lower case, each once.

    Raises
    ------
    SettingsError
        For other letters, or one used twice.
    """
    found = "".join(value.lower().split()) if isinstance(value, str) else ""
    if not found or set(found) - set(KEYS) or len(set(found)) != len(found):
        raise SettingsError(
            f"{name} is {value!r}; allowed are the letters t, z, y, x and c, each once."
        )
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportSettings:
    """What an export does; None = as in the source.

    Parameters
    ----------
    output_format
        ilastik's name; None = as the suffix of the name says, else ``compressed hdf5``.
    output_filename_format
        Name with placeholders; relative to the working directory.
    output_internal_path
        Place inside HDF5 files.
    cutout_subregion
        Part of the input that is written.
    export_dtype
        Pixel type.
    output_axis_order
        Letters, C order.
    pipeline_result_drange, export_drange
        The first range becomes the second one.
    export_source
        Display name of the source, ``Input``.
    input_axes
        What the input's axes are.
    stack_along
        Axis along which the files of a pattern are stacked.
    role
        What the pixels are.
    downscale
        How the levels of a pyramid are made; None = by role.
    ome_zarr_version
        ``0.4`` or ``0.5``; None = 0.4, which Fiji and MoBIE open.
    compat
        ``ilastik``: bit for bit what current ilastik writes.
    jobs
        Threads; 0 = one a core.
    memory
        Bytes that blocks in flight may take.
    overwrite
        Replace existing targets.
    """

    output_format: str | None = None
    output_filename_format: str = "{dataset_dir}/{nickname}_{result_type}"
    output_internal_path: str = "exported_data"
    cutout_subregion: Cutout | None = None
    export_dtype: str | None = None
    output_axis_order: str | None = None
    pipeline_result_drange: Pair | None = None
    export_drange: Pair | None = None
    export_source: str = "Input"
    input_axes: str | None = None
    stack_along: str = "z"
    role: Role | None = None
    downscale: Scaling | None = None
    ome_zarr_version: str | None = None
    compat: Literal["", "ilastik"] = ""
    jobs: int = 0
    memory: int = 1 << 28
    overwrite: bool = False

    def __post_init__(self) -> None:
        put = object.__setattr__
        if self.cutout_subregion is not None:
            put(self, "cutout_subregion", parse_cutout(self.cutout_subregion))
        if self.export_dtype is not None:
            put(self, "export_dtype", parse_dtype(self.export_dtype))
        for name in ("output_axis_order", "input_axes", "stack_along"):
            if getattr(self, name) is not None:
                put(self, name, parse_axis_order(getattr(self, name), name))
        for name in ("pipeline_result_drange", "export_drange"):
            if getattr(self, name) is not None:
                put(self, name, parse_pair(getattr(self, name), name))
        self._check_ranges()

    def _check_ranges(self) -> None:
        if self.compat not in ("", "ilastik"):
            raise SettingsError(f"compat is {self.compat!r}; allowed is ilastik.")
        if self.ome_zarr_version not in (None, "0.4", "0.5"):
            raise SettingsError(
                f"ome_zarr_version is {self.ome_zarr_version!r}; allowed are 0.4 and 0.5."
            )
        if self.exact and self.ome_zarr_version == "0.5":
            raise SettingsError("ilastik writes OME-Zarr 0.4; compat allows no other version.")
        if self.jobs < 0 or self.memory < 1:
            raise SettingsError("jobs must be 0 or more, memory 1 byte or more.")
        given, wanted = self.pipeline_result_drange, self.export_drange
        if wanted is not None and given is None:
            raise SettingsError(
                "export_drange is given without pipeline_result_drange: from which range?",
                'Say both, such as --pipeline_result_drange "(0.0,1.0)" --export_drange "(0,255)".',
            )
        if given is not None and wanted is None and not self.exact:
            raise SettingsError(
                "pipeline_result_drange alone does nothing: to which range?",
                'Say --export_drange "(0,255)" too (ilastik ignores it, as --compat ilastik does).',
            )

    @property
    def exact(self) -> bool:
        """Whether ilastik is followed bit for bit."""
        return self.compat == "ilastik"
