"""knnc's estimators for skl2onnx, which writes models in the ONNX format."""

from __future__ import annotations

from copy import copy
from typing import Any

from knnc._extras import require
from knnc.neighbors import KNeighborsClassifier, KNeighborsRegressor, NearestNeighbors

__all__ = ["register_converters"]


def register_converters() -> None:
    """Have skl2onnx convert KNeighborsClassifier, KNeighborsRegressor and NearestNeighbors.

    Call it once in a process, then convert an estimator, or a pipeline with one, as you would
    convert scikit-learn's.

    Raises
    ------
    ImportError
        If skl2onnx is not installed; ``pip install "knnc[onnx]"`` does so.

    Notes
    -----
    The model holds the training rows as numbers, even if knnc stores them as bytes, and searches
    them by brute force. It computes in the dtype of its input, float32 or float64, by
    scikit-learn's formulas. So the last bits of distances differ from knnc's, and rows at nearly
    the same distance may change places. Cast byte queries to one of these dtypes.

    skl2onnx converts Euclidean, squared Euclidean, Manhattan and cosine distance. A model of
    NearestNeighbors answers as `kneighbors` does, but with the indices first. `weights` must be
    "uniform": skl2onnx would convert other weights to a model whose answers differ from those of
    scikit-learn and knnc, so an error is raised.

    Examples
    --------
    >>> from knnc.onnx import register_converters
    >>> register_converters()  # doctest: +SKIP
    >>> from skl2onnx import to_onnx  # doctest: +SKIP
    >>> model = to_onnx(classifier, X[:1].astype("float32"))  # doctest: +SKIP
    """
    skl2onnx = _imported("skl2onnx")
    convert = _imported("skl2onnx.operator_converters.nearest_neighbours")
    shapes = _imported("skl2onnx.shape_calculators.nearest_neighbours")

    def convert_classifier(scope: Any, operator: Any, container: Any) -> None:
        _check_weights(operator.raw_operator)
        convert.convert_nearest_neighbors_classifier(scope, operator, container)

    def convert_regressor(scope: Any, operator: Any, container: Any) -> None:
        _check_weights(operator.raw_operator)
        convert.convert_nearest_neighbors_regressor(scope, operator, container)

    def convert_search(scope: Any, operator: Any, container: Any) -> None:
        fitted = operator.raw_operator
        # With a radius as well skl2onnx does not know which search is meant.
        operator.raw_operator = copy(fitted).set_params(radius=None)
        convert.convert_nearest_neighbors_transform(scope, operator, container)
        operator.raw_operator = fitted

    optim: dict[str, list[Any]] = {"optim": [None, "cdist"]}
    votes = {
        "zipmap": [True, False, "columns"],
        "nocl": [True, False],
        "raw_scores": [True, False],
        "output_class_labels": [False, True],
    }
    for estimator, shape, converter, options in (
        (
            KNeighborsClassifier,
            shapes.calculate_linear_classifier_output_shapes,
            convert_classifier,
            votes | optim,
        ),
        (
            KNeighborsRegressor,
            shapes.calculate_sklearn_nearest_neighbours_regressor,
            convert_regressor,
            optim,
        ),
        (NearestNeighbors, shapes.calculate_sklearn_nearest_neighbours, convert_search, optim),
    ):
        alias = f"Knnc{estimator.__name__}"
        skl2onnx.update_registered_converter(
            estimator, alias, shape, converter, overwrite=True, options=options
        )


def _check_weights(estimator: Any) -> None:
    if estimator.weights != "uniform":
        raise NotImplementedError(
            "skl2onnx converts other weights to a model with other answers: weights must be "
            f"'uniform', got {estimator.weights!r}."
        )


def _imported(module: str) -> Any:
    return require(module, by="Conversion to ONNX", install="knnc[onnx]")
