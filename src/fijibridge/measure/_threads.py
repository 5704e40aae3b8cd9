"""Plain threads over kernels that let go of the GIL."""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

__all__ = ["each", "shares", "thread_count"]

#: More threads than this gain nothing: memory is the limit.
MAX_THREADS = 8


class _Pool(ThreadPoolExecutor):
    """Threads that wake up beside the thread that wakes them.

    Linux may wake a thread on the processor of its waker, and some kernels pack what is short onto
    few processors: there it would wait for milliseconds, since the waker goes on working. So a
    thread of the pool may not use that processor until it runs.
    """

    def __init__(self) -> None:
        self._ids: list[int] = []
        super().__init__(
            min(MAX_THREADS, max(2, _processors())) - 1,
            thread_name_prefix="fijibridge-measure",
            initializer=lambda: self._ids.append(threading.get_native_id()),
        )
        self._here = _processor_asker()

    def wake(self, work: Callable[[], None], count: int) -> list[Future[None]]:
        """Run something on up to `count` threads beside this one."""
        if self._here is None:
            return [self.submit(work) for _ in range(count)]
        allowed = os.sched_getaffinity(0)
        others = allowed - {self._here()}
        for thread in self._ids:
            with contextlib.suppress(OSError):
                os.sched_setaffinity(thread, others or allowed)

        def work_anywhere() -> None:
            with contextlib.suppress(OSError):
                os.sched_setaffinity(0, allowed)
            work()

        return [self.submit(work_anywhere) for _ in range(count)]


def _processor_asker() -> Callable[[], int] | None:
    """Return what tells the processor that a thread runs on, where threads can be moved."""
    if not hasattr(os, "sched_setaffinity"):  # not on macOS and Windows
        return None
    import ctypes

    try:
        ask: Callable[[], int] = ctypes.CDLL(None).sched_getcpu
    except (AttributeError, OSError):
        return None
    return ask


@functools.cache
def _pool() -> _Pool:
    return _Pool()


if hasattr(os, "register_at_fork"):  # a forked child has none of the threads
    os.register_at_fork(after_in_child=_pool.cache_clear)


@functools.cache
def _processors() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS and Windows
        return os.cpu_count() or 1


def thread_count(asked: int | None, work: int, least: int) -> int:
    """Return how many threads to use: as asked, else at most one for each `least` of the work."""
    if asked is not None:
        return max(1, min(asked, work))
    return max(1, min(_processors(), MAX_THREADS, work // least))


def shares(threads: int) -> int:
    """Return into how many jobs to cut the work of some threads, so that none waits for long."""
    return threads if threads == 1 else 4 * threads


def each(job: Callable[[int], object], count: int, threads: int | None = None) -> None:
    """Run job(0) .. job(count - 1), each once, on some threads; this one is among them.

    Who is done takes the next job, so a thread that wakes late or is held up delays nobody.

    Parameters
    ----------
    job
        May run at the same time as the others.
    count
        How many.
    threads
        At most so many at a time; None: one each.
    """
    turns = itertools.count()  # next() is one step for every thread

    def work() -> None:
        while (k := next(turns)) < count:
            job(k)

    others = min(count, threads or count) - 1
    waiting = _pool().wake(work, min(others, MAX_THREADS)) if others > 0 else []
    try:
        work()
    finally:
        for future in waiting:
            if not future.cancel():  # not begun yet: nothing is left for it
                future.result()
