"""scikit-learn's own search, in pieces: for estimators whose `engine_` is "sklearn".

The answers are the very ones that scikit-learn gives to all queries at once. Between pieces Ctrl-C
is answered and progress is reported.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn.utils import assert_all_finite, get_tags
from sklearn.utils.validation import validate_data

from knnc import _compat
from knnc.engine.system.progress import current
from knnc.engine.system.threads import safe_openmp

Float64 = NDArray[np.float64]
Indices = NDArray[np.intp]
Answer = tuple[Float64, Indices]

_SECONDS = 0.1  # of work in a piece, where the search is free to choose
_FIRST = 256  # queries in the first piece, where many are searched together
_FIRST_ELEMENTS = 1 << 17  # of rows in the first piece: 0.1 s at most, if one takes a microsecond


def validated_queries(estimator: Any, X: Any) -> Any:
    """Queries as scikit-learn's neighbours check them, in whatever memory layout they come."""
    finite = "allow-nan" if get_tags(estimator).input_tags.allow_nan else True
    checked = validate_data(
        estimator, X, ensure_all_finite=finite, accept_sparse="csr", reset=False
    )
    dtype = getattr(X, "dtype", None)  # of a tensor no NumPy dtype, of a frame maybe a column
    if finite is True and (not isinstance(dtype, np.dtype) or dtype.hasobject):
        checked = as_numbers(checked)
        assert_all_finite(checked, input_name="X")
    return checked


def as_numbers(checked: Any) -> Any:
    """What became of objects in scikit-learn's check, as float64.

    It lets None through: in an array as NaN, and in a list as it is.
    """
    return checked.astype(np.float64) if checked.dtype.hasobject else checked


@safe_openmp()
def kneighbors(estimator: Any, X: Any, k: int) -> Answer:
    """What scikit-learn's ``kneighbors`` returns, piece by piece.

    Parameters
    ----------
    estimator : object
        Fitted, with scikit-learn's search.
    X : array-like, sparse matrix or None
    k : int
        At least 1.

    Returns
    -------
    dist : ndarray of shape (n_queries, k), float64
    ind : ndarray of shape (n_queries, k), intp
        Bit for bit as from one call, rows at the same distance included: a piece is cut where
        scikit-learn cuts, and searched in the way it chooses for all of `X`.
    """
    view = _compat.scikit_learn_view(estimator)
    if estimator.metric == "precomputed":
        dist, ind = _whole(view, X, lambda: view.kneighbors(X, k))
        return dist, ind
    leave_out = X is None
    queries = _queries(estimator, view, X)
    n_queries = queries.shape[0]
    fused = _compat.argkmin_block(view, queries)
    if k + leave_out > view.n_samples_fit_ or (view._fit_method == "brute" and fused is None):
        # An error with the numbers of all queries, or what scikit-learn itself does in pieces.
        X = None if leave_out else queries
        dist, ind = _whole(view, X, lambda: view.kneighbors(X, k))
        return dist, ind

    def search(piece: slice) -> Answer:
        if fused is not None:
            dist, ind = _search_fused(view, queries[piece], k + leave_out, fused[0])
        else:
            dist, ind = view.kneighbors(queries[piece], k + leave_out)
        return _without_self(dist, ind, piece.start) if leave_out else (dist, ind)

    if fused is not None and n_queries > fused[1]:
        _compat.know_row_norms(view)
    pieces = _timed_pieces(n_queries, 1 if fused is None else fused[1], _elements(view))
    parts = [search(piece) for piece in _reported(pieces, n_queries)]
    if len(parts) == 1:
        return parts[0]
    dist, ind = zip(*parts, strict=True)
    return np.concatenate(dist), np.concatenate(ind)


def _queries(estimator: Any, view: Any, X: Any) -> Any:
    """The rows that are searched for, C-contiguous or sparse: those of the fit for None."""
    if X is None:
        return view._fit_X if issparse(view._fit_X) else np.asarray(view._fit_X)
    queries = validated_queries(estimator, X)
    return queries if issparse(queries) else np.ascontiguousarray(queries)


