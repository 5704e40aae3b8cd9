"""ilastik's gaussian against what numpy 1.24.4 gave on a processor with AVX-512."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fijibridge.formats._zarr.gauss import _exp, gauss_weights

#: scipy.ndimage._filters._gaussian_kernel1d(sigma, 0, int(4 * sigma + 0.5)), numpy 1.24.4
WITNESS = {
    "2/1": ["0x1.92b965ef5aaefp-1", "0x1.b405b9842b206p-4", "0x1.14aebe6a24088p-12"],
    "129/64": ["0x1.90065b938b182p-1", "0x1.beaf996b4aa75p-4", "0x1.36f84688f7f9fp-12"],
    "7/3": ["0x1.5d500625c9688p-1", "0x1.4175d125e0966p-3", "0x1.f51147464c40fp-10"],
    "5/2": [
        "0x1.46855b878b440p-1",
        "0x1.6b23d656fc747p-3",
        "0x1.f3882b8b1da18p-9",
        "0x1.a8f5e0467e386p-18",
    ],
    "725/362": ["0x1.923efa83fa699p-1", "0x1.b5e991bd5cb2ap-4", "0x1.1a8432b9a73efp-12"],
    "3/1": [
        "0x1.10562a79786afp-1",
        "0x1.bfd7fac1bd5a8p-3",
        "0x1.f1e23259cfdcbp-7",
        "0x1.763496d347539p-13",
    ],
    "101/50": ["0x1.8f457ecc1c9afp-1", "0x1.c1a8dfbd4b802p-4", "0x1.4125124213e21p-12"],
    "16/3": [
        "0x1.32652c7a2a882p-2",
        "0x1.ce8ef852c1469p-3",
        "0x1.8de349b6f6eaep-4",
        "0x1.8606c4a3f67cdp-6",
        "0x1.b3addc7f41785p-9",
        "0x1.154ca239cd0a5p-12",
    ],
}


@pytest.mark.parametrize("factor", WITNESS)
def test_the_weights_are_those_of_numpy_1_24(factor):
    fine, coarse = map(int, factor.split("/"))
    found = [float(v).hex() for v in gauss_weights(fine / coarse / 4)]
    half = len(found) // 2
    assert found[half:] == WITNESS[factor]
    assert found == found[::-1]


@given(st.floats(-30, 0))
def test_exp_is_off_by_one_last_bit_at_most(x):
    assert abs(_exp(x) - math.exp(x)) <= math.ulp(math.exp(x))


@given(st.floats(0.1, 10))
def test_weights_sum_to_one(sigma):
    weights = gauss_weights(sigma)
    assert len(weights) == 2 * int(4 * sigma + 0.5) + 1
    assert np.isclose(weights.sum(), 1, rtol=0, atol=1e-15)
