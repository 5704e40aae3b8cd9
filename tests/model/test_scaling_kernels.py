"""The compiled loops give the bits of the plain ones."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fijibridge.model import Region, scaling

DTYPES = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64")


@settings(max_examples=pytest.count(40, 2000))
@given(st.data())
def test_compiled_is_plain(monkeypatch_module, data):
    ndim = data.draw(st.integers(1, 5))
    fine = tuple(data.draw(st.integers(1, 40 if i == ndim - 1 else 14)) for i in range(ndim))
    coarse = tuple(
        data.draw(st.integers(1, n)) if i >= ndim - 3 and data.draw(st.booleans()) else n
        for i, n in enumerate(fine)
    )
    if data.draw(st.booleans()):  # the common case: exact halves
        coarse = tuple(n if i < ndim - 3 else max(1, n // 2) for i, n in enumerate(fine))
    start = tuple(data.draw(st.integers(0, m - 1)) for m in coarse)
    stop = tuple(data.draw(st.integers(a + 1, m)) for a, m in zip(start, coarse, strict=True))
    region, kind = Region(start, stop), data.draw(st.sampled_from(scaling.SCALINGS))
    dtype = np.dtype(data.draw(st.sampled_from(DTYPES)))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    shape = scaling.support(fine, coarse, region, kind).shape
    if dtype.kind == "f":
        block = (rng.normal(size=shape) * 10.0 ** rng.integers(-5, 20)).astype(dtype)
        block[rng.random(shape) < 0.05] = np.nan
    else:
        info = np.iinfo(dtype)
        block = rng.integers(info.min, info.max, shape, dtype, endpoint=True)
    if data.draw(st.booleans()):  # blocks are views of larger ones
        block = np.repeat(block, 2, axis=-1)[..., ::2]
    monkeypatch_module.setattr(scaling, "_COMPILED", 1 << 62)
    plain = scaling.reduce_block(block, fine, coarse, region, kind)
    monkeypatch_module.setattr(scaling, "_COMPILED", -1)
    compiled = scaling.reduce_block(block, fine, coarse, region, kind)
    assert plain.dtype == compiled.dtype == dtype
    np.testing.assert_array_equal(plain, compiled)


@pytest.fixture(scope="module")
def monkeypatch_module():
    with pytest.MonkeyPatch.context() as patch:
        yield patch


def test_ties_go_to_even():
    block = np.zeros((64, 64, 64), np.uint16)
    block[0, 0, 0], block[0, 0, 2] = 4, 12  # means of 0.5 and 1.5
    made = scaling.reduce_block(block, (64,) * 3, (32,) * 3, Region.whole((32, 32, 32)), "mean")
    assert made[0, 0, :2].tolist() == [0, 2]
