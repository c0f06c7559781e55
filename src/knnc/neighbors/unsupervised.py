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

    A :class:`sklearn.neighbors.NearestNeighbors` that compares exact integers where X can be
    narrowed to bytes without loss, and float64 where X holds other dense numbers. scikit-learn's
    own search serves the rest.

    Parameters
    ----------
    n_neighbors : int, default=5
        Neighbours that `kneighbors` finds unless told otherwise.
    radius : float, default=1.0
        Distance within which `radius_neighbors` finds all rows unless told otherwise.
    algorithm : {"auto", "brute", "pruned", "kd_tree", "ball_tree"}, default="auto"
        "auto", "brute" and "pruned" give the same answers where knnc searches; where it cannot,
        "pruned" is an error. "pruned" takes Euclidean, Manhattan and cosine distance. "kd_tree" and
        "ball_tree" are scikit-learn's own.
    leaf_size : int, default=30
        Of scikit-learn's trees.
    metric : str or callable, default="minkowski"
        knnc computes "euclidean", "l2", "sqeuclidean", "manhattan", "l1", "cityblock", "chebyshev",
        "hamming", "cosine" and "minkowski" with p=1, p=2 or p=inf. scikit-learn computes others.
    p : float, default=2
        Power of the Minkowski metric: 1 is Manhattan, 2 Euclidean, infinity Chebyshev.
    metric_params : dict or None, default=None
        More arguments of the metric.
    n_jobs : int or None, default=None
        Threads. None: as many as OpenMP and the CPUs this process may use allow. A negative
        number counts from all CPUs, -1.

    Attributes
    ----------
    engine_ : {"integer", "float", "sklearn"}
        Which search serves this fit.
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
    Distances between bytes come from exact integers, rounded once:

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
    for: one image as float32 and as float64 has the same distances.)

    The neighbours of a query are the training rows with the smallest (distance, row index) pairs in
    lexicographic order, so ties are decided, and an answer is the same for every thread count,
    batch size, instruction set and algorithm. fit keeps a reference to a C-contiguous X of uint8,
    float32 or float64: changing it afterwards is undefined.

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
            Training rows. C-contiguous uint8 is kept by reference, and so is C-contiguous float32
            or float64 that is not searched as bytes. Anything else is copied.
        y : Ignored
            Not used, present for API consistency by convention.

        Returns
        -------
        self : NearestNeighbors
            The fitted estimator. If fit raises, it is what it was before.

        Raises
        ------
        ValueError
            If X or a parameter is not as stated, or if `algorithm="pruned"` is impossible:
            scikit-learn has to search, or no codes bound the metric.
        MemoryError
            If the packed rows do not fit into memory.
        """
        super().fit(X, y)
        return self
