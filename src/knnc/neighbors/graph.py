"""Neighbours as sparse graphs: two functions and the transformers.

What DBSCAN, TSNE, Isomap and others take with ``metric="precomputed"``.
"""

from __future__ import annotations

from typing import Any, Self

from knnc import _compat
from knnc.neighbors.kneighbors_search import IntegerNeighborsMixin
from knnc.neighbors.radius_search import IntegerRadiusMixin
from knnc.neighbors.unsupervised import NearestNeighbors

__all__ = [
    "KNeighborsTransformer",
    "RadiusNeighborsTransformer",
    "kneighbors_graph",
    "radius_neighbors_graph",
]


class KNeighborsTransformer(IntegerNeighborsMixin, _compat.StockKNeighborsTransformer):
    """Transform X into the sparse graph of its k nearest training rows.

    A :class:`sklearn.neighbors.KNeighborsTransformer` with an exact search. knnc compares integers
    if X can be stored as bytes without loss. It compares other dense numbers as float64.
    scikit-learn searches all other X. In a pipeline it finds the neighbours once for an estimator
    that takes ``metric="precomputed"``.

    Parameters
    ----------
    mode : {"distance", "connectivity"}, default="distance"
        The weight of an edge. "distance": the distance; there is one more neighbour, because a
        training row is its own first neighbour. "connectivity": 1.
    n_neighbors : int, default=5
        Neighbours of each row.
    algorithm : {"auto", "brute", "pruned", "kd_tree", "ball_tree"}, default="auto"
        "auto", "brute" and "pruned" give the same answers where knnc searches. "pruned" raises an
        error where scikit-learn has to search. It takes Euclidean, Manhattan and cosine distance.
        "kd_tree" and "ball_tree" are scikit-learn's own.
    leaf_size : int, default=30
        Leaf size of scikit-learn's trees.
    metric : str or callable, default="minkowski"
        The metric; :class:`NearestNeighbors` says which ones knnc computes.
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
    RadiusNeighborsTransformer : The graph of all rows within a radius.
    kneighbors_graph : The same as a function.

    Examples
    --------
    >>> from sklearn.manifold import Isomap
    >>> from sklearn.pipeline import make_pipeline
    >>> from knnc import KNeighborsTransformer, datasets
    >>> X = datasets.load_digits().data[:300]
    >>> graph = KNeighborsTransformer(n_neighbors=10).fit_transform(X)
    >>> graph.shape, graph.nnz
    ((300, 300), 3300)
    >>> isomap = Isomap(n_neighbors=20, metric="precomputed")
    >>> make_pipeline(KNeighborsTransformer(n_neighbors=20), isomap).fit_transform(X).shape
    (300, 2)
    """

    _parameter_constraints = _compat.with_pruned(
        _compat.StockKNeighborsTransformer._parameter_constraints
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
        self : KNeighborsTransformer
            The fitted transformer. If fit raises an error, the estimator is unchanged.

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


class RadiusNeighborsTransformer(IntegerRadiusMixin, _compat.StockRadiusNeighborsTransformer):
    """Transform X into the sparse graph of all training rows within a radius.

    A :class:`sklearn.neighbors.RadiusNeighborsTransformer` with an exact search. knnc compares
    integers if X can be stored as bytes without loss. It compares other dense numbers as float64.
    scikit-learn searches all other X. In a pipeline it finds the neighbours once for an estimator
    that takes ``metric="precomputed"``.

    Parameters
    ----------
    mode : {"distance", "connectivity"}, default="distance"
        The weight of an edge: the distance, or 1.
    radius : float, default=1.0
        The largest distance of a neighbour, in the units of X.
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
    KNeighborsTransformer : The graph of the k nearest rows.
    radius_neighbors_graph : The same as a function.

    Examples
    --------
    >>> from sklearn.cluster import DBSCAN
    >>> from sklearn.pipeline import make_pipeline
    >>> from knnc import RadiusNeighborsTransformer, datasets
    >>> X = datasets.load_digits().data
    >>> dbscan = DBSCAN(eps=20.0, min_samples=10, metric="precomputed")
    >>> pipeline = make_pipeline(RadiusNeighborsTransformer(radius=20.0), dbscan)
    >>> int(pipeline.fit_predict(X).max()) + 1  # clusters
    14
    """

    _parameter_constraints = _compat.with_pruned(
        _compat.StockRadiusNeighborsTransformer._parameter_constraints
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
        self : RadiusNeighborsTransformer
            The fitted transformer. If fit raises an error, the estimator is unchanged.

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


def kneighbors_graph(
    X: Any,
    n_neighbors: int,
    *,
    mode: str = "connectivity",
    metric: Any = "minkowski",
    p: float | None = 2,
    metric_params: dict[str, Any] | None = None,
    include_self: bool | str = False,
    n_jobs: int | None = None,
) -> Any:
    """Compute the sparse graph of the k nearest neighbours of each row of X.

    Parameters
    ----------
    X : {array-like, sparse matrix} of shape (n_samples, n_features) or fitted estimator
        The rows, or an estimator of knnc or scikit-learn with `kneighbors` that was fitted to
        them; then `metric`, `p` and `metric_params` have to be its own.
    n_neighbors : int
        Neighbours of each row.
    mode : {"connectivity", "distance"}, default="connectivity"
        The weight of an edge: 1, or the distance.
    metric : str or callable, default="minkowski"
        The metric; :class:`NearestNeighbors` says which ones knnc computes.
    p : float or None, default=2
        Power of the Minkowski metric: 1 is Manhattan, 2 Euclidean, infinity Chebyshev.
    metric_params : dict or None, default=None
        More arguments of the metric.
    include_self : bool or "auto", default=False
        Whether a row may be its own neighbour. "auto": with mode="connectivity".
    n_jobs : int or None, default=None
        Threads; see :class:`NearestNeighbors`.

    Returns
    -------
    graph : sparse matrix or array of shape (n_samples, n_samples), CSR
        graph[i, j] is the weight of the edge from i to j.

    Raises
    ------
    ValueError
        If an argument is not as stated, or there are too few rows.

    Examples
    --------
    >>> import numpy as np
    >>> from knnc import kneighbors_graph
    >>> X = np.array([[0], [3], [4]], dtype=np.uint8)
    >>> kneighbors_graph(X, 1, mode="distance").toarray()
    array([[0., 3., 0.],
           [0., 0., 1.],
           [0., 1., 0.]])
    """
    options = {"metric": metric, "p": p, "metric_params": metric_params, "n_jobs": n_jobs}
    asked = {"n_neighbors": n_neighbors, "mode": mode, "include_self": include_self}
    _compat.check_arguments(_compat.stock_kneighbors_graph, X=X, **asked, **options)
    if isinstance(X, _compat.KNeighborsMixin):
        return _compat.stock_kneighbors_graph(X, **asked, **options)
    nn = NearestNeighbors(n_neighbors=n_neighbors, **options).fit(X)
    return nn.kneighbors_graph(_queries(nn, include_self, mode), n_neighbors, mode)


def radius_neighbors_graph(
    X: Any,
    radius: float,
    *,
    mode: str = "connectivity",
    metric: Any = "minkowski",
    p: float | None = 2,
    metric_params: dict[str, Any] | None = None,
    include_self: bool | str = False,
    n_jobs: int | None = None,
) -> Any:
    """Compute the sparse graph of all rows within a radius of each row of X.

    Parameters
    ----------
    X : {array-like, sparse matrix} of shape (n_samples, n_features) or fitted estimator
        The rows, or an estimator of knnc or scikit-learn with `radius_neighbors` that was fitted
        to them; then `metric`, `p` and `metric_params` have to be its own.
    radius : float
        The largest distance of a neighbour, in the units of X.
    mode : {"connectivity", "distance"}, default="connectivity"
        The weight of an edge: 1, or the distance.
    metric : str or callable, default="minkowski"
        The metric; :class:`NearestNeighbors` says which ones knnc computes.
    p : float or None, default=2
        Power of the Minkowski metric: 1 is Manhattan, 2 is Euclidean.
    metric_params : dict or None, default=None
        More arguments of the metric.
    include_self : bool or "auto", default=False
        Whether a row is its own neighbour. "auto": with mode="connectivity".
    n_jobs : int or None, default=None
        Threads; see :class:`NearestNeighbors`.

    Returns
    -------
    graph : sparse matrix or array of shape (n_samples, n_samples), CSR
        graph[i, j] is the weight of the edge from i to j.

    Raises
    ------
    ValueError
        If an argument is not as stated.
    MemoryError
        If the graph does not fit into memory.

    Examples
    --------
    >>> import numpy as np
    >>> from knnc import radius_neighbors_graph
    >>> X = np.array([[0], [3], [4]], dtype=np.uint8)
    >>> radius_neighbors_graph(X, 3.0, mode="distance").toarray()
    array([[0., 3., 0.],
           [3., 0., 1.],
           [0., 1., 0.]])
    """
    options = {"metric": metric, "p": p, "metric_params": metric_params, "n_jobs": n_jobs}
    asked = {"radius": radius, "mode": mode, "include_self": include_self}
    _compat.check_arguments(_compat.stock_radius_neighbors_graph, X=X, **asked, **options)
    if isinstance(X, _compat.RadiusNeighborsMixin):
        return _compat.stock_radius_neighbors_graph(X, **asked, **options)
    nn = NearestNeighbors(radius=radius, **options).fit(X)
    return nn.radius_neighbors_graph(_queries(nn, include_self, mode), radius, mode)


def _queries(nn: NearestNeighbors, include_self: bool | str, mode: str) -> Any:
    """The rows where each may be its own neighbour, None where it may not."""
    if include_self == "auto":
        include_self = mode == "connectivity"
    if not include_self:
        return None
    return nn._fit_X if nn.engine_ == "sklearn" else nn._rows
