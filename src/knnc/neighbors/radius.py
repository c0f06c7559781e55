"""Classification and regression by all neighbours within a radius."""

from __future__ import annotations

import warnings
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted

from knnc import _compat
from knnc._rollback import unchanged_after_error
from knnc.neighbors import fallback
from knnc.neighbors.radius_search import IntegerRadiusMixin

__all__ = ["RadiusNeighborsClassifier", "RadiusNeighborsRegressor"]


class RadiusNeighborsClassifier(IntegerRadiusMixin, _compat.StockRadiusNeighborsClassifier):
    """Vote of all neighbours within a radius, exact and fast.

    A :class:`sklearn.neighbors.RadiusNeighborsClassifier` with an exact search. knnc compares
    integers if X can be stored as bytes without loss. It compares other dense numbers as float64.
    scikit-learn searches all other X.

    Parameters
    ----------
    radius : float, default=1.0
        The largest distance of a neighbour, in the units of X.
    weights : {"uniform", "distance"}, callable or None, default="uniform"
        "uniform" or None: each neighbour has one vote. "distance": its weight is the inverse of
        the distance; if some are at distance 0, only these vote. A callable takes an array of
        arrays of distances, one for each query, and returns weights in the same form.
    algorithm : {"auto", "brute", "pruned", "kd_tree", "ball_tree"}, default="auto"
        "auto", "brute" and "pruned" give the same answers where knnc searches. "pruned" raises an
        error where scikit-learn has to search. "kd_tree" and "ball_tree" are scikit-learn's own.
    leaf_size : int, default=30
        Leaf size of scikit-learn's trees.
    p : float, default=2
        Power of the Minkowski metric: 1 is Manhattan, 2 is Euclidean.
    metric : str or callable, default="minkowski"
        The metric; :class:`NearestNeighbors` says which ones knnc computes.
    outlier_label : label, list of labels, "most_frequent" or None, default=None
        The label predicted for a query without neighbours. With several outputs, a list of one
        label for each. None: predict raises a ValueError for such a query.
    metric_params : dict or None, default=None
        More arguments of the metric.
    n_jobs : int or None, default=None
        Number of threads. None: the limit of OpenMP or the number of CPUs that this process may
        use, whichever is smaller. -1: all CPUs; -2: all but one.

    Attributes
    ----------
    engine_ : {"integer", "float", "sklearn"}
        Which search this fit uses.
    classes_ : ndarray of shape (n_classes,), or a list of one for each output
        Class labels, sorted.
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
    outlier_label_ : list of labels or None
        The label of queries without neighbours, for each output.
    outputs_2d_ : bool
        Whether y was given with several columns.

    See Also
    --------
    KNeighborsClassifier : A vote of the k nearest.

    Examples
    --------
    >>> import numpy as np
    >>> from knnc import RadiusNeighborsClassifier
    >>> X = np.array([[0], [10], [20], [200]], dtype=np.uint8)
    >>> clf = RadiusNeighborsClassifier(radius=15.0, outlier_label="most_frequent")
    >>> clf.fit(X, ["a", "b", "b", "a"]).predict([[0], [210], [100]])
    array(['a', 'a', 'a'], dtype='<U1')
    """

    _parameter_constraints = _compat.with_pruned(
        _compat.StockRadiusNeighborsClassifier._parameter_constraints
    )

    def fit(self, X: Any, y: Any) -> Self:
        """Fit the classifier to training rows and their labels.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features), \
                or (n_samples, n_samples) if metric="precomputed"
            Training rows. fit keeps a reference to C-contiguous uint8, and to C-contiguous float32
            or float64 unless `engine_` is "integer". It copies all other rows.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Their labels, numbers or strings.

        Returns
        -------
        self : RadiusNeighborsClassifier
            The fitted classifier. If fit raises an error, the estimator is unchanged.

        Raises
        ------
        ValueError, TypeError
            If X, y or a parameter is invalid. Also if `algorithm="pruned"` is set, but scikit-learn
            has to search or the metric cannot be pruned.
        MemoryError
            If the packed rows do not fit into memory.
        """
        with unchanged_after_error(self):
            super().fit(X, y)
        return self

    def predict(self, X: Any) -> NDArray[Any]:
        """Predict the label of each query.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_queries, n_features) or None
            The queries; None predicts each training row from the others.

        Returns
        -------
        y : ndarray of shape (n_queries,) or (n_queries, n_outputs)
            The class with the most votes; in a tie, the smallest class. A query without neighbours
            gets `outlier_label_`.

        Raises
        ------
        ValueError
            If `radius_neighbors` raises it. Also if a query has no neighbours and `outlier_label`
            is None.
        """
        labels: NDArray[Any] = super().predict(X)
        return labels

    def predict_proba(self, X: Any) -> Any:
        """Estimate the probability of each class for each query: its share of the votes.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_queries, n_features) or None
            The queries; None predicts each training row from the others.

        Returns
        -------
        p : ndarray of shape (n_queries, n_classes), or a list of one for each output
            Columns in the order of `classes_`. Zeros where a query has no neighbours and
            `outlier_label` is none of the classes.

        Raises
        ------
        ValueError
            As `predict` does.
        """
        check_is_fitted(self, "_fit_method")
        if self.engine_ != "sklearn" and self.weights == "uniform":
            # None is the same, and does not have scikit-learn read _fit_X, which would be made.
            other = object.__new__(type(self))
            other.__dict__.update(self.__dict__, weights=None)
            return super(RadiusNeighborsClassifier, other).predict_proba(X)
        if self.engine_ != "sklearn" or not _compat.can_count_classes(self, X):
            return super().predict_proba(X)
        shares, alone = fallback.shares_within(self, X)
        if alone.any():
            self._outlier_shares(shares, alone)
        return shares

    def _outlier_shares(self, shares: NDArray[np.float64], alone: NDArray[np.bool_]) -> None:
        """Fill in the shares of queries that have no neighbours, with scikit-learn's words."""
        if self.outlier_label_ is None:
            raise ValueError(
                f"No neighbors found for test samples {np.flatnonzero(alone)!r}, you can try "
                "using larger radius, giving a label for outliers, or considering removing them "
                "from your dataset."
            )
        (label,) = self.outlier_label_
        column = np.flatnonzero(self.classes_ == label)
        if column.size == 1:
            shares[alone, column[0]] = 1.0
        else:
            warnings.warn(
                f"Outlier label {label} is not in training classes. All class probabilities of "
                "outliers will be assigned with 0.",
                stacklevel=3,
            )

    def score(self, X: Any, y: Any, sample_weight: ArrayLike | None = None) -> float:
        """Accuracy of `predict(X)`: the share of queries with the right label.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_queries, n_features) or None
            The queries; None scores the leave-one-out predictions of the training rows.
        y : array-like of shape (n_queries,) or (n_queries, n_outputs)
            The right labels; with several outputs all must be right.
        sample_weight : array-like of shape (n_queries,) or None, default=None
            Weights of the queries.

        Returns
        -------
        score : float
            Between 0 and 1.
        """
        return float(super().score(X, y, sample_weight))


