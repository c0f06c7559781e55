"""Classification by a vote of the nearest neighbours."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted

from knnc import _compat
from knnc.neighbors.kneighbors_search import IntegerNeighborsMixin
from knnc.neighbors.partial_fit import PartialFitMixin
from knnc.neighbors.votes import Ballots, ballots_of

__all__ = ["KNeighborsClassifier"]


class KNeighborsClassifier(
    PartialFitMixin, IntegerNeighborsMixin, _compat.StockKNeighborsClassifier
):
    """k-nearest-neighbours classifier, exact and fast.

    A :class:`sklearn.neighbors.KNeighborsClassifier` with an exact search. knnc compares integers
    if X can be stored as bytes without loss. It compares other dense numbers as float64.
    scikit-learn searches all other X.

    Parameters
    ----------
    n_neighbors : int, default=5
        Neighbours that vote.
    weights : {"uniform", "distance"}, callable or None, default="uniform"
        "uniform" or None: each neighbour has one vote. "distance": its weight is the inverse of
        the distance; if some are at distance 0, only these vote. A callable takes an array of
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
        knnc computes "euclidean", "l2", "sqeuclidean", "manhattan", "l1", "cityblock", "chebyshev",
        "hamming", "cosine" and "minkowski" with p=1, p=2 or p=inf. scikit-learn computes others.
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
    outputs_2d_ : bool
        Whether y was given with several columns.

    See Also
    --------
    NearestNeighbors : The search alone.

    Notes
    -----
    The neighbours of a query are the training rows with the smallest (distance, row index) pairs in
    lexicographic order. No tie is left open: an answer of knnc's own search is the same for every
    thread count, batch size, instruction set and algorithm. fit keeps a reference to a C-contiguous
    X of uint8, float32 or float64. If you change X afterwards, the answers are undefined.

    Examples
    --------
    >>> from knnc import KNeighborsClassifier, datasets
    >>> digits = datasets.load_digits()
    >>> clf = KNeighborsClassifier(n_neighbors=3).fit(digits.data[:1500], digits.target[:1500])
    >>> clf.engine_
    'integer'
    >>> clf.predict(digits.data[1500:1505])
    array([1, 7, 4, 6, 3])
    """

    _parameter_constraints = _compat.with_pruned(
        _compat.StockKNeighborsClassifier._parameter_constraints
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
        self : KNeighborsClassifier
            The fitted classifier. If fit raises an error, the estimator is unchanged.

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
        """Predict the label of each query.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_queries, n_features) or None
            The queries; None predicts each training row from the others.

        Returns
        -------
        y : ndarray of shape (n_queries,) or (n_queries, n_outputs)
            The class with the most votes; in a tie, the smallest class.

        Raises
        ------
        ValueError
            As `kneighbors` does, or if all weights of some query's neighbours are zero.
        """
        return self._ballots(X).labels()

    def predict_proba(self, X: Any) -> Any:
        """Estimate the probability of each class for each query: its share of the votes.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_queries, n_features) or None
            The queries; None predicts each training row from the others.

        Returns
        -------
        p : ndarray of shape (n_queries, n_classes), or a list of one for each output
            Columns in the order of `classes_`.

        Raises
        ------
        ValueError
            As `kneighbors` does, or if all weights of some query's neighbours are zero.
        """
        return self._ballots(X).shares()

    def score(self, X: Any, y: Any, sample_weight: ArrayLike | None = None) -> float:
        """Accuracy of `predict(X)`: the share of queries with the right label.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_queries, n_features) or None
            The queries; None scores each training row's prediction from the others, which is
            leave-one-out cross-validation.
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

    def _ballots(self, X: Any) -> Ballots:
        """The votes of the neighbours of each query."""
        check_is_fitted(self, "_fit_method")
        if self.weights in ("uniform", None):
            return self._ballots_of(None, self.kneighbors(X, return_distance=False))
        return self._ballots_of(*self.kneighbors(X))

    def _ballots_of(self, dist: NDArray[np.float64] | None, ind: NDArray[np.intp]) -> Ballots:
        """The votes of neighbours that are known."""
        return ballots_of(self._y[ind], dist, self.weights, self.classes_, several=self.outputs_2d_)
