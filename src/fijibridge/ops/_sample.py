"""A generated fluorescence image: nuclei, some touching, some with holes, some on the edge."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from fijibridge.model import Image

__all__ = ["sample_image"]

_PIXEL = 0.325  # micrometer: a 20x objective on a common camera


def sample_image(*, size: int = 1024, seed: int = 3, name: str = "nuclei.tif") -> Image:
    """Return a calibrated 16-bit image of a few hundred nuclei.

    Parameters
    ----------
    size
        Rows and columns.
    seed
        Of the random places and shapes; the same seed gives the same image.
    name
        Title.
    """
    import numpy as np
    from scipy import ndimage

    from fijibridge.model import Axes, Image

    random = np.random.Generator(np.random.PCG64(seed))
    canvas = np.zeros((size, size), np.float32)
    step = 52  # pixels between the places nuclei are scattered around
    for row in range(-8, size, step):
        for column in range(-8, size, step):
            y, x = row + 34 * random.random(), column + 34 * random.random()
            _nucleus(canvas, y, x, random)
            if random.random() < 0.15:  # a neighbour that touches
                _nucleus(canvas, y + 18 * random.random(), x + 22, random)
    canvas = ndimage.gaussian_filter(canvas, 1.2)
    light = np.linspace(0.85, 1.1, size, dtype=np.float32)
    canvas *= light[:, None] * light[None, :]
    noise = ndimage.gaussian_filter(random.random((size, size), dtype=np.float32) - 0.5, 0.8)
    pixels = 400 + 3200 * canvas + 400 * noise
    axes = Axes.of("yx", pixels.shape, scale={"y": _PIXEL, "x": _PIXEL}, unit="micrometer")
    return Image.from_array(np.clip(np.rint(pixels), 0, 65535).astype(np.uint16), axes, name=name)


def _nucleus(canvas: np.ndarray, y: float, x: float, random: np.random.Generator) -> None:
    """Draw one nucleus; one of twelve has a dark hole."""
    import numpy as np

    long, short = 12 + 6 * random.random(), 8 + 4 * random.random()
    angle, level = np.pi * random.random(), 0.6 + 0.4 * random.random()
    hole = random.random() < 1 / 12
    top, left = max(0, int(y) - 20), max(0, int(x) - 20)
    window = canvas[top : int(y) + 21, left : int(x) + 21]
    if not window.size:
        return
    rows, columns = np.mgrid[top : top + window.shape[0], left : left + window.shape[1]]
    u = (columns - x) * np.cos(angle) + (rows - y) * np.sin(angle)
    v = (rows - y) * np.cos(angle) - (columns - x) * np.sin(angle)
    inside = (u / long) ** 2 + (v / short) ** 2 <= 1
    if hole:
        inside &= u**2 + v**2 > 20
    window[inside] = np.maximum(window[inside], level)
