"""What knnc takes from scikit-learn's private parts, and what differs between its versions.

Nothing else in the package imports a private name of scikit-learn. Tested with 1.6 and 1.9.

The names that begin with "Stock" are scikit-learn's own classes, from the modules that define them.
scikit-learn-intelex and others replace the names in :mod:`sklearn.neighbors`, and what stands there
then must never become a base class here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from numbers import Integral
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import sklearn
from numpy.typing import NDArray
from scipy.sparse import csr_array, csr_matrix
from sklearn.metrics import get_scorer_names
from sklearn.metrics._pairwise_distances_reduction import (
    ArgKmin,
    RadiusNeighborsClassMode,
    sqeuclidean_row_norms,
)
from sklearn.model_selection._search import GridSearchCV
from sklearn.model_selection._validation import _score
from sklearn.neighbors._ball_tree import BallTree
from sklearn.neighbors._base import (
    VALID_METRICS,
    VALID_METRICS_SPARSE,
    KNeighborsMixin,
    NeighborsBase,
    RadiusNeighborsMixin,
    _get_weights,
    sort_graph_by_row_values,
)
from sklearn.neighbors._classification import KNeighborsClassifier as StockKNeighborsClassifier
from sklearn.neighbors._classification import (
    RadiusNeighborsClassifier as StockRadiusNeighborsClassifier,
)
from sklearn.neighbors._graph import KNeighborsTransformer as StockKNeighborsTransformer
from sklearn.neighbors._graph import RadiusNeighborsTransformer as StockRadiusNeighborsTransformer
from sklearn.neighbors._graph import kneighbors_graph as stock_kneighbors_graph
from sklearn.neighbors._graph import radius_neighbors_graph as stock_radius_neighbors_graph
from sklearn.neighbors._kd_tree import KDTree
from sklearn.neighbors._kde import KernelDensity
from sklearn.neighbors._lof import LocalOutlierFactor as StockLocalOutlierFactor
from sklearn.neighbors._nca import NeighborhoodComponentsAnalysis
from sklearn.neighbors._nearest_centroid import NearestCentroid
from sklearn.neighbors._regression import KNeighborsRegressor as StockKNeighborsRegressor
from sklearn.neighbors._regression import RadiusNeighborsRegressor as StockRadiusNeighborsRegressor
from sklearn.neighbors._unsupervised import NearestNeighbors as StockNearestNeighbors
from sklearn.utils import _safe_indexing
from sklearn.utils._metadata_requests import _raise_for_params
from sklearn.utils._openmp_helpers import _openmp_effective_n_threads
from sklearn.utils._param_validation import StrOptions, validate_parameter_constraints
from sklearn.utils.arrayfuncs import _all_with_any_reduction_axis_1
from sklearn.utils.validation import _check_method_params, _num_samples

try:
    from sklearn.utils import _align_api_if_sparse

    _csr = csr_array  # whose indices stay 64 bits wide
except ImportError:  # before 1.9 there are only sparse matrices
    _csr = csr_matrix

    def _align_api_if_sparse(X: Any) -> Any:
        return X


__all__ = [
    "PREBUILT",
    "SKLEARN_VERSION",
    "STOCK",
    "VALID_METRICS",
    "VALID_METRICS_SPARSE",
    "BallTree",
    "KDTree",
    "KNeighborsMixin",
    "KernelDensity",
    "NearestCentroid",
    "NeighborhoodComponentsAnalysis",
    "RadiusNeighborsMixin",
    "StockKNeighborsClassifier",
    "StockKNeighborsRegressor",
    "StockKNeighborsTransformer",
    "StockLocalOutlierFactor",
    "StockNearestNeighbors",
    "StockRadiusNeighborsClassifier",
    "StockRadiusNeighborsRegressor",
    "StockRadiusNeighborsTransformer",
    "all_zero_rows",
    "argkmin",
    "argkmin_block",
    "can_count_classes",
    "check_arguments",
    "check_method_params",
    "check_metric",
    "class_shares",
    "csr_graph",
    "fitted_rows",
    "format_results",
    "is_by_pairs",
    "know_row_norms",
    "n_threads",
    "neighbor_weights",
    "num_samples",
    "passive_aggressive",
    "raise_for_params",
    "report_pieces",
    "safe_indexing",
    "scikit_learn_view",
    "score",
    "select_best_index",
    "sort_graph_by_row_values",
    "stock_kneighbors_graph",
    "stock_radius_neighbors_graph",
    "tuning_constraints",
    "with_pruned",
]

SKLEARN_VERSION: str = sklearn.__version__

# What stands in `sklearn.neighbors` under the names that knnc has too, unless it is replaced.
STOCK: Mapping[str, Any] = {
    stock.__name__: stock
    for stock in (
        StockKNeighborsClassifier,
        StockKNeighborsRegressor,
        StockKNeighborsTransformer,
        StockLocalOutlierFactor,
        StockNearestNeighbors,
        StockRadiusNeighborsClassifier,
        StockRadiusNeighborsRegressor,
        StockRadiusNeighborsTransformer,
        stock_kneighbors_graph,
        stock_radius_neighbors_graph,
    )
}

# The fitted objects that scikit-learn's neighbours take for data.
PREBUILT: tuple[type, ...] = (KDTree, BallTree, NeighborsBase)

# Rows of each side of a block in scikit-learn's fused search, unless configured otherwise.
_BLOCK = 256


def with_pruned(constraints: Mapping[str, list[Any]]) -> dict[str, list[Any]]:
    """An estimator class's parameter constraints, with one more `algorithm`, "pruned"."""
    (options,) = constraints["algorithm"]
    return {**constraints, "algorithm": [StrOptions({*options.options, "pruned"})]}


