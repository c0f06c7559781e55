"""Float rows and queries for the engine. Queries that must be copied are copied piece by piece."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn.utils import assert_all_finite

from knnc.engine.floats import FloatMode
from knnc.engine.index import Index
from knnc.engine.prepared_floats import joined_within
from knnc.engine.system.progress import current, progress, shifted
from knnc.neighbors.fitted_rows import LazyIndex
from knnc.neighbors.row_mask import Mask

__all__ = ["as_float_rows", "search_in_pieces", "within_in_pieces"]

Int64 = NDArray[np.int64]
Found = tuple[Int64, Int64 | None, Int64]
Answer = TypeVar("Answer")

# Elements of the queries that are copied at a time: at most 32 MB.
_PIECE = 1 << 22
# float32 holds each value of these exactly.
_NARROW = ("float16", "float32", "uint8", "int8", "bool", "uint16", "int16")


def as_float_rows(X: NDArray[Any]) -> NDArray[Any]:
    """Rows or queries as float32 or float64, C-contiguous; X itself if it is that already.

    Raises
    ------
    ValueError
        If a value of a wider float is too large for float64.
    """
    native = X.dtype.newbyteorder("=")
    dtype = np.float32 if native.name in _NARROW else np.float64
    with FloatMode():
        values: NDArray[Any] = np.require(X, dtype, ["C", "A"])
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

    def search(piece: NDArray[Any] | None) -> Found:
        return index.within(
            piece, limit, n_threads=n_threads, return_distance=return_distance, sort=sort
        )

    if queries is None:
        return search(None)
    return joined_within(_each_piece(queries, search))


def _each_piece(queries: Any, search: Callable[[NDArray[Any]], Answer]) -> list[Answer]:
    """The answers to pieces of the queries as floats; progress counts all queries.

    What need not be copied is one piece: the engine then knows how many queries there are, and
    searches for those that are alike together.
    """
    sparse = issparse(queries)
    if not sparse and queries.dtype in (np.float32, np.float64):
        flags = queries.flags
        if flags.c_contiguous and flags.aligned:
            return [search(queries)]
    n_queries, n_features = queries.shape
    step = max(1, _PIECE // n_features)
    report, answers = current(), []
    for start in range(0, n_queries, step):
        some = queries[start : start + step]
        piece = as_float_rows(some.toarray() if sparse else some)
        with progress(shifted(report, start, n_queries)):
            answers.append(search(piece))
    return answers
