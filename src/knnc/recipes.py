"""Classifiers of images, by name: each is an ordinary estimator that you can import and change.

>>> from knnc.recipes import make_recipe
>>> make_recipe("plain", n_neighbors=3)
KNeighborsClassifier(metric='euclidean', n_neighbors=3)

The settings of the recipes that learn a map were chosen on training images alone.
``benchmarks/recipes_search.py`` has those that were tried, and ``docs/guide.md`` the errors of the
recipes.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from sklearn.ensemble import VotingClassifier
from sklearn.pipeline import Pipeline, make_pipeline, make_union

from knnc import KNeighborsClassifier
from knnc.image import (
    HOG,
    Blur,
    Deskew,
    DistortionKNeighborsClassifier,
    LocalDiscriminant,
    SoftWeights,
    Stretch,
)

__all__ = ["RECIPES", "accurate", "clothes", "fast", "make_recipe", "plain"]

_SOFT_02 = SoftWeights(0.2)
# Cells of HOG as parts of the image's side: 4 and 7 pixels of 28.
_CELLS = (1 / 7, 1 / 4)


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


def fast(
    *,
    n_neighbors: int = 5,
    weights: Any = _SOFT_02,
    n_components: int = 60,
    n_jobs: int | None = None,
) -> Pipeline:
    """Handwriting: neighbours by the directions of edges, on digits made upright.

    A linear map, learnt from the labels, turns histograms of these directions into a few bytes.

    Parameters
    ----------
    n_neighbors, weights, n_jobs
        As :class:`knnc.KNeighborsClassifier` takes them; the distance is squared Euclidean.
    n_components : int, default=60
        Bytes of each mapped image, as :class:`knnc.image.LocalDiscriminant` takes it.

    Returns
    -------
    estimator : Pipeline
        Not yet fitted.
    """
    return make_pipeline(
        Stretch(),
        Deskew(),
        HOG(_CELLS, n_jobs=n_jobs),
        LocalDiscriminant(n_components, n_jobs=n_jobs),
        KNeighborsClassifier(n_neighbors, weights=weights, metric="sqeuclidean", n_jobs=n_jobs),
    )


def accurate(
    *,
    n_neighbors: int = 5,
    weights: Any = _SOFT_02,
    n_candidates: int = 100,
    n_jobs: int | None = None,
) -> VotingClassifier:
    """Handwriting: three classifiers vote.

    Two of them find the nearest images by the bytes of :func:`fast`, and compare their strokes by
    the image distortion model. The first compares digits made upright, the second digits as they
    are drawn. The third is :func:`fast`.

    Parameters
    ----------
    n_neighbors, weights, n_candidates, n_jobs
        For the first two, as :class:`knnc.image.DistortionKNeighborsClassifier` takes them.

    Returns
    -------
    estimator : VotingClassifier
        Not yet fitted.
    """

    def strokes(*first: Any) -> DistortionKNeighborsClassifier:
        mapped = (HOG(_CELLS, n_jobs=n_jobs), LocalDiscriminant(60, n_jobs=n_jobs))
        return DistortionKNeighborsClassifier(
            n_neighbors,
            weights=weights,
            n_candidates=n_candidates,
            features=make_pipeline(*first, *mapped),
            n_jobs=n_jobs,
        )

    readers = [
        ("upright", make_pipeline(Stretch(), Deskew(), strokes())),
        ("drawn", make_pipeline(Stretch(), strokes(Deskew()))),
        ("mapped", fast(n_jobs=n_jobs)),
    ]
    return VotingClassifier(readers, voting="soft")


def clothes(
    *,
    n_neighbors: int = 20,
    weights: Any = _SOFT_02,
    n_candidates: int = 200,
    n_components: int = 100,
    n_jobs: int | None = None,
) -> Pipeline:
    """Pictures of things, such as Fashion-MNIST: neighbours by edges and brightness.

    A linear map, learnt from the labels, turns edges and brightness into a few bytes. The nearest
    images are then sorted by a sum of two distances: the distance of these bytes, and a small part
    of the distance of the image distortion model. In the latter, faint edges count too. Mirrored
    training images are searched as well.

    Parameters
    ----------
    n_neighbors, weights, n_candidates, n_jobs
        As :class:`knnc.image.DistortionKNeighborsClassifier` takes them.
    n_components : int, default=100
        Bytes of each mapped image, as :class:`knnc.image.LocalDiscriminant` takes it.

    Returns
    -------
    estimator : Pipeline
        Not yet fitted.
    """
    features = make_pipeline(
        make_union(HOG((1 / 7, 0.18, 1 / 4), n_jobs=n_jobs), Blur(1.0, step=2)),
        LocalDiscriminant(n_components, n_jobs=n_jobs),
    )
    edges = DistortionKNeighborsClassifier(
        n_neighbors,
        weights=weights,
        n_candidates=n_candidates,
        features=features,
        distance={"features": 1.0, "idm": 0.0035},
        warp=1,
        gradients="root",
        mirrored=True,
        n_jobs=n_jobs,
    )
    return make_pipeline(Stretch(), edges)


RECIPES: dict[str, Callable[..., Any]] = {
    "plain": plain,
    "fast": fast,
    "accurate": accurate,
    "clothes": clothes,
}


def make_recipe(name: str, **params: Any) -> Any:
    """The unfitted estimator of the recipe called ``name``.

    Parameters
    ----------
    name : str
        One of the keys of ``RECIPES``.
    **params
        Parameters of the recipe that you want to change.

    Returns
    -------
    estimator : classifier

    Raises
    ------
    ValueError
        If there is no recipe of that name; the message lists the names there are. Also if the
        recipe does not take a parameter.
    """
    if name not in RECIPES:
        raise ValueError(f"no recipe is called {name!r}: choose from {', '.join(sorted(RECIPES))}")
    known = inspect.signature(RECIPES[name]).parameters
    for param in params:
        if param not in known:
            raise ValueError(f"recipe {name!r} takes no {param}, but {', '.join(known)}")
    return RECIPES[name](**params)
