"""The search over training rows on the workers of a Dask cluster: see :mod:`knnc.dask`."""

from __future__ import annotations

from numbers import Integral
from typing import Any, Literal, Self

import dask
import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted, validate_data

import knnc.neighbors
from knnc._rollback import unchanged_after_error
from knnc.dask._chunks import make_chunk, rows_of, search_chunk
from knnc.dask._found import (
    distances,
    exact_distances,
    indices,
    merge,
    without_self,
)
from knnc.dask._rows import encodings_for, fits_of, held_by_all, narrow, prepare
from knnc.dask._tasks import blocks_of, columns_of, joined, rows_array, task
from knnc.engine.encoding import Encoding
from knnc.engine.system.threads import effective_n_threads
from knnc.neighbors.kneighbors_search import wants_exact
from knnc.neighbors.metrics import FLOAT_METRICS, EngineMetric, engine_metric

__all__ = ["NearestNeighbors"]

# Answers merged by one task.
_FAN_IN = 8


class NearestNeighbors(BaseEstimator):
    """Exact nearest-neighbour search over rows that stay on Dask's workers.

    A fit fixes the metric and the algorithm, as with scikit-learn. `n_neighbors`, `weights` and
    `n_jobs` may be set afterwards, and take effect on later calls.

    Parameters
    ----------
    n_neighbors : int, default=5
    algorithm : {"auto", "brute", "pruned"}, default="auto"
        As :class:`knnc.NearestNeighbors` takes it, for each chunk. It never changes an answer.
    metric : str, default="minkowski"
        One that knnc computes: "euclidean", "sqeuclidean", "manhattan", "chebyshev", "hamming",
        "cosine", or "minkowski" with p=1, p=2 or p=inf.
    p : float, default=2
    n_jobs : int or None, default=None
        Threads of each task; see :mod:`knnc.dask`.

    Attributes
    ----------
    engine_ : {"integer", "float"}
        Which search this fit uses: "integer" if one encoding turns the rows of all chunks into
        bytes.
    effective_metric_ : str
        The metric of this fit. In place of "minkowski", it names the metric that belongs to p.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features_in_,)
        The names of the columns; only if X is a frame whose columns all have names.
    n_samples_fit_ : int
    """

    _parameter_constraints = knnc.neighbors.NearestNeighbors._parameter_constraints

    engine_: str
    _encoding: Encoding | None
    effective_metric_: str
    n_features_in_: int
    n_samples_fit_: int

    def __init__(
        self,
        n_neighbors: int = 5,
        *,
        algorithm: str = "auto",
        metric: str = "minkowski",
        p: float = 2,
        n_jobs: int | None = None,
    ) -> None:
        self.n_neighbors = n_neighbors
        self.algorithm = algorithm
        self.metric = metric
        self.p = p
        self.n_jobs = n_jobs

    def fit(self, X: Any, y: Any = None) -> Self:
        """Make an index of each chunk, on the worker that holds it.

        Parameters
        ----------
        X : dask array, ndarray or frame of shape (n_samples, n_features)
            Numbers, in chunks of any number of rows, 0 included. Chunks that are not uint8 are
            computed before fit returns, because all chunks together decide which engine is used.
        y : Ignored

        Returns
        -------
        self : object
            If fit raises an error, the estimator is unchanged.

        Raises
        ------
        TypeError, ValueError
            If X or a parameter is not as stated. On a cluster, fit does not wait for the indexes.
            If a chunk has another length or dtype than X says, computing a result raises an error.
        """
        with unchanged_after_error(self):
            self._validate_params()
            self._fit_chunks(self._rows(X, reset=True), None, self._checked_metric())
        return self

    def _checked_metric(self) -> EngineMetric:
        """The metric that the parameters name; they are checked."""
        metric = engine_metric(self.metric, self.p, table=FLOAT_METRICS)
        if metric is None:
            raise ValueError(
                f"metric={self.metric!r} with p={self.p!r} is none of those that knnc computes: "
                f"{', '.join(FLOAT_METRICS)}, and minkowski with p=1, p=2 or p=inf."
            )
        if self.algorithm not in ("auto", "brute", "pruned"):
            raise ValueError(f"algorithm must be auto, brute or pruned, got {self.algorithm!r}.")
        if self.algorithm == "pruned" and not metric.can_be_pruned:
            raise ValueError(f"algorithm='pruned' does not go with metric={self.metric!r}.")
        effective_n_threads(self.n_jobs)  # is it one?
        return metric

    def _rows(self, X: Any, y: Any = "no_validation", *, reset: bool = False) -> Any:
        """X in chunks of rows, with the columns that fit had in the same order; y is not None."""
        rows = rows_array(X, "X")
        validate_data(self, columns_of(X), y, reset=reset, skip_check_array=True)
        return rows

    def _fit_chunks(self, X: Any, y: Any, metric: EngineMetric) -> None:
        lengths = X.chunks[0]
        encodings = encodings_for(metric, X.dtype)
        narrowed = [
            task("knnc-narrow", narrow, block, (length, X.shape[1]), X.dtype, encodings)
            for block, length in zip(blocks_of(X), lengths, strict=True)
        ]
        if X.dtype == np.uint8:
            encoding = encodings[0] if encodings else None
        else:
            narrowed = dask.persist(*narrowed)
            encoding = held_by_all(dask.compute(*(task("knnc-fits", fits_of, c) for c in narrowed)))
        targets: list[Any] = [None] * len(narrowed) if y is None else blocks_of(y)
        how = encoding, metric.engine, self.algorithm, self.n_jobs
        chunks = [
            task("knnc-index", make_chunk, rows, target, *how)
            for rows, target in zip(narrowed, targets, strict=True)
        ]
        self._chunks = dask.persist(*chunks)
        self._encoding = encoding
        self.engine_ = "float" if encoding is None else "integer"
        self._lengths = lengths
        self._starts = np.concatenate(([0], np.cumsum(lengths)))[:-1].tolist()
        self.n_samples_fit_ = int(X.shape[0])
        self.effective_metric_ = metric.name if self.metric == "minkowski" else self.metric
        self.effective_metric_params_: dict[str, Any] = {}

    def kneighbors(
        self,
        X: Any = None,
        n_neighbors: int | None = None,
        return_distance: bool | Literal["exact"] = True,
    ) -> Any:
        """Find the k nearest training rows of each query, lazily.

        Parameters
        ----------
        X : dask array, ndarray or frame of shape (n_queries, n_features), or None, \
                default=None
            None is leave-one-out, as with :class:`knnc.NearestNeighbors`.
        n_neighbors : int or None, default=None
        return_distance : bool or "exact", default=True
            "exact" returns the integers that distances are computed from.

        Returns
        -------
        neigh_dist : dask array of shape (n_queries, n_neighbors), float64 or int64
            Only if `return_distance`. int64 if it is "exact".
        neigh_ind : dask array of shape (n_queries, n_neighbors), intp
            Both in chunks of rows as X.

        Raises
        ------
        TypeError, ValueError
            If X or `n_neighbors` is not as stated, or if there are fewer rows than `n_neighbors`.
            If a chunk has another length or dtype than X says, computing the answer raises an
            error.
        """
        check_is_fitted(self, "n_samples_fit_")
        exact = wants_exact(return_distance)
        if exact and self.engine_ != "integer":
            raise ValueError(
                "return_distance='exact' needs distances between bytes, which the integer engine "
                f"computes, and another search serves this fit (engine_ is {self.engine_!r})."
            )
        found, lengths, k = self._found(X, n_neighbors)
        parts = [task("knnc-indices", indices, part) for part in found]
        ind = joined("knnc-indices", parts, lengths, (k,), np.intp)
        if not return_distance:
            return ind
        if exact:
            parts = [task("knnc-exact-distances", exact_distances, part) for part in found]
            return joined("knnc-exact-distances", parts, lengths, (k,), np.int64), ind
        parts = [task("knnc-distances", distances, part, *self._scale()) for part in found]
        return joined("knnc-distances", parts, lengths, (k,), np.float64), ind

    def _scale(self) -> tuple[str, int, int]:
        """What makes distances of keys: metric, divisor of bytes, number of features."""
        divisor = 1 if self._encoding is None else self._encoding.divisor
        return self.effective_metric_, divisor, self.n_features_in_

    def _found(self, X: Any, n_neighbors: int | None) -> tuple[list[Any], tuple[int, ...], int]:
        """Lazily what is found for each block of queries, and the lengths of the blocks."""
        k: Any = self.n_neighbors if n_neighbors is None else n_neighbors
        if not isinstance(k, Integral):
            raise TypeError(f"n_neighbors does not take {type(k)} value, enter integer value")
        k = int(k)
        if k < 1:
            raise ValueError(f"Expected n_neighbors > 0. Got {k}")
        if k + (X is None) > self.n_samples_fit_:
            raise ValueError(
                f"Expected n_neighbors {'<' if X is None else '<='} n_samples_fit, but "
                f"n_neighbors = {k}, n_samples_fit = {self.n_samples_fit_}"
            )
        if X is None:
            found = []
            for chunk, start in zip(self._chunks, self._starts, strict=True):
                nearest = self._found_for(task("knnc-rows", rows_of, chunk), k + 1)
                found.append(task("knnc-without-self", without_self, nearest, start, k))
            return found, self._lengths, k
        X = self._rows(X)
        lengths = X.chunks[0]
        how = X.dtype, self._encoding
        found = [
            self._found_for(
                task("knnc-queries", prepare, block, (length, self.n_features_in_), *how), k
            )
            for block, length in zip(blocks_of(X), lengths, strict=True)
        ]
        return found, lengths, k

    def _found_for(self, queries: Any, k: int) -> Any:
        """Lazily the k nearest rows of all chunks for each query of a block."""
        parts = [
            task("knnc-search-chunk", search_chunk, chunk, queries, k, start, self.n_jobs)
            for chunk, start, n_rows in zip(self._chunks, self._starts, self._lengths, strict=True)
            if n_rows
        ]
        while len(parts) > 1:
            groups = [parts[i : i + _FAN_IN] for i in range(0, len(parts), _FAN_IN)]
            parts = [
                task("knnc-merge", merge, k, *group) if len(group) > 1 else group[0]
                for group in groups
            ]
        return parts[0]
