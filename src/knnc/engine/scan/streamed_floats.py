"""Streaming of rows that are compared as floats: a chunk is read while the last one is searched.

The k nearest of a chunk are merged with those of all rows before it. At the same key those of
earlier rows come first, so that ties go by index.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from knnc.engine.floats import FloatRows
from knnc.engine.scan import floats, streamed
from knnc.engine.scan.brute import NO_SELF
from knnc.engine.system.pages import Pages
from knnc.engine.system.progress import ProgressCallback

__all__ = ["StreamedFloats", "stored_dtype"]

Int64 = NDArray[np.int64]


def stored_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """What rows of a dtype are compared as: float32 if it holds each of their values exactly."""
    is_narrow = np.can_cast(dtype, np.float32, "safe")
    return np.dtype(np.float32 if is_narrow else np.float64)


class StreamedFloats(streamed.Streamed):
    """Rows of which each search makes floats anew, a chunk at a time.

    Parameters
    ----------
    rows : ndarray of shape (n_rows, n_features)
        Finite numbers, in any memory layout. Not copied.
    metric : {"sqeuclidean", "manhattan", "chebyshev", "hamming", "cosine"}
    max_memory : int
        Bytes that a search may take for rows.
    """

    _dtype_of_queries = np.float64
    _search_within = floats.within

    def __init__(self, rows: NDArray[Any], metric: str, max_memory: int) -> None:
        self._metric = metric
        self._dtype = stored_dtype(rows.dtype)
        super().__init__(rows, len(rows), rows.shape[1] * self._dtype.itemsize, max_memory)

    def _take(
        self,
        rows: FloatRows,
        bounds: tuple[int, int],
        queries: NDArray[np.float64],
        found: tuple[Int64, Int64],
        n_threads: int,
        first_self: int,
        progress: ProgressCallback | None,
    ) -> None:
        """What was found are keys and indices, ascending."""
        first, last = bounds
        n_found = min(found[0].shape[1], last - first)
        own_self = first_self if first_self == NO_SELF else first_self - first
        keys, ind = floats.search(rows, queries, n_found, n_threads, own_self, progress)
        _merge(*found, min(found[0].shape[1], first), keys, ind + first)

    def _read(self, first: int, last: int) -> FloatRows:
        rows = self._rows[first:last]
        values: Any = np.array(rows, self._dtype, order="C")
        chunk = FloatRows(values, self._metric)
        Pages(rows).drop()
        return chunk


def _merge(dist: Int64, ind: Int64, n_before: int, more_dist: Int64, more_ind: Int64) -> None:
    """Put neighbours among later rows to the first `n_before` of each query; the k nearest stay."""
    keys = np.hstack((dist[:, :n_before], more_dist))
    rows = np.hstack((ind[:, :n_before], more_ind))
    order = keys.argsort(axis=1, kind="stable")[:, : dist.shape[1]]
    n_now = order.shape[1]
    dist[:, :n_now] = np.take_along_axis(keys, order, axis=1)
    ind[:, :n_now] = np.take_along_axis(rows, order, axis=1)
