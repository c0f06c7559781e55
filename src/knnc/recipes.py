"""Ways to read images, by name: each an ordinary estimator that can be imported and changed.

>>> from knnc.recipes import make_recipe
>>> make_recipe("plain", n_neighbors=3)
KNeighborsClassifier(metric='euclidean', n_neighbors=3)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from knnc import KNeighborsClassifier

__all__ = ["RECIPES", "make_recipe", "plain"]


def plain(
    *,
    n_neighbors: int = 5,
    weights: Any = "uniform",
    metric: Any = "euclidean",
    n_jobs: int | None = None,
) -> KNeighborsClassifier:
    """Nearest neighbours on the pixels as they are.

    Parameters
    ----------
    n_neighbors, weights, metric, n_jobs
        As :class:`knnc.KNeighborsClassifier` takes them.

    Returns
    -------
    estimator : KNeighborsClassifier
        Not yet fitted.
    """
    return KNeighborsClassifier(n_neighbors, weights=weights, metric=metric, n_jobs=n_jobs)


RECIPES: dict[str, Callable[..., Any]] = {"plain": plain}


def make_recipe(name: str, **params: Any) -> Any:
    """The unfitted estimator of the recipe called ``name``.

    Parameters
    ----------
    name : str
        One of the keys of ``RECIPES``.
    **params
        What to change in it: parameters that the recipe takes.

    Returns
    -------
    estimator : classifier

    Raises
    ------
    ValueError
        If there is no recipe of that name; the message lists the names there are.
    """
    if name not in RECIPES:
        raise ValueError(f"no recipe is called {name!r}: choose from {', '.join(sorted(RECIPES))}")
    return RECIPES[name](**params)
