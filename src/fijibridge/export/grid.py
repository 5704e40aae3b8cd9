"""How an image is cut into blocks: what fits the memory, the source and the sink.

Blocks are whole chunks of the source where a part of a chunk costs as much as all of it (packed
files) and the sink takes parts of its own chunks, so that each is unpacked once; else whole chunks
of the sink. They depend on the memory, not
on the number of threads, so that files do not either.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

from fijibridge.export.steps import Rename, Subregion, Transpose, pull_all
from fijibridge.model import Region

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np

    from fijibridge.export.steps import Step
    from fijibridge.model import ImageSink, ImageSource

__all__ = [
    "Grid",
    "block_shape",
    "blocks",
    "grid_for",
    "samples_for",
    "weight_of",
    "work_shape",
]

_LARGEST = 1 << 24  # bytes of a block; larger ones are no faster
_FLOATS = 24  # bytes of a sample while it is computed in float64
_ENOUGH = 1 << 20  # bytes of a block; smaller ones cost more than they hold
_SHARES = 8  # blocks do not depend on the number of threads, so that files do not


def block_shape(
    shape: Sequence[int],
    chunks: Sequence[int],
    source: Sequence[int],
    samples: int,
    order: Sequence[int] = (),
) -> tuple[int, ...]:
    """Return the shape of blocks: whole chunks, first as large as the source's, then larger.

    Parameters
    ----------
    shape
        Of the image that is written.
    chunks
        Of the sink, in the same axes.
    source
        Chunks of the source in the same axes, 1 where unknown.
    samples
        How many samples a block may have; one chunk is the least.
    order
        Axes, those that grow first in front; by default from the last one on.

    Examples
    --------
    >>> block_shape((10, 64, 64), (1, 32, 32), (5, 16, 64), 20_000)
    (5, 32, 64)
    """
    block = [max(1, min(c, n)) for c, n in zip(chunks, shape, strict=True)]
    for goal in (source, shape):
        for i in order or reversed(range(len(block))):
            wanted = min(goal[i], shape[i])
            room = samples // max(1, prod(block)) * block[i]
            if wanted <= block[i] or room < 2 * block[i]:
                continue
            size = min(-(-wanted // block[i]) * block[i], room // block[i] * block[i])
            block[i] = min(size, shape[i]) if size < shape[i] else shape[i]
    return tuple(block)


def blocks(
    shape: Sequence[int],
    block: Sequence[int],
    first: Sequence[int] = (),
    *,
    depth_first: bool = False,
) -> Iterator[Region]:
    """Yield regions that cover an image.

    Parameters
    ----------
    shape
        Of the image.
    block
        Of a region; those at the edges are smaller.
    first
        Where the second region of each axis begins, 0 = a whole block after the first.
    depth_first
        Neighbours of all axes together (the order of an octree), else C order.

    Examples
    --------
    >>> [region.start for region in blocks((4, 4), (2, 2), depth_first=True)]
    [(0, 0), (0, 2), (2, 0), (2, 2)]
    """
    first = tuple(first) or (0,) * len(shape)
    starts = [
        [0, *range(f or b, n, b)] if n else [] for n, b, f in zip(shape, block, first, strict=True)
    ]
    cells: Iterator[tuple[int, ...]]
    counts = [len(of) for of in starts]
    cells = _octree(counts) if depth_first else itertools.product(*map(range, counts))
    for cell in cells:
        start = tuple(of[i] for of, i in zip(starts, cell, strict=True))
        stop = tuple(
            of[i + 1] if i + 1 < len(of) else n
            for of, i, n in zip(starts, cell, shape, strict=True)
        )
        yield Region(start, stop)


def _octree(counts: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """Yield the cells of a grid, each subtree whole before the next."""
    side = 1
    while side < max(counts, default=1):
        side *= 2
    stack = [((0,) * len(counts), side)]
    while stack:
        low, side = stack.pop()
        if any(a >= n for a, n in zip(low, counts, strict=True)):
            continue
        if side == 1:
            yield low
            continue
        half = side // 2
        moves = itertools.product(
            *((0, half) if a + half < n else (0,) for a, n in zip(low, counts, strict=True))
        )
        stack += reversed([(tuple(map(sum, zip(low, move, strict=True))), half) for move in moves])


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """How an image is cut into blocks.

    Parameters
    ----------
    block
        Shape of a block.
    first
        Where the second block of each axis begins, 0 = after a whole one.
    jobs
        How many blocks are in flight.
    """

    block: tuple[int, ...]
    first: tuple[int, ...]
    jobs: int


def weight_of(read: int, steps: Sequence[Step], written: int) -> int:
    """Return how many bytes a sample takes on its way, from those it is read and written as."""
    return read + (_FLOATS if any(map(_computes, steps)) else 0) + written


def samples_for(weight: int, size: int, memory: int) -> int:
    """Return how many samples a block may have, the same for any number of jobs.

    Parameters
    ----------
    weight
        Bytes that a sample takes on its way.
    size
        Bytes of a sample where it is largest at rest.
    memory
        Bytes that blocks in flight may take.
    """
    return max(1, min(memory // (weight * _SHARES), _LARGEST // size))


def grid_for(
    source: ImageSource,
    steps: Sequence[Step],
    sink: ImageSink,
    shape: Sequence[int],
    keys: str,
    *,
    dtype: np.dtype[Any],
    jobs: int,
    memory: int,
) -> Grid:
    """Return blocks that fit memory; the same ones for any number of jobs.

    Parameters
    ----------
    source, steps, sink
        From, through, to.
    shape, keys, dtype
        Of what is written.
    jobs
        Threads; fewer when not so many blocks fit.
    memory
        Bytes that blocks in flight may take; one chunk is the least.
    """
    chunks, offset = _source_chunks(source, steps, shape, keys)
    read, written = source.spec.dtype.itemsize, dtype.itemsize
    weight = weight_of(read, steps, written)
    theirs = getattr(sink, "chunks", None)
    parts = theirs is None or getattr(sink, "takes_parts", False)
    costly = parts and getattr(source, "costly", False) and prod(chunks) > 1
    unit = chunks if costly or theirs is None else tuple(theirs)
    # a thread holds a block of the source and a chunk of the sink
    held = (unit, unit if theirs is None else tuple(theirs))
    least = max(prod(map(min, of, shape)) for of in held) * weight
    jobs = max(1, min(jobs, memory // max(1, least)))
    samples = samples_for(weight, max(read, written), memory)
    rows = (*unit[:-1], shape[-1])  # a file without chunks takes whole rows much faster
    if not costly and theirs is None and prod(rows) > samples:
        return Grid(block=_thin(shape, keys, samples), first=(0,) * len(shape), jobs=jobs)
    goal = tuple(theirs) if costly and theirs is not None else chunks
    order: list[int] = []
    if theirs is not None and getattr(sink, "linked", False):
        # larger ones, as less waits along the edges of blocks; first axes first: chunks stay whole
        goal = tuple(theirs)
        order = sorted(range(len(shape)), key=lambda i: (keys[i] not in "zyx", i))
    elif not costly and theirs is not None and _alone(unit, chunks, shape, max(read, written)):
        samples = 1  # pixels are read to where they are packed
    block = block_shape(shape, unit, goal, samples, order)
    first = tuple(-o % c if costly and o % c else 0 for o, c in zip(offset, unit, strict=True))
    return Grid(block=block, first=first, jobs=jobs)


def work_shape(
    source: ImageSource,
    sink: ImageSink,
    shape: Sequence[int],
    keys: str,
    *,
    jobs: int,
    memory: int,
) -> tuple[int, ...]:
    """Return the shape of blocks (see `grid_for`) of an image that is not cut out of another."""
    dtype = source.spec.dtype
    grid = grid_for(source, (), sink, shape, keys, dtype=dtype, jobs=jobs, memory=memory)
    return grid.block


def _alone(unit: Sequence[int], chunks: Sequence[int], shape: Sequence[int], size: int) -> bool:
    """Whether a chunk of the sink is work enough and holds whole chunks of the source."""
    whole = all(u % c == 0 or u >= n for u, c, n in zip(unit, chunks, shape, strict=True))
    return prod(chunks) > 1 and whole and prod(unit) * size >= _ENOUGH


def _computes(step: Step) -> bool:
    """Whether a step changes values, rather than where they lie."""
    return not isinstance(step, (Subregion, Transpose, Rename))


def _source_chunks(
    source: ImageSource, steps: Sequence[Step], shape: Sequence[int], keys: str
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return (chunks of the source, source pixel of the first sample), in the output's axes."""
    own = source.spec.axes.keys
    chunks = tuple(getattr(source, "chunks", ())) or (1,) * len(own)
    begin = (0,) * len(own)
    if steps:
        begin = pull_all(steps, Region((0,) * len(shape), tuple(min(1, n) for n in shape))).start
    named = dict(zip(own, zip(chunks, begin, strict=True), strict=True))
    found = [named.get(key, (1, 0)) for key in keys]
    return tuple(max(1, c) for c, _ in found), tuple(a for _, a in found)


def _thin(shape: Sequence[int], keys: str, samples: int) -> tuple[int, ...]:
    """Return blocks for a sink that has no chunks: whole planes, or rows of them."""
    block = [1] * len(shape)
    for i in reversed(range(len(shape))):
        block[i] = max(1, min(shape[i], samples // max(1, prod(block))))
        if block[i] < shape[i] or keys[i] not in "yxc":
            break
    return tuple(block)
