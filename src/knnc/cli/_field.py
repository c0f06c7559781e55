"""The classifiers of the Fashion-MNIST benchmark that scikit-learn has, and the recipes."""

from __future__ import annotations

from typing import Any

from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Perceptron, SGDClassifier
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC
from sklearn.tree import DecisionTreeClassifier, ExtraTreeClassifier

from knnc import _compat
from knnc.recipes import RECIPES, make_recipe

__all__ = ["field", "recipes"]


def field(*, slow: bool) -> dict[str, Any]:
    """The benchmark's classifiers by name, each with settings from its grid, on scaled pixels.

    The grid is in `benchmark/baselines.json` of Xiao, Rasul and Vollgraf, "Fashion-MNIST" (2017).
    Pixels are scaled to mean 0 and variance 1 there. Each classifier has one setting here.
    GaussianProcessClassifier is left out: its time grows with the cube of the number of rows.
    """
    classifiers = {
        "SVC": SVC(C=10, kernel="rbf"),
        "RandomForest": RandomForestClassifier(
            n_estimators=100, criterion="entropy", max_depth=100, random_state=0
        ),
        "MLP": MLPClassifier(activation="relu", hidden_layer_sizes=(100,), random_state=0),
        "KNeighbors": KNeighborsClassifier(n_neighbors=5, weights="distance", p=1),
        "LogisticRegression": OneVsRestClassifier(LogisticRegression(C=1, solver="liblinear")),
        "LinearSVC": LinearSVC(C=1, loss="hinge", random_state=0),
        "SGD": SGDClassifier(loss="hinge", penalty="l2", random_state=0),
        "DecisionTree": DecisionTreeClassifier(
            criterion="entropy", max_depth=10, splitter="best", random_state=0
        ),
        "Perceptron": Perceptron(penalty="l1", random_state=0),
        "PassiveAggressive": _compat.passive_aggressive(C=1.0, random_state=0),
        "ExtraTree": ExtraTreeClassifier(
            criterion="gini", max_depth=10, splitter="best", random_state=0
        ),
        "GaussianNB": GaussianNB(),
    }
    if slow:
        boosting = GradientBoostingClassifier(n_estimators=100, max_depth=10, random_state=0)
        classifiers["GradientBoosting"] = boosting
    return {name: make_pipeline(StandardScaler(), c) for name, c in classifiers.items()}


def recipes() -> dict[str, Any]:
    """knnc's recipes, on pixels as they are."""
    return {f"knnc {name}": make_recipe(name) for name in RECIPES}
