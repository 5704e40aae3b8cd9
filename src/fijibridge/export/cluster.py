"""The same plan on the workers of a dask.distributed cluster.

Workers open the input themselves, so it lies where all of them can read it. Blocks are the same as
on one computer and no result depends on who made them. Into a store of many files workers write
their own chunks, where all of them see its folder; a format of one file has one writer, this
process, which takes finished blocks, a bounded number at a time. A worker that dies has its blocks
made again by others; chunks it left half-written are written anew.

Processes of this computer work through a cluster too (``dask scheduler``, ``dask worker``);
``--jobs`` are threads. Decoding, arithmetic and compression run without Python's lock, so threads
share the cores; processes would be started for every run, by importing a user's script anew, and
would send each block of a format of one file to its writer.
"""

from __future__ import annotations

import collections
import functools
import math
import os
import queue
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from fijibridge.errors import FijiBridgeError, MissingDependencyError, SettingsError
from fijibridge.export.delete import remove_path
from fijibridge.export.execute import Done, _packed_chunks, copy_blocks
from fijibridge.export.grid import block_shape, blocks, grid_for
from fijibridge.export.places import delivered, open_place
from fijibridge.export.sources import Computed
from fijibridge.export.steps import Tally, apply_all, describe_all, pull_all
from fijibridge.export.together import OutputFile, output_files
from fijibridge.formats import check_target

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import numpy as np

    from fijibridge.export.batch import Item
    from fijibridge.export.plan import ExportPlan
    from fijibridge.export.settings import ExportSettings
    from fijibridge.export.steps import Step
    from fijibridge.model import ImageSource, Region

__all__ = ["connect", "execute_on", "run_items_on"]

_COPIES = 24
_LARGEST = 1 << 28  # bytes of blocks in flight; blocks travel
_PATIENCE = 60.0  # seconds in which no worker has anything to do
_RETRIES = 5


