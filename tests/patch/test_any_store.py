"""Stores as others write them: codecs, orders, byte orders, fill values, factors, odd sizes."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import fijibridge as fb
from patch.stores import AXES

zarr = pytest.importorskip("zarr")
codecs = pytest.importorskip("zarr.codecs")
numcodecs = pytest.importorskip("numcodecs")

HOW = ("even", "up", "down", "first")
TWO = {
    "none": None,
    "lz4": numcodecs.Blosc("lz4", 5, 1),
    "zlib": numcodecs.Zlib(1),
    "bits": numcodecs.Blosc("zstd", 3, 2),
}
THREE = {
    "none": None,
    "lz4": codecs.BloscCodec(cname="lz4"),
    "gzip": codecs.GzipCodec(),
    "summed": [codecs.ZstdCodec(), codecs.Crc32cCodec()],
}


def reduced(a, factors, how, *, up):
    """Return the next level: blocks of some samples, the last one short or dropped."""
    wide, count = a.astype(np.float64), np.ones(a.shape)
    for i, f in enumerate(factors):
        n = a.shape[i]
        if f == 1 or n == 1:
            continue
        m = -(-n // f) if up else max(1, n // f)
        runs = [range(k * f, min(n, k * f + f)) for k in range(m)]
        if how == "first":
            a = a.take([run[0] for run in runs], axis=i)
        wide = np.stack([wide.take(run, axis=i).sum(axis=i) for run in runs], axis=i)
        count = np.stack([count.take(run, axis=i).sum(axis=i) for run in runs], axis=i)
    if how == "first":
        return a
    mean = wide / count
    if a.dtype.kind == "f":
        return mean.astype(a.dtype)
    return {"even": np.rint, "up": lambda v: np.floor(v + 0.5), "down": np.trunc}[how](mean).astype(
        a.dtype
    )


def levels_of(a, case, how):
    made = [a]
    for _ in range(case["levels"] - 1):
        last = made[-1]
        factors = [case["factor"] if k in case["halve"] else 1 for k in case["keys"]]
        made.append(reduced(last, factors, how, up=case["ceil"]))
    return made


@st.composite
def cases(draw):
    def one(*values):
        return draw(st.sampled_from(values))

    keys = one("yx", "zyx", "czyx", "tcyx", "tczyx")
    shape = tuple(draw(st.integers(1, 3)) if k in "tc" else draw(st.integers(9, 45)) for k in keys)
    start = tuple(draw(st.integers(0, n - 1)) for n in shape)
    version = one(2, 3)
    return {
        "keys": keys,
        "shape": shape,
        "version": version,
        "dtype": np.dtype(one("u1", "u2", ">u2", ">i4", "i8", "f4", ">f4", "f8", "b1")),
        "factor": one(2, 2, 3, 4),
        "ceil": one(False, True),
        "halve": one("zyx", "yx"),
        "levels": draw(st.integers(1, 4)),
        "chunks": tuple(draw(st.integers(1, 2)) if k in "tc" else one(3, 7, 8, 64) for k in keys),
        "order": one("C", "F"),
        "codec": one(*(TWO if version == 2 else THREE)),
        "separator": one(".", "/"),
        "shards": version == 3 and one(False, True),
        "fill": one(0, 1, "nan"),
        "sparse": one(0.0, 0.5, 0.9),
        "edit": one("noise", "fill", "some", "none"),
        "how": one(*HOW),
        "turned": one(False, True),
        "start": start,
        "stop": tuple(draw(st.integers(a + 1, n)) for a, n in zip(start, shape, strict=True)),
        "seed": draw(st.integers(0, 2**31)),
    }


def noise(rng, shape, dtype):
    if dtype.kind == "f":
        return (rng.integers(0, 512, shape) / 8).astype(dtype)
    return rng.integers(0, 2 if dtype.kind == "b" else 200, shape).astype(dtype)


def fill_of(case):
    kind = case["dtype"].kind
    return (np.nan if kind == "f" else 1) if case["fill"] == "nan" else case["fill"]


def write(path, levels, case):
    """Write the levels, listed in another order than they are named, moved by a translation."""
    three, big = case["version"] == 3, case["dtype"].str[0] == ">"
    more = {"chunk_key_encoding": {"name": "default", "separator": case["separator"]}}
    if three:
        end = None if case["dtype"].itemsize == 1 else "big" if big else "little"
        more["serializer"] = codecs.BytesCodec(endian=end)
        more["compressors"] = THREE[case["codec"]]
        more["dimension_names"] = list(case["keys"])
        if case["order"] == "F":
            turn = tuple(range(len(case["keys"])))[::-1]
            more["filters"] = [codecs.TransposeCodec(order=turn)]
        if case["shards"]:
            more["shards"] = tuple(2 * n for n in case["chunks"])
    else:
        more["chunk_key_encoding"]["name"] = "v2"
        more |= {"order": case["order"], "compressors": TWO[case["codec"]]}
    group, datasets = zarr.create_group(path, zarr_format=case["version"]), []
    for i, level in enumerate(levels):
        name = f"{9 - i}"
        group.create_array(
            name,
            shape=level.shape,
            chunks=case["chunks"],
            dtype=level.dtype if three else case["dtype"],
            fill_value=fill_of(case),
            **more,
        )[...] = level
        scale = [0.5 * n / m for n, m in zip(levels[0].shape, level.shape, strict=True)]
        steps = [
            {"type": "scale", "scale": scale},
            {"type": "translation", "translation": [3.0] * level.ndim},
        ]
        datasets.append({"path": name, "coordinateTransformations": steps})
    axes = [{"name": k, "type": AXES[k]} for k in case["keys"]]
    image = {"axes": axes, "datasets": datasets, "name": "image"}
    if three:
        group.attrs["ome"] = {"version": "0.5", "multiscales": [image]}
    else:
        group.attrs["multiscales"] = [{"version": "0.4", **image}]


@settings(max_examples=pytest.count(40, 1500))
@given(cases())
def test_every_level_equals_a_rebuild(tmp_path_factory, case):
    tmp, rng = tmp_path_factory.mktemp("any"), np.random.default_rng(case["seed"])
    a = noise(rng, case["shape"], case["dtype"].newbyteorder("="))
    empty = rng.random(a.shape) < case["sparse"]
    a[empty] = np.nan_to_num(fill_of(case), nan=0)
    levels = levels_of(a, case, case["how"])
    for other in {*HOW} - {case["how"]}:  # a few samples may be made by two rules
        twin = levels_of(a, case, other)
        assume(
            any(not np.array_equal(x, y) for x, y in zip(levels, twin, strict=True))
            or levels[-1].shape == a.shape
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        write(tmp / "s.zarr", levels, case)
    box = tuple(map(slice, case["start"], case["stop"]))
    fb.checkout(tmp / "s.zarr", box, tmp / "p.npy")
    old = np.load(tmp / "p.npy")
    as_file = old.astype(bool) if a.dtype.kind == "b" else old
    assert np.array_equal(as_file.reshape(a[box].shape), a[box])
    new = noise(rng, old.shape, a.dtype).astype(old.dtype)
    if case["edit"] == "fill":
        new[...] = fill_of(case)
    elif case["edit"] != "noise":
        new = np.where(rng.random(old.shape) < 0.3, new, old) if case["edit"] == "some" else old
    np.save(tmp / "p.npy", new)
    done = fb.checkin(tmp / "p.npy")
    a[box] = new.reshape(a[box].shape)
    group = zarr.open_group(tmp / "s.zarr", mode="r")
    for i, wanted in enumerate(levels_of(a, case, case["how"])):
        found = np.asarray(group[f"{9 - i}"][...])
        if a.dtype.kind == "f" and i:  # the sums are added up in another order
            assert np.allclose(found, wanted, rtol=1e-6, atol=1e-6, equal_nan=True), done.facts
        else:
            assert np.array_equal(found, wanted, equal_nan=a.dtype.kind == "f"), (i, done.facts)


def test_halves_come_back_from_fiji_as_floats(tmp_path):
    array = zarr.create_array(
        tmp_path / "a.zarr", shape=(6, 8), chunks=(4, 4), dtype="f2", zarr_format=2
    )
    array[...] = 1.5
    fb.checkout(tmp_path / "a.zarr", "y=1:5", tmp_path / "p.tif")
    assert fb.read_image(tmp_path / "p.tif").data.dtype == np.float32

    def edited(value):
        from fijibridge.model import Image

        image = fb.read_image(tmp_path / "p.tif")
        fb.write_image(Image(image.data + value, image.spec), tmp_path / "p.tif", overwrite=True)

    edited(np.float32(1))
    fb.checkin(tmp_path / "p.tif")
    assert (zarr.open_array(tmp_path / "a.zarr", mode="r")[1:5] == 2.5).all()
    fb.checkout(tmp_path / "a.zarr", "y=1:5", tmp_path / "p.tif", overwrite=True)
    edited(np.float32(1e6))
    with pytest.raises(fb.errors.UnsupportedError, match="float16 cannot: beyond"):
        fb.checkin(tmp_path / "p.tif")
    fb.checkin(tmp_path / "p.tif", convert_dtype=True)
    assert (zarr.open_array(tmp_path / "a.zarr", mode="r")[1:5] == 65504).all()
