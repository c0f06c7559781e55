"""Whether answers are right: a NumPy reference, and the comparison of any system with it.

The first link is NumPy: every distance of a sample of the queries, between bytes in exact
arithmetic, between other rows by the oracle of the tests. knnc's brute force has to equal it to the
last bit. Its answer to all queries then is the reference for every system, which is compared before
its clock starts.

A key is what is compared, as float64: the sum of squares for Euclidean distance, the same between
unit rows for cosine distance, and the number of features that differ for Hamming.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.append(str(Path(__file__).resolve().parents[1]))
from tests.float_oracle import distances_of, float_table, nearest, unit_rows

# Values of the rows that are compared at a time: they stay in the cache.
BLOCK = 1 << 18
QUERIES = 10  # whose keys are held at a time
ROUNDING = 2.0**-20  # of float32, as a share of the terms that are summed


@dataclass(frozen=True)
class Answer:
    """Neighbours of the first queries; of query i those from indptr[i] to indptr[i + 1]."""

    indptr: np.ndarray
    dist: np.ndarray
    ind: np.ndarray

    @classmethod
    def of_table(cls, dist: np.ndarray, ind: np.ndarray) -> Answer:
        """From arrays of shape (n_queries, k)."""
        n, k = ind.shape
        return cls(np.arange(n + 1) * k, dist.ravel(), ind.ravel())

    @classmethod
    def load(cls, path: Path) -> Answer:
        """From what a worker has saved."""
        with np.load(path) as file:
            return cls(file["indptr"], file["dist"], file["ind"].astype(np.int64))

    def __len__(self) -> int:
        return len(self.indptr) - 1

    def first(self, n: int) -> Answer:
        """The neighbours of the first n queries."""
        end = self.indptr[n]
        return Answer(self.indptr[: n + 1], self.dist[:end], self.ind[:end])

    @property
    def of_query(self) -> np.ndarray:
        """The query of each neighbour."""
        return np.repeat(np.arange(len(self)), np.diff(self.indptr))


def keys_by_numpy(rows: np.ndarray, queries: np.ndarray, metric: str) -> np.ndarray:
    """The keys of all queries to all rows."""
    keys = np.empty((len(queries), len(rows)))
    step = max(1, BLOCK // rows.shape[1])
    table = _bytes_table if rows.dtype == np.uint8 else _floats_table
    for begin in range(0, len(rows), step):
        keys[:, begin : begin + step] = table(rows[begin : begin + step], queries, metric)
    return keys


def _floats_table(rows: np.ndarray, queries: np.ndarray, metric: str) -> np.ndarray:
    name = "sqeuclidean" if metric == "euclidean" else metric
    return float_table(rows, queries.astype(np.float64), name).view(np.float64)


def _bytes_table(rows: np.ndarray, queries: np.ndarray, metric: str) -> np.ndarray:
    if metric == "euclidean":  # float64 holds every sum of these integers
        x, q = rows.astype(np.float64), queries.astype(np.float64)
        return np.square(q).sum(axis=1)[:, None] + np.square(x).sum(axis=1) - 2 * (q @ x.T)
    difference = rows.astype(np.int16) - queries.astype(np.int16)[:, None]
    if metric == "hamming":
        return np.count_nonzero(difference, axis=2)
    return np.abs(difference).max(2) if metric == "chebyshev" else np.abs(difference).sum(2)


def by_numpy(
    rows: np.ndarray,
    queries: np.ndarray,
    metric: str,
    *,
    k: int,
    radius: float | None = None,
    leave_out: bool = False,
) -> Answer:
    """The k rows with the smallest (key, index) of each query, or all within a radius.

    With `leave_out`, row i is no neighbour of query i.
    """
    parts = []
    for begin in range(0, len(queries), QUERIES):
        keys = keys_by_numpy(rows, queries[begin : begin + QUERIES], metric)
        if radius is None:
            own = np.arange(begin, begin + len(keys))
            if leave_out:
                keys[np.arange(len(keys)), own] = np.inf
            # Bits of numbers that are not negative sort as these do.
            keys, ind = nearest(keys.view(np.int64), k)
            parts.append((np.full(len(keys), k), keys.ravel(), ind.ravel()))
        else:
            is_near = distances_of(keys.view(np.int64), metric, rows.shape[1]) <= radius
            near = is_near.nonzero()[1]
            parts.append((is_near.sum(axis=1), keys[is_near].view(np.int64), near))
    counts, keys, ind = (np.concatenate(part) for part in zip(*parts, strict=True))
    dist = distances_of(keys, metric, rows.shape[1])
    return Answer(np.concatenate(([0], np.cumsum(counts))), dist, ind)


def radius_of(rows: np.ndarray, queries: np.ndarray, n: int) -> float:
    """A radius within which these queries have n rows on average."""
    x, q = (part.astype(np.float64) for part in (rows, queries))
    keys = np.square(q).sum(axis=1)[:, None] + np.square(x).sum(axis=1) - 2 * (q @ x.T)
    nth = np.partition(keys, n * len(queries), axis=None)[n * len(queries)]
    return float(np.float32(np.sqrt(nth)))


def compare(
    answer: Answer,
    reference: Answer,
    rows: np.ndarray,
    queries: np.ndarray,
    *,
    metric: str,
    arithmetic: str,
    squared: bool,
    radius: float | None = None,
) -> str | None:
    """What is wrong with an answer, or None.

    Parameters
    ----------
    answer, reference : Answer
        To the first of the queries, and to all of them.
    arithmetic : {"same", "exact", "float32"}
        "same" has to return the reference itself. "exact" may resolve ties otherwise: between
        bytes the keys of the rows it names have to be the reference's. "float32" may swap rows
        whose keys differ by less than float32 rounds the terms that a key is a sum of, and between
        floats "exact" may too.
    squared : bool
        Whether the answer's distances are keys.
    radius : float or None
        That of a radius search.
    """
    reference = reference.first(len(answer))
    if radius is None and (answer.indptr != reference.indptr).any():
        return f"{len(answer.ind)} neighbours instead of {len(reference.ind)}"
    pairs = answer.of_query * len(rows) + answer.ind
    is_row = (answer.ind >= 0) & (answer.ind < len(rows))
    if not is_row.all() or len(np.unique(pairs)) < len(pairs):
        return "an index is out of range, or twice among a query's neighbours"
    if arithmetic == "same":
        same = [
            np.array_equal(getattr(answer, name), getattr(reference, name))
            for name in ("indptr", "dist", "ind")
        ]
        return None if all(same) else "the neighbours or distances are not those of brute force"
    share = 0.0 if arithmetic == "exact" and rows.dtype == np.uint8 else ROUNDING
    found, room = _keys_of(rows, queries, answer.of_query, answer.ind, metric, share)
    told = answer.dist.astype(np.float64)
    if not squared:
        told = _as_keys(told, metric, rows.shape[1])
    if (np.abs(told - found) > room + found * ROUNDING).any():
        return "the distances returned are not those of the rows returned"
    if radius is None:
        true, other = _keys_of(rows, queries, reference.of_query, reference.ind, metric, share)
        apart = np.abs(_sorted(found, len(answer)) - _sorted(true, len(answer)))
        room = np.maximum(room, other).reshape(apart.shape).max(axis=1, keepdims=True)
        wrong = (apart > room).any(axis=1)
        return f"{wrong.sum()} queries have neighbours that are farther" if wrong.any() else None
    other = np.setxor1d(pairs, reference.of_query * len(rows) + reference.ind)
    keys, room = _keys_of(rows, queries, other // len(rows), other % len(rows), metric, share)
    wrong = np.abs(keys - _as_keys(np.array(radius), metric, rows.shape[1])) > room
    return f"{wrong.sum()} rows are on the wrong side of the radius" if wrong.any() else None


def _sorted(values: np.ndarray, n_queries: int) -> np.ndarray:
    return np.sort(values.reshape(n_queries, -1), axis=1)


def _as_keys(dist: np.ndarray, metric: str, d: int) -> np.ndarray:
    """Keys to the rounding of distances."""
    if metric == "euclidean":
        return np.square(dist)
    return dist * {"hamming": d, "cosine": 2}.get(metric, 1)


def _keys_of(
    rows: np.ndarray,
    queries: np.ndarray,
    of_query: np.ndarray,
    ind: np.ndarray,
    metric: str,
    share: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Keys of pairs, between bytes exact, and a share of the sum of the terms of each."""
    keys, room = np.empty((2, len(ind)))
    if rows.dtype == np.uint8 and metric != "euclidean":
        share = 0.0  # sums below 2^24, which float32 holds
    step = max(1, BLOCK // rows.shape[1])
    for begin in range(0, len(ind), step):
        some = slice(begin, begin + step)
        x, q = (part.astype(np.float64) for part in (rows[ind[some]], queries[of_query[some]]))
        if metric == "cosine":
            x, q = unit_rows(x), unit_rows(q)
        apart, terms = np.abs(x - q), np.abs(x) + np.abs(q)
        if metric in ("euclidean", "cosine"):
            apart, terms = np.square(apart), np.square(x) + np.square(q)
        elif metric == "hamming":
            apart = apart != 0
        reduce = np.max if metric == "chebyshev" else np.sum
        keys[some], room[some] = reduce(apart, axis=1), reduce(terms, axis=1) * share
    return keys, room
