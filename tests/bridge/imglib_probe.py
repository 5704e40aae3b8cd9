"""Images of the real ImgLib2 there and back, every pixel type and layout; prints facts as JSON.

A process of its own, as ImgLib2 is not among the embedded ImageJ's jars: it comes with Fiji.
"""

from __future__ import annotations

import json

import numpy as np

from fijibridge.bridge import _java, imglib


def main() -> None:
    _java.ENDPOINTS = ("net.imagej:ij:1.54p", "net.imglib2:imglib2:7.1.4")
    _java.start_jvm()
    from fijibridge.bridge._java import jimport
    from fijibridge.model import Image

    facts: dict[str, object] = {}
    rng = np.random.default_rng(0)
    checked = 0
    for _, dtype in imglib._TYPES.values():
        for keys, shape in (("yx", (3, 5)), ("zyx", (2, 4, 3)), ("tzcyx", (2, 3, 2, 4, 5))):
            raw = rng.integers(
                0, 256, (*shape[:-1], shape[-1] * np.dtype(dtype).itemsize), np.uint8
            )
            data = raw.view(dtype).reshape(shape)
            image = Image.from_array(data, keys)
            there = imglib.to_rai(image)
            assert [int(there.dimension(d)) for d in range(len(shape))] == list(shape[::-1])
            back = imglib.from_imglib(there)
            assert back.data.dtype == dtype
            assert back.data.tobytes() == data.tobytes(), (dtype, keys)
            checked += 1
    facts["checked"] = checked
    data = np.arange(4 * 5 * 6, dtype=np.uint16).reshape(4, 5, 6)
    there = imglib.to_rai(Image.from_array(data, "zyx"))
    views = jimport("net.imglib2.view.Views")
    low, high = imglib._longs([1, 2, 1]), imglib._longs([4, 3, 2])
    part = imglib.from_imglib(views.interval(there, low, high))
    facts["crop"] = bool((part.data == data[1:3, 2:4, 1:5]).all())
    facts["moved"] = part.data.shape == (2, 2, 4)
    planar = jimport("net.imglib2.img.planar.PlanarImgs").unsignedShorts(imglib._longs([6, 5, 4]))
    jimport("net.imglib2.util.ImgUtil").copy(there, planar)
    facts["planar"] = bool((imglib.from_imglib(planar).data == data).all())
    imglib._PIECE = 30  # plane by plane, as for images beyond one Java array
    facts["pieces"] = bool((imglib.from_imglib(planar).data == data).all())
    facts["is_image"] = [imglib.is_image(planar), imglib.is_image(jimport("ij.IJ"))]
    bits = jimport("net.imglib2.img.array.ArrayImgs").bits(imglib._longs([3, 2]))
    try:
        imglib.from_imglib(bits)
    except TypeError as error:
        facts["bits"] = str(error)
    print(json.dumps(facts), flush=True)


if __name__ == "__main__":
    main()
