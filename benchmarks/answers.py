"""Whether answers are right: a NumPy reference, and the comparison of any system with it.

The first link is ``nearest``: every distance of a sample of the queries, in exact arithmetic, by
NumPy. knnc's brute force has to equal it to the last bit. Its answer to all queries then is the
reference for every system, which is compared before its clock starts.
"""

from __future__ import annotations

import numpy as np

BLOCK = 512  # rows at a time: they stay in the cache

# Exact distances (squared Euclidean, Manhattan, Chebyshev, features that differ) and row indices.
Answer = tuple[np.ndarray, np.ndarray]


def nearest(
    rows: np.ndarray, queries: np.ndarray, k: int, metric: str, *, leave_out: bool = False
) -> Answer:
    """The k rows with the smallest (distance, index) of each query, from all the distances.

    With `leave_out`, row i is no neighbour of query i.
    """
    n = len(rows)
    key = np.empty((len(queries), n), dtype=np.int64)
    for begin in range(0, n, BLOCK):
        block = rows[begin : begin + BLOCK]
        key[:, begin : begin + BLOCK] = _table(block, queries, metric)
    key *= n
    key += np.arange(n)  # (distance, index) in one number
    if leave_out:
        key[np.arange(len(queries)), np.arange(len(queries))] = np.iinfo(np.int64).max
    first = np.sort(np.partition(key, k - 1, axis=1)[:, :k], axis=1)
    dist, ind = np.divmod(first, n)
    return dist, ind


def _table(rows: np.ndarray, queries: np.ndarray, metric: str) -> np.ndarray:
    """The distance of every query to every row."""
    if metric == "euclidean":
        return _euclidean(rows, queries)
    wide = rows.astype(np.int16)
    return np.stack([_one_to_many(wide, query, metric) for query in queries])


def _euclidean(rows: np.ndarray, queries: np.ndarray) -> np.ndarray:
    """Squared distances by float64, in which every sum of these integers is exact."""
    x, q = rows.astype(np.float64), queries.astype(np.float64)
    far = np.square(q).sum(axis=1)[:, None] + np.square(x).sum(axis=1) - 2 * (q @ x.T)
    return far.astype(np.int64)


def _one_to_many(rows: np.ndarray, query: np.ndarray, metric: str) -> np.ndarray:
    """The distance of one query to every row; `rows` are signed."""
    if metric == "hamming":
        return np.count_nonzero(rows != query, axis=1)
    difference = np.abs(rows - query)
    if metric == "chebyshev":
        return difference.max(axis=1)
    if metric == "manhattan":
        return difference.sum(axis=1, dtype=np.int64)
    return np.square(difference, dtype=np.int64).sum(axis=1)


def exact_of(rows: np.ndarray, queries: np.ndarray, ind: np.ndarray, metric: str) -> np.ndarray:
    """The exact distance of each query to each of the rows named for it."""
    dist = np.empty(ind.shape, dtype=np.int64)
    for i, (query, named) in enumerate(zip(queries, ind, strict=True)):
        dist[i] = _one_to_many(rows[named].astype(np.int16), query, metric)
    return dist


def as_integers(dist: np.ndarray, metric: str, d: int) -> np.ndarray:
    """knnc's float64 distances of d features as the integers they are made of."""
    if metric == "euclidean":
        dist = np.square(dist)
    elif metric == "hamming":
        dist = dist * d
    return np.rint(dist).astype(np.int64)


def as_floats(dist: np.ndarray, metric: str, d: int) -> np.ndarray:
    """And back, each in one rounding."""
    if metric == "euclidean":
        return np.sqrt(dist)
    return dist / d if metric == "hamming" else dist


def compare(
    answer: Answer,
    reference: Answer,
    rows: np.ndarray,
    queries: np.ndarray,
    *,
    metric: str,
    arithmetic: str,
    squared: bool,
) -> str | None:
    """What is wrong with an answer, or None.

    Parameters
    ----------
    answer : (dist, ind)
        As the system returned them, for the first ``len(ind)`` queries.
    reference : (dist, ind)
        Exact distances (int64) and indices.
    arithmetic : {"integer", "exact", "float32"}
        "integer" has to return the reference's rows and distances themselves. "exact" may
        resolve ties otherwise: the exact distances of the rows it names have to be the
        reference's. "float32" may swap rows whose distances differ by less than float32
        rounds |q|^2 + |x|^2 - 2 q.x; its other distances are integers below 2^24, so exact.
    squared : bool
        Whether the answer's distances are squared.
    """
    dist, ind = answer
    true_dist, true_ind = (part[: len(ind)] for part in reference)
    if dist.shape != true_dist.shape or ind.shape != true_ind.shape:
        return f"shapes {dist.shape}, {ind.shape} instead of {true_dist.shape}"
    ind = ind.astype(np.int64)
    if ind.min() < 0 or ind.max() >= len(rows) or (np.diff(np.sort(ind, axis=1)) == 0).any():
        return "an index is out of range, or twice among a query's neighbours"
    if arithmetic == "integer":
        floats = as_floats(true_dist, metric, rows.shape[1])
        n_wrong = int(((ind != true_ind) | (dist != floats)).any(axis=1).sum())
        return f"{n_wrong} queries have other neighbours or distances" if n_wrong else None
    tolerance = 0.0
    if arithmetic == "float32" and metric == "euclidean":
        norms = [np.einsum("ij,ij->i", part, part, dtype=np.float64) for part in (rows, queries)]
        tolerance = sum(norm.max() for norm in norms) * 2.0**-20
    found = np.sort(exact_of(rows, queries[: len(ind)], ind, metric), axis=1)
    wrong = np.abs(found - true_dist) > tolerance
    if wrong.any():
        return f"{int(wrong.any(axis=1).sum())} queries have neighbours that are farther"
    told = np.sort(dist.astype(np.float64), axis=1)
    if metric == "euclidean" and not squared:
        told = np.square(told)
    elif metric == "hamming":
        told *= rows.shape[1]
    if (np.abs(told - true_dist) > tolerance + true_dist * 2.0**-20).any():
        return "the distances returned are not those of the rows returned"
    return None
