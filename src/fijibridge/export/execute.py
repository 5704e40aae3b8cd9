"""Do what a plan says: block by block, in bounded memory, from several threads.

Each block (see `grid`) is pulled through the steps, read, computed and written by one thread; no
result depends on their order or number. Where nothing is changed and source and sink store chunks
alike, they are not unpacked at all. Ctrl-C or an error stops all threads and aborts the sink:
nothing half-written is left.
"""

from __future__ import annotations

import inspect
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from fijibridge.export.grid import block_shape, blocks, grid_for, work_shape
from fijibridge.export.steps import (
    Rename,
    Subregion,
    Tally,
    Transpose,
    apply_all,
    describe_all,
    pull_all,
)
from fijibridge.formats import Location
from fijibridge.model import Region

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from fijibridge.export.plan import ExportPlan
    from fijibridge.export.steps import Step
    from fijibridge.model import ImageSink, ImageSource

__all__ = ["Done", "Reader", "block_shape", "blocks", "copy_blocks", "execute", "work_shape"]


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
    chunks = _packed_chunks(source, steps, sink, shape)
    if chunks:
        _copy_packed(source, sink, blocks(shape, chunks), progress)
        return
    dtype = describe_all(steps, source.spec).dtype
    grid = grid_for(source, steps, sink, shape, keys, dtype=dtype, jobs=jobs, memory=memory)
    deep = bool(getattr(sink, "depth_first", False))
    todo = blocks(shape, grid.block, grid.first, depth_first=deep)
    expect = getattr(sink, "expect", None)
    if expect is not None:
        expect(blocks(shape, grid.block, grid.first, depth_first=deep))
    lock, stop = threading.Lock(), threading.Event()

    def work() -> None:
        reader = Reader(source)
        while not stop.is_set():
            with lock:
                region = next(todo, None)
            if region is None:
                return
            try:
                data = apply_all(steps, reader.read(pull_all(steps, region)), tally)
                sink.write(region, data)
                progress(data.nbytes)
            except BaseException:
                stop.set()
                raise

    if grid.jobs == 1:
        work()
        return
    with ThreadPoolExecutor(grid.jobs) as pool:
        running = [pool.submit(work) for _ in range(grid.jobs)]
        try:
            for one in running:
                one.result()
        finally:
            stop.set()


class Reader:
    """Reads blocks into the same memory again and again: fresh pages can cost more than reading."""

    def __init__(self, source: ImageSource) -> None:
        self._source: Any = source
        self._takes = "out" in inspect.signature(source.read).parameters
        self._memory = np.empty(0, source.spec.dtype)

    def read(self, box: Region) -> np.ndarray:
        """Return the pixels of a box; they are overwritten by the next call."""
        if not self._takes:
            return np.asarray(self._source.read(box))
        size = prod(box.shape)
        if self._memory.size < size:
            self._memory = np.empty(size, self._memory.dtype)
        return np.asarray(self._source.read(box, self._memory[:size].reshape(box.shape)))


def _packed_chunks(
    source: ImageSource, steps: Sequence[Step], sink: ImageSink, shape: Sequence[int]
) -> tuple[int, ...]:
    """Return the shape of chunks that can be copied as they are stored; () when they cannot."""
    packing = getattr(source, "packing", None)
    if packing is None or packing != getattr(sink, "packing", None):
        return ()
    whole = Region.whole(shape)
    unmoved = source.spec.shape == tuple(shape) and all(
        isinstance(step, Rename)
        or (isinstance(step, Subregion) and step.region == whole)
        or (isinstance(step, Transpose) and step.before == step.after)
        for step in steps
    )
    return tuple(packing.chunks) if unmoved else ()


def _copy_packed(
    source: Any, sink: Any, regions: Iterator[Region], progress: Callable[[int], None]
) -> None:
    """Copy chunks as they are stored; one that is not stored is 0 or has filters of its own."""
    for region in regions:
        data = source.packed(region.start)
        if data is None:
            sink.write(region, source.read(region))
        else:
            sink.put_packed(region.start, data)
        progress(prod(region.shape) * source.spec.dtype.itemsize)


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
