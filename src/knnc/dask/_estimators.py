"""Estimators with training rows on the workers of a Dask cluster: see :mod:`knnc.dask`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from numbers import Integral
from typing import Any, Literal, Self

import dask
import dask.array as da
import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, MultiOutputMixin, RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils.validation import check_is_fitted, validate_data

import knnc.neighbors
from knnc._rollback import unchanged_after_error
from knnc.dask._chunks import Chunk, labels_of, make_chunk, rows_of, search_chunk, seen
from knnc.dask._found import (
    distances,
    exact_distances,
    indices,
    merge,
    predicted,
    without_self,
)
from knnc.dask._targets import aligned, check_labels, labels_array, numbers_array
from knnc.dask._tasks import blocks_of, columns_of, joined, rows_array, task
from knnc.engine.system.threads import effective_n_threads
from knnc.neighbors.kneighbors_search import wants_exact
from knnc.neighbors.metrics import ENGINE_METRICS, EngineMetric, engine_metric

__all__ = ["KNeighborsClassifier", "KNeighborsRegressor", "NearestNeighbors"]

# Answers merged by one task.
_FAN_IN = 8


class NearestNeighbors(BaseEstimator):
    """Exact nearest-neighbour search over rows that stay on Dask's workers.

    What a fit uses is fixed by it, as with scikit-learn: of the parameters set afterwards only
    `n_neighbors`, `weights` and `n_jobs` count, for what is asked for after that.

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
    effective_metric_ : str
        The metric of this fit: "minkowski" is replaced by what it is with its p.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features_in_,)
        The names of columns; only if X is a frame whose columns all have one.
    n_samples_fit_ : int
    """

    _parameter_constraints = knnc.neighbors.NearestNeighbors._parameter_constraints

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
        """Make an index of each chunk, where it is.

        Parameters
        ----------
        X : dask array, ndarray or frame of shape (n_samples, n_features), uint8
            Cut into chunks of rows of any sizes, empty ones among them.
        y : Ignored

        Returns
        -------
        self : object
            If fit raises, it is what it was before.

        Raises
        ------
        TypeError, ValueError
            If X or a parameter is not as stated. On a cluster fit does not wait for the indexes:
            a chunk that is not what X says (its length, its dtype) raises in what is computed.
        """
        with unchanged_after_error(self):
            self._validate_params()
            self._fit_chunks(self._rows(X, reset=True), None, self._checked_metric())
        return self

    def _checked_metric(self) -> EngineMetric:
        """The metric that the parameters name; they are checked."""
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
        return metric

    def _rows(self, X: Any, y: Any = "no_validation", *, reset: bool = False) -> Any:
        """X in chunks of rows, with the columns that fit had in the same order; y is not None."""
        rows = rows_array(X, "X")
        validate_data(self, columns_of(X), y, reset=reset, skip_check_array=True)
        return rows

    def _fit_chunks(self, X: Any, y: Any, metric: EngineMetric) -> None:
        lengths = X.chunks[0]
        blocks = blocks_of(X)
        if y is None:
            targets: list[Any] = [None] * len(blocks)
        else:
            targets = blocks_of(y)
        how = metric.engine, self.algorithm, self.n_jobs
        chunks = [
            task("knnc-index", make_chunk, block, target, (length, X.shape[1]), *how)
            for block, target, length in zip(blocks, targets, lengths, strict=True)
        ]
        self._chunks = dask.persist(*chunks)
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
        X : dask array, ndarray or frame of shape (n_queries, n_features), uint8, or None, \
                default=None
            None is leave-one-out, as with :class:`knnc.NearestNeighbors`.
        n_neighbors : int or None, default=None
        return_distance : bool or "exact", default=True
            "exact" is the integers that distances are computed from.

        Returns
        -------
        neigh_dist : dask array of shape (n_queries, n_neighbors), float64 or int64
            Only if `return_distance`. int64 if it is "exact".
        neigh_ind : dask array of shape (n_queries, n_neighbors), intp
            Both in chunks of rows as X.

        Raises
        ------
        TypeError, ValueError
            If X or `n_neighbors` is not as stated, or there are not so many rows. A chunk that is
            not what X says (its length, its dtype) raises when the answer is computed.
        """
        check_is_fitted(self, "n_samples_fit_")
        exact = wants_exact(return_distance)
        found, lengths, k = self._found(X, n_neighbors)
        metric, d = self.effective_metric_, self.n_features_in_
        parts = [task("knnc-indices", indices, part) for part in found]
        ind = joined("knnc-indices", parts, lengths, (k,), np.intp)
        if not return_distance:
            return ind
        if exact:
            parts = [task("knnc-exact-distances", exact_distances, part) for part in found]
            return joined("knnc-exact-distances", parts, lengths, (k,), np.int64), ind
        parts = [task("knnc-distances", distances, part, metric, d) for part in found]
        return joined("knnc-distances", parts, lengths, (k,), np.float64), ind

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
            for chunk, start, length in zip(self._chunks, self._starts, self._lengths, strict=True):
                nearest = self._found_for(task("knnc-rows", rows_of, chunk), length, k + 1)
                found.append(task("knnc-without-self", without_self, nearest, start, k))
            return found, self._lengths, k
        X = self._rows(X)
        lengths = X.chunks[0]
        found = [
            self._found_for(block, length, k)
            for block, length in zip(blocks_of(X), lengths, strict=True)
        ]
        return found, lengths, k

    def _found_for(self, block: Any, length: int, k: int) -> Any:
        """Lazily the k nearest rows of all chunks for each query of a block of this length."""
        shape = length, self.n_features_in_
        parts = [
            task("knnc-search-chunk", search_chunk, chunk, block, shape, k, start, self.n_jobs)
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


class _Supervised(MultiOutputMixin, NearestNeighbors):
    """The nearest rows and their targets, which stay with the rows."""

    # The classes of each output; None: the targets are numbers.
    _classes: list[NDArray[Any]] | None = None
    # () or (n_outputs,).
    _outputs: tuple[int, ...]
    _targets_dtype: np.dtype[Any]

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
        """Make an index of each chunk, where it is, and look at the targets.

        Parameters
        ----------
        X : dask array, ndarray or frame of shape (n_samples, n_features), uint8
            Cut into chunks of rows of any sizes, empty ones among them.
        y : dask array or array-like of shape (n_samples,) or (n_samples, n_outputs)
            Labels of a classifier, numbers of a regressor. They stay with the rows. A dask array
            is computed once, and looked at where it is; fit waits for that, and for the indexes.

        Returns
        -------
        self : object
            If fit raises, it is what it was before.

        Raises
        ------
        TypeError, ValueError
            If X, y or a parameter is not as stated: if y holds NaN or infinity, or a classifier's
            y numbers that are not whole. If y is a dask array, so does a chunk of X or y that is
            not what the array says; otherwise, on a cluster, what is computed later raises.
        """
        with unchanged_after_error(self):
            self._validate_params()
            metric = self._checked_metric()
            rows = self._rows(X, y, reset=True)
            targets = self._targets(y, rows.chunks[0])
            self._outputs, self._targets_dtype = targets.shape[1:], targets.dtype
            self._fit_chunks(rows, targets, metric)
            if isinstance(y, da.Array):
                what = self._see
                self._know(dask.compute(*(task("knnc-targets", what, c) for c in self._chunks)))
        return self

    # What a chunk tells of its targets, which it has looked at when it was made.
    _see: Callable[[Chunk], Any] = staticmethod(seen)

    def _targets(self, y: Any, lengths: tuple[int, ...]) -> Any:
        """The targets in chunks of these lengths; those in memory have been looked at."""
        return numbers_array(y, lengths)

    def _know(self, told: Sequence[Any]) -> None:
        """Make something of what the chunks tell."""

    def predict(self, X: Any) -> Any:
        """The label, or the number, of each query, lazily.

        Parameters
        ----------
        X : dask array, ndarray or frame of shape (n_queries, n_features), uint8, or None
            None predicts each training row from the others.

        Returns
        -------
        y : dask array of shape (n_queries,) or (n_queries, n_outputs)
            In chunks of rows as X. What a regressor predicts is float64, or float32 for such
            targets and uniform weights.
        """
        check_is_fitted(self, "n_samples_fit_")
        return self._predict(X, "predict", self._outputs, self._predicted_dtype())

    def _predicted_dtype(self) -> Any:
        if self.weights in ("uniform", None):
            return np.mean(np.zeros(1, self._targets_dtype)).dtype
        return np.float64

    def _predict(self, X: Any, method: str, shape: tuple[int, ...], dtype: Any) -> Any:
        found, lengths, _ = self._found(X, None)
        name = f"knnc-{method.replace('_', '-')}"
        how = method, self.weights, self._classes, self.effective_metric_, self.n_features_in_
        parts = [task(name, predicted, part, *how) for part in found]
        return joined(name, parts, lengths, shape, dtype)


class KNeighborsClassifier(ClassifierMixin, _Supervised):
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
    outputs_2d_ : bool
        Whether `classes_` is a list: whether y had several columns.
    n_features_in_, feature_names_in_, n_samples_fit_, effective_metric_
        As :class:`NearestNeighbors` has them.
    """

    _parameter_constraints = knnc.neighbors.KNeighborsClassifier._parameter_constraints
    _see = staticmethod(labels_of)

    classes_: Any
    outputs_2d_: bool

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags

    def _targets(self, y: Any, lengths: tuple[int, ...]) -> Any:
        targets, classes = labels_array(y, lengths)
        self.outputs_2d_ = targets.ndim == 2
        if classes is not None:
            self._name(classes)
        return targets

    def _know(self, told: Sequence[Any]) -> None:
        classes = [np.unique(np.concatenate(parts)) for parts in zip(*told, strict=True)]
        check_labels(classes)
        self._name(classes)

    def _name(self, classes: list[NDArray[Any]]) -> None:
        self._classes = classes
        self.classes_ = classes if self.outputs_2d_ else classes[0]

    def _predicted_dtype(self) -> Any:
        assert self._classes is not None
        return self._classes[0].dtype

    def predict_proba(self, X: Any) -> Any:
        """The share of each class in the votes, lazily.

        Parameters
        ----------
        X : dask array, ndarray or frame of shape (n_queries, n_features), uint8, or None

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

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Accuracy of `predict(X)`: the share of queries with the right label; computed.

        Parameters
        ----------
        X : dask array, ndarray or frame of shape (n_queries, n_features), uint8, or None
            None scores each training row's prediction from the others.
        y : dask array or array-like of shape (n_queries,) or (n_queries, n_outputs)
            The right labels; with several outputs all must be right.
        sample_weight : dask array or array-like of shape (n_queries,) or None, default=None
            Weights of the queries.

        Returns
        -------
        score : float
            Between 0 and 1.

        Raises
        ------
        ValueError
            If y or the weights are not as stated.
        """
        predicted = self.predict(X)
        right = predicted == aligned(y, predicted, "y")
        if right.ndim == 2:
            right = right.all(axis=1)
        if sample_weight is not None:
            sample_weight = aligned(sample_weight, right, "sample_weight")
        return float(da.average(right, weights=sample_weight).compute())


class KNeighborsRegressor(RegressorMixin, _Supervised):
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
    n_features_in_, feature_names_in_, n_samples_fit_, effective_metric_
        As :class:`NearestNeighbors` has them.
    """

    _parameter_constraints = knnc.neighbors.KNeighborsRegressor._parameter_constraints

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Coefficient of determination of `predict(X)`; computed.

        Parameters
        ----------
        X : dask array, ndarray or frame of shape (n_queries, n_features), uint8, or None
            None scores each training row's prediction from the others.
        y : dask array or array-like of shape (n_queries,) or (n_queries, n_outputs)
            The right targets. They and the predictions come to where this is called.
        sample_weight : dask array or array-like of shape (n_queries,) or None, default=None
            Weights of the queries.

        Returns
        -------
        score : float
            1 is best; a constant mean scores 0, and what is worse less. Of several outputs the
            mean.

        Raises
        ------
        ValueError
            If y or the weights are not as stated.
        """
        y, predicted, sample_weight = dask.compute(y, self.predict(X), sample_weight)
        return float(r2_score(y, predicted, sample_weight=sample_weight))
