"""How many threads, several Python threads on one index, and forked processes."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import joblib
import pytest
import threadpoolctl

from knnc.engine.dispatch import openmp_version
from knnc.engine.index import Index
from knnc.engine.system.threads import effective_n_threads
from tests.engine.support import assert_same, draw, known_answer, run_child
from tests.oracle import oracle_kneighbors

CPUS = joblib.cpu_count()

HAS_OPENMP = openmp_version() > 0
needs_openmp = pytest.mark.skipif(not HAS_OPENMP, reason="knnc was built without OpenMP")
can_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")


# --- effective_n_threads ---


@needs_openmp
@pytest.mark.parametrize("n_jobs", [1, 2, 3, 7, 64])
def test_a_positive_number_is_literal(n_jobs: int) -> None:
    assert effective_n_threads(n_jobs) == n_jobs


@needs_openmp
def test_more_threads_than_any_system_starts_are_fewer() -> None:
    """A million end the process in libgomp."""
    assert effective_n_threads(10**6) == effective_n_threads(10**30) == max(256, CPUS)
    rows = draw(1, 700, 9)
    found = Index(rows, "sqeuclidean").search(rows, 3, n_threads=effective_n_threads(10**6))
    assert_same(found, oracle_kneighbors(rows, rows, 3, "sqeuclidean"))


@needs_openmp
@pytest.mark.parametrize("n_jobs", [-1, -2, -3, -1000])
def test_a_negative_number_counts_as_joblib_does(n_jobs: int) -> None:
    assert effective_n_threads(n_jobs) == max(1, CPUS + 1 + n_jobs)
    assert effective_n_threads(n_jobs) == joblib.effective_n_jobs(n_jobs)


def test_zero_threads() -> None:
    with pytest.raises(ValueError, match="0"):
        effective_n_threads(0)


@pytest.mark.parametrize("n_jobs", [1.5, "2"])
def test_not_a_number_of_threads(n_jobs: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        effective_n_threads(n_jobs)


@needs_openmp
@pytest.mark.parametrize("allowed", [1, 5])
def test_none_obeys_omp_num_threads(allowed: int) -> None:
    report = run_child("count_threads", OMP_NUM_THREADS=str(allowed), module="fork_children")
    assert report["none"] == min(allowed, CPUS)
    assert report["literal"] == 3, "a number given is taken literally all the same"


@needs_openmp
def test_none_obeys_the_number_of_cpus() -> None:
    report = run_child(
        "count_threads", OMP_NUM_THREADS="64", LOKY_MAX_CPU_COUNT="1", module="fork_children"
    )
    assert report["none"] == 1


@needs_openmp
def test_none_obeys_threadpoolctl_at_each_call() -> None:
    before = effective_n_threads(None)
    with threadpoolctl.threadpool_limits(limits=1, user_api="openmp"):
        assert effective_n_threads(None) == 1
        assert effective_n_threads(4) == 4
    assert effective_n_threads(None) == before


def test_counting_and_searching_change_no_setting() -> None:
    """No omp_set_num_threads: what other libraries may use is left as it was."""

    def limits() -> list[tuple[str, int]]:
        return [(pool["filepath"], pool["num_threads"]) for pool in threadpoolctl.threadpool_info()]

    rows = draw(1, 500, 20)
    index = Index(rows, "sqeuclidean")
    before = limits()
    effective_n_threads(None)
    effective_n_threads(7)
    index.search(rows, 3, n_threads=7)
    assert limits() == before


# --- several Python threads ---


def test_python_threads_share_an_index(metric: str, algorithm: str) -> None:
    rows_of = (2, 4_000, 60, "few")
    index = Index(draw(*rows_of), metric, algorithm=algorithm)
    tasks = [((seed, (1, 40, 300)[seed % 3], 60, "few"), 1 + seed % 9) for seed in range(12)]
    expected = [known_answer(metric, k, rows_of, queries_of) for queries_of, k in tasks]

    def search(number: int) -> Any:
        queries_of, k = tasks[number % 12]
        return index.search(draw(*queries_of), k, n_threads=1 + number % 3)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(search, range(96)))
    for number, answer in enumerate(answers):
        assert_same(answer, expected[number % 12], f"search {number}")


def test_python_threads_build_and_search_their_own(metric: str, algorithm: str) -> None:
    def search(seed: int) -> Any:
        rows, queries = draw(seed, 700, 30, "few"), draw(seed + 100, 30, 30, "few")
        return Index(rows, metric, algorithm=algorithm).search(queries, 5, n_threads=2)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(search, range(24)))
    for seed, answer in enumerate(answers):
        rows, queries = draw(seed, 700, 30, "few"), draw(seed + 100, 30, 30, "few")
        assert_same(answer, oracle_kneighbors(rows, queries, 5, metric), f"{seed=}")


# --- fork ---


@can_fork
@pytest.mark.parametrize("before", ["searched", "scikit-learn", "nothing"])
def test_a_forked_child_searches_on_one_thread_and_warns_once(before: str) -> None:
    report = run_child("search_after_fork", before, module="fork_children")
    for generation in ("child", "grandchild"):
        found = report[generation]
        assert found["exact"], generation
        assert found["threads"] in (1, None), f"{generation} ran {found['threads']} threads"
    assert len(report["child"]["warnings"]) == 1, report["child"]["warnings"]
    assert report["child"]["categories"] == ["RuntimeWarning"]
    assert "fork" in report["child"]["warnings"][0]
    assert report["parent"] == {"exact": True, "warnings": []}, "the parent searches on as before"


def _libgomp() -> list[str]:
    """Files of the GNU runtimes loaded here; that of knnc is one of them, if it uses one."""
    pools = threadpoolctl.threadpool_info()
    return sorted(pool["filepath"] for pool in pools if pool["prefix"] == "libgomp")


@can_fork
@needs_openmp
@pytest.mark.parametrize("runtime", _libgomp())
def test_a_fork_before_knnc_is_imported(runtime: str) -> None:
    """Another library may share the runtime, and have used it before knnc was there to see."""
    report = run_child(runtime, module="late_import")
    assert report["status"] == 0, "the child hung or broke"
    assert report["exact"]


@can_fork
def test_multiprocessing_fork_pool() -> None:
    report = run_child("search_in_fork_pool", module="fork_children")
    assert report["exact"] == [True] * 6
