"""Raw beside the would-be export of a region: computed on the fly, only what is shown is read.

What is shown of the export is what a viewer shows that knows nothing: 8-bit values as they are,
others from their least to their largest value. So an export that came out black looks black here.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, replace
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from fijibridge.errors import SettingsError, UnsupportedError
from fijibridge.export.layers import Layer, ranges_of, rendered
from fijibridge.export.plan import resolve_cutout
from fijibridge.export.steps import Tally, apply_all, describe_all, pull_all
from fijibridge.export.together import mapping_of
from fijibridge.model import Region
from fijibridge.model._html import png_bytes

if TYPE_CHECKING:
    from fijibridge.export.plan import ExportPlan
    from fijibridge.export.settings import Cutout
    from fijibridge.model import ImageSource, ImageSpec

__all__ = ["Preview", "make_preview"]

_SIDE = 1024  # pixels of a pane along y and x at most
_LEAST = 256  # smaller panes are enlarged
_GAP = 12
_BACK = 245


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What an export of a region would be.

    Parameters
    ----------
    raw, exported
        Pixels of the region before and after, in the axes of the source and of the export.
    picture
        (h, w, 3) uint8: both, side by side, with their captions.
    region
        What was read of the source.
    saturated, nans
        Values of the region that would give way.
    warnings
        What the plan warns about.
    """

    raw: np.ndarray
    exported: np.ndarray
    picture: np.ndarray
    region: Region
    saturated: int
    nans: int
    warnings: tuple[str, ...] = ()

    def _repr_png_(self) -> bytes:
        return png_bytes(self.picture)

    def _repr_html_(self) -> str:
        code = base64.b64encode(self._repr_png_()).decode()
        said = "".join(f"<li>{escape(text)}</li>" for text in self.warnings)
        return f'<div><img src="data:image/png;base64,{code}"><ul>{said}</ul></div>'


def make_preview(plan: ExportPlan, source: ImageSource, region: Cutout | None = None) -> Preview:
    """Return raw and would-be export of a region.

    Parameters
    ----------
    plan
        What would be done.
    source
        The open input the plan was made for.
    region
        Part of the source, of the axes that are not named the middle sample (z, t) or all (y, x,
        c); None = the middle.

    Raises
    ------
    SettingsError
        When the region does not lie in what is exported.
    """
    box = _shown(plan, region)
    steps = plan.steps
    at = mapping_of(steps, plan.exported.shape)
    if at is None:
        raise UnsupportedError("This export has no preview: its pixels are not one source pixel.")
    out = at.push(box)
    if out is None:
        raise SettingsError(
            f"The region {box.start} to {box.stop} does not lie in what is exported.",
            "Choose a part of the cut-out with --region.",
        )
    box = pull_all(steps, out)
    raw = source.read(box)
    tally = Tally()
    made = apply_all(steps, raw, tally)
    fitted = describe_all(plan.fit, plan.exported) if not plan.sequence_axis else plan.exported
    dtype = plan.output.dtype
    spec = replace(plan.exported, dtype=dtype if fitted.dtype != dtype else fitted.dtype)
    made = made.astype(spec.dtype, copy=False)
    panes = [
        _pane(raw, plan.source, f"raw: {_facts(raw)}"),
        _pane(made, spec, f"export: {_facts(made)}{_lost(tally)}"),
    ]
    return Preview(
        raw=raw,
        exported=made,
        picture=_beside(panes),
        region=box,
        saturated=tally.saturated,
        nans=tally.nans,
        warnings=plan.warnings,
    )


def _shown(plan: ExportPlan, region: Cutout | None) -> Region:
    """Return the part of the source that is shown: one plane, not larger than a screen."""
    spec, cut = plan.source, plan.region
    asked, _ = resolve_cutout(spec, region, exact=False) if region is not None else (cut, ())
    named = region.named if region is not None else {}
    start, stop = [], []
    ends = zip(spec.axes.keys, asked.start, asked.stop, cut.start, cut.stop, strict=True)
    for key, a, b, low, high in ends:
        first, last = max(a, low), min(b, high)
        if first >= last:
            raise SettingsError(
                f"The region has nothing of the cut-out along {key!r}: {a} to {b} of {low} to "
                f"{high}."
            )
        if key in "tz" and key not in named and not (region is not None and region.start):
            first = (first + last) // 2
            last = first + 1
        elif key in "yx" and last - first > _SIDE:
            first += (last - first - _SIDE) // 2
            last = first + _SIDE
        start.append(first)
        stop.append(last)
    return Region(tuple(start), tuple(stop))


def _facts(block: np.ndarray) -> str:
    finite = block[np.isfinite(block)] if block.dtype.kind == "f" else block
    if not finite.size:
        return f"{block.dtype}, no values"
    return f"{block.dtype}, {finite.min():.5g} to {finite.max():.5g}"


def _lost(tally: Tally) -> str:
    parts = [
        f", {count} {what}"
        for count, what in ((tally.saturated, "saturated"), (tally.nans, "NaN"))
        if count
    ]
    return "".join(parts)


def _pane(block: np.ndarray, spec: ImageSpec, caption: str) -> np.ndarray:
    """Return (h, w, 3) of one plane and its caption."""
    keys = spec.axes.keys
    long = [k for k in keys if k != "c" and block.shape[keys.index(k)] > 1]
    free = [k for k in "xyzt" if k in keys and k not in long]
    both = [*long[-2:], *free[: max(0, 2 - len(long))]]
    plane = [k for k in keys if k in both]
    index = tuple(
        slice(None) if k in plane or k == "c" else block.shape[i] // 2 for i, k in enumerate(keys)
    )
    left = [k for k in keys if k in plane or k == "c"]
    order = (["c"] if "c" in left else []) + plane
    found = block[index].transpose([left.index(k) for k in order])
    found = found if "c" in left else found[None]
    while found.ndim < 3:
        found = found[:, None]
    shown = replace(spec, extra=replace(spec.extra, display_ranges=(), luts=()))
    layer = Layer(path="")
    one = found if shown.role != "labels" else found[:1]
    colours, cover = rendered(layer, shown, one, ranges_of(layer, shown, one))
    picture = np.rint(colours * cover[..., None]).astype(np.uint8)
    times = max(1, -(-_LEAST // max(picture.shape[:2])))
    picture = picture.repeat(times, axis=0).repeat(times, axis=1)
    return _captioned(
        picture, f"{caption}   {'x'.join(str(n) for n in found.shape[1:])} {''.join(plane)}"
    )


def _captioned(picture: np.ndarray, text: str) -> np.ndarray:
    from PIL import Image, ImageDraw, ImageFont

    font: Any = ImageFont.load_default(size=14)
    width = max(picture.shape[1], int(font.getlength(text)) + 2)
    page = Image.new("RGB", (width, picture.shape[0] + 22), (_BACK,) * 3)
    page.paste(Image.fromarray(picture), (0, 22))
    ImageDraw.Draw(page).text((0, 2), text, fill=(30, 30, 30), font=font)
    return np.asarray(page)


def _beside(panes: list[np.ndarray]) -> np.ndarray:
    height = max(pane.shape[0] for pane in panes) + 2 * _GAP
    width = sum(pane.shape[1] for pane in panes) + (len(panes) + 1) * _GAP
    page = np.full((height, width, 3), _BACK, np.uint8)
    left = _GAP
    for pane in panes:
        page[_GAP : _GAP + pane.shape[0], left : left + pane.shape[1]] = pane
        left += pane.shape[1] + _GAP
    return page
