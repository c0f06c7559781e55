"""Which search a fit got, and why: what :func:`knnc.show_runtime` says of an estimator."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from knnc.engine.encoding import Encoding
from knnc.neighbors.base import IntegerFitMixin
from knnc.neighbors.cross_validation import NeighborsCV
from knnc.neighbors.metrics import ENGINE_METRICS, FLOAT_METRICS

__all__ = ["chosen_search"]


def chosen_search(estimator: Any) -> dict[str, str]:
    """Say which engine a fitted estimator uses, how it scans the rows, and why.

    Parameters
    ----------
    estimator : object
        A fitted estimator of :mod:`knnc.neighbors`, a pipeline with one (of several, the last is
        described), or a search over parameters that has fitted one.

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
    found = _searching(estimator)
    if found is None:
        is_class = isinstance(estimator, type)
        got = f"the class {estimator.__name__}" if is_class else type(estimator).__name__
        raise TypeError(
            "estimator must be a fitted one of knnc.neighbors, a pipeline with one, or a search "
            f"over its parameters, got {got}."
        )
    check_is_fitted(found)
    search, why = _search_of(found)
    return {
        "estimator": type(found).__name__,
        "engine": found.engine_,
        "engine_reason": _why_this_engine(found) + _set_after_fit(found),
        "search": search,
        "search_reason": why,
    }


def _searching(estimator: Any) -> Any:
    """The estimator of knnc.neighbors in `estimator`, fitted or not; None if there is none."""
    if isinstance(estimator, IntegerFitMixin):
        return estimator
    if hasattr(estimator, "best_estimator_"):
        return _searching(estimator.best_estimator_)
    is_search = hasattr(estimator, "refit") and hasattr(estimator, "estimator")
    if isinstance(estimator, NeighborsCV) or (is_search and _searching(estimator.estimator)):
        name = type(estimator).__name__
        if hasattr(estimator, "cv_results_"):
            raise NotFittedError(f"This {name} has no best estimator: it was fitted without refit.")
        raise NotFittedError(f"This {name} is not fitted yet: call fit first.")
    steps = (_searching(step) for _, step in reversed(getattr(estimator, "steps", [])))
    return next((found for found in steps if found is not None), None)


def _set_after_fit(estimator: Any) -> str:
    """A clause about a metric that was set after the fit; empty if it is the one of the fit."""
    now = estimator._metric_of_parameters()
    fitted = FLOAT_METRICS.get(estimator.effective_metric_)
    if (now and now.name) == (fitted and fitted.name):
        return ""
    return f"; metric={estimator.metric!r}, set after the fit, counts from the next fit"


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
        algorithm = vars(estimator).get("_fit_algorithm", estimator.algorithm)
        how = estimator._fit_method
        if how == algorithm:
            return how, f"algorithm={how!r}"
        return how, f"scikit-learn's choice for algorithm={algorithm!r}"
    k = getattr(estimator, "n_neighbors", None)
    index = estimator._lazy_index.get(estimator._n_threads())
    scan: tuple[str, str] = index.scan(int(k) if isinstance(k, Integral) else None)
    return scan
