"""Choosing n_neighbors, weights and metric by cross-validation, in the spirit of `RidgeCV`."""

from __future__ import annotations

from typing import Any

from sklearn.utils.validation import check_is_fitted

from knnc.neighbors.cached_neighbors import CachedNeighborsClassifier, CachedNeighborsRegressor
from knnc.neighbors.classification import KNeighborsClassifier
from knnc.neighbors.cross_validation import NeighborsCV, only_if_refitted
from knnc.neighbors.regression import KNeighborsRegressor

__all__ = ["KNeighborsClassifierCV", "KNeighborsRegressorCV"]


class KNeighborsClassifierCV(NeighborsCV):
    """k-nearest-neighbours classifier that chooses k, weights and metric by cross-validation.

    The scores are those of ``GridSearchCV(KNeighborsClassifier(), ...)``. They take one neighbour
    search for each metric and fold.

    Parameters
    ----------
    n_neighbors : sequence of int or None, default=None
        Candidates. None: about 25 or fewer, from 1 to the root of the number of training rows or
        to 100, whichever is less.
    weights : sequence of {"uniform", "distance"}, callable or None, \
            default=("uniform", "distance")
        Candidates.
    metric : sequence of str or callable, default=("euclidean",)
        Candidates, any metric of :class:`KNeighborsClassifier` but "precomputed".
    cv : int, splitter, iterable or None, default=None
        None is leave-one-out: one search finds the neighbours of each training row among the
        others, with one score over all predictions. Other values are as for `GridSearchCV`.
    scoring : str, callable or None, default=None
        One scorer as for `GridSearchCV`; None is accuracy.
    refit : bool or callable, default=True
        Whether to fit the best candidate to all rows. A callable takes `cv_results_` and returns
        the index of the best.
    n_jobs : int or None, default=None
        Number of threads of a search. None: the limit of OpenMP or the number of CPUs that this
        process may use, whichever is smaller. -1: all CPUs; -2: all but one.

    Attributes
    ----------
    best_params_ : dict
        n_neighbors, weights and metric of the best candidate; of equal ones the first.
    best_score_ : float
        The mean score of the best candidate; absent if `refit` is callable.
    best_index_ : int
        The row of the best candidate in `cv_results_`.
    best_estimator_ : KNeighborsClassifier
        The best candidate, fitted to all rows; only with `refit`.
    refit_time_ : float
        Seconds that this fit took; only with `refit`.
    cv_results_ : dict of str -> ndarray or list
        With the keys of GridSearchCV, one row for each candidate. Candidates share a search:
        `mean_fit_time` is the share of a candidate. With leave-one-out there is no
        `split0_test_score`, and `std_test_score` is 0.
    scorer_ : callable
        The scorer in use.
    n_splits_ : int
        Number of folds; 1 for leave-one-out.
    classes_ : ndarray of shape (n_classes,), or a list of one for each output
        Class labels, sorted; only with `refit`.
    n_features_in_ : int
        Features seen by fit; only with `refit`.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Their names, if X has names that are all strings; only with `refit`.

    See Also
    --------
    KNeighborsClassifier : The estimator that is tuned.
    KNeighborsRegressorCV : The same for targets that are numbers.

    Notes
    -----
    Where knnc searches, scores equal GridSearchCV's over :class:`KNeighborsClassifier` to the
    last bit: the first j of k neighbours are the j nearest. Where scikit-learn searches (`engine_`
    of the estimator is "sklearn"), which of several rows at the same distance are neighbours may
    depend on k. A scorer gets an estimator that already has the neighbours of the fold's
    rows, and searches for the neighbours of any other rows.

    Examples
    --------
    >>> from knnc import KNeighborsClassifierCV, datasets
    >>> digits = datasets.load_digits()
    >>> clf = KNeighborsClassifierCV(range(1, 11)).fit(digits.data, digits.target)
    >>> clf.best_params_
    {'metric': 'euclidean', 'n_neighbors': 3, 'weights': 'uniform'}
    >>> round(clf.best_score_, 4)
    0.9889
    """

    _estimator_class = KNeighborsClassifier
    _cached_class = CachedNeighborsClassifier

    @property
    def classes_(self) -> Any:
        """Class labels; only with `refit`."""
        if "best_estimator_" not in vars(self):
            raise AttributeError(f"This {type(self).__name__} has no refitted estimator.")
        return self.best_estimator_.classes_

    @only_if_refitted
    def predict_proba(self, X: Any) -> Any:
        """Estimate probabilities with the best candidate, refitted on all rows.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_queries, n_features)
            The queries.

        Returns
        -------
        p : ndarray of shape (n_queries, n_classes), or a list of one for each output
            What `best_estimator_` estimates.
        """
        check_is_fitted(self)
        return self.best_estimator_.predict_proba(X)


