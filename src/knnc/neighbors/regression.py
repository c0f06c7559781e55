"""Regression by the mean of the nearest neighbours' targets."""

from __future__ import annotations

from typing import Any, Self

from numpy.typing import ArrayLike, NDArray

from knnc import _compat
from knnc.neighbors.kneighbors_search import IntegerNeighborsMixin
from knnc.neighbors.partial_fit import PartialFitMixin
from knnc.neighbors.votes import mean_targets

__all__ = ["KNeighborsRegressor"]


class KNeighborsRegressor(PartialFitMixin, IntegerNeighborsMixin, _compat.StockKNeighborsRegressor):
    """k-nearest-neighbours regression, exact and fast.

    A :class:`sklearn.neighbors.KNeighborsRegressor` with an exact search. knnc compares integers if
    X can be stored as bytes without loss. It compares other dense numbers as float64. scikit-learn
    searches all other X.

    Parameters
    ----------
    n_neighbors : int, default=5
        Neighbours whose targets are averaged.
    weights : {"uniform", "distance"}, callable or None, default="uniform"
        "uniform" or None: all neighbours count alike. "distance": the weight is the inverse of
        the distance; if some are at distance 0, only these count. A callable takes an array of
        distances and returns an array of weights of the same shape.
    algorithm : {"auto", "brute", "pruned", "kd_tree", "ball_tree"}, default="auto"
        "auto", "brute" and "pruned" give the same answers where knnc searches. "pruned" raises an
        error where scikit-learn has to search. It takes Euclidean, Manhattan and cosine distance.
        "kd_tree" and "ball_tree" are scikit-learn's own.
    leaf_size : int, default=30
        Leaf size of scikit-learn's trees.
    p : float, default=2
        Power of the Minkowski metric: 1 is Manhattan, 2 Euclidean, infinity Chebyshev.
    metric : str or callable, default="minkowski"
        The metric; :class:`NearestNeighbors` says which ones knnc computes.
    metric_params : dict or None, default=None
        More arguments of the metric.
    n_jobs : int or None, default=None
        Number of threads. None: the limit of OpenMP or the number of CPUs that this process may
        use, whichever is smaller. -1: all CPUs; -2: all but one.

    Attributes
    ----------
    engine_ : {"integer", "float", "sklearn"}
        Which search this fit uses.
    effective_metric_ : str or callable
        The metric in use, "euclidean" for "minkowski" with p=2 for instance.
    effective_metric_params_ : dict
        Its further arguments.
    n_features_in_ : int
        Features seen by fit.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Their names, if X has names that are all strings.
    n_samples_fit_ : int
        Training rows.

    See Also
    --------
    RadiusNeighborsRegressor : The mean of all neighbours within a radius.
    KNeighborsClassifier : A vote instead of a mean.

    Notes
    -----
    The neighbours of a query are the training rows with the smallest (distance, row index) pairs in
    lexicographic order. No tie is left open: an answer of knnc's own search is the same for every
    thread count, batch size, instruction set and algorithm. fit keeps a reference to a C-contiguous
    X of uint8, float32 or float64. If you change X afterwards, the answers are undefined.

    Examples
    --------
    >>> import numpy as np
    >>> from knnc import KNeighborsRegressor
    >>> X = np.array([[0], [10], [20], [30]], dtype=np.uint8)
    >>> reg = KNeighborsRegressor(n_neighbors=2).fit(X, [0.0, 1.0, 2.0, 3.0])
    >>> reg.predict([[14], [29]])
    array([1.5, 2.5])
    """

    _parameter_constraints = _compat.with_pruned(
        _compat.StockKNeighborsRegressor._parameter_constraints
    )

    def fit(self, X: Any, y: Any) -> Self:
        """Fit the regressor to training rows and their targets.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features), \
                or (n_samples, n_samples) if metric="precomputed"
            Training rows. fit keeps a reference to C-contiguous uint8, and to C-contiguous float32
            or float64 unless `engine_` is "integer". It copies all other rows.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Their targets.

        Returns
        -------
        self : KNeighborsRegressor
            The fitted regressor. If fit raises an error, the estimator is unchanged.

        Raises
        ------
        ValueError
            If X, y or a parameter is invalid. Also if `algorithm="pruned"` is set, but scikit-learn
            has to search or the metric cannot be pruned.
        MemoryError
            If the packed rows do not fit into memory.
        """
        super().fit(X, y)
        return self

    def predict(self, X: Any) -> NDArray[Any]:
        """Predict the target of each query: the mean of its neighbours' targets.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_queries, n_features) or None
            The queries; None predicts each training row from the others.

        Returns
        -------
        y : ndarray of shape (n_queries,) or (n_queries, n_outputs), float64
            NaN where all weights of a query's neighbours are zero.

        Raises
        ------
        ValueError
            As `kneighbors` does.
        """
        if self.weights in ("uniform", None):
            dist, ind = None, self.kneighbors(X, return_distance=False)
        else:
            dist, ind = self.kneighbors(X)
        return mean_targets(self._y[ind], dist, self.weights)

    def score(self, X: Any, y: Any, sample_weight: ArrayLike | None = None) -> float:
        """Coefficient of determination of `predict(X)`.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_queries, n_features) or None
            The queries; None scores the leave-one-out predictions of the training rows.
        y : array-like of shape (n_queries,) or (n_queries, n_outputs)
            The right targets.
        sample_weight : array-like of shape (n_queries,) or None, default=None
            Weights of the queries.

        Returns
        -------
        score : float
            1 is best; predicting the mean of y scores 0, and worse predictions score less.
        """
        return float(super().score(X, y, sample_weight))
