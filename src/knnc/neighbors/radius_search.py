"""All training rows within a radius of each query, by the engine that serves the fit.

The engine compares integer keys. :class:`EngineMetric` turns the radius into the
largest key once, so that a row is in if and only if the distance that ``kneighbors`` returns for
it is at most the radius.
"""

from __future__ import annotations

import math
from itertools import pairwise
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_scalar
from sklearn.utils.validation import check_is_fitted

from knnc import _compat
from knnc.engine.system.progress import current, progress
from knnc.neighbors import fallback
from knnc.neighbors.base import IntegerFitMixin
from knnc.neighbors.float_queries import within_of_floats
from knnc.neighbors.float_search import within_in_pieces
from knnc.neighbors.metrics import FLOAT_METRICS

__all__ = ["IntegerRadiusMixin"]

Int64 = NDArray[np.int64]
Float64 = NDArray[np.float64]
Found = tuple[Int64, Float64 | None, NDArray[np.intp]]

# Distances made floats at a time.
_CHUNK = 1 << 16


class IntegerRadiusMixin(IntegerFitMixin):
    """All training rows within a radius, by the engine that serves the fit."""

    def radius_neighbors(
        self,
        X: Any = None,
        radius: float | None = None,
        return_distance: bool = True,
        sort_results: bool = False,
    ) -> Any:
        """Find all training rows within a radius of each query.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_queries, n_features) or None, default=None
            The queries. None is leave-one-out: each training row is a query and is left out of
            its own neighbours, by its index.
        radius : float or None, default=None
            The largest distance of a neighbour; None takes the estimator's own `radius`.
        return_distance : bool, default=True
            Whether to return the distances too.
        sort_results : bool, default=False
            Whether to sort the neighbours of each query by (distance, row index).

        Returns
        -------
        neigh_dist : ndarray of shape (n_queries,) of float64 arrays
            Distances; only if `return_distance`.
        neigh_ind : ndarray of shape (n_queries,) of intp arrays
            Indices of the training rows, ascending unless `sort_results`.

        Raises
        ------
        ValueError
            If X has another number of features, is empty or holds NaN or infinity. If `radius` is
            negative. If `sort_results` is True and `return_distance` is False.
        TypeError
            If `radius` is not a number.
        MemoryError
            If the neighbours do not fit into memory.

        Notes
        -----
        With `engine_` "integer" or "float" a row is within the radius if and only if the distance
        that `kneighbors` returns for it is at most `radius`. With "sklearn" the answers, and their
        order, are scikit-learn's.

        Examples
        --------
        >>> import numpy as np
        >>> from knnc import NearestNeighbors
        >>> X = np.array([[0, 0], [0, 3], [4, 0]], dtype=np.uint8)
        >>> dist, ind = NearestNeighbors(radius=4.0).fit(X).radius_neighbors([[0, 0]])
        >>> dist[0], ind[0]
        (array([0., 3., 4.]), array([0, 1, 2]))
        """
        check_is_fitted(self)
        if self.engine_ == "sklearn":
            return fallback.radius_neighbors(self, X, radius, return_distance, sort_results)
        if sort_results and not return_distance:
            raise ValueError("return_distance must be True if sort_results is True.")
        indptr, dist, ind = self._within(X, radius, return_distance, sort_results)
        if dist is None:
            return _split(ind, indptr)
        return _split(dist, indptr), _split(ind, indptr)

    def radius_neighbors_graph(
        self,
        X: Any = None,
        radius: float | None = None,
        mode: str = "connectivity",
        sort_results: bool = False,
    ) -> Any:
        """Compute the sparse graph of all training rows within a radius of each query.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_queries, n_features) or None, default=None
            The queries. None: the training rows, each left out of its own neighbours.
        radius : float or None, default=None
            The largest distance of a neighbour; None takes the estimator's own `radius`.
        mode : {"connectivity", "distance"}, default="connectivity"
            The weight of an edge: 1, or the distance.
        sort_results : bool, default=False
            With mode="distance", whether to store the edges of each query by (distance, row
            index) rather than by row index.

        Returns
        -------
        graph : sparse matrix or array of shape (n_queries, n_samples_fit), CSR
            graph[i, j] is the weight of the edge from query i to training row j.

        Raises
        ------
        ValueError, TypeError, MemoryError
            As `radius_neighbors` does, or if `mode` is not as stated.
        """
        check_is_fitted(self)
        if self.engine_ == "sklearn" or mode not in ("connectivity", "distance"):
            return super().radius_neighbors_graph(X, radius, mode, sort_results)
        weighted = mode == "distance"
        indptr, dist, ind = self._within(X, radius, weighted, weighted and sort_results)
        weights = np.ones(len(ind)) if dist is None else dist
        return _compat.csr_graph(weights, ind, indptr, self.n_samples_fit_)

    def _within(self, X: Any, radius: Any, return_distance: bool, sort: bool) -> Found:
        """All that is found, one query after another: query i from indptr[i] to indptr[i + 1]."""
        if self.engine_ == "float":
            return self._float_within(X, radius, return_distance, sort)
        queries, floats = (None, None) if X is None else self._narrowed_queries(X)
        radius = _checked_radius(self.radius if radius is None else radius)
        limit = self._largest_key_within(radius)
        report = current()
        total = 0 if floats is None else len(floats[0])
        n_threads = self._n_threads()
        with progress(report and (lambda done, n: report(done, total or n))):
            indptr, integers, ind = self._lazy_index.get(n_threads).within(
                queries, limit, n_threads=n_threads, return_distance=return_distance, sort=sort
            )
        dist = None if integers is None else self._to_float_in_place(integers)
        found = indptr, dist, ind.astype(np.intp, copy=False)
        if floats is None:
            return found
        representable, others = floats
        metric = FLOAT_METRICS[self.effective_metric_]
        largest = metric.largest_float_key_within(radius, self.n_features_in_)
        index = self._lazy_index.decoded(self._encoding, n_threads)
        if index is not None:
            with progress(report and (lambda done, _: report(total - len(others) + done, total))):
                starts, keys, odd = index.within(
                    others,
                    largest,
                    n_threads=n_threads,
                    return_distance=return_distance,
                    sort=sort,
                )
        else:
            starts, keys, odd = within_of_floats(
                self._rows,
                self._encoding,
                others,
                largest,
                metric.engine,
                n_threads,
                return_distance,
                sort,
                report and (lambda done: report(total - len(others) + done, total)),
            )
        odd_dist = None
        if keys is not None:
            odd_dist = metric.float_distances(keys, self.n_features_in_)
        odd_found = starts, odd_dist, odd.astype(np.intp, copy=False)
        return _merged(found, odd_found, representable)

    def _float_within(self, X: Any, radius: Any, return_distance: bool, sort: bool) -> Found:
        queries = None if X is None else self._float_queries(X)
        limit = self._largest_key_within(_checked_radius(self.radius if radius is None else radius))
        n_threads = self._n_threads()
        index = self._lazy_index.get(n_threads)
        indptr, keys, ind = within_in_pieces(
            index, queries, limit, n_threads, return_distance, sort
        )
        dist = None if keys is None else self._to_float_in_place(keys)
        return indptr, dist, ind.astype(np.intp, copy=False)

    def _to_float_in_place(self, dist: Int64) -> Float64:
        """The distances as floats where the integers were: there may be billions."""
        floats = dist.view(np.float64)
        for start in range(0, len(dist), _CHUNK):
            piece = slice(start, start + _CHUNK)
            floats[piece] = self._to_float(dist[piece])
        return floats


