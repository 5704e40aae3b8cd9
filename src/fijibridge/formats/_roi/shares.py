"""Work in shares, each on a thread of its own, for kernels that let go of the GIL."""

from __future__ import annotations

import functools
import itertools
import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

__all__ = ["in_shares"]

#: More threads than this gain nothing: memory is the limit.
MAX_THREADS = 8
#: Bytes that are worth a thread.
LEAST = 1 << 20


@functools.cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(MAX_THREADS, thread_name_prefix="fijibridge-formats")


if hasattr(os, "register_at_fork"):  # a forked child has none of the threads
    os.register_at_fork(after_in_child=_pool.cache_clear)


def _processors() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS and Windows
        return os.cpu_count() or 1


def in_shares(job: Callable[[int, int], bool], sizes: np.ndarray) -> bool:
    """Run `job` over all items, in shares of about as many bytes; return whether all said yes.

    Parameters
    ----------
    job
        Called with the first item of its share and the one behind the last.
    sizes
        (n,) bytes of each item.
    """
    ends = np.cumsum(sizes)
    n, total = len(sizes), int(ends[-1]) if len(ends) else 0
    threads = max(1, min(_processors(), MAX_THREADS, total // LEAST, n))
    if threads == 1:
        return job(0, n)
    # several shares each, taken one after the other: a thread that wakes late holds nobody up
    count = 4 * threads
    bounds = [0, *np.searchsorted(ends, total * np.arange(1, count) // count).tolist(), n]
    turns = itertools.count()  # next() is one step for every thread

    def work() -> bool:
        good = True
        while good and (k := next(turns)) < count:
            good = bounds[k] == bounds[k + 1] or job(bounds[k], bounds[k + 1])
        return good

    others: list[Future[bool]] = []
    try:
        others.extend(_pool().submit(work) for _ in range(threads - 1))
        good = work()
    finally:
        begun = [other.result() for other in others if not other.cancel()]
    return all([good, *begun])
