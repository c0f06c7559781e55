"""Estimators with a cache of the neighbours of some queries, for any k and weights.

A scorer takes an estimator and rows. If these are the rows whose neighbours are cached,
`kneighbors` answers from the cache, and so do the predictions. For any other rows the estimator
searches as its class does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from knnc import _compat
from knnc.neighbors.classification import KNeighborsClassifier
from knnc.neighbors.kneighbors_search import IntegerNeighborsMixin
from knnc.neighbors.regression import KNeighborsRegressor
from knnc.neighbors.votes import most_voted_of_first, named

if TYPE_CHECKING:  # the class that stands after the mixin
    _Base = IntegerNeighborsMixin
else:
    _Base = object

__all__ = ["CachedNeighborsClassifier", "CachedNeighborsRegressor"]


class _CachesNeighbors(_Base):
    """Stands before an estimator's class."""

    # Shared by all that `with_params` makes of one search.
    _cache: _Cache

    def cache_neighbors(self, X: Any, ks: Sequence[int], *, leave_one_out: bool = False) -> Self:
        """Find the neighbours of X, of all `ks` that there are rows enough for.

        Parameters
        ----------
        X : array-like or sparse matrix
            Queries; later calls have to pass this very object.
        ks : sequence of int
        leave_one_out : bool
            X are the training rows, and each is left out of its own neighbours.
        """
        largest = self.n_samples_fit_ - leave_one_out
        within = sorted({k for k in ks if k <= largest} or {largest})
        dist, ind = self.kneighbors(None if leave_one_out else X, within[-1])
        self._cache = _Cache(X, leave_one_out, within, dist, ind)
        return self

    def with_params(self, **params: Any) -> Self:
        """The same fit and the same cache under other `n_neighbors` and `weights`."""
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__)
        other.set_params(**params)
        return other

    def kneighbors(
        self,
        X: Any = None,
        n_neighbors: int | None = None,
        return_distance: bool | Literal["exact"] = True,
        *,
        row_mask: ArrayLike | None = None,
    ) -> Any:
        """As the class without a cache does."""
        cache = self._cache_of(X)
        if cache is None:
            return super().kneighbors(X, n_neighbors, return_distance, row_mask=row_mask)
        k = self._checked_k(n_neighbors)
        self._check_enough_rows(k, len(cache.ind), leave_out=cache.leave_one_out)
        if k > cache.ind.shape[1] or row_mask is not None or return_distance == "exact":
            queries = None if cache.leave_one_out else X
            return super().kneighbors(queries, n_neighbors, return_distance, row_mask=row_mask)
        # As contiguous as a search of its own would give them: sums may depend on it.
        ind = cache.ind[:, :k].copy()
        return (cache.dist[:, :k].copy(), ind) if return_distance else ind

    def _cache_of(self, X: Any) -> _Cache | None:
        cache: _Cache | None = self.__dict__.get("_cache")
        return cache if cache is not None and X is cache.X else None


class _Cache:
    """Neighbours of the queries X, and winners of the votes among them."""

    def __init__(
        self,
        X: Any,
        leave_one_out: bool,
        ks: Sequence[int],
        dist: NDArray[np.float64],
        ind: NDArray[np.intp],
    ) -> None:
        self.X = X
        self.leave_one_out = leave_one_out
        self.ks = ks
        self.dist = dist
        self.ind = ind
        # By weights: for each output an array of shape (len(ks), n_queries).
        self.winners: dict[str, list[NDArray[np.intp]]] = {}


class CachedNeighborsClassifier(_CachesNeighbors, KNeighborsClassifier):
    """A classifier that takes all votes of a fold at once, for every k."""

    def predict(self, X: Any) -> NDArray[Any]:
        """As the class without a cache does."""
        cache = self._cache_of(X)
        weights = "uniform" if self.weights is None else self.weights
        if (
            cache is None
            or weights not in ("uniform", "distance")
            or self.n_neighbors not in cache.ks
        ):
            return super().predict(X)
        classes = self.classes_ if self.outputs_2d_ else [self.classes_]
        if weights not in cache.winners:
            ballots: NDArray[np.float64] | None = None
            if weights == "distance":
                ballots = np.asarray(_compat.neighbor_weights(cache.dist, weights))
                # What makes the weights of the first k those of any k: distances ascend, so the
                # zeros among them, which alone count where there are some, come first.
                if not (np.isfinite(ballots).all() and (np.diff(cache.dist) >= 0).all()):
                    return super().predict(X)
            codes = self._y if self._y.ndim == 2 else self._y[:, np.newaxis]
            cache.winners[weights] = [
                most_voted_of_first(codes[cache.ind, output], len(names), cache.ks, ballots)
                for output, names in enumerate(classes)
            ]
        place = cache.ks.index(self.n_neighbors)
        winners = [of_output[place] for of_output in cache.winners[weights]]
        return named(winners, classes, several=self.outputs_2d_)


class CachedNeighborsRegressor(_CachesNeighbors, KNeighborsRegressor):
    """A regressor; a mean costs little beside a search, so it takes one for each k."""