class KNeighborsRegressorCV(NeighborsCV):
    """k-nearest-neighbours regressor that chooses k, weights and metric by cross-validation.

    The scores are those of ``GridSearchCV(KNeighborsRegressor(), ...)``. They take one neighbour
    search for each metric and fold.

    Parameters
    ----------
    n_neighbors : sequence of int or None, default=None
        Candidates. None: about 25 or fewer, from 1 to the root of the number of training rows or
        to 100, whichever is less.
    weights : sequence of {"uniform", "distance"}, callable or None, \
            default=("uniform", "distance")
        Candidates.
    metric : sequence of str or callable, default=("euclidean",)
        Candidates, any metric of :class:`KNeighborsRegressor` but "precomputed".
    cv : int, splitter, iterable or None, default=None
        None is leave-one-out: one search finds the neighbours of each training row among the
        others, with one score over all predictions. Other values are as for `GridSearchCV`.
    scoring : str, callable or None, default=None
        One scorer as for `GridSearchCV`; None is the coefficient of determination.
    refit : bool or callable, default=True
        Whether to fit the best candidate to all rows. A callable takes `cv_results_` and returns
        the index of the best.
    n_jobs : int or None, default=None
        Number of threads of a search. None: the limit of OpenMP or the number of CPUs that this
        process may use, whichever is smaller. -1: all CPUs; -2: all but one.

    Attributes
    ----------
    best_params_ : dict
        n_neighbors, weights and metric of the best candidate; of equal ones the first.
    best_score_ : float
        The mean score of the best candidate; absent if `refit` is callable.
    best_index_ : int
        The row of the best candidate in `cv_results_`.
    best_estimator_ : KNeighborsRegressor
        The best candidate, fitted to all rows; only with `refit`.
    refit_time_ : float
        Seconds that this fit took; only with `refit`.
    cv_results_ : dict of str -> ndarray or list
        With the keys of GridSearchCV, one row for each candidate. Candidates share a search:
        `mean_fit_time` is the share of a candidate. With leave-one-out there is no
        `split0_test_score`, and `std_test_score` is 0.
    scorer_ : callable
        The scorer in use.
    n_splits_ : int
        Number of folds; 1 for leave-one-out.
    n_features_in_ : int
        Features seen by fit; only with `refit`.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Their names, if X has names that are all strings; only with `refit`.

    See Also
    --------
    KNeighborsRegressor : The estimator that is tuned.
    KNeighborsClassifierCV : The same for class labels.

    Notes
    -----
    Where knnc searches, scores equal GridSearchCV's over :class:`KNeighborsRegressor` to the
    last bit: the first j of k neighbours are the j nearest. Where scikit-learn searches (`engine_`
    of the estimator is "sklearn"), which of several rows at the same distance are neighbours may
    depend on k. A scorer gets an estimator that already has the neighbours of the fold's
    rows, and searches for the neighbours of any other rows.

    Examples
    --------
    >>> from knnc import KNeighborsRegressorCV, datasets
    >>> digits = datasets.load_digits()
    >>> ink = digits.data.sum(axis=1)
    >>> reg = KNeighborsRegressorCV(range(1, 11)).fit(digits.data, ink)
    >>> reg.best_params_["weights"]
    'distance'
    """

    _estimator_class = KNeighborsRegressor
    _cached_class = CachedNeighborsRegressor
