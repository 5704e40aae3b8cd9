"""OME-Zarr as ilastik wrote it: every level read right, scales and offsets understood."""

from __future__ import annotations

import hashlib
import itertools
import json

import numpy as np
import pytest

from fijibridge import formats
from fijibridge.formats import Location
from fijibridge.formats.omezarr import validate
from fijibridge.model import Region
from fijibridge.model.scaling import reduce_block, support


def golden_stores(shared):
    """Yield (store, what the case says of it)."""
    for case in sorted((shared / "golden/ilastik").rglob("case.json")):
        for output in json.loads(case.read_text()).get("outputs", []):
            if output.get("kind") == "ome-zarr":
                yield case.parent / "expected" / output["path"], output


def test_every_level_reads_right(shared):
    n = 0
    for path, output in golden_stores(shared):
        for name, about in output["arrays"].items():
            if "sha256" not in about:
                continue
            image = formats.read_image(path, level=name)
            assert list(image.shape) == about["shape"]
            assert image.dtype == about["dtype"]
            data = np.ascontiguousarray(image.data)
            assert hashlib.sha256(data.tobytes()).hexdigest() == about["sha256"], (path, name)
            np.testing.assert_array_equal(formats.read_image(path / name).data, data)
            n += 1
    assert n >= 8


def test_scales_and_offsets(shared):
    for path, output in golden_stores(shared):
        multiscale = output["zattrs"]["multiscales"][0]
        keys = [axis["name"] for axis in multiscale["axes"]]
        outer = {t["type"]: t for t in multiscale.get("coordinateTransformations", [])}
        for dataset in multiscale["datasets"]:
            axes = formats.open_image(path, level=dataset["path"]).spec.axes
            assert axes.keys == "".join(keys)
            scale = np.array(dataset["coordinateTransformations"][0]["scale"])
            scale = scale * outer.get("scale", {"scale": np.ones(5)})["scale"]
            shift = outer.get("translation", {"translation": np.zeros(5)})["translation"]
            assert [a.scale for a in axes] == pytest.approx(list(scale))
            assert [a.origin for a in axes] == pytest.approx(list(shift))
            units = [a.get("unit", "pixel") for a in multiscale["axes"]]
            assert [a.unit for a in axes] == units


def test_a_cut_out_knows_where_it_was(shared):
    path = next(p for p, _ in golden_stores(shared) if "s24" in str(p))
    axes = formats.open_image(path).spec.axes
    assert (axes["z"].scale, axes["y"].scale, axes["x"].scale) == (2.0, 0.5, 0.5)
    assert (axes["z"].origin, axes["y"].origin, axes["x"].origin) == (0.0, 5.0, 10.0)
    assert axes["x"].unit == "micrometer"


def test_ilastiks_words_travel(shared):
    path = next(p for p, _ in golden_stores(shared) if "s22" in str(p))
    extra = formats.open_image(path).spec.extra
    assert extra.drange == (0.0, 1.0)
    assert extra.display_mode == "default"


def test_validate_finds_nothing_wrong(shared):
    for path, _ in golden_stores(shared):
        assert [f for f in validate(Location.parse(path)) if f.severity == "error"] == []


def test_our_levels_are_ilastiks_but_for_its_truncation(shared):
    """ilastik cuts decimals off, we round: never more than one grey level apart; nearest equal."""
    n = 0
    for path, output in golden_stores(shared):
        multiscale = output["zattrs"]["multiscales"][0]
        order = multiscale.get("metadata", {}).get("kwargs", {}).get("order")
        paths = [d["path"] for d in multiscale["datasets"]]
        for finer, coarser in itertools.pairwise(paths):
            fine = formats.read_image(path, level=finer).data
            coarse = formats.read_image(path, level=coarser).data
            scaling = "nearest" if order == 0 else "linear"
            whole = Region.whole(coarse.shape)
            block = fine[support(fine.shape, coarse.shape, whole, scaling).slices]
            ours = reduce_block(block, fine.shape, coarse.shape, whole, scaling)
            if order == 0:
                np.testing.assert_array_equal(ours, coarse)
            else:
                difference = ours.astype(np.float64) - coarse
                low, high = (0, 1) if coarse.dtype.kind in "iu" else (-1e-6, 1e-6)
                assert difference.min() >= low
                assert difference.max() <= high
            n += 1
    assert n >= 3


def test_inputs_open_too(shared):
    for path in sorted((shared / "golden/ilastik").rglob("input/*.zarr")):
        source = formats.open_image(path)
        assert len(source.spec.scales) >= 2
        assert source.read(Region.whole(source.spec.shape)).any()
