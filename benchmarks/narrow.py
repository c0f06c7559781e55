"""From how many queries on codes of narrow rows pay: brute force and pruned search, all threads.

    python benchmarks/narrow.py

SIFT of photos and low-rank bytes, cut to some widths; the answers are compared before anything is
timed. A line has the median time of a batch of either search, the time that codes take to make
beyond packing the rows, and the number of queries that spare as much. `engine/auto.py` has what
"auto" makes of it: late_features and late_queries.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator

import numpy as np
from data import low_rank, sift

from knnc.engine.index import Index
from knnc.engine.system.threads import effective_n_threads

K = 5
ROUNDS = 5
WIDTHS = (32, 64, 96, 128)


def timed(function: Callable[[], object]) -> float:
    """Seconds of the clock."""
    began = time.perf_counter()
    function()
    return time.perf_counter() - began


def sets() -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """A name, rows and queries."""
    rows, queries, *_ = sift()
    for width in WIDTHS:
        cut = [np.ascontiguousarray(part[:, :width]) for part in (rows, queries)]
        yield f"SIFT of photos, {width} features", *cut
    for width in WIDTHS:
        rows, queries, *_ = low_rank(len(rows), len(queries), width)
        yield f"low-rank bytes, {width} features", rows, queries


def measure(
    rows: np.ndarray, queries: np.ndarray, algorithm: str
) -> tuple[float, float, tuple[np.ndarray, np.ndarray]]:
    """Seconds to make an index and to search a batch, and its answer."""
    n_threads = effective_n_threads(None)

    def make() -> Index:
        return Index(rows, algorithm=algorithm, n_threads=n_threads)

    making = min(timed(make) for _ in range(3))
    index = make()
    answer = index.search(queries, K, n_threads=n_threads)
    searching = [
        timed(lambda: index.search(queries, K, n_threads=n_threads)) for _ in range(ROUNDS)
    ]
    return making, float(np.median(searching)), answer


def main() -> int:
    """Measure and print; 1 if an answer was wrong."""
    print(f"{'rows':32} {'brute, s':>9} {'pruned, s':>9} {'codes, s':>9}  pay after queries")
    for name, rows, queries in sets():
        packing, brute, expected = measure(rows, queries, "brute")
        making, pruned, found = measure(rows, queries, "pruned")
        if any(np.any(a != b) for a, b in zip(expected, found, strict=True)):
            print(f"{name}: a wrong answer")
            return 1
        codes, spared = making - packing, (brute - pruned) / len(queries)
        pays = f"{codes / spared:,.0f}" if spared > 0 else "never"
        print(f"{name:32} {brute:9.4f} {pruned:9.4f} {codes:9.4f}  {pays}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