def _checked_radius(radius: Any) -> float:
    check_scalar(radius, "radius", Real, min_val=0)
    try:
        return float(radius)
    except OverflowError:  # an integer of hundreds of digits
        return math.inf


def _split(values: NDArray[Any], indptr: Int64) -> NDArray[np.object_]:
    """One array for each query, in an array of objects."""
    parts = np.empty(len(indptr) - 1, dtype=object)
    for i, (start, end) in enumerate(pairwise(indptr.tolist())):
        parts[i] = values[start:end]
    return parts


def _merged(found: Found, odd: Found, representable: NDArray[np.bool_]) -> Found:
    """The answers of both searches, in the order that the queries came in."""
    counts = np.empty(len(representable), dtype=np.int64)
    counts[representable] = np.diff(found[0])
    counts[~representable] = np.diff(odd[0])
    indptr = np.concatenate((np.zeros(1, dtype=np.int64), np.cumsum(counts)))
    is_found = np.repeat(representable, counts)
    ind = np.empty(indptr[-1], dtype=np.intp)
    ind[is_found], ind[~is_found] = found[2], odd[2]
    if found[1] is None or odd[1] is None:
        return indptr, None, ind
    dist = np.empty(indptr[-1])
    dist[is_found], dist[~is_found] = found[1], odd[1]
    return indptr, dist, ind