def check_arguments(function: Callable[..., Any], **arguments: Any) -> None:
    """scikit-learn's check of the arguments of one of its public functions, with its errors."""
    if not sklearn.get_config()["skip_parameter_validation"]:
        constraints = cast(Any, function)._skl_parameter_constraints
        validate_parameter_constraints(constraints, arguments, caller_name=function.__name__)


def fitted_rows(rows: NDArray[Any]) -> Any:
    """What makes scikit-learn's ``_fit`` take `rows` as searched by brute force, unexamined.

    It copies four attributes of a fitted estimator that it is given for X, and builds no tree.
    """
    carrier = StockNearestNeighbors()
    carrier._fit_X = rows
    carrier._tree = None
    carrier._fit_method = "brute"
    carrier.n_samples_fit_ = rows.shape[0]
    return carrier


def check_metric(estimator: Any) -> None:
    """scikit-learn's check of metric and p for "pruned", as for "brute", which it knows."""
    parameters = SimpleNamespace(
        algorithm="brute",
        metric=estimator.metric,
        metric_params=estimator.metric_params,
        p=estimator.p,
    )
    NeighborsBase._check_algorithm_metric(parameters)


def scikit_learn_view(estimator: Any, **changes: Any) -> Any:
    """The fitted state of an estimator as an object of scikit-learn's own class.

    Parameters
    ----------
    estimator : object
        A fitted estimator of a class derived from one of scikit-learn's.
    **changes : object
        Attributes to set on the view.

    Returns
    -------
    view : object
        Of the nearest class that scikit-learn defines; it shares the fitted arrays. It has
        forgotten the feature names, which were checked before rows come here as plain arrays.
    """
    cls: Any = next(c for c in type(estimator).__mro__ if c.__module__.startswith("sklearn."))
    view = cls.__new__(cls)
    vars(view).update(vars(estimator), **changes)
    vars(view).pop("feature_names_in_", None)
    return view


def argkmin_block(view: Any, X: Any) -> tuple[str, int] | None:
    """How scikit-learn's fused search would go about the queries `X`, if it can take them.

    Returns
    -------
    strategy : str
        What its "auto" chooses for all of `X`. The distances do not depend on it; which of
        several rows at the same distance are returned does.
    block : int
        Queries in one round of all threads: parts of X of a multiple of so many are computed
        bit for bit as X is. With a metric that is computed pair by pair, without a product of
        matrices, one for each thread, or one.
    """
    if view._fit_method != "brute" or not ArgKmin.is_usable_for(
        X, view._fit_X, view.effective_metric_
    ):
        return None
    block = sklearn.get_config().get("pairwise_dist_chunk_size", _BLOCK)
    n_queries = X.shape[0]
    by_pairs = is_by_pairs(view)
    if view._fit_X.shape[0] < n_queries or 4 * block * n_threads() < n_queries:
        return "parallel_on_X", (1 if by_pairs else block) * n_threads()
    return "parallel_on_Y", 1 if by_pairs else block


def is_by_pairs(view: Any) -> bool:
    """Whether the fused search computes distances pair by pair, not in a product of matrices."""
    return view.effective_metric_ not in ("euclidean", "sqeuclidean")


def n_threads() -> int:
    """Threads of scikit-learn's fused search."""
    return int(_openmp_effective_n_threads())


def argkmin(view: Any, X: Any, k: int, strategy: str) -> tuple[NDArray[Any], NDArray[Any]]:
    """scikit-learn's fused search: the k nearest of the view's rows, (distances, indices)."""
    dist, ind = ArgKmin.compute(
        X=X,
        Y=view._fit_X,
        k=k,
        metric=view.effective_metric_,
        metric_kwargs=dict(view.effective_metric_params_),
        strategy=strategy,
        return_distance=True,
    )
    return dist, ind


def know_row_norms(view: Any) -> None:
    """Compute the norms of the view's rows once, for all searches by :func:`argkmin`.

    They are the ones that each search would compute: for 60,000 rows of 50 features a search of 256
    queries takes a third less time without that.
    """
    if not is_by_pairs(view):
        norms = sqeuclidean_row_norms(view._fit_X, n_threads())
        view.effective_metric_params_ = {**view.effective_metric_params_, "Y_norm_squared": norms}


def csr_graph(
    weights: NDArray[Any], ind: NDArray[Any], indptr: NDArray[Any], n_samples_fit: int
) -> Any:
    """A sparse graph, a matrix or an array as scikit-learn is configured to return."""
    shape = len(indptr) - 1, n_samples_fit
    return _align_api_if_sparse(_csr((weights, ind, indptr), shape=shape))


