"""Several products of one input in one read: every block is read once and given to all of them.

Blocks lie on the source's chunks and, as far as memory allows, on those of every sink, so that
chunks are made once. A product whose pixels are not one source pixel each is done on its own.
"""

from __future__ import annotations

import math
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from fijibridge.export.delete import remove_path
from fijibridge.export.execute import Done, Reader, execute
from fijibridge.export.grid import block_shape, blocks, samples_for, weight_of
from fijibridge.export.outputs import shelf_format
from fijibridge.export.sequence import slice_steps
from fijibridge.export.steps import Tally, apply_all, pull_all
from fijibridge.formats import Location, check_target
from fijibridge.model import Region

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from concurrent.futures import Future

    from fijibridge.export.plan import ExportPlan
    from fijibridge.export.steps import Step
    from fijibridge.model import ImageSink, ImageSource, ImageSpec

__all__ = ["OutputFile", "execute_together", "output_files"]

_MANY_FILES = 200


@dataclass(frozen=True, slots=True)
class Mapping:
    """Where pixels of the source go: every axis moved and put at another place.

    Parameters
    ----------
    shape
        Of what is written.
    offset
        First source pixel that is written, in the source's axes.
    axis
        For each source axis the axis of what is written, -1 = it has one sample there.
    """

    shape: tuple[int, ...]
    offset: tuple[int, ...]
    axis: tuple[int, ...]

    def push(self, region: Region) -> Region | None:
        """Return the part of what is written that is made of a part of the source, if any."""
        start, stop = [0] * len(self.shape), [1] * len(self.shape)
        for a, b, first, i in zip(region.start, region.stop, self.offset, self.axis, strict=True):
            if i < 0:
                if not a <= first < b:
                    return None
                continue
            start[i], stop[i] = max(0, a - first), min(self.shape[i], b - first)
            if start[i] >= stop[i]:
                return None
        return Region(tuple(start), tuple(stop))


def mapping_of(steps: Sequence[Step], shape: tuple[int, ...]) -> Mapping | None:
    """Return where pixels go; None when the steps do more than move them."""
    if 0 in shape:
        return None
    zero, one = (0,) * len(shape), (1,) * len(shape)
    first = pull_all(steps, Region(zero, one))
    if set(first.shape) != {1}:
        return None
    axis = [-1] * len(first.start)
    for i, n in enumerate(shape):
        if n == 1:
            continue
        unit = tuple(int(k == i) for k in range(len(shape)))
        there = pull_all(steps, Region(unit, tuple(u + 1 for u in unit)))
        moved = [b - a for a, b in zip(first.start, there.start, strict=True)]
        if sorted(moved) != [0] * (len(moved) - 1) + [1] or set(there.shape) != {1}:
            return None
        axis[moved.index(1)] = i
    found = Mapping(tuple(shape), first.start, tuple(axis))
    whole = pull_all(steps, Region(zero, tuple(shape)))
    return found if found.push(whole) == Region(zero, tuple(shape)) else None


class OutputFile:
    """One file that is written: opened with its first block; of a sequence committed with its last.

    Parameters
    ----------
    plan
        What it belongs to.
    name
        Its path, as the plan says it.
    steps
        From the source to its pixels.
    spec
        What it holds.
    """

    def __init__(
        self, plan: ExportPlan, name: str, steps: tuple[Step, ...], spec: ImageSpec
    ) -> None:
        self.plan, self.name, self.steps, self.spec = plan, name, steps, spec
        self.path = Location(Path(name)) if plan.sequence_axis else Location.parse(name)
        self.mapping = mapping_of(steps, spec.shape)
        self._left = math.prod(spec.shape)
        self._sink: ImageSink | None = None
        self._lock = threading.Lock()
        self.done = False

    def sink(self) -> ImageSink:
        """Return the sink, opened now at the latest."""
        with self._lock:
            if self._sink is None:
                shelf = shelf_format(self.plan.format)
                assert shelf.create_image is not None  # noqa: S101  # outputs lists what writes
                self._sink = shelf.create_image(self.path, self.spec, self.plan.options)
            return self._sink

    def took(self, samples: int) -> None:
        """Count samples that were written."""
        with self._lock:
            self._left -= samples
            last = self._left == 0
        if last and self.plan.sequence_axis:
            self.commit()

    def commit(self) -> None:
        """Make the file appear."""
        self.sink().commit()
        self.done = True

    def abort(self) -> None:
        """Leave nothing of it, unless it has appeared."""
        if self._sink is not None and not self.done:
            self._sink.abort()


