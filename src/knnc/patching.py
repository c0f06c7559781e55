"""scikit-learn's neighbours replaced by knnc's in the running process."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from types import ModuleType
from typing import Any

import sklearn.neighbors

import knnc.neighbors
from knnc import _compat

__all__ = ["patch_sklearn", "unpatch_sklearn"]

_NAMES = (
    "KNeighborsClassifier",
    "KNeighborsRegressor",
    "KNeighborsTransformer",
    "LocalOutlierFactor",
    "NearestNeighbors",
    "RadiusNeighborsClassifier",
    "RadiusNeighborsRegressor",
    "RadiusNeighborsTransformer",
    "kneighbors_graph",
    "radius_neighbors_graph",
)
# What stood in `sklearn.neighbors` when each name was replaced.
_before: dict[str, Any] = {}
# Modules that held such an object: module, global name, name in `sklearn.neighbors`.
_replaced: list[tuple[ModuleType, str, str]] = []


def patch_sklearn(name: str | Iterable[str] | None = None) -> None:
    """Put knnc's neighbours in the place of scikit-learn's, in this process.

    Afterwards ``from sklearn.neighbors import KNeighborsClassifier`` imports knnc's class.
    scikit-learn's own TSNE, DBSCAN, OPTICS, Isomap, SpectralClustering and others search with knnc,
    and so do packages such as imbalanced-learn. Modules that are imported already are patched too.

    Parameters
    ----------
    name : str, iterable of str or None, default=None
        The names to replace. Both :mod:`knnc.neighbors` and :mod:`sklearn.neighbors` must have
        them. None replaces all such names.

    Raises
    ------
    ValueError
        If knnc has no replacement for a name.

    See Also
    --------
    unpatch_sklearn : The way back.

    Notes
    -----
    Not patched: the modules of :mod:`sklearn.neighbors` that define the classes, classes that
    derive from them, objects that exist already, default arguments, and other processes.
    `KNNImputer`, `NearestCentroid` and the trees have code of their own and stay as they are. An
    object of scikit-learn's class is not an instance of the class that replaces it.

    Examples
    --------
    >>> import knnc
    >>> knnc.patch_sklearn()
    >>> from sklearn.neighbors import NearestNeighbors
    >>> NearestNeighbors is knnc.NearestNeighbors
    True
    >>> knnc.unpatch_sklearn()
    """
    for known in _checked(name):
        ours = getattr(knnc.neighbors, known)
        there = getattr(sklearn.neighbors, known)
        if there is ours:
            continue
        _before[known] = there
        for module, attribute in _holders(there, _compat.STOCK[known]):
            _replaced.append((module, attribute, known))
            vars(module)[attribute] = ours


def unpatch_sklearn(name: str | Iterable[str] | None = None) -> None:
    """Put back what :func:`patch_sklearn` has replaced.

    Parameters
    ----------
    name : str, iterable of str or None, default=None
        As for :func:`patch_sklearn`.

    Raises
    ------
    ValueError
        As for :func:`patch_sklearn`.

    Notes
    -----
    scikit-learn's own classes are also put back into modules of scikit-learn that were imported
    after the patch. Other modules that were imported after it keep knnc's classes.
    """
    for known in _checked(name):
        if known not in _before:
            continue
        ours, there = getattr(knnc.neighbors, known), _before.pop(known)
        for module, attribute, replaced in _replaced:
            if replaced == known and vars(module).get(attribute) is ours:
                vars(module)[attribute] = there
        _replaced[:] = [entry for entry in _replaced if entry[2] != known]
        for module, attribute in _holders(ours):
            if module.__name__.startswith("sklearn."):
                vars(module)[attribute] = there


def _checked(name: str | Iterable[str] | None) -> list[str]:
    if name is None:
        return list(_NAMES)
    names = [name] if isinstance(name, str) else list(name)
    for wanted in names:
        if wanted not in _NAMES:
            raise ValueError(f"knnc cannot replace {wanted!r}; it replaces {', '.join(_NAMES)}.")
    return names


def _holders(*held: object) -> Iterator[tuple[ModuleType, str]]:
    """Modules with a global name for one of these objects, but for those that define them."""
    modules: list[Any] = list(sys.modules.values())
    for module in modules:
        if not isinstance(module, ModuleType) or _defines(module.__name__):
            continue
        for attribute, value in list(vars(module).items()):
            if any(value is one for one in held):
                yield module, attribute


def _defines(module: str) -> bool:
    return module.split(".")[0] == "knnc" or module.startswith("sklearn.neighbors._")