def report_pieces(view: Any, report: Callable[[int], object]) -> None:
    """Have a view say how many queries are done, after each piece of an unfused brute force.

    Pieces are as large as scikit-learn's working memory allows, and what reduces the distances of
    a piece to its neighbours is a method.
    """

    def reporting(reduce: Callable[..., Any]) -> Callable[..., Any]:
        def reduce_and_report(dist: Any, start: int, **options: Any) -> Any:
            reduced = reduce(dist, start, **options)
            report(start + len(dist))
            return reduced

        return reduce_and_report

    for name in ("_kneighbors_reduce_func", "_radius_neighbors_reduce_func"):
        if hasattr(view, name):
            setattr(view, name, reporting(getattr(view, name)))


def can_count_classes(estimator: Any, X: Any) -> bool:
    """Whether scikit-learn's fused search counts the classes within a radius for these queries."""
    return (
        estimator.weights == "uniform"
        and estimator._fit_method == "brute"
        and not estimator.outputs_2d_
        and bool(
            RadiusNeighborsClassMode.is_usable_for(X, estimator._fit_X, estimator.effective_metric_)
        )
    )


def class_shares(view: Any, X: Any) -> NDArray[np.float64]:
    """Shares of the classes within the view's radius; of one more class, where there is no row.

    scikit-learn is told that it is the label of outliers: it looks for this label not among the
    classes but among their positions.
    """
    n_classes = len(view.classes_)
    shares: NDArray[np.float64] = RadiusNeighborsClassMode.compute(
        X=X,
        Y=view._fit_X,
        radius=view.radius,
        weights="uniform",
        Y_labels=view._y,
        unique_Y_labels=np.arange(n_classes + 1, dtype=np.intp),
        outlier_label=n_classes,
        metric=view.effective_metric_,
        metric_kwargs=dict(view.effective_metric_params_),
        strategy="auto",
    )
    return shares


def neighbor_weights(dist: NDArray[np.float64] | None, weights: Any) -> NDArray[Any] | None:
    """Weights of neighbours at these distances; None for uniform ones."""
    return cast("NDArray[Any] | None", _get_weights(dist, weights))


def all_zero_rows(weights: NDArray[Any]) -> bool:
    """Whether all weights of some row are zero."""
    return bool(_all_with_any_reduction_axis_1(weights, value=0))


# ---- choosing by cross-validation: GridSearchCV's own pieces, so that its results are ours


def tuning_constraints() -> dict[str, list[Any]]:
    """Parameter constraints of an estimator that chooses among candidates."""
    return {
        "n_neighbors": ["array-like", None],
        "weights": ["array-like"],
        "metric": ["array-like"],
        "cv": ["cv_object"],
        "scoring": [StrOptions(set(get_scorer_names())), callable, None],
        "refit": ["boolean", callable],
        "n_jobs": [Integral, None],
    }


def score(
    estimator: Any, X: Any, y: Any, scorer: Callable[..., Any], params: Mapping[str, Any]
) -> Any:
    """A candidate's score in a fold; nan, with GridSearchCV's warning, if the scorer raises."""
    return _score(estimator, X, y, scorer, params, error_score=np.nan)


def format_results(
    estimator: Any, candidates: list[dict[str, Any]], n_splits: int, scores: list[dict[str, Any]]
) -> dict[str, Any]:
    """``cv_results_`` of candidates (slow index of `scores`) over splits (fast index)."""
    search = GridSearchCV(estimator, {})
    return cast("dict[str, Any]", search._format_results(candidates, n_splits, scores))


def select_best_index(refit: Any, results: dict[str, Any]) -> int:
    """Row of the best candidate, by its rank or by a callable `refit`."""
    return int(GridSearchCV._select_best_index(refit, "score", results))


def check_method_params(X: Any, params: Mapping[str, Any], indices: Any) -> Mapping[str, Any]:
    """The rows `indices` of each parameter that has as many as X; None is all."""
    return cast("Mapping[str, Any]", _check_method_params(X, params, indices))


def raise_for_params(params: Mapping[str, Any], owner: Any, method: str) -> None:
    """Refuse any metadata while metadata routing is not enabled."""
    _raise_for_params(params, owner, method)


def safe_indexing(X: Any, indices: Any) -> Any:
    """Rows of an array, sparse matrix, frame or list."""
    return _safe_indexing(X, indices)


def num_samples(X: Any) -> int:
    """Rows of anything that has some."""
    return int(_num_samples(X))


def passive_aggressive(C: float, random_state: int | None) -> Any:
    """The passive-aggressive classifier, with hinge loss."""
    from sklearn.linear_model import PassiveAggressiveClassifier, SGDClassifier

    if tuple(map(int, SKLEARN_VERSION.split(".")[:2])) < (1, 8):
        return PassiveAggressiveClassifier(C=C, random_state=random_state)
    # Since 1.8, which deprecates the class.
    return SGDClassifier(
        loss="hinge", penalty=None, learning_rate="pa1", eta0=C, random_state=random_state
    )
