"""How many standardised MNIST images codes leave, and what a search takes with and without them.

    python benchmarks/float_codes.py

For each choice of stages, the last of them codes of turned whole rows, it counts, over some test
images, the training images that the codes do not rule out when the k-th distance is known. Then it
checks that searches with codes and by brute force agree, and times both.
"""

from __future__ import annotations

from time import perf_counter

import numpy as np
from data import standardised

from knnc.engine.codes import learning
from knnc.engine.codes.coding import Coding
from knnc.engine.codes.kinds import learn_quantizer
from knnc.engine.index import Index
from knnc.engine.system.threads import effective_n_threads

K = 5
QUERIES = 100
TIMED = 2_000
CHOICES = ((24, 32, 56, 80), Coding().float_stages, (784,))


def rows_left(
    rows: np.ndarray, queries: np.ndarray, kth: np.ndarray, stages: tuple[int, ...]
) -> list[float]:
    """The median number of rows left after each stage, by the error of each row's own code."""
    sample = learning.sample_rows(rows).astype(np.float64)
    is_whole = stages == (rows.shape[1],)
    quantizer = learn_quantizer(sample, "sqeuclidean", stages, None, 1, is_whole=is_whole)
    steps = np.repeat(
        2.0 ** ((sum(quantizer.shifts) - np.cumsum(quantizer.shifts)) // 2), quantizer.stages
    )
    codes, errors = quantizer.encode(rows.astype(np.float64), 1)
    own, own_errors = quantizer.encode(queries.astype(np.float64), 1)
    n_coarse = quantizer.n_coarse
    codes, own = codes[:, :n_coarse], own[:, :n_coarse]
    codes = (codes - 128.0) * steps
    left = np.zeros((len(queries), len(stages)))
    for i, code in enumerate((own - 128.0) * steps):
        best = np.full(len(rows), kth[i])
        limits = quantizer.coarse_limits(errors[:, 0] + own_errors[i, 0], best)
        squares = (codes - code) ** 2
        for j, end in enumerate(np.cumsum(stages)):
            left[i, j] = np.count_nonzero(squares[:, :end].sum(axis=1) < limits)
    return np.median(left, axis=0).tolist()


def main() -> None:
    """Print the counts, then the times."""
    rows, queries, _ = standardised()
    n_threads = effective_n_threads(None)
    queries = queries.astype(np.float64)
    brute = Index(rows, algorithm="brute", n_threads=n_threads)
    started = perf_counter()
    expected = brute.search(queries[:QUERIES], K, n_threads=n_threads)
    brute_seconds = (perf_counter() - started) / QUERIES
    for stages in CHOICES:
        print(stages, rows_left(rows, queries[:QUERIES], expected[0][:, -1], stages), flush=True)
    started = perf_counter()
    pruned = Index(rows, algorithm="pruned", n_threads=n_threads)
    print(f"codes are made in {perf_counter() - started:.2f} s")
    found = pruned.search(queries[:TIMED], K, n_threads=n_threads)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_array_equal(a[:QUERIES], b)
    started = perf_counter()
    pruned.search(queries[:TIMED], K, n_threads=n_threads)
    seconds = (perf_counter() - started) / TIMED
    print(f"a query, {n_threads} threads: {1e6 * brute_seconds:.0f} us by brute force, ", end="")
    print(f"{1e6 * seconds:.0f} us with codes: {brute_seconds / seconds:.1f} times as fast")


if __name__ == "__main__":
    main()
