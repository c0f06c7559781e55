"""Estimators with training rows on the workers of a Dask cluster: see :mod:`knnc.dask`."""

from __future__ import annotations

from numbers import Integral
from typing import Any, Self

import dask
import dask.array as da
import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from knnc.dask._chunks import make_chunk, rows_of, search_chunk
from knnc.dask._found import distances, indices, merge, predicted, without_self
from knnc.dask._tasks import blocks_of, joined, known_lengths, rows_array, task
from knnc.engine.threads import effective_n_threads
from knnc.neighbors.metrics import ENGINE_METRICS, EngineMetric, engine_metric

__all__ = ["KNeighborsClassifier", "KNeighborsRegressor", "NearestNeighbors"]

# Answers merged by one task.
_FAN_IN = 8


class NearestNeighbors(BaseEstimator):
    """Exact nearest-neighbour search over rows that stay on Dask's workers.

    Parameters
    ----------
    n_neighbors : int, default=5
    algorithm : {"auto", "brute", "pruned"}, default="auto"
        As :class:`knnc.NearestNeighbors` takes it, for each chunk. It never changes an answer.
    metric : str, default="minkowski"
        One that the integer engine computes: "euclidean", "sqeuclidean", "manhattan", "chebyshev",
        "hamming", or "minkowski" with p=1, p=2 or p=inf.
    p : float, default=2
    n_jobs : int or None, default=None
        Threads of each task; see :mod:`knnc.dask`.

    Attributes
    ----------
    n_features_in_ : int
    n_samples_fit_ : int
    """

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
        """Make an index of each chunk, where it is.

        Parameters
        ----------
        X : dask array or ndarray of shape (n_samples, n_features), uint8
            Cut into chunks of rows of any sizes, empty ones among them.
        y : Ignored

        Returns
        -------
        self : object

        Raises
        ------
        TypeError, ValueError
            If X or a parameter is not as stated.
        """
        return self._fit(X, None)

    def _fit(self, X: Any, y: Any) -> Self:
        metric = engine_metric(self.metric, self.p)
        if metric is None:
            raise ValueError(
                f"metric={self.metric!r} with p={self.p!r} is none of the integer engine's: "
                f"{', '.join(ENGINE_METRICS)}, and minkowski with p=1, p=2 or p=inf."
            )
        if self.algorithm not in ("auto", "brute", "pruned"):
            raise ValueError(f"algorithm must be auto, brute or pruned, got {self.algorithm!r}.")
        if self.algorithm == "pruned" and not metric.can_be_pruned:
            raise ValueError(f"algorithm='pruned' does not go with metric={self.metric!r}.")
        effective_n_threads(self.n_jobs)  # is it one?
        X = rows_array(X, "X")
        lengths = X.chunks[0]
        blocks = blocks_of(X)
        if y is None:
            targets: list[Any] = [None] * len(blocks)
        else:
            targets = list(
                y.rechunk({0: lengths, 1: -1} if y.ndim == 2 else {0: lengths}).to_delayed().ravel()
            )
        how = metric.engine, self.algorithm, self.n_jobs
        chunks = [
            task("knnc-index", make_chunk, block, target, *how)
            for block, target in zip(blocks, targets, strict=True)
        ]
        self._chunks = dask.persist(*chunks)
        self._lengths = lengths
        self._starts = np.concatenate(([0], np.cumsum(lengths)))[:-1].tolist()
        self.n_samples_fit_, self.n_features_in_ = (int(number) for number in X.shape)
        return self

    def kneighbors(
        self, X: Any = None, n_neighbors: int | None = None, return_distance: bool = True
    ) -> Any:
        """Find the k nearest training rows of each query, lazily.

        Parameters
        ----------
        X : dask array or ndarray of shape (n_queries, n_features), uint8, or None, default=None
            None is leave-one-out, as with :class:`knnc.NearestNeighbors`.
        n_neighbors : int or None, default=None
        return_distance : bool, default=True

        Returns
        -------
        neigh_dist : dask array of shape (n_queries, n_neighbors), float64
            Only if `return_distance`.
        neigh_ind : dask array of shape (n_queries, n_neighbors), intp
            Both in chunks of rows as X.

        Raises
        ------
        TypeError, ValueError
            If X or `n_neighbors` is not as stated, or there are not so many rows.
        """
        check_is_fitted(self, "n_samples_fit_")
        found, lengths, k = self._found(X, n_neighbors)
        metric, d = self._metric().name, self.n_features_in_
        parts = [task("knnc-indices", indices, part) for part in found]
        ind = joined("knnc-indices", parts, lengths, (k,), np.intp)
        if not return_distance:
            return ind
        parts = [task("knnc-distances", distances, part, metric, d) for part in found]
        return joined("knnc-distances", parts, lengths, (k,), np.float64), ind

    def _metric(self) -> EngineMetric:
        metric = engine_metric(self.metric, self.p)
        assert metric is not None
        return metric

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
            blocks = [task("knnc-rows", rows_of, chunk) for chunk in self._chunks]
            found = [
                task("knnc-without-self", without_self, self._found_for(block, k + 1), start, k)
                for block, start in zip(blocks, self._starts, strict=True)
            ]
            return found, self._lengths, k
        X = rows_array(X, "X")
        if X.shape[1] != self.n_features_in_:
            raise ValueError(
                f"X has {X.shape[1]} features, but {type(self).__name__} is expecting "
                f"{self.n_features_in_} features as input."
            )
        return [self._found_for(block, k) for block in blocks_of(X)], X.chunks[0], k

    def _found_for(self, block: Any, k: int) -> Any:
        parts = [
            task("knnc-search-chunk", search_chunk, chunk, block, k, start, self.n_jobs)
            for chunk, start, length in zip(self._chunks, self._starts, self._lengths, strict=True)
            if length
        ]
        while len(parts) > 1:
            groups = [parts[i : i + _FAN_IN] for i in range(0, len(parts), _FAN_IN)]
            parts = [
                task("knnc-merge", merge, group, k) if len(group) > 1 else group[0]
                for group in groups
            ]
        return parts[0]


