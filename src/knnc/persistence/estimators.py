"""`knnc.save` and `knnc.load`: the kind of an estimator and its tree of values, and back."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

from knnc.engine.fields import part_of
from knnc.engine.index import Index
from knnc.engine.system.threads import effective_n_threads
from knnc.persistence.archive import read_archive, write_archive

__all__ = ["load", "save"]

# Each has the classes that it knows, by name, and `tree_of` and `restored` for them. Listed in the
# order of what they import: an estimator of rows opens before modules of images are imported.
_MODULES = ("neighbors", "image", "groups")


def save(estimator: Any, path: str | os.PathLike[str]) -> None:
    """Save a fitted estimator, with its packed rows and codes, in a file without code.

    Parameters
    ----------
    estimator : estimator or Index
        One of these, fitted: a classifier, regressor, transformer or `NearestNeighbors` of this
        package whose `engine_` is "integer" or "float" (but not the classes that end in "CV"); a
        transformer of images or a `DistortionKNeighborsClassifier`; a `Pipeline`, `FeatureUnion`
        or `VotingClassifier` of these, as :mod:`knnc.recipes` makes them, with scikit-learn's
        defaults for all other parameters; or an :class:`knnc.engine.index.Index`.
    path : str or path-like
        The file. An older file of that name stays until the new one is complete and on the disk.

    Raises
    ------
    TypeError
        If a file cannot hold the estimator: it is of another class, it uses scikit-learn's search,
        or a parameter is a function. `weights` may be a :class:`knnc.image.SoftWeights`, which has
        a name in the file.
    ValueError
        If it has more strings, or more outputs, than a file may hold: 64 MiB, or about 30,000.
    NotFittedError
        If it is not fitted.
    OSError
        If the file cannot be written.

    See Also
    --------
    load : Open it again.

    Notes
    -----
    The file has the rows as they are, and as they are packed or coded for the CPU of this machine.
    For rows of bytes, this takes about twice their bytes. The file has codes of floats if searches
    have made them. The tree over floats of few features is made again when the file is opened. The
    file does not have what :class:`knnc.image.DistortionKNeighborsClassifier` makes of its images;
    the first search makes it again. :mod:`knnc.persistence.archive` documents the format, which has
    a version number. All later versions of knnc read files of this version.

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
        Whether to map the file into memory, read-only. Opening then takes milliseconds. All
        processes that have the file open share its memory, which the system may free when memory is
        short. False reads the file into memory.
    verify : bool or None, default=None
        Whether to compare all checksums, which reads the whole file. None compares them if `mmap`
        is False. The header and every array up to 1 MiB are always checked.

    Returns
    -------
    estimator : estimator or Index
        The estimator as it was saved. It gives the same answers, and is ready to search. On a
        machine whose CPU has other instructions, the rows are packed again.

    Raises
    ------
    ValueError
        If it is another kind of file, of a later version, truncated, damaged or forged. A file
        holds no code, and nothing in it makes a search read memory outside of its arrays.
    OSError
        If it cannot be read.

    Warns
    -----
    InconsistentVersionWarning
        If it was saved with another version of scikit-learn.

    Notes
    -----
    A mapped file must not be changed in place. If it is made shorter, the next search that reads
    the missing part ends the process with SIGBUS, which Python cannot turn into an exception. To
    change a file, replace it: write another one and rename it over the old one, as `save` does.
    Processes that have the old file open keep it. Use ``mmap=False`` for a file that other programs
    may rewrite. On Windows a mapped file cannot be replaced: `save` to its name raises a
    PermissionError until the estimator that was loaded from it is deleted.
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
    for module in _modules():
        if module.CLASSES.get(name) is cls:
            return name, module.tree_of(estimator, _node)
    known = sorted(kind for module in _modules() for kind in module.CLASSES)
    raise TypeError(
        f"knnc.save takes a fitted {', '.join(known)} or an Index, not {name}; pickle and joblib "
        "save any estimator."
    )


def _restored(kind: str, tree: Mapping[str, Any]) -> Any:
    """The estimator; a TypeError or ValueError if the tree describes none of that kind."""
    if kind == "Index":
        return Index.restored(part_of(tree, "index"), n_threads=effective_n_threads(None))
    for module in _modules():
        if kind in module.CLASSES:
            return module.restored(module.CLASSES[kind], tree, _of_node)
    raise ValueError(f"it holds a {kind[:40]!r}")


def _modules() -> Iterator[Any]:
    """Those of `_MODULES`, each imported when the ones before it did not know the class."""
    for name in _MODULES:
        yield import_module(f"knnc.persistence.{name}")


def _node(estimator: Any) -> dict[str, Any]:
    """An estimator inside of another, as a part of its tree."""
    kind, tree = _described(estimator)
    return {"kind": kind, "tree": tree}


def _of_node(node: Any) -> Any:
    """The estimator that a part of a tree describes."""
    if not isinstance(node, dict) or not isinstance(node.get("kind"), str):
        raise ValueError("a part of it is not an estimator")
    return _restored(node["kind"], part_of(node, "tree"))
