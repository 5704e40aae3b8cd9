"""Do what a plan says: block by block, in bounded memory, from several threads.

Blocks are whole chunks of the sink, as many as the memory allows. Each is pulled through the
steps, read, computed and written by one thread; no result depends on their order or number. Ctrl-C
or an error stops all of them and aborts the sink: nothing half-written is left.
"""

from __future__ import annotations

import itertools
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

from fijibridge.export.steps import Tally, apply_all, pull_all
from fijibridge.formats import Location
from fijibridge.model import Region

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from fijibridge.export.plan import ExportPlan
    from fijibridge.export.steps import Step
    from fijibridge.model import ImageSink, ImageSource

__all__ = ["Done", "block_shape", "blocks", "copy_blocks", "execute"]

#: Values in flight while float64 work is done: read, float64 twice, written.
_COPIES = 24
_LARGEST = 1 << 25  # samples; larger blocks are no faster


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What an export did.

    Parameters
    ----------
    files
        Paths written.
    nbytes
        Bytes of pixels, uncompressed.
    saturated, nans
        Values that were beyond the pixel type, and NaN that became 0.
    """

    files: tuple[str, ...]
    nbytes: int
    saturated: int = 0
    nans: int = 0


def block_shape(
    shape: Sequence[int], chunks: Sequence[int], source: Sequence[int], samples: int
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

    Examples
    --------
    >>> block_shape((10, 64, 64), (1, 32, 32), (5, 16, 64), 20_000)
    (5, 32, 64)
    """
    block = [max(1, min(c, n)) for c, n in zip(chunks, shape, strict=True)]
    for goal in (source, shape):
        for i in reversed(range(len(block))):
            wanted = min(goal[i], shape[i])
            room = samples // max(1, prod(block)) * block[i]
            if wanted <= block[i] or room < 2 * block[i]:
                continue
            size = min(-(-wanted // block[i]) * block[i], room // block[i] * block[i])
            block[i] = min(size, shape[i]) if size < shape[i] else shape[i]
    return tuple(block)


def blocks(shape: Sequence[int], block: Sequence[int]) -> Iterator[Region]:
    """Yield regions that cover an image, C order."""
    ranges = [range(0, n, b) for n, b in zip(shape, block, strict=True)]
    for start in itertools.product(*ranges):
        stop = tuple(min(a + b, n) for a, b, n in zip(start, block, shape, strict=True))
        yield Region(start, stop)


def _source_chunks(source: ImageSource, keys: str) -> tuple[int, ...]:
    chunks = tuple(getattr(source, "chunks", ())) or tuple(1 for _ in source.spec.shape)
    by_key = dict(zip(source.spec.axes.keys, chunks, strict=True))
    return tuple(by_key.get(key, 1) for key in keys)


def _thin(shape: Sequence[int], keys: str, samples: int) -> tuple[int, ...]:
    """Return blocks for a sink that has no chunks: whole planes, or rows of them."""
    block = [1] * len(shape)
    for i in reversed(range(len(shape))):
        block[i] = max(1, min(shape[i], samples // max(1, prod(block))))
        if block[i] < shape[i] or keys[i] not in "yxc":
            break
    return tuple(block)


def copy_blocks(
    source: ImageSource,
    steps: Sequence[Step],
    sink: ImageSink,
    shape: Sequence[int],
    keys: str,
    *,
    jobs: int,
    memory: int,
    tally: Tally,
    progress: Callable[[int], None] = lambda _nbytes: None,
) -> None:
    """Copy an image through steps into a sink; any `jobs` gives the same result.

    Parameters
    ----------
    source, steps, sink
        From, through, to.
    shape, keys
        Of what is written.
    jobs
        Threads.
    memory
        Bytes that blocks in flight may take, at least one chunk each.
    tally
        Counts what had to give way.
    progress
        Called with the bytes of each block that was written.
    """
    samples = max(1, min(_LARGEST, memory // (_COPIES * jobs)))
    chunks = getattr(sink, "chunks", None) or _thin(shape, keys, samples)
    block = block_shape(shape, chunks, _source_chunks(source, keys), samples)
    todo = blocks(shape, block)
    lock, stop = threading.Lock(), threading.Event()

    def work() -> None:
        while not stop.is_set():
            with lock:
                region = next(todo, None)
            if region is None:
                return
            try:
                data = apply_all(steps, source.read(pull_all(steps, region)), tally)
                sink.write(region, data)
                progress(data.nbytes)
            except BaseException:
                stop.set()
                raise

    if jobs == 1:
        work()
        return
    with ThreadPoolExecutor(jobs) as pool:
        running = [pool.submit(work) for _ in range(jobs)]
        try:
            for one in running:
                one.result()
        finally:
            stop.set()


def execute(
    plan: ExportPlan,
    source: ImageSource,
    progress: Callable[[int], None] = lambda _nbytes: None,
) -> Done:
    """Do a plan.

    Parameters
    ----------
    plan
        What to do.
    source
        The open input the plan was made for.
    progress
        Called with the bytes of each block.

    Raises
    ------
    FijiBridgeError
        When the source is broken or a target cannot be written; nothing is left behind then.
    """
    from fijibridge.export.outputs import shelf_format
    from fijibridge.export.sequence import execute_sequence

    jobs = plan.settings.jobs or min(8, os.cpu_count() or 1)
    tally = Tally()
    if plan.sequence_axis:
        execute_sequence(plan, source, jobs=jobs, tally=tally, progress=progress)
    else:
        shelf = shelf_format(plan.format)
        assert shelf.create_image is not None  # noqa: S101  # outputs lists formats that write
        sink = shelf.create_image(Location.parse(plan.files[0]), plan.output, plan.options)
        try:
            copy_blocks(
                source,
                (*plan.steps, *plan.fit),
                sink,
                plan.output.shape,
                plan.output.axes.keys,
                jobs=jobs,
                memory=plan.settings.memory,
                tally=tally,
                progress=progress,
            )
            sink.commit()
        except BaseException:
            sink.abort()
            raise
    return Done(files=plan.files, nbytes=plan.nbytes, saturated=tally.saturated, nans=tally.nans)
