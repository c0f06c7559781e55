"""The reference every search is compared with: plain NumPy, int64, a stable sort.

It is slow and short on purpose. `verify_answer` is a second, independent way to judge an answer
when a sort of every distance would take too long: it proves the answer instead of repeating it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["oracle_distances", "oracle_kneighbors", "oracle_within", "verify_answer"]

Bytes = npt.NDArray[np.uint8]
Int64 = npt.NDArray[np.int64]


def oracle_distances(rows: Bytes, query: Bytes, metric: str) -> Int64:
    """Distances of one query (d,) to all rows (n, d); int64 holds 255**2 times any real width."""
    q = query.astype(np.int64)
    out = np.empty(len(rows), dtype=np.int64)
    step = max(1, 2**16 // rows.shape[1])  # blocks of rows that stay in cache
    for start in range(0, len(rows), step):
        diff = rows[start : start + step].astype(np.int64) - q
        if metric == "sqeuclidean":
            out[start : start + step] = (diff * diff).sum(axis=1)
        elif metric == "manhattan":
            out[start : start + step] = np.abs(diff).sum(axis=1)
        elif metric == "chebyshev":
            out[start : start + step] = np.abs(diff).max(axis=1)
        elif metric == "hamming":
            out[start : start + step] = (diff != 0).sum(axis=1)
        else:
            raise ValueError(metric)
    return out


def oracle_kneighbors(
    rows: Bytes, queries: Bytes | None, k: int, metric: str
) -> tuple[Int64, Int64]:
    """(dist, ind), both int64 (q, k), sorted by (distance, row index).

    With ``queries=None`` every row is a query and is left out of its own answer, by index.
    """
    points = rows if queries is None else queries
    assert 1 <= k <= len(rows) - (queries is None)
    dist = np.empty((len(points), k), dtype=np.int64)
    ind = np.empty((len(points), k), dtype=np.int64)
    for i, query in enumerate(points):  # one query at a time: the distance table is never whole
        distances = oracle_distances(rows, query, metric)
        order = np.argsort(distances, kind="stable")
        if queries is None:
            order = order[order != i]
        ind[i] = order[:k]
        dist[i] = distances[ind[i]]
    return dist, ind


def verify_answer(distances: npt.NDArray[np.generic], dist: Int64, ind: Int64) -> None:
    """Assert that (dist, ind) is the one right answer for a (q, n) table of exact distances.

    The pairs are true, strictly increasing in lexicographic order, and exactly k pairs of the
    table do not exceed the last of them: no other answer has these three properties.
    """
    k = dist.shape[1]
    assert ind.min() >= 0
    np.testing.assert_array_equal(dist, np.take_along_axis(distances, ind, axis=1))
    step = np.diff(dist, axis=1)
    assert np.all((step > 0) | ((step == 0) & (np.diff(ind, axis=1) > 0))), "not sorted"
    for row, last, last_ind in zip(distances, dist[:, -1], ind[:, -1], strict=True):
        not_after = np.count_nonzero(row < last) + np.count_nonzero(row[: last_ind + 1] == last)
        assert not_after == k, f"{not_after} pairs up to the last one returned, not k={k}"


def oracle_within(
    rows: Bytes, queries: Bytes | None, limit: int, metric: str, *, sort: bool = False
) -> tuple[Int64, Int64, Int64]:
    """(indptr, dist, ind) of all rows at a distance of at most `limit` of each query.

    Sorted by row index, or if `sort` by (distance, row index); with ``queries=None`` every row is
    a query and is left out of its own answer, by index.
    """
    points = rows if queries is None else queries
    indptr, dist, ind = [0], [], []
    for i, query in enumerate(points):
        distances = oracle_distances(rows, query, metric)
        inside = np.flatnonzero(distances <= limit)
        if queries is None:
            inside = inside[inside != i]
        if sort:
            inside = inside[np.argsort(distances[inside], kind="stable")]
        ind.append(inside)
        dist.append(distances[inside])
        indptr.append(indptr[-1] + len(inside))
    none = [np.empty(0, dtype=np.int64)]
    return np.array(indptr), np.concatenate(dist or none), np.concatenate(ind or none)
