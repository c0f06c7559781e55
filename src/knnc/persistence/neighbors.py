"""Fitted estimators of rows as what a file holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import get_tags
from sklearn.utils.validation import check_is_fitted

from knnc import _compat
from knnc._pickling import warn_of_sklearn_version
from knnc._version import __version__
from knnc.engine.encoding import Encoding
from knnc.engine.fields import part_of
from knnc.engine.index import Index
from knnc.engine.system.threads import effective_n_threads
from knnc.neighbors import metrics
from knnc.neighbors.base import IntegerFitMixin
from knnc.neighbors.classification import KNeighborsClassifier
from knnc.neighbors.graph import KNeighborsTransformer, RadiusNeighborsTransformer
from knnc.neighbors.radius import RadiusNeighborsClassifier, RadiusNeighborsRegressor
from knnc.neighbors.regression import KNeighborsRegressor
from knnc.neighbors.unsupervised import NearestNeighbors

__all__ = [
    "CLASSES",
    "restored",
    "restored_weights",
    "tree_of",
    "weights_tree",
]

CLASSES: dict[str, type[IntegerFitMixin]] = {
    cls.__name__: cls
    for cls in (
        KNeighborsClassifier,
        KNeighborsRegressor,
        KNeighborsTransformer,
        NearestNeighbors,
        RadiusNeighborsClassifier,
        RadiusNeighborsRegressor,
        RadiusNeighborsTransformer,
    )
}
# What fit sets besides the parameters and the rows.
_FITTED = {
    "_n_features_out",
    "_y",
    "classes_",
    "effective_metric_",
    "effective_metric_params_",
    "feature_names_in_",
    "outlier_label_",
    "outputs_2d_",
}
# What is restored from the rest of the tree; the rows say which engine serves.
_IMPLIED = {
    "_encoding",
    "_fit_method",
    "_lazy_index",
    "_rows",
    "_tree",
    "engine_",
    "n_features_in_",
    "n_samples_fit_",
}


def tree_of(estimator: Any, node: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
    """What a file holds of a fitted estimator of one of `CLASSES`.

    Parameters
    ----------
    estimator : estimator
    node : callable
        Not called: there is no estimator inside of these.

    Raises
    ------
    TypeError
        If it is served by scikit-learn's search, or has attributes that are not its own.
    NotFittedError
        If it is not fitted.
    """
    check_is_fitted(estimator)
    if estimator.engine_ not in ("integer", "float"):
        raise TypeError(
            f"knnc.save writes an estimator that knnc searches (engine_ is 'integer' or 'float'); "
            f"that of this {type(estimator).__name__} is {estimator.engine_!r}. Use pickle or "
            "joblib."
        )
    attributes = {key: value for key, value in vars(estimator).items() if key not in _IMPLIED}
    unknown = set(attributes) - _FITTED - set(vars(type(estimator)()))
    if unknown:
        raise TypeError(f"knnc.save does not know the attributes {sorted(unknown)}.")
    if callable(attributes.get("weights")):
        attributes["weights"] = weights_tree(attributes["weights"])
    index = estimator._lazy_index.get(effective_n_threads(estimator.n_jobs))
    return {
        "versions": [__version__, _compat.SKLEARN_VERSION],
        "attributes": attributes,
        "encoding": estimator._encoding.state() if estimator.engine_ == "integer" else None,
        "index": index.state(),
    }


def restored(
    cls: type[IntegerFitMixin], tree: Mapping[str, Any], of_node: Callable[[Any], Any]
) -> IntegerFitMixin:
    """The estimator that a file holds; a TypeError or ValueError if it holds none.

    Parameters
    ----------
    cls : type
        Of `CLASSES`.
    tree : dict
    of_node : callable
        Not called: there is no estimator inside of these.
    """
    attributes = dict(part_of(tree, "attributes"))
    if isinstance(attributes.get("weights"), dict):
        attributes["weights"] = restored_weights(attributes["weights"])
    estimator = cls()
    names = set(vars(estimator))
    if not names <= set(attributes) <= names | _FITTED:
        raise ValueError("its attributes are not those of its class")
    estimator.__dict__.update(attributes)
    estimator._validate_params()
    index = Index.restored(part_of(tree, "index"), n_threads=effective_n_threads(estimator.n_jobs))
    rows = index._rows
    are_bytes = rows.dtype == np.uint8
    table = metrics.ENGINE_METRICS if are_bytes else metrics.FLOAT_METRICS
    metric = table.get(attributes.get("effective_metric_", ""))
    if metric is None or metric.engine != index.metric:
        raise ValueError("its metric is not that of its rows")
    if attributes.get("effective_metric_params_") != {}:
        raise ValueError("its metric has parameters")
    _check_fitted(estimator, *rows.shape)
    estimator._rows = rows
    estimator._tree = None
    estimator._fit_method = "brute"
    estimator.n_samples_fit_, estimator.n_features_in_ = rows.shape
    if are_bytes:
        estimator._encoding = Encoding.restored(part_of(tree, "encoding"))
    estimator.engine_ = "integer" if are_bytes else "float"
    estimator._attach_index(index)
    _warn_of_versions(cls.__name__, tree.get("versions"))
    return estimator


def weights_tree(weights: Any) -> Any:
    """`weights` as a file holds them: a :class:`knnc.image.SoftWeights` by its name."""
    from knnc.image.weights import SoftWeights

    return {"SoftWeights": float(weights.width)} if type(weights) is SoftWeights else weights


def restored_weights(saved: Any) -> Any:
    """The `weights` that a file holds; a ValueError if it holds none."""
    if not isinstance(saved, dict):
        return saved
    from knnc.image.weights import SoftWeights

    width = saved.get("SoftWeights")
    if set(saved) != {"SoftWeights"} or type(width) is not float or not 0 < width < np.inf:
        raise ValueError("its weights are unknown")
    return SoftWeights(width)


def _check_fitted(estimator: Any, n_rows: int, n_features: int) -> None:
    """Refuse what `predict` could not use: it checks nothing that fit has set."""
    has = vars(estimator)
    names = has.get("feature_names_in_")
    if "feature_names_in_" in has and not (
        isinstance(names, np.ndarray) and names.dtype == object and names.shape == (n_features,)
    ):
        raise ValueError("its feature names are not one for each feature")
    if has.get("_n_features_out", n_rows) != n_rows:
        raise ValueError("its number of output features is wrong")
    if not get_tags(estimator).target_tags.required:
        return
    y = has.get("_y")
    if not isinstance(y, np.ndarray) or y.ndim not in (1, 2) or len(y) != n_rows:
        raise ValueError("its targets are not one for each row")
    if "classes_" in has or "outputs_2d_" in has:
        _check_classes(has, y)
    elif y.dtype.kind not in "biuf":
        raise ValueError("its targets are not numbers")


def _check_classes(has: Mapping[str, Any], y: NDArray[Any]) -> None:
    classes, several = has.get("classes_"), has.get("outputs_2d_")
    outputs = classes if several is True else [classes]
    codes = y if several is True else y[:, np.newaxis]
    if type(several) is not bool or not isinstance(outputs, list) or y.dtype.kind != "i":
        raise ValueError("its labels are not indices of classes")
    if codes.ndim != 2 or codes.shape[1] != len(outputs):
        raise ValueError("its labels are of another number of outputs than its classes")
    for names, column in zip(outputs, codes.T, strict=True):
        if not isinstance(names, np.ndarray) or names.ndim != 1:
            raise ValueError("its classes are not an array")
        if column.min() < 0 or column.max() >= len(names):
            raise ValueError("a label is of no class")


def _warn_of_versions(name: str, versions: Any) -> None:
    if not isinstance(versions, list) or len(versions) != 2:
        raise ValueError("it does not say what wrote it")
    warn_of_sklearn_version(name, str(versions[1]), stacklevel=6)