class RadiusNeighborsRegressor(IntegerRadiusMixin, _compat.StockRadiusNeighborsRegressor):
    """Mean of all neighbours within a radius, exact and fast.

    A :class:`sklearn.neighbors.RadiusNeighborsRegressor` with an exact search. knnc compares
    integers if X can be stored as bytes without loss. It compares other dense numbers as float64.
    scikit-learn searches all other X.

    Parameters
    ----------
    radius : float, default=1.0
        The largest distance of a neighbour, in the units of X.
    weights : {"uniform", "distance"}, callable or None, default="uniform"
        "uniform" or None: all neighbours count alike. "distance": the weight is the inverse of
        the distance; if some are at distance 0, only these count. A callable takes an array of
        arrays of distances, one for each query, and returns weights in the same form.
    algorithm : {"auto", "brute", "pruned", "kd_tree", "ball_tree"}, default="auto"
        "auto", "brute" and "pruned" give the same answers where knnc searches. "pruned" raises an
        error where scikit-learn has to search. "kd_tree" and "ball_tree" are scikit-learn's own.
    leaf_size : int, default=30
        Leaf size of scikit-learn's trees.
    p : float, default=2
        Power of the Minkowski metric: 1 is Manhattan, 2 is Euclidean.
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
    KNeighborsRegressor : The mean of the k nearest.

    Examples
    --------
    >>> import numpy as np
    >>> from knnc import RadiusNeighborsRegressor
    >>> X = np.array([[0], [10], [20], [200]], dtype=np.uint8)
    >>> reg = RadiusNeighborsRegressor(radius=15.0).fit(X, [0.0, 1.0, 2.0, 3.0])
    >>> reg.predict([[5], [210]])
    array([1., 3.])
    """

    _y: NDArray[Any]

    _parameter_constraints = _compat.with_pruned(
        _compat.StockRadiusNeighborsRegressor._parameter_constraints
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
        self : RadiusNeighborsRegressor
            The fitted regressor. If fit raises an error, the estimator is unchanged.

        Raises
        ------
        ValueError
            If X, y or a parameter is invalid. Also if `algorithm="pruned"` is set, but scikit-learn
            has to search or the metric cannot be pruned.
        MemoryError
            If the packed rows do not fit into memory.
        """
        with unchanged_after_error(self):
            super().fit(X, y)
            if self._y.dtype.kind in "biu":  # of which none says that there are no neighbours
                self._y = self._y.astype(np.float64)
        return self

    def predict(self, X: Any) -> NDArray[Any]:
        """Predict the target of each query: the mean of its neighbours' targets.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_queries, n_features) or None
            The queries; None predicts each training row from the others.

        Returns
        -------
        y : ndarray of shape (n_queries,) or (n_queries, n_outputs)
            NaN, with a warning, for a query without neighbours.

        Raises
        ------
        ValueError
            As `radius_neighbors` does.
        """
        predicted: NDArray[Any] = super().predict(X)
        return predicted

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
