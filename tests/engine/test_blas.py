"""`one_blas_thread`: BLAS has as many threads afterwards as before, whatever overlaps."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from knnc.engine.index import Index
from knnc.engine.metrics import PRUNED_METRICS
from knnc.engine.system.blas import one_blas_thread
from tests.engine.support import draw, run_child

N_THREADS = 3


def _blas_threads() -> set[int]:
    return {int(pool["num_threads"]) for pool in threadpool_info() if pool["user_api"] == "blas"}


@pytest.fixture(autouse=True)
def three_threads() -> Iterator[None]:
    """BLAS with a number of threads of its own, also on a machine with one CPU."""
    with threadpool_limits(limits=N_THREADS, user_api="blas"):
        if _blas_threads() != {N_THREADS}:
            pytest.skip("the number of threads of this BLAS cannot be set")
        yield


def test_one_thread_inside_and_as_many_as_before_afterwards() -> None:
    with one_blas_thread():
        assert _blas_threads() == {1}
        with one_blas_thread():
            assert _blas_threads() == {1}
        assert _blas_threads() == {1}
    assert _blas_threads() == {N_THREADS}
    with pytest.raises(ZeroDivisionError), one_blas_thread():
        raise ZeroDivisionError
    assert _blas_threads() == {N_THREADS}


def test_threads_take_turns() -> None:
    """Numbers saved by one thread inside the block of another would be the limits of that."""
    inside, most = 0, 0

    def enter(_: int) -> None:
        nonlocal inside, most
        for _ in range(5):
            with one_blas_thread():
                inside += 1
                most = max(most, inside)
                time.sleep(1e-3)
                inside -= 1

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(enter, range(6)))
    assert most == 1
    assert _blas_threads() == {N_THREADS}


@pytest.mark.parametrize("metric", PRUNED_METRICS)
def test_indexes_made_at_once(metric: str) -> None:
    rows = draw(1, 400, 70)
    with ThreadPoolExecutor(6) as pool:
        made = pool.map(lambda _: Index(rows, metric, algorithm="pruned"), range(12))
        assert all(index.is_pruned for index in made)
    assert _blas_threads() == {N_THREADS}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_fork_while_another_thread_is_inside() -> None:
    """The child does not wait for a thread that it does not have."""
    assert run_child("fork_inside_a_block", module="fork_children")["inside"] == [True, True]
