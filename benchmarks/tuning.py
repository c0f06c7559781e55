"""Choosing k and weights by cross-validation: one search a fold beside GridSearchCV.

    python benchmarks/tuning.py                       # MNIST; minutes, nearly all scikit-learn's
    python benchmarks/tuning.py --part 2000 --rounds 1

Scores are compared before any time is printed: knnc's with each other to the last bit, with
scikit-learn's up to the few predictions that rows at the same distance decide.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from time import perf_counter
from typing import Any

import numpy as np
import sklearn.neighbors
from data import mnist
from sklearn.model_selection import GridSearchCV

import knnc
from knnc.neighbors.repeated import repeats

WEIGHTS = ["uniform", "distance"]
# Of all rows: as many predictions may differ from scikit-learn's, whose order of ties is open.
TIES = 0.001


def candidates(n_k: int) -> dict[str, Any]:
    return {"n_neighbors": list(range(1, n_k + 1)), "weights": WEIGHTS, "metric": ["euclidean"]}


def searches(n_k: int) -> dict[str, Callable[[], Any]]:
    """The ways to choose over the same folds, the fastest first."""
    grid = candidates(n_k)
    return {
        "knnc.KNeighborsClassifierCV": lambda: knnc.KNeighborsClassifierCV(
            **grid, cv=5, refit=False
        ),
        "GridSearchCV(knnc)": lambda: GridSearchCV(
            knnc.KNeighborsClassifier(), grid, cv=5, refit=False
        ),
        "GridSearchCV(scikit-learn)": lambda: GridSearchCV(
            sklearn.neighbors.KNeighborsClassifier(), grid, cv=5, refit=False
        ),
    }


def timed(search: Any, X: np.ndarray, y: np.ndarray) -> float:
    repeats.forget()
    began = perf_counter()
    search.fit(X, y)
    return perf_counter() - began


def check(scores: dict[str, np.ndarray]) -> None:
    """Raise if they do not agree."""
    first, second, theirs = scores.values()
    if not np.array_equal(first, second):
        raise SystemExit(f"The scores differ: {first} and {second}")
    off = np.abs(first - theirs).max()
    if off > TIES:
        raise SystemExit(f"Scores differ from scikit-learn's by up to {off:.4f}")
    print(
        f"scores: the same in both ways of knnc; {np.sum(first == theirs)} of {len(first)} are "
        f"scikit-learn's too, and no other is off by more than {off:.5f}"
    )


def beside_each_other(X: np.ndarray, y: np.ndarray, n_k: int, rounds: int) -> None:
    """All ways in turn, scikit-learn's once; the least time of each."""
    seconds: dict[str, list[float]] = {}
    scores: dict[str, np.ndarray] = {}
    for turn in range(rounds):
        for name, make in searches(n_k).items():
            if turn and "scikit-learn" in name:
                continue
            search = make()
            seconds.setdefault(name, []).append(timed(search, X, y))
            scores[name] = search.cv_results_["mean_test_score"]
    print(f"\n{len(X):,} rows of {X.shape[1]}, {n_k} k x {len(WEIGHTS)} weights x 5 folds")
    check(scores)
    slowest = min(seconds["GridSearchCV(scikit-learn)"])
    for name, times in seconds.items():
        print(f"{name:30} {min(times):9.2f} s   {slowest / min(times):8.1f} x")


def alone(X: np.ndarray, y: np.ndarray, n_k: int, rounds: int) -> None:
    """The search over folds, and leave-one-out, on all rows."""
    print(f"\n{len(X):,} rows of {X.shape[1]}, {n_k} k x {len(WEIGHTS)} weights")
    for name, cv in (("5 folds", 5), ("leave-one-out", None)):
        times = []
        for _ in range(rounds):
            search = knnc.KNeighborsClassifierCV(**candidates(n_k), cv=cv, refit=False)
            times.append(timed(search, X, y))
        print(
            f"{name:30} {min(times):9.2f} s   {search.best_params_['n_neighbors']} neighbours, "
            f"{search.best_params_['weights']}: {search.best_score_:.4f}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=60_000, help="of MNIST, for knnc alone")
    parser.add_argument("--part", type=int, default=5_000, help="rows for all ways side by side")
    parser.add_argument("--neighbors", type=int, default=25, help="candidates, from 1")
    parser.add_argument("--rounds", type=int, default=3, help="of which the least time counts")
    arguments = parser.parse_args()
    X, _, y = mnist()
    assert y is not None
    knnc.show_runtime()
    alone(X[: arguments.rows], y[: arguments.rows], arguments.neighbors, arguments.rounds)
    part = slice(arguments.part)
    beside_each_other(X[part], y[part], arguments.neighbors, arguments.rounds)


if __name__ == "__main__":
    main()
