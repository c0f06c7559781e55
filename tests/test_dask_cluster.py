"""Rows on the workers of a cluster of processes: that die, are slow, or do not answer."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

import knnc
from knnc.engine.index import Index
from knnc.runtime import runtime_info

pytest.importorskip("dask", reason="needs the extra 'dask'")
pytest.importorskip("distributed", reason="needs the extra 'dask'")

import dask
import dask.array as da
import distributed

import knnc.dask as knnc_dask
from knnc.dask import _chunks

RNG = np.random.default_rng(0)
X = RNG.integers(0, 4, (900, 12), dtype=np.uint8)  # full of ties
Y = RNG.integers(0, 5, 900)
Q = RNG.integers(0, 4, (77, 12), dtype=np.uint8)
UNEVEN = (0, 300, 0, 5, 595, 0)
has_signals = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL, SIGSTOP")


def _cut(array: np.ndarray, *lengths: int) -> Any:
    return da.from_array(array, chunks=(lengths, *array.shape[1:]))


@contextmanager
def _cluster(n_workers: int = 2, n_threads: int = 1, processes: bool = True) -> Iterator[Any]:
    with (
        distributed.LocalCluster(
            n_workers=n_workers,
            threads_per_worker=n_threads,
            processes=processes,
            dashboard_address=":0",
            memory_limit=None,
        ) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
        client.as_current(),
    ):
        yield client


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    with _cluster() as client:
        yield client


def _spread(client: Any, chunks: Any) -> list[str]:
    """The workers that hold the chunks, all of them."""
    distributed.wait(list(chunks), timeout=60)
    holders = {worker for who in client.who_has(chunks).values() for worker in who}
    assert holders == set(client.scheduler_info()["workers"])
    return sorted(holders)


def _slowly(block: np.ndarray, on: str = "") -> np.ndarray:
    if not on or distributed.get_worker().address == on:
        time.sleep(0.2)
    return block


def _pid(client: Any, worker: str) -> int:
    pid: int = client.run(os.getpid, workers=[worker])[worker]
    return pid


# --- answers ---


def test_answers_and_names_of_tasks(client: Any) -> None:
    """The names are what the dashboard's progress bars are labelled with."""
    expected = knnc.KNeighborsClassifier(5).fit(X, Y)
    clf = knnc_dask.KNeighborsClassifier(5).fit(_cut(X, *UNEVEN), Y)
    queries = _cut(Q, 20, 0, 57)
    got = dask.compute(
        clf.predict(queries),
        clf.predict_proba(queries),
        *clf.kneighbors(queries),
        clf.predict(None),
    )
    want = (expected.predict(Q), expected.predict_proba(Q), *expected.kneighbors(Q))
    for one, other in zip(got, (*want, expected.predict(None)), strict=True):
        np.testing.assert_array_equal(one, other, strict=True)
    names = client.run_on_scheduler(lambda dask_scheduler: set(dask_scheduler.task_prefixes))
    made = {"predict", "predict-proba", "distances", "indices", "rows"}
    steps = {"index", "search-chunk", "merge", *made}
    assert {f"knnc-{step}" for step in steps} <= names


# --- workers that do not work ---


@has_signals
def test_a_worker_that_dies_in_the_middle(client: Any) -> None:
    """Its chunks are made again elsewhere, and the answer is the same."""
    expected = knnc.KNeighborsClassifier(5).fit(X, Y).predict(Q)
    clf = knnc_dask.KNeighborsClassifier(5).fit(_cut(X, *[100] * 9), Y)
    victim = _spread(client, clf._chunks)[0]
    answer = client.compute(clf.predict(_cut(Q, *[7] * 11).map_blocks(_slowly, dtype=np.uint8)))
    time.sleep(0.3)
    os.kill(_pid(client, victim), signal.SIGKILL)
    np.testing.assert_array_equal(answer.result(timeout=120), expected)
    # And once more, with what is left of the cluster or has come back.
    np.testing.assert_array_equal(clf.predict(Q).compute(), expected)
    client.wait_for_workers(2, timeout=60)


def test_a_worker_that_is_slow(client: Any) -> None:
    clf = knnc_dask.KNeighborsClassifier(5).fit(_cut(X, *[100] * 9), Y)
    slow = _spread(client, clf._chunks)[0]
    queries = _cut(Q, *[7] * 11).map_blocks(_slowly, on=slow, dtype=np.uint8)
    answer = client.compute(clf.predict(queries)).result(timeout=120)
    np.testing.assert_array_equal(answer, knnc.KNeighborsClassifier(5).fit(X, Y).predict(Q))


