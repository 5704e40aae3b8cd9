"""Levels that grow while the image is written are the levels of the whole image."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fijibridge.export.grid import blocks
from fijibridge.formats._zarr import cascade as cascade_module
from fijibridge.formats._zarr.cascade import Cascade
from fijibridge.formats._zarr.chunks import ChunkFiles
from fijibridge.model import Region
from fijibridge.model.scaling import SCALINGS, reduce_block, support


def arrays(folder, shapes, chunk, dtype, codec="lz4"):
    return [
        ChunkFiles(
            folder / f"s{i}",
            shape,
            tuple(min(c, n) for c, n in zip(chunk, shape, strict=True)),
            np.dtype(dtype),
            codec=codec,
            zarr_format=2 + i % 2,
        )
        for i, shape in enumerate(shapes)
    ]


def whole(array):
    out = np.zeros(array.shape, array.dtype)
    grid = (range(0, n, c) for n, c in zip(array.shape, array.chunk, strict=True))
    for low in itertools.product(*grid):
        high = tuple(min(a + c, n) for a, c, n in zip(low, array.chunk, array.shape, strict=True))
        region = Region(low, high)
        out[region.slices] = array.get(region)
    return out


def expected(image, shapes, scaling):
    levels = [image]
    for shape in shapes[1:]:
        last, region = levels[-1], Region.whole(shape)
        part = last[support(last.shape, shape, region, scaling).slices]
        levels.append(reduce_block(part, last.shape, shape, region, scaling))
    return levels


@settings(max_examples=pytest.count(60, 3000))
@given(st.data())
def test_block_wise_is_whole(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("c")
    shape = tuple(data.draw(st.integers(1, 23)) for _ in range(data.draw(st.integers(2, 3))))
    moved = [data.draw(st.booleans()) for _ in shape]
    shapes = [shape]
    for _ in range(data.draw(st.integers(0, 3))):
        shapes.append(
            tuple(max(1, n // 2) if m else n for n, m in zip(shapes[-1], moved, strict=True))
        )
    chunk = tuple(data.draw(st.integers(1, 8)) for _ in shape)
    dtype = data.draw(st.sampled_from(["u1", "u2", "i4", "f4", "u8"]))
    scaling = data.draw(st.sampled_from(SCALINGS))
    rng = np.random.default_rng(data.draw(st.integers(0, 999)))
    image = rng.integers(0, 100, shape).astype(dtype)
    made = arrays(folder, shapes, chunk, dtype, data.draw(st.sampled_from(["lz4", "none"])))
    cascade = Cascade(made, scaling, folder)
    cuts = []
    for n in shape:
        inner = data.draw(st.lists(st.integers(1, n), max_size=3))
        cuts.append(list(itertools.pairwise(sorted({0, n, *inner}))))
    boxes = data.draw(st.permutations(list(itertools.product(*cuts))))
    if data.draw(st.booleans()) and data.draw(st.booleans()):
        boxes = [*boxes, boxes[0]]  # a block that comes again
    for box in boxes:
        region = Region(tuple(a for a, _ in box), tuple(b for _, b in box))
        cascade.write(region, image[region.slices])
    cascade.finish()
    for array, wanted in zip(made, expected(image, shapes, scaling), strict=True):
        np.testing.assert_array_equal(whole(array), wanted)


@settings(max_examples=pytest.count(40, 3000))
@given(st.data())
def test_announced_blocks_are_whole(tmp_path_factory, data):
    """The next level is made of the blocks that were announced, whatever fits the memory."""
    folder = tmp_path_factory.mktemp("c")
    shape = tuple(data.draw(st.integers(1, 40)) for _ in range(data.draw(st.integers(1, 3))))
    shapes = [shape, *(tuple(max(1, n >> i) for n in shape) for i in (1, 2))]
    chunk = tuple(data.draw(st.integers(1, 8)) for _ in shape)
    scaling = data.draw(st.sampled_from(SCALINGS))
    image = np.random.default_rng(data.draw(st.integers(0, 999))).integers(0, 9999, shape, "u2")
    made = arrays(folder, shapes, chunk, "u2")
    held = data.draw(st.sampled_from([0, 300, 1 << 24]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cascade_module, "_HELD", held)
        cascade = Cascade(made, scaling, folder)
        times = [data.draw(st.integers(1, 4)) for _ in shape]
        block = tuple(min(c * k, n) for c, k, n in zip(chunk, times, shape, strict=True))
        cascade.expect(blocks(shape, block, depth_first=True))
    other = tuple(data.draw(st.integers(1, n)) for n in shape)
    come = block if data.draw(st.integers(0, 3)) else other  # nobody has to keep the word
    for region in data.draw(st.permutations(list(blocks(shape, come))[:500])):
        cascade.write(region, image[region.slices])
    if len(list(blocks(shape, come))) > 500:
        cascade.write(Region.whole(shape), image)
    cascade.finish()
    for array, wanted in zip(made, expected(image, shapes, scaling), strict=True):
        np.testing.assert_array_equal(whole(array), wanted)


def test_a_block_that_changes_what_was_there(tmp_path):
    shapes = [(16, 16), (8, 8), (4, 4)]
    made = arrays(tmp_path, shapes, (4, 4), "u2")
    cascade = Cascade(made, "linear", tmp_path)
    image = np.arange(256, dtype=np.uint16).reshape(16, 16)
    cascade.write(Region.whole((16, 16)), image)
    image = image.copy()
    image[3:9, 2:14] = 999
    cascade.write(Region((3, 2), (9, 14)), image[3:9, 2:14])
    cascade.finish()
    for array, wanted in zip(made, expected(image, shapes, "linear"), strict=True):
        np.testing.assert_array_equal(whole(array), wanted)


def test_blocks_that_never_came_are_0(tmp_path):
    shapes = [(16, 16), (8, 8)]
    made = arrays(tmp_path, shapes, (4, 4), "u2")
    cascade = Cascade(made, "linear", tmp_path)
    image = np.zeros((16, 16), np.uint16)
    image[:5, :5] = 7
    cascade.write(Region((0, 0), (5, 5)), image[:5, :5])
    cascade.finish()
    for array, wanted in zip(made, expected(image, shapes, "linear"), strict=True):
        np.testing.assert_array_equal(whole(array), wanted)
    assert not (tmp_path / "s0/3").exists()  # nothing but the fill value is not stored