def output_files(plan: ExportPlan) -> list[OutputFile]:
    """Return the files of a plan, in order; none is opened yet."""
    if not plan.sequence_axis:
        return [OutputFile(plan, plan.files[0], (*plan.steps, *plan.fit), plan.output)]
    names = plan.exported.extra.channel_names
    named = plan.sequence_axis == "c" and len(names) == plan.exported.axes.size("c")
    found = []
    for i, file in enumerate(plan.files):
        extra = plan.output.extra
        extra = replace(extra, channel_names=(names[i],)) if named else extra
        spec = replace(plan.output, name=Path(file).name, extra=extra)
        found.append(OutputFile(plan, file, slice_steps(plan, i), spec))
    return found


def _many_at_once(plan: ExportPlan) -> bool:
    """Return whether all files of a sequence would be open together, too many of them."""
    if not plan.sequence_axis or len(plan.files) < _MANY_FILES:
        return False
    long = [a.key for a in plan.source.axes if a.size > 1]
    return plan.sequence_axis != long[0]


def execute_together(
    plans: Sequence[ExportPlan],
    source: ImageSource,
    progress: Callable[[int], None] = lambda _nbytes: None,
    whole: frozenset[str] = frozenset(),
) -> list[Done]:
    """Do several plans of one input, or what is left of them.

    Parameters
    ----------
    plans
        What to do; all of them made for `source`.
    source
        The open input.
    progress
        Called with the bytes of each block that was written, from any thread.
    whole
        Files of the plans that are there and stay as they are.

    Raises
    ------
    FijiBridgeError
        As `fijibridge.export.execute.execute`; none of the products is left behind then.
    """
    if len(plans) == 1 and not whole:
        return [execute(plans[0], source, progress)]
    files = [output_files(plan) if not _many_at_once(plan) else [] for plan in plans]
    alone = [not of or any(f.mapping is None for f in of) for of in files]
    todo = [
        file
        for of, by_itself in zip(files, alone, strict=True)
        for file in ([] if by_itself else of)
        if file.name not in whole
    ]
    for file in todo:
        check_target(
            file.path.path, overwrite=file.plan.settings.overwrite or bool(file.path.inner)
        )
    fresh = [file.path.path for file in todo if not file.path.path.exists()]
    tallies = {id(plan): Tally() for plan in plans}
    try:
        if todo:
            _pass(todo, source, tallies, progress)
        found = []
        for plan, by_itself in zip(plans, alone, strict=True):
            if by_itself:
                for name in whole.intersection(plan.files):
                    remove_path(Path(name))
                found.append(execute(plan, source, progress))
                continue
            tally = tallies[id(plan)]
            found.append(
                Done(
                    files=plan.files,
                    nbytes=plan.nbytes,
                    saturated=tally.saturated,
                    nans=tally.nans,
                )
            )
    except BaseException:
        for path in fresh:
            remove_path(path)
        raise
    return found


