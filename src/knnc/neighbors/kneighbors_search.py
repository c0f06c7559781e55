"""The k nearest training rows of each query, by the engine that serves the fit."""

from __future__ import annotations

from math import trunc
from numbers import Integral, Real
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted

from knnc import _compat
from knnc.engine.system.progress import current, progress
from knnc.neighbors import fallback
from knnc.neighbors.base import IntegerFitMixin
from knnc.neighbors.float_queries import kneighbors_of_floats
from knnc.neighbors.float_search import search_in_pieces
from knnc.neighbors.metrics import FLOAT_METRICS
from knnc.neighbors.row_mask import Mask, checked_mask, kneighbors_among

__all__ = ["IntegerNeighborsMixin", "wants_exact"]


class IntegerNeighborsMixin(IntegerFitMixin):
    """The k nearest training rows, by the engine that serves the fit."""

    def kneighbors(
        self,
        X: Any = None,
        n_neighbors: int | None = None,
        return_distance: bool | Literal["exact"] = True,
        *,
        row_mask: ArrayLike | None = None,
    ) -> Any:
        """Find the k nearest training rows of each query.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_queries, n_features) or None, default=None
            The queries. None is leave-one-out: each training row is a query and is left out of
            its own neighbours, by its index, whether or not it has duplicates.
        n_neighbors : int or None, default=None
            Neighbours of each query; None for the estimator's own `n_neighbors`.
        return_distance : bool or "exact", default=True
            Whether to return the distances too. "exact" returns the integers that they are computed
            from. For "euclidean" these are squared. They compare bytes: if the rows are pixels
            divided by 255, they are 255 times as large, squared ones 255 * 255 times.
        row_mask : array-like of shape (n_samples_fit,), bool, or None, default=None
            The training rows to search among. Indices still count all rows. With X None every
            training row is a query, whether or not it is in the mask.

        Returns
        -------
        neigh_dist : ndarray of shape (n_queries, n_neighbors), float64 or int64
            Distances, ascending; only if `return_distance`. int64 if it is "exact".
        neigh_ind : ndarray of shape (n_queries, n_neighbors), intp
            Indices of the training rows; at the same distance the smaller index comes first.

        Raises
        ------
        ValueError
            If X has another number of features, is empty or holds NaN or infinity. If `n_neighbors`
            is less than 1, or more than there are rows to search among (for leave-one-out, other
            rows). If `return_distance` is "exact" and the distances are no integers.
        TypeError
            If `n_neighbors` is no integer or `row_mask` not boolean.

        Notes
        -----
        With `engine_` "integer" a query is compared in integers if the encoding that fit chose can
        hold it without loss. Any other is compared in float64 with the numbers that the training
        rows stand for. Each query is judged by itself, so its answer does not depend on the others.
        With `engine_` "float" all distances are float64, whatever the dtypes. Cosine distance is
        half the squared Euclidean distance of the rows divided by their norms. With "sklearn" the
        answers are scikit-learn's, including the order of ties and leave-one-out with duplicates.

        What the engine prepares for the rows of a mask is kept until a search has another mask.

        Examples
        --------
        >>> import numpy as np
        >>> from knnc import NearestNeighbors
        >>> X = np.array([[0, 0], [0, 3], [4, 0]], dtype=np.uint8)
        >>> NearestNeighbors(n_neighbors=2).fit(X).kneighbors([[0, 0]])
        (array([[0., 3.]]), array([[0, 1]]))
        """
        engine = self.__dict__.get("engine_")
        if engine is None:
            check_is_fitted(self)
        exact = wants_exact(return_distance)
        k = self._checked_k(n_neighbors)
        mask = None if row_mask is None else checked_mask(row_mask, self.n_samples_fit_)
        if exact and engine != "integer":
            raise ValueError(
                "return_distance='exact' needs distances between bytes, which the integer engine "
                f"computes, and another search serves this fit (engine_ is {engine!r})."
            )
        if engine == "integer":
            dist, ind = self._search(X, k, mask, return_distance)
        elif engine == "float":
            dist, ind = self._search_floats(X, k, mask, bool(return_distance))
        elif mask is None:
            dist, ind = fallback.kneighbors(self, X, k)
        else:
            n_queries = self.n_samples_fit_ if X is None else _compat.num_samples(X)
            self._check_enough_rows(k, n_queries, mask, leave_out=X is None)
            dist, ind = kneighbors_among(self, X, k, mask)
        return (dist, ind) if return_distance else ind

    def _checked_k(self, n_neighbors: Any) -> int:
        k: Any = self.n_neighbors if n_neighbors is None else n_neighbors
        if isinstance(k, Real) and k <= 0:
            raise ValueError(f"Expected n_neighbors > 0. Got {trunc(k)}")
        if not isinstance(k, Integral):
            raise TypeError(f"n_neighbors does not take {type(k)} value, enter integer value")
        return int(k)

    def _search(
        self, X: Any, k: int, mask: Mask | None, return_distance: bool | Literal["exact"]
    ) -> tuple[NDArray[Any] | None, NDArray[np.intp]]:
        floats = None
        if X is None:
            queries = None
            n_queries = self.n_samples_fit_
        else:
            queries, floats = self._narrowed_queries(X)
            n_queries = len(queries) if floats is None else len(floats[0])
        self._check_enough_rows(k, n_queries, mask, leave_out=X is None)
        exact = wants_exact(return_distance)
        if floats is not None:
            if exact:
                raise ValueError(
                    f"return_distance='exact' needs queries that are bytes under the encoding that "
                    f"fit chose; {len(floats[1])} of {n_queries} are not."
                )
            assert queries is not None
            return self._search_mixed(queries, *floats, k, mask)
        dist, ind = self._lazy_index.search(queries, k, self._n_threads(), mask)
        ind = ind.astype(np.intp, copy=False)
        if exact:
            return dist, ind
        return self._to_float(dist) if return_distance else None, ind

    def _search_floats(
        self, X: Any, k: int, mask: Mask | None, return_distance: bool
    ) -> tuple[NDArray[np.float64] | None, NDArray[np.intp]]:
        queries = None if X is None else self._float_queries(X)
        n_queries = self.n_samples_fit_ if queries is None else queries.shape[0]
        self._check_enough_rows(k, n_queries, mask, leave_out=X is None)
        keys, ind = search_in_pieces(self._lazy_index, queries, k, self._n_threads(), mask)
        dist = self._to_float(keys) if return_distance else None
        return dist, ind.astype(np.intp, copy=False)

    def _check_enough_rows(
        self, k: int, n_queries: int, mask: Mask | None = None, *, leave_out: bool
    ) -> None:
        n_samples_fit = self.n_samples_fit_ if mask is None else int(mask.sum())
        if k + leave_out > n_samples_fit:
            raise ValueError(
                f"Expected n_neighbors {'<' if leave_out else '<='} n_samples_fit, but "
                f"n_neighbors = {k}, n_samples_fit = {n_samples_fit}, n_samples = {n_queries}"
            )

    def _search_mixed(
        self,
        queries: NDArray[np.uint8],
        representable: NDArray[np.bool_],
        others: NDArray[np.float64],
        k: int,
        mask: Mask | None,
    ) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
        """Each query by the search that can hold it, in the order they came in."""
        total = len(representable)
        report = current()
        dist = np.empty((total, k))
        ind = np.empty((total, k), dtype=np.intp)
        if len(queries):
            with progress(report and (lambda done, _: report(done, total))):
                found, ind[representable] = self._lazy_index.search(
                    queries, k, self._n_threads(), mask
                )
            dist[representable] = self._to_float(found)
        metric = FLOAT_METRICS[self.effective_metric_]
        index = (
            self._lazy_index.decoded(self._encoding, self._n_threads()) if mask is None else None
        )
        if index is not None:
            with progress(report and (lambda done, _: report(len(queries) + done, total))):
                keys, nearest = index.search(others, k, n_threads=self._n_threads())
        else:
            keys, nearest = kneighbors_of_floats(
                self._rows if mask is None else self._rows[mask],
                self._encoding,
                others,
                k,
                metric.engine,
                self._n_threads(),
                report and (lambda done: report(len(queries) + done, total)),
            )
        dist[~representable] = metric.float_distances(keys, self.n_features_in_)
        ind[~representable] = nearest if mask is None else np.flatnonzero(mask)[nearest]
        return dist, ind


def wants_exact(return_distance: Any) -> bool:
    """Whether `return_distance` asks for integers; a ValueError if it is another string."""
    if not isinstance(return_distance, str):
        return False
    if return_distance != "exact":
        raise ValueError(f"return_distance must be a bool or 'exact', got {return_distance!r}.")
    return True
