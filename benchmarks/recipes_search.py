"""The settings tried for knnc.recipes, compared on training images alone, never a test image.

    python benchmarks/recipes_search.py mnist          # or fashion-mnist; --queries 2000 for a look
    python benchmarks/recipes_search.py mnist --only upright

Candidates are fitted to the first 50,000 training images and read the last 10,000. Printed are the
error with its 95 % interval, and milliseconds an image on all threads. The other sets, which no
setting was chosen on, are read by the recipes as they are:

    python benchmarks/recipes_search.py digits         # 5 folds of scikit-learn's digits
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from math import sqrt
from time import perf_counter
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.ensemble import VotingClassifier
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline, make_union

from knnc import KNeighborsClassifier
from knnc.datasets import load_dataset, load_digits
from knnc.image import (
    HOG,
    Blur,
    Deskew,
    DistortionKNeighborsClassifier,
    LocalDiscriminant,
    SoftWeights,
    Stretch,
)
from knnc.recipes import RECIPES, accurate, clothes

N_TRAIN = 50_000
# Neighbours that vote, and the width of their votes: changed after the fit, which is the longer.
VOTES = ((5, 0.1), (5, 0.2), (10, 0.1), (10, 0.15), (10, 0.2), (20, 0.1), (20, 0.2), (30, 0.2))
Votes = tuple[tuple[int, float], ...]
Candidates = Iterator[tuple[str, Any, Votes]]
IMAGES: tuple[tuple[str, list[Any]], ...] = (
    ("as it is", []),
    ("upright", [Deskew()]),
    ("blurred", [Blur(0.7)]),
)


def searched() -> KNeighborsClassifier:
    return KNeighborsClassifier(metric="sqeuclidean")


def mapped() -> Candidates:
    """HOG, mapped to a few components."""
    for name, first in IMAGES:
        for n_components in (40, 60, 100):
            map_to = LocalDiscriminant(n_components)
            estimator = make_pipeline(*first, HOG(), map_to, searched())
            yield f"mapped, {name}, {n_components} components", estimator, VOTES


def distorted() -> Candidates:
    """The image distortion model among the nearest by mapped HOG."""
    for name, first in IMAGES[:2]:
        for distance in ("idm", {"idm": 1.0, "idm_back": 0.5}, {"idm": 1.0, "features": 10.0}):
            last = DistortionKNeighborsClassifier(
                n_candidates=100,
                features=make_pipeline(HOG(), LocalDiscriminant(60)),
                distance=distance,
            )
            yield f"distorted, {name}, {distance}", make_pipeline(*first, last), VOTES


def voting() -> Candidates:
    """The image distortion model and the map: the sum of their votes."""
    three = accurate()
    readers = dict(three.estimators)
    two = VotingClassifier([(n, readers[n]) for n in ("upright", "mapped")], voting="soft")
    yield "voting, upright and mapped", two, VOTES
    yield "voting, upright, as drawn and mapped", three, VOTES


def things() -> Candidates:
    """HOG with and without brightness, for pictures of things."""
    bright = Blur(1.0, step=2)
    for name, features in (
        ("4, 7", HOG()),
        ("4, 7 and brightness", make_union(HOG(), bright)),
        ("4, 5, 7 and brightness", make_union(HOG((4, 5, 7)), bright)),
    ):
        for n_components in (100, 150, 200):
            estimator = make_pipeline(features, LocalDiscriminant(n_components), searched())
            yield f"things, cells {name}, {n_components} components", estimator, VOTES
    for settings in (
        {"warp": 2, "gradients": "linear", "distance": {"features": 1.0, "idm": 0.007}},
        {"warp": 2, "gradients": "root", "distance": {"features": 1.0, "idm": 0.0035}},
        {"warp": 1, "gradients": "root", "distance": {"features": 1.0, "idm": 0.002}},
        {"warp": 1, "gradients": "root", "distance": {"features": 1.0, "idm": 0.0035}},
    ):
        for mirrored in (False, True):
            last = clothes().steps[-1][1].set_params(mirrored=mirrored, **settings)
            yield (
                f"things moved, mirrored {mirrored}, {settings}",
                make_pipeline(Stretch(), last),
                VOTES,
            )


def recipes() -> Candidates:
    for name, make in RECIPES.items():
        yield f"recipe {name}", make(), ()


FAMILIES = {
    "mnist": (recipes, mapped, distorted, voting),
    "fashion-mnist": (recipes, things),
    "digits": (recipes,),
}


def interval(n_wrong: int, n: int) -> tuple[float, float]:
    """95 % of the error, in per cent (Wilson's)."""
    z = 1.959963984540054
    rate = n_wrong / n
    middle = (rate + z * z / (2 * n)) / (1 + z * z / n)
    reach = z * sqrt(rate * (1 - rate) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return 100 * (middle - reach), 100 * (middle + reach)


def voter(estimator: Any) -> Any:
    """The classifier at the end of a pipeline; of several that vote the first."""
    while hasattr(estimator, "steps") or hasattr(estimator, "estimators_"):
        parts = getattr(estimator, "estimators_", None)
        estimator = parts[0] if parts else estimator.steps[-1][1]
    return estimator


def read(name: str, estimator: Any, votes: Votes, parts: list[tuple[Any, ...]]) -> None:
    """Fit and predict each part (X, y, X_held_out, y_held_out), and print what came of it."""
    settings: list[tuple[int, float] | None] = list(votes) or [None]
    n_wrong = dict.fromkeys(settings, 0)
    seconds = dict.fromkeys(settings, 0.0)
    for X, y, Q, labels in parts:
        fitted = clone(estimator).fit(X, y)
        for setting in settings:
            if setting is not None:
                k, width = setting
                voter(fitted).set_params(n_neighbors=k, weights=SoftWeights(width))
            begin = perf_counter()
            n_wrong[setting] += int(np.count_nonzero(fitted.predict(Q) != labels))
            seconds[setting] += perf_counter() - begin
    n = sum(len(part[2]) for part in parts)
    for setting in settings:
        low, high = interval(n_wrong[setting], n)
        vote = "its own vote" if setting is None else f"k = {setting[0]}, width {setting[1]}"
        print(
            f"{name:50s} {vote:20s} {100 * n_wrong[setting] / n:6.2f} % ({low:.2f} to {high:.2f}), "
            f"{n_wrong[setting]} of {n}, {1000 * seconds[setting] / n:.2f} ms an image",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dataset", choices=FAMILIES)
    parser.add_argument("--queries", type=int, default=10_000, help="held-out images to read")
    parser.add_argument("--only", default="", help="candidates whose name has this in it")
    arguments = parser.parse_args()
    if arguments.dataset == "digits":
        digits = load_digits()
        folds = StratifiedKFold(5, shuffle=True, random_state=0).split(digits.data, digits.target)
        parts = [
            (digits.data[a], digits.target[a], digits.data[b], digits.target[b]) for a, b in folds
        ]
    else:
        train, _ = load_dataset(arguments.dataset)
        held_out = slice(N_TRAIN, N_TRAIN + arguments.queries)
        X, y = train.data, train.target
        parts = [(X[:N_TRAIN], y[:N_TRAIN], X[held_out], y[held_out])]
    for family in FAMILIES[arguments.dataset]:
        for name, estimator, votes in family():
            if arguments.only in name:
                read(name, estimator, votes, parts)


if __name__ == "__main__":
    main()
