"""Layers of a view: one image each, with colours, a range and an opacity.

A layer is written ``FILE,lut=red,opacity=0.5,range=0-255``; also ``role=``, ``axes=`` and
``channel=``. Channels of one image are added, as ImageJ's composites are; layers cover each other
from the first to the last by their opacity; the background of labels is transparent.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fijibridge.errors import FormatError, SettingsError, nearest

if TYPE_CHECKING:
    from fijibridge.model import ImageSpec, Role

__all__ = ["COLORS", "Layer", "layer_text", "lut_named", "parse_layer", "ranges_of", "rendered"]

#: Colours of channels that say none, in ImageJ's order.
COLORS = ("red", "green", "blue", "grays", "cyan", "magenta", "yellow")
_RGB = {
    "red": (1, 0, 0),
    "green": (0, 1, 0),
    "blue": (0, 0, 1),
    "grays": (1, 1, 1),
    "grey": (1, 1, 1),
    "gray": (1, 1, 1),
    "cyan": (0, 1, 1),
    "magenta": (1, 0, 1),
    "yellow": (1, 1, 0),
}
_KEYS = ("lut", "opacity", "range", "role", "axes", "channel")
_ROLES = ("intensity", "labels", "probabilities")
_RANGE = re.compile(
    r"\s*([+-]?[\d.]+(?:e[+-]?\d+)?)\s*(?:-|\.\.|:)\s*([+-]?[\d.]+(?:e[+-]?\d+)?)\s*"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One layer.

    Parameters
    ----------
    path
        The image.
    lut
        Colour table: a colour, ``#rrggbb``, ``inverted``, ``glasbey`` or a ``.lut`` file; "" = the
        image's own, else grey, channels in ImageJ's colours, labels glasbey.
    opacity
        0 to 1.
    range
        Values shown darkest and brightest; None = the image's display range, else 0 to 255 in
        8 bits, 0 to 1 of probabilities, else what the shown pixels have.
    role, axes
        As of `open_image`.
    channel
        The only channel that is shown; None = all.
    """

    path: str
    lut: str = ""
    opacity: float = 1.0
    range: tuple[float, float] | None = None
    role: Role | None = None
    axes: str | None = None
    channel: int | None = None


def parse_layer(text: str) -> Layer:
    """Return a layer.

    Raises
    ------
    SettingsError
        For an unknown word or a wrong value.

    Examples
    --------
    >>> parse_layer("a,b.tif,lut=red,opacity=.5").path
    'a,b.tif'
    >>> parse_layer("a.tif,range=-5..20").range
    (-5.0, 20.0)
    """
    parts = text.split(",")
    values: dict[str, str] = {}
    while len(parts) > 1 and "=" in parts[-1]:
        key, _, value = parts[-1].partition("=")
        word = key.strip().lower()
        if word not in _KEYS:
            raise SettingsError(
                f"The layer {text!r} has no option {word!r}.{nearest(word, _KEYS)}",
                "Such as a.tif,lut=red,opacity=0.5,range=0-255.",
            )
        values.setdefault(word, value.strip())
        parts.pop()
    path = ",".join(parts).strip()
    if not path:
        raise SettingsError(f"The layer {text!r} names no file.")
    role, axes = values.get("role"), values.get("axes")
    if role is not None and role not in _ROLES:
        raise SettingsError(f"role is {role!r}; allowed are {', '.join(_ROLES)}.")
    lut = values.get("lut", "")
    lut_named(lut)
    return Layer(
        path=path,
        lut=lut,
        opacity=_opacity(values.get("opacity", "1")),
        range=_range(values["range"]) if "range" in values else None,
        role=role,  # type: ignore[arg-type]  # checked above
        axes=axes,
        channel=_channel(values["channel"]) if "channel" in values else None,
    )


def _opacity(text: str) -> float:
    try:
        found = float(text[:-1]) / 100 if text.endswith("%") else float(text)
    except ValueError:
        found = math.nan
    if not 0 <= found <= 1:
        raise SettingsError(f"opacity is {text!r}; allowed is 0 to 1, or 0% to 100%.")
    return found


def _range(text: str) -> tuple[float, float]:
    match = _RANGE.fullmatch(text)
    try:
        low, high = (float(v) for v in match.groups()) if match is not None else (0.0, 0.0)
    except ValueError:
        low = high = 0.0
    if not low < high:
        raise SettingsError(f"range is {text!r}; allowed are two numbers, such as 0-255.")
    return low, high


def _channel(text: str) -> int:
    if not text.isdigit():
        raise SettingsError(f"channel is {text!r}; allowed is a number, 0 the first.")
    return int(text)


def layer_text(layer: Layer) -> str:
    """Return a layer as text.

    Examples
    --------
    >>> layer_text(parse_layer("a.tif, lut=red,range=0-5"))
    'a.tif,lut=red,range=0.0..5.0'
    """
    out = [layer.path]
    if layer.lut:
        out.append(f"lut={layer.lut}")
    if layer.opacity != 1:
        out.append(f"opacity={layer.opacity!r}")
    if layer.range is not None:
        out.append(f"range={layer.range[0]!r}..{layer.range[1]!r}")
    out += [f"{key}={value}" for key in ("role", "axes") if (value := getattr(layer, key))]
    if layer.channel is not None:
        out.append(f"channel={layer.channel}")
    return ",".join(out)


