"""How values show themselves in a notebook."""

from __future__ import annotations

import base64
import html
import struct
import zlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from fijibridge.model.image import Image
    from fijibridge.model.rois import RoiSet
    from fijibridge.model.table import ResultsTable

__all__ = ["image_html", "label_colors", "png_bytes", "rois_html", "table_html", "thumbnail"]

_SIDE = 256  # largest side of a thumbnail, pixels
_ROWS = 10  # rows of a table that are shown


def png_bytes(rgb: np.ndarray) -> bytes:
    """Return (h, w, 3) uint8 pixels as a PNG file; no library, so that a repr costs no import."""
    h, w = rgb.shape[:2]
    rows = np.zeros((h, 1 + 3 * w), np.uint8)
    rows[:, 1:] = rgb.reshape(h, 3 * w)

    def chunk(tag: bytes, body: bytes) -> bytes:
        crc = zlib.crc32(tag + body)
        return struct.pack(">I", len(body)) + tag + body + struct.pack(">I", crc)

    head = struct.pack(">IIBBBBB", w, h, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(rows.tobytes(), 6))
        + chunk(b"IEND", b"")
    )


def label_colors(labels: np.ndarray) -> np.ndarray:
    """Return (h, w, 3) uint8 colours, far apart for neighbouring label values; 0 is black."""
    golden = (labels.astype(np.float64) * 0.61803398875) % 1.0
    phase = golden[..., None] * 6.0 + np.array([0.0, 4.0, 2.0])
    ramp = np.abs(phase % 6.0 - 3.0) - 1.0
    rgb = 60 + 195 * np.clip(ramp, 0.0, 1.0)
    rgb[labels == 0] = 0
    colors: np.ndarray = rgb.astype(np.uint8)
    return colors


def thumbnail(image: Image) -> np.ndarray:
    """Return (h, w, 3) uint8 of the middle plane, its larger side 256 pixels at most."""
    spec = image.spec
    data = image.data
    keep = [k for k in spec.axes.keys if k in "yx" or (k == "c" and spec.extra.rgb)]
    index = tuple(
        slice(None) if k in keep else n // 2
        for k, n in zip(spec.axes.keys, spec.shape, strict=True)
    )
    plane = data[index]
    order = [keep.index(k) for k in ("y", "x", "c") if k in keep]
    plane = plane.transpose(order) if plane.ndim > 1 else plane.reshape(1, -1)
    step = max(1, -(-max(plane.shape[:2]) // _SIDE))
    plane = plane[::step, ::step]
    if spec.extra.rgb:
        return np.ascontiguousarray(plane)
    if spec.role == "labels":
        return label_colors(plane)
    values = plane.astype(np.float64)
    finite = values[np.isfinite(values)]
    low, high = np.percentile(finite, (0.1, 99.9)) if finite.size else (0.0, 1.0)
    grey = np.nan_to_num((values - low) / (high - low if high > low else 1.0))
    return np.repeat((255 * np.clip(grey, 0, 1)).astype(np.uint8)[..., None], 3, axis=2)


def image_html(image: Image) -> str:
    """Return a picture of the middle plane and a line of facts."""
    axes = image.axes
    facts = f"{axes.keys} {' x '.join(map(str, axes.shape))} {image.dtype}"
    x = axes.get("x")
    if x.unit != "pixel":
        facts += f", {x.scale:g} {x.unit} a pixel"
    if image.spec.role == "labels":
        facts += f", {len(np.setdiff1d(np.unique(image.data), [0]))} labels"
    picture = ""
    if image.data.size and "x" in axes and "y" in axes:
        code = base64.b64encode(png_bytes(thumbnail(image))).decode()
        picture = f'<img src="data:image/png;base64,{code}" style="image-rendering:pixelated">'
    name = html.escape(image.name or type(image).__name__)
    return f"<div><b>{name}</b> {html.escape(facts)}<br>{picture}</div>"


def table_html(table: ResultsTable) -> str:
    """Return the first rows."""
    head = "".join(f"<th>{html.escape(h)}{_unit(table.units.get(h))}</th>" for h in table.headings)
    rows = []
    for i in range(min(_ROWS, len(table))):
        cells = "".join(f"<td>{_cell(values[i])}</td>" for values in table.columns.values())
        rows.append(f"<tr><th>{i + 1}</th>{cells}</tr>")
    more = f"<p>… {len(table)} rows</p>" if len(table) > _ROWS else ""
    return (
        f"<div><b>{html.escape(table.name or 'Results')}</b>"
        f"<table><tr><th></th>{head}</tr>{''.join(rows)}</table>{more}</div>"
    )


def _unit(unit: str | None) -> str:
    return f" <small>[{html.escape(unit)}]</small>" if unit else ""


def _cell(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else html.escape(str(value))


def rois_html(rois: RoiSet) -> str:
    """Return the outlines as a drawing."""
    shown = list(rois[:500])
    boxes = np.array([roi.box for roi in shown]).reshape(-1, 4)
    if not len(boxes):
        return "<div><b>RoiSet</b> empty</div>"
    right, bottom = (boxes[:, :2] + boxes[:, 2:]).max(axis=0)
    paths = []
    for roi in shown:
        for points in roi.paths or ((roi.points,) if len(roi.points) else (_corners(roi.box),)):
            text = " ".join(f"{x:g},{y:g}" for x, y in points)
            paths.append(
                f'<polygon points="{text}" fill="none" stroke="#c80" vector-effect='
                '"non-scaling-stroke"/>'
            )
    more = f", first {len(shown)} drawn" if len(rois) > len(shown) else ""
    return (
        f"<div><b>RoiSet</b> {len(rois)} ROIs{more}<br>"
        f'<svg width="{_SIDE}" height="{_SIDE}" viewBox="0 0 {right:g} {bottom:g}">'
        f"{''.join(paths)}</svg></div>"
    )


def _corners(box: tuple[float, float, float, float]) -> np.ndarray:
    x, y, w, h = box
    return np.array([(x, y), (x + w, y), (x + w, y + h), (x, y + h)])
