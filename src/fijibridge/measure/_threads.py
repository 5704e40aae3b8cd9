"""Plain threads over kernels that let go of the GIL."""

from __future__ import annotations

import functools
import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["each", "thread_count"]

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


def each(job: Callable[[int], object], count: int) -> None:
    """Run job(0) .. job(count - 1) at the same time, the last one in this thread."""
    if count == 1:
        job(0)
        return
    waiting = [_pool().submit(job, k) for k in range(count - 1)]
    job(count - 1)
    for future in waiting:
        future.result()
