"""Outliers by their local density."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from knnc import _compat
from knnc._rollback import unchanged_after_error
from knnc.neighbors.kneighbors_search import IntegerNeighborsMixin

__all__ = ["LocalOutlierFactor"]


class LocalOutlierFactor(IntegerNeighborsMixin, _compat.StockLocalOutlierFactor):
    """Outliers and novelties by their local density, exact and fast.

    A :class:`sklearn.neighbors.LocalOutlierFactor` with an exact search. knnc compares integers if
    X can be stored as bytes without loss. It compares other dense numbers as float64. scikit-learn
    searches all other X. The factor of a row compares the density around the row with the density
    around its neighbours. It is about 1 for an inlier, and larger the further out the row lies.

    Parameters
    ----------
    n_neighbors : int, default=20
        Neighbours from which the density around a row is computed. If there are fewer other rows,
        all of them count.
    algorithm : {"auto", "brute", "pruned", "kd_tree", "ball_tree"}, default="auto"
        "auto", "brute" and "pruned" give the same answers where knnc searches. "pruned" raises an
        error where scikit-learn has to search. "kd_tree" and "ball_tree" are scikit-learn's own.
    leaf_size : int, default=30
        Leaf size of scikit-learn's trees.
    metric : str or callable, default="minkowski"
        The metric; :class:`NearestNeighbors` says which ones knnc computes.
    p : float, default=2
        Power of the Minkowski metric: 1 is Manhattan, 2 is Euclidean.
    metric_params : dict or None, default=None
        More arguments of the metric.
    contamination : "auto" or float, default="auto"
        Share of the training rows that are outliers, in (0, 0.5]; "auto": those with a factor
        above 1.5.
    novelty : bool, default=False
        True judges new rows, with `predict`, `decision_function` and `score_samples`. False judges
        the training rows, with `fit_predict`.
    n_jobs : int or None, default=None
        Number of threads. None: the limit of OpenMP or the number of CPUs that this process may
        use, whichever is smaller. -1: all CPUs; -2: all but one.

    Attributes
    ----------
    engine_ : {"integer", "float", "sklearn"}
        Which search this fit uses.
    negative_outlier_factor_ : ndarray of shape (n_samples,)
        The factor of each training row, with a minus sign: the larger, the more normal. float64
        where knnc searches, whatever the dtype of X.
    n_neighbors_ : int
        Neighbours in use.
    offset_ : float
        A row whose negative factor is below this value is an outlier.
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

    Examples
    --------
    >>> import numpy as np
    >>> from knnc import LocalOutlierFactor
    >>> X = np.array([[10], [12], [210], [13]], dtype=np.uint8)
    >>> LocalOutlierFactor(n_neighbors=2).fit_predict(X)
    array([ 1,  1, -1,  1])
    """

    _parameter_constraints = _compat.with_pruned(
        _compat.StockLocalOutlierFactor._parameter_constraints
    )

    def _numbers(self) -> NDArray[Any]:
        """In place of float32 numbers float64 ones.

        scikit-learn's fit rounds the distances to the dtype of the rows; they are exact here.
        """
        numbers = super()._numbers()
        return numbers.astype(np.float64) if numbers.dtype == np.float32 else numbers

    def fit(self, X: Any, y: Any = None) -> Self:
        """Fit to training rows, and find their factors.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features), \
                or (n_samples, n_samples) if metric="precomputed"
            Training rows. fit keeps a reference to C-contiguous uint8, and to C-contiguous float32
            or float64 unless `engine_` is "integer". It copies all other rows.
        y : Ignored
            Not used, present for API consistency by convention.

        Returns
        -------
        self : LocalOutlierFactor
            The fitted estimator. If fit raises an error, the estimator is unchanged.

        Raises
        ------
        ValueError
            If X or a parameter is invalid, or X has only one row. Also if `algorithm="pruned"` is
            set, but scikit-learn has to search or the metric cannot be pruned.
        MemoryError
            If the packed rows or the neighbours do not fit into memory.
        """
        with unchanged_after_error(self):
            super().fit(X, y)
        return self
