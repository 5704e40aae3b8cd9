"""Names of outputs: ilastik's placeholders, filled in before anything is read.

Decisions: an unknown placeholder and a malformed one are errors (ilastik leaves the unknown ones in
the name, as ``compat`` does); dots in names are kept and only a suffix that the format has is taken
for one (ilastik cuts everything after the last dot, so ``movie.x`` loses ``.x_Input``).
"""

from __future__ import annotations

import math
import os
import re
import string
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fijibridge.errors import SettingsError, nearest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from fijibridge.model import Region

__all__ = [
    "InputName",
    "expand",
    "has_slice_index",
    "nickname",
    "region_fields",
    "slice_names",
    "strip_suffix",
]

#: What the writer of a sequence fills in.
SLICE = "slice_index"
_SLICE_FIELD = re.compile(r"\{slice_index(:[^{}]*)?\}")
_DOUBLE = (".ome.tiff", ".ome.tif", ".ome.zarr", ".nii.gz")


@dataclass(frozen=True, slots=True, kw_only=True)
class InputName:
    """What the placeholders of one input are made of.

    Parameters
    ----------
    dataset_dir
        Folder of the input.
    nickname
        Its name without suffix, and its place inside the file.
    index
        Number of the input in a batch, 0 the first.
    """

    dataset_dir: str
    nickname: str
    index: int = 0


def _stem(name: str) -> str:
    for suffix in (*_DOUBLE, Path(name).suffix):
        if suffix and name.lower().endswith(suffix.lower()) and len(name) > len(suffix):
            return name[: -len(suffix)]
    return name


def nickname(files: Sequence[str], inner: str = "", *, exact: bool = False) -> str:
    """Return what ilastik calls an input: ``a.h5/data`` a-data, a stack its common beginning.

    Parameters
    ----------
    files
        The file, or all files of a stack.
    inner
        Place inside the file.
    exact
        As ilastik: the common beginning ``slice_0`` of slice_00, slice_01 stays as it is, and
        everything after the last dot goes.

    Examples
    --------
    >>> nickname(["d/a.b.tif"]), nickname(["a.h5"], "volume/data")
    ('a.b', 'a-volume-data')
    >>> nickname(["s_00.png", "s_01.png"])
    's'
    >>> nickname(["s_00.png", "s_01.png"], exact=True)
    's_0'
    """
    inside = inner.strip("/").replace("/", "-")
    if exact:
        stems = [os.path.splitext(file)[0] for file in files]  # noqa: PTH122  # as ilastik does
    else:
        stems = [_stem(Path(file).name) for file in files]
    common = os.path.commonprefix(stems)  # noqa: RUF071  # letter by letter is what is meant
    if len(files) == 1:
        name = Path(stems[0]).name
    elif exact:
        name = "" if common.endswith(os.sep) else Path(common).name
        name = name or f"stack_at-{Path(stems[0]).name}"
    else:
        name = re.sub(r"[-_. \d]+$", "", common) or Path(files[0]).parent.name or stems[0]
    return "-".join(part for part in (name, inside) if part)


def region_fields(keys: str, region: Region) -> dict[str, Any]:
    """Return ``roi``, ``x_start``, ``x_stop``, … of the part that is written, source axes.

    Examples
    --------
    >>> from fijibridge.model import Region
    >>> region_fields("yx", Region((1, 0), (6, 5)))["roi"]
    [(1, 0), (6, 5)]
    """
    found: dict[str, Any] = {"roi": [tuple(region.start), tuple(region.stop)]}
    for key, start, stop in zip(keys, region.start, region.stop, strict=True):
        found[f"{key}_start"], found[f"{key}_stop"] = start, stop
    return found


def _parsed(pattern: str) -> list[tuple[str, str | None, str, str | None]]:
    try:
        return [(a, b, c or "", d) for a, b, c, d in string.Formatter().parse(pattern)]
    except ValueError as error:
        raise SettingsError(
            f"The name {pattern!r} has a malformed placeholder: {error}.",
            "Write a brace that is no placeholder twice: {{ or }}.",
        ) from None


