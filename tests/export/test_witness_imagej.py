"""The real ImageJ opens every TIFF and PNG that an export writes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import fijibridge as fb
from fijibridge.model import Axes, Extra, Image
from formats.test_tiff_live import pixels

pytestmark = pytest.mark.imagej

SCALE = {"t": 3.0, "z": 2.0, "y": 0.5, "x": 0.25}
UNIT = {"t": "second", "z": "um", "y": "um", "x": "um"}
#: Format -> pixel types that plain ImageJ opens with their values.
HOLDS = {
    "imagej tiff": ("uint8", "uint16", "float32"),
    "multipage tiff": ("uint8", "uint16", "int16", "float32"),
    "multipage tiff sequence": ("uint8", "uint16", "int16", "float32"),
    "tif": ("uint8", "uint16", "int16", "float32"),
    "tiff sequence": ("uint8", "uint16", "float32"),
    "png": ("uint8", "uint16"),
    "png sequence": ("uint8", "uint16"),
}


@st.composite
def cases(draw):
    name = draw(st.sampled_from(sorted(HOLDS)))
    long = {"tif": 2, "png": 2, "tiff sequence": 3, "png sequence": 3}.get(name, 4)
    rgb = name in ("png", "png sequence", "imagej tiff", "tif") and draw(st.booleans())
    low = 2 if "sequence" in name else 1
    sizes = {k: draw(st.integers(low, 4)) if k in "tzyx"[4 - long :] else 1 for k in "tzyx"}
    sizes["y"], sizes["x"] = draw(st.integers(3, 9)), draw(st.integers(3, 9))
    sizes["c"] = 3 if rgb else (1 if long < 4 else draw(st.integers(1, 3)))
    keys = "".join(draw(st.permutations("tzyxc")))
    dtype = np.dtype("uint8" if rgb else draw(st.sampled_from(HOLDS[name])))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = tuple(sizes[k] for k in keys)
    data = rng.normal(0, 9, shape) if dtype.kind == "f" else rng.integers(0, 256, shape)
    axes = Axes.of(keys, shape, scale=SCALE, unit=UNIT)
    image = Image.from_array(data.astype(dtype), axes, extra=Extra(rgb=rgb))
    cut = {"y": (1, None), "x": (0, sizes["x"] - 1)}
    return name, image, ",".join(f"{k}={a}:{'' if b is None else b}" for k, (a, b) in cut.items())


def opened(imagej, path):
    imp = imagej.IJ.openImage(str(path))
    assert imp is not None, path
    return imp


@settings(
    max_examples=pytest.count(40, 400),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(case=cases())
def test_imagej_opens_what_is_exported(imagej, tmp_path_factory, case):
    name, image, cut = case
    folder = tmp_path_factory.mktemp("i")
    sequence = name.endswith("sequence")
    report = fb.export(
        image,
        output_format=name,
        output_axis_order="tzyxc",
        cutout_subregion=cut,
        output_filename_format=f"{folder}/o{'_{slice_index}' if sequence else ''}",
    )
    rgb = image.spec.extra.rgb
    whole = image.reorder("tzyxc" if rgb else "tzcyx").data
    wanted = whole[:, :, 1:, :-1] if rgb else whole[..., 1:, :-1]
    if sequence:
        along = 0 if image.axes.size("t") > 1 else 1
        parts = [part[0] for part in np.split(wanted, wanted.shape[along], axis=along)]
    else:
        parts = [wanted]
    paths = [path for path in report.outputs if not path.endswith("_settings.json")]
    assert len(paths) == len(parts)
    for path, part in zip(paths, parts, strict=True):
        imp = opened(imagej, path)
        found = pixels(imp)
        if image.dtype == np.int16:  # ImageJ keeps them 32768 up
            assert imp.getCalibration().isSigned16Bit()
            found = (found.astype(np.int32) - 32768).astype(np.int16)
        plane = 3 if rgb else 2
        np.testing.assert_array_equal(found, part.reshape(-1, *part.shape[-plane:]))
        check_calibration(name, imp, image)


def check_calibration(name, imp, image):
    calibration = imp.getCalibration()
    if name.startswith("png"):  # ImageJ knows no pixel sizes of PNG
        return
    assert str(calibration.getUnit()) == "µm"
    sizes = calibration.pixelWidth, calibration.pixelHeight
    assert sizes == pytest.approx((0.25, 0.5), rel=1e-6)
    if name == "imagej tiff":
        dimensions = [int(n) for n in imp.getDimensions()]
        c, z, t = (image.axes.size(k) for k in "czt")
        assert dimensions[2:] == [1 if image.spec.extra.rgb else c, z, t]
        if z > 1:
            assert calibration.pixelDepth == 2.0
        if t > 1:
            assert calibration.frameInterval == 3.0
        assert calibration.yOrigin == -1.0


def test_a_png_says_its_pixel_size(tmp_path):
    from PIL import Image as Pillow

    image = Image.from_array(
        np.zeros((4, 5), np.uint8), Axes.of("yx", (4, 5), scale=SCALE, unit="um")
    )
    report = fb.export(image, output_format="png", output_filename_format=f"{tmp_path}/o")
    with Pillow.open(report.outputs[0]) as picture:
        assert picture.info["dpi"] == pytest.approx((25400 / 0.25, 25400 / 0.5), rel=1e-4)


def test_labels_reach_imagej_with_their_values(imagej, tmp_path):
    data = np.array([[0, 1], [70000, 65535]], np.uint32)
    labels = Image.from_array(data, "yx", role="labels")
    for name in ("imagej tiff", "multipage tiff", "tif"):
        report = fb.export(labels, output_format=name, output_filename_format=f"{tmp_path}/{name}")
        imp = opened(imagej, report.outputs[0])
        np.testing.assert_array_equal(pixels(imp)[0], data)
