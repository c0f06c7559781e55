"""Fitted estimators in files that hold no code: see :mod:`knnc.engine.archive`."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import InconsistentVersionWarning
from sklearn.utils import get_tags
from sklearn.utils.validation import check_is_fitted

from knnc import _compat
from knnc._version import __version__
from knnc.engine.archive import read_archive, write_archive
from knnc.engine.index import Index
from knnc.engine.narrow import Encoding
from knnc.engine.state import count_of, part_of
from knnc.engine.threads import effective_n_threads
from knnc.neighbors import metrics
from knnc.neighbors.base import IntegerFitMixin
from knnc.neighbors.classification import KNeighborsClassifier
from knnc.neighbors.graph import KNeighborsTransformer, RadiusNeighborsTransformer
from knnc.neighbors.radius import RadiusNeighborsClassifier, RadiusNeighborsRegressor
from knnc.neighbors.regression import KNeighborsRegressor
from knnc.neighbors.unsupervised import NearestNeighbors

__all__ = ["load", "save"]

_CLASSES: dict[str, type[IntegerFitMixin]] = {
    cls.__name__: cls
    for cls in (
        KNeighborsClassifier,
        KNeighborsRegressor,
        KNeighborsTransformer,
        NearestNeighbors,
        RadiusNeighborsClassifier,
        RadiusNeighborsRegressor,
        RadiusNeighborsTransformer,
    )
}
# What fit sets beside the rows; of these, what is an array of one entry a row.
_FITTED = {
    "_n_features_out",
    "_y",
    "classes_",
    "effective_metric_",
    "effective_metric_params_",
    "feature_names_in_",
    "outlier_label_",
    "outputs_2d_",
}
# What follows from the rows and from engine_ "integer".
_IMPLIED = {
    "_encoding",
    "_fit_X",
    "_fit_method",
    "_lazy_index",
    "_tree",
    "engine_",
    "n_features_in_",
    "n_samples_fit_",
}


def save(estimator: Any, path: str | os.PathLike[str]) -> None:
    """Save a fitted estimator, with all that its fit has made ready, in a file without code.

    Parameters
    ----------
    estimator : estimator or Index
        A fitted classifier, regressor, transformer or `NearestNeighbors` of this package (not the
        ones that tune, nor those of images) whose `engine_` is "integer"; or an
        :class:`knnc.engine.index.Index`.
    path : str or path-like
        What was there before stays until the new file is complete and on the disk.

    Raises
    ------
    TypeError
        If a file cannot hold the estimator: one of another class, one that scikit-learn's search
        serves, or with a parameter that is a function.
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
    twice the bytes of the rows. The format, documented in :mod:`knnc.engine.archive`, is fixed by
    its version number; files of this version are read by all later versions of knnc.

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
    if isinstance(estimator, Index):
        write_archive(path, "Index", {"index": estimator.state()})
        return
    name = type(estimator).__name__
    if _CLASSES.get(name) is not type(estimator):
        raise TypeError(
            f"knnc.save takes a fitted {', '.join(sorted(_CLASSES))} of knnc or an Index, not "
            f"{name}; pickle and joblib save any estimator."
        )
    check_is_fitted(estimator)
    if estimator.engine_ != "integer":
        raise TypeError(
            f"This {name} is served by scikit-learn's search (engine_ is 'sklearn'), which has "
            "nothing to save but the rows; pickle and joblib do that."
        )
    attributes = {key: value for key, value in vars(estimator).items() if key not in _IMPLIED}
    unknown = set(attributes) - _FITTED - set(vars(type(estimator)()))
    if unknown:
        raise TypeError(f"knnc.save does not know the attributes {sorted(unknown)}.")
    encoding = estimator._encoding
    index = estimator._lazy_index.get(effective_n_threads(estimator.n_jobs))
    tree = {
        "versions": [__version__, _compat.SKLEARN_VERSION],
        "attributes": attributes,
        "encoding": {
            "dtype": encoding.dtype.str,
            "offset": encoding.offset,
            "divisor": encoding.divisor,
            "multiplied": encoding.multiplied,
        },
        "index": index.state(),
    }
    write_archive(path, name, tree)


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
        As it was saved: it gives the same answers, and no search has anything to make ready. On a
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
    one open keeps it.
    """
    kind, tree = read_archive(path, map_it=mmap, verify=not mmap if verify is None else verify)
    try:
        if kind == "Index":
            return Index.restored(part_of(tree, "index"), n_threads=effective_n_threads(None))
        if kind not in _CLASSES:
            raise ValueError(f"it holds a {kind!r}")
        return _restored(_CLASSES[kind], tree)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{os.fspath(path)} is not a file that this version of knnc can load: {error}."
        ) from error


def _restored(cls: type[IntegerFitMixin], tree: Mapping[str, Any]) -> IntegerFitMixin:
    attributes = part_of(tree, "attributes")
    estimator = cls()
    names = set(vars(estimator))
    if not names <= set(attributes) <= names | _FITTED:
        raise ValueError("its attributes are not those of its class")
    estimator.__dict__.update(attributes)
    estimator._validate_params()
    index = Index.restored(part_of(tree, "index"), n_threads=effective_n_threads(estimator.n_jobs))
    rows = index._rows
    metric = metrics.ENGINE_METRICS.get(attributes.get("effective_metric_", ""))
    if metric is None or metric.engine != index.metric:
        raise ValueError("its metric is not that of its rows")
    if attributes.get("effective_metric_params_") != {}:
        raise ValueError("its metric has parameters")
    _check_fitted(estimator, *rows.shape)
    estimator._fit_X = rows
    estimator._tree = None
    estimator._fit_method = "brute"
    estimator.n_samples_fit_, estimator.n_features_in_ = rows.shape
    estimator._encoding = _encoding(part_of(tree, "encoding"))
    estimator.engine_ = "integer"
    estimator._attach_index(index)
    _warn_of_versions(cls.__name__, tree.get("versions"))
    return estimator


def _encoding(saved: Mapping[str, Any]) -> Encoding:
    text = saved.get("dtype")
    if not isinstance(text, str) or len(text) > 4:
        raise ValueError("its encoding has no dtype")
    dtype = np.dtype(text)
    encoding = Encoding(
        dtype,
        count_of(saved, "offset", 0, 128),
        count_of(saved, "divisor", 1, 255),
        saved.get("multiplied") is True,
    )
    if encoding.divisor == 255:
        is_known = encoding.offset == 0 and dtype in (np.float32, np.float64)
    else:
        is_known = encoding.divisor == 1 and not encoding.multiplied and dtype.kind in "biuf"
        is_known = is_known and encoding.offset == (128 if dtype == np.int8 else 0)
    if not is_known:
        raise ValueError("its encoding is unknown")
    return encoding


def _check_fitted(estimator: Any, n_rows: int, n_features: int) -> None:
    """What fit has set besides the rows is of the form that predictions take for granted."""
    has = vars(estimator)
    names = has.get("feature_names_in_")
    if "feature_names_in_" in has and not (
        isinstance(names, np.ndarray) and names.dtype == object and names.shape == (n_features,)
    ):
        raise ValueError("its feature names are not one for each feature")
    if has.get("_n_features_out", n_rows) != n_rows:
        raise ValueError("its number of output features is wrong")
    if not get_tags(estimator).target_tags.required:
        return
    y = has.get("_y")
    if not isinstance(y, np.ndarray) or y.ndim not in (1, 2) or len(y) != n_rows:
        raise ValueError("its targets are not one for each row")
    if "classes_" in has or "outputs_2d_" in has:
        _check_classes(has, y)
    elif y.dtype.kind not in "biuf":
        raise ValueError("its targets are no numbers")


def _check_classes(has: Mapping[str, Any], y: NDArray[Any]) -> None:
    classes, several = has.get("classes_"), has.get("outputs_2d_")
    outputs = classes if several is True else [classes]
    codes = y if several is True else y[:, np.newaxis]
    if type(several) is not bool or not isinstance(outputs, list) or y.dtype.kind != "i":
        raise ValueError("its labels are no codes of classes")
    if codes.ndim != 2 or codes.shape[1] != len(outputs):
        raise ValueError("its labels are of another number of outputs than its classes")
    for names, column in zip(outputs, codes.T, strict=True):
        if not isinstance(names, np.ndarray) or names.ndim != 1:
            raise ValueError("its classes are no array")
        if column.min() < 0 or column.max() >= len(names):
            raise ValueError("a label is of no class")


def _warn_of_versions(name: str, versions: Any) -> None:
    if not isinstance(versions, list) or len(versions) != 2:
        raise ValueError("it does not say what wrote it")
    if versions[1] != _compat.SKLEARN_VERSION:
        warnings.warn(
            InconsistentVersionWarning(
                estimator_name=name,
                current_sklearn_version=_compat.SKLEARN_VERSION,
                original_sklearn_version=str(versions[1]),
            ),
            stacklevel=4,
        )
