"""Out and back in: every level equals a full rebuild, whatever the store looks like."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import fijibridge as fb
from fijibridge.model import Axes, Axis, Image
from patch.stores import pyramid, read_levels, write_store

HOW = ("even", "up", "down", "first")


@st.composite
def cases(draw):
    keys = draw(st.sampled_from(["zyx", "yx", "czyx", "tczyx", "zyxc"]))
    shape = tuple(draw(st.integers(1, 3)) if k in "tc" else draw(st.integers(9, 40)) for k in keys)
    halve = draw(st.sampled_from(["zyx", "yx"]))
    levels = draw(st.integers(1, 3))
    version = draw(st.sampled_from(["0.4", "0.5"]))
    chunks = tuple(
        draw(st.integers(1, 2)) if k in "tc" else draw(st.sampled_from([4, 7, 8, 16])) for k in keys
    )
    shards = None
    if version == "0.5" and draw(st.booleans()):
        shards = tuple(2 * c for c in chunks)
    start = tuple(draw(st.integers(0, n - 1)) for n in shape)
    stop = tuple(draw(st.integers(a + 1, n)) for a, n in zip(start, shape, strict=True))
    return {
        "keys": keys,
        "shape": shape,
        "halve": halve,
        "levels": levels,
        "version": version,
        "chunks": chunks,
        "shards": shards,
        "start": start,
        "stop": stop,
        "dtype": draw(st.sampled_from(["uint8", "uint16", "int16", "uint32", "float32"])),
        "how": draw(st.sampled_from(HOW)),
        "labels": draw(st.booleans()),
        "edit": draw(st.sampled_from(["noise", "zero", "some"])),
        "seed": draw(st.integers(0, 2**31)),
    }


def _noise(rng, shape, dtype):
    if np.dtype(dtype).kind == "f":
        return (rng.integers(0, 1 << 12, shape) / 8).astype(dtype)
    return rng.integers(0, 200, shape).astype(dtype)


def _edited(rng, old, edit):
    if edit == "zero":
        return np.zeros_like(old)
    new = _noise(rng, old.shape, old.dtype)
    return np.where(rng.random(old.shape) < 0.3, new, old) if edit == "some" else new


@settings(max_examples=pytest.count(40, 1500))
@given(cases())
def test_every_level_equals_a_rebuild(tmp_path_factory, case):
    tmp = tmp_path_factory.mktemp("patch")
    rng = np.random.default_rng(case["seed"])
    labels = case["labels"] and case["dtype"] != "float32" and "c" not in case["keys"]
    how = "first" if labels else case["how"]
    a = _noise(rng, case["shape"], case["dtype"])
    levels = pyramid(a, case["keys"], case["halve"], how, case["levels"])
    for other in {*HOW} - {how}:  # a few samples may be made by two rules: nobody can tell
        twin = pyramid(a, case["keys"], case["halve"], other, case["levels"])
        same = all(np.array_equal(x, y) for x, y in zip(levels, twin, strict=True))
        assume(not same or all(n == m for n, m in zip(a.shape, levels[-1].shape, strict=True)))
    store = write_store(
        tmp / "s.ome.zarr",
        levels,
        case["keys"],
        chunks=case["chunks"],
        version=case["version"],
        shards=case["shards"],
        labels=labels,
    )
    box = tuple(map(slice, case["start"], case["stop"]))
    fb.checkout(store, box, tmp / "p.npy")
    old = np.load(tmp / "p.npy")
    assert np.array_equal(old.reshape(a[box].shape), a[box])
    new = _edited(rng, old, case["edit"])
    np.save(tmp / "p.npy", new)
    done = fb.checkin(tmp / "p.npy")
    b = a.copy()
    b[box] = new.reshape(a[box].shape)
    wanted = pyramid(b, case["keys"], case["halve"], how, case["levels"])
    found = read_levels(store)
    assert len(found) == len(wanted)
    for mine, its in zip(found, wanted, strict=True):
        assert np.array_equal(mine, its), done.facts


@settings(max_examples=pytest.count(15, 300))
@given(
    st.tuples(st.integers(20, 70), st.integers(20, 90), st.integers(20, 90)),
    st.sampled_from(["linear", "mean", "nearest"]),
    st.sampled_from(["0.4", "0.5"]),
    st.booleans(),
    st.integers(0, 2**31),
)
def test_our_own_pyramids(tmp_path_factory, shape, downscale, version, thick, seed):
    tmp = tmp_path_factory.mktemp("own")
    rng = np.random.default_rng(seed)
    axes = Axes(
        tuple(
            Axis(k, n, 4.0 if thick and k == "z" else 0.5, "micrometer")
            for k, n in zip("zyx", shape, strict=True)
        )
    )
    a = rng.integers(0, 60000, shape).astype(np.uint16)
    chunks = tuple(int(c) for c in rng.integers(5, 30, 3))
    from fijibridge.formats import write_image

    def write(data, path):
        spec = Image.from_array(data, axes)
        sink_levels = {"downscale": downscale, "version": version, "chunks": chunks}
        write_image(spec, path, **sink_levels)

    from fijibridge.model import scaling

    longest, scaling.LONGEST = scaling.LONGEST, 16
    try:
        write(a, tmp / "s.ome.zarr")
        start = [int(rng.integers(0, n)) for n in shape]
        stop = [int(rng.integers(p + 1, n + 1)) for p, n in zip(start, shape, strict=True)]
        box = tuple(map(slice, start, stop))
        fb.checkout(tmp / "s.ome.zarr", box, tmp / "p.tif")
        patch = fb.read_image(tmp / "p.tif")
        new = rng.integers(0, 60000, patch.shape).astype(np.uint16)
        fb.write_image(Image(new, patch.spec), tmp / "p.tif", overwrite=True)
        fb.checkin(tmp / "p.tif")
        a[box] = new.reshape(a[box].shape)
        write(a, tmp / "ref.ome.zarr")
    finally:
        scaling.LONGEST = longest
    for mine, its in zip(
        read_levels(tmp / "s.ome.zarr"), read_levels(tmp / "ref.ome.zarr"), strict=True
    ):
        assert np.array_equal(mine, its)


def counting_store(got):
    """Return a class of stores that write down which units are asked for."""
    from zarr.storage import WrapperStore

    class Counting(WrapperStore):
        async def get(self, key, prototype, byte_range=None):
            if not key.endswith((".zarray", ".zattrs", ".zgroup", "zarr.json")):
                got.append(key)
            return await self._store.get(key, prototype, byte_range)

    return Counting


def test_reads_and_writes_are_the_least(tmp_path, monkeypatch):
    rng = np.random.default_rng(3)
    a = rng.integers(0, 4000, (80, 96, 96)).astype(np.uint16)
    store = write_store(
        tmp_path / "s.ome.zarr", pyramid(a, "zyx", "zyx", "even", 3), "zyx", chunks=(16, 16, 16)
    )
    fb.checkout(store, "z=11:61,y=20:70,x=33:80", tmp_path / "p.npy")
    np.save(tmp_path / "p.npy", rng.integers(0, 4000, (50, 50, 47)).astype(np.uint16))

    def least(shape, lo, hi):
        """Return (written, partly covered) units of a box, counted one by one."""
        written = partly = 0
        for unit in np.ndindex(*(-(-n // 16) for n in shape)):
            low = [16 * u for u in unit]
            high = [min(16 * u + 16, n) for u, n in zip(unit, shape, strict=True)]
            if all(p < d and q > c for p, q, c, d in zip(low, high, lo, hi, strict=True)):
                written += 1
                partly += not all(
                    c <= p and q <= d for p, q, c, d in zip(low, high, lo, hi, strict=True)
                )
        return written, partly

    wanted = []
    lo, hi, shape = [11, 20, 33], [61, 70, 80], [80, 96, 96]
    for _ in range(3):
        wanted.append(least(shape, lo, hi))
        lo = [p // 2 for p in lo]
        hi = [-(-q // 2) for q in hi]
        shape = [n // 2 for n in shape]

    import zarr.storage

    local, got = zarr.storage.LocalStore, []
    counting = counting_store(got)
    monkeypatch.setattr(
        zarr.storage, "LocalStore", lambda root, **more: counting(local(root, **more))
    )
    before = {p: p.stat().st_ino for p in store.rglob("*") if p.is_file()}
    got.clear()
    done = fb.checkin(tmp_path / "p.npy", force=True)
    after = {p: p.stat().st_ino for p in store.rglob("*") if p.is_file()}
    said = [(one["chunks_written"], one["chunks_read"]) for one in done.facts["levels"]]
    assert said == wanted
    changed = {p for p in before if after[p] != before[p]}
    assert len(changed) == sum(w for w, _ in wanted)
    assert len(got) == len(set(got)) == sum(r for _, r in wanted)