class _Supervised(NearestNeighbors):
    """The nearest rows and their targets, which stay with the rows."""

    # The classes of each output; None: the targets are numbers.
    _classes: list[Any] | None = None

    def __init__(
        self,
        n_neighbors: int = 5,
        *,
        weights: Any = "uniform",
        algorithm: str = "auto",
        metric: str = "minkowski",
        p: float = 2,
        n_jobs: int | None = None,
    ) -> None:
        super().__init__(n_neighbors, algorithm=algorithm, metric=metric, p=p, n_jobs=n_jobs)
        self.weights = weights

    def fit(self, X: Any, y: Any = None) -> Self:
        """Make an index of each chunk, where it is, and find the classes if there are any.

        Parameters
        ----------
        X : dask array or ndarray of shape (n_samples, n_features), uint8
            Cut into chunks of rows of any sizes, empty ones among them.
        y : dask array or array-like of shape (n_samples,) or (n_samples, n_outputs)
            Labels of a classifier, numbers of a regressor. They stay with the rows.

        Returns
        -------
        self : object

        Raises
        ------
        TypeError, ValueError
            If X, y or a parameter is not as stated.
        """
        if self.weights not in ("uniform", "distance", None) and not callable(self.weights):
            raise ValueError(
                f"weights must be 'uniform', 'distance', a callable or None, got {self.weights!r}."
            )
        X = rows_array(X, "X")
        y = known_lengths(y if isinstance(y, da.Array) else da.from_array(np.asarray(y)))
        if y.ndim not in (1, 2) or len(y) != len(X):
            raise ValueError(f"y must have a target for each of the {len(X)} rows, got {y.shape}.")
        self._fit(X, y)
        self._outputs = y.shape[1:]
        self._see_targets(y)
        return self

    def _see_targets(self, y: Any) -> None:
        """What is to be known of all targets."""

    def predict(self, X: Any) -> Any:
        """The label, or the number, of each query, lazily.

        Parameters
        ----------
        X : dask array or ndarray of shape (n_queries, n_features), uint8, or None
            None predicts each training row from the others.

        Returns
        -------
        y : dask array of shape (n_queries,) or (n_queries, n_outputs)
            In chunks of rows as X. What a regressor predicts is float64.
        """
        check_is_fitted(self, "n_samples_fit_")
        dtype = np.float64 if self._classes is None else self._classes[0].dtype
        return self._predict(X, "predict", self._outputs, dtype)

    def _predict(self, X: Any, method: str, shape: tuple[int, ...], dtype: Any) -> Any:
        found, lengths, _ = self._found(X, None)
        name = f"knnc-{method.replace('_', '-')}"
        how = method, self.weights, self._classes, self._metric().name, self.n_features_in_
        parts = [task(name, predicted, part, *how) for part in found]
        return joined(name, parts, lengths, shape, dtype)


class KNeighborsClassifier(_Supervised):
    """Classification by the votes of the nearest rows, which stay on Dask's workers.

    Parameters
    ----------
    n_neighbors : int, default=5
    weights : {"uniform", "distance"}, callable or None, default="uniform"
        As :class:`knnc.KNeighborsClassifier` takes it.
    algorithm, metric, p, n_jobs
        As :class:`NearestNeighbors` takes them.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,), or a list of them
    n_features_in_ : int
    n_samples_fit_ : int
    """

    classes_: Any

    def _see_targets(self, y: Any) -> None:
        columns = [y[:, i] for i in range(y.shape[1])] if y.ndim == 2 else [y]
        self._classes = list(dask.compute(*(da.unique(column) for column in columns)))
        self.classes_ = self._classes if y.ndim == 2 else self._classes[0]

    def predict_proba(self, X: Any) -> Any:
        """The share of each class in the votes, lazily.

        Parameters
        ----------
        X : dask array or ndarray of shape (n_queries, n_features), uint8, or None

        Returns
        -------
        p : dask array of shape (n_queries, n_classes), float64

        Raises
        ------
        ValueError
            If there are several outputs.
        """
        check_is_fitted(self, "classes_")
        if self._outputs:
            raise ValueError("predict_proba is for one output.")
        return self._predict(X, "predict_proba", (len(self.classes_),), np.float64)

    def score(self, X: Any, y: Any) -> float:
        """The share of queries, or None for the training rows, with the right label; computed."""
        right = self.predict(X) == (y if isinstance(y, da.Array) else np.asarray(y))
        return float((right.all(axis=1) if right.ndim == 2 else right).mean().compute())


class KNeighborsRegressor(_Supervised):
    """Regression by the mean of the nearest rows' targets, which stay on Dask's workers.

    Parameters
    ----------
    n_neighbors : int, default=5
    weights : {"uniform", "distance"}, callable or None, default="uniform"
        As :class:`knnc.KNeighborsRegressor` takes it.
    algorithm, metric, p, n_jobs
        As :class:`NearestNeighbors` takes them.

    Attributes
    ----------
    n_features_in_ : int
    n_samples_fit_ : int
    """
