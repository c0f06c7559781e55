"""Whether answers are right: a NumPy reference, and the comparison of any system with it.

The first link is ``nearest``: every distance of a sample of the queries, in exact arithmetic, by
NumPy. knnc's brute force has to equal it to the last bit. Its answer to all queries then is the
reference for every system, which is compared before its clock starts.
"""

from __future__ import annotations

import numpy as np

BLOCK = 512  # rows at a time: they stay in the cache

Answer = tuple[np.ndarray, np.ndarray]  # exact distances (squared or Manhattan) and row indices


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
        far = _euclidean(block, queries) if metric == "euclidean" else _manhattan(block, queries)
        key[:, begin : begin + BLOCK] = far
    key *= n
    key += np.arange(n)  # (distance, index) in one number
    if leave_out:
        key[np.arange(len(queries)), np.arange(len(queries))] = np.iinfo(np.int64).max
    first = np.sort(np.partition(key, k - 1, axis=1)[:, :k], axis=1)
    dist, ind = np.divmod(first, n)
    return dist, ind


def _euclidean(rows: np.ndarray, queries: np.ndarray) -> np.ndarray:
    """Squared distances by float64, in which every sum of these integers is exact."""
    x, q = rows.astype(np.float64), queries.astype(np.float64)
    far = np.square(q).sum(axis=1)[:, None] + np.square(x).sum(axis=1) - 2 * (q @ x.T)
    return far.astype(np.int64)


def _manhattan(rows: np.ndarray, queries: np.ndarray) -> np.ndarray:
    far = np.empty((len(queries), len(rows)), dtype=np.int64)
    wide = rows.astype(np.int16)
    for i, query in enumerate(queries):
        far[i] = np.abs(wide - query).sum(axis=1, dtype=np.int32)
    return far


def exact_of(rows: np.ndarray, queries: np.ndarray, ind: np.ndarray, metric: str) -> np.ndarray:
    """The exact distance of each query to each of the rows named for it."""
    dist = np.empty(ind.shape, dtype=np.int64)
    for i, (query, named) in enumerate(zip(queries, ind, strict=True)):
        difference = rows[named].astype(np.int64) - query
        far = np.abs(difference) if metric == "manhattan" else np.square(difference)
        dist[i] = far.sum(axis=1)
    return dist


def as_integers(dist: np.ndarray, metric: str) -> np.ndarray:
    """knnc's float64 distances as the integers they are the roots of."""
    return np.rint(np.square(dist) if metric == "euclidean" else dist).astype(np.int64)


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
        rounds |q|^2 + |x|^2 - 2 q.x; its Manhattan distances are sums below 2^24, so exact.
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
        root = np.sqrt(true_dist) if metric == "euclidean" else true_dist
        n_wrong = int(((ind != true_ind) | (dist != root)).any(axis=1).sum())
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
    if (np.abs(told - true_dist) > tolerance + true_dist * 2.0**-20).any():
        return "the distances returned are not those of the rows returned"
    return None
