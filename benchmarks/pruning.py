"""What the pruned search is made of, and what other choices cost: MNIST, one thread.

    python benchmarks/pruning.py

Each choice is put in place of the one that knnc makes, the answers are compared with those of
brute force, and the two are timed by turns, in the calling thread's own time. Then the first limit
of a query, as a multiple of its k-th distance at the end: after the rows of the clusters near it,
and after an eighth of all rows, taken at random. Then how many rows the codes do not rule out, and
in which share of the panels of 48 rows the first stage leaves any: to a query, and to a tile of 8
that are near the same cluster.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from time import thread_time
from typing import Any

import numpy as np
from data import mnist

from knnc.engine.auto import Policy
from knnc.engine.codes import clusters, learning
from knnc.engine.codes import order as order_of
from knnc.engine.codes import quantizer as codes
from knnc.engine.codes.coding import Coding
from knnc.engine.codes.kinds import learn_quantizer
from knnc.engine.index import Index
from knnc.engine.scan import coded as prune
from knnc.engine.scan.brute import NO_SELF, search

K = 5
QUERIES = 5_000
ROUNDS = 5
PANEL_ROWS, TILE_QUERIES = 48, 8  # of the kernel for AVX-512
PANEL_TILES = 40
CHOICES: tuple[tuple[str, Any, str, Any], ...] = (
    ("56 coordinates in two stages", Coding, "stages", (24, 32)),
    ("112 coordinates in three stages", Coding, "stages", (24, 32, 56)),
    ("stages of 20, 28, 48 and 96", Coding, "stages", (20, 28, 48, 96)),
    ("64 coordinates in one stage", Coding, "stages", (64,)),
    ("192 coordinates in one stage", Coding, "stages", (192,)),
    ("stages of 64 and 128", Coding, "stages", (64, 128)),
    ("stages of 32, 32 and 128", Coding, "stages", (32, 32, 128)),
    ("codes of the sample's whole range", codes, "COARSE_RANGE", 1.0),
    ("codes of 0.35 of its range", codes, "COARSE_RANGE", 0.35),
    ("one cluster", clusters, "MAX_CLUSTERS", 1),
    ("clusters of 30 rows", clusters, "ROWS_A_CLUSTER", 30),
    ("clusters of 200 rows", clusters, "ROWS_A_CLUSTER", 200),
    ("seeds from 2 clusters", prune, "SEED_CLUSTERS", 2),
    ("seeds from 16 clusters", prune, "SEED_CLUSTERS", 16),
    ("seeds that are compared again", prune, "MOST_KEPT_SEEDS", 0),
)


@contextmanager
def choice(module: Any, name: str, value: Any) -> Iterator[Policy]:
    """`value` in place of what knnc takes; the policy is for indexes made inside."""
    if module is Coding:
        yield Policy(coding=Coding(**{name: value}))
        return
    before = getattr(module, name)
    setattr(module, name, value)
    try:
        yield Policy()
    finally:
        setattr(module, name, before)


def seconds(made: Index, queries: np.ndarray) -> float:
    """CPU time of a search on one thread."""
    began = thread_time()
    made.search(queries, K, n_threads=1)
    return thread_time() - began


def learnt(rows: np.ndarray) -> tuple[codes.Quantizer, np.ndarray]:
    """The codes that knnc makes of rows, and the step of each coordinate in those of the last."""
    coder = learn_quantizer(learning.sample_rows(rows), "sqeuclidean", Coding().stages, None, 1)
    later = sum(coder.shifts) - np.cumsum(coder.shifts)
    return coder, np.repeat(2 ** (later // 2), coder.stages)


def rows_left(rows: np.ndarray, queries: np.ndarray, kth: np.ndarray) -> tuple[float, float]:
    """The mean number of rows that the first stage, and that all of them, do not rule out."""
    coder, steps = learnt(rows)
    coded, errors = coder.encode(rows, 1)
    asked, own_errors = coder.encode(queries, 1)
    left = np.empty((len(queries), 2))
    for i, code in enumerate(asked):
        squares = ((coded - code.astype(np.int64)) * steps) ** 2
        best = np.full(len(rows), kth[i])
        limits = coder.coarse_limits(errors[:, 0] + own_errors[i, 0], best)
        for j, n_read in enumerate((coder.stages[0], len(steps))):
            left[i, j] = (squares[:, :n_read].sum(axis=1) <= limits).sum()
    after_first, at_last = left.mean(axis=0)
    return float(after_first), float(at_last)


def first_limits(rows: np.ndarray, queries: np.ndarray, kth: np.ndarray) -> tuple[float, float]:
    """The mean first limit over the k-th distance, by clusters and at random."""
    coder, steps = learnt(rows)
    coded, asked = (coder.encode(part, 1)[0] for part in (rows, queries))
    first = slice(0, coder.stages[0])
    centres, nearest = clusters.cluster(
        np.ascontiguousarray(coded[:, first]), "sqeuclidean", None, 1
    )
    near = search(
        centres, np.ascontiguousarray(asked[:, first]), prune.SEED_CLUSTERS, 1, NO_SELF, None
    )[1]
    rng = np.random.default_rng(0)
    found = np.empty((len(queries), 2))
    for i, own in enumerate(near):
        at_random = rng.choice(len(rows), len(rows) // 8, replace=False)
        for j, seeds in enumerate((np.flatnonzero(np.isin(nearest, own)), at_random)):
            apart = (((coded[seeds].astype(np.int64) - asked[i]) * steps) ** 2).sum(axis=1)
            best = rows[seeds[np.argsort(apart)[: K + 2]]].astype(np.int64)
            found[i, j] = np.sort(((best - queries[i]) ** 2).sum(axis=1))[K - 1]
    by_cluster, anywhere = np.sqrt(found / kth[:, np.newaxis]).mean(axis=0)
    return float(by_cluster), float(anywhere)


def panels_left(rows: np.ndarray, queries: np.ndarray, kth: np.ndarray) -> tuple[float, float]:
    """The share of panels in which the first stage leaves a row: to a query, to a tile of them."""
    coder, _ = learnt(rows)
    first = slice(0, coder.stages[0])
    of_rows, errors = coder.encode(rows, 1)
    asked, own_errors = coder.encode(queries, 1)
    firsts = [np.ascontiguousarray(part[:, first]) for part in (of_rows, asked)]
    centres, nearest = clusters.cluster(firsts[0], "sqeuclidean", None, 1)
    order = order_of.row_order(nearest, centres.n_rows, errors[:, 0])[0]
    order = order[: len(order) // PANEL_ROWS * PANEL_ROWS]
    own = search(centres, firsts[1], 1, 1, NO_SELF, None)[1][:, 0]
    alike = np.argsort(own, kind="stable")
    alike = alike[: len(alike) // TILE_QUERIES * TILE_QUERIES].reshape(-1, TILE_QUERIES)
    step = 2.0 ** (sum(coder.shifts) // 2)
    codes_of_rows, errors_of_rows = firsts[0][order].astype(np.int64), errors[order, 0]
    single, together = [], []
    for tile in np.random.default_rng(2).permutation(alike)[:PANEL_TILES]:
        left = np.empty((TILE_QUERIES, len(order) // PANEL_ROWS), bool)
        for i, query in enumerate(tile):
            apart = ((codes_of_rows - firsts[1][query]) ** 2).sum(axis=1) * step**2
            best = np.full(len(order), kth[query])
            within = apart <= coder.coarse_limits(errors_of_rows + own_errors[query, 0], best)
            left[i] = within.reshape(-1, PANEL_ROWS).any(axis=1)
        single.append(left.mean())
        together.append(left.any(axis=0).mean())
    return float(np.mean(single)), float(np.mean(together))


def main() -> int:
    """Measure and print; 1 if an answer was wrong."""
    argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    rows, queries, _ = mnist()
    queries = queries[np.random.default_rng(1).permutation(len(queries))[:QUERIES]]
    expected = Index(rows, algorithm="brute").search(queries, K)
    ours = Index(rows, algorithm="pruned")
    print("choice in place of knnc's own                 time against it")
    for title, module, name, value in CHOICES:
        with choice(module, name, value) as policy:
            other = Index(rows, algorithm="pruned", policy=policy)
            answers = [other.search(queries, K), ours.search(queries, K)]
        for answer in answers:
            if any(np.any(a != b) for a, b in zip(answer, expected, strict=True)):
                print(f"{title}: a wrong answer")
                return 1
        times = []
        for _ in range(ROUNDS):
            with choice(module, name, value):  # of seeds, which a search looks at
                theirs = seconds(other, queries)
            times.append((theirs, seconds(ours, queries)))
        print(f"{title:44}  {np.median([a / b for a, b in times]):.2f} x")
    by_cluster, at_random = first_limits(rows, queries[:300], expected[0][:300, -1])
    print(f"first limit over the last: {by_cluster:.3f} from {prune.SEED_CLUSTERS} clusters,")
    print(f"                           {at_random:.3f} from an eighth of all rows at random")
    after_first, at_last = rows_left(rows, queries[:100], expected[0][:100, -1])
    print(f"rows left, of {len(rows):,}:     {after_first:,.0f} by the first stage,")
    print(f"                           {at_last:,.0f} by all of them")
    query, tile = panels_left(rows, queries, expected[0][:, -1])
    print(f"panels left by the first stage: {query:.0%} to a query, {tile:.0%} to a tile of 8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
