"""Plain threads over kernels that let go of the GIL."""

from __future__ import annotations

import functools
import itertools
import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

__all__ = ["each", "shares", "thread_count"]

#: More threads than this gain nothing: memory is the limit.
MAX_THREADS = 8


@functools.cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(MAX_THREADS, thread_name_prefix="fijibridge-measure")


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
    waiting: list[Future[None]] = []
    turns = itertools.count()  # next() is one step for every thread

    def work() -> None:
        while (k := next(turns)) < count:
            job(k)

    try:
        for _ in range(min(count, threads or count) - 1):
            waiting.append(_pool().submit(work))  # noqa: PERF401  # each is known when one fails
        work()
    finally:
        for future in waiting:
            if not future.cancel():  # not begun yet: nothing is left for it
                future.result()
