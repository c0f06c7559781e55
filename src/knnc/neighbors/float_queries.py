"""Queries that no bytes stand for, against training rows that are bytes.

The distance is the one between float rows, to the numbers that the bytes stand for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from knnc.engine.encoding import Encoding, decode
from knnc.engine.floats import FloatRows
from knnc.engine.scan import floats
from knnc.engine.scan.brute import NO_SELF
from knnc.engine.system.progress import ProgressCallback
from knnc.engine.system.threads import safe_n_threads

__all__ = ["kneighbors_of_floats", "within_of_floats"]

Bytes = NDArray[np.uint8]
Int64 = NDArray[np.int64]
Float64 = NDArray[np.float64]
Found = tuple[Int64, Int64 | None, Int64]
Report = Callable[[int], object] | None

# Bytes copied at a time of rows that are not contiguous, as those of a memory map may be.
_BLOCK = 32 << 20


def kneighbors_of_floats(
    rows: Bytes,
    encoding: Encoding,
    queries: Float64,
    k: int,
    metric: str,
    n_threads: int,
    report: Report = None,
) -> tuple[Int64, Int64]:
    """The k nearest training rows of each query.

    Parameters
    ----------
    rows : ndarray of shape (n_samples_fit, n_features), uint8
        In any memory layout.
    encoding : Encoding
        What the rows stand for.
    queries : ndarray of shape (n_queries, n_features), float64, C-contiguous
    k : int
        At most n_samples_fit.
    metric : str
        One of :data:`knnc.engine.metrics.METRICS`.
    n_threads : int
    report : callable or None
        Called with the share of the work that is done, counted in queries.

    Returns
    -------
    keys : ndarray of shape (n_queries, k), int64
        Keys between float rows, ascending; at the same key by ascending index.
    ind : ndarray of shape (n_queries, k), int64
    """
    n_threads = safe_n_threads(n_threads)
    keys, ind = np.empty((2, len(queries), 0), np.int64)
    for start, block, told in _blocks(rows, encoding, metric, len(queries), report):
        some = min(k, block.rows.shape[0])
        more = floats.search(block, queries, some, n_threads, NO_SELF, told)
        if start == 0:
            keys, ind = more
            continue
        keys, ind = np.hstack((keys, more[0])), np.hstack((ind, more[1] + start))
        order = keys.argsort(axis=1, kind="stable")[:, :k]
        keys, ind = np.take_along_axis(keys, order, 1), np.take_along_axis(ind, order, 1)
    return keys, ind


def within_of_floats(
    rows: Bytes,
    encoding: Encoding,
    queries: Float64,
    limit: int,
    metric: str,
    n_threads: int,
    return_distance: bool,
    sort: bool,
    report: Report = None,
) -> Found:
    """All training rows whose key is at most `limit`.

    Parameters
    ----------
    rows, encoding, queries, metric, n_threads, report
        As for :func:`kneighbors_of_floats`.
    limit : int
        A key between float rows.
    return_distance, sort : bool

    Returns
    -------
    indptr, keys, ind
        As :meth:`knnc.engine.index.Index.within` returns them.
    """
    n_threads = safe_n_threads(n_threads)
    parts: list[Found] = []
    for start, block, told in _blocks(rows, encoding, metric, len(queries), report):
        options = return_distance, sort, told
        found = floats.within(block, queries, limit, n_threads, NO_SELF, *options)
        parts.append((found[0], found[1], found[2] + start))
    if len(parts) == 1:
        return parts[0]
    counts = [np.diff(indptr) for indptr, _, _ in parts]
    of_query = np.concatenate([np.repeat(np.arange(len(queries)), own) for own in counts])
    indptr = np.concatenate((np.zeros(1, np.int64), np.cumsum(sum(counts))))
    ind = np.concatenate([ind for _, _, ind in parts])
    if not return_distance:
        return indptr, None, ind[np.lexsort((ind, of_query))]
    keys = np.concatenate([part for _, part, _ in parts if part is not None])
    order = np.lexsort((ind, keys, of_query) if sort else (ind, of_query))
    return indptr, keys[order], ind[order]


def _blocks(
    rows: Bytes, encoding: Encoding, metric: str, n_queries: int, report: Report
) -> Iterator[tuple[int, FloatRows, ProgressCallback | None]]:
    """Contiguous rows as one block, others copied some at a time; where each starts, and who is
    told how much of it is done."""
    table = decode(np.arange(256, dtype=np.uint8), encoding).astype(np.float64, copy=False)
    n_rows, n_features = rows.shape
    step = n_rows if rows.flags.c_contiguous else max(1, _BLOCK // n_features)
    for start in range(0, n_rows, step):
        block = np.ascontiguousarray(rows[start : start + step])
        told = None
        if report is not None:
            told = _share(report, start * n_queries, len(block), n_rows)
        yield start, FloatRows(block, metric, table=table), told


def _share(
    report: Callable[[int], object], before: int, n_block: int, n_rows: int
) -> ProgressCallback:
    return lambda done, _: report((before + n_block * done) // n_rows)
