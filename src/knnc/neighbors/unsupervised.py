"""The search alone, without labels."""

from __future__ import annotations

from typing import Any, Self

from knnc import _compat
from knnc.neighbors.kneighbors_search import IntegerNeighborsMixin
from knnc.neighbors.partial_fit import PartialFitMixin
from knnc.neighbors.radius_search import IntegerRadiusMixin

__all__ = ["NearestNeighbors"]


class NearestNeighbors(
    PartialFitMixin, IntegerNeighborsMixin, IntegerRadiusMixin, _compat.StockNearestNeighbors
):
    """Nearest-neighbour search, exact and fast.

    A :class:`sklearn.neighbors.NearestNeighbors` with an exact search. knnc compares integers if X
    can be stored as bytes without loss. It compares other dense numbers as float64. scikit-learn
    searches all other X.

    Parameters
    ----------
    n_neighbors : int, default=5
        Neighbours that `kneighbors` finds, if it is called without `n_neighbors`.
    radius : float, default=1.0
        Distance within which `radius_neighbors` finds all rows, if it is called without `radius`.
    algorithm : {"auto", "brute", "pruned", "kd_tree", "ball_tree"}, default="auto"
        "auto", "brute" and "pruned" give the same answers where knnc searches. "pruned" raises an
        error where scikit-learn has to search. It takes Euclidean, Manhattan and cosine distance.
        "kd_tree" and "ball_tree" are scikit-learn's own.
    leaf_size : int, default=30
        Leaf size of scikit-learn's trees.
    metric : str or callable, default="minkowski"
        knnc computes "euclidean", "l2", "sqeuclidean", "manhattan", "l1", "cityblock", "chebyshev",
        "hamming", "cosine" and "minkowski" with p=1, p=2 or p=inf. scikit-learn computes others.
    p : float, default=2
        Power of the Minkowski metric: 1 is Manhattan, 2 Euclidean, infinity Chebyshev.
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
    KNeighborsClassifier : A vote of the neighbours.

    Notes
    -----
    Distances between bytes are computed from exact integers and rounded once:

    ====================================  ===========================  =============  =============
    metric                                integer                      distance       can be pruned
    ====================================  ===========================  =============  =============
    "euclidean", "l2", p=2                sum of squared differences   its root       yes
    "sqeuclidean"                         the same                     itself         yes
    "manhattan", "l1", "cityblock", p=1   sum of absolute differences  itself         yes
    "chebyshev", p=inf                    largest absolute difference  itself         no
    "hamming"                             number of bytes that differ  / n_features   no
    ====================================  ===========================  =============  =============

    After a fit on pixels divided by 255, distances are those of the pixels. "hamming" is a share of
    the features, which is the same for bytes and pixels. (Pixels count as the bytes that they stand
    for: an image has the same distances in float32 as in float64.)

    The neighbours of a query are the training rows with the smallest (distance, row index) pairs in
    lexicographic order. No tie is left open: an answer of knnc's own search is the same for every
    thread count, batch size, instruction set and algorithm. fit keeps a reference to a C-contiguous
    X of uint8, float32 or float64. If you change X afterwards, the answers are undefined.

    Examples
    --------
    >>> import numpy as np
    >>> from knnc import NearestNeighbors
    >>> X = np.array([[0, 0], [0, 3], [4, 0], [0, 3]], dtype=np.uint8)
    >>> nn = NearestNeighbors(n_neighbors=2).fit(X)
    >>> nn.kneighbors()  # leave-one-out
    (array([[3., 3.],
           [0., 3.],
           [4., 5.],
           [0., 3.]]), array([[1, 3],
           [3, 0],
           [0, 1],
           [1, 0]]))
    """

    _parameter_constraints = _compat.with_pruned(
        _compat.StockNearestNeighbors._parameter_constraints
    )

    def fit(self, X: Any, y: Any = None) -> Self:
        """Fit to training rows.

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
        self : NearestNeighbors
            The fitted estimator. If fit raises an error, the estimator is unchanged.

        Raises
        ------
        ValueError
            If X or a parameter is invalid. Also if `algorithm="pruned"` is set, but scikit-learn
            has to search or the metric cannot be pruned.
        MemoryError
            If the packed rows do not fit into memory.
        """
        super().fit(X, y)
        return self
