"""Pipelines, unions and votes of fitted estimators as what a file holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.ensemble import VotingClassifier
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import LabelEncoder
from sklearn.utils import Bunch
from sklearn.utils.validation import check_is_fitted

__all__ = ["CLASSES", "restored", "tree_of"]

CLASSES: dict[str, type] = {cls.__name__: cls for cls in (Pipeline, FeatureUnion, VotingClassifier)}
# The parameter that lists the estimators.
_LISTS: dict[type, str] = {
    Pipeline: "steps",
    FeatureUnion: "transformer_list",
    VotingClassifier: "estimators",
}


def tree_of(group: Any, node: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
    """What a file holds of a fitted estimator of one of `CLASSES`.

    Parameters
    ----------
    group : estimator
    node : callable
        Describes an estimator inside of it.

    Raises
    ------
    TypeError
        If a parameter other than the list of estimators is not scikit-learn's default.
    NotFittedError
        If a part of it is not fitted.
    """
    params = group.get_params(deep=False)
    named = params.pop(_LISTS[type(group)])
    tree: dict[str, Any] = {}
    if isinstance(group, VotingClassifier):
        check_is_fitted(group)
        named = zip((name for name, _ in named), group.estimators_, strict=True)
        tree = {"voting": params.pop("voting"), "classes": group.classes_}
    usual = type(group)([]).get_params(deep=False)
    changed = sorted(key for key, value in params.items() if repr(value) != repr(usual[key]))
    if changed:
        raise TypeError(f"knnc.save takes a {type(group).__name__} with the default {changed[0]}.")
    return {**tree, "parts": [[name, node(part)] for name, part in named]}


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
    entries = tree.get("parts")
    if not isinstance(entries, list) or not entries:
        raise ValueError("it lists no estimators")
    if not all(isinstance(pair, list) and len(pair) == 2 for pair in entries):
        raise ValueError("it does not name its estimators")
    names = [name for name, _ in entries]
    if not all(type(name) is str for name in names) or len(set(names)) != len(names):
        raise ValueError("it does not name its estimators, each by a name of its own")
    parts = [of_node(node) for _, node in entries]
    if cls is VotingClassifier:
        return _restored_vote(names, parts, tree)
    last = parts[-1:] if cls is Pipeline else []
    if not all(hasattr(part, "transform") or part in last for part in parts):
        raise ValueError("it has a step that does not transform")
    return cls(list(zip(names, parts, strict=True)))


def _restored_vote(names: list[str], parts: list[Any], tree: Mapping[str, Any]) -> Any:
    voting, classes = tree.get("voting"), tree.get("classes")
    if voting not in ("hard", "soft") or not isinstance(classes, np.ndarray) or classes.ndim != 1:
        raise ValueError("it does not say what is voted on")
    positions = np.arange(len(classes))
    if not all(np.array_equal(getattr(part, "classes_", ()), positions) for part in parts):
        raise ValueError("its voters know other classes")
    unfitted = [(name, clone(part)) for name, part in zip(names, parts, strict=True)]
    group: Any = VotingClassifier(unfitted, voting=voting)
    group.estimators_ = parts
    group.named_estimators_ = Bunch(**dict(zip(names, parts, strict=True)))
    group.le_ = LabelEncoder()
    group.le_.classes_ = group.classes_ = classes
    return group
