"""The k nearest of float queries that lie far from all rows, where codes rule out hardly any.

All rows are compared in float32, by a matrix product. This takes a fraction of the time of whole
rows in float64. Its rounding error is bounded, and rows that may be among the k nearest are
compared exactly. With y = x - c and p = q - c for a centre c, both rounded to float32, and d
features:

    |y - (x - c)| <= 2^-23 |y|, and the same for p, whose values are also rounded once or twice;
    computed |y|^2 + |p|^2 - 2 y.p is off by less than d 2^-23 (|y| + |p|)^2, in any order of sums.

Underflow adds less than d 2^-120. Where a square may overflow, nothing is ruled out.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from knnc.engine.floats import FloatRows, as_float64
from knnc.engine.scan import floats
from knnc.engine.scan.brute import NO_SELF
from knnc.engine.system.blas import blas_threads
from knnc.engine.system.progress import ProgressCallback, shifted

__all__ = ["nearest"]

Int64 = NDArray[np.int64]
Float64 = NDArray[np.float64]

# For fewer queries, comparing whole rows in float64 is faster.
FEWEST_QUERIES = 6
# A query with a larger share of the rows left is compared with all rows.
MOST_LEFT = 1 / 8
_ROWS_AT_ONCE = 2048
# Queries at a time, and these times rows: what is left of them takes at most 100 MB.
_QUERIES_AT_ONCE = 256
_PAIRS = 1 << 25
_UNIT = 2.0**-23
_TINY = 2.0**-120
_MOST_SQUARE = 1e36


def nearest(
    rows: FloatRows,
    queries: NDArray[Any],
    at: Int64,
    own: Int64 | None,
    k: int,
    n_threads: int,
    progress: ProgressCallback | None,
) -> tuple[Int64, Int64]:
    """The k nearest rows of some queries, in ascending order of (key, row index).

    Parameters
    ----------
    queries : ndarray of shape (n_queries, n_features), float32 or float64
    at : ndarray of shape (n_far,), int64
        Which of the queries these are. Some of them are float64 at a time.
    own : ndarray of shape (n_far,), int64, or None
        The row that each query is; it is not its own neighbour.
    """
    n_far, wanted = len(at), k if own is None else k + 1
    keys, ind = np.empty((2, n_far, wanted), np.int64)
    step = max(FEWEST_QUERIES, min(_QUERIES_AT_ONCE, _PAIRS // rows.n_rows))
    for start in range(0, n_far, step):
        some = as_float64(queries[at[start : start + step]])
        whole = np.ones(len(some), np.bool_)
        into = keys[start : start + step], ind[start : start + step]
        if rows.metric == "sqeuclidean" and n_far >= FEWEST_QUERIES:
            for q, left in enumerate(_left(rows, some, wanted, n_threads)):
                if left is not None:
                    few = FloatRows(rows.rows[left], rows.metric)
                    found = floats.search(few, some[q : q + 1], wanted, 1, NO_SELF, None)
                    into[0][q], into[1][q] = found[0][0], left[found[1][0]]
                    whole[q] = False
        n_done = start + len(some) - int(whole.sum())
        if whole.any():
            options = wanted, n_threads, NO_SELF, shifted(progress, n_done, n_far)
            into[0][whole], into[1][whole] = floats.search(rows, some[whole], *options)
        elif progress is not None:
            progress(n_done, n_far)
    return (keys, ind) if own is None else _without(own, keys, ind)


def _without(own: Int64, keys: Int64, ind: Int64) -> tuple[Int64, Int64]:
    """Drop each query's own row, or its last neighbour where the own row is not among them."""
    keep = ind != own[:, np.newaxis]
    keep[keep.all(axis=1), -1] = False
    shape = len(own), -1
    return keys[keep].reshape(shape), ind[keep].reshape(shape)


def _left(
    rows: FloatRows, queries: Float64, k: int, n_threads: int
) -> list[NDArray[np.intp] | None]:
    """Which rows may be among the k nearest of each query, ascending; None if these are many."""
    n_features = rows.n_features
    relative, tiny = (n_features + 24) * _UNIT, n_features * _TINY
    # A key is off from the squared distance by at most this factor.
    margin = 1 + 2 * (n_features + 64) * 2.0**-52
    best = np.full((len(queries), k), np.inf)
    counts = np.zeros(len(queries), np.int64)
    parts: list[tuple[NDArray[np.intp], NDArray[np.intp], Float64]] = []
    with blas_threads(n_threads), np.errstate(all="ignore"):
        for first, dist, p_square, most_square in _products(rows.rows, queries):
            lengths = np.sqrt(most_square) + np.sqrt(p_square)
            error = relative * lengths * lengths + tiny
            error[~(lengths * lengths < _MOST_SQUARE)] = np.inf
            rounded = lengths * (2 * _UNIT) + tiny
            least = min(k, dist.shape[1])
            nearest_k = np.partition(dist, least - 1)[:, :least].astype(np.float64)
            upper = np.sqrt(nearest_k + (p_square + error)[:, np.newaxis]) + rounded[:, np.newaxis]
            upper[np.isnan(upper)] = np.inf
            best = np.partition(np.hstack((best, upper)), k - 1)[:, :k]
            limit = best[:, -1] * margin + tiny
            most = ((limit + rounded) ** 2 - p_square + error).astype(np.float32)
            most = np.nextafter(most, np.float32(np.inf))
            is_few = counts <= MOST_LEFT * rows.n_rows
            query, row = np.nonzero(~(dist > most[:, np.newaxis]) & is_few[:, np.newaxis])
            counts += np.bincount(query, minlength=len(queries))
            square = dist[query, row] + (p_square - error)[query]
            parts.append((query, first + row, np.sqrt(np.maximum(square, 0)) - rounded[query]))
    query, row, lower = (np.concatenate(part) for part in zip(*parts, strict=True))
    may_be = ~(lower > limit[query])
    query, row = query[may_be], row[may_be]
    order = np.argsort(query, kind="stable")
    ends = np.cumsum(np.bincount(query, minlength=len(queries)))[:-1]
    left = np.split(row[order], ends)
    return [
        some if n <= MOST_LEFT * rows.n_rows else None for some, n in zip(left, counts, strict=True)
    ]


def _products(
    rows: NDArray[Any], queries: Float64
) -> Iterator[tuple[int, NDArray[np.float32], Float64, float]]:
    """The products for one block of rows after the other.

    Yields
    ------
    first : int
        The first row.
    dist : ndarray of shape (n_queries, n_block), float32
        |y|^2 - 2 y.p of each query and row.
    p_square : ndarray of shape (n_queries,), float64
        |p|^2.
    most_square : float
        The largest |y|^2 of the block.
    """
    centre = rows[:: max(1, len(rows) // 256)].mean(axis=0, dtype=np.float64).astype(np.float32)
    p = (queries - centre).astype(np.float32)
    p_square = np.einsum("ij,ij->i", p, p, dtype=np.float64)
    p *= -2
    for first in range(0, len(rows), _ROWS_AT_ONCE):
        y = rows[first : first + _ROWS_AT_ONCE] - centre
        y = y.astype(np.float32, copy=False)
        y_square = np.einsum("ij,ij->i", y, y)
        dist = p @ y.T
        dist += y_square
        yield first, dist, p_square, float(y_square.max())
