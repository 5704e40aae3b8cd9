"""Every OME-Zarr that an export writes is valid, and others read the same pixels from it."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import fijibridge as fb
from fijibridge.model import Axes, Extra, Image

zarr = pytest.importorskip("zarr")

SCALE = {"t": 3.0, "z": 2.0, "y": 0.5, "x": 0.25}
UNIT = {"t": "second", "z": "um", "y": "um", "x": "um"}
IMAGES = [
    ("zyx", (5, 300, 201), "uint16", "intensity"),
    ("tczyx", (2, 2, 3, 150, 260), "float32", "intensity"),
    ("yx", (301, 200), "uint32", "labels"),
    ("yxzc", (140, 150, 2, 3), "uint8", "intensity"),
]


def exported(tmp_path, case, **chosen):
    keys, shape, dtype, role = case
    rng = np.random.default_rng(0)
    values = rng.integers(0, 9, shape) if role == "labels" else rng.integers(0, 255, shape)
    names = tuple(f"dye {i}" for i in range(shape[keys.index("c")])) if "c" in keys else ()
    image = Image.from_array(
        values.astype(dtype),
        Axes.of(keys, shape, scale=SCALE, unit=UNIT),
        role=role,
        extra=Extra(channel_names=names),
    )
    report = fb.export(
        image,
        cutout_subregion="y=10:,x=4:",
        output_filename_format=f"{tmp_path}/o.zarr",
        **chosen,
    )
    return image, report, tmp_path / "o.zarr"


def level_paths(path, version):
    attributes = zarr.open_group(path, mode="r").attrs
    told = attributes["ome"] if version == "0.5" else attributes
    return [dataset["path"] for dataset in told["multiscales"][0]["datasets"]]


@pytest.mark.parametrize("case", IMAGES, ids=lambda case: case[0])
@pytest.mark.parametrize("name", ["single-scale OME-Zarr", "multi-scale OME-Zarr"])
@pytest.mark.parametrize(
    "chosen",
    [{}, {"ome_zarr_version": "0.5"}, {"compat": "ilastik"}],
    ids=["0.4", "0.5", "ilastik"],
)
def test_it_is_valid_and_others_read_it(tmp_path, case, name, chosen):
    if "compat" in chosen and case[3] == "labels":
        chosen = {**chosen, "role": "labels"}
    image, report, path = exported(tmp_path, case, output_format=name, **chosen)
    version = chosen.get("ome_zarr_version", "0.4")
    check_model(path, version)
    paths = level_paths(path, version)
    told = report.to_json()
    assert [list(zarr.open_array(path / p, mode="r").shape) for p in paths] == told["levels"]
    assert (len(paths) == 1) == (name.startswith("single") or "compat" in chosen)
    wanted = image.reorder(told["axes"]).data
    cut = tuple(slice({"y": 10, "x": 4}.get(key, 0), None) for key in told["axes"])
    check_ngff_zarr(path, wanted[cut], version, validate="compat" not in chosen)
    check_tensorstore(path / paths[0], wanted[cut], version)
    found = fb.read_image(path)
    np.testing.assert_array_equal(found.data, wanted[cut])
    assert (found.axes["x"].scale, found.axes["x"].origin) == (0.25, 1.0)
    assert (found.axes["y"].unit, found.axes["y"].origin) == ("micrometer", 5.0)


def check_model(path, version):
    if version == "0.4":
        from ome_zarr_models.v04 import Image as Model
    else:
        from ome_zarr_models.v05 import Image as Model
    Model.from_zarr(zarr.open_group(path, mode="r"))


def check_ngff_zarr(path, wanted, version, *, validate):
    # it knows no transformations of the multiscale itself, which ilastik writes
    ngff_zarr = pytest.importorskip("ngff_zarr")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scales = ngff_zarr.from_ngff_zarr(str(path), validate=validate, version=version)
        first = scales.images[0]
        np.testing.assert_array_equal(np.asarray(first.data), wanted)
    if validate:
        assert first.scale["x"] == 0.25
    assert len(scales.images) == len(level_paths(path, version))


def check_tensorstore(path, wanted, version):
    tensorstore = pytest.importorskip("tensorstore")
    driver = "zarr3" if version == "0.5" else "zarr"
    spec = {"driver": driver, "kvstore": {"driver": "file", "path": str(path)}}
    found = tensorstore.open(spec, read=True, open=True).result()
    np.testing.assert_array_equal(found.read().result(), wanted)


def test_tensorstore_reads_n5_as_exported(tmp_path):
    tensorstore = pytest.importorskip("tensorstore")
    data = np.random.default_rng(0).integers(0, 60000, (5, 40, 50), np.uint16)
    image = Image.from_array(data, Axes.of("zyx", data.shape, scale=SCALE, unit="um"))
    for name in ("n5", "compressed n5"):
        report = fb.export(image, output_format=name, output_filename_format=f"{tmp_path}/{name}")
        kvstore = {"driver": "file", "path": report.outputs[0]}
        found = tensorstore.open({"driver": "n5", "kvstore": kvstore}).result()
        np.testing.assert_array_equal(found.read().result().T, data)