def _pass(
    files: list[OutputFile],
    source: ImageSource,
    tallies: dict[int, Tally],
    progress: Callable[[int], None],
) -> None:
    """Read the source once and write all files."""
    settings = files[0].plan.settings
    jobs = settings.jobs or min(8, os.cpu_count() or 1)
    shape = source.spec.shape
    chunks = tuple(getattr(source, "chunks", ())) or tuple(1 for _ in shape)
    read = source.spec.dtype.itemsize
    sizes = [file.spec.dtype.itemsize for file in files]
    weight = max(weight_of(read, file.steps, size) for file, size in zip(files, sizes, strict=True))
    least = math.prod(min(c, n) for c, n in zip(chunks, shape, strict=True)) * weight
    jobs = max(1, min(jobs, settings.memory // max(1, least)))
    samples = samples_for(weight, max(read, *sizes), settings.memory)
    lock, halt = threading.Lock(), threading.Event()
    running: list[Future[None]] = []

    def work() -> None:
        reader = Reader(source)
        while not halt.is_set():
            with lock:
                region = next(todo, None)
            if region is None:
                return
            try:
                _spread(region, reader, files, tallies, progress)
            except BaseException:
                halt.set()
                raise

    try:
        todo = _todo(files, shape, chunks, samples)
        with ThreadPoolExecutor(jobs) as pool:
            running += [pool.submit(work) for _ in range(jobs)]
            try:
                for one in running:
                    one.result()
            finally:
                halt.set()
        for file in files:
            if not file.done:
                file.commit()
    except BaseException:
        for file in files:
            file.abort()
        raise


def _todo(
    files: list[OutputFile], shape: tuple[int, ...], chunks: tuple[int, ...], samples: int
) -> Iterator[Region]:
    """Yield the parts of the source that are needed, block by block."""
    start, stop = _bounds(files, shape)
    block = block_shape(shape, chunks, _common(files, shape, chunks), samples)
    for region in blocks(shape, block):
        low = tuple(max(a, p) for a, p in zip(region.start, start, strict=True))
        high = tuple(min(b, q) for b, q in zip(region.stop, stop, strict=True))
        if all(a < b for a, b in zip(low, high, strict=True)):
            yield Region(low, high)


def _bounds(
    files: list[OutputFile], shape: tuple[int, ...]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the box of the source that is needed."""
    boxes = []
    for file in files:
        assert file.mapping is not None  # noqa: S101  # the others are done alone
        at = file.mapping
        sizes = [at.shape[i] if i >= 0 else 1 for i in at.axis]
        boxes.append((at.offset, tuple(a + n for a, n in zip(at.offset, sizes, strict=True))))
    start = tuple(min(box[0][i] for box in boxes) for i in range(len(shape)))
    return start, tuple(max(box[1][i] for box in boxes) for i in range(len(shape)))


def _common(
    files: list[OutputFile], shape: tuple[int, ...], chunks: tuple[int, ...]
) -> tuple[int, ...]:
    """Return a block of the source that is made of whole chunks of the source and all sinks."""
    goal = list(chunks)
    for file in files:
        assert file.mapping is not None  # noqa: S101  # the others are done alone
        if file.plan.sequence_axis:
            continue
        theirs = getattr(file.sink(), "chunks", None)
        if not theirs:
            continue
        for i, to in enumerate(file.mapping.axis):
            if to >= 0:
                goal[i] = math.lcm(goal[i], theirs[to])
    return tuple(min(g, n) for g, n in zip(goal, shape, strict=True))


def _spread(
    region: Region,
    reader: Reader,
    files: list[OutputFile],
    tallies: dict[int, Tally],
    progress: Callable[[int], None],
) -> None:
    wanted = []
    for file in files:
        assert file.mapping is not None  # noqa: S101  # the others are done alone
        out = file.mapping.push(region)
        if out is not None:
            wanted.append((file, out))
    if not wanted:
        return
    data = reader.read(region)
    for file, out in wanted:
        part = pull_all(file.steps, out)
        box = tuple(
            slice(a - p, b - p) for a, b, p in zip(part.start, part.stop, region.start, strict=True)
        )
        made = apply_all(file.steps, data[box], tallies[id(file.plan)])
        file.sink().write(out, made)
        progress(made.nbytes)
        file.took(made.size)
