"""Whole chunks out of blocks of any shape."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fijibridge.formats import _patchwork
from fijibridge.formats._patchwork import Patchwork
from fijibridge.model import Region


def cut(data, n):
    """Where an axis is cut."""
    inner = data.draw(st.lists(st.integers(1, n), max_size=4))
    return sorted({0, n, *inner})


@settings(max_examples=pytest.count(60, 2000))
@given(st.data())
def test_every_chunk_comes_once_and_whole(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("p")
    held = data.draw(st.sampled_from((0, 40, 400, 1 << 20)))  # in the file, some, all in memory
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(_patchwork, "_HELD", held)
        every_chunk_comes_once_and_whole(folder, data)


def every_chunk_comes_once_and_whole(folder, data):
    shape = tuple(data.draw(st.integers(1, 12)) for _ in range(data.draw(st.integers(1, 3))))
    chunk = tuple(data.draw(st.integers(1, n + 2)) for n in shape)
    image = np.arange(np.prod(shape), dtype=np.int32).reshape(shape) + 1
    out = np.zeros(shape, np.int32)
    came = []

    def put(region, part):
        assert part.shape == region.shape
        came.append(region.start)
        out[region.slices] = part

    def patch(_region, _part):
        raise AssertionError

    made = Patchwork(shape, chunk, image.dtype, folder, put=put, patch=patch)
    cuts = [list(itertools.pairwise(cut(data, n))) for n in shape]
    boxes = data.draw(st.permutations(list(itertools.product(*cuts))))
    left_out = boxes.pop() if data.draw(st.booleans()) else None
    for box in boxes:
        region = Region(tuple(a for a, _ in box), tuple(b for _, b in box))
        made.write(region, image[region.slices])
    assert len(came) == len(set(came))
    assert not list(folder.iterdir())  # the hidden file has no name
    if left_out is not None:
        image[tuple(slice(*ends) for ends in left_out)] = 0
    else:
        assert not list(made.missing())
    made.finish()
    assert len(came) == len(set(came))
    np.testing.assert_array_equal(out, image)


def test_what_is_written_twice(tmp_path):
    out = np.zeros(8, np.uint8)
    events = []

    def put(region, part):
        events.append("put")
        out[region.slices] = part

    def patch(region, part):
        events.append("patch")
        out[region.slices] = part

    made = Patchwork((8,), (4,), out.dtype, tmp_path, put=put, patch=patch)
    made.write(Region((0,), (3,)), np.full(3, 1, np.uint8))
    made.write(Region((0,), (3,)), np.full(3, 2, np.uint8))
    made.write(Region((2,), (6,)), np.full(4, 3, np.uint8))
    made.write(Region((0,), (8,)), np.arange(8, dtype=np.uint8))
    made.finish()
    assert out.tolist() == list(range(8))
    assert "patch" in events
