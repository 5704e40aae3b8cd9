"""Work in shares, each on a thread of its own, for kernels that let go of the GIL."""

from __future__ import annotations

import os
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["in_shares"]

#: More threads than this gain nothing: memory is the limit.
MAX_THREADS = 8
#: Bytes that are worth a thread.
LEAST = 1 << 20


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
    count = max(1, min(_processors(), MAX_THREADS, total // LEAST, n))
    if count == 1:
        return job(0, n)
    from concurrent.futures import ThreadPoolExecutor

    bounds = [0, *np.searchsorted(ends, total * np.arange(1, count) // count).tolist(), n]
    shares = list(pairwise(bounds))
    with ThreadPoolExecutor(count - 1, thread_name_prefix="fijibridge-formats") as pool:
        others = [pool.submit(job, *share) for share in shares[:-1]]
        mine = job(*shares[-1])
        return all([mine, *(other.result() for other in others)])
