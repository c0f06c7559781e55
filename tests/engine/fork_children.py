"""Processes that fork, and count threads: see :mod:`tests.engine.child`."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable
from pathlib import Path

from knnc.engine.auto import Policy
from knnc.engine.index import Index
from knnc.engine.system.blas import one_blas_thread
from knnc.engine.system.threads import effective_n_threads
from tests.engine.child import Report, in_fork, is_exact, random_rows, run
from tests.engine.prune_support import blobs
from tests.oracle import Bytes


def count_threads() -> Report:
    """How many threads None and 3 stand for."""
    return {"none": effective_n_threads(None), "literal": effective_n_threads(3)}


def own_threads() -> int | None:
    """How many threads this process has, where the system tells."""
    tasks = Path("/proc/self/task")
    return len(list(tasks.iterdir())) if tasks.is_dir() else None


def _search_and_report(indexes: list[Index], rows: Bytes) -> Report:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        exact = all(
            is_exact(index, rows, queries, 5, "sqeuclidean", n_threads=2)
            for queries in (rows[:60].copy(), rows[:1].copy())
            for index in indexes
        )
    return {
        "exact": exact,
        "threads": own_threads(),
        "warnings": [str(warning.message) for warning in caught],
        "categories": [warning.category.__name__ for warning in caught],
    }


def search_after_fork(before: str) -> Report:
    """Search in a child and in its child, after OpenMP was or was not used before the fork."""
    rows = random_rows(3, 5_000, 40, high=4)
    indexes = [Index(rows, "sqeuclidean", algorithm=name) for name in ("brute", "pruned")]
    if before == "searched":
        for index in indexes:
            index.search(rows, 3, n_threads=2)
    elif before == "scikit-learn":
        from sklearn.metrics import pairwise_distances_argmin

        pairwise_distances_argmin(rows[:600].astype(float), rows[600:1200].astype(float))

    def child() -> Report:
        mine = _search_and_report(indexes, rows)
        return {"child": mine, "grandchild": in_fork(lambda: _search_and_report(indexes, rows))}

    report = in_fork(child)
    parent = _search_and_report(indexes, rows)
    return {**report, "parent": {key: parent[key] for key in ("exact", "warnings")}}


_shared: tuple[Index, Bytes] | None = None


def _pool_task(start: int) -> bool:
    assert _shared is not None
    index, rows = _shared
    return is_exact(index, rows, rows[start : start + 50].copy(), 4, "manhattan", n_threads=2)


def search_in_fork_pool() -> Report:
    """Several forked workers at once search the index their parent built and searched."""
    import multiprocessing

    global _shared
    rows = random_rows(4, 3_000, 30, high=4)
    _shared = (Index(rows, "manhattan"), rows)
    _shared[0].search(rows, 3, n_threads=2)
    with multiprocessing.get_context("fork").Pool(3) as pool:
        return {"exact": pool.map_async(_pool_task, range(0, 300, 50)).get(timeout=90)}


def fork_inside_a_block() -> Report:
    """Enter a block of one BLAS thread in a child, forked while a thread was in such a block."""
    inside, leave = threading.Event(), threading.Event()

    def enter() -> None:
        with one_blas_thread():
            inside.set()
            leave.wait(timeout=60)

    def child() -> Report:
        with one_blas_thread():
            return {"inside": True}

    thread = threading.Thread(target=enter, daemon=True)
    thread.start()
    held = inside.wait(timeout=60)
    report = in_fork(child)
    leave.set()
    thread.join(timeout=60)
    return {"inside": [held, report["inside"]]}


def fork_while_deciding() -> Report:
    """Fork while a thread decides on codes, for rows that get them after many queries."""
    rows = blobs(2_000, 64, 10, 55)
    begun, ended = threading.Event(), threading.Event()

    def win(
        coded_search: Callable[[], object], brute_search: Callable[[], object], share: float
    ) -> bool:
        if not begun.is_set():
            begun.set()
            ended.wait(100)
        return True

    index = Index(rows, policy=Policy(min_bytes=1, min_rows=1, late_queries=1, trial=win))
    deciding = threading.Thread(target=index.search, args=(rows[:50].copy(), 5))
    deciding.start()
    begun.wait(60)

    def child() -> Report:
        exact = is_exact(index, rows, rows[:50].copy(), 5, "sqeuclidean")
        return {"is_pruned": index.is_pruned, "exact": exact}

    report = {"child": in_fork(child)}
    ended.set()
    deciding.join()
    return report | {"is_pruned": index.is_pruned}


if __name__ == "__main__":
    run(globals())