@has_signals
def test_a_worker_that_is_suspended_is_waited_for(client: Any) -> None:
    """Its chunks are nowhere else. Nothing is computed again, and the answer is the same."""
    nn = knnc_dask.NearestNeighbors(n_neighbors=5).fit(_cut(X, *[100] * 9))
    sleeper = _spread(client, nn._chunks)[0]
    pid = _pid(client, sleeper)
    os.kill(pid, signal.SIGSTOP)
    try:
        answer = client.compute(nn.kneighbors(Q)[1])
        time.sleep(1.5)
        assert not answer.done()
    finally:
        os.kill(pid, signal.SIGCONT)
    want = knnc.NearestNeighbors(n_neighbors=5).fit(X).kneighbors(Q, return_distance=False)
    np.testing.assert_array_equal(answer.result(timeout=120), want)
    assert _pid(client, sleeper) == pid


@has_signals
def test_a_worker_that_never_answers_is_given_up() -> None:
    """After the scheduler's worker-ttl: longer than a busy machine keeps the others waiting."""
    with dask.config.set({"distributed.scheduler.worker-ttl": "15s"}), _cluster() as client:
        nn = knnc_dask.NearestNeighbors(n_neighbors=5).fit(_cut(X, *[100] * 9))
        pid = _pid(client, _spread(client, nn._chunks)[0])
        os.kill(pid, signal.SIGSTOP)
        try:
            answer = client.compute(nn.kneighbors(Q)[1]).result(timeout=120)
        finally:
            with_it_gone = _ended(pid)
    want = knnc.NearestNeighbors(n_neighbors=5).fit(X).kneighbors(Q, return_distance=False)
    np.testing.assert_array_equal(answer, want)
    assert with_it_gone


def _ended(pid: int) -> bool:
    """Whether a process has ended; if not, it is ended now."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return True
    return False


# --- threads ---


@pytest.mark.skipif(not runtime_info()["openmp"]["specification"], reason="built without OpenMP")
def test_no_more_threads_than_those_of_the_worker() -> None:
    """As the system counts them: those of OpenMP stay when their search is over."""
    psutil = pytest.importorskip("psutil")
    rows = RNG.integers(0, 256, (4000, 64), dtype=np.uint8)

    def threads_after(n_jobs: int | None) -> int:
        nn = knnc_dask.NearestNeighbors(n_jobs=n_jobs).fit(_cut(rows, *[1000] * 4))
        nn.kneighbors(rows)[1].compute()
        return int(sum(client.run(lambda: psutil.Process().num_threads()).values()))

    with _cluster(n_workers=1, n_threads=2) as client:
        before = threads_after(1)
        assert threads_after(None) == before
        assert threads_after(2) > before  # what is asked for is started, and counted


def test_tasks_at_a_time_share_the_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    running, most, lock = 0, 0, threading.Lock()
    search = Index.search

    def counted(self: Index, queries: Any, k: int, *, n_threads: int) -> Any:
        nonlocal running, most
        with lock:
            running += n_threads
            most = max(most, running)
        time.sleep(0.02)
        answer = search(self, queries, k, n_threads=n_threads)
        with lock:
            running -= n_threads
        return answer

    monkeypatch.setattr(Index, "search", counted)
    monkeypatch.setattr(_chunks, "effective_n_threads", lambda n_jobs: n_jobs or 8)
    with _cluster(n_workers=1, n_threads=4, processes=False):
        nn = knnc_dask.NearestNeighbors().fit(_cut(X, *[50] * 18))
        nn.kneighbors(Q)[1].compute()
    assert most == 8


# --- queries in parallel, with an estimator of one machine ---


def test_blocks_of_queries(client: Any) -> None:
    clf = knnc.KNeighborsClassifier(5).fit(X, Y)
    answer = da.map_blocks(clf.predict, _cut(Q, 20, 57), dtype=Y.dtype, drop_axis=1)
    np.testing.assert_array_equal(answer.compute(), clf.predict(Q))


def test_joblib_with_a_cluster(client: Any) -> None:
    import joblib
    from sklearn.model_selection import cross_val_score

    expected = cross_val_score(knnc.KNeighborsClassifier(5), X, Y, cv=3)
    with joblib.parallel_config("dask"):
        scores = cross_val_score(knnc.KNeighborsClassifier(5), X, Y, cv=3, n_jobs=2)
    np.testing.assert_array_equal(scores, expected)
