"""Which search a fit got, and why: what :func:`knnc.show_runtime` says of an estimator."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from knnc.engine.encoding import Encoding
from knnc.neighbors.base import IntegerFitMixin
from knnc.neighbors.metrics import ENGINE_METRICS

__all__ = ["chosen_search"]


def chosen_search(estimator: Any) -> dict[str, str]:
    """Say which engine serves a fitted estimator, how it scans the rows, and why.

    Parameters
    ----------
    estimator : object
        One of :mod:`knnc.neighbors`, a pipeline that ends in one, or a search over parameters that
        has fitted one.

    Returns
    -------
    chosen : dict
        ``estimator`` (its class), ``engine`` and ``engine_reason``, ``search`` and
        ``search_reason``.

    Raises
    ------
    TypeError
        If `estimator` is something else.
    NotFittedError
        If it is not fitted.
    """
    if hasattr(estimator, "best_estimator_"):
        return chosen_search(estimator.best_estimator_)
    if hasattr(estimator, "steps"):
        return chosen_search(estimator.steps[-1][1])
    if not isinstance(estimator, IntegerFitMixin):
        raise TypeError(
            "estimator must be one of knnc.neighbors, or a pipeline that ends in one, got "
            f"{type(estimator).__name__}."
        )
    check_is_fitted(estimator)
    search, why = _search_of(estimator)
    return {
        "estimator": type(estimator).__name__,
        "engine": estimator.engine_,
        "engine_reason": _why_this_engine(estimator),
        "search": search,
        "search_reason": why,
    }


def _why_this_engine(estimator: Any) -> str:
    if estimator.engine_ == "integer":
        return _what_bytes_are(estimator._encoding)
    if estimator.engine_ == "sklearn":
        reason: str = vars(estimator).get("_engine_reason", "fitted by an earlier version of knnc")
        return reason
    metric = estimator.effective_metric_
    if metric not in ENGINE_METRICS:
        return f"metric={metric!r} is computed in float64"
    return "some values of X are neither whole numbers from 0 to 255 nor these divided by 255"


def _what_bytes_are(encoding: Encoding) -> str:
    if encoding.divisor != 1:
        return f"all values of X are whole numbers from 0 to 255, divided by {encoding.divisor}"
    if encoding.dtype in (np.uint8, np.int8, np.bool_):
        return f"X is {encoding.dtype}"
    return "all values of X are whole numbers from 0 to 255"


def _search_of(estimator: Any) -> tuple[str, str]:
    if estimator.engine_ == "sklearn":
        how = estimator._fit_method
        if how == estimator.algorithm:
            return how, f"algorithm={how!r}"
        return how, f"scikit-learn's choice for algorithm={estimator.algorithm!r}"
    scan: tuple[str, str] = estimator._lazy_index.get(estimator._n_threads()).scan()
    return scan
