"""Fitted estimators of images as what a file holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from knnc.engine.encoding import Encoding
from knnc.engine.fields import count_of, part_of
from knnc.image import base
from knnc.image.base import ImageTransformer
from knnc.image.blur import Blur
from knnc.image.deskew import Deskew
from knnc.image.discriminant import LocalDiscriminant
from knnc.image.distortion import DistortionKNeighborsClassifier
from knnc.image.hog import HOG
from knnc.image.shift import Shift
from knnc.image.stretch import Stretch
from knnc.persistence.neighbors import restored_weights, weights_tree

__all__ = ["CLASSES", "restored", "tree_of"]

CLASSES: dict[str, type] = {
    cls.__name__: cls
    for cls in (
        HOG,
        Blur,
        Deskew,
        DistortionKNeighborsClassifier,
        LocalDiscriminant,
        Shift,
        Stretch,
    )
}
_SHAPED = {"_encoding", "feature_names_in_", "image_shape_", "n_features_in_"}
# What fit learns and a file holds, by class; then what is computed from it when a file is opened.
_LEARNT: dict[type, set[str]] = {
    Stretch: {"brightest_"},
    LocalDiscriminant: {"components_", "offset_", "_unit", "_look", "_seen"},
    DistortionKNeighborsClassifier: {
        *("_codes", "_mirrored", "_moves", "_rows", "_terms", "classes_"),
    },
}
_IMPLIED: dict[type, set[str]] = {
    Stretch: {"_table"},
    DistortionKNeighborsClassifier: {"_lazy_searcher", "engine_", "features_", "n_samples_fit_"},
}


def tree_of(estimator: Any, node: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
    """What a file holds of a fitted estimator of one of `CLASSES`.

    Parameters
    ----------
    estimator : estimator
    node : callable
        Describes an estimator inside of it.
    """
    check_is_fitted(estimator)
    cls, has = type(estimator), vars(estimator)
    params = estimator.get_params(deep=False)
    learnt = _LEARNT.get(cls, set())
    unknown = set(has) - set(params) - _SHAPED - learnt - _IMPLIED.get(cls, set())
    if unknown:
        raise TypeError(f"knnc.save does not know the attributes {sorted(unknown)}.")
    tree: dict[str, Any] = {
        "params": params,
        "learnt": {name: getattr(estimator, name) for name in sorted(learnt)},
        "encoding": estimator._encoding.state(),
        "n_features": int(estimator.n_features_in_),
        "image_shape": list(has.get("image_shape_", ())),
        "names": has.get("feature_names_in_"),
    }
    if "weights" in params:
        params["weights"] = weights_tree(params["weights"])
    if cls is DistortionKNeighborsClassifier:
        if _as_fitted(estimator) != (estimator._terms, estimator._moves, estimator._mirrored):
            raise TypeError("Its parameters were changed after its fit: fit it again to save it.")
        del params["features"]  # the file has features_, which are these fitted
        tree["features"] = None if estimator.features_ is None else node(estimator.features_)
    return tree


def restored(cls: type, tree: Mapping[str, Any], of_node: Callable[[Any], Any]) -> Any:
    """The estimator that a file holds; a TypeError or ValueError if it holds none.

    Parameters
    ----------
    cls : type
        Of `CLASSES`.
    tree : dict
    of_node : callable
        Restores an estimator inside of it.
    """
    params, learnt = dict(part_of(tree, "params")), part_of(tree, "learnt")
    if cls is LocalDiscriminant:  # older files have no second map
        learnt = {"_look": None, "_seen": None, **learnt}
    features = None
    if cls is DistortionKNeighborsClassifier:
        features = None if tree.get("features") is None else of_node(tree["features"])
        params["features"] = None if features is None else clone(features)
    if set(params) != set(cls().get_params(deep=False)) or set(learnt) != _LEARNT.get(cls, set()):
        raise ValueError("its attributes are not those of its class")
    if "weights" in params:
        params["weights"] = restored_weights(params["weights"])
    estimator = cls(**params)
    vars(estimator).update(learnt)
    estimator.n_features_in_ = count_of(tree, "n_features", 1, 1 << 40)
    names = tree.get("names")
    if names is not None:
        if not isinstance(names, np.ndarray) or names.dtype != object:
            raise ValueError("its feature names are not strings")
        if names.shape != (estimator.n_features_in_,):
            raise ValueError("its feature names are not one for each feature")
        estimator.feature_names_in_ = names
    estimator._encoding = Encoding.restored(part_of(tree, "encoding"))
    if cls is LocalDiscriminant:
        _check_maps(estimator)
        return estimator
    shape = base.shape_of(tree.get("image_shape"), estimator.n_features_in_)
    estimator.image_shape_ = shape
    if estimator.image_shape is not None:
        estimator.image_shape = tuple(estimator.image_shape)
        if base.shape_of(estimator.image_shape, estimator.n_features_in_) != shape:
            raise ValueError("its images are of another shape than its parameter says")
    if isinstance(estimator, ImageTransformer):
        estimator._check_parameters()
    if cls is Stretch:
        count_of(learnt, "brightest_", 0, 255)
        estimator._make_table()
    if cls is DistortionKNeighborsClassifier:
        estimator.features_ = features
        _restore_classifier(estimator)
    return estimator


def _check_maps(estimator: Any) -> None:
    width, look, seen = estimator.n_features_in_, estimator._look, estimator._seen
    _check_map(estimator.components_, estimator.offset_, estimator._unit, width)
    if look is None and seen is None:
        return
    if not isinstance(look, tuple) or len(look) != 3:
        raise ValueError("its second map is incomplete")
    _check_map(*look, width)
    if not isinstance(seen, np.ndarray) or seen.dtype != np.uint8:
        raise ValueError("its rows are not uint8")
    if seen.shape[1:] != look[1].shape:
        raise ValueError("its rows are not those of its second map")


def _check_map(components: Any, offset: Any, unit: Any, width: int) -> None:
    for array in (components, offset):
        if not isinstance(array, np.ndarray) or array.dtype != np.float64:
            raise ValueError("its map is not an array of float64")
        if not np.isfinite(array).all():
            raise ValueError("its map is not finite")
    if components.ndim != 2 or len(components) != width:
        raise ValueError("its map is not of its features")
    if offset.shape != components.shape[1:] or not offset.size:
        raise ValueError("its map and its offset differ in width")
    if type(unit) is not float or not 2.0**-1000 < unit <= 2.0**30:
        raise ValueError("the unit of its map is impossible")


def _restore_classifier(estimator: Any) -> None:
    rows, codes, classes = estimator._rows, estimator._codes, estimator.classes_
    if not isinstance(rows, np.ndarray) or rows.dtype != np.uint8 or rows.ndim != 2:
        raise ValueError("its images are not uint8")
    if rows.shape[1] != estimator.n_features_in_ or not len(rows):
        raise ValueError("its images are not of its features")
    if (
        not isinstance(codes, np.ndarray)
        or codes.dtype.kind != "i"
        or codes.shape != rows.shape[:1]
    ):
        raise ValueError("its labels are not one for each image")
    if not isinstance(classes, np.ndarray) or classes.ndim != 1:
        raise ValueError("its classes are not an array")
    if codes.min() < 0 or codes.max() >= len(classes):
        raise ValueError("a label is of no class")
    estimator._codes = codes.astype(np.intp, copy=False)
    if _as_fitted(estimator) != (estimator._terms, estimator._moves, estimator._mirrored):
        raise ValueError("its distance is not that of its parameters")
    estimator.n_samples_fit_ = len(rows)
    estimator.engine_ = "integer"
    estimator._lazy_searcher = None


def _as_fitted(estimator: Any) -> tuple[dict[str, float], tuple[int, int, bool], bool]:
    """The terms of the distance, what they look at, and whether mirrored, by the parameters."""
    terms = estimator._checked_parameters()
    moves = int(estimator.warp), int(estimator.max_shift), estimator.gradients == "root"
    return terms, moves, bool(estimator.mirrored)
