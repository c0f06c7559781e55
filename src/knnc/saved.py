"""Fitted estimators in files that hold no code: see :mod:`knnc.engine.archive`.

What a file says of an estimator is a kind and a tree of values. A kind is one of a fixed list of
classes, whose trees are written and read by :mod:`knnc.neighbors.saved` and
:mod:`knnc.image.saved`; here are those that hold other estimators. Nothing that a file says is
imported or called.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.utils import Bunch
from sklearn.utils.validation import check_is_fitted

from knnc.engine.archive import read_archive, write_archive
from knnc.engine.index import Index
from knnc.engine.state import part_of
from knnc.engine.system.threads import effective_n_threads
from knnc.neighbors import saved as neighbors_saved

__all__ = ["load", "save"]

# Of those that hold others: the parameter that lists them.
_LISTS = {
    "Pipeline": "steps",
    "FeatureUnion": "transformer_list",
    "VotingClassifier": "estimators",
}


def save(estimator: Any, path: str | os.PathLike[str]) -> None:
    """Save a fitted estimator, with all that its fit has made ready, in a file without code.

    Parameters
    ----------
    estimator : estimator or Index
        A fitted classifier, regressor, transformer or `NearestNeighbors` of this package (not the
        ones that tune) whose `engine_` is "integer"; a transformer of images or a
        `DistortionKNeighborsClassifier`; a `Pipeline`, `FeatureUnion` or `VotingClassifier` of
        these, as :mod:`knnc.recipes` makes them, with scikit-learn's defaults for what else they
        take; or an :class:`knnc.engine.index.Index`.
    path : str or path-like
        What was there before stays until the new file is complete and on the disk.

    Raises
    ------
    TypeError
        If a file cannot hold the estimator: one of another class, one that scikit-learn's search
        serves, or with a parameter that is a function. `weights` may be a
        :class:`knnc.image.SoftWeights`, which has a name in the file.
    NotFittedError
        If it is not fitted.
    OSError
        If the file cannot be written.

    See Also
    --------
    load : Open it again.

    Notes
    -----
    The rows are written as they are, and as they are packed or coded for this machine's CPU: about
    twice the bytes of the rows. What :class:`knnc.image.DistortionKNeighborsClassifier` makes of
    its images is not in the file: its first search makes it again. The format, documented in
    :mod:`knnc.engine.archive`, is fixed by its version number; files of this version are read by
    all later versions of knnc.

    Examples
    --------
    >>> import os, tempfile
    >>> import numpy as np, knnc
    >>> X = np.arange(40, dtype=np.uint8).reshape(20, 2)
    >>> clf = knnc.KNeighborsClassifier(n_neighbors=1).fit(X, np.arange(20) % 3)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "digits.knnc")
    ...     knnc.save(clf, path)
    ...     knnc.load(path, mmap=False).predict(X[:4])
    array([0, 1, 2, 0])
    """
    kind, tree = _described(estimator)
    write_archive(path, kind, tree)


def load(path: str | os.PathLike[str], *, mmap: bool = True, verify: bool | None = None) -> Any:
    """Open a file that :func:`save` has written.

    Parameters
    ----------
    path : str or path-like
    mmap : bool, default=True
        Map the file into memory, read-only: it is open in milliseconds, what is read of it is
        shared by all processes that have it open, and the system may drop it when memory is short.
        False reads it into memory.
    verify : bool or None, default=None
        Whether to compare the checksums of all of it, which reads all of it. None does so unless
        `mmap`. What describes the contents, and every array up to 1 MiB, is checked anyhow.

    Returns
    -------
    estimator : estimator or Index
        As it was saved: it gives the same answers, and its search has nothing to make ready. On a
        machine whose CPU has other instructions, rows are packed anew from the saved ones.

    Raises
    ------
    ValueError
        If it is another kind of file, of a later version, truncated, damaged, or was made up: a
        file holds no code to run, and nothing in it makes a search read memory that is not its own.
    OSError
        If it cannot be read.

    Warns
    -----
    InconsistentVersionWarning
        If it was saved with another version of scikit-learn.

    Notes
    -----
    A file that is mapped must not be changed in place. `save` never does that: whoever has the old
    one open keeps it. Windows replaces no file that is mapped: there `save` to its name is a
    PermissionError until it is let go of, or was loaded with ``mmap=False``.
    """
    kind, tree = read_archive(path, map_it=mmap, verify=not mmap if verify is None else verify)
    try:
        return _restored(kind, tree)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{os.fspath(path)} is not a file that this version of knnc can load: {error}."
        ) from error


def _described(estimator: Any) -> tuple[str, dict[str, Any]]:
    """The kind of an estimator and the tree of values that it can be restored from."""
    cls, name = type(estimator), type(estimator).__name__
    if cls is Index:
        return "Index", {"index": estimator.state()}
    if neighbors_saved.CLASSES.get(name) is cls:
        tree = neighbors_saved.tree_of(estimator)
        if callable(tree["attributes"].get("weights")):
            weights = _image_saved().weights_tree(estimator.weights)
            tree["attributes"] = {**tree["attributes"], "weights": weights}
        return name, tree
    if _image_saved().CLASSES.get(name) is cls:
        return name, _image_saved().tree_of(estimator, _node)
    if name in _LISTS and _groups()[name] is cls:
        return name, _described_group(estimator)
    known = sorted([*neighbors_saved.CLASSES, *_image_saved().CLASSES, *_LISTS])
    raise TypeError(
        f"knnc.save takes a fitted {', '.join(known)} or an Index, not {name}; pickle and joblib "
        "save any estimator."
    )


def _restored(kind: str, tree: Mapping[str, Any]) -> Any:
    """The estimator; a TypeError or ValueError if the tree describes none of that kind."""
    if kind == "Index":
        return Index.restored(part_of(tree, "index"), n_threads=effective_n_threads(None))
    if kind in neighbors_saved.CLASSES:
        attributes = dict(part_of(tree, "attributes"))
        if isinstance(attributes.get("weights"), dict):
            attributes["weights"] = _image_saved().restored_weights(attributes["weights"])
        return neighbors_saved.restored(
            neighbors_saved.CLASSES[kind], {**tree, "attributes": attributes}
        )
    if kind in _LISTS:
        return _restored_group(kind, tree)
    if kind in _image_saved().CLASSES:
        return _image_saved().restored(_image_saved().CLASSES[kind], tree, _of_node)
    raise ValueError(f"it holds a {kind!r}")


def _image_saved() -> Any:
    """Imported only where images are: an estimator of rows is open before that."""
    from knnc.image import saved

    return saved


@cache
def _groups() -> dict[str, type]:
    """The classes that hold others, by name."""
    from sklearn.ensemble import VotingClassifier
    from sklearn.pipeline import FeatureUnion, Pipeline

    return {cls.__name__: cls for cls in (Pipeline, FeatureUnion, VotingClassifier)}


def _node(estimator: Any) -> dict[str, Any]:
    kind, tree = _described(estimator)
    return {"kind": kind, "tree": tree}


def _of_node(node: Any) -> Any:
    if not isinstance(node, dict) or not isinstance(node.get("kind"), str):
        raise ValueError("a part of it is no estimator")
    return _restored(node["kind"], part_of(node, "tree"))


# ---- estimators that hold others


def _described_group(group: Any) -> dict[str, Any]:
    params = group.get_params(deep=False)
    named = params.pop(_LISTS[type(group).__name__])
    tree: dict[str, Any] = {}
    if hasattr(group, "voting"):
        check_is_fitted(group)
        named = zip((name for name, _ in named), group.estimators_, strict=True)
        tree = {"voting": params.pop("voting"), "classes": group.classes_}
    usual = type(group)([]).get_params(deep=False)
    changed = sorted(key for key, value in params.items() if repr(value) != repr(usual[key]))
    if changed:
        raise TypeError(f"knnc.save takes a {type(group).__name__} with the default {changed[0]}.")
    return {**tree, "parts": [[name, _node(part)] for name, part in named]}


def _restored_group(kind: str, tree: Mapping[str, Any]) -> Any:
    entries = tree.get("parts")
    if not isinstance(entries, list) or not entries:
        raise ValueError("it lists no estimators")
    if not all(isinstance(pair, list) and len(pair) == 2 for pair in entries):
        raise ValueError("it does not name its estimators")
    names = [name for name, _ in entries]
    if not all(type(name) is str for name in names) or len(set(names)) != len(names):
        raise ValueError("it does not name its estimators, each otherwise")
    parts = [_of_node(node) for _, node in entries]
    if kind == "VotingClassifier":
        return _restored_vote(names, parts, tree)
    last = parts[-1:] if kind == "Pipeline" else []
    if not all(hasattr(part, "transform") or part in last for part in parts):
        raise ValueError("it has a step that does not transform")
    return _groups()[kind](list(zip(names, parts, strict=True)))


def _restored_vote(names: list[str], parts: list[Any], tree: Mapping[str, Any]) -> Any:
    from sklearn.preprocessing import LabelEncoder

    voting, classes = tree.get("voting"), tree.get("classes")
    if voting not in ("hard", "soft") or not isinstance(classes, np.ndarray) or classes.ndim != 1:
        raise ValueError("it does not say what is voted on")
    codes = np.arange(len(classes))
    if not all(np.array_equal(getattr(part, "classes_", ()), codes) for part in parts):
        raise ValueError("its voters know other classes")
    unfitted = [(name, clone(part)) for name, part in zip(names, parts, strict=True)]
    group: Any = _groups()["VotingClassifier"](unfitted, voting=voting)
    group.estimators_ = parts
    group.named_estimators_ = Bunch(**dict(zip(names, parts, strict=True)))
    group.le_ = LabelEncoder()
    group.le_.classes_ = group.classes_ = classes
    return group
