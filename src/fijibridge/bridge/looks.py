"""How an ImagePlus looks and what is written on it, across the border: `Extra` both ways."""

from __future__ import annotations

from typing import Any

import numpy as np

from fijibridge.bridge._java import jimport
from fijibridge.bridge._pixels import plane_from_java, plane_to_java
from fijibridge.bridge.convert_objects import (
    overlay_from_java,
    overlay_to_java,
    roi_from_java,
    roi_to_java,
)
from fijibridge.errors import BridgeError
from fijibridge.formats.roi import decode_roi, encode_roi
from fijibridge.model import Extra, Valuation

__all__ = ["dressed", "extra_from_java"]

_NO_FUNCTION = 20  # ij.measure.Calibration.NONE
_MODES = {"composite": 1, "color": 2, "grayscale": 3}  # ij.CompositeImage


def extra_from_java(plus: Any) -> Extra:
    """Return what an ImagePlus carries beside its pixels and its calibration of space and time."""
    stack = plus.getStack()
    labels = tuple(
        "" if (label := stack.getSliceLabel(i + 1)) is None else str(label)
        for i in range(int(plus.getStackSize()))
    )
    overlay = plus.getOverlay()
    cal = plus.getCalibration()
    valuation = None
    if int(cal.getFunction()) != _NO_FUNCTION:
        valuation = Valuation(
            function=int(cal.getFunction()),
            coefficients=tuple(float(c) for c in cal.getCoefficients() or ()),
            unit=str(cal.getValueUnit()),
        )
    properties = plus.getPropertiesAsArray()
    pairs = [] if properties is None else [str(p) for p in properties]
    info = plus.getInfoProperty()
    composite = bool(plus.isComposite())
    return Extra(
        slice_labels=labels if any(labels) else (),
        info="" if info is None else str(info),
        properties=dict(zip(pairs[::2], pairs[1::2], strict=True)),
        display_ranges=_display_ranges(plus, composite=composite),
        luts=_luts(plus, composite=composite),
        inverted_lut=bool(plus.isInvertedLut()) and int(plus.getBitDepth()) == 8,
        rgb=int(plus.getBitDepth()) == 24,
        mode=_mode(plus, composite=composite),
        overlay=None if overlay is None else overlay_from_java(overlay),
        valuation=valuation,
        other=_other(plus, cal),
    )


def _other(plus: Any, cal: Any) -> dict[str, Any]:
    """Return what has no field of its own, in the words that TIFF files of ImageJ's have for it."""
    _, _, _, slices, frames = (int(n) for n in plus.getDimensions())
    flags = {"inverty": cal.getInvertY(), "loop": cal.loop, "zeroclip": cal.zeroClip()}
    found: dict[str, Any] = {name: True for name, on in flags.items() if bool(on)}
    if float(cal.fps):
        found["fps"] = float(cal.fps)
    if cal.info:
        found["calibration_info"] = str(cal.info)
    if slices == 1 and float(cal.pixelDepth) != 1.0:  # there is no axis to hold it
        found["spacing"] = float(cal.pixelDepth)
    if frames == 1 and float(cal.frameInterval):
        found |= {"finterval": float(cal.frameInterval), "tunit": str(cal.getTimeUnit())}
    roi = plus.getRoi()
    if roi is not None:
        found["selection"] = encode_roi(roi_from_java(roi)).hex()
    return found


def _display_ranges(plus: Any, *, composite: bool) -> tuple[tuple[float, float], ...]:
    if composite:
        luts = plus.getLuts()
        return tuple((float(lut.min), float(lut.max)) for lut in luts)
    if int(plus.getBitDepth()) == 24:
        return ()
    return ((float(plus.getDisplayRangeMin()), float(plus.getDisplayRangeMax())),)


def _luts(plus: Any, *, composite: bool) -> tuple[np.ndarray, ...]:
    if int(plus.getBitDepth()) == 24:
        return ()
    if composite:
        return tuple(_lut_array(lut) for lut in plus.getLuts())
    processor = plus.getProcessor()
    told = int(plus.getBitDepth()) == 8 or not bool(plus.isInvertedLut())  # by `inverted_lut`
    return () if told and not processor.isColorLut() else (_lut_array(processor.getLut()),)


def _lut_array(lut: Any) -> np.ndarray:
    flat = np.empty(768, np.uint8)
    plane_from_java(lut.getBytes(), flat)
    return np.ascontiguousarray(flat.reshape(3, 256).T)


def _mode(plus: Any, *, composite: bool) -> Any:
    if not composite:
        return ""
    names = {number: name for name, number in _MODES.items()}
    return names.get(int(plus.getCompositeMode()), "")


def dressed(plus: Any, extra: Extra, *, channels: int) -> Any:
    """Return an ImagePlus with its colours, ranges, texts and overlay."""
    if not extra.rgb:
        plus = _composite(plus, extra, channels) if channels > 1 else _grey(plus, extra)
    if extra.info:
        plus.setProperty("Info", extra.info)
    for key, value in extra.properties.items():
        plus.setProp(key, value)
    if extra.overlay is not None:
        plus.setOverlay(overlay_to_java(extra.overlay))
    selection = extra.other.get("selection")
    if selection:
        plus.setRoi(roi_to_java(decode_roi(bytes.fromhex(selection))))
    return plus


def _composite(plus: Any, extra: Extra, channels: int) -> Any:
    mode = _MODES.get(extra.mode, 1 if extra.luts else 3)
    if extra.inverted_lut and not extra.luts:  # as when a file with one is opened
        processor = plus.getProcessor()
        processor.invertLut()
        plus.getStack().setColorModel(processor.getColorModel())
    plus = jimport("ij.CompositeImage")(plus, mode)
    for c in range(channels):
        lut = _java_lut(extra.luts[c]) if c < len(extra.luts) else plus.getChannelLut(c + 1)
        if c < len(extra.display_ranges):
            lut.min, lut.max = extra.display_ranges[c]
        plus.setChannelLut(lut, c + 1)
    return plus


def _grey(plus: Any, extra: Extra) -> Any:
    processor = plus.getProcessor()
    if extra.luts:
        processor.setLut(_java_lut(extra.luts[0]))
    elif extra.inverted_lut:
        processor.invertLut()
    if extra.luts or extra.inverted_lut:
        plus.getStack().setColorModel(processor.getColorModel())
    if extra.display_ranges:
        plus.setDisplayRange(*extra.display_ranges[0])
    return plus


def _java_lut(lut: np.ndarray) -> Any:
    table = np.asarray(lut, np.uint8)
    if table.shape != (256, 3):
        raise BridgeError(f"A LUT has the shape {table.shape}; it must be (256, 3).")
    red, green, blue = (plane_to_java(table[:, i]) for i in range(3))
    return jimport("ij.process.LUT")(red, green, blue)