def connect(scheduler: str) -> Any:
    """Return a client of a scheduler.

    Raises
    ------
    SettingsError
        When the address is none, or nobody answers.
    MissingDependencyError
        When dask.distributed is not installed.
    """
    if "://" not in scheduler:
        raise SettingsError(
            f"scheduler is {scheduler!r}; it is an address such as tcp://192.168.0.5:8786.",
            "dask scheduler prints its address when it starts.",
        )
    try:
        import distributed
    except ImportError:
        raise MissingDependencyError("distributed", "distributed", "--scheduler") from None
    try:
        make: Any = distributed.Client
        return make(scheduler, timeout=10, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        raise SettingsError(
            f"No scheduler answers at {scheduler!r}: {str(error).splitlines()[0]}.",
            "Start one with: dask scheduler; and workers with: dask worker ADDRESS",
        ) from error


def run_items_on(
    scheduler: str,
    items: Sequence[Item],
    progress: Callable[[int], None] = lambda _nbytes: None,
    whole: frozenset[str] = frozenset(),
) -> list[Done]:
    """Do all products of one input on a cluster; parameters as in `fijibridge.export.batch`.

    Raises
    ------
    FijiBridgeError
        What was wrong when it was planned, or while it was done.
    """
    client = connect(scheduler)
    found = []
    try:
        for item in items:
            if item.plan is None:
                assert item.error is not None  # noqa: S101  # one of the two is there
                raise item.error
            with delivered([item.plan]) as local:
                done = execute_on(client, local[0], item.value, progress, whole)
            found.append(replace(done, files=item.plan.files))
    finally:
        client.close()
    return found


def _copied(
    plan: ExportPlan,
    source: ImageSource,
    files: Sequence[OutputFile],
    tally: Tally,
    progress: Callable[[int], None],
) -> bool:
    """Copy chunks as they are stored, where that is all there is to do: no work for workers."""
    if plan.sequence_axis or len(files) != 1:
        return False
    file, spec = files[0], files[0].spec
    if not _packed_chunks(source, file.steps, file.sink(), spec.shape):
        return False
    copy_blocks(
        source,
        file.steps,
        file.sink(),
        spec.shape,
        spec.axes.keys,
        jobs=1,
        memory=plan.settings.memory,
        tally=tally,
        progress=progress,
    )
    return True


@dataclass(frozen=True, slots=True)
class _Part:
    """One block of one file."""

    file: OutputFile
    region: Region


def execute_on(
    client: Any,
    plan: ExportPlan,
    value: Any,
    progress: Callable[[int], None] = lambda _nbytes: None,
    whole: frozenset[str] = frozenset(),
) -> Done:
    """Do a plan on a cluster.

    Parameters
    ----------
    client
        Of dask.distributed.
    plan
        What to do.
    value
        The input: a path that the workers can read; of anything else this process reads the blocks.
    progress
        Called with the bytes of each block.
    whole
        Files of the plan that are there and stay as they are.

    Raises
    ------
    FijiBridgeError
        As `fijibridge.export.execute.execute`, and when no worker is left.
    """
    files = [file for file in output_files(plan) if file.name not in whole]
    for file in files:
        check_target(file.path.path, overwrite=plan.settings.overwrite or bool(file.path.inner))
    fresh = [file.path.path for file in files if not file.path.path.exists()]
    source = open_place(value, plan.settings)
    tally = Tally()
    try:
        if not _copied(plan, source, files, tally, progress):
            _gather(client, plan, _shared(value), source, files, tally, progress)
        for file in files:
            if not file.done:
                file.commit()
    except BaseException:
        for file in files:
            file.abort()
        for path in fresh:
            remove_path(path)
        raise
    finally:
        source.close()
    return Done(files=plan.files, nbytes=plan.nbytes, saturated=tally.saturated, nans=tally.nans)


def _shared(value: Any) -> str | Computed | None:
    """Return what workers open, None when they cannot."""
    if isinstance(value, Computed):
        return value if isinstance(value, os.PathLike) else None
    if not isinstance(value, (str, os.PathLike)):
        return None
    text = os.fspath(value).removeprefix("file://")
    return text if "://" in text else os.path.abspath(text)  # noqa: PTH100  # links are kept


def _parts(plan: ExportPlan, files: Sequence[OutputFile], source: ImageSource) -> Iterator[_Part]:
    """Yield the blocks of one computer, in order."""
    settings = plan.settings
    jobs = settings.jobs or min(8, os.cpu_count() or 1)
    for file in files:
        sink, shape, keys = file.sink(), file.spec.shape, file.spec.axes.keys
        grid = grid_for(
            source,
            file.steps,
            sink,
            shape,
            keys,
            dtype=describe_all(file.steps, source.spec).dtype,
            jobs=1,
            memory=settings.memory,
        )
        if hasattr(sink, "share"):  # whole chunks, so that no two workers write one
            samples = max(1, min(settings.memory, _LARGEST) // (_COPIES * jobs))
            chunks: tuple[int, ...] = getattr(sink, "chunks", shape)
            own = block_shape(shape, chunks, chunks, samples)
            regions = blocks(shape, own)
        else:
            deep = bool(getattr(sink, "depth_first", False))
            regions = blocks(shape, grid.block, grid.first, depth_first=deep)
            expect = getattr(sink, "expect", None)
            if expect is not None:
                expect(blocks(shape, grid.block, grid.first, depth_first=deep))
        for region in regions:
            yield _Part(file, region)


def _gather(
    client: Any,
    plan: ExportPlan,
    path: str | Computed | None,
    source: ImageSource,
    files: Sequence[OutputFile],
    tally: Tally,
    progress: Callable[[int], None],
) -> None:
    """Have all blocks made, a bounded number at a time; those that come back are written in turn.

    In turn, so that files in which blocks lie as they came are the same every time.
    """
    todo = _parts(plan, files, source)
    arrived: queue.SimpleQueue[Any] = queue.SimpleQueue()
    waiting: collections.deque[tuple[Any, _Part]] = collections.deque()
    finished: set[str] = set()

    def submit() -> None:
        part = next(todo, None)
        if part is None:
            return
        box = pull_all(part.file.steps, part.region)
        share = getattr(part.file.sink(), "share", None)
        future = client.submit(
            _make,
            source.read(box) if path is None else None,
            path,
            plan.settings,
            part.file.steps,
            box,
            part.region,
            share() if share is not None else None,
            pure=False,
            retries=_RETRIES,
        )
        waiting.append((future, part))
        future.add_done_callback(arrived.put)

    try:
        for _ in range(2 * max(1, sum(client.nthreads().values())) + 2):
            submit()
        while waiting:
            future, part = waiting[0]
            while future.key not in finished:
                finished.add(_patiently(client, functools.partial(_next, arrived)).key)
            waiting.popleft()
            finished.discard(future.key)
            block, nbytes, noted, counts = _patiently(client, functools.partial(_result, future))
            future.release()
            tally.add(saturated=counts[0], nans=counts[1])
            if block is not None:
                part.file.sink().write(part.region, block)
            else:
                part.file.sink().absorb(noted)  # type: ignore[attr-defined]  # it shares
            progress(nbytes)
            part.file.took(math.prod(part.region.shape))
            submit()
    except BaseException:
        client.cancel([future for future, _ in waiting])
        raise


def _patiently(client: Any, ask: Callable[[], Any]) -> Any:
    """Return what `ask` gives in the end; it raises TimeoutError as long as there is nothing.

    Raises
    ------
    SettingsError
        When the scheduler is gone, or there has been no worker at work for a minute: it does not
        wait for ever.
    """
    idle_since = time.monotonic()
    while True:
        try:
            return ask()
        except TimeoutError:
            workers, busy = _at_work(client)
        if busy:
            idle_since = time.monotonic()
        elif time.monotonic() - idle_since > _PATIENCE:
            what = "workers that do anything" if workers else "workers any more"
            raise SettingsError(
                f"The scheduler has no {what}.",
                "Nothing was left behind. Start workers with: dask worker ADDRESS",
            )


def _at_work(client: Any) -> tuple[bool, bool]:
    """Return (whether there are workers, whether one of them has something to do)."""
    try:
        tasks = client.processing()
    except (OSError, TimeoutError) as error:
        raise _gone() from error
    return bool(tasks), any(tasks.values())


def _gone() -> SettingsError:
    return SettingsError(
        "The scheduler does not answer any more.",
        "Nothing was left behind. Start it anew, or leave --scheduler out.",
    )


def _next(arrived: queue.SimpleQueue[Any]) -> Any:
    try:
        return arrived.get(timeout=1)
    except queue.Empty:
        raise TimeoutError from None


def _result(future: Any) -> Any:
    from concurrent.futures import CancelledError

    from distributed import KilledWorker

    try:
        return future.result(timeout=5)
    except FijiBridgeError:
        raise
    except CancelledError as error:  # as all blocks are when the scheduler goes
        raise _gone() from error
    except KilledWorker as error:
        raise SettingsError(
            f"Workers of the cluster died over one block: {str(error).splitlines()[0]}",
            "Nothing was left behind. Give the workers more memory, or say a smaller --memory.",
        ) from error


def _make(
    given: np.ndarray | None,
    path: str | Computed | None,
    settings: ExportSettings,
    steps: Sequence[Step],
    box: Region,
    region: Region,
    writer: Any,
) -> tuple[np.ndarray | None, int, Any, tuple[int, int]]:
    """Make a block: on a worker.

    Returns
    -------
    tuple
        (the block, None where it is written already; its bytes; what its writer noted;
        how many values saturated, how many were NaN).
    """
    tally = Tally()
    data = given
    if data is None:
        assert path is not None  # noqa: S101  # one of the two is given
        source = _source(
            path,
            settings.input_axes,
            settings.stack_along,
            settings.role,
            settings.compat,
            settings.export_source,
        )
        data = source.read(box)
    block = apply_all(steps, data, tally)
    counts = tally.saturated, tally.nans
    if writer is None:
        return block, block.nbytes, None, counts
    return None, block.nbytes, writer.write(region, block), counts


@functools.lru_cache(maxsize=8)
def _source(
    path: str | Computed, axes: str | None, along: str, role: Any, compat: Any, result: str
) -> ImageSource:
    """Return an open input; a worker opens it once."""
    from fijibridge.export.settings import ExportSettings

    settings = ExportSettings(
        input_axes=axes, stack_along=along, role=role, compat=compat, export_source=result
    )
    return open_place(path, settings)
