"""Float rows for the engine, and searches whose queries become float64 piece by piece."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn.utils import assert_all_finite

from knnc.engine.index import Index
from knnc.engine.prepared_floats import joined_within
from knnc.engine.system.progress import current, progress, shifted
from knnc.neighbors.fitted_rows import LazyIndex
from knnc.neighbors.row_mask import Mask

__all__ = ["as_float_rows", "search_in_pieces", "within_in_pieces"]

Int64 = NDArray[np.int64]
Float64 = NDArray[np.float64]
Found = tuple[Int64, Int64 | None, Int64]
Answer = TypeVar("Answer")

# Elements of the queries that are float64 at a time: 32 MB.
_PIECE = 1 << 22
# float32 holds each value of these exactly.
_NARROW = ("float16", "float32", "uint8", "int8", "bool", "uint16", "int16")


def as_float_rows(X: NDArray[Any]) -> NDArray[Any]:
    """Training rows as float32 or float64, C-contiguous; X itself if it is that already.

    Raises
    ------
    ValueError
        If a value of a wider float is too large for float64.
    """
    native = X.dtype.newbyteorder("=")
    if native.name in _NARROW:
        return np.require(X, np.float32, ["C", "A"])
    return _as_float64(X)


def _as_float64(X: Any) -> Float64:
    values = np.require(X.toarray() if issparse(X) else X, np.float64, ["C", "A"])
    if X.dtype.itemsize > values.dtype.itemsize:
        assert_all_finite(values, input_name="X")
    return values


def search_in_pieces(
    index: LazyIndex, queries: Any, k: int, n_threads: int, mask: Mask | None
) -> tuple[Int64, Int64]:
    """Keys and indices of the k nearest rows of each query.

    Parameters
    ----------
    index : LazyIndex
        Over float rows.
    queries : ndarray or sparse matrix of shape (n_queries, n_features), or None
        None is leave-one-out.
    k, n_threads, mask
        As :meth:`LazyIndex.search` takes them.
    """
    if queries is None:
        return index.search(None, k, n_threads, mask)
    parts = _each_piece(queries, lambda piece: index.search(piece, k, n_threads, mask))
    if len(parts) == 1:
        return parts[0]
    keys, ind = zip(*parts, strict=True)
    return np.concatenate(keys), np.concatenate(ind)


def within_in_pieces(
    index: Index, queries: Any, limit: int, n_threads: int, return_distance: bool, sort: bool
) -> Found:
    """All rows whose key is at most `limit`, as :meth:`Index.within` returns them."""

    def search(piece: Float64 | None) -> Found:
        return index.within(
            piece, limit, n_threads=n_threads, return_distance=return_distance, sort=sort
        )

    if queries is None:
        return search(None)
    return joined_within(_each_piece(queries, search))


def _each_piece(queries: Any, search: Callable[[Float64], Answer]) -> list[Answer]:
    """The answers to pieces of the queries as float64; progress counts all queries."""
    n_queries, n_features = queries.shape
    step = n_queries
    if issparse(queries) or queries.dtype != np.float64 or not queries.flags.c_contiguous:
        step = max(1, _PIECE // n_features)
    report, answers = current(), []
    for start in range(0, n_queries, step):
        piece = _as_float64(queries[start : start + step])
        with progress(shifted(report, start, n_queries)):
            answers.append(search(piece))
    return answers
