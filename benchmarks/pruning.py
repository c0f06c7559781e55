"""What the pruned search is made of, and what other choices cost: MNIST, one thread.

    python benchmarks/pruning.py

Each choice is put in place of the one that knnc makes, the answers are compared with those of
brute force, and the two are timed by turns, in the calling thread's own time. Then the first limit
of a query, as a multiple of its k-th distance at the end: after the rows about its own cluster, and
after an eighth of all rows, taken at random.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from time import thread_time
from typing import Any

import numpy as np
from workloads import mnist

from knnc.engine import clusters, codes, index, summaries

K = 5
QUERIES = 5_000
ROUNDS = 5
SEED_ROWS = 480  # ten panels of 48 rows
CHOICES: tuple[tuple[str, Any, str, Any], ...] = (
    ("32 axes in the coarse code", index, "AXES", (32, 127)),
    ("96 axes in the coarse code", index, "AXES", (96, 95)),
    ("no second stage but the tail", index, "AXES", (64, 0)),
    ("63 axes in the fine code", index, "AXES", (64, 63)),
    ("codes of the sample's whole range", codes, "COARSE_RANGE", 1.0),
    ("codes of 0.35 of its range", codes, "COARSE_RANGE", 0.35),
    ("one cluster", clusters, "MAX_CLUSTERS", 1),
    ("clusters of 50 rows", clusters, "ROWS_A_CLUSTER", 50),
    ("clusters of 800 rows", clusters, "ROWS_A_CLUSTER", 800),
)


@contextmanager
def choice(module: Any, name: str, value: Any) -> Iterator[None]:
    """`value` in place of what knnc takes."""
    before = getattr(module, name)
    setattr(module, name, value)
    try:
        yield
    finally:
        setattr(module, name, before)


def seconds(made: index.Index, queries: np.ndarray) -> float:
    """CPU time of a search on one thread."""
    began = thread_time()
    made.search(queries, K, n_threads=1)
    return thread_time() - began


def first_limits(rows: np.ndarray, queries: np.ndarray, kth: np.ndarray) -> tuple[float, float]:
    """The mean first limit over the k-th distance, by cluster and at random."""
    coder = codes.Codes(summaries.sample_rows(rows), "sqeuclidean", index.AXES, None, 1)
    n_coarse = coder.n_coarse
    coarse = np.ascontiguousarray(coder.encode(rows, 1)[0][:, :n_coarse])
    asked = np.ascontiguousarray(coder.encode(queries, 1)[0][:, :n_coarse])
    centres, nearest = clusters.cluster(coarse, "sqeuclidean", None, 1)
    homes = clusters._nearest(centres, asked, 1)
    order = np.argsort(nearest, kind="stable")
    middles = np.searchsorted(nearest[order], homes) + np.bincount(nearest)[homes] // 2
    rng = np.random.default_rng(0)
    found = np.empty((len(queries), 2))
    for i, middle in enumerate(middles):
        start = min(max(0, middle - SEED_ROWS // 2), len(rows) - SEED_ROWS)
        home = order[start : start + SEED_ROWS]
        for j, seeds in enumerate((home, rng.choice(len(rows), len(rows) // 8, replace=False))):
            apart = ((coarse[seeds].astype(np.int32) - asked[i]) ** 2).sum(axis=1)
            near = rows[seeds[np.argsort(apart)[: K + 2]]].astype(np.int64)
            found[i, j] = np.sort(((near - queries[i]) ** 2).sum(axis=1))[K - 1]
    by_cluster, at_random = np.sqrt(found / kth[:, np.newaxis]).mean(axis=0)
    return float(by_cluster), float(at_random)


def main() -> int:
    """Measure and print; 1 if an answer was wrong."""
    rows, queries, _ = mnist()
    queries = queries[np.random.default_rng(1).permutation(len(queries))[:QUERIES]]
    expected = index.Index(rows, algorithm="brute").search(queries, K)
    ours = index.Index(rows, algorithm="pruned")
    print("choice in place of knnc's own                 time against it")
    for title, module, name, value in CHOICES:
        with choice(module, name, value):
            other = index.Index(rows, algorithm="pruned")
        for made in (ours, other):
            if any(np.any(a != b) for a, b in zip(made.search(queries, K), expected, strict=True)):
                print(f"{title}: a wrong answer")
                return 1
        times = [(seconds(other, queries), seconds(ours, queries)) for _ in range(ROUNDS)]
        print(f"{title:44}  {np.median([a / b for a, b in times]):.2f} x")
    by_cluster, at_random = first_limits(rows, queries[:300], expected[0][:300, -1])
    print(f"first limit over the last: {by_cluster:.3f} from {SEED_ROWS} rows about the cluster,")
    print(f"                           {at_random:.3f} from an eighth of all rows at random")
    return 0


if __name__ == "__main__":
    sys.exit(main())