def lut_named(name: str) -> np.ndarray | None:
    """Return a colour table, shape (256, 3), uint8; None for "".

    Raises
    ------
    SettingsError
        When there is none of that name.
    FormatError
        When a file is none.
    """
    word = name.strip().lower()
    if not word:
        return None
    if word == "glasbey":
        from fijibridge.formats._luts import glasbey_lut

        return glasbey_lut()
    ramp = np.arange(256)
    if word == "inverted":
        return np.repeat((255 - ramp).astype(np.uint8)[:, None], 3, axis=1)
    if re.fullmatch(r"#[0-9a-f]{6}", word):
        top = np.array([int(word[i : i + 2], 16) for i in (1, 3, 5)])
        colours: np.ndarray = np.rint(ramp[:, None] * top / 255).astype(np.uint8)
        return colours
    if word in _RGB:
        table: np.ndarray = (ramp[:, None] * np.array(_RGB[word])).astype(np.uint8)
        return table
    if word.endswith(".lut"):
        return _lut_file(name.strip())
    known = (*COLORS, "inverted", "glasbey")
    raise SettingsError(
        f"lut is {name!r}; there is no such colour table.{nearest(word, known)}",
        f"Allowed are {', '.join(known)}, #rrggbb and .lut files.",
    )


def _lut_file(path: str) -> np.ndarray:
    """Return the table of ImageJ's raw LUT files: 256 reds, greens, blues, perhaps a header."""
    try:
        raw = Path(path).read_bytes()
    except OSError as error:
        raise FormatError(f"{path!r} cannot be read: {error.strerror or error}.") from error
    if len(raw) not in (768, 800):
        raise FormatError(
            f"{path!r} is no colour table: it has {len(raw)} bytes, a table has 768 or 800."
        )
    return np.frombuffer(raw[-768:], np.uint8).reshape(3, 256).T.copy()


def ranges_of(layer: Layer, spec: ImageSpec, samples: np.ndarray) -> list[tuple[float, float]]:
    """Return the range of values that is shown, for every channel.

    Parameters
    ----------
    layer, spec
        What is shown.
    samples
        (c, y, x) pixels to judge by.
    """
    found = []
    for c, plane in enumerate(samples):
        if layer.range is not None:
            found.append(layer.range)
        elif len(spec.extra.display_ranges) > c:
            found.append(spec.extra.display_ranges[c])
        elif spec.role == "probabilities":
            found.append((0.0, 1.0))
        elif spec.dtype == np.uint8:
            found.append((0.0, 255.0))
        else:
            finite = plane[np.isfinite(plane)] if plane.dtype.kind == "f" else plane
            low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
            found.append((low, high if high > low else low + 1.0))
    return found


def rendered(
    layer: Layer, spec: ImageSpec, planes: np.ndarray, ranges: list[tuple[float, float]]
) -> tuple[np.ndarray, np.ndarray]:
    """Return ((y, x, 3) colours 0 to 255, (y, x) cover 0 to 1), both float64.

    Parameters
    ----------
    layer, spec
        What is shown.
    planes
        (c, y, x).
    ranges
        One a channel.
    """
    table = lut_named(layer.lut)
    if spec.extra.rgb and len(planes) == 3 and table is None:
        colours = np.moveaxis(planes, 0, -1).astype(np.float64)
        return colours, np.full(planes.shape[1:], layer.opacity)
    if spec.role == "labels" and planes.dtype.kind in "iu":
        return _labels(layer, planes[0], table)
    out = np.zeros((*planes.shape[1:], 3))
    for c, (plane, (low, high)) in enumerate(zip(planes, ranges, strict=True)):
        out += _table(layer, spec, c, len(planes), table)[_indices(plane, low, high)]
    return np.minimum(out, 255.0), np.full(planes.shape[1:], layer.opacity)


def _labels(
    layer: Layer, labels: np.ndarray, table: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    from fijibridge.formats._luts import glasbey_lut

    own = glasbey_lut() if table is None else table
    # 1 to 255, 1 to 255, …: no label gets the colour of the background
    index = np.where(labels == 0, 0, (labels.astype(np.int64) - 1) % 255 + 1)
    return own[index].astype(np.float64), np.where(labels == 0, 0.0, layer.opacity)


def _indices(plane: np.ndarray, low: float, high: float) -> np.ndarray:
    """Return places in a colour table: 256 equal steps from low to high, as ImageJ shows them."""
    scaled = (plane.astype(np.float64) - low) * (256.0 / (high - low + _step(plane.dtype)))
    index: np.ndarray = np.clip(np.nan_to_num(scaled), 0, 255).astype(np.intp)
    return index


def _step(dtype: np.dtype[Any]) -> float:
    """Return how far values of a type are apart: the brightest of integers is a step of its own."""
    return 1.0 if dtype.kind in "iu" else 0.0


def _table(
    layer: Layer, spec: ImageSpec, c: int, count: int, table: np.ndarray | None
) -> np.ndarray:
    if table is not None:
        return table
    place = c if layer.channel is None else layer.channel
    if len(spec.extra.luts) > place:
        return np.asarray(spec.extra.luts[place])
    if count == 1 and layer.channel is None:
        found = lut_named("inverted" if spec.extra.inverted_lut else "grays")
    else:
        found = lut_named(COLORS[place % len(COLORS)])
    assert found is not None  # noqa: S101  # these names are known
    return found
