"""Processes that search with every kernel: see :mod:`tests.engine.child`."""

from __future__ import annotations

import sys
from collections import Counter
from functools import cache

import numpy as np

from knnc.engine.codes.rows import CodedRows
from knnc.engine.dispatch import all_kernels, available_kernels
from knnc.engine.index import Index
from knnc.engine.metrics import METRICS
from knnc.engine.scan.brute import NO_SELF
from knnc.engine.scan.coded import search as search_pruned
from tests.engine.child import Report, guarded, is_exact, random_rows, run
from tests.oracle import oracle_kneighbors


def dispatch() -> Report:
    """What KNNC_DISABLE_CPU_FEATURES makes of the choice of kernels."""
    rows, queries = random_rows(1, 300, 70), random_rows(2, 9, 70)
    report: Report = {"all": all_kernels(), "available": available_kernels()}
    indexes = {metric: Index(rows, metric) for metric in METRICS}
    report["chosen"] = {metric: index.kernel for metric, index in indexes.items()}
    report["exact"] = {
        metric: is_exact(index, rows, queries, 5, metric) for metric, index in indexes.items()
    }
    report["refused"] = {}
    for name in all_kernels():
        try:
            Index(rows, name.split("_")[0], kernel=name)
            report["refused"][name] = False
        except (ValueError, RuntimeError):
            report["refused"][name] = True
    return report


def search_at_the_end_of_memory() -> Report:
    """By kernel, how many searches of rows and queries have a forbidden page right behind them.

    What the standard error says last is the kernel that ends the process.
    """
    searches: Counter[str] = Counter()
    for kernel in available_kernels():
        print(kernel, file=sys.stderr, flush=True)
        metric = kernel.split("_")[0]
        for d in [*range(1, 35), 47, 48, 49, 63, 64, 65, 127, 128, 129, 257, 784, 33_026]:
            for n, q in ((17, 3), (49, 13)) if d < 1000 else ((17, 3),):
                rows, queries = guarded(random_rows(n, n, d)), guarded(random_rows(q, q, d))
                index = Index(rows, metric, kernel=kernel)
                answer = index.search(queries, 1, n_threads=2)
                if not all(map(np.array_equal, answer, _nearest(n, q, d, metric))):
                    raise AssertionError(f"wrong answer with {kernel=} {n=} {d=} {q=}")
                index.search(None, 1, n_threads=2)
                searches[kernel] += 1
    return dict(searches)


@cache
def _nearest(n: int, q: int, d: int, metric: str) -> tuple[np.ndarray, np.ndarray]:
    return oracle_kneighbors(random_rows(n, n, d), random_rows(q, q, d), 1, metric)


def search_made_up_codes() -> Report:
    """Searches with restored codes whose terms somebody made up, for tiles that are not full."""
    rng = np.random.default_rng(14)
    low_rank = rng.normal(size=(480, 6)) @ rng.normal(size=(6, 100))
    rows = np.ascontiguousarray(np.clip(128 + 20 * low_rank, 0, 255).astype(np.uint8))
    searches = 0
    for kernel in [name for name in available_kernels() if name.startswith("sqeuclidean")]:
        state = Index(rows, algorithm="pruned", kernel=kernel).state()["pruned"]
        coarse = state["coarse"]
        terms = coarse["terms"].copy().reshape(len(state["coder"]["stages"]), -1)
        for low in (-(2**31), -(2**20)):
            terms[:, :480] = rng.integers(low, -low, size=(len(terms), 480)).astype(np.int32)
            made_up = CodedRows.restored(
                {**state, "coarse": {**coarse, "terms": terms.ravel()}},
                rows,
                "sqeuclidean",
                kernel,
            )
            for n_queries in range(1, 10):
                search_pruned(made_up, rows[:n_queries].copy(), 3, 1, NO_SELF, None)
                searches += 1
    return {"searches": searches}


if __name__ == "__main__":
    run(globals())
