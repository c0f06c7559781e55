"""Estimators with training rows and targets on the workers of a Dask cluster: see
:mod:`knnc.dask`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Self

import dask
import dask.array as da
import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin, MultiOutputMixin, RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils.validation import check_is_fitted

import knnc.neighbors
from knnc._rollback import unchanged_after_error
from knnc.dask._chunks import Chunk, labels_of, seen
from knnc.dask._found import predicted
from knnc.dask._nearest import NearestNeighbors
from knnc.dask._targets import aligned, check_labels, labels_array, numbers_array
from knnc.dask._tasks import joined, task

__all__ = ["KNeighborsClassifier", "KNeighborsRegressor"]


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
        """Make an index of each chunk, on the worker that holds it, and check the targets.

        Parameters
        ----------
        X : dask array, ndarray or frame of shape (n_samples, n_features)
            Numbers, in chunks of any number of rows, 0 included. Chunks that are not uint8 are
            computed before fit returns, because all chunks together decide which engine is used.
        y : dask array or array-like of shape (n_samples,) or (n_samples, n_outputs)
            Labels for a classifier, numbers for a regressor. They stay with the rows. A dask array
            is computed once and checked on the workers. fit waits for this, and for the indexes.

        Returns
        -------
        self : object
            If fit raises an error, the estimator is unchanged.

        Raises
        ------
        TypeError, ValueError
            If X, y or a parameter is not as stated, for example if y holds NaN or infinity, or a
            classifier's y holds numbers that are not whole. If a chunk has another length or dtype
            than its array says, fit raises an error if y is a dask array. Otherwise, on a cluster,
            computing a result raises it.
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
        X : dask array, ndarray or frame of shape (n_queries, n_features), or None
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
        how = method, self.weights, self._classes, *self._scale()
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
        X : dask array, ndarray or frame of shape (n_queries, n_features), or None

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
        X : dask array, ndarray or frame of shape (n_queries, n_features), or None
            None scores the leave-one-out predictions of the training rows.
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
        X : dask array, ndarray or frame of shape (n_queries, n_features), or None
            None scores the leave-one-out predictions of the training rows.
        y : dask array or array-like of shape (n_queries,) or (n_queries, n_outputs)
            The right targets. They and the predictions come to where this is called.
        sample_weight : dask array or array-like of shape (n_queries,) or None, default=None
            Weights of the queries.

        Returns
        -------
        score : float
            1 is best; predicting the mean of y scores 0, and worse predictions score less. With
            several outputs it is the mean of their scores.

        Raises
        ------
        ValueError
            If y or the weights are not as stated.
        """
        y, predicted, sample_weight = dask.compute(y, self.predict(X), sample_weight)
        return float(r2_score(y, predicted, sample_weight=sample_weight))