def _search_fused(view: Any, queries: Any, k: int, strategy: str) -> Answer:
    """scikit-learn's fused search of one piece, on all threads.

    Where it divides queries among threads it does so by 256, and few of a slow metric would take
    one thread. So they are divided here: computed pair by pair, each meets the rows in their order,
    and no answer depends on other queries.
    """
    n_threads, n_queries = _compat.n_threads(), queries.shape[0]
    if (
        strategy != "parallel_on_X"
        or not _compat.is_by_pairs(view)
        or n_threads == 1
        or n_queries > n_threads * _FIRST
    ):
        return _compat.argkmin(view, queries, k, strategy)
    step = -(-n_queries // n_threads)
    with ThreadPoolExecutor(n_threads) as pool:
        parts = pool.map(
            lambda part: _compat.argkmin(view, queries[part], k, strategy),
            _even_pieces(n_queries, step),
        )
        dist, ind = zip(*parts, strict=True)
    return np.concatenate(dist), np.concatenate(ind)


def _whole(view: Any, X: Any, search: Callable[[], Any]) -> Any:
    """One search for all queries, in the pieces that scikit-learn itself makes, if any."""
    n_queries = _compat.num_samples(view._fit_X if X is None else X)
    report, done = _reporter(n_queries), 0

    def report_and_note(so_far: int) -> None:
        nonlocal done
        done = so_far
        report(so_far)

    _compat.report_pieces(view, report_and_note)
    answer = search()
    if done < n_queries:
        report(n_queries)
    return answer


def _without_self(dist: Float64, ind: Indices, start: int) -> Answer:
    """Drop each query from its own neighbours; a duplicate in its place, if it is not there.

    That is scikit-learn's leave-one-out: with more duplicates than neighbours the first goes.
    """
    n_queries, k = ind.shape
    keep = ind != np.arange(start, start + n_queries)[:, np.newaxis]
    keep[keep.all(axis=1), 0] = False
    return dist[keep].reshape(n_queries, k - 1), ind[keep].reshape(n_queries, k - 1)


@safe_openmp()
def radius_neighbors(
    estimator: Any, X: Any, radius: Any, return_distance: bool, sort_results: bool
) -> Any:
    """What scikit-learn's ``radius_neighbors`` returns, piece by piece.

    Parameters
    ----------
    estimator : object
        Fitted, with scikit-learn's search.
    X, radius, return_distance, sort_results
        As for scikit-learn's method.
    """
    view = _compat.scikit_learn_view(estimator)
    options = radius, return_distance, sort_results
    if estimator.metric == "precomputed":
        return _whole(view, X, lambda: view.radius_neighbors(X, *options))
    leave_out = X is None
    queries = _queries(estimator, view, X)
    n_queries = queries.shape[0]
    fused = _compat.argkmin_block(view, queries)
    each = np.ndim(radius) > 0  # a radius for each query, which only the trees take
    if (view._fit_method == "brute" and (fused is None or each)) or (
        each and np.shape(radius) != (n_queries,)
    ):
        X = None if leave_out else queries
        return _whole(view, X, lambda: view.radius_neighbors(X, *options))
    found = _ArraysOfArrays(n_queries, return_distance)
    pieces = _timed_pieces(n_queries, 1 if fused is None else fused[1], _elements(view))
    for piece in _reported(pieces, n_queries):
        within = radius[piece] if each else radius
        answer = view.radius_neighbors(queries[piece], within, return_distance, sort_results)
        found.put(piece, answer, leave_out)
    return found.answer()


class _ArraysOfArrays:
    """Answers of `radius_neighbors`, put together."""

    def __init__(self, n_queries: int, return_distance: bool) -> None:
        self._parts = [np.empty(n_queries, dtype=object) for _ in range(1 + return_distance)]

    def put(self, piece: slice, answer: Any, leave_out: bool) -> None:
        """Add the answer to the queries of a piece, each without itself if it is to be left out."""
        parts = answer if isinstance(answer, tuple) else (answer,)
        for whole, part in zip(self._parts, parts, strict=True):
            whole[piece] = part
        if leave_out:
            for i in range(piece.start, piece.stop):
                others = self._parts[-1][i] != i
                for whole in self._parts:
                    whole[i] = whole[i][others]

    def answer(self) -> Any:
        """As scikit-learn returns it."""
        return tuple(self._parts) if len(self._parts) > 1 else self._parts[0]


@safe_openmp()
def shares_within(estimator: Any, X: Any) -> tuple[Float64, NDArray[np.bool_]]:
    """Each class's share of the rows within the radius, by scikit-learn's fused search.

    Parameters
    ----------
    estimator : object
        A fitted classifier of one output for which :func:`_compat.can_count_classes` is true.
    X : ndarray or sparse matrix

    Returns
    -------
    shares : ndarray of shape (n_queries, n_classes), float64
    alone : ndarray of shape (n_queries,), bool
        Which queries have no neighbours; their shares are zeros.
    """
    view = _compat.scikit_learn_view(estimator)
    queries = validated_queries(estimator, X)
    n_queries = queries.shape[0]
    shares = np.empty((n_queries, len(estimator.classes_) + 1))
    for piece in _reported(_timed_pieces(n_queries, 1, _elements(view)), n_queries):
        shares[piece] = _compat.class_shares(view, queries[piece])
    return shares[:, :-1], shares[:, -1] > 0.0


def _even_pieces(n_queries: int, step: int) -> Iterator[slice]:
    return (slice(start, min(start + step, n_queries)) for start in range(0, n_queries, step))


def _elements(view: Any) -> int | None:
    """Elements of the rows that one query meets at most; None where a pair calls Python."""
    if callable(view.effective_metric_):
        return None
    n_samples_fit, n_features = view._fit_X.shape
    return int(n_samples_fit * n_features)


def _timed_pieces(n_queries: int, multiple_of: int, elements: int | None = None) -> Iterator[slice]:
    """Pieces that take about 0.1 s, by the time of the piece before; multiples of a number.

    The first piece has few queries, because an element may take a nanosecond or a microsecond.
    `elements` is how many of them one query meets, if that is known.
    """
    start, size = 0, multiple_of
    if elements is not None:
        size = max(_FIRST_ELEMENTS // (elements * multiple_of), 1) * multiple_of
    while start < n_queries:
        piece = slice(start, min(start + size, n_queries))
        began = perf_counter()
        yield piece
        seconds = max(perf_counter() - began, 1e-6)
        wanted = int((piece.stop - start) * min(_SECONDS / seconds, 8.0))
        start, size = piece.stop, max(wanted // multiple_of, 1) * multiple_of


def _reported(pieces: Iterator[slice], total: int) -> Iterator[slice]:
    """The pieces, with the progress callback called after each."""
    report = _reporter(total)
    for piece in pieces:
        yield piece
        report(piece.stop)


def _reporter(total: int) -> Callable[[int], object]:
    report = current()
    return lambda done: None if report is None else report(done, total)
