"""The engine's metric for the parameters of an estimator. The metrics themselves are a table,
:mod:`knnc.engine.metrics`."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real
from typing import Any

from knnc.engine.metrics import ENGINE_METRICS, FLOAT_METRICS, EngineMetric, minkowski

__all__ = ["ENGINE_METRICS", "FLOAT_METRICS", "EngineMetric", "engine_metric"]


def engine_metric(
    metric: object,
    p: float | None = 2,
    metric_params: Mapping[str, Any] | None = None,
    table: Mapping[str, EngineMetric] = ENGINE_METRICS,
) -> EngineMetric | None:
    """The engine's metric for an estimator's three parameters, or None if it has none.

    Parameters
    ----------
    metric : str, callable or DistanceMetric
    p : float or None
        Used by "minkowski" only. A p in `metric_params` takes precedence, as in scikit-learn.
    metric_params : dict or None
        The engine takes no other parameter, such as weights: scikit-learn computes these.
    table : dict
        The metrics to choose from: those of byte rows, or `FLOAT_METRICS`.
    """
    if not isinstance(metric, str):
        return None
    params = dict(metric_params or {})
    found = table.get(metric)
    if metric == "minkowski":
        p = params.pop("p", p)
        if params.pop("w", None) is not None or not isinstance(p, Real):
            return None
        found = minkowski(float(p))
    return None if params else found
