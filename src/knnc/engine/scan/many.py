"""The k nearest where k is large: all rows within a limit of each query, sorted.

While a large heap fills up, every row costs a push, and the heap is sorted afterwards. With a
list, a row costs only an append. The limit is estimated from a sample of the rows. For a query with
fewer than k rows within it, all rows are listed.
"""

from __future__ import annotations

from collections.abc import Callable
from math import ceil, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from knnc.engine.scan.brute import NO_SELF
from knnc.engine.system.progress import ProgressCallback, shifted

__all__ = ["SAMPLE_SHARE", "search"]

Int64 = NDArray[np.int64]

# A sample has one in so many rows.
SAMPLE_SHARE = 16
# Queries times rows at a time: if all rows are listed, they take 64 MB.
PAIRS = 1 << 22
NO_LIMIT = np.iinfo(np.int64).max


def search(
    nearest: Callable[..., tuple[Int64, Int64]],
    within: Callable[..., tuple[Int64, Any, Int64]],
    rows: Any,
    make_sample: Callable[[], Any],
    queries: NDArray[Any],
    k: int,
    n_threads: int,
    first_self: int,
    progress: ProgressCallback | None,
) -> tuple[Int64, Int64]:
    """The k nearest rows of each query, in ascending order of (key, row index).

    Parameters
    ----------
    nearest, within : callable
        ``brute.search`` and ``radius.search``, or ``floats.search`` and ``floats.within``.
    rows : PackedRows or FloatRows
    make_sample : callable
        Returns about one in `SAMPLE_SHARE` rows, spread evenly, in the type of `rows`. The answers
        do not depend on which rows these are.
    queries, k, n_threads, first_self, progress
        As for ``brute.search`` or ``floats.search``.
    """
    n_queries, n_rows = len(queries), rows.n_rows
    keys, ind = np.empty((2, n_queries, k), np.int64)
    sample = None if 2 * k > n_rows else make_sample()
    step = max(1, PAIRS // n_rows)
    for start in range(0, n_queries, step):
        some = queries[start : start + step]
        limits = np.full(len(some), NO_LIMIT)
        if sample is not None:
            expected = k * sample.n_rows / n_rows
            k_sample = min(sample.n_rows, ceil(expected + 3 * sqrt(expected)) + 1)
            limits = nearest(sample, some, k_sample, n_threads, NO_SELF, None)[0][:, -1]
        own_self = first_self if first_self == NO_SELF else first_self + start
        told = shifted(progress, start, n_queries)
        into = keys[start : start + step], ind[start : start + step]
        while (limits >= 0).any():
            indptr, *found = within(rows, some, limits, n_threads, own_self, True, True, told)
            done = np.diff(indptr) >= k
            first_k = indptr[:-1][done, np.newaxis] + np.arange(k)
            for part, values in zip(into, found, strict=True):
                part[done] = values[first_k]
            told = None  # it has been told of all these queries already
            # Nothing is within a limit below 0.
            limits = np.where(done | (limits < 0), -1, NO_LIMIT)
    return keys, ind
