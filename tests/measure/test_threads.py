"""Kernels shared out over threads: every job once, and threads that may run anywhere afterwards."""

from __future__ import annotations

import os
import threading

import pytest

from fijibridge.measure._threads import each


@pytest.mark.parametrize("threads", [1, 2, 5, None])
def test_each_job_runs_once(threads: int | None) -> None:
    done: list[int] = []
    each(done.append, 40, threads)
    assert sorted(done) == list(range(40))


def test_a_failing_job_is_heard_of() -> None:
    def job(k: int) -> None:
        if k == 3:
            raise ValueError(k)

    with pytest.raises(ValueError, match="3"):
        each(job, 8, 2)


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="threads cannot be moved here")
def test_no_thread_stays_bound_to_a_processor() -> None:
    everywhere = os.sched_getaffinity(0)
    both = threading.Barrier(2)
    seen: list[set[int]] = []

    def job(_: int) -> None:
        both.wait(30)  # so that two threads take one each
        seen.append(os.sched_getaffinity(0))

    for _ in range(20):
        each(job, 2, 2)
    assert seen == [everywhere] * 40
