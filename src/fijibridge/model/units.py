"""Units of length and time: OME-NGFF names inside, every spelling of the field understood."""

from __future__ import annotations

__all__ = ["MICRO_SIGNS", "PIXEL", "canonical_unit", "imagej_unit", "length_factor"]

PIXEL = "pixel"
#: MICRO SIGN and GREEK SMALL LETTER MU: both are found in files.
MICRO_SIGNS = "\u00b5\u03bc"

_SPELLINGS = {
    "micrometer": (
        "um",
        "\u00b5m",
        "\u03bcm",
        "\\u00b5m",
        "\\u03bcm",
        "micron",
        "microns",
        "micrometer",
        "micrometers",
        "micrometre",
        "micrometres",
    ),
    "nanometer": ("nm", "nanometer", "nanometers", "nanometre", "nanometres"),
    "millimeter": ("mm", "millimeter", "millimeters", "millimetre", "millimetres"),
    "centimeter": ("cm", "centimeter", "centimeters", "centimetre", "centimetres"),
    "meter": ("m", "meter", "meters", "metre", "metres"),
    "inch": ("inch", "inches", "in", '"'),
    "picometer": ("pm", "picometer", "picometers"),
    "angstrom": ("a", "\u00e5", "angstrom", "angstroms"),
    "second": ("s", "sec", "secs", "second", "seconds"),
    "millisecond": ("ms", "msec", "millisecond", "milliseconds"),
    "microsecond": ("us", "\u00b5s", "\u03bcs", "microsecond", "microseconds"),
    "minute": ("min", "mins", "minute", "minutes"),
    "hour": ("h", "hr", "hour", "hours"),
    "pixel": ("", "pixel", "pixels", "px", "voxel", "slice", "frame", "none"),
}
_CANONICAL = {word: name for name, words in _SPELLINGS.items() for word in words}
_IMAGEJ = {
    "micrometer": "\u00b5m",
    "nanometer": "nm",
    "millimeter": "mm",
    "centimeter": "cm",
    "meter": "m",
    "second": "sec",
    "millisecond": "ms",
    "minute": "min",
    "hour": "hour",
}
_METERS = {
    "picometer": 1e-12,
    "angstrom": 1e-10,
    "nanometer": 1e-9,
    "micrometer": 1e-6,
    "millimeter": 1e-3,
    "centimeter": 1e-2,
    "meter": 1.0,
    "inch": 0.0254,
}
_SECONDS = {
    "microsecond": 1e-6,
    "millisecond": 1e-3,
    "second": 1.0,
    "minute": 60.0,
    "hour": 3600.0,
}


def canonical_unit(text: str | None) -> str:
    r"""Return the OME-NGFF name of a unit; an unknown unit is returned as it is.

    Examples
    --------
    >>> [canonical_unit(u) for u in ("um", "\\u00B5m", "microns", "", "furlong")]
    ['micrometer', 'micrometer', 'micrometer', 'pixel', 'furlong']
    """
    text = (text or "").strip()
    return _CANONICAL.get(text.lower(), text)


def imagej_unit(unit: str) -> str:
    """Return the unit as ImageJ shows it (``µm`` with the micro sign).

    Examples
    --------
    >>> imagej_unit("micrometer"), imagej_unit("pixel")
    ('µm', 'pixel')
    """
    return _IMAGEJ.get(unit, unit)


def length_factor(unit: str, to: str) -> float | None:
    """Return how many `to` one `unit` is; None when they cannot be compared.

    Examples
    --------
    >>> length_factor("nanometer", "micrometer")
    0.001
    """
    unit, to = canonical_unit(unit), canonical_unit(to)
    if unit == to:
        return 1.0
    for scale in (_METERS, _SECONDS):
        if unit in scale and to in scale:
            return float(f"{scale[unit] / scale[to]:.12g}")
    return None
