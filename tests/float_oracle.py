"""The reference every search over floats is compared with: NumPy float64, a stable sort.

A distance is defined to the last bit: every operation is rounded once, and sums are in the order of
`sum_in_order`. Keys are the bits of these non-negative numbers as int64, which sort as they do.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = [
    "FLOAT_METRICS",
    "distances_of",
    "float_keys",
    "float_kneighbors",
    "float_table",
    "nearest",
    "within",
]

FLOAT_METRICS = ("sqeuclidean", "manhattan", "chebyshev", "hamming", "cosine")

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]


def sum_in_order(terms: Float64) -> Float64:
    """Sums of (n, d) terms over features: term j goes to sum j mod 8, in ascending j."""
    s = np.zeros((8, len(terms)))
    for j in range(0, terms.shape[1], 8):
        eight = terms[:, j : j + 8].T
        s[: len(eight)] += eight
    return ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]))


def unit_rows(rows: Float64) -> Float64:
    """Rows scaled by the power of two that brings the largest magnitude into [1, 2), then divided
    by their norm; zeros stay zeros."""
    exponents = np.frexp(np.abs(rows).max(axis=1))[1] - 1
    scaled = np.ldexp(rows, -exponents[:, np.newaxis])
    norms = np.sqrt(sum_in_order(scaled * scaled))
    norms[norms == 0] = 1
    return scaled / norms[:, np.newaxis]


def float_keys(rows: npt.NDArray[Any], query: Float64, metric: str) -> Int64:
    """Keys of one query (d,) to all rows (n, d), of any dtype that float64 holds exactly."""
    values = rows.astype(np.float64)
    with np.errstate(over="ignore", under="ignore"):
        if metric == "hamming":
            return sum_in_order((values != query).astype(np.float64)).view(np.int64)
        if metric == "cosine":
            zero = ~values.any(axis=1) | (not query.any())
            diff = unit_rows(values) - unit_rows(query[np.newaxis])
            keys = np.minimum(sum_in_order(diff * diff), 4.0)
            return np.where(zero, 2.0, keys).view(np.int64)
        diff = values - query
        if metric == "sqeuclidean":
            return sum_in_order(diff * diff).view(np.int64)
        if metric == "manhattan":
            return sum_in_order(np.abs(diff)).view(np.int64)
        if metric == "chebyshev":
            return np.abs(diff).max(axis=1).view(np.int64)
    raise ValueError(metric)


def distances_of(keys: Int64, metric: str, n_features: int) -> Float64:
    """What an estimator returns for keys; "euclidean" is the root of squared Euclidean."""
    values = keys.view(np.float64)
    if metric == "euclidean":
        return np.sqrt(values)
    if metric == "hamming":
        return values / n_features
    return values / 2 if metric == "cosine" else values


def float_table(rows: npt.NDArray[Any], queries: Float64, metric: str) -> Int64:
    """Keys (q, n) of all queries to all rows."""
    keys = [float_keys(rows, query, metric) for query in queries]
    return np.array(keys, np.int64).reshape(len(queries), len(rows))


def nearest(table: Int64, k: int, *, leave_out: bool = False) -> tuple[Int64, Int64]:
    """(keys, ind), both int64 (q, k), sorted by (key, row index), from a table of keys.

    With `leave_out` query i is row i, and is left out of its own answer by index.
    """
    order = np.argsort(table, axis=1, kind="stable")
    if leave_out:
        order = order[order != np.arange(len(table))[:, np.newaxis]].reshape(len(table), -1)
    ind = order[:, :k].astype(np.int64)
    return np.take_along_axis(table, ind, axis=1), ind


def within(
    table: Int64, limit_key: int, *, sort: bool = False, leave_out: bool = False
) -> tuple[Int64, Int64, Int64]:
    """(indptr, keys, ind) of all rows at a key of at most `limit_key` of each query.

    Sorted by row index, or if `sort` by (key, row index); `leave_out` as for `nearest`.
    """
    indptr, ind = [0], [np.empty(0, np.int64)]
    for i, keys in enumerate(table):
        inside = np.flatnonzero(keys <= limit_key)
        if leave_out:
            inside = inside[inside != i]
        if sort:
            inside = inside[np.argsort(keys[inside], kind="stable")]
        ind.append(inside)
        indptr.append(indptr[-1] + len(inside))
    of_query = np.repeat(np.arange(len(table)), np.diff(indptr))
    found = np.concatenate(ind)
    return np.array(indptr), table[of_query, found], found


def float_kneighbors(
    rows: npt.NDArray[Any], queries: Float64, k: int, metric: str
) -> tuple[Int64, Int64]:
    """The k nearest rows of each query, as `nearest` has them."""
    return nearest(float_table(rows, queries, metric), k)
