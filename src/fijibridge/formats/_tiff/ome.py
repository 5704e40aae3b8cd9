"""OME-XML: pixel sizes, units, positions and channel names."""

from __future__ import annotations

import math
import uuid
from typing import TYPE_CHECKING, Any

from fijibridge.errors import FormatError, SettingsError
from fijibridge.model import Axes, Axis
from fijibridge.model.units import PIXEL, canonical_unit, imagej_unit, length_factor

if TYPE_CHECKING:
    from collections.abc import Mapping
    from xml.etree.ElementTree import Element

    from fijibridge.model import ImageSpec

__all__ = [
    "ome_metadata",
    "read_ome_axes",
    "read_ome_channels",
    "read_ome_properties",
    "says_labels",
]

#: OME's spelling of the units it knows and ImageJ spells otherwise.
_OME_UNITS = {"second": "s", "minute": "min", "hour": "h", "angstrom": "\u00c5"}


#: The description of an image whose pixels are labels; OME-XML has no word for it.
_LABELS = "fijibridge.role=labels"


def _local(element: Element) -> str:
    return element.tag.rsplit("}", 1)[-1]


def _pixels(xml: str) -> Element | None:
    """Return the first Pixels element; None when the text is no OME-XML."""
    from xml.etree import ElementTree as ET

    try:
        root = ET.fromstring(xml)  # noqa: S314  # expat limits the growth of entities
    except ET.ParseError:
        return None
    return next((e for e in root.iter() if _local(e) == "Pixels"), None)


def _number(element: Element, name: str) -> float | None:
    try:
        value = float(element.get(name, ""))
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def read_ome_axes(xml: str, sizes: Mapping[str, int]) -> Axes:
    """Return the axes of the first image of an OME-XML.

    Parameters
    ----------
    xml
        The text.
    sizes
        Sizes by letter, in the order of the pixels.
    """
    pixels = _pixels(xml)
    scale: dict[str, float] = {}
    unit: dict[str, str] = {}
    origin: dict[str, float] = {}
    if pixels is not None:
        for key in "xyz":
            size = _number(pixels, f"PhysicalSize{key.upper()}")
            if size is not None and size > 0:
                scale[key] = size
                unit[key] = pixels.get(f"PhysicalSize{key.upper()}Unit", "um")
        step = _number(pixels, "TimeIncrement")
        if step is not None and step > 0:
            scale["t"], unit["t"] = step, pixels.get("TimeIncrementUnit", "s")
        origin = _positions(pixels, unit)
    try:
        return Axes(
            tuple(
                Axis(k, n, scale.get(k, 1.0), unit.get(k, PIXEL), origin.get(k, 0.0))
                for k, n in sizes.items()
            )
        )
    except SettingsError as error:
        raise FormatError(f"The OME-XML is broken: {error.message}") from error


def _positions(pixels: Element, unit: Mapping[str, str]) -> dict[str, float]:
    """Return where the first plane lies, where its unit can be compared with the pixel size's."""
    plane = next((e for e in pixels if _local(e) == "Plane"), None)
    found: dict[str, float] = {}
    for key in "xyz" if plane is not None else "":
        assert plane is not None  # noqa: S101  # for mypy: the loop is empty otherwise
        value = _number(plane, f"Position{key.upper()}")
        stated = canonical_unit(plane.get(f"Position{key.upper()}Unit", "reference frame"))
        factor = length_factor(stated, unit.get(key, PIXEL))
        if value and factor is not None:
            found[key] = value * factor
    return found


def read_ome_channels(xml: str) -> tuple[str, ...]:
    """Return the channel names of the first image, "" where there is none."""
    pixels = _pixels(xml)
    if pixels is None:
        return ()
    return tuple(e.get("Name", "") for e in pixels if _local(e) == "Channel")


def read_ome_properties(xml: str) -> dict[str, str]:
    """Return the pairs of all map annotations."""
    from xml.etree import ElementTree as ET

    if "MapAnnotation" not in xml:
        return {}
    try:
        root = ET.fromstring(xml)  # noqa: S314  # expat limits the growth of entities
    except ET.ParseError:
        return {}
    maps = (e for e in root.iter() if _local(e) == "MapAnnotation")
    pairs = (m for one in maps for m in one.iter() if _local(m) == "M")
    return {m.get("K", ""): m.text or "" for m in pairs if m.get("K")}


def says_labels(xml: str) -> bool:
    """Return whether we wrote the first image as labels."""
    from xml.etree import ElementTree as ET

    if _LABELS not in xml:
        return False
    try:
        root = ET.fromstring(xml)  # noqa: S314  # expat limits the growth of entities
    except ET.ParseError:
        return False
    first = next((e for e in root.iter() if _local(e) == "Image"), root)
    return any(_local(e) == "Description" and _LABELS in (e.text or "") for e in first)


def _unit(unit: str) -> str:
    return _OME_UNITS.get(unit, imagej_unit(unit))


def ome_metadata(spec: ImageSpec, planes: int, letters: str) -> dict[str, Any]:
    """Return what tifffile needs to write an OME-XML for an image.

    Parameters
    ----------
    spec
        The image.
    planes
        Number of its planes.
    letters
        Axes of the array that is written, in tifffile's letters.
    """
    found: dict[str, Any] = {"axes": letters, "Name": spec.name or "image"}
    if spec.role == "labels":
        found["Description"] = _LABELS
    plane: dict[str, Any] = {}
    for key in "xyz":
        axis = spec.axes.get(key)
        if axis.unit != PIXEL or axis.scale != 1.0:
            found[f"PhysicalSize{key.upper()}"] = axis.scale
            found[f"PhysicalSize{key.upper()}Unit"] = _unit(axis.unit)
        if axis.origin:
            plane[f"Position{key.upper()}"] = [axis.origin] * planes
            plane[f"Position{key.upper()}Unit"] = [_unit(axis.unit)] * planes
    time = spec.axes.get("t")
    if time.unit != PIXEL:
        found["TimeIncrement"], found["TimeIncrementUnit"] = time.scale, _unit(time.unit)
    if plane:
        found["Plane"] = plane
    if spec.extra.channel_names and not letters.endswith("S"):
        found["Channel"] = {"Name": list(spec.extra.channel_names)}
    if spec.extra.properties:
        found["MapAnnotation"] = dict(spec.extra.properties)
    # by what is said, not by the clock: the same image makes the same file
    said = repr((found, spec.shape, str(spec.dtype)))
    found["UUID"] = f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, said)}"
    return found