def _verbatim(name: str, spec: str, conversion: str | None) -> str:
    return (
        "{" + name + (f"!{conversion}" if conversion else "") + (f":{spec}" if spec else "") + "}"
    )


def _pass(pattern: str, values: Mapping[str, Any], *, keep: Iterable[str] | None) -> str:
    """Fill in the known fields; others stay when they are in `keep` (None = all others)."""
    out = []
    for literal, name, spec, conversion in _parsed(pattern):
        out.append(literal)
        if name is None:
            continue
        if name in values:
            try:
                value = values[name]
                if conversion:
                    value = string.Formatter().convert_field(value, conversion)
                out.append(format(value, spec))
            except (ValueError, TypeError) as error:
                raise SettingsError(
                    f"The placeholder {_verbatim(name, spec, conversion)!r} of the name "
                    f"{pattern!r} cannot be filled in: {error}."
                ) from None
        elif keep is None or name in keep:
            out.append(_verbatim(name, spec, conversion))
        else:
            raise SettingsError(
                f"The name {pattern!r} has an unknown placeholder {{{name}}}."
                + nearest(name, values),
                f"Placeholders: {', '.join('{' + v + '}' for v in values)}.",
            )
    return "".join(out)


def expand(
    pattern: str, name: InputName, result_type: str, fields: Mapping[str, Any], *, exact: bool
) -> str:
    """Return a name with all placeholders but ``{slice_index}`` filled in.

    Parameters
    ----------
    pattern
        The name as typed.
    name, result_type, fields
        What to fill in; see `region_fields`.
    exact
        As ilastik, in two passes, unknown placeholders kept.

    Raises
    ------
    SettingsError
        For a malformed placeholder, and an unknown one unless `exact`.

    Examples
    --------
    >>> a = InputName(dataset_dir="/d", nickname="a")
    >>> expand("{dataset_dir}/{nickname}_{x_start:03}_{slice_index:04}", a, "Input",
    ...        {"x_start": 7}, exact=False)
    '/d/a_007_{slice_index:04}'
    """
    first = {
        "dataset_dir": name.dataset_dir,
        "nickname": name.nickname,
        "result_type": result_type,
    }
    if exact:
        return _pass(_pass(pattern, first, keep=None), fields, keep=None)
    return _pass(pattern, {**first, "index": name.index, **fields}, keep=(SLICE,))


def has_slice_index(name: str) -> bool:
    """Return whether a name has the placeholder of sequences."""
    return _SLICE_FIELD.search(name) is not None


def slice_names(pattern: str, offset: int, count: int) -> list[str]:
    """Return the names of a sequence, padded with zeros as ilastik pads them.

    Parameters
    ----------
    pattern
        Name with ``{slice_index}``; a format of its own (``{slice_index:05}``) is used as given.
    offset
        Number of the first slice.
    count
        Number of slices.

    Raises
    ------
    SettingsError
        When the format is none of numbers.

    Examples
    --------
    >>> slice_names("s_{slice_index}.png", 9, 2), slice_names("s{slice_index:03}", 0, 1)
    (['s_09.png', 's_10.png'], ['s000'])
    """
    padded = f"0{math.ceil(math.log10(offset + count + 1))}"

    def number(i: int) -> str:
        def one(match: re.Match[str]) -> str:
            return format(offset + i, padded if match[1] is None else match[1][1:])

        return _SLICE_FIELD.sub(one, pattern)

    try:
        return [number(i) for i in range(count)]
    except ValueError as error:
        raise SettingsError(f"The name {pattern!r} cannot be filled in: {error}.") from None


def strip_suffix(path: str, suffixes: Iterable[str]) -> tuple[str, str]:
    """Return (path without its suffix, the suffix) when it has one of `suffixes`.

    Examples
    --------
    >>> strip_suffix("a.b.ome.tif", (".tif", ".ome.tif")), strip_suffix("a.x", (".h5",))
    (('a.b', '.ome.tif'), ('a.x', ''))
    """
    for suffix in sorted(suffixes, key=len, reverse=True):
        if path.lower().endswith(suffix) and len(Path(path).name) > len(suffix):
            return path[: -len(suffix)], path[-len(suffix) :]
    return path, ""
